/*
 * weather_data.c: reads daily weather from CSV. Nothing is guessed: a line that is not as it
 * should be is an error that names it.
 */
#define _POSIX_C_SOURCE 200809L /* getline */
#include "weather_data.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_COLUMNS = 6 };

static const char header[] = "date,precipitation,temp_max,temp_min,wind,weather";

/* What a column's numbers must lie between: the records ever measured on Earth, and some more. */
static const struct {
    const char *name;
    double low, high;
} limits[N_COLUMNS] = {[1] = {"precipitation", 0, 2000},
                       [2] = {"highest temperature", -100, 70},
                       [3] = {"lowest temperature", -100, 70},
                       [4] = {"wind", 0, 150}};

struct reader {
    FILE *file;
    const char *path;
    char *line;
    size_t line_room;
    size_t number; /* of the line, from 1 */
    size_t days_room;
    char *error;
    size_t error_size;
};

__attribute__((format(printf, 2, 3))) static bool fail(struct reader *reader, const char *format,
                                                       ...)
{
    va_list arguments;
    int used =
        snprintf(reader->error, reader->error_size, "%s, line %zu: ", reader->path, reader->number);
    if (used < 0 || (size_t)used >= reader->error_size)
        return false;
    va_start(arguments, format);
    vsnprintf(reader->error + used, reader->error_size - (size_t)used, format, arguments);
    va_end(arguments);
    return false;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days since the day before 1 January of the year 1, in the calendar of today. */
static long day_number(struct date date)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    long years = date.year - 1;
    int leap_day = date.month > 2 && is_leap(date.year);
    return 365 * years + years / 4 - years / 100 + years / 400 + before[date.month - 1] + leap_day +
           date.day;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

static bool parse_date(const char *text, struct date *date)
{
    static const char form[] = "dddd-dd-dd";
    if (strlen(text) != strlen(form))
        return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    sscanf(text, "%4d-%2d-%2d", &date->year, &date->month, &date->day);
    return date->year >= 1 && date->month >= 1 && date->month <= 12 && date->day >= 1 &&
           date->day <= days_in_month(date->year, date->month);
}

/* Plain decimal numbers only: strtod alone takes " 1", "inf" and "0x1p3" too. */
static bool parse_number(const char *text, double *number)
{
    char *end;
    if (!*text || strspn(text, "0123456789.+-eE") != strlen(text))
        return false;
    *number = strtod(text, &end);
    return end != text && !*end;
}

/* Cuts the line at its commas, in place. Returns how many columns there are. */
static size_t split(char *line, char *column[N_COLUMNS])
{
    size_t count = 0;
    for (char *rest = line; rest; count++) {
        char *comma = strchr(rest, ',');
        if (count < N_COLUMNS)
            column[count] = rest;
        if (comma)
            *comma = '\0';
        rest = comma ? comma + 1 : NULL;
    }
    return count;
}

/* The next line without its end, LF or CR LF. False at the end of the file, or with an error. */
static bool next_line(struct reader *reader)
{
    errno = 0;
    ssize_t length = getline(&reader->line, &reader->line_room, reader->file);
    reader->number++;
    if (length < 0 && feof(reader->file))
        return false;
    if (length < 0)
        return fail(reader, "cannot be read: %s", strerror(errno));
    if (strlen(reader->line) != (size_t)length)
        return fail(reader, "holds a zero byte, so this is no text file");
    reader->line[strcspn(reader->line, "\r\n")] = '\0';
    return true;
}

static bool grow(void *array, size_t count, size_t element_size)
{
    void **pointer = array;
    void *larger = realloc(*pointer, count * element_size);
    if (larger)
        *pointer = larger;
    return larger;
}

static bool make_room(struct reader *reader, struct weather *weather)
{
    if (weather->n_days < reader->days_room)
        return true;
    size_t room = reader->days_room ? 2 * reader->days_room : 1024;
    if (!grow(&weather->date, room, sizeof *weather->date) ||
        !grow(&weather->temperature, room, sizeof *weather->temperature) ||
        !grow(&weather->rain, room, sizeof *weather->rain))
        return fail(reader, "memory ran out");
    reader->days_room = room;
    return true;
}

/* Each day follows the one before, and the first is a 1 January. */
static bool check_order(struct reader *reader, const struct weather *weather, struct date date)
{
    if (weather->n_days == 0)
        return (date.month == 1 && date.day == 1) ||
               fail(reader, "the first day must be a 1 January, the data whole years");
    struct date last = weather->date[weather->n_days - 1];
    return day_number(date) == day_number(last) + 1 ||
           fail(reader, "%04d-%02d-%02d does not follow %04d-%02d-%02d", date.year, date.month,
                date.day, last.year, last.month, last.day);
}

static bool read_numbers(struct reader *reader, char *column[N_COLUMNS], double number[N_COLUMNS])
{
    for (size_t i = 1; i < N_COLUMNS - 1; i++) {
        if (!parse_number(column[i], &number[i]))
            return fail(reader, "the %s '%.40s' is not a number", limits[i].name, column[i]);
        if (number[i] < limits[i].low || number[i] > limits[i].high)
            return fail(reader, "the %s %.40s is not between %g and %g", limits[i].name, column[i],
                        limits[i].low, limits[i].high);
    }
    if (number[2] < number[3])
        return fail(reader, "the highest temperature %.40s is below the lowest, %.40s", column[2],
                    column[3]);
    return true;
}

static bool read_day(struct reader *reader, struct weather *weather)
{
    char *column[N_COLUMNS];
    double number[N_COLUMNS];
    struct date date;
    size_t count = split(reader->line, column);
    if (count != N_COLUMNS)
        return fail(reader, "has %zu column%s instead of %d", count, count == 1 ? "" : "s",
                    N_COLUMNS);
    if (!parse_date(column[0], &date))
        return fail(reader, "'%.40s' is not a date like 2012-01-31", column[0]);
    if (!read_numbers(reader, column, number) || !check_order(reader, weather, date) ||
        !make_room(reader, weather))
        return false;
    weather->date[weather->n_days] = date;
    weather->rain[weather->n_days] = number[1];
    weather->temperature[weather->n_days] = (number[2] + number[3]) / 2;
    weather->n_days++;
    return true;
}

static bool check_end(struct reader *reader, struct weather *weather)
{
    if (weather->n_days == 0)
        return fail(reader, "no day follows the header");
    reader->number--; /* the last line is what is wrong, not the end of the file after it */
    struct date last = weather->date[weather->n_days - 1];
    weather->n_years = last.year - weather->date[0].year + 1;
    if (last.month != 12 || last.day != 31)
        return fail(reader, "the data end on %04d-%02d-%02d, but must be whole years", last.year,
                    last.month, last.day);
    return weather->n_years >= 2 || fail(reader, "a trend needs two years at least, this is one");
}

static bool read_all(struct reader *reader, struct weather *weather)
{
    reader->error[0] = '\0';
    if (!next_line(reader))
        return reader->error[0] ? false : fail(reader, "the file is empty");
    if (strcmp(reader->line, header) != 0)
        return fail(reader, "the header is not %s", header);
    while (next_line(reader))
        if (!read_day(reader, weather))
            return false;
    return !reader->error[0] && check_end(reader, weather);
}

bool weather_read(struct weather *weather, const char *path, char *error, size_t error_size)
{
    struct reader reader = {.path = path, .error = error, .error_size = error_size};
    *weather = (struct weather){0};
    reader.file = fopen(path, "r");
    if (!reader.file) {
        snprintf(error, error_size, "%s: cannot be opened: %s", path, strerror(errno));
        return false;
    }
    bool good = read_all(&reader, weather);
    if (!good)
        weather_free(weather);
    free(reader.line);
    fclose(reader.file);
    return good;
}

void weather_free(struct weather *weather)
{
    free(weather->date);
    free(weather->temperature);
    free(weather->rain);
    *weather = (struct weather){0};
}

size_t weather_same_date(const struct weather *weather, size_t index, int year)
{
    struct date date = weather->date[index];
    date.year = weather->date[0].year + year;
    return (size_t)(day_number(date) - day_number(weather->date[0]));
}

/*
 * weather_data.h: daily weather, read from a CSV file and checked line by line.
 *
 * The file holds whole years, at least two, without a gap: what follows resamples stretches of
 * days, and compares the months of one year with those of another.
 */
#ifndef WEATHER_DATA_H
#define WEATHER_DATA_H

#include <stdbool.h>
#include <stddef.h>

struct date {
    int year, month, day; /* from 1 */
};

struct weather {
    size_t n_days;
    int n_years;
    struct date *date;
    double *temperature; /* degrees C, the middle of the day's extremes */
    double *rain;        /* mm of precipitation */
};

/* Reads the file. Returns false with a sentence that names file and line in error; the weather is
 * then empty. Free with weather_free. */
bool weather_read(struct weather *weather, const char *path, char *error, size_t error_size);

void weather_free(struct weather *weather);

/* The index of the calendar date of day number index, in the year-th year of the data, from 0.
 * 29 February is 1 March in other years. */
size_t weather_same_date(const struct weather *weather, size_t index, int year);

#endif

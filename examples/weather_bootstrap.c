/*
 * weather_bootstrap.c: how sure are two numbers drawn from four years of daily weather?
 *
 * The numbers are the warming trend and the mean rain of the wettest calendar month. A bootstrap
 * makes thousands of records that might have been, from pieces of the one that was, and computes
 * both anew from each; their spread tells how far the estimates can be trusted. Each replicate is
 * one delayed call with a seed of its own, so the numbers are the same for every n_jobs,
 * and on one host or on many.
 *
 * The trend is the least-squares slope of the daily mean temperature with a mean for each calendar
 * month in the model: the slope of the anomalies. Both time and temperature are taken from their
 * months' means; with the temperature alone the slope would come out too flat, since time differs
 * between the months of a year as well.
 *
 * A cold day follows a cold day: days that are drawn singly would make the trend look surer than
 * it is. So whole blocks of 30 days are drawn; the correlation of the residuals here is gone after
 * a week. A block is replaced by the same calendar dates of a year drawn at random, since rain and
 * the spread of temperatures have their seasons (the generalized seasonal block bootstrap of
 * Dudek, Leskow, Paparoditis and Politis, 2014). The first block is shorter by chance, so that the
 * seams fall anywhere. Rain is resampled as it is; of the temperature, what the trend and the
 * season leave over, which is then added to them, so that the trend stays what is asked about.
 *
 * Four years are weather, not climate: the interval tells what chance from month to month does to
 * this slope, and nothing about the decades around it. Blocks drawn from so few years make it, if
 * anything, too narrow.
 *
 * Reading is in weather_data.c, the picture in histogram_svg.c.
 */
#include <errno.h>
#include <math.h>
#include <parcel.h>
#include <stdlib.h>

#include "histogram_svg.h"
#include "weather_bootstrap.h"
#include "weather_data.h"

#ifndef PARCEL_EXAMPLE_DATA
#define PARCEL_EXAMPLE_DATA "data/seattle-weather.csv"
#endif

enum { BLOCK_DAYS = 30, MIN_REPLICATES = 100, MAX_REPLICATES = 10000000 };

static const double days_per_year = 365.25;

static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};

/* What is estimated, and what a replicate returns. */
struct estimate {
    double trend; /* degrees C per year */
    double rain;  /* mm per month, the mean of the wettest calendar month */
};

/* A straight line with its own height for each calendar month; months from 0. */
struct fit {
    double slope; /* degrees C per year */
    double mean_time[12], mean_temperature[12];
};

/* What all replicates read and none writes. */
struct study {
    struct weather weather;
    struct fit fit;
    double *residual; /* of each day's temperature */
    int wettest;      /* month, from 0 */
    struct estimate original;
};

static double time_of(size_t day)
{
    return (double)day / days_per_year;
}

static struct fit fit_trend(const struct weather *weather, const double *temperature)
{
    struct fit fit = {0};
    size_t days[12] = {0};
    double products = 0, squares = 0;
    for (size_t i = 0; i < weather->n_days; i++) {
        int month = weather->date[i].month - 1;
        fit.mean_time[month] += time_of(i);
        fit.mean_temperature[month] += temperature[i];
        days[month]++;
    }
    for (int month = 0; month < 12; month++) {
        fit.mean_time[month] /= (double)days[month];
        fit.mean_temperature[month] /= (double)days[month];
    }
    for (size_t i = 0; i < weather->n_days; i++) {
        int month = weather->date[i].month - 1;
        double time = time_of(i) - fit.mean_time[month];
        products += time * (temperature[i] - fit.mean_temperature[month]);
        squares += time * time;
    }
    fit.slope = products / squares;
    return fit;
}

static double fitted(const struct study *study, size_t day)
{
    const struct fit *fit = &study->fit;
    int month = study->weather.date[day].month - 1;
    return fit->mean_temperature[month] + fit->slope * (time_of(day) - fit->mean_time[month]);
}

/* The mean over the years of a calendar month's rain. */
static double mean_rain(const struct weather *weather, const double *rain, int month)
{
    double sum = 0;
    for (size_t i = 0; i < weather->n_days; i++)
        if (weather->date[i].month - 1 == month)
            sum += rain[i];
    return sum / weather->n_years;
}

/* The month is the original data's wettest in each replicate too: each replicate's own wettest
 * would be chosen for its luck, and so be too wet. */
static struct estimate estimate(const struct study *study, const double *temperature,
                                const double *rain)
{
    return (struct estimate){.trend = fit_trend(&study->weather, temperature).slope,
                             .rain = mean_rain(&study->weather, rain, study->wettest)};
}

/* A random number below limit, from the generator splitmix64 (Steele, Lea, Flood, 2014). It has 64
 * bits of state, and seeds that differ by one are far apart in its sequence. */
static int random_below(uint64_t *state, int limit)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (int)(((z ^ (z >> 31)) >> 32) * (uint64_t)limit >> 32);
}

/* Fills in a record that might have been. The last day is followed by the first, so that the ends
 * of the record are drawn as often as its middle. */
static void resample(const struct study *study, uint64_t seed, double *temperature, double *rain)
{
    const struct weather *weather = &study->weather;
    size_t source = 0, block_end = 0;
    uint64_t state = seed;
    for (size_t i = 0; i < weather->n_days; i++) {
        source = source + 1 < weather->n_days ? source + 1 : 0;
        if (i == block_end) {
            int shorter = i == 0 ? random_below(&state, BLOCK_DAYS) : 0;
            block_end += (size_t)(BLOCK_DAYS - shorter);
            source = weather_same_date(weather, i, random_below(&state, weather->n_years));
        }
        temperature[i] = fitted(study, i) + study->residual[source];
        rain[i] = weather->rain[source];
    }
}

static struct estimate replicate(const struct study *study, uint64_t seed)
{
    struct estimate result = {0};
    size_t n_days = study->weather.n_days;
    double *days = calloc(2 * n_days, sizeof *days);
    if (!days) {
        parcel_fail("memory for %zu days ran out", n_days);
        return result;
    }
    resample(study, seed, days, days + n_days);
    result = estimate(study, days, days + n_days);
    free(days);
    return result;
}
DELAYED(struct estimate, replicate, const struct study *, uint64_t);

static int wettest_month(const struct weather *weather)
{
    int wettest = 0;
    for (int month = 1; month < 12; month++)
        if (mean_rain(weather, weather->rain, month) > mean_rain(weather, weather->rain, wettest))
            wettest = month;
    return wettest;
}

static bool prepare(struct study *study, const char *path, char *error, size_t error_size)
{
    struct weather *weather = &study->weather;
    if (!weather_read(weather, path, error, error_size))
        return false;
    study->residual = malloc(weather->n_days * sizeof *study->residual);
    if (!study->residual) {
        snprintf(error, error_size, "%s: memory ran out", path);
        return false;
    }
    study->wettest = wettest_month(weather);
    study->fit = fit_trend(weather, weather->temperature);
    study->original = estimate(study, weather->temperature, weather->rain);
    for (size_t i = 0; i < weather->n_days; i++)
        study->residual[i] = weather->temperature[i] - fitted(study, i);
    return true;
}

/* One quantity over all replicates, in ascending order, and what is said about it. */
struct distribution {
    double *values;
    size_t count;
    double low, high; /* 95 % of the replicates lie between */
};

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* Between two neighbours the quantile is interpolated, as R and NumPy do by default. */
static double quantile(const double *values, size_t count, double part)
{
    double place = part * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 >= count)
        return values[count - 1];
    return values[below] + (place - (double)below) * (values[below + 1] - values[below]);
}

static void summarise(struct distribution *distribution)
{
    qsort(distribution->values, distribution->count, sizeof *distribution->values, compare);
    distribution->low = quantile(distribution->values, distribution->count, 0.025);
    distribution->high = quantile(distribution->values, distribution->count, 0.975);
}

/* A failed replicate is left out. Returns false when memory ran out or too few are left. */
static bool collect(const parcel_results *results, struct distribution *trend,
                    struct distribution *rain)
{
    size_t count = parcel_results_count(results);
    trend->values = calloc(count + 1, sizeof *trend->values);
    rain->values = calloc(count + 1, sizeof *rain->values);
    if (!trend->values || !rain->values)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (parcel_results_status(results, i) != PARCEL_OK)
            continue;
        struct estimate one = parcel_get(results, i, struct estimate);
        trend->values[trend->count++] = one.trend;
        rain->values[rain->count++] = one.rain;
    }
    if (trend->count < MIN_REPLICATES)
        return false;
    summarise(trend);
    summarise(rain);
    return true;
}

static parcel_results *run(const struct study *study, size_t n_replicates)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < n_replicates; i++)
        parcel_calls_add(calls, delayed(replicate)(study, i));
    /* n_jobs is left alone, and so to whoever runs the program: PARCEL_N_JOBS=4. */
    parcel_results *results = Parallel(.verbose = 5, .on_error = PARCEL_COLLECT)(calls);
    parcel_calls_free(calls);
    return results;
}

static void report(const struct study *study, const parcel_results *results,
                   const struct distribution *trend, const struct distribution *rain)
{
    const struct weather *weather = &study->weather;
    printf("%zu days of weather, %d to %d\n", weather->n_days, weather->date[0].year,
           weather->date[0].year + weather->n_years - 1);
    printf("warming trend: %.2f degrees C per year, 95 %% interval %.2f to %.2f\n",
           study->original.trend, trend->low, trend->high);
    printf("mean rain of the wettest month, %s: %.1f mm per month, 95 %% interval %.1f to %.1f\n",
           month_names[study->wettest], study->original.rain, rain->low, rain->high);
    printf("%zu replicates, %zu failed\n", parcel_results_count(results),
           parcel_results_failures(results));
}

static void draw(FILE *file, const struct study *study, const struct distribution *trend,
                 const struct distribution *rain)
{
    const struct weather *weather = &study->weather;
    char rain_title[80], source[160];
    snprintf(rain_title, sizeof rain_title, "Mean rain of the wettest month, %s",
             month_names[study->wettest]);
    snprintf(source, sizeof source,
             "%zu block-bootstrap replicates of %zu days, %d to %d. Band: 95 %% percentile "
             "interval; line: estimate.",
             trend->count, weather->n_days, weather->date[0].year,
             weather->date[0].year + weather->n_years - 1);
    const struct histogram histograms[] = {{"Warming trend", "&#176;C per year", trend->values,
                                            trend->count, study->original.trend, trend->low,
                                            trend->high, 2},
                                           {rain_title, "mm per month", rain->values, rain->count,
                                            study->original.rain, rain->low, rain->high, 1}};
    histogram_svg_write(file, "Two numbers from daily weather, and how sure they are", source,
                        histograms, 2);
}

/* Runs the bootstrap and writes the picture. False with a sentence in error. */
static bool bootstrap(const struct study *study, size_t n_replicates, FILE *picture, char *error,
                      size_t error_size)
{
    struct distribution trend = {0}, rain = {0};
    parcel_results *results = run(study, n_replicates);
    bool good = collect(results, &trend, &rain);
    if (good) {
        report(study, results, &trend, &rain);
        draw(picture, study, &trend, &rain);
        parcel_results_print_summary(results, stderr);
    } else {
        const char *why = parcel_results_error(results);
        snprintf(error, error_size, "too few replicates: %s", why ? why : "memory ran out");
    }
    free(trend.values);
    free(rain.values);
    parcel_results_free(results);
    return good;
}

/* The picture is opened first, so that a bad path costs no run, and closed with a look at whether
 * all of it was written. */
static bool bootstrap_to(const struct study *study, size_t n_replicates, const char *path,
                         char *error, size_t error_size)
{
    FILE *picture = fopen(path, "w");
    if (!picture) {
        snprintf(error, error_size, "%s: cannot be opened for writing: %s", path, strerror(errno));
        return false;
    }
    bool good = bootstrap(study, n_replicates, picture, error, error_size);
    bool written = !ferror(picture);
    written = fclose(picture) == 0 && written;
    if (good && !written)
        snprintf(error, error_size, "%s: cannot be written: %s", path, strerror(errno));
    return good && written;
}

/* Digits only: strtoul alone takes "-1" and "12x" too. */
static bool parse_replicates(const char *text, size_t *n_replicates)
{
    unsigned long number = strtoul(text, NULL, 10);
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return false;
    *n_replicates = number;
    return number >= MIN_REPLICATES && number <= MAX_REPLICATES;
}

static int complain(const char *program, const char *sentence)
{
    fprintf(stderr, "%s: %s\n", program, sentence);
    return EXIT_FAILURE;
}

/* Runs a part of the replicates, whose results another rank has and reports. */
static bool help(const struct study *study, size_t n_replicates)
{
    parcel_results_free(run(study, n_replicates));
    return true;
}

int weather_bootstrap(const char *program, int argc, char **argv, bool has_results)
{
    const char *data = argc > 1 ? argv[1] : PARCEL_EXAMPLE_DATA;
    const char *picture = argc > 2 ? argv[2] : "bootstrap_weather.svg";
    struct study study = {0};
    size_t n_replicates = 10000;
    char error[1024];

    if (argc > 4) {
        snprintf(error, sizeof error, "usage: %s [CSV [SVG [REPLICATES]]]", program);
        return complain(program, error);
    }
    if (argc > 3 && !parse_replicates(argv[3], &n_replicates)) {
        snprintf(error, sizeof error, "REPLICATES must be a whole number from %d to %d, not '%s'",
                 MIN_REPLICATES, MAX_REPLICATES, argv[3]);
        return complain(program, error);
    }
    bool good = prepare(&study, data, error, sizeof error) &&
                (has_results ? bootstrap_to(&study, n_replicates, picture, error, sizeof error)
                             : help(&study, n_replicates));
    weather_free(&study.weather);
    free(study.residual);
    if (!good)
        return complain(program, error);
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS
                                                  : complain(program, "cannot write stdout");
}

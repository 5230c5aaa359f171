/*
 * report.h: what was measured, as a table for people and as rows of a csv file.
 *
 * A question prints rows (one contender each, beside its baseline) or a matrix (a line a case, a
 * column a contender, one of which is held to a target).
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "harness.h"

/* What a row promises of its figure, or of its ratio to the baseline. */
enum bench_promise { BENCH_NONE, BENCH_AT_MOST, BENCH_AT_LEAST, BENCH_RATIO_AT_MOST };

struct bench_row {
    const char *name;
    const struct bench_contender *measured;
    const struct bench_contender *baseline; /* or NULL */
    double scale;                           /* from samples to the unit that is printed */
    const char *unit;
    enum bench_promise promise;
    double target;
};

/* A line of a matrix. The judged contender is to reach the floor, and the best peer less a
 * hundredth. */
struct bench_line {
    const char *name;
    const struct bench_contender *contenders;
    size_t count;
    size_t n_peers;                       /* they come first */
    const struct bench_contender *judged; /* or NULL */
    double floor;
    const char *unit;
};

/* Prints the machine, and opens the csv file, if one is named. */
void bench_open_report(struct bench *bench, const char *csv_path);

/* Prints the sums, and closes the csv file. */
void bench_close_report(struct bench *bench);

/* Prints the heading of a question's rows. */
void bench_heading(const char *question);
void bench_print_row(struct bench *bench, const struct bench_row *row);

/* Prints the heading of a matrix: first is what its lines' names are. */
void bench_matrix_heading(const char *question, const char *first,
                          const struct bench_contender *contenders, size_t count);
void bench_print_line(struct bench *bench, const struct bench_line *line);

#endif

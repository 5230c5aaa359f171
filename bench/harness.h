/*
 * harness.h: measuring contenders side by side, and the table of what came out.
 *
 * All contenders of a question are measured in turn in each round, each with a warm team, and
 * each round starts with another one. What is printed is the median over the rounds; a ratio is
 * the median of the rounds' ratios, so that what slows a whole round down cancels out.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>

enum { BENCH_MOST_ROUNDS = 64, BENCH_WORKERS = 2 };

struct bench {
    bool is_quick;
    int rounds;
    int n_ok;
    int n_missed;
    int n_turns;
    int n_disturbed; /* turns in which others took processor time, even when repeated */
    int n_repeated;  /* repetitions */
    double patience; /* seconds that repetitions may still take */
};

/* One way to do what a question asks about. */
struct bench_contender {
    const char *name;
    double (*measure)(void *state); /* returns one sample: seconds, or any other figure */
    void *state;
    double samples[BENCH_MOST_ROUNDS]; /* one a round */
    int n_disturbed;                   /* samples among them that others took time of */
};

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

/* Reads the command line ("quick" or nothing) and prints the machine; false: it is wrong. */
bool bench_open(struct bench *bench, int argc, char **argv);

/* Prints the sums; returns the program's exit status. */
int bench_close(const struct bench *bench);

/* Measures all contenders in interleaved rounds. */
void bench_rounds(struct bench *bench, struct bench_contender *contenders, size_t count);

double bench_median(const struct bench *bench, const struct bench_contender *contender);
double bench_ratio(const struct bench *bench, const struct bench_contender *contender,
                   const struct bench_contender *baseline);

/* Prints the heading of a question's rows. */
void bench_heading(const char *question);
void bench_print_row(struct bench *bench, const struct bench_row *row);

/* True when others took time of most of its samples: its figure then says little. */
bool bench_is_disturbed(const struct bench *bench, const struct bench_contender *contender);

/* Counts a promise and returns how the table says it. */
const char *bench_verdict(struct bench *bench, bool is_kept, bool is_disturbed);

/* Seconds of a monotonic clock. */
double bench_now(void);

/* Says what is wrong and ends the program: a bench that computes nonsense measures nothing. */
void bench_require(bool holds, const char *what);

#endif

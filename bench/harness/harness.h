/*
 * harness.h: measuring contenders side by side.
 *
 * All contenders of a question are measured in turn in each round, each with awake threads if it
 * does not say otherwise, and each round starts with another one. What is reported is the median
 * over the rounds; a ratio is the median of the rounds' ratios, so that what slows a whole round
 * down cancels out.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { BENCH_MOST_ROUNDS = 64, BENCH_WORKERS = 2 };

struct bench {
    bool is_quick;
    int rounds;
    bool is_crowded;      /* a question makes threads wait for processors: that is no disturbance */
    const char *question; /* its name on the command line and in the csv file */
    FILE *csv;            /* or NULL */
    double start;         /* when the first question was asked */
    int n_ok;
    int n_missed;
    int n_turns;
    int n_disturbed; /* turns in which others took processor time, even when repeated */
    int n_repeated;  /* repetitions */
    double patience; /* seconds that repetitions may still take */
};

/* Threads of one owner. A team that still looks for work would take another's processors, so that
 * between contenders of different teams the harness waits until all threads sleep. */
struct bench_team {
    void (*warm)(void); /* wakes its threads; NULL: nothing to do */
};

/* One way to do what a question asks about. */
struct bench_contender {
    const char *name;
    const char *column;             /* its heading in a matrix */
    double (*measure)(void *state); /* returns one sample: seconds, or any other figure */
    void *state;
    const struct bench_team *team; /* NULL: OpenMP's, or no threads */
    double idle; /* seconds for which all threads sleep before a sample; 0: they are awake */
    double samples[BENCH_MOST_ROUNDS]; /* one a round */
    int n_disturbed;                   /* samples among them that others took time of */
};

/* The part of the processors' time that others may take in a turn without its being repeated. */
extern const double bench_tolerated;

/* Runs something short until it took no longer than that for a millisecond: a runtime's threads
 * fall asleep, wake up where another runs, and who comes first after a pause would pay for it. */
void bench_warm(void (*run)(void), double awake);

/* Measures all contenders in interleaved rounds. */
void bench_rounds(struct bench *bench, struct bench_contender *contenders, size_t count);

double bench_median(const struct bench *bench, const struct bench_contender *contender);
double bench_quantile(const struct bench *bench, const struct bench_contender *contender,
                      double part);
double bench_ratio(const struct bench *bench, const struct bench_contender *contender,
                   const struct bench_contender *baseline);

/* True when others took time of most of its samples: its figure then says little. */
bool bench_is_disturbed(const struct bench *bench, const struct bench_contender *contender);

/* Seconds of a monotonic clock. */
double bench_now(void);

/* Says what is wrong and ends the program: a bench that computes nonsense measures nothing. */
void bench_require(bool holds, const char *what);

#endif

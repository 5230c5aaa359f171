/*
 * question_cold.c: runs after a pause, whose threads sleep.
 *
 * The kernel may wake a thread on the cpu of the one that wakes it, where it waits for as long as
 * that one works or spins. A sample is one run; whether a thread is woken well varies, so there
 * are more rounds than elsewhere.
 */
#include <stdlib.h>

#include "contest.h"
#include "costs.h"
#include "questions.h"

static const double pause = 20e-3;

static const struct {
    const char *name;
    size_t count;
    double length;
} runs[] = {{"2 calls of 1 us", 2, 1e-6},
            {"100 calls of 10 us", 100, 10e-6},
            {"1,000 calls of 10 us", 1000, 10e-6}};

enum { N_RUNS = sizeof runs / sizeof *runs, MOST_CALLS = 1000 };

static void print_row(struct bench *bench, const char *name, const struct bench_contender *measured,
                      const struct bench_contender *best)
{
    char text[64];
    snprintf(text, sizeof text, "%s: %s", name, measured->name);
    bench_print_row(bench, &(struct bench_row){text, measured, best, 1e6, "us a run",
                                               best ? BENCH_RATIO_AT_MOST : BENCH_NONE, 1.01});
}

/* The loops by hand, and the list beside the better of them. */
static void ask(struct bench *bench, const char *name, struct contest *contest)
{
    struct bench_contender *contenders = shown(contest), *list = &contenders[contest->n_peers];
    const struct bench_contender *best = contenders;
    *list = contenders[n_shown(contest) - 1]; /* a map's threads sleep like a list's */
    for (size_t i = 0; i <= contest->n_peers; i++)
        contenders[i].idle = pause;
    bench_rounds(bench, contenders, contest->n_peers + 1);
    for (size_t i = 0; i < contest->n_peers; i++) {
        print_row(bench, name, &contenders[i], NULL);
        if (bench_median(bench, &contenders[i]) < bench_median(bench, best))
            best = &contenders[i];
    }
    print_row(bench, name, list, best);
}

void question_cold(struct bench *bench)
{
    static const char *const names[] = {"omp static", "omp dynamic 1", NULL};
    struct pair pairs[MOST_CALLS];
    int rounds = bench->rounds;
    bench->rounds = bench->is_quick ? 15 : 31;
    bench->is_crowded = true; /* threads that wait for a cpu are what is asked about */
    bench_heading("Runs after 20 ms of idleness, the list beside the better loop by hand");
    for (size_t i = 0; i < N_RUNS; i++) {
        struct contest contest;
        fill_equal(runs[i].length, pairs, runs[i].count);
        new_contest(&contest, pairs, runs[i].count);
        keep_peers(&contest, names);
        ask(bench, runs[i].name, &contest);
        free_contest(&contest);
    }
    bench->is_crowded = false;
    bench->rounds = rounds;
}

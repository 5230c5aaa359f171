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

/* What a hundredth of a run is lost to is not its threads' sleep. */
static const double most_ratio = 1.01;

/* Beside the peers that are kept; in the map's place, which would be woken in the same way. */
static void ask(struct bench *bench, const char *name, struct contest *contest)
{
    struct bench_contender *contenders = shown(contest), *list = &contenders[contest->n_peers];
    *list = contenders[n_shown(contest) - 1];
    for (size_t i = 0; i <= contest->n_peers; i++)
        contenders[i].idle = pause;
    bench_rounds(bench, contenders, contest->n_peers + 1);
    for (size_t i = 0; i < contest->n_peers; i++)
        bench_print_row(bench, &(struct bench_row){name, list, &contenders[i], 1e6, "us a run",
                                                   BENCH_RATIO_AT_MOST, most_ratio});
}

void question_cold(struct bench *bench)
{
    static const char *const names[] = {"omp static", "omp dynamic 1", NULL};
    struct pair pairs[MOST_CALLS];
    int rounds = bench->rounds;
    bench->rounds = bench->is_quick ? 15 : 31;
    bench->is_crowded = true; /* threads that wait for a cpu are what is asked about */
    bench_heading("Runs of a list after 20 ms of idleness, beside loops by hand");
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

/* question_workers.c: whether more workers than cpus do harm. Figures are the speed with each
 * n_jobs as a part of that with n_jobs = 2. */
#include <stdlib.h>

#include "contest.h"
#include "costs.h"
#include "questions.h"

enum { MOST_WORKERS = 16, N_CALLS = 4000 };

/* A run with some number of workers, as a contender's state. */
struct crowd {
    struct run run;
    const parcel_calls *few; /* empty calls, which make the team as large as it will be */
};

static double measure_crowd(void *state)
{
    struct crowd *crowd = state;
    parcel_results_free(parcel_run(&crowd->run.options, crowd->few));
    return measure_parcel(&crowd->run);
}

/* Turns seconds into parts of the speed with 2 workers. Returns the slowest above them. */
static struct bench_contender *turn_into_speeds(const struct bench *bench,
                                                struct bench_contender *contenders)
{
    struct bench_contender two = contenders[2 - 1], *worst = &contenders[3 - 1];
    for (int i = 0; i < MOST_WORKERS; i++)
        for (int round = 0; round < bench->rounds; round++)
            contenders[i].samples[round] = two.samples[round] / contenders[i].samples[round];
    for (int i = 3; i < MOST_WORKERS; i++)
        if (bench_median(bench, &contenders[i]) < bench_median(bench, worst))
            worst = &contenders[i];
    return worst;
}

static void ask(struct bench *bench, const char *name, struct pair *pairs, bool is_first)
{
    static const struct pair none[MOST_WORKERS];
    static char names[MOST_WORKERS][16];
    struct crowd crowds[MOST_WORKERS];
    struct bench_contender contenders[MOST_WORKERS];
    parcel_calls *calls = new_spin_list(pairs, N_CALLS), *few = new_empty_list(none, MOST_WORKERS);
    int last = spin_pair(pairs[N_CALLS - 1]);
    for (int i = 0; i < MOST_WORKERS; i++) {
        snprintf(names[i], sizeof names[i], "n_jobs %d", i + 1);
        crowds[i] = (struct crowd){{calls, {.n_jobs = i + 1}, last, false, 0}, few};
        contenders[i] = (struct bench_contender){.name = names[i],
                                                 .column = names[i] + sizeof "n_jobs",
                                                 .measure = measure_crowd,
                                                 .state = &crowds[i]};
    }
    if (is_first)
        bench_matrix_heading("4,000 calls, n_jobs from 1 to 16: speed beside n_jobs = 2", "n_jobs",
                             contenders, MOST_WORKERS);
    bench_rounds(bench, contenders, MOST_WORKERS);
    const struct bench_contender *worst = turn_into_speeds(bench, contenders);
    bench_print_line(bench, &(struct bench_line){name, contenders, MOST_WORKERS, 0, worst, 0.9,
                                                 "of n_jobs = 2"});
    parcel_calls_free(calls);
    parcel_calls_free(few);
}

void question_workers(struct bench *bench)
{
    struct pair *pairs = new_pairs(N_CALLS);
    bench->is_crowded = true;
    fill_equal(10e-6, pairs, N_CALLS);
    ask(bench, "equal, 10 us", pairs, true);
    fill_shape(SHAPE_LOGNORMAL, pairs, N_CALLS);
    ask(bench, "lognormal, mean 10 us", pairs, false);
    bench->is_crowded = false;
    free(pairs);
}

/* question_schedules.c: a list by OpenMP's plain schedules and by the adaptive one: one user's loop
 * that knows its calls beside one that does not. */
#include <stdlib.h>

#include "contest.h"
#include "costs.h"
#include "questions.h"

static const struct {
    const char *name;
    parcel_schedule schedule;
} schedules[] = {{"static", PARCEL_STATIC},
                 {"guided", PARCEL_GUIDED},
                 {"dynamic", PARCEL_DYNAMIC},
                 {"adaptive", PARCEL_ADAPTIVE}};

enum { N_SCHEDULES = sizeof schedules / sizeof *schedules, MOST_CALLS = 1000000 };

/* The serial loop comes first, the adaptive schedule last. */
enum { N_CONTENDERS = 1 + N_SCHEDULES };

static void add_schedules(struct bench_contender *contenders, struct run *runs,
                          const struct run *run)
{
    for (int i = 0; i < N_SCHEDULES; i++) {
        runs[i] = *run;
        runs[i].options.schedule = schedules[i].schedule;
        contenders[i] = parcel_contender(schedules[i].name, &runs[i]);
        contenders[i].column = schedules[i].name;
    }
}

static void ask(struct bench *bench, const char *name, struct raw_call *raw, parcel_calls *calls,
                size_t count)
{
    struct run runs[N_SCHEDULES];
    struct peer_run serial = {NULL, raw, count};
    struct bench_contender contenders[N_CONTENDERS] = {serial_contender(&serial)};
    int last = raw[count - 1].function(raw[count - 1].first, raw[count - 1].second);
    add_schedules(contenders + 1, runs,
                  &(struct run){calls, {.n_jobs = BENCH_WORKERS}, last, false, 0});
    bench_rounds(bench, contenders, N_CONTENDERS);
    turn_into_efficiencies(bench, contenders, contenders + 1, N_SCHEDULES,
                           1.0 / (double)BENCH_WORKERS);
    bench_print_line(bench, &(struct bench_line){name, contenders + 1, N_SCHEDULES, N_SCHEDULES - 1,
                                                 &contenders[N_SCHEDULES], 0, "efficiency"});
    parcel_calls_free(calls);
    free(raw);
}

static void ask_spins(struct bench *bench, const char *name, const struct pair *pairs, size_t count)
{
    ask(bench, name, new_raw_calls(spin, pairs, count), new_spin_list(pairs, count), count);
}

void question_schedules(struct bench *bench)
{
    size_t few = bench->is_quick ? 2000 : 20000;
    struct pair *pairs = new_pairs(MOST_CALLS);
    struct bench_contender headings[N_SCHEDULES];
    add_schedules(headings, (struct run[N_SCHEDULES]){{0}}, &(struct run){0});
    bench_matrix_heading("A list by Parcel's schedules: efficiency on 2 workers", "calls", headings,
                         N_SCHEDULES);
    for (int i = 0; i < MOST_CALLS; i++)
        pairs[i] = (struct pair){i, 1};
    ask(bench, "empty", new_raw_calls(empty, pairs, MOST_CALLS), new_empty_list(pairs, MOST_CALLS),
        MOST_CALLS);
    fill_equal(1e-6, pairs, 10 * few);
    ask_spins(bench, "equal, 1 us", pairs, 10 * few);
    fill_shape(SHAPE_LOGNORMAL, pairs, few);
    ask_spins(bench, "lognormal, mean 10 us", pairs, few);
    free(pairs);
}

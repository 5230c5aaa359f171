/*
 * question_processes.c: calls in worker processes, beside joblib's loky and multiprocessing.
 *
 * The threads that attend to the workers wait for processors that the workers have: only what the
 * host takes is a disturbance. The figures of Python include its own interpretation of each call.
 */
#include <stdlib.h>

#include "contest.h"
#include "costs.h"
#include "python_contest.h"
#include "questions.h"
#include "report.h"
#include "worker_costs.h"

static const char *const processes = "processes";

/* The workers sleep unless they are asked. */
static const struct bench_team team_processes = {NULL};

/* ---- runs of empty calls ---- */

/* Runs of Python beside one of Parcel's, in the unit of the row. */
static void ask_beside_python(struct bench *bench, const struct bench_row *row,
                              const struct python_runs *wanted)
{
    struct python_run runs[N_PYTHON_PEERS];
    struct bench_contender contenders[N_PYTHON_PEERS + 1] = {*row->measured};
    size_t n = python_contenders(contenders + 1, runs, wanted);
    struct bench_row printed = *row;
    bench_rounds(bench, contenders, n + 1);
    printed.measured = &contenders[0];
    bench_print_row(bench, &printed);
    for (size_t i = 1; i <= n; i++) {
        char text[64];
        snprintf(text, sizeof text, "  %s", contenders[i].name);
        bench_print_row(bench, &(struct bench_row){text, &contenders[i], &contenders[0], row->scale,
                                                   row->unit, BENCH_NONE, 0});
    }
}

static void ask_first_run(struct bench *bench)
{
    enum { COUNT = 1000 };
    struct pair pairs[COUNT] = {{0}};
    parcel_calls *calls = new_empty_list(pairs, COUNT);
    struct run run = {calls, {.n_jobs = BENCH_WORKERS, .backend = processes}, 0, false, 0};
    struct bench_contender list = parcel_contender("parcel list", &run);
    list.team = &team_processes;
    ask_beside_python(bench,
                      &(struct bench_row){"1,000 calls, start and end included", &list, NULL, 1e3,
                                          "ms a run", BENCH_AT_MOST, 1},
                      &(struct python_runs){{JOBLIB_LOKY_COLD, "empty", COUNT, 0}, POOL_MAP_COLD});
    parcel_calls_free(calls);
}

static void ask_warm_run(struct bench *bench)
{
    static const struct pair pairs[BENCH_WORKERS];
    parcel_calls *calls = new_empty_list(pairs, BENCH_WORKERS);
    struct run run = {calls,
                      {.n_jobs = BENCH_WORKERS, .backend = processes},
                      0,
                      false,
                      bench->is_quick ? 100 : 1000};
    struct bench_contender executor = parcel_contender("parcel executor", &run);
    executor.team = &team_processes;
    ask_beside_python(
        bench,
        &(struct bench_row){"2 calls, warm workers", &executor, NULL, 1e6, "us a run",
                            BENCH_AT_MOST, 100},
        &(struct python_runs){{JOBLIB_LOKY, "empty", BENCH_WORKERS, 0}, POOL_MAP_BY_ONE});
    parcel_calls_free(calls);
}

/* Python's runs are shorter, since they take long. */
static void ask_python_empty(struct bench *bench)
{
    struct python_run runs[N_PYTHON_PEERS];
    struct bench_contender contenders[N_PYTHON_PEERS];
    int count = bench->is_quick ? 1000 : 5000;
    size_t n = python_contenders(
        contenders, runs, &(struct python_runs){{JOBLIB_LOKY, "empty", count, 0}, POOL_MAP_BY_ONE});
    bench_rounds(bench, contenders, n);
    for (size_t i = 0; i < n; i++) {
        char text[64];
        snprintf(text, sizeof text, "%d calls: %s", count, contenders[i].name);
        bench_print_row(bench, &(struct bench_row){text, &contenders[i], NULL, 1e6 / count,
                                                   "us a call", BENCH_NONE, 0});
    }
}

/* A list that stood before the workers needs no copy; to those of an executor it is sent. */
static void ask_empty(struct bench *bench)
{
    int count = bench->is_quick ? 200000 : 1000000;
    struct pair *pairs = new_pairs((size_t)count);
    for (int i = 0; i < count; i++)
        pairs[i] = (struct pair){i, 1};
    parcel_calls *calls = new_empty_list(pairs, (size_t)count);
    struct run run = {calls, {.n_jobs = BENCH_WORKERS, .backend = processes}, count, false, 0},
               warm = run;
    warm.n_warm = 1;
    struct bench_contender contenders[] = {parcel_contender("parcel list", &run),
                                           parcel_contender("parcel executor", &warm)};
    contenders[0].team = contenders[1].team = &team_processes;
    bench_rounds(bench, contenders, 2);
    const struct bench_row rows[] = {{"empty calls, a list that stood", &contenders[0], NULL,
                                      1e6 / count, "us a call", BENCH_AT_MOST, 0.3},
                                     {"empty calls, sent to warm workers", &contenders[1],
                                      &contenders[0], 1e6 / count, "us a call", BENCH_AT_MOST,
                                      0.3}};
    for (size_t i = 0; i < 2; i++)
        bench_print_row(bench, &rows[i]);
    parcel_calls_free(calls);
    free(pairs);
}

/* ---- longer calls ---- */

static void ask_lengths(struct bench *bench)
{
    int count = bench->is_quick ? 1000 : 4000;
    const struct python_calls hundred = {JOBLIB_LOKY, POOL_MAP_BY_ONE, processes,
                                         "spin",      count,           steps_of(100e-6)};
    struct python_calls thousand = hundred;
    thousand.count = count / 10;
    thousand.steps = steps_of(1e-3);
    ask_python_line(
        bench, &(struct python_line){"100 us", "Calls in processes: efficiency on 2 workers", 0.94},
        &hundred);
    ask_python_line(bench, &(struct python_line){"1 ms", NULL, 0.96}, &thousand);
}

void question_processes(struct bench *bench)
{
    bench->is_crowded = true;
    parcel_trim(); /* what other questions left would be copied with the process */
    bench_heading("Runs of empty calls in 2 processes");
    ask_first_run(bench);
    ask_warm_run(bench);
    ask_empty(bench);
    ask_python_empty(bench);
    ask_lengths(bench);
    ask_worker_costs(bench);
    bench->is_crowded = false;
}

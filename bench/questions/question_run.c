/* question_run.c: what a run costs that has next to nothing to do, with the team awake. */
#include <parcel.h>

#include "questions.h"
#include "report.h"
#include "runs.h"

enum { N_RUNS = 1000, N_CALLS = BENCH_WORKERS };
static const double us_a_run = 1e6 / (double)N_RUNS;

static double measure_region(void *state)
{
    (void)state;
    double start = bench_now();
    for (int i = 0; i < N_RUNS; i++) {
#pragma omp parallel num_threads(BENCH_WORKERS)
        __asm__ volatile("" ::: "memory"); /* the region is opened */
    }
    return bench_now() - start;
}

static double measure_runs(void *state)
{
    const struct run *run = state;
    double start = bench_now();
    for (int i = 0; i < N_RUNS; i++)
        parcel_results_free(parcel_run(&run->options, run->calls));
    return bench_now() - start;
}

static double measure_executor(void *calls)
{
    parcel_executor *executor = parcel_open(&(parcel_options){.n_jobs = BENCH_WORKERS});
    double start = bench_now();
    for (int i = 0; i < N_RUNS; i++)
        parcel_results_free(parcel_executor_run(executor, calls));
    double seconds = bench_now() - start;
    parcel_close(executor);
    return seconds;
}

void question_run(struct bench *bench)
{
    const struct pair arguments[N_CALLS] = {{0}};
    parcel_calls *calls = new_empty_list(arguments, N_CALLS);
    struct run two = {calls, {.n_jobs = BENCH_WORKERS}, 0, false, 0},
               one = {calls, {.n_jobs = 1}, 0, false, 0};
    enum { RUN, EXECUTOR, RUN_ONE, REGION, N };
    struct bench_contender contenders[N] = {
        [RUN] = {.name = "run", .measure = measure_runs, .state = &two},
        [EXECUTOR] = {.name = "executor", .measure = measure_executor, .state = calls},
        [RUN_ONE] = {.name = "run, 1", .measure = measure_runs, .state = &one},
        [REGION] = {.name = "empty omp parallel", .measure = measure_region, .state = NULL},
    };
    bench_heading("A run of 2 empty calls, the team awake");
    bench_rounds(bench, contenders, N);
    const struct bench_row rows[] = {
        {"Parallel", &contenders[RUN], &contenders[REGION], us_a_run, "us a run",
         BENCH_RATIO_AT_MOST, 2},
        {"parcel_executor_run", &contenders[EXECUTOR], &contenders[REGION], us_a_run, "us a run",
         BENCH_NONE, 0},
        {"Parallel, n_jobs = 1", &contenders[RUN_ONE], &contenders[REGION], us_a_run, "us a run",
         BENCH_NONE, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        bench_print_row(bench, &rows[i]);
    parcel_calls_free(calls);
}

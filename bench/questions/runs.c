/* runs.c: Parcel as a contender. */
#include "runs.h"

DELAYED(int, empty, int, int);
DELAYED(int, spin, int, int);

static double measure_one(const struct run *run)
{
    if (run->is_cold)
        parcel_trim();
    double start = bench_now();
    parcel_results *results = parcel_run(&run->options, run->calls);
    double ran = bench_now() - start;
    size_t count = parcel_results_count(results);
    bench_require(!parcel_results_error(results), "a run failed");
    bench_require(parcel_get(results, count - 1, int) == run->last, "a result is wrong");
    start = bench_now();
    parcel_results_free(results);
    return ran + (bench_now() - start);
}

/* Has each worker of an executor run a call. */
static void warm_workers(parcel_executor *executor)
{
    static const struct pair pairs[BENCH_WORKERS];
    parcel_calls *calls = new_empty_list(pairs, BENCH_WORKERS);
    parcel_results_free(parcel_executor_run(executor, calls));
    parcel_calls_free(calls);
}

static double measure_warm(const struct run *run)
{
    size_t last = parcel_calls_count(run->calls) - 1;
    parcel_executor *executor = parcel_open(&run->options);
    warm_workers(executor);
    double start = bench_now();
    for (int i = 0; i < run->n_warm; i++) {
        parcel_results *results = parcel_executor_run(executor, run->calls);
        bench_require(parcel_get(results, last, int) == run->last, "a result is wrong");
        parcel_results_free(results);
    }
    double seconds = (bench_now() - start) / run->n_warm;
    parcel_close(executor);
    return seconds;
}

double measure_parcel(void *state)
{
    const struct run *run = state;
    return run->n_warm > 0 ? measure_warm(run) : measure_one(run);
}

struct bench_contender parcel_contender(const char *name, struct run *run)
{
    return (struct bench_contender){.name = name, .measure = measure_parcel, .state = run};
}

parcel_calls *new_empty_list(const struct pair *arguments, size_t count)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(empty)(arguments[i].first, arguments[i].second));
    return calls;
}

parcel_calls *new_spin_list(const struct pair *arguments, size_t count)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(spin)(arguments[i].first, arguments[i].second));
    return calls;
}

/* runs.c: Parcel as a contender. */
#include "runs.h"

DELAYED(int, empty, int, int);
DELAYED(int, spin, int, int);

double measure_parcel(void *state)
{
    const struct run *run = state;
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

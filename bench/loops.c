/* loops.c: the hand-written OpenMP loops that Parcel is measured against. */
#include "loops.h"

#include <stdlib.h>

#define LOOP(name, pragma) \
    static void name(struct raw_call *calls, size_t count) \
    { \
        _Pragma(pragma) for (size_t i = 0; i < count; i++) calls[i].result = \
            calls[i].function(calls[i].first, calls[i].second); \
    }

LOOP(run_static, "omp parallel for num_threads(BENCH_WORKERS) schedule(static)")
LOOP(run_guided, "omp parallel for num_threads(BENCH_WORKERS) schedule(guided)")
LOOP(run_dynamic_1, "omp parallel for num_threads(BENCH_WORKERS) schedule(dynamic)")
LOOP(run_dynamic_64, "omp parallel for num_threads(BENCH_WORKERS) schedule(dynamic, 64)")
LOOP(run_dynamic_1024, "omp parallel for num_threads(BENCH_WORKERS) schedule(dynamic, 1024)")

static void run_serial(struct raw_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        calls[i].result = calls[i].function(calls[i].first, calls[i].second);
}

static void (*const loops[N_LOOPS])(struct raw_call *, size_t) = {
    [LOOP_SERIAL] = run_serial,         [LOOP_STATIC] = run_static,
    [LOOP_GUIDED] = run_guided,         [LOOP_DYNAMIC_1] = run_dynamic_1,
    [LOOP_DYNAMIC_64] = run_dynamic_64, [LOOP_DYNAMIC_1024] = run_dynamic_1024};

const char *const loop_names[N_LOOPS] = {[LOOP_SERIAL] = "serial loop",
                                         [LOOP_STATIC] = "omp for static",
                                         [LOOP_GUIDED] = "omp for guided",
                                         [LOOP_DYNAMIC_1] = "omp for dynamic",
                                         [LOOP_DYNAMIC_64] = "omp for dynamic, 64",
                                         [LOOP_DYNAMIC_1024] = "omp for dynamic, 1024"};

double measure_loop(void *loop_run)
{
    const struct loop_run *run = loop_run;
    double start = bench_now();
    loops[run->loop](run->calls, run->count);
    return bench_now() - start;
}

struct bench_contender loop_contender(struct loop_run *run)
{
    return (struct bench_contender){
        .name = loop_names[run->loop], .measure = measure_loop, .state = run};
}

struct raw_call *new_raw_calls(int (*function)(int, int), const struct pair *arguments,
                               size_t count)
{
    struct raw_call *calls = malloc(count * sizeof *calls);
    bench_require(calls != NULL, "out of memory");
    for (size_t i = 0; i < count; i++)
        calls[i] = (struct raw_call){function, arguments[i].first, arguments[i].second, 0};
    return calls;
}

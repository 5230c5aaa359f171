/* peer_openmp.c: the loops and tasks that one writes by hand. */
#include "peers.h"

_Static_assert((int)PEER_WORKERS == (int)BENCH_WORKERS, "all run on as many threads");

static void run_call(struct raw_call *call)
{
    call->result = call->function(call->first, call->second);
}

#define LOOP(name, schedule) \
    void name(struct raw_call *calls, size_t count) \
    { \
        _Pragma(schedule) for (size_t i = 0; i < count; i++) run_call(&calls[i]); \
    }

LOOP(omp_static, "omp parallel for num_threads(PEER_WORKERS) schedule(static)")
LOOP(omp_guided, "omp parallel for num_threads(PEER_WORKERS) schedule(guided)")
LOOP(omp_dynamic_1, "omp parallel for num_threads(PEER_WORKERS) schedule(dynamic)")
LOOP(omp_dynamic_64, "omp parallel for num_threads(PEER_WORKERS) schedule(dynamic, 64)")
LOOP(omp_dynamic_1024, "omp parallel for num_threads(PEER_WORKERS) schedule(dynamic, 1024)")

/* clang warns of conversions in code of its own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
void omp_taskloop(struct raw_call *calls, size_t count)
{
#pragma omp parallel num_threads(PEER_WORKERS)
#pragma omp single
#pragma omp taskloop
    for (size_t i = 0; i < count; i++)
        run_call(&calls[i]);
}
#pragma GCC diagnostic pop

void omp_task(struct raw_call *calls, size_t count)
{
#pragma omp parallel num_threads(PEER_WORKERS)
#pragma omp single
    for (size_t i = 0; i < count; i++) {
#pragma omp task
        run_call(&calls[i]);
    }
}

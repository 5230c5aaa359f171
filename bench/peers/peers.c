/* peers.c: the table of the peers, and the peers as contenders. */
#include "peers.h"

#include <stdlib.h>

#include "costs.h"

/* NULL where configure found no library for them. */
#pragma weak tbb_auto
#pragma weak tbb_simple
#pragma weak tbb_tasks
#pragma weak pthreadpool_1d
#pragma weak std_par

/* ---- teams ---- */

enum { N_WARM_CALLS = 64 };
static const double warm_length = 10e-6;
static const double awake = 0.7 * (double)N_WARM_CALLS * 10e-6; /* two threads take part */

static void run_some(peer_function *run)
{
    struct raw_call calls[N_WARM_CALLS];
    for (int i = 0; i < N_WARM_CALLS; i++)
        calls[i] = (struct raw_call){spin, steps_of(warm_length), i, 0};
    run(calls, N_WARM_CALLS);
}

static void run_some_by_tbb(void)
{
    run_some(tbb_auto);
}

static void run_some_by_pthreadpool(void)
{
    run_some(pthreadpool_1d);
}

static void warm_tbb(void)
{
    bench_warm(run_some_by_tbb, awake);
}

static void warm_pthreadpool(void)
{
    bench_warm(run_some_by_pthreadpool, awake);
}

/* The algorithms of the C++ library run on oneTBB's threads too. */
static const struct bench_team team_tbb = {warm_tbb}, team_pthreadpool = {warm_pthreadpool};

/* ---- the table ---- */

static const char tbb[] = "oneTBB (Debian: libtbb-dev)",
                  pthreadpool[] = "pthreadpool (Debian: libpthreadpool-dev)",
                  execution[] = "GNU C++ std::execution::par (Debian: g++ and libtbb-dev)";

static const struct peer peers[] = {
    {"omp static", "static", omp_static, NULL, NULL},
    {"omp guided", "guided", omp_guided, NULL, NULL},
    {"omp dynamic 1", "dyn1", omp_dynamic_1, NULL, NULL},
    {"omp dynamic 64", "dyn64", omp_dynamic_64, NULL, NULL},
    {"omp dynamic 1024", "dyn1024", omp_dynamic_1024, NULL, NULL},
    {"omp taskloop", "taskloop", omp_taskloop, NULL, NULL},
    {"omp task each", "task", omp_task, NULL, NULL},
    {"oneTBB auto", "tbb", tbb_auto, &team_tbb, tbb},
    {"oneTBB simple", "tbb-1", tbb_simple, &team_tbb, tbb},
    {"oneTBB task_group", "tbb-tg", tbb_tasks, &team_tbb, tbb},
    {"pthreadpool", "pthrpool", pthreadpool_1d, &team_pthreadpool, pthreadpool},
    {"std::execution::par", "stdpar", std_par, &team_tbb, execution},
};

enum { N_PEERS = sizeof peers / sizeof *peers };
_Static_assert(N_PEERS <= (int)MOST_PEERS, "there is room for all peers");

size_t find_peers(const struct peer **found)
{
    size_t n = 0;
    for (size_t i = 0; i < N_PEERS; i++)
        if (peers[i].run)
            found[n++] = &peers[i];
    return n;
}

void put_peers(FILE *file, const char *prefix)
{
    const char *last = NULL;
    for (size_t i = 0; i < N_PEERS; i++) {
        if (peers[i].run || peers[i].library == last)
            continue;
        last = peers[i].library;
        fprintf(file, "%smissing: %s\n", prefix, last);
    }
}

/* ---- as contenders ---- */

static double measure_peer(void *state)
{
    const struct peer_run *run = state;
    struct raw_call *last = &run->calls[run->count - 1];
    last->result = -1;
    double start = bench_now();
    run->run(run->calls, run->count);
    double seconds = bench_now() - start;
    bench_require(last->result >= 0, "a peer has not run all calls");
    return seconds;
}

struct bench_contender peer_contender(const struct peer *peer, struct peer_run *run)
{
    run->run = peer->run;
    return (struct bench_contender){.name = peer->name,
                                    .column = peer->column,
                                    .measure = measure_peer,
                                    .state = run,
                                    .team = peer->team};
}

static void run_serial(struct raw_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        calls[i].result = calls[i].function(calls[i].first, calls[i].second);
}

struct bench_contender serial_contender(struct peer_run *run)
{
    run->run = run_serial;
    return (struct bench_contender){
        .name = "serial loop", .column = "serial", .measure = measure_peer, .state = run};
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

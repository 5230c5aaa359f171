/*
 * peers.h: others' ways to run an array of calls in parallel, which Parcel is measured against.
 *
 * To add one: a file peer_NAME with its function, a line here and in the table of peers.c, and
 * the file in Makefile.am, behind what configure found.
 */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A call by hand. The peers record nothing but the result. */
struct raw_call {
    int (*function)(int, int);
    int first, second;
    int result;
};

enum { PEER_WORKERS = 2 };

/* Each runs the calls on PEER_WORKERS threads. Those behind a library are in the program only when
 * configure found it. */
typedef void peer_function(struct raw_call *calls, size_t count);
peer_function omp_static, omp_guided, omp_dynamic_1, omp_dynamic_64, omp_dynamic_1024;
peer_function omp_taskloop, omp_task;
peer_function tbb_auto, tbb_simple, tbb_tasks, pthreadpool_1d, std_par;

#ifdef __cplusplus
}
#else

#include <stdio.h>

#include "functions.h"
#include "harness.h"

struct peer {
    const char *name, *column;
    peer_function *run;
    const struct bench_team *team;
    const char *library; /* what it needs, with Debian's package; NULL: the compiler has it */
};

enum { MOST_PEERS = 16 };

/* The peers that there are, OpenMP's first. Returns how many. */
size_t find_peers(const struct peer **found);

/* A line of what is missing, if anything is. */
void put_peers(FILE *file, const char *prefix);

/* A peer with its calls, as a contender's state. */
struct peer_run {
    peer_function *run;
    struct raw_call *calls;
    size_t count;
};

struct bench_contender peer_contender(const struct peer *peer, struct peer_run *run);

/* The loop in one thread. */
struct bench_contender serial_contender(struct peer_run *run);

/* Calls of one function with these arguments; free with free. */
struct raw_call *new_raw_calls(int (*function)(int, int), const struct pair *arguments,
                               size_t count);

#endif
#endif

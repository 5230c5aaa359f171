/* python.h: joblib and multiprocessing, by a Python process that runs peers.py. */
#ifndef BENCH_PYTHON_H
#define BENCH_PYTHON_H

#include <stdio.h>

#include "harness.h"

enum python_peer {
    JOBLIB_THREADING,
    JOBLIB_LOKY,
    POOL_MAP,         /* multiprocessing's, which cuts the calls into four chunks a worker */
    POOL_MAP_BY_ONE,  /* the same with chunks of one call */
    JOBLIB_LOKY_COLD, /* its processes are started and ended with the calls */
    POOL_MAP_COLD
};
enum { N_PYTHON_PEERS = POOL_MAP_COLD + 1 };

/* Calls by Python, as a contender's state. */
struct python_run {
    enum python_peer peer;
    const char *function; /* of peers.py */
    int count;
    int steps; /* what spin is given, or the bytes of a large result */
};

/* Whether there is a Python; multiprocessing comes with it, joblib need not. */
bool has_python(void);

/* The peers from first to last with the same calls: peer is that of the first. */
struct python_runs {
    struct python_run first;
    enum python_peer last;
};

/* Writes contenders for those peers that there are, one a run. Returns how many. */
size_t python_contenders(struct bench_contender *contenders, struct python_run *runs,
                         const struct python_runs *wanted);

/* Lines of the versions of Python and joblib, or of what is missing. */
void put_python(FILE *file, const char *prefix);

/* Ends the process, if there is one. */
void stop_python(void);

#endif

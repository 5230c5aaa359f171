/* python.h: joblib and multiprocessing, by a Python process that runs peers.py. */
#ifndef BENCH_PYTHON_H
#define BENCH_PYTHON_H

#include <stdio.h>

#include "harness.h"

enum python_peer {
    JOBLIB_THREADING,
    JOBLIB_LOKY,
    POOL_MAP,       /* multiprocessing's, which cuts the calls into four chunks a worker */
    POOL_MAP_BY_ONE /* the same with chunks of one call */
};
enum { N_PYTHON_PEERS = POOL_MAP_BY_ONE + 1 };

/* Calls by Python, as a contender's state. */
struct python_run {
    enum python_peer peer;
    const char *function; /* of functions.h */
    int count;
    int steps; /* what spin is given */
};

/* Whether there is a Python; multiprocessing comes with it, joblib need not. */
bool has_python(void);

/* Writes contenders for the peers that there are, one a run. Returns how many. */
size_t python_contenders(struct bench_contender *contenders, struct python_run *runs,
                         const char *function, int count, int steps);

/* Lines of the versions of Python and joblib, or of what is missing. */
void put_python(FILE *file, const char *prefix);

/* Ends the process, if there is one. */
void stop_python(void);

#endif

/* python_contest.h: the same calls by Python's peers and by Parcel. */
#ifndef BENCH_PYTHON_CONTEST_H
#define BENCH_PYTHON_CONTEST_H

#include "peers.h"
#include "python.h"
#include "runs.h"

/* What is called, and who calls it. */
struct python_calls {
    enum python_peer first, last;
    const char *backend;  /* of Parcel, with workers as warm as Python's; NULL: the default */
    const char *function; /* "empty" or "spin" */
    int count;
    int steps;
};

/* Python's peers, and behind them the list and the serial loop. */
struct python_contest {
    size_t n_peers;
    struct python_run runs[N_PYTHON_PEERS];
    struct run list;
    struct peer_run serial;
    struct raw_call *raw;
    parcel_calls *calls;
    struct bench_contender contenders[N_PYTHON_PEERS + 2];
};

/* Free with free_python_contest. */
void new_python_contest(struct python_contest *contest, const struct python_calls *calls);
void free_python_contest(struct python_contest *contest);

/* Prints a line of the efficiencies of calls that long, the first with the heading above it. The
 * list is held to the floor and to the best peer, if there is a floor. */
struct python_line {
    const char *name;
    const char *heading; /* or NULL */
    double floor;        /* 0: nothing is promised */
};
void ask_python_line(struct bench *bench, const struct python_line *line,
                     const struct python_calls *calls);

#endif

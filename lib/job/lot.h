/*
 * lot.h: where the calls of a run stand, and from what its workers take them.
 *
 *     source   a list's ranges, a stream        what has calls to give
 *     lot      a list, a block of a stream      where calls and their results stand
 *     batch    [ first ... first + count - 1 ]  what a worker takes of a lot, and runs
 */
#ifndef PARCEL__LOT_H
#define PARCEL__LOT_H

#include <parcel.h>

struct parcel__arena;
struct parcel__worker;

/* Calls that stand together, and where their results go. A list is one lot, and so are a block of
 * a stream and what a worker elsewhere is sent. Constant while its calls run. */
struct parcel__lot {
    const parcel_calls *calls;
    parcel_results *results;     /* they stand there from 0 on */
    size_t first_call;           /* where the first call stands in calls, */
    size_t first_index;          /* and its number in the run */
    struct parcel__arena *arena; /* what results point at; NULL: each worker has its own */
};

/* Some calls of a lot, for one worker. */
struct parcel__batch {
    const struct parcel__lot *lot;
    size_t first; /* in the lot */
    size_t count;
};

/* What gives calls to the workers of a job. All but stopped is called by the threads of workers,
 * each for its own. NULL where nothing is said: there is nothing to do. */
struct parcel__source {
    /* Takes the worker's next calls. False: there are none just now. */
    bool (*take)(void *state, struct parcel__worker *worker, struct parcel__batch *batch);

    /* Found none, for the n_idle-th time: does something useful, or waits. False: there will be
     * none. NULL: nobody waits. */
    bool (*idle)(void *state, struct parcel__worker *worker, unsigned n_idle);

    /* Takes the rest of the worker's batch back, which has not begun. False: it stays with the
     * worker. */
    bool (*give_back)(void *state, struct parcel__worker *worker, const struct parcel__batch *rest);

    /* What the worker took has ended, but for what it gave back: results and records are written,
     * and the worker's sums have grown. */
    void (*done)(void *state, struct parcel__worker *worker);

    /* A backend has the batch to itself, and may forget it; and comes back with one that begins at
     * the call of that number in the run. False: it is none of those. */
    void (*hold)(void *state, struct parcel__worker *worker, const struct parcel__batch *batch);
    bool (*release)(void *state, struct parcel__worker *worker, size_t index, size_t count,
                    struct parcel__batch *batch);

    /* The run stops: workers that wait in idle are to look. Threads: any. */
    void (*stopped)(void *state);

    /* A worker gives the rest of a batch back that has taken so many seconds, asked or not: others,
     * and who waits for its results, are not to wait for all of it. INFINITY: only when asked. */
    double patience;
};

#endif

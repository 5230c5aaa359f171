/* current.h: the call that runs in a thread, and what its own runs may use. */
#ifndef PARCEL__CURRENT_H
#define PARCEL__CURRENT_H

#include <parcel.h>
#include <stdatomic.h>

/* What the runs inside a call may use. */
struct parcel__nest {
    int level;         /* 0 outside of any call */
    int workers;       /* most workers of a run; 0: no limit */
    int threads;       /* most threads of an OpenMP region or a BLAS call; 0: no limit */
    bool sees_outside; /* scopes and environment of the run's own surroundings hold */
};

struct parcel__scope;
struct parcel__control;
struct parcel_job;

/* Something that a worker must look at before it goes on to the next call. */
enum {
    PARCEL__EVENT_FAILED = 1,
    PARCEL__EVENT_SCOPE = 2,
    PARCEL__EVENT_STOP = 4,   /* the run stops; set just before it does */
    PARCEL__EVENT_ASKED = 8,  /* another worker has nothing to do; set by that one */
    PARCEL__EVENT_FORKED = 16 /* this may be a process that the call forked */
};

struct parcel_current_call {
    /* The index is written by the worker before each call. The events are set by the call's
     * threads, by who stops the run and by who asks, and cleared by the worker: release to set and
     * acquire to clear; relaxed to look. */
    parcel_running running;

    int worker;
    const atomic_bool *is_stopped; /* of the run */
    struct parcel_job *job;
    const struct parcel__control *control; /* of the run */
    double started;         /* the attempt that runs, by the clock of limits; 0 when its time is not
                             * limited. Written by the worker between two attempts */
    _Atomic double overran; /* the limit that the attempt was told it has overrun, INFINITY before:
                             * it holds, though the median may grow until the call returns. Written
                             * by the call's threads, and by the worker before the attempt; relaxed,
                             * since it says nothing of other memory */
    const struct parcel__nest *nest;
    struct parcel_current_call *around; /* the call that the run is in, or NULL */

    /* The first failure's text, owned. Taken by compare-and-swap from NULL, so that of several
     * threads that fail at once one holds. */
    _Atomic(char *) message;

    void *worker_state; /* of the worker's on_worker_start */

    struct parcel__scope *scopes; /* pushed inside the call; written by the call's thread */
};

/* The call of this thread, or NULL. The caller of enter runs calls until leave, which is given
 * what enter returned. */
struct parcel_current_call *parcel__current_get(void);
struct parcel_current_call *parcel__current_enter(struct parcel_current_call *current);
void parcel__current_leave(struct parcel_current_call *before);

/* Tells the worker that it must look before the next call. Threads: any. */
void parcel__current_signal(struct parcel_current_call *current, unsigned event);

/* The message of the call's failure, which the caller then owns; NULL when memory ran out. */
char *parcel__current_take_message(struct parcel_current_call *current);

#endif

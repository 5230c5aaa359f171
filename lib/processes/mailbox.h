/* mailbox.h: what a worker process and the thread that attends to it write to each other. */
#ifndef PARCEL__MAILBOX_H
#define PARCEL__MAILBOX_H

#include "ground/clock.h"
#include "job/job.h"
#include "wire/wire.h"

/* Calls to run. Written by the proxy while the worker waits. */
struct parcel__order {
    bool is_last;              /* there are no calls: the worker ends itself */
    const parcel_calls *calls; /* the list, which the worker's memory has; NULL: they are packed */
    size_t first_index;        /* the number of the first in the run */
    size_t first_call;         /* where it stands in the list */
    size_t count;
    size_t packed;                /* bytes of the packed calls */
    struct parcel__policy policy; /* of the run */
    bool is_watched; /* something outside may stop the run: runs inside of its calls then look */
    bool is_limited; /* the time of each call is, or may soon be */
    double allowed;  /* seconds for each call; INFINITY: no limit yet */
    int worker;      /* its number in the run */
    struct parcel__nest nest;
    struct parcel__floating floating;
    struct parcel__openmp_settings openmp;
    struct parcel__callbacks callbacks;
};

/* A call that ran. Written by the worker before n_answers counts it. */
struct parcel__answer {
    double end; /* by the clock */
    double duration;
    unsigned status;                   /* parcel_status */
    struct parcel__wire_result result; /* or the message of a failure */
};

enum { PARCEL__MOST_ANSWERS = 8192 };

/* What a worker is doing. */
enum parcel__phase {
    PARCEL__PHASE_WAITING,
    PARCEL__PHASE_STARTING,  /* on_worker_start runs */
    PARCEL__PHASE_RUNNING,   /* its calls run: the index of its job says which */
    PARCEL__PHASE_RETURNING, /* a call has returned, its answer is being written */
    PARCEL__PHASE_ENDING     /* on_worker_end runs */
};

/*
 * In shared pages. Whoever dies while it writes here leaves what was counted before: an answer
 * counts when n_answers says so, an order is done when n_done is n_orders.
 */
struct parcel__mailbox {
    /* Orders so far, on which the worker waits. Release when an order is written, acquire when it
     * is read. Written by the proxy. */
    _Alignas(PARCEL__LINE) atomic_uint n_orders;
    struct parcel__order order;

    /* The calls of the order that have not begun. The worker takes the first before it begins it,
     * the proxy takes all of them back, both by compare-and-swap: release and acquire, so that
     * who takes them back sees that the call before has ended. */
    _Atomic(parcel__range) waiting;

    /* Why the worker is to stop: enum parcel__reason. Sequentially consistent, as the worker opens
     * its job when this may stand here already. Written by the proxy. */
    atomic_int reason;

    /* Release when an answer is written, acquire when it is read. Written by the worker. */
    _Alignas(PARCEL__LINE) atomic_size_t n_answers;
    atomic_int phase;      /* enum parcel__phase; relaxed: read when the worker is dead */
    double began;          /* when the first call did, by the clock; 0: not yet; read so, too */
    parcel_token token;    /* cancelled by calls that cancel the run's, of which they have a copy */
    atomic_bool stops_run; /* a call said so; relaxed: the bell, or n_done, goes with it */
    atomic_uint n_done; /* release when all of an order is done, acquire when that is looked at */
    struct parcel__clock clock; /* by which the worker's calls have limits; both look at it */
    double waited;  /* for a cpu, in seconds, for the calls of the order; NaN: it is not told */
    int stopped_by; /* why the worker's own job stopped: enum parcel__reason */
    size_t memory;  /* bytes above what the worker had at its start */
    size_t large;   /* where the room for views of large results ends, which only shrinks: of
                     * all processes that the worker was */
    struct parcel__wire_result fault; /* why on_worker_start failed; size 0: it did not */
    struct parcel_job job;            /* the worker's */
    struct parcel__answer answers[PARCEL__MOST_ANSWERS];
};

/* A mailbox and the pages around it. Constant. */
struct parcel__mail {
    struct parcel__mailbox *box;
    unsigned char *calls;   /* where packed calls lie, */
    size_t calls_size;      /* written by the proxy */
    unsigned char *results; /* where results lie, */
    size_t results_size;    /* written by the worker */
    atomic_uint *bell;      /* on which the proxy waits */
};

#endif

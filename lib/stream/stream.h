/* stream.h: a run whose calls flow in blocks from where they come from (feed.h) through the
 * workers (stream_source.c) to who takes the results (delivery.h), and what these share. */
#ifndef PARCEL__STREAM_H
#define PARCEL__STREAM_H

#include <pthread.h>

#include "job/job.h"
#include "results/tally.h"
#include "stream/window.h"
#include "wire/bundle.h"

/* Of calls that came from elsewhere: what they came with, and where in that they are. */
struct parcel__origin {
    size_t offset;
    struct parcel__grant *grant;
};

/* Some calls on their way, with their results: a lot of the stream's job. */
struct parcel__stream_block {
    struct parcel__place place;          /* first, so that a place of ours is a block */
    struct parcel__lot lot;              /* the results are its own */
    parcel_calls *calls;                 /* of its own, when they are generated, else NULL */
    struct parcel__stream_block *lender; /* the lot's are this one's own, which is held; or NULL */
    double seconds_per_call; /* as who gave these calls back measured the others; 0: nobody did */
    struct parcel__tally sums;
    struct parcel__origin origin;      /* the source's own, */
    size_t n_missing;                  /* of a block that is elsewhere: calls without an answer, */
    size_t n_arriving;                 /* and arrays on their way */
    struct parcel__stream_block *link; /* to another one that was returned, or is held */
    pthread_t holder;                  /* the thread that took it for a backend that holds it */
    size_t next;                       /* the next result to be pulled */
    struct parcel__walk walk;          /* of who takes the results */

    /* The stream holds it, and each result that was pulled from it; who lets go last frees it.
     * Release to let go, acquire before it is freed or used again: what holders wrote is seen. */
    atomic_size_t holds;
};

struct parcel__feed;

/* What a stream that has a part in the run of several processes leaves to who connects them. */
struct parcel__outside {
    /* What gives it its calls, with the same state. NULL: they are its own. */
    const struct parcel__feed *feed;

    /* Takes the results of a block, before they are released; called by one thread at a time.
     * NULL: they stay here. */
    void (*give)(void *outside, struct parcel__stream_block *block);

    /* Called by a worker after each block (n_idle is 0), and each time that it finds none (then it
     * counts them), which waits an instant. False: there will be none. */
    bool (*attend)(void *outside, unsigned n_idle);
};

struct parcel__stream_options {
    const parcel_calls *calls;
    struct parcel__job_options job; /* its results are those of the run, to be settled */
    size_t window;
    size_t pre_dispatch;
    bool in_order;
    int n_workers;                           /* of the whole run, wherever they are */
    void *outside;                           /* who connects them; NULL: nobody */
    const struct parcel__outside *functions; /* of that */
    bool may_travel; /* calls of the generator: one that cannot is refused wherever it would run */
    bool is_pulled;  /* results wait for parcel__delivery_next; else they go to on_result, */
    parcel_on_result *on_result;
    void *on_result_state; /* or, when that is NULL, into the results of job */
};

/* What the stream knows of a worker of its team. */
struct parcel__stream_worker {
    /* The one it runs, or NULL. Written by the worker's thread, with the mutex held. */
    struct parcel__stream_block *block;

    struct parcel__worker *of_job; /* the same, which knows what it measured last; constant */

    /* Of the worker alone: what it has not begun of a block that no other may run, or NULL; how
     * many calls it has run since one was slow; and how long its last pull took. */
    struct parcel__stream_block *rest;
    size_t n_quick;
    double last_pull;
    double seconds_to_pull; /* the same for each call */
};

struct parcel__stream {
    struct parcel__stream_options options; /* constant */
    struct parcel_job job;                 /* whose workers run the blocks; it knows of the stop */
    const struct parcel__feed *feed;       /* constant, */
    void *feed_state;                      /* the same */
    bool is_generated;                     /* the same */
    size_t count;                          /* of a list or a map; constant */

    /* Held by who hands calls out, so also while the generator is asked. Others only look at the
     * two: relaxed. */
    pthread_mutex_t pull_mutex;
    atomic_size_t n_pulled;
    atomic_bool has_ended;             /* there are no more calls */
    size_t n_from_end;                 /* of those that were pulled; by who hands out */
    bool is_end_next;                  /* the same */
    struct parcel__bundle_found found; /* the same: functions of calls that may travel */
    struct parcel_current_call asking;

    /* Whoever set is_delivering, under mutex, gives results away until none is ready. */
    bool is_refused; /* on_result wants no more */
    struct parcel_current_call delivering;

    /* Held while results are placed among those that are kept, or room is made for them. */
    pthread_mutex_t keep_mutex;

    /* Protects all below. Taken after pull_mutex, and never held while user's code runs. */
    pthread_mutex_t mutex;
    pthread_cond_t has_room;
    pthread_cond_t has_news; /* for who pulls results: one is ready, or the run is over */
    struct parcel__window window;
    struct parcel__stream_block *returned; /* to be handed out again */
    atomic_size_t n_returned;          /* calls in them; relaxed to look whether there are any */
    atomic_int n_waiting;              /* workers without calls; see end_turn in feed.c */
    struct parcel__stream_block *held; /* by a backend, which has not begun them */
    size_t n_held;
    bool is_delivering;
    bool is_over;
    struct parcel__stream_worker *workers;
    struct parcel__tally sums; /* of all blocks so far */
    parcel_results *totals;    /* the same of the run, when it is over */
    size_t n_used;             /* results that were pulled */
    size_t first_failure;      /* the lowest call that failed, SIZE_MAX when there is none, */
    char *failure;             /* and its sentence */
    char *error;               /* why the run ended early; static when it is the next */
    bool is_out_of_memory;     /* there is no memory for the results, or for an error */
};

/* False: out of memory. */
bool parcel__stream_open(struct parcel__stream *stream,
                         const struct parcel__stream_options *options);
void parcel__stream_close(struct parcel__stream *stream);

/* Runs all calls, and waits. run: runs the stream's job on a team. */
void parcel__stream_run(struct parcel__stream *stream,
                        void (*run)(void *context, struct parcel_job *job), void *context);

/* What the job's workers take; the state is the stream. */
extern const struct parcel__source parcel__stream_source;

/* Nothing new is handed out, and running calls are told. Threads: any. */
void parcel__stream_stop(struct parcel__stream *stream);

/* True when the stream was stopped. Looks for what stops the run from outside. */
bool parcel__stream_must_stop(struct parcel__stream *stream);

/* True when a worker that has no calls may be given some of another's. Who asked for a size or a
 * schedule has each block run by one. */
static inline bool parcel__stream_shares(const struct parcel__stream *stream)
{
    const struct parcel__job_options *options = &stream->options.job;
    bool is_adaptive = options->policy->schedule == PARCEL_ADAPTIVE ||
                       (stream->is_generated && options->policy->schedule != PARCEL_DYNAMIC);
    return stream->options.outside ||
           (is_adaptive && options->policy->batch_size == 0 && options->n_workers > 1);
}

/* Lets go of a block. Threads: any. */
void parcel__stream_release(struct parcel__stream_block *block);

/* Writes the sums and the error of the run, which is over, into the results. */
void parcel__stream_settle(struct parcel__stream *stream, parcel_results *results);

/* Calls of the stream that did not run. */
size_t parcel__stream_missing(const struct parcel__stream *stream);

/* True in the stream's own calls. */
bool parcel__stream_is_around(struct parcel__stream *stream);

/* True when some worker here runs no calls just now. Threads: any. */
bool parcel__stream_has_free_worker(struct parcel__stream *stream);

/* How many calls have run, here and elsewhere. Threads: any. */
size_t parcel__stream_count_ran(struct parcel__stream *stream);

/* Asks the workers for what they have not begun. Threads: any; the second is called with the mutex
 * held. */
void parcel__stream_ask(struct parcel__stream *stream);
void parcel__stream_ask_locked(struct parcel__stream *stream);

/* ---- for feed, source and delivery ---- */

/* Notes why the run ends; the text is taken. The first error holds. */
void parcel__stream_note_error(struct parcel__stream *stream, struct parcel__text *text);

/* Stops the run, as there is no memory for it. Not with the mutex held. */
void parcel__stream_run_out_of_memory(struct parcel__stream *stream);

/* The generator and on_result run as if they were a call, asking or delivering: parcel_fail is
 * theirs, and runs inside them have that call's part of the workers. What enter returned is given
 * to leave, which returns the message of its parcel_fail, owned, when *failed. */
struct parcel_current_call *parcel__stream_enter(struct parcel_current_call *current);
char *parcel__stream_leave(struct parcel_current_call *current, struct parcel_current_call *before,
                           bool *failed);

/* How many calls were handed out. */
static inline size_t parcel__stream_count_pulled(const struct parcel__stream *stream)
{
    return atomic_load_explicit(&stream->n_pulled, memory_order_relaxed);
}

/* True when there are no more calls. */
static inline bool parcel__stream_has_ended(const struct parcel__stream *stream)
{
    return atomic_load_explicit(&stream->has_ended, memory_order_relaxed);
}

/* True when the function of the user that runs as this call has failed. A process that it forked
 * may end here. */
static inline bool parcel__stream_has_failed(const struct parcel_current_call *current)
{
    unsigned events = __atomic_load_n(&current->running.events, __ATOMIC_RELAXED);
    if (events & PARCEL__EVENT_FORKED)
        parcel__job_end_copy(current->job);
    return events & PARCEL__EVENT_FAILED;
}

/* True when the results go to who connects several processes. */
static inline bool parcel__stream_gives(const struct parcel__stream *stream)
{
    return stream->options.outside && stream->options.functions->give;
}

/* True when the results of the job take them. */
static inline bool parcel__stream_collects(const struct parcel__stream *stream)
{
    return !stream->options.is_pulled && !stream->options.on_result &&
           !parcel__stream_gives(stream);
}

#endif

/* stream.h: a run whose calls flow in blocks from where they come from to who takes the results. */
#ifndef PARCEL__STREAM_H
#define PARCEL__STREAM_H

#include <pthread.h>

#include "job.h"
#include "window.h"

/* Some calls on their way, with their results. */
struct parcel__stream_block {
    struct parcel__place place; /* first, so that a place of ours is a block */
    parcel_calls *calls;        /* of its own, when they are generated, else NULL */
    parcel_results *results;
    size_t first;  /* the number of its first call in the run */
    size_t next;   /* the next result to be pulled */
    size_t walked; /* for parcel__results_read */

    /* The stream holds it, and each result that was pulled from it; who lets go last frees it.
     * Release to let go, acquire before it is freed or used again: what holders wrote is seen. */
    atomic_size_t holds;
};

struct parcel__stream_options {
    const parcel_calls *calls;
    struct parcel__job_options job; /* of each block, and of the team */
    size_t window;
    size_t pre_dispatch;
    bool in_order;
    bool is_pulled; /* results wait for parcel__stream_next; else they go to on_result, */
    parcel_on_result *on_result;
    void *on_result_state; /* or, when that is NULL, into the results of job */
};

struct parcel__stream_worker;

struct parcel__stream {
    struct parcel__stream_options options; /* constant */
    bool is_generated;                     /* constant */
    size_t count;                          /* of a list or a map; constant */

    /* Held by who hands calls out, so also while the generator is asked. */
    pthread_mutex_t pull_mutex;
    size_t n_pulled;
    bool has_ended; /* there are no more calls */
    struct parcel_current_call asking;

    /* Whoever set is_delivering, under mutex, gives results away until none is ready. */
    bool is_refused; /* on_result wants no more */
    struct parcel_current_call delivering;

    /* Protects all below. Taken after pull_mutex, and never held while user's code runs. */
    pthread_mutex_t mutex;
    pthread_cond_t has_room;
    pthread_cond_t has_news; /* for who pulls results: one is ready, or the run is over */
    struct parcel__window window;
    bool is_delivering;
    bool is_stopped;
    bool has_begun; /* some worker worked */
    bool is_over;
    struct parcel_job *team; /* while it runs */
    struct parcel__stream_worker *workers;
    parcel_results *totals; /* of all blocks so far */
    size_t n_ran;
    size_t n_used; /* results that were pulled */
    double longest;
    size_t first_failure;  /* the lowest call that failed, SIZE_MAX when there is none, */
    char *failure;         /* and its sentence */
    char *error;           /* why the run ended early; static when it is the next */
    bool is_out_of_memory; /* there is no memory for the results, or for an error */
};

/* False: out of memory. */
bool parcel__stream_open(struct parcel__stream *stream,
                         const struct parcel__stream_options *options);
void parcel__stream_close(struct parcel__stream *stream);

/* Runs all calls, and waits. run: runs a job on the team. */
void parcel__stream_run(struct parcel__stream *stream,
                        void (*run)(void *context, struct parcel_job *job), void *context);

/* Writes the sums and the error of the run, which is over, into the results. */
void parcel__stream_settle(struct parcel__stream *stream, parcel_results *results);

/* Nothing new is handed out, and running calls are told. Threads: any. */
void parcel__stream_stop(struct parcel__stream *stream);

/* Waits for the next result of a stream that is pulled: its block, which is held, and its index in
 * the block. NULL: the end. */
struct parcel__stream_block *parcel__stream_next(struct parcel__stream *stream, size_t *index);

/* Lets go of a block. Threads: any. */
void parcel__stream_release(struct parcel__stream_block *block);

/* Calls of the stream that did not run. */
size_t parcel__stream_missing(const struct parcel__stream *stream);

/* True in the stream's own calls. */
bool parcel__stream_is_around(struct parcel__stream *stream);

#endif

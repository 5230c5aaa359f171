/* children.h: handing calls out to the ranks right below, and what they answer. */
#ifndef PARCEL__CHILDREN_H
#define PARCEL__CHILDREN_H

#include <stdatomic.h>

#include "ranks/large_arrays.h"
#include "stream/stream.h"

/* A rank right below, and all below that. Protected by the mutex of all; what only answers change
 * is read with the post held, too. */
struct parcel__child {
    int rank;
    int first_worker;
    int n_workers;
    size_t n_out; /* calls that it has not answered */
    double seconds_per_call;
    double heard;     /* when it answered last, or was given calls, by the clock */
    bool is_recalled; /* it has not yet said what it gives back, */
    double refused;   /* when it had nothing to give, by the clock */
    struct parcel__stream_block **blocks; /* by the number that it knows them by; NULL: free */
    size_t n_blocks;
};

/* Of one run. */
struct parcel__children {
    struct parcel__post *post;
    struct parcel__large_arrays *large_arrays;
    struct parcel__stream *stream; /* whose calls are handed out */
    int rank;
    bool is_sent;  /* calls go as bytes; else every rank has the list */
    int n_workers; /* of this rank and all below */
    size_t batch_size;
    struct parcel__child *of;
    int count;

    /* Blocks that other ranks have, any that is just being taken for one, and what is asked back.
     * Release and acquire:
     * who finds none left has seen their results. */
    atomic_size_t n_open;

    /* A call was answered as not run: so the run stops, even if this rank has not yet been told.
     * Written with the post held; relaxed. */
    atomic_bool has_unrun;

    /* When a worker last found nothing to do, by the clock; relaxed. */
    _Atomic double idle_since;
    double asked;           /* when this rank's own workers were, by the clock; by who hands out */
    double seconds_to_take; /* a call from the stream, when last measured; by who hands out */

    pthread_mutex_t mutex;
    pthread_mutex_t turn; /* held by who hands out */
};

/* The members up to count are to be set before. */
void parcel__children_open(struct parcel__children *children);
void parcel__children_close(struct parcel__children *children);

/* Gives each rank as many calls as it should have; and, where there are none left for some, asks
 * others to give back what they have not begun. Threads: any. */
void parcel__children_out(struct parcel__children *children);

/* A worker of this rank has, or has not, found calls. Threads: any. */
void parcel__children_note_idle(struct parcel__children *children, bool is_idle);

/* Answers. With the post held. */
void parcel__children_hear_results(struct parcel__children *children,
                                   struct parcel__message *message);
void parcel__children_hear_unrun(struct parcel__children *children,
                                 const struct parcel__message *message);
void parcel__children_hear_return(struct parcel__children *children,
                                  const struct parcel__message *message);

/* True when nothing is out, and nothing is left to be handed out. Threads: any. */
bool parcel__children_is_done(struct parcel__children *children);

#endif

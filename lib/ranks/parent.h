/* parent.h: the calls that a rank was given by the one above it, and their results on the way back.
 */
#ifndef PARCEL__PARENT_H
#define PARCEL__PARENT_H

#include <stdatomic.h>

#include "ranks/large_arrays.h"
#include "stream/stream.h"

struct parcel__waiting;

/* Of one run. */
struct parcel__parent {
    struct parcel__post *post;
    struct parcel__large_arrays *large_arrays;
    int rank;
    int above;        /* the rank that gives */
    size_t n_in_need; /* with fewer calls than that this rank hurries to get more */
    bool is_sent;     /* the calls come as bytes; else they stand in this rank's list */
    const atomic_bool *is_stopped;

    pthread_mutex_t mutex; /* protects: */
    struct parcel__waiting *first;
    struct parcel__waiting *last;
    size_t count; /* calls in them */

    pthread_mutex_t out_mutex; /* protects: */
    struct parcel__bundle out; /* results on their way up, */
    double out_since;          /* from then on, by the clock */
};

/* What is not to be 0 at the start is to be set before. */
void parcel__parent_open(struct parcel__parent *parent);
void parcel__parent_close(struct parcel__parent *parent);

/* Calls are given, or wanted back. With the post held. False: there are none to be given back. */
void parcel__parent_hear_work(struct parcel__parent *parent, struct parcel__message *message);
bool parcel__parent_hear_recall(struct parcel__parent *parent);

/* Answers all that has not begun as not run. */
void parcel__parent_drain(struct parcel__parent *parent);

/* How many calls there are; takes some of them into a block, at most so many; and answers for one
 * that cannot run. */
size_t parcel__parent_room(struct parcel__parent *parent);
size_t parcel__parent_fill(struct parcel__parent *parent, struct parcel__stream_block *block,
                           size_t most);
void parcel__parent_drop(struct parcel__parent *parent, struct parcel__stream_block *block);

/* Those of a block from at on, which was not run, are there again. */
void parcel__parent_put_back(struct parcel__parent *parent, struct parcel__stream_block *block,
                             size_t at);

/* The calls of a block from at on become another block's. */
void parcel__parent_share(struct parcel__stream_block *to, const struct parcel__stream_block *from,
                          size_t at);

/* Takes the results of a block; and sends those that wait, if it is time or they are the last. */
void parcel__parent_give(struct parcel__parent *parent, struct parcel__stream_block *block);
void parcel__parent_send(struct parcel__parent *parent, bool are_last);

#endif

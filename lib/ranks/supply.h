/* supply.h: the calls that a rank was given by the one above it, and their results on the way back.
 */
#ifndef PARCEL__SUPPLY_H
#define PARCEL__SUPPLY_H

#include <stdatomic.h>

#include "ranks/offers.h"
#include "stream/stream.h"

struct parcel__portion;

/* Of one run. */
struct parcel__supply {
    struct parcel__post *post;
    struct parcel__offers *offers;
    int rank;
    int above;        /* the rank that gives */
    size_t n_in_need; /* with fewer calls than that this rank hurries to get more */
    bool is_sent;     /* the calls come as bytes; else they stand in this rank's list */
    const atomic_bool *is_stopped;

    pthread_mutex_t mutex; /* protects: */
    struct parcel__portion *first;
    struct parcel__portion *last;
    size_t count; /* calls in them */

    pthread_mutex_t out_mutex; /* protects: */
    struct parcel__bundle out; /* results on their way up, */
    double out_since;          /* from then on, by the clock */
};

/* What is not to be 0 at the start is to be set before. */
void parcel__supply_open(struct parcel__supply *supply);
void parcel__supply_close(struct parcel__supply *supply);

/* Calls are given, or wanted back. With the post held. False: there are none to be given back. */
void parcel__supply_hear_work(struct parcel__supply *supply, struct parcel__message *message);
bool parcel__supply_hear_recall(struct parcel__supply *supply);

/* Answers all that has not begun as not run. */
void parcel__supply_drain(struct parcel__supply *supply);

/* How many calls there are; takes some of them into a block, at most so many; and answers for one
 * that cannot run. */
size_t parcel__supply_room(struct parcel__supply *supply);
size_t parcel__supply_fill(struct parcel__supply *supply, struct parcel__stream_block *block,
                           size_t most);
void parcel__supply_drop(struct parcel__supply *supply, struct parcel__stream_block *block);

/* Those of a block from at on, which was not run, are there again. */
void parcel__supply_put_back(struct parcel__supply *supply, struct parcel__stream_block *block,
                             size_t at);

/* The calls of a block from at on become another block's. */
void parcel__supply_share(struct parcel__stream_block *to, const struct parcel__stream_block *from,
                          size_t at);

/* Takes the results of a block; and sends those that wait, if it is time or they are the last. */
void parcel__supply_give(struct parcel__supply *supply, struct parcel__stream_block *block);
void parcel__supply_send(struct parcel__supply *supply, bool are_last);

#endif

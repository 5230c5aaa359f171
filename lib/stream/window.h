/* window.h: the blocks of calls that a stream has on their way, from the generator to whoever takes
 * the results. Pure: no threads, no memory. */
#ifndef PARCEL__WINDOW_H
#define PARCEL__WINDOW_H

#include <stdbool.h>
#include <stddef.h>

/* Stands in each block; a block is in one queue at most. */
struct parcel__place {
    struct parcel__place *next;
    size_t count; /* calls of the block */
    bool is_finished;
};

struct parcel__queue {
    struct parcel__place *first;
    struct parcel__place *last;
};

/* Zero, with in_order and the two bounds, is one at its start. */
struct parcel__window {
    bool in_order;
    size_t most_waiting; /* calls handed out whose results are not taken */
    size_t most_ahead;   /* calls handed out that are not finished */
    size_t entered;      /* calls so far */
    size_t finished;
    size_t taken;
    size_t blocks;                /* that entered, or were split off, and are not finished */
    struct parcel__queue running; /* in order of their calls; when in_order is false, empty */
    struct parcel__queue ready;
    struct parcel__queue idle; /* blocks without calls, to be used again */
};

/* How many calls may be handed out now. */
size_t parcel__window_room(const struct parcel__window *window);

/* A block of count calls starts to run. */
void parcel__window_enter(struct parcel__window *window, struct parcel__place *place, size_t count);

/* The last count calls of a block that runs become a block of their own, right behind it. All of
 * them may, as when they are given back from elsewhere: the block then ends as one without calls.
 */
void parcel__window_split(struct parcel__window *window, struct parcel__place *place,
                          struct parcel__place *rest, size_t count);

/* True when some block that is not finished has more than one call. */
bool parcel__window_is_divisible(const struct parcel__window *window);

/* It has run. In order, it is ready when those before it are. */
void parcel__window_finish(struct parcel__window *window, struct parcel__place *place);

/* So many of the results have been taken. */
void parcel__window_take(struct parcel__window *window, size_t count);

void parcel__window_queue(struct parcel__queue *queue, struct parcel__place *place);

/* Removes the first; NULL when there is none. */
struct parcel__place *parcel__window_unqueue(struct parcel__queue *queue);

#endif

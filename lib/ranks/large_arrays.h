/* large_arrays.h: large arrays that another rank may ask for, which then travel by themselves. */
#ifndef PARCEL__LARGE_ARRAYS_H
#define PARCEL__LARGE_ARRAYS_H

#include <pthread.h>

#include "ranks/messages.h"
#include "wire/bundle.h"

struct parcel__offer;

/* Of one run. */
struct parcel__large_arrays {
    struct parcel__post *post;
    pthread_mutex_t mutex; /* protects what follows */
    struct parcel__offer *list;
    size_t count;
};

void parcel__large_arrays_open(struct parcel__large_arrays *large_arrays,
                               struct parcel__post *post);
void parcel__large_arrays_close(struct parcel__large_arrays *large_arrays);

/* Offers the bundle's large arrays from that one on; owned ones are freed when they are sent or not
 * wanted. Returns the number of the first; SIZE_MAX: out of memory, and nothing is offered. */
size_t parcel__large_arrays_add(struct parcel__large_arrays *large_arrays,
                                const struct parcel__bundle *bundle, size_t from, bool are_owned);

/* Somebody wants one, or does not. With the post held. */
void parcel__large_arrays_hear(struct parcel__large_arrays *large_arrays,
                               const struct parcel__message *message);

/* Asks a rank for one, whose data goes to where there is room for it, in a freight without a tag;
 * or says that there is none. With the post held. */
void parcel__large_arrays_want(struct parcel__large_arrays *large_arrays, size_t number,
                               struct parcel__freight freight);
void parcel__large_arrays_decline(struct parcel__large_arrays *large_arrays, int from,
                                  size_t number);

/* Room for such data, which free frees. NULL: out of memory. */
unsigned char *parcel__large_arrays_room(size_t size);

#endif

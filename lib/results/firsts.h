/*
 * firsts.h: which call's record tells of a call: the nearest one at or before it whose mark is
 * FIRST.
 *
 * Short calls share a record by the thousand, so that whoever reads records at random must not walk
 * to it. One look at all marks notes for each 64 calls the last FIRST before them; it is made by
 * who first needs it, so that a run whose records nobody reads pays nothing.
 */
#ifndef PARCEL__FIRSTS_H
#define PARCEL__FIRSTS_H

#include <stdatomic.h>
#include <stddef.h>

/* Of one run's marks. NULL: not needed yet. Written once, by whichever reader is the first: release
 * once it is filled, acquire to read it. */
struct parcel__firsts {
    _Atomic(size_t *) before; /* for each 64 calls, the last FIRST before the first of them */
};

/* The nearest FIRST at or before the call; there is one. The marks are constant from the first call
 * on. Threads: any number at once. */
size_t parcel__firsts_find(struct parcel__firsts *firsts, const unsigned char *marks, size_t count,
                           size_t index);

/* The marks are others, or gone. Threads: one, while nobody reads. */
void parcel__firsts_forget(struct parcel__firsts *firsts);

#endif

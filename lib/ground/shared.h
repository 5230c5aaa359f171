/* shared.h: memory of which several processes see the same pages. */
#ifndef PARCEL__SHARED_H
#define PARCEL__SHARED_H

#include <stdbool.h>
#include <stddef.h>

/* What is as large is worth pages of its own, and a view of them instead of a copy: fresh pages
 * cost more than a copy does into those that were written before. */
enum { PARCEL__SHARED_LARGE = 16 << 20 };

/* Grows with each parcel_shared_alloc. Threads: any. */
unsigned parcel__shared_serial(void);

/* True when the pointer points into a block that was made when the serial was at most that.
 * Threads: any. */
bool parcel__shared_covers(const void *pointer, unsigned serial);

/* A second view of whole pages of a shared map, which lives on when the map is unmapped. NULL: not
 * here; then copy. Processes that are forked later see its pages, too, and not a copy of them.
 * Threads: any. */
void *parcel__shared_view(void *pages, size_t size);

/* Releases a view, whose pages go back to the system. False: it is none. Threads: any. */
bool parcel__shared_release(void *memory);

#endif

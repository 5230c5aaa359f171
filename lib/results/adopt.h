/* adopt.h: how what a call returned becomes the results' own. */
#ifndef PARCEL__ADOPT_H
#define PARCEL__ADOPT_H

#include <parcel.h>

#include "ground/memory.h"

/*
 * Copies what the value at place points at to where it lives as long as the results: texts of
 * const char * and the content of values into the arena; what the results free themselves, the data
 * of arrays and texts of char *, into new memory, but only where it is_borrowed, as the arguments
 * of a call and the bytes of a message are. False: out of memory; such data is then NULL.
 */
bool parcel__adopt(unsigned kind, void *place, struct parcel__arena *arena, bool is_borrowed);

#endif

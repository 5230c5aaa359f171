/* structure.h: the described structs of the process. */
#ifndef PARCEL__STRUCTURE_H
#define PARCEL__STRUCTURE_H

#include <parcel/value.h>

/* The id of the struct of that name and size, or 0 when it is not described, or described in two
 * ways. Threads: any. */
unsigned short parcel__structure_find(const char *name, size_t size);

/* The struct of that id, or NULL when its object was unloaded. Threads: any. */
const parcel_structure *parcel__structure_at(unsigned short id);

#endif

/* objects.h: which programs and libraries were loaded. */
#ifndef PARCEL__OBJECTS_H
#define PARCEL__OBJECTS_H

#include <link.h>
#include <stdbool.h>

struct parcel__objects;

/* A new list of what is loaded now; NULL when memory ran out. Threads: any. */
struct parcel__objects *parcel__objects_list(void);
void parcel__objects_free(struct parcel__objects *objects);

/* True when nothing was loaded since. */
bool parcel__objects_are_all(const struct parcel__objects *objects);

/* True when the address lies in one of them. */
bool parcel__objects_have(const struct parcel__objects *objects, const void *address);

/* dl_iterate_phdr, of which the C library's own lock would stay locked in a child that another
 * thread forks meanwhile. The name of the program is "": how it was called need not be the same in
 * all its processes. Threads: any. */
int parcel__objects_walk(int (*look)(struct dl_phdr_info *object, size_t size, void *state),
                         void *state);

#endif

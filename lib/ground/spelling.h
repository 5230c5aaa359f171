/* spelling.h: how far two names are apart. Pure. */
#ifndef PARCEL__SPELLING_H
#define PARCEL__SPELLING_H

#include <stddef.h>

/* How many letters are to be put in, left out or changed to make one name of the other; capitals
 * count as small letters do. SIZE_MAX: a name is longer than any of ours. */
size_t parcel__spelling_distance(const char *one, size_t length, const char *other);

#endif

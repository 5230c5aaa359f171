/* digest.h: whether calls are the same in several processes. */
#ifndef PARCEL__DIGEST_H
#define PARCEL__DIGEST_H

#include <parcel.h>

/* The same wherever the calls are: functions, numbers, strings, described structs and values count;
 * of arrays what they are but not what they hold; pointers and other structs do not. Numbers count
 * by their bits. */
uint64_t parcel__digest_calls(const parcel_calls *calls, size_t first, size_t count);

#endif

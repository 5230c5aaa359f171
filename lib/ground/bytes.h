/*
 * bytes.h: bytes that are read one thing behind the other, as another process wrote them.
 *
 * Each thing begins at a multiple of 16, so that whatever it is can be used where it lies. Sizes
 * come from outside: nothing is taken that is not there.
 */
#ifndef PARCEL__BYTES_H
#define PARCEL__BYTES_H

#include <stddef.h>

enum { PARCEL__BYTES_UNIT = 16 };

/* The bytes that a thing takes, which must be far from SIZE_MAX. */
static inline size_t parcel__bytes_padded(size_t size)
{
    return (size + PARCEL__BYTES_UNIT - 1) / PARCEL__BYTES_UNIT * PARCEL__BYTES_UNIT;
}

struct parcel__bytes {
    unsigned char *next;
    size_t left;
};

/* The next so many bytes; NULL: there are fewer. */
static inline unsigned char *parcel__bytes_take(struct parcel__bytes *bytes, size_t size)
{
    if (size > bytes->left || parcel__bytes_padded(size) > bytes->left)
        return NULL;
    unsigned char *taken = bytes->next;
    bytes->next += parcel__bytes_padded(size);
    bytes->left -= parcel__bytes_padded(size);
    return taken;
}

/* So many things of that size, side by side; NULL: there are fewer. */
static inline unsigned char *parcel__bytes_take_some(struct parcel__bytes *bytes, size_t size,
                                                     size_t count)
{
    return size > 0 && count > bytes->left / size ? NULL : parcel__bytes_take(bytes, size * count);
}

#endif

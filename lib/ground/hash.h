/* hash.h: a fast hash of words and bytes, the same in all processes of one build. */
#ifndef PARCEL__HASH_H
#define PARCEL__HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The hash with one more word. With either of them given, no two of the other give the same. */
static inline uint64_t parcel__hash_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15); /* odd: 2^64 / the golden ratio */
    return hash ^ hash >> 32;
}

/* The hash with so many more bytes, and their number. */
static inline uint64_t parcel__hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *next = bytes;
    uint64_t word = 0;
    hash = parcel__hash_mix(hash, size);
    for (; size >= sizeof word; size -= sizeof word, next += sizeof word) {
        memcpy(&word, next, sizeof word);
        hash = parcel__hash_mix(hash, word);
    }
    word = 0;
    if (size > 0)
        memcpy(&word, next, size);
    return parcel__hash_mix(hash, word);
}

#endif

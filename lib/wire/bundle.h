/* bundle.h: calls and results of one message between ranks as bytes, with large arrays left out,
 * which travel by themselves. Both ends are processes of one build. */
#ifndef PARCEL__BUNDLE_H
#define PARCEL__BUNDLE_H

#include <parcel.h>

#include "ground/memory.h"
#include "ground/text.h"

enum { PARCEL__BUNDLE_LARGE = 64 << 10 /* bytes of an array that travels by itself */ };

/* Content that travels by itself, straight from where it lies. */
struct parcel__large {
    size_t place;         /* of its call among those that were put; of a result, its index */
    unsigned char *data;  /* sender: what to send; receiver: NULL */
    size_t size;          /* bytes */
    unsigned part;        /* of a call: the parameter */
    unsigned char *where; /* receiver: where the pointer to the data is to be written, by memcpy */
};

/* Zero is an empty one. */
struct parcel__bundle {
    unsigned char *bytes; /* aligned to 16 */
    size_t used;          /* a multiple of 16 */
    size_t capacity;
    struct parcel__large *large;
    size_t n_large;
    size_t large_capacity;
    bool failed; /* memory ran out */
};

/* Empties it, but keeps its memory. What large speaks of is not touched, here and in free. */
void parcel__bundle_clear(struct parcel__bundle *bundle);
void parcel__bundle_free(struct parcel__bundle *bundle);

/* Appends the bytes, and zeros up to a multiple of 16. False: out of memory. */
bool parcel__bundle_put(struct parcel__bundle *bundle, const void *bytes, size_t size);

/* Functions that other ranks can find, as it was found out; {0} at first. */
struct parcel__bundle_found {
    const parcel_function *functions[16]; /* a new one takes the place of the oldest */
    size_t count;                         /* that were found */
};

/* May these calls travel? If not, adds why; is_known is that of a target. */
bool parcel__bundle_check(const parcel_calls *calls, size_t first, size_t count, bool is_known,
                          struct parcel__bundle_found *found, struct parcel__text *why);

/* Appends calls, as many as fit in most_bytes and one at least. Returns how many. The data of large
 * arrays is borrowed from the calls. 0: the first cannot travel, why is a sentence that names it,
 * or memory ran out; the bundle is as it was. */
size_t parcel__bundle_put_calls(struct parcel__bundle *bundle, const parcel_calls *calls,
                                size_t first, size_t count, size_t most_bytes,
                                struct parcel__text *why);

/* Adds so many calls to the list. Their arrays point into bytes, which must be aligned to 16.
 * large: what is left out, with the places from 0 on; until it is written, the data is NULL. False:
 * why says so (not sound, or what is not known here), or nothing: out of memory. */
bool parcel__bundle_get_calls(unsigned char *bytes, size_t size, size_t count, parcel_calls *list,
                              struct parcel__bundle *large, struct parcel__text *why);

/* Appends results, as many as fit in most_bytes and one at least. Returns how many; 0: out of
 * memory. Large arrays move into large: their slots then say NULL, and who sends the data frees it
 * (free). A result that cannot travel becomes the failure of its call, in results too. */
size_t parcel__bundle_put_results(struct parcel__bundle *bundle, parcel_results *results,
                                  size_t first, size_t count, size_t most_bytes);

/* Where results go that were put: so many, which are NOT_RUN, from at on. */
struct parcel__bundle_destination {
    parcel_results *results;
    size_t at;
    size_t count;
    struct parcel__arena *arena;
};

/* Writes the results there as if the calls had run here: what must be freed is new, the rest is in
 * the arena. A call whose memory runs out has failed, "out of memory". large: what is left out;
 * until it is written (memory that free frees), the data is NULL. False: not sound, or no memory
 * for large; then they are NOT_RUN again. */
bool parcel__bundle_get_results(unsigned char *bytes, size_t size,
                                const struct parcel__bundle_destination *to,
                                struct parcel__bundle *large);

#endif

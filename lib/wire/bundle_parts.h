/* bundle_parts.h: what the two halves of a bundle share: bundle_calls.c and bundle_results.c. */
#ifndef PARCEL__BUNDLE_PARTS_H
#define PARCEL__BUNDLE_PARTS_H

#include <string.h>

#include "ground/bytes.h"
#include "wire/bundle.h"
#include "wire/wire.h"

/* What became of something that was to be put. */
enum parcel__bundle_outcome {
    PARCEL__BUNDLE_DONE,
    PARCEL__BUNDLE_FULL,
    PARCEL__BUNDLE_REFUSED,
    PARCEL__BUNDLE_NO_MEMORY
};

/* Who is told of what wire.c leaves out. */
struct parcel__bundle_leaving {
    struct parcel__bundle *bundle;
    size_t place; /* of the call that is written or read */
};

/* What a parcel__wire_away is told by: adds a large array of the state, a parcel__bundle_leaving.
 */
bool parcel__bundle_leave_out(void *state, unsigned part, void *data, size_t size);

/* So many more bytes, to be written; those of the padding are zero. NULL: out of memory. */
unsigned char *parcel__bundle_extend(struct parcel__bundle *bundle, size_t size);

/* Writes an object where the bundle's bytes do not go beyond end, or where it is the first. */
enum parcel__bundle_outcome parcel__bundle_put_object(struct parcel__bundle *bundle, size_t end,
                                                      bool is_first,
                                                      const struct parcel__wire_layout *layout,
                                                      const void *object,
                                                      struct parcel__wire_away *away);

/* Reads one. False: it is not sound. */
bool parcel__bundle_take_object(struct parcel__bytes *input,
                                const struct parcel__wire_layout *layout, void *object,
                                struct parcel__wire_away *away);

/* True when it is the same in each process, byte by byte. */
static inline bool parcel__bundle_is_plain(unsigned kind)
{
    return kind < PARCEL_STRING || kind == PARCEL_STRUCT_BYTES;
}

/* Copies so many things of that size between places a stride apart. */
void parcel__bundle_copy_column(unsigned char *to, size_t to_stride, const unsigned char *from,
                                size_t from_stride, size_t size, size_t count);

/* How many of so many things of that size fit, one at least when they are the first. */
static inline size_t parcel__bundle_fitting(const struct parcel__bundle *bundle, size_t end,
                                            bool is_first, size_t size, size_t count)
{
    size_t left = bundle->used < end ? end - bundle->used : 0;
    size_t fit = size > 0 ? left / PARCEL__BYTES_UNIT * PARCEL__BYTES_UNIT / size : count;
    if (fit == 0 && is_first)
        return 1;
    return fit < count ? fit : count;
}

#endif

/*
 * bundle.c: the bytes of one message between processes of one build, as they are put together.
 *
 * bundle_calls.c puts calls into it and bundle_results.c results. What holds no pointers is copied
 * as it lies, all of a group or stretch at once; the rest is an object of wire.c for each call.
 */
#include "wire/bundle_parts.h"

enum { FIRST_BYTES = 4096, FIRST_LARGE = 8 };

/* ---- the bundle ---- */

void parcel__bundle_clear(struct parcel__bundle *bundle)
{
    bundle->used = 0;
    bundle->n_large = 0;
    bundle->failed = false;
}

void parcel__bundle_free(struct parcel__bundle *bundle)
{
    parcel__memory_free(bundle->bytes);
    parcel__memory_free(bundle->large);
    *bundle = (struct parcel__bundle){0};
}

static bool make_room(struct parcel__bundle *bundle, size_t size)
{
    size_t capacity = bundle->capacity ? bundle->capacity : FIRST_BYTES;
    if (size > SIZE_MAX / 4 - bundle->used) {
        bundle->failed = true;
        return false;
    }
    while (capacity - bundle->used < size)
        capacity *= 2;
    if (capacity == bundle->capacity)
        return true;
    unsigned char *bytes = parcel__memory_resize(bundle->bytes, capacity);
    bundle->failed = bundle->failed || !bytes;
    if (!bytes)
        return false;
    bundle->bytes = bytes;
    bundle->capacity = capacity;
    return true;
}

unsigned char *parcel__bundle_extend(struct parcel__bundle *bundle, size_t size)
{
    size_t whole = parcel__bytes_padded(size < SIZE_MAX / 2 ? size : SIZE_MAX / 2);
    if (!make_room(bundle, whole))
        return NULL;
    unsigned char *bytes = bundle->bytes + bundle->used;
    memset(bytes + size, 0, whole - size);
    bundle->used += whole;
    return bytes;
}

bool parcel__bundle_put(struct parcel__bundle *bundle, const void *bytes, size_t size)
{
    unsigned char *place = parcel__bundle_extend(bundle, size);
    if (place && size > 0)
        memcpy(place, bytes, size);
    return place != NULL;
}

static bool add_large(struct parcel__bundle *bundle, struct parcel__large large)
{
    if (bundle->n_large == bundle->large_capacity) {
        size_t capacity = bundle->large_capacity ? 2 * bundle->large_capacity : FIRST_LARGE;
        struct parcel__large *all = parcel__memory_resize(bundle->large, capacity * sizeof *all);
        bundle->failed = bundle->failed || !all;
        if (!all)
            return false;
        bundle->large = all;
        bundle->large_capacity = capacity;
    }
    bundle->large[bundle->n_large++] = large;
    return true;
}

bool parcel__bundle_leave_out(void *state, unsigned part, void *data, size_t size)
{
    const struct parcel__bundle_leaving *leaving = state;
    return add_large(
        leaving->bundle,
        (struct parcel__large){.place = leaving->place, .data = data, .size = size, .part = part});
}

/* ---- objects ---- */

enum parcel__bundle_outcome parcel__bundle_put_object(struct parcel__bundle *bundle, size_t end,
                                                      bool is_first,
                                                      const struct parcel__wire_layout *layout,
                                                      const void *object,
                                                      struct parcel__wire_away *away)
{
    size_t size = parcel__wire_size_away(layout, object, away);
    if (size == 0)
        return PARCEL__BUNDLE_REFUSED;
    if (!is_first && (bundle->used > end || size > end - bundle->used))
        return PARCEL__BUNDLE_FULL;
    if (!make_room(bundle, size) ||
        parcel__wire_put_away(bundle->bytes + bundle->used, size, layout, object, away) == 0)
        return PARCEL__BUNDLE_NO_MEMORY;
    bundle->used += size;
    return PARCEL__BUNDLE_DONE;
}

bool parcel__bundle_take_object(struct parcel__bytes *input,
                                const struct parcel__wire_layout *layout, void *object,
                                struct parcel__wire_away *away)
{
    size_t size = parcel__wire_get_away(input->next, input->left, layout, object, away);
    return size > 0 && parcel__bytes_take(input, size);
}

void parcel__bundle_copy_column(unsigned char *to, size_t to_stride, const unsigned char *from,
                                size_t from_stride, size_t size, size_t count)
{
    if (to_stride == size && from_stride == size)
        memcpy(to, from, size * count);
    else if (size == 8) /* without a call of memcpy */
        for (; count > 0; count--, to += to_stride, from += from_stride)
            memcpy(to, from, 8);
    else if (size > 0)
        for (; count > 0; count--, to += to_stride, from += from_stride)
            memcpy(to, from, size);
}

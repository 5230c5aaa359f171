/* feed_list.c: a stream's calls from a list or a map, where they stay. */
#include "stream/feed.h"

static size_t whole(void *state)
{
    return ((const struct parcel__stream *)state)->count;
}

static size_t room(void *state)
{
    const struct parcel__stream *stream = state;
    return stream->count - parcel__stream_count_pulled(stream);
}

static size_t fill(void *state, struct parcel__stream_block *block, size_t count,
                   enum parcel__feed_end end)
{
    struct parcel__stream *stream = state;
    size_t n_pulled = parcel__stream_count_pulled(stream), left = stream->count - n_pulled;
    count = count < left ? count : left;
    parcel__feed_add_pulled(stream, count);
    if (count == left)
        parcel__feed_note_end(stream);
    block->lot.first_index = n_pulled - stream->n_from_end;
    if (end == PARCEL__FEED_BACK) {
        stream->n_from_end += count;
        block->lot.first_index = stream->count - stream->n_from_end;
    }
    block->lot.first_call = block->lot.first_index;
    return count;
}

const struct parcel__feed parcel__feed_list = {.room = room, .whole = whole, .fill = fill};

/* feed.h: how calls come into a stream: from a list, a generator or elsewhere, into blocks. */
#ifndef PARCEL__FEED_H
#define PARCEL__FEED_H

#include "stream/stream.h"

/* From where calls are taken, of those that have two ends. */
enum parcel__feed_end { PARCEL__FEED_FRONT, PARCEL__FEED_BACK };

/* What gives a stream its calls. Called by one thread at a time, but for room, whole and put_back.
 * NULL where nothing is said: there is nothing to do. */
struct parcel__feed {
    /* How many calls there are just now; NULL: nobody knows. */
    size_t (*room)(void *state);

    /* How many a static schedule gives each worker a part of; NULL: nobody knows. */
    size_t (*whole)(void *state);

    /* Fills a block with the next calls, at most count: says where they stand. Returns how many
     * there are. */
    size_t (*fill)(void *state, struct parcel__stream_block *block, size_t count,
                   enum parcel__feed_end end);

    /* A block that was filled cannot run. */
    void (*drop)(void *state, struct parcel__stream_block *block);

    /* The calls of a block from at on become those of another one. */
    void (*share)(struct parcel__stream_block *to, const struct parcel__stream_block *from,
                  size_t at);

    /* Takes the calls of a block from at on back, which were not run. NULL: the stream hands them
     * out again. */
    void (*put_back)(void *state, struct parcel__stream_block *block, size_t at);
};

/* The stream's own calls; the state is the stream. */
extern const struct parcel__feed parcel__feed_list, parcel__feed_generator;

/* So many calls were handed out; and there are no more. By who hands out. */
static inline void parcel__feed_add_pulled(struct parcel__stream *stream, size_t count)
{
    atomic_store_explicit(&stream->n_pulled, parcel__stream_count_pulled(stream) + count,
                          memory_order_relaxed);
}

static inline void parcel__feed_note_end(struct parcel__stream *stream)
{
    atomic_store_explicit(&stream->has_ended, true, memory_order_relaxed);
}

/* For how many new calls the window has room now. Called with the mutex held. */
size_t parcel__feed_room(const struct parcel__stream *stream);

/* Takes the next block for a worker; NULL when there is none just now. */
struct parcel__stream_block *parcel__feed_pull(struct parcel__stream *stream,
                                               struct parcel__stream_worker *worker);

/* Takes the next calls, at most count of them, into a block; NULL: none may be handed out now, or
 * another thread is just asking for some. Threads: any. */
struct parcel__stream_block *parcel__feed_take(struct parcel__stream *stream, size_t count);

/* True when nothing more will be handed out. */
bool parcel__feed_has_ended(struct parcel__stream *stream);

/* At most how many calls are left to be handed out, as far as anybody knows. */
size_t parcel__feed_left(struct parcel__stream *stream);

#endif

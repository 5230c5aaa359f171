/* feed.h: how calls come into a stream: from a list, a generator or elsewhere, into blocks. */
#ifndef PARCEL__FEED_H
#define PARCEL__FEED_H

#include "stream/stream.h"

/* Takes the next block for a worker; NULL when there is none just now. */
struct parcel__stream_block *parcel__feed_pull(struct parcel__stream *stream,
                                               struct parcel__stream_worker *worker);

/* Waits until a worker may find calls. False: there will be none, or it is this thread that keeps
 * them from coming. */
bool parcel__feed_await(struct parcel__stream *stream);

/* Takes the next calls, at most count of them, into a block; NULL: none may be handed out now, or
 * another thread is just asking for some. Threads: any. */
struct parcel__stream_block *parcel__feed_take(struct parcel__stream *stream, size_t count);

/* True when nothing more will be handed out. */
bool parcel__feed_has_ended(struct parcel__stream *stream);

/* At most how many calls are left to be handed out, as far as anybody knows. */
size_t parcel__feed_left(struct parcel__stream *stream);

#endif

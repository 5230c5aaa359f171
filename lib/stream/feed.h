/* feed.h: how calls come into a stream: from a list, a generator or elsewhere, into blocks. */
#ifndef PARCEL__FEED_H
#define PARCEL__FEED_H

#include "stream/stream.h"

/* Takes the next block for a worker, which waits for it; NULL when nothing is left, or, where
 * some come from elsewhere, for now. */
struct parcel__stream_block *parcel__feed_pull(struct parcel__stream *stream,
                                               struct parcel__stream_worker *worker);

/* Takes the next calls, at most count of them, into a block; NULL: none may be handed out now, or
 * another thread is just asking for some. Threads: any. */
struct parcel__stream_block *parcel__feed_take(struct parcel__stream *stream, size_t count);

/* The calls of a block from at on, which is not finished, become a block of their own, right behind
 * it. NULL: out of memory, and it is as it was. Threads: any. */
struct parcel__stream_block *parcel__feed_split(struct parcel__stream *stream,
                                                struct parcel__stream_block *block, size_t at);

/* The same, and they are handed out again. seconds_per_call: of those that ran; 0: nobody knows.
 * False: out of memory. */
bool parcel__feed_give_back(struct parcel__stream *stream, struct parcel__stream_block *block,
                            size_t at, double seconds_per_call);

/* What was given back does not run when the run stops. Threads: any. */
void parcel__feed_finish_returned(struct parcel__stream *stream);

/* True when nothing more will be handed out. */
bool parcel__feed_has_ended(struct parcel__stream *stream);

/* At most how many calls are left to be handed out, as far as anybody knows. */
size_t parcel__feed_left(struct parcel__stream *stream);

#endif

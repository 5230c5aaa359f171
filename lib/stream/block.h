/* block.h: the blocks of a stream: found, cut in two, handed out again, and finished. */
#ifndef PARCEL__BLOCK_H
#define PARCEL__BLOCK_H

#include "stream/stream.h"

/* A block that nobody uses, or a new one. Who still holds results of one keeps it. */
struct parcel__stream_block *parcel__block_find(struct parcel__stream *stream);

/* The calls of a block from at on, which is not finished, become a block of their own, right behind
 * it. NULL: out of memory, and it is as it was. Threads: any. */
struct parcel__stream_block *parcel__block_split(struct parcel__stream *stream,
                                                 struct parcel__stream_block *block, size_t at);

/* The same, and they are handed out again. seconds_per_call: of those that ran; 0: nobody knows.
 * False: out of memory. */
bool parcel__block_give_back(struct parcel__stream *stream, struct parcel__stream_block *block,
                             size_t at, double seconds_per_call);

/* What was given back does not run when the run stops. Threads: any. */
void parcel__block_finish_returned(struct parcel__stream *stream);

/* A block that was given back, to be run; NULL: there is none. Threads: any. */
struct parcel__stream_block *parcel__block_take_returned(struct parcel__stream *stream);

/* What the results of a block point at that runs here, or at the host of that worker: number. */
struct parcel__arena *parcel__block_arena(struct parcel__stream *stream,
                                          struct parcel__stream_block *block, int number);

/* A block that was taken has run, here or elsewhere, and its results and sums are written. Threads:
 * any. */
void parcel__block_finish(struct parcel__stream *stream, struct parcel__stream_block *block);

#endif

/* delivery.h: how results leave a stream: into on_result, to who pulls them, elsewhere. */
#ifndef PARCEL__DELIVERY_H
#define PARCEL__DELIVERY_H

#include "stream/stream.h"

/* Gives away what is ready, unless another thread is just doing so, which then does it; of a stream
 * that is pulled, nothing. Threads: any. */
void parcel__delivery_give(struct parcel__stream *stream);

/* Waits for the next result of a stream that is pulled: its block, which is held, and its index in
 * the block. NULL: the end. */
struct parcel__stream_block *parcel__delivery_next(struct parcel__stream *stream, size_t *index);

/* True when all results were pulled that there will be, as far as is known. */
bool parcel__delivery_is_complete(struct parcel__stream *stream);

#endif

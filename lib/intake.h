/* intake.h: how calls come into a stream: from a list, a generator or another rank, into blocks. */
#ifndef PARCEL__INTAKE_H
#define PARCEL__INTAKE_H

#include "stream.h"

/* Takes the next block for a worker; NULL when nothing is left, or, among ranks, for now. */
struct parcel__stream_block *parcel__intake_pull(struct parcel__stream *stream,
                                                 struct parcel__stream_worker *worker);

/* Takes the next calls, at most count of them, into a block; NULL: none may be handed out now, or
 * another thread is just asking for some. Threads: any. */
struct parcel__stream_block *parcel__intake_take(struct parcel__stream *stream, size_t count);

/* The calls of a block from at on, which is not finished, are handed out again. False: out of
 * memory, and it is as it was. Threads: any. */
bool parcel__intake_split(struct parcel__stream *stream, struct parcel__stream_block *block,
                          size_t at);

/* What was given back does not run when the run stops. Threads: any. */
void parcel__intake_finish_returned(struct parcel__stream *stream);

/* True when nothing more will be handed out. */
bool parcel__intake_has_ended(struct parcel__stream *stream);

/* At most how many calls are left to be handed out, as far as anybody knows. */
size_t parcel__intake_left(struct parcel__stream *stream);

#endif

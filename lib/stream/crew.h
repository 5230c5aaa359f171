/* crew.h: the workers of a stream, which run its blocks, and what became of each block. */
#ifndef PARCEL__CREW_H
#define PARCEL__CREW_H

#include "stream/stream.h"

/* Runs all calls, and waits. run: runs a job on the team. */
void parcel__crew_run(struct parcel__stream *stream,
                      void (*run)(void *context, struct parcel_job *job), void *context);

/* True when some worker here runs no calls just now. Threads: any. */
bool parcel__crew_has_free_worker(struct parcel__stream *stream);

/* Asks the workers to hand back what they have not begun. Threads: any. */
void parcel__crew_ask(struct parcel__stream *stream);

/* ---- calls that run elsewhere ---- */

/* A block that was taken has run, and its results and sums are written. Threads: any. */
void parcel__crew_finish(struct parcel__stream *stream, struct parcel__stream_block *block);

/* What the results of such calls point at lives there; number: of the first worker there. */
struct parcel__arena *parcel__crew_arena(struct parcel__stream *stream,
                                         struct parcel__stream_block *block, int number);

/* How many calls have run, here and there. Threads: any. */
size_t parcel__crew_count_ran(struct parcel__stream *stream);

/* Counts calls that ended, as a worker does who runs them. Threads: any. */
void parcel__crew_count(struct parcel__stream *stream, size_t failed, size_t succeeded);

#endif

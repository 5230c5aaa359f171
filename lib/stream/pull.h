/* pull.h: a stream that runs in a thread of its own while its results are pulled. */
#ifndef PARCEL__PULL_H
#define PARCEL__PULL_H

#include "stream/stream.h"

/* What a pulled stream needs of who starts it. */
struct parcel__pull_owner {
    void (*run)(void *context, struct parcel_job *job); /* runs a job on the team */
    /* Nothing runs any more, though results may still be pulled; ending: what became of the run. In
     * a thread of the stream's own. */
    void (*over)(void *context, parcel_results *ending);
    void (*ended)(void *context); /* the stream has ended, in the thread that pulls it */
    void *context;
};

/* Starts the stream, whose results, not yet settled, are given. NULL, or why not. */
const char *parcel__pull_start(parcel_results *results,
                               const struct parcel__stream_options *options,
                               const struct parcel__pull_owner *owner);

#endif

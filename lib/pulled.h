/* pulled.h: a stream that runs in a thread of its own while its results are pulled. */
#ifndef PARCEL__PULLED_H
#define PARCEL__PULLED_H

#include "stream.h"

/* What a pulled stream needs of who starts it. */
struct parcel__pulled_owner {
    void (*run)(void *context, struct parcel_job *job); /* runs a job on the team */
    void (*ended)(void *context); /* the stream is over, in the thread that pulls it */
    void *context;
};

/* Starts the stream, whose results, not yet settled, are given. NULL, or why not. */
const char *parcel__pulled_start(parcel_results *results,
                                 const struct parcel__stream_options *options,
                                 const struct parcel__pulled_owner *owner);

#endif

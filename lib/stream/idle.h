/* idle.h: a worker of a stream that has no calls. */
#ifndef PARCEL__IDLE_H
#define PARCEL__IDLE_H

#include "stream/stream.h"

/* Waits until a worker may find calls. False: there will be none, or it is this thread that keeps
 * them from coming. */
bool parcel__idle_await(struct parcel__stream *stream);

#endif

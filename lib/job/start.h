/* start.h: what a worker does before its first call. */
#ifndef PARCEL__START_H
#define PARCEL__START_H

#include "job/job.h"

/* True when the worker, of a job that has states, has its own, which it makes before its first
 * call. False: the user's function failed, which stops the run. Threads: the worker's. */
bool parcel__start_has_state(struct parcel_job *job, struct parcel__worker *worker);

/* Makes the state of the worker of a job with one, which is ready, and has states. Threads: the one
 * that is to run its calls. */
void parcel__start_worker(struct parcel_job *job);

#endif

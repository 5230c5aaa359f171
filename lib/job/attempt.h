/* attempt.h: a call within its limits, and again if it failed and is to be retried. */
#ifndef PARCEL__ATTEMPT_H
#define PARCEL__ATTEMPT_H

#include "job/job.h"
#include "job/record.h"

/* Runs the stretch's i-th call within its limits, and again if it is to be retried. */
void parcel__attempt_run(struct parcel_job *job, struct parcel__worker *worker,
                         const parcel_stretch *stretch, size_t i);

/* Forgets what a failed attempt left behind. */
void parcel__attempt_clear(struct parcel__worker *worker);

/* True when a failed call is to be tried again: then the time before that has passed. */
bool parcel__attempt_retries(struct parcel_job *job, size_t index,
                             const struct parcel__outcome *outcome);

#endif

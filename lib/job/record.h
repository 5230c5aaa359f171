/* record.h: what is written of calls that ended, here or elsewhere. */
#ifndef PARCEL__RECORD_H
#define PARCEL__RECORD_H

#include "job/job.h"

/* What became of a call that ran elsewhere. */
struct parcel__outcome {
    parcel_status status;
    const char *message; /* of a failure; copied */
    double start;        /* by the clock */
    double duration;
    int worker;
    int pid;
    int attempts;
};

/* Marks a call as failed, or as one that did not run, with a message that is copied; NULL: out of
 * memory. */
void parcel__record_unrun(struct parcel__worker *worker, size_t place, parcel_status status,
                          const char *message);

/* The same of one that the worker ran, which may stop the run. */
void parcel__record_failure(struct parcel_job *job, struct parcel__worker *worker, size_t place,
                            parcel_status status, const char *message);

/* Records a call of the worker; when it succeeded its value stands in its slot. One that is
 * cancelled did not end: it counts neither as run nor as failed. */
void parcel__record_outcome(struct parcel_job *job, struct parcel__worker *worker, size_t place,
                            const struct parcel__outcome *outcome);

#endif

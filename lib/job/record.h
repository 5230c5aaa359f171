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

/* Marks a call that the worker ran as failed, with a message that is copied; NULL: out of memory.
 * It may stop the run. */
void parcel__record_failure(struct parcel_job *job, struct parcel__worker *worker, size_t place,
                            parcel_status status, const char *message);

/* What record_ended does of a call that failed, or in a run that looks at each. */
void parcel__record_note_ended(struct parcel_job *job, size_t index, parcel_status status,
                               double seconds, int attempts);

/* Takes note of a call that ended elsewhere, by its number in the run: it may stop the run, its
 * time is part of the median, and watchers are told if it took too long. Most that succeed change
 * nothing. Threads: any. */
static inline void parcel__record_ended(struct parcel_job *job, size_t index, parcel_status status,
                                        double seconds, int attempts)
{
    if (status != PARCEL_OK || job->is_careful)
        parcel__record_note_ended(job, index, status, seconds, attempts);
}

/* Records a call of the worker; when it succeeded its value stands in its slot. One that is
 * cancelled did not end: it counts neither as run nor as failed. */
void parcel__record_outcome(struct parcel_job *job, struct parcel__worker *worker, size_t place,
                            const struct parcel__outcome *outcome);

#endif

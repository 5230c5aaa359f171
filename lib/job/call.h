/* call.h: one call of a worker. */
#ifndef PARCEL__CALL_H
#define PARCEL__CALL_H

#include <string.h>

#include "ground/floating.h"
#include "job/job.h"

/* Events are rare, so each call's path ends at one load and one branch. */
static inline unsigned parcel__call_events(const struct parcel__worker *worker)
{
    return __atomic_load_n(&worker->current.running.events, __ATOMIC_RELAXED);
}

/* Runs a call whose arguments or result need more than the thunk. False: memory ran out. */
bool parcel__call_run_boxed(struct parcel__worker *worker, const unsigned char *arguments,
                            void *slot);

/* What a call changed of its thread's modes and OpenMP settings is not for the next one. Called
 * before each call that is timed alone, and else before each batch: to look costs as much as a
 * short call. So where a call was found that changes modes, each is timed alone from then on; and
 * settings are looked at where calls are long enough to open a region, unless who is told of each
 * call does that behind it. */
static inline void parcel__call_put_right(const struct parcel_job *job,
                                          struct parcel__worker *worker)
{
    worker->changes_modes |= parcel__floating_set(&job->options.floating);
    bool is_long = worker->seconds_per_call > PARCEL__OPENMP_SHORTEST && !job->options.recorded;
    if (job->is_careful || is_long)
        parcel__openmp_renew(worker->openmp);
}

/* Runs the stretch's i-th call. */
static inline void parcel__call_run(struct parcel__worker *worker, const parcel_stretch *stretch,
                                    size_t i)
{
    const struct parcel__traits *traits = &worker->traits;
    const unsigned char *arguments = stretch->arguments + i * stretch->stride;
    unsigned char *slot = stretch->results + i * stretch->result_stride;
    worker->current.running.index = stretch->first + i;
    if (traits->is_plain)
        traits->function->thunk(arguments, slot);
    else if (!parcel__call_run_boxed(worker, arguments, slot))
        parcel_fail_in(&worker->current, "%s", "out of memory");
}

/* The same, and puts right first what the one before changed. */
static inline void parcel__call_run_single(const struct parcel_job *job,
                                           struct parcel__worker *worker,
                                           const parcel_stretch *stretch, size_t i)
{
    parcel__call_put_right(job, worker);
    parcel__call_run(worker, stretch, i);
    if (job->options.returned)
        job->options.returned();
}

#endif

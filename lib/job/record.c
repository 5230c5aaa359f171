/* record.c: what is written of calls that ended, here or elsewhere. */
#include "job/record.h"

static const char out_of_memory[] = "out of memory";

/* Marks a call as failed, or as one that did not run. */
static void put_message(struct parcel__worker *worker, size_t place, parcel_status status,
                        const char *message)
{
    const char *kept = message ? parcel__arena_copy(worker->arena, message) : NULL;
    parcel__results_fail(worker->lot->results, place, status, kept ? kept : out_of_memory);
}

void parcel__record_failure(struct parcel_job *job, struct parcel__worker *worker, size_t place,
                            parcel_status status, const char *message)
{
    put_message(worker, place, status, message);
    worker->sums.n_failed++;
    parcel__job_count(job, 1, 0);
}

void parcel__record_note_ended(struct parcel_job *job, size_t index, parcel_status status,
                               double seconds, int attempts)
{
    if (status == PARCEL_TIMED_OUT)
        parcel__watcher_tell_overran(job->options.watchers, index, seconds,
                                     parcel__control_allowed(job->control));
    if (status != PARCEL_OK) {
        parcel__job_count(job, 1, 0);
        return;
    }
    parcel__control_note_call(job->control, seconds, index, attempts);
    parcel__job_count(job, 0, 1);
}

void parcel__record_outcome(struct parcel_job *job, struct parcel__worker *worker, size_t place,
                            const struct parcel__outcome *outcome)
{
    const struct parcel__record record = {.start = outcome->start - job->start,
                                          .duration = outcome->duration,
                                          .worker = outcome->worker,
                                          .pid = outcome->pid};
    size_t index = worker->lot->first_index + place;
    parcel__results_mark(worker->lot->results, place, 1, outcome->status, record);
    parcel__results_note_attempts(worker->lot->results, place, outcome->attempts);
    if (outcome->status != PARCEL_OK)
        put_message(worker, place, outcome->status, outcome->message);
    if (outcome->status == PARCEL_CANCELLED)
        return;
    worker->sums.n_ran++;
    worker->sums.n_failed += outcome->status != PARCEL_OK;
    worker->sums.total_time += outcome->duration;
    parcel__tally_note_longest(&worker->sums, outcome->duration, index);
    parcel__record_ended(job, index, outcome->status, outcome->duration, outcome->attempts);
}

/* record.c: what is written of calls that ended, here or elsewhere. */
#include "job/record.h"

static const char out_of_memory[] = "out of memory";

void parcel__record_unrun(struct parcel__worker *worker, size_t place, parcel_status status,
                          const char *message)
{
    const char *kept = message ? parcel__arena_copy(worker->arena, message) : NULL;
    parcel__results_fail(worker->lot->results, place, status, kept ? kept : out_of_memory);
}

void parcel__record_failure(struct parcel_job *job, struct parcel__worker *worker, size_t place,
                            parcel_status status, const char *message)
{
    parcel__record_unrun(worker, place, status, message);
    worker->sums.n_failed++;
    parcel__job_count(job, 1, 0);
}

static void tell_of_overrun(const struct parcel_job *job, size_t index, double seconds)
{
    const struct parcel__watcher *watcher = &job->options.watcher;
    if (watcher->overran)
        watcher->overran(watcher->state, index, seconds, parcel__control_allowed(job->control));
}

void parcel__record_outcome(struct parcel_job *job, struct parcel__worker *worker, size_t place,
                            const struct parcel__outcome *outcome)
{
    const struct parcel__record record = {outcome->start - job->start, outcome->duration,
                                          outcome->worker, outcome->pid};
    size_t index = worker->lot->first_index + place;
    parcel__results_mark(worker->lot->results, place, 1, outcome->status, record);
    parcel__results_note_attempts(worker->lot->results, place, outcome->attempts);
    if (outcome->status == PARCEL_CANCELLED) {
        parcel__record_unrun(worker, place, outcome->status, outcome->message);
        return;
    }
    worker->sums.n_ran++;
    worker->sums.total_time += outcome->duration;
    parcel__tally_note_longest(&worker->sums, outcome->duration, index);
    if (outcome->status == PARCEL_TIMED_OUT)
        tell_of_overrun(job, index, outcome->duration);
    if (outcome->status != PARCEL_OK) {
        parcel__record_failure(job, worker, place, outcome->status, outcome->message);
        return;
    }
    parcel__control_note_call(job->control, outcome->duration, index, outcome->attempts);
    if (job->is_careful)
        parcel__job_count(job, 0, 1);
}

/* attempt.c: a call within its limits, and again if it failed and is to be retried. */
#include "job/attempt.h"

#include <math.h>

#include "ground/clock.h"
#include "ground/memory.h"
#include "ground/port.h"
#include "job/call.h"
#include "options/scope.h"

static const char out_of_memory[] = "out of memory";

static void fail_late(struct parcel_current_call *current, double seconds, double allowed)
{
    struct parcel__text why = {0};
    parcel__text_format(&why, "timed out: %.3g s, %.3g s allowed", seconds, allowed);
    parcel_fail_in(current, "%s", why.failed ? out_of_memory : why.bytes);
    parcel__text_free(&why);
}

/* Marks an attempt that took too long as failed, whatever it says itself. */
static void check_time(struct parcel_job *job, struct parcel__worker *worker, size_t index)
{
    struct parcel_current_call *current = &worker->current;
    worker->is_late = false;
    if (current->started <= 0)
        return;
    double seconds = fmax(parcel__clock_now() - current->started, 0);
    double overran = atomic_load_explicit(&current->overran, memory_order_relaxed);
    double allowed = fmin(parcel__control_allowed(job->control), overran);
    bool has_failed = parcel__call_events(worker) & PARCEL__EVENT_FAILED;
    worker->is_late = seconds > allowed;
    if (!worker->is_late && !has_failed)
        parcel__control_note(job->control, seconds);
    if (!worker->is_late)
        return;
    if (!has_failed)
        parcel__results_free_taken(worker->lot->results, index - worker->lot->first_index);
    parcel__memory_free(parcel__current_take_message(current));
    fail_late(current, seconds, allowed);
    parcel__watcher_tell_overran(job->options.watchers, index, seconds, allowed);
}

/* True when a call that failed is to be tried again. */
static bool wants_retry(struct parcel_job *job, size_t index, int attempts, bool is_late,
                        const char *message)
{
    const struct parcel__retry *retry = &job->control->limits->retry;
    if (attempts > retry->most || parcel__job_must_stop(job))
        return false;
    if (!retry->wanted)
        return !is_late;
    return retry->wanted(retry->state, index, message ? message : out_of_memory, attempts);
}

/* The same of the call that the worker ran. */
static bool wants_another(struct parcel_job *job, const struct parcel__worker *worker, size_t index,
                          int attempts)
{
    return (parcel__call_events(worker) & PARCEL__EVENT_FAILED) &&
           wants_retry(job, index, attempts, worker->is_late,
                       atomic_load_explicit(&worker->current.message, memory_order_relaxed));
}

/* Waits before the next attempt. False: the run stops meanwhile. */
static bool await_retry(struct parcel_job *job, size_t index, int attempts)
{
    static const double look = 0.5e-3; /* what stops the run may be a signal: nothing wakes us */
    double delay = parcel__retry_delay(job->control->limits->retry.delay, index, attempts);
    double now = parcel__port_now(), end = now + delay;
    for (; now < end; now = parcel__port_now()) {
        if (parcel__job_must_stop(job))
            return false;
        parcel__port_sleep(end - now < look ? end - now : look);
    }
    return true;
}

void parcel__attempt_clear(struct parcel__worker *worker)
{
    struct parcel_current_call *current = &worker->current;
    __atomic_fetch_and(&current->running.events, ~(unsigned)PARCEL__EVENT_FAILED, __ATOMIC_ACQUIRE);
    parcel__memory_free(parcel__current_take_message(current));
    parcel__scope_close_all(current->scopes);
    current->scopes = NULL;
}

void parcel__attempt_run(struct parcel_job *job, struct parcel__worker *worker,
                         const parcel_stretch *stretch, size_t i)
{
    size_t index = stretch->first + i;
    for (int attempts = 1;; attempts++) {
        atomic_store_explicit(&worker->current.overran, INFINITY, memory_order_relaxed);
        worker->current.started = parcel__clock_now();
        parcel__call_run_single(job, worker, stretch, i);
        check_time(job, worker, index);
        worker->current.started = 0;
        parcel__results_note_attempts(worker->lot->results, index - worker->lot->first_index,
                                      attempts);
        if (!wants_another(job, worker, index, attempts) || !await_retry(job, index, attempts))
            return;
        parcel__attempt_clear(worker);
    }
}

bool parcel__attempt_retries(struct parcel_job *job, size_t index,
                             const struct parcel__outcome *outcome)
{
    return wants_retry(job, index, outcome->attempts, outcome->status == PARCEL_TIMED_OUT,
                       outcome->message) &&
           await_retry(job, index, outcome->attempts);
}

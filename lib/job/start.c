/* start.c: what a worker does before its first call. */
#include "job/start.h"

#include "ground/floating.h"
#include "ground/port.h"
#include "job/attempt.h"
#include "job/call.h"

/* Makes the worker's state. False: the user's function failed. */
static bool start_worker(struct parcel_job *job, struct parcel__worker *worker,
                         struct parcel__worker_state *state)
{
    const struct parcel__callbacks *callbacks = &job->options.states->callbacks;
    struct parcel_current_call *current = &worker->current;
    current->running.index = SIZE_MAX; /* it is no call */
    (void)parcel__floating_set(&job->options.floating);
    state->value = callbacks->start ? callbacks->start(callbacks->state, current->worker) : NULL;
    state->is_started = !(parcel__call_events(worker) & PARCEL__EVENT_FAILED);
    if (!state->is_started) {
        parcel__control_stop_at_worker(job->control, current->worker,
                                       parcel__current_take_message(current));
        parcel__job_stop(job, PARCEL__BY_WORKER);
    }
    parcel__attempt_clear(worker);
    worker->clock = parcel__port_now();
    return state->is_started;
}

bool parcel__start_has_state(struct parcel_job *job, struct parcel__worker *worker)
{
    struct parcel__state_set *states = job->options.states;
    struct parcel__worker_state *state = &states->of[worker->current.worker - states->first_worker];
    if (!state->is_started && (parcel__job_is_stopped(job) || !start_worker(job, worker, state)))
        return false;
    worker->current.worker_state = state->value;
    return true;
}

void parcel__start_worker(struct parcel_job *job)
{
    struct parcel__worker *worker = &job->workers[0];
    struct parcel_current_call *before = parcel__current_enter(&worker->current);
    (void)parcel__start_has_state(job, worker); /* who fails has stopped the job */
    parcel__current_leave(before);
}

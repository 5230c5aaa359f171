/*
 * job.c: one run: opened, stopped, closed, and what became of it.
 *
 * The slot, mark and record of a call are written by the one worker that took it (steal.c).
 */
#include "job/job.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "ground/memory.h"
#include "ground/port.h"
#include "job/wake.h"

const char parcel__job_dropped[] = "the backend returned without running the call";

void parcel__job_ask(struct parcel_job *job, int worker)
{
    parcel__current_signal(&job->workers[worker].current, PARCEL__EVENT_ASKED);
    parcel__job_poke(&job->workers[worker]);
}

bool parcel_job_stopped(const parcel_job *job)
{
    return !job || parcel__job_is_stopped(job) ||
           parcel__control_due(job->control) != PARCEL__GOES_ON;
}

void parcel__job_set_runner(struct parcel_job *job, int worker, const struct parcel__runner *runner)
{
    atomic_store_explicit(&job->workers[worker].runner, runner, memory_order_release);
}

/* Each worker is told, so that between two calls it looks at one word of its own; and before the
 * run is stopped, so that a call which ends because it sees that is not followed by another. Who
 * was told as it began has forgotten it (parcel__job_make_ready), and is told again. */
void parcel__job_stop(struct parcel_job *job, enum parcel__reason reason)
{
    parcel__control_stop(job->control, reason);
    for (int i = 0; i < job->options.n_workers; i++)
        parcel__current_signal(&job->workers[i].current, PARCEL__EVENT_STOP);
    atomic_store_explicit(&job->is_stopped, true, memory_order_seq_cst);
    for (int i = 0; i < job->options.n_workers; i++) {
        parcel__current_signal(&job->workers[i].current, PARCEL__EVENT_STOP);
        parcel__job_poke(&job->workers[i]);
    }
    if (job->options.source->stopped)
        job->options.source->stopped(job->options.source_state);
}

void parcel__job_tell(struct parcel_job *job, enum parcel__reason reason)
{
    struct parcel_current_call *current = &job->few[0].current;
    parcel__control_stop(&job->own_control, reason);
    parcel__current_signal(current, PARCEL__EVENT_STOP);
    atomic_store_explicit(&job->is_stopped, true, memory_order_release);
}

bool parcel__job_heed(struct parcel_job *job)
{
    enum parcel__reason reason = parcel__control_due(job->control);
    if (reason != PARCEL__GOES_ON)
        parcel__job_stop(job, reason);
    return reason != PARCEL__GOES_ON;
}

/* Counts them. Why the run is to stop, or that it goes on. */
static enum parcel__reason weigh(const struct parcel_job *job, size_t failed, size_t succeeded)
{
    if (failed == 0 || job->options.policy->collect)
        return parcel__control_count(job->control, failed, succeeded) ? PARCEL__BY_HALT
                                                                      : PARCEL__GOES_ON;
    /* A call that is asked to return may fail so: then it is not the reason. */
    enum parcel__reason due = parcel__control_due(job->control);
    return due == PARCEL__GOES_ON ? PARCEL__BY_FAILURE : due;
}

void parcel__job_count(struct parcel_job *job, size_t failed, size_t succeeded)
{
    enum parcel__reason reason = weigh(job, failed, succeeded);
    if (reason != PARCEL__GOES_ON)
        parcel__job_stop(job, reason);
}

void parcel_stop_in(parcel_current_call *current)
{
    if (current)
        parcel__job_stop(current->job, PARCEL__BY_MATCH);
}

void parcel_stop(void)
{
    parcel_stop_in(parcel__current_get());
}

void parcel__job_end_copy(const struct parcel_job *job)
{
    if (job->process != parcel__port_pid() && (job->options.n_workers > 1 || job->options.is_part))
        _exit(EXIT_FAILURE);
}

bool parcel__job_has_worker(const struct parcel_job *job, int worker)
{
    return job && atomic_load_explicit(&job->is_open, memory_order_acquire) && worker >= 0 &&
           worker < job->options.n_workers;
}

bool parcel__job_has_begun(const struct parcel_job *job)
{
    for (int i = 0; i < job->options.n_workers; i++)
        if (job->workers[i].is_ready)
            return true;
    return false;
}

/* ---- the run as a whole ---- */

static void open_worker(struct parcel_job *job, int number)
{
    struct parcel__worker *worker = &job->workers[number];
    size_t count = job->options.lot.results->count;
    uint32_t units = (uint32_t)((count + job->unit - 1) / job->unit);
    parcel__range share = parcel__schedule_share(units, number, job->options.n_workers);
    const struct parcel__worker *common = parcel__job_common_worker(job);
    if (common)
        share = worker == common ? parcel__schedule_range(0, units) : 0;
    atomic_init(&worker->range, share);
    atomic_init(&worker->may_share, false);
    atomic_init(&worker->has_begun, false);
    atomic_init(&worker->n_visits, 0);
    atomic_init(&worker->runner, NULL);
    worker->is_ready = worker->has_handed_out = false;
    worker->n_threads = 0;
    worker->sums = PARCEL__TALLY_NONE;
}

void parcel__job_make_ready(struct parcel_job *job, struct parcel__worker *worker)
{
    struct parcel_current_call *current = &worker->current;
    if (worker->is_ready)
        return;
    /* Who stops the run may tell the worker already. It looks at the job behind this: sequentially
     * consistent, so that it sees the stop there, or is told behind this. */
    (void)__atomic_exchange_n(&current->running.events, 0, __ATOMIC_SEQ_CST);
    current->worker = job->options.first_worker + parcel__job_number(job, worker);
    current->is_stopped = &job->is_stopped;
    current->job = job;
    current->control = job->control;
    current->started = 0;
    current->worker_state = NULL;
    current->nest = &job->options.nest;
    current->around = job->options.around;
    atomic_init(&current->message, NULL);
    current->scopes = NULL;
    parcel__job_enter_lot(job, worker, &job->options.lot);
    worker->scratch = (struct parcel__arena){0};
    worker->traits = (struct parcel__traits){0};
    worker->seconds_per_call = 0;
    worker->last_count = 0;
    worker->look = SIZE_MAX;
    worker->is_asked = worker->is_late = worker->changes_modes = false;
    worker->n_given = 0;
    worker->is_ready = true;
}

void parcel__job_enter_lot(const struct parcel_job *job, struct parcel__worker *worker,
                           const struct parcel__lot *lot)
{
    worker->lot = lot;
    worker->arena =
        lot->arena ? lot->arena : &lot->results->arenas[parcel__job_number(job, worker)];
}

static bool allocate_workers(struct parcel_job *job, size_t n_workers)
{
    job->workers = job->few;
    job->memory = NULL;
    if (n_workers <= PARCEL__FEW_WORKERS)
        return true;
    job->memory = parcel__memory_new(n_workers * sizeof *job->workers + PARCEL__LINE);
    uintptr_t address = (uintptr_t)job->memory;
    job->workers = (void *)((unsigned char *)job->memory + (-address & (PARCEL__LINE - 1)));
    return job->memory != NULL;
}

bool parcel__job_open(struct parcel_job *job, const struct parcel__job_options *options)
{
    if (!allocate_workers(job, (size_t)options->n_workers))
        return false;
    job->options = *options;
    if (!options->source) {
        job->options.source = &parcel__job_ranges;
        job->options.source_state = job;
    }
    job->process = parcel__port_pid();
    job->control = options->control ? options->control : &job->own_control;
    if (!options->control)
        (void)parcel__control_open(job->control, &options->policy->limits,
                                   options->lot.results->count, options->around);
    job->watches = job->control->watches;
    job->is_careful = job->control->is_careful;
    job->unit = parcel__schedule_unit(options->lot.results->count);
    job->may_share = options->policy->schedule == PARCEL_ADAPTIVE &&
                     options->policy->batch_size == 0 && job->unit == 1 && options->n_workers > 1;
    atomic_init(&job->is_stopped, false);
    atomic_init(&job->n_thefts, 0);
    for (int i = 0; i < options->n_workers; i++)
        open_worker(job, i);
    job->start = options->start > 0 ? options->start : parcel__port_now();
    parcel__wake_note(job);
    atomic_store_explicit(&job->is_open, true, memory_order_release);
    return true;
}

/* What was waited before a call and behind it, as for calls of a stream, is not the calls'. */
static const struct parcel__tally *final_sums(struct parcel__worker *worker)
{
    if (worker->sums.waited > worker->sums.total_time)
        worker->sums.waited = worker->sums.total_time;
    return &worker->sums;
}

struct parcel__tally parcel__job_take_sums(struct parcel__worker *worker)
{
    const struct parcel__tally sums = *final_sums(worker);
    worker->sums = PARCEL__TALLY_NONE;
    return sums;
}

static void end_worker(struct parcel__worker *worker, struct parcel__tally *all)
{
    (void)atomic_load_explicit(&worker->n_visits, memory_order_acquire);
    parcel__tally_add(all, final_sums(worker));
    if (worker->is_ready)
        parcel__arena_free(&worker->scratch);
}

/* Records as lost what a backend took and never spoke of again, and, when the run did not stop,
 * what it left behind. Returns how many. */
static size_t record_dropped(parcel_results *results, bool is_stopped)
{
    size_t n_lost = 0;
    size_t end = 0; /* of the last batch that was found */
    for (size_t i = 0; i < results->count; i++) {
        size_t count = parcel__results_take_back(results, i);
        end = count > 0 ? i + count : end;
        if (parcel_results_status(results, i) != PARCEL_NOT_RUN || (is_stopped && i >= end))
            continue;
        parcel__results_fail(results, i, PARCEL_LOST, parcel__job_dropped);
        n_lost++;
    }
    results->sums.n_failed += n_lost;
    return n_lost;
}

void parcel__job_note_team(struct parcel_job *job, int n_threads)
{
    job->workers[0].n_threads = n_threads;
}

/* Workers that the backend had no thread for. */
static int count_absent(const struct parcel_job *job)
{
    int n_threads = job->workers[0].n_threads;
    return n_threads > 0 && n_threads < job->options.n_workers ? job->options.n_workers - n_threads
                                                               : 0;
}

void parcel__job_settle(struct parcel_job *job)
{
    parcel_results *results = job->options.lot.results;
    bool has_handed_out = false, is_stopped = parcel__job_is_stopped(job);
    double end = parcel__port_now();
    results->wall_time = end - job->start;
    if (job->options.n_workers > 1)
        parcel__wake_note_end(end);
    for (int i = 0; i < job->options.n_workers; i++) {
        end_worker(&job->workers[i], &results->sums);
        has_handed_out |= job->workers[i].has_handed_out;
    }
    if (results->sums.n_ran < results->count &&
        (has_handed_out || !is_stopped)) /* else there is none */
        results->sums.n_ran += record_dropped(results, is_stopped);
    results->n_absent = count_absent(job);
}

void parcel__job_free(struct parcel_job *job)
{
    parcel__memory_free(job->memory);
}

void parcel__job_close(struct parcel_job *job)
{
    parcel__job_settle(job);
    parcel__job_free(job);
}

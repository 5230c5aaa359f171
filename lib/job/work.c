/*
 * work.c: what a worker does with a batch: runs its calls and records them.
 *
 * A call of a few nanoseconds must not pay for what it does not use. So calls of one function that
 * lie side by side are run by one loop, which looks at one word between two calls, and a record is
 * written for each stretch; only calls that are long against a reading of the clock have their own.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "calls/calls.h"
#include "ground/memory.h"
#include "ground/openmp.h"
#include "ground/port.h"
#include "job/attempt.h"
#include "job/call.h"
#include "job/record.h"
#include "job/start.h"
#include "job/wake.h"
#include "options/scope.h"

/* Calls of so many seconds are timed each on its own: reading the ticks, 10 ns, and writing the
 * record then cost about one percent. */
static const double timed_alone = 0.8e-6;

static const char out_of_memory[] = "out of memory";

static void note_failure(struct parcel_job *job, struct parcel__worker *worker)
{
    struct parcel_current_call *current = &worker->current;
    char *message = parcel__current_take_message(current);
    parcel__record_failure(job, worker, current->running.index - worker->lot->first_index,
                           worker->is_late ? PARCEL_TIMED_OUT : PARCEL_FAILED, message);
    parcel__memory_free(message);
    worker->is_late = false;
}

/* Looks at what the call that just ran left behind. */
static void handle_events(struct parcel_job *job, struct parcel__worker *worker)
{
    struct parcel_current_call *current = &worker->current;
    unsigned events = __atomic_exchange_n(&current->running.events, 0, __ATOMIC_ACQUIRE);
    parcel__scope_close_all(current->scopes);
    current->scopes = NULL;
    if (events & PARCEL__EVENT_FORKED)
        parcel__job_end_copy(job);
    if (events & PARCEL__EVENT_ASKED)
        worker->is_asked = true;
    if (events & PARCEL__EVENT_FAILED)
        note_failure(job, worker);
    while (events & PARCEL__EVENT_STOP && !parcel__job_is_stopped(job))
        parcel__port_yield(); /* who stops it tells the other workers first */
}

/* True while the worker has no reason to end its batch early. */
static bool goes_on(struct parcel_job *job, const struct parcel__worker *worker)
{
    return !worker->is_asked && !parcel__job_must_stop(job);
}

/* Records that the worker ran count calls from first on, from its clock to now. */
static void record(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                   size_t count)
{
    double start = worker->clock;
    worker->clock = parcel__port_now();
    double duration = worker->clock - start;
    const struct parcel__record time = {
        .start = start - job->start, .duration = duration, .worker = worker->current.worker};
    parcel__results_mark(worker->lot->results, first, count, PARCEL_OK, time);
    worker->sums.n_ran += count;
    worker->sums.total_time += duration;
    parcel__tally_note_longest(&worker->sums, duration / (double)count,
                               worker->lot->first_index + first);
    if (parcel__call_events(worker))
        handle_events(job, worker);
}

/* Turns the records of count calls, which hold ticks of all that passed since the worker's clock
 * was read, into seconds. One reading of the clock serves them all. */
static void settle(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                   size_t count, uint64_t passed)
{
    const struct parcel__lot *lot = worker->lot;
    struct parcel__record *records = &lot->results->records[first];
    double clock = worker->clock;
    worker->clock = parcel__port_now();
    double scale = passed > 0 ? (worker->clock - clock) / (double)passed : 0;
    for (size_t i = 0; i < count; i++) {
        records[i].start = clock - job->start + scale * records[i].start;
        records[i].duration *= scale;
        parcel__tally_note_longest(&worker->sums, records[i].duration,
                                   lot->first_index + first + i);
    }
    worker->sums.n_ran += count;
    worker->sums.total_time += worker->clock - clock;
}

/* The calls of the span, from its i-th on, that have one function: all of a map, and of a list as
 * many as follow each other. */
static parcel_stretch find_stretch(struct parcel__worker *worker, const struct parcel__span *span,
                                   size_t first, size_t i)
{
    const parcel_results *results = worker->lot->results;
    const unsigned char *record = span->first + i * span->stride;
    const parcel_function *function = parcel__calls_function_in(span, record);
    size_t count = 1;
    if (function != worker->traits.function)
        parcel__function_traits(&worker->traits, function);
    if (results->function)
        count = span->count - i;
    else
        while (i + count < span->count && results->functions[first + i + count] == function)
            count++;
    return (parcel_stretch){.arguments =
                                span->mapped ? record : record + worker->traits.argument_offset,
                            .stride = span->stride,
                            .results = results->slots + (first + i) * results->slot_size,
                            .result_stride = results->slot_size,
                            .first = worker->lot->first_index + first + i,
                            .count = count};
}

/* Runs one call of the stretch after the other, until one leaves an event behind or the run
 * stops. Returns how many ran. */
static size_t run_stretch(struct parcel__worker *worker, const parcel_stretch *stretch)
{
    const struct parcel__traits *traits = &worker->traits;
    size_t i = 0;
    if (traits->is_plain && traits->function->loop)
        return traits->function->loop(stretch, &worker->current.running);
    do
        parcel__call_run(worker, stretch, i++);
    while (i < stretch->count && !parcel__call_events(worker));
    return i;
}

/* Runs calls that lie side by side, until one leaves an event behind or the run stops, as one
 * record. Returns how many ran. */
static size_t run_together(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                           const struct parcel__span *span)
{
    size_t i = 0;
    while (i < span->count && !parcel__call_events(worker)) {
        parcel_stretch stretch = find_stretch(worker, span, first, i);
        i += run_stretch(worker, &stretch);
    }
    if (i > 0)
        record(job, worker, first, i);
    return i;
}

/* Runs the stretch's calls one by one, each with a record of its own, in ticks: passed is how many
 * did before it and, in the end, after it. Returns how many ran. */
static size_t run_one_by_one(struct parcel_job *job, struct parcel__worker *worker,
                             const parcel_stretch *stretch, uint64_t begin, uint64_t *passed)
{
    parcel_results *results = worker->lot->results;
    size_t first = stretch->first - worker->lot->first_index, i = 0;
    do {
        if (job->is_careful)
            parcel__attempt_run(job, worker, stretch, i);
        else
            parcel__call_run_single(job, worker, stretch, i);
        uint64_t now = parcel__port_ticks() - begin;
        now = now > *passed && now <= INT64_MAX ? now : *passed; /* those of two cpus may differ */
        results->marks[first + i] = (unsigned char)PARCEL_OK | PARCEL__MARK_FIRST;
        results->records[first + i] = (struct parcel__record){.start = (double)*passed,
                                                              .duration = (double)(now - *passed),
                                                              .worker = worker->current.worker};
        *passed = now;
        i++;
        size_t n_failed = worker->sums.n_failed;
        if (parcel__call_events(worker))
            handle_events(job, worker);
        if (job->is_careful && worker->sums.n_failed == n_failed)
            parcel__job_count(job, 0, 1);
        if (job->options.recorded &&
            !job->options.recorded(job->options.recorded_state, first + i - 1))
            worker->is_asked = true;
    } while (i < stretch->count && goes_on(job, worker));
    return i;
}

/* Runs calls that lie side by side, each with a record of its own. Returns how many ran. */
static size_t run_apart(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                        const struct parcel__span *span)
{
    worker->clock = parcel__port_now();
    /* Behind the clock, as settle reads it behind the ticks: a thread that loses its cpu between
     * the two then makes calls look longer, and none shorter than it was. */
    uint64_t begin = parcel__port_ticks(), passed = 0;
    size_t i = 0;
    while (i < span->count && goes_on(job, worker)) {
        parcel_stretch stretch = find_stretch(worker, span, first, i);
        i += run_one_by_one(job, worker, &stretch, begin, &passed);
    }
    if (i > 0)
        settle(job, worker, first, i, passed);
    return i;
}

/* Runs calls from the worker's clock on, and measures them. Returns how many ran. */
static size_t run_measured(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                           size_t count)
{
    double start = worker->clock;
    parcel__call_put_right(job, worker);
    bool apart =
        job->is_careful || job->options.recorded || worker->changes_modes ||
        (count > 1 && job->options.policy->is_timed && worker->seconds_per_call > timed_alone);
    size_t ran = 0;
    while (ran < count && goes_on(job, worker)) {
        struct parcel__span span = parcel__calls_span(
            worker->lot->calls, worker->lot->first_call + first + ran, count - ran);
        if (parcel__call_events(worker)) /* somebody asks: nothing would run before it is heard */
            handle_events(job, worker);
        else
            ran += apart ? run_apart(job, worker, first + ran, &span)
                         : run_together(job, worker, first + ran, &span);
    }
    if (ran > 0) {
        worker->seconds_per_call = (worker->clock - start) / (double)ran;
        worker->last_count = ran;
    }
    return ran;
}

bool parcel__job_listen(struct parcel__worker *worker)
{
    struct parcel_current_call *current = &worker->current;
    if (parcel__call_events(worker) &&
        (__atomic_exchange_n(&current->running.events, 0, __ATOMIC_ACQUIRE) & PARCEL__EVENT_ASKED))
        worker->is_asked = true;
    return worker->is_asked;
}

/* How many of the calls left in a batch are measured together. A long batch that somebody asked
 * for goes in pieces as large as adaptive batches are: its longer calls then have their own time.
 */
static size_t piece_length(const struct parcel_job *job, const struct parcel__worker *worker,
                           size_t left)
{
    if (left > worker->look)
        left = worker->look;
    if (!job->options.policy->is_timed && !job->watches)
        return left;
    return parcel__schedule_batch(parcel__schedule_bounded(left), 1,
                                  parcel__schedule_bounded(worker->last_count),
                                  worker->seconds_per_call);
}

/* Runs a piece of what is left of a batch, or all of it. Where calls are handed out again to
 * whoever comes, a worker runs one first: else they could go round for ever, and a state be made
 * for nothing. */
static size_t run_some(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                       size_t left)
{
    size_t ran = run_measured(job, worker, first, piece_length(job, worker, left));
    while (ran == 0 && job->options.source->patience < INFINITY && !parcel__job_must_stop(job)) {
        worker->is_asked = false;
        ran = run_measured(job, worker, first, 1);
        worker->is_asked = true;
    }
    return ran;
}

/* True when the batch has taken so long that the rest of it is not to wait for this worker. */
static bool is_slow(const struct parcel_job *job, const struct parcel__worker *worker, double begin)
{
    return worker->clock - begin > job->options.source->patience;
}

bool parcel__job_give_back(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                           size_t count)
{
    const struct parcel__batch rest = {worker->lot, first, count};
    worker->is_asked = false;
    return count > 0 && !worker->has_handed_out && job->options.source->give_back &&
           job->options.source->give_back(job->options.source_state, worker, &rest);
}

void parcel__job_begin_work(struct parcel__worker *worker)
{
    worker->clock = parcel__port_now();
    worker->wait = parcel__waits_begin(worker->clock);
}

static void run_batch(struct parcel_job *job, struct parcel__worker *worker,
                      const struct parcel__batch *batch)
{
    size_t done = 0, count = batch->count;
    const struct parcel__runner *runner = parcel__job_runner(worker);
    assert(worker->lot == batch->lot); /* who has several lots says so for each batch */
    worker->is_asked = false;
    bool may_run = runner || !job->options.states || parcel__start_has_state(job, worker);
    if (worker->last_count == 0) /* it may have waited for what it took from another */
        parcel__job_begin_work(worker);
    double begin = worker->clock;
    while (may_run && done < count && !parcel__job_must_stop(job)) {
        size_t first = batch->first + done, left = count - done;
        done += runner ? runner->run(runner, job, worker, first, left)
                       : run_some(job, worker, first, left);
        count -= worker->n_given;
        worker->n_given = 0;
        if ((worker->is_asked || (!runner && is_slow(job, worker, begin))) &&
            (job->options.recorded ||
             parcel__job_give_back(job, worker, batch->first + done, count - done)))
            break;
    }
    if (!runner) {
        worker->sums.waited += parcel__waits_since(&worker->wait, worker->clock);
        parcel__watcher_tell_ended(job->options.watchers, batch->lot, batch->first, done);
    }
}

/* Says that the worker has ended what it took. */
static void end_batch(const struct parcel_job *job, struct parcel__worker *worker)
{
    if (job->options.source->done)
        job->options.source->done(job->options.source_state, worker);
}

/* Takes the worker's next calls, and waits for them if it must. False: there will be none. */
static inline bool find_batch(const struct parcel_job *job, struct parcel__worker *worker,
                              struct parcel__batch *batch)
{
    const struct parcel__source *source = job->options.source;
    void *state = job->options.source_state;
    for (unsigned n_idle = 1; !source->take(state, worker, batch); n_idle++)
        if (!source->idle || !source->idle(state, worker, n_idle))
            return false;
    return true;
}

/* What a thread keeps while it works as a worker. */
struct surroundings {
    struct parcel_current_call *before;
    struct parcel__floating floating;
    struct parcel__openmp_settings openmp, openmp_of_calls;
};

static void enter(struct parcel_job *job, struct parcel__worker *worker,
                  struct surroundings *surroundings)
{
    parcel__job_make_ready(job, worker);
    surroundings->floating = parcel__floating_read();
    parcel__openmp_read(&surroundings->openmp);
    (void)parcel__floating_set(&job->options.floating);
    bool is_known = parcel__openmp_begin(&surroundings->openmp_of_calls, &surroundings->openmp,
                                         &job->options.openmp);
    worker->openmp = is_known ? &surroundings->openmp_of_calls : &surroundings->openmp;
    surroundings->before = parcel__current_enter(&worker->current);
}

static void leave(struct parcel__worker *worker, const struct surroundings *surroundings)
{
    parcel__current_leave(surroundings->before);
    parcel__openmp_set(&surroundings->openmp);
    (void)parcel__floating_set(&surroundings->floating);
    atomic_fetch_add_explicit(&worker->n_visits, 1, memory_order_release);
}

/* In a short run a worker mostly waits for what the run's own thread wrote: better for all of it
 * at once. */
static void fetch_early(const struct parcel_job *job, int worker)
{
    const struct parcel__job_options *options = &job->options;
    __builtin_prefetch(&job->workers[worker], 1);
    __builtin_prefetch(options->lot.results);
    __builtin_prefetch(options->lot.calls);
    __builtin_prefetch(&job->is_stopped);
}

void parcel__job_work(struct parcel_job *job, int number)
{
    struct surroundings surroundings;
    struct parcel__batch batch;
    if (!parcel__job_has_worker(job, number))
        return;
    struct parcel__worker *worker = &job->workers[number];
    bool is_cold = job->is_cold && !parcel__job_runner(worker);
    fetch_early(job, number);
    atomic_store_explicit(&worker->has_begun, true, memory_order_relaxed);
    enter(job, worker, &surroundings);
    if (is_cold)
        parcel__wake_begin(job);
    while (find_batch(job, worker, &batch)) {
        run_batch(job, worker, &batch);
        end_batch(job, worker);
    }
    if (is_cold)
        parcel__wake_end(job);
    leave(worker, &surroundings); /* after it nothing of the job may be read */
}

void parcel_job_work(parcel_job *job, int worker)
{
    int cancel = parcel__port_hold_cancel();
    parcel__job_work(job, worker);
    parcel__port_release_cancel(cancel);
}

void parcel__job_run_all(struct parcel_job *job)
{
    struct parcel__worker *worker = &job->workers[0];
    const struct parcel__lot *lot = &job->options.lot;
    const struct parcel__batch batch = {lot, 0, lot->results->count};
    struct parcel_current_call *before = parcel__current_enter(&worker->current);
    parcel__job_begin_work(worker);
    run_batch(job, worker, &batch);
    parcel__current_leave(before);
}

bool parcel_job_next(parcel_job *job, int number, parcel_batch *batch)
{
    struct surroundings surroundings;
    struct parcel__batch taken;
    if (!batch || !parcel__job_has_worker(job, number))
        return false;
    struct parcel__worker *worker = &job->workers[number];
    int cancel = parcel__port_hold_cancel();
    enter(job, worker, &surroundings); /* a generator may be asked, or on_result be called */
    worker->has_handed_out = true;
    bool is_taken = find_batch(job, worker, &taken);
    if (is_taken) {
        job->options.source->hold(job->options.source_state, worker, &taken);
        *batch = (parcel_batch){taken.lot->first_index + taken.first, taken.count, number};
    }
    leave(worker, &surroundings);
    parcel__port_release_cancel(cancel);
    return is_taken;
}

/* Finds the worker and the calls of a batch that a backend has, which is then dealt with. NULL: it
 * is not one of this job's, or was dealt with before. */
static struct parcel__worker *find_worker(struct parcel_job *job, parcel_batch *batch,
                                          struct parcel__batch *held)
{
    if (!job || !batch || batch->count == 0 || !parcel__job_has_worker(job, batch->worker))
        return NULL;
    struct parcel__worker *worker = &job->workers[batch->worker];
    if (!job->options.source->release(job->options.source_state, worker, batch->first, batch->count,
                                      held))
        return NULL;
    batch->count = 0;
    return worker;
}

void parcel_job_execute(parcel_job *job, parcel_batch *batch)
{
    struct surroundings surroundings;
    struct parcel__batch held;
    struct parcel__worker *worker = find_worker(job, batch, &held);
    if (!worker)
        return;
    int cancel = parcel__port_hold_cancel();
    enter(job, worker, &surroundings);
    parcel__job_begin_work(worker);
    run_batch(job, worker, &held);
    end_batch(job, worker);
    leave(worker, &surroundings);
    parcel__port_release_cancel(cancel);
}

void parcel__job_lose(struct parcel_job *job, struct parcel__worker *worker,
                      const struct parcel__batch *batch, const char *why)
{
    const struct parcel__lot *lot = batch->lot;
    parcel__job_make_ready(job, worker);
    const char *message = parcel__arena_copy(worker->arena, why);
    for (size_t i = 0; i < batch->count; i++)
        parcel__results_fail(lot->results, batch->first + i, PARCEL_LOST,
                             message ? message : out_of_memory);
    worker->sums.n_failed += batch->count;
    worker->sums.n_ran += batch->count;
    parcel__job_count(job, batch->count, 0);
    parcel__watcher_tell_ended(job->options.watchers, lot, batch->first, batch->count);
    end_batch(job, worker);
}

void parcel_job_lost(parcel_job *job, parcel_batch *batch, const char *why)
{
    struct parcel__batch held;
    struct parcel__worker *worker = find_worker(job, batch, &held);
    if (worker)
        parcel__job_lose(job, worker, &held, why ? why : parcel__job_dropped);
}

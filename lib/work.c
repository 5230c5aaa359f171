/*
 * work.c: what a worker does with a batch: runs its calls and records them.
 *
 * A call of a few nanoseconds must not pay for what it does not use. So calls of one function that
 * lie side by side are run by one loop, which looks at one word between two calls, and a record is
 * written for each stretch; only calls that are long against a reading of the clock have their own.
 */
#include <string.h>

#include "calls.h"
#include "job.h"
#include "memory.h"
#include "openmp.h"
#include "port.h"
#include "scope.h"

/* Calls that take longer than this many readings of the clock are timed each on its own. */
static const double timed_alone = 32;

static const char out_of_memory[] = "out of memory";

/* Events are rare, so each call's path ends at one load and one branch. */
static unsigned pending_events(const struct parcel__worker *worker)
{
    return __atomic_load_n(&worker->current.running.events, __ATOMIC_RELAXED);
}

/* Copies what the result points at to where it lives as long as the results, or, when it is to be
 * taken, makes sure that it is not one of the call's own arguments. */
static bool keep_result(struct parcel__worker *worker, const unsigned char *arguments, void *place)
{
    const parcel_function *function = worker->traits.function;
    if (function->result.kind == PARCEL_VALUE)
        return parcel__function_copy_value(place, worker->arena);
    if (function->result.kind == PARCEL_ARRAY) {
        parcel_array *array = place;
        size_t size = array->count * array->element_size;
        if (!parcel__function_argument_holds(function, arguments, array->data))
            return true;
        void *copy = parcel__memory_new(size);
        if (copy && size > 0)
            memcpy(copy, array->data, size);
        array->data = copy;
        return copy != NULL;
    }
    char **string = place;
    if (!*string)
        return true;
    if (function->result.kind == PARCEL_STRING)
        *string = parcel__arena_copy(worker->arena, *string);
    else if (parcel__function_argument_holds(function, arguments, *string))
        *string = parcel__memory_copy_string(*string);
    return *string != NULL;
}

/* Runs a call whose arguments or result need more than the thunk. Returns false when memory ran
 * out. */
static bool run_boxed(struct parcel__worker *worker, const unsigned char *arguments, void *slot)
{
    _Alignas(16) unsigned char copy[PARCEL_MAX_ARGUMENT_BYTES];
    const struct parcel__traits *traits = &worker->traits;
    const parcel_function *function = traits->function;
    void *place = slot;
    if (traits->has_writable_strings) {
        memcpy(copy, arguments, function->argument_bytes);
        if (!parcel__function_copy_content(function, copy, &worker->scratch, true))
            return false;
        arguments = copy;
    }
    if (!traits->is_inline) {
        place = parcel__arena_new(worker->arena, function->result.size, function->result.offset);
        if (!place)
            return false;
    }
    function->thunk(arguments, place);
    unsigned kind = function->result.kind;
    bool is_kept = (kind != PARCEL_STRING && kind != PARCEL_WRITABLE_STRING &&
                    kind != PARCEL_ARRAY && kind != PARCEL_VALUE) ||
                   (pending_events(worker) & PARCEL__EVENT_FAILED) ||
                   keep_result(worker, arguments, place);
    if (!traits->is_inline)
        memcpy(slot, &place, sizeof place);
    if (traits->has_writable_strings)
        parcel__arena_reset(&worker->scratch);
    return is_kept;
}

static const parcel_function *function_at(const struct parcel__span *span,
                                          const unsigned char *record)
{
    const parcel_function *function = span->mapped;
    if (!function)
        memcpy(&function, record, sizeof function);
    return function;
}

/* Looks at what the call that just ran left behind. */
static void handle_events(struct parcel_job *job, struct parcel__worker *worker)
{
    struct parcel_current_call *current = &worker->current;
    unsigned events = __atomic_exchange_n(&current->running.events, 0, __ATOMIC_ACQUIRE);
    parcel__scope_close_all(current->scopes);
    current->scopes = NULL;
    if (!(events & PARCEL__EVENT_FAILED))
        return;
    char *message = parcel__current_take_message(current);
    const char *kept = message ? parcel__arena_copy(worker->arena, message) : NULL;
    parcel__memory_free(message);
    parcel__results_fail(job->options.results, current->running.index, PARCEL_FAILED,
                         kept ? kept : out_of_memory);
    worker->n_failed++;
    if (!job->options.collect)
        parcel__job_stop(job);
}

/* Records that the worker ran count calls from first on, from its clock to now. */
static void record(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                   size_t count)
{
    double now = parcel__port_now();
    double duration = now - worker->clock;
    const struct parcel__record time = {worker->clock - job->start, duration,
                                        worker->current.worker};
    parcel__results_mark(job->options.results, first, count, PARCEL_OK, time);
    worker->n_done += count;
    worker->total_time += duration;
    if (duration / (double)count > worker->longest) {
        worker->longest = duration / (double)count;
        worker->slowest = first;
    }
    worker->clock = now;
    if (pending_events(worker))
        handle_events(job, worker);
}

/* The calls of the span, from its i-th on, that have one function: all of a map, and of a list as
 * many as follow each other. */
static parcel_stretch find_stretch(const struct parcel_job *job, struct parcel__worker *worker,
                                   const struct parcel__span *span, size_t first, size_t i)
{
    const parcel_results *results = job->options.results;
    const unsigned char *record = span->first + i * span->stride;
    const parcel_function *function = function_at(span, record);
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
                            .first = first + i,
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
    do {
        const unsigned char *arguments = stretch->arguments + i * stretch->stride;
        unsigned char *slot = stretch->results + i * stretch->result_stride;
        worker->current.running.index = stretch->first + i;
        if (traits->is_plain)
            traits->function->thunk(arguments, slot);
        else if (!run_boxed(worker, arguments, slot))
            parcel_fail_in(&worker->current, "%s", out_of_memory);
        i++;
    } while (i < stretch->count && !pending_events(worker));
    return i;
}

/* Runs calls that lie side by side, until one leaves an event behind or the run stops, as one
 * record. Returns how many ran. */
static size_t run_together(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                           const struct parcel__span *span)
{
    size_t i = 0;
    while (i < span->count && !pending_events(worker)) {
        parcel_stretch stretch = find_stretch(job, worker, span, first, i);
        i += run_stretch(worker, &stretch);
    }
    if (i > 0)
        record(job, worker, first, i);
    return i;
}

/* Runs calls that lie side by side, each with a record of its own. Returns how many ran. */
static size_t run_apart(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                        const struct parcel__span *span)
{
    size_t i = 0;
    while (i < span->count && !parcel_job_stopped(job)) {
        parcel_stretch stretch = find_stretch(job, worker, span, first, i);
        size_t end = i + stretch.count;
        stretch.count = 1;
        for (; i < end && !parcel_job_stopped(job); i++) {
            run_stretch(worker, &stretch);
            record(job, worker, stretch.first, 1);
            stretch.first++;
            stretch.arguments += stretch.stride;
            stretch.results += stretch.result_stride;
        }
    }
    return i;
}

/* Runs calls from the worker's clock on, and measures them. Returns how many ran. */
static size_t run_measured(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                           size_t count)
{
    double start = worker->clock;
    bool apart = count == 1 || worker->seconds_per_call > timed_alone * parcel__port_clock_cost();
    size_t ran = 0;
    while (ran < count && !parcel_job_stopped(job)) {
        struct parcel__span span = parcel__calls_span(job->options.calls, first + ran, count - ran);
        ran += apart ? run_apart(job, worker, first + ran, &span)
                     : run_together(job, worker, first + ran, &span);
    }
    if (ran > 0) {
        worker->seconds_per_call = (worker->clock - start) / (double)ran;
        worker->last_count = ran;
    }
    return ran;
}

static void tell_watcher(const struct parcel_job *job, size_t count)
{
    if (job->options.watcher.completed)
        job->options.watcher.completed(job->options.watcher.state, count);
}

/* Runs a batch. A long one that somebody asked for is measured in pieces, as large as adaptive
 * batches are: long calls in it are then timed on their own. */
static void run_batch(struct parcel_job *job, struct parcel__worker *worker, parcel_batch *batch)
{
    size_t done = 0;
    while (done < batch->count && !parcel_job_stopped(job)) {
        uint32_t piece = parcel__schedule_batch(parcel__schedule_bounded(batch->count - done), 1,
                                                parcel__schedule_bounded(worker->last_count),
                                                worker->seconds_per_call);
        done += run_measured(job, worker, batch->first + done, piece);
    }
    batch->count = 0;
    if (done > 0)
        tell_watcher(job, done);
}

/* What a thread keeps while it works as a worker. */
struct surroundings {
    struct parcel_current_call *before;
    struct parcel__openmp_settings settings;
};

static void enter(struct parcel_job *job, struct parcel__worker *worker,
                  struct surroundings *surroundings)
{
    atomic_fetch_add_explicit(&job->n_visits, 1, memory_order_acquire);
    surroundings->settings.changed = false;
    if (job->options.nest.threads > 0)
        parcel__openmp_limit(job->options.nest.threads, &surroundings->settings);
    surroundings->before = parcel__current_enter(&worker->current);
    worker->clock = parcel__port_now();
}

static void leave(struct parcel_job *job, const struct surroundings *surroundings)
{
    parcel__current_leave(surroundings->before);
    parcel__openmp_restore(&surroundings->settings);
    atomic_fetch_add_explicit(&job->n_visits, 1, memory_order_release);
}

void parcel_job_work(parcel_job *job, int worker)
{
    struct surroundings surroundings;
    parcel_batch batch;
    if (!parcel__job_has_worker(job, worker))
        return;
    enter(job, &job->workers[worker], &surroundings);
    while (parcel__job_take(job, worker, &batch))
        run_batch(job, &job->workers[worker], &batch);
    leave(job, &surroundings);
}

/* False when the batch is not one of this job's, or was dealt with before. */
static bool is_batch(const struct parcel_job *job, const parcel_batch *batch)
{
    return job && batch && batch->count > 0 && parcel__job_has_worker(job, batch->worker) &&
           batch->first < job->options.results->count &&
           batch->count <= job->options.results->count - batch->first &&
           parcel_results_status(job->options.results, batch->first) == PARCEL_NOT_RUN;
}

void parcel_job_execute(parcel_job *job, parcel_batch *batch)
{
    struct surroundings surroundings;
    if (!is_batch(job, batch))
        return;
    parcel__results_take_back(job->options.results, batch->first);
    enter(job, &job->workers[batch->worker], &surroundings);
    run_batch(job, &job->workers[batch->worker], batch);
    leave(job, &surroundings);
}

void parcel_job_lost(parcel_job *job, parcel_batch *batch, const char *why)
{
    if (!is_batch(job, batch))
        return;
    struct parcel__worker *worker = &job->workers[batch->worker];
    const char *message = parcel__arena_copy(worker->arena, why ? why : parcel__job_dropped);
    parcel__results_take_back(job->options.results, batch->first);
    for (size_t i = 0; i < batch->count; i++)
        parcel__results_fail(job->options.results, batch->first + i, PARCEL_LOST,
                             message ? message : out_of_memory);
    worker->n_failed += batch->count;
    worker->n_done += batch->count;
    if (!job->options.collect)
        parcel__job_stop(job);
    tell_watcher(job, batch->count);
    batch->count = 0;
}

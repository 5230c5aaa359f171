/*
 * job.c: one run: who takes which calls, and what became of them.
 *
 * Invariant: a call is handed out at most once, by the compare-and-swap that took it off a range,
 * and its slot, mark and record are written by the one worker that took it. A range that is
 * BUSY belongs to a worker that is just taking part of another's: who finds only empty and busy
 * ranges looks again, so that nobody leaves while work is on its way.
 */
#include "job.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "memory.h"
#include "openmp.h"
#include "port.h"
#include "scope.h"

/* No range has its low end above its high end. */
static const parcel__range busy = (uint64_t)UINT32_MAX << 32;

/* Calls that take longer than this many readings of the clock are timed each on its own. */
static const double timed_alone = 32;

static const char out_of_memory[] = "out of memory";
static const char dropped[] = "the backend returned without running the call";

/* ---- handing out ---- */

static uint32_t at_most_32_bits(size_t number)
{
    return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

static uint32_t batch_length(const struct parcel_job *job, const struct parcel__worker *worker,
                             uint32_t left)
{
    size_t unit = job->unit, size = job->options.batch_size;
    uint32_t units = at_most_32_bits((size ? size : worker->last_count) / unit +
                                     ((size ? size : worker->last_count) % unit > 0));
    if (size > 0)
        return units < left ? units : left;
    return parcel__schedule_batch(left, job->options.n_workers, units,
                                  worker->seconds_per_call * (double)unit);
}

static parcel__range claim(const struct parcel_job *job, struct parcel__worker *worker)
{
    parcel__range range = atomic_load_explicit(&worker->range, memory_order_acquire);
    struct parcel__cut cut;
    do {
        uint32_t left = parcel__schedule_length(range);
        if (left == 0)
            return 0;
        cut =
            parcel__schedule_claim(range, batch_length(job, worker, left), worker->current.worker);
    } while (!atomic_compare_exchange_weak_explicit(&worker->range, &range, cut.left,
                                                    memory_order_acq_rel, memory_order_acquire));
    return cut.taken;
}

/* The worker with most to give, or NULL; *again is set when a range is busy. */
static struct parcel__worker *find_victim(const struct parcel_job *job, parcel__range *largest,
                                          bool *again)
{
    struct parcel__worker *victim = NULL;
    *largest = 0;
    for (int i = 0; i < job->options.n_workers; i++) {
        parcel__range range = atomic_load_explicit(&job->workers[i].range, memory_order_acquire);
        if (range == busy) {
            *again = true;
        } else if (parcel__schedule_length(range) > parcel__schedule_length(*largest)) {
            *largest = range;
            victim = &job->workers[i];
        }
    }
    return victim;
}

/* Takes the far half of what another has: a batch for now, and the rest as the worker's own. */
static parcel__range steal(const struct parcel_job *job, struct parcel__worker *worker)
{
    bool again = true;
    while (again) {
        parcel__range range;
        again = false;
        struct parcel__worker *victim = find_victim(job, &range, &again);
        if (!victim) {
            if (again)
                parcel__port_yield(); /* whoever is busy may wait for this very cpu */
            continue;
        }
        struct parcel__cut cut = parcel__schedule_steal(range, victim->current.worker);
        atomic_store_explicit(&worker->range, busy, memory_order_release);
        bool taken = atomic_compare_exchange_strong_explicit(
            &victim->range, &range, cut.left, memory_order_acq_rel, memory_order_relaxed);
        if (taken) {
            uint32_t length = batch_length(job, worker, parcel__schedule_length(cut.taken));
            cut = parcel__schedule_claim(cut.taken, length, worker->current.worker);
        }
        atomic_store_explicit(&worker->range, taken ? cut.left : 0, memory_order_release);
        if (taken)
            return cut.taken;
        again = true;
    }
    return 0;
}

static bool is_stopped(const struct parcel_job *job)
{
    return atomic_load_explicit(&job->is_stopped, memory_order_relaxed);
}

/* Each worker is told, so that between two calls it looks at one word of its own. */
static void stop(struct parcel_job *job)
{
    atomic_store_explicit(&job->is_stopped, true, memory_order_relaxed);
    for (int i = 0; i < job->options.n_workers; i++)
        parcel__current_signal(&job->workers[i].current, PARCEL__EVENT_STOP);
}

static bool is_worker(const struct parcel_job *job, int worker)
{
    return job && worker >= 0 && worker < job->options.n_workers;
}

bool parcel_job_stopped(const parcel_job *job)
{
    return !job || is_stopped(job);
}

static bool take_batch(const struct parcel_job *job, int worker, parcel_batch *batch)
{
    struct parcel__worker *own = &job->workers[worker];
    if (is_stopped(job))
        return false;
    parcel__range taken = claim(job, own);
    if (taken == 0)
        taken = steal(job, own);
    if (taken == 0)
        return false;
    size_t end = parcel__schedule_high(taken) * job->unit;
    size_t count = job->options.results->count;
    batch->worker = worker;
    batch->first = parcel__schedule_low(taken) * job->unit;
    batch->count = (end < count ? end : count) - batch->first;
    assert(batch->count > 0 && batch->count <= count - batch->first);
    return true;
}

bool parcel_job_next(parcel_job *job, int worker, parcel_batch *batch)
{
    if (!batch || !is_worker(job, worker) || !take_batch(job, worker, batch))
        return false;
    parcel__results_hand_out(job->options.results, batch->first, batch->count);
    return true;
}

/* ---- running ---- */

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
        void *copy = malloc(size ? size : 1);
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
        stop(job);
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
    while (i < span->count && !is_stopped(job)) {
        parcel_stretch stretch = find_stretch(job, worker, span, first, i);
        size_t end = i + stretch.count;
        stretch.count = 1;
        for (; i < end && !is_stopped(job); i++) {
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
    while (ran < count && !is_stopped(job)) {
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

/* Runs a batch. A long one that somebody asked for is measured in pieces, as large as adaptive
 * batches are: long calls in it are then timed on their own. */
static void run_batch(struct parcel_job *job, struct parcel__worker *worker, parcel_batch *batch)
{
    size_t done = 0;
    while (done < batch->count && !is_stopped(job)) {
        uint32_t piece =
            parcel__schedule_batch(at_most_32_bits(batch->count - done), 1,
                                   at_most_32_bits(worker->last_count), worker->seconds_per_call);
        done += run_measured(job, worker, batch->first + done, piece);
    }
    batch->count = 0;
    if (done > 0 && job->options.watcher.completed)
        job->options.watcher.completed(job->options.watcher.state, done);
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
    if (!is_worker(job, worker))
        return;
    enter(job, &job->workers[worker], &surroundings);
    while (take_batch(job, worker, &batch))
        run_batch(job, &job->workers[worker], &batch);
    leave(job, &surroundings);
}

/* False when the batch is not one of this job's, or was dealt with before. */
static bool is_batch(const struct parcel_job *job, const parcel_batch *batch)
{
    return job && batch && batch->count > 0 && is_worker(job, batch->worker) &&
           batch->first < job->options.results->count &&
           batch->count <= job->options.results->count - batch->first;
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
    const char *message = parcel__arena_copy(worker->arena, why ? why : dropped);
    parcel__results_take_back(job->options.results, batch->first);
    for (size_t i = 0; i < batch->count; i++)
        parcel__results_fail(job->options.results, batch->first + i, PARCEL_LOST,
                             message ? message : out_of_memory);
    worker->n_failed += batch->count;
    worker->n_done += batch->count;
    if (!job->options.collect)
        stop(job);
    if (job->options.watcher.completed)
        job->options.watcher.completed(job->options.watcher.state, batch->count);
    batch->count = 0;
}

/* ---- the run as a whole ---- */

static void open_worker(struct parcel_job *job, int number)
{
    struct parcel__worker *worker = &job->workers[number];
    size_t count = job->options.results->count;
    uint32_t units = (uint32_t)((count + job->unit - 1) / job->unit);
    memset(worker, 0, sizeof *worker);
    worker->arena = &job->options.results->arenas[number];
    worker->current.worker = number;
    worker->current.is_stopped = &job->is_stopped;
    worker->current.nest = &job->options.nest;
    worker->current.around = job->around;
    worker->slowest = SIZE_MAX;
    worker->longest = -1;
    atomic_init(&worker->range, parcel__schedule_share(units, number, job->options.n_workers));
}

bool parcel__job_open(struct parcel_job *job, const struct parcel__job_options *options)
{
    size_t n_workers = (size_t)options->n_workers;
    *job = (struct parcel_job){.options = *options,
                               .unit = parcel__schedule_unit(options->results->count),
                               .around = parcel__current_get()};
    job->memory = parcel__memory_new(n_workers * sizeof *job->workers + PARCEL__LINE);
    if (!job->memory)
        return false;
    uintptr_t address = (uintptr_t)job->memory;
    job->workers = (void *)((unsigned char *)job->memory + (-address & (PARCEL__LINE - 1)));
    for (int i = 0; i < options->n_workers; i++)
        open_worker(job, i);
    job->start = parcel__port_now();
    atomic_store_explicit(&job->n_visits, 0, memory_order_release);
    return true;
}

static void add_worker(struct parcel_results *results, struct parcel__worker *worker,
                       double *longest)
{
    results->failures += worker->n_failed;
    results->total_time += worker->total_time;
    if (worker->longest > *longest) {
        *longest = worker->longest;
        results->slowest = worker->slowest;
    }
    parcel__arena_free(&worker->scratch);
}

/* Records as lost what a backend took and never spoke of again, and, when the run did not stop,
 * what it left behind. */
static void record_dropped(parcel_results *results, bool is_stopped)
{
    size_t end = 0; /* of the last batch that was found */
    for (size_t i = 0; i < results->count; i++) {
        size_t count = parcel__results_take_back(results, i);
        end = count > 0 ? i + count : end;
        if (parcel_results_status(results, i) != PARCEL_NOT_RUN || (is_stopped && i >= end))
            continue;
        parcel__results_fail(results, i, PARCEL_LOST, dropped);
        results->failures++;
    }
}

void parcel__job_close(struct parcel_job *job)
{
    parcel_results *results = job->options.results;
    double longest = -1;
    size_t n_done = 0;
    (void)atomic_load_explicit(&job->n_visits, memory_order_acquire);
    results->wall_time = parcel__port_now() - job->start;
    for (int i = 0; i < job->options.n_workers; i++) {
        n_done += job->workers[i].n_done;
        add_worker(results, &job->workers[i], &longest);
    }
    if (n_done < results->count)
        record_dropped(results, is_stopped(job));
    parcel__memory_free(job->memory);
}

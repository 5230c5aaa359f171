/*
 * job.c: one run: who takes which calls, and what became of them.
 *
 * Invariant: a call is handed out at most once, by the compare-and-swap that took it off a range,
 * and its slot, mark and record are written by the one worker that took it. A range that is
 * BUSY belongs to a worker that is just taking part of another's: who finds only empty and busy
 * ranges, or that work moved while it looked, looks again: nobody leaves while work is on its way.
 *
 * A batch is sized by the past. Should its calls turn out to be long, those who have nothing to do
 * ask for what has not begun: the worker then puts it back into its range, which is empty, and
 * goes on from there like the others.
 */
#include "job.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "calls.h"
#include "memory.h"
#include "port.h"

/* No range has its low end above its high end. */
static const parcel__range busy = (uint64_t)UINT32_MAX << 32;

const char parcel__job_dropped[] = "the backend returned without running the call";

/* ---- handing out ---- */

/* The units that hold so many calls. */
static uint32_t units_of(const struct parcel_job *job, size_t calls)
{
    return parcel__schedule_bounded(job->unit == 1 ? calls : calls / job->unit + 1);
}

static uint32_t batch_length(const struct parcel_job *job, const struct parcel__worker *worker,
                             uint32_t left)
{
    size_t size = job->options.batch_size;
    if (job->options.schedule != PARCEL_ADAPTIVE)
        return parcel__schedule_plain(job->options.schedule, left, job->options.n_workers,
                                      units_of(job, size ? size : 1));
    if (size > 0)
        return units_of(job, size) < left ? units_of(job, size) : left;
    return parcel__schedule_batch(left, job->options.n_workers, units_of(job, worker->last_count),
                                  worker->seconds_per_call * (double)job->unit);
}

/* Says, before a batch is taken, whether its worker might share it. */
static void announce(const struct parcel_job *job, struct parcel__worker *worker,
                     parcel__range batch)
{
    bool may_share = job->may_share && parcel__schedule_length(batch) > 1;
    if (may_share != atomic_load_explicit(&worker->may_share, memory_order_relaxed))
        atomic_store_explicit(&worker->may_share, may_share, memory_order_relaxed);
}

/* The worker in whose range all calls stand, for schedules that hand out in order. */
static struct parcel__worker *common_worker(const struct parcel_job *job)
{
    parcel_schedule schedule = job->options.schedule;
    return schedule == PARCEL_DYNAMIC || schedule == PARCEL_GUIDED ? &job->workers[0] : NULL;
}

/* Takes a batch for the worker from the near end of the owner's range; 0: it is empty. */
static parcel__range claim(const struct parcel_job *job, const struct parcel__worker *worker,
                           struct parcel__worker *owner)
{
    parcel__range range = atomic_load_explicit(&owner->range, memory_order_acquire);
    struct parcel__cut cut;
    do {
        uint32_t left = parcel__schedule_length(range);
        if (left == 0)
            return 0;
        cut = parcel__schedule_claim(range, batch_length(job, worker, left), owner->current.worker);
        announce(job, owner, cut.taken);
    } while (!atomic_compare_exchange_weak_explicit(&owner->range, &range, cut.left,
                                                    memory_order_acq_rel, memory_order_acquire));
    return cut.taken;
}

/* The worker with most to give, or NULL; *somebody_is_busy is set when one is. */
static struct parcel__worker *find_victim(const struct parcel_job *job, parcel__range *largest,
                                          bool *somebody_is_busy)
{
    struct parcel__worker *victim = NULL;
    *largest = 0;
    for (int i = 0; i < job->options.n_workers; i++) {
        parcel__range range = atomic_load_explicit(&job->workers[i].range, memory_order_acquire);
        if (range == busy) {
            *somebody_is_busy = true;
        } else if (parcel__schedule_length(range) > parcel__schedule_length(*largest)) {
            *largest = range;
            victim = &job->workers[i];
        }
    }
    return victim;
}

/* Takes the far half of what the victim had, if it is still there: a batch for now, and the rest as
 * the worker's own. Returns the batch, or 0. */
static parcel__range rob(struct parcel_job *job, struct parcel__worker *worker,
                         struct parcel__worker *victim, parcel__range range)
{
    struct parcel__cut cut = parcel__schedule_steal(range, victim->current.worker);
    atomic_store_explicit(&worker->range, busy, memory_order_release);
    atomic_fetch_add_explicit(&job->n_thefts, 1, memory_order_acq_rel);
    if (!atomic_compare_exchange_strong_explicit(&victim->range, &range, cut.left,
                                                 memory_order_acq_rel, memory_order_relaxed)) {
        atomic_store_explicit(&worker->range, 0, memory_order_release);
        return 0;
    }
    worker->last_count = 0; /* what was measured elsewhere says little of these */
    uint32_t length = batch_length(job, worker, parcel__schedule_length(cut.taken));
    cut = parcel__schedule_claim(cut.taken, length, worker->current.worker);
    announce(job, worker, cut.taken);
    atomic_store_explicit(&worker->range, cut.left, memory_order_release);
    return cut.taken;
}

/* The next worker that might give some of its batch back, or NULL. */
static struct parcel__worker *find_sharer(const struct parcel_job *job,
                                          const struct parcel__worker *worker)
{
    int n_workers = job->options.n_workers;
    for (int i = 1; i < n_workers; i++) {
        struct parcel__worker *other = &job->workers[(worker->current.worker + i) % n_workers];
        if (atomic_load_explicit(&other->may_share, memory_order_acquire))
            return other;
    }
    return NULL;
}

/* Asks a worker to share and waits, from the time since on: at first for an instant, then, as it
 * may be in a call of any length, for an eighth of what it took so far. It is asked rarely, since
 * each time costs it a cache line, but again, since it may have had too little to give. */
static void ask(struct parcel__worker *sharer, double *since)
{
    static const double instant = 20e-6, longest = 50e-3;
    double now = parcel__port_now();
    bool is_first = *since == 0;
    *since = is_first ? now : *since;
    double waited = now - *since;
    if (is_first || waited >= instant)
        parcel__current_signal(&sharer->current, PARCEL__EVENT_ASKED);
    if (waited < instant)
        parcel__port_yield();
    else
        parcel__port_sleep(waited / 8 < longest ? waited / 8 : longest);
}

static parcel__range steal(struct parcel_job *job, struct parcel__worker *worker)
{
    struct parcel__worker *sharer;
    double since = 0;
    atomic_store_explicit(&worker->may_share, false, memory_order_release);
    while (!parcel__job_is_stopped(job)) {
        parcel__range range;
        bool somebody_is_busy = false;
        unsigned thefts = atomic_load_explicit(&job->n_thefts, memory_order_acquire);
        struct parcel__worker *victim = find_victim(job, &range, &somebody_is_busy);
        parcel__range taken = victim ? rob(job, worker, victim, range) : 0;
        if (taken != 0)
            return taken;
        if (victim)
            continue;
        if (somebody_is_busy) {
            parcel__port_yield(); /* whoever is busy may wait for this very cpu */
        } else if ((sharer = find_sharer(job, worker)) != NULL) {
            ask(sharer, &since);
        } else if (atomic_load_explicit(&job->n_thefts, memory_order_acquire) == thefts) {
            return 0;
        }
    }
    return 0;
}

bool parcel__job_give_back(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                           size_t count)
{
    parcel__range range = atomic_load_explicit(&worker->range, memory_order_acquire);
    if (!atomic_load_explicit(&worker->may_share, memory_order_relaxed) ||
        parcel__schedule_length(range) > 0)
        return false; /* who asked finds something in the range */
    range = parcel__schedule_range((uint32_t)first, (uint32_t)(first + count));
    atomic_fetch_add_explicit(&job->n_thefts, 1, memory_order_acq_rel);
    atomic_store_explicit(&worker->range, range, memory_order_release);
    atomic_store_explicit(&worker->may_share, false, memory_order_release);
    return true;
}

bool parcel_job_stopped(const parcel_job *job)
{
    return !job || parcel__job_is_stopped(job);
}

/* Each worker is told, so that between two calls it looks at one word of its own. */
void parcel__job_stop(struct parcel_job *job)
{
    atomic_store_explicit(&job->is_stopped, true, memory_order_relaxed);
    for (int i = 0; i < job->options.n_workers; i++)
        parcel__current_signal(&job->workers[i].current, PARCEL__EVENT_STOP);
}

bool parcel__job_has_worker(const struct parcel_job *job, int worker)
{
    return job && worker >= 0 && worker < job->options.n_workers;
}

bool parcel__job_take(struct parcel_job *job, int worker, parcel_batch *batch)
{
    struct parcel__worker *own = &job->workers[worker], *common = common_worker(job);
    if (parcel__job_is_stopped(job))
        return false;
    parcel__range taken = claim(job, own, common ? common : own);
    if (taken == 0 && job->options.schedule == PARCEL_ADAPTIVE)
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
    if (!batch || !parcel__job_has_worker(job, worker) || !parcel__job_take(job, worker, batch))
        return false;
    /* A backend may not come back for what is given back while it executes. */
    atomic_store_explicit(&job->workers[worker].may_share, false, memory_order_release);
    parcel__results_hand_out(job->options.results, batch->first, batch->count);
    return true;
}

/* ---- the run as a whole ---- */

static void open_worker(struct parcel_job *job, int number)
{
    struct parcel__worker *worker = &job->workers[number];
    size_t count = job->options.results->count;
    uint32_t units = (uint32_t)((count + job->unit - 1) / job->unit);
    parcel__range share = parcel__schedule_share(units, number, job->options.n_workers);
    const struct parcel__worker *common = common_worker(job);
    if (common)
        share = worker == common ? parcel__schedule_range(0, units) : 0;
    memset(worker, 0, sizeof *worker);
    worker->arena = job->options.arena ? job->options.arena : &job->options.results->arenas[number];
    worker->current.worker = job->options.first_worker + number;
    worker->current.is_stopped = &job->is_stopped;
    worker->current.nest = &job->options.nest;
    worker->current.around = job->around;
    worker->slowest = SIZE_MAX;
    worker->longest = -1;
    atomic_init(&worker->range, share);
}

/* When this thread's last run with several workers ended. */
static _Thread_local double last_end = -INFINITY;

/* An OpenMP runtime lets its threads sleep after some milliseconds. */
static void note_coldness(struct parcel_job *job)
{
    static const double awake = 2e-3;
    job->is_cold = job->options.n_workers > 1 && job->start - last_end > awake;
    if (!job->is_cold)
        return;
    job->cpu = parcel__port_cpu();
    job->opener = pthread_self();
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
    job->unit = parcel__schedule_unit(options->results->count);
    job->around = parcel__current_get();
    job->may_share = options->schedule == PARCEL_ADAPTIVE && options->batch_size == 0 &&
                     job->unit == 1 && options->n_workers > 1;
    atomic_init(&job->is_stopped, false);
    atomic_init(&job->n_thefts, 0);
    for (int i = 0; i < options->n_workers; i++)
        open_worker(job, i);
    job->start = parcel__port_now();
    note_coldness(job);
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
        parcel__results_fail(results, i, PARCEL_LOST, parcel__job_dropped);
        results->failures++;
    }
}

void parcel__job_close(struct parcel_job *job)
{
    parcel_results *results = job->options.results;
    double longest = -1;
    size_t n_done = 0;
    (void)atomic_load_explicit(&job->n_visits, memory_order_acquire);
    double end = parcel__port_now();
    results->wall_time = end - job->start;
    if (job->options.n_workers > 1)
        last_end = end;
    for (int i = 0; i < job->options.n_workers; i++) {
        n_done += job->workers[i].n_done;
        add_worker(results, &job->workers[i], &longest);
    }
    if (n_done < results->count)
        record_dropped(results, parcel__job_is_stopped(job));
    parcel__memory_free(job->memory);
}

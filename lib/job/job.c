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
#include "job/job.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "calls/calls.h"
#include "ground/memory.h"
#include "ground/port.h"

/* No range has its low end above its high end. */
static const parcel__range busy = (uint64_t)UINT32_MAX << 32;

const char parcel__job_dropped[] = "the backend returned without running the call";

/* ---- handing out ---- */

static int number_of(const struct parcel_job *job, const struct parcel__worker *worker)
{
    return (int)(worker - job->workers);
}

/* The units that hold so many calls. */
static uint32_t units_of(const struct parcel_job *job, size_t calls)
{
    return parcel__schedule_bounded(job->unit == 1 ? calls : calls / job->unit + 1);
}

/* An adaptive batch of a worker elsewhere. The way there costs more than short calls, and what
 * turns out to be long is given back as soon as somebody asks: so it may begin with some calls, and
 * take all that is left. */
static uint32_t batch_length_afar(const struct parcel_job *job, const struct parcel__worker *worker,
                                  uint32_t left)
{
    enum { AT_FIRST = 128 };
    size_t last = worker->last_count > AT_FIRST ? worker->last_count : AT_FIRST;
    return parcel__schedule_batch(left, 1, units_of(job, last),
                                  worker->seconds_per_call * (double)job->unit);
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
    if (job->may_share && parcel__job_carrier(worker))
        return batch_length_afar(job, worker, left);
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
        cut = parcel__schedule_claim(range, batch_length(job, worker, left), number_of(job, owner));
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
    struct parcel__cut cut = parcel__schedule_steal(range, number_of(job, victim));
    atomic_store_explicit(&worker->range, busy, memory_order_release);
    atomic_fetch_add_explicit(&job->n_thefts, 1, memory_order_acq_rel);
    if (!atomic_compare_exchange_strong_explicit(&victim->range, &range, cut.left,
                                                 memory_order_acq_rel, memory_order_relaxed)) {
        atomic_store_explicit(&worker->range, 0, memory_order_release);
        return 0;
    }
    worker->last_count = 0; /* what was measured elsewhere says little of these */
    uint32_t length = batch_length(job, worker, parcel__schedule_length(cut.taken));
    cut = parcel__schedule_claim(cut.taken, length, number_of(job, worker));
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
        struct parcel__worker *other = &job->workers[(number_of(job, worker) + i) % n_workers];
        if (atomic_load_explicit(&other->may_share, memory_order_acquire))
            return other;
    }
    return NULL;
}

static void poke(struct parcel__worker *worker)
{
    const struct parcel__carrier *carrier = parcel__job_carrier(worker);
    if (carrier)
        carrier->poke(carrier);
}

/* Asks a worker to share and waits, from the time since on: at first for an instant, then, as it
 * may be in a call of any length, for a sixteenth of what it took so far: the run may end
 * meanwhile, and waits for who sleeps. It is asked rarely, since each time costs it a cache line,
 * but again, since it may have had too little to give. */
static void ask(struct parcel__worker *sharer, double *since)
{
    static const double instant = 20e-6, longest = 1e-3;
    double now = parcel__port_now();
    bool is_first = *since == 0;
    *since = is_first ? now : *since;
    double waited = now - *since;
    if (is_first || waited >= instant)
        parcel__current_signal(&sharer->current, PARCEL__EVENT_ASKED);
    if (waited < instant)
        parcel__port_yield();
    else
        parcel__port_sleep(waited / 16 < longest ? waited / 16 : longest);
}

/* The same of a worker elsewhere. What it has to give must be worth the way there and back, and
 * this cpu may be the one that it works on. */
static void ask_afar(struct parcel__worker *sharer, const struct parcel__carrier *carrier,
                     double *since)
{
    static const double instant = 100e-6, longest = 5e-3;
    double now = parcel__port_now();
    *since = *since == 0 ? now : *since;
    double waited = now - *since;
    if (waited >= instant) {
        parcel__current_signal(&sharer->current, PARCEL__EVENT_ASKED);
        carrier->poke(carrier);
    }
    carrier->linger(carrier, fmin(instant + waited / 16, longest));
}

void parcel__job_ask(struct parcel_job *job)
{
    struct parcel__worker *worker = &job->workers[0];
    parcel__current_signal(&worker->current, PARCEL__EVENT_ASKED);
    poke(worker);
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
            const struct parcel__carrier *carrier = parcel__job_carrier(sharer);
            if (carrier)
                ask_afar(sharer, carrier, &since);
            else
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
    atomic_store_explicit(&worker->range, range, memory_order_release);
    /* Behind the range: who has the count already must find the range. Before may_share: who no
     * longer finds a sharer must find that the count has changed. */
    atomic_fetch_add_explicit(&job->n_thefts, 1, memory_order_acq_rel);
    atomic_store_explicit(&worker->may_share, false, memory_order_release);
    return true;
}

bool parcel_job_stopped(const parcel_job *job)
{
    return !job || parcel__job_is_stopped(job) ||
           parcel__control_due(job->control) != PARCEL__GOES_ON;
}

void parcel__job_carry(struct parcel_job *job, int worker, const struct parcel__carrier *carrier)
{
    atomic_store_explicit(&job->workers[worker].carrier, carrier, memory_order_release);
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
        poke(&job->workers[i]);
    }
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

enum parcel__reason parcel__job_weigh(const struct parcel_job *job, size_t failed, size_t succeeded)
{
    if (failed == 0 || job->options.collect)
        return parcel__control_count(job->control, failed, succeeded) ? PARCEL__BY_HALT
                                                                      : PARCEL__GOES_ON;
    /* A call that is asked to return may fail so: then it is not the reason. */
    enum parcel__reason due = parcel__control_due(job->control);
    return due == PARCEL__GOES_ON ? PARCEL__BY_FAILURE : due;
}

void parcel__job_count(struct parcel_job *job, size_t failed, size_t succeeded)
{
    enum parcel__reason reason = parcel__job_weigh(job, failed, succeeded);
    if (reason != PARCEL__GOES_ON)
        parcel__job_stop(job, reason);
}

/* The whole run first: when the job is a stream's team, its calls see the team's stop, too, and
 * those who run them must know before that no other is to begin. */
void parcel__job_stop_run(struct parcel_job *job)
{
    parcel__control_stop(job->control, PARCEL__BY_MATCH);
    if (job->options.stopped)
        job->options.stopped(job->options.stopped_state);
    parcel__job_stop(job, PARCEL__BY_MATCH);
}

void parcel_stop_in(parcel_current_call *current)
{
    if (current)
        parcel__job_stop_run(current->job);
}

void parcel_stop(void)
{
    parcel_stop_in(parcel__current_get());
}

bool parcel__job_has_worker(const struct parcel_job *job, int worker)
{
    return job && atomic_load_explicit(&job->is_open, memory_order_acquire) && worker >= 0 &&
           worker < job->options.n_workers;
}

/* A worker that works for the job says so before it is made ready. */
bool parcel__job_was_asked_for_batches(const struct parcel_job *job)
{
    for (int i = 0; i < job->options.n_workers; i++)
        if (job->workers[i].is_ready &&
            !atomic_load_explicit(&job->workers[i].has_begun, memory_order_relaxed))
            return true;
    return false;
}

bool parcel__job_take(struct parcel_job *job, int worker, parcel_batch *batch)
{
    struct parcel__worker *own = &job->workers[worker], *common = common_worker(job);
    if (parcel__job_must_stop(job))
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
    if (!batch || !parcel__job_has_worker(job, worker))
        return false;
    parcel__job_make_ready(job, &job->workers[worker]);
    if (!parcel__job_take(job, worker, batch))
        return false;
    /* A backend may not come back for what is given back while it executes. */
    atomic_store_explicit(&job->workers[worker].may_share, false, memory_order_release);
    job->workers[worker].has_handed_out = true;
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
    atomic_init(&worker->range, share);
    atomic_init(&worker->may_share, false);
    atomic_init(&worker->has_begun, false);
    atomic_init(&worker->n_visits, 0);
    atomic_init(&worker->carrier, NULL);
    worker->is_ready = worker->has_handed_out = false;
    worker->n_threads = 0;
    worker->n_done = worker->n_failed = 0;
    worker->total_time = worker->waited = 0;
    worker->slowest = SIZE_MAX;
    worker->longest = -1;
}

void parcel__job_make_ready(struct parcel_job *job, struct parcel__worker *worker)
{
    struct parcel_current_call *current = &worker->current;
    if (worker->is_ready)
        return;
    /* Who stops the run may tell the worker already. It looks at the job behind this: sequentially
     * consistent, so that it sees the stop there, or is told behind this. */
    (void)__atomic_exchange_n(&current->running.events, 0, __ATOMIC_SEQ_CST);
    current->worker = job->options.first_worker + number_of(job, worker);
    current->is_stopped = &job->is_stopped;
    current->job = job;
    current->control = job->control;
    current->started = 0;
    current->worker_state = NULL;
    current->nest = &job->options.nest;
    current->around = job->around;
    atomic_init(&current->message, NULL);
    current->scopes = NULL;
    worker->arena = job->options.arena;
    if (!worker->arena)
        worker->arena = &job->options.results->arenas[number_of(job, worker)];
    worker->scratch = (struct parcel__arena){0};
    worker->traits = (struct parcel__traits){0};
    worker->seconds_per_call = 0;
    worker->last_count = 0;
    worker->is_asked = worker->is_late = worker->changes_modes = false;
    worker->n_given = 0;
    worker->is_ready = true;
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
    job->has_waited = false;
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
    job->process = parcel__port_pid();
    job->around = parcel__current_get();
    job->control = options->control ? options->control : &job->own_control;
    if (!options->control)
        (void)parcel__control_open(job->control, options->limits, options->results->count,
                                   job->around);
    job->watches = job->control->watches;
    job->is_careful = job->control->is_careful;
    job->unit = parcel__schedule_unit(options->results->count);
    job->may_share = options->schedule == PARCEL_ADAPTIVE && options->batch_size == 0 &&
                     job->unit == 1 && options->n_workers > 1;
    atomic_init(&job->is_stopped, false);
    atomic_init(&job->n_thefts, 0);
    for (int i = 0; i < options->n_workers; i++)
        open_worker(job, i);
    job->start = options->start > 0 ? options->start : parcel__port_now();
    note_coldness(job);
    atomic_store_explicit(&job->is_open, true, memory_order_release);
    return true;
}

/* What was waited before a call and behind it, as for calls of a stream, is not the calls'. */
double parcel__job_waited(const struct parcel__worker *worker)
{
    return worker->waited > worker->total_time ? worker->total_time : worker->waited;
}

static void add_worker(struct parcel_results *results, struct parcel__worker *worker,
                       double *longest)
{
    results->failures += worker->n_failed;
    results->total_time += worker->total_time;
    results->waited += parcel__job_waited(worker);
    if (worker->longest > *longest) {
        *longest = worker->longest;
        results->slowest = worker->slowest;
    }
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
    results->failures += n_lost;
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

void parcel__job_close(struct parcel_job *job)
{
    parcel_results *results = job->options.results;
    double longest = -1;
    size_t n_done = 0;
    bool has_handed_out = false, is_stopped = parcel__job_is_stopped(job);
    double end = parcel__port_now();
    results->wall_time = end - job->start;
    if (job->options.n_workers > 1)
        last_end = end;
    for (int i = 0; i < job->options.n_workers; i++) {
        (void)atomic_load_explicit(&job->workers[i].n_visits, memory_order_acquire);
        n_done += job->workers[i].n_done;
        has_handed_out |= job->workers[i].has_handed_out;
        add_worker(results, &job->workers[i], &longest);
    }
    if (n_done < results->count && (has_handed_out || !is_stopped)) /* else there is none */
        n_done += record_dropped(results, is_stopped);
    results->n_ran = n_done;
    results->n_absent = count_absent(job);
    parcel__memory_free(job->memory);
}

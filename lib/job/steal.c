/*
 * steal.c: who takes which calls of a list.
 *
 *     worker 0   [ claimed ........ | low ->            high ]   its own batches from the low end
 *     worker 1   [ claimed .. | low ->      <- high | robbed ]   thieves take the upper half
 *     worker 2   [ empty: robs the longest range, or asks who runs a batch of several calls ]
 *
 * Invariant: a call is handed out at most once, by the compare-and-swap that took it off a range. A
 * range that is BUSY belongs to a worker that is just taking part of another's: who finds only
 * empty and busy ranges, or that work moved while it looked, looks again: nobody leaves while work
 * is on its way.
 *
 * A batch is sized by the past. Should its calls turn out to be long, those who have nothing to do
 * ask for what has not begun: the worker then puts it back into its range, which is empty, and
 * goes on from there like the others.
 */
#include "job/job.h"

#include <assert.h>
#include <math.h>

#include "ground/port.h"

/* No range has its low end above its high end. */
static const parcel__range busy = (uint64_t)UINT32_MAX << 32;

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
    size_t size = job->options.policy->batch_size;
    if (job->options.policy->schedule != PARCEL_ADAPTIVE)
        return parcel__schedule_plain(job->options.policy->schedule, left, job->options.n_workers,
                                      units_of(job, size ? size : 1));
    if (size > 0)
        return units_of(job, size) < left ? units_of(job, size) : left;
    if (job->may_share && parcel__job_runner(worker))
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
        cut = parcel__schedule_claim(range, batch_length(job, worker, left),
                                     parcel__job_number(job, owner));
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
    struct parcel__cut cut = parcel__schedule_steal(range, parcel__job_number(job, victim));
    atomic_store_explicit(&worker->range, busy, memory_order_release);
    atomic_fetch_add_explicit(&job->n_thefts, 1, memory_order_acq_rel);
    if (!atomic_compare_exchange_strong_explicit(&victim->range, &range, cut.left,
                                                 memory_order_acq_rel, memory_order_relaxed)) {
        atomic_store_explicit(&worker->range, 0, memory_order_release);
        return 0;
    }
    worker->last_count = 0; /* what was measured elsewhere says little of these */
    uint32_t length = batch_length(job, worker, parcel__schedule_length(cut.taken));
    cut = parcel__schedule_claim(cut.taken, length, parcel__job_number(job, worker));
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
        struct parcel__worker *other =
            &job->workers[(parcel__job_number(job, worker) + i) % n_workers];
        if (atomic_load_explicit(&other->may_share, memory_order_acquire))
            return other;
    }
    return NULL;
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
static void ask_afar(struct parcel__worker *sharer, const struct parcel__runner *runner,
                     double *since)
{
    static const double instant = 100e-6, longest = 5e-3;
    double now = parcel__port_now();
    *since = *since == 0 ? now : *since;
    double waited = now - *since;
    if (waited >= instant) {
        parcel__current_signal(&sharer->current, PARCEL__EVENT_ASKED);
        runner->poke(runner);
    }
    runner->linger(runner, fmin(instant + waited / 16, longest));
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
            const struct parcel__runner *runner = parcel__job_runner(sharer);
            if (runner)
                ask_afar(sharer, runner, &since);
            else
                ask(sharer, &since);
        } else if (atomic_load_explicit(&job->n_thefts, memory_order_acquire) == thefts) {
            return 0;
        }
    }
    return 0;
}

/* Puts the rest of the worker's batch into its range, unless it is too little to be worth a theft.
 * A backend that has the batch to itself may not come back for it. */
static bool give_back(void *state, struct parcel__worker *worker, const struct parcel__batch *rest)
{
    static const double worth = 2e-6;
    struct parcel_job *job = state;
    parcel__range range = atomic_load_explicit(&worker->range, memory_order_acquire);
    bool is_little = rest->count < 2 || (double)rest->count * worker->seconds_per_call <= worth;
    if ((is_little && !parcel__job_runner(worker)) || parcel__schedule_length(range) > 0 ||
        !atomic_load_explicit(&worker->may_share, memory_order_relaxed))
        return false; /* who asked finds something in the range */
    range = parcel__schedule_range((uint32_t)rest->first, (uint32_t)(rest->first + rest->count));
    atomic_store_explicit(&worker->range, range, memory_order_release);
    /* Behind the range: who has the count already must find the range. Before may_share: who no
     * longer finds a sharer must find that the count has changed. */
    atomic_fetch_add_explicit(&job->n_thefts, 1, memory_order_acq_rel);
    atomic_store_explicit(&worker->may_share, false, memory_order_release);
    return true;
}

static bool take(void *state, struct parcel__worker *own, struct parcel__batch *batch)
{
    struct parcel_job *job = state;
    struct parcel__worker *common = parcel__job_common_worker(job);
    if (parcel__job_must_stop(job))
        return false;
    parcel__range taken = claim(job, own, common ? common : own);
    if (taken == 0 && job->options.policy->schedule == PARCEL_ADAPTIVE)
        taken = steal(job, own);
    if (taken == 0)
        return false;
    size_t end = parcel__schedule_high(taken) * job->unit;
    size_t count = job->options.lot.results->count;
    batch->lot = &job->options.lot;
    batch->first = parcel__schedule_low(taken) * job->unit;
    batch->count = (end < count ? end : count) - batch->first;
    assert(batch->count > 0 && batch->count <= count - batch->first);
    return true;
}

/* The record of the batch's first call says how many there are. */
static void hold(void *state, struct parcel__worker *worker, const struct parcel__batch *batch)
{
    struct parcel_job *job = state;
    atomic_store_explicit(&worker->may_share, false, memory_order_release);
    parcel__results_hand_out(job->options.lot.results, batch->first, batch->count);
}

static bool release(void *state, struct parcel__worker *worker, size_t index, size_t count,
                    struct parcel__batch *batch)
{
    const struct parcel_job *job = state;
    parcel_results *results = job->options.lot.results;
    (void)worker;
    if (index >= results->count || count > results->count - index ||
        parcel_results_status(results, index) != PARCEL_NOT_RUN)
        return false;
    parcel__results_take_back(results, index);
    *batch = (struct parcel__batch){&job->options.lot, index, count};
    return true;
}

const struct parcel__source parcel__job_ranges = {
    .take = take,
    .give_back = give_back,
    .hold = hold,
    .release = release,
    .patience = INFINITY,
};

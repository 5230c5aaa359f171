/*
 * simulation.c: a run of very many workers, played by one thread from event to event.
 *
 * The ranges are cut and the batches sized by the functions of lib/job/schedule.h; who does what
 * when follows lib/job/steal.c and lib/job/work.c. A scan for the longest range looks at some
 * ranges in each event, so that what it sees is out of date as it is in truth, and a theft may come
 * too late. Who changes a word last holds its cache line: others pay for the transfer, and wait for
 * each other. A worker that finds nothing to steal asks one that runs a batch, which then ends
 * after the call that runs.
 */
#include "simulation.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "harness.h"
#include "job/schedule.h"

enum { SCANNED_AT_ONCE = 64, NOBODY = -1 };

/* As in lib/job/work.c: a call of so many seconds has its own time, a rest of so many is given
 * back. */
static const double timed_alone = 0.8e-6, worth = 2e-6;

/* As in lib/job/steal.c: who asks looks again at once for an instant, and then sleeps between. */
static const double instant = 20e-6, longest_sleep = 50e-3;

/* ---- cache lines ---- */

struct line {
    int holder;     /* the worker that alone looked at it since it changed it, or NOBODY */
    double is_free; /* when the next may change it */
};

/* Changes the word in the line. Returns when that is done. */
static double change(struct line *line, const struct dispatch_costs *costs, int worker, double now)
{
    double start = fmax(now, line->is_free);
    bool is_held = line->holder == worker;
    line->holder = worker;
    line->is_free = start + (is_held ? costs->claim : costs->turn);
    return start + (is_held ? costs->claim : costs->transfer);
}

/* ---- events: one a worker, the earliest first ---- */

struct event {
    double time;
    int worker;
};

static struct {
    struct event events[SIMULATION_MOST_WORKERS];
    int count;
} queue; /* a heap */

static void lift(int place)
{
    struct event event = queue.events[place];
    for (; place > 0 && event.time < queue.events[(place - 1) / 2].time; place = (place - 1) / 2)
        queue.events[place] = queue.events[(place - 1) / 2];
    queue.events[place] = event;
}

static void sink(int place)
{
    struct event event = queue.events[place];
    for (int child; (child = 2 * place + 1) < queue.count; place = child) {
        if (child + 1 < queue.count && queue.events[child + 1].time < queue.events[child].time)
            child++;
        if (event.time <= queue.events[child].time)
            break;
        queue.events[place] = queue.events[child];
    }
    queue.events[place] = event;
}

/* The first worker's next event is later. */
static void postpone(double time)
{
    queue.events[0].time = time;
    sink(0);
}

/* That worker's next event comes sooner, but not before the first one's. */
static void bring_forward(int worker, double time)
{
    int place = 0;
    while (queue.events[place].worker != worker)
        place++;
    queue.events[place].time = time;
    lift(place);
}

/* The first worker has no more events. */
static void dismiss(void)
{
    queue.events[0] = queue.events[--queue.count];
    sink(0);
}

/* Lets all workers begin in turn: they get their numbers from one counter. */
static void open_queue(int n_workers, const struct dispatch_costs *costs)
{
    struct line line = {NOBODY, 0};
    queue.count = n_workers;
    for (int i = 0; i < n_workers; i++)
        queue.events[i] = (struct event){change(&line, costs, i, 0), i};
}

double simulation_duration(const struct simulation_calls *calls, uint32_t first, uint32_t end)
{
    if (calls->before)
        return calls->before[end] - calls->before[first];
    return calls->cost * (end - first);
}

/* ---- batches ---- */

enum step { CLAIM, RUN, SCAN, ROB, TAKE };

struct worker {
    parcel__range range;
    struct line line; /* of the range */
    enum step step;
    uint32_t last; /* calls of the last batch; 0: nothing is known of the next */
    double seconds_per_call;
    parcel__range batch; /* that it runs */
    parcel__range rest;  /* what it has not begun of the batch since it was asked */
    double start;        /* of the batch */
    bool is_timed_apart; /* each call of the batch has its own time */
    bool may_share;      /* its last batch had several calls */
    bool is_busy;
    int scanned; /* workers that the scan has looked at */
    int victim;  /* the one of them with most, or NOBODY */
    parcel__range seen;
    bool saw_busy;
    unsigned n_thefts;   /* when the scan began */
    double asking_since; /* negative: it did not ask since it had work */
};

static struct {
    const struct simulation_calls *calls;
    const struct dispatch_costs *costs;
    int n_workers;
    struct worker workers[SIMULATION_MOST_WORKERS];
    struct line thefts;
    unsigned n_thefts;
    uint64_t n_done;
} run;

static int number_of(const struct worker *worker)
{
    return (int)(worker - run.workers);
}

/* When the first count calls of the batch are done. */
static double end_of(const struct worker *worker, uint32_t count)
{
    uint32_t first = parcel__schedule_low(worker->batch);
    double each = run.costs->call + (worker->is_timed_apart ? run.costs->ticks : 0);
    return worker->start + simulation_duration(run.calls, first, first + count) + count * each;
}

/* When the batch is done and recorded. */
static double end_of_batch(const struct worker *worker)
{
    return end_of(worker, parcel__schedule_length(worker->batch)) + run.costs->clock +
           run.costs->ticks;
}

static double begin_batch(struct worker *worker, parcel__range batch, double now)
{
    worker->step = RUN;
    worker->batch = batch;
    worker->rest = 0;
    worker->start = now;
    worker->is_timed_apart =
        parcel__schedule_length(batch) > 1 && worker->seconds_per_call > timed_alone;
    return end_of_batch(worker);
}

/* The calls of the batch that have begun. */
static uint32_t begun_by(const struct worker *worker, double now)
{
    uint32_t low = 1, high = parcel__schedule_length(worker->batch);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (end_of(worker, middle) < now)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Lets the worker's batch end after the call that runs. */
static void interrupt(struct worker *worker, double now)
{
    if (worker->step != RUN || worker->rest != 0)
        return;
    uint32_t begun = begun_by(worker, now);
    uint32_t first = parcel__schedule_low(worker->batch) + begun;
    uint32_t end = parcel__schedule_high(worker->batch);
    if (first == end)
        return;
    worker->batch = parcel__schedule_range(first - begun, first);
    worker->rest = parcel__schedule_range(first, end);
    bring_forward(number_of(worker), fmax(now, end_of_batch(worker)));
}

/* ---- ranges ---- */

/* Takes a batch off the worker's range and runs it. */
static double run_batch(struct worker *worker, double now)
{
    uint32_t batch = parcel__schedule_batch(parcel__schedule_length(worker->range), run.n_workers,
                                            worker->last, worker->seconds_per_call);
    struct parcel__cut cut = parcel__schedule_claim(worker->range, batch, number_of(worker));
    worker->range = cut.left;
    worker->may_share = run.n_workers > 1 && batch > 1;
    worker->asking_since = -1;
    return begin_batch(worker, cut.taken, change(&worker->line, run.costs, number_of(worker), now));
}

static double give_back(struct worker *worker, double now)
{
    run.n_thefts++;
    now = change(&run.thefts, run.costs, number_of(worker), now);
    worker->range = worker->rest;
    worker->may_share = false;
    worker->step = CLAIM;
    return change(&worker->line, run.costs, number_of(worker), now);
}

/* What follows a batch: the next step, or what is left of it, when it was asked for but is too
 * little to give or not needed. */
static double end_batch(struct worker *worker, double now)
{
    uint32_t count = parcel__schedule_length(worker->batch);
    uint32_t rest = parcel__schedule_length(worker->rest);
    worker->last = count;
    worker->seconds_per_call = (now - worker->start) / count;
    worker->step = CLAIM;
    run.n_done += count;
    if (rest == 0)
        return now;
    if (rest > 1 && rest * worker->seconds_per_call > worth &&
        parcel__schedule_length(worker->range) == 0)
        return give_back(worker, now);
    return begin_batch(worker, worker->rest, now);
}

/* ---- thefts ---- */

static double begin_scan(struct worker *worker, double now)
{
    worker->step = SCAN;
    worker->may_share = false;
    worker->scanned = 0;
    worker->victim = NOBODY;
    worker->seen = 0;
    worker->saw_busy = false;
    worker->n_thefts = run.n_thefts;
    return now;
}

/* The next worker that might give some of its batch back, or NULL; *now: when it is found. */
static struct worker *find_sharer(const struct worker *worker, double *now)
{
    for (int i = 1; i < run.n_workers; i++) {
        struct worker *other = &run.workers[(number_of(worker) + i) % run.n_workers];
        *now += run.costs->scan;
        other->line.holder = NOBODY;
        if (other->may_share)
            return other;
    }
    return NULL;
}

/* Returns when the worker looks again. */
static double ask(struct worker *worker, struct worker *sharer, double now)
{
    bool is_first = worker->asking_since < 0;
    if (is_first)
        worker->asking_since = now;
    double waited = now - worker->asking_since;
    now += run.costs->clock;
    if (is_first || waited >= instant) {
        now += run.costs->transfer;
        interrupt(sharer, now);
    }
    return waited < instant ? now : now + fmin(waited / 8, longest_sleep);
}

/* What follows a scan; negative: nothing is left for the worker. */
static double end_scan(struct worker *worker, double now)
{
    worker->step = ROB;
    if (worker->victim != NOBODY)
        return now;
    if (worker->saw_busy)
        return begin_scan(worker, now);
    struct worker *sharer = find_sharer(worker, &now);
    if (sharer)
        return begin_scan(worker, ask(worker, sharer, now));
    return worker->n_thefts != run.n_thefts ? begin_scan(worker, now) : -1;
}

static void look_at(struct worker *worker, int number)
{
    struct worker *other = &run.workers[number];
    if (other != worker)
        other->line.holder = NOBODY;
    if (other->is_busy) {
        worker->saw_busy = true;
    } else if (parcel__schedule_length(other->range) > parcel__schedule_length(worker->seen)) {
        worker->seen = other->range;
        worker->victim = number;
    }
}

static double scan(struct worker *worker, double now)
{
    int end = worker->scanned + SCANNED_AT_ONCE;
    if (worker->scanned == run.n_workers)
        return end_scan(worker, now);
    if (end > run.n_workers)
        end = run.n_workers;
    now += (end - worker->scanned) * run.costs->scan;
    while (worker->scanned < end)
        look_at(worker, worker->scanned++);
    return now;
}

static double rob(struct worker *worker, double now)
{
    worker->is_busy = true;
    worker->step = TAKE;
    run.n_thefts++;
    return change(&run.thefts, run.costs, number_of(worker), now);
}

static double take(struct worker *worker, double now)
{
    struct worker *victim = &run.workers[worker->victim];
    worker->is_busy = false;
    now = change(&victim->line, run.costs, number_of(worker), now);
    if (victim->range != worker->seen)
        return begin_scan(worker, now);
    struct parcel__cut half = parcel__schedule_steal(victim->range, worker->victim);
    victim->range = half.left;
    worker->range = half.taken;
    worker->last = 0; /* what was measured elsewhere says little of these */
    return run_batch(worker, now);
}

/* The worker's next step. Returns when it is done; negative: the worker is gone. */
static double step(struct worker *worker, double now)
{
    switch (worker->step) {
    case CLAIM:
        return parcel__schedule_length(worker->range) > 0 ? run_batch(worker, now)
                                                          : begin_scan(worker, now);
    case RUN:
        return end_batch(worker, now);
    case SCAN:
        return scan(worker, now);
    case ROB:
        return rob(worker, now);
    default:
        return take(worker, now);
    }
}

static void open_run(const struct simulation_calls *calls, int n_workers,
                     const struct dispatch_costs *costs)
{
    memset(&run, 0, sizeof run);
    run.calls = calls;
    run.costs = costs;
    run.n_workers = n_workers;
    run.thefts.holder = NOBODY;
    for (int i = 0; i < n_workers; i++) {
        run.workers[i].range = parcel__schedule_share(calls->count, i, n_workers);
        run.workers[i].line.holder = NOBODY; /* who opened the run wrote it */
        run.workers[i].asking_since = -1;
    }
}

double simulate_ranges(const struct simulation_calls *calls, int n_workers,
                       const struct dispatch_costs *costs)
{
    double end = 0;
    open_run(calls, n_workers, costs);
    open_queue(n_workers, costs);
    while (queue.count > 0) {
        struct event event = queue.events[0];
        double next = step(&run.workers[event.worker], event.time);
        end = fmax(end, event.time);
        if (next < 0)
            dismiss();
        else
            postpone(next);
    }
    bench_require(run.n_done == calls->count, "the simulation lost calls");
    return end;
}

/* ---- one counter ---- */

double simulate_counter(const struct simulation_calls *calls, int n_workers,
                        const struct dispatch_costs *costs)
{
    struct line line = {NOBODY, 0};
    uint32_t next = 0;
    double end = 0;
    open_queue(n_workers, costs);
    while (queue.count > 0) {
        struct event event = queue.events[0];
        double now = change(&line, costs, event.worker, event.time);
        end = fmax(end, now);
        if (next == calls->count) {
            dismiss();
            continue;
        }
        postpone(now + simulation_duration(calls, next, next + 1) + costs->call);
        next++;
    }
    return end;
}

/*
 * simulation.c: a run of very many workers, played by one thread from event to event.
 *
 * The ranges are cut and the batches sized by the functions of lib/schedule.h; who does what when
 * follows lib/job.c. A scan for the longest range looks at some ranges in each event, so that what
 * it sees is out of date as it is in truth, and a theft may come too late. Who changes a word last
 * holds its cache line: others pay for the transfer, and wait for each other.
 */
#include "simulation.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "harness.h"
#include "schedule.h"

enum { SCANNED_AT_ONCE = 64, NOBODY = -1 };

/* As in lib/work.c. */
static const double timed_alone = 32;

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

/* ---- ranges ---- */

enum step { CLAIM, SCAN, ROB, TAKE };

struct worker {
    parcel__range range;
    struct line line; /* of the range */
    enum step step;
    uint32_t last; /* calls of the last batch */
    double seconds_per_call;
    bool is_busy;
    int scanned; /* workers that the scan has looked at */
    int victim;  /* the one of them with most, or NOBODY */
    parcel__range seen;
    bool saw_busy;
    unsigned n_thefts; /* when the scan began */
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

/* Runs a batch. Returns when it is done. */
static double execute(struct worker *worker, parcel__range taken, double now)
{
    const struct dispatch_costs *costs = run.costs;
    uint32_t count = parcel__schedule_length(taken);
    bool apart = worker->seconds_per_call > timed_alone * costs->clock;
    double duration =
        simulation_duration(run.calls, parcel__schedule_low(taken), parcel__schedule_high(taken)) +
        count * costs->call + (apart ? count : 1) * costs->clock;
    worker->last = count;
    worker->seconds_per_call = duration / count;
    run.n_done += count;
    return now + duration;
}

/* Takes a batch off the worker's range and runs it. */
static double run_batch(struct worker *worker, double now)
{
    int number = (int)(worker - run.workers);
    uint32_t batch = parcel__schedule_batch(parcel__schedule_length(worker->range), run.n_workers,
                                            worker->last, worker->seconds_per_call);
    struct parcel__cut cut = parcel__schedule_claim(worker->range, batch, number);
    worker->range = cut.left;
    return execute(worker, cut.taken, change(&worker->line, run.costs, number, now));
}

static double begin_scan(struct worker *worker, double now)
{
    worker->step = SCAN;
    worker->scanned = 0;
    worker->victim = NOBODY;
    worker->seen = 0;
    worker->saw_busy = false;
    worker->n_thefts = run.n_thefts;
    return now;
}

/* What follows a scan; negative: nothing is left for the worker. */
static double end_scan(struct worker *worker, double now)
{
    if (worker->victim == NOBODY)
        return worker->saw_busy || worker->n_thefts != run.n_thefts ? begin_scan(worker, now) : -1;
    worker->step = ROB;
    return now;
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
    return change(&run.thefts, run.costs, (int)(worker - run.workers), now);
}

static double take(struct worker *worker, double now)
{
    struct worker *victim = &run.workers[worker->victim];
    worker->is_busy = false;
    now = change(&victim->line, run.costs, (int)(worker - run.workers), now);
    if (victim->range != worker->seen)
        return begin_scan(worker, now);
    struct parcel__cut half = parcel__schedule_steal(victim->range, worker->victim);
    victim->range = half.left;
    worker->range = half.taken;
    worker->step = CLAIM;
    return run_batch(worker, now);
}

/* The worker's next step. Returns when it is done; negative: the worker is gone. */
static double step(struct worker *worker, double now)
{
    switch (worker->step) {
    case CLAIM:
        return parcel__schedule_length(worker->range) > 0 ? run_batch(worker, now)
                                                          : begin_scan(worker, now);
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

/*
 * rank_simulation.c: a run on very many ranks, played by one thread from event to event.
 *
 * After the library's exchange between ranks: they form a tree, in which rank i deals to the ranks
 * fan_out * i + 1 and following, or rank 0 to all when the fan-out is large enough. A rank keeps at
 * each of those so many calls as last the workers below it for the window, at least some calls a
 * worker, but no more than half of a fair share of what rank 0 still has. Results go up when they
 * fill a message, or are so many seconds old. Whoever handles a message does not compute meanwhile.
 * Calls of one rank are dealt to its workers for nothing: simulation.c is about that.
 */
#include "rank_simulation.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "harness.h"

enum { ROOT = 0, NOBODY = -1, LEAST_CALLS = 50, FULL = 32 << 10, AT_FIRST = 4, FEW_IN_STORE = 4 };

/* A call of so many seconds is worth none that waits for it to end. */
static const double long_call = 50e-3;

/* ---- events, the earliest first: a heap ---- */

enum event_kind { BATCH_DONE, RANGE_ARRIVES, RESULTS_ARRIVE, REPORT_IS_DUE };

struct event {
    double time;
    double seconds; /* of the calls, where they are done */
    uint64_t count; /* calls */
    int node;       /* where it happens */
    int from;       /* results: the child; a range: how many calls a worker may be given */
    enum event_kind kind;
};

struct queue {
    struct event *events;
    size_t count, capacity;
};

static void push(struct queue *queue, struct event event)
{
    if (queue->count == queue->capacity) {
        queue->capacity = 2 * queue->capacity + 1024;
        queue->events = realloc(queue->events, queue->capacity * sizeof *queue->events);
        bench_require(queue->events != NULL, "out of memory");
    }
    size_t place = queue->count++;
    for (; place > 0 && event.time < queue->events[(place - 1) / 4].time; place = (place - 1) / 4)
        queue->events[place] = queue->events[(place - 1) / 4];
    queue->events[place] = event;
}

static size_t earliest_child(const struct queue *queue, size_t place)
{
    size_t first = 4 * place + 1, best = first;
    for (size_t i = first + 1; i < first + 4 && i < queue->count; i++)
        if (queue->events[i].time < queue->events[best].time)
            best = i;
    return best;
}

static struct event pop(struct queue *queue)
{
    struct event first = queue->events[0], last = queue->events[--queue->count];
    size_t place = 0;
    while (4 * place + 1 < queue->count) {
        size_t child = earliest_child(queue, place);
        if (last.time <= queue->events[child].time)
            break;
        queue->events[place] = queue->events[child];
        place = child;
    }
    queue->events[place] = last;
    return first;
}

/* ---- the ranks ---- */

struct node {
    uint64_t pool;       /* calls that it has dealt to nobody */
    uint64_t held;       /* calls that its parent has given it and has no results of */
    uint64_t below;      /* calls that its children hold */
    uint64_t done;       /* calls whose results it has not sent on */
    double done_seconds; /* what they took */
    double handled;      /* when it will have handled all messages that came or went */
    double robbed;       /* seconds that messages took from the worker that computes */
    double reported;     /* when results were sent last */
    int n_workers;       /* here and below */
    int n_idle;          /* here */
    int share;           /* calls that each worker may be given, as its parent said */
    int hungry;          /* the first child that waits for calls, or NOBODY */
    int last_hungry;
    int next_hungry; /* among its parent's children */
    bool is_hungry;
    bool will_report;
};

struct play {
    const struct rank_run *run;
    const struct rank_policy *policy;
    const struct rank_costs *costs;
    struct node *nodes;
    struct queue queue;
    uint64_t n_calls, n_recorded;
    double recorded_seconds; /* what rank 0 knows of the calls */
    double total, longest;   /* of all calls that were drawn */
    double busy;             /* rank 0's with messages */
    double end;
    uint64_t random;
};

static int parent_of(const struct play *play, int node)
{
    return (node - 1) / play->policy->fan_out;
}

static long long first_child(const struct play *play, int node)
{
    return (long long)node * play->policy->fan_out + 1;
}

static long long end_of_children(const struct play *play, int node)
{
    long long end = first_child(play, node) + play->policy->fan_out;
    return end < play->run->n_ranks ? end : play->run->n_ranks;
}

/* ---- how long calls take ---- */

/* In (0, 1). Source: Marsaglia, Xorshift RNGs, 2003. */
static double next_uniform(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return ((double)(*state >> 11) + 0.5) * 0x1p-53;
}

/* By Box and Muller. */
static double next_normal(uint64_t *state)
{
    static const double tau = 6.283185307179586;
    double radius = sqrt(-2 * log(next_uniform(state)));
    return radius * cos(tau * next_uniform(state));
}

/* Seconds of so many calls. The sum of many is drawn at once: it is nearly normal. */
static double draw(struct play *play, uint64_t count)
{
    enum { FEW = 32 };
    static const double sigma = 0.5, spread = 0.5329404; /* sqrt(exp(sigma^2) - 1) */
    double mean = play->run->call, n = (double)count, sum = 0;
    if (!play->run->is_lognormal) {
        sum = n * mean;
        play->longest = mean;
    } else if (count > FEW) {
        sum = mean * fmax(n + spread * sqrt(n) * next_normal(&play->random), n / 4);
    } else {
        for (uint64_t i = 0; i < count; i++) {
            double each = mean * exp(sigma * next_normal(&play->random) - sigma * sigma / 2);
            play->longest = fmax(play->longest, each);
            sum += each;
        }
    }
    play->total += sum;
    return sum;
}

/* ---- messages ---- */

/* The rank is occupied for so long from now on, or from when it is free. Returns the end. */
static double handle(struct play *play, int node, double now, double seconds)
{
    struct node *it = &play->nodes[node];
    it->handled = fmax(it->handled, now) + seconds;
    it->robbed += seconds;
    if (node == ROOT)
        play->busy += seconds;
    return it->handled;
}

static double content(const struct play *play, uint64_t count)
{
    return play->costs->byte * play->costs->result * (double)count;
}

/* Until a rank that computes looks for messages, in the mean. */
static double look(const struct play *play)
{
    return fmin(play->costs->look, play->run->call) / 2;
}

static void send_range(struct play *play, int child, uint64_t count, int share, double now)
{
    double sent = handle(play, parent_of(play, child), now, play->costs->message);
    play->nodes[child].held += count;
    play->nodes[parent_of(play, child)].below += count;
    push(&play->queue, (struct event){.time = sent + play->costs->latency + look(play),
                                      .count = count,
                                      .node = child,
                                      .from = share,
                                      .kind = RANGE_ARRIVES});
}

static void send_results(struct play *play, int node, double now)
{
    struct node *it = &play->nodes[node];
    double sent = handle(play, node, now, play->costs->message + content(play, it->done));
    push(&play->queue, (struct event){.time = sent + play->costs->latency + look(play),
                                      .seconds = it->done_seconds,
                                      .count = it->done,
                                      .node = parent_of(play, node),
                                      .from = node,
                                      .kind = RESULTS_ARRIVE});
    it->done = 0;
    it->done_seconds = 0;
    it->reported = now;
}

/* ---- dealing ---- */

/* Calls that each worker may be given now. */
static int share_of(const struct play *play, int node)
{
    const struct rank_policy *policy = play->policy;
    const struct node *it = &play->nodes[node];
    if (node != ROOT)
        return it->share;
    double wanted = AT_FIRST, most = (double)it->pool / (2 * (double)it->n_workers);
    if (play->n_recorded > 0) {
        double mean = play->recorded_seconds / (double)play->n_recorded;
        wanted = fmax(policy->window / mean, mean < long_call ? policy->ahead : 1);
    }
    return (int)fmax(1, fmin(wanted, most));
}

/* A batch: a part of what the worker has, and no more than its share of what is there. */
static void start_workers(struct play *play, int node, double now)
{
    struct node *it = &play->nodes[node];
    if (it->n_idle == play->run->n_workers)
        it->robbed = 0; /* nobody computed */
    while (it->n_idle > 0 && it->pool > 0) {
        uint64_t batch = (uint64_t)(share_of(play, node) / play->policy->parts);
        batch = batch < 1 ? 1 : batch > it->pool ? it->pool : batch;
        double seconds = draw(play, batch);
        it->pool -= batch;
        it->n_idle--;
        push(&play->queue, (struct event){.time = fmax(now, it->handled) + seconds,
                                          .seconds = seconds,
                                          .count = batch,
                                          .node = node,
                                          .kind = BATCH_DONE});
    }
}

static void make_hungry(struct play *play, int node, int child)
{
    struct node *it = &play->nodes[node];
    if (play->nodes[child].is_hungry)
        return;
    play->nodes[child].is_hungry = true;
    play->nodes[child].next_hungry = NOBODY;
    if (it->hungry == NOBODY)
        it->hungry = child;
    else
        play->nodes[it->last_hungry].next_hungry = child;
    it->last_hungry = child;
}

/* Calls in a part of what the workers here and below may be given; 0: it is less than a call. */
static uint64_t part_of(const struct play *play, int node, int share)
{
    return (uint64_t)(share / play->policy->parts) * (uint64_t)play->nodes[node].n_workers;
}

/* Calls that the child lacks: none until a part of what it may hold is gone. */
static uint64_t lack_of(const struct play *play, int node, int child)
{
    const struct node *it = &play->nodes[child];
    int share = share_of(play, node);
    uint64_t most = (uint64_t)share * (uint64_t)it->n_workers, part = part_of(play, child, share);
    return it->held + (part > 0 ? part : 1) <= most ? most - it->held : 0;
}

static void feed_children(struct play *play, int node, double now)
{
    struct node *it = &play->nodes[node];
    while (it->hungry != NOBODY && it->pool > 0) {
        int child = it->hungry;
        uint64_t lack = lack_of(play, node, child);
        it->hungry = play->nodes[child].next_hungry;
        play->nodes[child].is_hungry = false;
        if (lack > it->pool)
            lack = it->pool;
        if (lack == 0)
            continue;
        it->pool -= lack;
        send_range(play, child, lack, share_of(play, node), now);
    }
}

static bool has_nothing(const struct play *play, const struct node *it)
{
    return it->pool == 0 && it->below == 0 && it->n_idle == play->run->n_workers;
}

static bool hurries(const struct play *play, int node)
{
    bool is_lowest = first_child(play, node) >= play->run->n_ranks;
    return play->policy->hurry > (is_lowest ? 0 : 1) &&
           play->nodes[node].pool < (uint64_t)(FEW_IN_STORE * play->run->n_workers);
}

/* When the results that wait on the rank are to go up. */
static double due_at(const struct play *play, int node)
{
    double pause = play->policy->merge;
    if (hurries(play, node))
        pause = fmin(pause, play->costs->look);
    return play->nodes[node].reported + pause;
}

/* Sends results up when they fill a message, or are late, or the last. */
static void report(struct play *play, int node, double now)
{
    struct node *it = &play->nodes[node];
    double due = due_at(play, node);
    if (node == ROOT || it->done == 0)
        return;
    bool is_full = (double)it->done * play->costs->result >= (double)FULL;
    if (is_full || now >= due || has_nothing(play, it)) {
        send_results(play, node, now);
    } else if (!it->will_report) {
        it->will_report = true;
        push(&play->queue, (struct event){.time = due, .node = node, .kind = REPORT_IS_DUE});
    }
}

static void go_on(struct play *play, int node, double now)
{
    feed_children(play, node, now);
    start_workers(play, node, now);
    report(play, node, now);
}

/* ---- what happens ---- */

/* Rank 0 keeps results, others send them on. */
static void take_results(struct play *play, const struct event *event, double now)
{
    struct node *it = &play->nodes[event->node];
    if (event->node != ROOT) {
        it->done += event->count;
        it->done_seconds += event->seconds;
        return;
    }
    play->n_recorded += event->count;
    play->recorded_seconds += event->seconds;
    play->end = fmax(play->end, now);
}

/* It lasts longer by what messages took from it. */
static void end_batch(struct play *play, struct event *event)
{
    struct node *it = &play->nodes[event->node];
    if (it->robbed > 0) {
        event->time += it->robbed;
        it->robbed = 0;
        push(&play->queue, *event);
        return;
    }
    it->n_idle++;
    take_results(play, event, event->time);
    go_on(play, event->node, event->time);
}

static void arrive_range(struct play *play, const struct event *event)
{
    struct node *it = &play->nodes[event->node];
    double now = handle(play, event->node, event->time, play->costs->message);
    it->pool += event->count;
    it->share = event->from;
    for (long long i = first_child(play, event->node); i < end_of_children(play, event->node); i++)
        make_hungry(play, event->node, (int)i);
    go_on(play, event->node, now);
}

static void arrive_results(struct play *play, const struct event *event)
{
    struct node *it = &play->nodes[event->node];
    double seconds = play->costs->message + content(play, event->count);
    if (event->node == ROOT)
        seconds += play->costs->record * (double)event->count;
    double now = handle(play, event->node, event->time, seconds);
    it->below -= event->count;
    play->nodes[event->from].held -= event->count;
    take_results(play, event, now);
    make_hungry(play, event->node, event->from);
    go_on(play, event->node, now);
}

static void happen(struct play *play, struct event *event)
{
    switch (event->kind) {
    case BATCH_DONE:
        end_batch(play, event);
        break;
    case RANGE_ARRIVES:
        arrive_range(play, event);
        break;
    case RESULTS_ARRIVE:
        arrive_results(play, event);
        break;
    default:
        play->nodes[event->node].will_report = false;
        report(play, event->node, event->time);
    }
}

/* ---- a run ---- */

/* All say hello up the tree, and the plan comes down. */
static double roll_call(const struct play *play)
{
    double seconds = 0;
    for (long long node = ROOT; node < play->run->n_ranks; node = first_child(play, (int)node)) {
        long long children = end_of_children(play, (int)node) - first_child(play, (int)node);
        if (children > 0)
            seconds += 2 * ((double)(children + 1) * play->costs->message + play->costs->latency +
                            play->costs->look / 2);
    }
    return seconds;
}

static void open_play(struct play *play)
{
    const struct rank_run *run = play->run;
    double each = fmax(LEAST_CALLS, run->work / run->call);
    play->nodes = calloc((size_t)run->n_ranks, sizeof *play->nodes);
    bench_require(play->nodes != NULL, "out of memory");
    play->n_calls = (uint64_t)(each * run->n_ranks * run->n_workers);
    play->random = 88172645463325252u;
    for (int i = run->n_ranks - 1; i >= 0; i--) {
        struct node *it = &play->nodes[i];
        it->n_workers += run->n_workers;
        it->n_idle = run->n_workers;
        it->hungry = NOBODY;
        if (i != ROOT)
            play->nodes[parent_of(play, i)].n_workers += it->n_workers;
    }
}

struct rank_outcome simulate_on_ranks(const struct rank_run *run, const struct rank_policy *policy,
                                      const struct rank_costs *costs)
{
    struct play play = {.run = run, .policy = policy, .costs = costs};
    open_play(&play);
    push(&play.queue,
         (struct event){.count = play.n_calls, .node = ROOT, .from = 1, .kind = RANGE_ARRIVES});
    while (play.queue.count > 0) {
        struct event event = pop(&play.queue);
        happen(&play, &event);
    }
    bench_require(play.n_recorded == play.n_calls, "the simulation lost calls");
    double n_workers = (double)run->n_ranks * run->n_workers;
    struct rank_outcome outcome = {fmax(play.total / n_workers, play.longest) / play.end,
                                   play.busy / play.end, roll_call(&play)};
    free(play.queue.events);
    free(play.nodes);
    return outcome;
}

/*
 * rank_run.c: one run on several ranks, as one of them has a part in it.
 *
 * A rank hands calls out to the ranks right below it in the tree (children.c), and runs some
 * itself. Rank 0 takes them off its stream, any other off what it was given itself (parent.c).
 * Every call that is handed out is answered once: by its result, as not run, or by being given
 * back; so a rank is done when nothing is out.
 *
 * The file stays whole: how a run stops, who sees to the post and when it is over are one thing.
 */
#include "ranks/rank_run.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "ground/memory.h"
#include "ground/port.h"
#include "ranks/children.h"
#include "ranks/ending.h"
#include "ranks/parent.h"
#include "stream/block.h"
#include "stream/delivery.h"
#include "stream/feed.h"

/* The courier sleeps so long while workers see to the post themselves, at least so often; else for
 * a part of the time since then, within bounds. A thread that wakes up often would keep the kernel
 * from moving work to an idle cpu. */
static const double usual_sleep = 20e-3, often = 2e-3, shortest_sleep = 1e-3, longest_sleep = 10e-3;
enum { SLEEPS = 32 };

struct parcel__rank_run {
    struct parcel__ranks *ranks;
    struct parcel__terms *terms;
    bool is_root;
    struct parcel__stream *stream; /* NULL: this rank has given up */
    struct parcel__control *control;
    struct parcel__large_arrays large_arrays;
    struct parcel__children children;
    struct parcel__parent parent; /* not of rank 0 */
    struct parcel__ending ending; /* the same */

    /* Relaxed, since what goes with them is under a mutex. */
    atomic_bool has_ended;   /* the rank above has no more */
    atomic_bool has_told;    /* the ranks around know that the run stops */
    _Atomic double attended; /* when a worker last saw to the post, by the clock */
    _Atomic double allowed;  /* seconds for a call, as the others were told; by who holds post */

    pthread_t courier;
    bool has_courier;
    pthread_mutex_t courier_mutex;
    pthread_cond_t courier_condition;
    bool is_over; /* protected by courier_mutex */
};

static bool has_ended(const struct parcel__rank_run *rank_run)
{
    return atomic_load_explicit(&rank_run->has_ended, memory_order_relaxed);
}

static void note_end(struct parcel__rank_run *rank_run)
{
    atomic_store_explicit(&rank_run->has_ended, true, memory_order_relaxed);
}

/* ---- stopping ---- */

static void tell_below(const struct parcel__rank_run *rank_run,
                       const struct parcel__stopped *stopped)
{
    parcel__ranks_pass_on(rank_run->ranks, PARCEL__SAYS_HALT, stopped, sizeof *stopped);
}

static void tell_above(const struct parcel__rank_run *rank_run,
                       const struct parcel__stopped *stopped, const char *why)
{
    parcel__messages_tell(rank_run->ranks->post, parcel__ranks_parent(rank_run->ranks),
                          PARCEL__SAYS_STOPPED, stopped, sizeof *stopped, why);
}

static void hear_stop(struct parcel__rank_run *rank_run, const struct parcel__message *message)
{
    struct parcel__stopped stopped;
    memcpy(&stopped, message->bytes, sizeof stopped);
    const char *why = parcel__messages_text(message, sizeof stopped);
    if (stopped.serial != rank_run->terms->serial)
        return; /* of a run that has ended meanwhile */
    if (message->kind == PARCEL__SAYS_HALT)
        note_end(rank_run);
    if (!rank_run->stream) {
        if (message->kind == PARCEL__SAYS_HALT)
            tell_below(rank_run, &stopped);
        return;
    }
    if (why)
        parcel__control_set_fault(rank_run->control, parcel__memory_copy_string(why));
    if (stopped.signal != 0)
        parcel__control_hear_signal(rank_run->control, stopped.signal);
    parcel__control_stop(rank_run->control, (enum parcel__reason)stopped.reason);
    parcel__stream_stop(rank_run->stream);
}

/* Tells the ranks around why this one stops; what failed is told by its result. */
static void pass_on_stop(const struct parcel__rank_run *rank_run, enum parcel__reason reason)
{
    struct parcel__stopped stopped = {rank_run->terms->serial, (int)reason,
                                      parcel__control_signal(rank_run->control)};
    const char *fault = atomic_load_explicit(&rank_run->control->fault, memory_order_acquire);
    tell_below(rank_run, &stopped);
    if (rank_run->is_root || has_ended(rank_run) || reason == PARCEL__BY_FAILURE)
        return;
    if (reason == PARCEL__BY_STREAM) { /* there is nothing else that breaks a stream here */
        stopped.reason = PARCEL__BY_WORKER;
        fault = "a rank is out of memory";
    }
    tell_above(rank_run, &stopped, fault);
}

/* Looks whether the run stops, and tells the others, once. */
static void look(struct parcel__rank_run *rank_run)
{
    if (!parcel__stream_must_stop(rank_run->stream) ||
        atomic_exchange_explicit(&rank_run->has_told, true, memory_order_relaxed))
        return;
    enum parcel__reason reason = parcel__control_reason(rank_run->control);
    pass_on_stop(rank_run, reason == PARCEL__GOES_ON ? PARCEL__BY_STREAM : reason);
    if (!rank_run->is_root)
        parcel__parent_drain(&rank_run->parent);
}

/* ---- time limits ---- */

static void pass_on_allowed(const struct parcel__rank_run *rank_run, double seconds)
{
    const struct parcel__allowed allowed = {rank_run->terms->serial, seconds};
    parcel__ranks_pass_on(rank_run->ranks, PARCEL__SAYS_ALLOWED, &allowed, sizeof allowed);
}

static void hear_allowed(const struct parcel__rank_run *rank_run,
                         const struct parcel__message *message)
{
    struct parcel__allowed allowed;
    memcpy(&allowed, message->bytes, sizeof allowed);
    if (allowed.serial != rank_run->terms->serial)
        return;
    if (rank_run->stream)
        parcel__control_allow(rank_run->control, allowed.seconds);
    pass_on_allowed(rank_run, allowed.seconds);
}

/* True when what the median allows has changed by enough to tell the others. */
static bool allows_other(const struct parcel__rank_run *rank_run)
{
    static const double enough = 1.0 / 16;
    double told = atomic_load_explicit(&rank_run->allowed, memory_order_relaxed);
    double seconds = parcel__control_by_median(rank_run->control);
    return seconds < INFINITY && fabs(seconds - told) > enough * told;
}

/* A rank's own calls may be too few for a median: rank 0 hears how long those of all ranks took. */
static void tell_allowed(struct parcel__rank_run *rank_run)
{
    if (!rank_run->is_root || !allows_other(rank_run))
        return;
    parcel__post_hold(rank_run->ranks->post);
    double seconds = parcel__control_by_median(rank_run->control);
    atomic_store_explicit(&rank_run->allowed, seconds, memory_order_relaxed);
    pass_on_allowed(rank_run, seconds);
    parcel__post_let_go(rank_run->ranks->post);
}

/* ---- messages ---- */

static void handle(struct parcel__rank_run *rank_run, struct parcel__message *message)
{
    switch (message->kind) {
    case PARCEL__SAYS_WORK:
        parcel__parent_hear_work(&rank_run->parent, message);
        return;
    case PARCEL__SAYS_RECALL:
        if (!parcel__parent_hear_recall(&rank_run->parent) && rank_run->stream)
            parcel__stream_ask(rank_run->stream);
        return;
    case PARCEL__SAYS_RESULTS:
        parcel__children_hear_results(&rank_run->children, message);
        return;
    case PARCEL__SAYS_NOT_RUN:
        parcel__children_hear_unrun(&rank_run->children, message);
        return;
    case PARCEL__SAYS_RETURN:
        parcel__children_hear_return(&rank_run->children, message);
        return;
    case PARCEL__SAYS_WANT:
    case PARCEL__SAYS_DROP:
        parcel__large_arrays_hear(&rank_run->large_arrays, message);
        return;
    case PARCEL__SAYS_STOPPED:
    case PARCEL__SAYS_HALT:
        hear_stop(rank_run, message);
        return;
    case PARCEL__SAYS_ALLOWED:
        hear_allowed(rank_run, message);
        return;
    default:
        parcel__ending_hear(&rank_run->ending, rank_run->ranks, message);
        note_end(rank_run);
    }
}

/* ---- working ---- */

static void deliver(struct parcel__rank_run *rank_run)
{
    parcel__block_finish_returned(rank_run->stream);
    parcel__delivery_give(rank_run->stream);
}

/* Sees to all that can be done now. */
static void see_to_it(struct parcel__rank_run *rank_run)
{
    struct parcel__post *post = rank_run->ranks->post;
    parcel__ranks_poll(rank_run->ranks);
    look(rank_run);
    tell_allowed(rank_run);
    parcel__children_out(&rank_run->children);
    deliver(rank_run);
    if (!rank_run->is_root)
        parcel__parent_send(&rank_run->parent, false);
    if (!parcel__post_is_empty(post))
        parcel__ranks_poll(rank_run->ranks);
}

static bool is_done(struct parcel__rank_run *rank_run)
{
    bool may_end =
        rank_run->is_root ? parcel__feed_has_ended(rank_run->stream) : has_ended(rank_run);
    return may_end && parcel__children_is_done(&rank_run->children);
}

static bool attend(void *state, unsigned n_idle)
{
    struct parcel__rank_run *rank_run = state;
    static const double instant = 50e-6;
    double now = parcel__port_now();
    parcel__children_note_idle(&rank_run->children, n_idle > 0);
    atomic_store_explicit(&rank_run->attended, now, memory_order_relaxed);
    if (n_idle == 0) {
        if (now - parcel__post_last_poll(rank_run->ranks->post) > instant)
            see_to_it(rank_run);
        if (parcel__post_has_data(rank_run->ranks->post)) /* the next call may take long */
            pthread_cond_signal(&rank_run->courier_condition);
        return true;
    }
    see_to_it(rank_run);
    if (is_done(rank_run))
        return false;
    parcel__ranks_pause(rank_run->ranks, n_idle);
    return true;
}

/* The courier sees to the post while all workers are in calls: they do so themselves between two.
 * While data are on their way it does not wait, since both sides have to help. */
static void carry(struct parcel__rank_run *rank_run)
{
    const struct parcel__post *post = rank_run->ranks->post;
    do {
        see_to_it(rank_run);
        if (parcel__post_has_data(post))
            parcel__port_yield();
    } while (parcel__post_has_data(post));
}

/* How long no worker has seen to the post. */
static double unattended(const struct parcel__rank_run *rank_run)
{
    return parcel__port_now() - atomic_load_explicit(&rank_run->attended, memory_order_relaxed);
}

static double sleep_of(double waited)
{
    if (waited < often)
        return usual_sleep;
    return fmin(fmax(waited / (double)SLEEPS, shortest_sleep), longest_sleep);
}

static void *run_courier(void *argument)
{
    struct parcel__rank_run *rank_run = argument;
    pthread_mutex_lock(&rank_run->courier_mutex);
    while (!rank_run->is_over) {
        parcel__port_wait(&rank_run->courier_condition, &rank_run->courier_mutex,
                          sleep_of(unattended(rank_run)));
        bool is_needed =
            parcel__post_has_data(rank_run->ranks->post) || unattended(rank_run) >= often;
        if (rank_run->is_over || !is_needed)
            continue;
        pthread_mutex_unlock(&rank_run->courier_mutex);
        carry(rank_run);
        pthread_mutex_lock(&rank_run->courier_mutex);
    }
    pthread_mutex_unlock(&rank_run->courier_mutex);
    return NULL;
}

/* A thread of a library takes none of the program's signals. Without one, whoever has a call that
 * lasts is slow to answer. */
static void start_courier(struct parcel__rank_run *rank_run)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rank_run->has_courier = pthread_create(&rank_run->courier, NULL, run_courier, rank_run) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* From now on messages come here, and first those that came too early. */
static void attach(struct parcel__rank_run *rank_run)
{
    struct parcel__ranks *ranks = rank_run->ranks;
    parcel__post_hold(ranks->post);
    ranks->rank_run = rank_run;
    ranks->handle = handle;
    while (ranks->early) {
        struct parcel__message *message = ranks->early;
        ranks->early = message->next;
        handle(rank_run, message);
        parcel__memory_free(message->bytes);
        parcel__memory_free(message);
    }
    parcel__post_let_go(ranks->post);
}

static void begin(void *state, struct parcel__stream *stream)
{
    struct parcel__rank_run *rank_run = state;
    rank_run->stream = rank_run->children.stream = stream;
    attach(rank_run);
    if (rank_run->terms->n_ranks > 1)
        start_courier(rank_run);
}

static void end_courier(struct parcel__rank_run *rank_run)
{
    pthread_mutex_lock(&rank_run->courier_mutex);
    rank_run->is_over = true;
    pthread_cond_signal(&rank_run->courier_condition);
    pthread_mutex_unlock(&rank_run->courier_mutex);
    pthread_join(rank_run->courier, NULL);
    rank_run->has_courier = false;
}

/* A stop that was heard last is passed on, and results that were given last are sent. Who stops the
 * run from then on comes too late. */
static void end(void *state)
{
    struct parcel__rank_run *rank_run = state;
    if (rank_run->has_courier)
        end_courier(rank_run);
    look(rank_run);
    deliver(rank_run);
    if (!rank_run->is_root)
        parcel__parent_send(&rank_run->parent, true);
    parcel__post_hold(rank_run->ranks->post);
    rank_run->stream = NULL;
    parcel__post_let_go(rank_run->ranks->post);
}

/* Calls that are handed out all the same are answered as not run. */
void parcel__rank_run_give_up(struct parcel__rank_run *rank_run)
{
    const struct parcel__stopped stopped = {rank_run->terms->serial, PARCEL__BY_WORKER, 0};
    struct parcel__text text = {0};
    atomic_store_explicit(&rank_run->has_told, true, memory_order_relaxed);
    parcel__text_format(&text, "rank %d is out of memory", rank_run->ranks->transport->rank);
    tell_above(rank_run, &stopped, text.failed ? "a rank is out of memory" : text.bytes);
    parcel__text_free(&text);
    attach(rank_run);
    parcel__parent_drain(&rank_run->parent);
}

/* ---- what the stream asks for ---- */

static size_t room(void *state)
{
    struct parcel__rank_run *rank_run = state;
    return parcel__parent_room(&rank_run->parent);
}

static size_t fill(void *state, struct parcel__stream_block *block, size_t most,
                   enum parcel__feed_end end)
{
    struct parcel__rank_run *rank_run = state;
    (void)end;
    return parcel__parent_fill(&rank_run->parent, block, most);
}

static void put_back(void *state, struct parcel__stream_block *block, size_t at)
{
    struct parcel__rank_run *rank_run = state;
    parcel__parent_put_back(&rank_run->parent, block, at);
}

static void drop(void *state, struct parcel__stream_block *block)
{
    struct parcel__rank_run *rank_run = state;
    parcel__parent_drop(&rank_run->parent, block);
}

static const struct parcel__feed feed = {.room = room,
                                         .whole = room,
                                         .fill = fill,
                                         .drop = drop,
                                         .share = parcel__parent_share,
                                         .put_back = put_back};

static void give(void *state, struct parcel__stream_block *block)
{
    struct parcel__rank_run *rank_run = state;
    parcel__parent_give(&rank_run->parent, block);
}

static void prepare(void *state, struct parcel__stream_options *options)
{
    struct parcel__rank_run *rank_run = state;
    static const struct parcel__outside of_root = {.attend = attend};
    static const struct parcel__outside of_others = {&feed, give, attend};
    options->outside = rank_run;
    options->functions = rank_run->is_root ? &of_root : &of_others;
    options->n_workers = rank_run->children.n_workers;
    options->may_travel = rank_run->is_root && rank_run->terms->n_ranks > 1;
    options->job.first_worker =
        parcel__terms_first_worker(rank_run->terms, rank_run->ranks->transport->rank);
    rank_run->control = options->job.control;
    rank_run->control->has_far_median = !rank_run->is_root;
}

/* ---- opening and closing ---- */

/* The workers of a rank and of all below it. */
static int workers_below(const struct parcel__ranks *ranks, const struct parcel__terms *terms,
                         int rank)
{
    long long low = rank, high = rank;
    int n_workers = 0;
    while (low < terms->n_ranks) { /* one level of the tree after the other */
        for (long long i = low; i <= high && i < terms->n_ranks; i++)
            n_workers += terms->parts[i].n_workers;
        low = low * ranks->fan_out + 1;
        high = (high + 1) * ranks->fan_out;
    }
    return n_workers;
}

static void open_children(struct parcel__rank_run *rank_run)
{
    const struct parcel__ranks *ranks = rank_run->ranks;
    const struct parcel__terms *terms = rank_run->terms;
    int count = parcel__ranks_n_children(ranks), first = parcel__ranks_first_child(ranks);
    rank_run->children = (struct parcel__children){
        .post = ranks->post,
        .large_arrays = &rank_run->large_arrays,
        .rank = ranks->transport->rank,
        .is_sent = terms->sends_calls,
        .n_workers = workers_below(ranks, terms, ranks->transport->rank),
        .batch_size = terms->policy.batch_size,
        .of = parcel__memory_await((size_t)count * sizeof *rank_run->children.of),
        .count = count,
    };
    for (int i = 0; i < count; i++)
        rank_run->children.of[i] =
            (struct parcel__child){.rank = first + i,
                                   .first_worker = parcel__terms_first_worker(terms, first + i),
                                   .n_workers = workers_below(ranks, terms, first + i)};
    parcel__children_open(&rank_run->children);
}

static void open_parent(struct parcel__rank_run *rank_run)
{
    const struct parcel__ranks *ranks = rank_run->ranks;
    int rank = ranks->transport->rank;
    rank_run->parent = (struct parcel__parent){
        .post = ranks->post,
        .large_arrays = &rank_run->large_arrays,
        .rank = rank,
        .above = rank > 0 ? parcel__ranks_parent(ranks) : 0,
        .n_in_need = parcel__ranks_n_children(ranks) == 0
                         ? 4 * (size_t)rank_run->terms->parts[rank].n_workers
                         : 0,
        .is_sent = rank_run->terms->sends_calls,
        .is_stopped = &rank_run->has_told,
    };
    parcel__parent_open(&rank_run->parent);
}

struct parcel__rank_run *parcel__rank_run_open(struct parcel__ranks *ranks,
                                               struct parcel__terms *terms)
{
    struct parcel__rank_run *rank_run = parcel__memory_await(sizeof *rank_run);
    *rank_run = (struct parcel__rank_run){
        .ranks = ranks, .terms = terms, .is_root = ranks->transport->rank == 0};
    parcel__large_arrays_open(&rank_run->large_arrays, ranks->post);
    open_children(rank_run);
    open_parent(rank_run);
    pthread_mutex_init(&rank_run->courier_mutex, NULL);
    parcel__port_open_condition(&rank_run->courier_condition);
    return rank_run;
}

void parcel__rank_run_close(struct parcel__rank_run *rank_run)
{
    parcel__post_hold(rank_run->ranks->post);
    rank_run->ranks->rank_run = NULL;
    parcel__post_let_go(rank_run->ranks->post);
    parcel__ending_free(&rank_run->ending);
    parcel__parent_close(&rank_run->parent);
    parcel__children_close(&rank_run->children);
    parcel__large_arrays_close(&rank_run->large_arrays);
    pthread_mutex_destroy(&rank_run->courier_mutex);
    pthread_cond_destroy(&rank_run->courier_condition);
    parcel__memory_free(rank_run->terms);
    parcel__memory_free(rank_run);
}

/* ---- the end ---- */

void parcel__rank_run_conclude(void *state, parcel_results *results)
{
    struct parcel__rank_run *rank_run = state;
    struct parcel__ranks *ranks = rank_run->ranks;
    bool is_told = parcel__ending_tell(ranks, results, rank_run->terms->all_ranks);
    parcel__ranks_flush(ranks);
    if (!is_told)
        parcel__results_set_error(results, NULL);
    parcel__rank_run_close(rank_run);
    parcel__ranks_let_go(ranks);
}

const struct parcel__run_part_functions parcel__rank_run_functions = {prepare, begin, end,
                                                                      parcel__rank_run_conclude};

static bool has_whole_ending(struct parcel__rank_run *rank_run)
{
    parcel__ranks_poll(rank_run->ranks);
    parcel__post_hold(rank_run->ranks->post);
    bool is_whole = parcel__ending_is_whole(&rank_run->ending);
    parcel__post_let_go(rank_run->ranks->post);
    return is_whole;
}

bool parcel__rank_run_await_end(struct parcel__rank_run *rank_run, parcel_results *results)
{
    for (unsigned n_idle = 0; !has_whole_ending(rank_run); n_idle++)
        parcel__ranks_pause(rank_run->ranks, n_idle);
    parcel__ranks_flush(rank_run->ranks); /* those below wait for it, too */
    return results && parcel__ending_read(&rank_run->ending, results);
}

/*
 * exchange.c: one run on several ranks, as one of them has a part in it.
 *
 * A rank hands calls out to the ranks right below it in the tree (deal.c), and runs some itself.
 * Rank 0 takes them off its stream, any other off what it was given itself (supply.c). Every call
 * that is handed out is answered once: by its result, as not run, or by being given back; so a rank
 * is done when nothing is out.
 */
#include "ranks/exchange.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "stream/crew.h"
#include "ranks/deal.h"
#include "stream/delivery.h"
#include "ranks/ending.h"
#include "stream/intake.h"
#include "ground/memory.h"
#include "ground/port.h"
#include "ranks/supply.h"

/* The courier sleeps so long while workers see to the post themselves, at least so often; else for
 * a part of the time since then, within bounds. A thread that wakes up often would keep the kernel
 * from moving work to an idle cpu. */
static const double usual_sleep = 20e-3, often = 2e-3, shortest_sleep = 1e-3, longest_sleep = 10e-3;
enum { SLEEPS = 32 };

struct parcel__exchange {
    struct parcel__ranks *ranks;
    const struct parcel__terms *terms;
    bool is_root;
    struct parcel__stream *stream; /* NULL: this rank has given up */
    struct parcel__control *control;
    struct parcel__offers offers;
    struct parcel__deal deal;
    struct parcel__supply supply; /* not of rank 0 */
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

static bool has_ended(const struct parcel__exchange *exchange)
{
    return atomic_load_explicit(&exchange->has_ended, memory_order_relaxed);
}

static void note_end(struct parcel__exchange *exchange)
{
    atomic_store_explicit(&exchange->has_ended, true, memory_order_relaxed);
}

/* ---- stopping ---- */

static void tell_below(const struct parcel__exchange *exchange,
                       const struct parcel__stopped *stopped)
{
    parcel__ranks_pass_on(exchange->ranks, PARCEL__SAYS_HALT, stopped, sizeof *stopped);
}

static void tell_above(const struct parcel__exchange *exchange,
                       const struct parcel__stopped *stopped, const char *why)
{
    parcel__messages_tell(exchange->ranks->post, parcel__ranks_parent(exchange->ranks),
                          PARCEL__SAYS_STOPPED, stopped, sizeof *stopped, why);
}

static void hear_stop(struct parcel__exchange *exchange, const struct parcel__message *message)
{
    struct parcel__stopped stopped;
    memcpy(&stopped, message->bytes, sizeof stopped);
    const char *why = parcel__messages_text(message, sizeof stopped);
    if (stopped.serial != exchange->terms->serial)
        return; /* of a run that has ended meanwhile */
    if (message->kind == PARCEL__SAYS_HALT)
        note_end(exchange);
    if (!exchange->stream) {
        if (message->kind == PARCEL__SAYS_HALT)
            tell_below(exchange, &stopped);
        return;
    }
    if (why)
        parcel__control_set_fault(exchange->control, parcel__memory_copy_string(why));
    if (stopped.signal != 0)
        parcel__control_hear_signal(exchange->control, stopped.signal);
    parcel__control_stop(exchange->control, (enum parcel__reason)stopped.reason);
    parcel__stream_stop(exchange->stream);
}

/* Tells the ranks around why this one stops; what failed is told by its result. */
static void pass_on_stop(const struct parcel__exchange *exchange, enum parcel__reason reason)
{
    struct parcel__stopped stopped = {exchange->terms->serial, (int)reason,
                                      parcel__control_signal(exchange->control)};
    const char *fault = atomic_load_explicit(&exchange->control->fault, memory_order_acquire);
    tell_below(exchange, &stopped);
    if (exchange->is_root || has_ended(exchange) || reason == PARCEL__BY_FAILURE)
        return;
    if (reason == PARCEL__BY_STREAM) { /* there is nothing else that breaks a stream here */
        stopped.reason = PARCEL__BY_WORKER;
        fault = "a rank is out of memory";
    }
    tell_above(exchange, &stopped, fault);
}

/* Looks whether the run stops, and tells the others, once. */
static void look(struct parcel__exchange *exchange)
{
    if (!parcel__stream_must_stop(exchange->stream) ||
        atomic_exchange_explicit(&exchange->has_told, true, memory_order_relaxed))
        return;
    enum parcel__reason reason = parcel__control_reason(exchange->control);
    pass_on_stop(exchange, reason == PARCEL__GOES_ON ? PARCEL__BY_STREAM : reason);
    if (!exchange->is_root)
        parcel__supply_drain(&exchange->supply);
}

/* ---- time limits ---- */

static void pass_on_allowed(const struct parcel__exchange *exchange, double seconds)
{
    const struct parcel__allowed allowed = {exchange->terms->serial, seconds};
    parcel__ranks_pass_on(exchange->ranks, PARCEL__SAYS_ALLOWED, &allowed, sizeof allowed);
}

static void hear_allowed(const struct parcel__exchange *exchange,
                         const struct parcel__message *message)
{
    struct parcel__allowed allowed;
    memcpy(&allowed, message->bytes, sizeof allowed);
    if (allowed.serial != exchange->terms->serial)
        return;
    if (exchange->stream)
        parcel__control_allow(exchange->control, allowed.seconds);
    pass_on_allowed(exchange, allowed.seconds);
}

/* True when what the median allows has changed by enough to tell the others. */
static bool allows_other(const struct parcel__exchange *exchange)
{
    static const double enough = 1.0 / 16;
    double told = atomic_load_explicit(&exchange->allowed, memory_order_relaxed);
    double seconds = parcel__control_by_median(exchange->control);
    return seconds < INFINITY && fabs(seconds - told) > enough * told;
}

/* A rank's own calls may be too few for a median: rank 0 hears how long those of all ranks took. */
static void tell_allowed(struct parcel__exchange *exchange)
{
    if (!exchange->is_root || !allows_other(exchange))
        return;
    parcel__post_hold(exchange->ranks->post);
    double seconds = parcel__control_by_median(exchange->control);
    atomic_store_explicit(&exchange->allowed, seconds, memory_order_relaxed);
    pass_on_allowed(exchange, seconds);
    parcel__post_let_go(exchange->ranks->post);
}

/* ---- messages ---- */

static void handle(struct parcel__exchange *exchange, struct parcel__message *message)
{
    switch (message->kind) {
    case PARCEL__SAYS_WORK:
        parcel__supply_hear_work(&exchange->supply, message);
        return;
    case PARCEL__SAYS_RECALL:
        if (!parcel__supply_hear_recall(&exchange->supply) && exchange->stream)
            parcel__crew_ask(exchange->stream);
        return;
    case PARCEL__SAYS_RESULTS:
        parcel__deal_hear_results(&exchange->deal, message);
        return;
    case PARCEL__SAYS_NOT_RUN:
        parcel__deal_hear_unrun(&exchange->deal, message);
        return;
    case PARCEL__SAYS_RETURN:
        parcel__deal_hear_return(&exchange->deal, message);
        return;
    case PARCEL__SAYS_WANT:
    case PARCEL__SAYS_DROP:
        parcel__offers_hear(&exchange->offers, message);
        return;
    case PARCEL__SAYS_STOPPED:
    case PARCEL__SAYS_HALT:
        hear_stop(exchange, message);
        return;
    case PARCEL__SAYS_ALLOWED:
        hear_allowed(exchange, message);
        return;
    default:
        parcel__ending_hear(&exchange->ending, exchange->ranks, message);
        note_end(exchange);
    }
}

/* ---- working ---- */

static void deliver(struct parcel__exchange *exchange)
{
    parcel__intake_finish_returned(exchange->stream);
    parcel__delivery_give(exchange->stream);
}

/* Sees to all that can be done now. */
static void see_to_it(struct parcel__exchange *exchange)
{
    struct parcel__post *post = exchange->ranks->post;
    parcel__ranks_poll(exchange->ranks);
    look(exchange);
    tell_allowed(exchange);
    parcel__deal_out(&exchange->deal);
    deliver(exchange);
    if (!exchange->is_root)
        parcel__supply_send(&exchange->supply, false);
    if (!parcel__post_is_empty(post))
        parcel__ranks_poll(exchange->ranks);
}

static bool is_done(struct parcel__exchange *exchange)
{
    bool may_end =
        exchange->is_root ? parcel__intake_has_ended(exchange->stream) : has_ended(exchange);
    return may_end && parcel__deal_is_done(&exchange->deal);
}

static bool attend(struct parcel__exchange *exchange, unsigned n_idle)
{
    static const double instant = 50e-6;
    double now = parcel__port_now();
    parcel__deal_note_idle(&exchange->deal, n_idle > 0);
    atomic_store_explicit(&exchange->attended, now, memory_order_relaxed);
    if (n_idle == 0) {
        if (now - parcel__post_last_poll(exchange->ranks->post) > instant)
            see_to_it(exchange);
        if (parcel__post_has_data(exchange->ranks->post)) /* the next call may take long */
            pthread_cond_signal(&exchange->courier_condition);
        return true;
    }
    see_to_it(exchange);
    if (is_done(exchange))
        return false;
    parcel__ranks_pause(exchange->ranks, n_idle);
    return true;
}

/* The courier sees to the post while all workers are in calls: they do so themselves between two.
 * While data are on their way it does not wait, since both sides have to help. */
static void carry(struct parcel__exchange *exchange)
{
    const struct parcel__post *post = exchange->ranks->post;
    do {
        see_to_it(exchange);
        if (parcel__post_has_data(post))
            parcel__port_yield();
    } while (parcel__post_has_data(post));
}

/* How long no worker has seen to the post. */
static double unattended(const struct parcel__exchange *exchange)
{
    return parcel__port_now() - atomic_load_explicit(&exchange->attended, memory_order_relaxed);
}

static double sleep_of(double waited)
{
    if (waited < often)
        return usual_sleep;
    return fmin(fmax(waited / (double)SLEEPS, shortest_sleep), longest_sleep);
}

static void *run_courier(void *argument)
{
    struct parcel__exchange *exchange = argument;
    pthread_mutex_lock(&exchange->courier_mutex);
    while (!exchange->is_over) {
        parcel__port_wait(&exchange->courier_condition, &exchange->courier_mutex,
                          sleep_of(unattended(exchange)));
        bool is_needed =
            parcel__post_has_data(exchange->ranks->post) || unattended(exchange) >= often;
        if (exchange->is_over || !is_needed)
            continue;
        pthread_mutex_unlock(&exchange->courier_mutex);
        carry(exchange);
        pthread_mutex_lock(&exchange->courier_mutex);
    }
    pthread_mutex_unlock(&exchange->courier_mutex);
    return NULL;
}

/* A thread of a library takes none of the program's signals. Without one, whoever has a call that
 * lasts is slow to answer. */
static void start_courier(struct parcel__exchange *exchange)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    exchange->has_courier = pthread_create(&exchange->courier, NULL, run_courier, exchange) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* From now on messages come here, and first those that came too early. */
static void attach(struct parcel__exchange *exchange)
{
    struct parcel__ranks *ranks = exchange->ranks;
    parcel__post_hold(ranks->post);
    ranks->exchange = exchange;
    ranks->handle = handle;
    while (ranks->early) {
        struct parcel__message *message = ranks->early;
        ranks->early = message->next;
        handle(exchange, message);
        parcel__memory_free(message->bytes);
        parcel__memory_free(message);
    }
    parcel__post_let_go(ranks->post);
}

void parcel__exchange_begin(struct parcel__exchange *exchange, struct parcel__stream *stream)
{
    exchange->stream = exchange->deal.stream = stream;
    attach(exchange);
    if (exchange->terms->n_ranks > 1)
        start_courier(exchange);
}

static void end_courier(struct parcel__exchange *exchange)
{
    pthread_mutex_lock(&exchange->courier_mutex);
    exchange->is_over = true;
    pthread_cond_signal(&exchange->courier_condition);
    pthread_mutex_unlock(&exchange->courier_mutex);
    pthread_join(exchange->courier, NULL);
    exchange->has_courier = false;
}

/* A stop that was heard last is passed on, and results that were given last are sent. Who stops the
 * run from then on comes too late. */
void parcel__exchange_end(struct parcel__exchange *exchange)
{
    if (exchange->has_courier)
        end_courier(exchange);
    look(exchange);
    deliver(exchange);
    if (!exchange->is_root)
        parcel__supply_send(&exchange->supply, true);
    parcel__post_hold(exchange->ranks->post);
    exchange->stream = NULL;
    parcel__post_let_go(exchange->ranks->post);
}

/* Calls that are handed out all the same are answered as not run. */
void parcel__exchange_give_up(struct parcel__exchange *exchange)
{
    const struct parcel__stopped stopped = {exchange->terms->serial, PARCEL__BY_WORKER, 0};
    struct parcel__text text = {0};
    atomic_store_explicit(&exchange->has_told, true, memory_order_relaxed);
    parcel__text_format(&text, "rank %d is out of memory", exchange->ranks->transport->rank);
    tell_above(exchange, &stopped, text.failed ? "a rank is out of memory" : text.bytes);
    parcel__text_free(&text);
    attach(exchange);
    parcel__supply_drain(&exchange->supply);
}

/* ---- what the stream asks for ---- */

static size_t room(struct parcel__exchange *exchange)
{
    return parcel__supply_room(&exchange->supply);
}

static size_t fill(struct parcel__exchange *exchange, struct parcel__stream_block *block,
                   size_t most)
{
    return parcel__supply_fill(&exchange->supply, block, most);
}

static void put_back(struct parcel__exchange *exchange, struct parcel__stream_block *block,
                     size_t at)
{
    parcel__supply_put_back(&exchange->supply, block, at);
}

static void drop(struct parcel__exchange *exchange, struct parcel__stream_block *block)
{
    parcel__supply_drop(&exchange->supply, block);
}

static void give(struct parcel__exchange *exchange, struct parcel__stream_block *block)
{
    parcel__supply_give(&exchange->supply, block);
}

void parcel__exchange_prepare(struct parcel__exchange *exchange,
                              struct parcel__stream_options *options)
{
    static const struct parcel__exchange_functions of_root = {.attend = attend};
    static const struct parcel__exchange_functions of_others = {
        room, fill, put_back, drop, parcel__supply_share, give, attend};
    options->exchange = exchange;
    options->functions = exchange->is_root ? &of_root : &of_others;
    options->n_workers = exchange->deal.n_workers;
    options->may_travel = exchange->is_root && exchange->terms->n_ranks > 1;
    options->job.first_worker =
        parcel__terms_first_worker(exchange->terms, exchange->ranks->transport->rank);
    exchange->control = options->job.control;
    exchange->control->has_far_median = !exchange->is_root;
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

static void open_deal(struct parcel__exchange *exchange)
{
    const struct parcel__ranks *ranks = exchange->ranks;
    const struct parcel__terms *terms = exchange->terms;
    int count = parcel__ranks_n_children(ranks), first = parcel__ranks_first_child(ranks);
    exchange->deal = (struct parcel__deal){
        .post = ranks->post,
        .offers = &exchange->offers,
        .rank = ranks->transport->rank,
        .is_sent = terms->sends_calls,
        .n_workers = workers_below(ranks, terms, ranks->transport->rank),
        .batch_size = terms->batch_size,
        .children = parcel__memory_await((size_t)count * sizeof *exchange->deal.children),
        .n_children = count,
    };
    for (int i = 0; i < count; i++)
        exchange->deal.children[i] =
            (struct parcel__child){.rank = first + i,
                                   .first_worker = parcel__terms_first_worker(terms, first + i),
                                   .n_workers = workers_below(ranks, terms, first + i)};
    parcel__deal_open(&exchange->deal);
}

static void open_supply(struct parcel__exchange *exchange)
{
    const struct parcel__ranks *ranks = exchange->ranks;
    int rank = ranks->transport->rank;
    exchange->supply = (struct parcel__supply){
        .post = ranks->post,
        .offers = &exchange->offers,
        .rank = rank,
        .above = rank > 0 ? parcel__ranks_parent(ranks) : 0,
        .n_in_need = parcel__ranks_n_children(ranks) == 0
                         ? 4 * (size_t)exchange->terms->parts[rank].n_workers
                         : 0,
        .is_sent = exchange->terms->sends_calls,
        .is_stopped = &exchange->has_told,
    };
    parcel__supply_open(&exchange->supply);
}

struct parcel__exchange *parcel__exchange_open(struct parcel__ranks *ranks,
                                               const struct parcel__terms *terms)
{
    struct parcel__exchange *exchange = parcel__memory_await(sizeof *exchange);
    *exchange = (struct parcel__exchange){
        .ranks = ranks, .terms = terms, .is_root = ranks->transport->rank == 0};
    parcel__offers_open(&exchange->offers, ranks->post);
    open_deal(exchange);
    open_supply(exchange);
    pthread_mutex_init(&exchange->courier_mutex, NULL);
    parcel__port_open_condition(&exchange->courier_condition);
    return exchange;
}

void parcel__exchange_close(struct parcel__exchange *exchange)
{
    parcel__post_hold(exchange->ranks->post);
    exchange->ranks->exchange = NULL;
    parcel__post_let_go(exchange->ranks->post);
    parcel__ending_free(&exchange->ending);
    parcel__supply_close(&exchange->supply);
    parcel__deal_close(&exchange->deal);
    parcel__offers_close(&exchange->offers);
    pthread_mutex_destroy(&exchange->courier_mutex);
    pthread_cond_destroy(&exchange->courier_condition);
    parcel__memory_free(exchange);
}

/* ---- the end ---- */

bool parcel__exchange_tell_end(struct parcel__exchange *exchange, parcel_results *results)
{
    bool is_told = parcel__ending_tell(exchange->ranks, results, exchange->terms->all_ranks);
    parcel__ranks_flush(exchange->ranks);
    return is_told;
}

static bool has_whole_ending(struct parcel__exchange *exchange)
{
    parcel__ranks_poll(exchange->ranks);
    parcel__post_hold(exchange->ranks->post);
    bool is_whole = parcel__ending_is_whole(&exchange->ending);
    parcel__post_let_go(exchange->ranks->post);
    return is_whole;
}

bool parcel__exchange_await_end(struct parcel__exchange *exchange, parcel_results *results)
{
    for (unsigned n_idle = 0; !has_whole_ending(exchange); n_idle++)
        parcel__ranks_pause(exchange->ranks, n_idle);
    parcel__ranks_flush(exchange->ranks); /* those below wait for it, too */
    return results && parcel__ending_read(&exchange->ending, results);
}

/*
 * exchange.c: one run on several ranks, as one of them has a part in it.
 *
 * A rank hands calls out to the ranks right below it in the tree, and runs some itself: to each it
 * gives so many that they last until an answer can be back. Rank 0 takes them off its stream, any
 * other off what it was given itself. Every call that is handed out is answered once: by its
 * result, as not run, or by being given back; so a rank is done when nothing is out.
 *
 * Large arrays travel by themselves: they are offered, and sent when the other side has found
 * memory for them.
 */
#include "exchange.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bundle.h"
#include "calls.h"
#include "memory.h"
#include "port.h"
#include "wire.h"

/* What is out at a rank should last so long: many times what an answer takes. */
static const double cover = 4e-3;

/* A call of so many seconds is worth no calls that wait for it to end. */
static const double long_call = 50e-3;

/* Results are sent when they fill so many bytes, or are so many seconds old. */
enum { FULL = 32 << 10, MOST_BYTES = 1 << 20 };
static const double old = 0.5e-3;

/* How long the courier lets the workers see to the post. */
static const double patience = 1e-3;

/* A rank right below, and all below that. Protected by the exchange's mutex. */
struct child {
    int rank;
    int first_worker;
    int n_workers;
    size_t n_out; /* calls that it has not answered */
    double seconds_per_call;
    struct parcel__stream_block **blocks; /* by the number that it knows them by; NULL: free */
    size_t n_blocks;
};

/* Calls that came as bytes, used by as many as hold it. */
struct parcel__shipment {
    atomic_size_t n_holds; /* release to let go, acquire before it is freed */
    parcel_calls *list;    /* its arrays point into what follows */
    unsigned char *bytes;
    unsigned char **data; /* of large arrays */
    size_t n_data;
    size_t n_arriving; /* with the post held */
    struct range *range;
};

/* Calls that the rank above handed out. */
struct range {
    struct range *next;
    struct parcel__shipment *shipment; /* NULL: they stand in this rank's list */
    unsigned block;                    /* as the rank above calls them */
    size_t offset;
    size_t first; /* the number of the first in the run */
    size_t place; /* where it stands in the shipment */
    size_t count;
};

/* Something large that another rank may ask for. With the post held. */
struct offer {
    unsigned char *data; /* NULL: free */
    size_t size;
    bool is_owned;
};

/* An array that arrives. */
struct arrival {
    struct parcel__exchange *exchange;
    struct parcel__shipment *shipment; /* of a call, or */
    struct child *child;               /* of a result from there, */
    unsigned block;                    /* in this block */
};

struct parcel__exchange {
    struct parcel__ranks *ranks;
    const struct parcel__terms *terms;
    bool is_root;
    struct parcel__stream *stream;
    struct parcel__control *control;
    struct child *children;
    int n_children;
    int n_local; /* workers of this rank, */
    int n_below; /* and of all below */

    /* Blocks that other ranks have, and any that is just being taken for one. Release and acquire:
     * who finds none left has seen their results. */
    atomic_size_t n_open;

    pthread_mutex_t mutex; /* protects the children and the supply */
    struct range *supply;
    size_t n_supply; /* calls */

    /* Relaxed, since what goes with them is under the mutex. */
    atomic_bool has_ended; /* the rank above has no more */
    atomic_bool has_told;  /* the ranks around know that the run stops */

    pthread_mutex_t deal_mutex; /* held by who hands out */
    pthread_mutex_t out_mutex;  /* protects what follows */
    struct parcel__bundle out;  /* results on their way up */
    double out_since;

    pthread_mutex_t offer_mutex; /* protects the offers */
    struct offer *offers;
    size_t n_offers;

    struct parcel__message *endings; /* the end, and what follows it; with the post held */

    pthread_t courier;
    bool has_courier;
    pthread_mutex_t courier_mutex;
    pthread_cond_t courier_condition;
    bool is_over; /* protected by courier_mutex */
};

/* ---- what is said ---- */

struct work {
    unsigned block;
    size_t offset;
    size_t first;
    size_t count;
    size_t first_offer; /* of the large arrays in it */
};

/* Some results of a block. The sums are of all of it, and stand in its first piece. */
struct piece {
    unsigned block;
    size_t offset;
    size_t count;
    size_t size; /* bytes of it, behind this */
    size_t first_offer;
    struct parcel__sums sums;
};

/* Calls that were not run, or, with a text behind it, that failed so. */
struct unrun {
    unsigned block;
    size_t offset;
    size_t count;
};

struct wish {
    size_t offer;
};

/* A run that stops; behind it why, when that is not in the reason. */
struct stopped {
    unsigned serial;
    int reason; /* enum parcel__reason */
};

/* What became of the run; behind it its error and its warnings. */
struct end {
    size_t count;
    size_t failures;
    size_t slowest;
    double wall_time;
    double total_time;
    bool has_results;  /* they follow */
    size_t error_size; /* of the texts; 0: there is none */
    size_t warnings_size;
};

/* Some of all results; behind them the large arrays that are left out in them. */
struct all_results {
    size_t first;
    size_t count;
    size_t size;
    bool is_last;
};

static void tell(const struct parcel__exchange *exchange, int to, int kind, const void *bytes,
                 size_t size)
{
    parcel__post_tell(exchange->ranks->post, to, kind, bytes, size);
}

static int parent(const struct parcel__exchange *exchange)
{
    return parcel__ranks_parent(exchange->ranks);
}

/* A header and a text. */
static void tell_text(const struct parcel__exchange *exchange, int to, int kind, const void *header,
                      size_t size, const char *string)
{
    struct parcel__text text = {0};
    parcel__text_add(&text, header, size);
    parcel__text_put(&text, string);
    if (text.failed)
        tell(exchange, to, kind, header, size);
    else
        tell(exchange, to, kind, text.bytes, text.length + 1);
    parcel__text_free(&text);
}

/* True when the run stops, as this rank knows. */
static bool is_stopped(const struct parcel__exchange *exchange)
{
    return atomic_load_explicit(&exchange->has_told, memory_order_relaxed);
}

/* ---- offers ---- */

/* Offers large arrays. Returns the number of the first; SIZE_MAX: out of memory. */
static size_t offer(struct parcel__exchange *exchange, const struct parcel__bundle *bundle,
                    size_t from, bool are_owned)
{
    size_t count = bundle->n_large - from;
    pthread_mutex_lock(&exchange->offer_mutex);
    size_t first = exchange->n_offers;
    struct offer *larger =
        count == 0 ? exchange->offers
                   : parcel__memory_resize(exchange->offers, (first + count) * sizeof *larger);
    if (count == 0 || larger) {
        exchange->offers = larger;
        exchange->n_offers += count;
        for (size_t i = 0; i < count; i++)
            larger[first + i] = (struct offer){bundle->large[from + i].data,
                                               bundle->large[from + i].size, are_owned};
    } else {
        first = SIZE_MAX;
    }
    pthread_mutex_unlock(&exchange->offer_mutex);
    return first;
}

static struct offer take_offer(struct parcel__exchange *exchange, size_t number)
{
    struct offer taken = {0};
    pthread_mutex_lock(&exchange->offer_mutex);
    if (number < exchange->n_offers) {
        taken = exchange->offers[number];
        exchange->offers[number].data = NULL;
    }
    pthread_mutex_unlock(&exchange->offer_mutex);
    return taken;
}

enum { TAGS = 30000 };

static void free_sent(void *context, void *data)
{
    (void)context;
    free(data);
}

static void keep_sent(void *context, void *data)
{
    (void)context;
    (void)data;
}

static void hear_want(struct parcel__exchange *exchange, const struct parcel__message *message)
{
    struct wish wish;
    memcpy(&wish, message->bytes, sizeof wish);
    struct offer offer = take_offer(exchange, wish.offer);
    if (offer.data)
        parcel__post_send_data(exchange->ranks->post, message->rank, (int)(wish.offer % TAGS),
                               offer.data, offer.size, offer.is_owned ? free_sent : keep_sent,
                               NULL);
}

static void hear_drop(struct parcel__exchange *exchange, const struct parcel__message *message)
{
    struct wish wish;
    memcpy(&wish, message->bytes, sizeof wish);
    struct offer offer = take_offer(exchange, wish.offer);
    if (offer.is_owned)
        free(offer.data);
}

/* Fresh memory for an array, which free frees: in huge pages, where there are some. */
static unsigned char *new_data(size_t size)
{
    const size_t huge = (size_t)2 << 20;
    if (size < huge)
        return parcel__memory_new(size);
    unsigned char *data = NULL;
    unsigned char *probe = parcel__memory_new(1); /* so that tests can let it fail */
    parcel__memory_free(probe);
    if (probe)
        data = aligned_alloc(huge, (size + huge - 1) / huge * huge);
    if (data)
        (void)madvise(data, size, MADV_HUGEPAGE);
    return data;
}

/* ---- calls that came as bytes ---- */

static void hold(struct parcel__shipment *shipment)
{
    if (shipment)
        atomic_fetch_add_explicit(&shipment->n_holds, 1, memory_order_relaxed);
}

static void let_go(struct parcel__shipment *shipment)
{
    if (!shipment || atomic_fetch_sub_explicit(&shipment->n_holds, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < shipment->n_data; i++)
        free(shipment->data[i]);
    parcel__memory_free(shipment->data);
    parcel_calls_free(shipment->list);
    parcel__memory_free(shipment->bytes);
    parcel__memory_free(shipment);
}

static struct parcel__shipment *new_source(struct parcel__message *message)
{
    struct parcel__shipment *shipment = parcel__memory_new(sizeof *shipment);
    if (!shipment)
        return NULL;
    *shipment = (struct parcel__shipment){.list = parcel_calls_new()};
    atomic_init(&shipment->n_holds, 1);
    if (!shipment->list) {
        parcel__memory_free(shipment);
        return NULL;
    }
    shipment->bytes = message->bytes;
    message->bytes = NULL;
    return shipment;
}

/* ---- what this rank was given ---- */

static void supply(struct parcel__exchange *exchange, struct range *range)
{
    struct range **link = &exchange->supply;
    pthread_mutex_lock(&exchange->mutex);
    while (*link)
        link = &(*link)->next;
    *link = range;
    exchange->n_supply += range->count;
    pthread_mutex_unlock(&exchange->mutex);
}

static void answer_unrun(const struct parcel__exchange *exchange, unsigned block, size_t offset,
                         size_t count, const char *why)
{
    const struct unrun unrun = {block, offset, count};
    if (why)
        tell_text(exchange, parent(exchange), PARCEL__SAYS_NOT_RUN, &unrun, sizeof unrun, why);
    else
        tell(exchange, parent(exchange), PARCEL__SAYS_NOT_RUN, &unrun, sizeof unrun);
}

static void free_range(struct range *range)
{
    let_go(range->shipment);
    parcel__memory_free(range);
}

/* Answers what was not begun, since the run stops. */
static void drain(struct parcel__exchange *exchange)
{
    pthread_mutex_lock(&exchange->mutex);
    struct range *first = exchange->supply;
    exchange->supply = NULL;
    exchange->n_supply = 0;
    pthread_mutex_unlock(&exchange->mutex);
    while (first) {
        struct range *range = first;
        first = range->next;
        answer_unrun(exchange, range->block, range->offset, range->count, NULL);
        free_range(range);
    }
}

static void arrive_at_call(void *context, void *data);

/* Finds memory for the large arrays of calls, and asks for them. False: there is not enough. */
static bool want_data(struct parcel__exchange *exchange, struct parcel__shipment *shipment,
                      const struct parcel__bundle *large, size_t first_offer)
{
    shipment->data = parcel__memory_new(large->n_large * sizeof *shipment->data);
    for (size_t i = 0; shipment->data && i < large->n_large; i++) {
        unsigned char *data = new_data(large->large[i].size);
        if (!data)
            return false;
        shipment->data[shipment->n_data++] = data;
        memcpy(large->large[i].where, &data, sizeof data);
    }
    struct arrival *arrivals = parcel__memory_new(large->n_large * sizeof *arrivals);
    if (!shipment->data || !arrivals) {
        parcel__memory_free(arrivals);
        return false;
    }
    parcel__memory_free(arrivals);
    shipment->n_arriving = large->n_large;
    for (size_t i = 0; i < large->n_large; i++) {
        const struct wish wish = {first_offer + i};
        struct arrival *arrival = parcel__memory_await(sizeof *arrival);
        *arrival = (struct arrival){.exchange = exchange, .shipment = shipment};
        parcel__post_receive_data(exchange->ranks->post, parent(exchange), (int)(wish.offer % TAGS),
                                  shipment->data[i], large->large[i].size, arrive_at_call, arrival);
        tell(exchange, parent(exchange), PARCEL__SAYS_WANT, &wish, sizeof wish);
    }
    return true;
}

static void arrive_at_call(void *context, void *data)
{
    struct arrival *arrival = context;
    struct parcel__shipment *shipment = arrival->shipment;
    (void)data;
    if (--shipment->n_arriving == 0)
        supply(arrival->exchange, shipment->range);
    if (is_stopped(arrival->exchange))
        drain(arrival->exchange);
    parcel__memory_free(arrival);
}

static void drop_offers(const struct parcel__exchange *exchange, int to, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct wish wish = {first + i};
        tell(exchange, to, PARCEL__SAYS_DROP, &wish, sizeof wish);
    }
}

/* Reads the calls behind the work into a shipment. NULL: *why says why not, or is NULL. */
static struct parcel__shipment *read_calls(struct parcel__exchange *exchange,
                                           struct parcel__message *message, const struct work *work,
                                           struct range *range, char **why)
{
    const size_t head = (sizeof *work + 15) / 16 * 16;
    struct parcel__bundle large = {0};
    size_t size = message->size;
    struct parcel__shipment *shipment = new_source(message);
    if (!shipment)
        return NULL;
    shipment->range = range;
    bool is_read =
        size >= head && parcel__bundle_get_calls(shipment->bytes + head, size - head, work->count,
                                                 shipment->list, &large, why);
    if (is_read && large.n_large > 0 && !want_data(exchange, shipment, &large, work->first_offer)) {
        struct parcel__text text = {0};
        parcel__text_format(&text, "its arguments do not fit the memory of rank %d",
                            exchange->ranks->transport->rank);
        *why = parcel__text_take(&text);
        is_read = false;
    }
    if (!is_read) {
        drop_offers(exchange, message->rank, work->first_offer, large.n_large);
        let_go(shipment);
        shipment = NULL;
    }
    parcel__bundle_free(&large);
    return shipment;
}

static void hear_work(struct parcel__exchange *exchange, struct parcel__message *message)
{
    struct work work;
    char *why = NULL;
    memcpy(&work, message->bytes, sizeof work);
    struct range *range = parcel__memory_await(sizeof *range);
    *range = (struct range){
        .block = work.block, .offset = work.offset, .first = work.first, .count = work.count};
    bool is_read = true;
    if (exchange->terms->sends_calls) {
        range->shipment = read_calls(exchange, message, &work, range, &why);
        is_read = range->shipment != NULL;
    }
    if (!is_read) {
        answer_unrun(exchange, work.block, work.offset, work.count, why ? why : "out of memory");
        parcel__memory_free(why);
        parcel__memory_free(range);
    } else if (!range->shipment || range->shipment->n_arriving == 0) {
        supply(exchange, range);
    }
    if (is_stopped(exchange))
        drain(exchange);
}

/* ---- what the stream asks for ---- */

static size_t room(struct parcel__exchange *exchange)
{
    pthread_mutex_lock(&exchange->mutex);
    size_t n = exchange->n_supply;
    pthread_mutex_unlock(&exchange->mutex);
    return n;
}

static size_t fill(struct parcel__exchange *exchange, struct parcel__stream_block *block,
                   size_t most)
{
    pthread_mutex_lock(&exchange->mutex);
    struct range *range = exchange->supply;
    size_t count = !range ? 0 : range->count < most ? range->count : most;
    if (count > 0) {
        block->first = range->first;
        block->origin = (struct parcel__origin){range->block, range->offset, range->shipment};
        if (range->shipment) {
            block->list = range->shipment->list;
            block->first_call = range->place;
        } else {
            block->first_call = range->first;
        }
        hold(range->shipment);
        range->first += count;
        range->offset += count;
        range->place += count;
        range->count -= count;
        exchange->n_supply -= count;
        exchange->supply = range->count > 0 ? range : range->next;
    }
    pthread_mutex_unlock(&exchange->mutex);
    if (count > 0 && range->count == 0)
        free_range(range);
    return count;
}

static void drop(struct parcel__exchange *exchange, struct parcel__stream_block *block)
{
    answer_unrun(exchange, block->origin.block, block->origin.offset, block->results->count,
                 "out of memory");
    let_go(block->origin.shipment);
}

/* Sends the results that wait. Called with out_mutex held. */
static void send_out(struct parcel__exchange *exchange)
{
    struct parcel__bundle *out = &exchange->out;
    if (out->used == 0)
        return;
    parcel__post_send(exchange->ranks->post, parent(exchange), PARCEL__SAYS_RESULTS, out->bytes,
                      out->used);
    parcel__memory_free(out->large);
    *out = (struct parcel__bundle){0};
}

/* Packs results of the block from at on. Returns how many; 0: out of memory. */
static size_t pack(struct parcel__exchange *exchange, const struct parcel__stream_block *block,
                   size_t at)
{
    struct parcel__bundle *out = &exchange->out;
    size_t start = out->used, n_large = out->n_large;
    struct piece piece = {
        .block = block->origin.block, .offset = block->origin.offset + at, .sums = {.longest = -1}};
    if (at == 0)
        piece.sums = block->sums;
    if (!parcel__bundle_put(out, &piece, sizeof piece))
        return 0;
    size_t head = out->used;
    piece.count =
        parcel__bundle_put_results(out, block->results, at, block->results->count - at, MOST_BYTES);
    if (piece.count > 0)
        piece.first_offer = offer(exchange, out, n_large, true);
    if (piece.count == 0 || piece.first_offer == SIZE_MAX) {
        for (size_t i = n_large; i < out->n_large; i++)
            free(out->large[i].data);
        out->n_large = n_large;
        out->used = start;
        out->failed = false;
        return 0;
    }
    piece.size = out->used - head;
    memcpy(out->bytes + start, &piece, sizeof piece);
    return piece.count;
}

static void give(struct parcel__exchange *exchange, struct parcel__stream_block *block)
{
    size_t at = 0, count = block->results->count;
    pthread_mutex_lock(&exchange->out_mutex);
    if (exchange->out.used == 0)
        exchange->out_since = parcel__port_now();
    while (at < count) {
        size_t n = pack(exchange, block, at);
        if (n == 0) {
            answer_unrun(exchange, block->origin.block, block->origin.offset + at, 1,
                         "out of memory");
            n = 1;
        }
        at += n;
        if (exchange->out.used >= FULL || exchange->out.n_large > 0)
            send_out(exchange);
    }
    pthread_mutex_unlock(&exchange->out_mutex);
    let_go(block->origin.shipment);
}

/* Sends the results that wait if they are old, or if this rank needs new calls soon. */
static void send_old(struct parcel__exchange *exchange)
{
    bool is_low = room(exchange) < 4 * (size_t)exchange->n_local;
    pthread_mutex_lock(&exchange->out_mutex);
    if (exchange->out.used > 0 && (is_low || parcel__port_now() - exchange->out_since >= old))
        send_out(exchange);
    pthread_mutex_unlock(&exchange->out_mutex);
}

/* ---- handing out ---- */

/* How many calls a rank should be given now. */
static size_t wanted(const struct parcel__exchange *exchange, const struct child *child,
                     size_t left)
{
    enum { AT_FIRST = 4 };
    double seconds = child->seconds_per_call, n = child->n_workers;
    double target = seconds > 0 ? n * cover / seconds : n * AT_FIRST;
    double share = (double)left * n / (2.0 * (exchange->n_local + exchange->n_below));
    size_t enough = parcel__control_left(exchange->control);
    if (seconds > cover)
        target = seconds < long_call ? 2 * n : n;
    if (target < (double)exchange->terms->batch_size)
        target = (double)exchange->terms->batch_size;
    target = fmin(target, fmax(share, 1) + (double)child->n_out);
    if (enough < SIZE_MAX)
        target = fmin(target, fmax((double)enough / (exchange->n_local + exchange->n_below), 1));
    bool is_low =
        seconds > cover ? (double)child->n_out < target : (double)child->n_out <= 0.75 * target;
    if (!is_low || left == 0)
        return 0;
    double more = ceil(target - (double)child->n_out);
    return more < 1 ? 0 : more < 1e9 ? (size_t)more : (size_t)1e9;
}

/* The block's number at the child, which has it from now on. SIZE_MAX: out of memory. */
static size_t enter(struct child *child, struct parcel__stream_block *block)
{
    size_t i = 0;
    while (i < child->n_blocks && child->blocks[i])
        i++;
    if (i == child->n_blocks) {
        size_t more = i > 0 ? 2 * i : 16;
        void *larger = parcel__memory_resize(child->blocks, more * sizeof *child->blocks);
        if (!larger)
            return SIZE_MAX;
        child->blocks = larger;
        child->n_blocks = more;
        memset(&child->blocks[i], 0, (more - i) * sizeof *child->blocks);
    }
    child->blocks[i] = block;
    child->n_out += block->results->count;
    return i;
}

static void finish(struct parcel__exchange *exchange, struct child *child, size_t number)
{
    struct parcel__stream_block *block = child->blocks[number];
    pthread_mutex_lock(&exchange->mutex);
    child->blocks[number] = NULL;
    pthread_mutex_unlock(&exchange->mutex);
    parcel__stream_finish(exchange->stream, block);
    atomic_fetch_sub_explicit(&exchange->n_open, 1, memory_order_release);
}

/* Calls of a block at a child have an answer, which is in the block's results. */
static void note_answers(struct parcel__exchange *exchange, struct child *child, size_t number,
                         size_t count)
{
    struct parcel__stream_block *block = child->blocks[number];
    pthread_mutex_lock(&exchange->mutex);
    child->n_out -= count;
    block->n_missing -= count;
    bool is_whole = block->n_missing == 0 && block->n_arriving == 0;
    pthread_mutex_unlock(&exchange->mutex);
    if (is_whole)
        finish(exchange, child, number);
}

/* Records calls of a block as failed. Called by who may write the block's results. */
static void fail_calls(struct parcel__exchange *exchange, const struct child *child,
                       struct parcel__stream_block *block, size_t offset, size_t count,
                       const char *why)
{
    struct parcel__arena *arena =
        parcel__stream_arena(exchange->stream, block, child->first_worker);
    const char *kept = parcel__arena_copy(arena, why ? why : "out of memory");
    const struct parcel__record record = {.worker = child->first_worker};
    for (size_t i = offset; i < offset + count; i++) {
        parcel__results_mark(block->results, i, 1, PARCEL_FAILED, record);
        parcel__results_fail(block->results, i, PARCEL_FAILED, kept ? kept : "out of memory");
    }
    block->results->failures += count;
    block->sums.n_ran += count;
    parcel__stream_count(exchange->stream, count, 0);
}

static void tell_watcher(const struct parcel__exchange *exchange, size_t count)
{
    const struct parcel__watcher *watcher = &exchange->stream->options.job.watcher;
    if (count > 0 && watcher->completed)
        watcher->completed(watcher->state, count);
}

/* A call that cannot be sent. */
static void refuse(struct parcel__exchange *exchange, struct child *child, unsigned number,
                   size_t offset, const char *why)
{
    parcel__post_hold(exchange->ranks->post);
    fail_calls(exchange, child, child->blocks[number], offset, 1, why);
    tell_watcher(exchange, 1);
    note_answers(exchange, child, number, 1);
    parcel__post_let_go(exchange->ranks->post);
}

/* How many calls of the block may go to other ranks before one that may not, which *why names.
 * Those of a list were looked at before the run. */
static size_t count_sendable(const struct parcel__exchange *exchange,
                             const struct parcel__stream_block *block, size_t at, char **why)
{
    static const struct parcel__wire_target target = {.is_rank = true, .is_known = true};
    size_t count = block->results->count, n = at;
    if (!exchange->stream->is_generated)
        return count - at;
    while (n < count && parcel__wire_check(block->list, block->first_call + n, 1, &target, why))
        n++;
    return n - at;
}

/* Packs and sends calls of a block. Returns how many. */
static size_t send_calls(struct parcel__exchange *exchange, struct child *child,
                         const struct parcel__stream_block *block, struct work *work)
{
    struct parcel__bundle bundle = {0};
    char *why = NULL;
    size_t left = count_sendable(exchange, block, work->offset, &why);
    work->count = 0;
    if (left > 0 && parcel__bundle_put(&bundle, work, sizeof *work)) {
        parcel__memory_free(why); /* of a later call, which is looked at again */
        why = NULL;
        work->count = parcel__bundle_put_calls(
            &bundle, block->list, block->first_call + work->offset, left, MOST_BYTES, &why);
    }
    if (work->count > 0)
        work->first_offer = offer(exchange, &bundle, 0, false);
    if (work->count == 0 || work->first_offer == SIZE_MAX) {
        refuse(exchange, child, work->block, work->offset, why);
        work->count = 1;
    } else {
        memcpy(bundle.bytes, work, sizeof *work);
        parcel__post_send(exchange->ranks->post, child->rank, PARCEL__SAYS_WORK, bundle.bytes,
                          bundle.used);
        bundle.bytes = NULL;
    }
    parcel__memory_free(why);
    parcel__bundle_free(&bundle);
    return work->count;
}

static void send_work(struct parcel__exchange *exchange, struct child *child,
                      const struct parcel__stream_block *block, unsigned number)
{
    struct work work = {.block = number, .first = block->first, .count = block->results->count};
    size_t count = work.count;
    if (!exchange->terms->sends_calls) {
        tell(exchange, child->rank, PARCEL__SAYS_WORK, &work, sizeof work);
        return;
    }
    while (work.offset < count) {
        work.first = block->first + work.offset;
        work.offset += send_calls(exchange, child, block, &work);
    }
}

/* Gives a rank as many calls as it should have. */
static void top_up(struct parcel__exchange *exchange, struct child *child)
{
    for (;;) {
        size_t left = parcel__stream_left(exchange->stream);
        pthread_mutex_lock(&exchange->mutex);
        size_t count = wanted(exchange, child, left);
        pthread_mutex_unlock(&exchange->mutex);
        if (count == 0)
            return;
        atomic_fetch_add_explicit(&exchange->n_open, 1, memory_order_relaxed);
        struct parcel__stream_block *block = parcel__stream_take(exchange->stream, count);
        if (!block) {
            atomic_fetch_sub_explicit(&exchange->n_open, 1, memory_order_release);
            return;
        }
        block->n_missing = block->results->count;
        block->n_arriving = 0;
        block->sums = (struct parcel__sums){.longest = -1};
        pthread_mutex_lock(&exchange->mutex);
        size_t number = enter(child, block);
        pthread_mutex_unlock(&exchange->mutex);
        if (number == SIZE_MAX) {
            fail_calls(exchange, child, block, 0, block->n_missing, "out of memory");
            parcel__stream_finish(exchange->stream, block);
            atomic_fetch_sub_explicit(&exchange->n_open, 1, memory_order_release);
            return;
        }
        send_work(exchange, child, block, (unsigned)number);
    }
}

static void deal(struct parcel__exchange *exchange)
{
    if (exchange->n_children == 0 || pthread_mutex_trylock(&exchange->deal_mutex) != 0)
        return;
    for (int i = 0; i < exchange->n_children; i++)
        top_up(exchange, &exchange->children[i]);
    pthread_mutex_unlock(&exchange->deal_mutex);
}

/* ---- answers ---- */

static struct child *find_child(struct parcel__exchange *exchange, int rank)
{
    int i = rank - parcel__ranks_first_child(exchange->ranks);
    return i >= 0 && i < exchange->n_children ? &exchange->children[i] : NULL;
}

/* The child that has such a part of a block, or NULL. */
static struct child *find_holder(struct parcel__exchange *exchange, int rank, unsigned block,
                                 size_t offset, size_t count)
{
    struct child *child = find_child(exchange, rank);
    if (!child || block >= child->n_blocks || !child->blocks[block])
        return NULL;
    size_t whole = child->blocks[block]->results->count;
    return offset <= whole && count <= whole - offset ? child : NULL;
}

static void arrive_at_result(void *context, void *data)
{
    struct arrival *arrival = context;
    struct parcel__stream_block *block = arrival->child->blocks[arrival->block];
    (void)data;
    if (--block->n_arriving == 0 && block->n_missing == 0)
        finish(arrival->exchange, arrival->child, arrival->block);
    parcel__memory_free(arrival);
}

/* Asks for the large arrays of results, or records that there is no memory for them. */
static void want_results(struct parcel__exchange *exchange, struct child *child,
                         const struct piece *piece, const struct parcel__bundle *large)
{
    struct parcel__stream_block *block = child->blocks[piece->block];
    for (size_t i = 0; i < large->n_large; i++) {
        const struct wish wish = {piece->first_offer + i};
        unsigned char *data = new_data(large->large[i].size);
        if (!data) {
            struct parcel__text text = {0};
            parcel__text_format(&text, "its result of %zu bytes does not fit the memory of rank %d",
                                large->large[i].size, exchange->ranks->transport->rank);
            block->sums.n_ran--; /* it was counted as one that succeeded */
            fail_calls(exchange, child, block, large->large[i].place, 1, text.bytes);
            parcel__text_free(&text);
            tell(exchange, child->rank, PARCEL__SAYS_DROP, &wish, sizeof wish);
            continue;
        }
        memcpy(large->large[i].where, &data, sizeof data);
        struct arrival *arrival = parcel__memory_await(sizeof *arrival);
        *arrival = (struct arrival){.exchange = exchange, .child = child, .block = piece->block};
        block->n_arriving++;
        parcel__post_receive_data(exchange->ranks->post, child->rank, (int)(wish.offer % TAGS),
                                  data, large->large[i].size, arrive_at_result, arrival);
        tell(exchange, child->rank, PARCEL__SAYS_WANT, &wish, sizeof wish);
    }
}

static void add_sums(struct parcel__sums *to, const struct parcel__sums *sums)
{
    to->n_ran += sums->n_ran;
    to->total_time += sums->total_time;
    if (sums->longest <= to->longest)
        return;
    to->longest = sums->longest;
    to->slowest = sums->slowest;
}

static void note_speed(struct parcel__exchange *exchange, struct child *child,
                       const struct parcel__sums *sums)
{
    if (sums->n_ran == 0)
        return;
    double seconds = sums->total_time / (double)sums->n_ran;
    pthread_mutex_lock(&exchange->mutex);
    child->seconds_per_call =
        child->seconds_per_call > 0 ? (child->seconds_per_call + seconds) / 2 : seconds;
    pthread_mutex_unlock(&exchange->mutex);
}

/* A result may have failed to travel, too. */
static size_t count_failures(const parcel_results *results, size_t first, size_t count)
{
    size_t n = 0;
    for (size_t i = first; i < first + count; i++) {
        parcel_status status = parcel_results_status(results, i);
        n += status == PARCEL_FAILED || status == PARCEL_TIMED_OUT || status == PARCEL_LOST;
    }
    return n;
}

/* Reads a piece of results. */
static void hear_piece(struct parcel__exchange *exchange, struct child *child,
                       const struct piece *piece, unsigned char *bytes)
{
    struct parcel__stream_block *block = child->blocks[piece->block];
    struct parcel__bundle large = {0};
    struct parcel__arena *arena =
        parcel__stream_arena(exchange->stream, block, child->first_worker);
    bool is_read = parcel__bundle_get_results(bytes, piece->size, block->results, piece->offset,
                                              piece->count, arena, &large);
    if (is_read) {
        size_t n_failed = count_failures(block->results, piece->offset, piece->count);
        block->results->failures += n_failed;
        add_sums(&block->sums, &piece->sums);
        want_results(exchange, child, piece, &large);
        parcel__stream_count(exchange->stream, n_failed, piece->sums.n_ran - n_failed);
    } else {
        fail_calls(exchange, child, block, piece->offset, piece->count, "out of memory");
    }
    parcel__bundle_free(&large);
    note_speed(exchange, child, &piece->sums);
    tell_watcher(exchange, piece->sums.n_ran);
    note_answers(exchange, child, piece->block, piece->count);
}

static void hear_results(struct parcel__exchange *exchange, struct parcel__message *message)
{
    const size_t head = (sizeof(struct piece) + 15) / 16 * 16;
    size_t at = 0;
    while (message->size - at >= head) {
        struct piece piece;
        memcpy(&piece, message->bytes + at, sizeof piece);
        at += head;
        struct child *child =
            find_holder(exchange, message->rank, piece.block, piece.offset, piece.count);
        if (!child || piece.size > message->size - at)
            return;
        hear_piece(exchange, child, &piece, message->bytes + at);
        at += piece.size;
    }
}

static void hear_unrun(struct parcel__exchange *exchange, const struct parcel__message *message)
{
    struct unrun unrun;
    memcpy(&unrun, message->bytes, sizeof unrun);
    struct child *child =
        find_holder(exchange, message->rank, unrun.block, unrun.offset, unrun.count);
    if (!child)
        return;
    if (message->size > sizeof unrun) {
        fail_calls(exchange, child, child->blocks[unrun.block], unrun.offset, unrun.count,
                   (const char *)message->bytes + sizeof unrun);
        tell_watcher(exchange, unrun.count);
    }
    note_answers(exchange, child, unrun.block, unrun.count);
}

/* ---- stopping ---- */

static void stop(struct parcel__exchange *exchange, enum parcel__reason reason, const char *why)
{
    if (why)
        parcel__control_set_fault(exchange->control, parcel__memory_copy_string(why));
    parcel__control_stop(exchange->control, reason);
    parcel__stream_stop(exchange->stream);
}

static void hear_stop(struct parcel__exchange *exchange, const struct parcel__message *message)
{
    struct stopped stopped;
    memcpy(&stopped, message->bytes, sizeof stopped);
    if (stopped.serial != exchange->terms->serial)
        return; /* of a run that has ended meanwhile */
    if (exchange->stream)
        stop(exchange, (enum parcel__reason)stopped.reason,
             message->size > sizeof stopped ? (const char *)message->bytes + sizeof stopped : NULL);
    else if (message->kind == PARCEL__SAYS_HALT)
        for (int i = 0; i < exchange->n_children; i++)
            tell(exchange, exchange->children[i].rank, PARCEL__SAYS_HALT, &stopped, sizeof stopped);
    if (message->kind == PARCEL__SAYS_STOPPED)
        return;
    atomic_store_explicit(&exchange->has_ended, true, memory_order_relaxed);
}

/* Tells the ranks around why this one stops; what failed is told by its result. */
static void pass_on_stop(struct parcel__exchange *exchange, enum parcel__reason reason)
{
    struct stopped stopped = {exchange->terms->serial, reason};
    const char *fault = atomic_load_explicit(&exchange->control->fault, memory_order_relaxed);
    for (int i = 0; i < exchange->n_children; i++)
        tell(exchange, exchange->children[i].rank, PARCEL__SAYS_HALT, &stopped, sizeof stopped);
    if (exchange->is_root || reason == PARCEL__BY_FAILURE ||
        atomic_load_explicit(&exchange->has_ended, memory_order_relaxed))
        return;
    if (reason == PARCEL__BY_STREAM) {
        stopped.reason = PARCEL__BY_WORKER;
        fault = fault ? fault : "a rank is out of memory";
    }
    if (fault)
        tell_text(exchange, parent(exchange), PARCEL__SAYS_STOPPED, &stopped, sizeof stopped,
                  fault);
    else
        tell(exchange, parent(exchange), PARCEL__SAYS_STOPPED, &stopped, sizeof stopped);
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
        drain(exchange);
}

/* ---- the end ---- */

static void hear_end(struct parcel__exchange *exchange, struct parcel__message *message)
{
    struct parcel__message **link = &exchange->endings;
    for (int i = 0; i < exchange->n_children; i++)
        tell(exchange, exchange->children[i].rank, message->kind, message->bytes, message->size);
    while (*link)
        link = &(*link)->next;
    *link = parcel__memory_await(sizeof **link);
    **link = *message;
    (*link)->next = NULL;
    message->bytes = NULL;
    atomic_store_explicit(&exchange->has_ended, true, memory_order_relaxed);
}

/* The bytes that a message of the kind has at least. */
static size_t least_size(int kind)
{
    switch (kind) {
    case PARCEL__SAYS_WORK:
        return sizeof(struct work);
    case PARCEL__SAYS_NOT_RUN:
        return sizeof(struct unrun);
    case PARCEL__SAYS_WANT:
    case PARCEL__SAYS_DROP:
        return sizeof(struct wish);
    case PARCEL__SAYS_STOPPED:
    case PARCEL__SAYS_HALT:
        return sizeof(struct stopped);
    case PARCEL__SAYS_END:
        return sizeof(struct end);
    case PARCEL__SAYS_ALL_RESULTS:
        return sizeof(struct all_results);
    default:
        return 0;
    }
}

void parcel__exchange_handle(struct parcel__exchange *exchange, struct parcel__message *message)
{
    if (message->size < least_size(message->kind))
        return;
    switch (message->kind) {
    case PARCEL__SAYS_WORK:
        hear_work(exchange, message);
        return;
    case PARCEL__SAYS_RESULTS:
        hear_results(exchange, message);
        return;
    case PARCEL__SAYS_NOT_RUN:
        hear_unrun(exchange, message);
        return;
    case PARCEL__SAYS_WANT:
        hear_want(exchange, message);
        return;
    case PARCEL__SAYS_DROP:
        hear_drop(exchange, message);
        return;
    case PARCEL__SAYS_STOPPED:
    case PARCEL__SAYS_HALT:
        hear_stop(exchange, message);
        return;
    case PARCEL__SAYS_END:
    case PARCEL__SAYS_ALL_RESULTS:
        hear_end(exchange, message);
        return;
    default:
        return;
    }
}

/* A copy of the text, which the message grows by. */
static size_t put_text(struct parcel__bundle *bundle, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    return size > 0 && parcel__bundle_put(bundle, text, size) ? size : 0;
}

/* Sends a message to all ranks right below; what is in the bundle is gone. */
static void tell_all(const struct parcel__exchange *exchange, int kind,
                     struct parcel__bundle *bundle)
{
    for (int i = 0; i < exchange->n_children; i++)
        tell(exchange, exchange->children[i].rank, kind, bundle->bytes, bundle->used);
    parcel__bundle_clear(bundle);
}

/* Appends the large arrays that were left out, and puts them back where they were. */
static bool put_large(struct parcel__bundle *bundle, parcel_results *results)
{
    bool is_put = true;
    for (size_t i = 0; i < bundle->n_large; i++) {
        const struct parcel__large *large = &bundle->large[i];
        unsigned char *slot = results->slots + large->place * results->slot_size;
        memcpy(slot + offsetof(parcel_array, data), &large->data, sizeof large->data);
        is_put = parcel__bundle_put(bundle, large->data, large->size) && is_put;
    }
    return is_put;
}

/* Sends all results to all ranks. False: out of memory. */
static bool tell_results(struct parcel__exchange *exchange, parcel_results *results)
{
    struct parcel__bundle bundle = {0};
    struct all_results all = {.is_last = false};
    while (!all.is_last) {
        bool is_put = parcel__bundle_put(&bundle, &all, sizeof all);
        size_t head = bundle.used;
        all.count = results->count == 0
                        ? 0
                        : parcel__bundle_put_results(&bundle, results, all.first,
                                                     results->count - all.first, MOST_BYTES);
        all.size = bundle.used - head;
        is_put = put_large(&bundle, results) && is_put;
        all.is_last = !is_put || all.first + all.count == results->count || all.count == 0;
        if (bundle.used >= head && bundle.bytes)
            memcpy(bundle.bytes, &all, sizeof all);
        tell_all(exchange, PARCEL__SAYS_ALL_RESULTS, &bundle);
        bundle.failed = false;
        all.first += all.count;
    }
    parcel__bundle_free(&bundle);
    return all.first == results->count;
}

bool parcel__exchange_tell_end(struct parcel__exchange *exchange, parcel_results *results)
{
    struct parcel__bundle bundle = {0};
    bool is_told = true;
    struct end end = {.count = results->count,
                      .failures = results->failures,
                      .slowest = results->slowest,
                      .wall_time = results->wall_time,
                      .total_time = results->total_time,
                      .has_results = exchange->terms->all_ranks};
    parcel__bundle_put(&bundle, &end, sizeof end);
    end.error_size = put_text(&bundle, results->error);
    end.warnings_size = put_text(&bundle, results->warnings);
    if (bundle.failed) {
        end.error_size = end.warnings_size = 0;
        for (int i = 0; i < exchange->n_children; i++)
            tell(exchange, exchange->children[i].rank, PARCEL__SAYS_END, &end, sizeof end);
    } else {
        memcpy(bundle.bytes, &end, sizeof end);
        tell_all(exchange, PARCEL__SAYS_END, &bundle);
    }
    parcel__bundle_free(&bundle);
    if (end.has_results)
        is_told = tell_results(exchange, results);
    parcel__ranks_flush(exchange->ranks);
    return is_told;
}

static bool has_all_endings(const struct parcel__exchange *exchange)
{
    const struct parcel__message *message = exchange->endings;
    struct end end;
    struct all_results all = {.is_last = false};
    if (!message)
        return false;
    memcpy(&end, message->bytes, sizeof end);
    while (message->next)
        message = message->next;
    if (message->kind == PARCEL__SAYS_ALL_RESULTS)
        memcpy(&all, message->bytes, sizeof all);
    return !end.has_results || all.is_last;
}

static size_t padded(size_t size)
{
    return (size + 15) / 16 * 16;
}

/* Copies the array's data that the message has. False: out of memory. */
static bool get_large(const struct parcel__large *large, const unsigned char *bytes)
{
    unsigned char *data = new_data(large->size);
    if (!data)
        return false;
    memcpy(data, bytes, large->size);
    memcpy(large->where, &data, sizeof data);
    return true;
}

/* Reads some of all results. False: out of memory. */
static bool read_results(const struct parcel__message *message, parcel_results *results)
{
    struct parcel__bundle large = {0};
    struct all_results all;
    memcpy(&all, message->bytes, sizeof all);
    unsigned char *bytes = message->bytes + padded(sizeof all);
    bool is_read =
        all.count == 0 || parcel__bundle_get_results(bytes, all.size, results, all.first, all.count,
                                                     &results->arenas[0], &large);
    bytes += all.size;
    for (size_t i = 0; is_read && i < large.n_large; i++) {
        is_read = get_large(&large.large[i], bytes);
        bytes += padded(large.large[i].size);
    }
    parcel__bundle_free(&large);
    return is_read;
}

static char *read_text(const unsigned char **bytes, size_t size)
{
    const char *text = (const char *)*bytes;
    *bytes += padded(size);
    return size > 0 ? parcel__memory_copy_string(text) : NULL;
}

/* Writes what became of the run. */
static void read_end(const struct parcel__message *message, parcel_results *results)
{
    struct end end;
    memcpy(&end, message->bytes, sizeof end);
    const unsigned char *bytes = message->bytes + padded(sizeof end);
    results->count = end.count;
    results->failures = end.failures;
    results->slowest = end.slowest;
    results->wall_time = end.wall_time;
    results->total_time = end.total_time;
    char *error = read_text(&bytes, end.error_size);
    if (error || end.error_size > 0)
        parcel__results_set_error(results, error);
    char *warnings = read_text(&bytes, end.warnings_size);
    if (warnings) {
        parcel__memory_free(results->warnings);
        results->warnings = warnings;
    }
}

bool parcel__exchange_await_end(struct parcel__exchange *exchange, parcel_results *results)
{
    bool is_read = true;
    for (unsigned n_idle = 0;; n_idle++) {
        parcel__ranks_poll(exchange->ranks);
        parcel__post_hold(exchange->ranks->post);
        bool has_all = has_all_endings(exchange);
        parcel__post_let_go(exchange->ranks->post);
        if (has_all)
            break;
        parcel__ranks_pause(n_idle);
    }
    parcel__ranks_flush(exchange->ranks); /* those below wait for it too */
    if (!results)
        return false;
    read_end(exchange->endings, results);
    const struct parcel__message *message = results->marks ? exchange->endings->next : NULL;
    for (; message && is_read; message = message->next)
        is_read = read_results(message, results);
    return is_read;
}

/* ---- working ---- */

/* Sees to all that can be done now. */
static void see_to_it(struct parcel__exchange *exchange)
{
    parcel__ranks_poll(exchange->ranks);
    look(exchange);
    deal(exchange);
    if (!exchange->is_root)
        send_old(exchange);
    if (!parcel__post_is_empty(exchange->ranks->post))
        parcel__ranks_poll(exchange->ranks);
    parcel__stream_deliver(exchange->stream);
}

static bool is_done(struct parcel__exchange *exchange)
{
    bool has_ended = exchange->is_root
                         ? parcel__stream_has_ended(exchange->stream)
                         : atomic_load_explicit(&exchange->has_ended, memory_order_relaxed);
    return has_ended && atomic_load_explicit(&exchange->n_open, memory_order_acquire) == 0 &&
           (exchange->is_root || room(exchange) == 0);
}

static bool attend(struct parcel__exchange *exchange, unsigned n_idle)
{
    static const double often = 50e-6;
    if (n_idle == 0) {
        double waited = parcel__port_now() - parcel__post_last_poll(exchange->ranks->post);
        if (waited > often)
            see_to_it(exchange);
        return true;
    }
    see_to_it(exchange);
    if (is_done(exchange))
        return false;
    parcel__ranks_pause(n_idle);
    return true;
}

/* Sees to the post while all workers are in calls: they do so themselves between two. While data
 * are on their way it does not wait, since both sides have to help. */
static void *carry(void *argument)
{
    struct parcel__exchange *exchange = argument;
    struct parcel__post *post = exchange->ranks->post;
    pthread_mutex_lock(&exchange->courier_mutex);
    while (!exchange->is_over) {
        if (!parcel__post_has_data(post))
            parcel__port_wait(&exchange->courier_condition, &exchange->courier_mutex, patience);
        pthread_mutex_unlock(&exchange->courier_mutex);
        if (parcel__post_has_data(post) ||
            parcel__port_now() - parcel__post_last_poll(post) > patience / 2)
            see_to_it(exchange);
        if (parcel__post_has_data(post))
            parcel__port_yield();
        pthread_mutex_lock(&exchange->courier_mutex);
    }
    pthread_mutex_unlock(&exchange->courier_mutex);
    return NULL;
}

/* A thread of a library takes none of the program's signals. */
static bool start_courier(struct parcel__exchange *exchange)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&exchange->courier, NULL, carry, exchange) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void parcel__exchange_prepare(struct parcel__exchange *exchange,
                              struct parcel__stream_options *options)
{
    static const struct parcel__exchange_functions of_root = {.attend = attend};
    static const struct parcel__exchange_functions of_others = {room, fill, drop, give, attend};
    const struct parcel__terms *terms = exchange->terms;
    options->exchange = exchange;
    options->functions = exchange->is_root ? &of_root : &of_others;
    options->n_workers = exchange->n_local + exchange->n_below;
    options->job.first_worker = parcel__terms_first_worker(terms, exchange->ranks->transport->rank);
    exchange->control = options->job.control;
}

/* From now on messages come here, and first those that came too early. */
static void attach(struct parcel__exchange *exchange)
{
    struct parcel__ranks *ranks = exchange->ranks;
    parcel__post_hold(ranks->post);
    ranks->exchange = exchange;
    while (ranks->early) {
        struct parcel__message *message = ranks->early;
        ranks->early = message->next;
        parcel__exchange_handle(exchange, message);
        parcel__memory_free(message->bytes);
        parcel__memory_free(message);
    }
    parcel__post_let_go(ranks->post);
}

void parcel__exchange_begin(struct parcel__exchange *exchange, struct parcel__stream *stream)
{
    exchange->stream = stream;
    attach(exchange);
    exchange->has_courier = exchange->terms->n_ranks > 1 && start_courier(exchange);
}

/* Calls that are handed out all the same are answered as not run. */
void parcel__exchange_give_up(struct parcel__exchange *exchange)
{
    const struct stopped stopped = {exchange->terms->serial, PARCEL__BY_WORKER};
    struct parcel__text text = {0};
    atomic_store_explicit(&exchange->has_told, true, memory_order_relaxed);
    parcel__text_format(&text, "rank %d is out of memory", exchange->ranks->transport->rank);
    tell_text(exchange, parent(exchange), PARCEL__SAYS_STOPPED, &stopped, sizeof stopped,
              text.failed ? "a rank is out of memory" : text.bytes);
    parcel__text_free(&text);
    attach(exchange);
}

void parcel__exchange_end(struct parcel__exchange *exchange)
{
    if (!exchange->has_courier)
        return;
    pthread_mutex_lock(&exchange->courier_mutex);
    exchange->is_over = true;
    pthread_cond_signal(&exchange->courier_condition);
    pthread_mutex_unlock(&exchange->courier_mutex);
    pthread_join(exchange->courier, NULL);
    exchange->has_courier = false;
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

static void open_children(struct parcel__exchange *exchange)
{
    struct parcel__ranks *ranks = exchange->ranks;
    size_t count = (size_t)parcel__ranks_n_children(ranks);
    exchange->children = parcel__memory_await(count * sizeof *exchange->children);
    for (size_t i = 0; i < count; i++) {
        int rank = parcel__ranks_first_child(ranks) + (int)i;
        exchange->children[i] =
            (struct child){.rank = rank,
                           .first_worker = parcel__terms_first_worker(exchange->terms, rank),
                           .n_workers = workers_below(ranks, exchange->terms, rank)};
        exchange->n_below += exchange->children[i].n_workers;
    }
    exchange->n_children = (int)count;
}

struct parcel__exchange *parcel__exchange_open(struct parcel__ranks *ranks,
                                               const struct parcel__terms *terms)
{
    struct parcel__exchange *exchange = parcel__memory_await(sizeof *exchange);
    *exchange =
        (struct parcel__exchange){.ranks = ranks,
                                  .terms = terms,
                                  .is_root = ranks->transport->rank == 0,
                                  .n_local = terms->parts[ranks->transport->rank].n_workers};
    open_children(exchange);
    pthread_mutex_init(&exchange->mutex, NULL);
    pthread_mutex_init(&exchange->deal_mutex, NULL);
    pthread_mutex_init(&exchange->out_mutex, NULL);
    pthread_mutex_init(&exchange->offer_mutex, NULL);
    pthread_mutex_init(&exchange->courier_mutex, NULL);
    parcel__port_open_condition(&exchange->courier_condition);
    return exchange;
}

static void detach(struct parcel__exchange *exchange)
{
    parcel__post_hold(exchange->ranks->post);
    exchange->ranks->exchange = NULL;
    parcel__post_let_go(exchange->ranks->post);
}

void parcel__exchange_close(struct parcel__exchange *exchange)
{
    detach(exchange);
    while (exchange->endings) {
        struct parcel__message *message = exchange->endings;
        exchange->endings = message->next;
        parcel__memory_free(message->bytes);
        parcel__memory_free(message);
    }
    for (int i = 0; i < exchange->n_children; i++)
        parcel__memory_free(exchange->children[i].blocks);
    for (size_t i = 0; i < exchange->n_offers; i++)
        if (exchange->offers[i].is_owned)
            free(exchange->offers[i].data);
    parcel__bundle_free(&exchange->out);
    parcel__memory_free(exchange->offers);
    parcel__memory_free(exchange->children);
    pthread_mutex_destroy(&exchange->mutex);
    pthread_mutex_destroy(&exchange->deal_mutex);
    pthread_mutex_destroy(&exchange->out_mutex);
    pthread_mutex_destroy(&exchange->offer_mutex);
    pthread_mutex_destroy(&exchange->courier_mutex);
    pthread_cond_destroy(&exchange->courier_condition);
    parcel__memory_free(exchange);
}

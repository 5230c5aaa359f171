/*
 * parent.c: the calls that a rank was given by the one above it, and their results on the way back.
 *
 *     a lot, as WORK brought it   [ run or running | portion, waiting              | given back ]
 *                                                    blocks of this rank's stream ->   <- RETURN
 *
 * Portions are used from the front, and given back from the end: so what is left of a block, as the
 * rank above knows it, is always its end. Every call is answered once, whatever becomes of it.
 */
#include "ranks/parent.h"

#include <stdlib.h>
#include <string.h>

#include "ground/memory.h"
#include "ground/port.h"

/* Results are sent when they fill so many bytes, or are so many seconds old. */
enum { FULL = 32 << 10, MOST_BYTES = 1 << 20 };
static const double old = 0.5e-3;

/* Calls that were given together, freed by who lets go of them last. */
struct parcel__lot {
    atomic_size_t n_holds; /* release to let go, acquire before it is freed */
    unsigned block;        /* as the rank above knows them, */
    size_t end;            /* up to there: less once some were given back; under the mutex */
    parcel_calls *list;    /* those that came as bytes; its arrays point into what follows */
    unsigned char *bytes;
    unsigned char **data; /* of large arrays */
    size_t n_data;
    size_t n_arriving; /* of these; with the post held */
    struct parcel__portion *portion;
    struct parcel__parent *parent;
};

struct parcel__portion {
    struct parcel__portion *next;
    struct parcel__lot *lot;
    size_t offset; /* of the first in the block */
    size_t first;  /* its number in the run */
    size_t place;  /* where it stands in the list */
    size_t count;
};

void parcel__parent_open(struct parcel__parent *parent)
{
    pthread_mutex_init(&parent->mutex, NULL);
    pthread_mutex_init(&parent->out_mutex, NULL);
}

void parcel__parent_close(struct parcel__parent *parent)
{
    parcel__bundle_free(&parent->out);
    pthread_mutex_destroy(&parent->mutex);
    pthread_mutex_destroy(&parent->out_mutex);
}

static void answer_unrun(const struct parcel__parent *parent, unsigned block, size_t offset,
                         size_t count, const char *why)
{
    const struct parcel__unrun unrun = {block, offset, count};
    parcel__messages_tell(parent->post, parent->above, PARCEL__SAYS_NOT_RUN, &unrun, sizeof unrun,
                          why);
}

/* ---- lots ---- */

static void hold(struct parcel__lot *lot)
{
    atomic_fetch_add_explicit(&lot->n_holds, 1, memory_order_relaxed);
}

static void let_go(struct parcel__lot *lot)
{
    if (atomic_fetch_sub_explicit(&lot->n_holds, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < lot->n_data; i++)
        free(lot->data[i]);
    parcel__memory_free(lot->data);
    parcel_calls_free(lot->list);
    parcel__memory_free(lot->bytes);
    parcel__memory_free(lot);
}

static struct parcel__lot *new_lot(struct parcel__parent *parent, const struct parcel__work *work)
{
    struct parcel__lot *lot = parcel__memory_await(sizeof *lot);
    *lot = (struct parcel__lot){
        .block = work->block, .end = work->offset + work->count, .parent = parent};
    atomic_init(&lot->n_holds, 1);
    return lot;
}

/* Finds room for the large arrays of the calls. False: there is not enough. */
static bool find_room(struct parcel__lot *lot, const struct parcel__bundle *large)
{
    lot->data = parcel__memory_new(large->n_large * sizeof *lot->data);
    for (size_t i = 0; lot->data && i < large->n_large; i++) {
        unsigned char *data = parcel__large_arrays_room(large->large[i].size);
        if (!data)
            return false;
        lot->data[lot->n_data++] = data;
        memcpy(large->large[i].where, &data, sizeof data);
    }
    return lot->data != NULL;
}

static void put_in(struct parcel__parent *parent, struct parcel__portion *portion);

static void arrive(void *context, void *data)
{
    struct parcel__lot *lot = context;
    (void)data;
    if (--lot->n_arriving == 0)
        put_in(lot->parent, lot->portion);
}

static void want_data(struct parcel__lot *lot, const struct parcel__bundle *large,
                      size_t first_offer)
{
    const struct parcel__parent *parent = lot->parent;
    lot->n_arriving = large->n_large;
    for (size_t i = 0; i < large->n_large; i++)
        parcel__large_arrays_want(parent->large_arrays, first_offer + i,
                                  (struct parcel__freight){.rank = parent->above,
                                                           .bytes = lot->data[i],
                                                           .size = large->large[i].size,
                                                           .done = arrive,
                                                           .context = lot});
}

static void decline_data(const struct parcel__parent *parent, const struct parcel__bundle *large,
                         size_t first_offer)
{
    for (size_t i = 0; i < large->n_large; i++)
        parcel__large_arrays_decline(parent->large_arrays, parent->above, first_offer + i);
}

/* Reads the calls behind the work, whose bytes it takes, and asks for their large arrays. False:
 * why says why not, or nothing: out of memory. */
static bool unpack(struct parcel__lot *lot, const struct parcel__work *work,
                   struct parcel__message *message, struct parcel__text *why)
{
    const size_t head = parcel__bytes_padded(sizeof *work);
    struct parcel__bundle large = {0};
    lot->bytes = message->bytes;
    message->bytes = NULL;
    lot->list = parcel_calls_new();
    bool is_read = lot->list && message->size >= head &&
                   parcel__bundle_get_calls(lot->bytes + head, message->size - head, work->count,
                                            lot->list, &large, why);
    bool has_room = !is_read || large.n_large == 0 || find_room(lot, &large);
    if (!has_room)
        parcel__text_format(why, "its arguments do not fit the memory of rank %d",
                            lot->parent->rank);
    if (is_read && has_room)
        want_data(lot, &large, work->first_offer);
    else
        decline_data(lot->parent, &large, work->first_offer);
    parcel__bundle_free(&large);
    return is_read && has_room;
}

/* ---- portions ---- */

static void free_portion(struct parcel__portion *portion)
{
    let_go(portion->lot);
    parcel__memory_free(portion);
}

/* Whoever drains it since the run stops has told so before. */
static void drain_if_stopped(struct parcel__parent *parent)
{
    if (atomic_load_explicit(parent->is_stopped, memory_order_relaxed))
        parcel__parent_drain(parent);
}

static void put_in(struct parcel__parent *parent, struct parcel__portion *portion)
{
    pthread_mutex_lock(&parent->mutex);
    portion->next = NULL;
    if (parent->first)
        parent->last->next = portion;
    else
        parent->first = portion;
    parent->last = portion;
    parent->count += portion->count;
    pthread_mutex_unlock(&parent->mutex);
    drain_if_stopped(parent);
}

void parcel__parent_drain(struct parcel__parent *parent)
{
    pthread_mutex_lock(&parent->mutex);
    struct parcel__portion *portion = parent->first;
    parent->first = NULL;
    parent->count = 0;
    pthread_mutex_unlock(&parent->mutex);
    while (portion) {
        struct parcel__portion *next = portion->next;
        answer_unrun(parent, portion->lot->block, portion->offset, portion->count, NULL);
        free_portion(portion);
        portion = next;
    }
}

void parcel__parent_hear_work(struct parcel__parent *parent, struct parcel__message *message)
{
    struct parcel__work work;
    struct parcel__text why = {0};
    memcpy(&work, message->bytes, sizeof work);
    struct parcel__portion *portion = parcel__memory_await(sizeof *portion);
    struct parcel__lot *lot = new_lot(parent, &work);
    *portion = (struct parcel__portion){
        .lot = lot, .offset = work.offset, .first = work.first, .count = work.count};
    lot->portion = portion;
    if (parent->is_sent && !unpack(lot, &work, message, &why)) {
        answer_unrun(parent, work.block, work.offset, work.count, parcel__text_why(&why));
        parcel__text_free(&why);
        free_portion(portion);
    } else if (lot->n_arriving == 0) {
        put_in(parent, portion);
    }
}

/* Removes a portion, which is empty. Called with the mutex held. */
static void remove_portion(struct parcel__parent *parent, struct parcel__portion *portion)
{
    struct parcel__portion *before = NULL;
    for (struct parcel__portion *at = parent->first; at != portion; at = at->next)
        before = at;
    if (before)
        before->next = portion->next;
    else
        parent->first = portion->next;
    if (parent->last == portion)
        parent->last = before;
    free_portion(portion);
}

/* Only the end of a block can be given back: the last portion that is one, or NULL. Called with the
 * mutex held. */
static struct parcel__portion *find_end(const struct parcel__parent *parent)
{
    struct parcel__portion *found = NULL;
    for (struct parcel__portion *at = parent->first; at; at = at->next)
        found = at->offset + at->count == at->lot->end ? at : found;
    return found;
}

/* Half of what has not begun goes back; what is left keeps this rank busy meanwhile. */
bool parcel__parent_hear_recall(struct parcel__parent *parent)
{
    struct parcel__unrun given = {0};
    pthread_mutex_lock(&parent->mutex);
    struct parcel__portion *portion = find_end(parent);
    if (portion) {
        size_t wanted = (parent->count + 1) / 2;
        size_t count = portion->count < wanted ? portion->count : wanted;
        portion->count -= count;
        parent->count -= count;
        portion->lot->end -= count;
        given = (struct parcel__unrun){portion->lot->block, portion->lot->end, count};
        if (portion->count == 0)
            remove_portion(parent, portion);
    }
    pthread_mutex_unlock(&parent->mutex);
    parcel__post_tell(parent->post, parent->above, PARCEL__SAYS_RETURN, &given, sizeof given);
    return given.count > 0;
}

/* ---- what the stream asks for ---- */

size_t parcel__parent_room(struct parcel__parent *parent)
{
    pthread_mutex_lock(&parent->mutex);
    size_t count = parent->count;
    pthread_mutex_unlock(&parent->mutex);
    return count;
}

void parcel__parent_share(struct parcel__stream_block *to, const struct parcel__stream_block *from,
                          size_t at)
{
    to->origin = from->origin;
    to->origin.offset += at;
    hold(to->origin.lot);
}

/* The block gets the calls at the front of the portion, which may be all. */
static void cut(struct parcel__portion *portion, struct parcel__stream_block *block, size_t count)
{
    block->first = portion->first;
    block->origin = (struct parcel__origin){portion->offset, portion->lot};
    if (portion->lot->list)
        block->list = portion->lot->list;
    block->first_call = portion->lot->list ? portion->place : portion->first;
    hold(portion->lot);
    portion->first += count;
    portion->offset += count;
    portion->place += count;
    portion->count -= count;
}

size_t parcel__parent_fill(struct parcel__parent *parent, struct parcel__stream_block *block,
                           size_t most)
{
    struct parcel__portion *used = NULL;
    size_t count = 0;
    pthread_mutex_lock(&parent->mutex);
    struct parcel__portion *portion = parent->first;
    if (portion) {
        count = portion->count < most ? portion->count : most;
        if (count > 0)
            cut(portion, block, count);
        parent->count -= count;
        if (portion->count == 0) {
            used = portion;
            parent->first = portion->next;
        }
    }
    pthread_mutex_unlock(&parent->mutex);
    if (used)
        free_portion(used);
    return count;
}

/* The portion that the calls of a block from at on are. */
static struct parcel__portion restore(const struct parcel__stream_block *block, size_t at)
{
    return (struct parcel__portion){.lot = block->origin.lot,
                                    .offset = block->origin.offset + at,
                                    .first = block->first + at,
                                    .place = block->first_call + at,
                                    .count = block->results->count - at};
}

/* They go to the front; where they belong to what stands there, the two are one again. */
void parcel__parent_put_back(struct parcel__parent *parent, struct parcel__stream_block *block,
                             size_t at)
{
    struct parcel__portion *portion = parcel__memory_await(sizeof *portion);
    *portion = restore(block, at);
    hold(portion->lot);
    pthread_mutex_lock(&parent->mutex);
    struct parcel__portion *next = parent->first;
    parent->count += portion->count;
    if (next && next->lot == portion->lot && next->offset == portion->offset + portion->count) {
        portion->count += next->count;
        remove_portion(parent, next);
    }
    portion->next = parent->first;
    parent->first = portion;
    if (!portion->next)
        parent->last = portion;
    pthread_mutex_unlock(&parent->mutex);
    drain_if_stopped(parent);
}

void parcel__parent_drop(struct parcel__parent *parent, struct parcel__stream_block *block)
{
    answer_unrun(parent, block->origin.lot->block, block->origin.offset, block->results->count,
                 "out of memory");
    let_go(block->origin.lot);
}

/* ---- results ---- */

/* Called with out_mutex held. */
static void send_out(struct parcel__parent *parent)
{
    struct parcel__bundle *out = &parent->out;
    if (out->used > 0)
        parcel__post_send(parent->post, parent->above, PARCEL__SAYS_RESULTS, out->bytes, out->used);
    else
        parcel__memory_free(out->bytes);
    parcel__memory_free(out->large);
    *out = (struct parcel__bundle){0};
}

/* Undoes what was packed since the bundle was that long; large arrays in it are freed. */
static void unpack_results(struct parcel__bundle *out, size_t used, size_t n_large)
{
    for (size_t i = n_large; i < out->n_large; i++)
        free(out->large[i].data);
    out->n_large = n_large;
    out->used = used;
    out->failed = false;
}

/* Packs results of the block from at on, or answers for them if memory runs out. Returns how many.
 */
static size_t pack(struct parcel__parent *parent, const struct parcel__stream_block *block,
                   size_t at)
{
    struct parcel__bundle *out = &parent->out;
    size_t start = out->used, n_large = out->n_large;
    struct parcel__piece piece = {.block = block->origin.lot->block,
                                  .offset = block->origin.offset + at,
                                  .sums = {.longest = -1}};
    if (at == 0)
        piece.sums = block->sums;
    bool is_packed = parcel__bundle_put(out, &piece, sizeof piece);
    size_t head = out->used;
    if (is_packed)
        piece.count = parcel__bundle_put_results(out, block->results, at,
                                                 block->results->count - at, MOST_BYTES);
    if (piece.count > 0)
        piece.first_offer = parcel__large_arrays_add(parent->large_arrays, out, n_large, true);
    if (piece.count > 0 && piece.first_offer < SIZE_MAX) {
        piece.size = out->used - head;
        memcpy(out->bytes + start, &piece, sizeof piece);
        return piece.count;
    }
    unpack_results(out, start, n_large);
    piece.count = piece.count > 0 ? piece.count : 1;
    answer_unrun(parent, piece.block, piece.offset, piece.count, "out of memory");
    return piece.count;
}

void parcel__parent_give(struct parcel__parent *parent, struct parcel__stream_block *block)
{
    pthread_mutex_lock(&parent->out_mutex);
    if (parent->out.used == 0)
        parent->out_since = parcel__port_now();
    for (size_t at = 0; at < block->results->count;) {
        at += pack(parent, block, at);
        if (parent->out.used >= FULL || parent->out.n_large > 0)
            send_out(parent);
    }
    pthread_mutex_unlock(&parent->out_mutex);
    let_go(block->origin.lot);
}

/* At once when this rank needs new calls soon. One that hands out has few itself, and what it would
 * send at once is better put together. */
void parcel__parent_send(struct parcel__parent *parent, bool are_last)
{
    bool is_low = are_last || parcel__parent_room(parent) < parent->n_in_need;
    pthread_mutex_lock(&parent->out_mutex);
    if (parent->out.used > 0 && (is_low || parcel__port_now() - parent->out_since >= old))
        send_out(parent);
    pthread_mutex_unlock(&parent->out_mutex);
}

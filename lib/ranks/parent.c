/*
 * parent.c: the calls that a rank was given by the one above it, and their results on the way back.
 *
 *     a grant, as WORK brought it   [ run or running | waiting                       | given back ]
 *                                                    blocks of this rank's stream ->   <- RETURN
 *
 * Calls are used from the front, and given back from the end: so what is left of a block, as the
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
struct parcel__grant {
    atomic_size_t n_holds; /* release to let go, acquire before it is freed */
    unsigned block;        /* as the rank above knows them, */
    size_t end;            /* up to there: less once some were given back; under the mutex */
    parcel_calls *list;    /* those that came as bytes; its arrays point into what follows */
    unsigned char *bytes;
    unsigned char **data; /* of large arrays */
    size_t n_data;
    size_t n_arriving; /* of these; with the post held */
    struct parcel__waiting *waiting;
    struct parcel__parent *parent;
};

/* Calls of a grant that stand side by side and have not begun. */
struct parcel__waiting {
    struct parcel__waiting *next;
    struct parcel__grant *grant;
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

/* ---- grants ---- */

static void hold_grant(struct parcel__grant *grant)
{
    atomic_fetch_add_explicit(&grant->n_holds, 1, memory_order_relaxed);
}

static void let_go(struct parcel__grant *grant)
{
    if (atomic_fetch_sub_explicit(&grant->n_holds, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < grant->n_data; i++)
        free(grant->data[i]);
    parcel__memory_free(grant->data);
    parcel_calls_free(grant->list);
    parcel__memory_free(grant->bytes);
    parcel__memory_free(grant);
}

static struct parcel__grant *new_grant(struct parcel__parent *parent,
                                       const struct parcel__work *work)
{
    struct parcel__grant *grant = parcel__memory_await(sizeof *grant);
    *grant = (struct parcel__grant){
        .block = work->block, .end = work->offset + work->count, .parent = parent};
    atomic_init(&grant->n_holds, 1);
    return grant;
}

/* Finds room for the large arrays of the calls. False: there is not enough. */
static bool find_room(struct parcel__grant *grant, const struct parcel__bundle *large)
{
    grant->data = parcel__memory_new(large->n_large * sizeof *grant->data);
    for (size_t i = 0; grant->data && i < large->n_large; i++) {
        unsigned char *data = parcel__large_arrays_room(large->large[i].size);
        if (!data)
            return false;
        grant->data[grant->n_data++] = data;
        memcpy(large->large[i].where, &data, sizeof data);
    }
    return grant->data != NULL;
}

static void put_in(struct parcel__parent *parent, struct parcel__waiting *waiting);

static void arrive(void *context, void *data)
{
    struct parcel__grant *grant = context;
    (void)data;
    if (--grant->n_arriving == 0)
        put_in(grant->parent, grant->waiting);
}

static void want_data(struct parcel__grant *grant, const struct parcel__bundle *large,
                      size_t first_offer)
{
    const struct parcel__parent *parent = grant->parent;
    grant->n_arriving = large->n_large;
    for (size_t i = 0; i < large->n_large; i++)
        parcel__large_arrays_want(parent->large_arrays, first_offer + i,
                                  (struct parcel__freight){.rank = parent->above,
                                                           .bytes = grant->data[i],
                                                           .size = large->large[i].size,
                                                           .done = arrive,
                                                           .context = grant});
}

static void decline_data(const struct parcel__parent *parent, const struct parcel__bundle *large,
                         size_t first_offer)
{
    for (size_t i = 0; i < large->n_large; i++)
        parcel__large_arrays_decline(parent->large_arrays, parent->above, first_offer + i);
}

/* Reads the calls behind the work, whose bytes it takes, and asks for their large arrays. False:
 * why says why not, or nothing: out of memory. */
static bool unpack(struct parcel__grant *grant, const struct parcel__work *work,
                   struct parcel__message *message, struct parcel__text *why)
{
    const size_t head = parcel__bytes_padded(sizeof *work);
    struct parcel__bundle large = {0};
    grant->bytes = message->bytes;
    message->bytes = NULL;
    grant->list = parcel_calls_new();
    bool is_read = grant->list && message->size >= head &&
                   parcel__bundle_get_calls(grant->bytes + head, message->size - head, work->count,
                                            grant->list, &large, why);
    bool has_room = !is_read || large.n_large == 0 || find_room(grant, &large);
    if (!has_room)
        parcel__text_format(why, "its arguments do not fit the memory of rank %d",
                            grant->parent->rank);
    if (is_read && has_room)
        want_data(grant, &large, work->first_offer);
    else
        decline_data(grant->parent, &large, work->first_offer);
    parcel__bundle_free(&large);
    return is_read && has_room;
}

/* ---- calls that wait ---- */

static void free_waiting(struct parcel__waiting *waiting)
{
    let_go(waiting->grant);
    parcel__memory_free(waiting);
}

/* Whoever drains it since the run stops has told so before. */
static void drain_if_stopped(struct parcel__parent *parent)
{
    if (atomic_load_explicit(parent->is_stopped, memory_order_relaxed))
        parcel__parent_drain(parent);
}

static void put_in(struct parcel__parent *parent, struct parcel__waiting *waiting)
{
    pthread_mutex_lock(&parent->mutex);
    waiting->next = NULL;
    if (parent->first)
        parent->last->next = waiting;
    else
        parent->first = waiting;
    parent->last = waiting;
    parent->count += waiting->count;
    pthread_mutex_unlock(&parent->mutex);
    drain_if_stopped(parent);
}

void parcel__parent_drain(struct parcel__parent *parent)
{
    pthread_mutex_lock(&parent->mutex);
    struct parcel__waiting *waiting = parent->first;
    parent->first = NULL;
    parent->count = 0;
    pthread_mutex_unlock(&parent->mutex);
    while (waiting) {
        struct parcel__waiting *next = waiting->next;
        answer_unrun(parent, waiting->grant->block, waiting->offset, waiting->count, NULL);
        free_waiting(waiting);
        waiting = next;
    }
}

void parcel__parent_hear_work(struct parcel__parent *parent, struct parcel__message *message)
{
    struct parcel__work work;
    struct parcel__text why = {0};
    memcpy(&work, message->bytes, sizeof work);
    struct parcel__waiting *waiting = parcel__memory_await(sizeof *waiting);
    struct parcel__grant *grant = new_grant(parent, &work);
    *waiting = (struct parcel__waiting){
        .grant = grant, .offset = work.offset, .first = work.first, .count = work.count};
    grant->waiting = waiting;
    if (parent->is_sent && !unpack(grant, &work, message, &why)) {
        answer_unrun(parent, work.block, work.offset, work.count, parcel__text_why(&why));
        parcel__text_free(&why);
        free_waiting(waiting);
    } else if (grant->n_arriving == 0) {
        put_in(parent, waiting);
    }
}

/* Removes one that has no calls left. Called with the mutex held. */
static void remove_waiting(struct parcel__parent *parent, struct parcel__waiting *waiting)
{
    struct parcel__waiting *before = NULL;
    for (struct parcel__waiting *at = parent->first; at != waiting; at = at->next)
        before = at;
    if (before)
        before->next = waiting->next;
    else
        parent->first = waiting->next;
    if (parent->last == waiting)
        parent->last = before;
    free_waiting(waiting);
}

/* Only the end of a block can be given back: the last calls that are one, or NULL. Called with the
 * mutex held. */
static struct parcel__waiting *find_end(const struct parcel__parent *parent)
{
    struct parcel__waiting *found = NULL;
    for (struct parcel__waiting *at = parent->first; at; at = at->next)
        found = at->offset + at->count == at->grant->end ? at : found;
    return found;
}

/* Half of what has not begun goes back; what is left keeps this rank busy meanwhile. */
bool parcel__parent_hear_recall(struct parcel__parent *parent)
{
    struct parcel__unrun given = {0};
    pthread_mutex_lock(&parent->mutex);
    struct parcel__waiting *waiting = find_end(parent);
    if (waiting) {
        size_t wanted = (parent->count + 1) / 2;
        size_t count = waiting->count < wanted ? waiting->count : wanted;
        waiting->count -= count;
        parent->count -= count;
        waiting->grant->end -= count;
        given = (struct parcel__unrun){waiting->grant->block, waiting->grant->end, count};
        if (waiting->count == 0)
            remove_waiting(parent, waiting);
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
    hold_grant(to->origin.grant);
}

/* The block gets the first of the calls that wait, which may be all. */
static void use_front(struct parcel__waiting *waiting, struct parcel__stream_block *block,
                      size_t count)
{
    block->lot.first_index = waiting->first;
    block->origin = (struct parcel__origin){waiting->offset, waiting->grant};
    if (waiting->grant->list)
        block->lot.calls = waiting->grant->list;
    block->lot.first_call = waiting->grant->list ? waiting->place : waiting->first;
    hold_grant(waiting->grant);
    waiting->first += count;
    waiting->offset += count;
    waiting->place += count;
    waiting->count -= count;
}

size_t parcel__parent_fill(struct parcel__parent *parent, struct parcel__stream_block *block,
                           size_t most)
{
    struct parcel__waiting *used = NULL;
    size_t count = 0;
    pthread_mutex_lock(&parent->mutex);
    struct parcel__waiting *waiting = parent->first;
    if (waiting) {
        count = waiting->count < most ? waiting->count : most;
        if (count > 0)
            use_front(waiting, block, count);
        parent->count -= count;
        if (waiting->count == 0) {
            used = waiting;
            parent->first = waiting->next;
        }
    }
    pthread_mutex_unlock(&parent->mutex);
    if (used)
        free_waiting(used);
    return count;
}

/* The calls of a block from at on, as they waited. */
static struct parcel__waiting restore(const struct parcel__stream_block *block, size_t at)
{
    return (struct parcel__waiting){.grant = block->origin.grant,
                                    .offset = block->origin.offset + at,
                                    .first = block->lot.first_index + at,
                                    .place = block->lot.first_call + at,
                                    .count = block->lot.results->count - at};
}

/* They go to the front; where they belong to what stands there, the two are one again. */
void parcel__parent_put_back(struct parcel__parent *parent, struct parcel__stream_block *block,
                             size_t at)
{
    struct parcel__waiting *waiting = parcel__memory_await(sizeof *waiting);
    *waiting = restore(block, at);
    hold_grant(waiting->grant);
    pthread_mutex_lock(&parent->mutex);
    struct parcel__waiting *next = parent->first;
    parent->count += waiting->count;
    if (next && next->grant == waiting->grant && next->offset == waiting->offset + waiting->count) {
        waiting->count += next->count;
        remove_waiting(parent, next);
    }
    waiting->next = parent->first;
    parent->first = waiting;
    if (!waiting->next)
        parent->last = waiting;
    pthread_mutex_unlock(&parent->mutex);
    drain_if_stopped(parent);
}

void parcel__parent_drop(struct parcel__parent *parent, struct parcel__stream_block *block)
{
    answer_unrun(parent, block->origin.grant->block, block->origin.offset,
                 block->lot.results->count, "out of memory");
    let_go(block->origin.grant);
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
static size_t pack_results(struct parcel__parent *parent, const struct parcel__stream_block *block,
                           size_t at)
{
    struct parcel__bundle *out = &parent->out;
    size_t start = out->used, n_large = out->n_large;
    struct parcel__piece piece = {.block = block->origin.grant->block,
                                  .offset = block->origin.offset + at,
                                  .sums = PARCEL__TALLY_NONE};
    if (at == 0)
        piece.sums = block->sums;
    bool is_packed = parcel__bundle_put(out, &piece, sizeof piece);
    size_t head = out->used;
    if (is_packed)
        piece.count = parcel__bundle_put_results(out, block->lot.results, at,
                                                 block->lot.results->count - at, MOST_BYTES);
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
    for (size_t at = 0; at < block->lot.results->count;) {
        at += pack_results(parent, block, at);
        if (parent->out.used >= FULL || parent->out.n_large > 0)
            send_out(parent);
    }
    pthread_mutex_unlock(&parent->out_mutex);
    let_go(block->origin.grant);
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

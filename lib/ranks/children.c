/*
 * children.c: handing calls out to the ranks right below, and what they answer.
 *
 * A rank gets so many calls that they last until an answer can be back: more of short calls, one
 * for each worker of long ones, and no more than its part of what is left. Calls may turn out to be
 * longer than those before: so who finds none left asks others to give back what they have not
 * begun.
 *
 *     this rank                                       a rank below (parent.c)
 *     take a block of the stream, pack, WORK     -->  a lot of calls, which its stream takes from
 *     hear_results: into the block's results     <--  RESULTS, in pieces, as its workers end them
 *     RECALL, for who waits here                 -->  gives back the end of a lot
 *     hear_return: handed out again              <--  RETURN
 *
 * A call that is out is answered once: by a result, as not run, or by being given back. The file
 * stays whole: a result's way is easier to follow where what was sent is kept.
 */
#include "ranks/children.h"

#include <math.h>
#include <string.h>

#include "calls/calls.h"
#include "ground/memory.h"
#include "ground/port.h"
#include "job/record.h"
#include "stream/block.h"
#include "stream/feed.h"

/* What is out at a rank should last so long: many times what an answer takes. */
static const double cover = 4e-3;

/* A call of so many seconds is worth no calls that wait for it to end. */
static const double long_call = 50e-3;

/* Calls are asked back from who would need so long for them, for who has waited so long; and who
 * had none is not asked again so soon. */
static const double worth = 1e-3, patience = 0.5e-3, again = 5e-3;

/* Calls that are sent together take so many bytes, unless one alone takes more. */
enum { MOST_BYTES = 1 << 20 };

void parcel__children_open(struct parcel__children *children)
{
    atomic_init(&children->n_open, 0);
    pthread_mutex_init(&children->mutex, NULL);
    pthread_mutex_init(&children->turn, NULL);
}

void parcel__children_close(struct parcel__children *children)
{
    for (int i = 0; i < children->count; i++)
        parcel__memory_free(children->of[i].blocks);
    parcel__memory_free(children->of);
    pthread_mutex_destroy(&children->mutex);
    pthread_mutex_destroy(&children->turn);
}

/* While nobody hands out, what is not out does not go out behind our back. */
bool parcel__children_is_done(struct parcel__children *children)
{
    if (pthread_mutex_trylock(&children->turn) != 0)
        return false;
    bool is_done = atomic_load_explicit(&children->n_open, memory_order_acquire) == 0 &&
                   parcel__feed_left(children->stream) == 0;
    pthread_mutex_unlock(&children->turn);
    return is_done && (!atomic_load_explicit(&children->has_unrun, memory_order_relaxed) ||
                       parcel__stream_must_stop(children->stream));
}

static void open_one(struct parcel__children *children)
{
    atomic_fetch_add_explicit(&children->n_open, 1, memory_order_relaxed);
}

static void close_one(struct parcel__children *children)
{
    atomic_fetch_sub_explicit(&children->n_open, 1, memory_order_release);
}

static void note_unrun(struct parcel__children *children)
{
    atomic_store_explicit(&children->has_unrun, true, memory_order_relaxed);
}

/* ---- blocks at other ranks ---- */

static struct parcel__stream_block *find_block(struct parcel__children *children,
                                               const struct parcel__child *child, unsigned number)
{
    pthread_mutex_lock(&children->mutex);
    struct parcel__stream_block *block = number < child->n_blocks ? child->blocks[number] : NULL;
    pthread_mutex_unlock(&children->mutex);
    return block;
}

/* The block's number at the child, which has it from now on. SIZE_MAX: out of memory. Called with
 * the mutex held. */
static size_t enter(struct parcel__child *child, struct parcel__stream_block *block)
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
    child->n_out += block->n_missing;
    child->heard = parcel__port_now();
    return i;
}

static void finish_block(struct parcel__children *children, struct parcel__child *child,
                         unsigned number)
{
    struct parcel__stream_block *block = find_block(children, child, number);
    pthread_mutex_lock(&children->mutex);
    child->blocks[number] = NULL;
    pthread_mutex_unlock(&children->mutex);
    parcel__block_finish(children->stream, block);
    close_one(children);
}

/* So many calls of a block are not out any more. With the post held. */
static void note_answers(struct parcel__children *children, struct parcel__child *child,
                         unsigned number, size_t count)
{
    struct parcel__stream_block *block = find_block(children, child, number);
    pthread_mutex_lock(&children->mutex);
    child->n_out -= count;
    child->heard = parcel__port_now();
    pthread_mutex_unlock(&children->mutex);
    block->n_missing -= count;
    if (block->n_missing == 0 && block->n_arriving == 0)
        finish_block(children, child, number);
}

/* A copy of why calls of the block failed, which lives as long as its results. */
static const char *keep_reason(const struct parcel__children *children,
                               const struct parcel__child *child,
                               struct parcel__stream_block *block, const char *why)
{
    static const char out_of_memory[] = "out of memory";
    struct parcel__arena *arena = parcel__block_arena(children->stream, block, child->first_worker);
    const char *kept = parcel__arena_copy(arena, why ? why : out_of_memory);
    return kept ? kept : out_of_memory;
}

/* Marks calls of a block as failed. With the post held: so one thread at a time uses the arena. */
static void mark_failed(const struct parcel__children *children, const struct parcel__child *child,
                        struct parcel__stream_block *block, size_t first, size_t count,
                        const char *why)
{
    const char *kept = keep_reason(children, child, block, why);
    const struct parcel__record record = {.worker = child->first_worker};
    for (size_t i = first; i < first + count; i++) {
        parcel__results_mark(block->lot.results, i, 1, PARCEL_FAILED, record);
        parcel__results_fail(block->lot.results, i, PARCEL_FAILED, kept);
    }
}

static void tell_ended(const struct parcel__children *children,
                       const struct parcel__stream_block *block, size_t first, size_t count)
{
    parcel__watcher_tell_ended(children->stream->job.options.watchers, &block->lot, first, count);
}

/* Records calls of a block that did not run as failed. With the post held. */
static void fail_calls(struct parcel__children *children, const struct parcel__child *child,
                       struct parcel__stream_block *block, size_t first, size_t count,
                       const char *why)
{
    mark_failed(children, child, block, first, count, why);
    block->sums.n_failed += count;
    block->sums.n_ran += count;
    parcel__job_count(&children->stream->job, count, 0);
    tell_ended(children, block, first, count);
}

/* ---- handing out ---- */

/* Where the run stops after so many calls that failed, say, few more of them should be out: as
 * many as will hardly have so many, by what happened so far; and one for each worker. */
static double bounded_by_halt(const struct parcel__children *children,
                              const struct parcel__child *child, double target)
{
    const struct parcel__control *control = children->stream->options.job.control;
    size_t enough = parcel__control_left(control);
    if (enough == SIZE_MAX)
        return target;
    double n_ran = (double)parcel__stream_count_ran(children->stream);
    double n_counted = (double)parcel__control_counted(control), n = child->n_workers;
    double part = fmin((n_counted + 1) / (n_ran + 1), 1); /* of the calls that count */
    double share = (double)enough * n / children->n_workers;
    return fmin(target, fmax(share / (4 * part), n));
}

/* How many calls should be out at a rank, of as many as are left. */
static double target_of(const struct parcel__children *children, const struct parcel__child *child,
                        size_t left)
{
    const double at_first = 2;
    double seconds = child->seconds_per_call, n = child->n_workers;
    double part = n / children->n_workers;
    double target = seconds == 0          ? at_first * n
                    : seconds > long_call ? n
                    : seconds > cover / 2 ? 2 * n
                                          : n * cover / seconds;
    target = fmax(target, n * (double)children->batch_size);
    target = fmin(target, fmax((double)left * part / 2, 1) + (double)child->n_out);
    return bounded_by_halt(children, child, target);
}

/* How many calls a rank should be given now. Short calls are given by the quarter of what should be
 * out, so that several messages are on their way; long ones one by one. */
static size_t wanted(const struct parcel__children *children, const struct parcel__child *child,
                     size_t left, bool is_first)
{
    static const double most = 1e9;
    double target = left > 0 ? target_of(children, child, left) : 0, out = (double)child->n_out;
    if (is_first)
        target = fmin(target, child->n_workers);
    bool is_low = child->seconds_per_call > cover / 4 ? out < target : out <= 0.75 * target;
    return is_low && target - out >= 1 ? (size_t)fmin(target - out, most) : 0;
}

/* Packs calls of the block behind room for the work. Returns how many; 0: why says why the first
 * cannot go, or nothing: out of memory. */
static size_t pack_block(struct parcel__children *children,
                         const struct parcel__stream_block *block, struct parcel__bundle *bundle,
                         struct parcel__work *work, struct parcel__text *why)
{
    size_t n = 0;
    if (parcel__bundle_put(bundle, work, sizeof *work))
        n = parcel__bundle_put_calls(bundle, block->lot.calls, block->lot.first_call,
                                     block->lot.results->count, MOST_BYTES, why);
    if (n > 0)
        work->first_offer = parcel__large_arrays_add(children->large_arrays, bundle, 0, false);
    return n > 0 && work->first_offer < SIZE_MAX ? n : 0;
}

/* A block that cannot go to another rank: nobody else has it. */
static void refuse_block(struct parcel__children *children, const struct parcel__child *child,
                         struct parcel__stream_block *block, const char *why)
{
    parcel__post_hold(children->post);
    fail_calls(children, child, block, 0, block->n_missing, why);
    parcel__post_let_go(children->post);
    parcel__block_finish(children->stream, block);
    close_one(children);
}

/* Keeps so many calls of the block; the rest is handed out again, or has failed. */
static void keep_part(struct parcel__children *children, const struct parcel__child *child,
                      struct parcel__stream_block *block, size_t count)
{
    size_t rest = block->lot.results->count - count;
    block->n_missing = count;
    if (rest == 0 || parcel__block_give_back(children->stream, block, count, 0))
        return;
    parcel__post_hold(children->post);
    fail_calls(children, child, block, count, rest, NULL);
    parcel__post_let_go(children->post);
}

/* Sends as many calls of the block as go together. */
static void send_block(struct parcel__children *children, struct parcel__child *child,
                       struct parcel__stream_block *block)
{
    struct parcel__bundle bundle = {0};
    struct parcel__work work = {.first = block->lot.first_index};
    struct parcel__text why = {0};
    size_t count = block->lot.results->count, number = SIZE_MAX;
    size_t n = children->is_sent ? pack_block(children, block, &bundle, &work, &why) : count;
    keep_part(children, child, block, n > 0 ? n : 1);
    if (n > 0) {
        pthread_mutex_lock(&children->mutex);
        number = enter(child, block);
        pthread_mutex_unlock(&children->mutex);
    }
    work.block = (unsigned)number;
    work.count = n;
    if (number == SIZE_MAX) {
        refuse_block(children, child, block, parcel__text_why(&why));
    } else if (!children->is_sent) {
        parcel__post_tell(children->post, child->rank, PARCEL__SAYS_WORK, &work, sizeof work);
    } else {
        memcpy(bundle.bytes, &work, sizeof work);
        parcel__post_send(children->post, child->rank, PARCEL__SAYS_WORK, bundle.bytes,
                          bundle.used);
        bundle.bytes = NULL;
    }
    parcel__text_free(&why);
    parcel__bundle_free(&bundle);
}

/* The most calls of one block. Where somebody waits for results, none waits for long for those that
 * came with it; and no rank waits for long until a generator has given a whole block. */
static size_t longest_block(const struct parcel__children *children,
                            const struct parcel__child *child)
{
    static const double instant = 1e-3;
    const struct parcel__stream_options *options = &children->stream->options;
    double seconds = child->seconds_per_call;
    if (!options->is_pulled && !options->on_result && !children->stream->is_generated)
        return SIZE_MAX;
    if (children->batch_size > 0)
        return children->batch_size;
    if (seconds == 0)
        return 1;
    seconds += children->seconds_to_take;
    return seconds < instant ? (size_t)fmin(instant / seconds, 1e9) : 1;
}

/* The next count calls, and how long it takes to have them; NULL: there are none. */
static struct parcel__stream_block *take_block(struct parcel__children *children, size_t count)
{
    double start = parcel__port_now();
    struct parcel__stream_block *block = parcel__feed_take(children->stream, count);
    if (block)
        children->seconds_to_take =
            (parcel__port_now() - start) / (double)block->lot.results->count;
    return block;
}

/* Gives a rank as many calls as it should have; or, first, one for each worker. */
static void top_up(struct parcel__children *children, struct parcel__child *child, bool is_first)
{
    for (;;) {
        size_t left = parcel__feed_left(children->stream);
        pthread_mutex_lock(&children->mutex);
        size_t count = wanted(children, child, left, is_first),
               most = longest_block(children, child);
        pthread_mutex_unlock(&children->mutex);
        if (count == 0)
            return;
        count = count < most ? count : most;
        open_one(children);
        struct parcel__stream_block *block = take_block(children, count);
        if (!block) {
            close_one(children);
            return;
        }
        block->n_arriving = 0;
        block->sums = PARCEL__TALLY_NONE;
        send_block(children, child, block);
    }
}

/* ---- asking for calls back ---- */

void parcel__children_note_idle(struct parcel__children *children, bool is_idle)
{
    double since = atomic_load_explicit(&children->idle_since, memory_order_relaxed);
    if (is_idle != (since > 0))
        atomic_store_explicit(&children->idle_since, is_idle ? parcel__port_now() : 0,
                              memory_order_relaxed);
}

/* When a worker of this rank found nothing to do, and still does nothing; else 0. */
static double idle_since(const struct parcel__children *children)
{
    double since = atomic_load_explicit(&children->idle_since, memory_order_relaxed);
    return since > 0 && parcel__stream_has_free_worker(children->stream) ? since : 0;
}

/* Called with the mutex held. */
static bool somebody_waits(const struct parcel__children *children, double now)
{
    double since = idle_since(children);
    if (since > 0 && now - since > patience)
        return true;
    for (int i = 0; i < children->count; i++)
        if (children->of[i].n_out == 0 && now - children->of[i].heard > patience)
            return true;
    return false;
}

/* True when a rank has calls that it will not soon begin. */
static bool is_rich(const struct parcel__child *child, double now)
{
    double n = child->n_workers, seconds = (double)child->n_out * child->seconds_per_call / n;
    return !child->is_recalled && now - child->refused > again &&
           child->n_out > (size_t)child->n_workers &&
           (seconds > worth || now - child->heard > worth);
}

/* The rank with most to give, or NULL. Called with the mutex held. */
static struct parcel__child *find_richest(struct parcel__children *children, double now)
{
    struct parcel__child *richest = NULL;
    for (int i = 0; i < children->count; i++) {
        struct parcel__child *child = &children->of[i];
        if (is_rich(child, now) && (!richest || child->n_out > richest->n_out))
            richest = child;
    }
    return richest;
}

static void recall(struct parcel__children *children)
{
    double now = parcel__port_now();
    pthread_mutex_lock(&children->mutex);
    bool is_wanted = somebody_waits(children, now);
    struct parcel__child *child = is_wanted ? find_richest(children, now) : NULL;
    if (child)
        child->is_recalled = true;
    pthread_mutex_unlock(&children->mutex);
    if (child) {
        open_one(children); /* until it has answered */
        parcel__post_tell(children->post, child->rank, PARCEL__SAYS_RECALL, NULL, 0);
    } else if (is_wanted && now - children->asked > again) {
        children->asked = now;
        parcel__stream_ask(children->stream);
    }
}

void parcel__children_out(struct parcel__children *children)
{
    if (children->count == 0 || pthread_mutex_trylock(&children->turn) != 0)
        return;
    for (int i = 0; i < children->count; i++) /* all work before some have more */
        top_up(children, &children->of[i], true);
    bool is_idle = idle_since(children) > 0; /* what was asked back for its own workers is theirs */
    for (int i = 0; !is_idle && i < children->count; i++)
        top_up(children, &children->of[i], false);
    if (parcel__feed_left(children->stream) == 0)
        recall(children);
    pthread_mutex_unlock(&children->turn);
}

/* ---- answers ---- */

/* The child of that rank, when it has such a part of a block; else NULL. */
static struct parcel__child *find_holder(struct parcel__children *children, int rank,
                                         unsigned number, size_t offset, size_t count)
{
    int i = children->count > 0 ? rank - children->of[0].rank : -1;
    if (i < 0 || i >= children->count)
        return NULL;
    const struct parcel__stream_block *block = find_block(children, &children->of[i], number);
    size_t whole = block ? block->lot.results->count : 0;
    return block && offset <= whole && count <= whole - offset ? &children->of[i] : NULL;
}

/* An array that arrives. */
struct arrival {
    struct parcel__children *children;
    struct parcel__child *child;
    unsigned number; /* of the block that it belongs to */
};

static void arrive(void *context, void *data)
{
    struct arrival *arrival = context;
    struct parcel__stream_block *block =
        find_block(arrival->children, arrival->child, arrival->number);
    (void)data;
    if (--block->n_arriving == 0 && block->n_missing == 0)
        finish_block(arrival->children, arrival->child, arrival->number);
    parcel__memory_free(arrival);
}

/* Asks for a large array of a result; or records that there is no memory for it. */
static void want(struct parcel__children *children, struct parcel__child *child,
                 struct parcel__stream_block *block, unsigned number,
                 const struct parcel__large *large, size_t offer)
{
    struct parcel__text text = {0};
    unsigned char *data = parcel__large_arrays_room(large->size);
    if (data) {
        struct arrival *arrival = parcel__memory_await(sizeof *arrival);
        *arrival = (struct arrival){children, child, number};
        memcpy(large->where, &data, sizeof data);
        block->n_arriving++;
        parcel__large_arrays_want(children->large_arrays, offer,
                                  (struct parcel__freight){.rank = child->rank,
                                                           .bytes = data,
                                                           .size = large->size,
                                                           .done = arrive,
                                                           .context = arrival});
        return;
    }
    parcel__text_format(&text, "its result of %zu bytes does not fit the memory of rank %d",
                        large->size, children->rank);
    parcel__results_fail(block->lot.results, large->place, PARCEL_FAILED,
                         keep_reason(children, child, block, text.bytes));
    parcel__text_free(&text);
    parcel__large_arrays_decline(children->large_arrays, child->rank, offer);
}

static void note_speed(struct parcel__children *children, struct parcel__child *child,
                       const struct parcel__tally *sums)
{
    if (sums->n_ran == 0)
        return;
    double seconds = sums->total_time / (double)sums->n_ran;
    pthread_mutex_lock(&children->mutex);
    child->seconds_per_call =
        child->seconds_per_call > 0 ? (child->seconds_per_call + seconds) / 2 : seconds;
    pthread_mutex_unlock(&children->mutex);
}

/* True when the call has ended; else it did not run, or was killed when the run stopped. */
static bool note_call(const struct parcel__children *children,
                      const struct parcel__stream_block *block, size_t place)
{
    const parcel_results *results = block->lot.results;
    parcel_status status = parcel_results_status(results, place);
    if (status == PARCEL_NOT_RUN || status == PARCEL_CANCELLED)
        return false;
    if (status == PARCEL_OK && !children->stream->job.is_careful)
        return true;
    parcel__record_ended(&children->stream->job, block->lot.first_index + place, status,
                         parcel_results_duration(results, place),
                         parcel_results_attempts(results, place));
    return true;
}

/* Takes note of calls that came back. The marks say of each whether it failed: a result may have
 * failed to travel. Returns how many did. */
static size_t note_ended(struct parcel__children *children,
                         const struct parcel__stream_block *block, size_t first, size_t count)
{
    size_t n_failed = 0, end = first + count;
    for (size_t i = first; i < end; i++) {
        if (note_call(children, block, i)) {
            n_failed += parcel_results_status(block->lot.results, i) != PARCEL_OK;
            continue;
        }
        if (parcel_results_status(block->lot.results, i) == PARCEL_NOT_RUN)
            note_unrun(children);
        tell_ended(children, block, first, i - first);
        first = i + 1;
    }
    tell_ended(children, block, first, end - first);
    return n_failed;
}

/* Reads a piece of results. */
static void hear_piece(struct parcel__children *children, struct parcel__child *child,
                       const struct parcel__piece *piece, unsigned char *bytes)
{
    struct parcel__stream_block *block = find_block(children, child, piece->block);
    struct parcel__bundle large = {0};
    const struct parcel__bundle_destination to = {
        .results = block->lot.results,
        .at = piece->offset,
        .count = piece->count,
        .arena = parcel__block_arena(children->stream, block, child->first_worker)};
    if (parcel__bundle_get_results(bytes, piece->size, &to, &large)) {
        struct parcel__tally sums = piece->sums;
        for (size_t i = 0; i < large.n_large; i++)
            want(children, child, block, piece->block, &large.large[i], piece->first_offer + i);
        sums.n_failed = note_ended(children, block, piece->offset, piece->count);
        parcel__tally_add(&block->sums, &sums);
    } else {
        fail_calls(children, child, block, piece->offset, piece->count, NULL);
    }
    parcel__bundle_free(&large);
    note_speed(children, child, &piece->sums);
    note_answers(children, child, piece->block, piece->count);
}

void parcel__children_hear_results(struct parcel__children *children,
                                   struct parcel__message *message)
{
    const size_t head = parcel__bytes_padded(sizeof(struct parcel__piece));
    size_t at = 0;
    while (message->size - at >= head) {
        struct parcel__piece piece;
        memcpy(&piece, message->bytes + at, sizeof piece);
        at += head;
        struct parcel__child *child =
            find_holder(children, message->rank, piece.block, piece.offset, piece.count);
        if (!child || piece.size > message->size - at)
            return;
        hear_piece(children, child, &piece, message->bytes + at);
        at += piece.size;
    }
}

void parcel__children_hear_unrun(struct parcel__children *children,
                                 const struct parcel__message *message)
{
    struct parcel__unrun unrun;
    memcpy(&unrun, message->bytes, sizeof unrun);
    const char *why = parcel__messages_text(message, sizeof unrun);
    struct parcel__child *child =
        find_holder(children, message->rank, unrun.block, unrun.offset, unrun.count);
    if (!child)
        return;
    if (why)
        fail_calls(children, child, find_block(children, child, unrun.block), unrun.offset,
                   unrun.count, why);
    else
        note_unrun(children);
    note_answers(children, child, unrun.block, unrun.count);
}

void parcel__children_hear_return(struct parcel__children *children,
                                  const struct parcel__message *message)
{
    struct parcel__unrun given;
    memcpy(&given, message->bytes, sizeof given);
    int i = children->count > 0 ? message->rank - children->of[0].rank : -1;
    if (i < 0 || i >= children->count)
        return;
    struct parcel__child *child = &children->of[i];
    pthread_mutex_lock(&children->mutex);
    child->is_recalled = false;
    if (given.count == 0)
        child->refused = parcel__port_now();
    pthread_mutex_unlock(&children->mutex);
    if (given.count > 0 &&
        find_holder(children, message->rank, given.block, given.offset, given.count)) {
        struct parcel__stream_block *block = find_block(children, child, given.block);
        if (!parcel__block_give_back(children->stream, block, given.offset, 0))
            fail_calls(children, child, block, given.offset, given.count, NULL);
        note_answers(children, child, given.block, given.count);
    }
    close_one(children);
}

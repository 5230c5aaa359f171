/*
 * feed.c: how calls come into a stream.
 *
 * Who takes calls holds pull_mutex, and fills a block from the list, from the generator or with
 * what came from elsewhere. Who finds that nothing may be handed out waits until results have been
 * taken. A block's lists and results are used again, so that the memory is that of the blocks on
 * their way.
 */
#include "stream/feed.h"

#include <math.h>

#include "calls/calls.h"
#include "ground/memory.h"
#include "ground/port.h"
#include "stream/block.h"

/* Of a list, from where calls are taken. */
enum end { FRONT, BACK };

/* ---- what was handed out ---- */

static void add_pulled(struct parcel__stream *stream, size_t count)
{
    atomic_store_explicit(&stream->n_pulled, parcel__stream_count_pulled(stream) + count,
                          memory_order_relaxed);
}

static void note_end(struct parcel__stream *stream)
{
    atomic_store_explicit(&stream->has_ended, true, memory_order_relaxed);
}

/* ---- calls in ---- */

/* Says why the generator gives no more. Returns an error without text for its regular end. */
static void report_generator(struct parcel__stream *stream, parcel_next_status status,
                             const char *refused, const char *message)
{
    struct parcel__text text = {0};
    size_t n = parcel__stream_count_pulled(stream);
    const char *plural = n == 1 ? "" : "s";
    if (message || status == PARCEL_NEXT_ERROR)
        parcel__text_format(&text, "the generator failed after %zu call%s: %s", n, plural,
                            message ? message : "it does not say why");
    else if (refused)
        parcel__text_format(&text, "the generator gave a wrong call after %zu call%s: %s", n,
                            plural, refused);
    else
        parcel__text_format(&text,
                            "the generator returned %d after %zu call%s: PARCEL_NEXT_CALL, "
                            "PARCEL_NEXT_END or PARCEL_NEXT_ERROR is allowed",
                            (int)status, n, plural);
    parcel__stream_note_error(stream, &text);
}

/* False: the call that was added last cannot go where it may have to, as why says. */
static bool check_travel(struct parcel__stream *stream, parcel_calls *list,
                         struct parcel__text *why)
{
    size_t last = parcel_calls_count(list) - 1;
    if (!stream->options.may_travel ||
        parcel__bundle_check(list, last, 1, true, &stream->found, why))
        return true;
    parcel__calls_take_back(list);
    return false;
}

/* Adds the next call to the list. False: there is none, *status says why, and the list's error, or
 * why. */
static bool ask(struct parcel__stream *stream, parcel_calls *list, parcel_next_status *status,
                struct parcel__text *why)
{
    parcel_call call;
    stream->asking.running.index = parcel__stream_count_pulled(stream);
    *status = parcel__calls_next(stream->options.calls, &call);
    if (*status != PARCEL_NEXT_CALL || parcel__stream_has_failed(&stream->asking))
        return false;
    return parcel__calls_put(list, &call) && check_travel(stream, list, why);
}

/* Asks the generator for at most count calls. Returns how many there were. */
static size_t generate(struct parcel__stream *stream, parcel_calls *list, size_t count)
{
    bool failed;
    struct parcel__text why = {0};
    parcel_next_status status = PARCEL_NEXT_CALL;
    parcel__calls_clear(list);
    struct parcel_current_call *before = parcel__stream_enter(&stream->asking);
    while (count > 0 && ask(stream, list, &status, &why)) {
        add_pulled(stream, 1);
        count--;
    }
    char *message = parcel__stream_leave(&stream->asking, before, &failed);
    bool is_refused = why.failed || why.length > 0;
    if (count > 0 || failed)
        note_end(stream);
    if (parcel__calls_lack_memory(list))
        parcel__stream_run_out_of_memory(stream);
    else if (failed || parcel_calls_error(list) || (count > 0 && status != PARCEL_NEXT_END))
        report_generator(stream, status,
                         is_refused ? parcel__text_why(&why) : parcel_calls_error(list),
                         failed && !message ? "out of memory" : message);
    parcel__memory_free(message);
    parcel__text_free(&why);
    return parcel_calls_count(list);
}

/* The next calls of the list or map from either end, at most count. Returns how many there are. */
static size_t take_from_list(struct parcel__stream *stream, struct parcel__stream_block *block,
                             size_t count, enum end end)
{
    size_t n_pulled = parcel__stream_count_pulled(stream), left = stream->count - n_pulled;
    count = count < left ? count : left;
    add_pulled(stream, count);
    if (count == left)
        note_end(stream);
    block->first = n_pulled - stream->n_from_end;
    if (end == BACK) {
        stream->n_from_end += count;
        block->first = stream->count - stream->n_from_end;
    }
    block->first_call = block->first;
    return count;
}

/* Says where the block's calls stand, at most count of them. Returns how many there are. */
static size_t find_calls(struct parcel__stream *stream, struct parcel__stream_block *block,
                         size_t count, enum end end)
{
    block->list = stream->is_generated ? block->calls : stream->options.calls;
    block->first = parcel__stream_count_pulled(stream);
    block->first_call = 0;
    if (parcel__stream_supplier(stream))
        return stream->options.functions->fill(parcel__stream_supplier(stream), block, count);
    return stream->is_generated ? generate(stream, block->calls, count)
                                : take_from_list(stream, block, count, end);
}

/* Makes room for the results of the block's calls. False: out of memory. */
static bool make_room(struct parcel__stream *stream, const struct parcel__stream_block *block)
{
    const struct parcel_results *part = block->results;
    if (!parcel__stream_collects(stream))
        return true;
    pthread_mutex_lock(&stream->keep_mutex);
    bool has_room =
        parcel__results_reserve(stream->options.job.results, block->first + part->count, part);
    pthread_mutex_unlock(&stream->keep_mutex);
    return has_room;
}

/* Fills the block with at most count calls. False: there is none, or memory ran out. */
static bool fill(struct parcel__stream *stream, struct parcel__stream_block *block, size_t count,
                 enum end end)
{
    block->next = 0;
    block->walk = (struct parcel__walk){.first = 0};
    block->seconds_per_call = 0;
    block->sums = (struct parcel__tally){.longest = -1}; /* it may be given away without a run */
    count = find_calls(stream, block, count, end);
    parcel__arena_reset(&block->results->arenas[0]);
    if (parcel__results_prepare(block->results, block->list, block->first_call, count) &&
        (stream->options.job.control->limits->retry.most == 0 ||
         parcel__results_keep_attempts(block->results)) &&
        make_room(stream, block))
        return count > 0;
    parcel__stream_run_out_of_memory(stream);
    if (parcel__stream_supplier(stream) && count > 0)
        stream->options.functions->drop(parcel__stream_supplier(stream), block);
    return false;
}

/* ---- how many ---- */

/* How many new calls may be handed out now. Called with the mutex held. */
static size_t room_now(struct parcel__stream *stream)
{
    size_t room = parcel__window_room(&stream->window);
    stream->has_begun = true;
    if (stream->is_stopped || parcel__stream_has_ended(stream))
        return 0;
    if (!stream->is_generated && !parcel__stream_supplier(stream) &&
        room > stream->count - parcel__stream_count_pulled(stream))
        room = stream->count - parcel__stream_count_pulled(stream);
    return room;
}

/* The same, of a stream with a part elsewhere, too. Called with pull_mutex held. */
static size_t find_room(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    size_t room = room_now(stream);
    pthread_mutex_unlock(&stream->mutex);
    if (room == 0 || !parcel__stream_supplier(stream))
        return room;
    size_t supply = stream->options.functions->room(parcel__stream_supplier(stream));
    return supply < room ? supply : room;
}

size_t parcel__feed_left(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    bool has_returned = stream->n_returned > 0 && !stream->is_stopped;
    size_t left = has_returned ? stream->n_returned : room_now(stream);
    pthread_mutex_unlock(&stream->mutex);
    if (left > 0 && !has_returned && parcel__stream_supplier(stream))
        left = stream->options.functions->room(parcel__stream_supplier(stream));
    return left;
}

/* The part of a worker in a static schedule, of all calls or of those that were given to it. */
static size_t static_length(const struct parcel__stream *stream, size_t room, size_t n_workers)
{
    size_t count = parcel__stream_supplier(stream) ? room : stream->count;
    size_t length = count / n_workers + (count % n_workers > 0);
    return length < room ? length : room;
}

/* The workers that the calls are for, wherever they are. */
static int count_workers(const struct parcel__stream *stream)
{
    return stream->options.outside ? stream->options.n_workers : stream->options.job.n_workers;
}

/* How many calls a worker wants in its next block, of as many as may be handed out. How many a
 * generator has left, of which static and guided give parts, nobody knows. */
static size_t wanted_length(const struct parcel__stream *stream,
                            const struct parcel__stream_worker *worker, size_t room)
{
    const struct parcel__job_options *options = &stream->options.job;
    size_t least = options->batch_size > 0 ? options->batch_size : 1;
    int n_workers = count_workers(stream);
    bool is_open = stream->is_generated && !parcel__stream_supplier(stream);
    uint32_t bounded = parcel__schedule_bounded(room);
    if (options->schedule == PARCEL_STATIC && !is_open)
        return static_length(stream, room, (size_t)n_workers);
    if (options->schedule == PARCEL_DYNAMIC || (options->schedule == PARCEL_GUIDED && !is_open))
        return parcel__schedule_plain(options->schedule, bounded, n_workers,
                                      parcel__schedule_bounded(least));
    if (options->batch_size > 0)
        return least < room ? least : room;
    return parcel__schedule_batch(bounded, stream->options.outside ? n_workers : 1,
                                  parcel__schedule_bounded(worker->last_count),
                                  worker->seconds_per_call + worker->seconds_to_pull);
}

/* The same, but each worker should find something: what may be on its way holds a block for each
 * of them, and two if nobody asked for a size, so that one runs while another is given away. */
static size_t block_length(const struct parcel__stream *stream,
                           const struct parcel__stream_worker *worker, size_t room)
{
    const struct parcel__stream_options *options = &stream->options;
    size_t most = options->window < options->pre_dispatch ? options->window : options->pre_dispatch;
    size_t blocks = (size_t)options->job.n_workers * (options->job.batch_size > 0 ? 1 : 2);
    size_t share = most / blocks > 0 ? most / blocks : 1;
    size_t length = wanted_length(stream, worker, room);
    return length < share ? length : share;
}

/* ---- handing out ---- */

/* All but the first count calls of such a block are handed out on, if there is memory for that. */
static void cut(struct parcel__stream *stream, struct parcel__stream_block *block, size_t count)
{
    if (block->results->count > count)
        (void)parcel__block_give_back(stream, block, count, block->seconds_per_call);
}

/* The next count new calls, which are on their way then; NULL: there are none, or no memory for
 * them. Called with pull_mutex held. */
static struct parcel__stream_block *next_block(struct parcel__stream *stream, size_t count,
                                               enum end end)
{
    struct parcel__stream_block *block = parcel__block_find(stream);
    if (!block) {
        parcel__stream_run_out_of_memory(stream);
        return NULL;
    }
    if (!fill(stream, block, count, end)) {
        parcel__stream_release(block);
        return NULL;
    }
    pthread_mutex_lock(&stream->mutex);
    parcel__window_enter(&stream->window, &block->place, block->results->count);
    pthread_mutex_unlock(&stream->mutex);
    return block;
}

/* ---- to a worker ---- */

/* Waits for the worker's turn to hand out. Where that takes an instant, sleeping and being woken
 * would take longer than all else. False: another one hands out. */
static bool take_turn(struct parcel__stream *stream, const struct parcel__stream_worker *worker)
{
    static const double instant = 20e-6;
    double start = parcel__port_now();
    while (pthread_mutex_trylock(&stream->pull_mutex) != 0) {
        if (worker->last_pull > instant || parcel__port_now() - start > instant)
            return false;
        parcel__port_yield();
    }
    return true;
}

/* Wakes who waits for its turn, or for more of what there is. Who does not see here that another
 * waits has unlocked before that one looked whether it may lock: hence the two fences. */
static void end_turn(struct parcel__stream *stream)
{
    pthread_mutex_unlock(&stream->pull_mutex);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&stream->n_waiting, memory_order_relaxed) == 0)
        return;
    pthread_mutex_lock(&stream->mutex);
    pthread_cond_signal(&stream->has_room);
    pthread_mutex_unlock(&stream->mutex);
}

/* New calls for the worker, whose turn it is. */
static struct parcel__stream_block *pull_new(struct parcel__stream *stream,
                                             struct parcel__stream_worker *worker)
{
    double start = parcel__port_now();
    size_t room = find_room(stream);
    struct parcel__stream_block *block =
        room > 0 ? next_block(stream, block_length(stream, worker, room), FRONT) : NULL;
    if (block) {
        worker->last_pull = parcel__port_now() - start;
        worker->seconds_to_pull = worker->last_pull / (double)block->results->count;
    }
    return block;
}

/* How many calls of a block that was given back a worker takes: as many as were asked for, or as
 * last for a batch. */
static size_t returned_length(const struct parcel__stream *stream,
                              const struct parcel__stream_worker *worker, size_t count)
{
    const struct parcel__job_options *options = &stream->options.job;
    if (options->batch_size > 0)
        return options->batch_size;
    if (options->schedule == PARCEL_DYNAMIC)
        return 1;
    return parcel__schedule_batch(parcel__schedule_bounded(count), count_workers(stream),
                                  parcel__schedule_bounded(worker->last_count),
                                  worker->seconds_per_call);
}

/* Calls that another worker gave back, which measured them. */
static struct parcel__stream_block *pull_returned(struct parcel__stream *stream,
                                                  struct parcel__stream_worker *worker)
{
    struct parcel__stream_block *block = parcel__block_take_returned(stream);
    if (!block)
        return NULL;
    if (worker->seconds_per_call < block->seconds_per_call)
        worker->seconds_per_call = block->seconds_per_call;
    cut(stream, block, returned_length(stream, worker, block->results->count));
    return block;
}

static struct parcel__stream_block *pull_any(struct parcel__stream *stream,
                                             struct parcel__stream_worker *worker)
{
    bool has_any = atomic_load_explicit(&stream->n_returned, memory_order_relaxed) > 0;
    struct parcel__stream_block *block = has_any ? pull_returned(stream, worker) : NULL;
    if (block || !take_turn(stream, worker))
        return block;
    block = pull_new(stream, worker);
    end_turn(stream);
    return block;
}

/* Waits for what may have changed. What stops the run from outside wakes nobody: where there may be
 * such a thing, it is looked for from time to time. Called with the mutex held. */
static void pause_for(struct parcel__stream *stream, double seconds)
{
    static const double look = 5e-3;
    struct parcel__control *control = stream->options.job.control;
    double longest = control->watches ? look : INFINITY;
    seconds = seconds < longest ? seconds : longest;
    if (seconds < INFINITY)
        parcel__port_wait(&stream->has_room, &stream->mutex, seconds);
    else
        pthread_cond_wait(&stream->has_room, &stream->mutex);
    enum parcel__reason reason = control->watches ? parcel__control_due(control) : PARCEL__GOES_ON;
    if (reason == PARCEL__GOES_ON)
        return;
    parcel__control_stop(control, reason);
    parcel__stream_stop_locked(stream);
}

/* Asks those who run several calls for what they have not begun, and waits for it, from the time
 * since on: at first for an instant, as most blocks last no longer, and a run's end waits for who
 * sleeps. Called with the mutex held. */
static void ask_around(struct parcel__stream *stream, double *since)
{
    static const double instant = 100e-6, longest = 5e-3;
    double now = parcel__port_now();
    *since = *since == 0 ? now : *since;
    double waited = now - *since;
    if (waited >= instant)
        parcel__stream_ask_locked(stream);
    if (waited >= instant || !parcel__stream_has_ended(stream)) {
        pause_for(stream, fmin(instant + waited / 16, longest));
        return;
    }
    pthread_mutex_unlock(&stream->mutex);
    parcel__port_yield();
    pthread_mutex_lock(&stream->mutex);
}

/* True when no other thread is just handing out: what it takes nobody sees yet. */
static bool is_turn_free(struct parcel__stream *stream)
{
    if (pthread_mutex_trylock(&stream->pull_mutex) != 0)
        return false;
    pthread_mutex_unlock(&stream->pull_mutex);
    return true;
}

enum prospect { NO_CALLS, NEW_CALLS, CALLS_OF_OTHERS, SOME_CALLS };

/* What a worker without calls may hope for. Called with the mutex held. */
static enum prospect look_out(struct parcel__stream *stream)
{
    bool is_free = is_turn_free(stream);
    if (stream->is_stopped)
        return NO_CALLS;
    if (stream->n_returned > 0 || (is_free && room_now(stream) > 0))
        return SOME_CALLS;
    if (parcel__stream_shares(stream) && (!is_free || parcel__window_is_divisible(&stream->window)))
        return CALLS_OF_OTHERS;
    return is_free && parcel__stream_has_ended(stream) ? NO_CALLS : NEW_CALLS;
}

/* Waits until a worker may find calls. False: there will be none. */
static bool await_calls(struct parcel__stream *stream)
{
    double since = 0;
    enum prospect prospect;
    pthread_mutex_lock(&stream->mutex);
    atomic_fetch_add_explicit(&stream->n_waiting, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    while ((prospect = look_out(stream)) == NEW_CALLS || prospect == CALLS_OF_OTHERS)
        if (prospect == NEW_CALLS)
            pause_for(stream, INFINITY);
        else
            ask_around(stream, &since);
    if (prospect == NO_CALLS)
        pthread_cond_broadcast(&stream->has_room); /* nor for the others */
    atomic_fetch_sub_explicit(&stream->n_waiting, 1, memory_order_relaxed);
    pthread_mutex_unlock(&stream->mutex);
    return prospect == SOME_CALLS;
}

struct parcel__stream_block *parcel__feed_pull(struct parcel__stream *stream,
                                               struct parcel__stream_worker *worker)
{
    struct parcel__stream_block *block;
    do
        block = pull_any(stream, worker);
    while (!block && !stream->options.outside && await_calls(stream));
    return block;
}

/* A list that nobody waits for in order goes elsewhere from both ends: a long call that is its
 * last would else hold all up. */
static enum end turn_end(struct parcel__stream *stream)
{
    if (!parcel__stream_collects(stream))
        return FRONT;
    stream->is_end_next = !stream->is_end_next;
    return stream->is_end_next ? FRONT : BACK;
}

struct parcel__stream_block *parcel__feed_take(struct parcel__stream *stream, size_t count)
{
    if (pthread_mutex_trylock(&stream->pull_mutex) != 0)
        return NULL;
    struct parcel__stream_block *block = count > 0 ? parcel__block_take_returned(stream) : NULL;
    size_t room = block ? 0 : find_room(stream);
    count = block || count < room ? count : room;
    if (block)
        cut(stream, block, count);
    else if (count > 0)
        block = next_block(stream, count, turn_end(stream));
    pthread_mutex_unlock(&stream->pull_mutex);
    return block;
}

bool parcel__feed_has_ended(struct parcel__stream *stream)
{
    return parcel__stream_has_ended(stream) || parcel__stream_must_stop(stream);
}

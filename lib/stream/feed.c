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

#include "ground/port.h"
#include "stream/block.h"

/* ---- calls in ---- */

/* Says where the block's calls stand, at most count of them. Returns how many there are. */
static size_t find_calls(struct parcel__stream *stream, struct parcel__stream_block *block,
                         size_t count, enum parcel__feed_end end)
{
    block->lot.calls = stream->is_generated ? block->calls : stream->options.calls;
    block->lot.first_index = parcel__stream_count_pulled(stream);
    block->lot.first_call = 0;
    return stream->feed->fill(stream->feed_state, block, count, end);
}

/* Makes room for the results of the block's calls. False: out of memory. */
static bool reserve_results(struct parcel__stream *stream, const struct parcel__stream_block *block)
{
    const struct parcel_results *part = block->lot.results;
    if (!parcel__stream_collects(stream))
        return true;
    pthread_mutex_lock(&stream->keep_mutex);
    bool has_room = parcel__results_reserve(stream->options.job.lot.results,
                                            block->lot.first_index + part->count, part);
    pthread_mutex_unlock(&stream->keep_mutex);
    return has_room;
}

/* Fills the block with at most count calls. False: there is none, or memory ran out. */
static bool fill(struct parcel__stream *stream, struct parcel__stream_block *block, size_t count,
                 enum parcel__feed_end end)
{
    block->next = 0;
    block->walk = (struct parcel__walk){.first = 0};
    block->seconds_per_call = 0;
    block->sums = PARCEL__TALLY_NONE; /* it may be given away without a run */
    count = find_calls(stream, block, count, end);
    parcel__arena_reset(&block->lot.results->arenas[0]);
    if (parcel__results_prepare(block->lot.results, block->lot.calls, block->lot.first_call,
                                count) &&
        (stream->options.job.control->limits->retry.most == 0 ||
         parcel__results_keep_attempts(block->lot.results)) &&
        reserve_results(stream, block))
        return count > 0;
    parcel__stream_run_out_of_memory(stream);
    if (stream->feed->drop && count > 0)
        stream->feed->drop(stream->feed_state, block);
    return false;
}

/* ---- how many ---- */

size_t parcel__feed_room(const struct parcel__stream *stream)
{
    bool is_over = parcel__job_is_stopped(&stream->job) || parcel__stream_has_ended(stream);
    return is_over ? 0 : parcel__window_room(&stream->window);
}

/* As many of so many calls as there are. */
static size_t bound(const struct parcel__stream *stream, size_t room)
{
    size_t n_left = room > 0 && stream->feed->room ? stream->feed->room(stream->feed_state) : room;
    return n_left < room ? n_left : room;
}

/* How many new calls may be handed out now. Called with pull_mutex held. */
static size_t find_room(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    size_t room = parcel__feed_room(stream);
    pthread_mutex_unlock(&stream->mutex);
    return bound(stream, room);
}

size_t parcel__feed_left(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    bool has_returned = stream->n_returned > 0 && !parcel__job_is_stopped(&stream->job);
    size_t left = has_returned ? stream->n_returned : parcel__feed_room(stream);
    pthread_mutex_unlock(&stream->mutex);
    return has_returned ? left : bound(stream, left);
}

/* The part of a worker in a static schedule, of all calls or of those that were given to it. */
static size_t static_length(const struct parcel__stream *stream, size_t room, size_t n_workers)
{
    size_t count = stream->feed->whole(stream->feed_state);
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
    const struct parcel__policy *policy = stream->options.job.policy;
    size_t least = policy->batch_size > 0 ? policy->batch_size : 1;
    int n_workers = count_workers(stream);
    bool is_open = !stream->feed->whole;
    uint32_t bounded = parcel__schedule_bounded(room);
    if (policy->schedule == PARCEL_STATIC && !is_open)
        return static_length(stream, room, (size_t)n_workers);
    if (policy->schedule == PARCEL_DYNAMIC || (policy->schedule == PARCEL_GUIDED && !is_open))
        return parcel__schedule_plain(policy->schedule, bounded, n_workers,
                                      parcel__schedule_bounded(least));
    if (policy->batch_size > 0)
        return least < room ? least : room;
    return parcel__schedule_batch(bounded, stream->options.outside ? n_workers : 1,
                                  parcel__schedule_bounded(worker->of_job->last_count),
                                  worker->of_job->seconds_per_call + worker->seconds_to_pull);
}

/* The same, but each worker should find something: what may be on its way holds a block for each
 * of them, and two if nobody asked for a size, so that one runs while another is given away. */
static size_t block_length(const struct parcel__stream *stream,
                           const struct parcel__stream_worker *worker, size_t room)
{
    const struct parcel__stream_options *options = &stream->options;
    size_t most = options->window < options->pre_dispatch ? options->window : options->pre_dispatch;
    size_t blocks = (size_t)options->job.n_workers * (options->job.policy->batch_size > 0 ? 1 : 2);
    size_t share = most / blocks > 0 ? most / blocks : 1;
    size_t length = wanted_length(stream, worker, room);
    return length < share ? length : share;
}

/* ---- handing out ---- */

/* All but the first count calls of such a block are handed out on, if there is memory for that. */
static void cut_block(struct parcel__stream *stream, struct parcel__stream_block *block,
                      size_t count)
{
    if (block->lot.results->count > count)
        (void)parcel__block_give_back(stream, block, count, block->seconds_per_call);
}

/* The next count new calls, which are on their way then; NULL: there are none, or no memory for
 * them. Called with pull_mutex held. */
static struct parcel__stream_block *next_block(struct parcel__stream *stream, size_t count,
                                               enum parcel__feed_end end)
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
    parcel__window_enter(&stream->window, &block->place, block->lot.results->count);
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
        room > 0 ? next_block(stream, block_length(stream, worker, room), PARCEL__FEED_FRONT)
                 : NULL;
    if (block) {
        worker->last_pull = parcel__port_now() - start;
        worker->seconds_to_pull = worker->last_pull / (double)block->lot.results->count;
    }
    return block;
}

/* How many calls of a block that was given back a worker takes: as many as were asked for, or as
 * last for a batch. */
static size_t returned_length(const struct parcel__stream *stream,
                              const struct parcel__stream_worker *worker, size_t count)
{
    const struct parcel__policy *policy = stream->options.job.policy;
    if (policy->batch_size > 0)
        return policy->batch_size;
    if (policy->schedule == PARCEL_DYNAMIC)
        return 1;
    return parcel__schedule_batch(parcel__schedule_bounded(count), count_workers(stream),
                                  parcel__schedule_bounded(worker->of_job->last_count),
                                  worker->of_job->seconds_per_call);
}

/* Calls that another worker gave back, which measured them. */
static struct parcel__stream_block *pull_returned(struct parcel__stream *stream,
                                                  struct parcel__stream_worker *worker)
{
    struct parcel__stream_block *block = parcel__block_take_returned(stream);
    if (!block)
        return NULL;
    if (worker->of_job->seconds_per_call < block->seconds_per_call)
        worker->of_job->seconds_per_call = block->seconds_per_call;
    cut_block(stream, block, returned_length(stream, worker, block->lot.results->count));
    return block;
}

struct parcel__stream_block *parcel__feed_pull(struct parcel__stream *stream,
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

/* A list that nobody waits for in order goes elsewhere from both ends: a long call that is its
 * last would else hold all up. */
static enum parcel__feed_end turn_end(struct parcel__stream *stream)
{
    if (!parcel__stream_collects(stream))
        return PARCEL__FEED_FRONT;
    stream->is_end_next = !stream->is_end_next;
    return stream->is_end_next ? PARCEL__FEED_FRONT : PARCEL__FEED_BACK;
}

struct parcel__stream_block *parcel__feed_take(struct parcel__stream *stream, size_t count)
{
    if (pthread_mutex_trylock(&stream->pull_mutex) != 0)
        return NULL;
    struct parcel__stream_block *block = count > 0 ? parcel__block_take_returned(stream) : NULL;
    size_t room = block ? 0 : find_room(stream);
    count = block || count < room ? count : room;
    if (block)
        cut_block(stream, block, count);
    else if (count > 0)
        block = next_block(stream, count, turn_end(stream));
    pthread_mutex_unlock(&stream->pull_mutex);
    return block;
}

bool parcel__feed_has_ended(struct parcel__stream *stream)
{
    return parcel__stream_has_ended(stream) || parcel__stream_must_stop(stream);
}

/*
 * stream_source.c: a stream's blocks as what the workers of its job take.
 *
 *     take       a block from the feed, or what the worker itself has left of one
 *     idle       waits for one: for room, for the generator, for what another worker gives back
 *     give_back  cuts a block in two: the rest goes to whoever is free, or follows at once
 *     done       the block is finished, and results that are ready go on
 */
#include "stream/stream.h"

#include "stream/block.h"
#include "stream/delivery.h"
#include "stream/feed.h"
#include "stream/idle.h"

static struct parcel__stream_worker *find_own(const struct parcel__stream *stream,
                                              const struct parcel__worker *worker)
{
    return &stream->workers[parcel__job_number(&stream->job, worker)];
}

/* How many calls a worker runs before it looks at the time. Where calls turn out to be long, what
 * ran before waits for no more of them than a small part of what ran quickly. */
static size_t next_look(const struct parcel__stream_worker *own)
{
    enum { PART = 128, MOST = 256 };
    size_t part = own->n_quick / PART;
    return part < 1 ? 1 : part < MOST ? part : MOST;
}

/* Counts the calls that a worker has run since some took long. */
static void note_pace(struct parcel__stream_worker *own, const struct parcel__tally *sums)
{
    static const double slow = 1e-3;
    own->n_quick = sums->total_time > slow ? 0 : own->n_quick + sums->n_ran;
}

/* The worker has the block from here on. */
static void begin(struct parcel__stream *stream, struct parcel__worker *worker,
                  struct parcel__stream_block *block, struct parcel__batch *batch)
{
    struct parcel__stream_worker *own = find_own(stream, worker);
    block->lot.arena = parcel__block_arena(stream, block, parcel__job_number(&stream->job, worker));
    worker->look = stream->job.options.policy->is_timed ? next_look(own) : SIZE_MAX;
    *batch = (struct parcel__batch){&block->lot, 0, block->lot.results->count};
    parcel__job_make_ready(&stream->job, worker);
    parcel__job_enter_lot(&stream->job, worker, &block->lot);
    pthread_mutex_lock(&stream->mutex);
    own->block = block;
    pthread_mutex_unlock(&stream->mutex);
    parcel__job_begin_work(worker);
}

static bool take(void *state, struct parcel__worker *worker, struct parcel__batch *batch)
{
    struct parcel__stream *stream = state;
    struct parcel__stream_worker *own = find_own(stream, worker);
    struct parcel__stream_block *block = own->rest ? own->rest : parcel__feed_pull(stream, own);
    own->rest = NULL;
    if (block)
        begin(stream, worker, block, batch);
    return block != NULL;
}

static bool idle(void *state, struct parcel__worker *worker, unsigned n_idle)
{
    struct parcel__stream *stream = state;
    (void)worker;
    if (stream->options.outside)
        return stream->options.functions->attend(stream->options.outside, n_idle);
    if (parcel__idle_await(stream))
        return true;
    parcel__block_finish_returned(stream); /* of a run that was stopped */
    parcel__delivery_give(stream);
    return false;
}

/* To where the calls came from. */
static void return_to_feed(struct parcel__stream *stream, struct parcel__stream_block *block,
                           size_t at)
{
    stream->feed->put_back(stream->feed_state, block, at);
    pthread_mutex_lock(&stream->mutex);
    block->lot.results->count = at;
    pthread_mutex_unlock(&stream->mutex);
}

/* The rest of the block is not to wait for what runs: whoever is free runs it, or this worker does
 * as soon as the results of the others have gone on. */
static bool give_back(void *state, struct parcel__worker *worker, const struct parcel__batch *rest)
{
    static const double worth = 50e-6;
    struct parcel__stream *stream = state;
    struct parcel__stream_worker *own = find_own(stream, worker);
    double left = (double)rest->count * worker->seconds_per_call;
    if (stream->feed->put_back) {
        return_to_feed(stream, own->block, rest->first);
        return true;
    }
    if (left < worth && !stream->options.outside &&
        !parcel__job_runner(worker)) /* which has taken them back */
        return false;
    if (parcel__stream_shares(stream))
        return parcel__block_give_back(stream, own->block, rest->first, worker->seconds_per_call);
    own->rest = parcel__block_split(stream, own->block, rest->first);
    return own->rest != NULL;
}

static void done(void *state, struct parcel__worker *worker)
{
    struct parcel__stream *stream = state;
    struct parcel__stream_worker *own = find_own(stream, worker);
    struct parcel__stream_block *block = own->block;
    block->sums = parcel__job_take_sums(worker);
    if (block->sums.n_ran > 0)
        worker->last_count = block->sums.n_ran;
    note_pace(own, &block->sums);
    pthread_mutex_lock(&stream->mutex);
    own->block = NULL;
    pthread_mutex_unlock(&stream->mutex);
    parcel__block_finish(stream, block);
    parcel__delivery_give(stream);
    if (stream->options.outside)
        (void)stream->options.functions->attend(stream->options.outside, 0);
}

static void hold(void *state, struct parcel__worker *worker, const struct parcel__batch *batch)
{
    struct parcel__stream *stream = state;
    struct parcel__stream_worker *own = find_own(stream, worker);
    (void)batch; /* it is the whole block */
    pthread_mutex_lock(&stream->mutex);
    own->block->holder = pthread_self();
    own->block->link = stream->held;
    stream->held = own->block;
    stream->n_held++;
    own->block = NULL;
    pthread_mutex_unlock(&stream->mutex);
}

/* The block of that many calls, which is no longer held; NULL: it is not. */
static struct parcel__stream_block *remove_held(struct parcel__stream *stream, size_t index,
                                                size_t count)
{
    struct parcel__stream_block *block, **link = &stream->held;
    pthread_mutex_lock(&stream->mutex);
    while ((block = *link) != NULL && block->lot.first_index != index)
        link = &block->link;
    if (block && block->lot.results->count != count)
        block = NULL;
    if (block) {
        *link = block->link;
        stream->n_held--;
    }
    pthread_mutex_unlock(&stream->mutex);
    return block;
}

static bool release(void *state, struct parcel__worker *worker, size_t index, size_t count,
                    struct parcel__batch *batch)
{
    struct parcel__stream *stream = state;
    struct parcel__stream_block *block = remove_held(stream, index, count);
    if (block)
        begin(stream, worker, block, batch);
    return block != NULL;
}

static void stopped(void *state)
{
    struct parcel__stream *stream = state;
    pthread_mutex_lock(&stream->mutex);
    pthread_cond_broadcast(&stream->has_room);
    pthread_mutex_unlock(&stream->mutex);
}

const struct parcel__source parcel__stream_source = {
    .take = take,
    .idle = idle,
    .give_back = give_back,
    .done = done,
    .hold = hold,
    .release = release,
    .stopped = stopped,
    .patience = 1e-3,
};

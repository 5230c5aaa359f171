/*
 * block.c: the blocks of a stream: found, cut in two, handed out again, and finished.
 *
 * A block is a lot of calls that flow together: where they stand, and their results. A worker that
 * runs one gives back what it has not begun:
 *
 *     block   [ ran ........ | runs | not begun ........ ]      before
 *     block   [ ran ........ | runs ]                           ends with the call that runs
 *     rest                   [ not begun ................ ]     right behind it, in order
 */
#include "stream/block.h"

#include "ground/memory.h"
#include "job/report.h"
#include "stream/feed.h"

static struct parcel__stream_block *new_block(const struct parcel__stream *stream)
{
    struct parcel__stream_block *block = parcel__memory_new(sizeof *block);
    if (!block)
        return NULL;
    *block = (struct parcel__stream_block){.lot.results = parcel__results_new_empty(1)};
    if (block->lot.results)
        parcel__results_set_hosts(block->lot.results, stream->options.job.lot.results->hosts);
    block->calls = stream->is_generated ? parcel_calls_new() : NULL;
    atomic_init(&block->holds, 1);
    if (block->lot.results && (block->calls || !stream->is_generated))
        return block;
    parcel__stream_release(block);
    return NULL;
}

struct parcel__stream_block *parcel__block_find(struct parcel__stream *stream)
{
    struct parcel__stream_block *block;
    pthread_mutex_lock(&stream->mutex);
    while ((block = (void *)parcel__window_unqueue(&stream->window.idle)) != NULL) {
        if (atomic_load_explicit(&block->holds, memory_order_acquire) == 1)
            break;
        parcel__stream_release(block);
    }
    pthread_mutex_unlock(&stream->mutex);
    return block ? block : new_block(stream);
}

/* Makes a block of the calls of another from at on, which stay in that one's list. False: out of
 * memory. */
static bool fill_from(struct parcel__stream *stream, struct parcel__stream_block *to,
                      struct parcel__stream_block *from, size_t at)
{
    to->next = 0;
    to->walk = (struct parcel__walk){.first = 0};
    to->seconds_per_call = 0;
    to->sums = PARCEL__TALLY_NONE;
    to->lot.first_index = from->lot.first_index + at;
    to->lot.calls = from->lot.calls;
    to->lot.first_call = from->lot.first_call + at;
    to->lender = from->lot.calls == from->calls ? from : from->lender;
    if (to->lender)
        atomic_fetch_add_explicit(&to->lender->holds, 1, memory_order_relaxed);
    parcel__arena_reset(&to->lot.results->arenas[0]);
    return parcel__results_prepare(to->lot.results, to->lot.calls, to->lot.first_call,
                                   from->lot.results->count - at) &&
           (stream->options.job.control->limits->retry.most == 0 ||
            parcel__results_keep_attempts(to->lot.results));
}

/* The calls of a block from at on, in a block of their own; NULL: out of memory. */
static struct parcel__stream_block *copy_rest(struct parcel__stream *stream,
                                              struct parcel__stream_block *block, size_t at)
{
    struct parcel__stream_block *rest = parcel__block_find(stream);
    if (!rest || !fill_from(stream, rest, block, at)) {
        parcel__stream_release(rest);
        return NULL;
    }
    if (stream->feed->share)
        stream->feed->share(rest, block, at);
    return rest;
}

/* Called with the mutex held. */
static void split(struct parcel__stream *stream, struct parcel__stream_block *block,
                  struct parcel__stream_block *rest, size_t at)
{
    block->lot.results->count = at;
    parcel__window_split(&stream->window, &block->place, &rest->place, rest->lot.results->count);
}

struct parcel__stream_block *parcel__block_split(struct parcel__stream *stream,
                                                 struct parcel__stream_block *block, size_t at)
{
    struct parcel__stream_block *rest = copy_rest(stream, block, at);
    if (!rest)
        return NULL;
    pthread_mutex_lock(&stream->mutex);
    split(stream, block, rest, at);
    pthread_mutex_unlock(&stream->mutex);
    return rest;
}

/* Both at once: who sees neither a block of several calls nor one that was returned goes. */
bool parcel__block_give_back(struct parcel__stream *stream, struct parcel__stream_block *block,
                             size_t at, double seconds_per_call)
{
    struct parcel__stream_block *rest = copy_rest(stream, block, at);
    if (!rest)
        return false;
    rest->seconds_per_call = seconds_per_call;
    pthread_mutex_lock(&stream->mutex);
    split(stream, block, rest, at);
    rest->link = stream->returned;
    stream->returned = rest;
    stream->n_returned += rest->lot.results->count;
    pthread_cond_signal(&stream->has_room);
    pthread_mutex_unlock(&stream->mutex);
    return true;
}

/* A block that was given back. Called with the mutex held. */
static struct parcel__stream_block *unqueue_returned(struct parcel__stream *stream)
{
    struct parcel__stream_block *block = stream->returned;
    stream->returned = block->link;
    stream->n_returned -= block->lot.results->count;
    return block;
}

struct parcel__stream_block *parcel__block_take_returned(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    bool has_any = stream->returned && !parcel__job_is_stopped(&stream->job);
    struct parcel__stream_block *block = has_any ? unqueue_returned(stream) : NULL;
    pthread_mutex_unlock(&stream->mutex);
    return block;
}

void parcel__block_finish_returned(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    while (parcel__job_is_stopped(&stream->job) && stream->returned)
        parcel__window_finish(&stream->window, &unqueue_returned(stream)->place);
    pthread_mutex_unlock(&stream->mutex);
}

/* ---- blocks that have run ---- */

struct parcel__arena *parcel__block_arena(struct parcel__stream *stream,
                                          struct parcel__stream_block *block, int number)
{
    return parcel__stream_collects(stream) ? &stream->options.job.lot.results->arenas[number]
                                           : &block->lot.results->arenas[0];
}

/* Keeps the sentence of the first call that failed; the other is freed. */
static void note_failures(struct parcel__stream *stream, const struct parcel__stream_block *block)
{
    struct parcel__text text = {0};
    const struct parcel__lot *lot = &block->lot;
    size_t index = parcel__report_put_first(&text, lot->results, lot->calls, lot->first_call,
                                            lot->first_index);
    char *failure = parcel__text_take(&text);
    pthread_mutex_lock(&stream->mutex);
    if (index < stream->first_failure) {
        char *later = stream->failure;
        stream->failure = failure;
        stream->first_failure = index;
        failure = later;
    }
    pthread_mutex_unlock(&stream->mutex);
    parcel__memory_free(failure);
}

/* No sooner than all is noted may the results be taken. */
void parcel__block_finish(struct parcel__stream *stream, struct parcel__stream_block *block)
{
    if (block->sums.n_failed > 0)
        note_failures(stream, block);
    pthread_mutex_lock(&stream->mutex);
    parcel__tally_add(&stream->sums, &block->sums);
    parcel__window_finish(&stream->window, &block->place);
    if (stream->options.is_pulled)
        pthread_cond_signal(&stream->has_news);
    if (parcel__stream_has_ended(stream) && stream->n_waiting > 0)
        pthread_cond_broadcast(&stream->has_room); /* perhaps there is nothing to wait for */
    else if (stream->options.pre_dispatch < SIZE_MAX)
        pthread_cond_signal(&stream->has_room);
    pthread_mutex_unlock(&stream->mutex);
}

/*
 * delivery.c: how results leave a stream.
 *
 * Finished blocks are given away by one thread at a time: in order, or as they finish. A block that
 * was emptied makes room for more calls.
 */
#include "stream/delivery.h"

#include "ground/memory.h"
#include "ground/port.h"

/* Gives a block that was emptied back. Called with the mutex held. */
static void recycle(struct parcel__stream *stream, struct parcel__stream_block *block)
{
    parcel__stream_release(block->lender);
    block->lender = NULL;
    parcel__window_queue(&stream->window.idle, &block->place);
    pthread_cond_signal(&stream->has_room);
}

/* A call that was killed since the run was stopped has none, like one that did not run. */
static bool is_result(parcel_status status)
{
    return status != PARCEL_NOT_RUN && status != PARCEL_CANCELLED;
}

/* ---- into on_result ---- */

/* Says that on_result failed, and why, and wants no more. */
static void report_on_result(struct parcel__stream *stream, size_t index, const char *message)
{
    struct parcel__text text = {0};
    parcel__text_format(&text, "on_result failed at call %zu: %s", index,
                        message ? message : "out of memory");
    parcel__stream_note_error(stream, &text);
}

/* Calls on_result for each call of the block that ran, until it wants no more. */
static void push(struct parcel__stream *stream, struct parcel__stream_block *block)
{
    const struct parcel__stream_options *options = &stream->options;
    struct parcel_current_call *before = parcel__stream_enter(&stream->delivering);
    parcel_record *record = &block->walk.record;
    bool failed, goes_on = true;
    for (size_t i = 0; i < block->lot.results->count && goes_on; i++) {
        parcel__results_walk(block->lot.results, i, &block->walk);
        if (!is_result(record->status))
            continue;
        record->index = stream->delivering.running.index = block->lot.first_index + i;
        goes_on = options->on_result(options->on_result_state, record->index,
                                     parcel_results_value(block->lot.results, i), record) &&
                  !parcel__stream_has_failed(&stream->delivering);
    }
    char *message = parcel__stream_leave(&stream->delivering, before, &failed);
    stream->is_refused = !goes_on;
    if (failed)
        report_on_result(stream, stream->delivering.running.index, message);
    if (!goes_on)
        parcel__stream_stop(stream);
    parcel__memory_free(message);
}

/* ---- giving away ---- */

static void keep(struct parcel__stream *stream, struct parcel__stream_block *block)
{
    pthread_mutex_lock(&stream->keep_mutex);
    parcel__results_place(stream->options.job.lot.results, block->lot.first_index,
                          block->lot.results);
    pthread_mutex_unlock(&stream->keep_mutex);
}

static void give_away(struct parcel__stream *stream, struct parcel__stream_block *block)
{
    if (parcel__stream_gives(stream))
        stream->options.functions->give(stream->options.outside, block);
    else if (stream->options.on_result && !stream->is_refused)
        push(stream, block);
    else if (parcel__stream_collects(stream))
        keep(stream, block);
    parcel__results_release_all(block->lot.results);
}

void parcel__delivery_give(struct parcel__stream *stream)
{
    struct parcel__stream_block *block;
    pthread_mutex_lock(&stream->mutex);
    if (stream->is_delivering || stream->options.is_pulled) {
        pthread_mutex_unlock(&stream->mutex);
        return;
    }
    stream->is_delivering = true;
    while ((block = (void *)parcel__window_unqueue(&stream->window.ready)) != NULL) {
        pthread_mutex_unlock(&stream->mutex);
        give_away(stream, block);
        pthread_mutex_lock(&stream->mutex);
        parcel__window_take(&stream->window, block->place.count);
        recycle(stream, block);
    }
    stream->is_delivering = false;
    pthread_mutex_unlock(&stream->mutex);
}

/* ---- pulling ---- */

/* The next result of the block that ran; false: none is left. Each that is passed is taken. */
static bool next_of(struct parcel__stream *stream, struct parcel__stream_block *block,
                    size_t *index)
{
    while (block->next < block->lot.results->count) {
        *index = block->next++;
        parcel__window_take(&stream->window, 1);
        pthread_cond_signal(&stream->has_room);
        if (is_result(parcel_results_status(block->lot.results, *index)))
            return true;
    }
    return false;
}

/* A cancel would leave the mutex locked. */
static void await_news(struct parcel__stream *stream)
{
    int cancel = parcel__port_hold_cancel();
    pthread_cond_wait(&stream->has_news, &stream->mutex);
    parcel__port_release_cancel(cancel);
}

struct parcel__stream_block *parcel__delivery_next(struct parcel__stream *stream, size_t *index)
{
    struct parcel__stream_block *block;
    pthread_mutex_lock(&stream->mutex);
    while ((block = (void *)stream->window.ready.first) != NULL || !stream->is_over) {
        if (!block) {
            await_news(stream);
        } else if (next_of(stream, block, index)) {
            atomic_fetch_add_explicit(&block->holds, 1, memory_order_relaxed);
            stream->n_used++;
            break;
        } else {
            parcel__window_unqueue(&stream->window.ready);
            recycle(stream, block);
        }
    }
    pthread_mutex_unlock(&stream->mutex);
    return block;
}

bool parcel__delivery_is_complete(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    bool is_complete =
        parcel__stream_has_ended(stream) && stream->n_used == parcel__stream_count_pulled(stream);
    pthread_mutex_unlock(&stream->mutex);
    return is_complete;
}

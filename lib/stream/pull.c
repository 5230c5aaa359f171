/*
 * pull.c: a stream that runs in a thread of its own while its results are pulled.
 *
 * The results belong to the thread that pulls: what the run found out is written into them when it
 * is over and its thread has been joined, at the end or when the stream is closed. Who else has
 * a part in the run is told as soon as it is over.
 */
#include "stream/pull.h"

#include "ground/memory.h"
#include "ground/port.h"
#include "stream/delivery.h"

struct parcel__pull {
    struct parcel__stream stream;
    struct parcel__pull_owner owner;
    pthread_t thread;
    int process; /* that has the thread: one forked from it has a copy that nobody serves */
    parcel_results *ending; /* what became of the run; written by the thread */
    bool has_ended;         /* the thread was joined, the results are settled */
    bool is_closed;
};

static void *run(void *argument)
{
    struct parcel__pull *pulled = argument;
    parcel__stream_run(&pulled->stream, pulled->owner.run, pulled->owner.context);
    parcel__stream_settle(&pulled->stream, pulled->ending);
    pulled->owner.over(pulled->owner.context, pulled->ending);
    return NULL;
}

static void close_pulled(struct parcel__pull *pulled)
{
    parcel__stream_close(&pulled->stream);
    parcel__results_free(pulled->ending);
    parcel__memory_free(pulled);
}

const char *parcel__pull_start(parcel_results *results,
                               const struct parcel__stream_options *options,
                               const struct parcel__pull_owner *owner)
{
    struct parcel__pull *pulled =
        parcel__memory_new_aligned(_Alignof(struct parcel__pull), sizeof *pulled);
    if (!pulled)
        return "out of memory";
    pulled->owner = *owner;
    pulled->process = parcel__port_pid();
    pulled->has_ended = pulled->is_closed = false;
    pulled->ending = parcel__results_new_empty(1);
    if (!pulled->ending || !parcel__stream_open(&pulled->stream, options)) {
        parcel__results_free(pulled->ending);
        parcel__memory_free(pulled);
        return "out of memory";
    }
    if (pthread_create(&pulled->thread, NULL, run, pulled) == 0) {
        results->pulled = pulled;
        return NULL;
    }
    close_pulled(pulled);
    return "the system gives no thread for a stream";
}

/* Waits for the run, whose results are then as those of any other. */
static void end(parcel_results *results)
{
    struct parcel__pull *pulled = results->pulled;
    if (pulled->has_ended)
        return;
    int cancel = parcel__port_hold_cancel();
    pthread_join(pulled->thread, NULL);
    pulled->has_ended = true;
    parcel__results_take_ending(results, pulled->ending);
    pulled->owner.ended(pulled->owner.context);
    parcel__port_release_cancel(cancel);
}

/* True of a stream that another process runs, which forked this one. */
static bool is_elsewhere(const struct parcel__pull *pulled)
{
    return !pulled->has_ended && pulled->process != parcel__port_pid();
}

static bool is_pulled(const parcel_results *results)
{
    return results && results->pulled && !is_elsewhere(results->pulled) &&
           !parcel__stream_is_around(&results->pulled->stream);
}

/* Why the stream of another process ends here. */
static void refuse_copy(parcel_results *results)
{
    if (!results->error)
        parcel__results_set_error(
            results, parcel__memory_copy_string("this process was forked from the one that runs "
                                                "the stream, which alone has its results"));
}

bool parcel_results_next(parcel_results *results, parcel_result *result)
{
    size_t i;
    if (!result)
        return false;
    *result = (parcel_result){.value = parcel_value_none()};
    if (results && results->pulled && is_elsewhere(results->pulled))
        refuse_copy(results);
    if (!is_pulled(results) || results->pulled->is_closed)
        return false;
    struct parcel__stream_block *block = parcel__delivery_next(&results->pulled->stream, &i);
    if (!block) {
        end(results);
        return false;
    }
    parcel__results_walk(block->lot.results, i, &block->walk);
    result->record = block->walk.record;
    result->index = result->record.index = block->lot.first_index + i;
    result->value = parcel_results_value(block->lot.results, i);
    result->parcel__hold = block;
    /* Other processes are free for the next run then, even if nobody asks for one result more. */
    if (results->pulled->stream.options.outside &&
        parcel__delivery_is_complete(&results->pulled->stream))
        end(results);
    return true;
}

void parcel_result_free(parcel_result *result)
{
    if (!result || !result->parcel__hold)
        return;
    struct parcel__stream_block *block = result->parcel__hold;
    parcel__results_release(block->lot.results, result->index - block->lot.first_index);
    parcel__stream_release(block);
    *result = (parcel_result){.value = parcel_value_none()};
}

static void set(size_t *place, size_t number)
{
    if (place)
        *place = number;
}

/* Adds what became of the results to the warnings. */
static void warn(parcel_results *results, size_t used, size_t unused, size_t cancelled)
{
    struct parcel__text text = {0};
    parcel__text_format(&text,
                        "the stream was closed early: %zu result%s used, %zu %s not used, and "
                        "%zu call%s did not run\n",
                        used, used == 1 ? " was" : "s were", unused, unused == 1 ? "was" : "were",
                        cancelled, cancelled == 1 ? "" : "s");
    parcel__results_warn(results, &text);
}

static bool close_early(parcel_results *results, size_t *used, size_t *unused, size_t *cancelled)
{
    if (results && results->pulled && is_elsewhere(results->pulled))
        refuse_copy(results);
    if (!is_pulled(results))
        return false;
    struct parcel__pull *pulled = results->pulled;
    struct parcel__stream *stream = &pulled->stream;
    bool is_early = !pulled->has_ended;
    if (is_early)
        parcel__stream_stop(stream);
    end(results);
    size_t n_missing = parcel__stream_missing(stream);
    set(used, stream->n_used);
    set(unused, stream->sums.n_ran - stream->n_used);
    set(cancelled, n_missing);
    if (is_early && stream->sums.n_ran - stream->n_used + n_missing > 0)
        warn(results, stream->n_used, stream->sums.n_ran - stream->n_used, n_missing);
    pulled->is_closed = true;
    return true;
}

bool parcel_results_close(parcel_results *results, size_t *used, size_t *unused, size_t *cancelled)
{
    int cancel = parcel__port_hold_cancel();
    bool is_closed = close_early(results, used, unused, cancelled);
    parcel__port_release_cancel(cancel);
    return is_closed;
}

void parcel_results_free(parcel_results *results)
{
    if (results && results->pulled) {
        if (!parcel_results_close(results, NULL, NULL, NULL))
            return; /* in one of its own calls, or another process's: it cannot be waited for */
        close_pulled(results->pulled);
    }
    parcel__results_free(results);
}

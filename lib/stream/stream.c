/*
 * stream.c: a run whose calls flow in blocks.
 *
 *     list, generator      feed          job's workers         window           delivery
 *     or elsewhere    -->  fills a  -->  take it from the  -->  finished,  -->  on_result, results,
 *                          block         source, and run it    in order        or who pulls
 *                            ^                                                     |
 *                            +------------------ emptied, to be used again --------+
 *
 * A block is at one of these places at a time, and in one queue of the window at most; the queues
 * change with the mutex held. Here stands what the places share: how the run ends early, how the
 * user's functions are called, and what became of the run.
 */
#include "stream/stream.h"

#include <assert.h>
#include <string.h>

#include "calls/calls.h"
#include "ground/memory.h"
#include "ground/port.h"
#include "job/report.h"
#include "job/wake.h"
#include "options/scope.h"
#include "stream/feed.h"

/* ---- ending early ---- */

void parcel__stream_stop(struct parcel__stream *stream)
{
    parcel__job_stop(&stream->job, PARCEL__BY_STREAM);
}

void parcel__stream_ask_locked(struct parcel__stream *stream)
{
    for (int i = 0; i < stream->options.job.n_workers; i++)
        if (stream->workers[i].block && stream->workers[i].block->lot.results->count > 1)
            parcel__job_ask(&stream->job, i);
}

void parcel__stream_ask(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    parcel__stream_ask_locked(stream);
    pthread_mutex_unlock(&stream->mutex);
}

void parcel__stream_note_error(struct parcel__stream *stream, struct parcel__text *text)
{
    char *error = parcel__text_take(text);
    pthread_mutex_lock(&stream->mutex);
    bool is_first = !stream->error && !stream->is_out_of_memory;
    if (is_first) {
        stream->error = error;
        stream->is_out_of_memory = !error;
    }
    pthread_mutex_unlock(&stream->mutex);
    if (!is_first)
        parcel__memory_free(error);
}

void parcel__stream_run_out_of_memory(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    stream->is_out_of_memory = true;
    pthread_mutex_unlock(&stream->mutex);
    parcel__stream_stop(stream);
}

bool parcel__stream_must_stop(struct parcel__stream *stream)
{
    return parcel__job_must_stop(&stream->job);
}

/* ---- the user's functions ---- */

struct parcel_current_call *parcel__stream_enter(struct parcel_current_call *current)
{
    current->around = parcel__current_get();
    current->worker = parcel_worker();
    (void)parcel__floating_set(&current->job->options.floating);
    return parcel__current_enter(current);
}

char *parcel__stream_leave(struct parcel_current_call *current, struct parcel_current_call *before,
                           bool *failed)
{
    unsigned events = __atomic_exchange_n(&current->running.events, 0, __ATOMIC_ACQUIRE);
    parcel__current_leave(before);
    parcel__scope_close_all(current->scopes);
    current->scopes = NULL;
    if (events & PARCEL__EVENT_FORKED)
        parcel__job_end_copy(current->job);
    *failed = events & PARCEL__EVENT_FAILED;
    return *failed ? parcel__current_take_message(current) : NULL;
}

/* ---- blocks ---- */

static void free_block(struct parcel__stream_block *block)
{
    parcel__stream_release(block->lender);
    parcel_calls_free(block->calls);
    parcel__results_free(block->lot.results);
    parcel__memory_free(block);
}

void parcel__stream_release(struct parcel__stream_block *block)
{
    if (block && atomic_fetch_sub_explicit(&block->holds, 1, memory_order_acq_rel) == 1)
        free_block(block);
}

/* ---- opening and closing ---- */

static void initialise_current(struct parcel__stream *stream, struct parcel_current_call *current)
{
    *current = (struct parcel_current_call){.control = stream->options.job.control,
                                            .nest = &stream->options.job.nest,
                                            .is_stopped = &stream->job.is_stopped,
                                            .job = &stream->job};
    atomic_init(&current->message, NULL);
}

static void find_feed(struct parcel__stream *stream)
{
    const struct parcel__stream_options *options = &stream->options;
    stream->feed = stream->is_generated ? &parcel__feed_generator : &parcel__feed_list;
    stream->feed_state = stream;
    if (!options->outside || !options->functions->feed)
        return;
    stream->feed = options->functions->feed;
    stream->feed_state = options->outside;
}

/* Its lot is nobody's to take: the workers take blocks. False: out of memory. */
static bool open_job(struct parcel__stream *stream)
{
    struct parcel__job_options options = stream->options.job;
    options.lot.results = stream->totals;
    options.source = &parcel__stream_source;
    options.source_state = stream;
    options.is_part = options.n_workers > 1 || stream->options.is_pulled || stream->options.outside;
    return parcel__job_open(&stream->job, &options);
}

bool parcel__stream_open(struct parcel__stream *stream,
                         const struct parcel__stream_options *options)
{
    size_t n_workers = (size_t)options->job.n_workers;
    assert((uintptr_t)stream % _Alignof(struct parcel__stream) == 0); /* its job has cache lines */
    *stream = (struct parcel__stream){.options = *options,
                                      .is_generated = parcel__calls_are_generated(options->calls),
                                      .count = parcel_calls_count(options->calls),
                                      .window = {.in_order = options->in_order,
                                                 .most_waiting = options->window,
                                                 .most_ahead = options->pre_dispatch},
                                      .sums = PARCEL__TALLY_NONE,
                                      .first_failure = SIZE_MAX};
    find_feed(stream);
    initialise_current(stream, &stream->asking);
    initialise_current(stream, &stream->delivering);
    pthread_mutex_init(&stream->pull_mutex, NULL);
    pthread_mutex_init(&stream->keep_mutex, NULL);
    pthread_mutex_init(&stream->mutex, NULL);
    parcel__port_open_condition(&stream->has_room);
    pthread_cond_init(&stream->has_news, NULL);
    atomic_init(&stream->has_ended, stream->feed == &parcel__feed_list && stream->count == 0);
    stream->workers = parcel__memory_new(n_workers * sizeof *stream->workers);
    stream->totals = parcel__results_new_empty(options->job.n_workers);
    if (stream->workers && stream->totals && open_job(stream)) {
        memset(stream->workers, 0, n_workers * sizeof *stream->workers);
        for (size_t i = 0; i < n_workers; i++)
            stream->workers[i].of_job = &stream->job.workers[i];
        return true;
    }
    parcel__stream_close(stream);
    return false;
}

static void free_queue(struct parcel__queue *queue)
{
    struct parcel__place *place;
    while ((place = parcel__window_unqueue(queue)) != NULL)
        parcel__stream_release((void *)place);
}

void parcel__stream_close(struct parcel__stream *stream)
{
    free_queue(&stream->window.running);
    free_queue(&stream->window.ready);
    free_queue(&stream->window.idle);
    pthread_mutex_destroy(&stream->pull_mutex);
    pthread_mutex_destroy(&stream->keep_mutex);
    pthread_mutex_destroy(&stream->mutex);
    pthread_cond_destroy(&stream->has_room);
    pthread_cond_destroy(&stream->has_news);
    parcel__job_free(&stream->job);
    parcel__memory_free(stream->workers);
    parcel__results_free(stream->totals);
    parcel__memory_free(stream->failure);
    parcel__memory_free(stream->error);
}

/* ---- running ---- */

/* A batch that a backend took and never spoke of again is lost. */
static void lose_held(struct parcel__stream *stream)
{
    struct parcel__worker *worker = &stream->job.workers[0];
    struct parcel__batch batch;
    while (stream->held) {
        const struct parcel__lot *lot = &stream->held->lot;
        if (parcel__stream_source.release(stream, worker, lot->first_index, lot->results->count,
                                          &batch))
            parcel__job_lose(&stream->job, worker, &batch, parcel__job_dropped);
    }
}

/* The backend is not to return before all calls have run, but when something stopped the run, which
 * would say why. */
static void check_backend(struct parcel__stream *stream)
{
    struct parcel__text text = {0};
    if (parcel__stream_has_ended(stream) || parcel__job_is_stopped(&stream->job))
        return;
    parcel__text_put(&text, parcel__job_has_begun(&stream->job)
                                ? "the backend returned before all calls had run"
                                : "the backend returned without running any worker");
    parcel__stream_note_error(stream, &text);
}

void parcel__stream_run(struct parcel__stream *stream,
                        void (*run)(void *context, struct parcel_job *job), void *context)
{
    parcel__wake_note(&stream->job); /* it may run in another thread than that which opened it */
    if (!parcel__stream_has_ended(stream))
        run(context, &stream->job);
    lose_held(stream);
    parcel__job_settle(&stream->job);
    check_backend(stream);
    pthread_mutex_lock(&stream->mutex);
    parcel__tally_add(&stream->totals->sums, &stream->sums);
    stream->is_over = true;
    pthread_cond_broadcast(&stream->has_news);
    pthread_mutex_unlock(&stream->mutex);
}

bool parcel__stream_has_free_worker(struct parcel__stream *stream)
{
    bool found = false;
    pthread_mutex_lock(&stream->mutex);
    for (int i = 0; !found && i < stream->options.job.n_workers; i++)
        found = !stream->workers[i].block;
    pthread_mutex_unlock(&stream->mutex);
    return found;
}

size_t parcel__stream_count_ran(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    size_t n_ran = stream->sums.n_ran;
    pthread_mutex_unlock(&stream->mutex);
    return n_ran;
}

/* ---- what became of the run ---- */

size_t parcel__stream_missing(const struct parcel__stream *stream)
{
    return (stream->is_generated ? parcel__stream_count_pulled(stream) : stream->count) -
           stream->sums.n_ran;
}

/* The error that ended the run, else what became of its calls. Of a generator nobody knows how many
 * calls it would have given. */
static void report(struct parcel__stream *stream, parcel_results *results)
{
    const struct parcel__control *control = stream->options.job.control;
    size_t n_calls = stream->is_generated ? SIZE_MAX : stream->count;
    bool is_whole = parcel__stream_has_ended(stream) && stream->sums.n_ran == results->count;
    struct parcel__text text = {0};
    if (stream->error) {
        parcel__results_set_error(results, stream->error);
        stream->error = NULL;
        return;
    }
    if (stream->is_out_of_memory)
        parcel__report_put_shortage(&text, stream->sums.n_ran, n_calls);
    else if (!is_whole && parcel__control_is_error(control))
        parcel__control_put_stop(&text, control, stream->sums.n_ran, n_calls);
    if (stream->totals->sums.n_failed > 0) {
        parcel__report_put_failures(&text, stream->totals->sums.n_failed, results->count);
        parcel__text_put(&text, stream->failure ? stream->failure : "out of memory");
    }
    parcel__report_set(results, &text);
}

void parcel__stream_settle(struct parcel__stream *stream, parcel_results *results)
{
    size_t count = stream->is_generated ? parcel__stream_count_pulled(stream) : stream->count;
    bool is_whole = !parcel__stream_collects(stream) || parcel__results_extend(results, count);
    if (!is_whole)
        stream->is_out_of_memory = true;
    if (is_whole || !results->marks) /* else those that have no record did not run */
        results->count = count;
    if (stream->is_out_of_memory)
        results->why_not_run = "not started: out of memory";
    parcel__results_copy_sums(results, stream->totals);
    report(stream, results);
}

bool parcel__stream_is_around(struct parcel__stream *stream)
{
    bool found = false;
    const struct parcel_current_call *current = parcel__current_get();
    for (; current && !found; current = current->around)
        found = current->job == &stream->job;
    return found;
}

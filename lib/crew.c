/*
 * crew.c: the workers of a stream.
 *
 * A worker takes a block, runs it as a job of its own, and says that it is finished. Other ranks
 * run blocks too: what became of those is noted alike.
 */
#include "crew.h"

#include "calls.h"
#include "delivery.h"
#include "intake.h"
#include "memory.h"

/* ---- what ran ---- */

/* "call 3, root(-1): root of a negative number: -1", of the first call that failed. */
static char *first_failure(const struct parcel__stream_block *block, const parcel_calls *calls,
                           size_t first_call, size_t *index)
{
    struct parcel__text text = {0};
    size_t i = parcel__results_first_failure(block->results);
    *index = block->first + i;
    parcel__calls_put_call(&text, calls, first_call + i, *index);
    parcel__text_format(&text, ": %s", parcel_results_message(block->results, i));
    return parcel__text_take(&text);
}

static void note_failures(struct parcel__stream *stream, const struct parcel__stream_block *block,
                          const struct parcel__job_options *options)
{
    size_t index;
    char *failure = first_failure(block, options->calls, options->first_call, &index);
    pthread_mutex_lock(&stream->mutex);
    stream->totals->failures += block->results->failures;
    if (index < stream->first_failure) {
        char *later = stream->failure;
        stream->failure = failure;
        stream->first_failure = index;
        failure = later;
    }
    if (!stream->options.job.collect)
        parcel__stream_stop_locked(stream);
    pthread_mutex_unlock(&stream->mutex);
    parcel__memory_free(failure);
}

/* Called with the mutex held. */
static void add_sums(struct parcel__stream *stream, const struct parcel__sums *sums)
{
    stream->n_ran += sums->n_ran;
    stream->totals->total_time += sums->total_time;
    if (sums->longest <= stream->longest)
        return;
    stream->longest = sums->longest;
    stream->totals->slowest = sums->slowest;
}

static void finish_block(struct parcel__stream *stream, struct parcel__stream_block *block)
{
    pthread_mutex_lock(&stream->mutex);
    parcel__window_finish(&stream->window, &block->place);
    if (stream->options.is_pulled)
        pthread_cond_signal(&stream->has_news);
    if (stream->options.pre_dispatch < SIZE_MAX)
        pthread_cond_signal(&stream->has_room);
    pthread_mutex_unlock(&stream->mutex);
}

/* ---- a block ---- */

/* The team's stop reaches the block's job from here on. */
static void begin_block(struct parcel__stream *stream, int number, struct parcel_job *job)
{
    struct parcel__stream_worker *worker = &stream->workers[number];
    parcel__job_make_ready(job, &job->workers[0]);
    job->workers[0].openmp = stream->team->workers[number].openmp;
    job->workers[0].last_count = worker->last_count;
    job->workers[0].seconds_per_call = worker->seconds_per_call;
    pthread_mutex_lock(&stream->mutex);
    worker->block = job;
    job->start = stream->team->start;
    parcel__job_carry(job, 0, parcel__job_carrier(&stream->team->workers[number]));
    if (stream->is_stopped)
        parcel__job_stop(job, PARCEL__BY_STREAM);
    pthread_mutex_unlock(&stream->mutex);
}

/* No sooner than all is noted may the results be taken. */
static void end_block(struct parcel__stream *stream, struct parcel__stream_worker *worker,
                      struct parcel__stream_block *block, const struct parcel_job *job)
{
    const struct parcel__worker *measured = &job->workers[0];
    worker->last_count = measured->last_count;
    worker->seconds_per_call = measured->seconds_per_call;
    block->sums = (struct parcel__sums){measured->n_done, measured->total_time, measured->longest,
                                        job->options.first_index + measured->slowest};
    pthread_mutex_lock(&stream->mutex);
    worker->block = NULL;
    add_sums(stream, &block->sums);
    pthread_mutex_unlock(&stream->mutex);
}

/* Others run what is left of a block whose worker was asked. */
static void yield(struct parcel__stream *stream, struct parcel__stream_block *block)
{
    const struct parcel__stream_options *options = &stream->options;
    size_t count = block->results->count, ran = count;
    while (ran > 0 && parcel_results_status(block->results, ran - 1) == PARCEL_NOT_RUN)
        ran--;
    if (ran == count)
        return;
    if (options->functions->put_back) {
        options->functions->put_back(options->exchange, block, ran);
        block->results->count = ran;
    } else if (!parcel__intake_split(stream, block, ran)) {
        parcel__stream_run_out_of_memory(stream);
        block->results->count = ran;
    }
}

/* Runs a block as a job with one worker, which has the number of the team's. */
static void run_block(struct parcel__stream *stream, int number, struct parcel__stream_block *block)
{
    struct parcel__stream_worker *worker = &stream->workers[number];
    struct parcel__job_options options = stream->options.job;
    struct parcel_job job;
    if (parcel__stream_collects(stream))
        options.arena = &options.results->arenas[number];
    options.calls = block->list;
    options.results = block->results;
    options.n_workers = 1;
    options.first_index = block->first;
    options.first_call = block->first_call;
    options.first_worker += number;
    options.yields = stream->options.exchange != NULL;
    if (!parcel__job_open(&job, &options)) { /* one worker needs no memory */
        parcel__stream_run_out_of_memory(stream);
        return;
    }
    begin_block(stream, number, &job);
    parcel__job_run_block(&job);
    end_block(stream, worker, block, &job);
    if (options.yields && !parcel__job_is_stopped(&job))
        yield(stream, block);
    parcel__job_close(&job);
    if (block->results->failures > 0)
        note_failures(stream, block, &options);
    if (parcel__control_reason(options.control) != PARCEL__GOES_ON)
        parcel__stream_stop(stream); /* whatever stopped the block stops the run */
}

/* ---- the team ---- */

static bool run_next(struct parcel__stream *stream, int number)
{
    struct parcel__stream_block *block = parcel__intake_pull(stream, &stream->workers[number]);
    if (!block)
        return false;
    run_block(stream, number, block);
    finish_block(stream, block);
    parcel__delivery_give(stream);
    return true;
}

/* What each worker of the team does. */
static void work(void *state, int number)
{
    struct parcel__stream *stream = state;
    const struct parcel__stream_options *options = &stream->options;
    unsigned n_idle = 0;
    if (!options->exchange)
        while (run_next(stream, number))
            ;
    else
        do
            n_idle = run_next(stream, number) ? 0 : n_idle + 1;
        while (options->functions->attend(options->exchange, n_idle));
}

static void set_team(struct parcel__stream *stream, struct parcel_job *team)
{
    pthread_mutex_lock(&stream->mutex);
    stream->team = team;
    if (stream->is_stopped && team)
        parcel__job_stop(team, PARCEL__BY_STREAM);
    pthread_mutex_unlock(&stream->mutex);
}

static void run_team(struct parcel__stream *stream, struct parcel_job *team,
                     void (*run)(void *context, struct parcel_job *job), void *context)
{
    struct parcel__text text = {0};
    stream->asking.is_stopped = stream->delivering.is_stopped = &team->is_stopped;
    stream->asking.job = stream->delivering.job = team;
    set_team(stream, team);
    if (!parcel__stream_has_ended(stream))
        run(context, team);
    set_team(stream, NULL);
    parcel__job_close(team);
    if (stream->has_begun || parcel__stream_has_ended(stream))
        return;
    parcel__text_put(&text,
                     "the backend hands out batches itself (parcel_job_next), which streams, "
                     "on_result and generators do not support");
    parcel__stream_note_error(stream, &text);
}

void parcel__crew_run(struct parcel__stream *stream,
                      void (*run)(void *context, struct parcel_job *job), void *context)
{
    struct parcel_job team;
    struct parcel__job_options options = stream->options.job;
    options.calls = stream->options.calls;
    options.results = stream->totals;
    options.watcher.completed = NULL;
    options.work = work;
    options.work_state = stream;
    if (parcel__job_open(&team, &options))
        run_team(stream, &team, run, context);
    else
        parcel__stream_run_out_of_memory(stream);
    pthread_mutex_lock(&stream->mutex);
    stream->is_over = true;
    pthread_cond_broadcast(&stream->has_news);
    pthread_mutex_unlock(&stream->mutex);
}

/* ---- the workers ---- */

bool parcel__crew_has_free_worker(struct parcel__stream *stream)
{
    bool found = false;
    pthread_mutex_lock(&stream->mutex);
    for (int i = 0; !found && i < stream->options.job.n_workers; i++)
        found = !stream->workers[i].block;
    pthread_mutex_unlock(&stream->mutex);
    return found;
}

void parcel__crew_ask(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    for (int i = 0; i < stream->options.job.n_workers; i++)
        if (stream->workers[i].block)
            parcel__job_ask(stream->workers[i].block);
    pthread_mutex_unlock(&stream->mutex);
}

/* ---- calls that run on other ranks ---- */

void parcel__crew_finish(struct parcel__stream *stream, struct parcel__stream_block *block)
{
    struct parcel__job_options options = stream->options.job;
    options.calls = block->list;
    options.first_call = block->first_call;
    pthread_mutex_lock(&stream->mutex);
    add_sums(stream, &block->sums);
    pthread_mutex_unlock(&stream->mutex);
    if (block->results->failures > 0)
        note_failures(stream, block, &options);
    finish_block(stream, block);
}

struct parcel__arena *parcel__crew_arena(struct parcel__stream *stream,
                                         struct parcel__stream_block *block, int number)
{
    return parcel__stream_collects(stream) ? &stream->options.job.results->arenas[number]
                                           : &block->results->arenas[0];
}

size_t parcel__crew_count_ran(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    size_t n_ran = stream->n_ran;
    pthread_mutex_unlock(&stream->mutex);
    return n_ran;
}

void parcel__crew_count(struct parcel__stream *stream, size_t failed, size_t succeeded)
{
    struct parcel__control *control = stream->options.job.control;
    enum parcel__reason reason = PARCEL__GOES_ON;
    pthread_mutex_lock(&stream->mutex);
    if (stream->team && failed + succeeded > 0)
        reason = parcel__job_weigh(stream->team, failed, succeeded);
    if (reason != PARCEL__GOES_ON)
        parcel__control_stop(control, reason);
    if (parcel__control_reason(control) != PARCEL__GOES_ON)
        parcel__stream_stop_locked(stream);
    pthread_mutex_unlock(&stream->mutex);
}

/*
 * crew.c: the workers of a stream.
 *
 * A worker takes a block, runs it as a job of its own, and says that it is finished. Other
 * processes run blocks too: what became of those is noted alike.
 */
#include "stream/crew.h"

#include "calls/calls.h"
#include "stream/delivery.h"
#include "stream/block.h"
#include "stream/feed.h"
#include "ground/memory.h"
#include "job/report.h"

/* ---- what ran ---- */

static void note_failures(struct parcel__stream *stream, const struct parcel__stream_block *block,
                          const struct parcel__job_options *options)
{
    struct parcel__text text = {0};
    size_t index = parcel__report_put_first(&text, block->results, options->calls,
                                            options->first_call, block->first);
    char *failure = parcel__text_take(&text);
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
static void add_sums(struct parcel__stream *stream, const struct parcel__tally *sums)
{
    stream->n_ran += sums->n_ran;
    stream->totals->total_time += sums->total_time;
    stream->totals->waited += sums->waited;
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
    if (parcel__stream_has_ended(stream) && stream->n_waiting > 0)
        pthread_cond_broadcast(&stream->has_room); /* perhaps there is nothing to wait for */
    else if (stream->options.pre_dispatch < SIZE_MAX)
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
    parcel__job_set_runner(job, 0, parcel__job_runner(&stream->team->workers[number]));
    if (stream->is_stopped)
        parcel__job_stop(job, PARCEL__BY_STREAM);
    pthread_mutex_unlock(&stream->mutex);
}

/* Counts the calls that a worker has run since some took long. */
static void note_pace(struct parcel__stream_worker *worker, const struct parcel__worker *measured)
{
    static const double slow = 1e-3;
    worker->n_quick = measured->total_time > slow ? 0 : worker->n_quick + measured->n_done;
}

/* No sooner than all is noted may the results be taken. */
static void end_block(struct parcel__stream *stream, struct parcel__stream_worker *worker,
                      struct parcel__stream_block *block, const struct parcel_job *job)
{
    const struct parcel__worker *measured = &job->workers[0];
    if (measured->n_done > 0)
        worker->last_count = measured->n_done;
    worker->seconds_per_call = measured->seconds_per_call;
    note_pace(worker, measured);
    block->sums = (struct parcel__tally){.n_ran = measured->n_done,
                                         .total_time = measured->total_time,
                                         .waited = parcel__job_waited(measured),
                                         .longest = measured->longest,
                                         .slowest = job->options.first_index + measured->slowest};
    pthread_mutex_lock(&stream->mutex);
    worker->block = NULL;
    add_sums(stream, &block->sums);
    pthread_mutex_unlock(&stream->mutex);
}

/* A block that a worker runs. */
struct stint {
    struct parcel__stream *stream;
    struct parcel__stream_worker *worker;
    struct parcel__stream_block *block;
    const struct parcel_job *job;
};

/* To where the calls came from. */
static void put_back(struct parcel__stream *stream, struct parcel__stream_block *block, size_t at)
{
    stream->options.functions->put_back(stream->options.outside, block, at);
    pthread_mutex_lock(&stream->mutex);
    block->results->count = at;
    pthread_mutex_unlock(&stream->mutex);
}

/* The calls of the block from place on were not begun, and are not to wait for the others: whoever
 * is free runs them, or this worker does as soon as the results of the others have gone on. */
static bool give_back(void *state, size_t place)
{
    static const double worth = 50e-6;
    struct stint *stint = state;
    struct parcel__stream *stream = stint->stream;
    double seconds = stint->job->workers[0].seconds_per_call;
    double left = (double)(stint->block->results->count - place) * seconds;
    if (stream->options.outside && stream->options.functions->put_back) {
        put_back(stream, stint->block, place);
        return true;
    }
    if (left < worth && !stream->options.outside &&
        !parcel__job_runner(&stint->job->workers[0])) /* which has taken them back */
        return false;
    if (parcel__stream_shares(stream))
        return parcel__block_give_back(stream, stint->block, place, seconds);
    stint->worker->rest = parcel__block_split(stream, stint->block, place);
    return stint->worker->rest != NULL;
}

/* How many calls a worker runs before it looks at the time. Where calls turn out to be long, what
 * ran before waits for no more of them than a small part of what ran quickly. */
static size_t next_look(const struct parcel__stream_worker *worker)
{
    enum { PART = 128, MOST = 256 };
    size_t part = worker->n_quick / PART;
    return part < 1 ? 1 : part < MOST ? part : MOST;
}

/* Runs a block as a job with one worker, which has the number of the team's. */
static void run_block(struct parcel__stream *stream, int number, struct parcel__stream_block *block)
{
    struct parcel__stream_worker *worker = &stream->workers[number];
    struct parcel__job_options options = stream->options.job;
    struct parcel_job job;
    struct stint stint = {stream, worker, block, &job};
    if (parcel__stream_collects(stream))
        options.arena = &options.results->arenas[number];
    options.calls = block->list;
    options.results = block->results;
    options.n_workers = 1;
    options.first_index = block->first;
    options.first_call = block->first_call;
    options.first_worker += number;
    options.give_back = give_back;
    options.give_back_state = &stint;
    options.look = options.is_timed ? next_look(worker) : SIZE_MAX;
    if (!parcel__job_open(&job, &options)) { /* one worker needs no memory */
        parcel__stream_run_out_of_memory(stream);
        return;
    }
    begin_block(stream, number, &job);
    parcel__job_run_block(&job);
    end_block(stream, worker, block, &job);
    parcel__job_close(&job);
    if (block->results->failures > 0)
        note_failures(stream, block, &options);
    if (parcel__control_reason(options.control) != PARCEL__GOES_ON)
        parcel__stream_stop(stream); /* whatever stopped the block stops the run */
}

/* ---- the team ---- */

static bool run_next(struct parcel__stream *stream, int number)
{
    struct parcel__stream_worker *worker = &stream->workers[number];
    struct parcel__stream_block *block =
        worker->rest ? worker->rest : parcel__feed_pull(stream, worker);
    worker->rest = NULL;
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
    if (options->outside) {
        do
            n_idle = run_next(stream, number) ? 0 : n_idle + 1;
        while (options->functions->attend(options->outside, n_idle));
        return;
    }
    while (run_next(stream, number))
        ;
    parcel__block_finish_returned(stream); /* of a run that was stopped */
    parcel__delivery_give(stream);
}

static void set_team(struct parcel__stream *stream, struct parcel_job *team)
{
    pthread_mutex_lock(&stream->mutex);
    stream->team = team;
    if (stream->is_stopped && team)
        parcel__job_stop(team, PARCEL__BY_STREAM);
    pthread_mutex_unlock(&stream->mutex);
}

/* Nobody worked, and nothing stopped the run, which would say why. */
static void report_backend(struct parcel__stream *stream, bool takes_batches)
{
    struct parcel__text text = {0};
    if (takes_batches)
        parcel__text_put(&text,
                         "the backend hands out batches itself (parcel_job_next), which streams, "
                         "on_result and generators do not support");
    else
        parcel__text_put(&text, "the backend returned without running any worker");
    parcel__stream_note_error(stream, &text);
}

static void run_team(struct parcel__stream *stream, struct parcel_job *team,
                     void (*run)(void *context, struct parcel_job *job), void *context)
{
    stream->asking.is_stopped = stream->delivering.is_stopped = &team->is_stopped;
    stream->asking.job = stream->delivering.job = team;
    set_team(stream, team);
    if (!parcel__stream_has_ended(stream))
        run(context, team);
    set_team(stream, NULL);
    bool takes_batches = parcel__job_was_asked_for_batches(team);
    parcel__job_close(team);
    bool is_stopped = parcel__control_reason(stream->options.job.control) != PARCEL__GOES_ON;
    if (!stream->has_begun && !parcel__stream_has_ended(stream) && !is_stopped)
        report_backend(stream, takes_batches);
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
    parcel__stream_ask_locked(stream);
    pthread_mutex_unlock(&stream->mutex);
}

/* ---- calls that run elsewhere ---- */

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

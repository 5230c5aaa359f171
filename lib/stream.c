/*
 * stream.c: a run whose calls flow in blocks.
 *
 * A worker takes the next calls into a block, runs it as a job of its own, and says that it is
 * finished. Finished blocks are given away by one thread at a time: in order, or as they finish.
 * Who finds that nothing may be handed out waits until results have been taken. A block's lists and
 * results are used again, so that the memory is that of the blocks on their way.
 */
#include "stream.h"

#include <string.h>

#include "calls.h"
#include "memory.h"
#include "port.h"
#include "scope.h"

struct parcel__stream_worker {
    struct parcel_job *block; /* the one it runs, or NULL; protected by the stream's mutex */

    /* Written by the worker alone: what it measured of its last block. */
    size_t last_count;
    double seconds_per_call;
    double last_pull;
    double seconds_to_pull; /* the same for each call */
};

/* ---- what was handed out ---- */

static size_t count_pulled(const struct parcel__stream *stream)
{
    return atomic_load_explicit(&stream->n_pulled, memory_order_relaxed);
}

static void add_pulled(struct parcel__stream *stream, size_t count)
{
    atomic_store_explicit(&stream->n_pulled, count_pulled(stream) + count, memory_order_relaxed);
}

static bool has_ended(const struct parcel__stream *stream)
{
    return atomic_load_explicit(&stream->has_ended, memory_order_relaxed);
}

static void note_end(struct parcel__stream *stream)
{
    atomic_store_explicit(&stream->has_ended, true, memory_order_relaxed);
}

/* ---- ending early ---- */

/* Called with the mutex held. */
static void stop(struct parcel__stream *stream)
{
    stream->is_stopped = true;
    if (stream->team)
        parcel__job_stop(stream->team, PARCEL__BY_STREAM);
    for (int i = 0; i < stream->options.job.n_workers; i++)
        if (stream->workers[i].block)
            parcel__job_stop(stream->workers[i].block, PARCEL__BY_STREAM);
    pthread_cond_broadcast(&stream->has_room);
}

void parcel__stream_stop(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    stop(stream);
    pthread_mutex_unlock(&stream->mutex);
}

/* Notes why the run ends; the error is taken, and NULL when memory ran out. The first one holds. */
static void note_error(struct parcel__stream *stream, struct parcel__text *text)
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

static void run_out_of_memory(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    stream->is_out_of_memory = true;
    stop(stream);
    pthread_mutex_unlock(&stream->mutex);
}

/* ---- the user's functions ---- */

/* The generator and on_result run as if they were a call: parcel_fail is theirs, and runs inside
 * them have that call's part of the workers. */
static struct parcel_current_call *enter(struct parcel_current_call *current)
{
    current->around = parcel__current_get();
    current->worker = parcel_worker();
    return parcel__current_enter(current);
}

/* The message of its parcel_fail, owned, when *failed. */
static char *leave(struct parcel_current_call *current, struct parcel_current_call *before,
                   bool *failed)
{
    unsigned events = __atomic_exchange_n(&current->running.events, 0, __ATOMIC_ACQUIRE);
    parcel__current_leave(before);
    parcel__scope_close_all(current->scopes);
    current->scopes = NULL;
    *failed = events & PARCEL__EVENT_FAILED;
    return *failed ? parcel__current_take_message(current) : NULL;
}

static bool has_failed(const struct parcel_current_call *current)
{
    return __atomic_load_n(&current->running.events, __ATOMIC_RELAXED) & PARCEL__EVENT_FAILED;
}

/* ---- blocks ---- */

static void free_block(struct parcel__stream_block *block)
{
    parcel_calls_free(block->calls);
    parcel__results_free(block->results);
    parcel__memory_free(block);
}

void parcel__stream_release(struct parcel__stream_block *block)
{
    if (block && atomic_fetch_sub_explicit(&block->holds, 1, memory_order_acq_rel) == 1)
        free_block(block);
}

static struct parcel__stream_block *new_block(const struct parcel__stream *stream)
{
    struct parcel__stream_block *block = parcel__memory_new(sizeof *block);
    if (!block)
        return NULL;
    *block = (struct parcel__stream_block){.results = parcel__results_new_empty(1)};
    if (block->results)
        parcel__results_set_hosts(block->results, stream->options.job.results->hosts);
    block->calls = stream->is_generated ? parcel_calls_new() : NULL;
    atomic_init(&block->holds, 1);
    if (block->results && (block->calls || !stream->is_generated))
        return block;
    free_block(block);
    return NULL;
}

/* A block that nobody uses, or a new one. Who still holds results of one keeps it. */
static struct parcel__stream_block *find_block(struct parcel__stream *stream)
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

/* Gives a block that was emptied back. Called with the mutex held. */
static void put_back(struct parcel__stream *stream, struct parcel__stream_block *block)
{
    parcel__window_queue(&stream->window.idle, &block->place);
    pthread_cond_signal(&stream->has_room);
}

/* ---- calls in ---- */

/* Says why the generator gives no more. Returns an error without text for its regular end. */
static void report_generator(struct parcel__stream *stream, parcel_next_status status,
                             const char *refused, const char *message)
{
    struct parcel__text text = {0};
    size_t n = count_pulled(stream);
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
    note_error(stream, &text);
}

/* Adds the next call to the list. False: there is none, *status says why, and the list's error. */
static bool ask(struct parcel__stream *stream, parcel_calls *list, parcel_next_status *status)
{
    parcel_call call;
    stream->asking.running.index = count_pulled(stream);
    *status = parcel__calls_next(stream->options.calls, &call);
    if (*status != PARCEL_NEXT_CALL || has_failed(&stream->asking))
        return false;
    return parcel__calls_put(list, &call);
}

/* Asks the generator for at most count calls. Returns how many there were. */
static size_t generate(struct parcel__stream *stream, parcel_calls *list, size_t count)
{
    bool failed;
    parcel_next_status status = PARCEL_NEXT_CALL;
    parcel__calls_clear(list);
    struct parcel_current_call *before = enter(&stream->asking);
    while (count > 0 && ask(stream, list, &status)) {
        add_pulled(stream, 1);
        count--;
    }
    char *message = leave(&stream->asking, before, &failed);
    if (count > 0 || failed)
        note_end(stream);
    if (failed || parcel_calls_error(list) || (count > 0 && status != PARCEL_NEXT_END))
        report_generator(stream, status, parcel_calls_error(list),
                         failed && !message ? "out of memory" : message);
    parcel__memory_free(message);
    return parcel_calls_count(list);
}

/* The next calls of the list or map, at most count. Returns how many there are. */
static size_t take_from_list(struct parcel__stream *stream, size_t count)
{
    size_t left = stream->count - count_pulled(stream);
    count = count < left ? count : left;
    add_pulled(stream, count);
    if (count == left)
        note_end(stream);
    return count;
}

/* The exchange with other ranks, if it is where the calls come from. */
static struct parcel__exchange *supplier(const struct parcel__stream *stream)
{
    return stream->options.exchange && stream->options.functions->fill ? stream->options.exchange
                                                                       : NULL;
}

/* Says where the block's calls stand, at most count of them. Returns how many there are. */
static size_t find_calls(struct parcel__stream *stream, struct parcel__stream_block *block,
                         size_t count)
{
    block->first = count_pulled(stream);
    block->list = stream->is_generated ? block->calls : stream->options.calls;
    block->first_call = stream->is_generated ? 0 : block->first;
    if (supplier(stream))
        return stream->options.functions->fill(supplier(stream), block, count);
    return stream->is_generated ? generate(stream, block->calls, count)
                                : take_from_list(stream, count);
}

/* Fills the block with at most count calls. False: there is none, or memory ran out. */
static bool fill(struct parcel__stream *stream, struct parcel__stream_block *block, size_t count)
{
    block->next = block->walked = 0;
    block->sums = (struct parcel__sums){.longest = -1}; /* it may be given away without a run */
    count = find_calls(stream, block, count);
    parcel__arena_reset(&block->results->arenas[0]);
    if (parcel__results_prepare(block->results, block->list, block->first_call, count) &&
        (stream->options.job.control->limits->retry.most == 0 ||
         parcel__results_keep_attempts(block->results)))
        return count > 0;
    run_out_of_memory(stream);
    if (supplier(stream) && count > 0)
        stream->options.functions->drop(supplier(stream), block);
    return false;
}

/* Waits for room. What stops the run from outside wakes nobody: where there may be such a thing, it
 * is looked for from time to time. Called with the mutex held. */
static void wait_for_room(struct parcel__stream *stream)
{
    static const double look = 5e-3;
    struct parcel__control *control = stream->options.job.control;
    if (!control->watches) {
        pthread_cond_wait(&stream->has_room, &stream->mutex);
        return;
    }
    parcel__port_wait(&stream->has_room, &stream->mutex, look);
    enum parcel__reason reason = parcel__control_due(control);
    if (reason == PARCEL__GOES_ON)
        return;
    parcel__control_stop(control, reason);
    stop(stream);
}

/* Waits until something may be handed out. Returns how many calls; 0: there will be none. */
static size_t await_room(struct parcel__stream *stream)
{
    size_t room = 0;
    pthread_mutex_lock(&stream->mutex);
    stream->has_begun = true;
    while (!stream->is_stopped && !has_ended(stream) &&
           (room = parcel__window_room(&stream->window)) == 0)
        wait_for_room(stream);
    room = stream->is_stopped || has_ended(stream) ? 0 : room;
    pthread_mutex_unlock(&stream->mutex);
    return room;
}

/* How many calls may be handed out now. Called with the mutex held. */
static size_t room_now(struct parcel__stream *stream)
{
    size_t room = parcel__window_room(&stream->window);
    stream->has_begun = true;
    if (stream->n_returned > 0 && !stream->is_stopped)
        return stream->n_returned;
    if (stream->is_stopped || has_ended(stream))
        return 0;
    if (!stream->is_generated && !supplier(stream) && room > stream->count - count_pulled(stream))
        room = stream->count - count_pulled(stream);
    return room;
}

/* The same, for a stream of several ranks. Called with pull_mutex held. */
static size_t find_room(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    size_t room = room_now(stream);
    bool has_returned = stream->n_returned > 0;
    pthread_mutex_unlock(&stream->mutex);
    if (room == 0 || has_returned || !supplier(stream))
        return room;
    size_t supply = stream->options.functions->room(supplier(stream));
    return supply < room ? supply : room;
}

/* How many calls a worker wants in its next block, of as many as may be handed out. */
static size_t wanted_length(const struct parcel__job_options *options,
                            const struct parcel__stream_worker *worker, uint32_t room,
                            int n_workers)
{
    size_t least = options->batch_size > 0 ? options->batch_size : 1;
    if (options->schedule != PARCEL_ADAPTIVE)
        return parcel__schedule_plain(options->schedule, room, options->n_workers,
                                      parcel__schedule_bounded(least));
    if (options->batch_size > 0)
        return least < room ? least : room;
    return parcel__schedule_batch(room, n_workers, parcel__schedule_bounded(worker->last_count),
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
    size_t length = wanted_length(&options->job, worker, parcel__schedule_bounded(room),
                                  options->exchange ? options->n_workers : 1);
    return length < share ? length : share;
}

/* Waits for the worker's turn to hand out. Where that takes an instant, sleeping and being woken
 * would take longer than all else. False: among ranks nobody waits longer, since the generator that
 * is just asked may wait for results of other ranks, which somebody has to hear. */
static bool take_turn(struct parcel__stream *stream, const struct parcel__stream_worker *worker)
{
    static const double instant = 20e-6;
    double start = parcel__port_now();
    while (pthread_mutex_trylock(&stream->pull_mutex) != 0) {
        if (worker->last_pull > instant || parcel__port_now() - start > instant) {
            if (stream->options.exchange)
                return false;
            pthread_mutex_lock(&stream->pull_mutex);
            return true;
        }
        parcel__port_yield();
    }
    return true;
}

/* A block that was given back, or NULL. Called with the mutex held. */
static struct parcel__stream_block *take_returned(struct parcel__stream *stream)
{
    struct parcel__stream_block *block = stream->returned;
    if (!block)
        return NULL;
    stream->returned = block->next_returned;
    stream->n_returned -= block->results->count;
    return block;
}

/* The same, cut to count calls. */
static struct parcel__stream_block *reuse_returned(struct parcel__stream *stream, size_t count)
{
    pthread_mutex_lock(&stream->mutex);
    struct parcel__stream_block *block = take_returned(stream);
    pthread_mutex_unlock(&stream->mutex);
    if (block && block->results->count > count)
        (void)parcel__stream_split(stream, block, count); /* else it stays as long as it is */
    return block;
}

/* The next count calls, which are on their way then; NULL: there are none, or no memory for them.
 * Called with pull_mutex held. */
static struct parcel__stream_block *next_block(struct parcel__stream *stream, size_t count)
{
    struct parcel__stream_block *block =
        stream->options.exchange ? reuse_returned(stream, count) : NULL;
    if (block)
        return block;
    block = find_block(stream);
    if (!block) {
        run_out_of_memory(stream);
        return NULL;
    }
    if (!fill(stream, block, count)) {
        parcel__stream_release(block);
        return NULL;
    }
    pthread_mutex_lock(&stream->mutex);
    parcel__window_enter(&stream->window, &block->place, block->results->count);
    pthread_mutex_unlock(&stream->mutex);
    return block;
}

/* Takes the next block for a worker; NULL when nothing is left, or, among ranks, for now. */
static struct parcel__stream_block *pull(struct parcel__stream *stream,
                                         struct parcel__stream_worker *worker)
{
    struct parcel__stream_block *block = NULL;
    if (!take_turn(stream, worker))
        return NULL;
    size_t room = stream->options.exchange ? find_room(stream) : await_room(stream);
    double start = parcel__port_now();
    if (room > 0)
        block = next_block(stream, block_length(stream, worker, room));
    if (block) {
        worker->last_pull = parcel__port_now() - start;
        worker->seconds_to_pull = worker->last_pull / (double)block->results->count;
    }
    pthread_mutex_unlock(&stream->pull_mutex);
    return block;
}

/* ---- running ---- */

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
        stop(stream);
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

/* The team's stop reaches the block's job from here on. */
static void begin_block(struct parcel__stream *stream, int number, struct parcel_job *job)
{
    struct parcel__stream_worker *worker = &stream->workers[number];
    parcel__job_make_ready(job, &job->workers[0]);
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

static bool gives(const struct parcel__stream *stream)
{
    return stream->options.exchange && stream->options.functions->give;
}

static bool collects(const struct parcel__stream *stream)
{
    return !stream->options.is_pulled && !stream->options.on_result && !gives(stream);
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
    } else if (!parcel__stream_split(stream, block, ran)) {
        run_out_of_memory(stream);
        block->results->count = ran;
    }
}

/* Runs a block as a job with one worker, which has the number of the team's. */
static void run_block(struct parcel__stream *stream, int number, struct parcel__stream_block *block)
{
    struct parcel__stream_worker *worker = &stream->workers[number];
    struct parcel__job_options options = stream->options.job;
    struct parcel_job job;
    if (collects(stream))
        options.arena = &options.results->arenas[number];
    options.calls = block->list;
    options.results = block->results;
    options.n_workers = 1;
    options.first_index = block->first;
    options.first_call = block->first_call;
    options.first_worker += number;
    options.yields = stream->options.exchange != NULL;
    if (!parcel__job_open(&job, &options)) { /* one worker needs no memory */
        run_out_of_memory(stream);
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

/* ---- results out ---- */

/* A call that was killed since the run was stopped has none, like one that did not run. */
static bool is_result(parcel_status status)
{
    return status != PARCEL_NOT_RUN && status != PARCEL_CANCELLED;
}

/* Says that on_result failed, and why, and wants no more. */
static void report_on_result(struct parcel__stream *stream, size_t index, const char *message)
{
    struct parcel__text text = {0};
    parcel__text_format(&text, "on_result failed at call %zu: %s", index,
                        message ? message : "out of memory");
    note_error(stream, &text);
}

/* Calls on_result for each call of the block that ran, until it wants no more. */
static void push(struct parcel__stream *stream, struct parcel__stream_block *block)
{
    const struct parcel__stream_options *options = &stream->options;
    struct parcel_current_call *before = enter(&stream->delivering);
    parcel_record record;
    bool failed, goes_on = true;
    for (size_t i = 0; i < block->results->count && goes_on; i++) {
        parcel__results_read(block->results, i, &block->walked, &record);
        if (!is_result(record.status))
            continue;
        record.index = stream->delivering.running.index = block->first + i;
        goes_on = options->on_result(options->on_result_state, record.index,
                                     parcel_results_value(block->results, i), &record) &&
                  !has_failed(&stream->delivering);
    }
    char *message = leave(&stream->delivering, before, &failed);
    stream->is_refused = !goes_on;
    if (failed)
        report_on_result(stream, stream->delivering.running.index, message);
    if (!goes_on)
        parcel__stream_stop(stream);
    parcel__memory_free(message);
}

static void give_away(struct parcel__stream *stream, struct parcel__stream_block *block)
{
    if (gives(stream))
        stream->options.functions->give(stream->options.exchange, block);
    else if (stream->options.on_result && !stream->is_refused)
        push(stream, block);
    else if (collects(stream) &&
             !parcel__results_place(stream->options.job.results, block->first, block->results))
        run_out_of_memory(stream);
    parcel__results_release_all(block->results);
}

/* Gives away what is ready, unless another thread is just doing so, which then does it. */
static void deliver(struct parcel__stream *stream)
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
        put_back(stream, block);
    }
    stream->is_delivering = false;
    pthread_mutex_unlock(&stream->mutex);
}

/* The next result of the block that ran; false: none is left. Each that is passed is taken. */
static bool next_of(struct parcel__stream *stream, struct parcel__stream_block *block,
                    size_t *index)
{
    while (block->next < block->results->count) {
        *index = block->next++;
        parcel__window_take(&stream->window, 1);
        pthread_cond_signal(&stream->has_room);
        if (is_result(parcel_results_status(block->results, *index)))
            return true;
    }
    return false;
}

struct parcel__stream_block *parcel__stream_next(struct parcel__stream *stream, size_t *index)
{
    struct parcel__stream_block *block;
    pthread_mutex_lock(&stream->mutex);
    while ((block = (void *)stream->window.ready.first) != NULL || !stream->is_over) {
        if (!block) {
            pthread_cond_wait(&stream->has_news, &stream->mutex);
        } else if (next_of(stream, block, index)) {
            atomic_fetch_add_explicit(&block->holds, 1, memory_order_relaxed);
            stream->n_used++;
            break;
        } else {
            parcel__window_unqueue(&stream->window.ready);
            put_back(stream, block);
        }
    }
    pthread_mutex_unlock(&stream->mutex);
    return block;
}

/* ---- the run ---- */

static bool run_next(struct parcel__stream *stream, int number)
{
    struct parcel__stream_block *block = pull(stream, &stream->workers[number]);
    if (!block)
        return false;
    run_block(stream, number, block);
    finish_block(stream, block);
    deliver(stream);
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

/* ---- calls that run on other ranks ---- */

/* Copies the calls of a block that has a list of its own. */
static bool copy_calls(parcel_calls *to, const struct parcel__stream_block *from, size_t at)
{
    parcel_call call = {0};
    parcel__calls_clear(to);
    for (size_t i = at; i < from->results->count; i++) {
        call.function = parcel__calls_function(from->list, from->first_call + i);
        memcpy(call.arguments, parcel__calls_arguments(from->list, from->first_call + i),
               call.function->argument_bytes);
        if (!parcel__calls_put(to, &call))
            return false;
    }
    return true;
}

/* Makes a block of the calls of another from at on. False: out of memory. */
static bool fill_from(struct parcel__stream *stream, struct parcel__stream_block *to,
                      const struct parcel__stream_block *from, size_t at)
{
    bool has_own_list = from->list == from->calls;
    to->next = to->walked = 0;
    to->sums = (struct parcel__sums){.longest = -1};
    to->first = from->first + at;
    to->list = has_own_list ? to->calls : from->list;
    to->first_call = has_own_list ? 0 : from->first_call + at;
    parcel__arena_reset(&to->results->arenas[0]);
    return (!has_own_list || copy_calls(to->calls, from, at)) &&
           parcel__results_prepare(to->results, to->list, to->first_call,
                                   from->results->count - at) &&
           (stream->options.job.control->limits->retry.most == 0 ||
            parcel__results_keep_attempts(to->results));
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

void parcel__stream_ask(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    for (int i = 0; i < stream->options.job.n_workers; i++)
        if (stream->workers[i].block)
            parcel__job_ask(stream->workers[i].block);
    pthread_mutex_unlock(&stream->mutex);
}

bool parcel__stream_split(struct parcel__stream *stream, struct parcel__stream_block *block,
                          size_t at)
{
    size_t count = block->results->count - at;
    struct parcel__stream_block *rest = find_block(stream);
    if (!rest)
        return false;
    if (!fill_from(stream, rest, block, at)) {
        parcel__stream_release(rest);
        return false;
    }
    if (supplier(stream))
        stream->options.functions->share(rest, block, at);
    pthread_mutex_lock(&stream->mutex);
    block->results->count = at;
    parcel__window_split(&stream->window, &block->place, &rest->place, count);
    rest->next_returned = stream->returned;
    stream->returned = rest;
    stream->n_returned += count;
    pthread_cond_signal(&stream->has_room);
    pthread_mutex_unlock(&stream->mutex);
    return true;
}

/* What was given back does not run when the run stops. */
static void finish_returned(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    while (stream->is_stopped && stream->returned)
        parcel__window_finish(&stream->window, &take_returned(stream)->place);
    pthread_mutex_unlock(&stream->mutex);
}

struct parcel__stream_block *parcel__stream_take(struct parcel__stream *stream, size_t count)
{
    if (pthread_mutex_trylock(&stream->pull_mutex) != 0)
        return NULL;
    size_t room = find_room(stream);
    count = count < room ? count : room;
    struct parcel__stream_block *block = count > 0 ? next_block(stream, count) : NULL;
    pthread_mutex_unlock(&stream->pull_mutex);
    return block;
}

void parcel__stream_finish(struct parcel__stream *stream, struct parcel__stream_block *block)
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

struct parcel__arena *parcel__stream_arena(struct parcel__stream *stream,
                                           struct parcel__stream_block *block, int number)
{
    return collects(stream) ? &stream->options.job.results->arenas[number]
                            : &block->results->arenas[0];
}

void parcel__stream_count(struct parcel__stream *stream, size_t failed, size_t succeeded)
{
    pthread_mutex_lock(&stream->mutex);
    if (stream->team && failed + succeeded > 0)
        parcel__job_count(stream->team, failed, succeeded);
    if (parcel__control_reason(stream->options.job.control) != PARCEL__GOES_ON)
        stop(stream);
    pthread_mutex_unlock(&stream->mutex);
}

void parcel__stream_deliver(struct parcel__stream *stream)
{
    finish_returned(stream);
    deliver(stream);
}

bool parcel__stream_must_stop(struct parcel__stream *stream)
{
    struct parcel__control *control = stream->options.job.control;
    enum parcel__reason reason = control->watches ? parcel__control_due(control) : PARCEL__GOES_ON;
    pthread_mutex_lock(&stream->mutex);
    if (reason != PARCEL__GOES_ON && !stream->is_stopped) {
        parcel__control_stop(control, reason);
        stop(stream);
    }
    bool is_stopped = stream->is_stopped;
    pthread_mutex_unlock(&stream->mutex);
    return is_stopped;
}

bool parcel__stream_has_ended(struct parcel__stream *stream)
{
    return has_ended(stream) || parcel__stream_must_stop(stream);
}

size_t parcel__stream_left(struct parcel__stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    size_t left = room_now(stream);
    bool has_returned = stream->n_returned > 0;
    pthread_mutex_unlock(&stream->mutex);
    if (left > 0 && !has_returned && supplier(stream))
        left = stream->options.functions->room(supplier(stream));
    return left;
}

static void initialise_current(struct parcel__stream *stream, struct parcel_current_call *current)
{
    *current = (struct parcel_current_call){.control = stream->options.job.control,
                                            .nest = &stream->options.job.nest};
    atomic_init(&current->message, NULL);
}

bool parcel__stream_open(struct parcel__stream *stream,
                         const struct parcel__stream_options *options)
{
    size_t n_workers = (size_t)options->job.n_workers;
    *stream = (struct parcel__stream){.options = *options,
                                      .is_generated = parcel__calls_are_generated(options->calls),
                                      .count = parcel_calls_count(options->calls),
                                      .window = {.in_order = options->in_order,
                                                 .most_waiting = options->window,
                                                 .most_ahead = options->pre_dispatch},
                                      .longest = -1,
                                      .first_failure = SIZE_MAX};
    initialise_current(stream, &stream->asking);
    initialise_current(stream, &stream->delivering);
    pthread_mutex_init(&stream->pull_mutex, NULL);
    pthread_mutex_init(&stream->mutex, NULL);
    parcel__port_open_condition(&stream->has_room);
    pthread_cond_init(&stream->has_news, NULL);
    atomic_init(&stream->has_ended,
                !supplier(stream) && !stream->is_generated && stream->count == 0);
    stream->workers = parcel__memory_new(n_workers * sizeof *stream->workers);
    stream->totals = parcel__results_new_empty(options->job.n_workers);
    if (stream->workers && stream->totals) {
        memset(stream->workers, 0, n_workers * sizeof *stream->workers);
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
    pthread_mutex_destroy(&stream->mutex);
    pthread_cond_destroy(&stream->has_room);
    pthread_cond_destroy(&stream->has_news);
    parcel__memory_free(stream->workers);
    parcel__results_free(stream->totals);
    parcel__memory_free(stream->failure);
    parcel__memory_free(stream->error);
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
    if (!has_ended(stream))
        run(context, team);
    set_team(stream, NULL);
    parcel__job_close(team);
    if (stream->has_begun || has_ended(stream))
        return;
    parcel__text_put(&text,
                     "the backend hands out batches itself (parcel_job_next), which streams, "
                     "on_result and generators do not support");
    note_error(stream, &text);
}

void parcel__stream_run(struct parcel__stream *stream,
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
        run_out_of_memory(stream);
    pthread_mutex_lock(&stream->mutex);
    stream->is_over = true;
    pthread_cond_broadcast(&stream->has_news);
    pthread_mutex_unlock(&stream->mutex);
}

size_t parcel__stream_missing(const struct parcel__stream *stream)
{
    return (stream->is_generated ? count_pulled(stream) : stream->count) - stream->n_ran;
}

/* "cancelled by SIGINT: 12 of 100 calls had run", when something stopped the run that is an error.
 * Of a generator nobody knows how many calls it would have given. */
static void put_stop(struct parcel__text *text, const struct parcel__stream *stream, size_t count)
{
    const struct parcel__control *control = stream->options.job.control;
    if (!parcel__control_is_error(control) || (has_ended(stream) && stream->n_ran == count))
        return;
    parcel__control_put_stop(text, control, stream->n_ran, stream->is_generated ? SIZE_MAX : count);
}

/* The error that ended the run, else what became of its calls. */
static void report(struct parcel__stream *stream, parcel_results *results)
{
    struct parcel__text text = {0};
    size_t failures = stream->totals->failures;
    if (stream->error) {
        parcel__results_set_error(results, stream->error);
        stream->error = NULL;
        return;
    }
    if (stream->is_out_of_memory)
        parcel__text_put(&text, "out of memory");
    else
        put_stop(&text, stream, results->count);
    if (failures > 0 && !stream->is_out_of_memory)
        parcel__text_format(&text, "%s%zu of %zu call%s failed; first: %s",
                            text.length > 0 ? "; " : "", failures, results->count,
                            results->count == 1 ? "" : "s",
                            stream->failure ? stream->failure : "out of memory");
    if (text.length > 0 || text.failed)
        parcel__results_set_error(results, parcel__text_take(&text));
}

void parcel__stream_settle(struct parcel__stream *stream, parcel_results *results)
{
    const parcel_results *totals = stream->totals;
    size_t count = stream->is_generated ? count_pulled(stream) : stream->count;
    if (collects(stream) && !parcel__results_extend(results, count))
        stream->is_out_of_memory = true;
    results->count = count;
    results->failures = totals->failures;
    results->slowest = totals->slowest;
    results->total_time = totals->total_time;
    results->wall_time = totals->wall_time;
    report(stream, results);
}

bool parcel__stream_is_around(struct parcel__stream *stream)
{
    bool found = false;
    pthread_mutex_lock(&stream->mutex);
    const struct parcel_current_call *current = parcel__current_get();
    for (; current && !found && stream->team; current = current->around)
        found = current->is_stopped == &stream->team->is_stopped;
    pthread_mutex_unlock(&stream->mutex);
    return found;
}

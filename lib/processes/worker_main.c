/*
 * worker_main.c: the worker's end of a mailbox; proxy.c has the other.
 *
 *     n_orders grows  ->  the order is copied  ->  call: waiting is claimed, it runs,
 *                                                  answers[i] is written, n_answers = i + 1
 *                                              ->  ... until the order is done or was taken back
 *                                              ->  n_done = n_orders, the bell rings
 *
 * An order is run as a job of its own, by the code that runs the calls of a thread. Each call's
 * result is written into shared pages as soon as it is there, so that a crash loses one call.
 */
#include "processes/worker_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "calls/calls.h"
#include "calls/current.h"
#include "ground/blas.h"
#include "ground/memory.h"
#include "ground/openmp.h"
#include "ground/port.h"
#include "ground/shared.h"
#include "job/start.h"
#include "job/token.h"
#include "processes/death.h"
#include "processes/process.h"

/* All of a worker process. */
struct process {
    const struct parcel__mail *mail;
    struct parcel__mailbox *box;
    struct parcel__order order; /* a copy: what a call writes astray does not reach it */
    struct parcel__wire_room room;
    parcel_calls *list; /* of packed calls */
    parcel_results *results;
    struct parcel__policy policy;             /* the run's, as one order of it is to be run */
    struct parcel__worker_states *all_states; /* of on_worker_start, or NULL */
    struct parcel__state_set *states;
    int threads; /* that BLAS calls may have, as they were told last; 0: all */
    size_t memory_at_start;
    struct parcel__openmp_settings openmp; /* with which each call begins */
    bool is_unbound;
    unsigned serial; /* of the shared blocks that the program has, too */
    double weighed;  /* when the memory was compared last, by the clock */
    char text[160];  /* of tell_room */
    double last;     /* when the call before ended, by the clock */
};

/* An order whose results take so many bytes ends early, so that they are soon copied. */
enum { MOST_BYTES = 4 << 20 };

/* What a call left unwritten is written out as soon as it took long, since writing costs little
 * then; else at the order's end. */
static const double long_call = 20e-6;

static void set_phase(struct process *process, enum parcel__phase phase)
{
    atomic_store_explicit(&process->box->phase, (int)phase, memory_order_relaxed);
}

/* ---- answers ---- */

/* Memory is short where addresses are: the machine's memory bounds the room, too. */
static const char *tell_room(struct process *process)
{
    snprintf(
        process->text, sizeof process->text,
        "its result does not fit the memory that a worker shares: there are %zu bytes, as many "
        "as ulimit -v or the machine lets it have",
        process->room.size / 2);
    return process->text;
}

/* Writes a value. NULL, or why it cannot be sent, until the next one is written. */
static const char *put_value(struct process *process, struct parcel__wire_result *result,
                             const parcel_function *function, const void *place)
{
    const char *why = parcel__wire_check_result(function, place, process->serial);
    if (!why && !parcel__wire_put_result(result, &process->room, function, place))
        why = tell_room(process);
    process->box->large = process->room.large;
    return why;
}

/* Writes what became of the call; its own copy of the result is freed. */
static void put_answer(struct process *process, struct parcel__answer *answer, size_t place)
{
    parcel_results *results = process->results;
    const unsigned char *slot = results->slots + place * results->slot_size;
    const parcel_function *function = parcel__results_function(results, place);
    const void *content = slot;
    answer->status = (unsigned)parcel_results_status(results, place);
    if (answer->status != PARCEL_OK || !parcel__function_result_is_inline(function))
        memcpy(&content, slot, sizeof content);
    const char *message = content;
    if (answer->status == PARCEL_OK) {
        message = put_value(process, &answer->result, function, content);
        parcel__results_release(results, place);
        if (!message)
            return;
        answer->status = PARCEL_FAILED;
    }
    (void)parcel__wire_put_text(&answer->result, &process->room, message);
}

/* True when the next call was not taken back, and begins. */
static bool begin_next(struct parcel__mailbox *box)
{
    parcel__range waiting = atomic_load_explicit(&box->waiting, memory_order_relaxed);
    do
        if (parcel__schedule_length(waiting) == 0)
            return false;
    while (!atomic_compare_exchange_weak_explicit(&box->waiting, &waiting,
                                                  parcel__schedule_claim(waiting, 1, 0).left,
                                                  memory_order_release, memory_order_relaxed));
    return true;
}

/* Measures what the worker has more than at its start, where that is limited. True: it is too much.
 */
static bool is_too_heavy(struct process *process)
{
    size_t most = process->policy.worker_limits.max_memory, start = process->memory_at_start;
    size_t memory = most > 0 ? parcel__port_memory() : 0;
    process->box->memory = memory > start ? memory - start : 0;
    process->weighed = process->last;
    return process->box->memory > most;
}

/* True when the order should go on after a call. To measure the memory costs 3 us. */
static bool goes_on(struct process *process)
{
    static const double often = 1e-3;
    if (process->room.used > MOST_BYTES)
        return false;
    if (process->policy.worker_limits.max_memory > 0 && process->last - process->weighed > often &&
        is_too_heavy(process))
        return false;
    return begin_next(process->box);
}

/* Tells the proxy of a call that was just recorded. False: the next ones are not to be run. */
static bool answer(void *state, size_t place)
{
    struct process *process = state;
    struct parcel__mailbox *box = process->box;
    struct parcel__answer *entry = &box->answers[place];
    set_phase(process, PARCEL__PHASE_RETURNING);
    entry->end = parcel__port_now();
    entry->duration = entry->end - process->last;
    put_answer(process, entry, place);
    if (entry->duration > PARCEL__OPENMP_SHORTEST)
        parcel__openmp_renew(&process->openmp);
    if (entry->duration > long_call)
        parcel__process_flush();
    process->last = entry->duration > long_call ? parcel__port_now() : entry->end;
    atomic_store_explicit(&box->n_answers, place + 1, memory_order_release);
    set_phase(process, PARCEL__PHASE_RUNNING);
    return goes_on(process);
}

/* ---- orders ---- */

/* Reads packed calls into the process's list. False: they are not sound, or memory ran out. */
static bool unpack(struct process *process)
{
    unsigned char *bytes = process->mail->calls;
    size_t left = process->order.packed;
    parcel_call call;
    parcel__calls_clear(process->list);
    for (size_t i = 0; i < process->order.count; i++) {
        size_t size = parcel__wire_get_call(bytes, left, &call);
        if (size == 0 || !parcel__calls_put(process->list, &call))
            return false;
        bytes += size;
        left -= size;
    }
    return true;
}

/* What the run's calls may use, which is another part in each run of an executor. */
static void limit_threads(struct process *process)
{
    int threads = process->order.nest.threads;
    struct parcel__openmp_settings before;
    parcel__openmp_read(
        &before); /* libomp forgets them at a fork; and they may have changed since */
    (void)parcel__openmp_begin(&process->openmp, &before, &process->order.openmp);
    if (!process->is_unbound)
        parcel__process_unbind(); /* libomp begins anew, too, and may bind the process to a cpu */
    process->is_unbound = true;
    if (threads == process->threads)
        return;
    if (process->threads > 0)
        parcel__blas_restore();
    if (threads > 0)
        parcel__blas_limit(threads);
    process->threads = threads;
}

/* False: memory ran out. */
static bool prepare_state(struct process *process)
{
    const struct parcel__callbacks *callbacks = &process->order.callbacks;
    if ((!callbacks->start && !callbacks->end) || process->states)
        return true;
    if (!process->all_states)
        process->all_states = parcel__worker_states_new(callbacks);
    if (process->all_states)
        process->states = parcel__worker_states_take(process->all_states, process->order.worker, 1);
    return process->states != NULL;
}

/* The job stops. When a call wanted that, it may go on for long. */
static void tell_stop(void *state)
{
    const struct process *process = state;
    struct parcel__mailbox *box = process->box;
    if (parcel__control_reason(&box->job.own_control) != PARCEL__BY_MATCH)
        return;
    atomic_store_explicit(&box->stops_run, true, memory_order_relaxed);
    parcel__process_ring(process->mail->bell);
}

/* The worker runs all of its order itself. */
static const struct parcel__source order_source = {.stopped = tell_stop, .patience = INFINITY};

static struct parcel__job_options job_options(struct process *process)
{
    const struct parcel__order *order = &process->order;
    return (struct parcel__job_options){
        .lot = {.calls = order->calls ? order->calls : process->list,
                .results = process->results,
                .first_call = order->calls ? order->first_call : 0,
                .first_index = order->first_index},
        .source = &order_source,
        .source_state = process,
        .policy = &process->policy,
        .n_workers = 1,
        .nest = order->nest,
        .floating = order->floating,
        .states = process->states,
        .returned = parcel__death_end_copy,
        .recorded = answer,
        .recorded_state = process,
        .first_worker = order->worker,
    };
}

/* What else limits the run is for the proxy to see to. The calls of an order end where one of them
 * might end the run, or is to be tried again. */
static void narrow_policy(struct process *process)
{
    const struct parcel__order *order = &process->order;
    const struct parcel__limits *limits = &order->policy.limits;
    process->policy = order->policy;
    process->policy.is_timed = true;
    process->policy.schedule = PARCEL_STATIC;
    process->policy.collect =
        order->policy.collect && limits->retry.most == 0 && limits->halt.counts < PARCEL__HALT_FAIL;
    process->policy.limits =
        (struct parcel__limits){.cancel = limits->cancel ? &process->box->token : NULL,
                                .timeout = order->is_limited ? order->allowed : 0,
                                .halt.now = limits->halt.now};
}

static bool prepare(struct process *process)
{
    const struct parcel__order *order = &process->order;
    if (!process->list || !process->results)
        return false;
    if (process->room.used > MOST_BYTES) /* the proxy has its copy */
        parcel__process_release(process->room.base, process->room.used);
    process->room.used = 0;
    parcel__token_pair(order->policy.limits.cancel, &process->box->token);
    narrow_policy(process);
    parcel__arena_reset(&process->results->arenas[0]);
    return (order->calls || unpack(process)) && prepare_state(process) &&
           parcel__results_prepare(process->results, order->calls ? order->calls : process->list,
                                   order->calls ? order->first_call : 0, order->count);
}

/* What the proxy said before the job was open to be told. */
static void hear(struct process *process)
{
    struct parcel__mailbox *box = process->box;
    atomic_thread_fence(memory_order_seq_cst);
    int reason = atomic_load_explicit(&box->reason, memory_order_relaxed);
    if (reason != PARCEL__GOES_ON)
        parcel__job_tell(&box->job, (enum parcel__reason)reason);
}

/* Why on_worker_start failed goes to the proxy. */
static void put_fault(struct process *process)
{
    const struct parcel__control *control = &process->box->job.own_control;
    const char *fault = atomic_load_explicit(&control->fault, memory_order_relaxed);
    if (fault)
        (void)parcel__wire_put_text(&process->box->fault, &process->room, fault);
}

/* Runs on_worker_start, unless it has run. A crash or a time limit is its own until it returns. */
static void start_state(struct process *process)
{
    if (process->states->of[0].is_started)
        return;
    set_phase(process, PARCEL__PHASE_STARTING);
    parcel__start_worker(&process->box->job);
}

/* What happens from here on happens to a call. */
static void begin_calls(struct process *process)
{
    process->last = parcel__port_now();
    process->box->began = process->last;
    set_phase(process, PARCEL__PHASE_RUNNING);
}

static void run(struct process *process)
{
    struct parcel__mailbox *box = process->box;
    const struct parcel__job_options options = job_options(process);
    if (process->states)
        process->states->first_worker = options.first_worker; /* it may differ between runs */
    (void)parcel__job_open(&box->job, &options);              /* one worker needs no memory */
    box->job.own_control.watches = process->order.is_watched;
    parcel__job_make_ready(&box->job, &box->job.workers[0]);
    box->job.workers[0].openmp = &process->openmp;
    hear(process);
    if (process->states)
        start_state(process);
    begin_calls(process);
    parcel__job_run_all(&box->job);
    box->waited = box->job.workers[0].sums.waited;
    box->stopped_by = (int)parcel__control_reason(&box->job.own_control);
    if (box->stopped_by == PARCEL__BY_WORKER)
        put_fault(process);
    parcel__job_close(&box->job);
    parcel__control_close(&box->job.own_control);
}

static void report(struct process *process)
{
    parcel__process_flush();
    (void)is_too_heavy(process);
    set_phase(process, PARCEL__PHASE_WAITING);
}

/* Memory that ran out before a call began is for the proxy to tell: no call was run. */
static void carry_out(struct process *process)
{
    struct parcel__mailbox *box = process->box;
    process->order = box->order;
    if (process->order.policy.worker_limits.max_memory > 0 && process->memory_at_start == 0)
        process->memory_at_start = parcel__port_memory();
    limit_threads(process);
    if (prepare(process))
        run(process);
    else
        box->stopped_by = PARCEL__BY_WORKER; /* without a sentence: out of memory */
    report(process);
}

/* Waits for an order after so many. */
static unsigned await_order(struct parcel__mailbox *box, unsigned n_known)
{
    unsigned n_orders;
    while ((n_orders = atomic_load_explicit(&box->n_orders, memory_order_acquire)) == n_known)
        parcel__process_wait(&box->n_orders, n_known, INFINITY);
    return n_orders;
}

static void end_state(struct process *process)
{
    set_phase(process, PARCEL__PHASE_ENDING);
    if (process->states)
        parcel__worker_states_give_back(process->all_states, process->states);
    parcel__worker_states_free(process->all_states);
    parcel__process_flush();
}

/* A new process knows all orders but one that is not done: what its predecessor left undone the
 * proxy has taken back. */
void parcel__worker_main_work(const struct parcel__mail *mail)
{
    struct process process = {.mail = mail, .box = mail->box};
    unsigned n_known = atomic_load_explicit(&mail->box->n_done, memory_order_acquire);
    parcel__clock_use(&mail->box->clock);
    parcel__current_leave(NULL); /* the call that forked has ended here, whatever becomes of it */
    process.room = (struct parcel__wire_room){
        .base = mail->results, .size = mail->results_size, .large = mail->box->large};
    process.list = parcel_calls_new();
    process.results = parcel__results_new_empty(1);
    process.serial = parcel__shared_serial();
    for (;;) {
        n_known = await_order(mail->box, n_known);
        if (mail->box->order.is_last)
            break;
        carry_out(&process);
        atomic_store_explicit(&mail->box->n_done, n_known, memory_order_release);
        parcel__process_ring(mail->bell);
    }
    end_state(&process);
    parcel_results_free(process.results);
    parcel_calls_free(process.list);
}

/*
 * proxy.c: the end of a mailbox in the thread that stands for a worker process.
 *
 * The thread works for the job as any worker does, but gives its calls to the process and records
 * what comes back. Whatever becomes of the process, the calls that it answered count, the call
 * that it died in is lost, and the rest of the order is given out again.
 *
 *     the proxy's thread                             the worker's process (worker_main.c)
 *     send    writes the order, rings n_orders  -->  reads it, runs one call after the other
 *     await   reads answers as they come        <--  writes an answer, then n_answers, and rings
 *     share   takes back what has not begun     <->  waiting: the range that both claim from
 *     press   asks, SIGTERM, SIGKILL            -->  runs too long, or in a run that stops
 *
 * Nothing that stands in shared pages is trusted: a call that runs wild may have written there.
 *
 * The file stays whole: sending, waiting and reading share one errand, which the process may change
 * under each of them.
 */
#include "processes/proxy.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "calls/calls.h"
#include "ground/memory.h"
#include "ground/port.h"
#include "ground/text.h"
#include "job/attempt.h"
#include "job/record.h"
#include "processes/process.h"

/* An order takes 10 to 50 us on top of its calls: so it should last this many times as long as a
 * batch in memory that is shared. */
static const double order_length = 20;

/* Calls of a block that were sent together and last longer are taken back, so that others may run
 * them, and the results of those that ran go on. */
static const double slow_order = 5e-3;

/* A call that must end is asked to, and killed after so many seconds. */
static const double patience = 0.05;

/* Packed calls of one order, unless one alone takes more. */
enum { PACKED_BYTES = 1 << 20 };

enum { MOST_VAIN = 3, MOST_TORN = 3 };

/* One call of carry. */
struct errand {
    struct parcel_job *job;
    struct parcel__worker *worker;
    struct parcel__proxy *own;   /* of this thread */
    struct parcel__proxy *proxy; /* whose process runs the calls */
    struct parcel__mailbox *box; /* that one's */
    size_t first;                /* of the order, in the results */
    size_t count;                /* of the order */
    size_t packed;               /* bytes of its calls */
    size_t left;                 /* calls of the batch from there on */
    size_t n_read;               /* answers that were recorded */
    bool has_heard;              /* that a call cancelled the run's token */
    bool is_alone;              /* one more attempt at one call, whose answer is not recorded yet */
    int pid;                    /* of its process */
    double sent;                /* when, by the clock */
    struct parcel__clock clock; /* which this thread alone looks at */
    double stopped;             /* when the worker was told to stop, by that clock; 0: it was not */
    double killed;              /* when SIGTERM was sent, the same; 0: it was not */
    bool is_slow;               /* the order has lasted long, and was cut for that */
    bool is_killed;             /* with SIGKILL */
    bool is_late;               /* killed since a call took too long */
    char *refusal; /* why the call that was looked at last cannot be sent, owned, or NULL */
};

/* A failed attempt. The message is owned; NULL: memory ran out. */
struct attempt {
    struct parcel__outcome outcome;
    char *message;
};

/* Of the worker whose process runs the calls. */
static int number_in_run(const struct errand *errand)
{
    int first = errand->worker->current.worker - errand->own->number;
    return first + errand->proxy->number;
}

/* True when a call's time is limited, now or as soon as there is a median. */
static bool is_limited(const struct errand *errand)
{
    const struct parcel__control *control = errand->job->control;
    return control->median || control->limits->timeout > 0;
}

/* ---- orders ---- */

static bool has_list(const struct errand *errand)
{
    const parcel_calls *calls = errand->worker->lot->calls;
    return calls == errand->proxy->snapshot->calls;
}

/* Packs as many calls as go together; 0: not even the first does, and the errand may say why. */
static size_t pack_calls(struct errand *errand, size_t first, size_t count, size_t *packed)
{
    const struct parcel__mail *mail = &errand->proxy->mail;
    const struct parcel__lot *lot = errand->worker->lot;
    const struct parcel__snapshot *snapshot = errand->proxy->snapshot;
    struct parcel__wire_target target =
        parcel__wire_to_process(snapshot->serial, snapshot->has_memory,
                                errand->job->options.policy->worker_limits.read_only);
    size_t n = 0;
    target.is_known = true;
    for (*packed = 0; n < count && *packed < PACKED_BYTES; n++) {
        size_t place = lot->first_call + first + n;
        struct parcel__text why = {0};
        if (!parcel__wire_check(lot->calls, place, 1, &target, &why)) {
            parcel__memory_free(errand->refusal);
            errand->refusal = parcel__text_take(&why);
            break;
        }
        size_t size = parcel__wire_put_call(mail->calls + *packed, mail->calls_size - *packed,
                                            parcel__calls_function(lot->calls, place),
                                            parcel__calls_arguments(lot->calls, place));
        if (size == 0)
            break;
        *packed += size;
    }
    return n;
}

/* What the mailbox says before a worker looks into it. */
static void clear(struct parcel__mailbox *box)
{
    atomic_store_explicit(&box->reason, PARCEL__GOES_ON, memory_order_relaxed);
    atomic_store_explicit(&box->n_answers, 0, memory_order_relaxed);
    atomic_store_explicit(&box->phase, PARCEL__PHASE_WAITING, memory_order_relaxed);
    atomic_store_explicit(&box->stops_run, false, memory_order_relaxed);
    parcel_token_reset(&box->token);
    box->stopped_by = PARCEL__GOES_ON;
    box->waited = 0;
    box->memory = 0;
    box->began = 0;
    box->fault.size = 0;
    box->job.few[0].current.running.index = SIZE_MAX;
    box->job.few[0].current.started = 0;
}

/* The most calls that one order may hold. Where the run stops after some calls each worker gets its
 * part of them, so that few more are run. */
static size_t longest_order(const struct errand *errand)
{
    const struct parcel__proxy *proxy = errand->proxy;
    const struct parcel__worker_limits *limits = &errand->job->options.policy->worker_limits;
    size_t n_workers = (size_t)proxy->n_all, most = PARCEL__MOST_ANSWERS;
    size_t left = parcel__control_left(errand->job->control);
    left = left > n_workers ? left / n_workers : 1;
    if (limits->max_calls > 0 && most > limits->max_calls - proxy->n_calls)
        most = limits->max_calls - proxy->n_calls;
    return left < most ? left : most;
}

/* Gives the worker so many calls, or fewer. Returns how many. */
static size_t send(struct errand *errand, size_t first, size_t count)
{
    const struct parcel__job_options *options = &errand->job->options;
    const struct parcel__lot *lot = errand->worker->lot;
    struct parcel__mailbox *box = errand->box;
    size_t packed = 0;
    if (count > longest_order(errand))
        count = longest_order(errand);
    if (!has_list(errand))
        count = pack_calls(errand, first, count, &packed);
    if (count == 0)
        return 0;
    clear(box);
    atomic_store_explicit(&box->waiting, parcel__schedule_range(1, (uint32_t)count),
                          memory_order_relaxed);
    box->order = (struct parcel__order){
        .calls = has_list(errand) ? lot->calls : NULL,
        .first_index = lot->first_index + first,
        .first_call = lot->first_call + first,
        .count = count,
        .packed = packed,
        .policy = *options->policy,
        .is_watched = errand->job->control->watches,
        .is_limited = is_limited(errand),
        .allowed = parcel__control_allowed(errand->job->control),
        .worker = number_in_run(errand),
        .nest = options->nest,
        .floating = options->floating,
        .openmp = options->openmp,
    };
    if (options->states)
        box->order.callbacks = options->states->callbacks;
    errand->first = first;
    errand->count = count;
    errand->packed = packed;
    errand->n_read = 0;
    errand->pid = (int)parcel__forkserver_pid(errand->proxy->forkserver, errand->proxy->number);
    errand->sent = parcel__port_now();
    parcel__clock_start(&errand->clock);
    parcel__clock_start(&box->clock);
    errand->stopped = errand->killed = 0;
    errand->is_killed = errand->is_late = errand->has_heard = errand->is_slow = false;
    parcel__process_ring(&box->n_orders);
    return count;
}

/* ---- waiting ---- */

static void read_answers(struct errand *errand);

/* When the call that runs began, by the clock in the mailbox; 0: its time is not limited. */
static double begin_of_limited(const struct errand *errand)
{
    double started;
    __atomic_load(&errand->box->job.few[0].current.started, &started, __ATOMIC_RELAXED);
    return started;
}

/* Seconds until the call that runs must have ended, and by errand's clock it is now; INFINITY: it
 * need not. */
static double time_left(const struct errand *errand, double now)
{
    double allowed = parcel__control_allowed(errand->job->control);
    double began = begin_of_limited(errand), looked = parcel__clock_look(&errand->box->clock);
    if (errand->stopped > 0 && parcel__control_asks(errand->job->control))
        return errand->stopped + patience - now;
    return began > 0 ? began + allowed + patience - looked : INFINITY;
}

/* Takes the calls back that have not begun: the order ends with the one that runs, or it had none
 * left. What somebody wrote over counts for nothing. Returns how many there were. */
static size_t take_back(struct errand *errand)
{
    _Atomic(parcel__range) *waiting = &errand->box->waiting;
    parcel__range range = atomic_load_explicit(waiting, memory_order_relaxed);
    uint32_t begun;
    do
        begun = parcel__schedule_low(range);
    while (!atomic_compare_exchange_weak_explicit(waiting, &range,
                                                  parcel__schedule_range(begun, begun),
                                                  memory_order_acquire, memory_order_relaxed));
    if (begun >= errand->count || begun < errand->n_read)
        return 0;
    size_t n_taken = errand->count - begun;
    errand->count = begun;
    return n_taken;
}

/* Ends a worker whose time is over: by SIGTERM, and, when it does not heed that, by SIGKILL. The
 * call whose time it is may return meanwhile: then no other begins. Returns for how many seconds
 * nothing more is to be done. */
static double press(struct errand *errand)
{
    const struct parcel__worker_limits *limits = &errand->job->options.policy->worker_limits;
    struct parcel__proxy *proxy = errand->proxy;
    double now = parcel__clock_look(&errand->clock);
    double left = time_left(errand, now);
    if (errand->killed > 0)
        left = errand->killed + limits->kill_after - now;
    if (left <= 0 && errand->killed == 0) {
        (void)take_back(errand);
        left = time_left(errand, now);
    }
    if (left > 0)
        return left;
    if (errand->is_killed)
        return INFINITY;
    errand->is_late = errand->killed > 0 ? errand->is_late : errand->stopped == 0;
    errand->is_killed = errand->killed > 0;
    errand->killed = now;
    parcel__forkserver_kill(proxy->forkserver, proxy->number,
                            errand->is_killed ? SIGKILL : SIGTERM);
    return errand->is_killed ? INFINITY : limits->kill_after;
}

/* Notes how long the calls of an order take that is cut short. */
static void measure(const struct errand *errand)
{
    double seconds = parcel__port_now() - errand->sent;
    errand->worker->seconds_per_call = seconds / (double)errand->count / order_length;
    errand->worker->last_count = errand->count;
}

/* Others want calls, or wait for results: gives those that have not begun, of this order and behind
 * it, however long the one lasts that runs. */
static void share(struct errand *errand)
{
    errand->worker->is_asked = false;
    (void)take_back(errand);
    size_t end = errand->first + errand->count, left = errand->left - errand->count;
    if (errand->is_alone || left == 0)
        return;
    measure(errand);
    if (parcel__job_give_back(errand->job, errand->worker, end, left))
        errand->left -= errand->worker->n_given = left;
}

/* True when others, or who waits for results, are not to wait for a whole order that takes long. */
static bool hurries(const struct errand *errand)
{
    return errand->job->options.source->patience < INFINITY;
}

/* True once, when the calls of a block that were sent have lasted long. */
static bool becomes_slow(struct errand *errand)
{
    if (!hurries(errand) || errand->is_slow)
        return false;
    errand->is_slow = parcel__port_now() - errand->sent >= slow_order;
    return errand->is_slow;
}

/* A call of the worker stops the run, or cancels its token, whether it has returned or not. */
static void hear_worker(struct errand *errand)
{
    const parcel_token *token = errand->job->control->limits->cancel;
    if (token && !errand->has_heard && parcel_token_cancelled(&errand->box->token)) {
        errand->has_heard = true; /* the program may reset it meanwhile */
        parcel_cancel((parcel_token *)(uintptr_t)token);
    }
    if (atomic_load_explicit(&errand->box->stops_run, memory_order_relaxed))
        parcel__job_stop(errand->job, PARCEL__BY_MATCH);
}

/* Tells the worker what this thread was told. */
static void pass_on(struct errand *errand)
{
    struct parcel__mailbox *box = errand->box;
    if (errand->stopped == 0 && parcel__job_must_stop(errand->job)) {
        enum parcel__reason reason = parcel__control_reason(errand->job->control);
        reason = reason == PARCEL__GOES_ON ? PARCEL__BY_STREAM : reason;
        atomic_store_explicit(&box->reason, (int)reason, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst); /* see hear in worker_main.c */
        parcel__job_tell(&box->job, reason);
        errand->stopped = parcel__clock_look(&errand->clock);
    }
    if (errand->job->control->median)
        atomic_store_explicit(&box->job.own_control.relative,
                              parcel__control_allowed(errand->job->control), memory_order_relaxed);
    bool is_slow = becomes_slow(errand);
    if (parcel__job_listen(errand->worker) || is_slow)
        share(errand);
}

/* For how long nobody needs to look. What stops the run from outside wakes nobody: one worker looks
 * often. Calls that have limits begin unseen; and answers should not wait for long. */
static double look_again(const struct errand *errand)
{
    static const double often = 1e-3, sometimes = 10e-3, rarely = 0.25;
    const struct parcel__control *control = errand->job->control;
    double pause = rarely;
    if (is_limited(errand))
        pause = fmin(fmax(parcel__control_allowed(control) / 16, sometimes), rarely);
    if (hurries(errand) && !errand->is_slow)
        pause = fmin(pause, fmax(errand->sent + slow_order - parcel__port_now(), 0));
    if (!control->watches || errand->stopped > 0)
        return pause;
    pause = fmin(pause, errand->worker->current.worker == 0 ? often : sometimes);
    return fmin(pause, fmax(control->end - parcel__clock_now(), 0));
}

/* Whoever wrote over the number of orders has the worker do its order once more. */
static bool is_done(const struct parcel__mailbox *box)
{
    return atomic_load_explicit(&box->n_done, memory_order_acquire) ==
           atomic_load_explicit(&box->n_orders, memory_order_relaxed);
}

/* Waits for the end of the order. False: the process died. */
static bool await(struct errand *errand)
{
    struct parcel__proxy *proxy = errand->proxy;
    struct parcel__mailbox *box = errand->box;
    for (;;) {
        unsigned bell = atomic_load_explicit(proxy->mail.bell, memory_order_acquire);
        if (is_done(box))
            return true;
        if (!parcel__forkserver_is_alive(proxy->forkserver, proxy->number))
            break;
        read_answers(errand);
        if (!parcel__job_is_stopped(errand->job))
            hear_worker(errand);
        pass_on(errand);
        parcel__process_wait(proxy->mail.bell, bell, fmin(press(errand), look_again(errand)));
    }
    if (is_done(box))
        return true; /* it died afterwards */
    atomic_store_explicit(&box->n_done, atomic_load_explicit(&box->n_orders, memory_order_relaxed),
                          memory_order_release);
    return false;
}

/* ---- what became of the calls ---- */

/* What somebody wrote over counts for nothing. */
static size_t count_answers(const struct errand *errand)
{
    size_t n = atomic_load_explicit(&errand->box->n_answers, memory_order_acquire);
    return n >= errand->n_read && n <= errand->count ? n : errand->n_read;
}

/* Reads an answer; when it is a failure, as an attempt with its message. */
static struct attempt read_answer(const struct errand *errand, size_t i)
{
    const struct parcel__mail *mail = &errand->proxy->mail;
    const struct parcel__lot *lot = errand->worker->lot;
    const struct parcel__answer answer = errand->box->answers[i]; /* read once: it may change */
    size_t place = errand->first + i;
    const char *message = NULL;
    struct attempt attempt = {.outcome = {.status = (parcel_status)answer.status,
                                          .start = answer.end - answer.duration,
                                          .duration = answer.duration,
                                          .worker = number_in_run(errand),
                                          .pid = errand->pid,
                                          .attempts = 1}};
    if (answer.status == PARCEL_OK)
        message = parcel__wire_get_result(
            &answer.result, mail->results, mail->results_size,
            parcel__calls_function(lot->calls, lot->first_call + place), errand->worker->arena,
            lot->results->slots + place * lot->results->slot_size);
    else
        message = parcel__wire_get_text(&answer.result, mail->results, mail->results_size);
    if (answer.status == PARCEL_OK && !message)
        return attempt;
    if (answer.status != PARCEL_TIMED_OUT)
        attempt.outcome.status = PARCEL_FAILED;
    attempt.message = parcel__memory_copy_string(message ? message : "its message was destroyed");
    return attempt;
}

/* How the process ended, of which a call died: "worker killed by SIGSEGV (address 0x8)", or that
 * it took too long. */
static struct attempt read_death(const struct errand *errand, double start)
{
    const struct parcel__proxy *proxy = errand->proxy;
    struct parcel__text text = {0};
    double now = parcel__port_now();
    struct attempt attempt = {.outcome = {.status = PARCEL_LOST,
                                          .start = start,
                                          .duration = now - start,
                                          .worker = number_in_run(errand),
                                          .pid = errand->pid,
                                          .attempts = 1}};
    if (errand->killed > 0 && !errand->is_late) {
        attempt.outcome.status = PARCEL_CANCELLED;
        parcel__text_put(&text, "killed as it ran: ");
        parcel__control_put_reason(&text, errand->job->control);
    } else if (errand->is_late) {
        attempt.outcome.status = PARCEL_TIMED_OUT;
        parcel__text_format(&text, "timed out: %.3g s, %.3g s allowed; its worker was killed",
                            parcel__clock_look(&errand->box->clock) - begin_of_limited(errand),
                            parcel__control_allowed(errand->job->control));
    } else {
        parcel__text_put(&text, "worker ");
        parcel__forkserver_put_death(&text, proxy->forkserver, proxy->number);
    }
    attempt.message = parcel__text_take(&text);
    return attempt;
}

/* ---- one order ---- */

enum ending {
    ENDED,     /* as it should */
    UNSENT,    /* the first call cannot be packed */
    NO_WORKER, /* there is no process to send it to */
    STARTING,  /* the process died in on_worker_start, */
    IDLE,      /* between two calls, */
    RETURNING, /* while an answer was written, */
    RUNNING    /* in a call, which is the one after those that it answered */
};

static enum ending find_fate(const struct errand *errand, size_t n_answers)
{
    const struct parcel__mailbox *box = errand->box;
    size_t index = __atomic_load_n(&box->job.few[0].current.running.index, __ATOMIC_RELAXED);
    switch (atomic_load_explicit(&box->phase, memory_order_relaxed)) {
    case PARCEL__PHASE_STARTING:
        return STARTING;
    case PARCEL__PHASE_RETURNING:
        return RETURNING;
    case PARCEL__PHASE_RUNNING:
        return index == errand->worker->lot->first_index + errand->first + n_answers ? RUNNING
                                                                                     : IDLE;
    default:
        return IDLE;
    }
}

static bool is_used_up(const struct parcel__proxy *proxy,
                       const struct parcel__worker_limits *limits)
{
    return (limits->max_calls > 0 && proxy->n_calls >= limits->max_calls) ||
           (limits->max_memory > 0 && proxy->mail.box->memory > limits->max_memory);
}

/* Starts the process if there is none, or takes another when it is used up. False: it cannot. */
static bool start(struct parcel__proxy *proxy, const struct parcel__worker_limits *limits,
                  char *why, size_t why_size)
{
    if (is_used_up(proxy, limits)) {
        parcel__proxy_dismiss(proxy);
        parcel__proxy_await(proxy);
    }
    if (parcel__forkserver_is_alive(proxy->forkserver, proxy->number))
        return true;
    proxy->n_calls = 0;
    return parcel__forkserver_start(proxy->forkserver, proxy->number, why, why_size);
}

/* Stops the run, since a worker could not start. */
static void stop_at_worker(const struct errand *errand, char *why)
{
    parcel__control_stop_at_worker(errand->job->control, errand->worker->current.worker, why);
    parcel__job_stop(errand->job, PARCEL__BY_WORKER);
}

/* ---- systems with too few processes ---- */

/* Uses the process of a proxy that does not. */
static bool borrow(struct errand *errand, char *why, size_t why_size)
{
    struct parcel__proxy *own = errand->proxy;
    for (int i = 0; i < own->n_all; i++) {
        struct parcel__proxy *other = &own->all[i];
        if (other == own || !parcel__forkserver_is_alive(other->forkserver, i) ||
            pthread_mutex_trylock(&other->mutex) != 0)
            continue;
        if (start(other, &errand->job->options.policy->worker_limits, why, why_size)) {
            errand->proxy = other;
            errand->box = other->mail.box;
            return true;
        }
        pthread_mutex_unlock(&other->mutex);
    }
    return false;
}

static void give_process_back(struct errand *errand)
{
    struct parcel__proxy *own = errand->own;
    if (errand->proxy == own)
        return;
    pthread_mutex_unlock(&errand->proxy->mutex);
    errand->proxy = own;
    errand->box = own->mail.box;
}

static bool some_process_lives(const struct parcel__proxy *proxy)
{
    for (int i = 0; i < proxy->n_all; i++)
        if (parcel__forkserver_is_alive(proxy->forkserver, i))
            return true;
    return false;
}

/* Finds a process for the calls: while there is none to be had, others run their calls and may take
 * ours, and who is without comes back. When there is none at all, the run is stopped. */
static bool find_process(struct errand *errand)
{
    struct parcel__proxy *own = errand->own;
    char why[256];
    if (start(errand->proxy, &errand->job->options.policy->worker_limits, why, sizeof why))
        return true;
    give_process_back(errand);
    if (borrow(errand, why, sizeof why))
        return true;
    if (!some_process_lives(own) && ++own->n_vain >= MOST_VAIN)
        stop_at_worker(errand, parcel__memory_copy_string(why));
    return false;
}

/* The signal and the end of the order have crossed: it must not hit another order's call. */
static void kill_worker(struct parcel__proxy *proxy)
{
    parcel__forkserver_kill(proxy->forkserver, proxy->number, SIGKILL);
    parcel__proxy_await(proxy);
}

/* Has some of the calls run; *n_answers: how many of them were answered. */
static enum ending run_order(struct errand *errand, size_t first, size_t count, size_t *n_answers)
{
    *n_answers = 0;
    if (!find_process(errand))
        return NO_WORKER;
    struct parcel__proxy *proxy = errand->proxy;
    count = send(errand, first, count);
    if (count == 0)
        return UNSENT;
    bool is_alive = await(errand);
    hear_worker(errand);
    *n_answers = count_answers(errand);
    if (is_alive && errand->killed > 0)
        kill_worker(proxy);
    if (errand->packed > PACKED_BYTES) /* an array of that size is rare: its pages are not kept */
        parcel__process_release(proxy->mail.calls, errand->packed);
    proxy->n_calls += *n_answers;
    return is_alive ? ENDED : find_fate(errand, *n_answers);
}

/* ---- what is done about it ---- */

static struct attempt try_again(struct errand *errand, size_t place);

/* Records what became of a call. */
static void record(const struct errand *errand, size_t place, struct attempt *attempt)
{
    attempt->outcome.message = attempt->message;
    parcel__record_outcome(errand->job, errand->worker, place, &attempt->outcome);
    parcel__memory_free(attempt->message);
}

static void tell_ended(const struct errand *errand, size_t place, size_t count)
{
    parcel__watcher_tell_ended(errand->job->options.watchers, errand->worker->lot, place, count);
}

/* Records a call that an attempt failed at, or tries it again for as long as that is wanted. When
 * the run stops before another attempt begins, the last one holds. */
static void settle_call(struct errand *errand, size_t place, struct attempt attempt)
{
    size_t index = errand->worker->lot->first_index + place;
    double start = attempt.outcome.start;
    for (int attempts = 1; attempt.outcome.status != PARCEL_OK; attempts++) {
        attempt.outcome.message = attempt.message;
        if (!parcel__attempt_retries(errand->job, index, &attempt.outcome))
            break;
        struct attempt next = try_again(errand, place);
        if (next.outcome.status == PARCEL_NOT_RUN)
            break;
        parcel__memory_free(attempt.message);
        attempt = next;
        attempt.outcome.attempts = attempts + 1;
    }
    attempt.outcome.duration += attempt.outcome.start - start;
    attempt.outcome.start = start;
    record(errand, place, &attempt);
    if (attempt.outcome.status != PARCEL_CANCELLED)
        tell_ended(errand, place, 1);
}

/* When the call after so many answers began, by the clock. */
static double begin_of(const struct errand *errand, size_t n_answers)
{
    const struct parcel__mailbox *box = errand->box;
    return n_answers > 0 ? box->answers[n_answers - 1].end : fmax(box->began, errand->sent);
}

/* The process died in a call. */
static struct attempt bury(const struct errand *errand, size_t n_answers)
{
    return read_death(errand, begin_of(errand, n_answers));
}

/* A result was lost on its way: its call runs again, unless that happened too often. */
static bool is_torn_for_good(struct parcel__proxy *proxy, size_t index)
{
    proxy->n_torn = proxy->torn == index ? proxy->n_torn + 1 : 1;
    proxy->torn = index;
    return proxy->n_torn >= MOST_TORN;
}

/* True when the process died of the call after so many answers, if there is one. */
static bool is_lost(struct errand *errand, enum ending ending, size_t n_answers)
{
    if (n_answers >= errand->count)
        return false;
    if (ending == RETURNING)
        return is_torn_for_good(errand->proxy,
                                errand->worker->lot->first_index + errand->first + n_answers);
    return ending == RUNNING;
}

/* A process died before it began. It is not the call's fault, but it may be so every time. */
static void note_vain(struct errand *errand, enum ending ending)
{
    struct parcel__proxy *proxy = errand->proxy;
    struct parcel__text text = {0};
    proxy->n_vain++;
    if (errand->stopped > 0 || (ending == IDLE && proxy->n_vain < MOST_VAIN))
        return;
    parcel__forkserver_put_death(&text, proxy->forkserver, proxy->number);
    stop_at_worker(errand, parcel__text_take(&text));
}

static char *tell_room(const struct errand *errand)
{
    struct parcel__text text = {0};
    parcel__text_format(&text,
                        "its arguments do not fit the memory that a worker shares: there are %zu "
                        "bytes, as many as ulimit -v or the machine lets it have",
                        errand->proxy->mail.calls_size);
    return parcel__text_take(&text);
}

/* What a call says that cannot be sent. */
static struct attempt unsent(struct errand *errand)
{
    struct attempt attempt = {.outcome = {.status = PARCEL_FAILED,
                                          .start = parcel__port_now(),
                                          .worker = number_in_run(errand),
                                          .attempts = 1},
                              .message = errand->refusal};
    errand->refusal = NULL;
    if (!attempt.message)
        attempt.message = tell_room(errand);
    return attempt;
}

/* What else the worker had to say. */
static void heed(struct errand *errand)
{
    const struct parcel__mail *mail = &errand->proxy->mail;
    const struct parcel__wire_result fault = errand->box->fault;
    errand->worker->sums.waited += errand->box->waited;
    if (errand->box->stopped_by != PARCEL__BY_WORKER)
        return;
    const char *why = parcel__wire_get_text(&fault, mail->results, mail->results_size);
    if (why) /* a whole sentence */
        parcel__control_set_fault(errand->job->control, parcel__memory_copy_string(why));
    else
        stop_at_worker(errand, NULL);
    parcel__job_stop(errand->job, PARCEL__BY_WORKER);
}

/* Another attempt at one call, which ends in a value, in a failure or in none (PARCEL_NOT_RUN). */
static struct attempt try_again(struct errand *errand, size_t place)
{
    size_t n_answers;
    errand->is_alone = true;
    while (!parcel__job_must_stop(errand->job)) {
        enum ending ending = run_order(errand, place, 1, &n_answers);
        if (ending == ENDED)
            heed(errand);
        if (n_answers > 0)
            return read_answer(errand, 0);
        if (ending == UNSENT)
            return unsent(errand);
        if (is_lost(errand, ending, 0))
            return bury(errand, 0);
        if (ending == IDLE || ending == STARTING)
            note_vain(errand, ending);
    }
    return (struct attempt){.outcome.status = PARCEL_NOT_RUN};
}

/* Records the answers that have come since. A call that is to be tried again is the last of its
 * order: it waits until the worker waits, too. Where it only looks as if it had failed, as there is
 * no memory here for its result, others follow: then there is no other attempt. */
static void read_answers(struct errand *errand)
{
    bool retries = errand->job->control->limits->retry.most > 0;
    size_t before = errand->n_read, n_answers = count_answers(errand);
    while (!errand->is_alone && errand->n_read < n_answers) {
        struct attempt attempt = read_answer(errand, errand->n_read);
        if (attempt.outcome.status != PARCEL_OK && retries && errand->n_read + 1 == n_answers) {
            parcel__memory_free(attempt.message);
            break;
        }
        size_t place = errand->first + errand->n_read++;
        record(errand, place, &attempt);
    }
    tell_ended(errand, errand->first + before, errand->n_read - before);
}

/* The attempt that the order ended in, if it did, at the call after those that were read. */
static bool find_last(struct errand *errand, enum ending ending, size_t n_answers,
                      struct attempt *last)
{
    if (errand->n_read < n_answers)
        *last = read_answer(errand, errand->n_read);
    else if (ending == UNSENT)
        *last = unsent(errand);
    else if (is_lost(errand, ending, n_answers))
        *last = bury(errand, n_answers);
    else
        return false;
    return true;
}

/* Returns how many calls the order dealt with. */
static size_t deal_with(struct errand *errand, size_t first, size_t count)
{
    size_t n_answers;
    struct attempt last;
    enum ending ending = run_order(errand, first, count, &n_answers);
    if (n_answers > 0)
        read_answers(errand);
    bool has_last = find_last(errand, ending, n_answers, &last);
    size_t n_read = errand->n_read;
    if (ending == ENDED || n_answers > 0)
        errand->proxy->n_vain = 0;
    if (ending == ENDED)
        heed(errand);
    if (ending == IDLE || ending == STARTING)
        note_vain(errand, ending);
    if (has_last)
        settle_call(errand, first + n_read, last);
    return n_read + has_last;
}

static size_t carry(const struct parcel__runner *runner, struct parcel_job *job,
                    struct parcel__worker *worker, size_t first, size_t count)
{
    struct parcel__proxy *proxy = (void *)(uintptr_t)runner;
    struct errand errand = {.job = job,
                            .worker = worker,
                            .left = count,
                            .own = proxy,
                            .proxy = proxy,
                            .box = proxy->mail.box};
    double start = parcel__port_now();
    pthread_mutex_lock(&proxy->mutex);
    size_t n = deal_with(&errand, first, count);
    give_process_back(&errand);
    pthread_mutex_unlock(&proxy->mutex);
    parcel__memory_free(errand.refusal);
    (void)parcel__job_listen(worker);
    if (n == 0)
        return 0;
    worker->seconds_per_call = (parcel__port_now() - start) / (double)n / order_length;
    worker->last_count = n;
    return n;
}

static void poke(const struct parcel__runner *runner)
{
    const struct parcel__proxy *proxy = (const void *)runner;
    parcel__process_ring(proxy->mail.bell);
}

static void linger(const struct parcel__runner *runner, double seconds)
{
    const struct parcel__proxy *proxy = (const void *)runner;
    unsigned bell = atomic_load_explicit(proxy->mail.bell, memory_order_relaxed);
    parcel__process_wait(proxy->mail.bell, bell, seconds);
}

void parcel__proxy_open_all(struct parcel__proxy *proxies, int count,
                            const struct parcel__mail *mails, struct parcel__forkserver *forkserver,
                            const struct parcel__snapshot *snapshot)
{
    for (int i = 0; i < count; i++) {
        proxies[i] = (struct parcel__proxy){.runner = {carry, poke, linger},
                                            .mail = mails[i],
                                            .forkserver = forkserver,
                                            .snapshot = snapshot,
                                            .number = i,
                                            .all = proxies,
                                            .n_all = count,
                                            .torn = SIZE_MAX};
        pthread_mutex_init(&proxies[i].mutex, NULL);
    }
}

void parcel__proxy_close_all(struct parcel__proxy *proxies, int count)
{
    for (int i = 0; i < count; i++)
        pthread_mutex_destroy(&proxies[i].mutex);
}

void parcel__proxy_dismiss(struct parcel__proxy *proxy)
{
    struct parcel__mailbox *box = proxy->mail.box;
    clear(box);
    box->order = (struct parcel__order){.is_last = true};
    parcel__process_ring(&box->n_orders);
}

void parcel__proxy_await(struct parcel__proxy *proxy)
{
    static const double look = 0.25; /* the forkserver may be killed, which nobody tells */
    struct parcel__mailbox *box = proxy->mail.box;
    for (;;) {
        unsigned bell = atomic_load_explicit(proxy->mail.bell, memory_order_acquire);
        if (!parcel__forkserver_is_alive(proxy->forkserver, proxy->number))
            break;
        parcel__process_wait(proxy->mail.bell, bell, look);
    }
    unsigned n_orders = atomic_load_explicit(&box->n_orders, memory_order_relaxed);
    atomic_store_explicit(&box->n_done, n_orders, memory_order_release);
}

/*
 * control.c: why and when a run stops before its last call.
 *
 * Nothing interrupts a worker: it looks between two pieces of a batch, and between two calls that
 * are timed on their own, and a call looks when it calls parcel_cancelled.
 */
#include "job/control.h"

#include <limits.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "calls/current.h"
#include "ground/clock.h"
#include "ground/median.h"
#include "ground/memory.h"
#include "ground/port.h"
#include "ground/signals.h"

/* True when the call may be asked to return while its run goes on, or by what is outside of it. */
static bool may_be_asked(const parcel_current_call *current)
{
    const struct parcel__control *control = current->control;
    return control->watches || control->limits->halt.now || control->limits->timeout > 0 ||
           control->median;
}

/* Makes room for the calls' durations, of which only the median counts. */
static bool open_median(struct parcel__control *control)
{
    control->median = parcel__memory_new(sizeof *control->median);
    if (control->median)
        parcel__median_open(control->median);
    return control->median != NULL;
}

bool parcel__control_open(struct parcel__control *control, const struct parcel__limits *limits,
                          size_t n_calls, const parcel_current_call *around)
{
    static const struct parcel__limits none;
    *control = (struct parcel__control){.end = INFINITY};
    control->limits = limits = limits ? limits : &none;
    control->deadline = limits->deadline;
    control->enough = parcel__halt_enough(&limits->halt, n_calls);
    control->is_careful = limits->halt.counts >= PARCEL__HALT_SUCCESS || limits->timeout > 0 ||
                          limits->timeout_factor > 0 || limits->retry.most > 0;
    atomic_init(&control->relative, INFINITY);
    if (limits->deadline > 0)
        control->end = parcel__clock_now() + limits->deadline;
    if (limits->handles_signals)
        control->signals_before = control->signals_opened = parcel__signals_open();
    if (around && may_be_asked(around))
        control->around = around;
    control->watches = limits->cancel || limits->has_token_elsewhere || limits->handles_signals ||
                       limits->deadline > 0 || control->around;
    return limits->timeout_factor == 0 || open_median(control);
}

void parcel__control_close(struct parcel__control *control)
{
    if (control->limits->handles_signals)
        parcel__signals_close(control->signals_opened);
    parcel__memory_free(atomic_load_explicit(&control->fault, memory_order_relaxed));
    if (control->median)
        parcel__median_close(control->median);
    parcel__memory_free(control->median);
}

enum parcel__reason parcel__control_due(const struct parcel__control *control)
{
    const struct parcel__limits *limits = control->limits;
    if (parcel_token_cancelled(limits->cancel))
        return PARCEL__BY_TOKEN;
    if (limits->handles_signals && parcel__signals_seen(control->signals_before) != 0)
        return PARCEL__BY_SIGNAL;
    if (limits->deadline > 0 && parcel__clock_now() >= control->end)
        return PARCEL__BY_DEADLINE;
    if (control->around && parcel_cancelled_in(control->around))
        return PARCEL__BY_AROUND;
    return PARCEL__GOES_ON;
}

int parcel__control_signal(const struct parcel__control *control)
{
    int seen = parcel__signals_seen(control->signals_before);
    return seen ? seen : atomic_load_explicit(&control->far_signal, memory_order_relaxed);
}

void parcel__control_hear_signal(struct parcel__control *control, int number)
{
    if (control->limits->handles_signals && parcel__signals_seen(control->signals_before) == 0)
        parcel__signals_hear(number);
    atomic_store_explicit(&control->far_signal, number, memory_order_relaxed);
}

void parcel__control_stop(struct parcel__control *control, enum parcel__reason reason)
{
    int none = PARCEL__GOES_ON;
    atomic_compare_exchange_strong_explicit(&control->reason, &none, (int)reason,
                                            memory_order_relaxed, memory_order_relaxed);
}

void parcel__control_set_fault(struct parcel__control *control, char *fault)
{
    char *none = NULL;
    if (fault && !atomic_compare_exchange_strong_explicit(
                     &control->fault, &none, fault, memory_order_release, memory_order_relaxed))
        parcel__memory_free(fault);
}

void parcel__control_stop_at_worker(struct parcel__control *control, int worker, char *why)
{
    struct parcel__text text = {0};
    parcel__text_format(&text, "worker %d could not start: %s", worker,
                        why ? why : "out of memory");
    parcel__memory_free(why);
    parcel__control_set_fault(control, parcel__text_take(&text));
}

bool parcel__control_count(struct parcel__control *control, size_t failed, size_t succeeded)
{
    size_t counted = failed + succeeded;
    if (control->limits->halt.counts < PARCEL__HALT_FAIL)
        return false;
    if (control->limits->halt.counts == PARCEL__HALT_FAIL)
        counted = failed;
    else if (control->limits->halt.counts == PARCEL__HALT_SUCCESS)
        counted = succeeded;
    return counted > 0 &&
           atomic_fetch_add_explicit(&control->n_counted, counted, memory_order_relaxed) +
                   counted >=
               control->enough;
}

enum parcel__reason parcel__control_reason(const struct parcel__control *control)
{
    return (enum parcel__reason)atomic_load_explicit(&control->reason, memory_order_relaxed);
}

size_t parcel__control_counted(const struct parcel__control *control)
{
    return atomic_load_explicit(&control->n_counted, memory_order_relaxed);
}

size_t parcel__control_left(const struct parcel__control *control)
{
    size_t counted = parcel__control_counted(control);
    if (control->limits->halt.counts < PARCEL__HALT_FAIL)
        return SIZE_MAX;
    return counted < control->enough ? control->enough - counted : 1;
}

bool parcel__control_asks(const struct parcel__control *control)
{
    switch (parcel__control_reason(control)) {
    case PARCEL__BY_TOKEN:
    case PARCEL__BY_SIGNAL:
    case PARCEL__BY_DEADLINE:
    case PARCEL__BY_AROUND:
        return true;
    case PARCEL__BY_HALT:
        return control->limits->halt.now;
    default:
        return false;
    }
}

double parcel__control_by_median(const struct parcel__control *control)
{
    return atomic_load_explicit(&control->relative, memory_order_relaxed);
}

double parcel__control_allowed(const struct parcel__control *control)
{
    double relative = parcel__control_by_median(control);
    double timeout = control->limits->timeout;
    return timeout > 0 && timeout < relative ? timeout : relative;
}

void parcel__control_note(struct parcel__control *control, double seconds)
{
    if (!control->median || control->has_far_median)
        return;
    double allowed = control->limits->timeout_factor * parcel__median_add(control->median, seconds);
    /* Who noted one of the first calls may be late: it must not undo the limit that there is. */
    if (allowed < INFINITY)
        parcel__control_allow(control, allowed);
}

void parcel__control_note_call(struct parcel__control *control, double seconds, size_t index,
                               int attempts)
{
    double delay = control->limits->retry.delay;
    if (control->median)
        parcel__control_note(control, parcel__retry_mean(seconds, delay, index, attempts));
}

void parcel__control_allow(struct parcel__control *control, double seconds)
{
    atomic_store_explicit(&control->relative, seconds, memory_order_relaxed);
}

/* True when the attempt that runs has overrun its own limit. That is noted: it is the one thing
 * that asking changes. */
static bool is_late(const parcel_current_call *current)
{
    if (current->started <= 0)
        return false;
    double allowed = parcel__control_allowed(current->control);
    if (parcel__clock_now() - current->started <= allowed)
        return false;
    atomic_store_explicit(&((parcel_current_call *)current)->overran, allowed,
                          memory_order_relaxed);
    return true;
}

/* True when the call should return early: for its own run alone, not the runs around it. */
static bool is_asked(const parcel_current_call *current)
{
    const struct parcel__control *control = current->control;
    bool is_stopped = atomic_load_explicit(current->is_stopped, memory_order_relaxed);
    if (is_stopped &&
        (parcel__control_reason(control) != PARCEL__BY_HALT || control->limits->halt.now))
        return true;
    return (control->watches && parcel__control_due(control) != PARCEL__GOES_ON) ||
           is_late(current);
}

bool parcel_cancelled_in(const parcel_current_call *current)
{
    for (; current; current = current->around)
        if (is_asked(current))
            return true;
    return false;
}

bool parcel_cancelled(void)
{
    return parcel_cancelled_in(parcel__current_get());
}

/* ---- what is said of it ---- */

bool parcel__control_is_error(const struct parcel__control *control)
{
    return parcel__control_reason(control) >= PARCEL__BY_TOKEN;
}

static void put_fault(struct parcel__text *text, const struct parcel__control *control)
{
    const char *fault = atomic_load_explicit(&control->fault, memory_order_relaxed);
    parcel__text_put(text, fault ? fault : "a worker could not start: out of memory");
}

bool parcel__control_put_reason(struct parcel__text *text, const struct parcel__control *control)
{
    switch (parcel__control_reason(control)) {
    case PARCEL__BY_MATCH:
        parcel__text_put(text, "a call stopped the run");
        return true;
    case PARCEL__BY_STREAM:
        parcel__text_put(text, "the stream had ended");
        return true;
    case PARCEL__BY_HALT:
        parcel__text_put(text, "the run was to stop at ");
        parcel__halt_put(text, &control->limits->halt);
        return true;
    case PARCEL__BY_TOKEN:
        parcel__text_put(text, "cancelled by its token");
        return true;
    case PARCEL__BY_SIGNAL:
        parcel__text_format(text, "cancelled by %s",
                            parcel__control_signal(control) == SIGINT ? "SIGINT" : "SIGTERM");
        return true;
    case PARCEL__BY_DEADLINE:
        parcel__text_format(text, "the deadline of %g s had passed", control->deadline);
        return true;
    case PARCEL__BY_AROUND:
        parcel__text_put(text, "cancelled with the call around it");
        return true;
    case PARCEL__BY_WORKER:
        put_fault(text, control);
        return true;
    default:
        return false;
    }
}

void parcel__control_put_stop(struct parcel__text *text, const struct parcel__control *control,
                              size_t n_ran, size_t n_calls)
{
    parcel__control_put_reason(text, control);
    if (n_calls == SIZE_MAX)
        parcel__text_format(text, ": %zu call%s had run", n_ran, n_ran == 1 ? "" : "s");
    else
        parcel__text_format(text, ": %zu of %zu call%s had run", n_ran, n_calls,
                            n_calls == 1 ? "" : "s");
}

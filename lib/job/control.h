/* control.h: why and when a run stops before its last call. */
#ifndef PARCEL__CONTROL_H
#define PARCEL__CONTROL_H

#include <parcel.h>
#include <stdatomic.h>

#include "ground/text.h"
#include "options/limits.h"

struct parcel__median;

/* Why nothing is handed out any more. */
enum parcel__reason {
    PARCEL__GOES_ON,
    PARCEL__BY_FAILURE, /* the first, with PARCEL_STOP: what did not run stays PARCEL_NOT_RUN */
    PARCEL__BY_MATCH,   /* a call called parcel_stop */
    PARCEL__BY_STREAM,  /* its stream was closed, wanted no more or broke */
    PARCEL__BY_HALT,
    PARCEL__BY_TOKEN,
    PARCEL__BY_SIGNAL,
    PARCEL__BY_DEADLINE,
    PARCEL__BY_AROUND, /* the run around was cancelled */
    PARCEL__BY_WORKER  /* one could not start */
};

/* Of one run. Constant while it lasts, but for the members that say otherwise. */
struct parcel__control {
    const struct parcel__limits *limits;
    bool watches;            /* something outside of the run may stop it */
    bool is_careful;         /* each call is run, timed and looked at on its own */
    size_t enough;           /* calls of the kind that halt counts */
    double end;              /* of the deadline, by the clock of limits */
    double deadline;         /* to be named: that of limits, or another process's that stopped it */
    unsigned signals_opened; /* the mark to close them with, */
    unsigned signals_before; /* and that of the run, which may have come before */
    atomic_int far_signal; /* that another process saw, or 0; relaxed, as it is only to be named */
    const parcel_current_call *around; /* a call that may be asked to return, or NULL */

    /* An enum parcel__reason: the first holds. Relaxed: it is read when the workers are joined,
     * and before that only a hint. */
    atomic_int reason;
    atomic_size_t n_counted; /* for halt; relaxed, since only the number counts */

    /* Why a worker could not start, owned; the first holds, by compare-and-swap from NULL:
     * release, and acquire where it is read while the run lasts. */
    _Atomic(char *) fault;

    struct parcel__median *median; /* of the durations, when timeout_factor is set */
    bool has_far_median;           /* another process's, which tells what it allows, counts */
    _Atomic double relative;       /* what that allows; relaxed, as a late one does little harm */
};

/* around: the call that the run is in, or NULL. limits: borrowed; NULL for none. False: memory ran
 * out, which it cannot without limits; it is to be closed all the same. */
bool parcel__control_open(struct parcel__control *control, const struct parcel__limits *limits,
                          size_t n_calls, const parcel_current_call *around);
void parcel__control_close(struct parcel__control *control);

/* What outside of the run wants it to stop now, or PARCEL__GOES_ON. */
enum parcel__reason parcel__control_due(const struct parcel__control *control);

/* The signal that stops the run, here or in another process; 0: none. */
int parcel__control_signal(const struct parcel__control *control);

/* Another process saw it. */
void parcel__control_hear_signal(struct parcel__control *control, int number);

/* Notes why the run stops, unless it does already. */
void parcel__control_stop(struct parcel__control *control, enum parcel__reason reason);

/* Says why a run that is stopped BY_WORKER is; the sentence is taken, NULL: nothing. */
void parcel__control_set_fault(struct parcel__control *control, char *fault);

/* The same for a worker that could not start, for a reason that is taken; NULL: out of memory. */
void parcel__control_stop_at_worker(struct parcel__control *control, int worker, char *why);

/* Counts calls that ended; true when halt has enough of them. */
bool parcel__control_count(struct parcel__control *control, size_t failed, size_t succeeded);

/* Seconds that an attempt may take now. */
double parcel__control_allowed(const struct parcel__control *control);

/* An attempt succeeded in so many seconds. */
void parcel__control_note(struct parcel__control *control, double seconds);

/* The same of a call that took so many attempts and waits between them. */
void parcel__control_note_call(struct parcel__control *control, double seconds, size_t index,
                               int attempts);

/* Seconds that the median allows for a call; infinity: there is none yet. */
double parcel__control_by_median(const struct parcel__control *control);

/* By the median, each call may take so many seconds from now on. */
void parcel__control_allow(struct parcel__control *control, double seconds);

/* Why calls were not started: "cancelled by SIGINT". False: they stay PARCEL_NOT_RUN. */
bool parcel__control_put_reason(struct parcel__text *text, const struct parcel__control *control);

/* Why the run stops, or that it goes on. */
enum parcel__reason parcel__control_reason(const struct parcel__control *control);

/* How many calls of the kind that halt counts there were, and how many are still to come;
 * SIZE_MAX: any number. */
size_t parcel__control_counted(const struct parcel__control *control);
size_t parcel__control_left(const struct parcel__control *control);

/* True when the run does not wait for the calls that run, where it can do without. */
bool parcel__control_asks(const struct parcel__control *control);

/* Adds "cancelled by SIGINT: 12 of 100 calls had run", or "12 calls" when n_calls is SIZE_MAX:
 * nobody knows how many there would have been. */
void parcel__control_put_stop(struct parcel__text *text, const struct parcel__control *control,
                              size_t n_ran, size_t n_calls);

/* True when the reason is an error of the run, although no call failed. */
bool parcel__control_is_error(const struct parcel__control *control);

#endif

/*
 * clock.h: a clock for limits, which stands still while the process is stopped (SIGSTOP, Ctrl-Z,
 * Slurm's suspend).
 *
 * Nobody tells a process for how long it was stopped. So somebody looks at the clock often, and
 * what goes by without a look for more than a second does not count: whoever looks first behind
 * such a gap takes it off. A machine that has too much to do may have gaps, too: limits are then
 * longer than they need be.
 */
#ifndef PARCEL__CLOCK_H
#define PARCEL__CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

/* Zero is a clock that nobody watches, and which counts all time. In one word, written by whoever
 * looks, so that no two looks take off the same gap: when the last look was, by the clock of the
 * system, and the time that was taken off. Relaxed: nothing else goes with it. */
struct parcel__clock {
    _Atomic uint64_t word;
};

/* From now on somebody looks at it, at least four times a second; and no longer. */
void parcel__clock_start(struct parcel__clock *clock);
void parcel__clock_stop(struct parcel__clock *clock);

/* Seconds. A look. Behind a gap it may be up to 0.1 s less than before it. */
double parcel__clock_look(struct parcel__clock *clock);

/* The same of the process's own clock, which limits are measured by. */
double parcel__clock_now(void);

/* While a run has limits: a thread looks at the process's clock. When none can be made, the clock
 * counts all time. */
void parcel__clock_watch(void);
void parcel__clock_unwatch(void);

/* Makes that thread for a watch which follows at once: what is found of the system's room for
 * threads between them holds. */
void parcel__clock_expect(void);

/* In a child that was forked: the process's clock is this one, at which others look. */
void parcel__clock_use(struct parcel__clock *clock);

#endif

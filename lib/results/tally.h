/* tally.h: calls that ended, summed up. Pure. */
#ifndef PARCEL__TALLY_H
#define PARCEL__TALLY_H

#include <stddef.h>

/* Of a worker, a block, a message or a run. At the start all is 0 but longest, which is below. */
struct parcel__tally {
    size_t n_ran;
    size_t n_failed; /* some of these may not have begun: those that were lost with their batch */
    double total_time;
    double waited;  /* of it, for a cpu; NaN: it is not told */
    double longest; /* below 0: nothing ran */
    size_t slowest; /* its number in the run */
};

#define PARCEL__TALLY_NONE ((struct parcel__tally){.longest = -1, .slowest = SIZE_MAX})

static inline void parcel__tally_note_longest(struct parcel__tally *tally, double seconds,
                                              size_t index)
{
    if (seconds <= tally->longest)
        return;
    tally->longest = seconds;
    tally->slowest = index;
}

static inline void parcel__tally_add(struct parcel__tally *tally, const struct parcel__tally *more)
{
    tally->n_ran += more->n_ran;
    tally->n_failed += more->n_failed;
    tally->total_time += more->total_time;
    tally->waited += more->waited;
    parcel__tally_note_longest(tally, more->longest, more->slowest);
}

#endif

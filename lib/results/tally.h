/* tally.h: calls that ended, summed up. */
#ifndef PARCEL__TALLY_H
#define PARCEL__TALLY_H

#include <stddef.h>

/* Calls of a block that ran. */
struct parcel__tally {
    size_t n_ran;
    double total_time;
    double waited;  /* of it, for a cpu; NaN: it is not told */
    double longest; /* below 0: nothing ran */
    size_t slowest; /* its number in the run */
};

#endif

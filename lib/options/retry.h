/* retry.h: how long to wait before a call is tried again, and how long it then took. */
#ifndef PARCEL__RETRY_H
#define PARCEL__RETRY_H

#include <parcel.h>

/* Zero is no retry. */
struct parcel__retry {
    int most;     /* retries of a call */
    double delay; /* seconds before the first */
    parcel_retry_if *wanted;
    void *state;
};

/* Seconds to wait after so many attempts of the call: the delay, doubled for each attempt after
 * the first, times a number from 0.75 to 1.25 that depends on the call and the attempt only. Pure.
 */
double parcel__retry_delay(double delay, size_t index, int attempts);

/* The mean time of the attempts of the call, of all their time and the waits between them. Pure. */
double parcel__retry_mean(double seconds, double delay, size_t index, int attempts);

#endif

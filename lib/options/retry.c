/* retry.c: how long to wait before a call is tried again, and how long it then took. */
#include "options/retry.h"

#include <math.h>

/* The finalizer of SplitMix64 (Steele, Lea, Flood 2014), as a hash. */
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15U;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31);
}

double parcel__retry_delay(double delay, size_t index, int attempts)
{
    static const double longest = 1e9;
    uint64_t hash = mix(mix(index) + (uint64_t)attempts);
    double unit = (double)(hash >> 11) * 0x1p-53;
    return fmin(ldexp(delay, attempts - 1), longest) * (0.75 + 0.5 * unit);
}

double parcel__retry_mean(double seconds, double delay, size_t index, int attempts)
{
    for (int i = 1; delay > 0 && i < attempts; i++)
        seconds -= parcel__retry_delay(delay, index, i);
    return fmax(seconds, 0) / attempts;
}

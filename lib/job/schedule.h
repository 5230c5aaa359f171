/* schedule.h: which calls a worker takes next. Pure functions: no clock, no threads, no memory. */
#ifndef PARCEL__SCHEDULE_H
#define PARCEL__SCHEDULE_H

#include <parcel.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A range of units [low, high) in one word, so that it is changed by one compare-and-swap. A unit
 * is one call, or several where a run has more than 2^32 - 2 calls.
 */
typedef uint64_t parcel__range;

struct parcel__cut {
    parcel__range taken;
    parcel__range left;
};

static inline parcel__range parcel__schedule_range(uint32_t low, uint32_t high)
{
    return (uint64_t)low << 32 | high;
}

static inline uint32_t parcel__schedule_low(parcel__range range)
{
    return (uint32_t)(range >> 32);
}

static inline uint32_t parcel__schedule_high(parcel__range range)
{
    return (uint32_t)range;
}

static inline uint32_t parcel__schedule_length(parcel__range range)
{
    return parcel__schedule_high(range) - parcel__schedule_low(range);
}

/* The number, or the largest of 32 bits. */
uint32_t parcel__schedule_bounded(size_t number);

/* Calls to a unit, so that the units of count calls fit a range. */
size_t parcel__schedule_unit(size_t count);

/* The part of all units that a worker starts with: all are as long, but for one unit. */
parcel__range parcel__schedule_share(uint32_t units, int worker, int n_workers);

/* Cuts length units off the near end, where the owner works: the low end of an even worker's
 * range and the high end of an odd one's, so that a giant call at either end starts early. */
struct parcel__cut parcel__schedule_claim(parcel__range range, uint32_t length, int owner);

/* Cuts the far half off an owner's range, for a thief; all of it when it is one unit. */
struct parcel__cut parcel__schedule_steal(parcel__range range, int owner);

/* Seconds that a batch should take. */
extern const double parcel__schedule_target;

/* The next batch: as many units as take about that long, at most four times the last batch
 * (the next calls may be giants), and at most half of what is left when others may take the rest.
 * last: units of this worker's last batch, 0 at first. seconds_per_unit: as it measured then. */
uint32_t parcel__schedule_batch(uint32_t left, int n_workers, uint32_t last,
                                double seconds_per_unit);

/* The next batch by a plain schedule, of what is left for the worker (static) or for all of them
 * (dynamic, guided); least: units to hand out at least. */
uint32_t parcel__schedule_plain(parcel_schedule schedule, uint32_t left, int n_workers,
                                uint32_t least);

#endif

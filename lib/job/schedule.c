/*
 * schedule.c: which calls a worker takes next.
 *
 * Each worker owns a range of the calls. It claims batches from the near end of its own range,
 * sized by the time that its calls were measured to take; when the range is empty it steals the
 * far half of another's. Every second worker's near end is the high one, so a run's last calls
 * start as early as its first: schemes that hand out in order are held up by a giant last call.
 */
#include "job/schedule.h"

#include <assert.h>

/* Handing a batch out and recording it, some 200 ns, is then 0.4 %. */
const double parcel__schedule_target = 50e-6;

static const double largest_batch = 8192; /* calls; bounds what one wrong guess may cost */

uint32_t parcel__schedule_bounded(size_t number)
{
    return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

size_t parcel__schedule_unit(size_t count)
{
    return count / (UINT32_MAX - 1) + 1;
}

parcel__range parcel__schedule_share(uint32_t units, int worker, int n_workers)
{
    uint64_t all = units, number = (uint64_t)worker, parts = (uint64_t)n_workers;
    return parcel__schedule_range((uint32_t)(all * number / parts),
                                  (uint32_t)(all * (number + 1) / parts));
}

static struct parcel__cut cut(parcel__range range, uint32_t length, bool off_the_low_end)
{
    uint32_t low = parcel__schedule_low(range), high = parcel__schedule_high(range);
    assert(low <= high && length <= high - low);
    if (off_the_low_end)
        return (struct parcel__cut){parcel__schedule_range(low, low + length),
                                    parcel__schedule_range(low + length, high)};
    return (struct parcel__cut){parcel__schedule_range(high - length, high),
                                parcel__schedule_range(low, high - length)};
}

static bool works_upwards(int owner)
{
    return owner % 2 == 0;
}

struct parcel__cut parcel__schedule_claim(parcel__range range, uint32_t length, int owner)
{
    uint32_t whole = parcel__schedule_length(range);
    return cut(range, length < whole ? length : whole, works_upwards(owner));
}

struct parcel__cut parcel__schedule_steal(parcel__range range, int owner)
{
    uint32_t whole = parcel__schedule_length(range);
    return cut(range, whole - whole / 2, !works_upwards(owner));
}

uint32_t parcel__schedule_batch(uint32_t left, int n_workers, uint32_t last,
                                double seconds_per_unit)
{
    uint32_t most = n_workers > 1 ? left - left / 2 : left;
    if (last == 0 || most <= 1)
        return most < 1 ? most : 1;
    double wanted =
        seconds_per_unit > 0 ? parcel__schedule_target / seconds_per_unit : largest_batch;
    if (wanted > 4.0 * last)
        wanted = 4.0 * last;
    if (wanted > largest_batch)
        wanted = largest_batch;
    uint32_t length = wanted < 1 ? 1 : (uint32_t)wanted;
    return length < most ? length : most;
}

uint32_t parcel__schedule_plain(parcel_schedule schedule, uint32_t left, int n_workers,
                                uint32_t least)
{
    uint32_t length = least;
    if (schedule == PARCEL_STATIC)
        length = left;
    else if (schedule == PARCEL_GUIDED && left / (uint32_t)n_workers > least)
        length = left / (uint32_t)n_workers;
    return length < left ? length : left;
}

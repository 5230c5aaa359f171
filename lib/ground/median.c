/*
 * median.c: the median of numbers that come one by one, in bounded memory.
 *
 * Numbers are kept in order. When there is no more room, each second one goes, which leaves the
 * median where it is, and from then on each second number is kept only.
 */
#include "ground/median.h"

#include <math.h>
#include <string.h>

void parcel__median_open(struct parcel__median *median)
{
    pthread_mutex_init(&median->lock, NULL);
    median->n_seen = 0;
    median->count = 0;
    median->stride = 1;
}

void parcel__median_close(struct parcel__median *median)
{
    pthread_mutex_destroy(&median->lock);
}

static void thin_out(struct parcel__median *median)
{
    median->count /= 2;
    for (size_t i = 0; i < median->count; i++)
        median->sorted[i] = median->sorted[2 * i + i % 2]; /* neither the larger nor the smaller */
    median->stride *= 2;
}

static void insert(struct parcel__median *median, double number)
{
    size_t low = 0, high = median->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (median->sorted[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(&median->sorted[low + 1], &median->sorted[low],
            (median->count - low) * sizeof *median->sorted);
    median->sorted[low] = number;
    median->count++;
}

static double middle_of(const struct parcel__median *median)
{
    size_t half = median->count / 2;
    if (median->count < PARCEL__MEDIAN_LEAST)
        return INFINITY;
    return median->count % 2 ? median->sorted[half]
                             : (median->sorted[half - 1] + median->sorted[half]) / 2;
}

double parcel__median_add(struct parcel__median *median, double number)
{
    pthread_mutex_lock(&median->lock);
    if (median->count == PARCEL__MEDIAN_SAMPLE)
        thin_out(median);
    if (median->n_seen++ % median->stride == 0)
        insert(median, number);
    double middle = middle_of(median);
    pthread_mutex_unlock(&median->lock);
    return middle;
}

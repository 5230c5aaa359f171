/* median.h: the median of numbers that come one by one, in bounded memory. */
#ifndef PARCEL__MEDIAN_H
#define PARCEL__MEDIAN_H

#include <pthread.h>
#include <stddef.h>

enum { PARCEL__MEDIAN_SAMPLE = 256, PARCEL__MEDIAN_LEAST = 5 };

struct parcel__median {
    pthread_mutex_t lock; /* of the rest */
    size_t n_seen;
    size_t stride; /* of so many numbers one is kept */
    size_t count;
    double sorted[PARCEL__MEDIAN_SAMPLE];
};

void parcel__median_open(struct parcel__median *median);
void parcel__median_close(struct parcel__median *median);

/* Adds a number. Returns the median of all numbers up to 256, then of a sample of them that is
 * spread evenly; infinity while there are fewer than 5. Threads: any. */
double parcel__median_add(struct parcel__median *median, double number);

#endif

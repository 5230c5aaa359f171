/* openmp.h: the OpenMP settings of the calling thread, in whatever runtime the process has. */
#ifndef PARCEL__OPENMP_H
#define PARCEL__OPENMP_H

#include <stdbool.h>

struct parcel__openmp_settings {
    bool changed;
    int threads;
    int levels;
};

/* Lets parallel regions that this thread opens have at most so many threads. saved: written. */
void parcel__openmp_limit(int threads, struct parcel__openmp_settings *saved);

/* Puts the settings back. Does nothing when the limit changed nothing. */
void parcel__openmp_restore(const struct parcel__openmp_settings *saved);

#endif

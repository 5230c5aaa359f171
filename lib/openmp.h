/* openmp.h: the OpenMP settings of the calling thread, in whatever runtimes the process has. */
#ifndef PARCEL__OPENMP_H
#define PARCEL__OPENMP_H

#include <stdbool.h>

enum { PARCEL__OPENMP_RUNTIMES = 2 };

struct parcel__openmp_setting {
    int threads;
    int levels;
};

struct parcel__openmp_settings {
    bool changed;
    struct parcel__openmp_setting of[PARCEL__OPENMP_RUNTIMES];
};

/* Lets parallel regions that this thread opens have at most so many threads. saved: written. */
void parcel__openmp_limit(int threads, struct parcel__openmp_settings *saved);

/* Puts the settings back; nothing when changed is false. */
void parcel__openmp_restore(const struct parcel__openmp_settings *saved);

/* The cpus of all places that threads may be bound to; 0 when they are not bound. */
int parcel__openmp_bound_cpus(void);

#endif

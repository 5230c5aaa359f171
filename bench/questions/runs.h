/* runs.h: Parcel as a contender. */
#ifndef BENCH_RUNS_H
#define BENCH_RUNS_H

#include <parcel.h>

#include "functions.h"
#include "harness.h"

/* A run of calls with an int result, as a contender's state. */
struct run {
    const parcel_calls *calls;
    parcel_options options;
    int last;     /* what the last call returns */
    bool is_cold; /* no memory of an earlier run is kept */
    int n_warm;   /* runs in a sample, by an executor that has run before; 0: one parcel_run */
};

/* Seconds to run the calls and to free their results, in the mean of a sample. */
double measure_parcel(void *state);

struct bench_contender parcel_contender(const char *name, struct run *run);

/* Lists of calls of empty and of spin with these arguments. */
parcel_calls *new_empty_list(const struct pair *arguments, size_t count);
parcel_calls *new_spin_list(const struct pair *arguments, size_t count);

#endif

/* costs.h: how long each of many calls takes. */
#ifndef BENCH_COSTS_H
#define BENCH_COSTS_H

#include <stddef.h>

#include "functions.h"

enum shape {
    SHAPE_UP,          /* from nothing to twice the mean */
    SHAPE_DOWN,        /* the reverse */
    SHAPE_LOGNORMAL,   /* sigma 2, in random order */
    SHAPE_SORTED_UP,   /* the same, the longest last */
    SHAPE_SORTED_DOWN, /* the same, the longest first */
    SHAPE_GIANT_LAST,  /* the last call is a tenth of all the work */
    SHAPE_GIANT_FIRST, /* so is the first */
    SHAPE_BIMODAL,     /* one in ten takes 100 times as long, at random */
    SHAPE_SLOW_BLOCK,  /* the same, a block behind the first third */
    SHAPE_STEP,        /* the second half takes 100 times as long */
    N_SHAPES
};

extern const char *const shape_names[N_SHAPES];

/* Writes seconds of that shape and mean. The same each time. */
void fill_costs(enum shape shape, double *costs, size_t count, double mean);

/* Writes calls of spin that all take so many seconds. */
void fill_equal(double length, struct pair *pairs, size_t count);

/* Writes calls of spin whose lengths have that shape, 10 us in the mean. */
void fill_shape(enum shape shape, struct pair *pairs, size_t count);

/* The steps that spin takes so many seconds for. Measured at the first call. */
int steps_of(double seconds);

#endif

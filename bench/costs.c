/* costs.c: how long each of many calls takes. */
#include "costs.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "functions.h"
#include "harness.h"

const char *const shape_names[N_SHAPES] = {[SHAPE_UP] = "linear up",
                                           [SHAPE_DOWN] = "linear down",
                                           [SHAPE_LOGNORMAL] = "lognormal, sigma 2",
                                           [SHAPE_SORTED_DOWN] = "lognormal, sorted down",
                                           [SHAPE_GIANT_LAST] = "giant last",
                                           [SHAPE_GIANT_FIRST] = "giant first",
                                           [SHAPE_STEP] = "step of 100 in the middle"};

/* A number in (0, 1). Source: Marsaglia, Xorshift RNGs, 2003. */
static double next_uniform(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return ((double)(*state >> 11) + 0.5) * 0x1p-53;
}

/* By Box and Muller. */
static void fill_lognormal(double *costs, size_t count)
{
    static const double tau = 6.283185307179586, sigma = 2;
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < count; i++) {
        double radius = sqrt(-2 * log(next_uniform(&state)));
        costs[i] = exp(sigma * radius * cos(tau * next_uniform(&state)));
    }
}

static int compare_down(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a < b) - (a > b);
}

/* A cost of the shapes that need no more than the place. */
static double cost_at(enum shape shape, size_t i, size_t count)
{
    double giant = (double)count / 9; /* beside count - 1 calls of 1: a tenth of all */
    switch (shape) {
    case SHAPE_UP:
        return (double)i + 1;
    case SHAPE_DOWN:
        return (double)(count - i);
    case SHAPE_GIANT_LAST:
        return i == count - 1 ? giant : 1;
    case SHAPE_GIANT_FIRST:
        return i == 0 ? giant : 1;
    default:
        return i < count / 2 ? 1 : 100;
    }
}

static void scale_to(double *costs, size_t count, double mean)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += costs[i];
    for (size_t i = 0; i < count; i++)
        costs[i] *= mean * (double)count / sum;
}

void fill_costs(enum shape shape, double *costs, size_t count, double mean)
{
    if (shape == SHAPE_LOGNORMAL || shape == SHAPE_SORTED_DOWN)
        fill_lognormal(costs, count);
    else
        for (size_t i = 0; i < count; i++)
            costs[i] = cost_at(shape, i, count);
    if (shape == SHAPE_SORTED_DOWN)
        qsort(costs, count, sizeof *costs, compare_down);
    scale_to(costs, count, mean);
}

/* Seconds a step: the least of several measurements, which nobody disturbed. */
static double measure_step(void)
{
    enum { STEPS = 200000, TIMES = 20 };
    double least = INFINITY;
    for (int i = 0; i < TIMES; i++) {
        double start = bench_now();
        bench_require(spin(STEPS, i) >= 0, "spin is wrong");
        least = fmin(least, bench_now() - start);
    }
    return least / STEPS;
}

int steps_of(double seconds)
{
    static double step;
    if (step == 0)
        step = measure_step();
    return (int)lround(seconds / step);
}

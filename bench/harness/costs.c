/* costs.c: how long each of many calls takes. */
#include "costs.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "functions.h"
#include "harness.h"

const char *const shape_names[N_SHAPES] = {[SHAPE_UP] = "linear up",
                                           [SHAPE_DOWN] = "linear down",
                                           [SHAPE_LOGNORMAL] = "lognormal",
                                           [SHAPE_SORTED_UP] = "sorted up",
                                           [SHAPE_SORTED_DOWN] = "sorted down",
                                           [SHAPE_GIANT_LAST] = "giant last",
                                           [SHAPE_GIANT_FIRST] = "giant first",
                                           [SHAPE_BIMODAL] = "bimodal",
                                           [SHAPE_SLOW_BLOCK] = "slow block",
                                           [SHAPE_STEP] = "step of 100"};

static const uint64_t seed = 88172645463325252u;

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
    uint64_t state = seed;
    for (size_t i = 0; i < count; i++) {
        double radius = sqrt(-2 * log(next_uniform(&state)));
        costs[i] = exp(sigma * radius * cos(tau * next_uniform(&state)));
    }
}

static void fill_bimodal(double *costs, size_t count)
{
    uint64_t state = seed;
    for (size_t i = 0; i < count; i++)
        costs[i] = next_uniform(&state) < 0.1 ? 100 : 1;
}

static int compare_up(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static int compare_down(const void *one, const void *other)
{
    return compare_up(other, one);
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
    case SHAPE_SLOW_BLOCK:
        return i >= count / 3 && i < count / 3 + count / 10 ? 100 : 1;
    default:
        return i < count / 2 ? 1 : 100;
    }
}

static void fill_relative(enum shape shape, double *costs, size_t count)
{
    switch (shape) {
    case SHAPE_LOGNORMAL:
    case SHAPE_SORTED_UP:
    case SHAPE_SORTED_DOWN:
        fill_lognormal(costs, count);
        break;
    case SHAPE_BIMODAL:
        fill_bimodal(costs, count);
        break;
    default:
        for (size_t i = 0; i < count; i++)
            costs[i] = cost_at(shape, i, count);
    }
    if (shape == SHAPE_SORTED_UP)
        qsort(costs, count, sizeof *costs, compare_up);
    if (shape == SHAPE_SORTED_DOWN)
        qsort(costs, count, sizeof *costs, compare_down);
}

void fill_costs(enum shape shape, double *costs, size_t count, double mean)
{
    double sum = 0;
    fill_relative(shape, costs, count);
    for (size_t i = 0; i < count; i++)
        sum += costs[i];
    for (size_t i = 0; i < count; i++)
        costs[i] *= mean * (double)count / sum;
}

void fill_equal(double length, struct pair *pairs, size_t count)
{
    int steps = steps_of(length);
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct pair){steps, (int)(i & 0xFFFF)};
}

void fill_shape(enum shape shape, struct pair *pairs, size_t count)
{
    double *costs = malloc(count * sizeof *costs);
    bench_require(costs != NULL, "out of memory");
    fill_costs(shape, costs, count, 10e-6);
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct pair){steps_of(costs[i]), (int)i};
    free(costs);
}

/* Seconds of a call of so many steps: the least of several measurements, which nobody disturbed. */
static double measure_spin(int steps)
{
    enum { STEPS = 200000, TIMES = 20 };
    double least = INFINITY;
    int count = STEPS / (steps + 1);
    for (int i = 0; i < TIMES; i++) {
        int sum = 0;
        double start = bench_now();
        for (int call = 0; call < count; call++)
            sum |= spin(steps, call);
        least = fmin(least, bench_now() - start);
        bench_require(sum >= 0, "spin is wrong");
    }
    return least / count;
}

/* A call takes some nanoseconds before its first step, and then so many a step. */
int steps_of(double seconds)
{
    enum { MANY = 20000 };
    static double base, step;
    if (step == 0) {
        base = measure_spin(0);
        step = (measure_spin(MANY) - base) / (double)MANY;
    }
    return seconds > base ? (int)lround((seconds - base) / step) : 0;
}

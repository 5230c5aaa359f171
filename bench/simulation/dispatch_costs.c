/* dispatch_costs.c: what the steps of a scheduler cost on this machine. */
#include "dispatch_costs.h"

#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "functions.h"
#include "ground/port.h"
#include "harness.h"
#include "job/schedule.h"

enum { TIMES = 9, STEPS = 20000, LINES = 128, N_PLACES = 256 };

struct place {
    _Alignas(LINES) atomic_uint_fast64_t word;
};
static struct place places[N_PLACES];

/* ---- what one thread does alone ---- */

static double measure_call(void)
{
    static int results[STEPS];
    int (*volatile chosen)(int, int) = empty;
    int (*function)(int, int) = chosen; /* which the compiler cannot know */
    double start = bench_now();
    for (int i = 0; i < STEPS; i++) {
        results[i] = function(i, 1);
        __asm__ volatile("" ::"r"(results) : "memory");
    }
    return bench_now() - start;
}

/* As lib/job/steal.c claims. */
static double measure_claim(void)
{
    atomic_uint_fast64_t *range = &places[0].word;
    atomic_store(range, parcel__schedule_range(0, UINT32_MAX - 1));
    double start = bench_now();
    for (int i = 0; i < STEPS; i++) {
        uint_fast64_t seen = atomic_load_explicit(range, memory_order_acquire);
        uint32_t batch = parcel__schedule_batch(parcel__schedule_length(seen), 2, 100, 1e-7);
        struct parcel__cut cut = parcel__schedule_claim(seen, batch, 0);
        atomic_compare_exchange_weak_explicit(range, &seen, cut.left, memory_order_acq_rel,
                                              memory_order_acquire);
    }
    return bench_now() - start;
}

static double measure_clock(void)
{
    double start = bench_now();
    for (int i = 1; i < STEPS; i++)
        bench_now();
    return bench_now() - start;
}

static double measure_ticks(void)
{
    double start = bench_now();
    for (int i = 1; i < STEPS; i++)
        parcel__port_ticks();
    return bench_now() - start;
}

/* ---- what two do to each other ---- */

/* Gives way after a while: what it waits for may need this very processor. */
static void wait_for(const atomic_uint_fast64_t *word, uint_fast64_t value)
{
    for (int i = 0; atomic_load_explicit(word, memory_order_acquire) != value; i++)
        if (i > 1000)
            sched_yield();
}

/* Two threads change one word in turn. */
static double measure_transfer(void)
{
    atomic_uint_fast64_t *word = &places[0].word;
    double start = 0, end = 0;
    atomic_store(word, 0);
#pragma omp parallel num_threads(2)
    {
        bench_require(omp_get_num_threads() == 2, "there are too few threads");
#pragma omp barrier
#pragma omp master
        start = bench_now();
        for (uint_fast64_t i = (uint_fast64_t)omp_get_thread_num(); i < STEPS; i += 2) {
            wait_for(word, i);
            atomic_fetch_add_explicit(word, 1, memory_order_acq_rel);
        }
#pragma omp barrier
#pragma omp master
        end = bench_now();
    }
    return end - start;
}

/* Two threads change one word at once. */
static double measure_turn(void)
{
    double start = 0, end = 0;
#pragma omp parallel num_threads(2)
    {
#pragma omp barrier
#pragma omp master
        start = bench_now();
        for (int i = 0; i < STEPS / 2; i++)
            atomic_fetch_add_explicit(&places[0].word, 1, memory_order_relaxed);
#pragma omp barrier
#pragma omp master
        end = bench_now();
    }
    return end - start;
}

static uint32_t longest_range(void)
{
    uint32_t longest = 0;
    for (int i = 1; i < N_PLACES; i++) {
        uint32_t length =
            parcel__schedule_length(atomic_load_explicit(&places[i].word, memory_order_acquire));
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* One thread changes all ranges, the other looks at them. */
static double measure_scan(void)
{
    double duration = 0;
    atomic_store(&places[0].word, 0);
#pragma omp parallel num_threads(2)
    if (omp_get_thread_num() == 1) {
        for (int i = 1; i < N_PLACES; i++)
            atomic_store(&places[i].word, parcel__schedule_range(0, (uint32_t)i));
        atomic_store(&places[0].word, 1);
    } else {
        wait_for(&places[0].word, 1);
        double start = bench_now();
        bench_require(longest_range() == N_PLACES - 1, "the scan is wrong");
        duration = bench_now() - start;
    }
    return duration;
}

/* ---- all ---- */

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* The median of several, each of so many steps. */
static double median(double (*measure)(void), int steps)
{
    double samples[TIMES];
    measure(); /* for caches and threads */
    for (int i = 0; i < TIMES; i++)
        samples[i] = measure() / steps;
    qsort(samples, TIMES, sizeof *samples, compare);
    return samples[TIMES / 2];
}

struct dispatch_costs measure_dispatch_costs(void)
{
    struct dispatch_costs costs = {.call = median(measure_call, STEPS),
                                   .claim = median(measure_claim, STEPS),
                                   .clock = median(measure_clock, STEPS),
                                   .ticks = median(measure_ticks, STEPS)};
    costs.transfer = costs.turn = costs.scan = costs.claim;
    if (omp_get_num_procs() < 2)
        return costs;
    costs.transfer = median(measure_transfer, STEPS);
    costs.turn = median(measure_turn, STEPS);
    costs.scan = median(measure_scan, N_PLACES);
    return costs;
}

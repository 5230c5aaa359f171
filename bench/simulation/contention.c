/*
 * contention.c: what it costs a worker to claim one call, by how many threads claim at once.
 *
 *     ./contention          11 rounds
 *     ./contention quick    5
 *
 * A counter that all share is what loops hand out by; a range of one's own on its own pair of
 * cache lines is what Parcel claims from, and a range that is robbed all the time is the worst
 * that can happen to it. All are measured in turn in each round.
 */
#include <math.h>
#include <omp.h>
#include <parcel.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "job/schedule.h"

enum { MOST_THREADS = 16, CLAIMS = 1 << 20, LINES = 128 };

/* ---- ways to claim ---- */

struct place {
    _Alignas(LINES) atomic_uint_fast64_t word;
};
static struct place places[MOST_THREADS];

static void add(int thread, int claims)
{
    (void)thread;
    for (int i = 0; i < claims; i++)
        atomic_fetch_add_explicit(&places[0].word, 1, memory_order_relaxed);
}

static void swap(int thread, int claims)
{
    (void)thread;
    for (int i = 0; i < claims; i++) {
        uint_fast64_t value = atomic_load_explicit(&places[0].word, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&places[0].word, &value, value + 1,
                                                      memory_order_acq_rel, memory_order_acquire))
            continue;
    }
}

/* Claims one unit after the other off a range, at the end of an owner with that number. */
static void claim(atomic_uint_fast64_t *range, int owner, int claims)
{
    for (int i = 0; i < claims; i++) {
        uint_fast64_t seen = atomic_load_explicit(range, memory_order_acquire);
        struct parcel__cut cut;
        do
            cut = parcel__schedule_claim(seen, 1, owner);
        while (!atomic_compare_exchange_weak_explicit(range, &seen, cut.left, memory_order_acq_rel,
                                                      memory_order_acquire));
    }
}

static void claim_own(int thread, int claims)
{
    claim(&places[thread].word, thread, claims);
}

/* The first thread owns the range, the others rob it at its far end. */
static void claim_robbed(int thread, int claims)
{
    claim(&places[0].word, thread > 0, claims);
}

static const struct way {
    const char *name;
    void (*claim)(int thread, int claims);
    bool is_range;
} ways[] = {{"one counter, fetch-add", add, false},
            {"one counter, compare-and-swap", swap, false},
            {"a range each", claim_own, true},
            {"one range, robbed by the others", claim_robbed, true}};

static const int threads[] = {1, 2, 4, 8, 16};

enum { N_WAYS = sizeof ways / sizeof *ways, N_COUNTS = sizeof threads / sizeof *threads };

/* ---- measuring ---- */

static void reset(const struct way *way)
{
    for (int i = 0; i < MOST_THREADS; i++)
        atomic_store(&places[i].word,
                     way->is_range ? parcel__schedule_range(0, UINT32_MAX - 1) : 0);
}

static uint64_t claimed(const struct way *way)
{
    uint64_t sum = 0;
    for (int i = 0; i < MOST_THREADS; i++) {
        uint64_t word = atomic_load(&places[i].word);
        sum += way->is_range ? UINT32_MAX - 1 - parcel__schedule_length(word) : word;
    }
    return sum;
}

/* Seconds of a processor that a claim takes: threads beyond the processors take turns. */
static double measure(const struct way *way, int n_threads)
{
    double start = INFINITY, end = 0;
    int each = CLAIMS / n_threads, cpus = parcel_cpu_count();
    reset(way);
#pragma omp parallel num_threads(n_threads) reduction(min : start) reduction(max : end)
    {
        bench_require(omp_get_num_threads() == n_threads, "there are too few threads");
#pragma omp barrier
        start = bench_now();
        way->claim(omp_get_thread_num(), each);
        end = bench_now();
    }
    bench_require(claimed(way) == (uint64_t)each * (uint64_t)n_threads, "claims were lost");
    return (end - start) * (n_threads < cpus ? n_threads : cpus) / (double)CLAIMS;
}

static void print_table(const struct bench *bench,
                        struct bench_contender contenders[N_WAYS][N_COUNTS])
{
    printf("\nWhat does a claim cost its worker? (ns, by the number of threads)\n%-32s", "");
    for (int j = 0; j < N_COUNTS; j++)
        printf(" %8d", threads[j]);
    for (int i = 0; i < N_WAYS; i++) {
        printf("\n%-32s", ways[i].name);
        for (int j = 0; j < N_COUNTS; j++)
            printf(" %8.1f", 1e9 * bench_median(bench, &contenders[i][j]));
    }
    printf("\nMore threads than %d processors take turns: there is no more contention then.\n",
           parcel_cpu_count());
}

int main(int argc, char **argv)
{
    static struct bench_contender contenders[N_WAYS][N_COUNTS];
    bool is_quick = argc == 2 && strcmp(argv[1], "quick") == 0;
    struct bench bench = {.rounds = is_quick ? 5 : 11};
    if (argc > 1 && !is_quick) {
        fprintf(stderr, "usage: %s [quick]\n", argv[0]);
        return 2;
    }
    for (int round = 0; round < bench.rounds; round++)
        for (int j = 0; j < N_COUNTS; j++)
            for (int i = 0; i < N_WAYS; i++) {
                int way = (i + round) % N_WAYS;
                contenders[way][j].samples[round] = measure(&ways[way], threads[j]);
            }
    print_table(&bench, contenders);
    return 0;
}

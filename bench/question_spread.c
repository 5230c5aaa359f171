/*
 * question_spread.c: how well calls are spread over two workers, whatever their length.
 *
 * Efficiency is the least time that two workers can take, max(serial / 2, the longest call), over
 * the time they took; 1 is perfect. No chunk size is right for all lengths: beside Parcel, which
 * has none to choose, stand loops with several. Each line is held to the best of them.
 */
#include <parcel.h>
#include <stdio.h>
#include <stdlib.h>

#include "costs.h"
#include "loops.h"
#include "questions.h"
#include "runs.h"

DELAYED(int, spin_pair, struct pair);

enum { FIRST_PEER = LOOP_SERIAL + 1, N_PEERS = LOOP_DYNAMIC_64 + 1, MOST_CALLS = 1 << 21 };
enum { LIST = N_PEERS, MAP, N_CONTENDERS };

/* What may be lacking to the best loop. */
static const double tolerance = 0.01;

/* ---- efficiency ---- */

/* The longest of calls as a part of all of them, by their steps. */
static double longest_part(const struct pair *pairs, size_t count)
{
    double longest = 0, sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += pairs[i].first;
        if (pairs[i].first > longest)
            longest = pairs[i].first;
    }
    return longest / sum;
}

/* Turns the rounds' seconds into efficiencies; the serial loop's stay. */
static void turn_into_efficiencies(const struct bench *bench, struct bench_contender *contenders,
                                   double longest)
{
    double least = longest > 1.0 / BENCH_WORKERS ? longest : 1.0 / BENCH_WORKERS;
    for (int i = FIRST_PEER; i < N_CONTENDERS; i++)
        for (int round = 0; round < bench->rounds; round++)
            contenders[i].samples[round] =
                least * contenders[LOOP_SERIAL].samples[round] / contenders[i].samples[round];
}

static void print_heading(const char *question, const char *first)
{
    printf("\n%s\n%-28s", question, first);
    for (int i = FIRST_PEER; i < N_PEERS; i++)
        printf(" %*s",
               i < LOOP_DYNAMIC_1    ? 8
               : i == LOOP_DYNAMIC_1 ? 9
                                     : 12,
               loop_names[i] + sizeof "omp for");
    printf(" %6s %6s  %-8s\n", "map", "list", "target");
}

static void print_line(struct bench *bench, const char *name,
                       const struct bench_contender *contenders, double floor)
{
    double target = floor, list = bench_median(bench, &contenders[LIST]);
    bool is_disturbed = bench_is_disturbed(bench, &contenders[LIST]) ||
                        bench_is_disturbed(bench, &contenders[LOOP_SERIAL]);
    printf("%-28s", name);
    for (int i = FIRST_PEER; i < N_CONTENDERS; i++) {
        double efficiency = bench_median(bench, &contenders[i]);
        int width = i < LOOP_DYNAMIC_1 ? 8 : i == LOOP_DYNAMIC_1 ? 9 : i < N_PEERS ? 12 : 6;
        printf(" %*.3f", width, efficiency);
        if (i < N_PEERS && efficiency - tolerance > target)
            target = efficiency - tolerance;
    }
    printf("  >= %.3f %s\n", target, bench_verdict(bench, list >= target, is_disturbed));
    fflush(stdout);
}

/* Measures all contenders over the same calls of spin, and prints the line of the table. The list
 * is held to the best loop and to the floor. */
static void ask(struct bench *bench, const char *name, struct pair *pairs, size_t count,
                double floor)
{
    struct bench_contender contenders[N_CONTENDERS];
    struct loop_run loops[N_PEERS];
    struct raw_call *raw = new_raw_calls(spin, pairs, count);
    parcel_calls *calls = new_spin_list(pairs, count);
    int last = spin_pair(pairs[count - 1]);
    struct run list = {calls, BENCH_WORKERS, last, false},
               map = {parcel_map(spin_pair, pairs, count), BENCH_WORKERS, last, false};
    for (int i = 0; i < N_PEERS; i++) {
        loops[i] = (struct loop_run){(enum loop)i, raw, count};
        contenders[i] = loop_contender(&loops[i]);
    }
    contenders[LIST] = parcel_contender("list", &list);
    contenders[MAP] = parcel_contender("map", &map);
    bench_rounds(bench, contenders, N_CONTENDERS);
    turn_into_efficiencies(bench, contenders, longest_part(pairs, count));
    print_line(bench, name, contenders, floor);
    parcel_calls_free(calls);
    free(raw);
}

/* ---- the questions ---- */

static struct pair *new_pairs(size_t count)
{
    struct pair *pairs = malloc(count * sizeof *pairs);
    bench_require(pairs != NULL, "out of memory");
    return pairs;
}

/* As many calls of that length as take that long. Returns how many. */
static size_t fill_equal(struct pair *pairs, double grain, double seconds)
{
    size_t count = (size_t)(seconds / grain);
    if (count > MOST_CALLS)
        count = MOST_CALLS;
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct pair){steps_of(grain), (int)(i & 0xFFFF)};
    return count;
}

void question_grain(struct bench *bench)
{
    static const double grains[] = {20e-9, 50e-9, 100e-9, 200e-9, 500e-9, 1e-6,
                                    2e-6,  5e-6,  10e-6,  20e-6,  50e-6,  100e-6};
    struct pair *pairs = new_pairs(MOST_CALLS);
    char name[32];
    print_heading("Equal calls: efficiency on 2 workers", "length of a call");
    for (size_t i = 0; i < sizeof grains / sizeof *grains; i++) {
        size_t count = fill_equal(pairs, grains[i], bench->is_quick ? 8e-3 : 40e-3);
        snprintf(name, sizeof name, "%g us", grains[i] * 1e6);
        ask(bench, name, pairs, count, 0.95);
    }
    free(pairs);
}

void question_uneven(struct bench *bench)
{
    static const double mean = 10e-6;
    size_t count = bench->is_quick ? 2000 : 10000;
    double *costs = malloc(count * sizeof *costs);
    struct pair *pairs = new_pairs(count);
    bench_require(costs != NULL, "out of memory");
    print_heading("Unequal calls, 10 us in the mean: efficiency on 2 workers", "");
    for (int shape = 0; shape < N_SHAPES; shape++) {
        fill_costs((enum shape)shape, costs, count, mean);
        for (size_t i = 0; i < count; i++)
            pairs[i] = (struct pair){steps_of(costs[i]), (int)i};
        ask(bench, shape_names[shape], pairs, count, 0.98);
    }
    free(costs);
    free(pairs);
}

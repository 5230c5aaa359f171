/*
 * question_allocations.c: how often memory is allocated for strings and structs.
 *
 * The baseline is what a loop by hand does to keep such results: one malloc each.
 */
#include <parcel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocations.h"
#include "functions.h"
#include "questions.h"
#include "report.h"

DELAYED(const char *, name_of, int);
DELAYED(struct small, small_of, int);
DELAYED(struct large, large_of, int);
DELAYED(size_t, strlen, const char *);

enum { N_CALLS = 100000 };
static const double ns_a_call = 1e9 / (double)N_CALLS;

static void *results_by_hand[N_CALLS];

/* ---- one run of each kind ---- */

static double time_run(const parcel_calls *calls)
{
    double start = bench_now();
    parcel_results *results = Parallel(.n_jobs = BENCH_WORKERS)(calls);
    double seconds = bench_now() - start;
    bench_require(!parcel_results_error(results), "a run failed");
    start = bench_now();
    parcel_results_free(results);
    return seconds + (bench_now() - start);
}

static double run_list(void *calls)
{
    return time_run(calls);
}

/* Builds a list of calls with a string each, which the list copies. */
static double build_strings(void *state)
{
    (void)state;
    parcel_calls *calls = parcel_calls_new();
    double start = bench_now();
    for (int i = 0; i < N_CALLS; i++)
        parcel_calls_add(calls, delayed(strlen)(name_of(i)));
    double seconds = bench_now() - start;
    parcel_calls_free(calls);
    return seconds;
}

static void *copy(const void *bytes, size_t size)
{
    void *memory = malloc(size);
    bench_require(memory != NULL, "out of memory");
    return memcpy(memory, bytes, size);
}

static void *copy_name(int number)
{
    const char *name = name_of(number);
    return copy(name, strlen(name) + 1);
}

static void *copy_small(int number)
{
    struct small small = small_of(number);
    return copy(&small, sizeof small);
}

static void *copy_large(int number)
{
    struct large large = large_of(number);
    return copy(&large, sizeof large);
}

struct by_hand {
    void *(*function)(int);
};

static double run_by_hand(void *state)
{
    const struct by_hand *by_hand = state;
    double start = bench_now();
#pragma omp parallel for num_threads(BENCH_WORKERS) schedule(static)
    for (int i = 0; i < N_CALLS; i++)
        results_by_hand[i] = by_hand->function(i);
    for (int i = 0; i < N_CALLS; i++)
        free(results_by_hand[i]);
    return bench_now() - start;
}

/* ---- the question ---- */

static double count_allocations(const struct bench_contender *contender)
{
    allocations_begin();
    contender->measure(contender->state);
    return (double)allocations_end();
}

static void ask(struct bench *bench, const char *name, struct bench_contender contender,
                void *(*function)(int))
{
    enum { PARCEL, BY_HAND, N };
    struct by_hand by_hand = {function};
    struct bench_contender contenders[N] = {
        contender, {.name = "omp static, malloc each", .measure = run_by_hand, .state = &by_hand}};
    char text[64];
    bench_rounds(bench, contenders, N);
    bench_print_row(bench, &(struct bench_row){name, &contenders[PARCEL], &contenders[BY_HAND],
                                               ns_a_call, "ns a call", BENCH_NONE, 0});
    snprintf(text, sizeof text, "  allocations of %d calls", N_CALLS);
    for (int i = 0; i < N; i++)
        for (int round = 0; round < bench->rounds; round++)
            contenders[i].samples[round] = count_allocations(&contenders[i]);
    bench_print_row(bench, &(struct bench_row){text, &contenders[PARCEL], &contenders[BY_HAND], 1,
                                               "", BENCH_RATIO_AT_MOST, 0.01});
}

static void ask_results(struct bench *bench, const char *name, parcel_calls *calls,
                        void *(*function)(int))
{
    ask(bench, name,
        (struct bench_contender){.name = "parcel list", .measure = run_list, .state = calls},
        function);
    parcel_calls_free(calls);
}

void question_allocations(struct bench *bench)
{
    parcel_calls *names = parcel_calls_new(), *smalls = parcel_calls_new(),
                 *larges = parcel_calls_new();
    for (int i = 0; i < N_CALLS; i++) {
        parcel_calls_add(names, delayed(name_of)(i));
        parcel_calls_add(smalls, delayed(small_of)(i));
        parcel_calls_add(larges, delayed(large_of)(i));
    }
    bench_heading("100,000 calls with strings and structs");
    ask_results(bench, "results const char *", names, copy_name);
    ask_results(bench, "results struct of 24 bytes", smalls, copy_small);
    ask_results(bench, "results struct of 96 bytes", larges, copy_large);
    ask(bench, "building, arguments const char *",
        (struct bench_contender){.name = "parcel add", .measure = build_strings}, copy_name);
}

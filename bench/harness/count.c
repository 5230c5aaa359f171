/*
 * count.c: what instructions.sh counts the instructions of, at one thread.
 *
 *     ./count N [PART]
 *
 * Each part is a path that users pay for, and a function of its own, by whose name valgrind finds
 * it. How fast valgrind runs must not decide how calls are cut and measured, so the clock is one
 * that goes on by the same step at each look (count_clock.c). Nothing waits: workers take turns in
 * one thread, a stream's thread runs to its end when it is made, and both ends of a message stand
 * side by side.
 */
#include <parcel/backend.h>
#include <stdlib.h>
#include <string.h>

#include "count.h"
#include "functions.h"

DELAYED(int, empty, int, int);
DELAYED(int, empty_pair, struct pair);

enum { RUNS_PER_CALL = 100 }; /* a run of two calls costs as much as so many calls */

/* ---- what is run ---- */

/* The calls 0 to n - 1, from a generator. */
struct numbers {
    int next, end;
};

static parcel_next_status next_number(void *state, parcel_call *call)
{
    struct numbers *numbers = state;
    if (numbers->next == numbers->end)
        return PARCEL_NEXT_END;
    *call = delayed(empty)(numbers->next++, 1);
    return PARCEL_NEXT_CALL;
}

static bool add_number(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    (void)index, (void)record;
    *(long long *)state += value.as.int64;
    return true;
}

/* Two workers that work one after the other, as the second finds what the first left it. */
static void take_turns(void *state, parcel_job *job, int n_workers)
{
    (void)state;
    for (int i = 0; i < n_workers; i++)
        parcel_job_work(job, i);
}

static const parcel_backend turns = {
    .size = sizeof turns, .name = "turns", .capabilities = PARCEL_SHARES_MEMORY, .run = take_turns};

/* ---- the parts ---- */

NOINLINE static void count_build(parcel_calls *calls, int n)
{
    for (int i = 0; i < n; i++)
        parcel_calls_add(calls, delayed(empty)(i, 1));
}

/* One batch, whose calls have no times of their own: what each call costs at the least. */
NOINLINE static parcel_results *count_list(const parcel_calls *calls, int n)
{
    return Parallel(.n_jobs = 1, .batch_size = n, .timing = PARCEL_NO)(calls);
}

NOINLINE static parcel_results *count_map(struct pair *pairs, int n)
{
    return Parallel(.n_jobs = 1, .batch_size = n,
                    .timing = PARCEL_NO)(parcel_map(empty_pair, pairs, (size_t)n));
}

/* As a user writes it, with batches that grow and times. */
NOINLINE static parcel_results *count_loop(const parcel_calls *calls)
{
    return Parallel(.n_jobs = 1)(calls);
}

NOINLINE static void count_run(const parcel_calls *two, int n)
{
    for (int i = 0; i < n; i++)
        parcel_results_free(Parallel(.n_jobs = 2, .backend = turns.name)(two));
}

NOINLINE static long long count_stream(struct numbers numbers)
{
    long long sum = 0;
    parcel_calls *calls = parcel_calls_generate(next_number, &numbers);
    parcel_results_free(
        Parallel(.n_jobs = 1, .on_result = add_number, .on_result_state = &sum)(calls));
    parcel_calls_free(calls);
    return sum;
}

NOINLINE static long long count_pull(struct numbers numbers)
{
    long long sum = 0;
    parcel_result result;
    parcel_calls *calls = parcel_calls_generate(next_number, &numbers);
    count_has_no_threads = true;
    parcel_results *results = Parallel(.n_jobs = 1, .return_as = PARCEL_GENERATOR,
                                       .window = numbers.end + 1, .pre_dispatch = "all")(calls);
    while (parcel_results_next(results, &result)) {
        sum += result.value.as.int64;
        parcel_result_free(&result);
    }
    parcel_results_free(results);
    count_has_no_threads = false;
    parcel_calls_free(calls);
    return sum;
}

NOINLINE static long long count_read(const parcel_results *results, size_t n)
{
    long long sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += parcel_get(results, i, int);
    return sum;
}

NOINLINE static double count_durations(const parcel_results *results, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += parcel_results_duration(results, i);
    return sum;
}

NOINLINE static double count_records(const parcel_results *results, size_t n)
{
    double sum = 0;
    parcel_record record;
    for (size_t i = 0; i < n; i++)
        if (parcel_results_record(results, i, &record))
            sum += record.duration;
    return sum;
}

NOINLINE static void count_print(const parcel_results *results, FILE *nowhere)
{
    parcel_results_print(results, nowhere);
}

NOINLINE static void count_free(parcel_results *results, parcel_calls *calls)
{
    parcel_results_free(results);
    parcel_calls_free(calls);
}

/* ---- all of them ---- */

static long long sum_of(int n)
{
    return (long long)n * (n + 1) / 2;
}

/* The counted functions, and whether what they did is right. */
static bool run_parts(int n, struct pair *pairs, parcel_calls *calls, parcel_calls *two,
                      FILE *nowhere)
{
    const struct numbers numbers = {0, n};
    count_build(calls, n);
    parcel_results *list = count_list(calls, n), *map = count_map(pairs, n);
    parcel_results *loop = count_loop(calls);
    count_run(two, n / RUNS_PER_CALL);
    bool is_right = count_stream(numbers) == sum_of(n) && count_pull(numbers) == sum_of(n) &&
                    count_read(list, (size_t)n) == sum_of(n) &&
                    count_durations(loop, (size_t)n) > 0 && count_records(loop, (size_t)n) > 0 &&
                    !parcel_results_error(map);
    count_print(list, nowhere);
    is_right = is_right && count_messages(calls, loop) && count_orders(calls);
    count_free(list, calls);
    parcel_results_free(map);
    parcel_results_free(loop);
    return is_right;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 0;
    struct pair *pairs = calloc((size_t)n, sizeof *pairs);
    parcel_calls *calls = parcel_calls_new(), *two = parcel_calls_new();
    FILE *nowhere = fopen("/dev/null", "w");
    if (n < RUNS_PER_CALL || !pairs || !calls || !two || !nowhere ||
        parcel_register_backend(&turns, false))
        return 2;
    for (int i = 0; i < 2; i++)
        parcel_calls_add(two, delayed(empty)(i, 1));
    bool is_right = run_parts(n, pairs, calls, two, nowhere);
    parcel_calls_free(two);
    free(pairs);
    fclose(nowhere);
    return is_right ? 0 : 1;
}

/*
 * count.c: what instructions.sh counts the instructions of, at one thread.
 *
 *     ./count N
 *
 * How fast valgrind runs must not decide how the calls are cut and measured: so a run is one batch,
 * and its calls have no times of their own. Each counted part is a function of its own, by whose
 * name it is found.
 */
#include <parcel.h>
#include <stdlib.h>

#include "functions.h"

DELAYED(int, empty, int, int);
DELAYED(int, empty_pair, struct pair);

__attribute__((noinline)) static void count_build(parcel_calls *calls, int n)
{
    for (int i = 0; i < n; i++)
        parcel_calls_add(calls, delayed(empty)(i, 1));
}

__attribute__((noinline)) static parcel_results *count_list(const parcel_calls *calls, int n)
{
    return Parallel(.n_jobs = 1, .batch_size = n, .timing = PARCEL_NO)(calls);
}

__attribute__((noinline)) static parcel_results *count_map(struct pair *pairs, int n)
{
    return Parallel(.n_jobs = 1, .batch_size = n,
                    .timing = PARCEL_NO)(parcel_map(empty_pair, pairs, (size_t)n));
}

__attribute__((noinline)) static long long count_read(const parcel_results *results, size_t n)
{
    long long sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += parcel_get(results, i, int);
    return sum;
}

__attribute__((noinline)) static void count_free(parcel_results *results, parcel_calls *calls)
{
    parcel_results_free(results);
    parcel_calls_free(calls);
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 0;
    struct pair *pairs = calloc((size_t)n, sizeof *pairs);
    parcel_calls *calls = parcel_calls_new();
    if (n < 1 || !pairs || !calls)
        return 2;
    count_build(calls, n);
    parcel_results *list = count_list(calls, n), *map = count_map(pairs, n);
    long long sum = count_read(list, (size_t)n);
    bool is_right = sum == (long long)n * (n + 1) / 2 && !parcel_results_error(map);
    count_free(list, calls);
    parcel_results_free(map);
    free(pairs);
    return is_right ? 0 : 1;
}

/*
 * nested.c: Parallel inside a call. The inner runs share the workers of the outer one: 4 workers
 * over 2 outer calls leave 2 for each inner run, so there are never more than 4.
 */
#include <parcel.h>

static int square(int x)
{
    return x * x;
}
DELAYED(int, square, int);

static int sum_of_squares(int first, int count)
{
    parcel_calls *calls = parcel_calls_new();
    for (int x = first; x < first + count; x++)
        parcel_calls_add(calls, delayed(square)(x));

    parcel_results *results = Parallel(.n_jobs = -1)(calls);
    if (parcel_results_error(results)) /* the outer error then names both levels */
        parcel_fail("%s", parcel_results_error(results));

    int sum = 0;
    for (size_t i = 0; i < parcel_results_count(results); i++)
        sum += parcel_get(results, i, int);
    fprintf(stderr, "workers of the inner run: %d\n", parcel_results_workers(results));
    parcel_results_free(results);
    parcel_calls_free(calls);
    return sum;
}
DELAYED(int, sum_of_squares, int, int);

int main(void)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(sum_of_squares)(1, 100));
    parcel_calls_add(calls, delayed(sum_of_squares)(101, 100));

    parcel_results *results = Parallel(.n_jobs = 4)(calls);
    parcel_results_print(results, stdout);

    parcel_results_free(results);
    parcel_calls_free(calls);
    return 0;
}

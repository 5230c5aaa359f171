/*
 * stream.c: a generator in, results out in order, in constant memory. The calls come from a loop
 * that could go on for ever, and each result is used and forgotten: here, which numbers below a
 * million take the most steps to reach 1 (n / 2 when n is even, else 3 n + 1).
 */
#include <parcel.h>

static int count_steps(long long n)
{
    int steps = 0;
    for (; n != 1; steps++)
        n = n % 2 ? 3 * n + 1 : n / 2;
    return steps;
}
DELAYED(int, count_steps, long long);

static parcel_next_status next_number(void *state, parcel_call *call)
{
    long long *n = state;
    if (++*n == 1000000)
        return PARCEL_NEXT_END;
    *call = delayed(count_steps)(*n);
    return PARCEL_NEXT_CALL;
}

/* Called with one result after the other: n = 1, 2, 3, ... */
static bool print_record(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    int64_t *most = state;
    (void)record;
    if (value.as.int64 > *most && value.as.int64 >= 300)
        printf("%zu takes %d steps\n", index + 1, (int)value.as.int64);
    if (value.as.int64 > *most)
        *most = value.as.int64;
    return true;
}

int main(void)
{
    long long n = 0;
    int64_t most = 0;
    parcel_calls *calls = parcel_calls_generate(next_number, &n);
    parcel_results *results =
        Parallel(.n_jobs = 2, .on_result = print_record, .on_result_state = &most)(calls);
    printf("%zu calls, %s\n", parcel_results_count(results),
           parcel_results_error(results) ? parcel_results_error(results) : "no error");
    parcel_results_free(results);
    parcel_calls_free(calls);

    /* The same, pulled one at a time while the workers run, until enough is known. */
    parcel_result result;
    n = 0;
    calls = parcel_calls_generate(next_number, &n);
    results = Parallel(.n_jobs = 2, .return_as = PARCEL_GENERATOR)(calls);
    while (parcel_results_next(results, &result)) {
        bool is_found = result.value.as.int64 > 100;
        if (is_found)
            printf("the first above 100 steps is %zu\n", result.index + 1);
        parcel_result_free(&result);
        if (is_found)
            break;
    }
    parcel_results_free(results); /* what has not started never will */
    parcel_calls_free(calls);
    return 0;
}

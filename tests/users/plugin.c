/* plugin.c: a shared object that runs calls, for a program that knows nothing of Parcel; see
 * plugins.c. */
#include <parcel.h>

static int triple(int i)
{
    return 3 * i;
}
DELAYED(int, triple, int);

enum { N_CALLS = 50 };

int plugin_sum(const char *backend, int is_kept);

/* 3 * (0 + 1 + ... + 49), by an executor that is closed, or, is_kept, that nobody closes; -1 when
 * the run has an error. */
int plugin_sum(const char *backend, int is_kept)
{
    int numbers[N_CALLS], sum = 0;
    for (int i = 0; i < N_CALLS; i++)
        numbers[i] = i;
    parcel_executor *executor = parcel_open(&(parcel_options){.n_jobs = 2, .backend = backend});
    parcel_results *results = parcel_executor_run(executor, parcel_map(triple, numbers, N_CALLS));
    for (size_t i = 0; i < N_CALLS; i++)
        sum += parcel_get(results, i, int);
    if (parcel_results_error(results))
        sum = -1;
    parcel_results_free(results);
    if (!is_kept)
        parcel_close(executor);
    return sum;
}

/*
 * settings.c: where an option comes from. Given in the call, else the innermost scope, else the
 * environment (PARCEL_N_JOBS=3 ./settings), else the default.
 */
#include <parcel.h>

static int twice(int x)
{
    return 2 * x;
}
DELAYED(int, twice, int);

static void report(const char *where)
{
    int numbers[] = {1, 2, 3, 4, 5, 6};
    parcel_results *results = Parallel()(parcel_map(twice, numbers, 6));
    printf("%s: n_jobs %d, ", where, parcel_effective_n_jobs(0)); /* 0: not set */
    parcel_results_print(results, stdout);
    parcel_results_free(results);
}

int main(void)
{
    parcel_config_push(.n_jobs = 2);
    report("outer scope");

    parcel_config_push(.backend = "sequential"); /* scopes nest; this one leaves n_jobs alone */
    report("inner scope");
    parcel_explain(&(parcel_options){.batch_size = 3, .on_error = PARCEL_COLLECT}, stdout);
    parcel_config_pop();

    report("outer scope again");
    parcel_config_pop();
    return 0;
}

/*
 * dynamic.c: for check-binding.sh. Calls open regions of OpenMP, in runs and in runs inside calls,
 * while the number of threads is dynamic (OMP_DYNAMIC=true).
 */
#include <omp.h>
#include <parcel.h>
#include <stdlib.h>

enum { N_CALLS = 20, N_RUNS = 20 };

static int zeros[N_CALLS];

static int open_region(int n)
{
#pragma omp parallel num_threads(3) reduction(+ : n)
    n++;
    return n;
}
DELAYED(int, open_region, int);

static size_t count_good(const parcel_results *results, int least)
{
    size_t good = 0;
    for (size_t i = 0; i < parcel_results_count(results); i++)
        good += parcel_get(results, i, int) >= least;
    return good;
}

static int open_regions(int n)
{
    parcel_results *results = Parallel(.n_jobs = 2)(parcel_map(open_region, zeros, N_CALLS));
    n += (int)count_good(results, 1);
    parcel_results_free(results);
    return n;
}
DELAYED(int, open_regions, int);

int main(void)
{
    size_t good = 0;
    for (int i = 0; i < N_RUNS; i++) {
        parcel_results *results = Parallel(.n_jobs = 4)(parcel_map(open_regions, zeros, N_CALLS));
        good += count_good(results, N_CALLS);
        parcel_results_free(results);
    }
    return good == N_RUNS * N_CALLS && omp_get_dynamic() ? EXIT_SUCCESS : EXIT_FAILURE;
}

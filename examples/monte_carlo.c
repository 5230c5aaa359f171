/*
 * monte_carlo.c: pi by a million random points, in 100 calls with a seed each. A generator of each
 * call's own, and not of each thread, gives the same numbers whatever n_jobs is.
 */
#include <parcel.h>
#include <stdint.h>

enum { N_CALLS = 100, N_POINTS = 10000 };

/* SplitMix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators): its states
 * may be any numbers, also those that follow each other. */
static double uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return (double)((z ^ z >> 31) >> 11) / (double)(UINT64_C(1) << 53);
}

static long count_inside(uint64_t seed)
{
    long inside = 0;
    uint64_t state = seed << 32; /* far enough from those of other calls */
    for (int i = 0; i < N_POINTS; i++) {
        double x = uniform(&state), y = uniform(&state);
        inside += x * x + y * y < 1;
    }
    return inside;
}
DELAYED(long, count_inside, uint64_t);

static double estimate_pi(int n_jobs)
{
    uint64_t seeds[N_CALLS];
    long inside = 0;
    for (unsigned i = 0; i < N_CALLS; i++)
        seeds[i] = i;
    parcel_results *results = Parallel(.n_jobs = n_jobs)(parcel_map(count_inside, seeds, N_CALLS));
    if (parcel_results_error(results))
        fprintf(stderr, "%s\n", parcel_results_error(results));
    for (size_t i = 0; i < N_CALLS; i++)
        inside += parcel_get(results, i, long);
    parcel_results_free(results);
    return 4.0 * (double)inside / ((double)N_CALLS * (double)N_POINTS);
}

int main(void)
{
    static const int n_jobs[] = {1, 2, 7};
    for (size_t i = 0; i < sizeof n_jobs / sizeof *n_jobs; i++)
        printf("n_jobs = %d: pi is about %.6f\n", n_jobs[i], estimate_pi(n_jobs[i]));
    return 0;
}

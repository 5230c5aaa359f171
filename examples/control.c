/*
 * control.c: a sweep that looks after itself. Each point of the sweep asks a solver that sometimes
 * fails and sometimes does not come to an end: failures are tried again, what takes too long is
 * asked to return, and the run as a whole can be cancelled by a token, as from a signal handler.
 *
 * Each worker has a scratch buffer, which is made once and not in each call.
 */
#include <parcel.h>
#include <stdlib.h>

enum { N = 8, TERMS = 1000 };

static void *make_scratch(void *state, int worker)
{
    (void)state, (void)worker;
    return malloc(TERMS * sizeof(double));
}

static void free_scratch(void *state, int worker, void *scratch)
{
    (void)state, (void)worker;
    free(scratch);
}

static double sum(int point)
{
    double *terms = parcel_worker_state(), total = 0;
    for (int i = 0; i < TERMS; i++)
        terms[i] = point;
    for (int i = 0; i < TERMS; i++)
        total += terms[i];
    return total;
}

static int failures_left[N] = {0, 1, 0, 2, 0, 9, 0, 0}; /* one call a point: no race */

static double solve(int point)
{
    if (failures_left[point]-- > 0)
        parcel_fail("the solver did not start");
    while (point == 6 && !parcel_cancelled())
        continue; /* does not converge, but looks whether it should go on */
    return sum(point);
}
DELAYED(double, solve, int);

static void print(const parcel_results *results)
{
    static const char *const words[] = {"not run",   "ok",        "failed",
                                        "cancelled", "timed out", "lost"};
    for (size_t i = 0; i < N; i++)
        printf("point %zu: %-9s  attempts %d  sum %g\n", i,
               words[parcel_results_status(results, i)], parcel_results_attempts(results, i),
               parcel_get(results, i, double));
}

int main(void)
{
    int points[N] = {0, 1, 2, 3, 4, 5, 6, 7};
    parcel_token token = {0};
    const parcel_options options = {.n_jobs = 2,
                                    .on_error = PARCEL_COLLECT,
                                    .cancel = &token,
                                    .timeout = 0.2, /* seconds for each attempt */
                                    .retries = 2,
                                    .retry_delay = 0.001,
                                    .on_worker_start = make_scratch,
                                    .on_worker_end = free_scratch};

    parcel_results *results = parcel_run(&options, parcel_map(solve, points, N));
    print(results);
    parcel_results_free(results);

    parcel_cancel(&token); /* what follows hands out nothing */
    results = parcel_run(&options, parcel_map(solve, points, N));
    printf("%s\n", parcel_results_error(results));
    parcel_results_free(results);
    return 0;
}

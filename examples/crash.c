/*
 * crash.c: a sweep over a solver that has faults. At one point it aborts, at one it ends the
 * program, at one it never returns. Each of them loses its own result; all others are there.
 *
 * The calls run in worker processes: on threads the first fault would be the end of the sweep.
 */
#include <parcel.h>
#include <stdlib.h>

enum { N = 8 };

static double solve(int point)
{
    if (point == 2)
        abort();
    if (point == 4)
        exit(3);
    while (point == 6)
        continue;
    return 0.5 * point;
}
DELAYED(double, solve, int);

/* The message of a call that took too long has times in it. */
static void print_lost(const parcel_results *results, size_t i)
{
    if (parcel_results_status(results, i) == PARCEL_TIMED_OUT)
        printf("timed out, its worker was killed\n");
    else
        printf("lost: %s\n", parcel_results_message(results, i));
}

int main(void)
{
    const int points[N] = {0, 1, 2, 3, 4, 5, 6, 7};
    parcel_results *results = Parallel(.n_jobs = 2, .backend = "processes", .timeout = 0.2,
                                       .on_error = PARCEL_COLLECT)(parcel_map(solve, points, N));
    for (size_t i = 0; i < N; i++) {
        printf("point %d: ", points[i]);
        if (parcel_holds(results, i, double))
            printf("%g\n", parcel_get(results, i, double));
        else
            print_lost(results, i);
    }
    printf("%zu of %zu calls failed\n", parcel_results_failures(results),
           parcel_results_count(results));
    parcel_results_free(results);
    return 0;
}

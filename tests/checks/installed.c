/*
 * installed.c: a user's program, which check-installed.sh compiles against the installed library.
 * Its calls wait for each other, so that it ends well only when two threads run them, and each
 * has a parallel region of its own.
 */
#include <parcel.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { CALLS = 2, SECONDS = 30 };

static atomic_int here;

/* What a call saw: whether the other one came, and what its own region did. */
struct sight {
    int met;
    int team;
    int sum;
};

static struct sight look(int number)
{
    struct sight sight = {.sum = number};
    time_t limit = time(NULL) + SECONDS;
    atomic_fetch_add(&here, 1);
    while (atomic_load(&here) < CALLS && time(NULL) < limit)
        continue;
    sight.met = atomic_load(&here) == CALLS;

    int sum = 0;
    int team = 0;
#pragma omp parallel reduction(+ : sum) reduction(max : team)
    {
        team = omp_get_num_threads();
        sum += 1;
    }
    sight.team = team;
    sight.sum += sum;
    return sight;
}
DELAYED(struct sight, look, int);

static int complain(const char *what, int number)
{
    fprintf(stderr, "call %d: %s\n", number, what);
    return EXIT_FAILURE;
}

/* Four workers for two calls leave two threads to the region of each. */
static int judge(const parcel_results *results, int number)
{
    struct sight sight = parcel_get(results, number, struct sight);
    if (!sight.met)
        return complain("the other call did not run at the same time", number);
    if (sight.team != 2)
        return complain("its parallel region had not two threads", number);
    if (sight.sum != number + 2)
        return complain("its parallel region lost a thread's part", number);
    return EXIT_SUCCESS;
}

int main(void)
{
    int numbers[CALLS] = {0, 1};
    parcel_results *results =
        Parallel(.n_jobs = 4, .backend = "threading")(parcel_map(look, numbers, CALLS));
    if (parcel_results_error(results)) {
        fprintf(stderr, "%s\n", parcel_results_error(results));
        return EXIT_FAILURE;
    }
    int status = judge(results, 0) | judge(results, 1);
    parcel_results_free(results);
    return status;
}

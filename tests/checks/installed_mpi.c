/*
 * installed_mpi.c: a user's program, which check-installed.sh compiles against the installed
 * library and starts on two ranks.
 */
#include <parcel_mpi.h>

#include <stdlib.h>

enum { CALLS = 1000 };

static int triple(int x)
{
    return 3 * x;
}
DELAYED(int, triple, int);

/* Rank 0 has the results; the others know whether it went well. */
static int judge(const parcel_results *results)
{
    if (parcel_results_error(results)) {
        fprintf(stderr, "rank %d: %s\n", parcel_mpi_rank(), parcel_results_error(results));
        return EXIT_FAILURE;
    }
    for (size_t i = 0; parcel_mpi_rank() == 0 && i < CALLS; i++)
        if (parcel_get_or(results, i, int, -1) != 3 * (int)i) {
            fprintf(stderr, "call %zu has a wrong result\n", i);
            return EXIT_FAILURE;
        }
    return EXIT_SUCCESS;
}

int main(void)
{
    const char *error = parcel_mpi_init(MPI_COMM_WORLD);
    if (error || parcel_mpi_ranks() != 2) {
        fprintf(stderr, "%d ranks: %s\n", parcel_mpi_ranks(), error ? error : "two are needed");
        return EXIT_FAILURE;
    }
    int numbers[CALLS];
    for (int i = 0; i < CALLS; i++)
        numbers[i] = i;
    parcel_results *results =
        Parallel(.n_jobs = 1, .backend = "mpi")(parcel_map(triple, numbers, CALLS));
    int status = judge(results);
    parcel_results_free(results);
    return status;
}

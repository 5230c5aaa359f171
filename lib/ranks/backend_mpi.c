/*
 * backend_mpi.c: the ranks of an MPI job. This descriptor is its name and whether there are ranks:
 * each of them runs its part on threads or on processes of its own, and ranks.c and rank_run.c see
 * to what they have in common. So its run is that of a single rank.
 */
#include <stdio.h>

#include "options/backends.h"
#include "ranks/ranks.h"

static int open_mpi(const parcel_backend *backend, int n_workers, void **state, char *why,
                    size_t why_size)
{
    const char *reason;
    (void)backend;
    (void)state;
    if (parcel__ranks_used(&reason))
        return n_workers;
    snprintf(why, why_size, "%s", reason);
    return -1;
}

static void run_mpi(void *state, parcel_job *job, int n_workers)
{
    const parcel_backend *threads = parcel__backends_threads();
    (void)state;
    threads->run(NULL, job, n_workers);
}

extern const parcel_backend parcel__backend_mpi;
const parcel_backend parcel__backend_mpi = {
    .size = sizeof(parcel_backend),
    .name = "mpi",
    .capabilities = PARCEL_MANY_HOSTS,
    .open = open_mpi,
    .run = run_mpi,
};

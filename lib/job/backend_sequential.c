/* backend_sequential.c: the plain loop in the calling thread. */
#include <parcel/backend.h>

static int open_sequential(const parcel_backend *backend, int n_workers, void **state, char *why,
                           size_t why_size)
{
    (void)backend, (void)n_workers, (void)state, (void)why, (void)why_size;
    return 1;
}

static void run_sequential(void *state, parcel_job *job, int n_workers)
{
    (void)state, (void)n_workers;
    parcel_job_work(job, 0);
}

extern const parcel_backend parcel__backend_sequential;
const parcel_backend parcel__backend_sequential = {
    .size = sizeof(parcel_backend),
    .name = "sequential",
    .capabilities = PARCEL_SHARES_MEMORY,
    .open = open_sequential,
    .run = run_sequential,
};

/*
 * backend_openmp.c: the threads of the OpenMP runtime; the only file with #pragma omp.
 *
 * An iteration of the loop is a worker, which takes batches until none is left. So the run is
 * right with any team that the runtime gives: a thread that gets no worker goes home, and one
 * thread alone works as one worker after the other. All that workers read of this frame is given to
 * them by value.
 */
#include <parcel/backend.h>
#include <pthread.h>
#include <stdio.h>

#include "ground/fork.h"
#include "ground/openmp.h"
#include "ground/threads.h"

#ifdef _OPENMP

#include <omp.h>

#include "job/job.h"

static void run_team(parcel_job *job, int n_workers)
{
#pragma omp parallel for num_threads(n_workers) schedule(dynamic) firstprivate(job, n_workers)
    for (int worker = 0; worker < n_workers; worker++) {
        parcel__threads_arrived();
        if (worker == 0)
            parcel__job_note_team(job, omp_get_num_threads());
        parcel_job_work(job, worker);
    }
    parcel__threads_note_team(n_workers);
}

/* Who asks for workers means their number, whatever OMP_DYNAMIC says of other regions: calls have
 * that setting again, where it does no harm (openmp.c). Where a runtime gives fewer threads all the
 * same, it is told of. */
static void run_region(parcel_job *job, int n_workers)
{
    int is_dynamic = omp_get_dynamic();
    if (is_dynamic)
        omp_set_dynamic(0);
    run_team(job, n_workers);
    if (is_dynamic)
        omp_set_dynamic(is_dynamic);
}

struct region {
    parcel_job *job;
    int n_workers;
    struct parcel__openmp_settings settings; /* of the thread that runs */
};

static void *run_as_caller(void *argument)
{
    const struct region *region = argument;
    parcel__openmp_set(&region->settings);
    run_region(region->job, region->n_workers);
    return NULL;
}

/* Where the system gives no thread, the calling one works as one worker after the other. */
static void run_in_new_thread(parcel_job *job, int n_workers)
{
    pthread_t thread;
    struct region region = {.job = job, .n_workers = n_workers};
    parcel__openmp_read(&region.settings);
    if (pthread_create(&thread, NULL, run_as_caller, &region) == 0)
        pthread_join(thread, NULL);
    else
        for (int worker = 0; worker < n_workers; worker++)
            parcel_job_work(job, worker);
}

static void run_openmp(void *state, parcel_job *job, int n_workers)
{
    (void)state;
    if (n_workers == 1)
        parcel_job_work(job, 0); /* the plain loop in the calling thread */
    else if (parcel__fork_lost_team())
        run_in_new_thread(job, n_workers);
    else
        run_region(job, n_workers);
}

#define OPEN NULL

#else

static int refuse_to_open(const parcel_backend *backend, int n_workers, void **state, char *why,
                          size_t why_size)
{
    (void)backend, (void)n_workers, (void)state;
    snprintf(why, why_size, "this libparcel was built without OpenMP (configure --disable-openmp)");
    return -1;
}

static void run_openmp(void *state, parcel_job *job, int n_workers)
{
    (void)state, (void)job, (void)n_workers;
}

#define OPEN refuse_to_open

#endif

static const char *const aliases[] = {"openmp", NULL};

extern const parcel_backend parcel__backend_openmp;
const parcel_backend parcel__backend_openmp = {
    .size = sizeof(parcel_backend),
    .name = "threading",
    .aliases = aliases,
    .capabilities = PARCEL_SHARES_MEMORY,
    .open = OPEN,
    .run = run_openmp,
};

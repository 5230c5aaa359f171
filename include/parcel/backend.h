/*
 * parcel/backend.h: a backend of your own.
 *
 * A backend is one constant descriptor: what it can do, and three functions. While a run lasts
 * it asks the job for batches and says what became of them; it never sees options, results, the
 * clock or a policy. The whole of a backend that runs everything in the calling thread:
 *
 *     static int open_simple(const parcel_backend *backend, int n_workers, void **state,
 *                            char *why, size_t why_size)
 *     {
 *         return 1;                                    // one active worker
 *     }
 *     static void run_simple(void *state, parcel_job *job, int n_workers)
 *     {
 *         parcel_batch batch;
 *         while (parcel_job_next(job, 0, &batch))
 *             parcel_job_execute(job, &batch);
 *     }
 *     static const parcel_backend simple = {
 *         .size = sizeof simple, .name = "simple", .capabilities = PARCEL_SHARES_MEMORY,
 *         .open = open_simple, .run = run_simple};
 *
 *     const char *error = parcel_register_backend(&simple, false);
 *     parcel_results *results = Parallel(.backend = "simple")(calls);
 */
#ifndef PARCEL_BACKEND_H
#define PARCEL_BACKEND_H

#include <parcel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One run, as a backend sees it. */
typedef struct parcel_job parcel_job;

/* Calls first to first + count - 1, handed out to a worker. */
typedef struct parcel_batch {
    size_t first;
    size_t count;
    int worker;
} parcel_batch;

/* What a backend can do. Calls for one that shares no memory are checked before they run: those
 * with pointers that mean nothing elsewhere are refused (see parcel-processes(7)). With
 * n_jobs = 1 a run is the plain loop in the calling thread, unless the backend has one of the last
 * two. */
enum {
    PARCEL_SHARES_MEMORY = 1, /* calls write memory that the caller reads */
    PARCEL_MANY_HOSTS = 2,    /* nor do its workers have a copy of the caller's memory */
    PARCEL_SURVIVES_CRASH = 4 /* a call that crashes loses itself only */
};

/* All of it constant, with a lifetime to the end of the program or until it is unregistered. */
typedef struct parcel_backend {
    size_t size; /* sizeof(parcel_backend): later versions add members at the end */
    const char *name;
    const char *const *aliases; /* NULL, or further names, with NULL at the end */
    unsigned capabilities;
    const void *parameter; /* yours: open finds it in the descriptor */

    /* Makes ready for runs with up to n_workers workers. Returns how many there are (at most
     * n_workers are used); 0 when none is active; below 0 when the backend cannot run here, with
     * the sentence that says why in why (at most why_size bytes). May set *state, which run and
     * close are given. NULL: any number of workers, and no state. */
    int (*open)(const struct parcel_backend *backend, int n_workers, void **state, char *why,
                size_t why_size);

    /* Runs the job with the workers 0 to n_workers - 1 and returns when all of them are done.
     * May be called by several threads at once, with one state. */
    void (*run)(void *state, parcel_job *job, int n_workers);

    /* Undoes open; NULL when there is nothing to undo. */
    void (*close)(void *state);
} parcel_backend;

/* Takes the next batch for a worker. False: nothing is left for it, or the run stops. In a stream
 * it waits for the generator, and for results to be taken; and is also false where the backend
 * holds all that is on its way and runs none of it, so that nothing would come of waiting.
 * Threads: any, each worker's number used by one at a time. Since 0.1. */
bool parcel_job_next(parcel_job *job, int worker, parcel_batch *batch);

/* Runs the batch's calls in this thread and records them; batch->count is then 0, so that no
 * call is run twice. Threads: any, each worker's number used by one at a time. Since 0.1. */
void parcel_job_execute(parcel_job *job, parcel_batch *batch);

/* What most workers do: takes and runs batches until none is left.
 * Threads: any, each worker's number used by one at a time. Since 0.1. */
void parcel_job_work(parcel_job *job, int worker);

/* Records the batch's calls as lost, with why (copied) as their message; batch->count is then 0.
 * A batch of which a backend says nothing until run returns is recorded as lost too.
 * Threads: any, each worker's number used by one at a time. Since 0.1. */
void parcel_job_lost(parcel_job *job, parcel_batch *batch, const char *why);

/* True when nothing new is handed out any more. Threads: any. Since 0.1. */
bool parcel_job_stopped(const parcel_job *job);

/* Makes the backend known by its name and aliases, and the default if make_default.
 * backend: borrowed until it is unregistered. Returns NULL, or a sentence that says what is wrong
 * (a name that is taken, a missing run). Threads: any. Since 0.1. */
const char *parcel_register_backend(const parcel_backend *backend, bool make_default);

/* Forgets a registered backend; if it was the default, threading is again. False when the name is
 * not known or is built in. Not while it runs. Threads: any. Since 0.1. */
bool parcel_unregister_backend(const char *name);

/* The index-th known backend, borrowed; NULL past the last. Threads: any. Since 0.1. */
const parcel_backend *parcel_backend_at(size_t index);

#ifdef __cplusplus
}
#endif
#endif

/*
 * backend_processes.c: processes of this machine, so that a call which crashes loses only itself.
 *
 * Workers are forked by a forkserver, a process of its own that is forked when a run begins. Each
 * has a mailbox in memory that all of them share, and in this process a thread that attends to it:
 * that thread works for the job like any worker, and has its calls run by the process. Such a pool
 * serves one run at a time, and is kept for the next. Calls that stood when the forkserver was
 * forked are in the workers' memory; later ones are packed. A run with pointers to memory that warm
 * workers do not have gets new ones.
 *
 * Limits: a worker is a copy of the thread that called, as it was when the forkserver was forked.
 * Locks that other threads held then stay locked in it. What it writes to memory is its own.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "calls/calls.h"
#include "ground/memory.h"
#include "ground/mutexes.h"
#include "ground/objects.h"
#include "ground/port.h"
#include "ground/shared.h"
#include "processes/process.h"
#include "processes/proxy.h"
#include "processes/worker_main.h"
#include "wire/wire.h"

struct pool;

/* A thread that attends to a worker; the first proxy is the thread that runs the job. */
struct seat {
    pthread_t thread;
    struct pool *pool;
    int number;

    /* That it was called to, on which it waits. Release and acquire, so that it sees pool->job. */
    atomic_uint n_jobs;
};

struct pool {
    struct pool *next; /* of those that no run uses */
    pid_t owner;       /* the process that made it */
    int n_workers;
    struct parcel__objects *objects; /* what was loaded when the forkserver was forked */
    struct parcel__snapshot snapshot;
    struct parcel__forkserver *forkserver;
    void *pages;
    size_t size;
    struct parcel__mail *mails;
    struct parcel__proxy *proxies;
    struct seat *seats;
    int n_seated; /* threads that were started */

    /* While a job runs. */
    parcel_job *job;     /* NULL: the threads are to end */
    atomic_uint n_left;  /* threads that work; release and acquire, as they are joined so */
    atomic_uint n_ended; /* jobs that all threads have left; the run waits on this */
};

struct processes {
    int n_workers;
    struct pool *idle; /* protected by PARCEL__MUTEX_POOLS */
};

/* ---- pages ---- */

static size_t rounded(size_t size)
{
    const size_t page = 64 << 10; /* at least, wherever */
    return (size + page - 1) / page * page;
}

/* The mailboxes come first, since a new one is written at once; the rest is touched as it is used.
 */
static void lay_out(struct pool *pool, size_t area)
{
    unsigned char *next = pool->pages;
    size_t box = rounded(sizeof(struct parcel__mailbox));
    for (int i = 0; i < pool->n_workers; i++) {
        struct parcel__mail *mail = &pool->mails[i];
        mail->box = (void *)(next + (size_t)i * box);
        mail->calls = next + (size_t)pool->n_workers * box + (size_t)i * 3 * area;
        mail->calls_size = area;
        mail->results = mail->calls + area;
        mail->results_size = 2 * area;
        mail->box->large = mail->results_size;
    }
}

/* Room for what may travel: nothing larger than the memory does. It takes addresses only, of which
 * some systems have few. */
static bool map_pages(struct pool *pool)
{
    const size_t least = (size_t)1 << 22;
    size_t n_workers = (size_t)pool->n_workers, most = parcel__port_spare_addresses();
    size_t area = parcel__port_physical_memory();
    if (area > most / n_workers / 3)
        area = most / n_workers / 3;
    area = rounded(area > least ? area : least);
    for (; area >= least; area = rounded(area / 2)) {
        pool->size = n_workers * (rounded(sizeof(struct parcel__mailbox)) + 3 * area);
        pool->pages = parcel__process_share(pool->size);
        if (pool->pages) {
            lay_out(pool, area);
            return true;
        }
    }
    return false;
}

/* ---- threads ---- */

static void *attend(void *argument)
{
    struct seat *seat = argument;
    struct pool *pool = seat->pool;
    for (unsigned n_known = 0;; n_known++) {
        while (atomic_load_explicit(&seat->n_jobs, memory_order_acquire) == n_known)
            parcel__process_wait(&seat->n_jobs, n_known, INFINITY);
        if (!pool->job)
            return NULL;
        parcel_job_work(pool->job, seat->number);
        if (atomic_fetch_sub_explicit(&pool->n_left, 1, memory_order_acq_rel) == 1)
            parcel__process_ring(&pool->n_ended);
    }
}

/* A thread of a library takes none of the program's signals. */
static bool seat_one(struct pool *pool, int number)
{
    sigset_t all, before;
    struct seat *seat = &pool->seats[number];
    seat->pool = pool;
    seat->number = number;
    atomic_init(&seat->n_jobs, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&seat->thread, NULL, attend, seat) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* Starts threads for so many workers, the first of which needs none. Returns how many workers can
 * be attended to. */
static int seat_all(struct pool *pool, int n_workers)
{
    while (pool->n_seated + 1 < n_workers && seat_one(pool, pool->n_seated + 1))
        pool->n_seated++;
    return pool->n_seated + 1 < n_workers ? pool->n_seated + 1 : n_workers;
}

static void call_in(struct pool *pool, parcel_job *job, int n_threads)
{
    pool->job = job;
    atomic_store_explicit(&pool->n_left, (unsigned)n_threads, memory_order_relaxed);
    for (int i = 1; i <= n_threads; i++)
        parcel__process_ring(&pool->seats[i].n_jobs);
}

static void await_threads(struct pool *pool)
{
    unsigned n_ended = atomic_load_explicit(&pool->n_ended, memory_order_acquire);
    while (atomic_load_explicit(&pool->n_left, memory_order_acquire) > 0) {
        parcel__process_wait(&pool->n_ended, n_ended, INFINITY);
        n_ended = atomic_load_explicit(&pool->n_ended, memory_order_acquire);
    }
}

/* ---- pools ---- */

static void serve(void *context, struct parcel__forkserver *forkserver, int worker)
{
    const struct pool *pool = context;
    struct parcel__mail mail = pool->mails[worker];
    mail.bell = parcel__forkserver_bell(forkserver, worker);
    parcel__worker_main_work(&mail);
}

static void end_threads(struct pool *pool)
{
    call_in(pool, NULL, pool->n_seated);
    for (int i = 1; i <= pool->n_seated; i++)
        pthread_join(pool->seats[i].thread, NULL);
}

/* In order, with what calls registered with atexit. */
static void end_workers(struct pool *pool)
{
    for (int i = 0; i < pool->n_workers; i++)
        parcel__proxy_dismiss(&pool->proxies[i]);
    for (int i = 0; i < pool->n_workers; i++)
        parcel__proxy_await(&pool->proxies[i]);
}

/* In a process that was forked from its owner's there is nothing of a pool but its memory. */
static void close_pool(struct pool *pool)
{
    bool is_owner = pool->owner == getpid();
    if (is_owner)
        end_threads(pool);
    if (is_owner && pool->forkserver)
        end_workers(pool);
    if (pool->forkserver) {
        parcel__forkserver_close(pool->forkserver);
        parcel__proxy_close_all(pool->proxies, pool->n_workers);
    }
    if (pool->pages)
        parcel__process_unshare(pool->pages, pool->size);
    parcel__objects_free(pool->objects);
    parcel__memory_free(pool->mails);
    parcel__memory_free(pool->proxies);
    parcel__memory_free(pool->seats);
    parcel__memory_free(pool);
}

static struct pool *new_pool(int n_workers)
{
    size_t count = (size_t)n_workers;
    struct pool *pool = parcel__memory_new(sizeof *pool);
    if (!pool)
        return NULL;
    *pool = (struct pool){.owner = getpid(), .n_workers = n_workers};
    pool->mails = parcel__memory_new(count * sizeof *pool->mails);
    pool->proxies = parcel__memory_new(count * sizeof *pool->proxies);
    pool->seats = parcel__memory_new(count * sizeof *pool->seats);
    pool->objects = parcel__objects_list();
    if (pool->mails && pool->proxies && pool->seats && pool->objects && map_pages(pool))
        return pool;
    close_pool(pool);
    return NULL;
}

/* A pool whose workers will see memory as it is now. NULL: why says why. */
static struct pool *open_pool(int n_workers, const parcel_job *job, char *why, size_t why_size)
{
    struct pool *pool = new_pool(n_workers);
    snprintf(why, why_size, "out of memory");
    if (!pool)
        return NULL;
    const struct parcel__forkserver_options options = {
        .n_workers = n_workers,
        .work = serve,
        .context = pool,
        .n_started = job->options.n_workers,
        .dumps_core = job->options.policy->worker_limits.dumps_core};
    pool->snapshot.serial = parcel__shared_serial();
    pool->forkserver = parcel__forkserver_open(&options, why, why_size);
    if (!pool->forkserver) {
        close_pool(pool);
        return NULL;
    }
    /* A generator may make what its calls point at while the run lasts, unless it says that it does
     * not. A list may lie on the stack of this thread, which a child of another may use itself. */
    pool->snapshot.has_memory = !parcel__calls_are_generated(job->options.lot.calls) ||
                                job->options.policy->worker_limits.read_only;
    if (parcel__forkserver_has_stack(pool->forkserver))
        pool->snapshot.calls = job->options.lot.calls;
    for (int i = 0; i < n_workers; i++)
        pool->mails[i].bell = parcel__forkserver_bell(pool->forkserver, i);
    parcel__proxy_open_all(pool->proxies, n_workers, pool->mails, pool->forkserver,
                           &pool->snapshot);
    return pool;
}

/* True when half of some worker's room for large results was used: only a new pool has it again. */
static bool is_worn(const struct pool *pool)
{
    for (int i = 0; i < pool->n_workers; i++)
        if (pool->mails[i].box->large < pool->mails[i].results_size / 4 * 3)
            return true;
    return false;
}

/* The functions of what was loaded later are not in the workers. */
static bool has_functions(const struct pool *pool, const parcel_calls *calls)
{
    const parcel_function *only = parcel__calls_only_function(calls);
    size_t count = only ? 0 : parcel_calls_count(calls);
    if (parcel__objects_are_all(pool->objects))
        return true;
    if (parcel__calls_are_generated(calls) || (only && !parcel__objects_have(pool->objects, only)))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!parcel__objects_have(pool->objects, parcel__calls_function(calls, i)))
            return false;
    return true;
}

/* True when the pool's workers can run the job. */
static bool suits(const struct pool *pool, const parcel_job *job)
{
    bool is_generated = parcel__calls_are_generated(job->options.lot.calls);
    return pool->owner == getpid() && pool->n_workers >= job->options.n_workers && !is_worn(pool) &&
           has_functions(pool, job->options.lot.calls) &&
           !(is_generated && job->options.policy->worker_limits.read_only) &&
           !parcel__wire_needs_snapshot(job->options.lot.calls, pool->snapshot.serial);
}

static struct pool *take_idle(struct processes *processes)
{
    parcel__mutexes_lock(PARCEL__MUTEX_POOLS);
    struct pool *pool = processes->idle;
    if (pool)
        processes->idle = pool->next;
    parcel__mutexes_unlock(PARCEL__MUTEX_POOLS);
    return pool;
}

static struct pool *find_pool(struct processes *processes, const parcel_job *job, char *why,
                              size_t why_size)
{
    struct pool *pool = take_idle(processes);
    if (pool && suits(pool, job))
        return pool;
    if (pool)
        close_pool(pool);
    return open_pool(processes->n_workers, job, why, why_size);
}

static void give_pool_back(struct processes *processes, struct pool *pool)
{
    pool->snapshot.calls = NULL;
    pool->snapshot.has_memory = false;
    parcel__mutexes_lock(PARCEL__MUTEX_POOLS);
    pool->next = processes->idle;
    processes->idle = pool;
    parcel__mutexes_unlock(PARCEL__MUTEX_POOLS);
}

/* ---- the backend ---- */

static int open_processes(const parcel_backend *backend, int n_workers, void **state, char *why,
                          size_t why_size)
{
    struct processes *processes = parcel__memory_new(sizeof *processes);
    (void)backend;
    snprintf(why, why_size, "out of memory");
    if (!processes)
        return -1;
    *processes = (struct processes){.n_workers = n_workers};
    *state = processes;
    return n_workers;
}

static void run_pool(struct pool *pool, parcel_job *job, int n_workers)
{
    n_workers = seat_all(pool, n_workers);
    for (int i = 0; i < n_workers; i++)
        parcel__job_set_runner(job, i, &pool->proxies[i].runner);
    call_in(pool, job, n_workers - 1);
    parcel_job_work(job, 0);
    await_threads(pool);
}

static void run_processes(void *state, parcel_job *job, int n_workers)
{
    struct processes *processes = state;
    char why[256];
    struct pool *pool = find_pool(processes, job, why, sizeof why);
    if (!pool) {
        parcel__control_stop_at_worker(job->control, 0, parcel__memory_copy_string(why));
        parcel__job_stop(job, PARCEL__BY_WORKER);
        return;
    }
    run_pool(pool, job, n_workers);
    give_pool_back(processes, pool);
}

static void close_processes(void *state)
{
    struct processes *processes = state;
    struct pool *pool;
    while ((pool = take_idle(processes)) != NULL)
        close_pool(pool);
    parcel__memory_free(processes);
}

static const char *const aliases[] = {"loky", "multiprocessing", NULL};

extern const parcel_backend parcel__backend_processes;
const parcel_backend parcel__backend_processes = {
    .size = sizeof(parcel_backend),
    .name = "processes",
    .aliases = aliases,
    .capabilities = PARCEL_SURVIVES_CRASH,
    .open = open_processes,
    .run = run_processes,
    .close = close_processes,
};

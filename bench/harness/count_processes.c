/*
 * count_processes.c: batches to a worker process and back, with both ends in one thread.
 *
 * The end that would wait hands the thread to the other one, which stands on a stack of its own.
 */
#include "count.h"

#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

#include "processes/proxy.h"
#include "processes/worker_main.h"

enum { AREA = 4 << 20, STACK = 1 << 20 };

void __wrap_parcel__process_wait(atomic_uint *word, unsigned value, double seconds);
void __wrap_parcel__process_ring(atomic_uint *word);
bool __wrap_parcel__forkserver_is_alive(struct parcel__forkserver *forkserver, int worker);
pid_t __wrap_parcel__forkserver_pid(const struct parcel__forkserver *forkserver, int worker);
void __real_parcel__process_wait(atomic_uint *word, unsigned value, double seconds);
void __real_parcel__process_ring(atomic_uint *word);
bool __real_parcel__forkserver_is_alive(struct parcel__forkserver *forkserver, int worker);
pid_t __real_parcel__forkserver_pid(const struct parcel__forkserver *forkserver, int worker);

static ucontext_t program_end, worker_end;
static bool is_here; /* the worker is on its stack here, and no process */
static bool is_worker;
static struct parcel__mail mail;
static atomic_uint bell;

void __wrap_parcel__process_wait(atomic_uint *word, unsigned value, double seconds)
{
    if (!is_here) {
        __real_parcel__process_wait(word, value, seconds);
    } else if (is_worker) {
        is_worker = false;
        swapcontext(&worker_end, &program_end);
    } else {
        is_worker = true;
        swapcontext(&program_end, &worker_end);
    }
}

void __wrap_parcel__process_ring(atomic_uint *word)
{
    if (is_here)
        atomic_fetch_add_explicit(word, 1, memory_order_release);
    else
        __real_parcel__process_ring(word);
}

bool __wrap_parcel__forkserver_is_alive(struct parcel__forkserver *forkserver, int worker)
{
    return is_here || __real_parcel__forkserver_is_alive(forkserver, worker);
}

pid_t __wrap_parcel__forkserver_pid(const struct parcel__forkserver *forkserver, int worker)
{
    return is_here ? 1 : __real_parcel__forkserver_pid(forkserver, worker);
}

static void work(void)
{
    parcel__worker_main_work(&mail);
}

/* The calls by a list that the worker has. */
NOINLINE static void count_process(struct parcel_job *job)
{
    parcel_job_work(job, 0);
}

/* The calls in packed form. */
NOINLINE static void count_packed(struct parcel_job *job)
{
    parcel_job_work(job, 0);
}

static bool run(const parcel_calls *calls, parcel_results *results, const parcel_calls *known,
                void (*count)(struct parcel_job *job))
{
    const struct parcel__policy policy = {.batch_size = parcel_calls_count(calls),
                                          .collect = true,
                                          .is_timed = true,
                                          .schedule = PARCEL_ADAPTIVE,
                                          .worker_limits.kill_after = 1};
    static struct parcel_job job;
    struct parcel__proxy proxy = {0};
    const struct parcel__snapshot snapshot = {.calls = known};
    struct parcel__job_options options = {.lot = {.calls = calls, .results = results},
                                          .policy = &policy,
                                          .n_workers = 1,
                                          .nest = {1, 1, 0, false},
                                          .floating = parcel__floating_read()};
    parcel__openmp_read_for_calls(&options.openmp, options.nest.threads);
    if (!parcel__job_open(&job, &options))
        return false;
    parcel__proxy_open_all(&proxy, 1, &mail, NULL, &snapshot);
    parcel__job_set_runner(&job, 0, &proxy.runner);
    is_here = true;
    count(&job);
    is_here = false;
    parcel__job_close(&job);
    parcel__proxy_close_all(&proxy, 1);
    size_t last = parcel_calls_count(calls) - 1;
    return parcel_get(results, last, int) == (int)last + 1;
}

/* The worker's end waits for its first order from now on; it never ends. */
static bool open_worker(void)
{
    void *stack = malloc(STACK);
    mail = (struct parcel__mail){.box = aligned_alloc(4096, (sizeof *mail.box + 4095) & ~4095UL),
                                 .calls = aligned_alloc(4096, AREA),
                                 .calls_size = AREA,
                                 .results = aligned_alloc(4096, AREA),
                                 .results_size = AREA,
                                 .bell = &bell};
    if (!stack || !mail.box || !mail.calls || !mail.results || getcontext(&worker_end) != 0)
        return false;
    *mail.box = (struct parcel__mailbox){.large = AREA};
    worker_end.uc_stack.ss_sp = stack;
    worker_end.uc_stack.ss_size = STACK;
    worker_end.uc_link = NULL;
    makecontext(&worker_end, work, 0);
    return true;
}

bool count_orders(const parcel_calls *calls)
{
    parcel_results *list = parcel__results_new(calls, 1), *packed = parcel__results_new(calls, 1);
    bool is_right = list && packed && open_worker() && run(calls, list, calls, count_process) &&
                    run(calls, packed, NULL, count_packed);
    parcel_results_free(list);
    parcel_results_free(packed);
    return is_right;
}

/* executor.c: a team and its memory, kept for several runs. */
#include <parcel.h>

#include "ground/memory.h"
#include "ground/mutexes.h"
#include "ground/port.h"
#include "parallel.h"
#include "results/results.h"

/* Constant once it is open, but for the stream and whose it is, so that several threads may run it
 * at once. */
struct parcel_executor {
    struct parcel__plan plan;
    struct parcel__workers workers;
    bool is_open;
    parcel__streaming streaming;
    atomic_int process;        /* that it is in; release and acquire, as of streaming */
    struct parcel__text error; /* why it is not open */
};

/* What parcel_open returns when there is no memory even for an executor. */
static parcel_executor without_memory = {.error = {.failed = true}};

parcel_executor *parcel_open(const parcel_options *options)
{
    parcel_executor *executor = parcel__memory_new(sizeof *executor);
    if (!executor)
        return &without_memory;
    executor->error = (struct parcel__text){0};
    atomic_init(&executor->streaming, NULL);
    atomic_init(&executor->process, parcel__port_pid());
    executor->is_open =
        parcel__plan_resolve(&executor->plan, options, &executor->error) &&
        parcel__parallel_open(&executor->workers, &executor->plan, &executor->error);
    parcel__memory_keep_all(true);
    return executor;
}

/* In a process that was forked from its own: the stream, if there is one, is not of this one. */
static void adopt(parcel_executor *executor)
{
    int process = parcel__port_pid();
    if (atomic_load_explicit(&executor->process, memory_order_acquire) == process)
        return;
    parcel__mutexes_lock(PARCEL__MUTEX_EXECUTORS);
    if (atomic_load_explicit(&executor->process, memory_order_relaxed) != process)
        atomic_store_explicit(&executor->streaming, NULL, memory_order_relaxed);
    atomic_store_explicit(&executor->process, process, memory_order_release);
    parcel__mutexes_unlock(PARCEL__MUTEX_EXECUTORS);
}

parcel_results *parcel_executor_run(parcel_executor *executor, const parcel_calls *calls)
{
    if (!executor)
        return parcel__results_of_error("executor is NULL: one made by parcel_open is needed",
                                        parcel_calls_count(calls));
    adopt(executor);
    if (executor->is_open)
        return parcel__parallel_run(&executor->plan, &executor->workers, calls,
                                    &executor->streaming);
    struct parcel__text error = {0};
    parcel__text_put(&error, parcel__text_why(&executor->error));
    return parcel__parallel_refuse(&executor->plan, &error, calls);
}

void parcel_close(parcel_executor *executor)
{
    if (!executor || executor == &without_memory)
        return;
    int cancel = parcel__port_hold_cancel();
    parcel_results_close(atomic_load_explicit(&executor->streaming, memory_order_acquire), NULL,
                         NULL, NULL);
    if (executor->is_open)
        parcel__team_close(&executor->workers.team);
    parcel__memory_keep_all(false);
    parcel__plan_free(&executor->plan);
    parcel__text_free(&executor->error);
    parcel__memory_free(executor);
    parcel__port_release_cancel(cancel);
}

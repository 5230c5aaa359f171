/* wake.c: threads that were asleep when a run begins. */
#include "job/wake.h"

#include <math.h>

#include "ground/port.h"

static bool all_have_begun(const struct parcel_job *job)
{
    for (int i = 0; i < job->options.n_workers; i++)
        if (!atomic_load_explicit(&job->workers[i].has_begun, memory_order_relaxed))
            return false;
    return true;
}

/* Lets the others begin, for so many seconds at most. */
static void await_others(const struct parcel_job *job, double patience)
{
    double start = parcel__port_now();
    while (!all_have_begun(job) && parcel__port_now() - start < patience)
        parcel__port_yield();
}

/* The kernel often wakes a thread on the cpu of who woke it, where it waits for milliseconds while
 * that thread works, or spins until it comes. So that one makes way for an instant, and the thread
 * that was woken moves to another cpu. */
void parcel__wake_begin(const struct parcel_job *job)
{
    static const double patience = 50e-6;
    bool is_opener = pthread_equal(pthread_self(), job->opener);
    if (is_opener && !job->has_waited)
        await_others(job, patience);
    else if (!is_opener && parcel__port_cpu() == job->cpu)
        parcel__port_leave_cpu(job->cpu);
}

/* Once: the workers that have not begun then may be the opener's own, one after the other. */
void parcel__wake_end(struct parcel_job *job)
{
    static const double patience = 1e-3;
    if (!pthread_equal(pthread_self(), job->opener) || job->has_waited)
        return;
    await_others(job, patience);
    job->has_waited = true;
}

/* When this thread's last run with several workers ended. */
static _Thread_local double last_end = -INFINITY;

/* An OpenMP runtime lets its threads sleep after some milliseconds. */
void parcel__wake_note(struct parcel_job *job)
{
    static const double awake = 2e-3;
    job->is_cold = job->options.n_workers > 1 && job->start - last_end > awake;
    if (!job->is_cold)
        return;
    job->cpu = parcel__port_cpu();
    job->opener = pthread_self();
    job->has_waited = false;
}

void parcel__wake_note_end(double end)
{
    last_end = end;
}

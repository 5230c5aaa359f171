/*
 * threads.c: how many threads can be started.
 *
 * An OpenMP runtime ends the process when it cannot make a thread. So a run that needs threads
 * which are not there sees first whether the system gives them. A team is its thread's own: libgomp
 * keeps the one of the last region, shrinks it when the next is smaller, and makes a new one for
 * each region inside of another. libomp keeps more, which only costs a try.
 */
#include "ground/threads.h"

#include <pthread.h>
#include <stdatomic.h>

#include "ground/fork.h"
#include "ground/memory.h"
#include "ground/openmp.h"
#include "ground/port.h"

/* Of this thread's last region, itself included. */
static _Thread_local int team = 1;

/* Threads that were found startable for runs which have not begun to start them: of all, relaxed
 * since it is only a number, and of the calling thread. */
static atomic_int promised;
static _Thread_local int promise;

/* Waits until the gate, which who started it holds, opens. It allocates first, as each thread of a
 * run will: the C library then gives the thread an arena, which a limit on memory counts too. */
static void *wait_at_gate(void *gate)
{
    parcel__memory_free(parcel__memory_new(1));
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

/* The C library keeps the stacks of threads that have ended, for others that ask for no more: a
 * little more than any runtime asks for, else what is kept would be missed. */
static void set_stack_size(pthread_attr_t *attributes)
{
    enum { MORE = 64 << 10 };
    size_t size = 0, wanted = parcel__openmp_stack_size();
    pthread_attr_getstacksize(attributes, &size);
    pthread_attr_setstacksize(attributes, (size > wanted ? size : wanted) + MORE);
}

/* Starts as many threads at once as can be, at most count, and ends them. Returns how many. */
static int start_and_end(int count)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_attr_t attributes;
    pthread_t *threads = parcel__memory_new((size_t)count * sizeof *threads);
    int started = 0;
    if (!threads)
        return 0;
    pthread_attr_init(&attributes);
    set_stack_size(&attributes);
    pthread_mutex_lock(&gate);
    while (started < count &&
           pthread_create(&threads[started], &attributes, wait_at_gate, &gate) == 0)
        started++;
    pthread_mutex_unlock(&gate);
    pthread_attr_destroy(&attributes);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    parcel__memory_free(threads);
    return started;
}

/* How many of the wanted threads there can be, when some are there and others are promised to runs
 * that have not begun. Where not all can, half of them: each thread's own memory needs room too. */
static int try(int wanted, int there, int others)
{
    int missing = wanted - there, started = start_and_end(missing + others);
    if (started == missing + others)
        return wanted;
    int some = there + (started > others ? (started - others) / 2 : 0);
    return some > 1 ? some : 1;
}

int parcel__threads_startable(int wanted)
{
    static atomic_int shown = 1; /* relaxed: only a number, and a late one costs a try */
    if (wanted <= atomic_load_explicit(&shown, memory_order_relaxed))
        return wanted;
    int some = try(wanted, 1, 0);
    if (some == wanted)
        atomic_store_explicit(&shown, wanted, memory_order_relaxed);
    return some;
}

void parcel__threads_arrived(void)
{
    /* First what costs least: each worker of each run comes here. */
    if (atomic_load_explicit(&promised, memory_order_relaxed) == 0 || promise == 0)
        return;
    atomic_fetch_sub_explicit(&promised, promise, memory_order_relaxed);
    promise = 0;
}

/* One thread at a time tries and then starts: a try takes the room that the other has found. Who
 * lets others wait for long, as in the user's code, is no longer waited for. Returns how many
 * threads are promised to others. */
static int claim(int missing)
{
    static const double patience = 1; /* seconds */
    double start = parcel__port_now();
    int none = 0;
    while (!atomic_compare_exchange_weak_explicit(&promised, &none, missing, memory_order_relaxed,
                                                  memory_order_relaxed)) {
        if (none > 0 && parcel__port_now() - start > patience)
            return atomic_fetch_add_explicit(&promised, missing, memory_order_relaxed);
        none = 0;
        parcel__port_yield();
    }
    return 0;
}

static int try_and_promise(int wanted, int there)
{
    int others = claim(wanted - there);
    promise = wanted - there;
    return try(wanted, there, others);
}

/* In a child: those that promised are not there. */
static void forget_promises(void)
{
    atomic_store_explicit(&promised, 0, memory_order_relaxed);
    promise = 0;
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_promises);
}

int parcel__threads_for_region(int wanted, bool in_new_thread)
{
    parcel__threads_arrived(); /* those of a run that did not come to its region */
    if (wanted == 1)
        return 1;
    if (in_new_thread || parcel__fork_lost_team()) {
        int some = try_and_promise(wanted, 0);
        parcel__threads_arrived(); /* nobody says so of another thread's */
        return some;
    }
    int there = parcel__openmp_in_region() ? 1 : team;
    return wanted <= there ? wanted : try_and_promise(wanted, there);
}

void parcel__threads_note_team(int n_threads)
{
    parcel__threads_arrived();
    team = n_threads;
}

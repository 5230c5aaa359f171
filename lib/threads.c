/*
 * threads.c: how many threads can be started.
 *
 * An OpenMP runtime ends the process when it cannot make a thread. So a run that wants more
 * workers than any before it sees first whether the system gives them.
 */
#include "threads.h"

#include <pthread.h>
#include <stdatomic.h>

#include "memory.h"

/* Waits until the gate, which who started it holds, opens. It allocates first, as each thread of a
 * run will: the C library then gives the thread an arena, which a limit on memory counts too. */
static void *wait_at_gate(void *gate)
{
    parcel__memory_free(parcel__memory_new(1));
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

/* Starts as many threads at once as can be, at most count, and ends them. Returns how many. */
static int start_and_end(int count)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t *threads = parcel__memory_new((size_t)count * sizeof *threads);
    int started = 0;
    if (!threads)
        return 0;
    pthread_mutex_lock(&gate);
    while (started < count && pthread_create(&threads[started], NULL, wait_at_gate, &gate) == 0)
        started++;
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    parcel__memory_free(threads);
    return started;
}

int parcel__threads_startable(int wanted)
{
    static atomic_int shown = 1; /* relaxed: only a number, and a late one costs a try */
    if (wanted <= atomic_load_explicit(&shown, memory_order_relaxed))
        return wanted;
    int started = start_and_end(wanted); /* one more, which looks at the clock of limits */
    if (started < wanted)
        return 1 + started / 2; /* other threads, and each thread's own memory, need room too */
    atomic_store_explicit(&shown, wanted, memory_order_relaxed);
    return wanted;
}

/* mutexes.c: the mutexes that live as long as the process. */
#include "ground/mutexes.h"

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

static pthread_mutex_t mutexes[] = {
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER};

_Static_assert(sizeof mutexes / sizeof *mutexes == PARCEL__N_MUTEXES, "one for each");

void parcel__mutexes_lock(enum parcel__mutex which)
{
    pthread_mutex_lock(&mutexes[which]);
}

void parcel__mutexes_unlock(enum parcel__mutex which)
{
    pthread_mutex_unlock(&mutexes[which]);
}

/* Who has this one waits for locks of the loader and of a runtime, which the thread that forks may
 * hold: then it goes on after a second, as what these guard is whole in the child. */
static bool lock_runtimes(void)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec++;
    return pthread_mutex_timedlock(&mutexes[PARCEL__MUTEX_RUNTIMES], &end) == 0;
}

static _Thread_local bool has_runtimes;

static void lock_all(void)
{
    for (int i = 0; i < PARCEL__MUTEX_RUNTIMES; i++)
        pthread_mutex_lock(&mutexes[i]);
    has_runtimes = lock_runtimes();
}

static void unlock_all(void)
{
    if (has_runtimes)
        pthread_mutex_unlock(&mutexes[PARCEL__MUTEX_RUNTIMES]);
    for (int i = PARCEL__MUTEX_RUNTIMES - 1; i >= 0; i--)
        pthread_mutex_unlock(&mutexes[i]);
}

static void unlock_all_in_child(void)
{
    unlock_all();
    if (!has_runtimes)
        pthread_mutex_init(&mutexes[PARCEL__MUTEX_RUNTIMES], NULL);
}

__attribute__((constructor)) static void hold_at_forks(void)
{
    pthread_atfork(lock_all, unlock_all, unlock_all_in_child);
}

/* mutexes.c: the mutexes that live as long as the process. */
#include "mutexes.h"

#include <pthread.h>

static pthread_mutex_t mutexes[] = {
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};

_Static_assert(sizeof mutexes / sizeof *mutexes == PARCEL__N_MUTEXES, "one for each");

void parcel__mutexes_lock(enum parcel__mutex which)
{
    pthread_mutex_lock(&mutexes[which]);
}

void parcel__mutexes_unlock(enum parcel__mutex which)
{
    pthread_mutex_unlock(&mutexes[which]);
}

static void lock_all(void)
{
    for (int i = 0; i < PARCEL__N_MUTEXES; i++)
        pthread_mutex_lock(&mutexes[i]);
}

static void unlock_all(void)
{
    for (int i = PARCEL__N_MUTEXES - 1; i >= 0; i--)
        pthread_mutex_unlock(&mutexes[i]);
}

__attribute__((constructor)) static void hold_at_forks(void)
{
    pthread_atfork(lock_all, unlock_all, unlock_all);
}

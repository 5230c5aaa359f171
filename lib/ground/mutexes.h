/*
 * mutexes.h: the mutexes that live as long as the process. Whoever forks, we or the program, holds
 * them all meanwhile: else one that another thread holds just then would stay locked in the child.
 * What lib/ground/once.h guards needs nothing: what another thread had begun is begun again there,
 * but for locks of others that it takes meanwhile: those of the loader and of a runtime of OpenMP.
 */
#ifndef PARCEL__MUTEXES_H
#define PARCEL__MUTEXES_H

/* In the order in which a thread may take several. None is held while the user's code runs. The
 * last is held while the runtimes of OpenMP are looked for, and begin. */
enum parcel__mutex {
    PARCEL__MUTEX_BACKENDS,
    PARCEL__MUTEX_EXECUTORS,
    PARCEL__MUTEX_POOLS,
    PARCEL__MUTEX_STATES,
    PARCEL__MUTEX_SIGNALS,
    PARCEL__MUTEX_BLAS,
    PARCEL__MUTEX_NAMES,
    PARCEL__MUTEX_STRUCTURES,
    PARCEL__MUTEX_SHARED,
    PARCEL__MUTEX_CACHE,
    PARCEL__MUTEX_CLOCK,
    PARCEL__MUTEX_OBJECTS,
    PARCEL__MUTEX_RUNTIMES,
    PARCEL__N_MUTEXES
};

void parcel__mutexes_lock(enum parcel__mutex which);
void parcel__mutexes_unlock(enum parcel__mutex which);

#endif

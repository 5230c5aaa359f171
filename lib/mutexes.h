/*
 * mutexes.h: the mutexes that live as long as the process, so that whoever forks can hold them
 * all: else one that another thread holds just then would stay locked in the child.
 */
#ifndef PARCEL__MUTEXES_H
#define PARCEL__MUTEXES_H

/* In the order in which a thread may take several. */
enum parcel__mutex {
    PARCEL__MUTEX_BACKENDS,
    PARCEL__MUTEX_SIGNALS,
    PARCEL__MUTEX_BLAS,
    PARCEL__MUTEX_NAMES,
    PARCEL__MUTEX_STRUCTURES,
    PARCEL__MUTEX_SHARED,
    PARCEL__MUTEX_CACHE,
    PARCEL__MUTEX_CLOCK,
    PARCEL__N_MUTEXES
};

void parcel__mutexes_lock(enum parcel__mutex which);
void parcel__mutexes_unlock(enum parcel__mutex which);

/* Before a fork, and behind it in both processes. What pthread_once guards needs nothing: what
 * another thread had begun is begun again in the child. */
void parcel__mutexes_lock_all(void);
void parcel__mutexes_unlock_all(void);

#endif

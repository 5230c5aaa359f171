/*
 * once.h: what is done once in a process, as by pthread_once. In a child that is forked while
 * another thread is about it, it is begun again: some C libraries wait there for ever for a thread
 * that the child does not have.
 */
#ifndef PARCEL__ONCE_H
#define PARCEL__ONCE_H

#include <sys/types.h>

struct parcel__once {
    pid_t state; /* by atomics: 0, the process that is about it, or PARCEL__ONCE_DONE */
};

enum { PARCEL__ONCE_DONE = -1 };

void parcel__once_wait(struct parcel__once *once, void (*act)(void));

/* Returns when act has been called, here or by another thread; act may be interrupted by a fork.
 * Threads: any. Acquire: what act wrote is seen. */
static inline void parcel__once_run(struct parcel__once *once, void (*act)(void))
{
    if (__atomic_load_n(&once->state, __ATOMIC_ACQUIRE) != PARCEL__ONCE_DONE)
        parcel__once_wait(once, act);
}

#endif

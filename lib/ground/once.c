/* once.c: see once.h. */
#include "ground/once.h"

#include <pthread.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

/* True when the caller is the one of this process that is to act. */
static bool is_chosen(struct parcel__once *once, pid_t state, pid_t self)
{
    return state != self && __atomic_compare_exchange_n(&once->state, &state, self, false,
                                                        __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
}

/* Release: what act wrote is seen by whoever finds it done. */
static void call_act(struct parcel__once *once, void (*act)(void))
{
    act();
    __atomic_store_n(&once->state, PARCEL__ONCE_DONE, __ATOMIC_RELEASE);
}

/* It is not cancelled in the middle. It is short, and rare that two threads meet here: so who waits
 * looks again and again. */
void parcel__once_wait(struct parcel__once *once, void (*act)(void))
{
    const struct timespec moment = {0, 50000};
    pid_t state, self = getpid();
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    while ((state = __atomic_load_n(&once->state, __ATOMIC_ACQUIRE)) != PARCEL__ONCE_DONE)
        if (is_chosen(once, state, self))
            call_act(once, act);
        else
            nanosleep(&moment, NULL);
    pthread_setcancelstate(before, &before);
}

/*
 * signals.c: SIGINT and SIGTERM while runs ask for them.
 *
 * The handler only counts: workers look at the count. Runs that overlap share the handler, and
 * each compares with the count at its own start.
 */
#include "signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "mutexes.h"

static const int handled[] = {SIGINT, SIGTERM};
enum { N_HANDLED = sizeof handled / sizeof *handled };

static int n_open;                      /* protected by the mutex */
static struct sigaction old[N_HANDLED]; /* protected by the mutex */
static atomic_uint n_seen;              /* since the handler was installed */
static atomic_int last_seen;

/* A second signal means that the user does not want to wait: it does what it always did. */
static void count_signal(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    atomic_store(&last_seen, number);
    if (atomic_fetch_add(&n_seen, 1) == 0)
        return;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
    raise(number);
}

/* A signal that is ignored, as of a program in the background, stays so. */
static void install(void)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    atomic_store(&n_seen, 0);
    for (int i = 0; i < N_HANDLED; i++) {
        sigaction(handled[i], NULL, &old[i]);
        if (old[i].sa_handler != SIG_IGN)
            sigaction(handled[i], &action, NULL);
    }
}

unsigned parcel__signals_open(void)
{
    parcel__mutexes_lock(PARCEL__MUTEX_SIGNALS);
    if (n_open++ == 0)
        install();
    unsigned mark = atomic_load(&n_seen);
    parcel__mutexes_unlock(PARCEL__MUTEX_SIGNALS);
    return mark;
}

void parcel__signals_close(void)
{
    parcel__mutexes_lock(PARCEL__MUTEX_SIGNALS);
    if (--n_open == 0)
        for (int i = 0; i < N_HANDLED; i++)
            sigaction(handled[i], &old[i], NULL);
    parcel__mutexes_unlock(PARCEL__MUTEX_SIGNALS);
}

int parcel__signals_seen(unsigned mark)
{
    return atomic_load(&n_seen) != mark ? atomic_load(&last_seen) : 0;
}

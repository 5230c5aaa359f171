/*
 * signals.c: SIGINT and SIGTERM while runs ask for them.
 *
 * The handler only counts: workers look at the count. Runs that overlap share the handler, and
 * each compares with the count at its own start.
 *
 * A second signal at once is no impatience: timeout(1) sends one to the process and one to its
 * group, and batch systems one to each process of a job, of which the first stops the runs of all.
 * So a signal may come when the run that it is meant for has returned already, and must not end the
 * program that writes its results. Where the old action would, the handler outlives the run, and
 * looks at the clock.
 */
#include "ground/signals.h"

#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "ground/mutexes.h"
#include "ground/port.h"

/* ---- what a signal means ---- */

enum { TOLD_SHIFT = 16, NUMBER_SHIFT = 32, SEEN_SHIFT = 40 };
static const uint64_t one_open = 1, one_told = 1 << TOLD_SHIFT;

static uint64_t n_open_in(uint64_t runs)
{
    return runs & 0xffff;
}

static uint64_t n_told_in(uint64_t runs)
{
    return runs >> TOLD_SHIFT & 0xffff;
}

static unsigned n_seen_in(uint64_t runs)
{
    return (unsigned)(runs >> SEEN_SHIFT);
}

/* One signal more, of which all open runs know. */
static void count(struct parcel__signals *signals, int number)
{
    uint64_t runs = atomic_load(&signals->runs), counted;
    do
        counted = n_open_in(runs) | n_open_in(runs) << TOLD_SHIFT |
                  (uint64_t)number << NUMBER_SHIFT | (uint64_t)(n_seen_in(runs) + 1) << SEEN_SHIFT;
    while (!atomic_compare_exchange_weak(&signals->runs, &runs, counted));
}

unsigned parcel__signals_enter(struct parcel__signals *signals)
{
    return n_seen_in(atomic_fetch_add(&signals->runs, one_open));
}

void parcel__signals_leave(struct parcel__signals *signals, unsigned mark)
{
    uint64_t runs = atomic_load(&signals->runs), left;
    do {
        bool was_told = mark != n_seen_in(runs) && n_told_in(runs) > 0;
        left = runs - one_open - (was_told ? one_told : 0);
    } while (!atomic_compare_exchange_weak(&signals->runs, &runs, left));
}

int parcel__signals_since(const struct parcel__signals *signals, unsigned mark)
{
    uint64_t runs = atomic_load(&signals->runs);
    return n_seen_in(runs) != mark ? (int)(runs >> NUMBER_SHIFT & 0xff) : 0;
}

/* Of signals that several threads handle at once one is not the same. */
static bool is_same(struct parcel__signals *signals, double now)
{
    double last = atomic_load(&signals->last);
    do
        if (now - last <= PARCEL__SIGNALS_SAME)
            return true;
    while (!atomic_compare_exchange_weak(&signals->last, &last, now));
    return now <= atomic_exchange(&signals->expected, -INFINITY);
}

/* The runs are looked at first: another thread may count the same signal meanwhile. */
enum parcel__verdict parcel__signals_judge(struct parcel__signals *signals, int number, double now)
{
    uint64_t runs = atomic_load(&signals->runs);
    bool has_new = n_open_in(runs) > n_told_in(runs);
    if (!is_same(signals, now) && (n_told_in(runs) > 0 || !has_new))
        return PARCEL__ENDS;
    if (!has_new)
        return PARCEL__IS_THE_SAME;
    count(signals, number);
    return PARCEL__STOPS_RUNS;
}

bool parcel__signals_linger(const struct parcel__signals *signals, double now)
{
    return now - atomic_load(&signals->last) <= PARCEL__SIGNALS_SAME ||
           now <= atomic_load(&signals->expected);
}

void parcel__signals_expect(struct parcel__signals *signals, int number, double now)
{
    atomic_store(&signals->expected, now + PARCEL__SIGNALS_ALL);
    count(signals, number);
}

/* ---- the handler ---- */

static const int handled[] = {SIGINT, SIGTERM};
enum { N_HANDLED = sizeof handled / sizeof *handled };

static struct sigaction old[N_HANDLED]; /* protected by the mutex */
static _Atomic pid_t process;           /* that the runs are of; one that it forks has none */
static struct parcel__signals seen_here = {.last = -INFINITY, .expected = -INFINITY};

/* The second one means that the user does not want to wait: it does what it always did, when the
 * handler has returned. */
static void handle_signal(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    if (getpid() == atomic_load(&process) &&
        parcel__signals_judge(&seen_here, number, parcel__port_now()) != PARCEL__ENDS)
        return;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
    raise(number);
}

/* A signal that is ignored, as of a program in the background, stays so. The handler may be there
 * still, or again. */
static void install(void)
{
    struct sigaction before, action = {.sa_handler = handle_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < N_HANDLED; i++) {
        sigaction(handled[i], NULL, &before);
        if (before.sa_handler == handle_signal)
            continue;
        old[i] = before;
        if (before.sa_handler != SIG_IGN)
            sigaction(handled[i], &action, NULL);
    }
}

/* Where the old action would end the process, the handler stays for the time that it is told of. */
static void uninstall(void)
{
    bool lingers = parcel__signals_linger(&seen_here, parcel__port_now());
    for (int i = 0; i < N_HANDLED; i++)
        if (!lingers || old[i].sa_handler != SIG_DFL)
            sigaction(handled[i], &old[i], NULL);
}

unsigned parcel__signals_open(void)
{
    parcel__mutexes_lock(PARCEL__MUTEX_SIGNALS);
    if (atomic_exchange(&process, getpid()) != getpid())
        atomic_store(&seen_here.runs, 0);
    unsigned mark = parcel__signals_enter(&seen_here);
    if (n_open_in(atomic_load(&seen_here.runs)) == 1)
        install();
    parcel__mutexes_unlock(PARCEL__MUTEX_SIGNALS);
    return mark;
}

void parcel__signals_close(unsigned mark)
{
    parcel__mutexes_lock(PARCEL__MUTEX_SIGNALS);
    parcel__signals_leave(&seen_here, mark);
    if (n_open_in(atomic_load(&seen_here.runs)) == 0)
        uninstall();
    parcel__mutexes_unlock(PARCEL__MUTEX_SIGNALS);
}

int parcel__signals_seen(unsigned mark)
{
    return parcel__signals_since(&seen_here, mark);
}

void parcel__signals_hear(int number)
{
    parcel__signals_expect(&seen_here, number, parcel__port_now());
}

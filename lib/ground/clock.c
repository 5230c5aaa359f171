/* clock.c: a clock for limits, which stands still while the process is stopped. */
#include "ground/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "ground/mutexes.h"
#include "ground/port.h"

/* Times in a word: a step is shorter than any gap, and 32 bits of them are two years. */
static const double steps_per_second = 64;

static const double longest_pause = 1;   /* what is longer was no pause between two looks */
static const double worth_noting = 0.05; /* looks at shorter intervals write nothing */
static const double usual_pause = 0.25;

static struct parcel__clock own;
static struct parcel__clock *used = &own; /* changed where a process has one thread only */

/* Guarded by PARCEL__MUTEX_CLOCK. In a child that was forked they are the parent's, which has the
 * thread. */
static pid_t owner;
static int n_watched;
static bool has_watcher;

static uint64_t pack_state(double looked, uint32_t stopped)
{
    uint32_t steps = (uint32_t)(uint64_t)(looked * steps_per_second);
    return (uint64_t)(steps ? steps : 1) << 32 | stopped;
}

static bool is_watched(uint64_t word)
{
    return word >> 32 != 0;
}

static double stopped(uint64_t word)
{
    return (double)(uint32_t)word / steps_per_second;
}

/* The numbers of steps go round: their difference does not. The look may seem to be a step ahead:
 * another cpu's, or one in the step that has no number of its own. */
static uint32_t steps_since_look(uint64_t word, double now)
{
    uint32_t steps = (uint32_t)(uint64_t)(now * steps_per_second) - (uint32_t)(word >> 32);
    return steps <= INT32_MAX ? steps : 0;
}

double parcel__clock_look(struct parcel__clock *clock)
{
    for (;;) {
        uint64_t word = atomic_load_explicit(&clock->word, memory_order_relaxed);
        double now = parcel__port_now();
        uint32_t steps = is_watched(word) ? steps_since_look(word, now) : 0;
        if (steps < worth_noting * steps_per_second)
            return now - stopped(word);
        uint32_t gap = steps > longest_pause * steps_per_second ? steps : 0;
        uint64_t looked = pack_state(now, (uint32_t)word + gap);
        if (atomic_compare_exchange_weak_explicit(&clock->word, &word, looked, memory_order_relaxed,
                                                  memory_order_relaxed))
            return now - stopped(looked);
    }
}

void parcel__clock_start(struct parcel__clock *clock)
{
    uint64_t word = atomic_load_explicit(&clock->word, memory_order_relaxed);
    if (is_watched(word))
        (void)parcel__clock_look(clock);
    else /* when that fails, somebody else has started it */
        (void)atomic_compare_exchange_strong_explicit(
            &clock->word, &word, pack_state(parcel__port_now(), (uint32_t)word),
            memory_order_relaxed, memory_order_relaxed);
}

void parcel__clock_stop(struct parcel__clock *clock)
{
    atomic_fetch_and_explicit(&clock->word, UINT32_MAX, memory_order_relaxed);
}

double parcel__clock_now(void)
{
    return parcel__clock_look(used);
}

void parcel__clock_use(struct parcel__clock *clock)
{
    owner = getpid();
    n_watched = 0;
    has_watcher = false;
    if (used != clock)
        used = clock;
}

/* ---- the thread that looks ---- */

/* Some time after the last run with limits the thread ends: what follows at once finds it. */
static bool is_needed(void)
{
    parcel__mutexes_lock(PARCEL__MUTEX_CLOCK);
    has_watcher = n_watched > 0;
    bool needed = has_watcher;
    parcel__mutexes_unlock(PARCEL__MUTEX_CLOCK);
    return needed;
}

static void *look_often(void *unused)
{
    (void)unused;
    do {
        parcel__port_sleep(usual_pause);
        (void)parcel__clock_now();
    } while (is_needed());
    return NULL;
}

/* Signals are for the program's threads. */
static bool start_watcher(void)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool has_started = pthread_create(&thread, NULL, look_often, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (has_started)
        pthread_detach(thread);
    return has_started;
}

/* In a child that was forked the parent's thread is not there. */
static void find_watcher(void)
{
    if (owner != getpid()) {
        parcel__clock_stop(&own);
        parcel__clock_use(&own);
    }
    has_watcher = has_watcher || start_watcher();
}

void parcel__clock_expect(void)
{
    parcel__mutexes_lock(PARCEL__MUTEX_CLOCK);
    find_watcher();
    parcel__mutexes_unlock(PARCEL__MUTEX_CLOCK);
}

void parcel__clock_watch(void)
{
    parcel__mutexes_lock(PARCEL__MUTEX_CLOCK);
    find_watcher();
    n_watched++;
    if (has_watcher && n_watched == 1)
        parcel__clock_start(used);
    parcel__mutexes_unlock(PARCEL__MUTEX_CLOCK);
}

void parcel__clock_unwatch(void)
{
    parcel__mutexes_lock(PARCEL__MUTEX_CLOCK);
    if (n_watched > 0 && --n_watched == 0 && used == &own)
        parcel__clock_stop(&own);
    parcel__mutexes_unlock(PARCEL__MUTEX_CLOCK);
}

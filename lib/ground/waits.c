/* waits.c: see waits.h. */
#include "ground/waits.h"

#include <math.h>
#include <pthread.h>

#include "ground/once.h"
#include "ground/port.h"

static double ask_system(void)
{
    return parcel__port_waited("/proc/thread-self/schedstat");
}

double (*parcel__waits_source)(void) = ask_system;

/* What this thread heard last. */
static _Thread_local struct parcel__wait last;

static struct parcel__once fork_once;

/* In a forked child, whose only thread has a copy of what its parent's heard. */
static void forget(void)
{
    last = (struct parcel__wait){0, 0};
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget);
}

static struct parcel__wait ask_source(double now)
{
    parcel__once_run(&fork_once, watch_forks);
    last = (struct parcel__wait){parcel__waits_source(), now};
    return last;
}

struct parcel__wait parcel__waits_begin(double now)
{
    return now - last.at < PARCEL__WAITS_INTERVAL ? last : ask_source(now);
}

double parcel__waits_settle(struct parcel__wait *wait, double now)
{
    double before = wait->seconds;
    *wait = ask_source(now);
    return wait->seconds < before ? 0 : wait->seconds - before;
}

bool parcel__waits_are_told(void)
{
    return !isnan(parcel__waits_source());
}

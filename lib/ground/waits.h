/*
 * waits.h: how long workers that have something to do wait for a cpu.
 *
 * The system counts that for each thread, but to ask it takes two microseconds, more than a short
 * run. So a thread asks anew only some milliseconds after it asked last: what is short is settled
 * with what follows it.
 */
#ifndef PARCEL__WAITS_H
#define PARCEL__WAITS_H

#include <stdbool.h>

/* Seconds between two questions of a thread. */
#define PARCEL__WAITS_INTERVAL 4e-3

/* What a thread heard when it asked. */
struct parcel__wait {
    double seconds; /* waited since the thread began; NaN: it is not told */
    double at;      /* when that was, by the clock */
};

/* Before the thread works. now: by the clock. What it waited in the 4 ms before may be counted. */
struct parcel__wait parcel__waits_begin(double now);

/* The same as parcel__waits_since, whatever time has passed. */
double parcel__waits_settle(struct parcel__wait *wait, double now);

/* Behind some work: the seconds that the thread waited for a cpu since *wait, which is renewed; NaN
 * when the system does not tell. 0, and *wait stays, when that is less than 4 ms ago. */
static inline double parcel__waits_since(struct parcel__wait *wait, double now)
{
    return now - wait->at < PARCEL__WAITS_INTERVAL ? 0 : parcel__waits_settle(wait, now);
}

/* True when this system tells. */
bool parcel__waits_are_told(void);

/* Who is asked: the system. Tests put another in its place before they run anything. */
extern double (*parcel__waits_source)(void);

#endif

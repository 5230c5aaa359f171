/*
 * tally.h: what calls of a test count, and where they meet, in memory that other processes share:
 * so that one test serves backends of threads and of processes.
 */
#ifndef TALLY_H
#define TALLY_H

#include "suite.h"

#include <sys/types.h>

enum { MOST_CALLS = 1009 };

/* As new in each test. */
struct tally {
    atomic_int started;
    atomic_int ended;
    atomic_int wrong; /* what was not as it should be */
    atomic_int ran[MOST_CALLS];
    struct crowd crowd;
    atomic_size_t length;
    char text[256]; /* of notes */
};
extern struct tally *tally;

/* Where calls and the test meet, and what they stop each other with. */
struct shared {
    struct meeting meeting;
    parcel_token token;
    pid_t runner; /* the test's process */
};
extern struct shared *shared;

/* Cases whose tests have a tally. In the second, runs that do not name a backend are on worker
 * processes ("on processes"), or on ranks in programs for them ("on mpi"), but for those inside of
 * calls; not for sanitizers, whose own locks another thread may hold when a process is forked. */
TCase *tallied_case(Suite *suite, const char *name);
TCase *case_elsewhere(Suite *suite);

/* In a call that is asked to end: where it has a process of its own, a short while after that it
 * gets SIGTERM. It then takes the time that it needs all the same. */
void take_time(void);

/* Others kept a call from the cpu that had begun in a process: it was killed before it came to
 * take_time, and so to what it counts behind it. */
bool was_held_up(const parcel_results *results, size_t i);

/* Adds to the text. */
void note(char kind, int i);

#endif

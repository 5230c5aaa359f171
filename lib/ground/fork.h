/* fork.h: what a fork, the program's or ours, took from the thread that it left in the child. */
#ifndef PARCEL__FORK_H
#define PARCEL__FORK_H

#include <stdbool.h>

/* True in the thread of a child that may have had a team of OpenMP's before: under libgomp it must
 * open no region of several threads, since it would wait for those of the team. A new thread may.
 */
bool parcel__fork_lost_team(void);

/* The team of this thread was ended before the fork, or there was none. */
void parcel__fork_forget_team(void);

/* True in a process that the program forked, or that descends from one, where there were other
 * threads. */
bool parcel__fork_lost_threads(void);

#endif

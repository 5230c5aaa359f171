/* programs.h: the processes that the calls of workers started, and what they started in turn. */
#ifndef PARCEL__PROGRAMS_H
#define PARCEL__PROGRAMS_H

#include <stdbool.h>
#include <sys/types.h>

/* Marks this process, and all that it will start, as of this worker of the forkserver; 0: as the
 * forkserver itself, which no other ends. */
void parcel__programs_mark(pid_t forkserver, unsigned worker);

/* Kills the processes of a forkserver's workers that are to end. False: there were none, so that
 * those which were killed before are gone, too. */
bool parcel__programs_kill(pid_t forkserver,
                           bool (*ends)(void *context, pid_t pid, unsigned worker), void *context);

/* A number by which to know that the process has executed another program; 0: not known. */
unsigned long parcel__programs_image(pid_t pid);

#endif

/* threads.h: how many threads can be started. */
#ifndef PARCEL__THREADS_H
#define PARCEL__THREADS_H

#include <stdbool.h>

/* How many of the wanted threads a run may have, the caller's included: as many are started once
 * to see that they can be (a limit on processes or memory shows in no other way), and half of
 * what could be when not all can. What was shown once is not tried again: for those who can do
 * without a thread that cannot be made. */
int parcel__threads_startable(int wanted);

/* The same for a region of an OpenMP runtime, which cannot: only the threads that the calling
 * thread's last region had are not tried again. in_new_thread: another will open it, which has none
 * and is to be started, too. */
int parcel__threads_for_region(int wanted, bool in_new_thread);

/* Called in a region by each of its threads: the thread that opened it has made the others. */
void parcel__threads_arrived(void);

/* Says, behind a region, how many threads the calling thread's had. */
void parcel__threads_note_team(int n_threads);

#endif

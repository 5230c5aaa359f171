/* threads.h: how many threads can be started. */
#ifndef PARCEL__THREADS_H
#define PARCEL__THREADS_H

/* How many of the wanted threads a run may have, the caller's included: as many are started once
 * to see that they can be (a limit on processes or memory shows in no other way), and half of
 * what could be when not all can. What was shown once is not tried again. */
int parcel__threads_startable(int wanted);

#endif

/* wake.h: threads that were asleep when a run begins. */
#ifndef PARCEL__WAKE_H
#define PARCEL__WAKE_H

#include "job/job.h"

/* Notes, when a job is opened, whether its threads may be asleep; and when a run of several workers
 * ended in this thread, by the clock. */
void parcel__wake_note(struct parcel_job *job);
void parcel__wake_note_end(double end);

/* Around the work of each worker of a job whose threads may have been asleep. */
void parcel__wake_begin(const struct parcel_job *job);
void parcel__wake_end(struct parcel_job *job);

#endif

/* watcher.h: what is told of a run's calls as they end: progress is one, see watchers/. */
#ifndef PARCEL__WATCHER_H
#define PARCEL__WATCHER_H

#include "job/lot.h"

/* A job has some, the last of which is empty. Called by whichever thread ran the calls, or brought
 * here what became of them: by several at once. */
struct parcel__watcher {
    /* Calls of the lot have ended, from first on: their marks and records say the rest. */
    void (*ended)(void *state, const struct parcel__lot *lot, size_t first, size_t count);

    /* One call, of that number in the run, took too long; NULL: nobody asks. */
    void (*overran)(void *state, size_t index, double seconds, double allowed);

    void *state;
};

/* Tells all of them; watchers: NULL, if there are none. */
void parcel__watcher_tell_ended(const struct parcel__watcher *watchers,
                                const struct parcel__lot *lot, size_t first, size_t count);
void parcel__watcher_tell_overran(const struct parcel__watcher *watchers, size_t index,
                                  double seconds, double allowed);

#endif

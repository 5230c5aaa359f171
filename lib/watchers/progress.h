/* progress.h: the watcher that writes lines while a run lasts. */
#ifndef PARCEL__PROGRESS_H
#define PARCEL__PROGRESS_H

#include <parcel.h>
#include <pthread.h>

#include "job/watcher.h"

/* Zero is one that is silent. */
struct parcel__progress {
    int n_jobs; /* as asked */
    int verbose;
    size_t total;              /* 0: nobody knows, or there are none */
    const parcel_calls *calls; /* NULL: they are generated */
    parcel_sink *sink;
    void *sink_state;
    double start;
    pthread_mutex_t mutex; /* of completed, and of the order of the lines */
    size_t completed;
};

/* "[Parallel(n_jobs=2)]: Using backend ..." from verbose 2 on, and each line of the warnings. */
void parcel__progress_open(struct parcel__progress *progress, const char *backend, int n_workers,
                           const char *warnings);

/* Writes a line now and then as calls end; and from verbose 2 on one for each that overran its
 * time. */
struct parcel__watcher parcel__progress_watcher(struct parcel__progress *progress);

/* The finished line. */
void parcel__progress_close(struct parcel__progress *progress);

/* True when completing the calls before + 1 to after is worth a line. Pure. */
bool parcel__progress_is_due(size_t before, size_t after, size_t total, int verbose);

/* The same where the total is unknown: joblib's filter, on completed calls. Pure. */
bool parcel__progress_is_due_of_any(size_t before, size_t after, int verbose);

/* Writes "    1.0s" or " 1.5min" as joblib does. size: of text, at least 16. */
void parcel__progress_format_time(char *text, size_t size, double seconds);

#endif

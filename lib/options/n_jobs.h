/* n_jobs.h: how many workers a run may have, and what is theirs. */
#ifndef PARCEL__N_JOBS_H
#define PARCEL__N_JOBS_H

#include "calls/current.h"
#include "ground/port.h"
#include "ground/text.h"

struct parcel__n_jobs {
    int asked;     /* as it is shown in the lines of progress */
    int count;     /* workers, given enough calls */
    bool is_unset; /* by anybody: all cpus */
};

/* What a setting of n_jobs means in this thread now; 0: it was not set. */
struct parcel__n_jobs parcel__n_jobs_count(long long setting, struct parcel__text *warnings);

/* True when what is not set follows OMP_NUM_THREADS. */
bool parcel__n_jobs_is_from_openmp(void);

/* The cpus that there are, read once. */
struct parcel__cpus parcel__n_jobs_cpus(void);

/* What calls of a run may use, when n_jobs workers are allowed and n_workers of them run, inside
 * of the call current or of none. */
struct parcel__nest parcel__n_jobs_nest(const struct parcel_current_call *current, int n_jobs,
                                        int n_workers);

/* At most as many workers as a run inside of the call current may have. */
int parcel__n_jobs_limit(const struct parcel_current_call *current, int n_jobs);

#endif

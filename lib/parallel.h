/* parallel.h: one run of a resolved plan. */
#ifndef PARCEL__PARALLEL_H
#define PARCEL__PARALLEL_H

#include "run/run.h"

struct parcel__ranks;

/* Who runs a plan's calls. */
struct parcel__workers {
    struct parcel__team team;    /* in this process */
    struct parcel__ranks *ranks; /* that run some of the calls; NULL: this process runs all */
};

/* Opens the plan's backend. False: it cannot run, and error says why. */
bool parcel__parallel_open(struct parcel__workers *workers, struct parcel__plan *plan,
                           struct parcel__text *error);

/* Runs the calls. The plan is borrowed, and may serve several runs at once, as may the workers.
 * streaming: of workers that are kept; NULL: their team is closed with the run. */
parcel_results *parcel__parallel_run(const struct parcel__plan *plan,
                                     const struct parcel__workers *workers,
                                     const parcel_calls *calls, parcel__streaming *streaming);

/* The results of a run whose options are refused, for a reason that is taken; the plan is what was
 * resolved of them. Where other ranks wait for this one, they are told. */
parcel_results *parcel__parallel_refuse(const struct parcel__plan *plan, struct parcel__text *error,
                                        const parcel_calls *calls);

#endif

/* parallel.h: one run of a resolved plan. */
#ifndef PARCEL__PARALLEL_H
#define PARCEL__PARALLEL_H

#include <stdatomic.h>

#include "config.h"
#include "ranks.h"

/* A backend that has been opened for a plan. */
struct parcel__team {
    const parcel_backend *backend;
    void *state;
    struct parcel__states *states; /* of its workers; NULL: they have none */
    int n_workers;                 /* as many as the backend has for the plan */
    struct parcel__ranks *ranks;   /* that run some of the calls; NULL: this process runs all */
};

/* Opens the plan's backend. False: it cannot run, and error says why. */
bool parcel__parallel_open(struct parcel__team *team, struct parcel__plan *plan,
                           struct parcel__text *error);
void parcel__parallel_close(const struct parcel__team *team);

/* The results of the stream that is pulled from a team, or NULL; release when it ends, acquire
 * before the team is used otherwise. */
typedef _Atomic(parcel_results *) parcel__streaming;

/* Runs the calls. The plan is borrowed, and may serve several runs at once, as may the team.
 * streaming: of a team that is kept; NULL: the team is closed with the run. */
parcel_results *parcel__parallel_run(const struct parcel__plan *plan,
                                     const struct parcel__team *team, const parcel_calls *calls,
                                     parcel__streaming *streaming);

/* Works for the runs of rank 0 until that is done. NULL, or why it cannot: a sentence that lives as
 * long as the ranks. */
const char *parcel__parallel_serve(struct parcel__ranks *ranks);

#endif

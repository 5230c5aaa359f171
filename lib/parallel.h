/* parallel.h: one run of a resolved plan. */
#ifndef PARCEL__PARALLEL_H
#define PARCEL__PARALLEL_H

#include "config.h"

/* A backend that has been opened for a plan. */
struct parcel__team {
    const parcel_backend *backend;
    void *state;
    struct parcel__states *states; /* of its workers; NULL: they have none */
    int n_workers;                 /* as many as the backend has for the plan */
};

/* Opens the plan's backend. False: it cannot run, and error says why. */
bool parcel__parallel_open(struct parcel__team *team, struct parcel__plan *plan,
                           struct parcel__text *error);
void parcel__parallel_close(struct parcel__team *team);

/* Runs the calls. The plan and the team are borrowed, and may serve several runs at once. */
parcel_results *parcel__parallel_run(const struct parcel__plan *plan,
                                     const struct parcel__team *team, const parcel_calls *calls);

#endif

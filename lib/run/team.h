/* team.h: the backend that runs a plan's calls in this process, opened for it. */
#ifndef PARCEL__TEAM_H
#define PARCEL__TEAM_H

#include "options/config.h"
#include "ranks/ranks.h"

struct parcel__team {
    const parcel_backend *backend;
    void *state;
    struct parcel__worker_states *states; /* of its workers; NULL: they have none */
    int n_workers;                        /* as many as the backend has for the plan */
    struct parcel__ranks *ranks; /* that run some of the calls; NULL: this process runs all */
};

/* Opens the plan's backend. False: it cannot run, and error says why. */
bool parcel__team_open(struct parcel__team *team, struct parcel__plan *plan,
                       struct parcel__text *error);
void parcel__team_close(const struct parcel__team *team);

#endif

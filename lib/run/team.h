/* team.h: the backend that runs a plan's calls in this process, opened for it. */
#ifndef PARCEL__TEAM_H
#define PARCEL__TEAM_H

#include "options/plan.h"

struct parcel__team {
    const parcel_backend *backend;
    void *state;
    struct parcel__worker_states *states; /* of its workers; NULL: they have none */
    int n_workers;                        /* as many as the backend has for the plan */
    bool runs_parts;                      /* of runs that other processes have a part in, too */
};

/* As parcel__team_choose, for a plan whose calls are to be isolated. */
const parcel_backend *parcel__team_choose_isolated(const struct parcel__plan *plan);

/* The backend that runs a plan's calls where all of them run in this process. */
static inline const parcel_backend *parcel__team_choose(const struct parcel__plan *plan)
{
    return plan->policy.isolate ? parcel__team_choose_isolated(plan) : plan->backend;
}

/* The backend that runs this process's part of a larger run. */
const parcel_backend *parcel__team_choose_part(const struct parcel__plan *plan);

/* Opens that backend. runs_parts: for larger runs. False: it cannot run, and error says why. */
bool parcel__team_open(struct parcel__team *team, struct parcel__plan *plan,
                       const parcel_backend *backend, bool runs_parts, struct parcel__text *error);
void parcel__team_close(const struct parcel__team *team);

#endif

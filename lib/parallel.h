/* parallel.h: one run of a resolved plan. */
#ifndef PARCEL__PARALLEL_H
#define PARCEL__PARALLEL_H

#include "run/run.h"

/* Runs the calls. The plan is borrowed, and may serve several runs at once, as may the team.
 * streaming: of a team that is kept; NULL: the team is closed with the run. */
parcel_results *parcel__parallel_run(const struct parcel__plan *plan,
                                     const struct parcel__team *team, const parcel_calls *calls,
                                     parcel__streaming *streaming);

/* The results of a run whose options are refused, for a reason that is taken; the plan is what was
 * resolved of them. Where other ranks wait for this one, they are told. */
parcel_results *parcel__parallel_refuse(const struct parcel__plan *plan, struct parcel__text *error,
                                        const parcel_calls *calls);

#endif

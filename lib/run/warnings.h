/* warnings.h: what the user of a run should know before it begins. */
#ifndef PARCEL__WARNINGS_H
#define PARCEL__WARNINGS_H

#include "results/results.h"
#include "run/team.h"

/* Adds what the user of a run with so many workers should know: the plan's warnings, bounds that
 * hold the workers down, and limits that hold nothing. */
void parcel__warnings_put(struct parcel__text *text, const struct parcel__plan *plan,
                          const struct parcel__team *team, const parcel_calls *calls,
                          int n_workers);

/* The same of this run, which wanted so many workers: also that it has fewer, or that there are
 * fewer cpus. */
void parcel__warnings_note(parcel_results *results, const struct parcel__plan *plan,
                           const struct parcel__team *team, const parcel_calls *calls, int wanted);

#endif

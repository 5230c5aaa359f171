/* spread.h: a run on several ranks. */
#ifndef PARCEL__SPREAD_H
#define PARCEL__SPREAD_H

#include "run/run.h"

struct parcel__ranks;

/* The ranks that run the calls of such a plan; NULL: there are none, and error says why. */
struct parcel__ranks *parcel__spread_find(const struct parcel__plan *plan,
                                          struct parcel__text *error);

/* Runs the calls on the ranks: leads the run, on rank 0, or has a part in it. */
parcel_results *parcel__spread_run(struct parcel__run *run, struct parcel__ranks *ranks);

/* This rank's run cannot be, for a reason that is taken: so none of the others' can. */
parcel_results *parcel__spread_refuse(struct parcel__ranks *ranks, struct parcel__text *error,
                                      double timeout, const parcel_calls *calls);

/* Works for the runs of rank 0 until that is done. NULL, or why it cannot: a sentence that lives as
 * long as the ranks. */
const char *parcel__spread_serve(struct parcel__ranks *ranks);

#endif

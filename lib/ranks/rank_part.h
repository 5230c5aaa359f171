/* rank_part.h: what leading a run and following it have in common. */
#ifndef PARCEL__RANK_PART_H
#define PARCEL__RANK_PART_H

#include "ranks/rank_run.h"
#include "run/run.h"

/* A run on the ranks, as this one has a part in it. */
struct parcel__rank_part {
    struct parcel__run *run;
    struct parcel__ranks *ranks;
    struct parcel__terms *terms;       /* NULL: they are not yet known */
    struct parcel__rank_run *rank_run; /* which has the terms then, or NULL */
    struct parcel__control *waiting;   /* what stops the run while ranks are waited for, or NULL */
};

/* Says of this rank's calls what rank 0 must know; fault: why it cannot run them, or NULL. The
 * hello's own fault is to be freed. */
void parcel__rank_part_introduce(const struct parcel__rank_part *part, const char *fault,
                                 struct parcel__hello *hello);

/* Opens the part on the terms, which it has from then on, and tells this rank's run of it. */
void parcel__rank_part_open(struct parcel__rank_part *part);

/* Ends this rank's part in a run. */
void parcel__rank_part_leave(struct parcel__rank_part *part);

/* What a run returns that has not begun; the error is taken. */
parcel_results *parcel__rank_part_refuse(const struct parcel__rank_part *part,
                                         struct parcel__text *error, const parcel_calls *calls);

/* Tells ranks that serve of the options' functions. NULL, or why they cannot have them. And the way
 * back: false, this rank does not have them. */
const char *parcel__rank_part_send(struct parcel__terms *terms, const struct parcel__plan *plan);
bool parcel__rank_part_receive(struct parcel__plan *plan, const struct parcel__terms *terms);

/* Runs the calls: rank 0 leads (lead.c), the others have a part in it (follow.c). */
parcel_results *parcel__lead_run(struct parcel__rank_part *part);
parcel_results *parcel__follow_run(struct parcel__rank_part *part);

#endif

/* rank_run.h: one run on several ranks, as one of them has a part in it: calls go down the tree of
 * ranks, results come up. */
#ifndef PARCEL__RANK_RUN_H
#define PARCEL__RANK_RUN_H

#include "ranks/ranks.h"
#include "run/run.h"

struct parcel__rank_run;

/* What the run of this rank leaves to it. */
extern const struct parcel__run_part_functions parcel__rank_run_functions;

/* Opens the part of this rank. The terms are taken. */
struct parcel__rank_run *parcel__rank_run_open(struct parcel__ranks *ranks,
                                               struct parcel__terms *terms);
void parcel__rank_run_close(struct parcel__rank_run *rank_run);

/* This rank cannot have its part: the run stops. In place of begin and end. */
void parcel__rank_run_give_up(struct parcel__rank_run *rank_run);

/* On rank 0, when the run is over: tells all ranks what became of it, and gives them the results if
 * the terms say so; the results' error says when memory ran out for that. Closes the part, and lets
 * go of the ranks. */
void parcel__rank_run_conclude(void *rank_run, parcel_results *results);

/* On the others: waits for that, and writes it into the results, which were made for the same calls
 * if they are to have values; NULL: nowhere. False: memory ran out. */
bool parcel__rank_run_await_end(struct parcel__rank_run *rank_run, parcel_results *results);

#endif

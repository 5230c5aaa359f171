/* questions.h: what the benches ask. Each question prints its rows. */
#ifndef BENCH_QUESTIONS_H
#define BENCH_QUESTIONS_H

#include "harness.h"

/* What do a list of a million calls and its results cost to build, to hold and to free? */
void question_build(struct bench *bench);

/* What does a call cost beside the hand-written loops, on two workers and on one? */
void question_call(struct bench *bench);

/* What does a run cost that has nothing to do? */
void question_run(struct bench *bench);

/* How often is memory allocated for results that are strings and structs? */
void question_allocations(struct bench *bench);

/* From how short a call on does a second worker pay? */
void question_grain(struct bench *bench);

/* How well are calls of unequal lengths spread? */
void question_uneven(struct bench *bench);

#endif

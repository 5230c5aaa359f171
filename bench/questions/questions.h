/* questions.h: what compare asks. Each question prints its rows. */
#ifndef BENCH_QUESTIONS_H
#define BENCH_QUESTIONS_H

#include "harness.h"

/* What do a list of a million calls and its results cost to build, to hold and to free? */
void question_build(struct bench *bench);

/* What does a call cost beside the peers, on two workers and on one? */
void question_call(struct bench *bench);

/* What does a run cost that has nothing to do? */
void question_run(struct bench *bench);

/* How often is memory allocated for results that are strings and structs? */
void question_allocations(struct bench *bench);

/* From how short a call on does a second worker pay? */
void question_grain(struct bench *bench);

/* How well are calls of unequal lengths spread, and how well while a cpu is taken? */
void question_shapes(struct bench *bench);
void question_busy(struct bench *bench);

/* Do more workers than cpus do harm? */
void question_workers(struct bench *bench);

/* What do the records of longer calls cost, each with its own measured time? */
void question_recording(struct bench *bench);

/* What does adaptive gain over OpenMP's plain schedules? */
void question_schedules(struct bench *bench);

/* What does a run cost whose threads sleep? */
void question_cold(struct bench *bench);

/* What do calls cost that flow through in constant memory, and when does a cancelled run end? */
void question_stream(struct bench *bench);

/* What does it cost to read results, and to print them? */
void question_reading(struct bench *bench);

/* What do calls in worker processes cost, and the processes themselves? */
void question_processes(struct bench *bench);

/* What do calls on the ranks of an MPI job cost? */
void question_mpi(struct bench *bench);

/* How far is the original? */
void question_python(struct bench *bench);

/* How much memory do ten million calls take? */
void question_memory(struct bench *bench);

/* What this program does, and returns, when that option is its only argument: it prints the bytes
 * of question_memory, which have to be a new process's. */
#define PEAK_OPTION "--peak"
int print_peak(void);

#endif

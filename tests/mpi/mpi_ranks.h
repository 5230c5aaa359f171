/*
 * mpi_ranks.h: the suites on the ranks of an MPI job, in programs of their own (-DSUITE_ON_RANKS).
 * Check forks no tests there, since MPI would not bear it. SUITE_RANKS in the environment says how:
 * "served" (or nothing): rank 0 runs the tests, and the others serve; "isolated": the same, with
 * .isolate; "together": each rank runs each test, in step, and has the results; "apart": each rank
 * runs each test, and rank 0 has the results.
 *
 * A test that fails holds nobody up for long: a rank that waits for others in a run gives up after
 * seconds (PARCEL_MPI_TIMEOUT), one that waits for them between two runs as well, and where all run
 * the tests they end there. What hangs all the same is killed by an alarm.
 */
#ifndef MPI_RANKS_H
#define MPI_RANKS_H

#include <check.h>
#include <parcel.h>

/* Initialises MPI and runs the suite, or serves; what main returns. */
int ranks_run_suite(Suite *suite);

/* This rank and their number. */
int ranks_rank(void);
int ranks_count(void);

/* True when each rank runs each test. */
bool ranks_are_together(void);

/* True in a process that is no rank's own, but a worker that it forked. */
bool ranks_is_forked(void);

/* Each test's fixture: what is counted is new, and all ranks begin together. */
void ranks_begin_test(void);
void ranks_end_test(void);

/* The functions of these names. Where each rank runs each test, they meet before, so that no rank
 * changes what others still look at, and behind: what was counted meanwhile is then in each one's
 * own tally. */
parcel_results *ranks_run(const parcel_options *options, const parcel_calls *calls);
parcel_results *ranks_executor_run(parcel_executor *executor, const parcel_calls *calls);
void ranks_close(parcel_executor *executor);

/* parcel_run itself, of ranks that are not in step. */
parcel_results *ranks_run_alone(const parcel_options *options, const parcel_calls *calls);

#ifndef RANKS_PLAIN_NAMES
#define parcel_run ranks_run
#define parcel_executor_run ranks_executor_run
#define parcel_close ranks_close
#endif

#endif

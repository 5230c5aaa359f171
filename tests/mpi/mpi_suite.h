/*
 * mpi_suite.h: the frame of suites that run on all ranks of an MPI job at once. They do not fork,
 * as MPI would not follow; a rank that fails leaves the others waiting, and mpi-run ends them.
 */
#ifndef MPI_SUITE_H
#define MPI_SUITE_H

#include "suite.h"

#include <mpi.h>

static inline UNUSED int mpi_rank(void)
{
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

static inline UNUSED int mpi_ranks(void)
{
    int ranks;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    return ranks;
}

/* Rank 0 tells of all tests, so that they are counted once; each other tells of its failures. */
static inline void mpi_suite_tell(SRunner *runner, int rank)
{
    TestResult **failures = srunner_failures(runner);
    for (int i = 0; rank > 0 && i < srunner_ntests_failed(runner); i++)
        printf("rank %d: %s:%d: %s: %s\n", rank, tr_lfile(failures[i]), tr_lno(failures[i]),
               tr_tcname(failures[i]), tr_msg(failures[i]));
    free(failures);
}

/* Runs its tests, frees it, and returns what main does. */
static inline int mpi_suite_run_all(SRunner *runner)
{
    int rank = mpi_rank();
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, rank == 0 ? CK_ENV : CK_SILENT);
    mpi_suite_tell(runner, rank);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* MPI is initialised. */
static inline UNUSED int mpi_suite_run(Suite *suite)
{
    suite_clear_environment();
    return mpi_suite_run_all(srunner_create(suite));
}

#endif

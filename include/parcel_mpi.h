/*
 * parcel_mpi.h: the same line on all ranks of an MPI job.
 *
 *     mpiexec -n 64 ./sweep
 *
 * runs the program on every rank. Two lines spread its calls over all of them and their threads:
 *
 *     const char *error = parcel_mpi_init(MPI_COMM_WORLD);
 *     parcel_results *results = Parallel(.backend = "mpi")(calls);
 *
 * Every rank makes the same list and comes to Parallel, and rank 0 has the results; or rank 0 alone
 * does so, and the others call parcel_mpi_serve. Without mpiexec the program is one rank. With the
 * library libparcel_mpi; pkg-config calls it parcel-mpi.
 *
 * MPI is called by one thread at a time, at least at MPI_THREAD_SERIALIZED: while a run lasts, the
 * program's own threads use MPI only at MPI_THREAD_MULTIPLE. Messages are sent on duplicates of the
 * communicator and never meet those of the program. Error handlers stay as they are.
 *
 * A rank or a node that dies ends the job, as MPI has it; and so does a call that calls exit, with
 * a line on stderr, unless .isolate is set. What a run on ranks is stands in parcel.h under "Calls
 * on several hosts", and how to start one in parcel-mpi(7). The same words as in parcel.h;
 * "collective" is said of what all ranks of the communicator have to call.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef PARCEL_MPI_H
#define PARCEL_MPI_H

/* MPI's former C++ bindings need a library of their own; who wants them includes mpi.h before. */
#ifdef __cplusplus
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX 1
#endif
#endif
#include <mpi.h>
#include <parcel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lets runs by the backend "mpi" use the ranks of the communicator, which is duplicated: it may be
 * freed at once. If nobody has initialised MPI, this does, at MPI_THREAD_MULTIPLE, and MPI is
 * finalised at exit. Another init ends what the one before began.
 * Returns NULL, or a sentence (borrowed until the next init) that is the same on all ranks: MPI's
 * level is too low, a rank runs another build of the program, or libparcel is of another version
 * than libparcel_mpi. Runs by "mpi" then fail with it.
 * Collective. Threads: one that may call MPI, and no run goes on. Since 0.1. */
const char *parcel_mpi_init(MPI_Comm communicator);

/* Runs the calls that rank 0 sends until rank 0 is done: at its parcel_mpi_finalize, its next
 * parcel_mpi_init, its MPI_Finalize or its exit. On rank 0 it returns at once.
 * Returns NULL, or a sentence (borrowed until the next call of this or of init).
 * Threads: one at a time, none of them in a call. Since 0.1. */
const char *parcel_mpi_serve(void);

/* Ends what parcel_mpi_init began; it does not finalise MPI, which is done at exit if init has
 * initialised it. Nobody has to call it: it is done when
 * MPI_Finalize begins, or at exit. Does nothing without init.
 * Collective. Threads: one that may call MPI, and no run goes on. Since 0.1. */
void parcel_mpi_finalize(void);

/* This process's rank, and how many ranks there are, as of the last init and also behind its end; 0
 * and 1 without one, and when it failed. Threads: any, but not during init and finalize. Since
 * 0.1. */
int parcel_mpi_rank(void);
int parcel_mpi_ranks(void);

/* Lets calls of the function go to other ranks by a name, in place of its address: where ranks load
 * its library at other times, or from other files. All ranks register it, before or after init.
 * name: copied. function: borrowed until the program ends. Returns NULL, or a sentence (borrowed)
 * that says what is wrong. Threads: any. Since 0.1. */
const char *parcel_mpi_register(const char *name, const parcel_function *function);

#ifdef __cplusplus
}
#endif
#endif

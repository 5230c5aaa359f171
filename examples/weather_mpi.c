/*
 * weather_mpi.c: the program bootstrap_weather on all ranks of an MPI job.
 *
 *     PARCEL_BACKEND=mpi mpiexec -n 4 weather_mpi [CSV [SVG [REPLICATES]]]
 *
 * Two lines are added: the one of parcel_mpi_init, and -lparcel_mpi where it is linked. Each rank
 * reads the data and makes the same list of calls; what a call's pointer points at is each rank's
 * own copy. Rank 0 has the results and reports. Without PARCEL_BACKEND the same binary runs on
 * threads, and without mpiexec on one rank. The numbers are the same in each case.
 *
 * When a rank or its node dies MPI ends the job, and nothing is left. PARCEL_ISOLATE=yes keeps a
 * call that crashes from taking its rank along: it costs its own record.
 */
#include <parcel_mpi.h>

#include <stdlib.h>

#include "weather_bootstrap.h"

int main(int argc, char **argv)
{
    const char *error = parcel_mpi_init(MPI_COMM_WORLD);
    if (error) {
        fprintf(stderr, "weather_mpi: %s\n", error);
        return EXIT_FAILURE;
    }
    return weather_bootstrap("weather_mpi", argc, argv, parcel_mpi_rank() == 0);
}

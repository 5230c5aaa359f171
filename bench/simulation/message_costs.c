/*
 * message_costs.c: what messages between two ranks cost, for `simulate ranks`.
 *
 *     mpiexec -n 2 ./message_costs
 *
 * Prints words of its command line: message= (what each end of a message of 64 bytes has to do) and
 * latency=, in microseconds, and byte=, in nanoseconds, by what 16 KiB cost. Messages are found by
 * a probe and sent without waiting, as the library does it.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL = 64, LARGE = 16384, MESSAGES = 20000, IN_FLIGHT = 32, TAG = 1, TIMES = 5 };

static int rank;

static void fail(const char *why)
{
    fprintf(stderr, "message_costs: %s\n", why);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* Returns false when no message is there. */
static int try_to_receive(char *bytes)
{
    int is_there, size;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, TAG, MPI_COMM_WORLD, &is_there, &status);
    if (!is_there)
        return 0;
    MPI_Get_count(&status, MPI_BYTE, &size);
    MPI_Recv(bytes, size, MPI_BYTE, status.MPI_SOURCE, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    return 1;
}

static void receive(char *bytes)
{
    while (!try_to_receive(bytes))
        ;
}

static void send(const char *bytes, int size)
{
    MPI_Request request;
    MPI_Isend(bytes, size, MPI_BYTE, 1 - rank, TAG, MPI_COMM_WORLD, &request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
}

/* Seconds from one rank to the other: half of the way there and back. */
static double one_way(char *bytes, int size)
{
    MPI_Barrier(MPI_COMM_WORLD);
    double start = MPI_Wtime();
    for (int i = 0; i < MESSAGES / 10; i++) {
        if (rank == 0)
            send(bytes, size);
        receive(bytes);
        if (rank == 1)
            send(bytes, size);
    }
    return (MPI_Wtime() - start) / (MESSAGES / 10) / 2;
}

/* Seconds a message at the end that is busy with nothing else, when they follow each other. */
static double flood(char *bytes, int size)
{
    MPI_Request requests[IN_FLIGHT];
    for (int i = 0; i < IN_FLIGHT; i++)
        requests[i] = MPI_REQUEST_NULL;
    MPI_Barrier(MPI_COMM_WORLD);
    double start = MPI_Wtime();
    for (int i = 0; i < MESSAGES; i++) {
        if (rank == 0) {
            receive(bytes);
            continue;
        }
        MPI_Wait(&requests[i % IN_FLIGHT], MPI_STATUS_IGNORE);
        MPI_Isend(bytes, size, MPI_BYTE, 0, TAG, MPI_COMM_WORLD, &requests[i % IN_FLIGHT]);
    }
    for (int i = 0; i < IN_FLIGHT; i++)
        MPI_Wait(&requests[i], MPI_STATUS_IGNORE);
    return (MPI_Wtime() - start) / (double)MESSAGES;
}

static double least(double (*measure)(char *bytes, int size), char *bytes, int size)
{
    double seconds = 1;
    for (int i = 0; i < TIMES; i++) {
        double took = measure(bytes, size);
        seconds = took < seconds ? took : seconds;
    }
    return seconds;
}

int main(int argc, char **argv)
{
    int n_ranks;
    static char bytes[LARGE];
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    if (n_ranks != 2)
        fail("takes two ranks");
    double there = least(one_way, bytes, SMALL), large_there = least(one_way, bytes, LARGE);
    double each = least(flood, bytes, SMALL), large = least(flood, bytes, LARGE);
    double latency = there - 2 * each;
    if (rank == 0) {
        fprintf(stderr, "64 B: %.2f us one way, %.2f us each; 16 KiB: %.2f us, %.2f us each\n",
                1e6 * there, 1e6 * each, 1e6 * large_there, 1e6 * large);
        printf("message=%.2f latency=%.2f byte=%.3f\n", 1e6 * each, latency > 0 ? 1e6 * latency : 0,
               1e9 * (large - each) / (LARGE - SMALL));
    }
    MPI_Finalize();
    return 0;
}

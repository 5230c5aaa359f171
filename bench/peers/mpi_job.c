/*
 * mpi_job.c: runs calls on the ranks of a job, in one of several ways.
 *
 *     mpiexec -n 2 ./mpi_job WAY FUNCTION COUNT STEPS WORKERS
 *     ./mpi_job version
 *
 * FUNCTION is empty; spin, with so many steps; rise, the same in the mean, from nothing to twice as
 * many; or array, a result of so many bytes that rank 1 has and rank 0 gets. WORKERS are Parcel's,
 * on each rank. Rank 0 prints the seconds of a run: the median of several behind one that is not
 * measured, for connections and memory. For an array it is the time behind the call that made it.
 */
#include <mpi.h>
#include <parcel.h>
#include <parcel_mpi.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "functions.h"
#include "harness.h"

struct job {
    int rank, n_ranks;
    int (*function)(int, int);
    bool rises;
    int count, steps, n_workers;
    int *results;        /* on rank 0, of all calls */
    parcel_calls *calls; /* Parcel's list of them */
    unsigned char *block;
};

static struct pair arguments_of(const struct job *job, int i)
{
    double mean = job->steps, part = (i + 0.5) / job->count;
    return (struct pair){job->rises ? (int)(2 * mean * part) : job->steps, i};
}

static int run_call(const struct job *job, int i)
{
    struct pair arguments = arguments_of(job, i);
    return job->function(arguments.first, arguments.second);
}

/* ---- Parcel ---- */

DELAYED(int, empty, int, int);
DELAYED(int, spin, int, int);

static parcel_array make_block(int bytes)
{
    static const struct timespec pause = {.tv_nsec = 2000000};
    if (parcel_mpi_rank() == 0) { /* leaves the other call to rank 1 */
        nanosleep(&pause, NULL);
        bytes = 1;
    }
    unsigned char *data = malloc((size_t)bytes);
    bench_require(data != NULL, "out of memory");
    memset(data, 1, (size_t)bytes);
    return parcel_array(data, (size_t)bytes);
}
DELAYED(parcel_array, make_block, int);

static void open_parcel(struct job *job)
{
    job->calls = parcel_calls_new();
    for (int i = 0; i < job->count; i++) {
        struct pair arguments = arguments_of(job, i);
        if (!job->function)
            parcel_calls_add(job->calls, delayed(make_block)(job->steps));
        else if (job->function == empty)
            parcel_calls_add(job->calls, delayed(empty)(arguments.first, arguments.second));
        else
            parcel_calls_add(job->calls, delayed(spin)(arguments.first, arguments.second));
    }
}

static parcel_results *run_list(const struct job *job)
{
    parcel_results *results = Parallel(.backend = "mpi", .n_jobs = job->n_workers)(job->calls);
    const char *error = parcel_results_error(results);
    bench_require(!error, error);
    return results;
}

static double run_parcel(struct job *job)
{
    double start = bench_now();
    parcel_results *results = run_list(job);
    int last = job->count - 1;
    if (job->rank == 0)
        bench_require(parcel_get(results, (size_t)last, int) == run_call(job, last),
                      "a result is wrong");
    parcel_results_free(results);
    return bench_now() - start;
}

/* The time behind the call on rank 1, whose array comes to rank 0. */
static double run_parcel_array(struct job *job)
{
    double start = bench_now(), made = 0;
    parcel_results *results = run_list(job);
    double took = bench_now() - start;
    for (size_t i = 0; i < (size_t)job->count; i++)
        if (parcel_results_rank(results, i) == 1)
            made += parcel_results_duration(results, i);
    bench_require(job->rank > 0 || made > 0, "rank 1 got no call");
    parcel_results_free(results);
    return took - made;
}

/* ---- by hand ---- */

/* Each rank has a block of the calls, and sends its results at the end. */
static double run_static(struct job *job)
{
    int counts[64], starts[65] = {0};
    bench_require(job->n_ranks <= 64, "too many ranks");
    for (int rank = 0; rank < job->n_ranks; rank++) {
        starts[rank + 1] = (int)((long long)job->count * (rank + 1) / job->n_ranks);
        counts[rank] = starts[rank + 1] - starts[rank];
    }
    double start = bench_now();
    int first = starts[job->rank], count = counts[job->rank];
    for (int i = 0; i < count; i++)
        job->results[first + i] = run_call(job, first + i);
    if (job->rank == 0)
        MPI_Gatherv(MPI_IN_PLACE, 0, MPI_INT, job->results, counts, starts, MPI_INT, 0,
                    MPI_COMM_WORLD);
    else
        MPI_Gatherv(job->results + first, count, MPI_INT, NULL, NULL, NULL, MPI_INT, 0,
                    MPI_COMM_WORLD);
    return bench_now() - start;
}

enum { NO_CALL = -1 };

struct answer {
    int call, result;
};

/* Rank 0 hands out one call after the other and runs none. */
static void manage(struct job *job)
{
    int n_working = job->n_ranks - 1, next = 0;
    while (n_working > 0) {
        struct answer answer;
        MPI_Status status;
        MPI_Recv(&answer, sizeof answer, MPI_BYTE, MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, &status);
        if (answer.call != NO_CALL)
            job->results[answer.call] = answer.result;
        int call = next < job->count ? next++ : NO_CALL;
        n_working -= call == NO_CALL;
        MPI_Send(&call, 1, MPI_INT, status.MPI_SOURCE, 0, MPI_COMM_WORLD);
    }
}

static void work_for_manager(struct job *job)
{
    struct answer answer = {NO_CALL, 0};
    for (;;) {
        MPI_Send(&answer, sizeof answer, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
        MPI_Recv(&answer.call, 1, MPI_INT, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (answer.call == NO_CALL)
            return;
        answer.result = run_call(job, answer.call);
    }
}

static double run_manager(struct job *job)
{
    double start = bench_now();
    if (job->rank == 0)
        manage(job);
    else
        work_for_manager(job);
    return bench_now() - start;
}

/* ---- a block of memory ---- */

static double send_block(struct job *job, bool is_fresh)
{
    double start = bench_now();
    if (job->rank == 1)
        MPI_Send(job->block, job->steps, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
    if (job->rank > 0)
        return bench_now() - start;
    unsigned char *into = is_fresh ? malloc((size_t)job->steps) : job->block;
    bench_require(into != NULL, "out of memory");
    MPI_Recv(into, job->steps, MPI_BYTE, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    double took = bench_now() - start;
    bench_require(into[job->steps - 1] == 1, "a byte is wrong");
    if (is_fresh)
        free(into);
    return took;
}

static double send_fresh(struct job *job)
{
    return send_block(job, true);
}

static double send_warm(struct job *job)
{
    return send_block(job, false);
}

/* ---- the command line ---- */

typedef double way(struct job *job);

static const struct {
    const char *name;
    way *run;
} ways[] = {{"parcel", run_parcel},   {"parcel-array", run_parcel_array},
            {"static", run_static},   {"manager", run_manager},
            {"send-warm", send_warm}, {"send-fresh", send_fresh}};

static way *find_way(const char *name)
{
    size_t i = 0;
    while (i < sizeof ways / sizeof *ways && strcmp(ways[i].name, name) != 0)
        i++;
    bench_require(i < sizeof ways / sizeof *ways, "no such way");
    return ways[i].run;
}

static struct job read_job(char **words)
{
    bool is_array = strcmp(words[2], "array") == 0, is_empty = strcmp(words[2], "empty") == 0;
    struct job job = {.function = is_array   ? NULL
                                  : is_empty ? empty
                                             : spin,
                      .rises = strcmp(words[2], "rise") == 0,
                      .count = atoi(words[3]),
                      .steps = atoi(words[4]),
                      .n_workers = atoi(words[5])};
    job.results = calloc((size_t)job.count, sizeof *job.results);
    job.block = malloc(is_array ? (size_t)job.steps : 1);
    bench_require(job.results && job.block, "out of memory");
    memset(job.block, 1, is_array ? (size_t)job.steps : 1);
    return job;
}

/* The library initialises MPI as it wants it, and finalises it; the others have the plainest. */
static void open_mpi(struct job *job, bool is_parcel)
{
    const char *error = NULL;
    if (is_parcel)
        error = parcel_mpi_init(MPI_COMM_WORLD);
    else
        MPI_Init(NULL, NULL);
    bench_require(!error, error);
    MPI_Comm_rank(MPI_COMM_WORLD, &job->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &job->n_ranks);
    if (is_parcel)
        open_parcel(job);
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double median_of_runs(struct job *job, way *run)
{
    enum { RUNS = 3 };
    double seconds[RUNS];
    for (int i = -1; i < RUNS; i++) {
        MPI_Barrier(MPI_COMM_WORLD);
        double took = run(job);
        if (i >= 0)
            seconds[i] = took;
    }
    qsort(seconds, RUNS, sizeof *seconds, compare);
    return seconds[RUNS / 2];
}

/* The first words of what MPI says of itself. */
static int print_version(void)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_Get_library_version(text, &length); /* may be asked before MPI_Init */
    for (char *tab = text; (tab = strchr(tab, '\t'));)
        *tab = ' ';
    printf("%.*s\n", (int)strcspn(text, ",\n"), text);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "version") == 0)
        return print_version();
    bench_require(argc == 6, "usage: mpi_job WAY FUNCTION COUNT STEPS WORKERS");
    struct job job = read_job(argv);
    bool is_parcel = strncmp(argv[1], "parcel", strlen("parcel")) == 0;
    open_mpi(&job, is_parcel);
    double seconds = median_of_runs(&job, find_way(argv[1]));
    if (job.rank == 0)
        printf("%.9f\n", seconds);
    parcel_calls_free(job.calls);
    free(job.results);
    free(job.block);
    if (!is_parcel)
        MPI_Finalize();
    return 0;
}

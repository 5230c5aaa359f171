/*
 * mpi_program.c: a program of several ranks, which mpi_ends.c starts. Its word says what it does;
 * rank 0 tells of it on stdout, and the others where a line says so.
 */
#include <parcel_mpi.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* This source makes two programs, which must not be the same. */
#ifdef OTHER_BUILD
int mpi_program_is_other = 1;
#endif

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* What init or another function said. One write a line: ranks share the pipe. */
static void tell(const char *said)
{
    char line[1024];
    snprintf(line, sizeof line, "%d of %d: %s\n", parcel_mpi_rank(), parcel_mpi_ranks(),
             said ? said : "fine");
    fputs(line, stdout);
    fflush(stdout);
}

static void start_plain(void)
{
    tell(parcel_mpi_init(MPI_COMM_WORLD));
}

static void start_none(void)
{
    tell(parcel_mpi_serve());
    parcel_mpi_finalize();
    tell(NULL);
}

/* The second init is of the ranks of the same parity. */
static void start_twice(void)
{
    MPI_Comm half;
    tell(parcel_mpi_init(MPI_COMM_WORLD));
    MPI_Comm_split(MPI_COMM_WORLD, parcel_mpi_rank() % 2, 0, &half);
    const char *said = parcel_mpi_init(half);
    MPI_Comm_free(&half);
    tell(said);
}

static void start_null(void)
{
    tell(parcel_mpi_init(MPI_COMM_NULL));
    tell(parcel_mpi_serve());
    tell(parcel_mpi_init(MPI_COMM_WORLD));
}

static void start_two_sides(void)
{
    int rank;
    MPI_Comm half, both;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &(int){0});
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, 0, &half);
    MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, 1 - rank % 2, 0, &both);
    tell(parcel_mpi_init(both));
    MPI_Comm_free(&both);
    MPI_Comm_free(&half);
    MPI_Finalize();
}

static void start_low(void)
{
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &(int){0});
    tell(parcel_mpi_init(MPI_COMM_WORLD));
    MPI_Finalize();
}

static void start_late(void)
{
    MPI_Init(NULL, NULL);
    MPI_Finalize();
    tell(parcel_mpi_init(MPI_COMM_WORLD));
}

/* MPI is the program's: it is neither initialised nor finalised by another. */
static void start_own(void)
{
    int is_initialised;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &(int){0});
    tell(parcel_mpi_init(MPI_COMM_WORLD));
    parcel_mpi_finalize();
    parcel_mpi_finalize();
    tell(parcel_mpi_init(MPI_COMM_WORLD));
    MPI_Finalize();
    MPI_Initialized(&is_initialised);
    tell(is_initialised ? NULL : "not initialised");
}

static void start_serve(void)
{
    parcel_mpi_init(MPI_COMM_WORLD);
    if (parcel_mpi_rank() > 0)
        tell(parcel_mpi_serve());
}

/* What ends in a child of a rank is not the rank. */
static void start_fork(void)
{
    int status = -1;
    const char *said = parcel_mpi_init(MPI_COMM_WORLD);
    pid_t child = fork();
    if (child == 0)
        exit(3);
    waitpid(child, &status, 0);
    tell(WIFEXITED(status) && WEXITSTATUS(status) == 3 ? said : "the child ended badly");
}

static double half(int x)
{
    return x / 2.0;
}
DELAYED(double, half, int);

static const char *said_in_call;

static int init_in_call(int x)
{
    said_in_call = parcel_mpi_init(MPI_COMM_WORLD);
    return x;
}
DELAYED(int, init_in_call, int);

static void start_inside(void)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(init_in_call)(1));
    parcel_results_free(Parallel(.n_jobs = 1, .backend = "sequential")(calls));
    parcel_calls_free(calls);
    tell(said_in_call);
}

/* Runs a call twelve times by "mpi". */
static void run_calls(parcel_call call)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 12; i++)
        parcel_calls_add(calls, call);
    parcel_results *results = Parallel(.n_jobs = 1, .backend = "mpi", .batch_size = 1)(calls);
    tell(parcel_results_error(results));
    parcel_results_free(results);
    parcel_calls_free(calls);
}

static void start_ended(void)
{
    parcel_mpi_init(MPI_COMM_WORLD);
    parcel_mpi_finalize();
    tell(parcel_mpi_serve());
    run_calls(delayed(half)(1));
}

/* As a program does that knows nothing of levels. */
static void start_single(void)
{
    MPI_Init(NULL, NULL);
    tell(parcel_mpi_init(MPI_COMM_WORLD));
    MPI_Finalize();
}

static void start_warnings(void)
{
    parcel_mpi_init(MPI_COMM_WORLD);
    parcel_calls *calls = parcel_calls_new();
    parcel_results *results = Parallel(.n_jobs = 1, .backend = "mpi")(calls);
    tell(parcel_results_warnings(results));
    parcel_results_free(results);
    parcel_calls_free(calls);
}

static void start_runs(void)
{
    parcel_mpi_init(MPI_COMM_WORLD);
    run_calls(delayed(half)(1));
    run_calls(delayed(half)(2));
}

/* Without init, and with one that failed. */
static void start_low_runs(void)
{
    run_calls(delayed(half)(1));
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &(int){0});
    parcel_mpi_init(MPI_COMM_WORLD);
    run_calls(delayed(half)(1));
    MPI_Finalize();
}

/* The other ranks wait for the end of the job, so that the one gets a call. */
static int end_at(int rank)
{
    if (parcel_mpi_rank() == rank)
        exit(0);
    for (;;)
        pause();
    return rank;
}
DELAYED(int, end_at, int);

static int finalize_mpi(void)
{
    MPI_Finalize();
    return 0;
}
DELAYED(int, finalize_mpi);

static void start_exit_at_0(void)
{
    parcel_mpi_init(MPI_COMM_WORLD);
    run_calls(delayed(end_at)(0));
}

static void start_exit_at_1(void)
{
    parcel_mpi_init(MPI_COMM_WORLD);
    run_calls(delayed(end_at)(1));
}

static void start_finalize_in_call(void)
{
    parcel_mpi_init(MPI_COMM_WORLD);
    run_calls(delayed(finalize_mpi)());
}

static void start_abort(void)
{
    parcel_mpi_init(MPI_COMM_WORLD);
    if (parcel_mpi_rank() == 1)
        MPI_Abort(MPI_COMM_WORLD, 3);
    MPI_Barrier(MPI_COMM_WORLD);
}

static void start_register(void)
{
    tell(parcel_mpi_register("half", delayed(half)(1).function));
    start_plain();
}

static const struct {
    const char *word;
    void (*start)(void);
} starts[] = {{"plain", start_plain},
              {"abort", start_abort},
              {"none", start_none},
              {"twice", start_twice},
              {"null", start_null},
              {"two_sides", start_two_sides},
              {"low", start_low},
              {"late", start_late},
              {"own", start_own},
              {"serve", start_serve},
              {"fork", start_fork},
              {"inside", start_inside},
              {"register", start_register},
              {"runs", start_runs},
              {"ended", start_ended},
              {"single", start_single},
              {"warnings", start_warnings},
              {"low_runs", start_low_runs},
              {"exit_at_0", start_exit_at_0},
              {"exit_at_1", start_exit_at_1},
              {"finalize_in_call", start_finalize_in_call}};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < LENGTH(starts); i++)
        if (strcmp(starts[i].word, argv[1]) == 0) {
            starts[i].start();
            return EXIT_SUCCESS;
        }
    fprintf(stderr, "mpi_program: there is no such word\n");
    return EXIT_FAILURE;
}

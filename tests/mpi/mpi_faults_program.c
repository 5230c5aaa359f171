/*
 * mpi_faults_program.c: a program of several ranks, which mpi_faults.c starts. Its word says what
 * it does; each rank says in a line of its own what became of its run.
 */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <parcel_mpi.h>

static int rank;

static int square(int x)
{
    return x * x;
}
DELAYED(int, square, int);

static parcel_calls *squares(int count)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(square)(i));
    return calls;
}

/* Begins, and says why not. */
static void begin(void)
{
    const char *error = parcel_mpi_init(MPI_COMM_WORLD);
    rank = parcel_mpi_rank();
    if (error)
        printf("init: %s\n", error);
}

/* Runs the calls and says what became of them. */
static void run(const parcel_options *options, parcel_calls *calls)
{
    parcel_results *results = parcel_run(options, calls);
    const char *error = parcel_results_error(results);
    const char *warnings = parcel_results_warnings(results);
    printf("rank %d: %s\n", rank, error ? error : "all is well");
    if (warnings)
        printf("rank %d warns: %s\n", rank, warnings);
    fflush(stdout);
    parcel_results_free(results);
    parcel_calls_free(calls);
}

static const parcel_options plain = {.backend = "mpi", .n_jobs = 1};

static void run_well(void)
{
    begin();
    run(&plain, squares(100));
}

static void run_without_init(void)
{
    run(&plain, squares(100));
}

static void run_at_a_low_level(void)
{
    int level;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_SINGLE, &level);
    begin();
    run(&plain, squares(100));
    MPI_Finalize();
}

static void run_and_finalize(void)
{
    int level;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level);
    begin();
    run(&plain, squares(100));
    MPI_Finalize();
}

/* Rank 0 leaves, by MPI_Finalize or at exit, while the others serve. */
static void serve_until_rank_0_is_done(void)
{
    begin();
    if (rank > 0) {
        const char *error = parcel_mpi_serve();
        printf("rank %d served: %s\n", rank, error ? error : "all is well");
        return;
    }
    run(&plain, squares(100));
    run(&plain, squares(0));
    run(&plain, squares(1));
}

static void exit_at(int i)
{
    if (i == 50)
        exit(0);
}
DELAYED(void, exit_at, int);

static void run_a_call_that_exits(void)
{
    begin();
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(exit_at)(i));
    run(&plain, calls);
}

static void die_at(int i)
{
    if (i == 50)
        raise(SIGKILL);
}
DELAYED(void, die_at, int);

static void run_a_call_that_kills_its_rank(void)
{
    begin();
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(die_at)(i));
    run(&plain, calls);
}

static void exit_in_worker(void)
{
    parcel_options options = plain;
    options.isolate = PARCEL_YES;
    options.on_error = PARCEL_COLLECT;
    begin();
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(exit_at)(i));
    run(&options, calls);
}

/* The last rank does not come to the second run, or rank 0 does not. */
static void miss_a_run(int who)
{
    parcel_options options = plain;
    options.mpi_timeout = 1;
    begin();
    if (who < 0)
        who = parcel_mpi_ranks() - 1;
    run(&options, squares(100));
    if (rank != who)
        run(&options, squares(100));
    else
        sleep(3);
    /* Whoever missed one is late for the next, too; but nobody hangs. */
    for (int i = 0; i < 2; i++)
        run(&options, squares(100));
}

static void miss_the_last_rank(void)
{
    miss_a_run(-1);
}

static void miss_rank_0(void)
{
    miss_a_run(0);
}

/* Some come to another list than others, for one of them too often. */
static void run_out_of_step(void)
{
    parcel_options options = plain;
    options.mpi_timeout = 1;
    begin();
    if (rank == 0)
        run(&options, squares(10));
    run(&options, squares(20));
}

static void want_more_workers_than_cpus(void)
{
    parcel_options options = plain;
    options.n_jobs = 2;
    begin();
    run(&options, squares(100));
}

/* A signal that nobody handles ends the job, as it does without Parcel. */
static void wait_for_signal(int i)
{
    if (i == 50)
        raise(SIGTERM);
}
DELAYED(void, wait_for_signal, int);

static void raise_sigterm(void)
{
    begin();
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(wait_for_signal)(i));
    run(&plain, calls);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"well", run_well},
    {"no-init", run_without_init},
    {"low-level", run_at_a_low_level},
    {"finalize", run_and_finalize},
    {"serve", serve_until_rank_0_is_done},
    {"exit", run_a_call_that_exits},
    {"exit-isolated", exit_in_worker},
    {"die", run_a_call_that_kills_its_rank},
    {"sigterm", raise_sigterm},
    {"miss-last", miss_the_last_rank},
    {"miss-0", miss_rank_0},
    {"out-of-step", run_out_of_step},
    {"cpus", want_more_workers_than_cpus},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (argc == 2 && strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
    return 2;
}

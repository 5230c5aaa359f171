/* mpi_ranks.c: see mpi_ranks.h. */
#define RANKS_PLAIN_NAMES
#include "mpi_suite.h"
#include "tally.h"

#include <fcntl.h>
#include <parcel_mpi.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the ranks, which are on one host, have together. */
struct common {
    struct meeting step;
    atomic_bool has_failed; /* a test, on some rank */
    struct tally tally;
    struct shared shared;
};

static struct common *common;
static struct tally own_tally; /* what this rank reads between runs, when all run the tests */
static bool are_together;
static SRunner *runner;
static pid_t process;
static int own_rank;
static int count;

int ranks_rank(void)
{
    return own_rank;
}

int ranks_count(void)
{
    return count;
}

bool ranks_are_together(void)
{
    return are_together;
}

bool ranks_is_forked(void)
{
    return getpid() != process;
}

/* ---- what is shared ---- */

/* A new file for all, whose name is told to the others. */
static int make_file(char *name)
{
    int file = ranks_rank() == 0 ? mkstemp(name) : -1;
    if (file >= 0 && ftruncate(file, (off_t)sizeof *common) != 0)
        *name = '\0';
    MPI_Bcast(name, (int)strlen(name) + 1, MPI_CHAR, 0, MPI_COMM_WORLD);
    return file >= 0 ? file : open(name, O_RDWR);
}

static bool share_memory(void)
{
    char name[] = "/tmp/parcel-ranks-XXXXXX";
    int file = make_file(name);
    void *pages = mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    bool is_mapped = file >= 0 && pages != MAP_FAILED, are_all;
    close(file);
    MPI_Allreduce(&is_mapped, &are_all, 1, MPI_C_BOOL, MPI_LAND, MPI_COMM_WORLD);
    if (ranks_rank() == 0)
        unlink(name);
    if (!are_all)
        return false;
    common = pages;
    tally = &common->tally;
    shared = &common->shared;
    return true;
}

static void renew(void)
{
    memset(&common->tally, 0, sizeof common->tally);
    memset(&common->shared, 0, sizeof common->shared);
    suite_share_meeting(&common->shared.meeting);
    common->shared.runner = getpid();
}

/* ---- in step ---- */

static void step(void)
{
    if (!meet(&common->step, ranks_count()))
        ck_abort_msg("rank %d: the other ranks are elsewhere", ranks_rank());
}

/* Ranks that are no longer in step cannot go on. */
static void give_up(void)
{
    if (ranks_rank() == 0)
        srunner_print(runner, CK_NORMAL);
    mpi_suite_tell(runner, ranks_rank());
    fflush(NULL);
    step();
    _exit(EXIT_FAILURE);
}

/* Check's own handler would kill this process without a word. */
static void end_late_test(int number)
{
    static const char why[] = "a rank waited too long in a test of the case ";
    const char *name = tcase_name();
    (void)number;
    if (write(STDERR_FILENO, why, sizeof why - 1) < 0 ||
        write(STDERR_FILENO, name, strlen(name)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
        _exit(EXIT_FAILURE);
    abort();
}

void ranks_begin_test(void)
{
    enum { MOST_SECONDS = 240 };
    signal(SIGALRM, end_late_test);
    alarm(MOST_SECONDS);
    if (!are_together) {
        renew();
        return;
    }
    if (srunner_ntests_failed(runner) > 0)
        atomic_store(&common->has_failed, true);
    step();
    if (atomic_load(&common->has_failed))
        give_up();
    if (ranks_rank() == 0)
        renew();
    memset(&own_tally, 0, sizeof own_tally);
    tally = &own_tally;
    step();
}

void ranks_end_test(void)
{
    alarm(0);
}

/* All ranks' tallies are the same here, since all did the same with them. */
static bool enter(void)
{
    if (!are_together || parcel_current())
        return false;
    step();
    if (ranks_rank() == 0)
        memcpy(&common->tally, &own_tally, sizeof own_tally);
    step();
    tally = &common->tally;
    return true;
}

static void leave(void)
{
    step();
    memcpy(&own_tally, &common->tally, sizeof own_tally);
    tally = &own_tally;
}

parcel_results *ranks_run(const parcel_options *options, const parcel_calls *calls)
{
    bool has_entered = enter();
    parcel_results *results = parcel_run(options, calls);
    if (has_entered)
        leave();
    return results;
}

parcel_results *ranks_run_alone(const parcel_options *options, const parcel_calls *calls)
{
    return parcel_run(options, calls);
}

parcel_results *ranks_executor_run(parcel_executor *executor, const parcel_calls *calls)
{
    bool has_entered = enter();
    parcel_results *results = parcel_executor_run(executor, calls);
    if (has_entered)
        leave();
    return results;
}

void ranks_close(parcel_executor *executor)
{
    bool has_entered = enter();
    parcel_close(executor);
    if (has_entered)
        leave();
}

/* ---- the program ---- */

static bool is_mode(const char *word)
{
    const char *mode = getenv("SUITE_RANKS");
    return strcmp(mode ? mode : "served", word) == 0;
}

static int tell(const char *error)
{
    fprintf(stderr, "rank %d: %s\n", ranks_rank(), error);
    return EXIT_FAILURE;
}

static int serve(void)
{
    const char *error = parcel_mpi_serve();
    return error ? tell(error) : EXIT_SUCCESS;
}

static void set_environment(void)
{
    setenv("PARCEL_MPI_TIMEOUT", "60", 1);
    if (is_mode("together"))
        setenv("PARCEL_MPI_RESULTS", "all_ranks", 1);
    if (is_mode("isolated"))
        setenv("PARCEL_ISOLATE", "yes", 1);
}

int ranks_run_suite(Suite *suite)
{
    const char *error = parcel_mpi_init(MPI_COMM_WORLD);
    if (error)
        return tell(error);
    process = getpid();
    own_rank = mpi_rank();
    count = mpi_ranks();
    are_together = is_mode("together") || is_mode("apart");
    if (!share_memory())
        return tell("no memory that all ranks share");
    if (ranks_rank() == 0)
        suite_share_meeting(&common->step);
    MPI_Barrier(MPI_COMM_WORLD);
    if (!are_together && ranks_rank() > 0)
        return serve();
    set_environment();
    runner = srunner_create(suite);
    return mpi_suite_run_all(runner);
}

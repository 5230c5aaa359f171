/*
 * parcel_mpi.c: begins and ends the use of MPI's ranks. All that goes on between them is in
 * libparcel, which is given a transport.
 *
 * The end comes by whichever way is first: parcel_mpi_finalize, the begin of MPI_Finalize, which
 * deletes the attributes of MPI_COMM_SELF, or exit. A forked child has a copy of all this and no
 * part in it.
 */
#include <parcel_mpi.h>

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "calls/identity.h"
#include "mpi_transport.h"
#include "mpi_version.h"
#include "ranks/ranks.h"
#include "ranks/spread.h"

/* What keeps a rank from taking part. */
enum problem { NONE, LIBRARY, LEVEL, TAGS, BUILD, MEMORY, N_PROBLEMS };

/* Written by init and finalize, which one thread calls at a time. */
static struct {
    struct parcel__mpi_transport transport; /* open as long as there are ranks */
    struct parcel__ranks *ranks;            /* NULL: not begun, or ended */
    int rank;                               /* of the last init, also behind its end */
    int n_ranks;                            /* 0: it failed, or there was none */
    pid_t process;                          /* that called init; 0: none yet */
    bool initialised_mpi;                   /* so that it finalises it */
    const char *why;                        /* the last init failed, or NULL */
    char text[512];                         /* of why, where it was put together */
    char note[768];                         /* of the transport */
} job;

static const char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(job.text, sizeof job.text, format, arguments);
    va_end(arguments);
    return job.text;
}

/* ---- the end ---- */

/* A process that ends in a run would leave the others waiting for it, as would a goodbye. */
static void refuse_to_end(const char *what)
{
    char call[64] = "";
    if (parcel_current() && parcel_index() != SIZE_MAX)
        snprintf(call, sizeof call, " in call %zu", parcel_index());
    fprintf(stderr, "parcel: rank %d (%s): %s%s while a run went on: this ends the job\n",
            job.transport.seam.rank, job.transport.host, what, call);
    job.process = 0;
    MPI_Abort(job.transport.messages, EXIT_FAILURE);
}

static void close_ranks(const char *what)
{
    job.why =
        say("%s: no run uses the ranks after that, unless parcel_mpi_init is called again", what);
    parcel__ranks_use(NULL, job.why);
    parcel__ranks_close(job.ranks);
    job.ranks = NULL;
    parcel__mpi_transport_close(&job.transport);
}

static void end(const char *what)
{
    if (!job.ranks || getpid() != job.process)
        return;
    if (parcel__ranks_are_busy(job.ranks))
        refuse_to_end(what);
    else
        close_ranks(what);
}

void parcel_mpi_finalize(void)
{
    end("parcel_mpi_finalize was called");
}

static int at_mpi_finalize(MPI_Comm self, int key, void *attribute, void *extra)
{
    (void)self, (void)key, (void)attribute, (void)extra;
    end("MPI_Finalize was called");
    return MPI_SUCCESS;
}

/* Where MPI itself leaves, another rank has ended the job, and told why. */
static void at_exit(void)
{
    int is_finalised;
    if (getpid() != job.process || parcel__mpi_transport_is_calling())
        return;
    MPI_Finalized(&is_finalised);
    if (is_finalised)
        return;
    end("exit was called");
    if (!job.initialised_mpi || !job.process)
        return;
    MPI_Barrier(MPI_COMM_WORLD); /* MPICH has been seen to hang in MPI_Finalize without one */
    MPI_Finalize();
}

/* Asks to be told of the end: once in a process. */
static void watch_for_the_end(void)
{
    int key;
    if (job.process == getpid())
        return;
    job.process = getpid();
    atexit(at_exit);
    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, at_mpi_finalize, &key, NULL);
    MPI_Comm_set_attr(MPI_COMM_SELF, key, NULL);
    MPI_Comm_free_keyval(&key);
}

/* ---- the begin ---- */

/* NULL, or why there is no MPI. */
static const char *start_mpi(void)
{
    int is_initialised;
    int is_finalised;
    int level;
    MPI_Finalized(&is_finalised);
    if (is_finalised)
        return "parcel_mpi_init: MPI was finalised before";
    MPI_Initialized(&is_initialised);
    if (is_initialised)
        return NULL;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level) != MPI_SUCCESS)
        return "parcel_mpi_init: MPI could not be initialised";
    job.initialised_mpi = true;
    return NULL;
}

static const char *judge_communicator(MPI_Comm communicator)
{
    int has_two_sides;
    if (communicator == MPI_COMM_NULL)
        return "parcel_mpi_init: the communicator is MPI_COMM_NULL";
    MPI_Comm_test_inter(communicator, &has_two_sides);
    return has_two_sides ? "parcel_mpi_init: an intercommunicator has two groups of ranks, and "
                           "one is needed (see MPI_Intercomm_merge)"
                         : NULL;
}

static int thread_level(void)
{
    int level;
    MPI_Query_thread(&level);
    return level;
}

static const char *level_name(int level)
{
    return level == MPI_THREAD_SINGLE     ? "MPI_THREAD_SINGLE"
           : level == MPI_THREAD_FUNNELED ? "MPI_THREAD_FUNNELED"
                                          : "an unknown level";
}

static int highest_tag(void)
{
    int *highest;
    int is_known;
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &highest, &is_known);
    return is_known ? *highest : INT_MAX;
}

static bool has_build_of_rank_0(MPI_Comm communicator)
{
    uint64_t build = parcel__identity_build();
    uint64_t of_rank_0 = build;
    MPI_Bcast(&of_rank_0, 1, MPI_UINT64_T, 0, communicator);
    return build == of_rank_0;
}

static enum problem look_for_problems(MPI_Comm communicator)
{
    char sentence[sizeof job.text];
    bool has_build = has_build_of_rank_0(communicator);
    if (!parcel__mpi_version_check(parcel_version(), sentence, sizeof sentence))
        return LIBRARY;
    if (thread_level() < MPI_THREAD_SERIALIZED)
        return LEVEL;
    if (highest_tag() < PARCEL__MPI_HIGHEST_TAG)
        return TAGS;
    return has_build ? NONE : BUILD;
}

/* What a rank says of its problem, to all. */
struct account {
    char host[256];
    int level;
    int highest_tag;
    char version[32]; /* of libparcel */
};

/* How MPI_Init comes to a higher level. */
#ifdef OPEN_MPI
static const char how_to_raise[] = "OMPI_MPI_THREAD_LEVEL=3";
#else
static const char how_to_raise[] = "MPIR_CVAR_DEFAULT_THREAD_LEVEL=MPI_THREAD_MULTIPLE";
#endif

static const char *describe(enum problem problem, int rank, const struct account *of)
{
    switch (problem) {
    case LIBRARY:
        parcel__mpi_version_check(of->version, job.text, sizeof job.text);
        return job.text;
    case LEVEL:
        return say("parcel_mpi_init: MPI was initialised at %s on rank %d (%s), and Parcel needs "
                   "MPI_THREAD_SERIALIZED at least: call MPI_Init_thread in place of MPI_Init, or "
                   "set %s, or leave MPI_Init out: parcel_mpi_init does it",
                   level_name(of->level), rank, of->host, how_to_raise);
    case TAGS:
        return say("parcel_mpi_init: MPI's highest tag is %d on rank %d (%s), and Parcel needs %d",
                   of->highest_tag, rank, of->host, PARCEL__MPI_HIGHEST_TAG);
    case BUILD:
        return say("parcel_mpi_init: rank %d (%s) runs another build of the program than rank 0: "
                   "all ranks have to run the same file",
                   rank, of->host);
    default:
        return say("parcel_mpi_init: out of memory on rank %d (%s)", rank, of->host);
    }
}

/* The problem of the lowest rank that has one, in the same words on all ranks; NULL: none has. */
static const char *agree(const struct parcel__mpi_transport *transport, enum problem mine)
{
    struct account account = {.level = thread_level(), .highest_tag = highest_tag()};
    int lowest;
    int code = mine == NONE ? INT_MAX : transport->seam.rank * N_PROBLEMS + (int)mine;
    MPI_Allreduce(&code, &lowest, 1, MPI_INT, MPI_MIN, transport->messages);
    if (lowest == INT_MAX)
        return NULL;
    memcpy(account.host, transport->host, sizeof account.host);
    snprintf(account.version, sizeof account.version, "%s", parcel_version());
    MPI_Bcast(&account, sizeof account, MPI_BYTE, lowest / N_PROBLEMS, transport->messages);
    return describe((enum problem)(lowest % N_PROBLEMS), lowest / N_PROBLEMS, &account);
}

/* srun starts as many jobs of one rank where MPI and Slurm do not know each other. */
static bool is_one_of_many_jobs(void)
{
    int n_ranks;
    const char *tasks = getenv("SLURM_NTASKS");
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    return n_ranks == 1 && tasks && atoi(tasks) > 1;
}

/* What the users of each run should know. */
static const char *note(void)
{
    size_t length = 0;
    job.note[0] = '\0';
    if (thread_level() < MPI_THREAD_MULTIPLE)
        length = (size_t)snprintf(job.note, sizeof job.note,
                                  "MPI was initialised at MPI_THREAD_SERIALIZED: calls must not "
                                  "use it (MPI_THREAD_MULTIPLE lets them)\n");
    if (is_one_of_many_jobs())
        snprintf(job.note + length, sizeof job.note - length,
                 "SLURM_NTASKS is %s, and this MPI job has one rank: if srun started others, each "
                 "runs all calls; see srun --mpi=list (--mpi=pmix for Open MPI, --mpi=pmi2 for "
                 "MPICH)\n",
                 getenv("SLURM_NTASKS"));
    return *job.note ? job.note : NULL;
}

/* One rank that ran out of memory must not leave the others waiting. What they have opened is never
 * closed, as that would wait for the goodbye of the one. */
static const char *open_ranks(void)
{
    const char *why = agree(&job.transport, look_for_problems(job.transport.messages));
    if (why)
        return why;
    struct parcel__ranks *ranks = parcel__ranks_open(&job.transport.seam);
    why = agree(&job.transport, ranks ? NONE : MEMORY);
    if (!why)
        job.ranks = ranks;
    job.transport.seam.note = note();
    return why;
}

static const char *begin(MPI_Comm communicator)
{
    const char *why = start_mpi();
    if (why)
        return why;
    watch_for_the_end();
    why = judge_communicator(communicator);
    if (why)
        return why;
    parcel__mpi_transport_open(&job.transport, communicator, PARCEL__MPI_PIECE);
    why = open_ranks();
    if (why)
        parcel__mpi_transport_close(&job.transport);
    return why;
}

const char *parcel_mpi_init(MPI_Comm communicator)
{
    if (parcel_current())
        return "parcel_mpi_init was called inside a call of Parallel";
    if (job.ranks && parcel__ranks_are_busy(job.ranks))
        return "parcel_mpi_init was called while a run goes on";
    end("parcel_mpi_init was called");
    job.why = begin(communicator);
    job.rank = job.ranks ? job.transport.seam.rank : 0;
    job.n_ranks = job.ranks ? job.transport.seam.n_ranks : 0;
    parcel__ranks_use(job.ranks, job.why);
    return job.why;
}

/* ---- in between ---- */

const char *parcel_mpi_serve(void)
{
    if (parcel_current())
        return "parcel_mpi_serve was called inside a call of Parallel";
    if (!job.ranks)
        return job.why ? job.why : "parcel_mpi_serve: call parcel_mpi_init first";
    return parcel_mpi_rank() == 0 ? NULL : parcel__spread_serve(job.ranks);
}

int parcel_mpi_rank(void)
{
    return job.rank;
}

int parcel_mpi_ranks(void)
{
    return job.n_ranks > 0 ? job.n_ranks : 1;
}

const char *parcel_mpi_register(const char *name, const parcel_function *function)
{
    return parcel__identity_register(name, function);
}

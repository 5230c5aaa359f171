/*
 * parcel.h: a loop of independent calls in one line, on OpenMP.
 *
 *     DELAYED(double, simulate, int, double);          // at file scope
 *
 *     parcel_calls *calls = parcel_calls_new();
 *     for (int i = 0; i < n; i++)
 *         parcel_calls_add(calls, delayed(simulate)(i, 0.5));
 *     parcel_results *results = Parallel(.n_jobs = -1)(calls);
 *
 * is the parallel form of this loop, with a record of each call beside its value:
 *
 *     for (int i = 0; i < n; i++)
 *         value[i] = simulate(i, 0.5);
 *
 * Contents, from the first day on: errors, delayed calls, running them, results, inside a call,
 * settings, executors, calls in other processes, calls on several hosts, calls without macros, and
 * the short names. A backend of your own: parcel/backend.h. Boxed values: parcel/value.h. The ranks
 * of an MPI job: parcel_mpi.h.
 *
 * Words with one meaning: "borrowed" is read and must outlive what is said; "copied" may go at
 * once; "taken" is freed by Parcel; "new" is freed by you, with the function that is named.
 * "Threads: any" says that any number of threads may call it at once.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef PARCEL_H
#define PARCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <parcel/value.h>

#define PARCEL_VERSION_MAJOR 0
#define PARCEL_VERSION_MINOR 1
#define PARCEL_VERSION_PATCH 0
/* True when this header is at least the version given. */
#define PARCEL_VERSION_AT_LEAST(major, minor, patch) \
    (PARCEL_VERSION_MAJOR * 1000000 + PARCEL_VERSION_MINOR * 1000 + PARCEL_VERSION_PATCH >= \
     (major)*1000000 + (minor)*1000 + (patch))

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that runs, as "0.1.0". Threads: any. Since 0.1. */
const char *parcel_version(void);

/* ------------------------------------------------------------------------------------------- *
 * Errors
 *
 * Nothing here prints, exits, aborts or installs a signal handler unasked. A run always returns
 * results; what went wrong is parcel_results_error(results), one sentence, or NULL. Functions
 * that build something return NULL or false when they could not; NULL in a pointer parameter is
 * a mistake that is reported so, and never a crash. Freeing NULL does nothing.
 * ------------------------------------------------------------------------------------------- */

/* What became of a call. */
typedef enum parcel_status {
    PARCEL_NOT_RUN = 0, /* never handed out, because a call failed before; or no such call */
    PARCEL_OK,
    PARCEL_FAILED,    /* it called parcel_fail */
    PARCEL_CANCELLED, /* never handed out, because the run was stopped; its message says why */
    PARCEL_TIMED_OUT, /* it overran its time limit */
    PARCEL_LOST       /* its worker or its backend lost it */
} parcel_status;

/* ------------------------------------------------------------------------------------------- *
 * Delayed calls
 * ------------------------------------------------------------------------------------------- */

enum { PARCEL_MAX_PARAMETERS = 10, PARCEL_MAX_ARGUMENT_BYTES = 240 };

/* One parameter of a delayed function, or its result. */
typedef struct parcel_parameter {
    unsigned kind;    /* parcel_kind */
    unsigned size;    /* bytes */
    unsigned offset;  /* bytes from the start of the arguments; for a result, its alignment */
    const char *type; /* as it is written in DELAYED */
} parcel_parameter;

/* What a worker and the loops that DELAYED makes share of a running call. */
typedef struct parcel_running {
    size_t index;    /* the call's number; written before each call */
    unsigned events; /* atomic; when it is not 0, the loop ends after the call that runs */
} parcel_running;

/* Calls of one function that lie side by side. Since 0.1. */
typedef struct parcel_stretch {
    const unsigned char *arguments; /* of the first */
    size_t stride;                  /* bytes from one call's arguments to the next's */
    unsigned char *results;         /* where the first result goes */
    size_t result_stride;
    size_t first; /* the first call's number */
    size_t count; /* at least 1 */
} parcel_stretch;

/* A function that can be delayed. DELAYED makes one; C++ and others may fill one by hand (all of
 * it constant, with static storage). thunk calls the function with the arguments at their
 * offsets and writes the result, if there is one. A result that is void is
 * {PARCEL_NONE, 0, 1, "void"}. */
typedef struct parcel_function {
    unsigned size;         /* sizeof(parcel_function) */
    unsigned n_parameters; /* at most PARCEL_MAX_PARAMETERS */
    const char *name;
    void (*address)(void); /* with the name, the function's identity */
    void (*thunk)(const void *arguments, void *result);
    const parcel_parameter *parameters;
    unsigned argument_bytes;     /* at most PARCEL_MAX_ARGUMENT_BYTES */
    unsigned argument_alignment; /* at most 16 */
    parcel_parameter result;
    /* Calls the function for one call of the stretch after the other, as thunk does, until
     * running->events is not 0. Returns how many ran. NULL: the library does it with thunk. */
    size_t (*loop)(const parcel_stretch *stretch, parcel_running *running);
} parcel_function;

/* A call that has not happened yet: a function and its boxed arguments, by value. It borrows the
 * strings and arrays that its arguments point at. Made by delayed(f)(...), by
 * parcel_call_from_values, or by hand: function is set, and each argument copied to its offset in
 * arguments, as a value of its type. Since 0.1. */
typedef struct parcel_call {
    const parcel_function *function;
    void *parcel__reserved; /* keeps the arguments aligned to 16 bytes */
    unsigned char arguments[PARCEL_MAX_ARGUMENT_BYTES];
} __attribute__((aligned(16))) parcel_call;

/* A list of calls, an array that a function is mapped over, or calls that are generated while they
 * run. Its members are private: they stand here for the inline add and for parcel_map. */
typedef struct parcel_calls {
    unsigned char *parcel__next;             /* where the next record goes */
    size_t parcel__room;                     /* records that still fit there */
    const parcel_function *parcel__repeated; /* a call of this one needs no more than a copy */
    size_t parcel__stride;                   /* bytes from a record to the next */
    size_t parcel__count;
    size_t parcel__argument_offset;
    void *parcel__list;                    /* a list's memory, else NULL */
    const parcel_function *parcel__mapped; /* a map's function, else NULL */
    const void *parcel__elements;          /* a map's array; borrowed */
    void *parcel__generator;               /* what generates the calls, else NULL */
    void *parcel__reserved[5];
    /* Runs of this list now; atomic, written by each run, and so apart from what workers read. */
    long parcel__running;
} parcel_calls;

/* A new, empty list (free with parcel_calls_free), or NULL when memory ran out.
 * Threads: any. Since 0.1. */
parcel_calls *parcel_calls_new(void);

/* Frees the list and its copies. Not while it runs. Threads: one at a time. Since 0.1. */
void parcel_calls_free(parcel_calls *calls);

/* What a generator says of the call that it was asked for. */
typedef enum parcel_next_status {
    PARCEL_NEXT_CALL = 1, /* it is written */
    PARCEL_NEXT_END = 2,  /* there is none: all calls were given */
    PARCEL_NEXT_ERROR = 3 /* there may be more, but they cannot be had */
} parcel_next_status;

/* Writes the next call: *call = delayed(f)(a, b). What it points at is copied before the generator
 * is asked again (what a parcel_array or a pointer points at is borrowed until the call has run).
 * The message of an error is that of a parcel_fail before. It is asked by one thread at a time,
 * but by any worker's thread; on ranks see parcel_on_result. It may wait, and the calls that it
 * gave run meanwhile; for the result of one of them it may wait only with .batch_size = 1. */
typedef parcel_next_status parcel_next(void *state, parcel_call *call);

/* New calls (free with parcel_calls_free) that are generated while they run: the parallel form of
 *
 *     while (next(state, &call) == PARCEL_NEXT_CALL)
 *         run the call;
 *
 * Any number of calls needs no more memory than a window of them, with .on_result or a stream. An
 * error ends the run, which reports it. A generator is run once: another run of it is an error.
 * state: borrowed, given to next. NULL when next is NULL or memory ran out.
 * Threads: any. Since 0.1. */
parcel_calls *parcel_calls_generate(parcel_next *next, void *state);

/* The number of calls; 0 when they are generated. Threads: any, while nobody adds. Since 0.1. */
size_t parcel_calls_count(const parcel_calls *calls);

/* Why an earlier add was refused (memory ran out; the list was running), or NULL. A run of the
 * list reports it too, and then runs nothing: a sweep with holes is no sweep.
 * Borrowed from the list. Threads: any, while nobody adds. Since 0.1. */
const char *parcel_calls_error(const parcel_calls *calls);

bool parcel__calls_add(parcel_calls *calls, const parcel_call *call);

static __inline__ bool parcel__calls_put(parcel_calls *calls, const parcel_call *call)
{
    unsigned char *record;
    unsigned char *arguments;
    size_t argument_bytes;
    size_t i;
    if (!calls || calls->parcel__repeated != call->function || calls->parcel__room == 0 ||
        __atomic_load_n(&calls->parcel__running, __ATOMIC_RELAXED) != 0)
        return parcel__calls_add(calls, call);
    record = calls->parcel__next;
    arguments = record + calls->parcel__argument_offset;
    argument_bytes = call->function->argument_bytes;
    memcpy(record, &call->function, sizeof call->function);
    /* Records are multiples of 16 bytes, so whole words fit: a memcpy would be a call. */
    for (i = 0; i < argument_bytes; i += 8)
        memcpy(arguments + i, call->arguments + i, 8);
    calls->parcel__next = record + calls->parcel__stride;
    calls->parcel__room--;
    calls->parcel__count++;
    return true;
}

/* Adds a call to a list: the call is copied, its strings included (what a parcel_array or a
 * pointer points at is borrowed until the run ends). Returns false when memory ran out, when
 * calls is NULL or a map, or while the list runs; the list is then as it was, with its error set.
 * Threads: one at a time per list. Since 0.1. */
static __inline__ bool parcel_calls_add(parcel_calls *calls, parcel_call call)
{
    return parcel__calls_put(calls, &call);
}

/* ------------------------------------------------------------------------------------------- *
 * Running
 * ------------------------------------------------------------------------------------------- */

typedef enum parcel_switch { PARCEL_YES = 1, PARCEL_NO = 2 } parcel_switch;

/* After the first failure: hand out nothing new (the default), or run all calls all the same. */
typedef enum parcel_on_error { PARCEL_STOP = 1, PARCEL_COLLECT = 2 } parcel_on_error;

/* How calls are handed out: in batches by measured time, or as OpenMP's schedules of these names
 * do: static, a part of the calls for each worker from the start; dynamic, a call at a time in
 * order; guided, what is left divided by the workers, in order. Since 0.1. */
typedef enum parcel_schedule {
    PARCEL_ADAPTIVE = 1,
    PARCEL_STATIC = 2,
    PARCEL_DYNAMIC = 3,
    PARCEL_GUIDED = 4
} parcel_schedule;

/* Which ranks have the values and records of a run on several. All of them have its error, its
 * counts and its times. Since 0.1. */
typedef enum parcel_mpi_results { PARCEL_RANK_0 = 1, PARCEL_ALL_RANKS = 2 } parcel_mpi_results;

/* What a run gives back: all results, or a stream of them that is pulled with parcel_results_next,
 * in order or as the calls complete. Since 0.1. */
typedef enum parcel_return_as {
    PARCEL_LIST = 1,
    PARCEL_GENERATOR = 2,
    PARCEL_GENERATOR_UNORDERED = 3
} parcel_return_as;

/* What there is to know of one call, as the functions of these names say. message is borrowed from
 * the result. */
typedef struct parcel_record {
    size_t index;
    parcel_status status;
    const char *message;
    double start;
    double duration;
    int worker;
    bool estimated;
    int attempts;
    int pid; /* of the process that ran it; -1 when it did not run */
    int rank;
    const char *host; /* borrowed from the result */
} parcel_record;

/* Takes the result of one call; false stops the run. value and record: borrowed for the call, what
 * the call allocated included. Called for each call that ran, by one thread at a time, but by any
 * worker's thread; on ranks also by one of Parcel's own, whose parcel_worker() is -1, while all
 * workers are in calls. It may run something itself. parcel_fail in it ends the run with that
 * error. */
typedef bool parcel_on_result(void *state, size_t index, parcel_value value,
                              const parcel_record *record);

/* Takes a line of progress, without its newline, instead of a stream. line: borrowed for the
 * call. Threads: one at a time per run. */
typedef void parcel_sink(void *state, const char *line);

/* Stops runs from outside. Start from parcel_token token = {0}; its member is private. Since 0.1.
 */
typedef struct parcel_token {
    int parcel__cancelled; /* atomic */
} parcel_token;

/* Stops the runs whose options have the token (.cancel = &token), and those that begin later: they
 * hand out nothing new, join what runs, for which parcel_cancelled() is true, and return what is
 * finished; the rest is PARCEL_CANCELLED. NULL: nothing. May be called in a signal handler.
 * Threads: any. Since 0.1. */
void parcel_cancel(parcel_token *token);

/* False for NULL. May be called in a signal handler. Threads: any. Since 0.1. */
bool parcel_token_cancelled(const parcel_token *token);

/* Makes the token as new; runs that have seen it cancelled stop all the same. Threads: any. Since
 * 0.1. */
void parcel_token_reset(parcel_token *token);

/* Makes the state of a worker, whose number is from 0 on. Threads: any number at once. */
typedef void *parcel_worker_start(void *state, int worker);

/* Undoes it. Threads: one at a time per run. */
typedef void parcel_worker_end(void *state, int worker, void *worker_state);

/* True when a call that failed is to be tried again. index: the call's number. message: its
 * failure, borrowed for the call. attempts: how often it ran. Runs in the worker's thread.
 * Threads: any number at once. */
typedef bool parcel_retry_if(void *state, size_t index, const char *message, int attempts);

/* All options of a run. What is 0 or NULL is not set: the innermost parcel_config scope decides,
 * then, outside of any call, the environment (PARCEL_N_JOBS, ...), then the default. Numbers have
 * a decimal point in every locale, here and in all that the library says.
 * Strings are borrowed for the call that takes the options. Since 0.1. */
typedef struct parcel_options {
    /* Workers. 1: the plain loop in the calling thread, in order (with "processes": one process,
     * whose calls run in order). -1: all cpus, -2: all but one,
     * and so on: max(cpus + 1 + n_jobs, 1). From -1,000,000 to 1,000,000. Default: the first
     * number of OMP_NUM_THREADS, else all cpus (joblib's default, 1, would surprise a user of
     * OpenMP). Never more workers than calls. With "mpi": workers of each rank, however many calls
     * there are. Environment: PARCEL_N_JOBS. */
    int n_jobs;

    /* 1: a few lines of progress in a run, 10: many, 11 and more: nearly all. From 2 on also what
     * backend runs and what warnings there are. Below 50 to stderr, from 50 on to stdout. -1 is
     * silence, and the default. Environment: PARCEL_VERBOSE. */
    int verbose;

    /* Calls that are handed out together. Default: adaptive, by measured time. Not negative.
     * Environment: PARCEL_BATCH_SIZE. */
    long long batch_size;

    /* Default: PARCEL_STOP. Environment: PARCEL_ON_ERROR=stop or collect. */
    parcel_on_error on_error;

    /* "sequential", "threading" (also "openmp"; the default), "processes" (also "loky" and
     * "multiprocessing": see "Calls in other processes"), "mpi" (see "Calls on several hosts"), or
     * a registered name. A backend that is named and cannot run is an error that says why.
     * Environment: PARCEL_BACKEND. */
    const char *backend;

    /* A hint, "threads" or "processes", for runs whose backend nobody names. */
    const char *prefer;

    /* "sharedmem": the calls write memory that the caller reads. A backend of this call's options
     * that cannot is an error; one of a scope or of the environment gives way to threading, with
     * one worker unless n_jobs is among this call's options. */
    const char *require;

    /* Takes the lines of progress, with state, instead of stderr or stdout. */
    parcel_sink *sink;
    void *sink_state;

    /* Default: PARCEL_LIST. With the others the run returns at once, and its results are pulled
     * with parcel_results_next. Such a stream has to be asked for here: from a scope, or from
     * PARCEL_RETURN_AS=list, generator or generator_unordered, it only decides in which order
     * on_result takes them. */
    parcel_return_as return_as;

    /* Takes each result, with on_result_state, while the run lasts: in order, or with
     * PARCEL_GENERATOR_UNORDERED as the calls complete. Short calls run in batches, of which it
     * hears when they are done; a batch in which a call took long ends with that call. The run
     * then waits until all is done and keeps nothing of a call: its results hold counts, times and
     * the error. */
    parcel_on_result *on_result;
    void *on_result_state;

    /* Most results that wait to be taken; so many calls are handed out at once at most, too.
     * For streams and on_result. Default: 4 * n_jobs for streams, for on_result at least 1024.
     * Environment: PARCEL_WINDOW. */
    long long window;

    /* Most calls that are taken from a generator and have not completed: "all" (the default: as
     * many as the window and the batches ask for), a number, or an expression in n_jobs with
     * + - * / // % ** and parentheses, as "2 * n_jobs", of 30 characters at most. On ranks an
     * expression with n_jobs is for the workers of one, and holds for so many times as all have.
     * Environment: PARCEL_PRE_DISPATCH. */
    const char *pre_dispatch;

    /* Default: PARCEL_ADAPTIVE. The others are there to compare with; batch_size is then the
     * least number of calls to hand out. Environment: PARCEL_SCHEDULE=adaptive, static, dynamic
     * or guided. Of a generator nobody knows how many calls are left, of which static and guided
     * give parts: there they are adaptive. */
    parcel_schedule schedule;

    /* PARCEL_NO: calls share the measured time of their batch, however long they take (see
     * parcel_results_estimated). Default: PARCEL_YES. Environment: PARCEL_TIMING=yes or no. */
    parcel_switch timing;

    /* ---- control: when the run stops before its last call ---- */

    /* Stops the run when the token is cancelled: see parcel_cancel. Borrowed while runs last. */
    parcel_token *cancel;

    /* The run stops when so many calls failed: .max_failures = 3 is .halt = "soon,fail=3". Not
     * negative. Environment: PARCEL_MAX_FAILURES. */
    long long max_failures;

    /* GNU parallel's --halt: "never", or "soon" or "now", a comma, and "fail=", "success=" or
     * "done=" with a number of calls ("soon,fail=3") or a percentage of the run's calls
     * ("now,done=50%"). soon: nothing new is handed out; now: running calls are asked to return
     * too (parcel_cancelled). It says itself what failures do: on_error is not looked at.
     * Environment: PARCEL_HALT. */
    const char *halt;

    /* Seconds for the run: then nothing new is handed out, and running calls are asked to return.
     * No time limit counts what the program was stopped for (SIGSTOP, Ctrl-Z, Slurm's suspend), if
     * that was more than 1 s; times of calls and runs do. While a run has limits a thread of the
     * library wakes four times a second to see that. Above 0, up to 1e9. Environment:
     * PARCEL_DEADLINE. */
    double deadline;

    /* Seconds for each call, or each attempt where it is retried, from its own start. A thread
     * cannot be killed: a call that overruns is asked to return (parcel_cancelled), and is waited
     * for, however long it takes. A process can: see kill_after. The call is then
     * PARCEL_TIMED_OUT, "timed out: 1.5 s, 1 s allowed", which counts as a failure (with
     * PARCEL_STOP the run stops; with PARCEL_COLLECT the others go on); a char * or an array that
     * it returned is freed. From verbose 2 on a line then names the call. Each call is timed on its
     * own. Above 0, up to 1e9. Environment: PARCEL_TIMEOUT. */
    double timeout;

    /* The same, relative: so many times the median of the calls that succeeded, from the fifth of
     * them on. With timeout the shorter of the two holds. Above 1. Environment:
     * PARCEL_TIMEOUT_FACTOR. */
    double timeout_factor;

    /* PARCEL_YES: while the run lasts, SIGINT or SIGTERM stops it as a token does; what is
     * finished is returned. Another one within 1 s is the same one, as timeout(1) sends two at
     * once, and so is, for 10 s, a rank's own after one at another rank: it stops only runs that
     * began since. A later one while a run that was stopped goes on does at once what it does by
     * default. The old actions are put back when the last run that asked for this ends; but where
     * the old one would end the program, Parcel's handler stays behind a run that was stopped:
     * within these times it does nothing, and the first signal after them has the old action. A
     * signal that is ignored stays so. Default: PARCEL_NO. Environment: PARCEL_HANDLE_SIGNALS=yes
     * or no. */
    parcel_switch handle_signals;

    /* How often a call that failed, or that its process was lost with, is tried again, in place, by
     * the same worker: what its arguments point at must live as long. The record has the last
     * attempt's status and message and the time of all attempts and the waits between them; what a
     * failed attempt returned is ignored. A call that timed out is tried again only if retry_if
     * says so. Up to 1,000,000. Environment: PARCEL_RETRIES. */
    int retries;

    /* Seconds before the first retry; doubled for each further one, and times a number from 0.75 to
     * 1.25 that depends on the call's number and the attempt only. A wait ends early when the run
     * stops. Above 0, up to 1e9. Default: no wait. Environment: PARCEL_RETRY_DELAY. */
    double retry_delay;

    /* Says of each failure whether the call is to be tried again; NULL: yes. Runs in the program,
     * also when the call ran in another process. */
    parcel_retry_if *retry_if;
    void *retry_state;

    /* Called in a worker's thread, or process, before its first call; what it returns is
     * parcel_worker_state() in each call of that worker: a plan, a handle, a scratch buffer. When
     * it calls parcel_fail the run stops, and its error says so. Not called for workers that run
     * nothing. */
    parcel_worker_start *on_worker_start;

    /* Called for each worker that started, at the end of the run, or, in an executor, whose runs
     * find the states of the runs before, by parcel_close; in the thread that runs or closes, or in
     * the worker's process when that ends itself, and not when it crashes or is killed. Runs of one
     * executor at the same time have each states of their own. */
    parcel_worker_end *on_worker_end;
    void *worker_state; /* given to both */

    /* ---- workers that are processes (the backend "processes") ---- */

    /* A process that has run so many calls, or has so many bytes of memory of its own more than at
     * its start, ends itself between two calls, and another takes its place: for calls that leak.
     * Default: no limit. Not negative. Environment: PARCEL_MAX_CALLS_PER_WORKER,
     * PARCEL_MAX_WORKER_MEMORY. */
    long long max_calls_per_worker;
    long long max_worker_memory;

    /* Seconds. A call that overran its time, or runs on when its run is cancelled, is asked to
     * return (parcel_cancelled), 50 ms later its process gets SIGTERM, and so long after that
     * SIGKILL. Above 0, up to 1e9. Default: 1. Environment: PARCEL_KILL_AFTER. */
    double kill_after;

    /* PARCEL_YES: workers that crash dump core as the program's limits say. Default: PARCEL_NO.
     * Environment: PARCEL_CORE_DUMPS=yes or no. */
    parcel_switch core_dumps;

    /* PARCEL_YES: the calls write through none of their pointers, whatever the types say, and what
     * they point at stood before the run. See "Calls in other processes", and "Calls on several
     * hosts". Default: PARCEL_NO.
     * Environment: PARCEL_READ_ONLY=yes or no. */
    parcel_switch read_only;

    /* ---- workers on several hosts (the backend "mpi": see "Calls on several hosts") ---- */

    /* PARCEL_YES: each rank's calls run in worker processes that it forks, as those of the backend
     * "processes" do, so that a call which crashes costs its own record and no rank. Where nobody
     * names a backend, that one runs the calls; a backend of threads that is named warns that it
     * has no ranks. Default: PARCEL_NO. Environment: PARCEL_ISOLATE=yes or no. */
    parcel_switch isolate;

    /* PARCEL_ALL_RANKS: every rank has all results, which need its memory. Not with a generator,
     * a stream or on_result. Default: PARCEL_RANK_0. Environment: PARCEL_MPI_RESULTS=rank_0 or
     * all_ranks. */
    parcel_mpi_results mpi_results;

    /* Seconds that a rank waits for the others to begin the same run; then the run is an error that
     * names those that are missing. A token, a handled signal and the deadline end the wait, too.
     * Above 0, up to 1e9. Default: it waits for as long as it takes. Environment:
     * PARCEL_MPI_TIMEOUT. */
    double mpi_timeout;

    const void *parcel__reserved[14]; /* must be zero: room to grow without breaking programs */
    int parcel__first;                /* what the macros set, so that no initialiser is empty */
} parcel_options;

/* What a run gives back. */
typedef struct parcel_results parcel_results;

/* Runs the calls and waits for them: the parallel form of
 *
 *     for (size_t i = 0; i < parcel_calls_count(calls); i++)
 *         value[i] = the call i;
 *
 * Results stand in the order of the calls, whatever ran first. The calls run in any order and in
 * several threads; with n_jobs = 1 in order, in the calling thread. A call that calls parcel_fail
 * stops the handing out (on_error) but never loses what was finished.
 * options: borrowed; NULL for every default. calls: borrowed; several threads may run one list at
 * once. Returns new results (free with parcel_results_free), never NULL.
 * Errors: in parcel_results_error. Threads: any, also inside a call: a nested run shares its
 * call's part of the workers. A run with one worker (n_jobs = 1, or the sequential backend) is
 * transparent: runs inside its calls have what they would have in its place. Since 0.1.
 *
 * Each call begins with the floating-point modes (rounding, flush to zero, exceptions that trap)
 * that the thread which calls the run has then, on every backend; on ranks, with rank 0's. Flags
 * stay in the thread that raised them. Regions of OpenMP in a call have its part of the threads,
 * max(cpus, n_jobs) / workers, unless the call says how many it wants: omp_set_num_threads(4) in a
 * call gives 4 on every backend. What a call changes of its modes and of these settings the next
 * one does not see, and the caller has its own again behind the run; but calls that share a batch
 * and take less than 1 us, or have .timing = PARCEL_NO, should put back what they change, and so
 * should those that change OpenMP's dynamic threads or levels and not the number of threads.
 * OMP_DYNAMIC is for regions in calls, and no more than that: the run has the workers that it asks
 * for. Under LLVM's libomp, which would abort there, it is not for calls of several workers. Where
 * the OpenMP runtime gives fewer threads (OMP_THREAD_LIMIT, OMP_MAX_ACTIVE_LEVELS)
 * parcel_results_workers says how many there were, and a warning tells.
 *
 * Worker threads have the stack size that OMP_STACKSIZE says, else that of ulimit -s, and where
 * that is unlimited 2 MB under libgomp, which is a warning of the run: OMP_STACKSIZE=64M. They keep
 * errno and threadprivate data from one run to the next. A C++ exception must not leave a call.
 * Threads sleep after some milliseconds without work, and the kernel may wake them on the caller's
 * cpu, where they wait until it is free: a region of OpenMP then takes up to 8 ms more. A run whose
 * thread had none for 2 ms makes way for them and moves them, which leaves some 0.2 ms;
 * OMP_PROC_BIND=true spares that, OMP_WAIT_POLICY=active also their waking.
 *
 * A process that the program forks may run whatever its parent did, or does in other threads: with
 * several threads under libgomp on a new one of its own, so that the thread that runs is none of
 * the workers. Executors, lists and results it has as copies; a stream it inherits is at its end,
 * with an error that says so. A process that a call forks ends when it returns from the call, with
 * status 1 and nothing flushed, unless the run has one worker only.
 *
 * A pthread_cancel of a thread that runs, pulls or closes something, or of a worker, acts when that
 * has returned. A call must not leave by pthread_exit or longjmp: in a process it is then lost like
 * one that exits (behind a longjmp the process goes on with a copy of the program until that ends);
 * in a thread the run may never end. */
parcel_results *parcel_run(const parcel_options *options, const parcel_calls *calls);

/* Prints each resolved option and where its value came from (given, scope, the environment's
 * variable, default), then the number of cpus and what holds it down. options: borrowed; NULL for
 * every default. file: borrowed. Returns false when file is NULL, an option is wrong (the sentence
 * is printed too) or a write failed. Threads: any. Since 0.1. */
bool parcel_explain(const parcel_options *options, FILE *file);

/* The cpus this process may use: the least of those online, its affinity, the cgroup's quota
 * rounded up, OMP_THREAD_LIMIT and what a batch system says (SLURM_CPUS_PER_TASK, the cpu of
 * SLURM_TRES_PER_TASK, SLURM_CPUS_ON_NODE, PBS_NCPUS or NCPUS, LSB_DJOB_NUMPROC, NSLOTS); at least
 * 1. What is not a whole number above 0 is passed over. Ranks on one host share the quota and what
 * is said of the whole host. Read once. Threads: any. Since 0.1. */
int parcel_cpu_count(void);

/* The workers that .n_jobs = n_jobs means here (0: not set), given enough calls; 1 when n_jobs or
 * a setting it falls back on is out of range. Threads: any. Since 0.1. */
int parcel_effective_n_jobs(int n_jobs);

/* ------------------------------------------------------------------------------------------- *
 * Results
 *
 * Indices are the calls' numbers, from 0. An index out of range and NULL results are harmless:
 * each function says what it then returns. All reading functions: Threads: any. Since 0.1.
 * Strings and what values point at are borrowed from the results. Results, like lists and
 * executors, borrow the descriptors of the functions that ran: those of a plugin must be done with
 * before it is unloaded. The library itself stays, with the threads of the OpenMP runtime.
 * ------------------------------------------------------------------------------------------- */

/* The number of calls of the run. */
size_t parcel_results_count(const parcel_results *results);

/* NULL when every call that ran succeeded and nobody cancelled the run, else one sentence, as
 * "1 of 10 calls failed; first: call 3, root(-1): root of a negative number: -1" or
 * "cancelled by SIGINT: 12 of 100 calls had run". */
const char *parcel_results_error(const parcel_results *results);

/* The number of calls that failed, timed out or were lost. */
size_t parcel_results_failures(const parcel_results *results);

/* What a user should know (a fallback, a limit), one sentence a line, or NULL. Like an error it
 * ends without a full stop and without a newline. */
const char *parcel_results_warnings(const parcel_results *results);

/* PARCEL_NOT_RUN out of range. */
parcel_status parcel_results_status(const parcel_results *results, size_t index);

/* Why the call failed, was lost or was cancelled, or NULL. */
const char *parcel_results_message(const parcel_results *results, size_t index);

/* The boxed value; None for a call without one. */
parcel_value parcel_results_value(const parcel_results *results, size_t index);

/* Seconds from the start of the run to the start of the call; NaN when it did not run. */
double parcel_results_start(const parcel_results *results, size_t index);

/* Seconds that the call took; NaN when it did not run. Calls of about a microsecond and more have
 * each their own measured time. Shorter ones, which reading a clock would double, share their
 * batch's: see parcel_results_estimated. */
double parcel_results_duration(const parcel_results *results, size_t index);

/* True when start and duration are the call's share of its batch's measured time. */
bool parcel_results_estimated(const parcel_results *results, size_t index);

/* The worker that ran the call, from 0; -1 when it did not run. */
int parcel_results_worker(const parcel_results *results, size_t index);

/* The process that ran the call, or last tried to; -1 when it did not run. */
int parcel_results_pid(const parcel_results *results, size_t index);

/* The rank that ran the call: 0 where one process runs all; -1 when it did not run. */
int parcel_results_rank(const parcel_results *results, size_t index);

/* The name of the host where the call ran; NULL when it did not run. */
const char *parcel_results_host(const parcel_results *results, size_t index);

/* How often the call was tried (see retries); 0 when it did not run. */
int parcel_results_attempts(const parcel_results *results, size_t index);

/* All of these of one call at once. record: written; its message and host are borrowed from the
 * results. False: no such call, or its record was not kept (a stream's, on another rank), and
 * *record then tells of a call that did not run, or record is NULL. */
bool parcel_results_record(const parcel_results *results, size_t index, parcel_record *record);

/* The workers of the run: of threads as many as the OpenMP runtime gave. */
int parcel_results_workers(const parcel_results *results);

/* The name of the backend that ran the calls; "" when none did. */
const char *parcel_results_backend(const parcel_results *results);

/* Seconds from the start of the run to its end. */
double parcel_results_wall_time(const parcel_results *results);

/* Seconds, the sum of all calls' durations, what they waited for a cpu included. */
double parcel_results_total_time(const parcel_results *results);

/* (total time - waited) / wall time: how many cpus worked for the calls; NaN when nothing ran.
 * waited: what workers waited for a cpu while they had one of the calls, as where there are more
 * workers than cpus, or other programs. Linux tells it (/proc/thread-self/schedstat), and each
 * worker's is right to some milliseconds; elsewhere it counts as 0, and the summary says "workers
 * busy" instead. A call that sleeps waits for no cpu. */
double parcel_results_speedup(const parcel_results *results);

/* speed-up / workers; NaN when nothing ran. */
double parcel_results_efficiency(const parcel_results *results);

/* The index of the call that took longest; SIZE_MAX when nothing ran. */
size_t parcel_results_slowest(const parcel_results *results);

/* One result of a stream. */
typedef struct parcel_result {
    size_t index;
    parcel_value value;   /* None for a call without one */
    parcel_record record; /* record.index is index */
    void *parcel__hold;
} parcel_result;

/* Waits for the next result of a run with .return_as = PARCEL_GENERATOR (in order) or
 * PARCEL_GENERATOR_UNORDERED (as the calls complete), while the workers go on:
 *
 *     while (parcel_results_next(results, &result)) {
 *         ... result.index, result.value, result.record ...
 *         parcel_result_free(&result);
 *     }
 *     if (parcel_results_error(results)) ...
 *
 * Calls that did not run because the run stopped are passed over. result: written, new (free with
 * parcel_result_free, before or after the stream). False: the end, and *result is empty; only
 * then error, failures and times are those of the run. False also for results that are no stream
 * and inside the stream's own calls. Threads: one at a time per stream. Since 0.1. */
bool parcel_results_next(parcel_results *results, parcel_result *result);

/* Frees what the result holds, and empties it; an empty one is harmless. Threads: any, one at a
 * time per result. Since 0.1. */
void parcel_result_free(parcel_result *result);

/* Ends a stream early: nothing new starts, and the calls that run are waited for. Says how many
 * results were taken, how many waited in vain, and how many calls did not run (of a generator:
 * of those it gave); each number may be NULL. If not all were taken, one sentence with these
 * numbers is among the warnings. parcel_results_free does it unasked. The calls must live until
 * a stream has ended. False for results that are no stream. Threads: one at a time per stream, but
 * none of its own calls. Since 0.1. */
bool parcel_results_close(parcel_results *results, size_t *used, size_t *unused, size_t *cancelled);

/* Prints the values as Python prints a list, and a newline: [1, 2.5, 'a', None, <failed: why>].
 * Returns false when a write failed or memory ran out. */
bool parcel_results_print(const parcel_results *results, FILE *file);

/* Prints calls, failures, wall time, total time, speed-up, efficiency, what workers waited for a
 * cpu if it is more than a twentieth of the total time, and the slowest call, one a line. Returns
 * false when a write failed. */
bool parcel_results_print_summary(const parcel_results *results, FILE *file);

/* Frees the results and all that was read from them. Threads: one at a time. */
void parcel_results_free(parcel_results *results);

const void *parcel__results_get(const parcel_results *results, size_t index, parcel_kind kind,
                                size_t size, void *scratch);
bool parcel__results_holds(const parcel_results *results, size_t index, parcel_kind kind,
                           size_t size);
size_t parcel__results_get_all(const parcel_results *results, void *array, size_t count,
                               parcel_kind kind, size_t size);

/* ------------------------------------------------------------------------------------------- *
 * Inside a call
 *
 * These work in the thread that runs the call. For threads that the call starts itself,
 * parcel_current() gives a handle to hand on, and each function has a form that takes it; the
 * handle is valid until the call returns. Threads: any. Since 0.1.
 * ------------------------------------------------------------------------------------------- */

typedef struct parcel_current_call parcel_current_call;

/* The call that runs in this thread, borrowed; NULL outside of any. */
parcel_current_call *parcel_current(void);

/* Marks this call as failed; the message is formatted as printf does, in the program's locale, and
 * copied. The call goes on until it returns; what it returns is ignored, and not freed. The first
 * failure of a call holds. Outside of any call: nothing. */
void parcel_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void parcel_fail_in(parcel_current_call *current, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Stops the run of this call, as when a search has found what it looks for: nothing new is handed
 * out, other running calls are asked to return, and what did not run is PARCEL_CANCELLED. That is
 * no failure, and no error of the run. Outside of any call: nothing. */
void parcel_stop(void);
void parcel_stop_in(parcel_current_call *current);

/* True when the call may as well return early: its run stopped at a failure, a parcel_stop, a
 * cancelled token, a signal, a deadline or a halt of the kind "now", its stream was closed or its
 * on_result wanted no more, it overran its own time, or a
 * call around it is asked the same for one of these reasons. False outside of any call. */
bool parcel_cancelled(void);
bool parcel_cancelled_in(const parcel_current_call *current);

/* The call's number in its run; SIZE_MAX outside of any call. */
size_t parcel_index(void);
size_t parcel_index_in(const parcel_current_call *current);

/* The worker's number in its run, from 0; -1 outside of any call. */
int parcel_worker(void);
int parcel_worker_in(const parcel_current_call *current);

/* What on_worker_start made for this worker, borrowed; NULL without one, and outside of any call.
 */
void *parcel_worker_state(void);
void *parcel_worker_state_in(const parcel_current_call *current);

/* How deep the call is nested: 0 outside of any call, 1 in a call, 2 in a call of its nested run.
 */
int parcel_level(void);
int parcel_level_in(const parcel_current_call *current);

/* ------------------------------------------------------------------------------------------- *
 * Settings
 * ------------------------------------------------------------------------------------------- */

/* Opens a scope: options that a run leaves alone are taken from it, until parcel_config_pop.
 * Scopes nest, each for its thread. Inside a call the scopes around the run are not seen, unless
 * the run has n_jobs = 1 and the call is on the rank that opened them; a scope that a call leaves
 * open ends with the call.
 * options: copied, strings included. Returns false when memory ran out or options is NULL.
 * Threads: any. Since 0.1. */
bool parcel_config_push_options(const parcel_options *options);

/* Closes the innermost scope of this thread; false when there is none. Since 0.1. */
bool parcel_config_pop(void);

/* Gives back the memory that is kept between runs (at most 128 MiB). Threads: any. Since 0.1. */
void parcel_trim(void);

/* ------------------------------------------------------------------------------------------- *
 * Executors: a team and its memory, kept for several runs
 * ------------------------------------------------------------------------------------------- */

typedef struct parcel_executor parcel_executor;

/* Resolves the options once and keeps workers and memory for the runs to come. options: copied;
 * NULL for every default. Returns a new executor (close with parcel_close), never NULL: when
 * something is wrong, each run reports it. Threads: any. Since 0.1. */
parcel_executor *parcel_open(const parcel_options *options);

/* parcel_run with the executor's options, workers and memory. While a stream of the executor is
 * neither at its end nor closed, another run is an error. Threads: any number of threads may run
 * one executor at once. Since 0.1. */
parcel_results *parcel_executor_run(parcel_executor *executor, const parcel_calls *calls);

/* Frees the executor, not its results; its stream is closed. Not while it runs. Since 0.1. */
void parcel_close(parcel_executor *executor);

/* ------------------------------------------------------------------------------------------- *
 * Calls in other processes
 *
 * With .backend = "processes" the calls run in worker processes of this machine. A call that
 * crashes, ends its process, is killed or never returns costs its own record and no more.
 *
 * What a worker is. A run starts one process, the forkserver, which forks the workers when they are
 * needed; an executor keeps them for its next runs. All workers are copies of the program as it was
 * when the forkserver was forked, with the thread that ran as their only one. What the program
 * writes to its memory later they do not see, not even a global that it sets between two runs of an
 * executor (let it be an argument), and what a call writes to its memory is the worker's own: it is
 * there for that worker's next calls, and not in the program. A call may cancel its run's token
 * (parcel_cancel), which is then cancelled in the program; others of the program it does not reach.
 * A library that is loaded later is there in new workers, which its first call starts. Thread-local
 * and threadprivate values are those of the calling thread; when the run begins inside a parallel
 * region a new thread forks, and they begin anew. Under libgomp the team of the calling thread ends
 * before the fork: threadprivate values of its other threads begin anew in the program. Calls may
 * open parallel regions and run Parallel. The libomp of LLVM 14 aborts in every forked child where
 * OMP_PLACES is a list of cpus, as "{0},{1}": no worker starts then, and the run's error is that
 * "the process that keeps the workers is killed again and again". OMP_PLACES=cores does no harm.
 *
 * Arguments and results. A list or a map is there by the copy; calls that are added or generated
 * later travel, strings, values and the data of arrays included. Results travel, arrays of any size
 * too. From 16 MiB on the pages of an array are handed over instead of copied once more. A pointer
 * is given as it is. One to memory that a call may write would lose what is written: a run with
 * such an argument is refused with a sentence, unless the pointer is NULL or to a function or
 * constant, and there are three ways out: take the memory from parcel_shared_alloc; make the
 * parameter a pointer to const; or set .read_only. With the last two, a run in an executor starts
 * new workers, which have what it points at. Generated calls come after them: for those const is
 * not enough, and with .read_only what they point at must stand before the run. A call that returns
 * a pointer fails, unless it is NULL, into memory of parcel_shared_alloc that stood before the run,
 * or to a function or constant. What a struct's members point at is not looked at.
 *
 * Crashes. The call is PARCEL_LOST, and its message says how its process ended: "worker killed by
 * SIGSEGV (address 0x8)", "worker exited with status 3" ("worker ended by exit" where the C library
 * does not tell which, as musl), "worker ended by quick_exit". What had returned before it keeps
 * its result and never runs again; what had not begun runs in another process. A call whose process
 * dies while its result is on the way runs again, at most three times in all; a call that crashed
 * does so with .retries only. Where the system gives fewer processes than asked for, those that
 * there are run the calls. When on_worker_start crashes, when three processes in a row die before a
 * call of theirs began, or when none can be started, the run ends with an error. Workers dump no
 * core unless .core_dumps is set. Whatever ends the program ends the forkserver and the workers,
 * and so does, within a second, the execution of another program in it.
 *
 * Limits. The call is asked first, then its worker is killed: see timeout and kill_after. The
 * message then says so: "timed out: 1.5 s, 1 s allowed; its worker was killed". A call that is
 * killed because its run is stopped is PARCEL_CANCELLED. The kernel's kill for want of memory is
 * guessed: "worker killed by SIGKILL, likely out of memory: 3.1 GiB resident, limit 4 GiB".
 *
 * Files. stdio is flushed before the forkserver is forked, behind each call of 20 us and more, at
 * the end of each batch and by exit; what a crash finds in a buffer is lost, and short calls that
 * print more than a buffer holds may have a line torn by another worker's. When another thread
 * waits for input, only stdout and stderr are flushed. Open files are those of the program and so
 * are their offsets: two calls that read one file by turns move each other's place. Parcel needs no
 * file descriptors: a call may close all.
 *
 * Locks. A mutex that any thread of the program holds at the fork stays locked in the workers; that
 * of malloc, those of stdio and those of Parcel do not.
 *
 * The end of a worker. When the run ends, in an executor parcel_close, or another worker takes its
 * place, a worker runs what its calls registered with atexit, as exit in a call does, and writes
 * what gcc --coverage counted in it. A leak sanitizer reports what it leaked, unless the program
 * had other threads, or LLVM's libomp, when the run began, or was itself forked by a process with
 * other threads. Functions of atexit, at_quick_exit and destructors, which the program registered
 * before, are not run in workers. A process that a call
 * forks may end or execute another program; when it returns from the call it ends there, with
 * status 1 and nothing flushed.
 *
 * Programs that calls start, by system, by fork or in whatever way, are killed when their worker
 * crashes, exits in a call or is killed. What a call leaves behind that returns goes on, and is
 * killed when the run ends, in an executor with parcel_close, or the program does; in a session of
 * its own (setsid) it lives on. When its own parent ended, the forkserver is its parent. They are
 * known by a mark that they inherit: their soft limit RLIMIT_RTTIME is some 4.6e18 microseconds,
 * and must be left so.
 *
 * Signals. SIGINT and SIGTERM from elsewhere do nothing to workers: the program decides. Their
 * handlers and those of SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT are replaced in the workers by
 * handlers which note what happened; all of these but SIGINT are unblocked there. All others, and
 * the rest of the mask, are as in the program, in which nothing is changed.
 *
 * Children. The program has one more child while workers live, the forkserver: wait() waits for it
 * too, and a loop until waitpid(-1) finds no child ends only when the executor is closed. A crash
 * of a worker causes no SIGCHLD in the program, the end of the forkserver does. A SIGCHLD that is
 * ignored, and a handler that waits for all, do no harm.
 *
 * Costs. To fork takes time in proportion to the memory that is resident: some 20 ms a GB in pages
 * of 4 kB, some 1 ms a GB in huge ones (madvise with MADV_HUGEPAGE, or transparent huge pages), and
 * the first call of a run waits for two forks. A page that the program writes first while workers
 * live is copied: 1 GB takes 0.6 to 2.2 s instead of 4 ms, once. Memory that is written during runs
 * is better shared, or workers started after it. Large results cost some 0.9 s a GB on top, for the
 * pages that are filled on their way. Where ulimit -v bounds the addresses, a quarter of them is
 * the room for all that travels; under valgrind it is 256 MB.
 *
 * What means nothing there: .timing, as each call has its own measured time. .require = "sharedmem"
 * is refused. on_result, sink, retry_if and generators run in the program.
 * ------------------------------------------------------------------------------------------- */

/* New, zeroed memory (free with parcel_shared_free) that calls in worker processes read and write
 * as those in threads do: they see what the caller wrote, and the caller what they wrote. Workers
 * have what was allocated before they started; a run with a pointer to newer memory starts others.
 * It starts at a page, and takes whole pages: one block for many numbers, not a block for each. Two
 * calls that write one place need the atomics that threads need. NULL when memory ran out. Threads:
 * any. Since 0.1. */
void *parcel_shared_alloc(size_t size);

/* Frees such memory, for worker processes too; anything else is left alone. Not while calls use it.
 * Threads: any. Since 0.1. */
void parcel_shared_free(void *memory);

/* ------------------------------------------------------------------------------------------- *
 * Calls on several hosts
 *
 * With .backend = "mpi" the calls run on all ranks of an MPI job, each with workers of its own:
 * threads, or with .isolate processes, of which all holds that is said above. The program calls
 * parcel_mpi_init before (parcel_mpi.h); without it such a run is an error that says so.
 *
 * Who has the calls. Either each rank makes the same list and comes to the run; then the numbers of
 * calls travel, and a pointer means each rank's own memory. What a call wrote there the other ranks
 * would not have: a run on more than one rank whose calls may write through a pointer is refused,
 * as in processes. What helps is to return it, a pointer to const, or .read_only, also for programs
 * that gather themselves what each rank wrote; not parcel_shared_alloc, whose memory is one rank's.
 * Or rank 0 makes the list, and others call parcel_mpi_serve: then the calls travel, with strings,
 * values, structs and the data of arrays, and a pointer is refused with a sentence, unless it is
 * NULL or to a function or constant. So it is, wherever the call would run, among those of a
 * generator, which always travel: that of rank 0 is asked, and the others' are not. When lists are
 * not the same, in their count, functions, numbers, strings, values or described structs, nothing
 * runs, and the error names the call and the rank: "the lists differ: call 2 is model(2) on rank 0
 * and model(77) on rank 1"; when ranks other than 0 have no results of earlier runs, of which a
 * list may have been made, it says so. What pointers point at, what arrays hold, and structs that
 * are not described are not compared.
 *
 * Who has the results. Rank 0, and with .mpi_results all but those that serve. Every rank that came
 * to the run has its count, error, failures, warnings, times and workers, the same on all, but for
 * the warning that a stream was closed early, which is rank 0's; where the values are elsewhere
 * each call is PARCEL_NOT_RUN, has no value, and is printed as <on rank 0>. Streams and on_result
 * give results on rank 0; the other ranks return when the run is over.
 *
 * Options. Those of rank 0, and its environment, hold for all. on_worker_start, on_worker_end,
 * retry_if and the token cancel are each rank's own. A rank that serves has no token, and rank 0's
 * functions, which are of the program or its libraries then, without worker_state and retry_state:
 * what these point at is not there, and a run that gives them is an error. It has new states in
 * each run, and may end them when rank 0's run has returned already. Progress is rank 0's. .n_jobs
 * counts workers a rank: -1, or the default without OMP_NUM_THREADS, is the rank's part of the
 * cpus: those that it may use, or, when it may use all, those of its host divided by the ranks
 * there. parcel_worker() counts over all ranks. A rank with fewer cpus than workers is a warning of
 * the run.
 *
 * Times. The start of a call is counted from the run's start on the call's rank, by the clock
 * there.
 *
 * Ends. A call that crashes or exits ends its rank, and so the job, as the loss of a host does;
 * with .isolate it costs its record. A failure, a stop, a cancelled token, and with handle_signals
 * a SIGINT or SIGTERM at any rank, stop the run on all.
 *
 * A process has one such run at a time; another is an error. A run inside a call stays on the rank.
 * ------------------------------------------------------------------------------------------- */

/* ------------------------------------------------------------------------------------------- *
 * Calls without macros
 * ------------------------------------------------------------------------------------------- */

/* Boxes a call from values. Number and types of the arguments are checked, and converted where
 * nothing is lost (3 to double, 3.0 to int, 1 to bool, None to a NULL string). A mismatch returns
 * false and writes a sentence that names the function, the position, what is expected and what
 * is given into error (at most error_size bytes; NULL and 0 to go without).
 * call: written. function: borrowed for as long as the call lives. arguments: strings, bytes and
 * arrays are borrowed until the call is added to a list. Threads: any. Since 0.1. */
bool parcel_call_from_values(parcel_call *call, const parcel_function *function,
                             const parcel_value *arguments, size_t count, char *error,
                             size_t error_size);

#ifdef __cplusplus
}
#endif

/* ------------------------------------------------------------------------------------------- *
 * The macros, in C
 * ------------------------------------------------------------------------------------------- */

#ifndef __cplusplus

#include <parcel/delayed.h>

/* parcel_map(f, array, count): one call of f for each element of an array of f's only parameter
 * type; Python's map(delayed(f), array). Borrows the array, allocates nothing, lives in the
 * enclosing block. Equal to
 *
 *     for (size_t i = 0; i < count; i++)
 *         parcel_calls_add(calls, delayed(f)(array[i]));
 *
 * An array of another type, or a function of two, does not compile. Since 0.1. */
#define parcel_map(f, array, count) \
    ((const parcel_calls *)&(parcel_calls){.parcel__count = (count), \
                                           .parcel__mapped = parcel_function_of(f), \
                                           .parcel__running = parcel__ASSERT_ARRAY_OF(array, f), \
                                           .parcel__elements = (array)})

/* parcel_array(pointer, count): the count elements at pointer, borrowed. Since 0.1. */
#define parcel_array(pointer, n) \
    ((parcel_array){.data = (void *)(pointer), \
                    .count = (n), \
                    .kind = parcel__KIND_OF(*(pointer)), \
                    .element_size = sizeof *(pointer)})

/* parcel_get(results, i, type): the value of call i, converted as C converts numbers; for a call
 * without one, or with one that cannot be that type, NaN for floating types, else zero or NULL.
 * parcel_get_or chooses what it is then; parcel_holds tells whether there is one. What a string
 * or an array points at lives as long as the results. Since 0.1. */
#define parcel_get(results, index, type) \
    (*(type const *)parcel__results_get(results, index, parcel__KIND(type), \
                                        sizeof(type) + parcel__ASSERT_KNOWN(type), \
                                        parcel__SCRATCH(type)))
#define parcel_get_or(results, index, type, otherwise) \
    (parcel_holds(results, index, type) ? parcel_get(results, index, type) : (otherwise))
#define parcel_holds(results, index, type) \
    parcel__results_holds(results, index, parcel__KIND(type), sizeof(type))

/* parcel_get_all(results, array, count): parcel_get for the calls 0 to count - 1 into an array.
 * Returns how many of them have a value of that type. Since 0.1. */
#define parcel_get_all(results, array, count) \
    parcel__results_get_all(results, array, count, parcel__KIND_OF(*(array)), sizeof *(array))

/* parcel_parallel(.n_jobs = 4)(calls): parcel_run with the options given, by their names; without
 * any, parcel_parallel()(calls). Parallel is the same, in fewer lines of a compiler's errors.
 * Since 0.1. */
#define parcel_parallel(...) \
    parcel__RUN((parcel_options){.parcel__first = parcel__NAMED(__VA_ARGS__), __VA_ARGS__})
#ifndef PARCEL_NO_SHORT_NAMES
#define Parallel(...) \
    parcel__RUN((parcel_options){.parcel__first = parcel__NAMED(__VA_ARGS__), __VA_ARGS__})
#endif

/* parcel_config_push(.n_jobs = 2): parcel_config_push_options with the options given. Since 0.1. */
#define parcel_config_push(...) \
    parcel_config_push_options( \
        &(parcel_options){.parcel__first = parcel__NAMED(__VA_ARGS__), __VA_ARGS__})

/* From here on gcc shows an error in what a macro has made at the macro's line, in four lines
 * instead of forty. It would also be silent on some that it finds wrong with the values that a
 * macro is given: those that are given some stand above. */
#if defined __GNUC__ && !defined __clang__
#pragma GCC system_header
#endif

/* PARCEL_DELAYED(R, f, A, B, ...), at file scope, once in each file that delays f: makes
 * parcel_delayed(f) and parcel_map(f, ...). R: void, any arithmetic type, char * (allocated with
 * malloc, taken), const char * (copied), a struct (copied), parcel_array (its malloc'ed data is
 * taken), parcel_value (copied, with its content). Parameters, 0 to 10 of them, 240 bytes
 * together: arithmetic types, const char * and char * (copied; a char * is a copy that is private
 * to the call and writable), structs (copied), parcel_array (its data is borrowed), parcel_value,
 * and pointers (borrowed). Without parameters: PARCEL_DELAYED(R, f) or PARCEL_DELAYED(R, f, void).
 *
 * R, A, B, ... are the types of f's own declaration, const and the like aside; others do not
 * compile. long and long long are two types, whatever their size; an enum is also the integer that
 * the compiler takes for it. R may be void where f has a result, and const char * where that is
 * char *. Where f's last parameter is ..., behind at most three others, the types of what is
 * passed are written: PARCEL_DELAYED(int, printf, const char *, int). No kind is for __int128,
 * _Float16, __float128 and other numbers that standard C does not have: a struct holds one.
 * Since 0.1. */
#define PARCEL_DELAYED(...) parcel__PASTE(parcel__DELAYED_, parcel__COUNT(__VA_ARGS__))(__VA_ARGS__)

/* parcel_delayed(f)(a, b): the call f(a, b), by value. Wrong arguments are the compiler's
 * ordinary diagnostics. Since 0.1. */
#define parcel_delayed(f) parcel__CONSTRUCTOR(f)

/* The descriptor of a delayed function, for parcel_call_from_values. Since 0.1. */
#define parcel_function_of(f) (&parcel__PASTE(parcel__made_by_DELAYED_, f).function)

/* PARCEL_STRUCT(struct model, temperature, size), at file scope: describes the struct's fields (1
 * to 32), so that it is printed, compared and hashed field by field. Since 0.1. */
#define PARCEL_STRUCT(...) parcel__STRUCT(parcel__PASTE(parcel__, __COUNTER__), __VA_ARGS__)

/* The short names of PARCEL_DELAYED, parcel_delayed and parcel_parallel. A program that has such
 * names of its own defines PARCEL_NO_SHORT_NAMES before it includes the header, and writes the long
 * ones. */
#ifndef PARCEL_NO_SHORT_NAMES
#define DELAYED(...) PARCEL_DELAYED(__VA_ARGS__)
#define delayed(f) parcel_delayed(f)
#endif

#endif /* not C++ */
#endif

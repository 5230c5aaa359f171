/*
 * options.h: the options of a run, what they are given, and where they come from. parcel.h includes
 * it.
 */
#ifndef PARCEL_H
#include <parcel.h>
#elif !defined PARCEL_OPTIONS_H
#define PARCEL_OPTIONS_H

#ifdef __cplusplus
extern "C" {
#endif

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
     * "multiprocessing": see parcel-processes(7)), "mpi" (see parcel-mpi(7)), or
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

    /* ---- workers that are processes (the backend "processes": see parcel-processes(7)) ---- */

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
     * they point at stood before the run. See parcel-processes(7), and parcel-mpi(7). Default:
     * PARCEL_NO. Environment: PARCEL_READ_ONLY=yes or no. */
    parcel_switch read_only;

    /* ---- workers on several hosts (the backend "mpi": see parcel-mpi(7)) ---- */

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

/* ---- where options come from ---- */

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

/* Opens a scope: options that a run leaves alone are taken from it, until parcel_config_pop.
 * Scopes nest, each for its thread. Inside a call the scopes around the run are not seen, unless
 * the run has n_jobs = 1 and the call is on the rank that opened them; a scope that a call leaves
 * open ends with the call.
 * options: copied, strings included. Returns false when memory ran out or options is NULL.
 * Threads: any. Since 0.1. */
bool parcel_config_push_options(const parcel_options *options);

/* Closes the innermost scope of this thread; false when there is none. Since 0.1. */
bool parcel_config_pop(void);
#ifdef __cplusplus
}
#endif

#endif

/* job.h: one run: who takes which calls (job.c), and how they are run and recorded (work.c). */
#ifndef PARCEL__JOB_H
#define PARCEL__JOB_H

#include <parcel/backend.h>
#include <pthread.h>
#include <stdatomic.h>

#include "calls/current.h"
#include "calls/function.h"
#include "ground/floating.h"
#include "ground/openmp.h"
#include "ground/waits.h"
#include "job/control.h"
#include "job/lot.h"
#include "job/schedule.h"
#include "job/watcher.h"
#include "job/worker_states.h"
#include "options/policy.h"
#include "results/results.h"
#include "results/tally.h"

/* Two cache lines, since processors fetch lines in pairs. */
enum { PARCEL__LINE = 128 };

/* A worker's state. All is written by the thread that works as this worker; range by thieves too,
 * and the events of current as it says. A short run pays for each cache line that goes from one
 * cpu to another: the run's own thread writes and reads the first lines only. */
struct parcel__worker {
    /* Calls this worker has still to claim. Release on each change and acquire on each load: who
     * reads a range that a thief published reads what the thief knew. */
    _Alignas(PARCEL__LINE) _Atomic(parcel__range) range;

    /* True while the worker runs a batch of several calls, and would give back what it has not
     * begun if it were asked. Relaxed before the change of range that takes the batch, so that who
     * sees the one sees the other; release when it ends, after what was given back. */
    atomic_bool may_share;

    /* Set by the worker's thread when it begins to work; relaxed, since it is only looked for. */
    atomic_bool has_begun;

    /* Who runs its calls elsewhere; NULL: they run here. Written before the run's other threads
     * begin, release and acquire, as who stops the run may come at any time. */
    _Atomic(const struct parcel__runner *) runner;

    /* How often a thread ended to work as this worker. Release when it does, acquire when the job
     * is closed: what it wrote is then seen whatever kind of join the backend has, and tools that
     * do not know a runtime's see it too. */
    atomic_int n_visits;

    bool is_ready;             /* what follows below the sums is initialised */
    bool has_handed_out;       /* batches to a backend, which may forget one */
    int n_threads;             /* of the team, as the first worker was told; 0: nobody knows */
    struct parcel__tally sums; /* of what nobody has taken yet */

    _Alignas(PARCEL__LINE) struct parcel_current_call current;
    const struct parcel__lot *lot; /* that it works on, or did last */
    struct parcel__arena *arena;   /* what results point at */
    struct parcel__arena scratch;  /* private copies of char * arguments */
    struct parcel__traits traits;  /* of the function that ran last */
    double clock;                  /* the end of the last batch, when the next follows at once */
    struct parcel__wait wait;      /* since when it is not settled what the worker waited */
    double seconds_per_call;       /* as measured last; 0 before */
    size_t last_count;             /* calls of that measurement */
    size_t look;                   /* calls between two looks at how long its batch takes */
    bool is_asked;                 /* to give back what it has not begun */
    size_t n_given;                /* calls of its batch that a runner gave back */
    bool is_late;                  /* the last attempt overran its time */
    const struct parcel__openmp_settings *openmp; /* of the thread, when a call begins */
    bool changes_modes; /* a call of its did, of the floating-point environment */
};

enum { PARCEL__FEW_WORKERS = 4 };

/* Runs a worker's calls in another process. */
struct parcel__runner {
    /* Deals with the job's calls from first on, at most count, and records them. Returns how many,
     * fewer when the worker is asked or the run stops. Called by the worker's thread. */
    size_t (*run)(const struct parcel__runner *runner, struct parcel_job *job,
                  struct parcel__worker *worker, size_t first, size_t count);

    /* Wakes the thread that waits in run, to look at what it was told. Threads: any. */
    void (*poke)(const struct parcel__runner *runner);

    /* Waits until that thread was woken, or so many seconds have passed. Threads: any. */
    void (*linger)(const struct parcel__runner *runner, double seconds);
};

struct parcel__job_options {
    struct parcel__lot lot; /* all calls of the run, when they stand in one; of a stream, the calls
                             * and what became of all */
    const struct parcel__source *source; /* NULL: the workers share the lot by its ranges */
    void *source_state;
    const struct parcel__policy *policy; /* how its calls are run */
    int n_workers;
    int first_worker;                      /* the number of the first in the run */
    double start;                          /* of the run, as the clock had it; 0: now */
    struct parcel__nest nest;              /* what each call's own runs may use */
    struct parcel__floating floating;      /* the modes that calls begin with, */
    struct parcel__openmp_settings openmp; /* and what holds for their regions; all 0: what does for
                                            * the thread that runs them */
    const struct parcel__watcher *watchers; /* NULL: nobody listens */
    struct parcel__control *control;        /* NULL: the job has one of its own, by its policy */
    struct parcel__state_set *states;       /* of the workers; NULL: they have none */
    struct parcel_current_call *around;     /* the call that the run is in, or NULL */
    bool is_part;                           /* of a run that has other threads */

    /* Told of each call as soon as it returned, before anything is written of it. Only with
     * recorded. */
    void (*returned)(void);
    /* Told of each call as soon as it is recorded, by the thread that ran it: its place in the
     * results. False: the batch ends there. Each call then has its own time. NULL: nobody is told.
     */
    bool (*recorded)(void *state, size_t place);
    void *recorded_state;
};

/* Constant while the run lasts, but for the members that say otherwise. */
struct parcel_job {
    struct parcel__job_options options;
    size_t unit;      /* calls to a unit of the schedule */
    bool may_share;   /* workers give back what they have not begun, when they are asked */
    bool watches;     /* of control, here since workers look at it often */
    bool is_careful;  /* the same */
    double start;     /* of the run, by the clock */
    int process;      /* that it is in */
    bool is_cold;     /* the threads may be asleep */
    int cpu;          /* if so, that of the thread that opened the job, */
    pthread_t opener; /* and that thread, */
    bool has_waited;  /* which waits once for the others; only it looks */
    struct parcel__worker *workers;
    void *memory;                    /* of many workers, not aligned; NULL: they are in few */
    struct parcel__control *control; /* why and when it stops */
    struct parcel__control own_control;

    /* Set once, by whoever stops the run, when all workers are told, and before they are told
     * again: sequentially consistent. Relaxed to look: it is only a hint to stop early. */
    _Alignas(PARCEL__LINE) atomic_bool is_stopped;

    /* Counts thefts, between the thief's BUSY and its compare-and-swap, and what is given back,
     * once it stands in its range: who finds all ranges empty looks again if the count has changed
     * meanwhile, since work may have moved behind its back. Acquire and release, so that who sees
     * a victim's new range sees the count too. */
    atomic_uint n_thefts;

    /* Release when the job is opened, acquire when a thread begins to work: so it sees the job
     * whatever kind of fork the backend has. */
    atomic_bool is_open;

    struct parcel__worker few[PARCEL__FEW_WORKERS]; /* a short run should allocate little */
};

/* False when memory ran out. */
bool parcel__job_open(struct parcel_job *job, const struct parcel__job_options *options);

/* Initialises what only the worker's own thread needs, if nobody did. */
void parcel__job_make_ready(struct parcel_job *job, struct parcel__worker *worker);

/* parcel_job_work, in a thread that nobody can cancel meanwhile. */
void parcel__job_work(struct parcel_job *job, int worker);

/* The backend has so many threads, which may be fewer than the workers. Called by the thread that
 * works as the first, before it does. */
void parcel__job_note_team(struct parcel_job *job, int n_threads);

/* After a batch, or the part of it that ran: gives the count calls of its lot from first on back,
 * so that they are handed out again. False: they stay with the worker. */
bool parcel__job_give_back(struct parcel_job *job, struct parcel__worker *worker, size_t first,
                           size_t count);

/* From now on the calls of the worker, which is ready, are of that lot: by a source that has
 * several, for each batch. */
void parcel__job_enter_lot(const struct parcel_job *job, struct parcel__worker *worker,
                           const struct parcel__lot *lot);

/* The workers share the calls of the job's lot; the state is the job. */
extern const struct parcel__source parcel__job_ranges;

/* Nothing is handed out any more, and each worker is told. Threads: any. */
void parcel__job_stop(struct parcel_job *job, enum parcel__reason reason);

/* Counts calls that ended, and stops the run if it is to stop by them. Threads: any. */
void parcel__job_count(struct parcel_job *job, size_t failed, size_t succeeded);

/* Stops the run when something outside wants it to. Returns whether it does. */
bool parcel__job_heed(struct parcel_job *job);

/* Who runs the worker's calls elsewhere, or NULL. Threads: any. */
static inline const struct parcel__runner *parcel__job_runner(const struct parcel__worker *worker)
{
    return atomic_load_explicit(&worker->runner, memory_order_acquire);
}

/* Wakes who runs them, if that is elsewhere. */
static inline void parcel__job_poke(struct parcel__worker *worker)
{
    const struct parcel__runner *runner = parcel__job_runner(worker);
    if (runner)
        runner->poke(runner);
}

static inline int parcel__job_number(const struct parcel_job *job,
                                     const struct parcel__worker *worker)
{
    return (int)(worker - job->workers);
}

/* The worker in whose range all calls stand, for schedules that hand out in order. */
static inline struct parcel__worker *parcel__job_common_worker(const struct parcel_job *job)
{
    parcel_schedule schedule = job->options.policy->schedule;
    return schedule == PARCEL_DYNAMIC || schedule == PARCEL_GUIDED ? &job->workers[0] : NULL;
}

static inline bool parcel__job_is_stopped(const struct parcel_job *job)
{
    return atomic_load_explicit(&job->is_stopped, memory_order_relaxed);
}

/* The same, and looks whether something outside wants the run to stop, which then stops it. */
static inline bool parcel__job_must_stop(struct parcel_job *job)
{
    if (parcel__job_is_stopped(job))
        return true;
    return job->watches && parcel__job_heed(job);
}

bool parcel__job_has_worker(const struct parcel_job *job, int worker);

/* True when some worker of the backend, which has returned, worked or asked for calls. */
bool parcel__job_has_begun(const struct parcel_job *job);

/* Who runs the worker's calls from now on. */
void parcel__job_set_runner(struct parcel_job *job, int worker,
                            const struct parcel__runner *runner);

/* ---- calls that run elsewhere ---- */

/* What the worker was told since it looked last: true when it is asked for what has not begun. */
bool parcel__job_listen(struct parcel__worker *worker);

/* Tells a job with one worker, which runs in another process and lies in shared memory, to stop.
 * Reads nothing of it. */
void parcel__job_tell(struct parcel_job *job, enum parcel__reason reason);

/* The worker's sums, which begin anew. Threads: the worker's, or when it has ended. */
struct parcel__tally parcel__job_take_sums(struct parcel__worker *worker);

/* Work begins, or goes on behind a gap. */
void parcel__job_begin_work(struct parcel__worker *worker);

/* Behind a fork in a user's function: ends the process, with nothing flushed, if it is the child of
 * the fork and has none of the threads that the job needs. */
void parcel__job_end_copy(const struct parcel_job *job);

/* Asks a worker for what it has not begun. Threads: any. */
void parcel__job_ask(struct parcel_job *job, int worker);

/* Runs all calls of a job with one worker as one batch, in this thread as it is. */
void parcel__job_run_all(struct parcel_job *job);

/* Records the batch's calls as lost, in the worker's name. Threads: its. */
void parcel__job_lose(struct parcel_job *job, struct parcel__worker *worker,
                      const struct parcel__batch *batch, const char *why);

/* The message of calls of which the backend said nothing. */
extern const char parcel__job_dropped[];

/* After the backend returned: records what it lost of the job's lot, and adds the workers' sums to
 * the results. The job may still be told to stop until it is freed; to close it is both. */
void parcel__job_settle(struct parcel_job *job);
void parcel__job_free(struct parcel_job *job);
void parcel__job_close(struct parcel_job *job);

#endif

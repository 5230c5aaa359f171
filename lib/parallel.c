/* parallel.c: check, resolve, choose a backend, attach the watchers, run the job, report. */
#include "parallel.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "backend.h"
#include "blas.h"
#include "calls.h"
#include "digest.h"
#include "exchange.h"
#include "job.h"
#include "memory.h"
#include "port.h"
#include "progress.h"
#include "pulled.h"
#include "signals.h"
#include "threads.h"
#include "wire.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

const char *parcel_version(void)
{
    return TEXT_OF(PARCEL_VERSION_MAJOR) "." TEXT_OF(PARCEL_VERSION_MINOR) "." TEXT_OF(
        PARCEL_VERSION_PATCH);
}

/* True when calls flow in blocks: they are generated, or their results go elsewhere than into a
 * list. */
static bool is_streamed(const struct parcel__plan *plan, const parcel_calls *calls)
{
    return plan->on_result || plan->return_as != PARCEL_LIST || parcel__calls_are_generated(calls);
}

/* ---- the team ---- */

/* A team for ranks has room for so many workers. */
enum { ENOUGH_WORKERS = 64 };

/* The number of workers, or what open returned when there are none. */
static int open_backend(struct parcel__team *team, const parcel_backend *backend, int n_workers,
                        char *why, size_t why_size)
{
    *team = (struct parcel__team){.backend = backend, .n_workers = n_workers};
    if (!backend->open)
        return n_workers;
    int active = backend->open(backend, n_workers, &team->state, why, why_size);
    if (active < n_workers)
        team->n_workers = active;
    return active;
}

/* False when memory ran out. */
static bool open_states(struct parcel__team *team, const struct parcel__plan *plan)
{
    if (!plan->callbacks.start && !plan->callbacks.end)
        return true;
    team->states = parcel__states_new(&plan->callbacks);
    return team->states != NULL;
}

/* The backend that runs the plan's calls in this process, and *ranks when others run some. A run
 * inside of a call is this rank's own. NULL: error says why there is none. */
static const parcel_backend *find_local(const struct parcel__plan *plan,
                                        struct parcel__ranks **ranks, struct parcel__text *error)
{
    const char *why;
    *ranks = NULL;
    if (!parcel__backend_spans_ranks(plan->backend))
        return plan->backend;
    if (!parcel__current_get() && !(*ranks = parcel__ranks_used(&why))) {
        parcel__text_format(error, "backend '%s' is not available: %s", plan->backend->name, why);
        return NULL;
    }
    return plan->isolate ? &parcel__backend_processes : parcel__backend_threads();
}

bool parcel__parallel_open(struct parcel__team *team, struct parcel__plan *plan,
                           struct parcel__text *error)
{
    char why[512];
    struct parcel__ranks *ranks;
    const parcel_backend *local = find_local(plan, &ranks, error);
    if (!local)
        return false;
    why[0] = '\0';
    /* Rank 0 says how many workers a run has on each rank. */
    int n_workers = ranks && plan->n_jobs < ENOUGH_WORKERS ? ENOUGH_WORKERS : plan->n_jobs;
    int active = open_backend(team, local, n_workers, why, sizeof why);
    team->ranks = ranks;
    if (active < 0 && plan->fallback) {
        parcel__text_format(&plan->warnings, "%s; backend %s runs instead\n", why,
                            plan->fallback->name);
        active = open_backend(team, plan->fallback, plan->n_jobs, why, sizeof why);
    }
    if (active > 0 && open_states(team, plan))
        return true;
    if (active > 0)
        parcel__text_put(error, "out of memory");
    else if (active < 0)
        parcel__text_format(error, "backend '%s' is not available: %s", team->backend->name,
                            *why ? why : "it does not say why");
    else
        parcel__text_format(error, "%s has no active worker", team->backend->name);
    if (active >= 0)
        parcel__parallel_close(team);
    return false;
}

void parcel__parallel_close(const struct parcel__team *team)
{
    parcel__states_free(team->states);
    if (team->backend->close)
        team->backend->close(team->state);
}

/* ---- reporting ---- */

/* "1 of 10 calls failed; first: call 3, root(-1): root of a negative number: -1" */
static void put_failures(struct parcel__text *text, const parcel_results *results,
                         const parcel_calls *calls)
{
    size_t first = parcel__results_first_failure(results);
    parcel__text_format(text, "%zu of %zu call%s failed; first: ", results->failures,
                        results->count, results->count == 1 ? "" : "s");
    parcel__calls_put_call(text, calls, first, first);
    parcel__text_format(text, ": %s", parcel_results_message(results, first));
}

/* What calls that did not run say, when the run was stopped. */
static void note_why_not_run(parcel_results *results, const struct parcel__control *control)
{
    struct parcel__text why = {0};
    parcel__text_put(&why, "not started: ");
    if (parcel__control_put_reason(&why, control)) {
        const char *kept = why.failed ? NULL : parcel__arena_copy(results->arenas, why.bytes);
        results->why_not_run = kept ? kept : "not started: the run was stopped";
    }
    parcel__text_free(&why);
}

/* Says why calls did not run, when the run was stopped; "cancelled by SIGINT: 12 of 100 calls had
 * run", when that is an error. */
static void put_stop(struct parcel__text *text, parcel_results *results,
                     const struct parcel__control *control)
{
    if (results->n_ran == results->count)
        return;
    note_why_not_run(results, control);
    if (!parcel__control_is_error(control))
        return;
    parcel__control_put_stop(text, control, results->n_ran, results->count);
}

/* A number that holds the workers down does what it was told, but the user should know. */
static void note_bound(struct parcel__text *text, const char *name, size_t most, int n_workers)
{
    if (most < (size_t)n_workers)
        parcel__text_format(text, "%s lets %zu call%s run at once: fewer than the %d workers\n",
                            name, most, most == 1 ? "" : "s", n_workers);
}

static void note_bounds(struct parcel__text *text, const struct parcel__plan *plan,
                        const parcel_calls *calls, int n_workers)
{
    note_bound(text, "window", plan->window, n_workers);
    if (parcel__calls_are_generated(calls))
        note_bound(text, "pre_dispatch", plan->pre_dispatch, n_workers);
}

/* Limits that mean nothing where workers are threads should not seem to hold. */
static void note_vain_limits(struct parcel__text *text, const struct parcel__plan *plan,
                             const parcel_backend *backend)
{
    const struct parcel__worker_limits *limits = &plan->worker_limits;
    if (plan->isolate && !(backend->capabilities & (PARCEL_SURVIVES_CRASH | PARCEL_MANY_HOSTS)))
        parcel__text_format(text, "isolate is for ranks: backend %s has none\n", backend->name);
    if (backend->capabilities & PARCEL_SURVIVES_CRASH)
        return;
    if (limits->max_calls > 0)
        parcel__text_format(text, "max_calls_per_worker is for processes: backend %s has none\n",
                            backend->name);
    if (limits->max_memory > 0)
        parcel__text_format(text, "max_worker_memory is for processes: backend %s has none\n",
                            backend->name);
}

/* What the user of this run should know: the plan's warnings, and too few threads or cpus for the
 * workers that were wanted. */
static void note_warnings(parcel_results *results, const struct parcel__plan *plan,
                          const parcel_backend *backend, const parcel_calls *calls, int wanted)
{
    struct parcel__text text = {0};
    int cpus = parcel_cpu_count();
    if (plan->warnings.length > 0)
        parcel__text_put(&text, plan->warnings.bytes);
    if (results->n_workers < wanted)
        parcel__text_format(&text,
                            "the run has %d worker%s instead of %d: no more threads could be "
                            "started safely\n",
                            results->n_workers, results->n_workers == 1 ? "" : "s", wanted);
    if (!parcel__current_get() && results->n_workers > cpus)
        parcel__text_format(&text, "%d workers share %d cpu%s\n", results->n_workers, cpus,
                            cpus > 1 ? "s" : "");
    if (is_streamed(plan, calls))
        note_bounds(&text, plan, calls, results->n_workers);
    note_vain_limits(&text, plan, backend);
    if (text.length > 0)
        results->warnings = parcel__text_take(&text);
}

static void report(parcel_results *results, const parcel_calls *calls,
                   const struct parcel__control *control)
{
    const char *refused = parcel_calls_error(calls);
    struct parcel__text text = {0};
    put_stop(&text, results, control);
    if (results->failures > 0) {
        parcel__text_put(&text, text.length > 0 ? "; " : "");
        put_failures(&text, results, calls);
    }
    if (text.length > 0 || text.failed)
        parcel__results_set_error(results, parcel__text_take(&text));
    if (refused)
        parcel__results_set_error(results, parcel__memory_copy_string(refused));
}

/* Results that report the error, which is taken. */
static parcel_results *refuse(struct parcel__text *error, const parcel_calls *calls)
{
    parcel_results *results = parcel__results_of_error(
        error->failed || !error->bytes ? "out of memory" : error->bytes, parcel_calls_count(calls));
    parcel__text_free(error);
    return results;
}

/* The same for a text that is taken; NULL: out of memory. */
static parcel_results *refuse_owned(char *error, size_t count)
{
    parcel_results *results = parcel__results_of_error(error ? error : "out of memory", count);
    parcel__memory_free(error);
    return results;
}

/* ---- running ---- */

/* One job asked for is the plain loop in the calling thread, in order, whatever backend would run
 * it; but for one that does more than to be fast. */
static bool is_plain_loop(const struct parcel__plan *plan, const struct parcel__team *team)
{
    return plan->n_jobs == 1 && !team->ranks &&
           !(team->backend->capabilities & (PARCEL_SURVIVES_CRASH | PARCEL_MANY_HOSTS));
}

/* Runs the job on the team, with the BLAS libraries held to the calls' share. Workers elsewhere see
 * to their own. */
static void run_job(struct parcel_job *job, const struct parcel__plan *plan,
                    const struct parcel__team *team)
{
    const struct parcel__nest *nest = &job->options.nest;
    bool limits_blas = !nest->sees_outside && (team->backend->capabilities & PARCEL_SHARES_MEMORY);
    if (is_plain_loop(plan, team)) {
        parcel_job_work(job, 0);
        return;
    }
    if (limits_blas)
        parcel__blas_limit(nest->threads);
    team->backend->run(team->state, job, job->options.n_workers);
    if (limits_blas)
        parcel__blas_restore();
}

/* A run of a plan on a team. */
struct run {
    const struct parcel__plan *plan;
    const struct parcel__team *team;
    const parcel_calls *calls;
    parcel_results *results;
    int n_jobs;                        /* workers that it might have in this process, */
    int n_workers;                     /* that it has here, */
    int first_worker;                  /* and the number of the first of them */
    bool catches_signals;              /* since this rank came to the run, */
    unsigned signals_before;           /* when there had been so many */
    double start;                      /* when other ranks were told to begin; 0: there are none */
    struct parcel__terms *terms;       /* of a run on several ranks, or NULL */
    struct parcel__exchange *exchange; /* the same */
    struct parcel__progress progress;
    struct parcel__control control;
    struct parcel__state_set *states; /* of the workers; NULL: they have none */
    parcel__streaming *streaming;     /* of a team that is kept, or NULL */
};

/* A run whose stream is pulled: it outlives the call that started it, and what that had. */
struct pulled_run {
    struct run run;
    struct parcel__plan plan;
    struct parcel__team team;
};

static void open_progress(struct run *run)
{
    const struct parcel__plan *plan = run->plan;
    run->progress = (struct parcel__progress){
        .n_jobs = plan->n_jobs_asked,
        .verbose = plan->verbose,
        .total = parcel_calls_count(run->calls),
        .calls = parcel__calls_are_generated(run->calls) ? NULL : run->calls,
        .sink = plan->sink,
        .sink_state = plan->sink_state};
    if (plan->verbose > 0)
        parcel__progress_open(&run->progress, run->results->backend, run->results->n_workers,
                              run->results->warnings);
}

static void close_progress(struct run *run)
{
    if (run->plan->verbose > 0)
        parcel__progress_close(&run->progress);
}

/* Opens what stops the run, inside of the call around it or of none. False: out of memory. */
static bool open_control(struct run *run, const parcel_current_call *around)
{
    bool opened = parcel__control_open(&run->control, &run->plan->limits,
                                       parcel_calls_count(run->calls), around);
    if (run->catches_signals)
        run->control.signals_before = run->signals_before;
    run->states = run->team->states
                      ? parcel__states_take(run->team->states, run->first_worker, run->n_workers)
                      : NULL;
    return opened && (!run->team->states || run->states);
}

static void close_control(struct run *run)
{
    if (run->states)
        parcel__states_give_back(run->team->states, run->states);
    parcel__control_close(&run->control);
}

static struct parcel__job_options job_options(struct run *run)
{
    const struct parcel__plan *plan = run->plan;
    struct parcel__job_options options = {
        .calls = run->calls,
        .results = run->results,
        .batch_size = plan->batch_size,
        .collect = plan->collect,
        .is_timed = plan->is_timed,
        .schedule = plan->schedule,
        .n_workers = run->n_workers,
        .start = run->start,
        .nest = parcel__config_nest(parcel__current_get(), run->n_jobs, run->n_workers),
        .control = &run->control,
        .states = run->states,
        .worker_limits = &plan->worker_limits,
    };
    if (plan->verbose > 0) {
        options.watcher.completed = parcel__progress_completed;
        options.watcher.overran = parcel__progress_overran;
        options.watcher.state = &run->progress;
    }
    return options;
}

/* Runs the calls into results. False: out of memory. */
static bool run_into(struct run *run)
{
    struct parcel_job job;
    bool opened = open_control(run, parcel__current_get());
    struct parcel__job_options options = job_options(run);
    open_progress(run);
    opened = opened &&
             (run->plan->limits.retry.most == 0 || parcel__results_keep_attempts(run->results)) &&
             parcel__job_open(&job, &options);
    if (opened && run->results->count > 0)
        run_job(&job, run->plan, run->team);
    if (opened)
        parcel__job_close(&job);
    if (opened)
        report(run->results, run->calls, &run->control);
    close_control(run);
    close_progress(run);
    return opened;
}

static void run_team(void *context, struct parcel_job *job)
{
    const struct run *run = context;
    if (run->exchange)
        parcel__exchange_begin(run->exchange, job->options.work_state);
    run_job(job, run->plan, run->team);
    if (run->exchange)
        parcel__exchange_end(run->exchange);
}

static struct parcel__stream_options stream_options(struct run *run)
{
    const struct parcel__plan *plan = run->plan;
    struct parcel__stream_options options = {
        .calls = run->calls,
        .job = job_options(run),
        .window = plan->window,
        .pre_dispatch = parcel__calls_are_generated(run->calls) ? plan->pre_dispatch : SIZE_MAX,
        .in_order = plan->return_as != PARCEL_GENERATOR_UNORDERED &&
                    (plan->on_result || plan->return_as == PARCEL_GENERATOR),
        .is_pulled = !plan->on_result && plan->return_as != PARCEL_LIST,
        .on_result = plan->on_result,
        .on_result_state = plan->on_result_state,
    };
    if (run->exchange)
        parcel__exchange_prepare(run->exchange, &options);
    return options;
}

/* Runs the calls as a stream, and waits. False: out of memory. */
static bool run_stream(struct run *run)
{
    struct parcel__stream stream;
    bool opened = open_control(run, parcel__current_get());
    const struct parcel__stream_options options = stream_options(run);
    run->results->keeps_attempts = run->plan->limits.retry.most > 0;
    opened = opened && parcel__stream_open(&stream, &options);
    if (opened) {
        open_progress(run);
        parcel__stream_run(&stream, run_team, run);
        close_progress(run);
        parcel__stream_settle(&stream, run->results);
        note_why_not_run(run->results, &run->control);
        parcel__stream_close(&stream);
    }
    close_control(run);
    return opened;
}

static const char already_streaming[] =
    "this executor is already running a stream: take its results to the end, or close it, first";

/* NULL when the calls can be run now, else why not. */
static const char *check(const struct parcel__plan *plan, const parcel_calls *calls)
{
    const char *fault = parcel__calls_check(calls);
    if (parcel__calls_are_generated(calls) && plan->limits.halt.is_percent)
        return "halt asks for a percentage of the calls, but nobody knows how many a generator "
               "gives: a number is allowed";
    if (!fault && parcel__calls_are_generated(calls) && !parcel__calls_start(calls))
        return "the generator was run before: it is exhausted, and each run needs a new one";
    return fault;
}

/* New results for a run, which may have n_jobs workers. NULL: out of memory. */
static parcel_results *new_results(const struct parcel__plan *plan, const struct parcel__team *team,
                                   const parcel_calls *calls, int n_jobs)
{
    size_t count = parcel_calls_count(calls);
    bool is_bounded = !parcel__calls_are_generated(calls) && count < (size_t)n_jobs;
    int wanted = is_bounded ? (int)count : n_jobs;
    wanted = wanted > 0 ? wanted : 1;
    int n_workers = parcel__threads_startable(wanted);
    parcel_results *results = is_streamed(plan, calls) ? parcel__results_new_empty(n_workers)
                                                       : parcel__results_new(calls, n_workers);
    if (!results)
        return NULL;
    results->backend = plan->backend->name;
    note_warnings(results, plan, team->backend, calls, wanted);
    return results;
}

/* ---- pulled streams ---- */

/* Ends this rank's part in a run. */
static void leave_ranks(struct run *run)
{
    struct parcel__ranks *ranks = run->team->ranks;
    if (run->exchange)
        parcel__exchange_close(run->exchange);
    parcel__memory_free(run->terms);
    atomic_store_explicit(&ranks->is_busy, false, memory_order_release);
}

/* Tells the others what became of a run that rank 0 has led, and ends it. */
static void conclude(struct run *run)
{
    if (!parcel__exchange_tell_end(run->exchange, run->results))
        parcel__results_set_error(run->results, NULL);
    leave_ranks(run);
}

/* The stream is over: what it held is free for others. */
static void end_pulled(void *context)
{
    struct pulled_run *pulled = context;
    close_progress(&pulled->run);
    close_control(&pulled->run);
    parcel__calls_end_run(pulled->run.calls);
    if (pulled->run.exchange)
        conclude(&pulled->run);
    if (pulled->run.streaming)
        atomic_store_explicit(pulled->run.streaming, NULL, memory_order_release);
    else
        parcel__parallel_close(&pulled->team);
    parcel__memory_free(pulled);
}

/* A run of its own, with nothing borrowed but the calls. */
static struct pulled_run *new_pulled(const struct run *run)
{
    struct pulled_run *pulled = parcel__memory_new(sizeof *pulled);
    if (!pulled)
        return NULL;
    *pulled = (struct pulled_run){*run, *run->plan, *run->team};
    pulled->plan.warnings = (struct parcel__text){0};
    pulled->run.plan = &pulled->plan;
    pulled->run.team = &pulled->team;
    return pulled;
}

/* Starts the stream; NULL, or why not. A call that the stream was started in may end before it:
 * so its calls see nothing of that but its part of the workers. */
static const char *start_pulled(const struct run *run)
{
    struct pulled_run *pulled = new_pulled(run);
    if (!pulled)
        return "out of memory";
    bool opened = open_control(&pulled->run, NULL);
    struct parcel__stream_options options = stream_options(&pulled->run);
    const struct parcel__pulled_owner owner = {run_team, end_pulled, pulled};
    options.job.nest.sees_outside = options.job.nest.sees_outside && !parcel__current_get();
    open_progress(&pulled->run);
    const char *fault =
        opened ? parcel__pulled_start(run->results, &options, &owner) : "out of memory";
    if (!fault)
        return NULL;
    close_progress(&pulled->run);
    close_control(&pulled->run);
    parcel__memory_free(pulled);
    return fault;
}

/* ---- a run ---- */

/* Starts a stream on a team that no other has. */
static const char *claim_and_start(const struct run *run)
{
    parcel_results *none = NULL;
    if (run->streaming &&
        !atomic_compare_exchange_strong_explicit(run->streaming, &none, run->results,
                                                 memory_order_acquire, memory_order_relaxed))
        return already_streaming;
    const char *fault = start_pulled(run);
    if (fault && run->streaming)
        atomic_store_explicit(run->streaming, NULL, memory_order_release);
    return fault;
}

/* Runs the calls into the run's results, or starts to. NULL, or why not. */
static const char *execute(struct run *run)
{
    bool is_pulled = !run->plan->on_result && run->plan->return_as != PARCEL_LIST;
    bool is_stream = run->exchange || is_streamed(run->plan, run->calls);
    parcel__calls_begin_run(run->calls);
    const char *fault = is_pulled                                       ? claim_and_start(run)
                        : (is_stream ? run_stream(run) : run_into(run)) ? NULL
                                                                        : "out of memory";
    if (!is_pulled || fault)
        parcel__calls_end_run(run->calls);
    return fault;
}

/* False: the calls cannot go to the team's workers, which do not share our memory; *why is as
 * parcel__wire_check leaves it. Generated calls are looked at one by one as they come. */
static bool check_pointers(const struct run *run, char **why)
{
    unsigned capabilities = run->team->backend->capabilities;
    const struct parcel__wire_target target = {UINT_MAX, !(capabilities & PARCEL_MANY_HOSTS),
                                               run->plan->worker_limits.read_only, false, false};
    if (capabilities & PARCEL_SHARES_MEMORY || is_plain_loop(run->plan, run->team) ||
        parcel__calls_are_generated(run->calls))
        return true;
    return parcel__wire_check(run->calls, 0, parcel_calls_count(run->calls), &target, why);
}

static parcel_results *run_on_team(struct run *run)
{
    const struct parcel__team *team = run->team;
    size_t count = parcel_calls_count(run->calls);
    bool is_streaming =
        run->streaming && atomic_load_explicit(run->streaming, memory_order_acquire);
    const char *fault = is_streaming ? already_streaming : check(run->plan, run->calls);
    if (fault)
        return parcel__results_of_error(fault, count);
    char *why = NULL;
    if (!check_pointers(run, &why))
        return refuse_owned(why, count);
    run->n_jobs = parcel__config_limit(parcel__current_get(), team->n_workers);
    run->results = new_results(run->plan, team, run->calls, run->n_jobs);
    run->n_workers = run->results ? run->results->n_workers : 0;
    fault = run->results ? execute(run) : "out of memory";
    if (!fault)
        return run->results;
    parcel_results_free(run->results);
    return parcel__results_of_error(fault, count);
}

/* ---- a run on several ranks ---- */

static const char ranks_are_busy[] =
    "another run of this process is using the ranks: such runs are made one after the other";

/* What a rank says of its calls; fault: why it cannot run them, or NULL. */
static void introduce(const struct run *run, const char *fault, struct parcel__hello *hello)
{
    const parcel_calls *calls = run->calls;
    char *why = NULL;
    parcel__ranks_introduce(run->team->ranks, hello);
    if (hello->n_most > run->team->n_workers)
        hello->n_most = run->team->n_workers;
    if (!fault && !check_pointers(run, &why))
        fault = why ? why : "out of memory";
    if (fault)
        snprintf(hello->fault, sizeof hello->fault, "%s", fault);
    parcel__memory_free(why);
    if (fault)
        return;
    hello->role = parcel__calls_are_generated(calls) ? PARCEL__GENERATES : PARCEL__LISTS;
    hello->count = parcel_calls_count(calls);
    hello->digest = parcel__digest_calls(calls, 0, hello->count);
}

/* What a run on ranks cannot do. */
static const char *check_for_ranks(const struct parcel__plan *plan, const parcel_calls *calls)
{
    if (plan->all_ranks && parcel__calls_are_generated(calls))
        return "mpi_results = PARCEL_ALL_RANKS needs a list of calls: these are generated";
    if (plan->all_ranks && is_streamed(plan, calls))
        return "mpi_results = PARCEL_ALL_RANKS needs results that are kept: on_result and streams "
               "have them on rank 0";
    return NULL;
}

/* Writes rank 0's options into the terms. */
static void set_terms(struct parcel__terms *terms, const struct run *run)
{
    const struct parcel__plan *plan = run->plan;
    terms->sends_calls |= parcel__calls_are_generated(run->calls);
    terms->isolates = plan->isolate;
    terms->all_ranks = plan->all_ranks;
    terms->collect = plan->collect;
    terms->is_timed = plan->is_timed;
    terms->schedule = plan->schedule;
    terms->batch_size = plan->batch_size;
    terms->count = parcel_calls_count(run->calls);
    terms->limits = plan->limits;
    terms->worker_limits = plan->worker_limits;
}

/* False: the calls of a list are to be sent, and one cannot; *why as parcel__wire_check has it. */
static bool check_sent(const struct run *run, char **why)
{
    const struct parcel__wire_target target = {.is_rank = true};
    return !run->terms->sends_calls || parcel__calls_are_generated(run->calls) ||
           parcel__wire_check(run->calls, 0, parcel_calls_count(run->calls), &target, why);
}

/* The part of this rank: how many workers, and which. */
static void find_part(struct run *run)
{
    int rank = run->team->ranks->transport->rank;
    run->n_jobs = run->n_workers = run->terms->parts[rank].n_workers;
    run->first_worker = parcel__terms_first_worker(run->terms, rank);
}

static size_t scaled(size_t number, int n_all, int n_here)
{
    size_t product;
    if (__builtin_mul_overflow(number, (size_t)n_all, &product))
        return SIZE_MAX;
    return product / (size_t)n_here;
}

/* Bounds that follow the number of workers do so for those of all ranks. */
static void scale_bounds(struct parcel__plan *plan, int n_here, int n_all)
{
    bool is_list = !plan->on_result && plan->return_as == PARCEL_LIST;
    if (plan->sources[PARCEL__WINDOW] == PARCEL__FROM_DEFAULT || is_list)
        plan->window = is_list ? SIZE_MAX : scaled(plan->window, n_all, n_here);
    if (plan->sources[PARCEL__PRE_DISPATCH] == PARCEL__FROM_DEFAULT &&
        plan->pre_dispatch < SIZE_MAX)
        plan->pre_dispatch = scaled(plan->pre_dispatch, n_all, n_here);
}

static void note_rank_warnings(parcel_results *results, const struct run *run)
{
    struct parcel__text text = {0};
    if (run->plan->warnings.length > 0)
        parcel__text_put(&text, run->plan->warnings.bytes);
    parcel__ranks_put_warnings(run->team->ranks, run->terms, &text);
    if (text.length > 0)
        results->warnings = parcel__text_take(&text);
}

/* New results of all ranks' workers. NULL: out of memory. */
static parcel_results *new_rank_results(const struct run *run)
{
    int n_workers = parcel__terms_first_worker(run->terms, run->terms->n_ranks);
    parcel_results *results = parcel__results_new_empty(n_workers);
    if (!results)
        return NULL;
    results->backend = "mpi";
    if (!parcel__terms_set_hosts(run->terms, results)) {
        parcel_results_free(results);
        return NULL;
    }
    note_rank_warnings(results, run);
    return results;
}

/* Brings all ranks to the run. False: it is refused, and error says why. */
static bool agree(struct run *run, struct parcel__text *error)
{
    struct parcel__ranks *ranks = run->team->ranks;
    struct parcel__hello own;
    char *why = NULL;
    const char *fault = check_for_ranks(run->plan, run->calls);
    introduce(run, fault ? fault : check(run->plan, run->calls), &own);
    if (!parcel__ranks_gather(ranks, &own, run->calls, run->plan->mpi_timeout, error))
        return false;
    bool is_unset = run->plan->is_n_jobs_unset;
    run->terms = parcel__ranks_terms(ranks, is_unset ? 0 : run->plan->n_jobs_asked);
    if (!run->terms)
        return false;
    set_terms(run->terms, run);
    if (check_sent(run, &why))
        return true;
    parcel__text_put(error, why ? why : "out of memory");
    parcel__memory_free(why);
    parcel__ranks_refuse(ranks, error->failed ? "out of memory" : error->bytes);
    return false;
}

/* Makes what a run of all ranks needs here, and begins it. NULL, or why it is refused. */
static const char *begin(struct run *run, struct parcel__plan *plan)
{
    int n_planned = plan->n_jobs > 0 ? plan->n_jobs : 1;
    find_part(run);
    scale_bounds(plan, n_planned, parcel__terms_first_worker(run->terms, run->terms->n_ranks));
    run->plan = plan;
    run->results = new_rank_results(run);
    run->exchange = parcel__exchange_open(run->team->ranks, run->terms);
    if (run->results) {
        run->start = parcel__port_now(); /* no rank begins sooner */
        parcel__ranks_announce(run->team->ranks, run->terms);
        return NULL;
    }
    parcel__ranks_refuse(run->team->ranks, "rank 0 is out of memory");
    return "out of memory";
}

/* Leads a run: rank 0. */
static parcel_results *lead(struct run *run)
{
    struct parcel__plan plan = *run->plan;
    struct parcel__text error = {0};
    size_t count = parcel_calls_count(run->calls);
    if (!agree(run, &error)) {
        leave_ranks(run);
        return refuse(&error, run->calls);
    }
    const char *fault = begin(run, &plan);
    if (fault) {
        leave_ranks(run);
        return parcel__results_of_error(fault, count);
    }
    fault = execute(run);
    if (!fault && run->results->pulled)
        return run->results;
    if (fault) {
        parcel_results_free(run->results);
        run->results = parcel__results_of_error(fault, count);
    }
    conclude(run);
    return run->results;
}

/* ---- the part of the other ranks ---- */

/* Nothing: the calls of a rank that is sent them come from elsewhere. */
static parcel_next_status no_call(void *state, parcel_call *call)
{
    (void)state;
    (void)call;
    return PARCEL_NEXT_END;
}

/* This rank's options, and rank 0's in place of all that are not this rank's own. */
static void adopt(struct parcel__plan *plan, const struct run *run)
{
    const struct parcel__terms *terms = run->terms;
    const parcel_token *cancel = plan->limits.cancel;
    struct parcel__retry retry = plan->limits.retry;
    plan->verbose = 0;
    plan->n_jobs = run->n_workers;
    plan->isolate = terms->isolates;
    plan->batch_size = terms->batch_size;
    plan->collect = terms->collect;
    plan->is_timed = terms->is_timed;
    plan->schedule = terms->schedule;
    plan->worker_limits = terms->worker_limits;
    plan->limits = terms->limits;
    plan->limits.halt.counts = PARCEL__HALT_UNSET; /* rank 0 counts */
    plan->limits.cancel = cancel;
    plan->limits.retry.wanted = retry.wanted;
    plan->limits.retry.state = retry.state;
    plan->on_result = NULL;
    plan->return_as = PARCEL_LIST;
    plan->window = plan->pre_dispatch = SIZE_MAX;
}

/* Runs what this rank is given. False: out of memory. */
static bool run_part(struct run *run)
{
    struct parcel__stream stream;
    bool opened = open_control(run, NULL);
    const struct parcel__stream_options options = stream_options(run);
    run->results->keeps_attempts = run->plan->limits.retry.most > 0;
    opened = opened && parcel__stream_open(&stream, &options);
    if (opened)
        parcel__stream_run(&stream, run_team, run);
    else
        parcel__exchange_give_up(run->exchange);
    opened = parcel__exchange_await_end(run->exchange, run->results) && opened;
    if (opened)
        parcel__stream_close(&stream);
    close_control(run);
    return opened;
}

/* The results that this rank has of a run: with all values, or with what became of them only. */
static parcel_results *new_part_results(const struct run *run)
{
    int n_workers = parcel__terms_first_worker(run->terms, run->terms->n_ranks);
    parcel_results *results =
        run->terms->all_ranks && run->calls && !parcel__calls_are_generated(run->calls)
            ? parcel__results_new(run->calls, n_workers)
            : parcel__results_new_empty(n_workers);
    if (results) {
        results->backend = "mpi";
        results->are_elsewhere = !results->marks;
        if (results->marks && run->terms->limits.retry.most > 0)
            (void)parcel__results_keep_attempts(results); /* without them each was tried once */
    }
    if (results && run->terms->all_ranks)
        (void)parcel__terms_set_hosts(run->terms, results); /* without them all is told of here */
    return results;
}

/* The team for the part of a run that is rank 0's to describe: the one there is, or one opened in
 * own for it. NULL: it cannot be had. */
static const struct parcel__team *find_team(const struct run *run, struct parcel__plan *plan,
                                            struct parcel__team *own)
{
    struct parcel__text error = {0};
    if (run->plan->isolate == plan->isolate)
        return run->team;
    bool opened = parcel__parallel_open(own, plan, &error);
    parcel__text_free(&error);
    return opened ? own : NULL;
}

/* Runs the part of this rank on the terms. */
static parcel_results *run_on_terms(struct run *run)
{
    struct parcel__plan plan = *run->plan;
    struct parcel__team own;
    const struct parcel__team *team = run->team;
    parcel_calls *sent = run->terms->sends_calls ? parcel_calls_generate(no_call, NULL) : NULL;
    parcel_results *results = new_part_results(run);
    find_part(run);
    adopt(&plan, run);
    run->team = find_team(run, &plan, &own);
    run->plan = &plan;
    run->exchange = parcel__exchange_open(team->ranks, run->terms);
    run->calls = sent ? sent : run->calls;
    run->results = results;
    if (results && run->team && (sent || !run->terms->sends_calls)) {
        if (!run_part(run) && !results->error)
            parcel__results_set_error(results, NULL);
    } else {
        parcel__exchange_give_up(run->exchange);
        (void)parcel__exchange_await_end(run->exchange, results);
    }
    if (run->team == &own)
        parcel__parallel_close(&own);
    run->team = team;
    parcel_calls_free(sent);
    return results ? results : parcel__results_of_error("out of memory", 0);
}

/* Has a part in a run that rank 0 leads. NULL: there is none, as error says. */
static parcel_results *take_part(struct run *run, const struct parcel__hello *own, double timeout,
                                 struct parcel__text *error)
{
    parcel_results *results = NULL;
    run->terms = parcel__ranks_join(run->team->ranks, own, run->calls, timeout, error);
    if (run->terms)
        results = run_on_terms(run);
    leave_ranks(run);
    return results;
}

/* The same for calls that this rank has, too. */
static parcel_results *follow(struct run *run)
{
    struct parcel__text error = {0};
    struct parcel__hello own;
    const char *fault = check_for_ranks(run->plan, run->calls);
    introduce(run, fault ? fault : check(run->plan, run->calls), &own);
    parcel__calls_begin_run(run->calls);
    const parcel_calls *calls = run->calls;
    parcel_results *results = take_part(run, &own, run->plan->mpi_timeout, &error);
    parcel__calls_end_run(calls);
    return results ? results : refuse(&error, calls);
}

static parcel_results *run_on_ranks(struct run *run)
{
    struct parcel__ranks *ranks = run->team->ranks;
    bool is_streaming =
        run->streaming && atomic_load_explicit(run->streaming, memory_order_acquire);
    if (is_streaming || atomic_exchange_explicit(&ranks->is_busy, true, memory_order_acquire))
        return parcel__results_of_error(is_streaming ? already_streaming : ranks_are_busy,
                                        parcel_calls_count(run->calls));
    /* One that comes before the calls, as when a job is ended, stops the run as any other. */
    run->catches_signals = run->plan->limits.handles_signals;
    if (run->catches_signals)
        run->signals_before = parcel__signals_open();
    parcel_results *results = ranks->transport->rank == 0 ? lead(run) : follow(run);
    if (run->catches_signals)
        parcel__signals_close();
    return results;
}

/* Serves one run of rank 0. False: there are no more; error says why, unless rank 0 is done. */
static bool serve_once(struct parcel__ranks *ranks, struct parcel__plan *plan,
                       struct parcel__team *team, struct parcel__text *error)
{
    struct run run = {.plan = plan, .team = team};
    struct parcel__hello own;
    parcel__ranks_introduce(ranks, &own);
    own.role = PARCEL__SERVES;
    atomic_store_explicit(&ranks->is_busy, true, memory_order_release);
    parcel_results *results = take_part(&run, &own, INFINITY, error);
    parcel_results_free(results);
    /* What refuses a run is said on rank 0. */
    bool goes_on = !ranks->is_done;
    if (goes_on)
        parcel__text_free(error);
    return goes_on;
}

const char *parcel__parallel_serve(struct parcel__ranks *ranks)
{
    static const parcel_options options = {.backend = "mpi"};
    struct parcel__plan plan;
    struct parcel__team team;
    struct parcel__text error = {0};
    if (parcel__config_resolve(&plan, &options, &error) &&
        parcel__parallel_open(&team, &plan, &error)) {
        while (serve_once(ranks, &plan, &team, &error))
            ;
        parcel__parallel_close(&team);
    }
    parcel__config_free(&plan);
    bool has_fault = error.length > 0 || error.failed;
    snprintf(ranks->why, sizeof ranks->why, "%s",
             error.failed  ? "out of memory"
             : error.bytes ? error.bytes
                           : "");
    parcel__text_free(&error);
    return has_fault ? ranks->why : NULL;
}

parcel_results *parcel__parallel_run(const struct parcel__plan *plan,
                                     const struct parcel__team *team, const parcel_calls *calls,
                                     parcel__streaming *streaming)
{
    struct run run = {.plan = plan, .team = team, .calls = calls, .streaming = streaming};
    parcel_results *results = team->ranks ? run_on_ranks(&run) : run_on_team(&run);
    if (!streaming && !results->pulled)
        parcel__parallel_close(team);
    return results;
}

parcel_results *parcel_run(const parcel_options *options, const parcel_calls *calls)
{
    struct parcel__plan plan;
    struct parcel__team team;
    struct parcel__text error = {0};
    parcel_results *results;
    if (parcel__config_resolve(&plan, options, &error) &&
        parcel__parallel_open(&team, &plan, &error))
        results = parcel__parallel_run(&plan, &team, calls, NULL);
    else
        results = refuse(&error, calls);
    parcel__config_free(&plan);
    return results;
}

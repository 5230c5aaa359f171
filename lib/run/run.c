/* run.c: a run of a plan on a team: attach the watchers, run the job or the stream, report. */
#include "run/run.h"

#include <limits.h>

#include "calls/calls.h"
#include "ground/blas.h"
#include "ground/clock.h"
#include "ground/memory.h"
#include "ground/openmp.h"
#include "ground/threads.h"
#include "job/job.h"
#include "job/report.h"
#include "options/backends.h"
#include "options/n_jobs.h"
#include "run/warnings.h"
#include "stream/pull.h"
#include "wire/wire.h"

/* ---- runs that are not to be ---- */

parcel_results *parcel__run_cancel(const struct parcel__control *control,
                                   struct parcel__text *error, const parcel_calls *calls)
{
    bool is_list = !parcel__calls_check(calls) && !parcel__calls_are_generated(calls);
    parcel_results *results = is_list ? parcel__results_new(calls, 1) : NULL;
    if (!results)
        return parcel__run_refuse(error, calls);
    parcel__report_why_not_run(results, control);
    if (results->count > 0)
        parcel__results_set_error(results, parcel__text_take(error));
    else
        parcel__text_free(error); /* all has run */
    return results;
}

parcel_results *parcel__run_refuse(struct parcel__text *error, const parcel_calls *calls)
{
    parcel_results *results =
        parcel__results_of_error(parcel__text_why(error), parcel_calls_count(calls));
    parcel__text_free(error);
    return results;
}

/* ---- running ---- */

/* True when results are taken one by one, while the calls run in a thread of their own. */
static bool is_pulled(const struct parcel__plan *plan)
{
    return !plan->on_result && plan->return_as != PARCEL_LIST;
}

/* One job asked for is the plain loop in the calling thread, in order, whatever backend would run
 * it; but for one that does more than to be fast. */
static bool is_plain_loop(const struct parcel__plan *plan, const struct parcel__team *team)
{
    return plan->n_jobs == 1 && !team->runs_parts &&
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
        parcel__job_work(job, 0);
        return;
    }
    if (limits_blas)
        parcel__blas_limit(nest->threads);
    team->backend->run(team->state, job, job->options.n_workers);
    if (limits_blas)
        parcel__blas_restore();
}

/* A run whose stream is pulled: it outlives the call that started it, and what that had. */
struct pulled_run {
    struct parcel__run run;
    struct parcel__plan plan;
    struct parcel__team team;
};

static void open_progress(struct parcel__run *run)
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

static void close_progress(struct parcel__run *run)
{
    if (run->plan->verbose > 0)
        parcel__progress_close(&run->progress);
}

static bool has_time_limits(const struct parcel__plan *plan)
{
    const struct parcel__limits *limits = &plan->policy.limits;
    return limits->deadline > 0 || limits->timeout > 0 || limits->timeout_factor > 0;
}

bool parcel__run_open_control(struct parcel__run *run, const parcel_current_call *around)
{
    size_t count = run->part.state ? run->part.count : parcel_calls_count(run->calls);
    if (has_time_limits(run->plan))
        parcel__clock_watch();
    bool opened = parcel__control_open(&run->control, &run->plan->policy.limits, count, around);
    if (run->part.catches_signals)
        run->control.signals_before = run->part.signals_before;
    run->states =
        run->team->states
            ? parcel__worker_states_take(run->team->states, run->part.first_worker, run->n_workers)
            : NULL;
    return opened && (!run->team->states || run->states);
}

void parcel__run_close_control(struct parcel__run *run)
{
    if (run->states)
        parcel__worker_states_give_back(run->team->states, run->states);
    parcel__control_close(&run->control);
    if (has_time_limits(run->plan))
        parcel__clock_unwatch();
}

/* True when the calls do not run in the thread that is here, or may not. */
static bool is_elsewhere(const struct parcel__run *run)
{
    return !is_plain_loop(run->plan, run->team) || is_pulled(run->plan);
}

/* What is told of calls as they end; NULL: nothing. */
static const struct parcel__watcher *attach_watchers(struct parcel__run *run)
{
    struct parcel__watcher *watcher = run->watchers;
    if (run->plan->verbose > 0)
        *watcher++ = parcel__progress_watcher(&run->progress);
    watcher->ended = NULL;
    return watcher > run->watchers ? run->watchers : NULL;
}

/* Written in place: it is large against a short run. */
static void set_job_options(struct parcel__job_options *options, struct parcel__run *run)
{
    const struct parcel__plan *plan = run->plan;
    *options = (struct parcel__job_options){
        .lot = {.calls = run->calls, .results = run->results},
        .policy = &plan->policy,
        .n_workers = run->n_workers,
        .start = run->part.start,
        .control = &run->control,
        .states = run->states,
        .around = parcel__current_get(),
    };
    options->nest = parcel__n_jobs_nest(parcel__current_get(), run->n_jobs, run->n_workers);
    options->floating = run->part.state ? run->part.floating : parcel__floating_read();
    if (options->nest.threads > 0 || is_elsewhere(run))
        parcel__openmp_read_for_calls(&options->openmp, options->nest.threads);
    options->watchers = attach_watchers(run);
}

/* Runs the calls into results. False: out of memory. */
static bool run_into(struct parcel__run *run)
{
    struct parcel_job job;
    bool opened = parcel__run_open_control(run, parcel__current_get());
    struct parcel__job_options options;
    set_job_options(&options, run);
    open_progress(run);
    opened =
        opened &&
        (run->plan->policy.limits.retry.most == 0 || parcel__results_keep_attempts(run->results)) &&
        parcel__job_open(&job, &options);
    if (opened && run->results->count > 0)
        run_job(&job, run->plan, run->team);
    if (opened) {
        parcel__job_close(&job);
        parcel__report_list(run->results, run->calls, &run->control);
        parcel__results_tell_absent(run->results);
    }
    parcel__run_close_control(run);
    close_progress(run);
    return opened;
}

void parcel__run_on_team(void *context, struct parcel_job *job)
{
    const struct parcel__run *run = context;
    const struct parcel__run_part *part = &run->part;
    if (part->state)
        part->functions->begin(part->state, job->options.source_state);
    run_job(job, run->plan, run->team);
    if (part->state)
        part->functions->end(part->state);
}

struct parcel__stream_options parcel__run_stream_options(struct parcel__run *run)
{
    const struct parcel__plan *plan = run->plan;
    struct parcel__stream_options options = {
        .calls = run->calls,
        .window = plan->window,
        .pre_dispatch = parcel__calls_are_generated(run->calls) ? plan->pre_dispatch : SIZE_MAX,
        .in_order = plan->return_as != PARCEL_GENERATOR_UNORDERED &&
                    (plan->on_result || plan->return_as == PARCEL_GENERATOR),
        .is_pulled = is_pulled(plan),
        .on_result = plan->on_result,
        .on_result_state = plan->on_result_state,
    };
    set_job_options(&options.job, run);
    if (run->part.state)
        run->part.functions->prepare(run->part.state, &options);
    return options;
}

/* Runs the calls as a stream, and waits. False: out of memory. */
static bool run_stream(struct parcel__run *run)
{
    struct parcel__stream stream;
    bool opened = parcel__run_open_control(run, parcel__current_get());
    const struct parcel__stream_options options = parcel__run_stream_options(run);
    run->results->keeps_attempts = run->plan->policy.limits.retry.most > 0;
    opened = opened && parcel__stream_open(&stream, &options);
    if (opened) {
        open_progress(run);
        parcel__stream_run(&stream, parcel__run_on_team, run);
        close_progress(run);
        parcel__stream_settle(&stream, run->results);
        parcel__report_why_not_run(run->results, &run->control);
        parcel__results_tell_absent(run->results);
        parcel__stream_close(&stream);
    }
    parcel__run_close_control(run);
    return opened;
}

const char parcel__run_already_streaming[] =
    "this executor is already running a stream: take its results to the end, or close it, first";

const char *parcel__run_check(const struct parcel__plan *plan, const parcel_calls *calls)
{
    const char *fault = parcel__calls_check(calls);
    if (plan && parcel__calls_are_generated(calls) && plan->policy.limits.halt.is_percent)
        return "halt asks for a percentage of the calls, but nobody knows how many a generator "
               "gives: a number is allowed";
    if (!fault && parcel__calls_are_generated(calls) && !parcel__calls_start(calls))
        return "the generator was run before: it is exhausted, and each run needs a new one";
    return fault;
}

/* How many of so many workers there can be. */
static int count_startable(const struct parcel__plan *plan, const struct parcel__team *team,
                           int wanted)
{
    if (has_time_limits(plan))
        parcel__clock_expect();
    if (team->backend != parcel__backends_threads())
        return parcel__threads_startable(wanted);
    return parcel__threads_for_region(wanted, is_pulled(plan));
}

parcel_results *parcel__run_new_results(const struct parcel__plan *plan,
                                        const struct parcel__team *team, const parcel_calls *calls,
                                        int n_jobs)
{
    size_t count = parcel_calls_count(calls);
    bool is_bounded = !parcel__calls_are_generated(calls) && count < (size_t)n_jobs;
    int wanted = is_bounded ? (int)count : n_jobs;
    wanted = wanted > 0 ? wanted : 1;
    int n_workers = count_startable(plan, team, wanted);
    parcel_results *results = parcel__plan_streams(plan, calls)
                                  ? parcel__results_new_empty(n_workers)
                                  : parcel__results_new(calls, n_workers);
    if (!results)
        return NULL;
    results->backend = team->backend->name;
    parcel__warnings_note(results, plan, team, calls, wanted);
    return results;
}

/* ---- pulled streams ---- */

/* The other parts get what became of the run, and the warnings of its results. */
static void conclude(void *context, parcel_results *ending)
{
    struct parcel__run *run = &((struct pulled_run *)context)->run;
    if (!run->part.state)
        return;
    if (run->results->warnings)
        ending->warnings = parcel__memory_copy_string(run->results->warnings);
    run->part.functions->conclude(run->part.state, ending);
}

/* The stream has ended: what it held is free for others. */
static void end_pulled(void *context)
{
    struct pulled_run *pulled = context;
    close_progress(&pulled->run);
    parcel__run_close_control(&pulled->run);
    parcel__calls_end_run(pulled->run.calls);
    if (pulled->run.streaming)
        atomic_store_explicit(pulled->run.streaming, NULL, memory_order_release);
    else
        parcel__team_close(&pulled->team);
    parcel__memory_free(pulled);
}

/* A run of its own, with nothing borrowed but the calls. */
static struct pulled_run *new_pulled(const struct parcel__run *run)
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
static const char *start_pulled(const struct parcel__run *run)
{
    struct pulled_run *pulled = new_pulled(run);
    if (!pulled)
        return "out of memory";
    bool opened = parcel__run_open_control(&pulled->run, NULL);
    struct parcel__stream_options options = parcel__run_stream_options(&pulled->run);
    const struct parcel__pull_owner owner = {parcel__run_on_team, conclude, end_pulled, pulled};
    options.job.nest.sees_outside = options.job.nest.sees_outside && !options.job.around;
    options.job.around = NULL;
    open_progress(&pulled->run);
    const char *fault =
        opened ? parcel__pull_start(run->results, &options, &owner) : "out of memory";
    if (!fault)
        return NULL;
    close_progress(&pulled->run);
    parcel__run_close_control(&pulled->run);
    parcel__memory_free(pulled);
    return fault;
}

/* ---- a run ---- */

/* Starts a stream on a team that no other has. */
static const char *claim_and_start(const struct parcel__run *run)
{
    parcel_results *none = NULL;
    if (run->streaming &&
        !atomic_compare_exchange_strong_explicit(run->streaming, &none, run->results,
                                                 memory_order_acquire, memory_order_relaxed))
        return parcel__run_already_streaming;
    const char *fault = start_pulled(run);
    if (fault && run->streaming)
        atomic_store_explicit(run->streaming, NULL, memory_order_release);
    return fault;
}

/* Runs the calls, and waits. NULL, or why not. */
static const char *run_whole(struct parcel__run *run)
{
    bool is_stream = run->part.state || parcel__plan_streams(run->plan, run->calls);
    bool is_run = is_stream ? run_stream(run) : run_into(run);
    return is_run ? NULL : "out of memory";
}

const char *parcel__run_execute(struct parcel__run *run)
{
    bool pulls = is_pulled(run->plan);
    parcel__calls_begin_run(run->calls);
    const char *fault = pulls ? claim_and_start(run) : run_whole(run);
    if (!pulls || fault)
        parcel__calls_end_run(run->calls);
    return fault;
}

bool parcel__run_check_pointers(const struct parcel__run *run, struct parcel__text *why)
{
    unsigned capabilities = run->team->backend->capabilities;
    const struct parcel__wire_target target = parcel__wire_to_process(
        UINT_MAX, !(capabilities & PARCEL_MANY_HOSTS), run->plan->policy.worker_limits.read_only);
    if (capabilities & PARCEL_SHARES_MEMORY || is_plain_loop(run->plan, run->team) ||
        parcel__calls_are_generated(run->calls))
        return true;
    return parcel__wire_check(run->calls, 0, parcel_calls_count(run->calls), &target, why);
}

/* parallel.c: check, resolve, choose a backend, attach the watchers, run the job, report. */
#include "parallel.h"

#include "backend.h"
#include "blas.h"
#include "calls.h"
#include "job.h"
#include "memory.h"
#include "progress.h"
#include "threads.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

const char *parcel_version(void)
{
    return TEXT_OF(PARCEL_VERSION_MAJOR) "." TEXT_OF(PARCEL_VERSION_MINOR) "." TEXT_OF(
        PARCEL_VERSION_PATCH);
}

/* ---- the team ---- */

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

bool parcel__parallel_open(struct parcel__team *team, struct parcel__plan *plan,
                           struct parcel__text *error)
{
    char why[512];
    why[0] = '\0';
    int active = open_backend(team, plan->backend, plan->n_jobs, why, sizeof why);
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

void parcel__parallel_close(struct parcel__team *team)
{
    parcel__states_free(team->states);
    if (team->backend->close)
        team->backend->close(team->state);
}

/* ---- reporting ---- */

static bool is_failure(parcel_status status)
{
    return status != PARCEL_NOT_RUN && status != PARCEL_OK && status != PARCEL_CANCELLED;
}

/* "1 of 10 calls failed; first: call 3, root(-1): root of a negative number: -1" */
static void put_failures(struct parcel__text *text, const parcel_results *results,
                         const parcel_calls *calls)
{
    size_t first = 0;
    while (!is_failure(parcel_results_status(results, first)))
        first++;
    parcel__text_format(text, "%zu of %zu call%s failed; first: call %zu, ", results->failures,
                        results->count, results->count == 1 ? "" : "s", first);
    parcel__function_put_call(text, parcel__calls_function(calls, first),
                              parcel__calls_arguments(calls, first));
    parcel__text_format(text, ": %s", parcel_results_message(results, first));
}

/* Says why calls did not run, when the run was stopped; "cancelled by SIGINT: 12 of 100 calls had
 * run", when that is an error. */
static void put_stop(struct parcel__text *text, parcel_results *results,
                     const struct parcel__control *control)
{
    struct parcel__text why = {0};
    if (results->n_ran == results->count)
        return;
    parcel__text_put(&why, "not started: ");
    if (parcel__control_put_reason(&why, control)) {
        const char *kept = why.failed ? NULL : parcel__arena_copy(results->arenas, why.bytes);
        results->why_not_run = kept ? kept : "not started: the run was stopped";
    }
    parcel__text_free(&why);
    if (!parcel__control_is_error(control))
        return;
    parcel__control_put_reason(text, control);
    parcel__text_format(text, ": %zu of %zu call%s had run", results->n_ran, results->count,
                        results->count == 1 ? "" : "s");
}

/* What the user of this run should know: the plan's warnings, and too few threads or cpus for the
 * workers that were wanted. */
static void note_warnings(parcel_results *results, const struct parcel__plan *plan, int wanted)
{
    struct parcel__text text = {0};
    int cpus = parcel_cpu_count();
    if (plan->warnings.length > 0)
        parcel__text_put(&text, plan->warnings.bytes);
    if (results->n_workers < wanted)
        parcel__text_format(&text,
                            "the run has %d workers instead of %d: no more threads could be "
                            "started safely\n",
                            results->n_workers, wanted);
    if (!parcel__current_get() && results->n_workers > cpus)
        parcel__text_format(&text, "%d workers share %d cpu%s\n", results->n_workers, cpus,
                            cpus > 1 ? "s" : "");
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

/* ---- running ---- */

/* One job asked for is the plain loop in the calling thread, in order, whatever backend would run
 * it; but for one that does more than to be fast. */
static bool is_plain_loop(const struct parcel__plan *plan, const struct parcel__team *team)
{
    return plan->n_jobs == 1 &&
           !(team->backend->capabilities & (PARCEL_SURVIVES_CRASH | PARCEL_MANY_HOSTS));
}

/* Runs the job on the team, with the BLAS libraries held to the calls' share. */
static void run_job(struct parcel_job *job, const struct parcel__plan *plan,
                    const struct parcel__team *team)
{
    const struct parcel__nest *nest = &job->options.nest;
    bool limits_blas = !nest->sees_outside;
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

/* Runs the calls into results. False: out of memory. */
static bool run_into(parcel_results *results, const struct parcel__plan *plan,
                     const struct parcel__team *team, const parcel_calls *calls, int n_jobs)
{
    const struct parcel_current_call *current = parcel__current_get();
    struct parcel_job job;
    struct parcel__control control;
    struct parcel__median median;
    struct parcel__progress progress = {.n_jobs = plan->n_jobs_asked,
                                        .verbose = plan->verbose,
                                        .total = results->count,
                                        .calls = calls,
                                        .sink = plan->sink,
                                        .sink_state = plan->sink_state};
    struct parcel__job_options options = {
        .calls = calls,
        .results = results,
        .batch_size = plan->batch_size,
        .collect = plan->collect,
        .is_timed = plan->is_timed,
        .schedule = plan->schedule,
        .n_workers = results->n_workers,
        .nest = parcel__config_nest(current, n_jobs, results->n_workers),
        .control = &control,
    };
    if (plan->verbose > 0) {
        options.watcher.completed = parcel__progress_completed;
        options.watcher.overran = parcel__progress_overran;
        options.watcher.state = &progress;
        parcel__progress_open(&progress, team->backend->name, results->n_workers,
                              results->warnings);
    }
    parcel__control_open(&control, &plan->limits, results->count, &median, current);
    if (team->states)
        options.states = parcel__states_take(team->states, results->n_workers);
    bool opened = (!team->states || options.states) &&
                  (plan->limits.retry.most == 0 || parcel__results_keep_attempts(results)) &&
                  parcel__job_open(&job, &options);
    if (opened && results->count > 0)
        run_job(&job, plan, team);
    if (opened)
        parcel__job_close(&job);
    if (opened)
        report(results, calls, &control);
    if (options.states)
        parcel__states_give_back(team->states, options.states);
    parcel__control_close(&control);
    if (plan->verbose > 0)
        parcel__progress_close(&progress);
    return opened;
}

static parcel_results *out_of_memory(const parcel_calls *calls)
{
    return parcel__results_of_error("out of memory", parcel_calls_count(calls));
}

parcel_results *parcel__parallel_run(const struct parcel__plan *plan,
                                     const struct parcel__team *team, const parcel_calls *calls)
{
    const char *fault = parcel__calls_check(calls);
    if (fault)
        return parcel__results_of_error(fault, parcel_calls_count(calls));
    size_t count = parcel_calls_count(calls);
    int n_jobs = parcel__config_limit(parcel__current_get(), team->n_workers);
    int wanted = count < (size_t)n_jobs ? (int)count : n_jobs;
    wanted = wanted > 0 ? wanted : 1;
    parcel_results *results = parcel__results_new(calls, parcel__threads_startable(wanted));
    if (!results)
        return out_of_memory(calls);
    results->backend = team->backend->name;
    note_warnings(results, plan, wanted);
    parcel__calls_begin_run(calls);
    bool ran = run_into(results, plan, team, calls, n_jobs);
    parcel__calls_end_run(calls);
    if (!ran) {
        parcel_results_free(results);
        return out_of_memory(calls);
    }
    return results;
}

parcel_results *parcel_run(const parcel_options *options, const parcel_calls *calls)
{
    struct parcel__plan plan;
    struct parcel__team team;
    struct parcel__text error = {0};
    parcel_results *results;
    if (parcel__config_resolve(&plan, options, &error) &&
        parcel__parallel_open(&team, &plan, &error)) {
        results = parcel__parallel_run(&plan, &team, calls);
        parcel__parallel_close(&team);
    } else {
        results = refuse(&error, calls);
    }
    parcel__config_free(&plan);
    return results;
}

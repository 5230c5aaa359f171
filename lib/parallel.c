/* parallel.c: check, resolve, choose a backend, run. */
#include "parallel.h"

#include "calls/calls.h"
#include "ground/port.h"
#include "ground/threads.h"
#include "options/backends.h"
#include "options/n_jobs.h"
#include "ranks/ranks.h"
#include "ranks/spread.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

const char *parcel_version(void)
{
    return TEXT_OF(PARCEL_VERSION_MAJOR) "." TEXT_OF(PARCEL_VERSION_MINOR) "." TEXT_OF(
        PARCEL_VERSION_PATCH);
}

static parcel_results *run_on_team(struct parcel__run *run)
{
    const struct parcel__team *team = run->team;
    size_t count = parcel_calls_count(run->calls);
    bool is_streaming =
        run->streaming && atomic_load_explicit(run->streaming, memory_order_acquire);
    const char *fault =
        is_streaming ? parcel__run_already_streaming : parcel__run_check(run->plan, run->calls);
    if (fault)
        return parcel__results_of_error(fault, count);
    struct parcel__text why = {0};
    if (!parcel__run_check_pointers(run, &why))
        return parcel__run_refuse(&why, run->calls);
    int n_jobs = run->plan->n_jobs < team->n_workers ? run->plan->n_jobs : team->n_workers;
    run->n_jobs = parcel__n_jobs_limit(parcel__current_get(), n_jobs);
    run->results = parcel__run_new_results(run->plan, team, run->calls, run->n_jobs);
    run->n_workers = run->results ? run->results->n_workers : 0;
    fault = run->results ? parcel__run_execute(run) : "out of memory";
    if (!fault)
        return run->results;
    parcel_results_free(run->results);
    return parcel__results_of_error(fault, count);
}

/* A run inside of a call is this process's own. */
static bool is_spread(const struct parcel__plan *plan)
{
    return !parcel__current_get() && plan->backend && parcel__backends_spans_hosts(plan->backend);
}

/* The workers of a plan whose runs are made with other processes, unless they are in a call. */
static bool open_spread(struct parcel__workers *workers, struct parcel__plan *plan,
                        struct parcel__text *error)
{
    bool is_nested = parcel__current_get();
    if (!is_nested && !(workers->ranks = parcel__spread_find(plan, error)))
        return false;
    return parcel__team_open(&workers->team, plan, parcel__team_choose_part(plan), !is_nested,
                             error);
}

bool parcel__parallel_open(struct parcel__workers *workers, struct parcel__plan *plan,
                           struct parcel__text *error)
{
    workers->ranks = NULL;
    if (parcel__backends_spans_hosts(plan->backend))
        return open_spread(workers, plan, error);
    return parcel__team_open(&workers->team, plan, parcel__team_choose(plan), false, error);
}

parcel_results *parcel__parallel_run(const struct parcel__plan *plan,
                                     const struct parcel__workers *workers,
                                     const parcel_calls *calls, parcel__streaming *streaming)
{
    const struct parcel__team *team = &workers->team;
    struct parcel__run run = {.plan = plan, .team = team, .calls = calls, .streaming = streaming};
    int cancel = parcel__port_hold_cancel();
    parcel_results *results = workers->ranks && !parcel__current_get()
                                  ? parcel__spread_run(&run, workers->ranks)
                                  : run_on_team(&run);
    parcel__threads_arrived(); /* or never will, in a run that did not come so far */
    if (!streaming && !results->pulled)
        parcel__team_close(team);
    parcel__port_release_cancel(cancel);
    return results;
}

parcel_results *parcel__parallel_refuse(const struct parcel__plan *plan, struct parcel__text *error,
                                        const parcel_calls *calls)
{
    const char *why;
    struct parcel__ranks *ranks = is_spread(plan) ? parcel__ranks_used(&why) : NULL;
    return ranks ? parcel__spread_refuse(ranks, error, plan->mpi_timeout, calls)
                 : parcel__run_refuse(error, calls);
}

parcel_results *parcel_run(const parcel_options *options, const parcel_calls *calls)
{
    struct parcel__plan plan;
    struct parcel__workers workers;
    struct parcel__text error = {0};
    parcel_results *results;
    if (parcel__plan_resolve(&plan, options, &error) &&
        parcel__parallel_open(&workers, &plan, &error))
        results = parcel__parallel_run(&plan, &workers, calls, NULL);
    else
        results = parcel__parallel_refuse(&plan, &error, calls);
    parcel__plan_free(&plan);
    return results;
}

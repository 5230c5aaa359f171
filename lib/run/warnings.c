/* warnings.c: what the user of a run should know before it begins. */
#include "run/warnings.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "calls/current.h"
#include "ground/once.h"
#include "ground/openmp.h"
#include "options/backends.h"

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
    const struct parcel__worker_limits *limits = &plan->policy.worker_limits;
    if (plan->policy.isolate &&
        !(backend->capabilities & (PARCEL_SURVIVES_CRASH | PARCEL_MANY_HOSTS)))
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

void parcel__warnings_put(struct parcel__text *text, const struct parcel__plan *plan,
                          const struct parcel__team *team, const parcel_calls *calls, int n_workers)
{
    if (plan->warnings.length > 0)
        parcel__text_put(text, plan->warnings.bytes);
    if (parcel__plan_streams(plan, calls))
        note_bounds(text, plan, calls, n_workers);
    note_vain_limits(text, plan, team->backend);
}

static bool has_unlimited_stack;
static struct parcel__once stack_once;

static void read_stack_limit(void)
{
    struct rlimit stack;
    has_unlimited_stack = getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur == RLIM_INFINITY;
}

/* glibc gives threads 2 MB where the stack has no limit as the program starts, and libgomp asks for
 * none of its own. */
static void note_small_stacks(struct parcel__text *text, const struct parcel__team *team,
                              int n_workers)
{
    if (n_workers == 1 || team->backend != parcel__backends_threads())
        return;
    parcel__once_run(&stack_once, read_stack_limit);
    if (has_unlimited_stack && !getenv("OMP_STACKSIZE") && !getenv("GOMP_STACKSIZE") &&
        !parcel__openmp_has_libomp())
        parcel__text_put(text, "ulimit -s is unlimited, which gives the workers' threads stacks of "
                               "2 MB: OMP_STACKSIZE=64M gives them 64 MB\n");
}

void parcel__warnings_note(parcel_results *results, const struct parcel__plan *plan,
                           const struct parcel__team *team, const parcel_calls *calls, int wanted)
{
    struct parcel__text text = {0};
    parcel__warnings_put(&text, plan, team, calls, results->n_workers);
    if (results->n_workers < wanted)
        parcel__text_format(&text,
                            "the run has %d worker%s instead of %d: no more threads could be "
                            "started safely\n",
                            results->n_workers, results->n_workers == 1 ? "" : "s", wanted);
    note_small_stacks(&text, team, results->n_workers);
    if (!parcel__current_get())
        parcel__results_put_sharing(&text, results->n_workers);
    if (text.bytes)
        parcel__results_warn(results, &text);
}

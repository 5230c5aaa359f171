/* team.c: the backend that runs a plan's calls in this process, opened for it. */
#include "run/team.h"

#include "job/worker_states.h"
#include "options/backends.h"

/* A team that runs parts of larger runs has room for so many workers: who leads a run says how many
 * each part has. */
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
    team->states = parcel__worker_states_new(&plan->callbacks);
    return team->states != NULL;
}

/* True when crashes are to cost a record only, and nobody says that threads are wanted. */
static bool wants_processes(const struct parcel__plan *plan)
{
    return plan->sources[PARCEL__BACKEND] == PARCEL__FROM_DEFAULT &&
           plan->backend == parcel__backends_threads() && !plan->require;
}

const parcel_backend *parcel__team_choose_isolated(const struct parcel__plan *plan)
{
    return wants_processes(plan) ? parcel__backends_find("processes") : plan->backend;
}

const parcel_backend *parcel__team_choose_part(const struct parcel__plan *plan)
{
    return plan->policy.isolate ? parcel__backends_find("processes") : parcel__backends_threads();
}

/* True when one worker was asked for, as it is where nobody says how many: no thread would have run
 * anything else than the caller does. */
static bool loses_nothing(const struct parcel__plan *plan, const parcel_backend *backend)
{
    return plan->n_jobs == 1 && backend == parcel__backends_threads();
}

static const char unsaid[] = "it does not say why";

bool parcel__team_open(struct parcel__team *team, struct parcel__plan *plan,
                       const parcel_backend *backend, bool runs_parts, struct parcel__text *error)
{
    char why[512];
    why[0] = '\0';
    int n_workers = runs_parts && plan->n_jobs < ENOUGH_WORKERS ? ENOUGH_WORKERS : plan->n_jobs;
    int active = open_backend(team, backend, n_workers, why, sizeof why);
    team->runs_parts = runs_parts;
    if (active < 0 && plan->fallback) {
        if (!loses_nothing(plan, backend))
            parcel__text_format(&plan->warnings,
                                "backend '%s' is not available: %s; backend '%s' "
                                "runs instead\n",
                                backend->name, *why ? why : unsaid, plan->fallback->name);
        active = open_backend(team, plan->fallback, plan->n_jobs, why, sizeof why);
    }
    if (active > 0 && open_states(team, plan))
        return true;
    if (active > 0)
        parcel__text_put(error, "out of memory");
    else if (active < 0)
        parcel__text_format(error, "backend '%s' is not available: %s", team->backend->name,
                            *why ? why : unsaid);
    else
        parcel__text_format(error, "%s has no active worker", team->backend->name);
    if (active >= 0)
        parcel__team_close(team);
    return false;
}

void parcel__team_close(const struct parcel__team *team)
{
    parcel__worker_states_free(team->states);
    if (team->backend->close)
        team->backend->close(team->state);
}

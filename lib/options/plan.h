/* plan.h: what the options of a run mean, resolved once. */
#ifndef PARCEL__PLAN_H
#define PARCEL__PLAN_H

#include <parcel/backend.h>

#include "calls/calls.h"
#include "options/policy.h"
#include "options/table.h"

/* Constant once it is resolved. */
struct parcel__plan {
    int n_jobs_asked;     /* as it is shown in the lines of progress */
    int n_jobs;           /* workers, given enough calls */
    bool is_n_jobs_unset; /* by anybody: all cpus */
    int verbose;
    struct parcel__policy policy;
    size_t max_failures; /* as it was set; what holds is the policy's halt */
    struct parcel__callbacks callbacks;
    bool all_ranks;     /* not rank 0 only has the results */
    double mpi_timeout; /* seconds to wait for the other ranks' run; INFINITY when not set */
    const parcel_backend *backend;
    const parcel_backend *fallback; /* when the backend cannot run; NULL: that is an error */
    const char *prefer;             /* NULL or one of the known hints; constant text */
    const char *require;            /* the same */
    parcel_sink *sink;
    void *sink_state;
    parcel_return_as return_as;
    parcel_on_result *on_result;
    void *on_result_state;
    size_t window;       /* of a stream, or of a run with on_result */
    size_t pre_dispatch; /* SIZE_MAX: all */
    bool follows_n_jobs; /* pre_dispatch is given by n_jobs */
    struct parcel__text warnings;
    enum parcel__from sources[PARCEL__N_OPTIONS];
};

/* Resolves options (NULL: all defaults) as they hold in this thread now. False: a value is not
 * allowed, and error says which; the plan then has the backend that they ask for, or NULL, and
 * mpi_timeout: other ranks may wait to be told. The plan is freed in either case. */
bool parcel__plan_resolve(struct parcel__plan *plan, const parcel_options *options,
                          struct parcel__text *error);
void parcel__plan_free(struct parcel__plan *plan);

/* True when calls flow in blocks: they are generated, or their results go elsewhere than into a
 * list. */
static inline bool parcel__plan_streams(const struct parcel__plan *plan, const parcel_calls *calls)
{
    return plan->on_result || plan->return_as != PARCEL_LIST || parcel__calls_are_generated(calls);
}

#endif

/* config.h: explicit > scope > environment > default, resolved once into an immutable plan. */
#ifndef PARCEL__CONFIG_H
#define PARCEL__CONFIG_H

#include <parcel/backend.h>

#include "options/limits.h"
#include "calls/current.h"
#include "ground/port.h"
#include "ground/text.h"

/* Where a value came from. */
enum parcel__source {
    PARCEL__FROM_DEFAULT,
    PARCEL__FROM_ENVIRONMENT,
    PARCEL__FROM_SCOPE,
    PARCEL__GIVEN
};

enum {
    PARCEL__N_JOBS,
    PARCEL__VERBOSE,
    PARCEL__BATCH_SIZE,
    PARCEL__ON_ERROR,
    PARCEL__BACKEND,
    PARCEL__PREFER,
    PARCEL__REQUIRE,
    PARCEL__RETURN_AS,
    PARCEL__ON_RESULT,
    PARCEL__WINDOW,
    PARCEL__PRE_DISPATCH,
    PARCEL__SCHEDULE,
    PARCEL__TIMING,
    PARCEL__CANCEL,
    PARCEL__HANDLE_SIGNALS,
    PARCEL__MAX_FAILURES,
    PARCEL__HALT,
    PARCEL__DEADLINE,
    PARCEL__TIMEOUT,
    PARCEL__TIMEOUT_FACTOR,
    PARCEL__RETRIES,
    PARCEL__RETRY_DELAY,
    PARCEL__MAX_CALLS_PER_WORKER,
    PARCEL__MAX_WORKER_MEMORY,
    PARCEL__KILL_AFTER,
    PARCEL__CORE_DUMPS,
    PARCEL__READ_ONLY,
    PARCEL__ISOLATE,
    PARCEL__MPI_RESULTS,
    PARCEL__MPI_TIMEOUT,
    PARCEL__N_OPTIONS
};

struct parcel__plan {
    int n_jobs_asked;     /* as it is shown in the lines of progress */
    int n_jobs;           /* workers, given enough calls */
    bool is_n_jobs_unset; /* by anybody: all cpus */
    int verbose;
    size_t batch_size; /* 0: adaptive */
    bool collect;
    struct parcel__callbacks callbacks;
    struct parcel__limits limits; /* when it stops, and what its calls may take */
    struct parcel__worker_limits worker_limits;
    bool isolate;       /* the calls of each rank run in processes that it forks */
    bool all_ranks;     /* not rank 0 only has the results */
    double mpi_timeout; /* seconds to wait for the other ranks' run; INFINITY when not set */
    parcel_schedule schedule;
    bool is_timed; /* each call of about a microsecond and more has its own time */
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
    enum parcel__source sources[PARCEL__N_OPTIONS];
};

/* Resolves options (NULL: all defaults) as they hold in this thread now. False: a value is wrong,
 * and error says which; the plan then has the backend that they ask for, or NULL, and mpi_timeout:
 * other ranks may wait to be told. The plan is freed in either case. */
bool parcel__config_resolve(struct parcel__plan *plan, const parcel_options *options,
                            struct parcel__text *error);
void parcel__config_free(struct parcel__plan *plan);

/* The cpus that there are, read once. */
struct parcel__cpus parcel__config_cpus(void);

/* What calls of a run may use, when n_jobs workers are allowed and n_workers of them run, inside
 * of the call current or of none. */
struct parcel__nest parcel__config_nest(const struct parcel_current_call *current, int n_jobs,
                                        int n_workers);

/* At most as many workers as a run inside of the call current may have. */
int parcel__config_limit(const struct parcel_current_call *current, int n_jobs);

#endif

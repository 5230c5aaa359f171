/* plan.c: what the options of a run mean, and which of them go together. */
#include "options/plan.h"

#include <math.h>
#include <string.h>

#include "ground/expression.h"
#include "options/backends.h"
#include "options/n_jobs.h"
#include "options/sources.h"

/* ---- backend ---- */

/* Finds a backend that somebody named. False: there is none. */
static bool find_named(struct parcel__plan *plan, const char *name, struct parcel__text *error)
{
    plan->backend = parcel__backends_find(name);
    if (plan->backend)
        return true;
    parcel__text_format(error, "Invalid backend: %s, expected one of ", name);
    parcel__backends_put_names(error);
    return false;
}

/* Finds a backend when nobody named one. What was not asked for may give way. */
static void find_preferred(struct parcel__plan *plan, const char *prefer)
{
    plan->backend = NULL;
    if (prefer)
        plan->backend =
            parcel__backends_find(strcmp(prefer, "threads") == 0 ? "threading" : prefer);
    if (!plan->backend)
        plan->backend = parcel__backends_default();
    plan->fallback = parcel__backends_fallback();
}

static bool check_hints(const char *prefer, const char *require, struct parcel__text *error)
{
    if (prefer && strcmp(prefer, "threads") != 0 && strcmp(prefer, "processes") != 0)
        parcel__text_format(error,
                            "prefer=%s is not a valid backend hint, expected one of 'threads', "
                            "'processes'",
                            prefer);
    else if (require && strcmp(require, "sharedmem") != 0)
        parcel__text_format(
            error, "require=%s is not a valid backend constraint, expected 'sharedmem'", require);
    else if (prefer && require && strcmp(prefer, "processes") == 0)
        parcel__text_put(
            error, "prefer == 'processes' and require == 'sharedmem' are inconsistent settings");
    return error->length == 0 && !error->failed;
}

/* Shared memory is required: a backend of this call's options must have it, another gives way. */
static bool require_shared_memory(struct parcel__plan *plan, const struct parcel__setting *settings,
                                  struct parcel__text *error)
{
    if (plan->backend->capabilities & PARCEL_SHARES_MEMORY)
        return true;
    if (settings[PARCEL__BACKEND].source == PARCEL__GIVEN) {
        parcel__text_format(error,
                            "Backend %s does not support shared memory, which require='%s' "
                            "asks for",
                            plan->backend->name, settings[PARCEL__REQUIRE].name);
        return false;
    }
    parcel__text_format(&plan->warnings,
                        "backend threading runs instead of %s, as the latter does not provide "
                        "shared memory\n",
                        plan->backend->name);
    find_preferred(plan, "threads");
    if (settings[PARCEL__N_JOBS].source != PARCEL__GIVEN)
        plan->n_jobs = 1;
    return true;
}

static bool resolve_backend(struct parcel__plan *plan, const struct parcel__setting *settings,
                            struct parcel__text *error)
{
    const char *prefer = settings[PARCEL__PREFER].name;
    const char *require = settings[PARCEL__REQUIRE].name;
    if (!check_hints(prefer, require, error))
        return false;
    plan->prefer = !prefer ? NULL : *prefer == 't' ? "threads" : "processes";
    plan->require = require ? "sharedmem" : NULL;
    if (!settings[PARCEL__BACKEND].name)
        find_preferred(plan, prefer);
    else if (!find_named(plan, settings[PARCEL__BACKEND].name, error))
        return false;
    return !require || require_shared_memory(plan, settings, error);
}

/* ---- when a run stops ---- */

/* max_failures is a short form of halt: of the two, the one of the nearer source holds. */
static bool resolve_halt(struct parcel__plan *plan, const struct parcel__setting *settings,
                         struct parcel__text *error)
{
    const struct parcel__setting *most = &settings[PARCEL__MAX_FAILURES],
                                 *halt = &settings[PARCEL__HALT];
    struct parcel__halt *resolved = &plan->policy.limits.halt;
    if (halt->name && !parcel__halt_parse(resolved, halt->name)) {
        parcel__text_format(
            error,
            "halt=%s is not valid: \"never\" is allowed, or \"soon\" or \"now\", a "
            "comma, and \"fail=\", \"success=\" or \"done=\" with a number of calls "
            "above 0 or a percentage from 1%% to 100%%, as in soon,fail=3",
            halt->name);
        return false;
    }
    if (halt->name && most->number > 0 && halt->source == most->source) {
        parcel__text_format(error,
                            "halt=%s and max_failures = %lld are inconsistent settings: both say "
                            "when failures stop the run",
                            halt->name, most->number);
        return false;
    }
    if (most->number > 0 && (!halt->name || most->source > halt->source))
        *resolved = (struct parcel__halt){.counts = PARCEL__HALT_FAIL, .number = most->number};
    return true;
}

static bool have_callbacks(const parcel_options *options)
{
    return options->on_worker_start || options->on_worker_end;
}

/* The nearest functions for workers go with their state. */
static void find_callbacks(struct parcel__plan *plan, const struct parcel__sources *sources)
{
    const parcel_options *options = parcel__sources_nearest(sources, have_callbacks);
    if (!options)
        return;
    plan->callbacks = (struct parcel__callbacks){options->on_worker_start, options->on_worker_end,
                                                 options->worker_state};
}

static bool have_retry_if(const parcel_options *options)
{
    return options->retry_if != NULL;
}

/* The nearest predicate goes with its state. */
static void find_retry_if(struct parcel__plan *plan, const struct parcel__sources *sources)
{
    const parcel_options *options = parcel__sources_nearest(sources, have_retry_if);
    if (!options)
        return;
    plan->policy.limits.retry.wanted = options->retry_if;
    plan->policy.limits.retry.state = options->retry_state;
}

/* What stops a run, and what its calls may take. */
static bool resolve_limits(struct parcel__plan *plan, const struct parcel__sources *sources,
                           const struct parcel__setting *settings, struct parcel__text *error)
{
    if (!resolve_halt(plan, settings, error))
        return false;
    if (plan->policy.limits.halt.counts != PARCEL__HALT_UNSET)
        plan->policy.collect = true; /* it says itself what failures do */
    find_retry_if(plan, sources);
    find_callbacks(plan, sources);
    return true;
}

/* ---- streams ---- */

static bool resolve_pre_dispatch(struct parcel__plan *plan, const char *expression,
                                 struct parcel__text *error)
{
    double value;
    plan->pre_dispatch = SIZE_MAX;
    plan->follows_n_jobs = expression && strstr(expression, "n_jobs");
    if (!expression || strcmp(expression, "all") == 0)
        return true;
    parcel__text_put(error, "pre_dispatch: ");
    if (!parcel__expression_evaluate(expression, plan->n_jobs, &value, error))
        return false;
    if (value < 1) {
        parcel__text_format(error,
                            "'all' or a positive number of calls is allowed, and '%s' is %.15g",
                            expression, value);
        return false;
    }
    parcel__text_free(error);
    plan->pre_dispatch = (size_t)value;
    return true;
}

static bool resolve_window(struct parcel__plan *plan, const struct parcel__setting *setting,
                           struct parcel__text *error)
{
    enum { SINK_WINDOW = 1024, WORKER_WINDOW = 4 };
    size_t usual = WORKER_WINDOW * (size_t)plan->n_jobs;
    bool is_list = !plan->on_result && plan->return_as == PARCEL_LIST;
    if (setting->source == PARCEL__GIVEN && is_list) {
        parcel__text_format(error,
                            "window = %lld bounds the results that wait, but return_as = "
                            "PARCEL_LIST keeps all of them: give on_result, or ask for "
                            "PARCEL_GENERATOR",
                            setting->number);
        return false;
    }
    if ((plan->on_result || is_list) && usual < SINK_WINDOW)
        usual = SINK_WINDOW;
    plan->window = setting->number > 0 && !is_list ? (size_t)setting->number : usual;
    return true;
}

static bool resolve_stream(struct parcel__plan *plan, const struct parcel__setting *settings,
                           struct parcel__text *error)
{
    const parcel_options *options = settings[PARCEL__ON_RESULT].options;
    if (options)
        plan->on_result_state = options->on_result_state;
    /* Who does not know that there is a stream to be pulled would find no results. */
    bool is_meant = plan->on_result || settings[PARCEL__RETURN_AS].source == PARCEL__GIVEN;
    if (!is_meant) {
        plan->return_as = PARCEL_LIST;
        plan->sources[PARCEL__RETURN_AS] = PARCEL__FROM_DEFAULT;
    }
    return resolve_pre_dispatch(plan, settings[PARCEL__PRE_DISPATCH].name, error) &&
           resolve_window(plan, &settings[PARCEL__WINDOW], error);
}

/* ---- the plan ---- */

static bool is_reserved_space_clear(const parcel_options *options)
{
    for (size_t i = 0; i < sizeof options->parcel__reserved / sizeof *options->parcel__reserved;
         i++)
        if (options->parcel__reserved[i])
            return false;
    return options->parcel__first == 0;
}

/* True when nobody sets an option from return_as on: so most runs are spared the search for each.
 */
static bool has_plain_options_only(const struct parcel__sources *sources)
{
    static const parcel_options none;
    size_t start = offsetof(parcel_options, return_as);
    const unsigned char *given = (const unsigned char *)sources->options;
    return sources->are_only_options &&
           memcmp(given + start, (const unsigned char *)&none + start,
                  offsetof(parcel_options, parcel__reserved) - start) == 0;
}

static bool have_sink(const parcel_options *options)
{
    return options->sink != NULL;
}

/* Finds an option's value and writes it into the plan. False: it is not allowed. */
static inline bool resolve_option(struct parcel__plan *plan, const struct parcel__option *option,
                                  const struct parcel__sources *sources,
                                  struct parcel__setting *setting, struct parcel__text *error)
{
    /* Most runs have only their own options, of which most are not set. */
    if (sources->are_only_options && !parcel__table_read(option, sources->options, setting)) {
        setting->source = PARCEL__FROM_DEFAULT;
        setting->options = NULL;
        return true;
    }
    if (!parcel__sources_ask(sources, option, setting, error))
        return false;
    plan->sources[option - parcel__table] = setting->source;
    if (setting->source != PARCEL__FROM_DEFAULT)
        parcel__table_store(option, setting, plan);
    return true;
}

/* The nearest sink goes with its state. */
static void find_sink(struct parcel__plan *plan, const struct parcel__sources *sources)
{
    const parcel_options *options = parcel__sources_nearest(sources, have_sink);
    if (!options)
        return;
    plan->sink = options->sink;
    plan->sink_state = options->sink_state;
}

static bool resolve(struct parcel__plan *plan, const parcel_options *options,
                    struct parcel__text *error)
{
    struct parcel__setting settings[PARCEL__N_OPTIONS];
    const struct parcel__sources sources = parcel__sources_find(options);
    if (!is_reserved_space_clear(options)) {
        parcel__text_put(error, "the options' reserved space is not zero: start from "
                                "parcel_options options = {0}");
        return false;
    }
    bool is_plain = has_plain_options_only(&sources);
    int n_asked = is_plain ? PARCEL__RETURN_AS : PARCEL__N_OPTIONS;
    memset(&settings[n_asked], 0, (size_t)(PARCEL__N_OPTIONS - n_asked) * sizeof *settings);
    for (int i = 0; i < n_asked; i++)
        if (!resolve_option(plan, &parcel__table[i], &sources, &settings[i], error))
            return false;
    const struct parcel__n_jobs n_jobs =
        parcel__n_jobs_count(settings[PARCEL__N_JOBS].number, &plan->warnings);
    plan->n_jobs_asked = n_jobs.asked;
    plan->n_jobs = n_jobs.count;
    plan->is_n_jobs_unset = n_jobs.is_unset;
    find_sink(plan, &sources);
    if (sources.variables)
        parcel__sources_warn(&sources, &plan->warnings);
    if (!is_plain && !resolve_limits(plan, &sources, settings, error))
        return false;
    return resolve_backend(plan, settings, error) && resolve_stream(plan, settings, error);
}

/* One setting, whatever is wrong with others. False: it is wrong itself. */
static bool find_alone(int option, const parcel_options *options, struct parcel__setting *setting)
{
    struct parcel__text error = {0};
    const struct parcel__sources sources = parcel__sources_find(options);
    *setting = (struct parcel__setting){.source = PARCEL__FROM_DEFAULT};
    bool found = parcel__sources_ask(&sources, &parcel__table[option], setting, &error);
    parcel__text_free(&error);
    return found;
}

/* What holds where nobody says anything. */
static const struct parcel__plan unset = {
    .n_jobs = 1,
    .policy = {.is_timed = true, .schedule = PARCEL_ADAPTIVE, .worker_limits.kill_after = 1},
    .return_as = PARCEL_LIST,
    .mpi_timeout = INFINITY};

bool parcel__plan_resolve(struct parcel__plan *plan, const parcel_options *options,
                          struct parcel__text *error)
{
    static const parcel_options defaults;
    struct parcel__setting setting;
    *plan = unset;
    options = options ? options : &defaults;
    if (resolve(plan, options, error))
        return true;
    if (!is_reserved_space_clear(options)) /* nor is the rest */
        options = &defaults;
    plan->backend = find_alone(PARCEL__BACKEND, options, &setting) && setting.name
                        ? parcel__backends_find(setting.name)
                        : NULL;
    if (find_alone(PARCEL__MPI_TIMEOUT, options, &setting) && setting.real > 0)
        plan->mpi_timeout = setting.real;
    return false;
}

void parcel__plan_free(struct parcel__plan *plan)
{
    parcel__text_free(&plan->warnings);
}

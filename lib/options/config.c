/*
 * config.c: explicit > scope > environment > default.
 *
 * Each option is a row of a table, and each source is asked in turn. Inside a call the search
 * ends at the call, unless its run is transparent (one worker): then it goes on around the run.
 */
#include "options/config.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "options/backend.h"
#include "ground/expression.h"
#include "ground/once.h"
#include "ground/openmp.h"
#include "ground/port.h"
#include "options/scope.h"
#include "ground/spelling.h"

enum { MOST_JOBS = 1000000, MOST_SECONDS = 1000000000, MOST_RETRIES = 1000000 };

enum option_type { INTEGER, WIDE_INTEGER, CHOICE, NAME, REAL, POINTER };

static const struct option {
    const char *name;
    const char *variable; /* NULL: the environment does not say */
    size_t offset;
    enum option_type type;
    long long least; /* of a real number, exclusive */
    long long most;
    struct {
        const char *word; /* in the environment */
        const char *name; /* in a program */
    } choices[5];         /* from 1 on */
} options_table[PARCEL__N_OPTIONS] = {
    [PARCEL__N_JOBS] = {"n_jobs",
                        "PARCEL_N_JOBS",
                        offsetof(parcel_options, n_jobs),
                        INTEGER,
                        -MOST_JOBS,
                        MOST_JOBS,
                        {{0}}},
    [PARCEL__VERBOSE] = {"verbose",
                         "PARCEL_VERBOSE",
                         offsetof(parcel_options, verbose),
                         INTEGER,
                         -1,
                         INT_MAX,
                         {{0}}},
    [PARCEL__BATCH_SIZE] = {"batch_size",
                            "PARCEL_BATCH_SIZE",
                            offsetof(parcel_options, batch_size),
                            WIDE_INTEGER,
                            1,
                            LLONG_MAX,
                            {{0}}},
    [PARCEL__ON_ERROR] = {"on_error",
                          "PARCEL_ON_ERROR",
                          offsetof(parcel_options, on_error),
                          CHOICE,
                          PARCEL_STOP,
                          PARCEL_COLLECT,
                          {{"stop", "PARCEL_STOP"}, {"collect", "PARCEL_COLLECT"}}},
    [PARCEL__BACKEND] =
        {"backend", "PARCEL_BACKEND", offsetof(parcel_options, backend), NAME, 0, 0, {{0}}},
    [PARCEL__PREFER] = {"prefer", NULL, offsetof(parcel_options, prefer), NAME, 0, 0, {{0}}},
    [PARCEL__REQUIRE] = {"require", NULL, offsetof(parcel_options, require), NAME, 0, 0, {{0}}},
    [PARCEL__RETURN_AS] = {"return_as",
                           "PARCEL_RETURN_AS",
                           offsetof(parcel_options, return_as),
                           CHOICE,
                           PARCEL_LIST,
                           PARCEL_GENERATOR_UNORDERED,
                           {{"list", "PARCEL_LIST"},
                            {"generator", "PARCEL_GENERATOR"},
                            {"generator_unordered", "PARCEL_GENERATOR_UNORDERED"}}},
    [PARCEL__ON_RESULT] =
        {"on_result", NULL, offsetof(parcel_options, on_result), POINTER, 0, 0, {{0}}},
    [PARCEL__WINDOW] = {"window",
                        "PARCEL_WINDOW",
                        offsetof(parcel_options, window),
                        WIDE_INTEGER,
                        1,
                        LLONG_MAX,
                        {{0}}},
    [PARCEL__PRE_DISPATCH] = {"pre_dispatch",
                              "PARCEL_PRE_DISPATCH",
                              offsetof(parcel_options, pre_dispatch),
                              NAME,
                              0,
                              0,
                              {{0}}},
    [PARCEL__SCHEDULE] = {"schedule",
                          "PARCEL_SCHEDULE",
                          offsetof(parcel_options, schedule),
                          CHOICE,
                          PARCEL_ADAPTIVE,
                          PARCEL_GUIDED,
                          {{"adaptive", "PARCEL_ADAPTIVE"},
                           {"static", "PARCEL_STATIC"},
                           {"dynamic", "PARCEL_DYNAMIC"},
                           {"guided", "PARCEL_GUIDED"}}},
    [PARCEL__TIMING] = {"timing",
                        "PARCEL_TIMING",
                        offsetof(parcel_options, timing),
                        CHOICE,
                        PARCEL_YES,
                        PARCEL_NO,
                        {{"yes", "PARCEL_YES"}, {"no", "PARCEL_NO"}}},
    [PARCEL__CANCEL] = {"cancel", NULL, offsetof(parcel_options, cancel), POINTER, 0, 0, {{0}}},
    [PARCEL__HANDLE_SIGNALS] = {"handle_signals",
                                "PARCEL_HANDLE_SIGNALS",
                                offsetof(parcel_options, handle_signals),
                                CHOICE,
                                PARCEL_YES,
                                PARCEL_NO,
                                {{"yes", "PARCEL_YES"}, {"no", "PARCEL_NO"}}},
    [PARCEL__MAX_FAILURES] = {"max_failures",
                              "PARCEL_MAX_FAILURES",
                              offsetof(parcel_options, max_failures),
                              WIDE_INTEGER,
                              1,
                              LLONG_MAX,
                              {{0}}},
    [PARCEL__HALT] = {"halt", "PARCEL_HALT", offsetof(parcel_options, halt), NAME, 0, 0, {{0}}},
    [PARCEL__DEADLINE] = {"deadline",
                          "PARCEL_DEADLINE",
                          offsetof(parcel_options, deadline),
                          REAL,
                          0,
                          MOST_SECONDS,
                          {{0}}},
    [PARCEL__TIMEOUT] = {"timeout",
                         "PARCEL_TIMEOUT",
                         offsetof(parcel_options, timeout),
                         REAL,
                         0,
                         MOST_SECONDS,
                         {{0}}},
    [PARCEL__TIMEOUT_FACTOR] = {"timeout_factor",
                                "PARCEL_TIMEOUT_FACTOR",
                                offsetof(parcel_options, timeout_factor),
                                REAL,
                                1,
                                MOST_SECONDS,
                                {{0}}},
    [PARCEL__RETRIES] = {"retries",
                         "PARCEL_RETRIES",
                         offsetof(parcel_options, retries),
                         INTEGER,
                         1,
                         MOST_RETRIES,
                         {{0}}},
    [PARCEL__RETRY_DELAY] = {"retry_delay",
                             "PARCEL_RETRY_DELAY",
                             offsetof(parcel_options, retry_delay),
                             REAL,
                             0,
                             MOST_SECONDS,
                             {{0}}},
    [PARCEL__MAX_CALLS_PER_WORKER] = {"max_calls_per_worker",
                                      "PARCEL_MAX_CALLS_PER_WORKER",
                                      offsetof(parcel_options, max_calls_per_worker),
                                      WIDE_INTEGER,
                                      1,
                                      LLONG_MAX,
                                      {{0}}},
    [PARCEL__MAX_WORKER_MEMORY] = {"max_worker_memory",
                                   "PARCEL_MAX_WORKER_MEMORY",
                                   offsetof(parcel_options, max_worker_memory),
                                   WIDE_INTEGER,
                                   1,
                                   LLONG_MAX,
                                   {{0}}},
    [PARCEL__KILL_AFTER] = {"kill_after",
                            "PARCEL_KILL_AFTER",
                            offsetof(parcel_options, kill_after),
                            REAL,
                            0,
                            MOST_SECONDS,
                            {{0}}},
    [PARCEL__CORE_DUMPS] = {"core_dumps",
                            "PARCEL_CORE_DUMPS",
                            offsetof(parcel_options, core_dumps),
                            CHOICE,
                            PARCEL_YES,
                            PARCEL_NO,
                            {{"yes", "PARCEL_YES"}, {"no", "PARCEL_NO"}}},
    [PARCEL__READ_ONLY] = {"read_only",
                           "PARCEL_READ_ONLY",
                           offsetof(parcel_options, read_only),
                           CHOICE,
                           PARCEL_YES,
                           PARCEL_NO,
                           {{"yes", "PARCEL_YES"}, {"no", "PARCEL_NO"}}},
    [PARCEL__ISOLATE] = {"isolate",
                         "PARCEL_ISOLATE",
                         offsetof(parcel_options, isolate),
                         CHOICE,
                         PARCEL_YES,
                         PARCEL_NO,
                         {{"yes", "PARCEL_YES"}, {"no", "PARCEL_NO"}}},
    [PARCEL__MPI_RESULTS] = {"mpi_results",
                             "PARCEL_MPI_RESULTS",
                             offsetof(parcel_options, mpi_results),
                             CHOICE,
                             PARCEL_RANK_0,
                             PARCEL_ALL_RANKS,
                             {{"rank_0", "PARCEL_RANK_0"}, {"all_ranks", "PARCEL_ALL_RANKS"}}},
    [PARCEL__MPI_TIMEOUT] = {"mpi_timeout",
                             "PARCEL_MPI_TIMEOUT",
                             offsetof(parcel_options, mpi_timeout),
                             REAL,
                             0,
                             MOST_SECONDS,
                             {{0}}},
};

/* An option's value, all of it zero when it is not set: a number, or a name or a pointer that is
 * borrowed from its source. */
struct setting {
    enum parcel__source source;
    const parcel_options *options; /* where it was found, or NULL */
    union {
        long long number;
        double real;
        const char *name;
        const void *pointer;
    };
};

/* ---- reading one option ---- */

/* True when the options set it. */
static bool read_option(const struct option *option, const parcel_options *options,
                        struct setting *setting)
{
    const unsigned char *place = (const unsigned char *)options + option->offset;
    int number;
    setting->options = options;
    if (option->type == INTEGER || option->type == CHOICE) {
        memcpy(&number, place, sizeof number);
        setting->number = number;
    } else {
        memcpy(&setting->number, place, sizeof setting->number);
    }
    return setting->number != 0;
}

/* Adds "stop or collect is allowed", by words or by names. */
static void put_choices(struct parcel__text *error, const struct option *option, bool words)
{
    for (int i = 0; option->choices[i].word; i++) {
        if (i > 0)
            parcel__text_put(error, option->choices[i + 1].word ? ", " : " or ");
        parcel__text_put(error, words ? option->choices[i].word : option->choices[i].name);
    }
    parcel__text_put(error, " is allowed");
}

static void put_range(struct parcel__text *error, const struct option *option)
{
    if (option->type == CHOICE)
        put_choices(error, option, false);
    else if (option->type == WIDE_INTEGER)
        parcel__text_put(error, option - options_table == PARCEL__BATCH_SIZE
                                    ? "a positive integer is allowed, or 0 for an adaptive size"
                                    : "a positive integer is allowed, 0 means not set");
    else
        parcel__text_format(error,
                            option->type == REAL
                                ? "numbers above %lld and up to %lld are allowed, 0 means not set"
                                : "integers from %lld to %lld are allowed, 0 means not set",
                            option->least, option->most);
}

/* Not a number is out of every range. */
static bool is_in_range(const struct option *option, const struct setting *setting)
{
    if (option->type == REAL)
        return setting->real > (double)option->least && setting->real <= (double)option->most;
    return option->type == NAME || option->type == POINTER ||
           (setting->number >= option->least && setting->number <= option->most);
}

static bool check_range(const struct option *option, const struct setting *setting,
                        struct parcel__text *error)
{
    if (is_in_range(option, setting))
        return true;
    parcel__text_format(error, "%s = ", option->name);
    if (option->type == REAL)
        parcel__text_format(error, "%g", setting->real);
    else
        parcel__text_format(error, "%lld", setting->number);
    parcel__text_put(error, " is out of range: ");
    put_range(error, option);
    return false;
}

static bool read_choice(const struct option *option, const char *value, struct setting *setting,
                        struct parcel__text *error)
{
    for (int i = 0; option->choices[i].word; i++)
        if (strcmp(value, option->choices[i].word) == 0) {
            setting->number = i + 1;
            return true;
        }
    parcel__text_format(error, "%s=%s: ", option->variable, value);
    put_choices(error, option, true);
    return false;
}

static bool read_integer(const struct option *option, const char *value, struct setting *setting,
                         struct parcel__text *error)
{
    const char *fault = "";
    bool is_n_jobs = option - options_table == PARCEL__N_JOBS;
    if (!parcel__port_parse(value, LLONG_MIN, LLONG_MAX, &setting->number))
        fault = "could not be converted to int";
    else if (setting->number == 0 && is_n_jobs)
        fault = "== 0 in Parallel has no meaning";
    else if (setting->number < option->least || setting->number > option->most)
        fault = "is out of range";
    else
        return true;
    parcel__text_format(error, "%s=%s: %s %s: an integer from %lld to %lld is allowed%s",
                        option->variable, value, option->name, fault, option->least, option->most,
                        is_n_jobs ? ", but not 0" : "");
    return false;
}

static bool read_real(const struct option *option, const char *value, struct setting *setting,
                      struct parcel__text *error)
{
    const char *fault = "is out of range";
    if (!parcel__port_parse_real(value, &setting->real))
        fault = "could not be converted to float";
    else if (is_in_range(option, setting))
        return true;
    parcel__text_format(error, "%s=%s: %s %s: a number above %lld and up to %lld is allowed",
                        option->variable, value, option->name, fault, option->least, option->most);
    return false;
}

/* Reads the option's variable, strictly. False: its value is wrong. */
static bool read_variable(const struct option *option, const char *value, struct setting *setting,
                          struct parcel__text *error)
{
    setting->source = PARCEL__FROM_ENVIRONMENT;
    if (option->type == CHOICE)
        return read_choice(option, value, setting, error);
    if (option->type == REAL)
        return read_real(option, value, setting, error);
    if (option->type != NAME)
        return read_integer(option, value, setting, error);
    setting->name = value;
    return true;
}

/* The walk from scope to scope, outwards. */
struct walk {
    const struct parcel_current_call *current; /* NULL when it has left all calls */
    const struct parcel__scope *next;
    bool is_closed; /* it ended at a call that does not see what is around its run */
};

static struct walk start_walk(void)
{
    const struct parcel_current_call *current = parcel__current_get();
    return (struct walk){current, current ? current->scopes : parcel__scope_of_thread(), false};
}

/* The next scope's options, or NULL after the last. */
static const parcel_options *next_scope(struct walk *walk)
{
    while (!walk->next && walk->current && walk->current->nest->sees_outside) {
        walk->current = walk->current->around;
        walk->next = walk->current ? walk->current->scopes : parcel__scope_of_thread();
    }
    walk->is_closed = walk->current != NULL;
    if (!walk->next)
        return NULL;
    const struct parcel__scope *scope = walk->next;
    walk->next = scope->outer;
    return &scope->options;
}

static const char prefix[] = "PARCEL_";

/* Where settings may come from: the options given, the scopes around, the environment. */
struct sources {
    const parcel_options *options;
    struct walk walk;
    char **variables;      /* the first of the environment that may be ours, or NULL */
    bool are_only_options; /* there is nothing else, as for most runs */
};

static struct sources find_sources(const parcel_options *options)
{
    struct walk walk = start_walk();
    char **variables = parcel__port_next_variable(NULL, prefix);
    bool is_outermost = !walk.current && !walk.next;
    return (struct sources){options, walk, variables, is_outermost && !variables};
}

/* The nearest options of which that holds, of those given and the scopes around, or NULL. */
static const parcel_options *find_nearest(const struct sources *sources,
                                          bool (*holds)(const parcel_options *options))
{
    const parcel_options *options = sources->options;
    struct walk walk = sources->walk;
    while (options && !holds(options))
        options = next_scope(&walk);
    return options;
}

/* Asks each source in turn. False: a value is wrong. */
static bool find_setting(const struct option *option, const struct sources *sources,
                         struct setting *setting, struct parcel__text *error)
{
    const parcel_options *options = sources->options;
    struct walk walk = sources->walk;
    for (setting->source = PARCEL__GIVEN; options; setting->source = PARCEL__FROM_SCOPE) {
        if (read_option(option, options, setting))
            return check_range(option, setting, error);
        if (sources->are_only_options)
            break;
        options = next_scope(&walk);
    }
    setting->source = PARCEL__FROM_DEFAULT;
    setting->options = NULL;
    bool asks = sources->variables && !walk.is_closed && option->variable;
    const char *value = asks ? parcel__port_variable(option->variable) : NULL;
    return !value || read_variable(option, value, setting, error);
}

/* ---- variables that are not ours ---- */

/* The variable that a name misses by two letters or fewer; NULL: none, or it is one. */
static const char *nearest_variable(const char *name, size_t length)
{
    size_t least = 3;
    const char *nearest = NULL;
    for (int i = 0; i < PARCEL__N_OPTIONS; i++) {
        const char *variable = options_table[i].variable;
        if (!variable)
            continue;
        if (strncmp(variable, name, length) == 0 && !variable[length])
            return NULL;
        size_t distance = parcel__spelling_distance(name, length, variable);
        if (distance < least) {
            least = distance;
            nearest = variable;
        }
    }
    return nearest;
}

/* What is written wrong would set nothing, without a word. Other programs have variables that
 * begin so, too: those are further off. */
static void note_unknown_variables(struct parcel__text *warnings, const struct sources *sources)
{
    struct walk walk = sources->walk;
    while (next_scope(&walk))
        continue;
    char **variable = walk.is_closed ? NULL : sources->variables;
    for (; variable; variable = parcel__port_next_variable(variable, prefix)) {
        size_t length = strcspn(*variable, "=");
        const char *nearest = nearest_variable(*variable, length);
        if (nearest)
            parcel__text_format(warnings, "%.*s means nothing: is %s meant?\n", (int)length,
                                *variable, nearest);
    }
}

/* ---- workers ---- */

static struct parcel__cpus cpus;
static struct parcel__once cpus_once;

static void count_cpus(void)
{
    cpus = parcel__port_cpus(parcel__openmp_bound_cpus());
}

struct parcel__cpus parcel__config_cpus(void)
{
    parcel__once_run(&cpus_once, count_cpus);
    return cpus;
}

int parcel_cpu_count(void)
{
    parcel__once_run(&cpus_once, count_cpus);
    return cpus.count;
}

static int most_threads;
static struct parcel__once most_threads_once;

static void read_thread_limit(void)
{
    most_threads = parcel__port_thread_limit();
}

/* What the system allows is read once, and only for a run that wants more workers than cpus. */
static int limit_threads(int wanted)
{
    if (wanted <= parcel_cpu_count())
        return wanted;
    parcel__once_run(&most_threads_once, read_thread_limit);
    return wanted < most_threads ? wanted : most_threads;
}

int parcel__config_limit(const struct parcel_current_call *current, int n_jobs)
{
    int most = current ? current->nest->workers : 0;
    return most > 0 && n_jobs > most ? most : n_jobs;
}

/* The first number of OMP_NUM_THREADS, or 0 when it has none. */
static int openmp_n_jobs(void)
{
    const char *variable = parcel__port_variable("OMP_NUM_THREADS");
    long number = variable ? strtol(variable, NULL, 10) : 0;
    return number > 0 && number <= MOST_JOBS ? (int)number : 0;
}

/* What a run has when nobody says. */
static int default_n_jobs(const struct parcel_current_call *current)
{
    if (current && current->nest->workers > 0)
        return current->nest->workers;
    int number = openmp_n_jobs();
    return number > 0 ? number : parcel_cpu_count();
}

static bool is_default_from_openmp(void)
{
    const struct parcel_current_call *current = parcel__current_get();
    return !(current && current->nest->workers > 0) && openmp_n_jobs() > 0;
}

/* The workers that a setting means. */
static int count_workers(long long n_jobs, const struct parcel_current_call *current)
{
    if (n_jobs == 0)
        return default_n_jobs(current);
    if (n_jobs > 0)
        return (int)n_jobs;
    long long some = parcel_cpu_count() + 1 + n_jobs;
    return some > 1 ? (int)some : 1;
}

static void resolve_workers(struct parcel__plan *plan, const struct setting *setting)
{
    const struct parcel_current_call *current = parcel__current_get();
    int wanted = count_workers(setting->number, current);
    int limit = limit_threads(wanted);
    plan->is_n_jobs_unset = !setting->number && !is_default_from_openmp();
    plan->n_jobs_asked = setting->number ? (int)setting->number : wanted;
    plan->n_jobs = parcel__config_limit(current, wanted);
    if (plan->n_jobs > limit) {
        parcel__text_format(&plan->warnings,
                            "n_jobs = %d: the run has %d worker%s, as many threads as a process "
                            "may start safely here\n",
                            wanted, limit, limit == 1 ? "" : "s");
        plan->n_jobs = limit;
    }
}

int parcel_effective_n_jobs(int n_jobs)
{
    struct parcel__plan plan;
    struct parcel__text error = {0};
    const parcel_options options = {.n_jobs = n_jobs};
    struct setting setting = {.source = PARCEL__FROM_DEFAULT};
    plan = (struct parcel__plan){.n_jobs = 1};
    const struct sources sources = find_sources(&options);
    if (find_setting(&options_table[PARCEL__N_JOBS], &sources, &setting, &error))
        resolve_workers(&plan, &setting);
    parcel__text_free(&plan.warnings);
    parcel__text_free(&error);
    return plan.n_jobs;
}

struct parcel__nest parcel__config_nest(const struct parcel_current_call *current, int n_jobs,
                                        int n_workers)
{
    struct parcel__nest nest = {0, 0, 0, true};
    if (current)
        nest = *current->nest;
    nest.level++;
    nest.sees_outside = n_jobs == 1;
    if (n_jobs == 1)
        return nest;
    int threads = nest.threads > 0 ? nest.threads : parcel_cpu_count();
    if (threads < n_jobs)
        threads = n_jobs;
    nest.workers = n_jobs > n_workers ? n_jobs / n_workers : 1;
    nest.threads = threads > n_workers ? threads / n_workers : 1;
    return nest;
}

/* ---- backend ---- */

/* Finds a backend that somebody named. False: there is none. */
static bool find_named(struct parcel__plan *plan, const char *name, struct parcel__text *error)
{
    plan->backend = parcel__backend_find(name);
    if (plan->backend)
        return true;
    parcel__text_format(error, "Invalid backend: %s, expected one of ", name);
    parcel__backend_put_names(error);
    return false;
}

/* Finds a backend when nobody named one. What was not asked for may give way. */
static void find_preferred(struct parcel__plan *plan, const char *prefer)
{
    plan->backend = NULL;
    if (prefer)
        plan->backend = parcel__backend_find(strcmp(prefer, "threads") == 0 ? "threading" : prefer);
    if (!plan->backend)
        plan->backend = parcel__backend_default();
    plan->fallback = parcel__backend_fallback();
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
static bool require_shared_memory(struct parcel__plan *plan, const struct setting *settings,
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

static bool resolve_backend(struct parcel__plan *plan, const struct setting *settings,
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
static bool resolve_halt(struct parcel__plan *plan, const struct setting *settings,
                         struct parcel__text *error)
{
    const struct setting *most = &settings[PARCEL__MAX_FAILURES], *halt = &settings[PARCEL__HALT];
    struct parcel__halt *resolved = &plan->limits.halt;
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
static void find_callbacks(struct parcel__plan *plan, const struct sources *sources)
{
    const parcel_options *options = find_nearest(sources, have_callbacks);
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
static void find_retry_if(struct parcel__plan *plan, const struct sources *sources)
{
    const parcel_options *options = find_nearest(sources, have_retry_if);
    if (!options)
        return;
    plan->limits.retry.wanted = options->retry_if;
    plan->limits.retry.state = options->retry_state;
}

static bool resolve_limits(struct parcel__plan *plan, const struct sources *sources,
                           const struct setting *settings, struct parcel__text *error)
{
    plan->limits = (struct parcel__limits){
        .cancel = settings[PARCEL__CANCEL].pointer,
        .handles_signals = settings[PARCEL__HANDLE_SIGNALS].number == PARCEL_YES,
        .deadline = settings[PARCEL__DEADLINE].real,
        .timeout = settings[PARCEL__TIMEOUT].real,
        .timeout_factor = settings[PARCEL__TIMEOUT_FACTOR].real,
        .retry = {.most = (int)settings[PARCEL__RETRIES].number,
                  .delay = settings[PARCEL__RETRY_DELAY].real},
    };
    if (!resolve_halt(plan, settings, error))
        return false;
    if (plan->limits.halt.counts != PARCEL__HALT_UNSET)
        plan->collect = true; /* it says itself what failures do */
    find_retry_if(plan, sources);
    find_callbacks(plan, sources);
    return true;
}

/* ---- workers that are processes ---- */

static void resolve_worker_limits(struct parcel__plan *plan, const struct setting *settings)
{
    static const double kill_after = 1;
    double seconds = settings[PARCEL__KILL_AFTER].real;
    plan->worker_limits = (struct parcel__worker_limits){
        .max_calls = (size_t)settings[PARCEL__MAX_CALLS_PER_WORKER].number,
        .max_memory = (size_t)settings[PARCEL__MAX_WORKER_MEMORY].number,
        .kill_after = seconds > 0 ? seconds : kill_after,
        .dumps_core = settings[PARCEL__CORE_DUMPS].number == PARCEL_YES,
        .read_only = settings[PARCEL__READ_ONLY].number == PARCEL_YES,
    };
}

/* ---- workers on several hosts ---- */

static void resolve_ranks(struct parcel__plan *plan, const struct setting *settings)
{
    double seconds = settings[PARCEL__MPI_TIMEOUT].real;
    plan->isolate = settings[PARCEL__ISOLATE].number == PARCEL_YES;
    plan->all_ranks = settings[PARCEL__MPI_RESULTS].number == PARCEL_ALL_RANKS;
    plan->mpi_timeout = seconds > 0 ? seconds : INFINITY;
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

static bool resolve_window(struct parcel__plan *plan, const struct setting *setting,
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

static bool resolve_stream(struct parcel__plan *plan, const struct setting *settings,
                           struct parcel__text *error)
{
    const parcel_options *options = settings[PARCEL__ON_RESULT].options;
    long long return_as = settings[PARCEL__RETURN_AS].number;
    if (options) {
        plan->on_result = options->on_result;
        plan->on_result_state = options->on_result_state;
    }
    /* Who does not know that there is a stream to be pulled would find no results. */
    bool is_meant = plan->on_result || settings[PARCEL__RETURN_AS].source == PARCEL__GIVEN;
    plan->return_as = is_meant && return_as ? (parcel_return_as)return_as : PARCEL_LIST;
    if (!is_meant)
        plan->sources[PARCEL__RETURN_AS] = PARCEL__FROM_DEFAULT;
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
static bool has_plain_options_only(const struct sources *sources)
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

/* Most runs have only their own options, of which most are not set: then the default holds. */
static inline bool is_left_alone(const struct option *option, const struct sources *sources,
                                 struct setting *setting)
{
    if (!sources->are_only_options || read_option(option, sources->options, setting))
        return false;
    setting->source = PARCEL__FROM_DEFAULT;
    setting->options = NULL;
    return true;
}

/* The nearest sink goes with its state. */
static void find_sink(struct parcel__plan *plan, const struct sources *sources)
{
    const parcel_options *options = find_nearest(sources, have_sink);
    if (!options)
        return;
    plan->sink = options->sink;
    plan->sink_state = options->sink_state;
}

static bool resolve(struct parcel__plan *plan, const parcel_options *options,
                    struct parcel__text *error)
{
    struct setting settings[PARCEL__N_OPTIONS];
    const struct sources sources = find_sources(options);
    if (!is_reserved_space_clear(options)) {
        parcel__text_put(error, "the options' reserved space is not zero: start from "
                                "parcel_options options = {0}");
        return false;
    }
    bool is_plain = has_plain_options_only(&sources);
    int n_asked = is_plain ? PARCEL__RETURN_AS : PARCEL__N_OPTIONS;
    memset(&settings[n_asked], 0, (size_t)(PARCEL__N_OPTIONS - n_asked) * sizeof *settings);
    for (int i = 0; i < n_asked; i++) {
        if (!is_left_alone(&options_table[i], &sources, &settings[i]) &&
            !find_setting(&options_table[i], &sources, &settings[i], error))
            return false;
        plan->sources[i] = settings[i].source;
    }
    resolve_workers(plan, &settings[PARCEL__N_JOBS]);
    plan->verbose = (int)settings[PARCEL__VERBOSE].number;
    plan->batch_size = (size_t)settings[PARCEL__BATCH_SIZE].number;
    plan->collect = settings[PARCEL__ON_ERROR].number == PARCEL_COLLECT;
    plan->is_timed = settings[PARCEL__TIMING].number != PARCEL_NO;
    plan->schedule = settings[PARCEL__SCHEDULE].number
                         ? (parcel_schedule)settings[PARCEL__SCHEDULE].number
                         : PARCEL_ADAPTIVE;
    find_sink(plan, &sources);
    resolve_worker_limits(plan, settings);
    resolve_ranks(plan, settings);
    if (sources.variables)
        note_unknown_variables(&plan->warnings, &sources);
    if (!is_plain && !resolve_limits(plan, &sources, settings, error))
        return false;
    return resolve_backend(plan, settings, error) && resolve_stream(plan, settings, error);
}

/* One setting, whatever is wrong with others. False: it is wrong itself. */
static bool find_alone(int option, const parcel_options *options, struct setting *setting)
{
    struct parcel__text error = {0};
    const struct sources sources = find_sources(options);
    *setting = (struct setting){.source = PARCEL__FROM_DEFAULT};
    bool found = find_setting(&options_table[option], &sources, setting, &error);
    parcel__text_free(&error);
    return found;
}

bool parcel__config_resolve(struct parcel__plan *plan, const parcel_options *options,
                            struct parcel__text *error)
{
    static const parcel_options defaults;
    struct setting setting;
    *plan = (struct parcel__plan){.n_jobs = 1, .mpi_timeout = INFINITY};
    options = options ? options : &defaults;
    if (resolve(plan, options, error))
        return true;
    if (!is_reserved_space_clear(options)) /* nor is the rest */
        options = &defaults;
    plan->backend = find_alone(PARCEL__BACKEND, options, &setting) && setting.name
                        ? parcel__backend_find(setting.name)
                        : NULL;
    if (find_alone(PARCEL__MPI_TIMEOUT, options, &setting) && setting.real > 0)
        plan->mpi_timeout = setting.real;
    return false;
}

void parcel__config_free(struct parcel__plan *plan)
{
    parcel__text_free(&plan->warnings);
}

/* ---- explaining ---- */

static void put_choice(struct parcel__text *text, int option, int choice)
{
    parcel__text_put(text, options_table[option].choices[choice - 1].name);
}

static void put_real(struct parcel__text *text, double real, const char *unit)
{
    if (real > 0)
        parcel__text_format(text, "%g%s", real, unit);
    else
        parcel__text_put(text, "none");
}

/* Those of when a run stops. */
static void put_limit(struct parcel__text *text, const struct parcel__plan *plan, int option)
{
    const struct parcel__limits *limits = &plan->limits;
    switch (option) {
    case PARCEL__CANCEL:
        parcel__text_put(text, limits->cancel ? "a token" : "none");
        return;
    case PARCEL__HANDLE_SIGNALS:
        put_choice(text, option, limits->handles_signals ? PARCEL_YES : PARCEL_NO);
        return;
    case PARCEL__MAX_FAILURES:
        if (limits->halt.counts == PARCEL__HALT_FAIL && !limits->halt.now &&
            !limits->halt.is_percent)
            parcel__text_format(text, "%lld", limits->halt.number);
        else
            parcel__text_put(text, "none");
        return;
    case PARCEL__HALT:
        parcel__halt_put(text, &limits->halt);
        return;
    case PARCEL__RETRIES:
        parcel__text_format(text, "%d", limits->retry.most);
        return;
    case PARCEL__TIMEOUT_FACTOR:
        put_real(text, limits->timeout_factor, "");
        return;
    case PARCEL__RETRY_DELAY:
        put_real(text, limits->retry.delay, " s");
        return;
    default:
        put_real(text, option == PARCEL__TIMEOUT ? limits->timeout : limits->deadline, " s");
    }
}

static void put_number(struct parcel__text *text, size_t number, const char *unit)
{
    if (number > 0)
        parcel__text_format(text, "%zu%s", number, unit);
    else
        parcel__text_put(text, "none");
}

/* Those of workers that are processes. */
static void put_worker_limit(struct parcel__text *text, const struct parcel__worker_limits *limits,
                             int option)
{
    if (option == PARCEL__MAX_CALLS_PER_WORKER)
        put_number(text, limits->max_calls, "");
    else if (option == PARCEL__MAX_WORKER_MEMORY)
        put_number(text, limits->max_memory, limits->max_memory == 1 ? " byte" : " bytes");
    else if (option == PARCEL__KILL_AFTER)
        put_real(text, limits->kill_after, " s");
    else
        put_choice(text, option,
                   (option == PARCEL__CORE_DUMPS ? limits->dumps_core : limits->read_only)
                       ? PARCEL_YES
                       : PARCEL_NO);
}

/* Those of workers on several hosts. */
static void put_rank_option(struct parcel__text *text, const struct parcel__plan *plan, int option)
{
    if (option == PARCEL__ISOLATE)
        put_choice(text, option, plan->isolate ? PARCEL_YES : PARCEL_NO);
    else if (option == PARCEL__MPI_RESULTS)
        put_choice(text, option, plan->all_ranks ? PARCEL_ALL_RANKS : PARCEL_RANK_0);
    else
        put_real(text, isfinite(plan->mpi_timeout) ? plan->mpi_timeout : 0, " s");
}

static void put_value(struct parcel__text *text, const struct parcel__plan *plan, int option)
{
    if (option >= PARCEL__ISOLATE) {
        put_rank_option(text, plan, option);
        return;
    }
    if (option >= PARCEL__MAX_CALLS_PER_WORKER) {
        put_worker_limit(text, &plan->worker_limits, option);
        return;
    }
    if (option >= PARCEL__CANCEL) {
        put_limit(text, plan, option);
        return;
    }
    switch (option) {
    case PARCEL__N_JOBS:
        parcel__text_format(text, "%d", plan->n_jobs_asked);
        if (plan->n_jobs != plan->n_jobs_asked)
            parcel__text_format(text, " (%d worker%s)", plan->n_jobs, plan->n_jobs == 1 ? "" : "s");
        return;
    case PARCEL__VERBOSE:
        parcel__text_format(text, "%d", plan->verbose > 0 ? plan->verbose : -1);
        return;
    case PARCEL__BATCH_SIZE:
        if (plan->batch_size == 0)
            parcel__text_put(text, "adaptive");
        else
            parcel__text_format(text, "%zu", plan->batch_size);
        return;
    case PARCEL__ON_ERROR:
        put_choice(text, option, plan->collect ? PARCEL_COLLECT : PARCEL_STOP);
        return;
    case PARCEL__BACKEND:
        parcel__text_put(text, plan->backend->name);
        return;
    case PARCEL__PREFER:
        parcel__text_put(text, plan->prefer ? plan->prefer : "none");
        return;
    case PARCEL__RETURN_AS:
        put_choice(text, option, (int)plan->return_as);
        return;
    case PARCEL__ON_RESULT:
        parcel__text_put(text, plan->on_result ? "a function" : "none");
        return;
    case PARCEL__WINDOW:
        parcel__text_format(text, "%zu", plan->window);
        return;
    case PARCEL__PRE_DISPATCH:
        if (plan->pre_dispatch == SIZE_MAX)
            parcel__text_put(text, "all");
        else
            parcel__text_format(text, "%zu", plan->pre_dispatch);
        return;
    case PARCEL__SCHEDULE:
        put_choice(text, option, (int)plan->schedule);
        return;
    case PARCEL__TIMING:
        put_choice(text, option, plan->is_timed ? PARCEL_YES : PARCEL_NO);
        return;
    default:
        parcel__text_put(text, plan->require ? plan->require : "none");
    }
}

/* One line: what was put since start, and where it came from. */
static void end_line(struct parcel__text *text, size_t start, const char *from)
{
    int width = (int)(text->length - start);
    parcel__text_format(text, "%*s(%s)\n", width < 32 ? 32 - width : 1, "", from);
}

static void put_cpus(struct parcel__text *text)
{
    size_t start = text->length;
    parcel__text_format(text, "%-14s = %d", "cpus", parcel_cpu_count());
    end_line(text, start, parcel__config_cpus().by);
}

static void put_plan(struct parcel__text *text, const struct parcel__plan *plan)
{
    static const char *const sources[] = {[PARCEL__FROM_DEFAULT] = "default",
                                          [PARCEL__FROM_SCOPE] = "scope",
                                          [PARCEL__GIVEN] = "given"};
    for (int i = 0; i < PARCEL__N_OPTIONS; i++) {
        enum parcel__source source = plan->sources[i];
        const char *from = sources[source];
        if (source == PARCEL__FROM_ENVIRONMENT)
            from = options_table[i].variable;
        else if (i == PARCEL__N_JOBS && source == PARCEL__FROM_DEFAULT && is_default_from_openmp())
            from = "OMP_NUM_THREADS";
        size_t start = text->length;
        parcel__text_format(text, "%-14s = ", options_table[i].name);
        put_value(text, plan, i);
        end_line(text, start, from);
    }
    put_cpus(text);
    if (plan->warnings.length > 0)
        parcel__text_put(text, plan->warnings.bytes);
}

bool parcel_explain(const parcel_options *options, FILE *file)
{
    struct parcel__plan plan;
    struct parcel__text text = {0};
    if (!file)
        return false;
    bool resolved = parcel__config_resolve(&plan, options, &text);
    if (resolved)
        put_plan(&text, &plan);
    else
        parcel__text_put(&text, "\n");
    bool written = !text.failed && fwrite(text.bytes, 1, text.length, file) == text.length;
    parcel__config_free(&plan);
    parcel__text_free(&text);
    return resolved && written;
}

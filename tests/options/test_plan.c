/* test_plan.c: where each option comes from, and what is said of a wrong one. */
#include "suite.h"

#include "options/backends.h"
#include "options/n_jobs.h"
#include "options/plan.h"

#include <limits.h>
#include <math.h>

/* Resolves; the error is kept for the test to look at. */
static struct parcel__plan plan;
static struct parcel__text error;

static void forget(void)
{
    parcel__plan_free(&plan);
    parcel__text_free(&error);
}

static bool resolve(const parcel_options *options)
{
    forget();
    return parcel__plan_resolve(&plan, options, &error);
}

/* ---- precedence ---- */

enum { FROM_ENVIRONMENT, FROM_SCOPE, FROM_NESTED, FROM_GIVEN, N_SOURCES };

static const char *const variables[] = {
    [PARCEL__N_JOBS] = "PARCEL_N_JOBS",         [PARCEL__VERBOSE] = "PARCEL_VERBOSE",
    [PARCEL__BATCH_SIZE] = "PARCEL_BATCH_SIZE", [PARCEL__ON_ERROR] = "PARCEL_ON_ERROR",
    [PARCEL__BACKEND] = "PARCEL_BACKEND",       [PARCEL__SCHEDULE] = "PARCEL_SCHEDULE",
    [PARCEL__TIMING] = "PARCEL_TIMING"};

static void run_nothing(void *state, parcel_job *job, int n_workers)
{
    (void)state, (void)job, (void)n_workers;
}

/* One backend for each source that may name one. */
static const parcel_backend backends[N_SOURCES] = {
    {.size = sizeof *backends, .name = "b0", .run = run_nothing},
    {.size = sizeof *backends, .name = "b1", .run = run_nothing},
    {.size = sizeof *backends, .name = "b2", .run = run_nothing},
    {.size = sizeof *backends, .name = "b3", .run = run_nothing},
};

/* Sets the option to what that source says: a number of its own, where there are enough. */
static void set_option(parcel_options *options, int option, int source)
{
    switch (option) {
    case PARCEL__N_JOBS:
        options->n_jobs = 2 + source;
        break;
    case PARCEL__VERBOSE:
        options->verbose = 2 + source;
        break;
    case PARCEL__BATCH_SIZE:
        options->batch_size = 2 + source;
        break;
    case PARCEL__ON_ERROR:
        options->on_error = source % 2 ? PARCEL_STOP : PARCEL_COLLECT;
        break;
    case PARCEL__SCHEDULE:
        options->schedule = (parcel_schedule)(1 + source);
        break;
    case PARCEL__TIMING:
        options->timing = source % 2 ? PARCEL_YES : PARCEL_NO;
        break;
    default:
        options->backend = backends[source].name;
    }
}

static void set_variable(int option)
{
    static const char *const values[] = {
        [PARCEL__N_JOBS] = "2",         [PARCEL__VERBOSE] = "2",  [PARCEL__BATCH_SIZE] = "2",
        [PARCEL__ON_ERROR] = "collect", [PARCEL__BACKEND] = "b0", [PARCEL__SCHEDULE] = "adaptive",
        [PARCEL__TIMING] = "no"};
    setenv(variables[option], values[option], 1);
}

/* What the plan has of it, as a number: the source whose value it is. */
static int read_plan(int option)
{
    switch (option) {
    case PARCEL__N_JOBS:
        return plan.n_jobs_asked - 2;
    case PARCEL__VERBOSE:
        return plan.verbose - 2;
    case PARCEL__BATCH_SIZE:
        return (int)plan.policy.batch_size - 2;
    case PARCEL__ON_ERROR:
        return plan.policy.collect ? 0 : 1;
    case PARCEL__SCHEDULE:
        return (int)plan.policy.schedule - 1;
    case PARCEL__TIMING:
        return plan.policy.is_timed ? 1 : 0;
    default:
        return plan.backend->name[0] == 'b' ? plan.backend->name[1] - '0' : -1;
    }
}

static bool has_two_values(int option)
{
    return option == PARCEL__ON_ERROR || option == PARCEL__TIMING;
}

/* Resolves with those sources set (a bit each) and checks that the last of them holds. */
static void check_precedence(int option, unsigned set)
{
    static const enum parcel__from names[] = {PARCEL__FROM_ENVIRONMENT, PARCEL__FROM_SCOPE,
                                              PARCEL__FROM_SCOPE, PARCEL__GIVEN};
    parcel_options options[N_SOURCES] = {{0}};
    int strongest = -1;
    for (int source = 0; source < N_SOURCES; source++)
        if (set & 1U << source) {
            set_option(&options[source], option, source);
            strongest = source;
        }
    if (set & 1U << FROM_ENVIRONMENT)
        set_variable(option);
    parcel_config_push_options(&options[FROM_SCOPE]);
    parcel_config_push_options(&options[FROM_NESTED]);
    ck_assert_msg(resolve(&options[FROM_GIVEN]), "%s", error.bytes);
    ck_assert_int_eq(plan.sources[option], strongest < 0 ? PARCEL__FROM_DEFAULT : names[strongest]);
    if (strongest >= 0)
        ck_assert_int_eq(read_plan(option), has_two_values(option) ? strongest % 2 : strongest);
    ck_assert(parcel_config_pop() && parcel_config_pop() && !parcel_config_pop());
    unsetenv(variables[option]);
    forget();
}

START_TEST(test_precedence)
{
    if (!variables[_i])
        return; /* prefer and require: see test_strings */
    for (int source = 0; source < N_SOURCES; source++)
        ck_assert_ptr_null(parcel_register_backend(&backends[source], false));
    for (unsigned set = 0; set < 1U << N_SOURCES; set++)
        check_precedence(_i, set);
    for (int source = 0; source < N_SOURCES; source++)
        ck_assert(parcel_unregister_backend(backends[source].name));
}
END_TEST

/* The limits of a run, from each source in turn. */
START_TEST(test_limits)
{
    parcel_token token = {0};
    setenv("PARCEL_DEADLINE", "1.5", 1);
    setenv("PARCEL_HANDLE_SIGNALS", "yes", 1);
    setenv("PARCEL_HALT", "now,done=7", 1);
    ck_assert(resolve(NULL));
    ck_assert_double_eq(plan.policy.limits.deadline, 1.5);
    ck_assert(plan.policy.limits.handles_signals && plan.policy.collect &&
              !plan.policy.limits.cancel);
    ck_assert_int_eq(plan.policy.limits.halt.number, 7);
    ck_assert(parcel_config_push(.deadline = 2.5, .handle_signals = PARCEL_NO,
                                 .halt = "soon,fail=8", .cancel = &token));
    ck_assert(resolve(NULL));
    ck_assert_double_eq(plan.policy.limits.deadline, 2.5);
    ck_assert(!plan.policy.limits.handles_signals && plan.policy.limits.cancel == &token);
    ck_assert_int_eq(plan.policy.limits.halt.number, 8);
    ck_assert(resolve(&(parcel_options){.deadline = 3.5, .max_failures = 9}));
    ck_assert_double_eq(plan.policy.limits.deadline, 3.5);
    ck_assert_int_eq(plan.policy.limits.halt.number, 9); /* it is nearer than the scope's halt */
    ck_assert(resolve(&(parcel_options){.halt = "never", .on_error = PARCEL_STOP}));
    ck_assert(plan.policy.collect && plan.policy.limits.halt.counts == PARCEL__HALT_NEVER);
    ck_assert(parcel_config_pop());
    unsetenv("PARCEL_DEADLINE");
    unsetenv("PARCEL_HANDLE_SIGNALS");
    unsetenv("PARCEL_HALT");
    ck_assert(resolve(NULL));
    ck_assert(!plan.policy.collect && plan.policy.limits.halt.counts == PARCEL__HALT_UNSET);
    forget();
}
END_TEST

/* Those of workers on several hosts, from each source in turn. */
START_TEST(test_ranks)
{
    ck_assert(resolve(NULL));
    ck_assert(!plan.policy.isolate && !plan.all_ranks);
    ck_assert_double_infinite(plan.mpi_timeout);
    setenv("PARCEL_ISOLATE", "yes", 1);
    setenv("PARCEL_MPI_RESULTS", "all_ranks", 1);
    setenv("PARCEL_MPI_TIMEOUT", "1.5", 1);
    ck_assert(resolve(NULL));
    ck_assert(plan.policy.isolate && plan.all_ranks);
    ck_assert_double_eq(plan.mpi_timeout, 1.5);
    ck_assert(parcel_config_push(.isolate = PARCEL_NO, .mpi_timeout = 2.5));
    ck_assert(resolve(&(parcel_options){.mpi_results = PARCEL_RANK_0}));
    ck_assert(!plan.policy.isolate && !plan.all_ranks);
    ck_assert_double_eq(plan.mpi_timeout, 2.5);
    ck_assert(resolve(&(parcel_options){.isolate = PARCEL_YES, .mpi_timeout = 3.5}));
    ck_assert(plan.policy.isolate && plan.all_ranks);
    ck_assert_double_eq(plan.mpi_timeout, 3.5);
    ck_assert(parcel_config_pop());
    unsetenv("PARCEL_ISOLATE");
    unsetenv("PARCEL_MPI_RESULTS");
    unsetenv("PARCEL_MPI_TIMEOUT");
    forget();
}
END_TEST

START_TEST(test_defaults)
{
    unsetenv("OMP_NUM_THREADS");
    ck_assert(resolve(NULL));
    ck_assert_int_eq(plan.n_jobs, parcel_cpu_count());
    ck_assert_int_eq(plan.n_jobs_asked, parcel_cpu_count());
    ck_assert_int_le(plan.verbose, 0);
    ck_assert_uint_eq(plan.policy.batch_size, 0);
    ck_assert(!plan.policy.collect);
    ck_assert_int_eq(plan.policy.schedule, PARCEL_ADAPTIVE);
    ck_assert(plan.policy.is_timed);
    ck_assert_str_eq(plan.backend->name, "threading");
    ck_assert_str_eq(plan.fallback->name, "sequential");
    ck_assert(!plan.sink);
    ck_assert_uint_eq(plan.warnings.length, 0);
    forget();
}
END_TEST

/* A scope owns its strings; "prefer" and "require" have no variable. */
START_TEST(test_strings)
{
    char backend[] = "sequential", prefer[] = "threads", require[] = "sharedmem";
    ck_assert(parcel_config_push(.backend = backend, .prefer = prefer, .require = require));
    strcpy(backend, "x");
    strcpy(prefer, "x");
    strcpy(require, "x");
    setenv("PARCEL_PREFER", "processes", 1);
    ck_assert_msg(resolve(NULL), "%s", error.bytes);
    ck_assert_str_eq(plan.backend->name, "sequential");
    ck_assert_ptr_null(plan.fallback); /* one that is named gives way to none */
    ck_assert_int_eq(plan.sources[PARCEL__PREFER], PARCEL__FROM_SCOPE);
    ck_assert_int_eq(plan.sources[PARCEL__REQUIRE], PARCEL__FROM_SCOPE);
    ck_assert(!parcel_config_push_options(NULL));
    ck_assert(parcel_config_pop());
    ck_assert(resolve(NULL));
    ck_assert_int_eq(plan.sources[PARCEL__PREFER], PARCEL__FROM_DEFAULT);
    unsetenv("PARCEL_PREFER");
    forget();
}
END_TEST

static void take_line(void *state, const char *line)
{
    (void)state, (void)line;
}

/* A sink comes with the state that stands beside it. */
START_TEST(test_sinks)
{
    int one, other;
    ck_assert(parcel_config_push(.sink = keep_line, .sink_state = &one));
    ck_assert(parcel_config_push(.n_jobs = 2, .sink_state = &other));
    ck_assert(resolve(&(parcel_options){.sink_state = &other}));
    ck_assert(plan.sink == keep_line && plan.sink_state == &one);
    ck_assert(resolve(&(parcel_options){.sink = take_line}));
    ck_assert(plan.sink == take_line && plan.sink_state == NULL);
    ck_assert(parcel_config_pop() && parcel_config_pop());
    ck_assert(resolve(NULL));
    ck_assert(!plan.sink);
    forget();
}
END_TEST

/* ---- errors ---- */

static const struct {
    parcel_options options;
    const char *parts[5];
} wrong[] = {
    {{.n_jobs = 1000001}, {"n_jobs = 1000001", "-1000000", " 1000000"}},
    {{.n_jobs = INT_MIN}, {"n_jobs = -2147483648"}},
    {{.verbose = -2}, {"verbose = -2", "-1"}},
    {{.batch_size = -1}, {"batch_size = -1", "positive"}},
    {{.batch_size = LLONG_MIN}, {"batch_size = -9223372036854775808"}},
    {{.on_error = (parcel_on_error)3}, {"on_error = 3", "PARCEL_STOP", "PARCEL_COLLECT"}},
    {{.on_error = (parcel_on_error)-1}, {"on_error = -1 is out of range"}},
    {{.schedule = (parcel_schedule)5},
     {"schedule = 5", "PARCEL_ADAPTIVE, ", "PARCEL_STATIC, ", "PARCEL_DYNAMIC or ",
      "PARCEL_GUIDED is allowed"}},
    {{.schedule = (parcel_schedule)INT_MIN}, {"schedule = -2147483648 is out of range"}},
    {{.timing = (parcel_switch)3}, {"timing = 3", "PARCEL_YES or PARCEL_NO is allowed"}},
    {{.timing = (parcel_switch)-1}, {"timing = -1"}},
    {{.backend = "nobody"}, {"Invalid backend: nobody", "'sequential'", "'threading'"}},
    {{.backend = "Threading"}, {"Invalid backend: Threading"}},
    {{.prefer = "speed"}, {"prefer=speed", "'threads'", "'processes'"}},
    {{.require = "memory"}, {"require=memory", "'sharedmem'"}},
    {{.prefer = "processes", .require = "sharedmem"}, {"inconsistent"}},
    {{.handle_signals = (parcel_switch)3}, {"handle_signals = 3", "PARCEL_YES", "PARCEL_NO"}},
    {{.max_failures = -1}, {"max_failures = -1", "positive integer", "0 means not set"}},
    {{.halt = "soon"}, {"halt=soon is not valid", "never", "soon,fail=3"}},
    {{.halt = ""}, {"halt= is not valid"}},
    {{.halt = "never", .max_failures = 2}, {"halt=never", "max_failures = 2", "inconsistent"}},
    {{.timeout = -0.5}, {"timeout = -0.5", "above 0"}},
    {{.timeout_factor = 1}, {"timeout_factor = 1 ", "above 1"}},
    {{.retries = -1}, {"retries = -1", "from 1 to 1000000", "0 means not set"}},
    {{.retry_delay = 2e9}, {"retry_delay = 2e+09"}},
    {{.deadline = -1}, {"deadline = -1", "above 0", "1000000000"}},
    {{.deadline = 1e300}, {"deadline = 1e+300"}},
    {{.deadline = INFINITY}, {"deadline = inf"}},
    {{.deadline = NAN}, {"deadline = ", "nan"}},
    {{.isolate = (parcel_switch)3}, {"isolate = 3", "PARCEL_YES or PARCEL_NO is allowed"}},
    {{.mpi_results = (parcel_mpi_results)-1},
     {"mpi_results = -1", "PARCEL_RANK_0 or PARCEL_ALL_RANKS is allowed"}},
    {{.mpi_timeout = -1}, {"mpi_timeout = -1", "above 0", "1000000000"}},
    {{.window = -1}, {"window = -1", "positive", "not set"}},
    {{.return_as = (parcel_return_as)4}, {"return_as = 4", "PARCEL_GENERATOR_UNORDERED"}},
    {{.pre_dispatch = "2 *"}, {"pre_dispatch", "'2 *'"}},
    {{.parcel__reserved = {"x"}}, {"reserved"}},
    {{.parcel__first = 1}, {"reserved"}},
};

static void check_error(const char *const *parts)
{
    for (size_t i = 0; i < 5 && parts[i]; i++)
        ck_contains(error.bytes, parts[i]);
}

START_TEST(test_wrong_options)
{
    ck_assert(!resolve(&wrong[_i].options));
    check_error(wrong[_i].parts);
    forget();
    parcel_results *results = run_and_free(&wrong[_i].options, squares(3));
    ck_contains(parcel_results_error(results), wrong[_i].parts[0]);
    ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_NOT_RUN);
    parcel_results_free(results);
}
END_TEST

START_TEST(test_wrong_scope)
{
    ck_assert(parcel_config_push(.batch_size = -5));
    ck_assert(!resolve(NULL));
    ck_contains(error.bytes, "batch_size = -5");
    ck_assert(resolve(&(parcel_options){.batch_size = 5})); /* it is not looked at */
    ck_assert(parcel_config_pop());
    forget();
}
END_TEST

static const struct {
    const char *variable, *value, *part; /* NULL: it is right */
} environments[] = {
    {"PARCEL_N_JOBS", "abc", "PARCEL_N_JOBS=abc"},
    {"PARCEL_N_JOBS", "2.0", "could not be converted to int"},
    {"PARCEL_N_JOBS", "2x", "PARCEL_N_JOBS=2x"},
    {"PARCEL_N_JOBS", "3,2", "PARCEL_N_JOBS=3,2"},
    {"PARCEL_N_JOBS", "0", "n_jobs == 0 in Parallel has no meaning"},
    {"PARCEL_N_JOBS", "1000001", "out of range"},
    {"PARCEL_N_JOBS", "99999999999999999999", "PARCEL_N_JOBS=99999999999999999999"},
    {"PARCEL_N_JOBS", "-1", NULL},
    {"PARCEL_N_JOBS", " 2 ", NULL},
    {"PARCEL_N_JOBS", "", NULL},
    {"PARCEL_VERBOSE", "loud", "PARCEL_VERBOSE=loud"},
    {"PARCEL_VERBOSE", "-2", "out of range"},
    {"PARCEL_VERBOSE", "2147483648", "out of range"},
    {"PARCEL_VERBOSE", "0", NULL},
    {"PARCEL_BATCH_SIZE", "auto", "PARCEL_BATCH_SIZE=auto"},
    {"PARCEL_BATCH_SIZE", "0", "out of range"},
    {"PARCEL_BATCH_SIZE", "-1", "out of range"},
    {"PARCEL_BATCH_SIZE", "9223372036854775807", NULL},
    {"PARCEL_ON_ERROR", "Stop", "PARCEL_ON_ERROR=Stop: stop or collect is allowed"},
    {"PARCEL_ON_ERROR", "1", "stop or collect"},
    {"PARCEL_ON_ERROR", "stop", NULL},
    {"PARCEL_SCHEDULE", "auto",
     "PARCEL_SCHEDULE=auto: adaptive, static, dynamic or guided is allowed"},
    {"PARCEL_SCHEDULE", "static,4", "PARCEL_SCHEDULE=static,4"},
    {"PARCEL_SCHEDULE", "Dynamic", "PARCEL_SCHEDULE=Dynamic"},
    {"PARCEL_SCHEDULE", "2", "PARCEL_SCHEDULE=2"},
    {"PARCEL_SCHEDULE", "static", NULL},
    {"PARCEL_SCHEDULE", "dynamic", NULL},
    {"PARCEL_SCHEDULE", "guided", NULL},
    {"PARCEL_SCHEDULE", "", NULL},
    {"PARCEL_TIMING", "off", "PARCEL_TIMING=off: yes or no is allowed"},
    {"PARCEL_TIMING", "1", "PARCEL_TIMING=1"},
    {"PARCEL_TIMING", "yes", NULL},
    {"PARCEL_TIMING", "no", NULL},
    {"PARCEL_HANDLE_SIGNALS", "maybe", "PARCEL_HANDLE_SIGNALS=maybe: yes or no is allowed"},
    {"PARCEL_HANDLE_SIGNALS", "yes", NULL},
    {"PARCEL_MAX_FAILURES", "0", "out of range"},
    {"PARCEL_MAX_FAILURES", "3", NULL},
    {"PARCEL_HALT", "soon,fail", "halt=soon,fail is not valid"},
    {"PARCEL_HALT", "now,success=1", NULL},
    {"PARCEL_DEADLINE", "soon", "PARCEL_DEADLINE=soon: deadline could not be converted to float"},
    {"PARCEL_DEADLINE", "1s", "could not be converted to float"},
    {"PARCEL_DEADLINE", "0", "a number above 0 and up to 1000000000 is allowed"},
    {"PARCEL_DEADLINE", "nan", "out of range"},
    {"PARCEL_DEADLINE", " 2.5 ", NULL},
    {"PARCEL_TIMEOUT", "1e-3", NULL},
    {"PARCEL_TIMEOUT_FACTOR", "0.5", "above 1 and up to"},
    {"PARCEL_RETRIES", "three", "PARCEL_RETRIES=three: retries could not be converted to int"},
    {"PARCEL_RETRIES", "3", NULL},
    {"PARCEL_RETRY_DELAY", "-1", "out of range"},
    {"PARCEL_MAX_CALLS_PER_WORKER", "100", NULL},
    {"PARCEL_MAX_WORKER_MEMORY", "-1", "out of range"},
    {"PARCEL_KILL_AFTER", "0", "a number above 0 and up to 1000000000 is allowed"},
    {"PARCEL_CORE_DUMPS", "no", NULL},
    {"PARCEL_READ_ONLY", "maybe", "PARCEL_READ_ONLY=maybe: yes or no is allowed"},
    {"PARCEL_ISOLATE", "YES", "PARCEL_ISOLATE=YES: yes or no is allowed"},
    {"PARCEL_ISOLATE", "yes", NULL},
    {"PARCEL_MPI_RESULTS", "rank0", "PARCEL_MPI_RESULTS=rank0: rank_0 or all_ranks is allowed"},
    {"PARCEL_MPI_RESULTS", "all_ranks", NULL},
    {"PARCEL_MPI_TIMEOUT", "inf", "a number above 0 and up to 1000000000 is allowed"},
    {"PARCEL_MPI_TIMEOUT", "0.5", NULL},
    {"PARCEL_BACKEND", "nobody", "Invalid backend: nobody"},
    {"PARCEL_BACKEND", "openmp", NULL},
};

START_TEST(test_environment)
{
    setenv(environments[_i].variable, environments[_i].value, 1);
    bool resolved = resolve(NULL);
    if (environments[_i].part)
        ck_contains(error.bytes, environments[_i].part);
    ck_assert(resolved == !environments[_i].part);
    unsetenv(environments[_i].variable);
    forget();
}
END_TEST

/* A variable is read where it is used: one that is given is not looked at in the environment. */
START_TEST(test_environment_unused)
{
    setenv("PARCEL_N_JOBS", "abc", 1);
    ck_assert(resolve(&(parcel_options){.n_jobs = 2}));
    ck_assert_int_eq(parcel_effective_n_jobs(0), 1); /* of a setting that is wrong */
    ck_assert_int_eq(parcel_effective_n_jobs(2), 2);
    unsetenv("PARCEL_N_JOBS");
    forget();
}
END_TEST

/* ---- workers ---- */

START_TEST(test_omp_num_threads)
{
    static const struct {
        const char *value;
        int n_jobs; /* 0: all cpus */
    } cases[] = {{"3,2", 3}, {"3", 3},    {" 5 , 2", 5}, {"1", 1},          {"0", 0},
                 {"-2", 0},  {"many", 0}, {"", 0},       {"99999999999", 0}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        setenv("OMP_NUM_THREADS", cases[i].value, 1);
        ck_assert(resolve(NULL));
        ck_assert_int_eq(plan.n_jobs, cases[i].n_jobs ? cases[i].n_jobs : parcel_cpu_count());
        ck_assert_int_eq(plan.sources[PARCEL__N_JOBS], PARCEL__FROM_DEFAULT);
    }
    setenv("OMP_NUM_THREADS", "3", 1);
    ck_assert_int_eq(parcel_effective_n_jobs(-1), parcel_cpu_count());
    unsetenv("OMP_NUM_THREADS");
    forget();
}
END_TEST

START_TEST(test_negative_n_jobs)
{
    int cpus = parcel_cpu_count();
    for (int n = 1; n <= cpus + 3; n++) {
        int expected = cpus + 1 - n > 1 ? cpus + 1 - n : 1;
        ck_assert(resolve(&(parcel_options){.n_jobs = -n}));
        ck_assert_int_eq(plan.n_jobs, expected);
        ck_assert_int_eq(plan.n_jobs_asked, -n);
        ck_assert_int_eq(parcel_effective_n_jobs(-n), expected);
    }
    ck_assert_int_eq(parcel_effective_n_jobs(-1000000), 1);
    ck_assert_int_eq(parcel_effective_n_jobs(-1000001), 1);
    forget();
}
END_TEST

/* More than the system gives is cut, and the user is told. */
START_TEST(test_too_many_workers)
{
    ck_assert(resolve(&(parcel_options){.n_jobs = 1000000}));
    ck_assert_int_lt(plan.n_jobs, 1000000);
    ck_assert_int_eq(plan.n_jobs_asked, 1000000);
    ck_contains(plan.warnings.bytes, "1000000");
    forget();
    ck_assert(resolve(&(parcel_options){.n_jobs = parcel_cpu_count()}));
    ck_assert_uint_eq(plan.warnings.length, 0);
    forget();
}
END_TEST

/* ---- nesting ---- */

static const struct {
    int workers, threads; /* of the call around; workers 0: there is none */
    int n_jobs, n_workers;
    struct parcel__nest nest;
} nests[] = {
    {0, 0, 1, 1, {1, 0, 0, true}}, /* one worker is transparent: nothing is limited */
    {0, 0, 4096, 2, {1, 2048, 2048, false}},
    {0, 0, 4096, 4096, {1, 1, 1, false}},
    {0, 0, 4096, 3, {1, 1365, 1365, false}},
    {4, 4, 4, 2, {3, 2, 2, false}},
    {4, 4, 4, 4, {3, 1, 1, false}},
    {4, 4, 2, 2, {3, 1, 2, false}}, /* the threads that it leaves are its calls' to use */
    {4, 4, 1, 1, {3, 4, 4, true}},
    {1, 8, 1, 1, {3, 1, 8, true}},
    {3, 3, 3, 2, {3, 1, 1, false}},
};

START_TEST(test_nest)
{
    const struct parcel__nest around = {2, nests[_i].workers, nests[_i].threads, false};
    const struct parcel_current_call call = {.nest = &around};
    struct parcel__nest nest = parcel__n_jobs_nest(nests[_i].workers ? &call : NULL,
                                                   nests[_i].n_jobs, nests[_i].n_workers);
    ck_assert_int_eq(nest.level, nests[_i].nest.level);
    ck_assert_int_eq(nest.workers, nests[_i].nest.workers);
    ck_assert_int_eq(nest.threads, nests[_i].nest.threads);
    ck_assert(nest.sees_outside == nests[_i].nest.sees_outside);
}
END_TEST

START_TEST(test_limit)
{
    const struct parcel__nest share = {1, 3, 3, false}, none = {1, 0, 0, true};
    const struct parcel_current_call limited = {.nest = &share}, unlimited = {.nest = &none};
    ck_assert_int_eq(parcel__n_jobs_limit(NULL, 8), 8);
    ck_assert_int_eq(parcel__n_jobs_limit(&unlimited, 8), 8);
    ck_assert_int_eq(parcel__n_jobs_limit(&limited, 8), 3);
    ck_assert_int_eq(parcel__n_jobs_limit(&limited, 2), 2);
}
END_TEST

/* What of its surroundings a call sees. */
struct sight {
    int verbose;
    bool sink;
    enum parcel__from source;
};

static struct sight look(bool push)
{
    struct parcel__plan inner;
    struct parcel__text why = {0};
    if (push)
        parcel_config_push(.verbose = 33);
    parcel__plan_resolve(&inner, NULL, &why);
    struct sight sight = {inner.verbose, inner.sink != NULL, inner.sources[PARCEL__VERBOSE]};
    parcel__plan_free(&inner);
    parcel__text_free(&why);
    return sight; /* a scope that was pushed is left open */
}
DELAYED(struct sight, look, bool);

/* What the first of two calls of a run with one worker sees. */
static struct sight look_from_call(bool push)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(look)(push));
    parcel_calls_add(calls, delayed(look)(false));
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 1, .verbose = -1}, calls);
    ck_ran_well(results);
    struct sight first = parcel_get(results, 0, struct sight);
    struct sight second = parcel_get(results, 1, struct sight);
    parcel_results_free(results);
    ck_assert(!push || second.verbose != 33); /* it ended with its call */
    return first;
}

START_TEST(test_scopes_inside_calls)
{
    static struct lines unread;
    ck_assert(parcel_config_push(.verbose = 7, .sink = keep_line, .sink_state = &unread));
    struct sight sight = look_from_call(false);
    ck_assert(sight.verbose == 7 && sight.source == PARCEL__FROM_SCOPE && sight.sink);
    sight = look_from_call(true);
    ck_assert(sight.verbose == 33 && sight.source == PARCEL__FROM_SCOPE);
    ck_assert(parcel_config_pop());
    setenv("PARCEL_VERBOSE", "9", 1);
    sight = look_from_call(false);
    ck_assert(sight.verbose == 9 && sight.source == PARCEL__FROM_ENVIRONMENT && !sight.sink);
    unsetenv("PARCEL_VERBOSE");
}
END_TEST

/* With several workers a call starts at the defaults. */
START_TEST(test_scopes_end_at_parallel_runs)
{
    static struct lines unread;
    static const struct parcel__nest share = {1, 2, 2, false};
    struct parcel_current_call call = {.nest = &share};
    ck_assert(parcel_config_push(.verbose = 7, .sink = keep_line, .sink_state = &unread));
    setenv("PARCEL_VERBOSE", "9", 1);
    struct parcel_current_call *before = parcel__current_enter(&call);
    struct sight sight = look(false);
    parcel__current_leave(before);
    ck_assert(sight.verbose <= 0 && sight.source == PARCEL__FROM_DEFAULT && !sight.sink);
    unsetenv("PARCEL_VERBOSE");
    ck_assert(parcel_config_pop());
}
END_TEST

/* ---- shared memory ---- */

static const parcel_backend far = {.size = sizeof far, .name = "far", .run = run_nothing};

START_TEST(test_require_shared_memory)
{
    ck_assert_ptr_null(parcel_register_backend(&far, false));
    ck_assert(!resolve(&(parcel_options){.backend = "far", .require = "sharedmem"}));
    ck_contains(error.bytes, "Backend far does not support shared memory");
    ck_assert(parcel_config_push(.backend = "far"));
    ck_assert(resolve(&(parcel_options){.require = "sharedmem"}));
    ck_assert_str_eq(plan.backend->name, "threading");
    ck_assert_int_eq(plan.n_jobs, 1);
    ck_contains(plan.warnings.bytes, "far");
    forget();
    ck_assert(resolve(&(parcel_options){.require = "sharedmem", .n_jobs = 2}));
    ck_assert_int_eq(plan.n_jobs, 2);
    forget();
    ck_assert(parcel_config_pop());
    ck_assert(parcel_unregister_backend("far"));
}
END_TEST

/* ---- explaining ---- */

static char *explain(const parcel_options *options, bool expected)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    ck_assert(parcel_explain(options, file) == expected);
    fclose(file);
    return text;
}

/* True when a line has the option's name, its value and its source. */
static bool has_line(const char *text, const char *name, const char *value, const char *source)
{
    char line[128];
    int length = snprintf(line, sizeof line, "%-14s = %s", name, value);
    const char *found = strstr(text, line);
    if (!found)
        return false;
    snprintf(line, sizeof line, " (%s)\n", source);
    const char *end = strchr(found, '\n');
    size_t tail = strlen(line);
    return end && (size_t)(end + 1 - found) > (size_t)length + tail - 1 &&
           strncmp(end + 1 - tail, line, tail) == 0;
}

START_TEST(test_explain)
{
    setenv("PARCEL_BATCH_SIZE", "7", 1);
    ck_assert(parcel_config_push(.verbose = 5));
    char *text = explain(&(parcel_options){.n_jobs = 1}, true);
    ck_assert_msg(has_line(text, "n_jobs", "1", "given"), "%s", text);
    ck_assert_msg(has_line(text, "verbose", "5", "scope"), "%s", text);
    ck_assert_msg(has_line(text, "batch_size", "7", "PARCEL_BATCH_SIZE"), "%s", text);
    ck_assert_msg(has_line(text, "on_error", "PARCEL_STOP", "default"), "%s", text);
    ck_assert_msg(has_line(text, "backend", "threading", "default"), "%s", text);
    ck_assert_msg(has_line(text, "schedule", "PARCEL_ADAPTIVE", "default"), "%s", text);
    ck_assert_msg(has_line(text, "timing", "PARCEL_YES", "default"), "%s", text);
    free(text);
    setenv("PARCEL_SCHEDULE", "guided", 1);
    text = explain(&(parcel_options){.timing = PARCEL_NO}, true);
    ck_assert_msg(has_line(text, "schedule", "PARCEL_GUIDED", "PARCEL_SCHEDULE"), "%s", text);
    ck_assert_msg(has_line(text, "timing", "PARCEL_NO", "given"), "%s", text);
    free(text);
    unsetenv("PARCEL_SCHEDULE");
    text = explain(&(parcel_options){.mpi_results = PARCEL_ALL_RANKS, .mpi_timeout = 2}, true);
    ck_assert_msg(has_line(text, "isolate", "PARCEL_NO", "default"), "%s", text);
    ck_assert_msg(has_line(text, "mpi_results", "PARCEL_ALL_RANKS", "given"), "%s", text);
    ck_assert_msg(has_line(text, "mpi_timeout", "2 s", "given"), "%s", text);
    free(text);
    ck_assert(parcel_config_pop());
    setenv("PARCEL_BATCH_SIZE", "many", 1);
    text = explain(NULL, false);
    ck_contains(text, "PARCEL_BATCH_SIZE=many");
    free(text);
    unsetenv("PARCEL_BATCH_SIZE");
    ck_assert(!parcel_explain(NULL, NULL));
}
END_TEST

START_TEST(test_one_worker)
{
    setenv("OMP_THREAD_LIMIT", "1", 1);
    ck_assert(resolve(&(parcel_options){.n_jobs = 3}));
    ck_contains(plan.warnings.bytes, "n_jobs = 3: the run has 1 worker, as many threads as");
    parcel__plan_free(&plan);
    char *text = explain(&(parcel_options){.n_jobs = -1000}, true);
    ck_assert(has_line(text, "n_jobs", "-1000 (1 worker)", "given"));
    free(text);
}
END_TEST

/* They are counted once a process. */
START_TEST(test_explained_cpus)
{
    unsetenv("OMP_NUM_THREADS");
    setenv("NSLOTS", "1", 1);
    char *text = explain(NULL, true);
    ck_assert_int_eq(parcel_cpu_count(), 1);
    ck_assert(has_line(text, "cpus", "1", "NSLOTS") || has_line(text, "cpus", "1", "affinity") ||
              has_line(text, "cpus", "1", "online cpus"));
    ck_assert(has_line(text, "n_jobs", "1", "default"));
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tests = suite_case(suite, "options");
    tcase_add_loop_test(tests, test_precedence, 0, LENGTH(variables));
    tcase_add_test(tests, test_limits);
    tcase_add_test(tests, test_ranks);
    tcase_add_test(tests, test_defaults);
    tcase_add_test(tests, test_strings);
    tcase_add_test(tests, test_sinks);
    tcase_add_loop_test(tests, test_wrong_options, 0, LENGTH(wrong));
    tcase_add_test(tests, test_wrong_scope);
    tcase_add_loop_test(tests, test_environment, 0, LENGTH(environments));
    tcase_add_test(tests, test_environment_unused);
    tcase_add_test(tests, test_require_shared_memory);
    tcase_add_test(tests, test_explain);
    if (suite_forks()) {
        tcase_add_test(tests, test_one_worker);
        tcase_add_test(tests, test_explained_cpus);
    }
    tests = suite_case(suite, "workers");
    tcase_add_test(tests, test_omp_num_threads);
    tcase_add_test(tests, test_negative_n_jobs);
    tcase_add_test(tests, test_too_many_workers);
    tcase_add_loop_test(tests, test_nest, 0, LENGTH(nests));
    tcase_add_test(tests, test_limit);
    tcase_add_test(tests, test_scopes_inside_calls);
    tcase_add_test(tests, test_scopes_end_at_parallel_runs);
    return suite_run(suite);
}

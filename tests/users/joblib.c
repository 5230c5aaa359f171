/*
 * joblib.c: the cases of joblib's own tests that mean something in C, by joblib's order, with its
 * numbers. Where Parcel's contract differs, a comment says so. What joblib does with seconds of
 * sleep is done with events here.
 */
#include "mock_backend.h"
#include "tally.h"

#include <dlfcn.h>
#include <regex.h>
#include <sched.h>
#include <unistd.h>

/* A backend whose workers do not see the caller's memory, as far as it says. */
static const struct mock plain = {0};
static const parcel_backend elsewhere = {.size = sizeof elsewhere,
                                         .name = "elsewhere",
                                         .parameter = &plain,
                                         .open = mock_open,
                                         .run = mock_run};

/* The run's error must hold the text; frees the results. */
static void check_error(parcel_results *results, const char *text)
{
    ck_contains(parcel_results_error(results), text);
    parcel_results_free(results);
}

static void check_squares(const parcel_options *options, size_t count)
{
    parcel_results *results = run_and_free(options, squares(count));
    ck_ran_well(results);
    ck_assert(are_squares(results, count));
    parcel_results_free(results);
}

/* Runs the squares with a variable of the environment set. */
static parcel_results *run_with(const char *name, const char *value, const parcel_options *options)
{
    setenv(name, value, 1);
    parcel_results *results = run_and_free(options, squares(4));
    unsetenv(name);
    return results;
}

START_TEST(test_01_cpu_count)
{
    ck_assert_int_ge(parcel_cpu_count(), 1);
}
END_TEST

START_TEST(test_02_effective_n_jobs)
{
    ck_assert_int_eq(parcel_effective_n_jobs(-1), parcel_cpu_count());
    ck_assert_int_eq(parcel_effective_n_jobs(-1000), 1);
    ck_assert_int_eq(parcel_effective_n_jobs(5), 5);
}
END_TEST

/* Unlike joblib's 1, the default is OMP_NUM_THREADS, else all cpus. */
START_TEST(test_03_effective_n_jobs_none)
{
    unsetenv("OMP_NUM_THREADS");
    int otherwise = parcel_effective_n_jobs(0);
    ck_assert_int_eq(otherwise, parcel_cpu_count());
    ck_assert(parcel_config_push(.n_jobs = 3));
    ck_assert_int_eq(parcel_effective_n_jobs(0), 3);
    ck_assert(parcel_config_push(.n_jobs = -1));
    ck_assert_int_eq(parcel_effective_n_jobs(0), parcel_effective_n_jobs(-1));
    ck_assert(parcel_config_push(.verbose = -1));
    ck_assert_int_eq(parcel_effective_n_jobs(0), parcel_effective_n_jobs(-1));
    for (int i = 0; i < 3; i++)
        ck_assert(parcel_config_pop());
    ck_assert_int_eq(parcel_effective_n_jobs(0), otherwise);
    setenv("OMP_NUM_THREADS", "5,2", 1);
    ck_assert_int_eq(parcel_effective_n_jobs(0), 5);
    unsetenv("OMP_NUM_THREADS");
}
END_TEST

START_TEST(test_04_simple_parallel)
{
    static const int n_jobs[] = {1, 2, -1, -2};
    static const int verbose[] = {2, 11, 100};
    static struct lines lines;
    const parcel_backend *backend = parcel_backend_at((size_t)_i);
    if (!suite_backend_runs(backend))
        return;
    for (size_t i = 0; i < LENGTH(n_jobs) * LENGTH(verbose); i++) {
        lines.length = 0;
        check_squares(&(parcel_options){.n_jobs = n_jobs[i / LENGTH(verbose)],
                                        .verbose = verbose[i % LENGTH(verbose)],
                                        .backend = backend->name,
                                        .sink = keep_line,
                                        .sink_state = &lines},
                      5);
        ck_contains(lines.text, "Done   5 out of   5 | elapsed:");
    }
}
END_TEST

/* The lengths of what matches the pattern are all the same; returns how many matches there are. */
static int count_matches(const char *text, const char *pattern)
{
    regex_t regex;
    regmatch_t match;
    int count = 0;
    regoff_t length = 0;
    ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED), 0);
    for (; regexec(&regex, text, 1, &match, 0) == 0; text += match.rm_eo, count++) {
        ck_assert(count == 0 || match.rm_eo - match.rm_so == length);
        length = match.rm_eo - match.rm_so;
    }
    regfree(&regex);
    return count;
}

START_TEST(test_05_parallel_pretty_print)
{
    static struct lines lines;
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++) {
        lines.length = 0;
        check_squares(&(parcel_options){.n_jobs = n_jobs,
                                        .verbose = 10000,
                                        .batch_size = 1,
                                        .sink = keep_line,
                                        .sink_state = &lines},
                      100);
        ck_assert_int_eq(count_matches(lines.text, "Done +[0-9]+ out of +[0-9]+ [|]"), 100);
    }
}
END_TEST

/* The warnings of a nested run, how many workers it had, and whether it was right. */
struct nested {
    int warnings;
    int workers;
    bool right;
};

static struct nested run_nested(int n_jobs)
{
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = n_jobs}, squares(2));
    struct nested nested = {0, parcel_results_workers(results), are_squares(results, 2)};
    for (const char *at = parcel_results_warnings(results); at; at = strchr(at + 1, '\n'))
        nested.warnings++;
    parcel_results_free(results);
    return nested;
}
DELAYED(struct nested, run_nested, int);

/* Unlike joblib, a nested run that shares the budget is no reason for more than one warning. */
START_TEST(test_07_nested_parallel_warnings)
{
    if (!suite_has_threads())
        return;
    for (int inner = 1; inner <= 2; inner++) {
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 5; i++)
            parcel_calls_add(calls, delayed(run_nested)(inner));
        parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, calls);
        for (size_t i = 0; i < 5; i++) {
            struct nested nested = parcel_get(results, i, struct nested);
            ck_assert(nested.right);
            ck_assert_int_eq(nested.workers, 1);
            ck_assert_int_le(nested.warnings, inner == 1 ? 0 : 1);
        }
        parcel_results_free(results);
    }
}
END_TEST

static bool sit_down(int guests)
{
    return meet(&shared->meeting, guests);
}
DELAYED(bool, sit_down, int);

/* A run whose calls wait for each other in pairs; true when they met. */
static void *run_pairs(void *warned)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 4; i++)
        parcel_calls_add(calls, delayed(sit_down)(2));
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2, .batch_size = 1}, calls);
    bool met = !parcel_results_error(results);
    for (size_t i = 0; i < 4; i++)
        met &= parcel_get(results, i, bool);
    *(bool *)warned = parcel_results_warnings(results);
    parcel_results_free(results);
    return met ? results : NULL;
}

START_TEST(test_08_background_thread_parallelism)
{
    if (!suite_has_threads())
        return;
    bool warned;
    void *met;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, run_pairs, &warned), 0);
    pthread_join(thread, &met);
    ck_assert_ptr_nonnull(met);
    ck_assert(!warned || parcel_cpu_count() < 2);
}
END_TEST

static int sum_squares(const char *backend)
{
    parcel_results *results =
        run_and_free(&(parcel_options){.backend = backend, .n_jobs = 2}, squares(3));
    int sum = parcel_get(results, 1, int) + parcel_get(results, 2, int);
    if (parcel_results_error(results))
        parcel_fail("%s", parcel_results_error(results));
    parcel_results_free(results);
    return sum;
}
DELAYED(int, sum_squares, const char *);

START_TEST(test_09_nested_loop)
{
    const parcel_backend *outer = parcel_backend_at((size_t)_i), *inner;
    if (!suite_backend_runs(outer))
        return;
    for (size_t i = 0; (inner = parcel_backend_at(i)); i++) {
        if (!suite_backend_runs(inner))
            continue;
        parcel_calls *calls = parcel_calls_new();
        parcel_calls_add(calls, delayed(sum_squares)(inner->name));
        parcel_calls_add(calls, delayed(sum_squares)(inner->name));
        parcel_results *results =
            run_and_free(&(parcel_options){.backend = outer->name, .n_jobs = 2}, calls);
        ck_ran_well(results);
        ck_assert_int_eq(parcel_get(results, 0, int), 5);
        ck_assert_int_eq(parcel_get(results, 1, int), 5);
        parcel_results_free(results);
    }
}
END_TEST

struct queue {
    atomic_int length;
    int items[5];
};

static void push(struct queue *queue, int item)
{
    queue->items[atomic_fetch_add(&queue->length, 1)] = item;
}
DELAYED(void, push, struct queue *, int);

START_TEST(test_11_mutate_input_with_threads)
{
    struct queue queue = {0};
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 5; i++)
        parcel_calls_add(calls, delayed(push)(&queue, 1 << i));
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, calls);
    ck_ran_well(results);
    ck_assert_int_eq(queue.length, 5);
    int all = 0;
    for (int i = 0; i < 5; i++)
        all |= queue.items[i];
    ck_assert_int_eq(all, 31);
    parcel_results_free(results);
}
END_TEST

static int f(int x, int y)
{
    return x * x + y;
}
DELAYED(int, f, int, int);

START_TEST(test_12_parallel_kwargs)
{
    for (int n_jobs = 1; n_jobs <= 3; n_jobs++) {
        parcel_calls *calls = parcel_calls_new();
        for (int x = 0; x < 10; x++)
            parcel_calls_add(calls, delayed(f)(x, 1));
        parcel_results *results = run_and_free(&(parcel_options){.n_jobs = n_jobs}, calls);
        for (int x = 0; x < 10; x++)
            ck_assert_int_eq(parcel_get(results, (size_t)x, int), x * x + 1);
        parcel_results_free(results);
    }
}
END_TEST

/* How often this thread was here for this team: a kept team counts on from run to run. */
static int visit(int team, int guests)
{
    static _Thread_local int visits, last_team;
    if (team != last_team)
        visits = 0;
    last_team = team;
    return meet(&shared->meeting, guests) ? ++visits : -1;
}
DELAYED(int, visit, int, int);

/* Runs one meeting of all workers so often; each must have been there each time. */
static void check_team(parcel_executor *executor, int workers, int runs)
{
    static int team;
    parcel_calls *calls = parcel_calls_new();
    team++;
    for (int i = 0; i < workers; i++)
        parcel_calls_add(calls, delayed(visit)(team, workers));
    for (int run = 1; run <= runs; run++) {
        parcel_results *results = parcel_executor_run(executor, calls);
        ck_ran_well(results);
        for (int i = 0; i < workers; i++)
            ck_assert_int_eq(parcel_get(results, (size_t)i, int), run);
        parcel_results_free(results);
    }
    parcel_calls_free(calls);
}

START_TEST(test_13_parallel_as_context_manager)
{
    if (!suite_has_threads())
        return;
    parcel_executor *executor =
        parcel_open(&(parcel_options){.backend = "threading", .n_jobs = 4, .batch_size = 1});
    parcel_calls *calls = squares(10);
    for (int run = 0; run < 2; run++) {
        parcel_results *results = parcel_executor_run(executor, calls);
        ck_assert(are_squares(results, 10));
        parcel_results_free(results);
    }
    parcel_calls_free(calls);
    check_team(executor, 4, 2);
    parcel_close(executor);
    check_squares(&(parcel_options){.n_jobs = 4}, 10);
}
END_TEST

static int divide(int x, int y)
{
    if (y == 0)
        parcel_fail("division by zero");
    return y == 0 ? 0 : x / y;
}
DELAYED(int, divide, int, int);

static parcel_calls *divisions(void)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(divide)(0, 1));
    parcel_calls_add(calls, delayed(divide)(1, 0));
    return calls;
}

static int raise_at_seven(int i)
{
    if (i == 7)
        parcel_fail("my own error %d", i);
    return i;
}
DELAYED(int, raise_at_seven, int);

static void check_seven(const parcel_options *options)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 30; i++)
        parcel_calls_add(calls, delayed(raise_at_seven)(i));
    check_error(run_and_free(options, calls), "call 7, raise_at_seven(7): my own error 7");
}

START_TEST(test_19_error_capture)
{
    parcel_executor *executor = parcel_open(&(parcel_options){.n_jobs = 2});
    parcel_calls *bad = divisions(), *good = parcel_calls_new();
    for (int x = 0; x < 10; x++)
        parcel_calls_add(good, delayed(f)(x, 1));
    for (int turn = 0; turn < 2; turn++) {
        check_error(parcel_executor_run(executor, bad), "call 1, divide(1, 0): division by zero");
        parcel_results *results = parcel_executor_run(executor, good);
        for (int x = 0; x < 10; x++)
            ck_assert_int_eq(parcel_get(results, (size_t)x, int), x * x + 1);
        parcel_results_free(results);
    }
    parcel_close(executor);
    check_error(parcel_run(&(parcel_options){.n_jobs = 2}, bad), "division by zero");
    parcel_calls_free(good);
    parcel_calls_free(bad);
    check_seven(&(parcel_options){.n_jobs = 2});
}
END_TEST

START_TEST(test_25_exception_dispatch)
{
    check_seven(&(parcel_options){.n_jobs = 2, .batch_size = 1});
    check_seven(&(parcel_options){.n_jobs = 2, .batch_size = 16});
}
END_TEST

/* Levels down to the third, which fails; each hands the error of its run on. */
static int descend(int level);
DELAYED(int, descend, int);

static int descend(int level)
{
    if (level == 3) {
        parcel_fail("division by zero");
        return 0;
    }
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(descend)(level + 1));
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, calls);
    parcel_fail("%s", parcel_results_error(results));
    parcel_results_free(results);
    return level;
}

START_TEST(test_26_nested_exception_dispatch)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(descend)(1));
    parcel_calls_add(calls, delayed(descend)(1));
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, calls);
    for (int level = 1; level <= 3; level++) {
        char name[32];
        snprintf(name, sizeof name, "descend(%d)", level);
        ck_contains(parcel_results_error(results), name);
    }
    check_error(results, "division by zero");
}
END_TEST

START_TEST(test_27_invalid_backend)
{
    parcel_options options = {.backend = "unit-testing", .n_jobs = 2};
    check_error(run_and_free(&options, squares(4)), "Invalid backend");
    check_error(run_with("PARCEL_BACKEND", "unit-testing", NULL), "Invalid backend");
}
END_TEST

/* Unlike joblib, .n_jobs = 0 is "not set"; what cannot be an int comes from the environment. */
START_TEST(test_28_invalid_n_jobs)
{
    check_error(run_with("PARCEL_N_JOBS", "2.3", NULL), "could not be converted to int");
    check_error(run_with("PARCEL_N_JOBS", "invalid_str", NULL), "could not be converted to int");
    check_error(run_with("PARCEL_N_JOBS", "0", NULL), "n_jobs == 0 in Parallel has no meaning");
    check_squares(&(parcel_options){.n_jobs = 0}, 4);
}
END_TEST

START_TEST(test_29_n_jobs_converted_to_int)
{
    if (!suite_has_threads())
        return;
    parcel_results *of_text = run_with("PARCEL_N_JOBS", "2", NULL);
    parcel_options options = {.n_jobs = (int)2.3};
    parcel_results *of_number = run_and_free(&options, squares(4));
    ck_assert(are_squares(of_text, 4) && are_squares(of_number, 4));
    ck_assert_int_eq(parcel_results_workers(of_text), 2);
    ck_assert_int_eq(parcel_results_workers(of_number), 2);
    parcel_results_free(of_text);
    parcel_results_free(of_number);
}
END_TEST

static void check_backend(const parcel_options *options, const char *name, int workers)
{
    parcel_results *results = run_and_free(options, squares(4));
    ck_assert(are_squares(results, 4));
    ck_assert_str_eq(parcel_results_backend(results), name);
    ck_assert_int_eq(parcel_results_workers(results), workers);
    parcel_results_free(results);
}

START_TEST(test_30_register_parallel_backend)
{
    ck_assert_ptr_null(parcel_register_backend(&elsewhere, false));
    ck_contains(parcel_register_backend(&elsewhere, false), "known already");
    check_backend(&(parcel_options){.backend = "elsewhere", .n_jobs = 2}, "elsewhere", 2);
    ck_assert(parcel_unregister_backend("elsewhere"));
    ck_assert(!parcel_unregister_backend("elsewhere"));
    parcel_options options = {.backend = "elsewhere"};
    check_error(run_and_free(&options, squares(4)), "Invalid backend");
}
END_TEST

START_TEST(test_31_overwrite_default_backend)
{
    parcel_results *before = run_and_free(&(parcel_options){.n_jobs = 2}, squares(4));
    ck_assert_ptr_null(parcel_register_backend(&elsewhere, true));
    check_backend(&(parcel_options){.n_jobs = 2}, "elsewhere", 2);
    ck_assert(parcel_unregister_backend("elsewhere"));
    check_backend(&(parcel_options){.n_jobs = 2}, parcel_results_backend(before),
                  parcel_results_workers(before));
    parcel_results_free(before);
}
END_TEST

/* Unlike joblib, a named backend that cannot run is an error that says why. */
START_TEST(test_32_backend_not_available)
{
    static const struct mock broken = {.open_answer = -1};
    static const parcel_backend backend = MOCK_BACKEND("broken", &broken);
    ck_assert_ptr_null(parcel_register_backend(&backend, false));
    parcel_options options = {.backend = "broken", .n_jobs = 2};
    parcel_results *results = run_and_free(&options, squares(4));
    ck_contains(parcel_results_error(results), "broken");
    check_error(results, mock_reason);
    ck_assert(parcel_unregister_backend("broken"));
    results = run_and_free(&(parcel_options){.backend = "openmp", .n_jobs = 2}, squares(4));
    ck_assert_int_eq(are_squares(results, 4), suite_has_threads());
    ck_assert_int_eq(parcel_results_error(results) != NULL, !suite_has_threads());
    parcel_results_free(results);
}
END_TEST

static void fail_always(void)
{
    parcel_fail("always");
}
DELAYED(void, fail_always);

/* A scope of the call's own decides how many of three calls fail. */
static int failures_in_scope(parcel_on_error on_error)
{
    parcel_config_push(.on_error = on_error, .n_jobs = 1);
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 3; i++)
        parcel_calls_add(calls, delayed(fail_always)());
    parcel_results *results = run_and_free(NULL, calls);
    int failures = (int)parcel_results_failures(results);
    parcel_results_free(results);
    parcel_config_pop();
    return failures;
}
DELAYED(int, failures_in_scope, parcel_on_error);

START_TEST(test_33_backend_context_manager)
{
    ck_assert_ptr_null(parcel_register_backend(&elsewhere, false));
    int otherwise = parcel_effective_n_jobs(0);
    ck_assert(parcel_config_push(.backend = "elsewhere", .n_jobs = 3));
    ck_assert_int_eq(parcel_effective_n_jobs(0), 3);
    check_backend(NULL, "elsewhere", 3);
    ck_assert(parcel_config_pop());
    ck_assert_int_eq(parcel_effective_n_jobs(0), otherwise);
    ck_assert(parcel_unregister_backend("elsewhere"));
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(failures_in_scope)(i % 2 ? PARCEL_STOP : PARCEL_COLLECT));
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 3}, calls);
    for (size_t i = 0; i < 100; i++)
        ck_assert_int_eq(parcel_get(results, i, int), i % 2 ? 1 : 3);
    parcel_results_free(results);
}
END_TEST

struct inside {
    int workers;
    pid_t process;
    bool right;
    int level;
};

static struct inside look_inside(void)
{
    return (struct inside){parcel_effective_n_jobs(0), getpid(),
                           squares_run(&(parcel_options){.n_jobs = 2}, 4), parcel_level()};
}
DELAYED(struct inside, look_inside);

static parcel_results *look_twice(const parcel_options *options)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(look_inside)());
    parcel_calls_add(calls, delayed(look_inside)());
    return run_and_free(options, calls);
}

START_TEST(test_36_nested_backend_context_manager)
{
    if (!suite_has_threads())
        return;
    ck_assert(parcel_config_push(.n_jobs = 2));
    parcel_results *results = look_twice(NULL);
    for (size_t i = 0; i < 2; i++) {
        struct inside inside = parcel_get(results, i, struct inside);
        ck_assert_int_eq(inside.workers, 1);
        ck_assert_int_eq(inside.process, getpid());
        ck_assert(inside.right);
    }
    parcel_results_free(results);
    ck_assert(parcel_config_pop());
}
END_TEST

/* A call that another rank runs is in no scope of this one. */
static void check_is_inside(parcel_results *results, size_t index, int outside)
{
    struct inside inside = parcel_get(results, index, struct inside);
    if (inside.process == getpid())
        ck_assert_int_eq(inside.workers, outside);
}

START_TEST(test_37_nested_backend_in_sequential)
{
    static const int scopes[] = {2, -1, 0};
    for (size_t i = 0; i < LENGTH(scopes); i++) {
        ck_assert(parcel_config_push(.n_jobs = scopes[i]));
        int outside = parcel_effective_n_jobs(0);
        parcel_results *results = look_twice(&(parcel_options){.n_jobs = 1});
        check_is_inside(results, 0, outside);
        check_is_inside(results, 1, outside);
        parcel_results_free(results);
        ck_assert(parcel_config_pop());
    }
}
END_TEST

START_TEST(test_38_backend_nesting_level)
{
    if (!suite_backend_runs(parcel_backend_at((size_t)_i)))
        return;
    ck_assert_int_eq(parcel_level(), 0);
    parcel_options options = {.backend = parcel_backend_at((size_t)_i)->name, .n_jobs = 2};
    parcel_results *results = look_twice(&options);
    ck_assert_int_eq(parcel_get(results, 0, struct inside).level, 1);
    ck_assert_int_eq(parcel_get(results, 1, struct inside).level, 1);
    ck_assert_int_eq(parcel_level(), 0);
    parcel_results_free(results);
}
END_TEST

START_TEST(test_40_invalid_batch_size)
{
    parcel_options options = {.batch_size = -1};
    check_error(run_and_free(&options, squares(4)), "batch_size");
    check_error(run_with("PARCEL_BATCH_SIZE", "-1", NULL), "PARCEL_BATCH_SIZE");
    check_error(run_with("PARCEL_BATCH_SIZE", "1.42", NULL), "PARCEL_BATCH_SIZE");
}
END_TEST

START_TEST(test_41_dispatch_race_condition)
{
    static const struct {
        size_t n;
        int n_jobs;
        long long batch_size;
    } cases[] = {{2, 2, 0},   {10, 2, 0},   {517, 2, 0},  {10, 4, 0},
                 {25, 12, 1}, {250, 12, 1}, {250, 12, 7}, {200, 12, 0}};
    for (size_t i = 0; i < LENGTH(cases); i++)
        check_squares(
            &(parcel_options){.n_jobs = cases[i].n_jobs, .batch_size = cases[i].batch_size},
            cases[i].n);
}
END_TEST

/* cblas_dgemm(row major, no transposition, ...) of an OpenBLAS that is loaded at run time. */
typedef void dgemm(int, int, int, int, int, int, double, const double *, int, const double *, int,
                   double, double *, int);

static dgemm *find_dgemm(void)
{
    static const char *const names[] = {"libopenblas.so.0", "libopenblas.so"};
    void *library = NULL;
    for (size_t i = 0; !library && i < LENGTH(names); i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);
    void *symbol = library ? dlsym(library, "cblas_dgemm") : NULL;
    dgemm *function = NULL;
    memcpy(&function, &symbol, sizeof function); /* ISO C has no cast between the two */
    return function;
}

/* The product of an n x n matrix of ones with itself: n everywhere. */
static double multiply_ones(int n)
{
    dgemm *multiply = find_dgemm();
    size_t size = (size_t)n * (size_t)n;
    double *a = malloc(size * sizeof *a), *c = calloc(size, sizeof *c);
    double last = -1;
    for (size_t i = 0; a && i < size; i++)
        a[i] = 1;
    if (multiply && a && c) {
        multiply(101, 111, 111, n, n, n, 1, a, n, a, n, 0, c, n);
        last = c[size - 1];
    }
    free(a);
    free(c);
    return last;
}
DELAYED(double, multiply_ones, int);

START_TEST(test_43_no_blas_crash_or_freeze)
{
    if (!find_dgemm()) {
        fputs("test_43_no_blas_crash_or_freeze: skipped, no OpenBLAS found\n", stderr);
        return;
    }
    ck_assert_double_eq(multiply_ones(1000), 1000);
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(multiply_ones)(1000));
    parcel_calls_add(calls, delayed(multiply_ones)(1000));
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, calls);
    ck_assert_double_eq(parcel_get(results, 0, double), 1000);
    ck_assert_double_eq(parcel_get(results, 1, double), 1000);
    parcel_results_free(results);
}
END_TEST

START_TEST(test_48_parallel_with_exhausted_iterator)
{
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++) {
        parcel_results *results = run_and_free(&(parcel_options){.n_jobs = n_jobs}, squares(0));
        ck_ran_well(results);
        ck_assert_uint_eq(parcel_results_count(results), 0);
        parcel_results_free(results);
    }
}
END_TEST

/* What would last for ever ends with the run. */
static void wait_for_the_end(bool bad)
{
    if (bad)
        parcel_fail("bad argument");
    while (!bad && !parcel_cancelled())
        sched_yield();
}
DELAYED(void, wait_for_the_end, bool);

START_TEST(test_54_abort_backend)
{
    static const int n_jobs[] = {1, 2, -2, -1};
    for (size_t i = 0; i < LENGTH(n_jobs); i++) {
        parcel_calls *calls = parcel_calls_new();
        parcel_calls_add(calls, delayed(wait_for_the_end)(true));
        for (int k = 0; k < 100; k++)
            parcel_calls_add(calls, delayed(wait_for_the_end)(false));
        check_error(run_and_free(&(parcel_options){.n_jobs = n_jobs[i]}, calls), "bad argument");
    }
}
END_TEST

START_TEST(test_63_backend_hinting_and_constraints)
{
    if (!suite_has_threads())
        return;
    ck_assert_ptr_null(parcel_register_backend(&elsewhere, false));
    check_backend(&(parcel_options){.backend = "threading", .prefer = "processes", .n_jobs = 2},
                  "threading", 2);
    check_backend(&(parcel_options){.backend = "elsewhere", .prefer = "threads", .n_jobs = 2},
                  "elsewhere", 2);
    ck_assert(parcel_config_push(.backend = "elsewhere", .n_jobs = 2));
    check_backend(&(parcel_options){.prefer = "threads"}, "elsewhere", 2);
    check_backend(&(parcel_options){.n_jobs = 3}, "elsewhere", 3);
    check_backend(&(parcel_options){.require = "sharedmem", .n_jobs = 2}, "threading", 2);
    parcel_results *results = run_and_free(&(parcel_options){.require = "sharedmem"}, squares(4));
    ck_assert(are_squares(results, 4));
    ck_assert_int_eq(parcel_results_workers(results), 1);
    ck_assert_str_ne(parcel_results_backend(results), "elsewhere");
    parcel_results_free(results);
    ck_assert(parcel_config_pop());
    ck_assert(parcel_unregister_backend("elsewhere"));
}
END_TEST

START_TEST(test_64_backend_hinting_always_running)
{
    static const char *const hints[] = {NULL, "processes", "threads"};
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++)
        for (size_t i = 0; i < LENGTH(hints); i++) {
            check_squares(&(parcel_options){.n_jobs = n_jobs, .prefer = hints[i]}, 10);
            ck_assert(parcel_config_push(.n_jobs = n_jobs, .prefer = hints[i]));
            check_squares(NULL, 10);
            ck_assert(parcel_config_pop());
        }
}
END_TEST

/* Unlike joblib, the fallback is told among the lines and warnings, and nothing goes to stdout. */
START_TEST(test_65_fallback_of_a_constraint_is_told)
{
    static struct lines lines;
    ck_assert_ptr_null(parcel_register_backend(&elsewhere, false));
    ck_assert(parcel_config_push(.backend = "elsewhere"));
    parcel_results *results = run_and_free(&(parcel_options){.require = "sharedmem",
                                                             .verbose = 10,
                                                             .n_jobs = 2,
                                                             .sink = keep_line,
                                                             .sink_state = &lines},
                                           squares(4));
    ck_assert(are_squares(results, 4));
    ck_contains(parcel_results_warnings(results), "elsewhere");
    ck_contains(lines.text, "[Parallel(n_jobs=2)]: Warning: ");
    ck_contains(lines.text, "elsewhere");
    parcel_results_free(results);
    ck_assert(parcel_config_pop());
    ck_assert(parcel_unregister_backend("elsewhere"));
}
END_TEST

START_TEST(test_66_invalid_backend_hinting_and_constraints)
{
    parcel_options bad_hint = {.prefer = "invalid"};
    parcel_options bad_constraint = {.require = "invalid"};
    parcel_options both = {.prefer = "processes", .require = "sharedmem"};
    parcel_options cannot = {.backend = "elsewhere", .require = "sharedmem"};
    parcel_options never = {.backend = "processes", .require = "sharedmem"};
    check_error(run_and_free(&bad_hint, squares(4)), "prefer=invalid is not a valid backend hint");
    check_error(run_and_free(&bad_constraint, squares(4)),
                "require=invalid is not a valid backend constraint");
    check_error(run_and_free(&both, squares(4)),
                "prefer == 'processes' and require == 'sharedmem' are inconsistent settings");
    ck_assert_ptr_null(parcel_register_backend(&elsewhere, false));
    check_error(run_and_free(&cannot, squares(4)), "shared memory");
    check_error(run_and_free(&never, squares(4)),
                "Backend processes does not support shared memory, which require='sharedmem' "
                "asks for");
    ck_assert(parcel_unregister_backend("elsewhere"));
}
END_TEST

enum { DEPTH = 3 };

/* The levels of the calls and the workers of the runs on the way down. */
struct way {
    int level[DEPTH + 1];
    int workers[DEPTH + 1];
};

static struct way go_down(int depth);
DELAYED(struct way, go_down, int);

static struct way go_down(int depth)
{
    struct way way = {{0}, {0}};
    if (depth < DEPTH) {
        parcel_calls *calls = parcel_calls_new();
        parcel_calls_add(calls, delayed(go_down)(depth + 1));
        parcel_calls_add(calls, delayed(go_down)(depth + 1));
        parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, calls);
        way = parcel_get(results, 1, struct way);
        way.workers[depth] = parcel_results_workers(results);
        parcel_results_free(results);
    }
    way.level[depth] = parcel_level();
    return way;
}

/* Unlike joblib, which opens more threads at level 1, the budget of 2 is spent at level 0. */
START_TEST(test_67_nested_parallelism_limit)
{
    if (!suite_has_threads())
        return;
    static const int workers[] = {2, 1, 1};
    struct way way = go_down(0);
    for (int depth = 0; depth <= DEPTH; depth++)
        ck_assert_int_eq(way.level[depth], depth);
    for (int depth = 0; depth < DEPTH; depth++)
        ck_assert_int_eq(way.workers[depth], workers[depth]);
}
END_TEST

static atomic_int threads_seen;

static int recurse(int depth);
DELAYED(int, recurse, int);

/* The number of leaves below; counts each thread it meets once. */
static int recurse(int depth)
{
    static _Thread_local bool is_known;
    if (!is_known)
        atomic_fetch_add(&threads_seen, 1);
    is_known = true;
    if (depth == 0)
        return 1;
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(recurse)(depth - 1));
    parcel_calls_add(calls, delayed(recurse)(depth - 1));
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, calls);
    int leaves = parcel_get(results, 0, int) + parcel_get(results, 1, int);
    parcel_results_free(results);
    return leaves;
}

START_TEST(test_68_thread_bomb_mitigation)
{
    atomic_store(&threads_seen, 0);
    ck_assert_int_eq(recurse(10), 1024);
    ck_assert_int_le(atomic_load(&threads_seen), 2);
}
END_TEST

static int inner_threads(void)
{
    int threads = 0;
#ifdef _OPENMP
#pragma omp parallel reduction(+ : threads)
#endif
    threads += 1;
    return threads;
}
DELAYED(int, inner_threads);

START_TEST(test_69_parallel_thread_limit)
{
    int cpus = parcel_cpu_count();
    int share = cpus > 3 ? cpus / 2 : 1;
    if (!suite_has_threads())
        return;
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(inner_threads)());
    parcel_calls_add(calls, delayed(inner_threads)());
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, calls);
    ck_assert_int_eq(parcel_get(results, 0, int), share);
    ck_assert_int_eq(parcel_get(results, 1, int), share);
    parcel_results_free(results);
}
END_TEST

START_TEST(test_71_zero_worker_backend)
{
    static const struct mock empty = {.inactive = true};
    static const parcel_backend backend = MOCK_BACKEND("empty", &empty);
    parcel_options options = {.backend = "empty", .n_jobs = 2};
    ck_assert_ptr_null(parcel_register_backend(&backend, false));
    check_error(run_and_free(&options, squares(4)), "empty has no active worker");
    ck_assert(parcel_unregister_backend("empty"));
}
END_TEST

static int global;

static int read_global(void)
{
    return global;
}
DELAYED(int, read_global);

START_TEST(test_72_globals_update_at_each_parallel_call)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 4; i++)
        parcel_calls_add(calls, delayed(read_global)());
    for (global = 1; global <= 2; global++) {
        parcel_results *results = parcel_run(&(parcel_options){.n_jobs = 2}, calls);
        for (size_t i = 0; i < 4; i++)
            ck_assert_int_eq(parcel_get(results, i, int), global);
        parcel_results_free(results);
    }
    parcel_calls_free(calls);
}
END_TEST

START_TEST(test_76_executor_reuses_workers)
{
    if (!suite_has_threads())
        return;
    parcel_executor *executor =
        parcel_open(&(parcel_options){.backend = "threading", .n_jobs = 4, .batch_size = 1});
    check_team(executor, 4, 10);
    parcel_close(executor);
}
END_TEST

static void add_cases_to_33(TCase *tests, int backends)
{
    tcase_add_test(tests, test_01_cpu_count);
    tcase_add_test(tests, test_02_effective_n_jobs);
    tcase_add_test(tests, test_03_effective_n_jobs_none);
    tcase_add_loop_test(tests, test_04_simple_parallel, 0, backends);
    tcase_add_test(tests, test_05_parallel_pretty_print);
    tcase_add_test(tests, test_07_nested_parallel_warnings);
    tcase_add_test(tests, test_08_background_thread_parallelism);
    tcase_add_loop_test(tests, test_09_nested_loop, 0, backends);
    tcase_add_test(tests, test_11_mutate_input_with_threads);
    tcase_add_test(tests, test_12_parallel_kwargs);
    tcase_add_test(tests, test_13_parallel_as_context_manager);
    tcase_add_test(tests, test_19_error_capture);
    tcase_add_test(tests, test_25_exception_dispatch);
    tcase_add_test(tests, test_26_nested_exception_dispatch);
    tcase_add_test(tests, test_27_invalid_backend);
    tcase_add_test(tests, test_28_invalid_n_jobs);
    tcase_add_test(tests, test_29_n_jobs_converted_to_int);
    tcase_add_test(tests, test_30_register_parallel_backend);
    tcase_add_test(tests, test_31_overwrite_default_backend);
    tcase_add_test(tests, test_32_backend_not_available);
    tcase_add_test(tests, test_33_backend_context_manager);
}

static void add_cases_from_36(TCase *tests, int backends)
{
    tcase_add_test(tests, test_36_nested_backend_context_manager);
    tcase_add_test(tests, test_37_nested_backend_in_sequential);
    tcase_add_loop_test(tests, test_38_backend_nesting_level, 0, backends);
    tcase_add_test(tests, test_40_invalid_batch_size);
    tcase_add_test(tests, test_41_dispatch_race_condition);
    tcase_add_test(tests, test_43_no_blas_crash_or_freeze);
    tcase_add_test(tests, test_48_parallel_with_exhausted_iterator);
    tcase_add_test(tests, test_54_abort_backend);
    tcase_add_test(tests, test_63_backend_hinting_and_constraints);
    tcase_add_test(tests, test_64_backend_hinting_always_running);
    tcase_add_test(tests, test_65_fallback_of_a_constraint_is_told);
    tcase_add_test(tests, test_66_invalid_backend_hinting_and_constraints);
    tcase_add_test(tests, test_67_nested_parallelism_limit);
    tcase_add_test(tests, test_68_thread_bomb_mitigation);
    tcase_add_test(tests, test_69_parallel_thread_limit);
    tcase_add_test(tests, test_71_zero_worker_backend);
    tcase_add_test(tests, test_72_globals_update_at_each_parallel_call);
    tcase_add_test(tests, test_76_executor_reuses_workers);
}

/* Not those that name a backend, look at threads, or write to memory of their own; and not on
 * ranks, of which each has so many workers, and whose memory is another program's. */
static void add_cases_elsewhere(TCase *tests)
{
    tcase_add_test(tests, test_05_parallel_pretty_print);
    tcase_add_test(tests, test_07_nested_parallel_warnings);
    tcase_add_test(tests, test_08_background_thread_parallelism);
    tcase_add_test(tests, test_12_parallel_kwargs);
    tcase_add_test(tests, test_19_error_capture);
    tcase_add_test(tests, test_25_exception_dispatch);
    tcase_add_test(tests, test_26_nested_exception_dispatch);
    tcase_add_test(tests, test_33_backend_context_manager);
    tcase_add_test(tests, test_37_nested_backend_in_sequential);
    tcase_add_test(tests, test_40_invalid_batch_size);
    tcase_add_test(tests, test_41_dispatch_race_condition);
    tcase_add_test(tests, test_43_no_blas_crash_or_freeze);
    tcase_add_test(tests, test_48_parallel_with_exhausted_iterator);
    tcase_add_test(tests, test_54_abort_backend);
    tcase_add_test(tests, test_64_backend_hinting_always_running);
    tcase_add_test(tests, test_65_fallback_of_a_constraint_is_told);
    tcase_add_test(tests, test_69_parallel_thread_limit);
    if (SUITE_IS_ON_RANKS)
        return;
    tcase_add_test(tests, test_67_nested_parallelism_limit);
    tcase_add_test(tests, test_72_globals_update_at_each_parallel_call);
}

int main(void)
{
    Suite *suite = suite_create("joblib");
    TCase *tests = tallied_case(suite, "joblib");
    int backends = suite_backends();
    add_cases_to_33(tests, backends);
    add_cases_from_36(tests, backends);
    if (!SUITE_IS_SANITIZED)
        add_cases_elsewhere(case_elsewhere(suite));
    return suite_run(suite);
}

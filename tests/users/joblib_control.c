/*
 * joblib_control.c: the cases of joblib's tests on time limits, workers' initialisers and scopes,
 * with its numbers, and defects of joblib that Parcel must not have. joblib.c has the others. What
 * joblib does with seconds of sleep is done with events here.
 */
#include "mock_backend.h"
#include "tally.h"

#include <math.h>
#include <sched.h>

static const int few_jobs[] = {1, 2};

/* ---- 10, 34, 35, 62 ---- */

static int sum_inside(int n)
{
    parcel_results *results = run_and_free(NULL, squares((size_t)n));
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += parcel_get(results, (size_t)i, int);
    parcel_results_free(results);
    return sum;
}
DELAYED(int, sum_inside, int);

static void raise_error(void)
{
    parcel_fail("raised");
}
DELAYED(void, raise_error);

START_TEST(test_10_nested_loop_with_exception)
{
    parcel_executor *executor = parcel_open(&(parcel_options){.n_jobs = 2});
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(sum_inside)(10));
    parcel_calls_add(calls, delayed(raise_error)());
    for (int run = 0; run < 2; run++) {
        parcel_results *results = parcel_executor_run(executor, calls);
        ck_contains(parcel_results_error(results), "call 1, raise_error(): raised");
        parcel_results_free(results);
    }
    parcel_calls_free(calls);
    parcel_close(executor);
}
END_TEST

static int parameter_seen;

static int open_with_parameter(const parcel_backend *backend, int n_workers, void **state,
                               char *why, size_t why_size)
{
    static const struct mock plain = {0};
    (void)n_workers, (void)why, (void)why_size;
    parameter_seen = *(const int *)backend->parameter;
    *state = (void *)&plain;
    return 1;
}

static double root(int x)
{
    return sqrt(x);
}
DELAYED(double, root, int);

START_TEST(test_34_35_parameterized_backend_context_manager)
{
    static const int parameters[] = {42, 43};
    for (size_t k = 0; k < LENGTH(parameters); k++) {
        const parcel_backend backend = {.size = sizeof backend,
                                        .name = "param_backend",
                                        .parameter = &parameters[k],
                                        .open = open_with_parameter,
                                        .run = mock_run};
        ck_assert_ptr_null(parcel_register_backend(&backend, false));
        ck_assert(parcel_config_push(.backend = "param_backend"));
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 5; i++)
            parcel_calls_add(calls, delayed(root)(i));
        parcel_results *results = run_and_free(NULL, calls);
        ck_ran_well(results);
        ck_assert_int_eq(parameter_seen, parameters[k]);
        for (size_t i = 0; i < 5; i++)
            ck_assert_double_eq(parcel_get(results, i, double), sqrt((double)i));
        parcel_results_free(results);
        ck_assert(parcel_config_pop());
        ck_assert(parcel_unregister_backend("param_backend"));
    }
}
END_TEST

/* What one run learned of its calls does not decide how the next one hands out: the first call of
 * each is a batch of its own. */
START_TEST(test_62_backend_batch_statistics_reset)
{
    parcel_executor *executor = parcel_open(&(parcel_options){.n_jobs = 1});
    parcel_calls *calls = squares(500);
    for (int run = 0; run < 2; run++) {
        parcel_results *results = parcel_executor_run(executor, calls);
        ck_assert(are_squares(results, 500));
        ck_assert(!parcel_results_estimated(results, 0));
        parcel_results_free(results);
    }
    parcel_calls_free(calls);
    parcel_close(executor);
}
END_TEST

/* ---- 16, 17, 51 ---- */

static void sleep_a_millisecond(void)
{
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
}
DELAYED(void, sleep_a_millisecond);

/* Stands for a sleep of ten seconds, which a limit of 10 ms ends. */
static void last_until_asked(void)
{
    take_time();
    atomic_fetch_add(&tally->crowd.now, 1);
    while (!parcel_cancelled())
        sched_yield();
    atomic_fetch_sub(&tally->crowd.now, 1);
}
DELAYED(void, last_until_asked);

START_TEST(test_16_parallel_timeout_success)
{
    for (size_t k = 0; k < LENGTH(few_jobs); k++) {
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 10; i++)
            parcel_calls_add(calls, delayed(sleep_a_millisecond)());
        parcel_results *results =
            run_and_free(&(parcel_options){.n_jobs = few_jobs[k], .timeout = 30}, calls);
        ck_ran_well(results);
        ck_assert_uint_eq(parcel_results_count(results), 10);
        parcel_results_free(results);
    }
}
END_TEST

/* Also joblib's defects 6 to 8: the message names the call and the limit, nothing runs any more
 * when the run has returned, and one worker honours the limit too. */
START_TEST(test_17_parallel_timeout_fail)
{
    for (size_t k = 0; k < LENGTH(few_jobs); k++) {
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 10; i++)
            parcel_calls_add(calls, delayed(last_until_asked)());
        parcel_results *results = run_and_free(
            &(parcel_options){.n_jobs = few_jobs[k], .timeout = 0.01, .kill_after = 1e3}, calls);
        ck_assert_int_eq(atomic_load(&tally->crowd.now), 0);
        ck_contains(parcel_results_error(results), " of 10 calls failed; first: call ");
        ck_contains(parcel_results_error(results), ", last_until_asked(): timed out: ");
        ck_contains(parcel_results_error(results), " s, 0.01 s allowed");
        parcel_results_free(results);
    }
}
END_TEST

/* joblib's serial mode warns that it does not support a limit; here it does. */
START_TEST(test_51_timeout_needs_no_warning)
{
    parcel_results *results =
        run_and_free(&(parcel_options){.n_jobs = 1, .timeout = 1e6}, squares(4));
    ck_ran_well(results);
    ck_assert_ptr_null(parcel_results_warnings(results));
    parcel_results_free(results);
}
END_TEST

/* ---- 77 to 80 ---- */

static void *initialize(void *state, int worker)
{
    (void)worker;
    atomic_fetch_add(&tally->started, 1);
    return state;
}

static const char *initialized_with(void)
{
    const char *state = parcel_worker_state();
    return state ? state : "nothing";
}
DELAYED(const char *, initialized_with);

static parcel_calls *hundred_calls(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(initialized_with)());
    return calls;
}

static void check_initialized(parcel_results *results, const char *expected)
{
    ck_ran_well(results);
    for (size_t i = 0; i < 100; i++)
        ck_assert_str_eq(parcel_get(results, i, const char *), expected);
    parcel_results_free(results);
}

START_TEST(test_77_78_initializer)
{
    static const int n_jobs[] = {2, 4};
    char word[] = "initialized";
    for (size_t k = 0; k < LENGTH(n_jobs); k++) {
        check_initialized(run_and_free(&(parcel_options){.n_jobs = n_jobs[k],
                                                         .on_worker_start = initialize,
                                                         .worker_state = word},
                                       hundred_calls()),
                          word);
        ck_assert(parcel_config_push(.on_worker_start = initialize, .worker_state = word));
        check_initialized(run_and_free(&(parcel_options){.n_jobs = n_jobs[k]}, hundred_calls()),
                          word);
        ck_assert(parcel_config_pop());
    }
}
END_TEST

/* At most as many starts as workers: those that find nothing to do do not start. */
START_TEST(test_79_initializer_reused)
{
    char word[] = "once";
    parcel_executor *executor = parcel_open(
        &(parcel_options){.n_jobs = 2, .on_worker_start = initialize, .worker_state = word});
    parcel_calls *calls = hundred_calls();
    for (int run = 0; run < 3; run++)
        check_initialized(parcel_executor_run(executor, calls), word);
    ck_assert_int_ge(atomic_load(&tally->started), 1);
    ck_assert_int_le(atomic_load(&tally->started), 2);
    parcel_calls_free(calls);
    parcel_close(executor);
}
END_TEST

START_TEST(test_80_initializer_not_reused)
{
    char words[3][8] = {"one", "two", "three"};
    for (int run = 0; run < 3; run++)
        check_initialized(run_and_free(&(parcel_options){.n_jobs = 2,
                                                         .on_worker_start = initialize,
                                                         .worker_state = words[run]},
                                       hundred_calls()),
                          words[run]);
    ck_assert_int_ge(atomic_load(&tally->started), 3);
}
END_TEST

/* ---- defects ---- */

START_TEST(test_d1_a_serial_failure_with_lines_keeps_its_error)
{
    static struct lines lines;
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(raise_error)());
    parcel_results *results = run_and_free(
        &(parcel_options){.n_jobs = 1, .verbose = 1, .sink = keep_line, .sink_state = &lines},
        calls);
    ck_assert_str_eq(parcel_results_error(results),
                     "1 of 1 call failed; first: call 0, raise_error(): raised");
    parcel_results_free(results);
}
END_TEST

/* The limit counts from each call's own start: ten calls of a millisecond, one after the other,
 * are within one of 5 ms each, though not all of them together. */
START_TEST(test_d6_a_limit_counts_from_the_calls_start)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 10; i++)
        parcel_calls_add(calls, delayed(sleep_a_millisecond)());
    parcel_results *results = run_and_free(
        &(parcel_options){.n_jobs = 1, .timeout = 0.005, .on_error = PARCEL_COLLECT}, calls);
    ck_assert(parcel_results_total_time(results) > 0.005);
    for (size_t i = 0; i < 10; i++)
        ck_assert(parcel_results_status(results, i) == PARCEL_OK ||
                  parcel_results_duration(results, i) > 0.005 * 0.999);
    parcel_results_free(results);
}
END_TEST

/* ---- scopes ---- */

static void check_run(const parcel_options *options, const char *backend, int workers)
{
    parcel_results *results = run_and_free(options, squares(10));
    ck_ran_well(results);
    ck_assert_str_eq(parcel_results_backend(results), backend);
    ck_assert_int_eq(parcel_results_workers(results), workers);
    parcel_results_free(results);
}

/* An n_jobs that is not set leaves the scope around alone, which joblib's does not in a scope. */
START_TEST(test_config_scopes)
{
    const char *otherwise = "threading";
    if (!suite_has_threads())
        return;
    ck_assert(parcel_config_push(.n_jobs = 2));
    check_run(NULL, otherwise, 2);
    check_run(&(parcel_options){.n_jobs = 0}, otherwise, 2);
    ck_assert(parcel_config_push(.n_jobs = 0));
    check_run(NULL, otherwise, 2);
    ck_assert(parcel_config_push(.n_jobs = 3));
    check_run(&(parcel_options){.n_jobs = 2}, otherwise, 2);
    ck_assert(parcel_config_push(.backend = "sequential"));
    check_run(NULL, "sequential", 1);
    for (int i = 0; i < 4; i++)
        ck_assert(parcel_config_pop());
}
END_TEST

/* Limits that joblib does not take from a scope (timeout) are taken here like all others. */
START_TEST(test_config_limits)
{
    ck_assert(parcel_config_push(.timeout = 0.01, .on_error = PARCEL_COLLECT));
    ck_assert(parcel_config_push(.n_jobs = 2));
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(last_until_asked)());
    parcel_results *results = run_and_free(NULL, calls);
    ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_TIMED_OUT);
    parcel_results_free(results);
    ck_assert(parcel_config_pop() && parcel_config_pop());
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, test_10_nested_loop_with_exception);
    tcase_add_test(tests, test_16_parallel_timeout_success);
    tcase_add_test(tests, test_17_parallel_timeout_fail);
    tcase_add_test(tests, test_34_35_parameterized_backend_context_manager);
    tcase_add_test(tests, test_51_timeout_needs_no_warning);
    tcase_add_test(tests, test_62_backend_batch_statistics_reset);
    tcase_add_test(tests, test_d1_a_serial_failure_with_lines_keeps_its_error);
    tcase_add_test(tests, test_d6_a_limit_counts_from_the_calls_start);
    tcase_add_test(tests, test_config_limits);
    if (SUITE_IS_ON_RANKS)
        return; /* ranks that serve have no functions of rank 0's options */
    tcase_add_test(tests, test_77_78_initializer);
    tcase_add_test(tests, test_79_initializer_reused);
    tcase_add_test(tests, test_80_initializer_not_reused);
}

int main(void)
{
    Suite *suite = suite_create("joblib_control");
    TCase *tests = tallied_case(suite, "joblib");
    add_tests(tests);
    tcase_add_test(tests, test_config_scopes); /* it names the backends */
    if (!SUITE_IS_SANITIZED)
        add_tests(case_elsewhere(suite));
    return suite_run(suite);
}

/* test_waits.c: what workers wait for a cpu, as a system tells it that the tests play. */
#include "suite.h"

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ground/port.h"
#include "ground/waits.h"
#include "results/results.h"

/* ---- what the system says ---- */

static double told_by(const char *text)
{
    char name[] = "/tmp/parcel_waits_XXXXXX";
    int file = mkstemp(name);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
    double seconds = parcel__port_waited(name);
    unlink(name);
    return seconds;
}

START_TEST(test_texts)
{
    static const char *const wrong[] = {"",         "\n",      "garbage\n",   "1 2\n",   "1 2 x\n",
                                        "1 2 3x\n", "0 0 0\n", "1;2;3\n",     "1 - 3\n", "1 2 3",
                                        "1 2\n\n",  "a 2 3\n", "12 34 five\n"};
    ck_assert_double_eq_tol(told_by("5000 1500000000 7\n"), 1.5, 1e-12);
    ck_assert_double_eq_tol(told_by("0 92940 1\n"), 92940e-9, 1e-12);
    ck_assert_double_eq(told_by("5000 0 7\n"), 0);
    ck_assert_double_eq_tol(told_by("1 18000000000000000000 1\n"), 18e9, 1);
    for (size_t i = 0; i < LENGTH(wrong); i++)
        ck_assert_msg(isnan(told_by(wrong[i])), "%s", wrong[i]);
    ck_assert_double_nan(parcel__port_waited("/nowhere/schedstat"));
    ck_assert_double_nan(parcel__port_waited("/"));
}
END_TEST

START_TEST(test_this_system)
{
    bool has_file = access("/proc/thread-self/schedstat", R_OK) == 0;
    double seconds = parcel__port_waited("/proc/thread-self/schedstat");
    ck_assert(has_file || isnan(seconds));
    ck_assert(isnan(seconds) || seconds >= 0);
    ck_assert(parcel__waits_are_told() == !isnan(seconds));
}
END_TEST

/* ---- when it is asked ---- */

/* Of each thread, as the system would count it. */
static _Thread_local double waited;
static _Thread_local int n_asked;

static double tell(void)
{
    n_asked++;
    return waited;
}

static double tell_nothing(void)
{
    return NAN;
}

START_TEST(test_short_work_asks_once)
{
    parcel__waits_source = tell;
    waited = 5;
    struct parcel__wait before = parcel__waits_begin(100);
    ck_assert_int_eq(n_asked, 1);
    ck_assert_double_eq(parcel__waits_since(&before, 100.001), 0);
    before = parcel__waits_begin(100.002);
    ck_assert_double_eq(parcel__waits_since(&before, 100.003), 0);
    ck_assert_int_eq(n_asked, 1);
    waited = 6; /* by all of it */
    before = parcel__waits_begin(100.0035);
    ck_assert_double_eq(parcel__waits_since(&before, 100.005), 1);
    ck_assert_int_eq(n_asked, 2);
}
END_TEST

START_TEST(test_long_work_is_asked_for)
{
    parcel__waits_source = tell;
    for (int i = 0; i < 3; i++) {
        double start = 100 + 10 * i;
        struct parcel__wait before = parcel__waits_begin(start);
        ck_assert_int_eq(n_asked, 2 * i + 1);
        waited += i;
        ck_assert_double_eq(parcel__waits_since(&before, start + 5), i);
        waited += 100; /* between two */
    }
}
END_TEST

/* What nested work found out, the work around it waited, too. */
START_TEST(test_nested_work)
{
    parcel__waits_source = tell;
    struct parcel__wait outer = parcel__waits_begin(100);
    waited += 1;
    struct parcel__wait inner = parcel__waits_begin(110);
    waited += 2;
    ck_assert_double_eq(parcel__waits_since(&inner, 120), 2);
    waited += 4;
    ck_assert_double_eq(parcel__waits_since(&outer, 130), 7);
}
END_TEST

START_TEST(test_who_does_not_tell)
{
    parcel__waits_source = tell_nothing;
    struct parcel__wait before = parcel__waits_begin(100);
    ck_assert_double_eq(parcel__waits_since(&before, 100.001), 0);
    ck_assert_double_nan(parcel__waits_since(&before, 101));
}
END_TEST

START_TEST(test_a_count_that_shrinks)
{
    parcel__waits_source = tell;
    waited = 3;
    struct parcel__wait before = parcel__waits_begin(100);
    waited = 1;
    ck_assert_double_eq(parcel__waits_since(&before, 101), 0);
}
END_TEST

/* A forked child is another thread. */
START_TEST(test_a_child_asks_itself)
{
    int status;
    parcel__waits_source = tell;
    waited = 8;
    (void)parcel__waits_begin(100);
    pid_t child = fork();
    if (child == 0) {
        waited = 1;
        _exit(parcel__waits_begin(100.001).seconds != 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- runs ---- */

static const double each = 1e-3; /* seconds that a call waits for a cpu, as the system has it */
enum { N_CALLS = 6 };

/* Takes longer than what is settled with what follows. */
static int wait_for_cpu(int x)
{
    double start = parcel__port_now();
    waited += each;
    while (parcel__port_now() - start < 6e-3)
        parcel__port_sleep(1e-3);
    return x;
}
DELAYED(int, wait_for_cpu, int);

static int wait_inside(int x)
{
    int arguments[] = {x, x};
    parcel_results *results = Parallel(.n_jobs = 1)(parcel_map(wait_for_cpu, arguments, 2));
    bool is_right = fabs(results->sums.waited - 2 * each) < 1e-9;
    parcel_results_free(results);
    return is_right ? x : -1;
}
DELAYED(int, wait_inside, int);

static void check_waited(parcel_results *results, double seconds)
{
    ck_ran_well(results);
    ck_assert_double_eq_tol(results->sums.waited, seconds, 1e-9);
    ck_assert_double_eq_tol(parcel_results_speedup(results) * results->wall_time,
                            results->sums.total_time - seconds, 1e-9);
    parcel_results_free(results);
}

static const struct {
    const char *backend;
    int n_jobs;
} teams[] = {
#ifdef _OPENMP
    {"threading", 1},
    {"threading", 3},
#endif
    {"sequential", 1},
    {"processes", 2}};

static parcel_calls *calls_that_wait(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < N_CALLS; i++)
        parcel_calls_add(calls, delayed(wait_for_cpu)(i));
    return calls;
}

START_TEST(test_lists)
{
    parcel_calls *calls = calls_that_wait();
    parcel__waits_source = tell;
    check_waited(Parallel(.backend = teams[_i].backend, .n_jobs = teams[_i].n_jobs)(calls),
                 (double)N_CALLS * each);
    check_waited(Parallel(.backend = teams[_i].backend, .n_jobs = teams[_i].n_jobs, .batch_size = 3,
                          .timeout = 100)(calls),
                 (double)N_CALLS * each);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(test_executors)
{
    parcel_calls *calls = calls_that_wait();
    parcel__waits_source = tell;
    parcel_executor *executor =
        parcel_open(&(parcel_options){.backend = teams[_i].backend, .n_jobs = teams[_i].n_jobs});
    for (int i = 0; i < 3; i++) /* each has its own */
        check_waited(parcel_executor_run(executor, calls), (double)N_CALLS * each);
    parcel_close(executor);
    parcel_calls_free(calls);
}
END_TEST

static bool take(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    (void)state, (void)index, (void)value, (void)record;
    return true;
}

START_TEST(test_streams)
{
    parcel_result result;
    parcel_calls *calls = calls_that_wait();
    parcel__waits_source = tell;
    check_waited(Parallel(.backend = teams[_i].backend, .n_jobs = teams[_i].n_jobs,
                          .on_result = take)(calls),
                 (double)N_CALLS * each);
    parcel_results *results = Parallel(.backend = teams[_i].backend, .n_jobs = teams[_i].n_jobs,
                                       .return_as = PARCEL_GENERATOR)(calls);
    while (parcel_results_next(results, &result))
        parcel_result_free(&result);
    check_waited(results, (double)N_CALLS * each);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(test_nested_runs)
{
    int arguments[] = {1, 2, 3, 4};
    parcel__waits_source = tell;
    parcel_results *results = Parallel(.backend = teams[_i].backend, .n_jobs = teams[_i].n_jobs)(
        parcel_map(wait_inside, arguments, 4));
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(parcel_get(results, i, int), arguments[i]);
    check_waited(results, 8 * each);
}
END_TEST

/* No more than the calls took, whatever the system says. */
START_TEST(test_at_most_all)
{
    parcel_calls *calls = calls_that_wait();
    parcel__waits_source = parcel__port_now; /* as if all time were waited */
    parcel_results *results =
        Parallel(.backend = teams[_i].backend, .n_jobs = teams[_i].n_jobs)(calls);
    ck_assert_double_le(results->sums.waited, results->sums.total_time);
    ck_assert_double_ge(parcel_results_speedup(results), 0);
    parcel_results_free(results);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(test_not_told)
{
    parcel_calls *calls = calls_that_wait();
    parcel__waits_source = tell_nothing;
    parcel_results *results =
        Parallel(.backend = teams[_i].backend, .n_jobs = teams[_i].n_jobs)(calls);
    ck_assert_double_nan(results->sums.waited);
    ck_assert_double_eq(parcel_results_speedup(results),
                        results->sums.total_time / results->wall_time);
    parcel_results_free(results);
    parcel_calls_free(calls);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("waits");
    TCase *tests = suite_case(suite, "the system");
    tcase_add_test(tests, test_texts);
    tcase_add_test(tests, test_this_system);
    tests = suite_case(suite, "when it is asked");
    tcase_add_test(tests, test_short_work_asks_once);
    tcase_add_test(tests, test_long_work_is_asked_for);
    tcase_add_test(tests, test_nested_work);
    tcase_add_test(tests, test_who_does_not_tell);
    tcase_add_test(tests, test_a_count_that_shrinks);
    tcase_add_test(tests, test_a_child_asks_itself);
    tests = suite_case(suite, "runs");
    tcase_add_loop_test(tests, test_lists, 0, LENGTH(teams));
    tcase_add_loop_test(tests, test_executors, 0, LENGTH(teams));
    tcase_add_loop_test(tests, test_streams, 0, LENGTH(teams));
    tcase_add_loop_test(tests, test_nested_runs, 0, LENGTH(teams));
    tcase_add_loop_test(tests, test_at_most_all, 0, LENGTH(teams));
    tcase_add_loop_test(tests, test_not_told, 0, LENGTH(teams));
    return suite_run(suite);
}

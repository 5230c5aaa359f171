// cplusplus.cc: the headers compile as C++11, and the plain functions work there.
#include <check.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <parcel.h>
#include <parcel/backend.h>

static double half_or_fail(int x)
{
    if (x < 0)
        parcel_fail("negative: %d", x);
    return x / 2.0;
}

// What DELAYED makes in C, by hand.
static void half_or_fail_thunk(const void *arguments, void *result)
{
    int x;
    std::memcpy(&x, arguments, sizeof x);
    double y = half_or_fail(x);
    std::memcpy(result, &y, sizeof y);
}

static const parcel_parameter parameters[] = {{PARCEL_INT, sizeof(int), 0, "int"}};

static const parcel_function function = {sizeof(parcel_function),
                                         1,
                                         "half_or_fail",
                                         reinterpret_cast<void (*)(void)>(half_or_fail),
                                         half_or_fail_thunk,
                                         parameters,
                                         sizeof(int),
                                         alignof(int),
                                         {PARCEL_DOUBLE, sizeof(double), alignof(double), "double"},
                                         nullptr};

static void add(parcel_calls *calls, int x)
{
    parcel_call call;
    parcel_value argument = parcel_value_int(x);
    ck_assert(parcel_call_from_values(&call, &function, &argument, 1, nullptr, 0));
    ck_assert(parcel_calls_add(calls, call));
}

START_TEST(a_call_of_values_runs)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 10; i++)
        add(calls, i);
    parcel_options options = parcel_options();
    options.n_jobs = 2;
    parcel_results *results = parcel_run(&options, calls);
    ck_assert_ptr_null(parcel_results_error(results));
    for (size_t i = 0; i < 10; i++)
        ck_assert_double_eq(parcel_results_value(results, i).as.number, static_cast<double>(i) / 2);
    parcel_record record;
    ck_assert(parcel_results_record(results, 9, &record));
    ck_assert(record.index == 9 && record.status == PARCEL_OK && record.attempts == 1);
    ck_assert_double_eq(record.duration, parcel_results_duration(results, 9));
    parcel_results_free(results);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(a_failure_is_told)
{
    parcel_calls *calls = parcel_calls_new();
    add(calls, -3);
    parcel_executor *executor = parcel_open(nullptr);
    parcel_results *results = parcel_executor_run(executor, calls);
    ck_assert_str_eq(parcel_results_error(results),
                     "1 of 1 call failed; first: call 0, half_or_fail(-3): negative: -3");
    ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_FAILED);
    parcel_results_free(results);
    parcel_close(executor);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(the_header_and_the_library_are_of_one_version)
{
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", PARCEL_VERSION_MAJOR, PARCEL_VERSION_MINOR,
             PARCEL_VERSION_PATCH);
    ck_assert_str_eq(parcel_version(), version);
}
END_TEST

int main()
{
    Suite *suite = suite_create("cplusplus");
    TCase *tests = tcase_create("cplusplus");
    tcase_set_timeout(tests,
                      60); // as in suite.h: Check's own 4 seconds are few on a loaded machine
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, a_call_of_values_runs);
    tcase_add_test(tests, a_failure_is_told);
    tcase_add_test(tests, the_header_and_the_library_are_of_one_version);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * locale.c: numbers have a decimal point in a locale that has a comma.
 *
 * The locale is made here, by localedef; where that or its sources are missing, the suite is
 * skipped. Each test holds for a locale of the program and for one of the thread.
 */
#include "suite.h"

#include <complex.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

static const char comma[] = "de_DE.UTF-8";

static locale_t of_thread;

/* Tests run with i: 0 by setlocale, 1 by uselocale. */
static void enter_comma(int i)
{
    char text[8];
    ck_assert_ptr_nonnull(setlocale(LC_ALL, comma));
    if (i == 1) { /* glibc's newlocale leaks LOCPATH */
        uselocale(of_thread = duplocale(LC_GLOBAL_LOCALE));
        setlocale(LC_ALL, "C");
    }
    snprintf(text, sizeof text, "%.1f", 0.5);
    ck_assert_str_eq(text, "0,5");
}

static void leave_comma(void)
{
    uselocale(LC_GLOBAL_LOCALE);
    if (of_thread)
        freelocale(of_thread);
}

static double half(int i)
{
    return i + 0.5;
}
DELAYED(double, half, int);

static double fail_at(int i)
{
    parcel_fail("stopped at %.1f", i + 0.5);
    return 0;
}
DELAYED(double, fail_at, int);

/* Ends as soon as it has no time left. */
static double linger(int i)
{
    while (!parcel_cancelled())
        usleep(100);
    return i;
}
DELAYED(double, linger, int);

static char *text_of(bool (*print)(const parcel_results *, FILE *), const parcel_results *results)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    ck_assert(print(results, file));
    fclose(file);
    return text;
}

/* Three results of the option, as they are printed, or the run's error. */
static void check_run(const parcel_options *options, const char *expected)
{
    static const int numbers[] = {0, 1, 2};
    parcel_results *results = parcel_run(options, parcel_map(half, numbers, 3));
    char *text = text_of(parcel_results_print, results);
    if (parcel_results_error(results))
        ck_contains(parcel_results_error(results), expected);
    else
        ck_assert_str_eq(text, expected);
    free(text);
    parcel_results_free(results);
}

START_TEST(test_environment)
{
    enter_comma(_i);
    setenv("PARCEL_TIMEOUT", "60.5", 1);
    check_run(NULL, "[0.5, 1.5, 2.5]\n");
    setenv("PARCEL_TIMEOUT", "60,5", 1);
    check_run(NULL, "PARCEL_TIMEOUT=60,5: timeout could not be converted to float");
    setenv("PARCEL_TIMEOUT", "0.0", 1);
    check_run(NULL, "a number above 0");
}
END_TEST

START_TEST(test_range)
{
    const parcel_options options = {.deadline = -1.5};
    enter_comma(_i);
    check_run(&options, "deadline = -1.5 is out of range");
}
END_TEST

static parcel_next_status three(void *state, parcel_call *call)
{
    int *next = state;
    if (*next == 3)
        return PARCEL_NEXT_END;
    *call = delayed(half)((*next)++);
    return PARCEL_NEXT_CALL;
}

static void check_pre_dispatch(const char *expression, const char *expected)
{
    int next = 0;
    const parcel_options options = {.pre_dispatch = expression, .n_jobs = 2};
    parcel_calls *calls = parcel_calls_generate(three, &next);
    parcel_results *results = parcel_run(&options, calls);
    char *text = text_of(parcel_results_print, results);
    const char *error = parcel_results_error(results);
    ck_contains(error ? error : text, expected);
    free(text);
    parcel_results_free(results);
    parcel_calls_free(calls);
}

START_TEST(test_pre_dispatch)
{
    enter_comma(_i);
    check_pre_dispatch("1.5 * n_jobs", "[0.5, 1.5, 2.5]");
    check_pre_dispatch("1,5 * n_jobs", "is not a valid or supported arithmetic expression");
    check_pre_dispatch("0.25", "'0.25' is 0.25");
    check_pre_dispatch("1500000.5", "numeric literal 1500000.5 is too large");
}
END_TEST

START_TEST(test_explain)
{
    const parcel_options options = {.timeout = 1.5, .timeout_factor = 2.5, .kill_after = 0.25};
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    enter_comma(_i);
    ck_assert(parcel_explain(&options, file));
    fclose(file);
    ck_contains(text, "= 1.5 s ");
    ck_contains(text, "= 2.5 ");
    ck_contains(text, "= 0.25 s ");
    free(text);
}
END_TEST

START_TEST(test_summary)
{
    parcel_calls *calls = squares(3);
    parcel_results *results = parcel_run(NULL, calls);
    int n_points = 0;
    enter_comma(_i);
    char *text = text_of(parcel_results_print_summary, results);
    for (const char *line = strstr(text, "wall time"); line && *line; line++) {
        ck_assert_msg(line[0] != ',' || line[1] == ' ', "%s", text);
        n_points += *line == '.';
    }
    ck_assert_int_ge(n_points, 5); /* two times, speed-up, efficiency and the slowest call's */
    free(text);
    parcel_results_free(results);
    parcel_calls_free(calls);
}
END_TEST

/* Every line's times have a point. */
START_TEST(test_progress)
{
    static struct lines lines;
    const parcel_options options = {
        .n_jobs = 1, .verbose = 100, .sink = keep_line, .sink_state = &lines};
    enter_comma(_i);
    check_run(&options, "[0.5, 1.5, 2.5]\n");
    ck_contains(lines.text, "0.");
    ck_assert_msg(!strchr(lines.text, ','), "%s", lines.text);
}
END_TEST

/* In each backend; what is said by the library, and what the user's own format says. */
static void check_messages(const char *backend)
{
    static struct lines lines;
    static const int numbers[] = {0, 1, 2};
    const parcel_options late = {.backend = backend,
                                 .n_jobs = 2,
                                 .timeout = 0.0625,
                                 .verbose = 2,
                                 .sink = keep_line,
                                 .sink_state = &lines,
                                 .on_error = PARCEL_COLLECT};
    parcel_results *results = parcel_run(&late, parcel_map(linger, numbers, 3));
    for (size_t i = 0; i < 3; i++)
        ck_contains(parcel_results_message(results, i), "0.0625 s allowed");
    ck_contains(lines.text, "0.0625 s are allowed");
    parcel_results_free(results);
    const parcel_options due = {.backend = backend, .n_jobs = 1, .deadline = 0.0625};
    results = parcel_run(&due, parcel_map(linger, numbers, 3));
    ck_contains(parcel_results_error(results), "the deadline of 0.0625 s had passed");
    parcel_results_free(results);
}

START_TEST(test_messages)
{
    enter_comma(_i);
    check_messages("sequential");
    check_messages("processes");
    if (suite_has_threads())
        check_messages("threading");
}
END_TEST

/* A user's format is printed as the user's printf would, and the locale stays as it was. */
START_TEST(test_own_format)
{
    static const int numbers[] = {0};
    char text[8];
    const parcel_options options = {.n_jobs = 1, .timeout = 60, .on_error = PARCEL_COLLECT};
    enter_comma(_i);
    parcel_results *results = parcel_run(&options, parcel_map(fail_at, numbers, 1));
    ck_assert_str_eq(parcel_results_message(results, 0), "stopped at 0,5");
    parcel_results_free(results);
    snprintf(text, sizeof text, "%.1f", 0.5);
    ck_assert_str_eq(text, "0,5");
}
END_TEST

static float eighth(float x)
{
    return x / 8;
}
DELAYED(float, eighth, float);

static long double tenth(long double x)
{
    return x / 10;
}
DELAYED(long double, tenth, long double);

static double complex turned(double x)
{
    return x + 2.5 * I;
}
DELAYED(double complex, turned, double);

START_TEST(test_values)
{
    parcel_calls *calls = parcel_calls_new();
    enter_comma(_i);
    parcel_calls_add(calls, delayed(eighth)(1));
    parcel_calls_add(calls, delayed(tenth)(1));
    parcel_calls_add(calls, delayed(turned)(0.1));
    parcel_results *results = run_and_free(NULL, calls);
    char *text = text_of(parcel_results_print, results);
    ck_assert_str_eq(text, "[0.125, 0.1, (0.1+2.5j)]\n");
    free(text);
    parcel_results_free(results);
}
END_TEST

/* False: there is no locale with a comma to be had. */
static bool make_locale(char *folder)
{
    char command[128], text[8];
    if (!mkdtemp(folder))
        return false;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/%s >%s/log 2>&1", folder,
             comma, folder);
    setenv("LOCPATH", folder, 1);
    if (system(command) != 0 || !setlocale(LC_ALL, comma))
        return false;
    snprintf(text, sizeof text, "%.1f", 0.5); /* musl knows each locale, and no comma */
    return strcmp(text, "0,5") == 0 && setlocale(LC_ALL, "C");
}

static int remove_folder(const char *folder)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    enum { SKIPPED = 77 };
    char folder[] = "locale.XXXXXX";
    Suite *suite = suite_create("locale");
    TCase *tests = suite_case(suite, "decimal comma");
    if (!make_locale(folder)) {
        puts("skipped: localedef or the C library makes no locale with a decimal comma here");
        remove_folder(folder);
        return SKIPPED;
    }
    tcase_add_checked_fixture(tests, NULL, leave_comma);
    tcase_add_loop_test(tests, test_environment, 0, 2);
    tcase_add_loop_test(tests, test_range, 0, 2);
    tcase_add_loop_test(tests, test_pre_dispatch, 0, 2);
    tcase_add_loop_test(tests, test_explain, 0, 2);
    tcase_add_loop_test(tests, test_summary, 0, 2);
    tcase_add_loop_test(tests, test_progress, 0, 2);
    tcase_add_loop_test(tests, test_messages, 0, 2);
    tcase_add_loop_test(tests, test_own_format, 0, 2);
    tcase_add_loop_test(tests, test_values, 0, 2);
    int status = suite_run(suite);
    return remove_folder(folder) == 0 ? status : EXIT_FAILURE;
}

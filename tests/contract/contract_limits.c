/* contract_limits.c: what holds for every backend for calls with a time limit, and for calls that
 * are tried again; see contract.h. */
#include "contract.h"

#include <sched.h>

/* ---- time limits ---- */

enum { LONG_EACH = 500, LONG_FIRST = 1 }; /* the calls 1, 501, 1001 last until they are asked */

static bool is_long(size_t i)
{
    return i % LONG_EACH == LONG_FIRST;
}

static char *last_until_asked(int i)
{
    char *text = malloc(16);
    snprintf(text, 16, "%d", i);
    while (is_long((size_t)i) && !parcel_cancelled())
        sched_yield();
    return text;
}
DELAYED(char *, last_until_asked, int);

static bool overran(const parcel_results *results, size_t i, double allowed)
{
    const char *message = parcel_results_message(results, i);
    return parcel_results_status(results, i) == PARCEL_TIMED_OUT && message &&
           strncmp(message, "timed out: ", 11) == 0 && strstr(message, " s allowed") &&
           !parcel_holds(results, i, const char *) &&
           parcel_results_duration(results, i) >= allowed * 0.999;
}

static bool returned_its_number(const parcel_results *results, size_t i)
{
    const char *text = parcel_get(results, i, const char *);
    return parcel_results_status(results, i) == PARCEL_OK && text && (size_t)atoi(text) == i;
}

/* A short call may overrun too, where others have its cpu: then its record says so. */
START_TEST(a_call_that_overruns_its_time_is_asked_and_marked)
{
    static const double allowed = 0.02;
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(last_until_asked)((int)i));
        parcel_results *results =
            run_and_free(SHAPED(shape, .timeout = allowed, .on_error = PARCEL_COLLECT), calls);
        size_t late = 0;
        for (size_t i = 0; i < shape.size; i++) {
            bool is_late = overran(results, i, allowed);
            HOLDS(shape, is_late || (!is_long(i) && returned_its_number(results, i)));
            HOLDS(shape, parcel_results_attempts(results, i) == 1);
            HOLDS(shape, !parcel_results_estimated(results, i));
            late += is_late;
        }
        HOLDS(shape, parcel_results_failures(results) == late);
        HOLDS(shape, !parcel_results_error(results) == (late == 0));
        parcel_results_free(results);
    }
}
END_TEST

START_TEST(an_overrun_is_a_failure_that_stops_the_run)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (shape.size < 2)
            continue;
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(last_until_asked)(LONG_FIRST));
        parcel_results *results = run_and_free(SHAPED(shape, .timeout = 0.01), calls);
        HOLDS(shape, parcel_results_failures(results) >= 1);
        HOLDS(shape, parcel_results_failures(results) <= (size_t)shape.workers);
        ck_contains(parcel_results_error(results), "last_until_asked(1): timed out: ");
        ck_contains(parcel_results_error(results), " s, 0.01 s allowed");
        parcel_results_free(results);
    }
}
END_TEST

START_TEST(a_line_names_the_call_that_overran)
{
    static struct lines lines;
    for (struct shape shape = {0}; next_shape_of_one_program(_i, &shape);)
        for (int verbose = 1; verbose <= 2 && shape.size == 2; verbose++) {
            parcel_calls *calls = parcel_calls_new();
            for (size_t i = 0; i < shape.size; i++)
                parcel_calls_add(calls, delayed(last_until_asked)((int)i));
            lines.length = 0;
            lines.text[0] = '\0';
            parcel_results_free(
                run_and_free(SHAPED(shape, .timeout = 0.02, .verbose = verbose, .sink = keep_line,
                                    .sink_state = &lines, .on_error = PARCEL_COLLECT),
                             calls));
            const char *line = strstr(lines.text, "]: call 1, last_until_asked(1) ran ");
            HOLDS(shape, (line != NULL) == (verbose == 2));
            if (line)
                ck_contains(line, " s, 0.02 s are allowed\n");
        }
}
END_TEST

enum { CALLS = 60 };

/* The last call lasts until it is asked, the others a while. */
static void last_for_a_while(int i)
{
    struct timespec pause = {0, 200000};
    while (i == CALLS - 1 && !parcel_cancelled())
        sched_yield();
    nanosleep(&pause, NULL);
}
DELAYED(void, last_for_a_while, int);

START_TEST(a_call_may_take_so_many_times_the_median)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (shape.size != 2)
            continue;
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < CALLS; i++)
            parcel_calls_add(calls, delayed(last_for_a_while)(i));
        parcel_results *results =
            run_and_free(SHAPED(shape, .timeout_factor = 100, .on_error = PARCEL_COLLECT), calls);
        HOLDS(shape, parcel_results_status(results, CALLS - 1) == PARCEL_TIMED_OUT);
        HOLDS(shape, parcel_results_duration(results, CALLS - 1) >= 100 * 200e-6);
        parcel_results_free(results);
    }
}
END_TEST

static bool run_inside(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(last_until_asked)(LONG_FIRST));
    parcel_results *results = run_and_free(NULL, calls);
    const char *error = parcel_results_error(results);
    bool is_told = error && strstr(error, "cancelled with the call around it: ");
    parcel_results_free(results);
    return is_told;
}

static void count_when_told(void)
{
    take_time();
    atomic_fetch_add(&tally->started, 1);
    atomic_fetch_add(&tally->ended, run_inside());
}
DELAYED(void, count_when_told);

/* A process that others keep from the cpu may be killed before it counts anything. */
START_TEST(a_run_inside_a_call_that_overruns_stops_too)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (shape.size != 2)
            continue;
        parcel_calls *calls = parcel_calls_new();
        parcel_calls_add(calls, delayed(count_when_told)());
        atomic_store(&tally->started, 0);
        parcel_results *results = run_and_free(SHAPED(shape, .timeout = 0.02), calls);
        HOLDS(shape, parcel_results_status(results, 0) == PARCEL_TIMED_OUT);
        HOLDS(shape, !shares_memory(shape) || atomic_load(&tally->started) == 1);
        HOLDS(shape, atomic_exchange(&tally->ended, 0) == atomic_load(&tally->started));
        parcel_results_free(results);
    }
}
END_TEST

/* ---- retries ---- */

/* Succeeds at the attempt 1, 2 or 3, as its number says. */
static int succeed_at_last(int i)
{
    int attempt = atomic_fetch_add(&tally->ran[i], 1) + 1;
    if (attempt <= i % 3)
        parcel_fail("attempt %d of call %d", attempt, i);
    return i;
}
DELAYED(int, succeed_at_last, int);

static parcel_results *run_tries(const parcel_options *options, size_t size)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < size; i++) {
        atomic_store(&tally->ran[i], 0);
        parcel_calls_add(calls, delayed(succeed_at_last)((int)i));
    }
    return run_and_free(options, calls);
}

START_TEST(a_call_that_fails_is_tried_again)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        parcel_results *results =
            run_tries(SHAPED(shape, .retries = 2, .retry_delay = 1e-6), shape.size);
        ck_ran_well(results);
        for (size_t i = 0; i < shape.size; i++) {
            HOLDS(shape, parcel_get_or(results, i, int, -1) == (int)i);
            HOLDS(shape, parcel_results_attempts(results, i) == 1 + (int)(i % 3));
            HOLDS(shape, atomic_load(&tally->ran[i]) == 1 + (int)(i % 3));
        }
        HOLDS(shape, parcel_results_attempts(results, shape.size) == 0);
        parcel_results_free(results);
    }
}
END_TEST

START_TEST(the_last_failure_is_told_when_no_retry_is_left)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        parcel_results *results =
            run_tries(SHAPED(shape, .retries = 1, .on_error = PARCEL_COLLECT), shape.size);
        for (size_t i = 0; i < shape.size; i++) {
            char message[40];
            snprintf(message, sizeof message, "attempt 2 of call %zu", i);
            bool fails = i % 3 == 2;
            HOLDS(shape, parcel_results_attempts(results, i) == 1 + (int)(i % 3 > 0));
            HOLDS(shape, parcel_results_status(results, i) == (fails ? PARCEL_FAILED : PARCEL_OK));
            if (fails)
                ck_assert_str_eq(parcel_results_message(results, i), message);
        }
        HOLDS(shape, parcel_results_failures(results) == shape.size / 3);
        parcel_results_free(results);
    }
}
END_TEST

/* Calls of an odd number are not worth it. */
static bool is_even(void *state, size_t index, const char *message, int attempts)
{
    char expected[40];
    snprintf(expected, sizeof expected, "attempt %d of call %zu", attempts, index);
    if (strcmp(message, expected) != 0 || state != state_of_options())
        atomic_fetch_add(&tally->wrong, 1);
    return index % 2 == 0;
}

START_TEST(a_predicate_says_which_failures_are_tried_again)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        parcel_results *results =
            run_tries(SHAPED(shape, .retries = 5, .retry_if = is_even,
                             .retry_state = state_of_options(), .on_error = PARCEL_COLLECT),
                      shape.size);
        for (size_t i = 0; i < shape.size; i++) {
            bool fails = i % 3 > 0 && i % 2 == 1;
            HOLDS(shape, parcel_results_status(results, i) == (fails ? PARCEL_FAILED : PARCEL_OK));
            HOLDS(shape, parcel_results_attempts(results, i) == (fails ? 1 : 1 + (int)(i % 3)));
        }
        HOLDS(shape, atomic_load(&tally->wrong) == 0);
        parcel_results_free(results);
    }
}
END_TEST

static bool always(void *state, size_t index, const char *message, int attempts)
{
    (void)state, (void)index, (void)message, (void)attempts;
    return true;
}

START_TEST(a_call_that_timed_out_is_tried_again_only_when_the_predicate_says_so)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);)
        for (int asks = 0; asks < 2 && shape.size == 2; asks++) {
            parcel_calls *calls = parcel_calls_new();
            parcel_calls_add(calls, delayed(last_until_asked)(LONG_FIRST));
            parcel_results *results = run_and_free(
                SHAPED(shape, .timeout = 0.005, .retries = 2, .retry_if = asks ? always : NULL),
                calls);
            HOLDS(shape, overran(results, 0, 0.005));
            HOLDS(shape, parcel_results_attempts(results, 0) == (asks ? 3 : 1));
            parcel_results_free(results);
        }
}
END_TEST

static bool tell_and_retry(void *state, size_t index, const char *message, int attempts)
{
    (void)state, (void)index, (void)message, (void)attempts;
    meet(&shared->meeting, 2);
    return true;
}

static void *cancel_when_failed(void *token)
{
    meet(&shared->meeting, 2);
    parcel_cancel(token);
    return NULL;
}

static void fail_always(void)
{
    parcel_fail("always");
}
DELAYED(void, fail_always);

START_TEST(a_wait_for_a_retry_ends_when_the_run_is_cancelled)
{
    for (struct shape shape = {0}; next_shape_of_threads(_i, &shape);) {
        parcel_token token = {0};
        pthread_t thread;
        if (shape.size != 2)
            continue;
        parcel_calls *calls = parcel_calls_new();
        parcel_calls_add(calls, delayed(fail_always)());
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel_when_failed, &token), 0);
        parcel_results *results =
            run_and_free(SHAPED(shape, .cancel = &token, .retries = 3, .retry_delay = 1e6,
                                .retry_if = tell_and_retry),
                         calls);
        pthread_join(thread, NULL);
        HOLDS(shape, parcel_results_attempts(results, 0) == 1);
        ck_assert_str_eq(parcel_results_message(results, 0), "always");
        parcel_results_free(results);
    }
}
END_TEST

void add_limit_tests(TCase *tests, int backends)
{
    tcase_add_loop_test(tests, a_call_that_overruns_its_time_is_asked_and_marked, 0, backends);
    tcase_add_loop_test(tests, an_overrun_is_a_failure_that_stops_the_run, 0, backends);
    tcase_add_loop_test(tests, a_line_names_the_call_that_overran, 0, backends);
    tcase_add_loop_test(tests, a_call_may_take_so_many_times_the_median, 0, backends);
    tcase_add_loop_test(tests, a_run_inside_a_call_that_overruns_stops_too, 0, backends);
    tcase_add_loop_test(tests, a_call_that_fails_is_tried_again, 0, backends);
    tcase_add_loop_test(tests, the_last_failure_is_told_when_no_retry_is_left, 0, backends);
    tcase_add_loop_test(tests, a_predicate_says_which_failures_are_tried_again, 0, backends);
    tcase_add_loop_test(tests, a_call_that_timed_out_is_tried_again_only_when_the_predicate_says_so,
                        0, backends);
    tcase_add_loop_test(tests, a_wait_for_a_retry_ends_when_the_run_is_cancelled, 0, backends);
}

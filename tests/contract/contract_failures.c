/* contract_failures.c: what holds for every backend when calls fail; see contract.h. */
#include "contract.h"

#include <sched.h>

enum { STEP = 5, FIRST = 3 }; /* the calls 3, 8, 13, ... fail */

static bool fails(size_t i)
{
    return i % STEP == FIRST;
}

static int fail_each_fifth(int i)
{
    if (fails((size_t)i))
        parcel_fail("bad %d", i);
    return i * i;
}
DELAYED(int, fail_each_fifth, int);

static parcel_calls *failing_calls(size_t size)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < size; i++)
        parcel_calls_add(calls, delayed(fail_each_fifth)((int)i));
    return calls;
}

static bool kept_its_result(const parcel_results *results, size_t i)
{
    return parcel_results_status(results, i) == PARCEL_OK && !parcel_results_message(results, i) &&
           parcel_get_or(results, i, int, -1) == (int)(i * i);
}

static bool failed_as_told(const parcel_results *results, size_t i)
{
    char message[32];
    snprintf(message, sizeof message, "bad %zu", i);
    return parcel_results_status(results, i) == PARCEL_FAILED &&
           strcmp(parcel_results_message(results, i), message) == 0 &&
           !parcel_holds(results, i, int) && parcel_get(results, i, int) == 0 &&
           parcel_results_value(results, i).tag == PARCEL_TAG_NONE &&
           parcel_results_worker(results, i) >= 0 && parcel_results_duration(results, i) >= 0;
}

static bool did_not_run(const parcel_results *results, size_t i)
{
    double start = parcel_results_start(results, i);
    double duration = parcel_results_duration(results, i);
    return parcel_results_status(results, i) == PARCEL_NOT_RUN && start != start &&
           duration != duration && parcel_results_worker(results, i) == -1 &&
           !parcel_holds(results, i, int) &&
           parcel_results_value(results, i).tag == PARCEL_TAG_NONE;
}

static bool error_tells(const parcel_results *results, size_t failures, size_t first)
{
    char error[128];
    snprintf(error, sizeof error,
             "%zu of %zu calls failed; first: call %zu, fail_each_fifth(%zu): bad %zu", failures,
             parcel_results_count(results), first, first, first);
    ck_assert_ptr_nonnull(parcel_results_error(results));
    ck_assert_str_eq(parcel_results_error(results), error);
    return parcel_results_failures(results) == failures;
}

START_TEST(collect_runs_all_and_names_the_lowest)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        parcel_results *results =
            run_and_free(SHAPED(shape, .on_error = PARCEL_COLLECT), failing_calls(shape.size));
        for (size_t i = 0; i < shape.size; i++)
            HOLDS(shape, fails(i) ? failed_as_told(results, i) : kept_its_result(results, i));
        size_t failures = (shape.size + STEP - 1 - FIRST) / STEP;
        if (shape.size > FIRST)
            HOLDS(shape, error_tells(results, failures, FIRST));
        else
            HOLDS(shape, !parcel_results_error(results));
        parcel_results_free(results);
    }
}
END_TEST

START_TEST(stop_keeps_what_was_finished_and_names_the_lowest_that_ran)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        parcel_results *results = run_and_free(SHAPED(shape, 0), failing_calls(shape.size));
        size_t failures = 0, first = 0;
        for (size_t i = shape.size; i-- > 0;) {
            HOLDS(shape, did_not_run(results, i) ||
                             (fails(i) ? failed_as_told(results, i) : kept_its_result(results, i)));
            if (parcel_results_status(results, i) != PARCEL_FAILED)
                continue;
            failures++;
            first = i;
        }
        HOLDS(shape, (failures > 0) == (shape.size > FIRST));
        if (failures > 0)
            HOLDS(shape, error_tells(results, failures, first));
        parcel_results_free(results);
    }
}
END_TEST

START_TEST(one_worker_stops_right_behind_the_failure)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (shape.workers != 1 || shape.size <= FIRST)
            continue;
        parcel_results *results =
            run_and_free(SHAPED(shape, .batch_size = 1000), failing_calls(shape.size));
        for (size_t i = 0; i < FIRST; i++)
            HOLDS(shape, kept_its_result(results, i));
        HOLDS(shape, failed_as_told(results, FIRST));
        for (size_t i = FIRST + 1; i < shape.size; i++)
            HOLDS(shape, did_not_run(results, i));
        parcel_results_free(results);
    }
}
END_TEST

/* Fails if it is the first; the others see the stop, or this never ends. */
static void fail_first_or_wait(void)
{
    if (atomic_fetch_add(&tally->started, 1) == 0) {
        parcel_fail("the first");
        return;
    }
    while (!parcel_cancelled())
        sched_yield();
}
DELAYED(void, fail_first_or_wait);

START_TEST(stop_hands_out_nothing_more_also_inside_a_batch)
{
    static const long long batches[] = {1, 1000};
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        for (size_t b = 0; b < LENGTH(batches) && shape.size > 0; b++) {
            parcel_calls *calls = parcel_calls_new();
            for (size_t i = 0; i < shape.size; i++)
                parcel_calls_add(calls, delayed(fail_first_or_wait)());
            atomic_store(&tally->started, 0);
            parcel_results *results = run_and_free(SHAPED(shape, .batch_size = batches[b]), calls);
            HOLDS(shape, atomic_load(&tally->started) <= shape.workers);
            HOLDS(shape, parcel_results_failures(results) == 1);
            parcel_results_free(results);
        }
    }
}
END_TEST

/* The first stops the run and goes on until another, which runs already, has heard of it. */
static void stop_and_wait(void)
{
    bool is_first = atomic_fetch_add(&tally->started, 1) == 0;
    while (atomic_load(&tally->started) < 2)
        sched_yield();
    if (is_first)
        parcel_stop();
    while (is_first ? atomic_load(&tally->ended) == 0 : !parcel_cancelled())
        sched_yield();
    if (!is_first)
        atomic_store(&tally->ended, 1);
}
DELAYED(void, stop_and_wait);

/* True when two calls run at the same time: not on backends of tests, or without workers. */
static bool two_run_at_once(struct shape shape)
{
    static const char *const names[] = {"threading", "processes", "mpi"};
    bool is_one = false;
    for (size_t i = 0; i < LENGTH(names); i++)
        is_one |= strcmp(shape.backend->name, names[i]) == 0;
    return is_one && shape.workers > 1 && shape.size > 1;
}

START_TEST(a_call_that_stops_the_run_is_heard_before_it_returns)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (!two_run_at_once(shape))
            continue;
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(stop_and_wait)());
        atomic_store(&tally->started, 0);
        atomic_store(&tally->ended, 0);
        parcel_results *results = run_and_free(SHAPED(shape, .batch_size = 1), calls);
        HOLDS(shape, atomic_load(&tally->started) <= shape.workers);
        parcel_results_free(results);
    }
}
END_TEST

static char *fail_and_return_text(void)
{
    static char text[] = "not from malloc: what a failed call returns is not freed";
    parcel_fail("%s", "first");
    parcel_fail("second");
    return text;
}
DELAYED(char *, fail_and_return_text);

START_TEST(the_first_failure_of_a_call_holds)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (shape.size != 2)
            continue;
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(fail_and_return_text)());
        parcel_results *results = run_and_free(SHAPED(shape, .on_error = PARCEL_COLLECT), calls);
        for (size_t i = 0; i < shape.size; i++)
            ck_assert_str_eq(parcel_results_message(results, i), "first");
        parcel_results_free(results);
    }
}
END_TEST

static void *fail_through_handle(void *current)
{
    parcel_fail_in(current, "from a thread of call %zu", parcel_index_in(current));
    return NULL;
}

static void fail_in_own_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, fail_through_handle, parcel_current()) == 0)
        pthread_join(thread, NULL);
}
DELAYED(void, fail_in_own_thread);

START_TEST(a_thread_of_a_call_fails_it_by_its_handle)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (shape.size != 2)
            continue;
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(fail_in_own_thread)());
        parcel_results *results = run_and_free(SHAPED(shape, .on_error = PARCEL_COLLECT), calls);
        ck_assert_str_eq(parcel_results_message(results, 0), "from a thread of call 0");
        ck_assert_str_eq(parcel_results_message(results, 1), "from a thread of call 1");
        parcel_results_free(results);
    }
}
END_TEST

static void fail_with_text(const char *text)
{
    parcel_fail("refused");
    (void)text;
}
DELAYED(void, fail_with_text, const char *);

START_TEST(long_arguments_are_cut_in_the_error)
{
    char text[1001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(fail_with_text)(text));
    parcel_results *results = run_and_free(NULL, calls);
    ck_contains(parcel_results_error(results), "call 0, fail_with_text('xxxx");
    ck_contains(parcel_results_error(results), "refused");
    ck_assert_uint_lt(strlen(parcel_results_error(results)), 300);
    parcel_results_free(results);
}
END_TEST

void add_failure_tests(TCase *tests, int backends)
{
    tcase_add_loop_test(tests, collect_runs_all_and_names_the_lowest, 0, backends);
    tcase_add_loop_test(tests, stop_keeps_what_was_finished_and_names_the_lowest_that_ran, 0,
                        backends);
    tcase_add_loop_test(tests, one_worker_stops_right_behind_the_failure, 0, backends);
    tcase_add_loop_test(tests, stop_hands_out_nothing_more_also_inside_a_batch, 0, backends);
    tcase_add_loop_test(tests, a_call_that_stops_the_run_is_heard_before_it_returns, 0, backends);
    tcase_add_loop_test(tests, the_first_failure_of_a_call_holds, 0, backends);
    tcase_add_loop_test(tests, a_thread_of_a_call_fails_it_by_its_handle, 0, backends);
    tcase_add_test(tests, long_arguments_are_cut_in_the_error);
}

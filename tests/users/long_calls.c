/*
 * long_calls.c: blocks of a stream whose calls turn out to be long: who is free runs what has not
 * begun, and the results of those that ran go on. What would hang else is killed.
 */
#include "tally.h"

#include <sched.h>
#include <time.h>
#include <unistd.h>

/* While all other workers are held in their first call, one runs quick calls, in blocks of 1, 4, 16
 * and 64. In the last of those are a call that takes long, and then some that wait for each other.
 */
enum { QUICK = 40, LONG = QUICK, WORKERS = 4, ALL = LONG + 1 + WORKERS };

static struct plan {
    atomic_int trainee; /* the number of the one that is not held, and 1 */
    atomic_bool is_held[WORKERS];
    atomic_int n_held;
    atomic_bool is_free; /* they may go */
    atomic_int n_met;
    atomic_int n_heard; /* results that were delivered */
    bool is_heard;      /* constant: calls behind the long one wait for its result */
    int n_meeting;      /* constant: so many of them for each other, as many as there are workers */
} * plan;

static void new_plan(bool is_heard, int n_meeting)
{
    plan = parcel_shared_alloc(sizeof *plan);
    ck_assert_ptr_nonnull(plan);
    plan->is_heard = is_heard;
    plan->n_meeting = n_meeting;
}

static void nap(double seconds)
{
    struct timespec pause = {0, (long)(seconds * 1e9)};
    while (nanosleep(&pause, &pause) != 0)
        ;
}

static void run_quickly(void)
{
    int nobody = 0, number = parcel_worker();
    if (atomic_compare_exchange_strong(&plan->trainee, &nobody, number + 1))
        while (atomic_load(&plan->n_held) < plan->n_meeting - 1)
            sched_yield();
    else if (nobody != number + 1 && !atomic_exchange(&plan->is_held[number], true))
        for (atomic_fetch_add(&plan->n_held, 1); !atomic_load(&plan->is_free);)
            sched_yield();
}

/* It is long where a block of calls should last no longer than 1 ms, and in a process 5 ms. */
static void take_long(void)
{
    nap(getpid() == shared->runner ? 5e-3 : 0.2);
    atomic_store(&plan->is_free, true);
}

static void gather(void)
{
    atomic_fetch_add(&plan->n_met, 1);
    while (atomic_load(&plan->n_met) < plan->n_meeting)
        sched_yield();
    while (plan->is_heard && atomic_load(&plan->n_heard) <= LONG)
        sched_yield();
}

static int step(int i)
{
    atomic_fetch_add(&tally->ran[i], 1);
    if (i < LONG)
        run_quickly();
    else if (i == LONG)
        take_long();
    else
        gather();
    return 3 * i;
}
DELAYED(int, step, int);

static parcel_next_status next_step(void *state, parcel_call *call)
{
    int *given = state;
    if (*given == ALL)
        return PARCEL_NEXT_END;
    *call = delayed(step)((*given)++);
    return PARCEL_NEXT_CALL;
}

static parcel_calls *steps(bool generated, int *given)
{
    if (generated)
        return parcel_calls_generate(next_step, given);
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < ALL; i++)
        ck_assert(parcel_calls_add(calls, delayed(step)(i)));
    return calls;
}

static bool hear(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    bool in_order = *(bool *)state;
    if (in_order && index != (size_t)atomic_load(&plan->n_heard))
        atomic_fetch_add(&tally->wrong, 1);
    if (value.as.int64 != 3 * (int64_t)index || record->index != index)
        atomic_fetch_add(&tally->wrong, 1);
    atomic_fetch_add(&plan->n_heard, 1);
    return true;
}

static void pull(parcel_results *results, bool in_order)
{
    parcel_result result;
    while (parcel_results_next(results, &result)) {
        (void)hear(&in_order, result.index, result.value, &result.record);
        parcel_result_free(&result);
    }
}

/* All ran once, and all are heard. */
static void check(parcel_results *results, bool are_kept)
{
    ck_ran_well(results);
    ck_assert_uint_eq(parcel_results_count(results), ALL);
    for (int i = 0; i < ALL; i++)
        ck_assert_int_eq(atomic_load(&tally->ran[i]), 1);
    for (int i = 0; are_kept && i < ALL; i++)
        ck_assert_int_eq(parcel_get(results, (size_t)i, int), 3 * i);
    ck_assert_int_eq(atomic_load(&plan->n_heard), are_kept ? 0 : ALL);
    ck_assert_int_eq(atomic_load(&tally->wrong), 0);
    parcel_results_free(results);
    parcel_shared_free(plan);
    memset(tally, 0, sizeof *tally);
}

/* How results are taken. */
enum way { KEPT, HEARD, PULLED, UNORDERED };

static void run_steps(parcel_options options, enum way way, bool generated)
{
    int given = 0;
    bool in_order = way == HEARD || way == PULLED;
    parcel_calls *calls = steps(generated, &given);
    options.window = way == KEPT ? 0 : 10 * ALL;
    if (way == HEARD) {
        options.on_result = hear;
        options.on_result_state = &in_order;
    }
    if (way == PULLED || way == UNORDERED)
        options.return_as = way == PULLED ? PARCEL_GENERATOR : PARCEL_GENERATOR_UNORDERED;
    parcel_results *results = parcel_run(&options, calls);
    pull(results, in_order);
    parcel_calls_free(calls);
    check(results, way == KEPT);
}

START_TEST(who_is_free_runs_what_has_not_begun)
{
    new_plan(_i != KEPT, WORKERS);
    run_steps((parcel_options){.n_jobs = WORKERS}, (enum way)_i, true);
    if (_i == KEPT) /* a list is no stream then */
        return;
    new_plan(true, WORKERS);
    run_steps((parcel_options){.n_jobs = WORKERS}, (enum way)_i, false);
}
END_TEST

/* Limits and retries time each call on its own. */
START_TEST(so_it_is_with_limits)
{
    new_plan(true, WORKERS);
    run_steps((parcel_options){.n_jobs = WORKERS, .timeout = 50}, HEARD, true);
    new_plan(true, WORKERS);
    run_steps((parcel_options){.n_jobs = WORKERS, .retries = 2}, UNORDERED, true);
}
END_TEST

/* Of a size or a schedule that was asked for no other worker gets a part; nor of one worker. */
START_TEST(results_go_on_when_nobody_is_free)
{
    static const parcel_options options[] = {
        {.n_jobs = 1},
        {.n_jobs = 1, .batch_size = ALL},
        {.n_jobs = 1, .schedule = PARCEL_STATIC},
        {.n_jobs = 1, .schedule = PARCEL_GUIDED, .timeout = 50},
    };
    for (size_t i = 0; i < LENGTH(options); i++)
        for (int way = HEARD; way <= UNORDERED; way++) {
            new_plan(true, 1);
            run_steps(options[i], (enum way)way, true);
            new_plan(true, 1);
            run_steps(options[i], (enum way)way, false);
        }
}
END_TEST

/* A batch of one worker's stays its own. */
static int worker_of[ALL];

static bool note_worker(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    worker_of[index] = record->worker;
    return hear(state, index, value, record);
}

START_TEST(a_batch_that_was_asked_for_stays_whole)
{
    bool in_order = true;
    int given = 0;
    new_plan(true, 1);
    atomic_store(&plan->is_free, true);
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2,
                                                             .batch_size = ALL,
                                                             .window = 10 * ALL,
                                                             .on_result = note_worker,
                                                             .on_result_state = &in_order},
                                           steps(true, &given));
    for (int i = 1; i < ALL; i++)
        ck_assert_int_eq(worker_of[i], worker_of[0]);
    check(results, false);
}
END_TEST

/* ---- runs that stop, and calls that fail ---- */

static int stop_behind(int i)
{
    take_time();
    atomic_fetch_add(&tally->ran[i], 1);
    if (i == LONG)
        nap(5e-3);
    if (i == LONG + 1)
        parcel_cancel(&shared->token);
    return 3 * i;
}
DELAYED(int, stop_behind, int);

static parcel_next_status next_stop(void *state, parcel_call *call)
{
    int *given = state;
    if (*given == ALL)
        return PARCEL_NEXT_END;
    *call = delayed(stop_behind)((*given)++);
    return PARCEL_NEXT_CALL;
}

static int count_ran(void)
{
    int n = 0;
    for (int i = 0; i < ALL; i++)
        n += atomic_load(&tally->ran[i]);
    return n;
}

/* What was given back and is not run any more is recorded as any other that did not run. */
START_TEST(what_was_given_back_may_be_cancelled)
{
    for (int n_jobs = 1; n_jobs <= 3; n_jobs++) {
        int given = 0, n_ok = 0;
        parcel_token_reset(&shared->token);
        parcel_results *results = run_and_free(
            &(parcel_options){.n_jobs = n_jobs, .cancel = &shared->token, .kill_after = 1e3},
            parcel_calls_generate(next_stop, &given));
        for (size_t i = 0; i < parcel_results_count(results); i++) {
            bool has_run = atomic_load(&tally->ran[i]) > 0;
            ck_assert_int_eq(parcel_results_status(results, i),
                             has_run ? PARCEL_OK : PARCEL_CANCELLED);
            n_ok += has_run;
            if (!has_run && !was_held_up(results, i))
                ck_contains(parcel_results_message(results, i), "not started: ");
        }
        ck_assert_int_eq(n_ok, count_ran());
        if (n_ok < ALL)
            ck_contains(parcel_results_error(results), "cancelled by its token");
        parcel_results_free(results);
        memset(tally, 0, sizeof *tally);
    }
}
END_TEST

START_TEST(results_before_a_stop_are_heard)
{
    for (int n_jobs = 1; n_jobs <= 3; n_jobs++) {
        int given = 0;
        bool in_order = false;
        new_plan(false, 0);
        parcel_token_reset(&shared->token);
        parcel_results *results = run_and_free(&(parcel_options){.n_jobs = n_jobs,
                                                                 .cancel = &shared->token,
                                                                 .on_result = hear,
                                                                 .on_result_state = &in_order},
                                               parcel_calls_generate(next_stop, &given));
        ck_assert_int_eq(atomic_load(&plan->n_heard), count_ran());
        ck_assert_int_eq(atomic_load(&tally->wrong), 0);
        parcel_results_free(results);
        parcel_shared_free(plan);
        memset(tally, 0, sizeof *tally);
    }
}
END_TEST

enum { MIXED = 400 };

/* Each 13th call is long, and each 50th fails. */
static int mixed(int i)
{
    atomic_fetch_add(&tally->ran[i], 1);
    if (i % 13 == 12)
        nap(2e-3);
    if (i % 50 == 49)
        parcel_fail("call %d fails", i);
    return 3 * i;
}
DELAYED(int, mixed, int);

static parcel_next_status next_mixed(void *state, parcel_call *call)
{
    int *given = state;
    if (*given == MIXED)
        return PARCEL_NEXT_END;
    *call = delayed(mixed)((*given)++);
    return PARCEL_NEXT_CALL;
}

START_TEST(calls_of_all_lengths_run_once_each)
{
    for (int n_jobs = 1; n_jobs <= 4; n_jobs++) {
        int given = 0;
        parcel_results *results = run_and_free(
            &(parcel_options){.n_jobs = n_jobs, .on_error = PARCEL_COLLECT, .pre_dispatch = "64"},
            parcel_calls_generate(next_mixed, &given));
        ck_assert_str_eq(parcel_results_error(results),
                         "8 of 400 calls failed; first: call 49, mixed(49): call 49 fails");
        ck_assert_uint_eq(parcel_results_failures(results), 8);
        for (int i = 0; i < MIXED; i++) {
            ck_assert_int_eq(atomic_load(&tally->ran[i]), 1);
            ck_assert_int_eq(parcel_results_status(results, (size_t)i),
                             i % 50 == 49 ? PARCEL_FAILED : PARCEL_OK);
            ck_assert_int_eq(parcel_get_or(results, (size_t)i, int, 3 * i), 3 * i);
        }
        parcel_results_free(results);
        memset(tally, 0, sizeof *tally);
    }
}
END_TEST

static void add_tests(TCase *tests)
{
    bool has_threads = suite_has_threads();
    if (has_threads)
        tcase_add_loop_test(tests, who_is_free_runs_what_has_not_begun, KEPT, UNORDERED + 1);
    if (has_threads)
        tcase_add_test(tests, so_it_is_with_limits);
    tcase_add_test(tests, results_go_on_when_nobody_is_free);
    tcase_add_test(tests, a_batch_that_was_asked_for_stays_whole);
    tcase_add_test(tests, what_was_given_back_may_be_cancelled);
    tcase_add_test(tests, results_before_a_stop_are_heard);
    tcase_add_test(tests, calls_of_all_lengths_run_once_each);
}

int main(void)
{
    Suite *suite = suite_create("long calls");
    add_tests(tallied_case(suite, "in threads"));
    if (!SUITE_IS_SANITIZED)
        add_tests(case_elsewhere(suite));
    return suite_run(suite);
}

/*
 * streams.c: joblib's cases of generators and streams, with its numbers, and bad input of theirs.
 * What joblib does with seconds of sleep is done with events here.
 */
#include "tally.h"

#include <math.h>
#include <sched.h>

/* A generator that goes wrong, or not, when it was asked for call number wrong_at. */
struct source {
    int given;
    int size;
    int wrong_at;
    parcel_next_status wrong;
    const char *message;
};

static parcel_next_status next_square(void *state, parcel_call *call)
{
    struct source *source = state;
    if (source->wrong && source->given == source->wrong_at) {
        if (source->message)
            parcel_fail("%s", source->message);
        return source->wrong;
    }
    if (source->given == source->size)
        return PARCEL_NEXT_END;
    *call = delayed(square)(source->given++);
    return PARCEL_NEXT_CALL;
}

static parcel_results *run_source(const parcel_options *options, struct source *source)
{
    return run_and_free(options, parcel_calls_generate(next_square, source));
}

static void check_error(parcel_results *results, const char *text)
{
    ck_contains(parcel_results_error(results), text);
    parcel_results_free(results);
}

/* ---- joblib's cases ---- */

/* The calls before the error run, in parallel as in the plain loop. */
START_TEST(test_20_error_in_task_iterator)
{
    static const int places[] = {0, 5, 19};
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++)
        for (size_t i = 0; i < LENGTH(places); i++) {
            struct source source = {0, 20, places[i], PARCEL_NEXT_ERROR, "Iterator Raising Error"};
            parcel_results *results = run_source(&(parcel_options){.n_jobs = n_jobs}, &source);
            ck_assert_uint_eq(parcel_results_count(results), (size_t)places[i]);
            for (int k = 0; k < places[i]; k++)
                ck_assert_int_eq(parcel_get(results, (size_t)k, int), k * k);
            check_error(results, "Iterator Raising Error");
        }
}
END_TEST

/* P and C with the number of what was produced or consumed. */
static void consume(int i)
{
    note('C', i);
}
DELAYED(void, consume, int);

static parcel_next_status produce(void *state, parcel_call *call)
{
    int *given = state;
    if (*given == 6)
        return PARCEL_NEXT_END;
    note('P', *given);
    *call = delayed(consume)((*given)++);
    return PARCEL_NEXT_CALL;
}

static void run_events(const parcel_options *options)
{
    int given = 0;
    memset(tally->text, 0, sizeof tally->text);
    atomic_store(&tally->length, 0);
    parcel_results *results = run_and_free(options, parcel_calls_generate(produce, &given));
    ck_ran_well(results);
    parcel_results_free(results);
}

START_TEST(test_21_dispatch_one_job)
{
    run_events(&(parcel_options){.n_jobs = 1, .batch_size = 1});
    ck_assert_str_eq(tally->text, "P0 C0 P1 C1 P2 C2 P3 C3 P4 C4 P5 C5 ");
    run_events(&(parcel_options){.n_jobs = 1, .batch_size = 4});
    ck_assert_str_eq(tally->text, "P0 P1 P2 P3 C0 C1 C2 C3 P4 P5 C4 C5 ");
}
END_TEST

START_TEST(test_22_dispatch_multiprocessing)
{
    run_events(&(parcel_options){.n_jobs = 2, .batch_size = 1, .pre_dispatch = "3"});
    ck_assert_int_eq(strncmp(tally->text, "P0 ", 3), 0);
    ck_assert_ptr_nonnull(strchr(tally->text, 'C'));
    ck_assert(strchr(tally->text, 'C') < strstr(tally->text, "P3"));
    ck_assert_uint_eq(strlen(tally->text), 12 * 3);
}
END_TEST

START_TEST(test_48_exhausted_iterator)
{
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++) {
        struct source source = {0};
        parcel_result result;
        parcel_results *results =
            run_source(&(parcel_options){.n_jobs = n_jobs, .return_as = PARCEL_LIST}, &source);
        ck_ran_well(results);
        ck_assert_uint_eq(parcel_results_count(results), 0);
        parcel_results_free(results);
        parcel_calls *calls = squares(0);
        results = Parallel(.n_jobs = n_jobs, .return_as = PARCEL_GENERATOR)(calls);
        ck_assert(!parcel_results_next(results, &result));
        ck_ran_well(results);
        parcel_results_free(results);
        parcel_calls_free(calls);
    }
}
END_TEST

static int write_one(int i)
{
    atomic_fetch_add(&tally->ran[i], 1);
    return i;
}
DELAYED(int, write_one, int);

START_TEST(test_52_return_order)
{
    static const int n_jobs[] = {1, 2, 4};
    for (size_t n = 0; n < LENGTH(n_jobs); n++) {
        parcel_result result;
        int count = 0;
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 10; i++)
            parcel_calls_add(calls, delayed(write_one)(i));
        parcel_results *results =
            Parallel(.n_jobs = n_jobs[n], .return_as = PARCEL_GENERATOR)(calls);
        for (; parcel_results_next(results, &result); count++) {
            ck_assert_int_eq((int)result.value.as.int64, count);
            ck_assert_int_eq(atomic_exchange(&tally->ran[count], 0), 1);
            parcel_result_free(&result);
        }
        ck_assert_int_eq(count, 10);
        parcel_results_free(results);
        parcel_calls_free(calls);
    }
}
END_TEST

/* The slow call waits until somebody meets it. */
static double root(int i)
{
    if (i == 1)
        meet(&shared->meeting, 2);
    return sqrt((double)i * i);
}
DELAYED(double, root, int);

static parcel_calls *roots(int first)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = first; i < first + 10; i++)
        parcel_calls_add(calls, delayed(root)(i));
    return calls;
}

START_TEST(test_53_unordered_returns_fastest_first)
{
    if (!suite_has_threads())
        return;
    for (int n_jobs = 2; n_jobs <= 4; n_jobs += 2) {
        parcel_result result;
        double sum = 0;
        parcel_calls *calls = roots(0);
        parcel_results *results = Parallel(.n_jobs = n_jobs, .batch_size = 1,
                                           .return_as = PARCEL_GENERATOR_UNORDERED)(calls);
        for (int i = 0; i < 9; i++) {
            ck_assert(parcel_results_next(results, &result));
            ck_assert_uint_ne(result.index, 1);
            sum += result.value.as.number;
            parcel_result_free(&result);
        }
        ck_assert(sum == 0 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9);
        ck_assert(meet(&shared->meeting, 2));
        parcel_results_free(results);
        parcel_calls_free(calls);
    }
}
END_TEST

static char *large(void)
{
    return calloc(500000, 1);
}
DELAYED(char *, large);

START_TEST(test_55_a_dropped_stream_does_not_hang)
{
    parcel_result result;
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 10; i++)
        parcel_calls_add(calls, delayed(large)());
    parcel_executor *executor =
        parcel_open(&(parcel_options){.n_jobs = 2, .return_as = PARCEL_GENERATOR});
    parcel_results *results = parcel_executor_run(executor, calls);
    for (int i = 0; i < 2; i++) {
        ck_assert(parcel_results_next(results, &result));
        parcel_result_free(&result);
    }
    parcel_close(executor); /* with its stream */
    ck_assert(!parcel_results_next(results, &result));
    parcel_results_free(results);
    parcel_calls_free(calls);
}
END_TEST

/* 56 and 57: one stream at a time in an executor. */
START_TEST(test_56_multiple_generator_call)
{
    parcel_calls *calls = squares(100);
    parcel_executor *executor =
        parcel_open(&(parcel_options){.n_jobs = 2, .return_as = PARCEL_GENERATOR});
    parcel_results *first = parcel_executor_run(executor, calls);
    check_error(parcel_executor_run(executor, calls), "this executor is already running a stream");
    parcel_results_close(first, NULL, NULL, NULL);
    parcel_results *second = parcel_executor_run(executor, calls);
    ck_ran_well(second);
    parcel_results_free(second);
    parcel_results_free(first);
    parcel_close(executor);
    parcel_calls_free(calls);
}
END_TEST

/* 58: two streams at once; 59: one of them is dropped, and the other goes on. */
START_TEST(test_58_multiple_generator_call_separated)
{
    static const parcel_return_as orders[] = {PARCEL_GENERATOR, PARCEL_GENERATOR_UNORDERED};
    const parcel_options options = {.n_jobs = 2, .return_as = orders[_i / 2]};
    bool drops = _i % 2;
    parcel_calls *low = roots(10), *high = roots(20);
    parcel_executor *one = parcel_open(&options), *other = parcel_open(&options);
    parcel_results *lows = parcel_executor_run(one, low), *highs = parcel_executor_run(other, high);
    double sum = 0;
    parcel_result result;
    if (drops) {
        parcel_results_free(lows);
        lows = NULL;
    }
    while (parcel_results_next(highs, &result)) {
        sum += result.value.as.number;
        parcel_result_free(&result);
        if (parcel_results_next(lows, &result))
            sum += result.value.as.number;
        parcel_result_free(&result);
    }
    ck_assert(sum == 245 + (drops ? 0 : 145));
    parcel_results_free(lows);
    parcel_results_free(highs);
    parcel_close(one);
    parcel_close(other);
    parcel_calls_free(low);
    parcel_calls_free(high);
}
END_TEST

static bool next_is(parcel_results *results, int value)
{
    parcel_result result;
    bool is_it = parcel_results_next(results, &result) && result.value.as.int64 == value;
    parcel_result_free(&result);
    return is_it;
}

/* Ranks have one run at a time, and so one stream: another is told, and is welcome when the first
 * has gone. */
START_TEST(ranks_have_one_stream_at_a_time)
{
    const parcel_options options = {.n_jobs = 2, .return_as = PARCEL_GENERATOR};
    parcel_calls *calls = squares(100);
    parcel_results *first = parcel_run(&options, calls);
    check_error(parcel_run(&options, calls), "runs are made one after the other");
    check_error(parcel_run(NULL, calls), "runs are made one after the other");
    ck_assert(next_is(first, 0));
    parcel_results_free(first);
    parcel_results *second = parcel_run(&options, calls);
    for (int i = 0; i < 100; i++)
        ck_assert(next_is(second, i * i));
    parcel_results_free(second);
    ck_assert(squares_run(NULL, 100));
    parcel_calls_free(calls);
}
END_TEST

/* ---- bad input ---- */

START_TEST(a_generator_that_returns_garbage_is_told)
{
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++) {
        const parcel_options options = {.n_jobs = n_jobs};
        struct source garbage = {0, 20, 5, (parcel_next_status)7, NULL};
        check_error(run_source(&options, &garbage), "the generator returned 7 after 5 calls: ");
        struct source none = {0, 20, 5, PARCEL_NEXT_CALL, NULL};
        check_error(run_source(&options, &none), "the generator gave a wrong call after 5 calls: ");
        struct source silent = {0, 20, 1, PARCEL_NEXT_ERROR, NULL};
        check_error(run_source(&options, &silent),
                    "the generator failed after 1 call: it does not say why");
        struct source end = {0, 20, 5, PARCEL_NEXT_END, "no more disk"};
        check_error(run_source(&options, &end), "the generator failed after 5 calls: no more disk");
    }
}
END_TEST

START_TEST(a_generator_is_run_once_and_never_added_to)
{
    struct source source = {0, 3, 0, 0, NULL};
    parcel_calls *calls = parcel_calls_generate(next_square, &source);
    ck_assert_ptr_null(parcel_calls_generate(NULL, &source));
    ck_assert_uint_eq(parcel_calls_count(calls), 0);
    ck_assert(!parcel_calls_add(calls, delayed(square)(1)));
    parcel_results *results = Parallel()(calls);
    ck_assert(are_squares(results, 3));
    parcel_results_free(results);
    check_error(Parallel()(calls), "the generator was run before");
    parcel_calls_free(calls);
}
END_TEST

/* A generator that adds to a list which runs meanwhile: here, the stream's own is out of reach. */
static parcel_calls *running_list;
static bool was_added;

static parcel_next_status add_to_running(void *state, parcel_call *call)
{
    int *given = state;
    was_added = was_added || parcel_calls_add(running_list, delayed(square)(1));
    *call = delayed(square)(*given);
    return (*given)++ < 3 ? PARCEL_NEXT_CALL : PARCEL_NEXT_END;
}

static int run_generated(void)
{
    int given = 0;
    parcel_results *results = run_and_free(NULL, parcel_calls_generate(add_to_running, &given));
    int count = (int)parcel_results_count(results);
    parcel_results_free(results);
    return count;
}
DELAYED(int, run_generated);

START_TEST(a_generator_does_not_add_to_a_list_that_runs)
{
    running_list = parcel_calls_new();
    parcel_calls_add(running_list, delayed(run_generated)());
    parcel_results *results = Parallel(.n_jobs = 2)(running_list);
    ck_assert(!was_added);
    ck_assert_int_eq(parcel_get(results, 0, int), 3);
    parcel_results_free(results);
    parcel_calls_free(running_list);
}
END_TEST

/* A generator that blocks until the calls before have run: what .batch_size = 1 allows. */
static int count_done(int i)
{
    atomic_fetch_add(&tally->ended, 1);
    return i;
}
DELAYED(int, count_done, int);

static parcel_next_status next_when_done(void *state, parcel_call *call)
{
    int *given = state;
    while (atomic_load(&tally->ended) < *given)
        sched_yield();
    if (*given == 50)
        return PARCEL_NEXT_END;
    *call = delayed(count_done)((*given)++);
    return PARCEL_NEXT_CALL;
}

START_TEST(a_generator_may_block)
{
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++) {
        int given = 0;
        atomic_store(&tally->ended, 0);
        parcel_results *results = run_and_free(&(parcel_options){.n_jobs = n_jobs, .batch_size = 1},
                                               parcel_calls_generate(next_when_done, &given));
        ck_ran_well(results);
        ck_assert_uint_eq(parcel_results_count(results), 50);
        parcel_results_free(results);
    }
}
END_TEST

static bool run_nested(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    (void)value, (void)record;
    size_t *right = state;
    *right += parcel_index() == index && squares_run(NULL, 5);
    return true;
}

static bool fail_at_third(void *state, size_t index, parcel_value value,
                          const parcel_record *record)
{
    (void)state, (void)value, (void)record;
    if (index == 3)
        parcel_fail("no room for %zu", index);
    return true;
}

START_TEST(on_result_may_run_something_and_may_fail)
{
    for (int n_jobs = 1; n_jobs <= 3; n_jobs++) {
        size_t right = 0;
        parcel_results *results = run_and_free(
            &(parcel_options){.n_jobs = n_jobs, .on_result = run_nested, .on_result_state = &right},
            squares(20));
        ck_ran_well(results);
        ck_assert_uint_eq(right, 20);
        parcel_results_free(results);
        check_error(run_and_free(&(parcel_options){.n_jobs = n_jobs, .on_result = fail_at_third},
                                 squares(20)),
                    "on_result failed at call 3: no room for 3");
    }
}
END_TEST

START_TEST(contradictory_and_wrong_options_are_refused)
{
    static const struct {
        parcel_options options;
        const char *error;
    } cases[] = {
        {{.window = 5}, "window = 5 bounds the results that wait, but return_as = PARCEL_LIST"},
        {{.window = -1}, "window = -1 is out of range: a positive integer is allowed"},
        {{.return_as = (parcel_return_as)4}, "return_as = 4 is out of range: PARCEL_LIST, "},
        {{.pre_dispatch = "foo"}, "pre_dispatch: 'foo' is not a valid"},
        {{.pre_dispatch = ""}, "pre_dispatch: '' is not a valid"},
        {{.pre_dispatch = "0"}, "pre_dispatch: 'all' or a positive number of calls is allowed"},
        {{.pre_dispatch = "-2 * n_jobs"}, "and '-2 * n_jobs' is -"},
        {{.pre_dispatch = "1 / 0"}, "pre_dispatch: '1 / 0' divides by zero"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct source source = {0, 3, 0, 0, NULL};
        check_error(run_source(&cases[i].options, &source), cases[i].error);
        ck_assert_int_eq(source.given, 0);
    }
}
END_TEST

START_TEST(bounds_below_the_workers_are_told)
{
    char expected[80];
    if (!suite_has_threads())
        return;
    struct source source = {0, 3, 0, 0, NULL};
    int n_ranks = getenv("PARCEL_BACKEND") ? ranks_count() : 1;
    parcel_results *results =
        run_source(&(parcel_options){.n_jobs = 2, .pre_dispatch = "n_jobs // 2"}, &source);
    snprintf(expected, sizeof expected,
             "pre_dispatch lets %d call%s run at once: fewer than the %d workers", n_ranks,
             n_ranks == 1 ? "" : "s", 2 * n_ranks);
    ck_contains(parcel_results_warnings(results), expected);
    parcel_results_free(results);
}
END_TEST

START_TEST(what_is_no_stream_is_harmless)
{
    parcel_result result = {0};
    size_t number;
    parcel_results *results = run_and_free(NULL, squares(3));
    ck_assert(!parcel_results_next(results, &result));
    ck_assert(!parcel_results_next(results, NULL));
    ck_assert(!parcel_results_next(NULL, &result));
    ck_assert(!parcel_results_close(results, &number, &number, &number));
    ck_assert(!parcel_results_close(NULL, NULL, NULL, NULL));
    ck_assert(are_squares(results, 3));
    parcel_result_free(&result);
    parcel_result_free(NULL);
    parcel_results_free(results);
}
END_TEST

/* A call that pulls, closes and frees the stream that it is part of. */
static parcel_results *own_stream;

static int reach_for_own_stream(void)
{
    parcel_result result;
    meet(&shared->meeting, 2);
    bool pulled = parcel_results_next(own_stream, &result);
    return pulled || parcel_results_close(own_stream, NULL, NULL, NULL);
}
DELAYED(int, reach_for_own_stream);

START_TEST(a_call_does_not_wait_for_its_own_stream)
{
    parcel_result result;
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(reach_for_own_stream)());
    own_stream = Parallel(.n_jobs = 1, .return_as = PARCEL_GENERATOR)(calls);
    meet(&shared->meeting, 2);
    ck_assert(parcel_results_next(own_stream, &result));
    ck_assert_int_eq((int)result.value.as.int64, 0);
    parcel_result_free(&result);
    parcel_results_free(own_stream);
    parcel_calls_free(calls);
}
END_TEST

/* ---- what stops a run, in a stream ---- */

/* Calls without end. */
static parcel_next_status next_forever(void *state, parcel_call *call)
{
    int *given = state;
    *call = delayed(square)(*given % 1000);
    ++*given;
    return PARCEL_NEXT_CALL;
}

static bool cancel_at_tenth(void *state, size_t index, parcel_value value,
                            const parcel_record *record)
{
    (void)state, (void)value, (void)record;
    if (index == 10)
        parcel_cancel(&shared->token);
    return true;
}

static bool stop_at_tenth(void *state, size_t index, parcel_value value,
                          const parcel_record *record)
{
    (void)state, (void)value, (void)record;
    if (index == 10)
        parcel_stop();
    return true;
}

/* A generator would go on for ever. */
START_TEST(a_token_ends_a_stream)
{
    for (int n_jobs = 1; n_jobs <= 3; n_jobs++) {
        int given = 0;
        parcel_token_reset(&shared->token);
        parcel_results *results = run_and_free(&(parcel_options){.n_jobs = n_jobs,
                                                                 .on_result = cancel_at_tenth,
                                                                 .cancel = &shared->token},
                                               parcel_calls_generate(next_forever, &given));
        ck_contains(parcel_results_error(results), "cancelled by its token: ");
        ck_contains(parcel_results_error(results), " calls had run");
        parcel_results_free(results);
    }
}
END_TEST

START_TEST(a_match_ends_a_stream_without_an_error)
{
    for (int n_jobs = 1; n_jobs <= 3; n_jobs++) {
        int given = 0;
        parcel_results *results =
            run_and_free(&(parcel_options){.n_jobs = n_jobs, .on_result = stop_at_tenth},
                         parcel_calls_generate(next_forever, &given));
        ck_ran_well(results);
        ck_assert_int_ge(given, 10);
        parcel_results_free(results);
    }
}
END_TEST

/* Workers that wait for room are told, though nobody takes a result. */
START_TEST(a_token_ends_a_stream_that_nobody_reads)
{
    for (int n_jobs = 1; n_jobs <= 3; n_jobs++) {
        int given = 0;
        parcel_result result;
        size_t taken = 0;
        parcel_token_reset(&shared->token);
        parcel_calls *calls = parcel_calls_generate(next_forever, &given);
        parcel_results *results = Parallel(.n_jobs = n_jobs, .return_as = PARCEL_GENERATOR,
                                           .cancel = &shared->token)(calls);
        ck_assert(parcel_results_next(results, &result));
        parcel_result_free(&result);
        parcel_cancel(&shared->token);
        while (parcel_results_next(results, &result)) {
            parcel_result_free(&result);
            taken++;
        }
        ck_contains(parcel_results_error(results), "cancelled by its token: ");
        ck_assert_uint_le(taken, 1000);
        parcel_results_free(results);
        parcel_calls_free(calls);
    }
}
END_TEST

static int fail_twice(int i)
{
    if (atomic_fetch_add(&tally->ran[i], 1) < 2 && i % 5 == 0)
        parcel_fail("not yet");
    return i;
}
DELAYED(int, fail_twice, int);

static parcel_next_status next_fail_twice(void *state, parcel_call *call)
{
    int *given = state;
    if (*given == 20)
        return PARCEL_NEXT_END;
    *call = delayed(fail_twice)(*given);
    ++*given;
    return PARCEL_NEXT_CALL;
}

static bool sum_attempts(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    int *sum = state;
    ck_assert_int_eq(record->attempts, index % 5 == 0 ? 3 : 1);
    ck_assert_int_eq((int)value.as.int64, (int)index);
    *sum += record->attempts;
    return true;
}

static void forget_tries(void)
{
    for (size_t i = 0; i < 20; i++)
        atomic_store(&tally->ran[i], 0);
}

START_TEST(calls_of_a_stream_are_retried)
{
    for (int n_jobs = 1; n_jobs <= 3; n_jobs++) {
        int given = 0, sum = 0;
        forget_tries();
        parcel_results *results = run_and_free(
            &(parcel_options){
                .n_jobs = n_jobs, .retries = 2, .on_result = sum_attempts, .on_result_state = &sum},
            parcel_calls_generate(next_fail_twice, &given));
        ck_ran_well(results);
        ck_assert_int_eq(sum, 28);
        parcel_results_free(results);
        given = 0;
        forget_tries();
        results = run_and_free(&(parcel_options){.n_jobs = n_jobs, .retries = 2},
                               parcel_calls_generate(next_fail_twice, &given));
        ck_ran_well(results);
        for (size_t i = 0; i < 20; i++)
            ck_assert_int_eq(parcel_results_attempts(results, i), i % 5 == 0 ? 3 : 1);
        parcel_results_free(results);
    }
}
END_TEST

static void *start_state(void *state, int worker)
{
    (void)worker;
    atomic_fetch_add(&tally->started, 1);
    return state;
}

static void end_state(void *state, int worker, void *worker_state)
{
    (void)worker;
    atomic_fetch_add(&tally->wrong, state != worker_state);
    atomic_fetch_sub(&tally->started, 1);
}

static int has_state(int i)
{
    return parcel_worker_state() == &shared->token ? i : -1;
}
DELAYED(int, has_state, int);

START_TEST(workers_of_a_stream_have_their_state)
{
    for (int n_jobs = 1; n_jobs <= 3; n_jobs++) {
        parcel_result result;
        int taken = 0;
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 50; i++)
            parcel_calls_add(calls, delayed(has_state)(i));
        parcel_results *results =
            Parallel(.n_jobs = n_jobs, .return_as = PARCEL_GENERATOR,
                     .worker_state = &shared->token, .on_worker_start = start_state,
                     .on_worker_end = end_state)(calls);
        for (; parcel_results_next(results, &result); taken++) {
            ck_assert_int_eq((int)result.value.as.int64, taken);
            parcel_result_free(&result);
        }
        ck_ran_well(results);
        ck_assert_int_eq(taken, 50);
        parcel_results_free(results);
        parcel_calls_free(calls);
        ck_assert_int_eq(atomic_load(&tally->started), 0);
        ck_assert_int_eq(atomic_load(&tally->wrong), 0);
    }
}
END_TEST

static int overrun(int i)
{
    while (i == 3 && !parcel_cancelled())
        sched_yield();
    return i;
}
DELAYED(int, overrun, int);

static bool is_late(const parcel_record *record, double allowed)
{
    return record->status == PARCEL_TIMED_OUT && record->duration >= allowed * 0.999;
}

/* joblib's 18, with the others' results kept. A short call may overrun too, where others have its
 * cpu: then its record says so. */
START_TEST(test_18_timeout_with_generator)
{
    static const double allowed = 0.05;
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++)
        for (int form = PARCEL_GENERATOR; form <= PARCEL_GENERATOR_UNORDERED; form++) {
            parcel_result result;
            int count = 0;
            parcel_calls *calls = parcel_calls_new();
            for (int i = 0; i < 10; i++)
                parcel_calls_add(calls, delayed(overrun)(i));
            parcel_results *results =
                Parallel(.n_jobs = n_jobs, .return_as = (parcel_return_as)form, .timeout = allowed,
                         .on_error = PARCEL_COLLECT)(calls);
            for (; parcel_results_next(results, &result); parcel_result_free(&result), count++)
                ck_assert(is_late(&result.record, allowed) ||
                          (result.index != 3 && result.record.status == PARCEL_OK));
            ck_assert_int_eq(count, 10);
            ck_contains(parcel_results_error(results), "): timed out: ");
            parcel_results_free(results);
            parcel_calls_free(calls);
        }
}
END_TEST

START_TEST(a_part_of_unknown_calls_is_refused)
{
    int given = 0;
    check_error(run_and_free(&(parcel_options){.halt = "soon,fail=10%"},
                             parcel_calls_generate(next_forever, &given)),
                "a percentage of the calls");
    ck_assert_int_eq(given, 0);
}
END_TEST

/* Who does not know that there is a stream to be pulled would find no results. */
START_TEST(a_stream_is_asked_for_in_the_call)
{
    setenv("PARCEL_RETURN_AS", "generator", 1);
    ck_assert(squares_run(&(parcel_options){.n_jobs = 2}, 20));
    unsetenv("PARCEL_RETURN_AS");
    ck_assert(parcel_config_push(.return_as = PARCEL_GENERATOR_UNORDERED));
    ck_assert(squares_run(&(parcel_options){.n_jobs = 2}, 20));
    ck_assert(parcel_config_pop());
}
END_TEST

static int cancel_at_third(int i)
{
    take_time();
    if (i == 3)
        parcel_cancel(&shared->token);
    while (i == 3 && !parcel_cancelled())
        sched_yield();
    return i;
}
DELAYED(int, cancel_at_third, int);

static parcel_next_status next_of_ten(void *state, parcel_call *call)
{
    int *given = state;
    if (*given == 10)
        return PARCEL_NEXT_END;
    *call = delayed(cancel_at_third)(*given);
    ++*given;
    return PARCEL_NEXT_CALL;
}

START_TEST(generated_calls_that_did_not_run_say_why)
{
    int given = 0;
    parcel_token_reset(&shared->token);
    parcel_results *results =
        run_and_free(&(parcel_options){.n_jobs = 1, .cancel = &shared->token, .batch_size = 10},
                     parcel_calls_generate(next_of_ten, &given));
    ck_assert_uint_eq(parcel_results_count(results), 10);
    ck_assert_int_eq(parcel_results_status(results, 3), PARCEL_OK);
    ck_assert_int_eq(parcel_results_status(results, 9), PARCEL_CANCELLED);
    ck_contains(parcel_results_message(results, 9), "cancelled by its token");
    parcel_results_free(results);
}
END_TEST

/* Nobody gets past its first call before the run is cancelled: so most calls do not run, whichever
 * worker takes which. */
static int fail_when_asked(int i)
{
    if (i == 0)
        parcel_cancel(&shared->token);
    while (!parcel_cancelled())
        sched_yield();
    parcel_fail("interrupted");
    return i;
}
DELAYED(int, fail_when_asked, int);

/* What stopped the run is told, and not only what a call made of it. */
/* "the result of call 7", which is copied. */
static const char *say_number(int i)
{
    static _Thread_local char text[64];
    snprintf(text, sizeof text, "the result of call %d", i);
    return text;
}
DELAYED(const char *, say_number, int);

static parcel_next_status next_text(void *state, parcel_call *call)
{
    struct source *source = state;
    if (source->given == source->size)
        return PARCEL_NEXT_END;
    *call = delayed(say_number)(source->given++);
    return PARCEL_NEXT_CALL;
}

static void free_text(parcel_result *result)
{
    char text[64];
    snprintf(text, sizeof text, "the result of call %zu", result->index);
    ck_assert_str_eq(result->value.as.string, text);
    parcel_result_free(result);
}

/* Who keeps some results for long has blocks made anew where others were freed. */
START_TEST(results_that_are_kept_stay_as_they_are)
{
    enum { KEPT = 40 };
    parcel_result kept[KEPT], result;
    struct source source = {.size = 20000};
    unsigned n_kept = 0, seed = 1;
    parcel_calls *calls = parcel_calls_generate(next_text, &source);
    parcel_results *results =
        Parallel(.n_jobs = 2, .return_as = PARCEL_GENERATOR, .window = 64, .batch_size = 1)(calls);
    while (parcel_results_next(results, &result)) {
        seed = seed * 1103515245 + 12345;
        unsigned chance = seed / 65536;
        if (n_kept == KEPT) { /* mostly one makes room, sometimes all do */
            unsigned i = chance % KEPT;
            free_text(&kept[i]);
            kept[i] = kept[--n_kept];
        }
        while (chance % 50 == 0 && n_kept > 0)
            free_text(&kept[--n_kept]);
        kept[n_kept++] = result;
    }
    while (n_kept > 0)
        free_text(&kept[--n_kept]);
    ck_assert_ptr_null(parcel_results_error(results));
    parcel_results_free(results);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(a_call_may_fail_because_it_is_asked)
{
    for (int n_jobs = 1; n_jobs <= 3; n_jobs++) {
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 50; i++)
            parcel_calls_add(calls, delayed(fail_when_asked)(i));
        parcel_token_reset(&shared->token);
        check_error(
            run_and_free(&(parcel_options){.n_jobs = n_jobs, .cancel = &shared->token}, calls),
            "cancelled by its token: ");
    }
}
END_TEST

static void add_joblib_tests(TCase *tests)
{
    tcase_add_test(tests, test_18_timeout_with_generator);
    tcase_add_test(tests, test_20_error_in_task_iterator);
    if (!SUITE_IS_ON_RANKS) /* each of which has one worker */
        tcase_add_test(tests, test_21_dispatch_one_job);
    tcase_add_test(tests, test_22_dispatch_multiprocessing);
    tcase_add_test(tests, test_48_exhausted_iterator);
    tcase_add_test(tests, test_52_return_order);
    tcase_add_test(tests, test_53_unordered_returns_fastest_first);
    tcase_add_test(tests, test_55_a_dropped_stream_does_not_hang);
    tcase_add_test(tests, test_56_multiple_generator_call);
    if (SUITE_IS_ON_RANKS)
        tcase_add_test(tests, ranks_have_one_stream_at_a_time);
    else
        tcase_add_loop_test(tests, test_58_multiple_generator_call_separated, 0, 4);
}

static void add_control_tests(TCase *tests)
{
    tcase_add_test(tests, a_token_ends_a_stream);
    tcase_add_test(tests, a_match_ends_a_stream_without_an_error);
    tcase_add_test(tests, a_token_ends_a_stream_that_nobody_reads);
    tcase_add_test(tests, calls_of_a_stream_are_retried);
    if (!SUITE_IS_ON_RANKS) /* their state is memory of rank 0 */
        tcase_add_test(tests, workers_of_a_stream_have_their_state);
    tcase_add_test(tests, a_part_of_unknown_calls_is_refused);
    tcase_add_test(tests, a_stream_is_asked_for_in_the_call);
    tcase_add_test(tests, generated_calls_that_did_not_run_say_why);
    tcase_add_test(tests, a_call_may_fail_because_it_is_asked);
    tcase_add_test(tests, results_that_are_kept_stay_as_they_are);
}

static void add_input_tests(TCase *tests)
{
    tcase_add_test(tests, a_generator_that_returns_garbage_is_told);
    tcase_add_test(tests, a_generator_is_run_once_and_never_added_to);
    tcase_add_test(tests, a_generator_does_not_add_to_a_list_that_runs);
    tcase_add_test(tests, a_generator_may_block);
    tcase_add_test(tests, on_result_may_run_something_and_may_fail);
    tcase_add_test(tests, contradictory_and_wrong_options_are_refused);
    tcase_add_test(tests, bounds_below_the_workers_are_told);
    tcase_add_test(tests, what_is_no_stream_is_harmless);
    tcase_add_test(tests, a_call_does_not_wait_for_its_own_stream);
}

static void add_cases_elsewhere(TCase *tests)
{
    add_joblib_tests(tests);
    add_control_tests(tests);
    add_input_tests(tests);
}

int main(void)
{
    Suite *suite = suite_create("streams");
    add_joblib_tests(tallied_case(suite, "joblib"));
    add_control_tests(tallied_case(suite, "control"));
    add_input_tests(tallied_case(suite, "bad input"));
    if (!SUITE_IS_SANITIZED)
        add_cases_elsewhere(case_elsewhere(suite));
    return suite_run(suite);
}

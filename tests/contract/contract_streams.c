/* contract_streams.c: calls from a generator, and results pushed and pulled; see contract.h. */
#include "contract.h"

#include <math.h>

/* A generator of the squares of 0 to size - 1. */
struct source {
    size_t given;
    size_t size;
};

static parcel_next_status next_square(void *state, parcel_call *call)
{
    struct source *source = state;
    if (source->given == source->size)
        return PARCEL_NEXT_END;
    *call = delayed(square)((int)source->given++);
    return PARCEL_NEXT_CALL;
}

/* What on_result was given. */
struct sink {
    size_t count;
    size_t stop_after; /* 0: never */
    int times[MOST_CALLS];
    bool in_order;
    bool right;
};

static bool take_square(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    struct sink *sink = state;
    sink->in_order = sink->in_order && index == sink->count;
    sink->times[index]++;
    sink->right = sink->right && value.as.int64 == (int64_t)(index * index) &&
                  record->index == index && record->status == PARCEL_OK && !record->message &&
                  record->worker >= 0 && record->start >= 0 && record->duration >= 0 &&
                  record->attempts == 1;
    return ++sink->count != sink->stop_after;
}

static bool took_each_once(const struct sink *sink, size_t size)
{
    bool right = sink->right && sink->count == size;
    for (size_t i = 0; i < size; i++)
        right = right && sink->times[i] == 1;
    return right;
}

START_TEST(a_generator_equals_its_list)
{
    for (struct shape shape = {0}; next_streaming_shape(_i, &shape);) {
        struct source source = {0, shape.size};
        parcel_calls *calls = parcel_calls_generate(next_square, &source);
        parcel_results *results = parcel_run(SHAPED(shape, 0), calls);
        ck_ran_well(results);
        HOLDS(shape, are_squares(results, shape.size));
        for (size_t i = 0; i < shape.size; i++)
            HOLDS(shape, parcel_results_worker(results, i) >= 0 &&
                             parcel_results_duration(results, i) >= 0);
        parcel_results_free(results);
        parcel_calls_free(calls);
    }
}
END_TEST

START_TEST(on_result_is_given_each_result_once)
{
    static const parcel_return_as orders[] = {0, PARCEL_LIST, PARCEL_GENERATOR,
                                              PARCEL_GENERATOR_UNORDERED};
    for (struct shape shape = {0}; next_streaming_shape(_i, &shape);)
        for (size_t i = 0; i < 2 * LENGTH(orders); i++) {
            struct source source = {0, shape.size};
            struct sink sink = {.in_order = true, .right = true};
            parcel_calls *calls =
                i % 2 ? squares(shape.size) : parcel_calls_generate(next_square, &source);
            parcel_results *results =
                run_and_free(SHAPED(shape, .return_as = orders[i / 2], .on_result = take_square,
                                    .on_result_state = &sink),
                             calls);
            ck_ran_well(results);
            HOLDS(shape, took_each_once(&sink, shape.size));
            HOLDS(shape, sink.in_order || i / 2 == 3);
            HOLDS(shape, parcel_results_count(results) == shape.size);
            HOLDS(shape, parcel_results_value(results, 0).tag == PARCEL_TAG_NONE);
            HOLDS(shape, isnan(parcel_results_duration(results, 0)));
            parcel_results_free(results);
        }
}
END_TEST

START_TEST(on_result_stops_the_run)
{
    for (struct shape shape = {0}; next_streaming_shape(_i, &shape);) {
        struct source source = {0, shape.size};
        struct sink sink = {.in_order = true, .right = true, .stop_after = 2};
        parcel_results *results = run_and_free(
            SHAPED(shape, .window = 8, .on_result = take_square, .on_result_state = &sink),
            parcel_calls_generate(next_square, &source));
        ck_ran_well(results);
        HOLDS(shape, took_each_once(&sink, shape.size < 2 ? shape.size : 2));
        HOLDS(shape, source.given <= 10);
        parcel_results_free(results);
    }
}
END_TEST

/* Pulls all results; true when each came once, and in order if asked. */
static bool pull_squares(parcel_results *results, size_t size, bool in_order)
{
    static struct sink sink;
    parcel_result result;
    sink = (struct sink){.in_order = true, .right = true};
    while (parcel_results_next(results, &result)) {
        ck_assert_uint_lt(result.index, size);
        take_square(&sink, result.index, result.value, &result.record);
        parcel_result_free(&result);
    }
    ck_assert_ptr_null(result.parcel__hold);
    return took_each_once(&sink, size) && (sink.in_order || !in_order);
}

START_TEST(a_stream_gives_each_result_once)
{
    for (struct shape shape = {0}; next_streaming_shape(_i, &shape);)
        for (int i = 0; i < 4; i++) {
            struct source source = {0, shape.size};
            bool in_order = i < 2;
            parcel_calls *calls =
                i % 2 ? squares(shape.size) : parcel_calls_generate(next_square, &source);
            parcel_results *results =
                parcel_run(SHAPED(shape, .return_as = in_order ? PARCEL_GENERATOR
                                                               : PARCEL_GENERATOR_UNORDERED),
                           calls);
            HOLDS(shape, pull_squares(results, shape.size, in_order));
            ck_ran_well(results);
            HOLDS(shape, parcel_results_count(results) == shape.size);
            HOLDS(shape,
                  !parcel_results_close(results, NULL, NULL, NULL) ||
                      !strstr(parcel_results_warnings(results) ? parcel_results_warnings(results)
                                                               : "",
                              "closed early"));
            parcel_results_free(results);
            parcel_calls_free(calls);
        }
}
END_TEST

START_TEST(a_stream_that_is_closed_accounts_for_all)
{
    for (struct shape shape = {0}; next_streaming_shape(_i, &shape);) {
        size_t used, unused, cancelled, taken = 0;
        parcel_result result;
        parcel_calls *calls = squares(shape.size);
        parcel_results *results = parcel_run(SHAPED(shape, .return_as = PARCEL_GENERATOR), calls);
        while (taken < 2 && parcel_results_next(results, &result)) {
            parcel_result_free(&result);
            taken++;
        }
        HOLDS(shape, parcel_results_close(results, &used, &unused, &cancelled));
        HOLDS(shape, used == taken && used + unused + cancelled == shape.size);
        HOLDS(shape, unused <= 4 * (size_t)shape.workers);
        if (shape.size > 2)
            ck_contains(parcel_results_warnings(results), "the stream was closed early: 2 results");
        HOLDS(shape, !parcel_results_next(results, &result));
        parcel_results_free(results);
        parcel_calls_free(calls);
    }
}
END_TEST

/* The crowd: calls that have begun whose results nobody took. */
static char *begin(int i)
{
    crowd_enter(&tally->crowd);
    char *bytes = malloc(10000);
    snprintf(bytes, 10000, "%d", i);
    return bytes;
}
DELAYED(char *, begin, int);

static bool take_bytes(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    (void)record;
    bool *right = state;
    *right = *right && (size_t)atoi(value.as.string) == index;
    crowd_leave(&tally->crowd);
    return true;
}

/* Calls whose results are counted while they wait, from none on. */
static parcel_calls *new_counted_calls(size_t size)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < size; i++)
        parcel_calls_add(calls, delayed(begin)((int)i));
    atomic_store(&tally->crowd.now, 0);
    atomic_store(&tally->crowd.most, 0);
    return calls;
}

START_TEST(the_window_is_never_exceeded)
{
    static const long long windows[] = {1, 2, 5, 16};
    for (struct shape shape = {0}; next_streaming_shape(_i, &shape);)
        for (size_t w = 0; w < LENGTH(windows); w++) {
            bool right = true;
            parcel_calls *calls = new_counted_calls(shape.size);
            parcel_results *results =
                run_and_free(SHAPED(shape, .window = windows[w], .on_result = take_bytes,
                                    .on_result_state = &right),
                             calls);
            ck_ran_well(results);
            HOLDS(shape, right && atomic_load(&tally->crowd.now) == 0);
            HOLDS(shape, atomic_load(&tally->crowd.most) <= windows[w]);
            parcel_results_free(results);
        }
}
END_TEST

START_TEST(pulled_results_outlive_the_stream_and_keep_the_window)
{
    for (struct shape shape = {0}; next_streaming_shape(_i, &shape);) {
        static parcel_result kept[MOST_CALLS + 1]; /* the end is written too */
        size_t count = 0;
        parcel_calls *calls = new_counted_calls(shape.size);
        parcel_results *results =
            parcel_run(SHAPED(shape, .return_as = PARCEL_GENERATOR, .window = 6), calls);
        while (parcel_results_next(results, &kept[count])) {
            crowd_leave(&tally->crowd);
            count++;
        }
        parcel_results_free(results);
        parcel_calls_free(calls);
        HOLDS(shape, count == shape.size);
        HOLDS(shape,
              atomic_load(&tally->crowd.most) <= 6 + 1); /* one is on its way to be counted */
        for (size_t i = 0; i < count; i++) {
            HOLDS(shape, (size_t)atoi(kept[i].value.as.string) == i);
            parcel_result_free(&kept[i]);
            parcel_result_free(&kept[i]);
        }
    }
}
END_TEST

static int fail_third(int i)
{
    if (i % 3 == 2)
        parcel_fail("%d is refused", i);
    return i;
}
DELAYED(int, fail_third, int);

struct failures {
    size_t failed;
    size_t right;
};

static bool count_failures(void *state, size_t index, parcel_value value,
                           const parcel_record *record)
{
    struct failures *failures = state;
    char expected[64];
    snprintf(expected, sizeof expected, "%zu is refused", index);
    if (record->status == PARCEL_FAILED) {
        failures->failed++;
        failures->right += value.tag == PARCEL_TAG_NONE && strcmp(record->message, expected) == 0;
    }
    return true;
}

START_TEST(failures_reach_on_result_and_the_error_names_the_first)
{
    for (struct shape shape = {0}; next_streaming_shape(_i, &shape);) {
        struct failures failures = {0};
        char expected[128];
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(fail_third)((int)i));
        parcel_results *results =
            run_and_free(SHAPED(shape, .on_error = PARCEL_COLLECT, .on_result = count_failures,
                                .on_result_state = &failures),
                         calls);
        HOLDS(shape, failures.failed == shape.size / 3 && failures.right == failures.failed);
        HOLDS(shape, parcel_results_failures(results) == failures.failed);
        snprintf(expected, sizeof expected,
                 "%zu of %zu calls failed; first: call 2, fail_third(2): 2 is refused",
                 failures.failed, shape.size);
        if (failures.failed > 0)
            ck_assert_str_eq(parcel_results_error(results), expected);
        parcel_results_free(results);
    }
}
END_TEST

struct look {
    size_t index;
    int level;
    int worker;
};

static struct look look(void)
{
    return (struct look){parcel_index(), parcel_level(), parcel_worker()};
}
DELAYED(struct look, look);

static parcel_next_status next_look(void *state, parcel_call *call)
{
    struct source *source = state;
    if (source->given == source->size)
        return PARCEL_NEXT_END;
    source->given++;
    *call = delayed(look)();
    return PARCEL_NEXT_CALL;
}

START_TEST(a_call_of_a_stream_knows_its_index_worker_and_level)
{
    for (struct shape shape = {0}; next_streaming_shape(_i, &shape);) {
        struct source source = {0, shape.size};
        parcel_results *results =
            run_and_free(SHAPED(shape, 0), parcel_calls_generate(next_look, &source));
        ck_ran_well(results);
        for (size_t i = 0; i < shape.size; i++) {
            struct look seen = parcel_get(results, i, struct look);
            HOLDS(shape, seen.index == i && seen.level == 1);
            HOLDS(shape, seen.worker == parcel_results_worker(results, i));
        }
        parcel_results_free(results);
    }
}
END_TEST

/* It runs all calls that it can, and says that it left others. */
START_TEST(who_holds_a_stream_up_ends_it_with_a_sentence)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);)
        if (holds_first(shape) && shape.size > 20) {
            struct source source = {0, shape.size};
            struct sink sink = {.in_order = true, .right = true};
            parcel_results *results = run_and_free(
                SHAPED(shape, .window = 8, .on_result = take_square, .on_result_state = &sink),
                parcel_calls_generate(next_square, &source));
            HOLDS(shape, sink.in_order && sink.right && sink.count > 0 && sink.count <= 8);
            ck_assert_str_eq(parcel_results_error(results),
                             "the backend returned before all calls had run");
            parcel_results_free(results);
        }
}
END_TEST

void add_stream_tests(TCase *tests, int backends)
{
    tcase_add_loop_test(tests, a_generator_equals_its_list, 0, backends);
    tcase_add_loop_test(tests, on_result_is_given_each_result_once, 0, backends);
    tcase_add_loop_test(tests, on_result_stops_the_run, 0, backends);
    tcase_add_loop_test(tests, a_stream_gives_each_result_once, 0, backends);
    tcase_add_loop_test(tests, a_stream_that_is_closed_accounts_for_all, 0, backends);
    tcase_add_loop_test(tests, the_window_is_never_exceeded, 0, backends);
    tcase_add_loop_test(tests, pulled_results_outlive_the_stream_and_keep_the_window, 0, backends);
    tcase_add_loop_test(tests, failures_reach_on_result_and_the_error_names_the_first, 0, backends);
    tcase_add_loop_test(tests, a_call_of_a_stream_knows_its_index_worker_and_level, 0, backends);
    tcase_add_loop_test(tests, who_holds_a_stream_up_ends_it_with_a_sentence, 0, backends);
}

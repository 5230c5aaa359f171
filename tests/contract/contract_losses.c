/* contract_losses.c: what holds when a backend loses calls; see mock_backend.h. */
#include "contract.h"
#include "mock_backend.h"

static atomic_int ran[MOST_CALLS];

static int count_and_square(int i)
{
    atomic_fetch_add(&ran[i], 1);
    return i * i;
}
DELAYED(int, count_and_square, int);

static const struct mock losing = {.lose_every = 3};
static const struct mock forgetting = {.forget_every = 3};
static const struct mock leaving = {.leave_after = 2};
static const struct mock leaving_at_once = {.hold_first = true, .leave_after = 1};
static const struct mock chaotic = {
    .window = 5, .hold_first = true, .lose_every = 3, .forget_every = 4, .twice = true};

static const parcel_backend lossy[] = {
    MOCK_BACKEND("mock-losing", &losing),   MOCK_BACKEND("mock-forgetting", &forgetting),
    MOCK_BACKEND("mock-leaving", &leaving), MOCK_BACKEND("mock-leaving-at-once", &leaving_at_once),
    MOCK_BACKEND("mock-chaotic", &chaotic),
};

static parcel_results *run_lossy(const parcel_options *options, size_t size)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < size; i++) {
        atomic_store(&ran[i], 0);
        parcel_calls_add(calls, delayed(count_and_square)((int)i));
    }
    return run_and_free(options, calls);
}

static bool is_ok_or_lost(const parcel_results *results, size_t i)
{
    if (parcel_results_status(results, i) == PARCEL_OK)
        return parcel_get_or(results, i, int, -1) == (int)(i * i) && atomic_load(&ran[i]) == 1;
    return parcel_results_status(results, i) == PARCEL_LOST && parcel_results_message(results, i) &&
           *parcel_results_message(results, i) && !parcel_holds(results, i, int) &&
           atomic_load(&ran[i]) == 0;
}

/* The error names the lowest call that was lost, and counts all of them. */
static void check_lossy(const struct shape *shape, const parcel_results *results)
{
    size_t failures = 0, first = 0;
    for (size_t i = shape->size; i-- > 0;) {
        HOLDS(*shape, is_ok_or_lost(results, i));
        if (parcel_results_status(results, i) == PARCEL_OK)
            continue;
        failures++;
        first = i;
    }
    char error[96];
    snprintf(error, sizeof error, "%zu of %zu calls failed; first: call %zu, count_and_square(%zu)",
             failures, shape->size, first, first);
    HOLDS(*shape, failures > 0 && parcel_results_failures(results) == failures);
    ck_contains(parcel_results_error(results), error);
}

START_TEST(a_call_is_either_right_or_lost_with_a_reason)
{
    static const int workers[] = {2, 3, 7};
    static const long long batches[] = {1, 4, 1000};
    struct shape shape = {.backend = &lossy[_i], .size = MOST_CALLS};
    ck_assert_ptr_null(parcel_register_backend(shape.backend, false));
    for (size_t i = 0; i < LENGTH(workers) * LENGTH(batches); i++) {
        shape.n_jobs = shape.workers = workers[i / LENGTH(batches)];
        parcel_options *options = SHAPED(shape, .batch_size = batches[i % LENGTH(batches)]);
        options->on_error = PARCEL_COLLECT;
        parcel_results *results = run_lossy(options, shape.size);
        if (parcel_results_error(results) || options->batch_size < 1000)
            check_lossy(&shape, results);
        else
            HOLDS(shape, are_squares(results, shape.size));
        parcel_results_free(results);
    }
    ck_assert(parcel_unregister_backend(shape.backend->name));
}
END_TEST

static parcel_next_status next_counted(void *state, parcel_call *call)
{
    int *given = state;
    if (*given == MOST_CALLS)
        return PARCEL_NEXT_END;
    *call = delayed(count_and_square)((*given)++);
    return PARCEL_NEXT_CALL;
}

/* What the backend loses of a stream, and what it takes and forgets. */
START_TEST(so_is_a_call_of_a_stream)
{
    static const int workers[] = {2, 3, 7};
    struct shape shape = {.backend = &lossy[_i], .size = MOST_CALLS};
    ck_assert_ptr_null(parcel_register_backend(shape.backend, false));
    for (size_t i = 0; i < LENGTH(workers); i++) {
        int given = 0;
        memset(ran, 0, sizeof ran);
        shape.n_jobs = shape.workers = workers[i];
        parcel_results *results =
            run_and_free(SHAPED(shape, .batch_size = 4, .on_error = PARCEL_COLLECT),
                         parcel_calls_generate(next_counted, &given));
        ck_assert_uint_eq(parcel_results_count(results), MOST_CALLS);
        check_lossy(&shape, results);
        parcel_results_free(results);
    }
    ck_assert(parcel_unregister_backend(shape.backend->name));
}
END_TEST

/* One that leaves early says so: what a generator would have given nobody knows. */
START_TEST(a_stream_that_is_left_says_so)
{
    int given = 0;
    ck_assert_ptr_null(parcel_register_backend(&lossy[2], false));
    parcel_results *results =
        run_and_free(&(parcel_options){.backend = lossy[2].name, .n_jobs = 2, .batch_size = 1},
                     parcel_calls_generate(next_counted, &given));
    ck_assert_str_eq(parcel_results_error(results),
                     "the backend returned before all calls had run");
    ck_assert_uint_eq(parcel_results_count(results), (size_t)given);
    for (int i = 0; i < given; i++)
        ck_assert_int_eq(parcel_get_or(results, (size_t)i, int, -1), i * i);
    parcel_results_free(results);
    ck_assert(parcel_unregister_backend(lossy[2].name));
}
END_TEST

START_TEST(a_reported_loss_has_the_backends_reason)
{
    ck_assert_ptr_null(parcel_register_backend(&lossy[0], false));
    parcel_results *results = run_lossy(
        &(parcel_options){
            .backend = lossy[0].name, .n_jobs = 2, .batch_size = 1, .on_error = PARCEL_COLLECT},
        10);
    ck_assert_uint_eq(parcel_results_failures(results), 3);
    for (size_t i = 0; i < 10; i++)
        if (parcel_results_status(results, i) == PARCEL_LOST)
            ck_assert_str_eq(parcel_results_message(results, i), "the mock lost it on purpose");
    ck_contains(parcel_results_error(results), "the mock lost it on purpose");
    parcel_results_free(results);
    ck_assert(parcel_unregister_backend(lossy[0].name));
}
END_TEST

/* With the default, a loss is a failure like others: nothing new is handed out after it. */
START_TEST(a_loss_stops_the_run)
{
    ck_assert_ptr_null(parcel_register_backend(&lossy[0], false));
    parcel_results *results = run_lossy(
        &(parcel_options){.backend = lossy[0].name, .n_jobs = 2, .batch_size = 1}, MOST_CALLS);
    size_t not_run = 0;
    for (size_t i = 0; i < MOST_CALLS; i++)
        not_run += parcel_results_status(results, i) == PARCEL_NOT_RUN;
    ck_assert_uint_gt(not_run, 0);
    ck_assert_uint_ge(parcel_results_failures(results), 1);
    ck_contains(parcel_results_error(results), "the mock lost it on purpose");
    parcel_results_free(results);
    ck_assert(parcel_unregister_backend(lossy[0].name));
}
END_TEST

void add_loss_tests(TCase *tests)
{
    tcase_add_loop_test(tests, a_call_is_either_right_or_lost_with_a_reason, 0, LENGTH(lossy));
    tcase_add_loop_test(tests, so_is_a_call_of_a_stream, 0, 2);
    tcase_add_test(tests, a_stream_that_is_left_says_so);
    tcase_add_test(tests, a_reported_loss_has_the_backends_reason);
    tcase_add_test(tests, a_loss_stops_the_run);
}

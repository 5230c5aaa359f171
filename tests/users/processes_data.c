/* processes_data.c: what travels to worker processes and back; see processes.h. */
#include "processes.h"

#include <math.h>

/* ---- results ---- */

struct point {
    double x, y;
    int z[40];
};

static double half(int i)
{
    return i / 2.0;
}
DELAYED(double, half, int);

static char *text(int length)
{
    char *made = length < 0 ? NULL : malloc((size_t)length + 1);
    if (made) {
        memset(made, 'x', (size_t)length);
        made[length] = '\0';
    }
    return made;
}
DELAYED(char *, text, int);

static const char *constant(int i)
{
    return i % 2 ? "odd" : "even";
}
DELAYED(const char *, constant, int);

static struct point point(int i)
{
    struct point made = {.x = i, .y = -i};
    for (int k = 0; k < 40; k++)
        made.z[k] = i * k;
    return made;
}
DELAYED(struct point, point, int);

static parcel_array numbers(size_t count)
{
    double *made = malloc(count * sizeof *made);
    for (size_t i = 0; i < count; i++)
        made[i] = (double)i;
    return parcel_array(made, count);
}
DELAYED(parcel_array, numbers, size_t);

static parcel_value boxed(int i)
{
    static const double some[] = {1, 2, 3};
    static parcel_array array;
    array = parcel_array(some, (size_t)i);
    return (parcel_value){.tag = PARCEL_TAG_ARRAY, .as.array = &array};
}
DELAYED(parcel_value, boxed, int);

static void nothing(int i)
{
    count_begin(i);
}
DELAYED(void, nothing, int);

static bool are_numbers(parcel_array array, size_t count)
{
    const double *data = array.data;
    for (size_t i = 0; i < count && array.count == count; i++)
        if (data[i] < (double)i || data[i] > (double)i)
            return false;
    return array.count == count;
}

static parcel_calls *calls_of_all_kinds(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 20; i++) {
        parcel_calls_add(calls, delayed(half)(i));
        parcel_calls_add(calls, delayed(text)(i * i * 100 - 1));
        parcel_calls_add(calls, delayed(constant)(i));
        parcel_calls_add(calls, delayed(point)(i));
        parcel_calls_add(calls, delayed(numbers)((size_t)(i * i * 1000)));
        parcel_calls_add(calls, delayed(boxed)(i % 4));
        parcel_calls_add(calls, delayed(nothing)(i));
    }
    return calls;
}

static void check_text(const char *made, int length)
{
    if (length < 0)
        ck_assert_ptr_null(made);
    else
        ck_assert(strlen(made) == (size_t)length && strspn(made, "x") == (size_t)length);
}

static void check_all_kinds(const parcel_results *results)
{
    ck_ran_well(results);
    for (int i = 0; i < 20; i++) {
        size_t first = (size_t)i * 7;
        struct point expected = point(i), made = parcel_get(results, first + 3, struct point);
        ck_assert_double_eq(parcel_get(results, first, double), i / 2.0);
        check_text(parcel_get(results, first + 1, char *), i * i * 100 - 1);
        ck_assert_str_eq(parcel_get(results, first + 2, const char *), i % 2 ? "odd" : "even");
        ck_assert_mem_eq(&made, &expected, sizeof made);
        ck_assert(
            are_numbers(parcel_get(results, first + 4, parcel_array), (size_t)(i * i * 1000)));
        parcel_value box = parcel_results_value(results, first + 5);
        ck_assert(box.tag == PARCEL_TAG_ARRAY && box.as.array->count == (size_t)(i % 4));
        ck_assert_int_eq(parcel_results_status(results, first + 6), PARCEL_OK);
    }
}

START_TEST(results_of_all_kinds_come_back)
{
    static const long long batches[] = {0, 1, 1000};
    parcel_results *results = RUN(1 + _i % 3, calls_of_all_kinds(), .batch_size = batches[_i / 3]);
    check_all_kinds(results);
    parcel_results_free(results);
}
END_TEST

START_TEST(warm_workers_give_them_too)
{
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .verbose = -1));
    for (int run = 0; run < 4; run++) {
        parcel_calls *calls = calls_of_all_kinds();
        parcel_results *results = parcel_executor_run(executor, calls);
        parcel_calls_free(calls);
        check_all_kinds(results);
        parcel_results_free(results);
    }
    parcel_close(executor);
}
END_TEST

static bool take_numbers(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    bool *wrong = state;
    *wrong |= record->status != PARCEL_OK || value.tag != PARCEL_TAG_ARRAY ||
              !are_numbers(*value.as.array, 1000 * index);
    return true;
}

START_TEST(arrays_come_through_streams)
{
    bool wrong = false;
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < 400; i++)
        parcel_calls_add(calls, delayed(numbers)(1000 * i));
    parcel_results *results =
        RUN(2, calls, .on_result = take_numbers, .on_result_state = &wrong, .window = 8);
    ck_ran_well(results);
    ck_assert(!wrong);
    parcel_results_free(results);
}
END_TEST

START_TEST(a_result_of_100_MB_comes_back_and_outlives_its_worker)
{
    const size_t count = 100000000 / sizeof(double);
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 3; i++)
        parcel_calls_add(calls, delayed(numbers)(count));
    parcel_results *results = RUN(2, calls, .batch_size = 1);
    ck_ran_well(results);
    for (size_t i = 0; i < 3; i++) {
        parcel_array made = parcel_get(results, i, parcel_array);
        ck_assert(are_numbers(made, count));
        memset(made.data, 0, 4096); /* it is the caller's */
    }
    parcel_results_free(results);
}
END_TEST

static parcel_array huge(size_t count)
{
    unsigned char *made = calloc(count, 1);
    if (!made)
        parcel_fail("no memory");
    else
        made[0] = made[count / 2] = made[count - 1] = 7;
    return parcel_array(made, count);
}
DELAYED(parcel_array, huge, size_t);

static bool has_memory(double bytes)
{
    return (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) > bytes;
}

/* It takes seconds: only when it is asked for. */
START_TEST(a_result_above_4_GiB_comes_back)
{
    const size_t count = ((size_t)4 << 30) + 4097;
    if (!getenv("PARCEL_TEST_HUGE") || !has_memory(3.0 * (double)count))
        return;
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(huge)(count));
    parcel_results *results = RUN(1, calls, .verbose = -1);
    ck_ran_well(results);
    const unsigned char *data = parcel_get(results, 0, parcel_array).data;
    ck_assert_uint_eq(parcel_get(results, 0, parcel_array).count, count);
    ck_assert_int_eq(data[0] + data[1] + data[count / 2] + data[count - 1], 21);
    parcel_results_free(results);
}
END_TEST

/* ---- arguments ---- */

static int measure(const char *name, char *own, struct point at, parcel_array array, double factor)
{
    const double *data = array.data;
    double sum = 0;
    own[0] = 'O';
    for (size_t i = 0; i < array.count; i++)
        sum += data[i];
    return (int)(strlen(name) + strlen(own) + (unsigned char)own[0] + (size_t)at.z[39] +
                 (size_t)(sum * factor));
}
DELAYED(int, measure, const char *, char *, struct point, parcel_array, double);

/* Lists are freed and made again, mostly in the same memory. */
START_TEST(warm_workers_take_arguments_of_all_kinds)
{
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .batch_size = _i));
    for (int run = 0; run < 20; run++) {
        double data[300];
        char name[64], own[] = "own";
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 300; i++)
            data[i] = run + i;
        for (int i = 0; i < 60; i++) {
            snprintf(name, sizeof name, "%.*s", i,
                     "names of many lengths, up to sixty of them ...");
            parcel_calls_add(calls, delayed(measure)(name, own, point(run + i),
                                                     parcel_array(data, (size_t)i * 5), 0.5));
        }
        memset(name, 'y', sizeof name - 1);
        parcel_results *results = parcel_executor_run(executor, calls);
        ck_ran_well(results);
        for (int i = 0; i < 60; i++) {
            int n = 5 * i, length = i < 46 ? i : 46;
            int sum = (n * run + n * (n - 1) / 2) / 2;
            ck_assert_int_eq(parcel_get(results, (size_t)i, int),
                             length + 3 + 'O' + (run + i) * 39 + sum);
        }
        parcel_results_free(results);
        parcel_calls_free(calls);
    }
    parcel_close(executor);
}
END_TEST

/* A list that a worker has in its own memory must not be taken for another at its place, where
 * most allocators put the next one. */
START_TEST(a_list_in_the_place_of_another_is_another)
{
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .verbose = -1));
    for (int run = 0; run < 20; run++) {
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 10; i++)
            parcel_calls_add(calls, delayed(half)(100 * run + i));
        parcel_results *results = parcel_executor_run(executor, calls);
        for (int i = 0; i < 10; i++)
            ck_assert_double_eq(parcel_get(results, (size_t)i, double), (100 * run + i) / 2.0);
        parcel_results_free(results);
        parcel_calls_free(calls);
    }
    parcel_close(executor);
}
END_TEST

START_TEST(a_map_is_read_as_it_is_when_it_runs)
{
    int some[100] = {0};
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .verbose = -1));
    const parcel_calls *calls = parcel_map(half, some, 100);
    for (int run = 0; run < 5; run++) {
        for (int i = 0; i < 100; i++)
            some[i] = run * i;
        parcel_results *results = parcel_executor_run(executor, calls);
        for (int i = 0; i < 100; i++)
            ck_assert_double_eq(parcel_get(results, (size_t)i, double), run * i / 2.0);
        parcel_results_free(results);
    }
    parcel_close(executor);
}
END_TEST

/* ---- pointers ---- */

static double add_to(double *sum, double x)
{
    *sum += x;
    return *sum;
}
DELAYED(double, add_to, double *, double);

static double first_of(const double *data)
{
    return *data;
}
DELAYED(double, first_of, const double *);

START_TEST(a_pointer_to_memory_that_is_not_shared_is_refused)
{
    double sum = 0;
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 3; i++)
        parcel_calls_add(calls, delayed(add_to)(&sum, 1));
    parcel_results *results = RUN(2, calls, .verbose = -1);
    const char *error = parcel_results_error(results);
    ck_contains(error, "parameter 1 of add_to is double *, whose memory other processes do not "
                       "share: take it from parcel_shared_alloc");
    ck_assert_double_eq(sum, 0);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_ne(parcel_results_status(results, i), PARCEL_OK);
    parcel_results_free(results);
}
END_TEST

START_TEST(shared_memory_is_written_by_all)
{
    double *sums = parcel_shared_alloc(50 * sizeof *sums);
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .batch_size = 1));
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 50; i++)
        parcel_calls_add(calls, delayed(add_to)(&sums[i], i));
    for (int run = 1; run <= 3; run++) {
        parcel_results *results = parcel_executor_run(executor, calls);
        ck_ran_well(results);
        for (int i = 0; i < 50; i++)
            ck_assert_double_eq(sums[i], run * i);
        parcel_results_free(results);
    }
    parcel_close(executor);
    parcel_calls_free(calls);
    parcel_shared_free(sums);
}
END_TEST

START_TEST(shared_memory_that_is_younger_than_the_workers_is_seen)
{
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .verbose = -1));
    for (int run = 0; run < 5; run++) {
        double *sum = parcel_shared_alloc(sizeof *sum);
        parcel_calls *calls = parcel_calls_new();
        parcel_calls_add(calls, delayed(add_to)(sum, run));
        parcel_results *results = parcel_executor_run(executor, calls);
        ck_ran_well(results);
        ck_assert_double_eq(*sum, run);
        parcel_results_free(results);
        parcel_calls_free(calls);
        parcel_shared_free(sum);
    }
    parcel_close(executor);
}
END_TEST

START_TEST(memory_behind_a_pointer_to_const_is_as_it_is_when_the_run_begins)
{
    double data = 0;
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .verbose = -1));
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 10; i++)
        parcel_calls_add(calls, delayed(first_of)(&data));
    for (int run = 0; run < 5; run++) {
        data = run;
        parcel_results *results = parcel_executor_run(executor, calls);
        ck_ran_well(results);
        for (size_t i = 0; i < 10; i++)
            ck_assert_double_eq(parcel_get(results, i, double), run);
        parcel_results_free(results);
    }
    parcel_close(executor);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(calls_that_are_read_only_take_any_pointer)
{
    double data = 5;
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(add_to)(&data, 1));
    parcel_results *results = RUN(2, calls, .read_only = PARCEL_YES);
    ck_ran_well(results);
    ck_assert_double_eq(parcel_get(results, 0, double), 6);
    ck_assert_double_eq(data, 5); /* the write was the caller's mistake: it is lost */
    parcel_results_free(results);
}
END_TEST

struct generator {
    int left;
    double *shared;
    double own;
    bool gives_own;
};

static parcel_next_status next(void *state, parcel_call *call)
{
    struct generator *generator = state;
    if (generator->left-- == 0)
        return PARCEL_NEXT_END;
    *call = delayed(add_to)(generator->gives_own ? &generator->own
                                                 : &generator->shared[generator->left],
                            generator->left);
    return PARCEL_NEXT_CALL;
}

START_TEST(generated_calls_write_shared_memory)
{
    struct generator generator = {100, parcel_shared_alloc(100 * sizeof(double)), 0, false};
    parcel_results *results = RUN(2, parcel_calls_generate(next, &generator), .verbose = -1);
    ck_ran_well(results);
    for (int i = 0; i < 100; i++)
        ck_assert_double_eq(generator.shared[i], i);
    parcel_results_free(results);
    parcel_shared_free(generator.shared);
}
END_TEST

START_TEST(a_generated_call_with_another_pointer_is_refused)
{
    struct generator generator = {10, NULL, 0, true};
    parcel_results *results =
        RUN(2, parcel_calls_generate(next, &generator), .on_error = PARCEL_COLLECT);
    ck_assert_uint_eq(parcel_results_failures(results), 10);
    for (size_t i = 0; i < 10; i++)
        ck_contains(parcel_results_message(results, i), "parameter 1 of add_to is double *");
    parcel_results_free(results);
}
END_TEST

static parcel_next_status next_with_block(void *state, parcel_call *call)
{
    double **blocks = state;
    while (*blocks)
        blocks++;
    *blocks = parcel_shared_alloc(sizeof **blocks);
    *call = delayed(add_to)(*blocks, 1);
    return blocks - (double **)state < 10 ? PARCEL_NEXT_CALL : PARCEL_NEXT_END;
}

/* The workers may have been forked before it was made. */
START_TEST(a_generated_call_with_a_new_shared_block_is_refused)
{
    double *blocks[12] = {NULL};
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .on_error = PARCEL_COLLECT));
    parcel_calls *calls = parcel_calls_generate(next_with_block, blocks);
    parcel_results *results = parcel_executor_run(executor, calls);
    ck_assert_uint_eq(parcel_results_failures(results), 10);
    for (size_t i = 0; i < 10; i++)
        ck_contains(parcel_results_message(results, i),
                    "take it from parcel_shared_alloc before the run");
    parcel_results_free(results);
    parcel_calls_free(calls);
    parcel_close(executor);
    for (size_t i = 0; i < 12; i++)
        parcel_shared_free(blocks[i]);
}
END_TEST

/* ---- memory of the caller ---- */

static int counter;

static int count_up(void)
{
    return ++counter;
}
DELAYED(int, count_up);

START_TEST(what_calls_write_elsewhere_is_their_own)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 10; i++)
        parcel_calls_add(calls, delayed(count_up)());
    parcel_results *results = RUN(1, calls, .verbose = -1);
    ck_ran_well(results);
    for (size_t i = 0; i < 10; i++)
        ck_assert_int_eq(parcel_get(results, i, int), (int)i + 1);
    ck_assert_int_eq(counter, 0);
    parcel_results_free(results);
}
END_TEST

void add_data_tests(Suite *suite)
{
    TCase *tests = processes_case(suite, "data");
    tcase_add_loop_test(tests, results_of_all_kinds_come_back, 0, 9);
    tcase_add_test(tests, warm_workers_give_them_too);
    tcase_add_test(tests, arrays_come_through_streams);
    tcase_add_test(tests, a_result_of_100_MB_comes_back_and_outlives_its_worker);
    tcase_add_test(tests, a_result_above_4_GiB_comes_back);
    tcase_add_loop_test(tests, warm_workers_take_arguments_of_all_kinds, 0, 3);
    tcase_add_test(tests, a_list_in_the_place_of_another_is_another);
    tcase_add_test(tests, a_map_is_read_as_it_is_when_it_runs);
    tcase_add_test(tests, a_pointer_to_memory_that_is_not_shared_is_refused);
    tcase_add_test(tests, shared_memory_is_written_by_all);
    tcase_add_test(tests, shared_memory_that_is_younger_than_the_workers_is_seen);
    tcase_add_test(tests, memory_behind_a_pointer_to_const_is_as_it_is_when_the_run_begins);
    tcase_add_test(tests, calls_that_are_read_only_take_any_pointer);
    tcase_add_test(tests, generated_calls_write_shared_memory);
    tcase_add_test(tests, a_generated_call_with_another_pointer_is_refused);
    tcase_add_test(tests, a_generated_call_with_a_new_shared_block_is_refused);
    tcase_add_test(tests, what_calls_write_elsewhere_is_their_own);
}

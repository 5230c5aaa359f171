/*
 * bad_input.c: wrong options, pointers, indices and types. Each is one clear error or a stated
 * fallback; nothing runs by halves, and nothing crashes.
 */
#include "mock_backend.h"
#include "suite.h"

#include <dlfcn.h>
#include <sys/resource.h>
#include <limits.h>
#include <math.h>

static atomic_int runs;

static int count_run(int i)
{
    return atomic_fetch_add(&runs, 1) + i;
}
DELAYED(int, count_run, int);

static parcel_calls *counted_calls(int count)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(count_run)(i));
    return calls;
}

/* The error must hold the text, and no call may have run; frees the results. */
static void check_refused(parcel_results *results, const char *text)
{
    ck_contains(parcel_results_error(results), text);
    ck_assert_int_eq(atomic_exchange(&runs, 0), 0);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(parcel_results_status(results, i), PARCEL_NOT_RUN);
    ck_assert_int_eq(parcel_get(results, 0, int), 0);
    ck_assert_uint_eq(parcel_results_failures(results), 0);
    parcel_results_free(results);
}

/* Wrong options are told by a run, by each run of an executor, by a scope's run, by explain. */
static void check_options(const parcel_options *options, const char *text)
{
    check_refused(run_and_free(options, counted_calls(4)), text);
    parcel_executor *executor = parcel_open(options);
    parcel_calls *calls = counted_calls(4);
    check_refused(parcel_executor_run(executor, calls), text);
    check_refused(parcel_executor_run(executor, calls), text);
    parcel_calls_free(calls);
    parcel_close(executor);
    char *explained = NULL;
    size_t size;
    FILE *file = open_memstream(&explained, &size);
    ck_assert(!parcel_explain(options, file));
    fclose(file);
    ck_contains(explained, text);
    free(explained);
}

static void check_also_in_scope(const parcel_options *options, const char *text)
{
    check_options(options, text);
    ck_assert(parcel_config_push_options(options));
    check_refused(run_and_free(NULL, counted_calls(4)), text);
    ck_assert(parcel_config_pop());
}

START_TEST(options_out_of_range_are_refused_by_name)
{
    check_also_in_scope(&(parcel_options){.n_jobs = 1000001}, "n_jobs");
    check_also_in_scope(&(parcel_options){.n_jobs = -1000001}, "n_jobs");
    check_also_in_scope(&(parcel_options){.n_jobs = INT_MAX}, "n_jobs");
    check_also_in_scope(&(parcel_options){.n_jobs = INT_MIN}, "n_jobs");
    check_also_in_scope(&(parcel_options){.batch_size = -1}, "batch_size");
    check_also_in_scope(&(parcel_options){.batch_size = LLONG_MIN}, "batch_size");
    check_also_in_scope(&(parcel_options){.verbose = -2}, "verbose");
    check_also_in_scope(&(parcel_options){.verbose = INT_MIN}, "verbose");
    check_also_in_scope(&(parcel_options){.on_error = (parcel_on_error)77}, "on_error");
    check_also_in_scope(&(parcel_options){.schedule = (parcel_schedule)5}, "schedule");
    check_also_in_scope(&(parcel_options){.timing = (parcel_switch)3}, "timing");
}
END_TEST

START_TEST(limits_out_of_range_are_refused_by_name)
{
    check_also_in_scope(&(parcel_options){.handle_signals = (parcel_switch)-1}, "handle_signals");
    check_also_in_scope(&(parcel_options){.max_failures = -1}, "max_failures");
    check_also_in_scope(&(parcel_options){.halt = "soon,fails=1"}, "halt=soon,fails=1");
    check_also_in_scope(&(parcel_options){.halt = "never", .max_failures = 1}, "inconsistent");
    check_also_in_scope(&(parcel_options){.deadline = -1}, "deadline");
    check_also_in_scope(&(parcel_options){.timeout = NAN}, "timeout");
    check_also_in_scope(&(parcel_options){.timeout = INFINITY}, "timeout");
    check_also_in_scope(&(parcel_options){.timeout_factor = 1}, "timeout_factor");
    check_also_in_scope(&(parcel_options){.retries = -1}, "retries");
    check_also_in_scope(&(parcel_options){.retries = 1000001}, "retries");
    check_also_in_scope(&(parcel_options){.retry_delay = -0.5}, "retry_delay");
}
END_TEST

START_TEST(limits_of_processes_out_of_range_are_refused_by_name)
{
    check_also_in_scope(&(parcel_options){.max_calls_per_worker = -1}, "max_calls_per_worker");
    check_also_in_scope(&(parcel_options){.max_worker_memory = LLONG_MIN}, "max_worker_memory");
    check_also_in_scope(&(parcel_options){.kill_after = -1e-9}, "kill_after");
    check_also_in_scope(&(parcel_options){.kill_after = NAN}, "kill_after");
    check_also_in_scope(&(parcel_options){.core_dumps = (parcel_switch)3}, "core_dumps");
    check_also_in_scope(&(parcel_options){.read_only = (parcel_switch)-1}, "read_only");
}
END_TEST

START_TEST(options_of_ranks_out_of_range_are_refused_by_name)
{
    check_also_in_scope(&(parcel_options){.isolate = (parcel_switch)3}, "isolate");
    check_also_in_scope(&(parcel_options){.mpi_results = (parcel_mpi_results)3}, "mpi_results");
    check_also_in_scope(&(parcel_options){.mpi_timeout = -1}, "mpi_timeout");
    check_also_in_scope(&(parcel_options){.mpi_timeout = NAN}, "mpi_timeout");
    check_also_in_scope(&(parcel_options){.mpi_timeout = INFINITY}, "mpi_timeout");
}
END_TEST

/* They must not seem to hold. */
START_TEST(limits_of_processes_that_mean_nothing_are_warned_of)
{
    const char *backend = suite_has_threads() ? "threading" : "sequential";
    const parcel_options options = {.n_jobs = 2,
                                    .backend = backend,
                                    .max_calls_per_worker = 1,
                                    .max_worker_memory = 1,
                                    .isolate = PARCEL_YES};
    char has_none[64], of_ranks[64];
    snprintf(has_none, sizeof has_none, "is for processes: backend %s has none\n", backend);
    snprintf(of_ranks, sizeof of_ranks, "isolate is for ranks: backend %s", backend);
    parcel_results *results = run_and_free(&options, counted_calls(4));
    ck_ran_well(results);
    ck_contains(parcel_results_warnings(results), "max_calls_per_worker is for processes");
    ck_contains(parcel_results_warnings(results), has_none);
    ck_contains(parcel_results_warnings(results), "max_worker_memory is for processes");
    ck_contains(parcel_results_warnings(results), of_ranks);
    parcel_results_free(results);
}
END_TEST

START_TEST(options_at_the_end_of_their_range_run)
{
    ck_assert(squares_run(&(parcel_options){.max_calls_per_worker = LLONG_MAX,
                                            .max_worker_memory = LLONG_MAX,
                                            .kill_after = 1e9,
                                            .backend = "processes"},
                          4));
    ck_assert(squares_run(&(parcel_options){.timeout = 1e9, .deadline = 1e9}, 4));
    ck_assert(squares_run(&(parcel_options){.retries = 1000000, .retry_delay = 1e9}, 4));
    ck_assert(squares_run(&(parcel_options){.max_failures = LLONG_MAX}, 4));
    ck_assert(squares_run(&(parcel_options){.halt = "now,fail=100%"}, 4));
    ck_assert(squares_run(&(parcel_options){.n_jobs = 1000000}, 4));
    ck_assert(squares_run(&(parcel_options){.n_jobs = -1000000}, 4));
    ck_assert(squares_run(&(parcel_options){.batch_size = LLONG_MAX, .n_jobs = 2}, 100));
    ck_assert(squares_run(&(parcel_options){.verbose = -1}, 4));
    ck_assert_int_eq(parcel_effective_n_jobs(1000001), 1);
    ck_assert_int_eq(parcel_effective_n_jobs(INT_MIN), 1);
}
END_TEST

START_TEST(an_unknown_backend_is_refused_and_the_known_ones_are_named)
{
    parcel_options options = {.backend = "nope"};
    check_also_in_scope(&options, "nope");
    parcel_results *results = run_and_free(&options, squares(4));
    for (size_t i = 0; parcel_backend_at(i); i++)
        ck_contains(parcel_results_error(results), parcel_backend_at(i)->name);
    parcel_results_free(results);
    options.backend = "";
    check_options(&options, "Invalid backend");
}
END_TEST

/* None of it is read, then: strings are wild pointers. */
START_TEST(options_that_were_not_zeroed_are_refused)
{
    parcel_options options;
    memset(&options, 1, sizeof options);
    check_options(&options, "start from parcel_options options = {0}");
}
END_TEST

START_TEST(reserved_space_that_is_not_zero_is_refused)
{
    parcel_options options = {.n_jobs = 2};
    memset(options.parcel__reserved, 1, sizeof options.parcel__reserved);
    check_options(&options, "reserved");
    options = (parcel_options){.parcel__first = 1};
    check_options(&options, "reserved");
}
END_TEST

START_TEST(bad_variables_are_refused_by_name)
{
    static const char *const variables[][2] = {
        {"PARCEL_N_JOBS", "abc"},
        {"PARCEL_N_JOBS", "2x"},
        {"PARCEL_N_JOBS", "1000001"},
        {"PARCEL_N_JOBS", "99999999999999999999"},
        {"PARCEL_VERBOSE", "x"},
        {"PARCEL_VERBOSE", "-2"},
        {"PARCEL_VERBOSE", "1e3"},
        {"PARCEL_BATCH_SIZE", "-1"},
        {"PARCEL_BATCH_SIZE", "x"},
        {"PARCEL_ON_ERROR", "bogus"},
        {"PARCEL_ON_ERROR", "STOP "},
        {"PARCEL_BACKEND", "nope"},
        {"PARCEL_SCHEDULE", "auto"},
        {"PARCEL_SCHEDULE", "static,4"},
        {"PARCEL_TIMING", "off"},
        {"PARCEL_TIMING", "0"},
        {"PARCEL_DEADLINE", "0"},
        {"PARCEL_TIMEOUT", "1 s"},
        {"PARCEL_TIMEOUT_FACTOR", "1"},
        {"PARCEL_RETRIES", "0"},
        {"PARCEL_RETRY_DELAY", "inf"},
        {"PARCEL_MAX_FAILURES", "-1"},
        {"PARCEL_HANDLE_SIGNALS", "1"},
        {"PARCEL_MAX_CALLS_PER_WORKER", "0"},
        {"PARCEL_MAX_WORKER_MEMORY", "4G"},
        {"PARCEL_KILL_AFTER", "-1"},
        {"PARCEL_CORE_DUMPS", "1"},
        {"PARCEL_READ_ONLY", "true"},
        {"PARCEL_ISOLATE", "1"},
        {"PARCEL_MPI_RESULTS", "all"},
        {"PARCEL_MPI_TIMEOUT", "0"},
    };
    for (size_t i = 0; i < LENGTH(variables); i++) {
        const char *told = strcmp(variables[i][1], "nope") == 0 ? "nope" : variables[i][0];
        setenv(variables[i][0], variables[i][1], 1);
        check_options(NULL, told);
        ck_assert_int_ge(parcel_effective_n_jobs(0), 1);
        unsetenv(variables[i][0]);
    }
}
END_TEST

START_TEST(a_bad_variable_is_no_error_where_it_is_not_used)
{
    setenv("PARCEL_N_JOBS", "abc", 1);
    ck_assert(squares_run(&(parcel_options){.n_jobs = 2}, 4));
    ck_assert(parcel_config_push(.n_jobs = 2));
    ck_assert(squares_run(NULL, 4));
    ck_assert(parcel_config_pop());
    unsetenv("PARCEL_N_JOBS");
}
END_TEST

START_TEST(null_calls_are_an_error)
{
    parcel_executor *executor = parcel_open(NULL);
    check_refused(parcel_run(NULL, NULL), "NULL");
    check_refused(parcel_run(&(parcel_options){.n_jobs = 2}, NULL), "NULL");
    check_refused(parcel_executor_run(executor, NULL), "NULL");
    parcel_calls *calls = counted_calls(4);
    check_refused(parcel_executor_run(NULL, calls), "NULL");
    check_refused(parcel_executor_run(NULL, NULL), "NULL");
    check_refused(parcel_run(NULL, parcel_map(count_run, (int *)NULL, 4)), "NULL");
    parcel_calls_free(calls);
    parcel_close(executor);
    parcel_close(NULL);
}
END_TEST

START_TEST(empty_lists_have_empty_results)
{
    parcel_results *results = run_and_free(NULL, parcel_calls_new());
    ck_ran_well(results);
    ck_assert_uint_eq(parcel_results_count(results), 0);
    parcel_results_free(results);
    results = parcel_run(NULL, parcel_map(square, (int *)NULL, 0));
    ck_ran_well(results);
    ck_assert_uint_eq(parcel_results_count(results), 0);
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    ck_assert(parcel_results_print(results, file));
    ck_assert(parcel_results_print_summary(results, file));
    fclose(file);
    ck_assert_int_eq(strncmp(text, "[]\n", 3), 0);
    free(text);
    parcel_results_free(results);
}
END_TEST

START_TEST(null_lists_are_harmless)
{
    parcel_calls_free(NULL);
    ck_assert_uint_eq(parcel_calls_count(NULL), 0);
    ck_assert_ptr_null(parcel_calls_error(NULL));
    ck_assert(!parcel_calls_add(NULL, delayed(square)(1)));
}
END_TEST

START_TEST(a_map_is_not_added_to)
{
    int array[] = {1, 2};
    parcel_calls map = *parcel_map(square, array, 2);
    ck_assert(!parcel_calls_add(&map, delayed(square)(1)));
    ck_assert_uint_eq(parcel_calls_count(&map), 2);
    parcel_results *results = parcel_run(NULL, &map);
    ck_assert_int_eq(parcel_get(results, 1, int), 4);
    ck_ran_well(results);
    parcel_results_free(results);
}
END_TEST

static void check_descriptor(parcel_function function)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_call call = delayed(count_run)(1);
    call.function = &function;
    ck_assert(!parcel_calls_add(calls, call));
    ck_assert_ptr_nonnull(parcel_calls_error(calls));
    ck_assert_uint_eq(parcel_calls_count(calls), 0);
    parcel_results *results = run_and_free(NULL, calls);
    ck_assert_ptr_nonnull(parcel_results_error(results));
    parcel_results_free(results);
}

START_TEST(unsound_descriptors_are_refused)
{
    const parcel_function sound = *parcel_function_of(count_run);
    parcel_function function = sound;
    function.size = 1;
    check_descriptor(function);
    function = sound;
    function.n_parameters = PARCEL_MAX_PARAMETERS + 1;
    check_descriptor(function);
    function = sound;
    function.name = NULL;
    check_descriptor(function);
    function = sound;
    function.thunk = NULL;
    check_descriptor(function);
    function = sound;
    function.parameters = NULL;
    check_descriptor(function);
    function = sound;
    function.argument_bytes = PARCEL_MAX_ARGUMENT_BYTES + 1;
    check_descriptor(function);
    function = sound;
    function.argument_alignment = 32;
    check_descriptor(function);
}
END_TEST

START_TEST(a_call_without_a_function_is_refused)
{
    parcel_calls *calls = counted_calls(4);
    parcel_call call = delayed(count_run)(4);
    call.function = NULL;
    ck_assert(!parcel_calls_add(calls, call));
    ck_assert_uint_eq(parcel_calls_count(calls), 4);
    check_refused(run_and_free(NULL, calls), parcel_calls_error(calls));
}
END_TEST

static parcel_calls *running;

static bool add_to_own_list(int i)
{
    return i % 2 && parcel_calls_add(running, delayed(square)(i));
}
DELAYED(bool, add_to_own_list, int);

START_TEST(a_list_that_runs_is_not_added_to)
{
    running = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        ck_assert(parcel_calls_add(running, delayed(add_to_own_list)(i)));
    parcel_results *results = parcel_run(&(parcel_options){.n_jobs = 2}, running);
    ck_assert_uint_eq(parcel_results_count(results), 100);
    for (size_t i = 0; i < 100; i++) {
        ck_assert_int_eq(parcel_results_status(results, i), PARCEL_OK);
        ck_assert(!parcel_get(results, i, bool));
    }
    ck_contains(parcel_results_error(results), "while it ran");
    ck_assert_uint_eq(parcel_calls_count(running), 100);
    ck_contains(parcel_calls_error(running), "while it ran");
    parcel_results_free(results);
    results = run_and_free(NULL, running);
    ck_contains(parcel_results_error(results), "while it ran");
    ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_NOT_RUN);
    parcel_results_free(results);
}
END_TEST

/* What each reading function says of a call that is not there. */
static void check_nothing(const parcel_results *results, size_t index)
{
    ck_assert_int_eq(parcel_results_status(results, index), PARCEL_NOT_RUN);
    ck_assert_ptr_null(parcel_results_message(results, index));
    ck_assert_int_eq(parcel_results_value(results, index).tag, PARCEL_TAG_NONE);
    ck_assert(isnan(parcel_results_start(results, index)));
    ck_assert(isnan(parcel_results_duration(results, index)));
    ck_assert(!parcel_results_estimated(results, index));
    ck_assert_int_eq(parcel_results_worker(results, index), -1);
    ck_assert_int_eq(parcel_get(results, index, int), 0);
    ck_assert(isnan(parcel_get(results, index, double)));
    ck_assert_ptr_null(parcel_get(results, index, char *));
    ck_assert_int_eq(parcel_get(results, index, parcel_value).tag, PARCEL_TAG_NONE);
    ck_assert_ptr_null(parcel_get(results, index, parcel_array).data);
    ck_assert_int_eq(parcel_get_or(results, index, int, 5), 5);
    ck_assert(!parcel_holds(results, index, int));
}

START_TEST(indices_out_of_range_are_harmless)
{
    parcel_results *results = run_and_free(NULL, squares(4));
    check_nothing(results, 4);
    check_nothing(results, SIZE_MAX);
    parcel_results_free(results);
}
END_TEST

START_TEST(null_results_are_harmless)
{
    double numbers[2] = {1, 1};
    check_nothing(NULL, 0);
    ck_assert_uint_eq(parcel_results_count(NULL), 0);
    ck_assert_uint_eq(parcel_results_failures(NULL), 0);
    ck_assert_ptr_null(parcel_results_warnings(NULL));
    ck_assert_ptr_nonnull(parcel_results_error(NULL));
    ck_assert_int_eq(parcel_results_workers(NULL), 0);
    ck_assert_str_eq(parcel_results_backend(NULL), "");
    ck_assert(parcel_results_wall_time(NULL) == 0);
    ck_assert(parcel_results_total_time(NULL) == 0);
    ck_assert(isnan(parcel_results_speedup(NULL)));
    ck_assert(isnan(parcel_results_efficiency(NULL)));
    ck_assert_uint_eq(parcel_results_slowest(NULL), SIZE_MAX);
    ck_assert(!parcel_results_print(NULL, stdout));
    ck_assert(!parcel_results_print_summary(NULL, stdout));
    ck_assert_uint_eq(parcel_get_all(NULL, numbers, 2), 0);
    ck_assert(isnan(numbers[0]) && isnan(numbers[1]));
    parcel_results_free(NULL);
}
END_TEST

START_TEST(null_places_are_harmless)
{
    parcel_results *results = run_and_free(NULL, squares(4));
    ck_assert(!parcel_results_print(results, NULL));
    ck_assert(!parcel_results_print_summary(results, NULL));
    ck_assert_uint_eq(parcel_get_all(results, (int *)NULL, 4), 0);
    ck_assert(!parcel_explain(NULL, NULL));
    ck_assert(!parcel_config_push_options(NULL));
    parcel_results_free(results);
}
END_TEST

START_TEST(a_write_that_fails_is_told)
{
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        return;
    setvbuf(full, NULL, _IONBF, 0);
    parcel_results *results = run_and_free(NULL, squares(4));
    ck_assert(!parcel_results_print(results, full));
    ck_assert(!parcel_results_print_summary(results, full));
    ck_assert(!parcel_value_print(parcel_value_int(1), full));
    ck_assert(!parcel_explain(NULL, full));
    parcel_results_free(results);
    fclose(full);
}
END_TEST

START_TEST(outside_of_a_call_there_is_none)
{
    const char *none = NULL;
    parcel_fail("nobody hears %s", "this");
    parcel_fail_in(NULL, "nor %s", "this");
    parcel_fail(none, 0);
    ck_assert_ptr_null(parcel_current());
    ck_assert(!parcel_cancelled() && !parcel_cancelled_in(NULL));
    ck_assert(parcel_index() == SIZE_MAX && parcel_index_in(NULL) == SIZE_MAX);
    ck_assert(parcel_worker() == -1 && parcel_worker_in(NULL) == -1);
    ck_assert(parcel_level() == 0 && parcel_level_in(NULL) == 0);
    ck_assert(squares_run(NULL, 4));
}
END_TEST

static void fail_without_format(void)
{
    const char *none = NULL;
    parcel_fail(none, 0);
}
DELAYED(void, fail_without_format);

START_TEST(a_failure_without_a_message_is_a_failure)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(fail_without_format)());
    parcel_results *results = run_and_free(NULL, calls);
    ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_FAILED);
    ck_assert_ptr_nonnull(parcel_results_message(results, 0));
    ck_contains(parcel_results_error(results), "fail_without_format()");
    parcel_results_free(results);
}
END_TEST

START_TEST(a_pop_without_a_push_is_refused)
{
    ck_assert(!parcel_config_pop());
    ck_assert(parcel_config_push(.n_jobs = 2));
    ck_assert(parcel_config_pop());
    ck_assert(!parcel_config_pop());
}
END_TEST

static const char *text_or_none(bool there)
{
    return there ? "text" : NULL;
}
DELAYED(const char *, text_or_none, bool);

static char *no_memory(void)
{
    return NULL;
}
DELAYED(char *, no_memory);

START_TEST(null_texts_are_none)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(text_or_none)(true));
    parcel_calls_add(calls, delayed(text_or_none)(false));
    parcel_calls_add(calls, delayed(no_memory)());
    parcel_results *results = run_and_free(NULL, calls);
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    ck_assert(parcel_results_print(results, file));
    fclose(file);
    ck_assert_str_eq(text, "['text', None, None]\n");
    free(text);
    parcel_results_free(results);
}
END_TEST

START_TEST(values_of_nothing_are_none)
{
    parcel_value none = parcel_value_none();
    ck_assert(parcel_value_equal(parcel_value_string(NULL), none));
    ck_assert(parcel_value_equal(parcel_value_bytes(NULL, 3), none));
    ck_assert(parcel_value_equal(parcel_value_array(NULL), none));
    ck_assert(parcel_value_equal(parcel_value_pointer(NULL), none));
    ck_assert(parcel_value_hash(parcel_value_string(NULL)) == parcel_value_hash(none));
    ck_assert(!parcel_value_print(none, NULL));
    char *text = parcel_value_text(none);
    ck_assert_str_eq(text, "None");
    free(text);
}
END_TEST

static int take_four(char c, unsigned u, bool b, const char *text)
{
    return c + (int)u + b + (text ? (int)strlen(text) : 0);
}
DELAYED(int, take_four, char, unsigned, bool, const char *);

/* A call of take_four from these values; each text must be part of the error. */
static void check_mismatch(const parcel_value *values, size_t count, const char *const *texts)
{
    char error[256] = "";
    parcel_call call;
    ck_assert(!parcel_call_from_values(&call, parcel_function_of(take_four), values, count, error,
                                       sizeof error));
    ck_contains(error, "take_four");
    for (; *texts; texts++)
        ck_contains(error, *texts);
    char cut[8];
    ck_assert(!parcel_call_from_values(&call, parcel_function_of(take_four), values, count, cut,
                                       sizeof cut));
    ck_assert_int_eq(strncmp(cut, error, sizeof cut - 1), 0);
    ck_assert_uint_le(strlen(cut), sizeof cut - 1);
    ck_assert(
        !parcel_call_from_values(&call, parcel_function_of(take_four), values, count, NULL, 0));
}

START_TEST(values_that_do_not_fit_are_refused_by_place_and_type)
{
    const parcel_value good[] = {parcel_value_int(1), parcel_value_double(3.0), parcel_value_int(1),
                                 parcel_value_string(NULL)};
    static const struct {
        size_t place;
        const char *texts[4];
    } bad[] = {{0, {"1", "char", "1000"}},      {1, {"2", "unsigned", "-1"}},
               {1, {"2", "unsigned", "3.5"}},   {2, {"3", "Bool", "2"}},
               {3, {"4", "const char *", "5"}}, {0, {"1", "char", "'text'"}},
               {0, {"1", "char", "None"}}};
    const parcel_value wrong[] = {parcel_value_int(1000),   parcel_value_int(-1),
                                  parcel_value_double(3.5), parcel_value_int(2),
                                  parcel_value_int(5),      parcel_value_string("text"),
                                  parcel_value_string(NULL)};
    static const char *const counts[] = {"4", NULL};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        parcel_value values[LENGTH(good)];
        memcpy(values, good, sizeof values);
        values[bad[i].place] = wrong[i];
        check_mismatch(values, LENGTH(values), bad[i].texts);
    }
    check_mismatch(good, 3, counts);
    check_mismatch(good, 0, counts);
}
END_TEST

START_TEST(a_call_of_values_without_its_parts_is_refused)
{
    char error[128];
    parcel_call call;
    parcel_value value = parcel_value_int(3);
    const parcel_function *function = parcel_function_of(square);
    ck_assert(!parcel_call_from_values(NULL, function, &value, 1, error, sizeof error));
    ck_contains(error, "NULL");
    ck_assert(!parcel_call_from_values(&call, NULL, &value, 1, error, sizeof error));
    ck_contains(error, "NULL");
    ck_assert(!parcel_call_from_values(&call, function, NULL, 1, error, sizeof error));
    ck_contains(error, "NULL");
    ck_assert(!parcel_call_from_values(&call, function, NULL, 1, NULL, 0));
    ck_assert(parcel_call_from_values(&call, function, &value, 1, NULL, 0));
}
END_TEST

START_TEST(unsound_backends_are_refused)
{
    static const char *const taken[] = {"openmp", NULL};
    parcel_backend backend = {.size = sizeof backend, .name = "unsound", .run = mock_run};
    ck_assert_ptr_nonnull(parcel_register_backend(NULL, true));
    backend.run = NULL;
    ck_assert_ptr_nonnull(parcel_register_backend(&backend, true));
    backend.run = mock_run;
    backend.name = NULL;
    ck_assert_ptr_nonnull(parcel_register_backend(&backend, true));
    backend.name = "threading";
    ck_assert_ptr_nonnull(parcel_register_backend(&backend, true));
    backend.name = "unsound";
    backend.size = 8;
    ck_assert_ptr_nonnull(parcel_register_backend(&backend, true));
    backend.size = sizeof backend;
    backend.aliases = taken;
    ck_assert_ptr_nonnull(parcel_register_backend(&backend, true));
    ck_assert(!parcel_unregister_backend(NULL));
    ck_assert(!parcel_unregister_backend("threading"));
    ck_assert(!parcel_unregister_backend("unsound"));
    ck_assert_ptr_null(parcel_backend_at(SIZE_MAX));
    ck_assert(squares_run(&(parcel_options){.n_jobs = 2}, 100));
}
END_TEST

static atomic_int mistakes;

static void expect_here(bool condition)
{
    atomic_fetch_add(&mistakes, !condition);
}

/* Makes each mistake that there is before it does its work. */
static void run_careless(void *state, parcel_job *job, int n_workers)
{
    parcel_batch batch = {0, 1, 0}, none = {0, 0, 0}, beyond = {1000, 1, 0},
                 long_one = {0, 1000, 0};
    parcel_batch of_nobody = {0, 1, n_workers};
    (void)state;
    expect_here(!parcel_job_next(NULL, 0, &batch));
    expect_here(!parcel_job_next(job, 0, NULL));
    expect_here(!parcel_job_next(job, -1, &batch));
    expect_here(!parcel_job_next(job, n_workers, &batch));
    expect_here(parcel_job_stopped(NULL));
    expect_here(!parcel_job_stopped(job));
    parcel_job_execute(NULL, &batch);
    parcel_job_execute(job, NULL);
    parcel_job_execute(job, &none);
    parcel_job_execute(job, &beyond);
    parcel_job_execute(job, &long_one);
    parcel_job_execute(job, &of_nobody);
    parcel_job_lost(NULL, &batch, "why");
    parcel_job_lost(job, NULL, "why");
    parcel_job_lost(job, &none, "why");
    parcel_job_lost(job, &beyond, "why");
    parcel_job_work(NULL, 0);
    parcel_job_work(job, -1);
    parcel_job_work(job, n_workers);
    while (parcel_job_next(job, 0, &batch))
        parcel_job_lost(job, &batch, NULL);
}

START_TEST(mistakes_of_a_backend_are_harmless)
{
    static const parcel_backend careless = {
        .size = sizeof careless, .name = "careless", .run = run_careless};
    ck_assert_ptr_null(parcel_register_backend(&careless, false));
    parcel_options options = {.backend = "careless", .n_jobs = 2, .on_error = PARCEL_COLLECT};
    parcel_results *results = run_and_free(&options, counted_calls(4));
    ck_assert_int_eq(atomic_load(&mistakes), 0);
    ck_assert_int_eq(atomic_exchange(&runs, 0), 0);
    ck_assert_uint_eq(parcel_results_failures(results), 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(parcel_results_status(results, i), PARCEL_LOST);
        ck_assert_ptr_nonnull(parcel_results_message(results, i));
    }
    parcel_results_free(results);
    ck_assert(parcel_unregister_backend("careless"));
}
END_TEST

START_TEST(memory_that_is_kept_may_be_given_back_at_any_time)
{
    parcel_trim();
    ck_assert(squares_run(NULL, 5000));
    parcel_trim();
    parcel_trim();
    ck_assert(squares_run(NULL, 5000));
}
END_TEST

static void add_option_tests(TCase *tests)
{
    tcase_add_test(tests, options_out_of_range_are_refused_by_name);
    tcase_add_test(tests, limits_out_of_range_are_refused_by_name);
    tcase_add_test(tests, limits_of_processes_out_of_range_are_refused_by_name);
    tcase_add_test(tests, options_of_ranks_out_of_range_are_refused_by_name);
    tcase_add_test(tests, limits_of_processes_that_mean_nothing_are_warned_of);
    tcase_add_test(tests, options_at_the_end_of_their_range_run);
    tcase_add_test(tests, an_unknown_backend_is_refused_and_the_known_ones_are_named);
    tcase_add_test(tests, options_that_were_not_zeroed_are_refused);
    tcase_add_test(tests, reserved_space_that_is_not_zero_is_refused);
    tcase_add_test(tests, bad_variables_are_refused_by_name);
    tcase_add_test(tests, a_bad_variable_is_no_error_where_it_is_not_used);
    tcase_add_test(tests, a_pop_without_a_push_is_refused);
}

static void add_list_tests(TCase *tests)
{
    tcase_add_test(tests, null_calls_are_an_error);
    tcase_add_test(tests, empty_lists_have_empty_results);
    tcase_add_test(tests, null_lists_are_harmless);
    tcase_add_test(tests, a_map_is_not_added_to);
    tcase_add_test(tests, unsound_descriptors_are_refused);
    tcase_add_test(tests, a_call_without_a_function_is_refused);
    tcase_add_test(tests, a_list_that_runs_is_not_added_to);
    tcase_add_test(tests, values_that_do_not_fit_are_refused_by_place_and_type);
    tcase_add_test(tests, a_call_of_values_without_its_parts_is_refused);
}

static void add_reading_tests(TCase *tests)
{
    tcase_add_test(tests, indices_out_of_range_are_harmless);
    tcase_add_test(tests, null_results_are_harmless);
    tcase_add_test(tests, null_places_are_harmless);
    tcase_add_test(tests, a_write_that_fails_is_told);
    tcase_add_test(tests, null_texts_are_none);
    tcase_add_test(tests, values_of_nothing_are_none);
}

static void add_other_tests(TCase *tests)
{
    tcase_add_test(tests, outside_of_a_call_there_is_none);
    tcase_add_test(tests, a_failure_without_a_message_is_a_failure);
    tcase_add_test(tests, unsound_backends_are_refused);
    tcase_add_test(tests, mistakes_of_a_backend_are_harmless);
    tcase_add_test(tests, memory_that_is_kept_may_be_given_back_at_any_time);
}

/* ---- variables that mean nothing ---- */

static char *warnings_with(const char *name, const parcel_options *options)
{
    parcel_calls *calls = squares(3);
    setenv(name, "2", 1);
    parcel_results *results = run_and_free(options, calls);
    ck_assert(are_squares(results, 3));
    const char *warnings = parcel_results_warnings(results);
    char *copy = strdup(warnings ? warnings : "");
    parcel_results_free(results);
    unsetenv(name);
    return copy;
}

START_TEST(test_misspelt_variables)
{
    static const struct {
        const char *name;
        const char *warning;
    } cases[] = {
        {"PARCEL_NJOBS", "PARCEL_NJOBS means nothing: is PARCEL_N_JOBS meant?"},
        {"PARCEL_N_JOB", "is PARCEL_N_JOBS meant?"},
        {"PARCEL_JOBS", "is PARCEL_N_JOBS meant?"},
        {"PARCEL_n_jobs", "is PARCEL_N_JOBS meant?"},
        {"PARCEL_TIME_OUT", "is PARCEL_TIMEOUT meant?"},
        {"PARCEL_BACKENDS", "is PARCEL_BACKEND meant?"},
        {"PARCEL_MAXFAILURES", "is PARCEL_MAX_FAILURES meant?"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char *warnings = warnings_with(cases[i].name, &(parcel_options){.n_jobs = 1});
        ck_contains(warnings, cases[i].warning);
        ck_assert_int_eq(warnings[strlen(warnings) - 1], '?'); /* an error has no newline, either */
        free(warnings);
    }
}
END_TEST

/* Sentences are lines, and behind the last there is none. */
START_TEST(test_several_warnings)
{
    const parcel_options options = {
        .n_jobs = 1, .max_calls_per_worker = 2, .isolate = PARCEL_YES, .backend = "sequential"};
    char *warnings = warnings_with("PARCEL_NJOBS", &options);
    ck_assert_str_eq(warnings,
                     "PARCEL_NJOBS means nothing: is PARCEL_N_JOBS meant?\n"
                     "isolate is for ranks: backend sequential has none\n"
                     "max_calls_per_worker is for processes: backend sequential has none");
    free(warnings);
}
END_TEST

/* Other programs have variables that begin so. */
START_TEST(test_variables_of_others)
{
    static const char *const names[] = {"PARCEL_WORKERS", "PARCEL_BUILD_ENV",
                                        "PARCEL_",        "PARCEL",
                                        "PARCELS_N_JOBS", "PARCEL_N_JOBS_OF_MINE"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        char *warnings = warnings_with(names[i], &(parcel_options){.n_jobs = 1});
        ck_assert_str_eq(warnings, "");
        free(warnings);
    }
}
END_TEST

START_TEST(test_misspelt_variables_are_shown)
{
    static struct lines lines;
    char *explained = NULL;
    size_t size;
    FILE *file = open_memstream(&explained, &size);
    free(warnings_with(
        "PARCEL_NJOBS",
        &(parcel_options){.n_jobs = 1, .verbose = 2, .sink = keep_line, .sink_state = &lines}));
    ck_contains(lines.text, "Warning: PARCEL_NJOBS means nothing");
    setenv("PARCEL_NJOBS", "2", 1);
    ck_assert(parcel_explain(NULL, file));
    fclose(file);
    ck_contains(explained, "PARCEL_NJOBS means nothing: is PARCEL_N_JOBS meant?\n");
    free(explained);
}
END_TEST

/* Runs inside of a call do not look at the environment. */
static int count_warnings(int i)
{
    parcel_results *results = parcel_run(NULL, parcel_map(square, &i, 1));
    const char *warnings = parcel_results_warnings(results);
    int has_some = warnings && strstr(warnings, "PARCEL_NJOBS");
    parcel_results_free(results);
    return has_some;
}
DELAYED(int, count_warnings, int);

START_TEST(test_misspelt_variables_are_shown_once)
{
    static const int numbers[] = {1, 2};
    const parcel_options options = {.n_jobs = 2,
                                    .backend = suite_has_threads() ? "threading" : "processes"};
    setenv("PARCEL_NJOBS", "2", 1);
    parcel_results *results = parcel_run(&options, parcel_map(count_warnings, numbers, 2));
    ck_ran_well(results);
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(parcel_get(results, i, int), 0);
    ck_contains(parcel_results_warnings(results), "PARCEL_NJOBS");
    parcel_results_free(results);
}
END_TEST

/* Under libgomp; the hard limit may forbid it. It is read by the first run of several threads,
 * which must not be another test's. */
START_TEST(small_stacks_of_threads_are_a_warning)
{
    struct rlimit before, none;
    if (!suite_forks())
        return;
    getrlimit(RLIMIT_STACK, &before);
    none = (struct rlimit){RLIM_INFINITY, before.rlim_max};
    if (dlsym(RTLD_DEFAULT, "__kmpc_fork_call") || !suite_has_threads() ||
        setrlimit(RLIMIT_STACK, &none) != 0)
        return;
    for (int is_set = 0; is_set < 2; is_set++) {
        if (is_set)
            setenv("OMP_STACKSIZE", "64M", 1);
        else
            unsetenv("OMP_STACKSIZE");
        parcel_results *results =
            run_and_free(&(parcel_options){.n_jobs = 2, .backend = "threading"}, squares(4));
        const char *warnings = parcel_results_warnings(results);
        ck_assert((warnings && strstr(warnings, "OMP_STACKSIZE=64M")) == !is_set);
        parcel_results_free(results);
    }
    setrlimit(RLIMIT_STACK, &before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bad_input");
    add_option_tests(suite_case(suite, "options"));
    add_list_tests(suite_case(suite, "lists"));
    add_reading_tests(suite_case(suite, "reading"));
    add_other_tests(suite_case(suite, "other"));
    TCase *variables = suite_case(suite, "variables");
    tcase_add_test(variables, test_misspelt_variables);
    tcase_add_test(variables, test_several_warnings);
    tcase_add_test(variables, test_variables_of_others);
    tcase_add_test(variables, test_misspelt_variables_are_shown);
    tcase_add_test(variables, small_stacks_of_threads_are_a_warning);
    tcase_add_test(variables, test_misspelt_variables_are_shown_once);
    return suite_run(suite);
}

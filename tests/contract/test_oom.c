/*
 * test_oom.c: the n-th allocation fails, and all after it, for every n until nothing fails.
 *
 * Each scenario is run for n = 1, 2, ... and must come out either complete or with a sentence that
 * speaks of memory; nothing is lost, which the leak checkers see. After each n a run without
 * failures is right again. A worker process goes on from what its parent had counted when it was
 * forked, and counts on its own: so n goes on, too, until all is complete.
 */
#include "suite.h"

#include <signal.h>

#include "calls/calls.h"
#include "calls/identity.h"
#include "ground/memory.h"
#include "options/backends.h"
#include "results/results.h"
#include "wire/bundle.h"

enum { MANY = 9000, SOME = 20, FEW = 4, MOST_ALLOCATIONS = 5000 };

struct large {
    double number[20];
};

static struct large spread(int i)
{
    struct large large = {{0}};
    large.number[19] = i;
    return large;
}
DELAYED(struct large, spread, int);

static const char *word(int i)
{
    static const char *const words[] = {"zero", "one", "two", "a word that is longer"};
    return words[i % 4];
}
DELAYED(const char *, word, int);

static char *given(int i)
{
    char *text = malloc(32);
    snprintf(text, 32, "given %d", i);
    return text;
}
DELAYED(char *, given, int);

/* Its result is its own argument, which is a copy that belongs to the call. */
static char *edit(char *text, int i)
{
    *text = (char)('0' + i % 10);
    return text;
}
DELAYED(char *, edit, char *, int);

static parcel_array numbers(int count)
{
    double *number = malloc(sizeof *number * (size_t)(count + 1));
    for (int i = 0; i < count; i++)
        number[i] = i;
    return parcel_array(number, (size_t)count);
}
DELAYED(parcel_array, numbers, int);

static parcel_value any(parcel_value value)
{
    return value;
}
DELAYED(parcel_value, any, parcel_value);

static int fail_odd(int i)
{
    if (i % 2)
        parcel_fail("%d is odd", i);
    return i;
}
DELAYED(int, fail_odd, int);

static void nothing(void)
{
}
DELAYED(void, nothing);

/* ---- what must hold ---- */

/* True when the results are complete; else their error must speak of memory. Frees them. */
static bool is_complete(parcel_results *results, size_t count)
{
    ck_assert_ptr_nonnull(results);
    const char *error = parcel_results_error(results);
    size_t done = 0;
    if (error)
        ck_contains(error, "memory");
    for (size_t i = 0; i < count; i++)
        done += parcel_results_status(results, i) == PARCEL_OK;
    ck_assert(error || done == count);
    parcel_results_free(results);
    return !error;
}

/* The same for the run of a list, which is freed too, and which may be NULL: the error then is
 * about that. */
static bool is_complete_run(parcel_results *results, parcel_calls *calls, size_t count)
{
    bool has_list = calls != NULL;
    ck_assert(has_list || parcel_results_error(results));
    parcel_calls_free(calls);
    if (has_list)
        return is_complete(results, count);
    parcel_results_free(results);
    return false;
}

/* Runs and frees the list; an incomplete one must not run. */
static bool run_list(const parcel_options *options, parcel_calls *calls, size_t count)
{
    const char *refused = parcel_calls_error(calls);
    ck_assert(!calls || refused || parcel_calls_count(calls) == count);
    if (refused)
        ck_contains(refused, "memory");
    parcel_results *results = parcel_run(options, calls);
    ck_assert(!refused || parcel_results_error(results));
    ck_assert(!refused || parcel_results_status(results, 0) == PARCEL_NOT_RUN);
    return is_complete_run(results, calls, count);
}

/* ---- scenarios: true when nothing failed ---- */

static bool build(void)
{
    parcel_calls *calls = parcel_calls_new();
    const char *bytes = "bytes";
    bool added = calls != NULL;
    for (int i = 0; i < MANY; i++)
        added = (i % 1000 == 999 ? parcel_calls_add(calls, delayed(edit)("a string", i))
                 : i % 7 == 6 ? parcel_calls_add(calls, delayed(any)(parcel_value_bytes(bytes, 5)))
                              : parcel_calls_add(calls, delayed(spread)(i))) &&
                added;
    ck_assert(!calls || added == !parcel_calls_error(calls));
    parcel_calls_free(calls);
    return added;
}

/* Calls with results of every kind. */
static parcel_calls *all_kinds(int n_each)
{
    static const double values[] = {1, 2, 3};
    const parcel_array array = parcel_array(values, 3);
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < n_each; i++) {
        parcel_calls_add(calls, delayed(spread)(i));
        parcel_calls_add(calls, delayed(word)(i));
        parcel_calls_add(calls, delayed(given)(i));
        parcel_calls_add(calls, delayed(edit)("text", i));
        parcel_calls_add(calls, delayed(numbers)(i));
        parcel_calls_add(calls, delayed(any)(parcel_value_array(&array)));
        parcel_calls_add(calls, delayed(any)(parcel_value_string("a string")));
        parcel_calls_add(calls, delayed(nothing)());
    }
    return calls;
}

static bool run_kinds(const char *backend, int n_each)
{
    return run_list(&(parcel_options){.n_jobs = 2, .backend = backend, .on_error = PARCEL_COLLECT},
                    all_kinds(n_each), 8 * (size_t)n_each);
}

static bool run_sequential(void)
{
    return run_kinds("sequential", SOME);
}

/* Without OpenMP it is what runs by default. */
static bool run_threading(void)
{
    bool has_threads = suite_backend_runs(parcel__backends_find("threading"));
    return run_kinds(has_threads ? "threading" : NULL, SOME);
}

static bool run_processes(void)
{
    return run_kinds("processes", FEW);
}

static bool run_map(void)
{
    int numbers_of[SOME] = {0};
    return is_complete(Parallel(.n_jobs = 2)(parcel_map(word, numbers_of, SOME)), SOME);
}

/* With PARCEL_STOP nothing runs after the first call that found no memory. */
static bool run_stopping(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < SOME; i++)
        parcel_calls_add(calls, delayed(edit)("text", i));
    return run_list(&(parcel_options){.n_jobs = 1}, calls, SOME);
}

/* The calls that fail on purpose are failures in either case; only their texts need memory. */
static bool run_failing(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < SOME; i++)
        parcel_calls_add(calls, delayed(fail_odd)(i));
    parcel_results *results = Parallel(.n_jobs = 2, .on_error = PARCEL_COLLECT)(calls);
    bool told = true;
    ck_assert_ptr_nonnull(results);
    ck_assert_ptr_nonnull(parcel_results_error(results));
    for (size_t i = 1; i < SOME && parcel_results_failures(results) > 0; i += 2) {
        ck_assert_int_eq(parcel_results_status(results, i), PARCEL_FAILED);
        told = told && !strstr(parcel_results_message(results, i), "memory");
    }
    told = told && strstr(parcel_results_error(results), "10 of 20 calls failed; first: call 1, "
                                                         "fail_odd(1): 1 is odd");
    if (!told)
        ck_assert(!calls || strstr(parcel_results_error(results), "memory") ||
                  parcel_results_failures(results) > 0);
    parcel_results_free(results);
    parcel_calls_free(calls);
    return told;
}

/* A run inside of a call; what it reports becomes the call's failure. */
static int nested(int depth)
{
    parcel_calls *calls = parcel_calls_new();
    if (!calls)
        parcel_fail("no memory for the list");
    for (int i = 0; i < 3; i++)
        parcel_calls_add(calls, delayed(square)(i));
    parcel_results *results = Parallel(.n_jobs = depth)(calls);
    if (calls && parcel_results_error(results))
        parcel_fail("%s", parcel_results_error(results));
    int sum = parcel_get(results, 2, int);
    parcel_results_free(results);
    parcel_calls_free(calls);
    return sum;
}
DELAYED(int, nested, int);

static bool run_nested(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 4; i++)
        parcel_calls_add(calls, delayed(nested)(1 + i % 2));
    return run_list(&(parcel_options){.n_jobs = 2}, calls, 4);
}

/* A scope that could not be opened is not there; one that was is closed. */
static bool configure(void)
{
    bool outer = parcel_config_push(.backend = "sequential", .prefer = "threads");
    bool inner = parcel_config_push(.n_jobs = 2, .require = "sharedmem");
    bool complete = run_list(NULL, squares(3), 3);
    ck_assert(parcel_config_pop() == (inner || outer));
    ck_assert(parcel_config_pop() == (inner && outer));
    ck_assert(!parcel_config_pop());
    return outer && inner && complete;
}

static bool execute(void)
{
    bool complete = true;
    parcel_executor *executor = parcel_open(&(parcel_options){.n_jobs = 2});
    ck_assert_ptr_nonnull(executor);
    for (int i = 0; i < 3; i++) {
        parcel_calls *calls = squares(SOME);
        parcel_results *results = parcel_executor_run(executor, calls);
        complete = is_complete_run(results, calls, SOME) && complete;
    }
    parcel_close(executor);
    return complete;
}

/* ---- calls made after the workers' fork ---- */

static parcel_executor *open_processes(void)
{
    parcel_executor *executor = parcel_open(&(parcel_options){
        .n_jobs = 2, .backend = "processes", .on_error = PARCEL_COLLECT, .retries = 1});
    ck_assert_ptr_nonnull(executor);
    return executor;
}

static bool run_packed(void)
{
    bool complete = true;
    parcel_executor *executor = open_processes();
    for (int i = 0; i < 2; i++) {
        parcel_calls *calls = all_kinds(FEW);
        parcel_results *results = parcel_executor_run(executor, calls);
        complete = is_complete_run(results, calls, 8 * FEW) && complete;
    }
    parcel_close(executor);
    return complete;
}

static void change(double *number)
{
    *number += 1;
}
DELAYED(void, change, double *);

/* What the workers do not share is refused, with a sentence for each call. */
static bool run_refused(void)
{
    double number = 1;
    parcel_executor *executor = open_processes();
    parcel_calls *calls = squares(SOME);
    parcel_results *results = parcel_executor_run(executor, calls);
    bool complete = is_complete_run(results, calls, SOME);
    calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(change)(&number));
    results = parcel_executor_run(executor, calls);
    ck_contains(parcel_results_error(results), "memory");
    complete =
        complete && strstr(parcel_results_error(results), "take it from parcel_shared_alloc");
    ck_assert(number == 1);
    parcel_results_free(results);
    parcel_calls_free(calls);
    parcel_close(executor);
    return complete;
}

/* The first of all calls dies, and is tried again in another process. */
static int die_once(atomic_int *n_begun, int i)
{
    if (atomic_fetch_add(n_begun, 1) == 0)
        raise(SIGKILL);
    return i;
}
DELAYED(int, die_once, atomic_int *, int);

static bool run_dying(void)
{
    atomic_int *n_begun = parcel_shared_alloc(sizeof *n_begun);
    parcel_executor *executor = open_processes();
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; n_begun && i < SOME; i++)
        parcel_calls_add(calls, delayed(die_once)(n_begun, i));
    parcel_results *results = parcel_executor_run(executor, calls);
    ck_assert(parcel_results_error(results) || !n_begun || atomic_load(n_begun) == SOME + 1);
    bool complete = is_complete_run(results, calls, n_begun ? SOME : 0) && n_begun;
    parcel_close(executor);
    parcel_shared_free(n_begun);
    return complete;
}

/* ---- between ranks ---- */

/* What does not fit memory is missing at the other end, or has failed there. */
static bool bundle_calls(parcel_calls *calls, parcel_calls *list)
{
    struct parcel__text why = {0};
    struct parcel__bundle bundle = {0}, large = {0};
    size_t count = parcel_calls_count(calls);
    size_t put = parcel__bundle_put_calls(&bundle, calls, 0, count, SIZE_MAX, &why);
    ck_assert_ptr_null(why.bytes);
    bool is_read = list && put > 0 &&
                   parcel__bundle_get_calls(bundle.bytes, bundle.used, put, list, &large, &why);
    ck_assert_ptr_null(why.bytes);
    ck_assert(!is_read || (parcel_calls_count(list) == put && large.n_large == bundle.n_large));
    for (size_t i = 0; is_read && i < large.n_large; i++)
        memcpy(large.large[i].where, &bundle.large[i].data, sizeof(void *));
    for (size_t i = 0; is_read && i < put; i++) /* what points into the bytes is not run */
        ck_assert_ptr_eq(parcel__calls_function(list, i), parcel__calls_function(calls, i));
    parcel__bundle_free(&bundle);
    parcel__bundle_free(&large);
    return is_read && put == count;
}

static bool bundle_results(parcel_results *results, parcel_results *others)
{
    struct parcel__bundle bundle = {0}, large = {0};
    size_t count = others ? parcel_results_count(results) : 0;
    size_t put = parcel__bundle_put_results(&bundle, results, 0, count, SIZE_MAX);
    const struct parcel__bundle_destination to = {others, 0, put, others ? others->arenas : NULL};
    bool is_read = put > 0 && parcel__bundle_get_results(bundle.bytes, bundle.used, &to, &large);
    ck_assert(!is_read || large.n_large == bundle.n_large);
    for (size_t i = 0; i < bundle.n_large; i++)
        if (is_read)
            memcpy(large.large[i].where, &bundle.large[i].data, sizeof(void *));
        else
            free(bundle.large[i].data);
    size_t n_failed = 0;
    for (size_t i = 0; is_read && i < put; i++)
        if (parcel_results_status(others, i) != parcel_results_status(results, i)) {
            ck_contains(parcel_results_message(others, i), "out of memory");
            n_failed++;
        }
    parcel__bundle_free(&bundle);
    parcel__bundle_free(&large);
    return is_read && put == count && n_failed == 0;
}

static bool bundle(void)
{
    enum { LARGE = PARCEL__BUNDLE_LARGE / sizeof(double) };
    static double many[LARGE];
    const parcel_array array = parcel_array(many, LARGE);
    parcel_calls *calls = all_kinds(1), *list = parcel_calls_new();
    parcel_calls_add(calls, delayed(numbers)(LARGE));
    parcel_calls_add(calls, delayed(any)(parcel_value_array(&array)));
    parcel_calls_add(calls, delayed(fail_odd)(1));
    bool complete = false;
    if (calls && !parcel_calls_error(calls)) {
        complete = bundle_calls(calls, list);
        parcel_results *results = parcel_run(
            &(parcel_options){.backend = "sequential", .on_error = PARCEL_COLLECT}, calls);
        parcel_results *others = parcel__results_new(calls, 1);
        if (parcel_results_status(results, 0) == PARCEL_OK)
            complete = bundle_results(results, others) && complete;
        else
            complete = false;
        parcel__results_free(others);
        parcel_results_free(results);
    }
    parcel_calls_free(calls);
    parcel_calls_free(list);
    return complete;
}

static bool name(void)
{
    const char *fault = parcel__identity_register("square", parcel_function_of(square));
    parcel_calls *calls = squares(1);
    if (fault)
        ck_assert_str_eq(fault, "out of memory");
    parcel_calls_free(calls);
    return !fault && calls;
}

/* ---- options and texts ---- */

/* A wrong option's sentence needs memory too. */
static bool refuse(void)
{
    bool told = true;
    const parcel_options wrong[] = {{.backend = "nobody"}, {.batch_size = -1}, {.prefer = "x"}};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        parcel_calls *calls = squares(1);
        parcel_results *results = parcel_run(&wrong[i], calls);
        parcel_executor *executor = parcel_open(&wrong[i]);
        parcel_results *others = parcel_executor_run(executor, calls);
        ck_assert(parcel_results_error(results) && parcel_results_error(others));
        told = told && calls && !strstr(parcel_results_error(results), "memory") &&
               !strstr(parcel_results_error(others), "memory");
        parcel_results_free(results);
        parcel_results_free(others);
        parcel_close(executor);
        parcel_calls_free(calls);
    }
    return told;
}

static bool box(void)
{
    char error[200];
    parcel_call call;
    const parcel_value right = parcel_value_int(3), wrong = parcel_value_string("three");
    const parcel_function *function = parcel_function_of(square);
    ck_assert(parcel_call_from_values(&call, function, &right, 1, error, sizeof error));
    ck_assert(!parcel_call_from_values(&call, function, &wrong, 1, error, sizeof error));
    if (strcmp(error, "square: argument 1 of 1: expected int, given the string 'three'") == 0)
        return true;
    ck_contains(error, "memory");
    return false;
}

/* What is written is whole, or the function says that it is not. */
static bool print(void)
{
    const double values[] = {1, 2.5};
    const parcel_array array = parcel_array(values, 2);
    char *text = parcel_value_text(parcel_value_array(&array));
    bool whole = text != NULL;
    ck_assert(!text || strcmp(text, "[1.0, 2.5]") == 0);
    free(text);
    parcel_calls *calls = squares(3);
    parcel_results *results = parcel_run(NULL, calls);
    char *written;
    size_t size;
    FILE *file = open_memstream(&written, &size);
    bool printed = parcel_results_print(results, file);
    bool complete = !parcel_results_error(results);
    whole = whole && parcel_value_print(parcel_value_int(7), file) && printed && complete;
    fclose(file);
    ck_assert(!printed || !complete || strncmp(written, "[0, 1, 4]\n", 10) == 0);
    ck_assert(!whole || strcmp(written, "[0, 1, 4]\n7") == 0);
    free(written);
    parcel_results_free(results);
    parcel_calls_free(calls);
    return whole;
}

static bool explain(void)
{
    char *written;
    size_t size;
    FILE *file = open_memstream(&written, &size);
    bool explained = parcel_explain(&(parcel_options){.n_jobs = 3}, file);
    fclose(file);
    ck_assert(!explained || (strstr(written, "n_jobs") && strstr(written, "backend")));
    free(written);
    return explained;
}

/* Warnings and lines may be missing when there is no memory for them; the results may not. */
static bool watch(void)
{
    static struct lines lines;
    lines.length = 0;
    lines.text[0] = '\0';
    int n_jobs = parcel_cpu_count() + 1;
    const parcel_options options = {
        .n_jobs = n_jobs, .verbose = 100, .sink = keep_line, .sink_state = &lines};
    parcel_calls *calls = squares(SOME);
    parcel_results *results = parcel_run(&options, calls);
    bool whole = parcel_results_warnings(results) && strstr(lines.text, "Warning: ") &&
                 strstr(lines.text, "Using backend") && strstr(lines.text, "finished");
    return is_complete_run(results, calls, SOME) && whole;
}

static atomic_int n_states;

static void *start_worker(void *state, int worker)
{
    (void)worker;
    atomic_fetch_add(&n_states, 1);
    return state;
}

static void end_worker(void *state, int worker, void *worker_state)
{
    (void)worker;
    ck_assert_ptr_eq(state, worker_state);
    atomic_fetch_sub(&n_states, 1);
}

/* All limits are set, and none is reached. */
static bool run_limited(void)
{
    parcel_token token = {0};
    const parcel_options options = {.n_jobs = 2,
                                    .cancel = &token,
                                    .halt = "now,fail=1",
                                    .handle_signals = PARCEL_YES,
                                    .deadline = 1e6,
                                    .timeout = 1e5,
                                    .timeout_factor = 1e9,
                                    .retries = 2,
                                    .on_worker_start = start_worker,
                                    .on_worker_end = end_worker,
                                    .worker_state = &token};
    if (!parcel_config_push_options(&options))
        return false;
    bool complete = run_list(NULL, squares(SOME), SOME);
    parcel_config_pop();
    ck_assert_int_eq(atomic_load(&n_states), 0);
    return complete;
}

static int n_edited;

static char *edit_and_count(char *text)
{
    n_edited++;
    return text;
}
DELAYED(char *, edit_and_count, char *);

/* No call ends in time: one that has no memory to begin is none of them. */
static bool run_late(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < SOME; i++)
        (void)parcel_calls_add(calls, delayed(edit_and_count)("text"));
    n_edited = 0;
    parcel_results *results = parcel_run(
        &(parcel_options){.n_jobs = 1, .timeout = 1e-9, .on_error = PARCEL_COLLECT}, calls);
    int n_late = 0;
    for (size_t i = 0; i < SOME; i++)
        n_late += parcel_results_status(results, i) == PARCEL_TIMED_OUT;
    ck_assert_int_le(n_late, n_edited);
    parcel_results_free(results);
    parcel_calls_free(calls);
    return n_late == SOME;
}

/* What says why a run was stopped needs memory too; without it something shorter is said. */
static bool run_cancelled(void)
{
    parcel_token token = {0};
    parcel_cancel(&token);
    parcel_calls *calls = squares(SOME);
    parcel_results *results = parcel_run(&(parcel_options){.n_jobs = 2, .cancel = &token}, calls);
    const char *error = parcel_results_error(results);
    ck_assert_ptr_nonnull(error);
    bool complete = strcmp(error, "cancelled by its token: 0 of 20 calls had run") == 0;
    if (complete)
        ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_CANCELLED);
    parcel_results_free(results);
    parcel_calls_free(calls);
    return complete;
}

/* ---- streams ---- */

static parcel_next_status next_word(void *state, parcel_call *call)
{
    int *given = state;
    if (*given == SOME)
        return PARCEL_NEXT_END;
    *call = *given % 2 ? delayed(edit)("text", *given) : delayed(numbers)(*given);
    ++*given;
    return PARCEL_NEXT_CALL;
}

static bool count_result(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    (void)index, (void)value;
    *(size_t *)state += record->status == PARCEL_OK;
    return true;
}

static bool generate_on(const char *backend)
{
    int given = 0;
    parcel_calls *calls = parcel_calls_generate(next_word, &given);
    parcel_results *results =
        Parallel(.n_jobs = 2, .backend = backend, .pre_dispatch = "2 * n_jobs")(calls);
    bool has_run = calls && parcel_results_count(results) == SOME;
    if (has_run)
        return is_complete_run(results, calls, SOME);
    ck_assert(!calls || parcel_results_error(results));
    parcel_results_free(results);
    parcel_calls_free(calls);
    return false;
}

static bool generate(void)
{
    return generate_on(NULL);
}

static bool generate_in_processes(void)
{
    return generate_on("processes");
}

static bool push(void)
{
    int given = 0;
    size_t count = 0;
    parcel_calls *calls = parcel_calls_generate(next_word, &given);
    parcel_results *results =
        Parallel(.n_jobs = 2, .on_result = count_result, .on_result_state = &count)(calls);
    ck_assert(parcel_results_error(results) || count == SOME);
    parcel_results_free(results);
    parcel_calls_free(calls);
    return count == SOME;
}

static bool pull(void)
{
    size_t count = 0;
    parcel_result result;
    parcel_calls *calls = squares(SOME);
    bool whole = calls && !parcel_calls_error(calls);
    parcel_results *results = Parallel(.n_jobs = 2, .return_as = PARCEL_GENERATOR)(calls);
    while (parcel_results_next(results, &result)) {
        count += result.record.status == PARCEL_OK;
        parcel_result_free(&result);
    }
    ck_assert(parcel_results_error(results) || (whole && count == SOME));
    parcel_results_free(results);
    parcel_calls_free(calls);
    return count == SOME;
}

/* ---- streams, one allocation ---- */

enum { STREAMED = 600 };

static atomic_int has_run[STREAMED];

static const char *run_one(int i)
{
    atomic_fetch_add(&has_run[i], 1);
    return word(i);
}
DELAYED(const char *, run_one, int);

static parcel_next_status next_one(void *state, parcel_call *call)
{
    int *given = state;
    if (*given == STREAMED)
        return PARCEL_NEXT_END;
    *call = delayed(run_one)((*given)++);
    return PARCEL_NEXT_CALL;
}

static bool is_heard[STREAMED];

static bool hear(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    (void)state, (void)value;
    ck_assert(!is_heard[index]);
    ck_assert(record->status == PARCEL_OK || strstr(record->message, "out of memory"));
    is_heard[index] = true;
    return true;
}

/* A record that is kept says of each call whether it ran. */
static void hear_kept(const parcel_results *results)
{
    for (size_t i = 0; i < parcel_results_count(results); i++) {
        parcel_status status = parcel_results_status(results, i);
        is_heard[i] = status != PARCEL_CANCELLED && status != PARCEL_NOT_RUN;
        if (status == PARCEL_OK)
            ck_assert_str_eq(parcel_get(results, i, const char *), word((int)i));
        else if (status == PARCEL_CANCELLED)
            ck_assert_str_eq(parcel_results_message(results, i), "not started: out of memory");
    }
}

static void hear_pulled(parcel_results *results)
{
    parcel_result result;
    while (parcel_results_next(results, &result)) {
        (void)hear(NULL, result.index, result.value, &result.record);
        parcel_result_free(&result);
    }
}

enum way { KEPT, PUSHED, PULLED, UNORDERED, WAYS };

/* Of all that ran something is heard, and what ended the run is told, and is nobody's mistake. */
static void stream_one(enum way way, int n_jobs)
{
    static const parcel_return_as return_as[] = {
        [PULLED] = PARCEL_GENERATOR, [UNORDERED] = PARCEL_GENERATOR_UNORDERED, [WAYS] = 0};
    int given = 0;
    memset(has_run, 0, sizeof has_run);
    memset(is_heard, 0, sizeof is_heard);
    parcel_calls *calls = parcel_calls_generate(next_one, &given);
    parcel_results *results = Parallel(.n_jobs = n_jobs, .return_as = return_as[way],
                                       .on_result = way == PUSHED ? hear : NULL)(calls);
    hear_pulled(results);
    const char *error = parcel_results_error(results);
    if (way == KEPT)
        hear_kept(results);
    if (error)
        ck_contains(error, "memory");
    ck_assert_msg(!error || !strstr(error, "the generator"), "%s", error);
    for (int i = 0; i < STREAMED; i++) {
        int n = atomic_load(&has_run[i]);
        ck_assert_msg(n == is_heard[i], "call %d of %d ran %d times: %s", i, given, n, error);
        ck_assert(error || n == 1);
    }
    parcel_results_free(results);
    parcel_calls_free(calls);
}

START_TEST(test_calls_that_ran_are_told)
{
    enum way way = (enum way)(_i % WAYS);
    int n_jobs = 1 + _i / WAYS;
    size_t n = 0, allocations = 0;
    for (stream_one(way, n_jobs); allocations >= n; allocations = parcel__memory_fail_from(0)) {
        parcel__memory_fail_at(++n);
        stream_one(way, n_jobs);
        ck_assert_uint_lt(n, MOST_ALLOCATIONS);
    }
    ck_assert_uint_gt(n, 10);
    parcel_trim();
}
END_TEST

/* ---- the loop ---- */

static const struct {
    const char *name;
    bool (*run)(void);
} scenarios[] = {
    {"build", build},
    {"run sequential", run_sequential},
    {"run threading", run_threading},
    {"run a map", run_map},
    {"stop", run_stopping},
    {"fail", run_failing},
    {"nest", run_nested},
    {"configure", configure},
    {"execute", execute},
    {"refuse", refuse},
    {"box", box},
    {"print", print},
    {"explain", explain},
    {"watch", watch},
    {"limit", run_limited},
    {"late", run_late},
    {"cancel", run_cancelled},
    {"generate", generate},
    {"push", push},
    {"pull", pull},
    {"bundle", bundle},
    {"name", name},
    /* In worker processes. */
    {"processes", run_processes},
    {"packed calls", run_packed},
    {"refused calls", run_refused},
    {"a call that dies", run_dying},
    {"generate in processes", generate_in_processes},
};
enum { PROCESSES = 5, SCENARIOS = LENGTH(scenarios) };

START_TEST(test_out_of_memory)
{
    size_t n = 0, allocations = 0;
    bool complete = false;
    ck_assert_msg(scenarios[_i].run(), "%s without any failure", scenarios[_i].name);
    while (allocations >= n || !complete) { /* until no allocation failed */
        parcel__memory_fail_from(++n);
        complete = scenarios[_i].run();
        allocations = parcel__memory_fail_from(0);
        ck_assert_msg(squares_run(NULL, 10), "%s: the run after failure %zu", scenarios[_i].name,
                      n);
        ck_assert_uint_lt(n, MOST_ALLOCATIONS);
    }
    ck_assert_uint_gt(n, 1);
    parcel_trim();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("out of memory");
    TCase *tests = suite_case(suite, "out of memory");
    tcase_add_loop_test(tests, test_out_of_memory, 0, SCENARIOS - PROCESSES);
    tcase_add_loop_test(tests, test_calls_that_ran_are_told, 0, 2 * WAYS);
    tests = suite_case(suite, "processes");
    tcase_set_tags(tests, "processes");
    tcase_add_loop_test(tests, test_out_of_memory, SCENARIOS - PROCESSES, SCENARIOS);
    return suite_run(suite);
}

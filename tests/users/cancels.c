/* cancels.c: pthread_cancel of a thread in a run acts behind the run, of which nothing is lost. */
#include "suite.h"

enum { N_CALLS = 30 };

static pthread_t runner;
static bool has_returned; /* written by the runner, and read behind its join */

/* Where a cancel would act at once. */
static void pass_cancellation_points(void)
{
    const struct timespec instant = {.tv_nsec = 1000};
    pthread_testcancel(); /* first: what ends in another one is to a sanitizer still in it */
    nanosleep(&instant, NULL);
}

static int cancel_runner(int i)
{
    pthread_cancel(runner);
    pass_cancellation_points();
    return i * i;
}
DELAYED(int, cancel_runner, int);

static int cancel_itself(int i)
{
    pthread_cancel(pthread_self());
    pass_cancellation_points();
    return i * i;
}
DELAYED(int, cancel_itself, int);

static bool cancel_in_on_result(void *state, size_t index, parcel_value value,
                                const parcel_record *record)
{
    (void)state, (void)value, (void)record;
    return cancel_runner((int)index) >= 0;
}

static void run_squares(const parcel_options *options, bool by_itself)
{
    int numbers[N_CALLS];
    for (int i = 0; i < N_CALLS; i++)
        numbers[i] = i;
    parcel_results *results =
        by_itself ? parcel_run(options, parcel_map(cancel_itself, numbers, N_CALLS))
                  : parcel_run(options, parcel_map(cancel_runner, numbers, N_CALLS));
    has_returned = are_squares(results, N_CALLS);
    parcel_results_free(results);
}

static void run_plainly(void)
{
    run_squares(&(parcel_options){.n_jobs = 1}, false);
}

static void run_in_threads(void)
{
    run_squares(&(parcel_options){.n_jobs = 3}, false);
}

static void run_in_threads_that_are_cancelled(void)
{
    run_squares(&(parcel_options){.n_jobs = 3}, true);
}

static void run_in_processes(void)
{
    parcel_calls *calls = squares(N_CALLS);
    parcel_results *results =
        Parallel(.n_jobs = 2, .backend = "processes", .on_result = cancel_in_on_result)(calls);
    has_returned = !parcel_results_error(results) && parcel_results_count(results) == N_CALLS;
    parcel_results_free(results);
    parcel_calls_free(calls);
}

/* It waits for each result, and for the end, with its cancel on the way; but only in between may
 * it act. */
static void pull(void)
{
    int numbers[N_CALLS], state;
    size_t n = 0;
    parcel_result result;
    for (int i = 0; i < N_CALLS; i++)
        numbers[i] = i;
    parcel_results *results = Parallel(.n_jobs = 2, .return_as = PARCEL_GENERATOR)(
        parcel_map(cancel_runner, numbers, N_CALLS));
    for (; parcel_results_next(results, &result); n++)
        parcel_result_free(&result);
    has_returned = n == N_CALLS && !parcel_results_error(results);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
    has_returned = has_returned && state == PTHREAD_CANCEL_ENABLE;
    parcel_results_free(results);
}

static void use_executor(void)
{
    parcel_executor *executor = parcel_open(&(parcel_options){.n_jobs = 2, .backend = "processes"});
    parcel_calls *calls = squares(N_CALLS);
    pthread_cancel(runner);
    parcel_results *results = parcel_executor_run(executor, calls);
    has_returned = are_squares(results, N_CALLS);
    parcel_close(executor);
    parcel_results_free(results);
    parcel_calls_free(calls);
}

static const struct {
    void (*run)(void);
    bool needs_threads;
} cells[] = {
    {run_plainly, false},      {run_in_threads, true},
    {run_in_processes, false}, {pull, true},
    {use_executor, false},     {run_in_threads_that_are_cancelled, true}, /* the last: see main */
};

static void *be_runner(void *cell)
{
    runner = pthread_self();
    cells[*(int *)cell].run();
    pthread_cancel(runner);
    pass_cancellation_points();
    return NULL;
}

START_TEST(a_cancel_acts_behind_the_run)
{
    pthread_t thread;
    void *end = NULL;
    if (cells[_i].needs_threads && !suite_has_threads())
        return;
    ck_assert_int_eq(pthread_create(&thread, NULL, be_runner, &_i), 0);
    pthread_join(thread, &end);
    ck_assert(has_returned);
    ck_assert_ptr_eq(end, PTHREAD_CANCELED);
    ck_assert(squares_run(&(parcel_options){.n_jobs = 3}, N_CALLS));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cancels");
    TCase *tests = suite_case(suite, "cancels");
    /* OpenMP's own threads end in a wait of its runtime, where the thread sanitizer misses them. */
    tcase_add_loop_test(tests, a_cancel_acts_behind_the_run, 0,
                        (int)LENGTH(cells) - SUITE_IS_RACE_CHECKED);
    return suite_run(suite);
}

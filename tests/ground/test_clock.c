/*
 * test_clock.c: limits do not count what the process was stopped for.
 *
 * The system's clock goes as it does, but for what a test adds to it. That lies in shared pages: a
 * call in a worker process is "stopped" as the program is.
 */
#include "suite.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ground/clock.h"
#include "ground/port.h"
#include "job/control.h"

static _Atomic double *added; /* all tests add to it, one after the other */

double __real_parcel__port_now(void);
double __wrap_parcel__port_now(void);

double __wrap_parcel__port_now(void)
{
    return __real_parcel__port_now() + *added;
}

static void pass(double seconds)
{
    *added = *added + seconds;
}

/* ---- the clock ---- */

/* Between a look and a pass as long as this the machine may do other things. */
static const double slack = 0.4;

static void check_near(double is, double expected)
{
    ck_assert_msg(is > expected - slack && is < expected + slack, "%g, not %g", is, expected);
}

START_TEST(test_counts_all_unless_watched)
{
    struct parcel__clock clock = {0};
    double start = parcel__clock_look(&clock);
    pass(1000);
    check_near(parcel__clock_look(&clock) - start, 1000);
}
END_TEST

START_TEST(test_gaps_do_not_count)
{
    struct parcel__clock clock = {0};
    parcel__clock_start(&clock);
    double start = parcel__clock_look(&clock);
    for (int i = 1; i <= 3; i++) {
        pass(0.5);
        check_near(parcel__clock_look(&clock) - start, 0.5 * i);
        pass(1000);
        check_near(parcel__clock_look(&clock) - start, 0.5 * i);
        check_near(parcel__clock_look(&clock) - start, 0.5 * i);
    }
}
END_TEST

START_TEST(test_pauses_between_looks_count)
{
    struct parcel__clock clock = {0};
    parcel__clock_start(&clock);
    double start = parcel__clock_look(&clock);
    for (int i = 1; i <= 40; i++) {
        pass(0.5);
        (void)parcel__clock_look(&clock);
    }
    check_near(parcel__clock_look(&clock) - start, 20);
}
END_TEST

/* What goes by while nobody watches counts, and what was taken off before stays so. */
START_TEST(test_stop_and_start)
{
    struct parcel__clock clock = {0};
    parcel__clock_start(&clock);
    double start = parcel__clock_look(&clock);
    pass(1000);
    (void)parcel__clock_look(&clock);
    parcel__clock_stop(&clock);
    pass(7);
    check_near(parcel__clock_look(&clock) - start, 7);
    parcel__clock_start(&clock);
    check_near(parcel__clock_look(&clock) - start, 7);
    pass(1000);
    parcel__clock_start(&clock);
    check_near(parcel__clock_look(&clock) - start, 7);
}
END_TEST

/* The steps that a word counts go round after two years. */
START_TEST(test_machines_that_run_for_years)
{
    const double round = (1LL << 32) / 64;
    struct parcel__clock clock = {0};
    pass(round - fmod(parcel__port_now(), round) - 0.5);
    parcel__clock_start(&clock);
    double start = parcel__clock_look(&clock);
    pass(0.5);
    check_near(parcel__clock_look(&clock) - start, 0.5);
    pass(1000);
    check_near(parcel__clock_look(&clock) - start, 0.5);
}
END_TEST

/* A clock that others look at, too, may be read a little earlier than their last look. */
START_TEST(test_looks_that_were_ahead)
{
    struct parcel__clock clock = {0};
    parcel__clock_start(&clock);
    double start = parcel__clock_look(&clock);
    pass(-0.1);
    check_near(parcel__clock_look(&clock) - start, -0.1);
    pass(0.2);
    check_near(parcel__clock_look(&clock) - start, 0.1);
}
END_TEST

/* The first step of a round is told as the second. */
START_TEST(test_the_first_step_of_two_years)
{
    const double round = (1LL << 32) / 64;
    struct parcel__clock clock = {0};
    pass(round - fmod(parcel__port_now(), round) + 1e-3);
    parcel__clock_start(&clock);
    double start = parcel__clock_look(&clock);
    check_near(start, parcel__port_now());
    check_near(parcel__clock_look(&clock), start);
}
END_TEST

static void *look(void *clock)
{
    static _Thread_local double seen;
    for (int i = 0; i < 1000; i++)
        seen = parcel__clock_look(clock);
    (void)seen;
    return NULL;
}

/* However many look behind a gap, it is taken off once. */
START_TEST(test_looks_at_once)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    struct parcel__clock clock = {0};
    parcel__clock_start(&clock);
    double start = parcel__clock_look(&clock);
    pass(1000);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, look, &clock), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert(parcel__clock_look(&clock) - start < 60);
    ck_assert(parcel__clock_look(&clock) > start - 0.1);
}
END_TEST

START_TEST(test_process_clock)
{
    parcel__clock_watch();
    parcel__clock_watch();
    double start = parcel__clock_now();
    pass(1000);
    ck_assert(parcel__clock_now() - start < 60);
    parcel__clock_unwatch();
    pass(1000);
    ck_assert(parcel__clock_now() - start < 60);
    parcel__clock_unwatch();
    pass(1000);
    ck_assert(parcel__clock_now() - start >= 1000);
}
END_TEST

/* A child has no thread that looks, and knows it. */
START_TEST(test_forked_child)
{
    int status;
    parcel__clock_watch();
    pid_t child = fork();
    if (child == 0) {
        parcel__clock_watch();
        double start = parcel__clock_now();
        pass(1000);
        bool right = parcel__clock_now() - start < 60;
        parcel__clock_unwatch();
        pass(1000);
        _exit(right && parcel__clock_now() - start >= 1000 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    parcel__clock_unwatch();
}
END_TEST

/* ---- runs ---- */

static const char *const backends[] = {"sequential", "threading", "processes"};

/* Is stopped as it runs. */
static int stopped(int i)
{
    pass(1000);
    return i * i;
}
DELAYED(int, stopped, int);

/* Runs for long, and looks. */
static int busy(int i)
{
    for (int k = 0; k < 40; k++) {
        pass(0.5);
        (void)parcel_cancelled();
    }
    return i;
}
DELAYED(int, busy, int);

static void check_stopped(const parcel_options *options)
{
    static const int numbers[] = {0, 1, 2, 3, 4, 5};
    parcel_results *results = parcel_run(options, parcel_map(stopped, numbers, 6));
    ck_ran_well(results);
    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(parcel_get(results, i, int), (int)(i * i));
    parcel_results_free(results);
}

static bool can_run(const char *backend)
{
    return strcmp(backend, "threading") != 0 || suite_has_threads();
}

START_TEST(test_calls_that_are_stopped)
{
    const char *backend = backends[_i];
    if (!can_run(backend))
        return;
    check_stopped(&(parcel_options){.backend = backend, .n_jobs = 2, .timeout = 60});
    check_stopped(&(parcel_options){.backend = backend, .n_jobs = 1, .timeout = 60});
    check_stopped(&(parcel_options){.backend = backend, .n_jobs = 2, .deadline = 60});
    check_stopped(&(parcel_options){
        .backend = backend, .n_jobs = 1, .timeout_factor = 1000000, .on_error = PARCEL_COLLECT});
}
END_TEST

START_TEST(test_calls_that_take_too_long)
{
    static const int numbers[] = {0, 1};
    const parcel_options options = {.backend = backends[_i],
                                    .n_jobs = 1,
                                    .timeout = 5,
                                    .kill_after = 60,
                                    .on_error = PARCEL_COLLECT};
    if (!can_run(backends[_i]))
        return;
    parcel_results *results = parcel_run(&options, parcel_map(busy, numbers, 2));
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(parcel_results_status(results, i), PARCEL_TIMED_OUT);
    parcel_results_free(results);
}
END_TEST

static parcel_next_status six(void *state, parcel_call *call)
{
    int *next = state;
    if (*next == 6)
        return PARCEL_NEXT_END;
    *call = delayed(stopped)((*next)++);
    return PARCEL_NEXT_CALL;
}

START_TEST(test_streams_that_are_stopped)
{
    int next = 0;
    const parcel_options options = {
        .backend = backends[_i], .n_jobs = 2, .timeout = 60, .deadline = 120};
    if (!can_run(backends[_i]))
        return;
    parcel_calls *calls = parcel_calls_generate(six, &next);
    parcel_results *results = parcel_run(&options, calls);
    ck_ran_well(results);
    ck_assert_int_eq(parcel_get(results, 5, int), 25);
    parcel_results_free(results);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(test_executors_that_are_stopped)
{
    static const int numbers[] = {0, 1, 2};
    const parcel_options options = {.backend = backends[_i], .n_jobs = 2, .timeout = 60};
    if (!can_run(backends[_i]))
        return;
    parcel_executor *executor = parcel_open(&options);
    for (int run = 0; run < 3; run++) {
        parcel_results *results = parcel_executor_run(executor, parcel_map(stopped, numbers, 3));
        ck_ran_well(results);
        parcel_results_free(results);
        pass(1000);
    }
    parcel_close(executor);
}
END_TEST

/* ---- a job that is stopped by a signal ---- */

/* What a program of its own process group and the test say to each other. */
struct pair {
    pid_t group;
    int begun[2];
    int go[2];
};

static struct pair pair;

static int wait_for_go(int i)
{
    char byte = 0;
    if (write(pair.begun[1], &byte, 1) != 1 || read(pair.go[0], &byte, 1) != 1)
        parcel_fail("nobody says go");
    return i;
}
DELAYED(int, wait_for_go, int);

static bool runs_well(const char *backend)
{
    static const int numbers[] = {7};
    const parcel_options options = {
        .backend = backend, .n_jobs = 2, .timeout = 2, .deadline = 2, .batch_size = 1};
    parcel_results *results = parcel_run(&options, parcel_map(wait_for_go, numbers, 1));
    bool right = !parcel_results_error(results) && parcel_get(results, 0, int) == 7;
    if (!right)
        fprintf(stderr, "%s: %s\n", backend, parcel_results_error(results));
    parcel_results_free(results);
    return right;
}

static void start_program(const char *backend)
{
    ck_assert_int_eq(pipe(pair.begun), 0);
    ck_assert_int_eq(pipe(pair.go), 0);
    pair.group = fork();
    ck_assert_int_ge(pair.group, 0);
    if (pair.group > 0)
        return;
    setpgid(0, 0);
    _exit(runs_well(backend) ? 0 : 1);
}

/* Stops the whole group while its call runs. */
static void stop_program(void)
{
    char byte;
    int status;
    ck_assert_int_eq(read(pair.begun[0], &byte, 1), 1);
    ck_assert_int_eq(kill(-pair.group, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(pair.group, &status, WUNTRACED), pair.group);
    ck_assert(WIFSTOPPED(status));
}

START_TEST(test_signals)
{
    struct pair pairs[LENGTH(backends)];
    int status;
    for (size_t i = 0; i < LENGTH(backends); i++) {
        start_program(can_run(backends[i]) ? backends[i] : "sequential");
        stop_program();
        pairs[i] = pair;
    }
    sleep(3); /* longer than the limits: that is what is tested */
    for (size_t i = 0; i < LENGTH(backends); i++) {
        ck_assert_int_eq(write(pairs[i].go[1], "", 1), 1);
        ck_assert_int_eq(kill(-pairs[i].group, SIGCONT), 0);
        ck_assert_int_eq(waitpid(pairs[i].group, &status, 0), pairs[i].group);
        ck_assert_int_eq(status, 0);
    }
}
END_TEST

/* A worker that is stopped alone, while who watches it is not, is out of time. */
static int stop_self(int i)
{
    return raise(SIGSTOP) + i;
}
DELAYED(int, stop_self, int);

START_TEST(test_worker_alone)
{
    static const int numbers[] = {0};
    const parcel_options options = {
        .backend = "processes", .n_jobs = 2, .timeout = 0.1, .kill_after = 0.1};
    parcel_results *results = parcel_run(&options, parcel_map(stop_self, numbers, 1));
    ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_TIMED_OUT);
    ck_contains(parcel_results_message(results, 0), "its worker was killed");
    parcel_results_free(results);
}
END_TEST

int main(void)
{
    int n_backends = (int)LENGTH(backends);
    added = mmap(NULL, sizeof *added, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (added == MAP_FAILED)
        return EXIT_FAILURE;
    Suite *suite = suite_create("clock");
    TCase *clock = suite_case(suite, "clock");
    tcase_add_test(clock, test_counts_all_unless_watched);
    tcase_add_test(clock, test_gaps_do_not_count);
    tcase_add_test(clock, test_pauses_between_looks_count);
    tcase_add_test(clock, test_stop_and_start);
    tcase_add_test(clock, test_machines_that_run_for_years);
    tcase_add_test(clock, test_looks_that_were_ahead);
    tcase_add_test(clock, test_the_first_step_of_two_years);
    tcase_add_test(clock, test_looks_at_once);
    tcase_add_test(clock, test_process_clock);
    tcase_add_test(clock, test_forked_child);
    TCase *runs = suite_case(suite, "runs");
    tcase_add_loop_test(runs, test_calls_that_are_stopped, 0, n_backends);
    tcase_add_loop_test(runs, test_calls_that_take_too_long, 0, n_backends);
    tcase_add_loop_test(runs, test_streams_that_are_stopped, 0, n_backends);
    tcase_add_loop_test(runs, test_executors_that_are_stopped, 0, n_backends);
    TCase *signals = suite_case(suite, "signals");
    tcase_add_test(signals, test_signals);
    tcase_add_test(signals, test_worker_alone);
    return suite_run(suite);
}

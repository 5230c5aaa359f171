/* contract_control.c: what holds for every backend when a run stops early; see contract.h. */
#include "contract.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what stops a run from a call ---- */

enum stopper { BY_TOKEN, BY_STOP, BY_SIGNAL, BY_DEADLINE, BY_SUCCESS, N_STOPPERS };

/* The first call stops the run; the others see that, or this never ends. */
static int stop_first_or_wait(int stopper)
{
    take_time();
    if (atomic_fetch_add(&tally->started, 1) == 0) {
        if (stopper == BY_TOKEN)
            parcel_cancel(&shared->token);
        else if (stopper == BY_STOP)
            parcel_stop();
        else if (stopper == BY_SIGNAL)
            kill(shared->runner, SIGINT);
        if (stopper == BY_SUCCESS)
            return 7;
    }
    while (!parcel_cancelled())
        sched_yield();
    return 7;
}
DELAYED(int, stop_first_or_wait, int);

static parcel_options stopping(struct shape shape, int stopper, long long batch_size)
{
    parcel_options options = *SHAPED(shape, .batch_size = batch_size);
    if (stopper == BY_TOKEN)
        options.cancel = &shared->token;
    else if (stopper == BY_SIGNAL)
        options.handle_signals = PARCEL_YES;
    else if (stopper == BY_DEADLINE)
        options.deadline = 0.01;
    else if (stopper == BY_SUCCESS)
        options.halt = "now,success=1";
    return options;
}

static const struct {
    const char *message;
    const char *error; /* NULL: none */
} told[N_STOPPERS] = {
    [BY_TOKEN] = {"not started: cancelled by its token", "cancelled by its token"},
    [BY_STOP] = {"not started: a call stopped the run", NULL},
    [BY_SIGNAL] = {"not started: cancelled by SIGINT", "cancelled by SIGINT"},
    [BY_DEADLINE] = {"not started: the deadline of 0.01 s had passed",
                     "the deadline of 0.01 s had passed"},
    [BY_SUCCESS] = {"not started: the run was to stop at now,success=1", NULL},
};

static bool is_cancelled(const parcel_results *results, size_t i, const char *message)
{
    return parcel_results_status(results, i) == PARCEL_CANCELLED &&
           parcel_results_message(results, i) &&
           strcmp(parcel_results_message(results, i), message) == 0 &&
           parcel_results_worker(results, i) == -1 && !parcel_holds(results, i, int) &&
           parcel_results_start(results, i) != parcel_results_start(results, i);
}

/* Each call ran well or was not started, and the error says how many did. */
static void check_stopped(struct shape shape, const parcel_results *results, const char *message,
                          const char *error)
{
    char expected[128];
    size_t ran = 0;
    for (size_t i = 0; i < shape.size; i++) {
        bool is_well = parcel_get_or(results, i, int, -1) == 7;
        HOLDS(shape, is_well || is_cancelled(results, i, message) || was_held_up(results, i));
        ran += is_well;
    }
    HOLDS(shape, ran == (size_t)atomic_load(&tally->started));
    HOLDS(shape, parcel_results_failures(results) == 0);
    snprintf(expected, sizeof expected, "%s: %zu of %zu call%s had run", error ? error : "", ran,
             shape.size, shape.size == 1 ? "" : "s");
    if (ran == shape.size || !error)
        ck_ran_well(results);
    else
        ck_assert_str_eq(parcel_results_error(results), expected);
}

START_TEST(a_run_that_is_stopped_hands_out_nothing_more_and_says_why)
{
    static const long long batches[] = {0, 1, 1000};
    for (struct shape shape = {0}; next_shape(_i, &shape);)
        for (int stopper = 0; stopper < N_STOPPERS; stopper++) {
            size_t turn = (size_t)(shape.number + stopper) % LENGTH(batches);
            parcel_options options = stopping(shape, stopper, batches[turn]);
            parcel_calls *calls = parcel_calls_new();
            for (size_t k = 0; k < shape.size; k++)
                parcel_calls_add(calls, delayed(stop_first_or_wait)(stopper));
            atomic_store(&tally->started, 0);
            parcel_results *results = run_and_free(&options, calls);
            HOLDS(shape, atomic_load(&tally->started) <= shape.workers);
            HOLDS(shape,
                  atomic_load(&tally->started) > 0 || shape.size == 0 || stopper == BY_DEADLINE);
            check_stopped(shape, results, told[stopper].message, told[stopper].error);
            parcel_results_free(results);
            parcel_token_reset(&shared->token);
        }
}
END_TEST

START_TEST(a_token_that_is_cancelled_before_lets_nothing_run)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        char error[64];
        parcel_options options = *SHAPED(shape, .cancel = &shared->token);
        parcel_calls *calls = squares(shape.size);
        parcel_cancel(&shared->token);
        HOLDS(shape, parcel_token_cancelled(&shared->token));
        parcel_results *results = parcel_run(&options, calls);
        snprintf(error, sizeof error, "cancelled by its token: 0 of %zu call%s had run", shape.size,
                 shape.size == 1 ? "" : "s");
        for (size_t i = 0; i < shape.size; i++)
            HOLDS(shape, is_cancelled(results, i, "not started: cancelled by its token"));
        if (shape.size > 0)
            ck_assert_str_eq(parcel_results_error(results), error);
        else
            ck_ran_well(results);
        parcel_results_free(results);
        parcel_token_reset(&shared->token);
        results = run_and_free(&options, calls);
        HOLDS(shape, are_squares(results, shape.size));
        parcel_results_free(results);
    }
}
END_TEST

/* What is not used is not in the way: all limits are given, and none is reached. */
START_TEST(a_run_within_its_limits_is_as_without)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);)
        HOLDS(shape, squares_run(SHAPED(shape, .cancel = &shared->token, .deadline = 1e6,
                                        .handle_signals = PARCEL_YES, .halt = "now,fail=1"),
                                 shape.size));
}
END_TEST

/* ---- from another thread ---- */

static void *cancel_when_begun(void *argument)
{
    meet(&shared->meeting, 2);
    parcel_cancel(argument);
    return NULL;
}

static int meet_and_wait(void)
{
    take_time();
    if (atomic_fetch_add(&tally->started, 1) == 0)
        meet(&shared->meeting, 2);
    while (!parcel_cancelled())
        sched_yield();
    return 7;
}
DELAYED(int, meet_and_wait);

START_TEST(another_thread_cancels_a_run)
{
    for (struct shape shape = {0}; next_shape_of_one_program(_i, &shape);) {
        pthread_t thread;
        if (shape.size == 0)
            continue;
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(meet_and_wait)());
        atomic_store(&tally->started, 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel_when_begun, &shared->token), 0);
        parcel_results *results = run_and_free(SHAPED(shape, .cancel = &shared->token), calls);
        pthread_join(thread, NULL);
        HOLDS(shape, atomic_load(&tally->started) <= shape.workers);
        check_stopped(shape, results, told[BY_TOKEN].message, told[BY_TOKEN].error);
        parcel_results_free(results);
        parcel_token_reset(&shared->token);
    }
}
END_TEST

/* ---- halt ---- */

enum { STEP = 5, FIRST = 3, ENOUGH = 3 }; /* the calls 3, 8, 13, ... fail; three are enough */

static int fail_at_step(int i)
{
    if (i % STEP == FIRST)
        parcel_fail("bad %d", i);
    return 7;
}
DELAYED(int, fail_at_step, int);

static parcel_results *run_failing(const parcel_options *options, size_t size)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < size; i++)
        parcel_calls_add(calls, delayed(fail_at_step)((int)i));
    return run_and_free(options, calls);
}

START_TEST(a_run_stops_at_so_many_failures)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        const parcel_options options[] = {*SHAPED(shape, .max_failures = ENOUGH),
                                          *SHAPED(shape, .halt = "soon,fail=3", .batch_size = 4),
                                          *SHAPED(shape, .halt = "now,fail=3")};
        for (size_t k = 0; k < LENGTH(options); k++) {
            parcel_results *results = run_failing(&options[k], shape.size);
            size_t failures = parcel_results_failures(results);
            HOLDS(shape, (failures >= ENOUGH) == (shape.size > FIRST));
            HOLDS(shape, failures < (size_t)(ENOUGH + shape.workers));
            for (size_t i = 0; i < shape.size; i++) {
                parcel_status status = parcel_results_status(results, i);
                HOLDS(shape, status == PARCEL_CANCELLED ||
                                 status == (i % STEP == FIRST ? PARCEL_FAILED : PARCEL_OK));
                HOLDS(shape, shape.workers > 1 ||
                                 (status == PARCEL_CANCELLED) == (i > FIRST + STEP * (ENOUGH - 1)));
            }
            if (failures > 0)
                ck_contains(parcel_results_error(results), " of 1009 calls failed; first: call ");
            parcel_results_free(results);
        }
    }
}
END_TEST

START_TEST(one_worker_stops_exactly_where_halt_says)
{
    static const struct {
        const char *halt;
        size_t ran;
    } cases[] = {
        {"soon,done=1", 1},    {"soon,done=10%", 101},         {"now,done=100%", MOST_CALLS},
        {"soon,success=4", 5}, {"now,fail=1%", 4 + 10 * STEP}, {"never", MOST_CALLS},
    };
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        for (size_t k = 0; k < LENGTH(cases) && shape.workers == 1 && shape.size > 2; k++) {
            parcel_results *results = run_failing(SHAPED(shape, .halt = cases[k].halt), shape.size);
            size_t ran = 0;
            for (size_t i = 0; i < shape.size; i++)
                ran += parcel_results_status(results, i) != PARCEL_CANCELLED;
            ck_assert_msg(ran == cases[k].ran, "%s: %zu", cases[k].halt, ran);
            parcel_results_free(results);
        }
    }
}
END_TEST

/* ---- signals ---- */

static atomic_int own_handler_ran;

static void count_own(int number)
{
    (void)number;
    atomic_fetch_add(&own_handler_ran, 1);
}

START_TEST(the_old_action_of_a_signal_is_put_back)
{
    struct sigaction action = {.sa_handler = count_own};
    sigemptyset(&action.sa_mask);
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        sigaction(SIGINT, &action, NULL);
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(stop_first_or_wait)(BY_SIGNAL));
        atomic_store(&tally->started, 0);
        parcel_results_free(run_and_free(SHAPED(shape, .handle_signals = PARCEL_YES), calls));
        HOLDS(shape, atomic_load(&own_handler_ran) == 0);
        raise(SIGINT);
        HOLDS(shape, atomic_exchange(&own_handler_ran, 0) == 1);
    }
}
END_TEST

/* Runs the call in a program of its own, which gets SIGTERM behind it when it has returned. Returns
 * what became of the program; an exit status of 3: it went on, with the result. */
static int status_of_program(struct shape shape, parcel_call call)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGTERM, SIG_DFL); /* Check's own action signals the whole process group */
        shared->runner = getpid();
        parcel_calls *calls = parcel_calls_new();
        parcel_calls_add(calls, call);
        parcel_results *results =
            run_and_free(SHAPED(shape, .handle_signals = PARCEL_YES, .batch_size = 1), calls);
        if (parcel_results_status(results, 0) != PARCEL_OK)
            _exit(4);
        raise(SIGTERM);
        _exit(3);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

static bool is_program(struct shape shape)
{
    return shape.size == 2 && shape.workers <= 2 && !has_ranks(shape);
}

/* Signals that are pending count once: the second waits for the first. */
static void signal_twice(void)
{
    take_time();
    kill(shared->runner, SIGTERM);
    while (!parcel_cancelled())
        sched_yield();
    kill(shared->runner, SIGTERM);
}
DELAYED(void, signal_twice);

/* Within a second, which a program that others keep from the cpu may need: then once more. */
static int status_of_signals_at_once(struct shape shape)
{
    for (;;) {
        double before = now();
        int status = status_of_program(shape, delayed(signal_twice)());
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM || now() - before < 1)
            return status;
    }
}

/* As timeout(1) does: they are one, in the run and behind it. */
START_TEST(two_signals_at_once_stop_the_run_and_nothing_else)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (!is_program(shape))
            continue;
        int status = status_of_signals_at_once(shape);
        HOLDS(shape, WIFEXITED(status) && WEXITSTATUS(status) == 3);
    }
}
END_TEST

/* A worker process goes on when it is asked to end, as a thread does. It may outlive its program by
 * an instant, and means no other. */
static void signal_until_it_ends(void)
{
    pid_t runner = shared->runner;
    take_time();
    for (;;)
        kill(runner, SIGTERM);
}
DELAYED(void, signal_until_it_ends);

START_TEST(a_later_signal_ends_the_process)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (!is_program(shape))
            continue;
        int status = status_of_program(shape, delayed(signal_until_it_ends)());
        HOLDS(shape, WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    }
}
END_TEST

static void signal_once(void)
{
    kill(shared->runner, SIGTERM);
}
DELAYED(void, signal_once);

START_TEST(an_ignored_signal_stays_ignored)
{
    signal(SIGTERM, SIG_IGN);
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (shape.size != 2)
            continue;
        parcel_calls *calls = squares(4);
        parcel_calls_add(calls, delayed(signal_once)());
        parcel_results *results = run_and_free(SHAPED(shape, .handle_signals = PARCEL_YES), calls);
        ck_ran_well(results);
        parcel_results_free(results);
    }
    signal(SIGTERM, SIG_DFL);
}
END_TEST

/* ---- runs inside of calls ---- */

static int run_inside(void)
{
    take_time();
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(stop_first_or_wait)(BY_TOKEN));
    parcel_results *results = run_and_free(NULL, calls);
    const char *error = parcel_results_error(results);
    bool is_told = error && strstr(error, "cancelled with the call around it: ");
    parcel_results_free(results);
    return is_told ? 7 : 0;
}
DELAYED(int, run_inside);

START_TEST(a_run_inside_a_cancelled_call_stops_too)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (shape.size == 0)
            continue;
        parcel_calls *calls = parcel_calls_new();
        parcel_calls_add(calls, delayed(run_inside)());
        atomic_store(&tally->started, 0);
        parcel_results *results = run_and_free(SHAPED(shape, .cancel = &shared->token), calls);
        HOLDS(shape, parcel_get(results, 0, int) == 7);
        ck_ran_well(results); /* its one call ran */
        parcel_results_free(results);
        parcel_token_reset(&shared->token);
    }
}
END_TEST

START_TEST(null_tokens_are_harmless)
{
    parcel_cancel(NULL);
    parcel_token_reset(NULL);
    ck_assert(!parcel_token_cancelled(NULL));
    parcel_stop(); /* outside of any call */
    parcel_stop_in(NULL);
    ck_assert(squares_run(NULL, 10));
}
END_TEST

void add_control_tests(TCase *tests, int backends)
{
    tcase_add_loop_test(tests, a_run_that_is_stopped_hands_out_nothing_more_and_says_why, 0,
                        backends);
    tcase_add_loop_test(tests, a_token_that_is_cancelled_before_lets_nothing_run, 0, backends);
    tcase_add_loop_test(tests, a_run_within_its_limits_is_as_without, 0, backends);
    tcase_add_loop_test(tests, another_thread_cancels_a_run, 0, backends);
    tcase_add_loop_test(tests, a_run_stops_at_so_many_failures, 0, backends);
    tcase_add_loop_test(tests, one_worker_stops_exactly_where_halt_says, 0, backends);
    tcase_add_loop_test(tests, the_old_action_of_a_signal_is_put_back, 0, backends);
    tcase_add_loop_test(tests, two_signals_at_once_stop_the_run_and_nothing_else, 0, backends);
    tcase_add_loop_test(tests, a_later_signal_ends_the_process, 0, backends);
    tcase_add_loop_test(tests, an_ignored_signal_stays_ignored, 0, backends);
    tcase_add_loop_test(tests, a_run_inside_a_cancelled_call_stops_too, 0, backends);
    tcase_add_test(tests, null_tokens_are_harmless);
}

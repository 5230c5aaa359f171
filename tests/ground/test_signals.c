/*
 * test_signals.c: what SIGINT and SIGTERM mean to runs that ask for them.
 *
 * When they come is a number where it decides; real ones are raised in a child, which they may end.
 */
#include "suite.h"

#include "ground/signals.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what a signal means, by a clock of the test ---- */

static struct parcel__signals signals;

static void begin(void)
{
    atomic_init(&signals.runs, 0);
    atomic_init(&signals.last, -INFINITY);
    atomic_init(&signals.expected, -INFINITY);
}

static enum parcel__verdict term_at(double now)
{
    return parcel__signals_judge(&signals, SIGTERM, now);
}

START_TEST(a_second_one_at_once_is_the_same)
{
    begin();
    unsigned mark = parcel__signals_enter(&signals);
    ck_assert_int_eq(parcel__signals_since(&signals, mark), 0);
    ck_assert_int_eq(term_at(100), PARCEL__STOPS_RUNS);
    ck_assert_int_eq(parcel__signals_since(&signals, mark), SIGTERM);
    ck_assert_int_eq(term_at(100), PARCEL__IS_THE_SAME);
    ck_assert_int_eq(parcel__signals_judge(&signals, SIGINT, 101), PARCEL__IS_THE_SAME);
    ck_assert_int_eq(parcel__signals_since(&signals, mark), SIGTERM);
    ck_assert_int_eq(term_at(101.001), PARCEL__ENDS);
}
END_TEST

/* Also when the run that it was meant for has returned. */
START_TEST(without_runs_one_that_is_not_the_same_ends)
{
    begin();
    ck_assert(!parcel__signals_linger(&signals, 100));
    unsigned mark = parcel__signals_enter(&signals);
    ck_assert_int_eq(term_at(100), PARCEL__STOPS_RUNS);
    parcel__signals_leave(&signals, mark);
    ck_assert(parcel__signals_linger(&signals, 100.5));
    ck_assert_int_eq(term_at(100.5), PARCEL__IS_THE_SAME);
    ck_assert(!parcel__signals_linger(&signals, 101.5));
    ck_assert_int_eq(term_at(101.5), PARCEL__ENDS);
}
END_TEST

/* A run that begins later has its own first signal, at once or later. */
START_TEST(a_run_that_knows_of_none_is_stopped)
{
    for (int is_late = 0; is_late < 2; is_late++) {
        begin();
        unsigned first = parcel__signals_enter(&signals);
        ck_assert_int_eq(term_at(100), PARCEL__STOPS_RUNS);
        parcel__signals_leave(&signals, first);
        unsigned second = parcel__signals_enter(&signals);
        ck_assert_int_eq(parcel__signals_since(&signals, second), 0);
        ck_assert_int_eq(term_at(is_late ? 500 : 100.1), PARCEL__STOPS_RUNS);
        ck_assert_int_eq(parcel__signals_since(&signals, second), SIGTERM);
        ck_assert_int_eq(term_at(is_late ? 501 : 100.2), PARCEL__IS_THE_SAME);
        ck_assert_int_eq(term_at(502), PARCEL__ENDS);
    }
}
END_TEST

/* The user of the one that was stopped does not want to wait for it. */
START_TEST(a_run_that_was_stopped_and_goes_on_lets_the_next_one_end)
{
    begin();
    unsigned first = parcel__signals_enter(&signals);
    ck_assert_int_eq(term_at(100), PARCEL__STOPS_RUNS);
    unsigned second = parcel__signals_enter(&signals);
    ck_assert_int_eq(term_at(100.5), PARCEL__STOPS_RUNS);
    ck_assert_int_eq(parcel__signals_since(&signals, second), SIGTERM);
    unsigned third = parcel__signals_enter(&signals);
    ck_assert_int_eq(term_at(102), PARCEL__ENDS);
    begin();
    first = parcel__signals_enter(&signals);
    ck_assert_int_eq(term_at(100), PARCEL__STOPS_RUNS);
    third = parcel__signals_enter(&signals);
    parcel__signals_leave(&signals, first);
    ck_assert_int_eq(term_at(102), PARCEL__STOPS_RUNS);
    ck_assert_int_eq(parcel__signals_since(&signals, third), SIGTERM);
}
END_TEST

/* Each process of a job gets its own, of which one may have been told before. */
START_TEST(one_that_was_told_of_comes_once)
{
    for (int is_open = 0; is_open < 2; is_open++) {
        begin();
        unsigned mark = parcel__signals_enter(&signals);
        parcel__signals_expect(&signals, SIGINT, 100);
        ck_assert_int_eq(parcel__signals_since(&signals, mark), SIGINT);
        if (!is_open)
            parcel__signals_leave(&signals, mark);
        ck_assert(parcel__signals_linger(&signals, 110));
        ck_assert_int_eq(term_at(110), PARCEL__IS_THE_SAME);
        ck_assert_int_eq(term_at(111), PARCEL__IS_THE_SAME);
        ck_assert(!parcel__signals_linger(&signals, 111.5));
        ck_assert_int_eq(term_at(111.5), PARCEL__ENDS);
    }
}
END_TEST

START_TEST(one_that_was_told_of_long_ago_is_another)
{
    begin();
    unsigned mark = parcel__signals_enter(&signals);
    parcel__signals_expect(&signals, SIGTERM, 100);
    ck_assert(!parcel__signals_linger(&signals, 110.5));
    ck_assert_int_eq(term_at(110.5), PARCEL__ENDS);
    parcel__signals_leave(&signals, mark);
    mark = parcel__signals_enter(&signals);
    ck_assert_int_eq(term_at(120), PARCEL__STOPS_RUNS);
    ck_assert_int_eq(parcel__signals_since(&signals, mark), SIGTERM);
}
END_TEST

static atomic_int n_verdicts[PARCEL__ENDS + 1];
static struct meeting meeting;

static void *handle_one(void *state)
{
    (void)state;
    meet(&meeting, 4);
    atomic_fetch_add(&n_verdicts[term_at(100)], 1);
    return NULL;
}

/* Several threads may handle one each at the same time. */
START_TEST(none_of_several_at_the_same_time_ends_the_process)
{
    for (int round = 0; round < 200; round++) {
        pthread_t threads[4];
        begin();
        meeting = (struct meeting)MEETING;
        unsigned mark = parcel__signals_enter(&signals);
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, handle_one, NULL), 0);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        ck_assert_int_eq(atomic_load(&n_verdicts[PARCEL__ENDS]), 0);
        ck_assert_int_ge(atomic_exchange(&n_verdicts[PARCEL__STOPS_RUNS], 0), 1);
        ck_assert_int_eq(parcel__signals_since(&signals, mark), SIGTERM);
    }
}
END_TEST

/* ---- real ones ---- */

static void (*handler_of(int number))(int)
{
    struct sigaction action;
    sigaction(number, NULL, &action);
    return action.sa_handler;
}

/* Runs that overlap share the handler; who begins after a signal has not seen it. */
START_TEST(runs_that_overlap_share_the_handler)
{
    void (*before)(int) = handler_of(SIGTERM);
    unsigned first = parcel__signals_open();
    unsigned second = parcel__signals_open();
    ck_assert_int_eq(parcel__signals_seen(first), 0);
    parcel__signals_close(second);
    ck_assert(handler_of(SIGTERM) != before);
    raise(SIGTERM);
    ck_assert_int_eq(parcel__signals_seen(first), SIGTERM);
    ck_assert_int_eq(parcel__signals_seen(second), SIGTERM);
    unsigned third = parcel__signals_open();
    ck_assert_int_eq(parcel__signals_seen(third), 0);
    parcel__signals_close(third);
    parcel__signals_close(first);
    ck_assert(handler_of(SIGTERM) == before || before == SIG_DFL);
}
END_TEST

/* What the child exits with; -SIGTERM when that ends it. */
static int in_child(int (*act)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGTERM, SIG_DFL); /* Check has a handler */
        signal(SIGINT, SIG_DFL);
        _exit(act());
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int be_stopped(void)
{
    unsigned mark = parcel__signals_open();
    raise(SIGTERM);
    raise(SIGTERM);
    int seen = parcel__signals_seen(mark);
    parcel__signals_close(mark);
    raise(SIGTERM);
    raise(SIGINT);
    return seen == SIGTERM ? 3 : 4;
}

START_TEST(the_program_outlives_two_at_once)
{
    ck_assert_int_eq(in_child(be_stopped), 3);
}
END_TEST

static int be_told(void)
{
    unsigned mark = parcel__signals_open();
    parcel__signals_hear(SIGTERM);
    int seen = parcel__signals_seen(mark);
    parcel__signals_close(mark);
    raise(SIGTERM);
    raise(SIGTERM);
    return seen == SIGTERM ? 3 : 4;
}

START_TEST(the_program_outlives_its_own_when_it_was_told)
{
    ck_assert_int_eq(in_child(be_told), 3);
}
END_TEST

static int be_stopped_often(void)
{
    be_stopped();
    for (;;)
        raise(SIGTERM);
    return 4;
}

START_TEST(one_that_comes_later_ends_the_program)
{
    ck_assert_int_eq(in_child(be_stopped_often), -SIGTERM);
}
END_TEST

static int end_before(void)
{
    parcel__signals_close(parcel__signals_open());
    raise(SIGTERM);
    return 4;
}

START_TEST(a_run_that_was_not_stopped_leaves_nothing_behind)
{
    ck_assert_int_eq(in_child(end_before), -SIGTERM);
}
END_TEST

static int end_child(void)
{
    raise(SIGTERM);
    return 4;
}

static int fork_in_a_run(void)
{
    int status = 0;
    unsigned mark = parcel__signals_open();
    pid_t child = fork();
    if (child == 0)
        _exit(end_child());
    waitpid(child, &status, 0);
    parcel__signals_close(mark);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 3 : 4;
}

static int run_in_a_fork(void)
{
    int status = 0;
    unsigned mark = parcel__signals_open();
    raise(SIGTERM);
    pid_t child = fork();
    if (child == 0)
        _exit(be_stopped());
    waitpid(child, &status, 0);
    parcel__signals_close(mark);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 4;
}

/* A child that is forked meanwhile has none of the runs, but may have its own. */
START_TEST(a_forked_child_has_signals_of_its_own)
{
    ck_assert_int_eq(in_child(fork_in_a_run), 3);
    ck_assert_int_eq(in_child(run_in_a_fork), 3);
}
END_TEST

static atomic_int n_own;

static void count_own(int number)
{
    (void)number;
    atomic_fetch_add(&n_own, 1);
}

static int have_own_handler(void)
{
    signal(SIGTERM, count_own);
    unsigned mark = parcel__signals_open();
    raise(SIGTERM);
    parcel__signals_close(mark);
    raise(SIGTERM);
    return 3 + (atomic_load(&n_own) != 1) + (handler_of(SIGTERM) != count_own);
}

START_TEST(the_programs_own_handler_is_back_at_once)
{
    ck_assert_int_eq(in_child(have_own_handler), 3);
}
END_TEST

static int be_stopped_again(void)
{
    be_stopped();
    signal(SIGINT, count_own); /* while the handler lingers */
    int second = be_stopped();
    return second == 3 && handler_of(SIGINT) == count_own && atomic_load(&n_own) == 1 ? 3 : 4;
}

START_TEST(the_next_run_finds_the_handler_that_lingers)
{
    ck_assert_int_eq(in_child(be_stopped_again), 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("signals");
    TCase *tests = suite_case(suite, "meaning");
    tcase_add_test(tests, a_second_one_at_once_is_the_same);
    tcase_add_test(tests, without_runs_one_that_is_not_the_same_ends);
    tcase_add_test(tests, a_run_that_knows_of_none_is_stopped);
    tcase_add_test(tests, a_run_that_was_stopped_and_goes_on_lets_the_next_one_end);
    tcase_add_test(tests, one_that_was_told_of_comes_once);
    tcase_add_test(tests, one_that_was_told_of_long_ago_is_another);
    tcase_add_test(tests, none_of_several_at_the_same_time_ends_the_process);
    tests = suite_case(suite, "real ones");
    tcase_add_test(tests, runs_that_overlap_share_the_handler);
    tcase_add_test(tests, the_program_outlives_two_at_once);
    tcase_add_test(tests, the_program_outlives_its_own_when_it_was_told);
    tcase_add_test(tests, one_that_comes_later_ends_the_program);
    tcase_add_test(tests, a_run_that_was_not_stopped_leaves_nothing_behind);
    tcase_add_test(tests, a_forked_child_has_signals_of_its_own);
    tcase_add_test(tests, the_programs_own_handler_is_back_at_once);
    tcase_add_test(tests, the_next_run_finds_the_handler_that_lingers);
    return suite_run(suite);
}

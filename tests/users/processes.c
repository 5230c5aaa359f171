/* processes.c: how calls and workers end; see processes.h. */
#include "processes.h"

#include <math.h>
#include <sys/resource.h>

struct shared *shared;

int count_begin(int i)
{
    atomic_fetch_add(&shared->n_begun, 1);
    return atomic_fetch_add(&shared->begun[i], 1);
}

void await_begun(int count)
{
    while (atomic_load(&shared->n_begun) < count)
        sched_yield();
}

static void take_shared(void)
{
    shared = parcel_shared_alloc(sizeof *shared);
}

static void give_back(void)
{
    parcel_shared_free(shared);
}

TCase *processes_case(Suite *suite, const char *name)
{
    TCase *tests = suite_case(suite, name);
    tcase_add_checked_fixture(tests, take_shared, give_back);
    return tests;
}

/* ---- deaths ---- */

static volatile int *volatile nowhere = (volatile int *)8;

static void segfault(void)
{
    *nowhere = 0;
}

static void kill_itself(void)
{
    raise(SIGKILL);
}

static void exit_0(void)
{
    exit(0);
}

static void exit_3(void)
{
    exit(3);
}

static void exit_at_once(void)
{
    _exit(4);
}

static void exit_quickly(void)
{
    quick_exit(5);
}

static void divide_by_zero(void)
{
    raise(SIGFPE);
}

__attribute__((noinline)) static int overflow(volatile char *above)
{
    volatile char here[4096];
    here[0] = *above;
    return *above == 0 ? overflow(here) + here[0] : 0;
}

static void overflow_stack(void)
{
    volatile char top = 0;
    overflow(&top);
}

#if !SUITE_IS_SANITIZED
/* More than the limit gives; what is done about it is the call's own. */
static void run_out_of_memory(void)
{
    static void *volatile taken;
    const struct rlimit limit = {1 << 20, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &limit);
    while ((taken = malloc(1 << 16)) != NULL)
        continue;
    abort();
}
#endif

static const struct {
    void (*die)(void);
    const char *message;
} deaths[] = {
    {segfault, "worker killed by SIGSEGV (address 0x8)"},
    {abort, "worker killed by SIGABRT"},
    {kill_itself, "worker killed by SIGKILL"},
    {divide_by_zero, "worker killed by SIGFPE"},
    {exit_0, "worker " EXITED(0)},
    {exit_3, "worker " EXITED(3)},
    {exit_at_once, "worker exited with status 4"},
    {exit_quickly, "worker ended by quick_exit"},
    {overflow_stack, "worker killed by SIGSEGV (address 0x"},
#if !SUITE_IS_SANITIZED
    {run_out_of_memory, "worker killed by SIGABRT"},
#endif
};

/* Dies of it when it runs for the first times. */
static int die(int i, int death, int times)
{
    if (count_begin(i) < times)
        deaths[death].die();
    return 3 * i;
}
DELAYED(int, die, int, int, int);

/* Some calls, one of which dies. */
static parcel_calls *with_death(int count, int who, int death, int times)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(die)(i, death, i == who ? times : 0));
    return calls;
}

/* Short calls overrun too, where others have their cpu: then the record says so. */
static bool is_late(const parcel_results *results, size_t i, double allowed)
{
    return parcel_results_status(results, i) == PARCEL_TIMED_OUT &&
           parcel_results_duration(results, i) >= allowed * 0.999;
}

/* All but one have their values, and ran once, if they were allowed the time. */
static void check_others_within(const parcel_results *results, size_t who, double allowed)
{
    for (size_t i = 0; i < parcel_results_count(results); i++) {
        if (i == who || is_late(results, i, allowed))
            continue;
        ck_assert_int_eq(parcel_get_or(results, i, int, -1), 3 * (int)i);
        ck_assert_int_eq(atomic_load(&shared->begun[i]), 1);
        ck_assert_int_eq(parcel_results_attempts(results, i), 1);
    }
}

static void check_others(const parcel_results *results, size_t who)
{
    check_others_within(results, who, INFINITY);
}

static void check_lost(const parcel_results *results, size_t who, const char *message, int attempts)
{
    ck_assert_int_eq(parcel_results_status(results, who), PARCEL_LOST);
    ck_assert_msg(strncmp(parcel_results_message(results, who), message, strlen(message)) == 0,
                  "'%s'", parcel_results_message(results, who));
    ck_assert_int_eq(parcel_results_attempts(results, who), attempts);
    ck_assert_int_eq(atomic_load(&shared->begun[who]), attempts);
    ck_assert_int_gt(parcel_results_pid(results, who), 0);
    ck_assert_int_ne(parcel_results_pid(results, who), getpid());
}

START_TEST(a_call_that_dies_loses_only_itself)
{
    char error[128];
    parcel_results *results = RUN(2, with_death(40, 7, _i, 99), .on_error = PARCEL_COLLECT);
    check_lost(results, 7, deaths[_i].message, 1);
    check_others(results, 7);
    snprintf(error, sizeof error, "1 of 40 calls failed; first: call 7, die(7, %d, 99): %s", _i,
             deaths[_i].message);
    ck_contains(parcel_results_error(results), error);
    parcel_results_free(results);
}
END_TEST

START_TEST(retries_apply_to_crashes)
{
    parcel_results *results = RUN(2, with_death(40, 7, _i, 2), .retries = 2);
    ck_ran_well(results);
    ck_assert_int_eq(parcel_get_or(results, 7, int, -1), 21);
    ck_assert_int_eq(parcel_results_attempts(results, 7), 3);
    check_others(results, 7);
    parcel_results_free(results);
}
END_TEST

START_TEST(retries_come_to_an_end)
{
    parcel_results *results =
        RUN(2, with_death(40, 7, _i, 99), .retries = 2, .on_error = PARCEL_COLLECT);
    check_lost(results, 7, deaths[_i].message, 3);
    check_others(results, 7);
    parcel_results_free(results);
}
END_TEST

START_TEST(batch_mates_of_a_crash_run_once)
{
    for (int who = 0; who < 20; who++) {
        memset(shared, 0, sizeof *shared);
        parcel_results *results = RUN(1 + who % 3, with_death(20, who, 0, 99), .batch_size = 20,
                                      .on_error = PARCEL_COLLECT);
        check_lost(results, (size_t)who, deaths[0].message, 1);
        check_others(results, (size_t)who);
        parcel_results_free(results);
    }
}
END_TEST

START_TEST(a_run_in_which_all_calls_crash_ends)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 30; i++)
        parcel_calls_add(calls, delayed(die)(i, i % 5, 99));
    parcel_results *results = RUN(3, calls, .on_error = PARCEL_COLLECT);
    ck_assert_uint_eq(parcel_results_failures(results), 30);
    for (size_t i = 0; i < 30; i++)
        check_lost(results, i, deaths[i % 5].message, 1);
    parcel_results_free(results);
}
END_TEST

START_TEST(a_crash_stops_the_run_unless_failures_are_collected)
{
    parcel_results *results = RUN(1, with_death(200, 0, 0, 99), .batch_size = 1);
    check_lost(results, 0, deaths[0].message, 1);
    for (size_t i = 1; i < 200; i++)
        ck_assert_int_eq(parcel_results_status(results, i), PARCEL_NOT_RUN);
    parcel_results_free(results);
}
END_TEST

static bool take_one(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    int *taken = state;
    taken[index] += record->status == PARCEL_OK ? (int)value.as.int64 == 3 * (int)index
                                                : strstr(record->message, "SIGSEGV") != NULL;
    return true;
}

START_TEST(a_stream_goes_on_after_a_crash)
{
    int taken[40] = {0};
    parcel_results *results = RUN(2, with_death(40, 7, 0, 99), .on_error = PARCEL_COLLECT,
                                  .on_result = take_one, .on_result_state = taken);
    ck_assert_uint_eq(parcel_results_failures(results), 1);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(taken[i], 1);
    parcel_results_free(results);
}
END_TEST

/* ---- ends that others make ---- */

enum { HEEDS_NOTHING = 1, IGNORES_TERM, STOPS, RETURNS };

static int hang(int i, int how)
{
    count_begin(i);
    if (how == IGNORES_TERM)
        signal(SIGTERM, SIG_IGN);
    if (how == STOPS)
        raise(SIGSTOP);
    for (volatile unsigned k = 0; how != 0; k = k + 1)
        if (how == RETURNS && parcel_cancelled())
            return -i;
    return 3 * i;
}
DELAYED(int, hang, int, int);

/* Some calls, one of which hangs in this way. */
static parcel_calls *with_hang(int count, int who, int how)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(hang)(i, i == who ? how : 0));
    return calls;
}

START_TEST(a_call_that_overruns_is_ended)
{
    parcel_results *results = RUN(2, with_hang(20, 7, _i), .timeout = 1, .kill_after = 0.01,
                                  .retries = 3, .on_error = PARCEL_COLLECT);
    ck_assert_int_eq(parcel_results_status(results, 7), PARCEL_TIMED_OUT);
    ck_contains(parcel_results_message(results, 7), "timed out: ");
    ck_contains(parcel_results_message(results, 7), " s, 1 s allowed");
    if (_i != RETURNS) /* that one is killed, too, when it returns late */
        ck_contains(parcel_results_message(results, 7), "; its worker was killed");
    ck_assert_int_eq(atomic_load(&shared->begun[7]), 1);
    check_others_within(results, 7, 1);
    parcel_results_free(results);
}
END_TEST

static bool retry_always(void *state, size_t index, const char *message, int attempts)
{
    (void)state, (void)index, (void)attempts;
    return strstr(message, "timed out") != NULL;
}

START_TEST(a_call_that_overruns_is_retried_when_retry_if_says_so)
{
    parcel_results *results = RUN(2, with_hang(3, 1, HEEDS_NOTHING), .timeout = 0.5, .retries = 2,
                                  .retry_if = retry_always, .on_error = PARCEL_COLLECT);
    ck_assert_int_eq(parcel_results_status(results, 1), PARCEL_TIMED_OUT);
    ck_assert_int_eq(parcel_results_attempts(results, 1), 3);
    check_others(results, 1);
    parcel_results_free(results);
}
END_TEST

/* The first call returns when the signal that is to end its worker has come, and keeps it from
 * that; the others let it through. */
static int put_off(int i)
{
    sigset_t term, pending;
    count_begin(i);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(i == 0 ? SIG_BLOCK : SIG_UNBLOCK, &term, NULL);
    do
        sigpending(&pending);
    while (i == 0 && !sigismember(&pending, SIGTERM));
    return 3 * i;
}
DELAYED(int, put_off, int);

START_TEST(a_signal_that_comes_late_ends_no_other_call)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 5; i++)
        parcel_calls_add(calls, delayed(put_off)(i));
    parcel_results *results = RUN(2, calls, .timeout = 0.1, .on_error = PARCEL_COLLECT,
                                  .batch_size = 5, .halt = _i ? "soon,fail=5" : "never");
    ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_TIMED_OUT);
    check_others_within(results, 0, 0.1);
    parcel_results_free(results);
}
END_TEST

static void *cancel_begun(void *token)
{
    await_begun(1);
    parcel_cancel(token);
    return NULL;
}

/* The other calls may have run or not; the one that hangs is the first. */
static void check_ended(const parcel_results *results, const char *error)
{
    ck_contains(parcel_results_error(results), error);
    ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_CANCELLED);
    ck_assert_int_eq(atomic_load(&shared->begun[0]), 1);
}

START_TEST(a_token_ends_calls_that_run)
{
    pthread_t thread;
    parcel_token token = {0};
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_begun, &token), 0);
    parcel_results *results = RUN(1, with_hang(1, 0, _i), .cancel = &token, .kill_after = 0.01);
    pthread_join(thread, NULL);
    check_ended(results, "cancelled");
    parcel_results_free(results);
}
END_TEST

/* A call that hangs in this way, with the shortest of some deadlines that its worker does not need
 * for its start. */
static parcel_results *run_until(double *deadline, int how, parcel_options options)
{
    options.backend = "processes";
    options.n_jobs = 1;
    for (*deadline = 0.05;; *deadline *= 2) {
        memset(shared, 0, sizeof *shared);
        options.deadline = *deadline;
        parcel_results *results = run_and_free(&options, with_hang(1, 0, how));
        if (atomic_load(&shared->n_begun) > 0)
            return results;
        parcel_results_free(results);
    }
}

START_TEST(a_deadline_ends_calls_that_run)
{
    double deadline;
    parcel_results *results = run_until(&deadline, _i, (parcel_options){.kill_after = 0.01});
    check_ended(results, "deadline");
    parcel_results_free(results);
}
END_TEST

static int fail_after_another(int i)
{
    await_begun(1);
    parcel_fail("call %d failed", i);
    return 0;
}
DELAYED(int, fail_after_another, int);

START_TEST(halt_now_ends_calls_that_run)
{
    parcel_calls *calls = with_hang(1, 0, _i);
    parcel_calls_add(calls, delayed(fail_after_another)(1));
    parcel_results *results =
        RUN(2, calls, .halt = "now,fail=1", .batch_size = 1, .kill_after = 0.01);
    check_ended(results, "call 1 failed");
    parcel_results_free(results);
}
END_TEST

/* Calls that run are joined, however the run ends that is not asked to end them. */
static int outlast(int i)
{
    struct timespec moment = {0, 300000000};
    count_begin(i);
    nanosleep(&moment, NULL);
    return 3 * i;
}
DELAYED(int, outlast, int);

static int crash_after_another(int i)
{
    await_begun(1);
    segfault();
    return i;
}
DELAYED(int, crash_after_another, int);

START_TEST(a_failure_ends_no_call_that_runs)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(outlast)(0));
    parcel_calls_add(calls, delayed(crash_after_another)(1));
    parcel_results *results = RUN(2, calls, .batch_size = 1);
    ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_OK);
    ck_assert_int_eq(parcel_results_status(results, 1), PARCEL_LOST);
    parcel_results_free(results);
}
END_TEST

/* ---- workers that are replaced ---- */

static unsigned char *volatile leaked;

/* Each block points at the one before, so that a leak sanitizer has nothing to report. */
static int leak(size_t size)
{
    unsigned char *before = leaked;
    leaked = malloc(size);
    memset(leaked, 1, size);
    memcpy(leaked, &before, sizeof before);
    return getpid();
}
DELAYED(int, leak, size_t);

/* The number of processes that ran the calls; at most so many calls each. */
static int processes_of(const parcel_results *results, int most)
{
    int count = 0, pids[MOST_COUNTED], runs[MOST_COUNTED];
    ck_ran_well(results);
    for (size_t i = 0; i < parcel_results_count(results); i++) {
        int pid = parcel_results_pid(results, i), k = 0;
        ck_assert_int_eq(parcel_get_or(results, i, int, -1), pid);
        while (k < count && pids[k] != pid)
            k++;
        runs[k] = k < count ? runs[k] + 1 : 1;
        ck_assert_int_le(runs[k], most);
        pids[k] = pid;
        count += k == count;
    }
    return count;
}

static parcel_calls *leaks(int count, size_t size)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(leak)(size));
    return calls;
}

START_TEST(a_worker_is_replaced_after_its_last_call)
{
    for (int jobs = 1; jobs <= 3; jobs++) {
        parcel_results *results = RUN(jobs, leaks(20, 16), .max_calls_per_worker = 3);
        ck_assert_int_ge(processes_of(results, 3), 7);
        parcel_results_free(results);
    }
}
END_TEST

START_TEST(an_executor_counts_the_calls_of_all_its_runs)
{
    parcel_executor *executor = parcel_open(IN_PROCESSES(1, .max_calls_per_worker = 3));
    parcel_calls *calls = leaks(1, 16);
    int pids[7];
    for (int i = 0; i < 7; i++) {
        parcel_results *results = parcel_executor_run(executor, calls);
        pids[i] = parcel_get_or(results, 0, int, -1);
        parcel_results_free(results);
    }
    parcel_close(executor);
    parcel_calls_free(calls);
    for (int i = 1; i < 7; i++)
        ck_assert((pids[i] == pids[i - 1]) == (i % 3 != 0));
}
END_TEST

START_TEST(a_worker_that_leaks_is_replaced)
{
    parcel_results *results = RUN(1, leaks(12, 8 << 20), .max_worker_memory = 20 << 20);
    int count = processes_of(results, 4);
    ck_assert_int_ge(count, 3);
    ck_assert_int_le(count, 12);
    parcel_results_free(results);
}
END_TEST

static int use_much(size_t size)
{
    int pid = leak(size);
    free(leaked);
    return pid;
}
DELAYED(int, use_much, size_t);

/* What is freed is no leak, however much it was. A sanitizer keeps it. */
START_TEST(a_worker_that_frees_its_memory_is_kept)
{
    if (SUITE_IS_SANITIZED)
        return;
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 6; i++)
        parcel_calls_add(calls, delayed(use_much)(64 << 20));
    parcel_results *results = RUN(1, calls, .max_worker_memory = 20 << 20);
    ck_assert_int_eq(processes_of(results, 6), 1);
    parcel_results_free(results);
}
END_TEST

/* What stopped the run is said of a call that it ended, too. */
START_TEST(a_call_that_is_killed_with_its_run_says_so)
{
    char message[80];
    double deadline;
    parcel_results *results = run_until(&deadline, HEEDS_NOTHING, (parcel_options){0});
    snprintf(message, sizeof message, "killed as it ran: the deadline of %g s had passed",
             deadline);
    ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_CANCELLED);
    ck_assert_str_eq(parcel_results_message(results, 0), message);
    ck_assert_int_eq(parcel_results_attempts(results, 0), 1);
    ck_assert_int_gt(parcel_results_pid(results, 0), 0);
    ck_assert_uint_eq(parcel_results_failures(results), 0);
    ck_contains(parcel_results_error(results), ": 0 of 1 call had run");
    parcel_results_free(results);
}
END_TEST

static parcel_token own_token;

static void cancel_own(int i)
{
    if (i == 3)
        parcel_cancel(&own_token);
}
DELAYED(void, cancel_own, int);

/* The token is the program's, of which a call has a copy. */
START_TEST(a_call_may_cancel_its_run)
{
    for (int batch_size = 1; batch_size <= 5; batch_size++) { /* 1, 2, 4: it is its batch's last */
        parcel_calls *calls = parcel_calls_new();
        parcel_token_reset(&own_token);
        for (int i = 0; i < 1000; i++)
            parcel_calls_add(calls, delayed(cancel_own)(i));
        parcel_results *results = RUN(1, calls, .cancel = &own_token, .batch_size = batch_size);
        ck_contains(parcel_results_error(results),
                    "cancelled by its token: 4 of 1000 calls had run");
        ck_assert(parcel_token_cancelled(&own_token));
        parcel_results_free(results);
    }
}
END_TEST

/* ---- what is seen of workers ---- */

static void *start_worker(void *state, int worker)
{
    (void)state;
    int *made = malloc(2 * sizeof *made);
    atomic_fetch_add(&shared->started, 1);
    made[0] = worker;
    made[1] = getpid();
    return made;
}

static void end_worker(void *state, int worker, void *worker_state)
{
    const int *made = worker_state;
    atomic_fetch_add(&shared->ended, made[0] == worker && made[1] == getpid() && !state ? 1 : 1000);
    free(worker_state);
}

static int use_state(int i)
{
    const int *made = parcel_worker_state();
    count_begin(i);
    return made[0] == parcel_worker() && made[1] == getpid() ? getpid() : -1;
}
DELAYED(int, use_state, int);

#define WITH_WORKERS .on_worker_start = start_worker, .on_worker_end = end_worker

static void check_pids(const parcel_results *results)
{
    ck_ran_well(results);
    for (size_t i = 0; i < parcel_results_count(results); i++) {
        ck_assert_int_eq(parcel_get_or(results, i, int, -1), parcel_results_pid(results, i));
        ck_assert_int_ne(parcel_results_pid(results, i), getpid());
        ck_assert_int_lt(parcel_results_worker(results, i), parcel_results_workers(results));
        ck_assert_int_ge(parcel_results_worker(results, i), 0);
    }
}

START_TEST(workers_are_started_and_ended_in_their_processes)
{
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .batch_size = 1, WITH_WORKERS));
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 50; i++)
        parcel_calls_add(calls, delayed(use_state)(i));
    for (int run = 0; run < 3; run++) {
        parcel_results *results = parcel_executor_run(executor, calls);
        check_pids(results);
        parcel_results_free(results);
    }
    parcel_close(executor);
    parcel_calls_free(calls);
    ck_assert_int_ge(atomic_load(&shared->started), 1);
    ck_assert_int_le(atomic_load(&shared->started), 2);
    ck_assert_int_eq(atomic_load(&shared->ended), atomic_load(&shared->started));
}
END_TEST

START_TEST(a_worker_that_is_replaced_is_started_and_ended)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 9; i++)
        parcel_calls_add(calls, delayed(use_state)(i));
    parcel_results *results = RUN(1, calls, .max_calls_per_worker = 3, WITH_WORKERS);
    check_pids(results);
    ck_assert_int_eq(atomic_load(&shared->started), 3);
    ck_assert_int_eq(atomic_load(&shared->ended), 3);
    parcel_results_free(results);
}
END_TEST

static void *crash_at_start(void *state, int worker)
{
    (void)state, (void)worker;
    segfault();
    return NULL;
}

START_TEST(a_worker_that_crashes_at_its_start_stops_the_run)
{
    parcel_results *results = RUN(2, with_hang(10, 0, 0), .on_worker_start = crash_at_start);
    ck_contains(parcel_results_error(results), " could not start: ");
    ck_contains(parcel_results_error(results), "killed by SIGSEGV (address 0x8)");
    ck_assert_int_eq(atomic_load(&shared->n_begun), 0);
    parcel_results_free(results);
}
END_TEST

/* ---- the first call of a worker, behind on_worker_start ---- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

START_TEST(a_first_call_that_dies_loses_only_itself)
{
    parcel_results *results =
        RUN(1, with_death(5, 0, _i, 99), WITH_WORKERS, .on_error = PARCEL_COLLECT);
    check_lost(results, 0, deaths[_i].message, 1);
    check_others(results, 0);
    ck_assert_int_eq(atomic_load(&shared->started), 2);
    ck_assert_int_eq(atomic_load(&shared->ended), 1);
    parcel_results_free(results);
}
END_TEST

/* Each is the first of a worker that took the place of another. */
START_TEST(first_calls_that_die_are_retried)
{
    parcel_results *results =
        RUN(1, with_death(9, 4, 0, 2), WITH_WORKERS, .retries = 2, .max_calls_per_worker = 2);
    ck_ran_well(results);
    ck_assert_int_eq(parcel_results_attempts(results, 4), 3);
    check_others(results, 4);
    parcel_results_free(results);
}
END_TEST

START_TEST(a_run_in_which_all_first_calls_die_ends)
{
    int taken[30] = {0};
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 30; i++)
        parcel_calls_add(calls, delayed(die)(i, 0, 99));
    parcel_results *results = RUN(2, calls, WITH_WORKERS, .on_error = PARCEL_COLLECT,
                                  .on_result = _i ? take_one : NULL, .on_result_state = taken);
    ck_assert_uint_eq(parcel_results_failures(results), 30);
    ck_assert_int_eq(atomic_load(&shared->n_begun), 30);
    ck_assert_int_eq(atomic_load(&shared->started), 30);
    for (int i = 0; _i && i < 30; i++)
        ck_assert_int_eq(taken[i], 1);
    parcel_results_free(results);
}
END_TEST

START_TEST(a_first_call_that_overruns_is_ended)
{
    parcel_executor *executor =
        parcel_open(IN_PROCESSES(1, .timeout = 0.3, .kill_after = 0.01, WITH_WORKERS,
                                 .max_calls_per_worker = 1, .on_error = PARCEL_COLLECT));
    parcel_calls *calls = with_hang(3, 1, _i);
    parcel_results *results = parcel_executor_run(executor, calls);
    ck_assert_int_eq(parcel_results_status(results, 1), PARCEL_TIMED_OUT);
    ck_contains(parcel_results_message(results, 1), " s, 0.3 s allowed");
    ck_assert_int_eq(atomic_load(&shared->begun[1]), 1);
    check_others_within(results, 1, 0.3);
    parcel_results_free(results);
    parcel_calls_free(calls);
    parcel_close(executor);
}
END_TEST

START_TEST(a_first_call_is_ended_with_its_run)
{
    double deadline;
    parcel_results *results =
        run_until(&deadline, _i, (parcel_options){.kill_after = 0.01, WITH_WORKERS});
    check_ended(results, "deadline");
    parcel_results_free(results);
}
END_TEST

/* How long calls may run, and what was spent on starts, each of which takes twice as long. */
struct start {
    double allowed;
    double spent; /* written by the workers, one after the other */
};

static void *start_slowly(void *state, int worker)
{
    struct start *start = state;
    double before = now();
    while (now() - before < 2 * start->allowed)
        continue;
    start->spent += now() - before;
    return start_worker(NULL, worker);
}

/* True when none of the calls was late that return or die at once. */
static bool starts_take_no_time(struct start *start, bool ends)
{
    parcel_calls *calls = with_hang(1, 0, ends ? IGNORES_TERM : 0);
    parcel_calls_add(calls, delayed(die)(1, 0, ends));
    memset(shared, 0, sizeof *shared);
    start->spent = 0;
    double before = now();
    parcel_results *results = RUN(1, calls, .on_worker_start = start_slowly, .worker_state = start,
                                  .timeout = start->allowed, .kill_after = 0.01,
                                  .max_calls_per_worker = 1, .on_error = PARCEL_COLLECT);
    double all = now() - before;
    bool is_slow = is_late(results, 1, start->allowed);
    is_slow |= !ends && is_late(results, 0, start->allowed);
    ck_assert_int_eq(atomic_load(&shared->started), 2);
    ck_assert(parcel_results_total_time(results) <= all - start->spent);
    if (!is_slow) {
        ck_assert_int_eq(parcel_results_status(results, 0), ends ? PARCEL_TIMED_OUT : PARCEL_OK);
        ck_assert_int_eq(parcel_results_status(results, 1), ends ? PARCEL_LOST : PARCEL_OK);
    }
    parcel_results_free(results);
    return !is_slow;
}

/* Whether they return, die or are killed. Calls that others keep from the cpu are in time when they
 * are allowed more; if starts counted, they never were. */
START_TEST(first_calls_take_no_time_of_on_worker_start)
{
    struct start *start = parcel_shared_alloc(sizeof *start);
    start->allowed = 0.1;
    while (!starts_take_no_time(start, _i))
        start->allowed *= 2;
    parcel_shared_free(start);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("processes");
    TCase *tests = processes_case(suite, "ends");
    tcase_add_loop_test(tests, a_call_that_dies_loses_only_itself, 0, LENGTH(deaths));
    tcase_add_loop_test(tests, retries_apply_to_crashes, 0, LENGTH(deaths));
    tcase_add_loop_test(tests, retries_come_to_an_end, 0, LENGTH(deaths));
    tcase_add_test(tests, batch_mates_of_a_crash_run_once);
    tcase_add_test(tests, a_run_in_which_all_calls_crash_ends);
    tcase_add_test(tests, a_crash_stops_the_run_unless_failures_are_collected);
    tcase_add_test(tests, a_stream_goes_on_after_a_crash);
    tcase_add_loop_test(tests, a_call_that_overruns_is_ended, HEEDS_NOTHING, RETURNS + 1);
    tcase_add_test(tests, a_call_that_overruns_is_retried_when_retry_if_says_so);
    tcase_add_loop_test(tests, a_signal_that_comes_late_ends_no_other_call, 0, 2);
    tcase_add_loop_test(tests, a_token_ends_calls_that_run, HEEDS_NOTHING, STOPS + 1);
    tcase_add_loop_test(tests, a_deadline_ends_calls_that_run, HEEDS_NOTHING, STOPS + 1);
    tcase_add_loop_test(tests, halt_now_ends_calls_that_run, HEEDS_NOTHING, STOPS + 1);
    tcase_add_test(tests, a_failure_ends_no_call_that_runs);
    tcase_add_test(tests, a_worker_is_replaced_after_its_last_call);
    tcase_add_test(tests, an_executor_counts_the_calls_of_all_its_runs);
    tcase_add_test(tests, a_worker_that_leaks_is_replaced);
    tcase_add_test(tests, a_worker_that_frees_its_memory_is_kept);
    tcase_add_test(tests, a_call_that_is_killed_with_its_run_says_so);
    tcase_add_test(tests, a_call_may_cancel_its_run);
    tcase_add_test(tests, workers_are_started_and_ended_in_their_processes);
    tcase_add_test(tests, a_worker_that_is_replaced_is_started_and_ended);
    tcase_add_test(tests, a_worker_that_crashes_at_its_start_stops_the_run);
    tcase_add_loop_test(tests, a_first_call_that_dies_loses_only_itself, 0, LENGTH(deaths));
    tcase_add_test(tests, first_calls_that_die_are_retried);
    tcase_add_loop_test(tests, a_run_in_which_all_first_calls_die_ends, 0, 2);
    tcase_add_loop_test(tests, a_first_call_that_overruns_is_ended, HEEDS_NOTHING, RETURNS + 1);
    tcase_add_loop_test(tests, a_first_call_is_ended_with_its_run, HEEDS_NOTHING, STOPS + 1);
    tcase_add_loop_test(tests, first_calls_take_no_time_of_on_worker_start, 0, 2);
    add_data_tests(suite);
    add_program_tests(suite);
    add_end_tests(suite);
    return suite_run(suite);
}

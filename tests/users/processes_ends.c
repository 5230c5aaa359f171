/* processes_ends.c: what ends with a worker, with its run or with the program, and what a worker
 * does that ends in order; see processes.h. */
#include "processes.h"

#include <errno.h>

/* ---- programs that calls start ---- */

enum way { AS_A_CHILD, FORKED_TWICE, IN_A_SESSION, WAYS };
enum { NO_END, BY_A_LIMIT, BY_A_CRASH, BY_EXIT, ENDS };

/* The program's process, by the number of the call that started it. */
static _Atomic(pid_t) *programs;

static _Noreturn void be_program(int i, enum way way)
{
    if (way == IN_A_SESSION)
        setsid();
    if (way == FORKED_TWICE && fork() > 0)
        _exit(EXIT_SUCCESS);
    atomic_store(&programs[i], getpid());
    execlp("sleep", "sleep", "1000", (char *)NULL);
    _exit(EXIT_FAILURE);
}

/* The calls begin together, so that no worker has two of them. */
static int start_program(int i, int way, int end, int count)
{
    pid_t child = fork();
    if (child == 0)
        be_program(i, (enum way)way);
    if (way == FORKED_TWICE)
        waitpid(child, NULL, 0);
    while (atomic_load(&programs[i]) == 0)
        sched_yield();
    count_begin(i);
    await_begun(count);
    while (end == BY_A_LIMIT)
        pause();
    if (end == BY_A_CRASH)
        abort();
    if (end == BY_EXIT)
        exit(0);
    return 3 * i;
}
DELAYED(int, start_program, int, int, int, int);

static bool program_lives(int i)
{
    return kill(atomic_load(&programs[i]), 0) == 0;
}

static void await_end(int i)
{
    while (program_lives(i))
        sched_yield();
}

static void begin_programs(void)
{
    programs = parcel_shared_alloc(MOST_COUNTED * sizeof *programs);
}

static void end_programs(void)
{
    for (int i = 0; i < MOST_COUNTED; i++)
        if (atomic_load(&programs[i]) > 0)
            kill(atomic_load(&programs[i]), SIGKILL);
    parcel_shared_free(programs);
}

/* Two programs: the worker of one is lost, the call of the other returns. */
static parcel_calls *two_programs(int way, int end)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(start_program)(0, way, end, 2));
    parcel_calls_add(calls, delayed(start_program)(1, way, NO_END, 2));
    return calls;
}

START_TEST(programs_end_with_the_worker_that_is_lost)
{
    int way = _i % WAYS, end = BY_A_LIMIT + _i / WAYS;
    parcel_executor *executor =
        parcel_open(IN_PROCESSES(2, .batch_size = 1, .kill_after = 0.1, .on_error = PARCEL_COLLECT,
                                 .timeout = end == BY_A_LIMIT ? 1 : 50));
    parcel_calls *calls = two_programs(way, end);
    parcel_results *results = parcel_executor_run(executor, calls);
    ck_assert_uint_eq(parcel_results_failures(results), 1);
    ck_assert_int_eq(parcel_results_status(results, 1), PARCEL_OK);
    ck_assert(!program_lives(0));
    ck_assert(program_lives(1));
    parcel_close(executor);
    ck_assert(program_lives(1) == (way == IN_A_SESSION));
    parcel_calls_free(calls);
    parcel_results_free(results);
}
END_TEST

/* The program has both when it ends: to a leak checker what is static is no leak. */
static void run_programs(int way, int end)
{
    static parcel_executor *volatile executor;
    static parcel_calls *volatile calls;
    executor =
        parcel_open(IN_PROCESSES(2, .batch_size = 1, .deadline = end == BY_A_LIMIT ? 1e3 : 0));
    calls = two_programs(way, end);
    parcel_results_free(parcel_executor_run(executor, calls));
}

static void *run_endless(void *unused)
{
    run_programs(AS_A_CHILD, BY_A_LIMIT);
    return unused;
}

enum { KILLED, KILLED_IN_A_RUN, EXITS, EXECUTES, EXECUTES_IN_A_RUN, ENDS_OF_PROGRAM };

static void execute(void)
{
    execlp("sleep", "sleep", "1000", (char *)NULL);
}

/* What becomes of a program that has an executor, whose calls started others. */
static void be_ended(int how)
{
    pthread_t thread;
    if (how != KILLED_IN_A_RUN && how != EXECUTES_IN_A_RUN)
        run_programs(AS_A_CHILD, NO_END);
    else if (pthread_create(&thread, NULL, run_endless, NULL) == 0)
        await_begun(2);
    atomic_store(&shared->started, 1);
    if (how == EXITS)
        exit(EXIT_SUCCESS);
    if (how == EXECUTES || how == EXECUTES_IN_A_RUN)
        execute();
    raise(SIGKILL);
}

START_TEST(programs_end_with_the_program)
{
    pid_t pid = fork();
    if (pid == 0)
        be_ended(_i);
    while (atomic_load(&shared->started) == 0)
        sched_yield();
    await_end(0);
    await_end(1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
END_TEST

static int replace_itself(void)
{
    execute();
    return 0;
}
DELAYED(int, replace_itself);

/* The call's process is another program's then. */
START_TEST(a_call_that_executes_a_program_is_ended_by_its_limit)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(replace_itself)());
    parcel_results *results = RUN(1, calls, .timeout = 0.2, .kill_after = 0.1);
    ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_TIMED_OUT);
    ck_assert(kill(parcel_results_pid(results, 0), 0) != 0 && errno == ESRCH);
    parcel_results_free(results);
}
END_TEST

/* ---- workers that end in order ---- */

static void count_end(void)
{
    atomic_fetch_add(&shared->ended, 1);
}

/* Each worker counts its end, which comes behind that of all that Parcel has in it. */
static void begin_worker(void)
{
    static bool has_begun;
    if (!has_begun)
        atexit(count_end);
    has_begun = true;
}

static char *give_string(int i)
{
    char *string = malloc(32);
    begin_worker();
    snprintf(string, 32, "%d", i);
    return string;
}
DELAYED(char *, give_string, int);

static parcel_array give_array(int i)
{
    double *data = calloc(100, sizeof *data);
    begin_worker();
    data[99] = i;
    return parcel_array(data, 100);
}
DELAYED(parcel_array, give_array, int);

static parcel_value give_value(int i)
{
    begin_worker();
    return parcel_value_int(i);
}
DELAYED(parcel_value, give_value, int);

static parcel_calls *gifts(int count)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < count; i += 3) {
        parcel_calls_add(calls, delayed(give_string)(i));
        parcel_calls_add(calls, delayed(give_array)(i + 1));
        parcel_calls_add(calls, delayed(give_value)(i + 2));
    }
    return calls;
}

/* The processes that ran the calls. */
static int count_processes(const parcel_results *results)
{
    int count = 0;
    for (size_t i = 0; i < parcel_results_count(results); i++) {
        size_t k = 0;
        while (parcel_results_pid(results, k) != parcel_results_pid(results, i))
            k++;
        count += k == i;
    }
    return count;
}

static void *start_nothing(void *state, int worker)
{
    (void)worker;
    return state;
}

static void end_nothing(void *state, int worker, void *worker_state)
{
    (void)state, (void)worker, (void)worker_state;
}

/* What a worker took of its last calls is freed once, whyever it ends. */
START_TEST(each_worker_reaches_its_end)
{
    const parcel_options *const why[] = {
        IN_PROCESSES(2, 0), IN_PROCESSES(2, .max_calls_per_worker = 4),
        IN_PROCESSES(2, .max_worker_memory = 1),
        IN_PROCESSES(2, .on_worker_start = start_nothing, .on_worker_end = end_nothing)};
    for (size_t i = 0; i < LENGTH(why); i++) {
        atomic_store(&shared->ended, 0);
        parcel_results *results = run_and_free(why[i], gifts(30));
        ck_ran_well(results);
        ck_assert_int_eq(atomic_load(&shared->ended), count_processes(results));
        for (int k = 0; k < 30; k += 3) {
            char text[32];
            snprintf(text, sizeof text, "%d", k);
            ck_assert_str_eq(parcel_get(results, (size_t)k, char *), text);
            ck_assert_int_eq(parcel_get_or(results, (size_t)k + 2, int, -1), k + 2);
        }
        parcel_results_free(results);
    }
}
END_TEST

static int exit_with(int status)
{
    begin_worker();
    exit(status);
}
DELAYED(int, exit_with, int);

START_TEST(a_call_that_exits_runs_what_calls_registered)
{
    parcel_calls *calls = gifts(3);
    parcel_calls_add(calls, delayed(exit_with)(3));
    parcel_results *results = RUN(1, calls, .on_error = PARCEL_COLLECT);
    ck_assert_str_eq(parcel_results_message(results, 3), "worker " EXITED(3));
    ck_assert_int_eq(atomic_load(&shared->ended), 1);
    parcel_results_free(results);
}
END_TEST

void add_end_tests(Suite *suite)
{
    TCase *tests = processes_case(suite, "programs");
    tcase_add_checked_fixture(tests, begin_programs, end_programs);
    tcase_add_loop_test(tests, programs_end_with_the_worker_that_is_lost, 0,
                        WAYS * (ENDS - BY_A_LIMIT));
    tcase_add_loop_test(tests, programs_end_with_the_program, 0, ENDS_OF_PROGRAM);
    tcase_add_test(tests, a_call_that_executes_a_program_is_ended_by_its_limit);
    tests = processes_case(suite, "order");
    tcase_add_test(tests, each_worker_reaches_its_end);
    tcase_add_test(tests, a_call_that_exits_runs_what_calls_registered);
}

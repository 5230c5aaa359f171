/*
 * forks.c: processes that the program forks. What the parent had when it forked, times what the
 * child does then: each gives the right values, or says why it cannot, and the parent goes on.
 *
 * A parent is a process of its own, so that it begins with nothing; who hangs is killed and named.
 */
#include "suite.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

enum { N_CALLS = 40, N_JOBS = 3, PATIENCE = 120 /* seconds, for one child */ };

/* What a child inherits, or NULL. */
static struct scene {
    parcel_executor *executor;
    parcel_results *results;
    parcel_results *stream;
} scene;

/* What went wrong, in pages that all see. */
static char *fault;

static void open_fault(void)
{
    fault = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

#define MUST(condition) must(condition, #condition)

static bool must(bool condition, const char *what)
{
    if (!condition && !*fault)
        snprintf(fault, 256, "%s", what);
    return condition;
}

/* ---- what a child does ---- */

static bool runs(const char *backend)
{
    const parcel_options options = {.n_jobs = N_JOBS, .backend = backend};
    return squares_run(&options, N_CALLS);
}

static void run_sequential(void)
{
    MUST(runs("sequential"));
}

static void run_threads(void)
{
    MUST(runs("threading"));
    MUST(runs("threading"));
}

static void run_processes(void)
{
    MUST(runs("processes"));
}

/* Every call that meets another has a thread of its own. */
static struct meeting *meeting;

static bool come(int guests)
{
    return meet(meeting, guests) && parcel_level() > 0 && parcel_worker() >= 0;
}
DELAYED(bool, come, int);

static void meet_on(const char *backend)
{
    int guests[N_JOBS];
    for (int i = 0; i < N_JOBS; i++)
        guests[i] = N_JOBS;
    parcel_results *results = Parallel(.n_jobs = N_JOBS, .backend = backend,
                                       .batch_size = 1)(parcel_map(come, guests, N_JOBS));
    MUST(!parcel_results_error(results));
    MUST(parcel_results_workers(results) == N_JOBS);
    for (size_t i = 0; i < N_JOBS; i++)
        MUST(parcel_get(results, i, bool));
    parcel_results_free(results);
}

static void meet_in_threads(void)
{
    meet_on("threading");
}

static void meet_in_processes(void)
{
    meet_on("processes");
}

static int sum_of_region(int n)
{
    int sum = 0;
#ifdef _OPENMP
#pragma omp parallel for reduction(+ : sum) num_threads(2)
#endif
    for (int i = 1; i <= n; i++)
        sum += i;
    return sum;
}
DELAYED(int, sum_of_region, int);

static void open_regions_on(const char *backend)
{
    static const int numbers[] = {10, 100, 1000};
    parcel_results *results = Parallel(.n_jobs = 2, .backend = backend)(
        parcel_map(sum_of_region, numbers, LENGTH(numbers)));
    MUST(!parcel_results_error(results));
    MUST(parcel_get(results, 0, int) == 55);
    MUST(parcel_get(results, 2, int) == 500500);
    parcel_results_free(results);
}

static void open_regions_in_threads(void)
{
    open_regions_on("threading");
}

static void open_regions_in_processes(void)
{
    open_regions_on("processes");
}

static int run_inner(int count)
{
    return squares_run(&(parcel_options){.n_jobs = 2}, (size_t)count) ? count : -1;
}
DELAYED(int, run_inner, int);

static void nest(void)
{
    static const int counts[] = {3, 5};
    parcel_results *results =
        Parallel(.n_jobs = 4, .backend = "threading")(parcel_map(run_inner, counts, 2));
    MUST(!parcel_results_error(results));
    MUST(parcel_get(results, 0, int) == 3);
    MUST(parcel_get(results, 1, int) == 5);
    parcel_results_free(results);
}

#ifdef _OPENMP
/* The threads of another runtime than the program's have no settings of this one's. */
static int levels(int otherwise)
{
    return omp_get_level() > 0 ? omp_get_max_active_levels() - omp_get_active_level() : otherwise;
}
DELAYED(int, levels, int);

/* Calls see the settings of the thread that runs: levels count from there. */
static void keep_settings(void)
{
    static const int sevens[N_JOBS] = {7, 7, 7};
    int before = omp_get_max_active_levels();
    omp_set_max_active_levels(omp_get_active_level() + 7);
    parcel_results *results =
        Parallel(.n_jobs = N_JOBS, .backend = "threading")(parcel_map(levels, sevens, N_JOBS));
    for (size_t i = 0; i < N_JOBS; i++)
        MUST(parcel_get(results, i, int) == 7);
    parcel_results_free(results);
    omp_set_max_active_levels(before);
}
#else
static void keep_settings(void)
{
}
#endif

static parcel_results *open_stream(const char *backend, parcel_calls *calls)
{
    const parcel_options options = {
        .n_jobs = 2, .backend = backend, .return_as = PARCEL_GENERATOR, .window = 8};
    return parcel_run(&options, calls);
}

/* The rest of a stream of squares; false when something is wrong with it. */
static bool drain(parcel_results *stream, size_t first)
{
    parcel_result result;
    bool right = true;
    size_t i = first;
    for (; parcel_results_next(stream, &result); i++) {
        right = right && result.index == i && result.value.as.int64 == (int64_t)(i * i);
        parcel_result_free(&result);
    }
    return right && i == N_CALLS && !parcel_results_error(stream);
}

static void stream_on(const char *backend)
{
    parcel_calls *calls = squares(N_CALLS);
    parcel_results *stream = open_stream(backend, calls);
    MUST(drain(stream, 0));
    parcel_results_free(stream);
    parcel_calls_free(calls);
}

static void stream_from_threads(void)
{
    stream_on("threading");
}

static void stream_from_processes(void)
{
    stream_on("processes");
}

/* Where there is a stream, the executor's runs are streams. */
static bool run_executor(void)
{
    parcel_calls *calls = squares(N_CALLS);
    parcel_results *results = parcel_executor_run(scene.executor, calls);
    bool right = scene.stream ? drain(results, 0) : are_squares(results, N_CALLS);
    parcel_results_free(results);
    parcel_calls_free(calls);
    return right;
}

static void use_executor(void)
{
    if (!scene.executor)
        return;
    MUST(run_executor());
    MUST(run_executor());
    parcel_close(scene.executor);
}

static void close_executor(void)
{
    parcel_close(scene.executor);
    MUST(runs("threading"));
}

static void read_results(void)
{
    if (!scene.results)
        return;
    MUST(are_squares(scene.results, N_CALLS));
    MUST(parcel_results_pid(scene.results, 0) > 0);
    parcel_results_free(scene.results);
}

static void pull(void)
{
    parcel_result result;
    if (!scene.stream)
        return;
    MUST(!parcel_results_next(scene.stream, &result));
    MUST(parcel_results_error(scene.stream));
    MUST(strstr(parcel_results_error(scene.stream), "forked"));
    MUST(!parcel_results_close(scene.stream, NULL, NULL, NULL));
    parcel_results_free(scene.stream);
    if (scene.executor)
        MUST(run_executor());
    MUST(runs("threading"));
}

static void free_stream(void)
{
    parcel_results_free(scene.stream);
    parcel_close(scene.executor);
    MUST(runs("processes"));
}

static void call_shell(void)
{
    MUST(system("exit 3") >> 8 == 3);
}

static void do_nothing(void)
{
}

/* A child of the child has lost as much. */
static void fork_again(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        MUST(runs("threading"));
        MUST(runs("processes"));
        use_executor();
        _exit(0);
    }
    MUST(waitpid(child, &status, 0) == child && status == 0);
    MUST(runs("threading"));
    child = fork(); /* now of a process that has run itself */
    if (child == 0) {
        MUST(runs("threading"));
        _exit(0);
    }
    MUST(waitpid(child, &status, 0) == child && status == 0);
}

static const struct act {
    const char *name;
    void (*act)(void);
    bool needs_threads;
} acts[] = {
    {"runs sequentially", run_sequential, false},
    {"runs on threads", run_threads, true},
    {"runs on processes", run_processes, false},
    {"has its calls meet in threads", meet_in_threads, true},
    {"has its calls meet in processes", meet_in_processes, false},
    {"opens regions in threads", open_regions_in_threads, true},
    {"opens regions in processes", open_regions_in_processes, false},
    {"nests runs", nest, true},
    {"sets up OpenMP", keep_settings, true},
    {"streams from threads", stream_from_threads, true},
    {"streams from processes", stream_from_processes, false},
    {"uses the executor", use_executor, false},
    {"closes the executor", close_executor, true},
    {"reads the results", read_results, false},
    {"pulls the stream", pull, true},
    {"frees the stream", free_stream, false},
    {"calls a shell", call_shell, false},
    {"ends", do_nothing, false},
    {"forks", fork_again, true},
};

/* ---- the parent ---- */

static bool signals_are_free(void)
{
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int number = 1; number < 32; number++)
        if (sigismember(&mask, number) == 1)
            return false;
    return true;
}

static void be_child(const struct act *act)
{
    act->act();
    MUST(signals_are_free());
    exit(0);
}

/* Waits for the child, and kills it when it hangs. */
static void await(pid_t child)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    struct timespec now, start;
    int status = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (;;) {
        pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child || (ended < 0 && errno != EINTR))
            break;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - start.tv_sec > PATIENCE) {
            must(false, "the child hangs");
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return;
        }
        nanosleep(&pause, NULL);
    }
    MUST(WIFEXITED(status));
    MUST(WEXITSTATUS(status) == 0);
}

static void fork_child(const struct act *act)
{
    pid_t child = fork();
    if (child == 0)
        be_child(act);
    await(child);
}

/* ---- what a parent had ---- */

static void have_nothing(const struct act *act)
{
    fork_child(act);
}

static void have_run_threads(const struct act *act)
{
    parcel_calls *calls = squares(N_CALLS);
    scene.results = Parallel(.n_jobs = N_JOBS, .backend = "threading")(calls);
    fork_child(act);
    MUST(runs("threading"));
    MUST(are_squares(scene.results, N_CALLS));
    parcel_results_free(scene.results);
    parcel_calls_free(calls);
}

static void have_run_processes(const struct act *act)
{
    parcel_calls *calls = squares(N_CALLS);
    scene.results = Parallel(.n_jobs = N_JOBS, .backend = "processes")(calls);
    fork_child(act);
    MUST(runs("processes"));
    parcel_results_free(scene.results);
    parcel_calls_free(calls);
}

static void have_opened_a_region(const struct act *act)
{
    MUST(sum_of_region(10) == 55);
    fork_child(act);
    MUST(sum_of_region(10) == 55);
}

static void have_executor(const char *backend, const struct act *act)
{
    scene.executor = parcel_open(&(parcel_options){.n_jobs = N_JOBS, .backend = backend});
    MUST(run_executor());
    fork_child(act);
    MUST(run_executor());
    parcel_close(scene.executor);
}

static void have_executor_of_threads(const struct act *act)
{
    have_executor("threading", act);
}

static void have_executor_of_processes(const struct act *act)
{
    have_executor("processes", act);
}

static void take_some(size_t count)
{
    parcel_result result;
    for (size_t i = 0; i < count; i++) {
        MUST(parcel_results_next(scene.stream, &result));
        MUST(result.value.as.int64 == (int64_t)(i * i));
        parcel_result_free(&result);
    }
}

static void have_stream(const char *backend, const struct act *act)
{
    parcel_calls *calls = squares(N_CALLS);
    scene.stream = open_stream(backend, calls);
    take_some(3);
    fork_child(act);
    MUST(drain(scene.stream, 3));
    parcel_results_free(scene.stream);
    parcel_calls_free(calls);
}

static void have_stream_of_threads(const struct act *act)
{
    have_stream("threading", act);
}

static void have_stream_of_processes(const struct act *act)
{
    have_stream("processes", act);
}

static void have_stream_of_executor(const char *backend, const struct act *act)
{
    parcel_calls *calls = squares(N_CALLS);
    scene.executor = parcel_open(&(parcel_options){
        .n_jobs = 2, .backend = backend, .return_as = PARCEL_GENERATOR, .window = 8});
    scene.stream = parcel_executor_run(scene.executor, calls);
    take_some(3);
    fork_child(act);
    MUST(drain(scene.stream, 3));
    parcel_results_free(scene.stream);
    parcel_close(scene.executor);
    parcel_calls_free(calls);
}

static void have_stream_of_executor_of_threads(const struct act *act)
{
    have_stream_of_executor("threading", act);
}

static void have_stream_of_executor_of_processes(const struct act *act)
{
    have_stream_of_executor("processes", act);
}

/* ---- other threads of the parent ---- */

enum { N_FORKS = 4 };

static atomic_bool must_end;
static const char *busy_backend;

static void *run_on_and_on(void *begun)
{
    for (bool first = true; !atomic_load(&must_end); first = false) {
        must(runs(busy_backend), "the other thread's runs are right");
        if (first)
            pthread_barrier_wait(begun);
    }
    return NULL;
}

static void fork_while(void *(*body)(void *begun), const struct act *act)
{
    pthread_t thread;
    pthread_barrier_t begun;
    pthread_barrier_init(&begun, NULL, 2);
    atomic_store(&must_end, false);
    pthread_create(&thread, NULL, body, &begun);
    pthread_barrier_wait(&begun);
    for (int i = 0; i < N_FORKS; i++)
        fork_child(act);
    atomic_store(&must_end, true);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&begun);
}

static void have_a_thread_that_runs_threads(const struct act *act)
{
    busy_backend = "threading";
    fork_while(run_on_and_on, act);
}

static void have_a_thread_that_runs_processes(const struct act *act)
{
    busy_backend = "processes";
    fork_while(run_on_and_on, act);
}

static void *nest_on_and_on(void *begun)
{
    for (bool first = true; !atomic_load(&must_end); first = false) {
        nest();
        if (first)
            pthread_barrier_wait(begun);
    }
    return NULL;
}

static void have_a_thread_that_nests(const struct act *act)
{
    fork_while(nest_on_and_on, act);
}

/* ---- a thread that begins the first run ---- */

/* What of the first run the dynamic loader is asked for comes by here. */
static struct {
    atomic_bool is_watched;
    atomic_bool is_inside;
    atomic_bool may_leave;
} loading;

static void yield_until(atomic_bool *flag)
{
    while (!atomic_load(flag))
        sched_yield();
}

/* Stays inside until the other thread is about to fork, and then for a little: one that forks at
 * once is met. */
static void linger(void)
{
    static const struct timespec while_it_forks = {.tv_nsec = 20000000};
    atomic_store(&loading.is_inside, true);
    yield_until(&loading.may_leave);
    nanosleep(&while_it_forks, NULL);
}

void *dlopen(const char *name, int flags)
{
    void *(*next)(const char *, int) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "dlopen");
    memcpy(&next, &symbol, sizeof next);
    bool lingers = atomic_exchange(&loading.is_watched, false);
    if (lingers)
        linger();
    void *library = next ? next(name, flags) : NULL; /* a static program may have none */
    if (lingers)
        atomic_store(&loading.is_inside, false);
    return library;
}

static void *run_first(void *unused)
{
    MUST(runs("sequential"));
    return unused;
}

static void have_a_thread_that_runs_first(const struct act *act)
{
    pthread_t thread;
    atomic_store(&loading.is_watched, true);
    pthread_create(&thread, NULL, run_first, NULL);
    yield_until(&loading.is_inside);
    atomic_store(&loading.may_leave, true);
    pid_t child = fork();
    if (child == 0) {
        MUST(!atomic_load(&loading.is_inside));
        be_child(act);
    }
    await(child);
    pthread_join(thread, NULL);
}

/* ---- in a call ---- */

static const struct act *act_in_call;

static int fork_in_call(int i)
{
    if (i == 0)
        fork_child(act_in_call);
    return i * i;
}
DELAYED(int, fork_in_call, int);

static void be_in_a_call(const struct act *act)
{
    static const int numbers[] = {0, 1};
    act_in_call = act;
    parcel_results *results = Parallel(.n_jobs = 2 * N_JOBS, .backend = "threading")(
        parcel_map(fork_in_call, numbers, LENGTH(numbers)));
    MUST(!parcel_results_error(results));
    for (size_t i = 0; i < LENGTH(numbers); i++)
        MUST(parcel_get(results, i, int) == (int)(i * i));
    parcel_results_free(results);
}

/* ---- the table ---- */

static const struct state {
    const char *name;
    void (*have)(const struct act *act);
    bool needs_threads;
} states[] = {
    {"nothing", have_nothing, false},
    {"a run on threads", have_run_threads, true},
    {"a run on processes", have_run_processes, false},
    {"a region", have_opened_a_region, true},
    {"an executor of threads", have_executor_of_threads, true},
    {"an executor of processes", have_executor_of_processes, false},
    {"a stream of threads", have_stream_of_threads, true},
    {"a stream of processes", have_stream_of_processes, false},
    {"a stream of an executor of threads", have_stream_of_executor_of_threads, true},
    {"a stream of an executor of processes", have_stream_of_executor_of_processes, false},
    {"a thread that runs threads", have_a_thread_that_runs_threads, true},
    {"a thread that runs processes", have_a_thread_that_runs_processes, false},
    {"a thread that nests runs", have_a_thread_that_nests, true},
    {"a thread that runs first", have_a_thread_that_runs_first, false},
    {"a call that forks", be_in_a_call, true},
};

static void be_parent(const struct state *state, const struct act *act)
{
    open_fault();
    meeting = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    suite_share_meeting(meeting);
    pid_t parent = fork();
    if (parent == 0) {
        state->have(act);
        exit(0);
    }
    await(parent);
    ck_assert_msg(!*fault, "where the parent has %s, the child %s: %s", state->name, act->name,
                  fault);
    munmap(fault, 4096);
    munmap(meeting, 4096);
}

START_TEST(a_child_of_a_parent_that_has)
{
    const struct state *state = &states[_i];
    for (size_t i = 0; i < LENGTH(acts); i++)
        if (suite_has_threads() || !(state->needs_threads || acts[i].needs_threads))
            be_parent(state, &acts[i]);
}
END_TEST

/* ---- what a child is not to have ---- */

/* While a run of the parent counts signals; the child is ended by its first. */
static int raise_in_child(int unused)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        raise(SIGTERM);
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : unused;
}
DELAYED(int, raise_in_child, int);

START_TEST(signals_of_a_child_are_not_counted_for_the_parents_runs)
{
    static const int zeros[2];
    signal(SIGTERM, SIG_DFL); /* not Check's handler */
    parcel_results *results = Parallel(.n_jobs = 2, .handle_signals = PARCEL_YES)(
        parcel_map(raise_in_child, zeros, LENGTH(zeros)));
    ck_ran_well(results);
    for (size_t i = 0; i < LENGTH(zeros); i++)
        ck_assert_int_eq(parcel_get(results, i, int), SIGTERM);
    parcel_results_free(results);
}
END_TEST

/* ---- children that return from a call ---- */

static pid_t test_process;

/* The child returns, too; the parent has its status. */
static int fork_and_return(int i)
{
    int status = -1;
    pid_t child = i == 5 ? fork() : -1;
    if (child > 0)
        waitpid(child, &status, 0);
    must(getpid() == test_process || i == 5, "no other call runs in the child");
    return child > 0 ? WEXITSTATUS(status) : i;
}
DELAYED(int, fork_and_return, int);

static int run_nothing(int i)
{
    return i;
}
DELAYED(int, run_nothing, int);

static pid_t forked;

static int fork_here(int i)
{
    if (i == 5)
        forked = fork();
    return i;
}
DELAYED(int, fork_here, int);

static bool fork_in_on_result(void *state, size_t index, parcel_value value,
                              const parcel_record *record)
{
    (void)value, (void)record;
    int status = fork_and_return((int)index);
    if (index == 5)
        *(int *)state = status;
    return true;
}

static parcel_results *run_forking(const parcel_options *options)
{
    int numbers[N_CALLS];
    for (int i = 0; i < N_CALLS; i++)
        numbers[i] = i;
    parcel_results *results = parcel_run(options, parcel_map(fork_and_return, numbers, N_CALLS));
    ck_ran_well(results);
    return results;
}

/* There it is one thread of many, the others of which it has not. */
START_TEST(a_child_that_returns_from_a_call_in_a_thread_ends)
{
    open_fault();
    test_process = getpid();
    if (!suite_has_threads())
        return;
    parcel_results *results = run_forking(&(parcel_options){.n_jobs = N_JOBS});
    ck_assert_int_eq(parcel_get(results, 5, int), EXIT_FAILURE);
    ck_assert_msg(!*fault, "%s", fault);
    parcel_results_free(results);
}
END_TEST

START_TEST(a_child_that_returns_from_on_result_ends)
{
    static const int zeros[N_CALLS];
    int status = -1;
    open_fault();
    test_process = getpid();
    if (!suite_has_threads())
        return;
    parcel_results *results =
        Parallel(.n_jobs = N_JOBS, .on_result = fork_in_on_result,
                 .on_result_state = &status)(parcel_map(run_nothing, zeros, N_CALLS));
    ck_ran_well(results);
    ck_assert_int_eq(status, EXIT_FAILURE);
    ck_assert_msg(!*fault, "%s", fault);
    parcel_results_free(results);
}
END_TEST

/* The plain loop goes on in both processes, as a loop without us does. */
START_TEST(a_child_that_returns_from_a_call_of_a_plain_loop_goes_on)
{
    static const parcel_options plain = {.n_jobs = 1};
    int numbers[N_CALLS], status = -1;
    for (int i = 0; i < N_CALLS; i++)
        numbers[i] = i;
    pid_t process = getpid();
    parcel_results *results = parcel_run(&plain, parcel_map(fork_here, numbers, N_CALLS));
    bool right = !parcel_results_error(results) && parcel_get(results, 0, int) == 0 &&
                 parcel_get(results, N_CALLS - 1, int) == N_CALLS - 1;
    if (getpid() != process)
        _exit(right ? 0 : 1);
    ck_assert(right);
    ck_assert_int_eq(wait(&status), forked);
    ck_assert_int_eq(status, 0);
    parcel_results_free(results);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("forks");
    TCase *table = suite_case(suite, "table");
    /* What sanitizers know of threads and of regions of OpenMP does not outlive a fork. */
    if (!SUITE_IS_SANITIZED)
        tcase_add_loop_test(table, a_child_of_a_parent_that_has, 0, LENGTH(states));
    TCase *tests = suite_case(suite, "signals and returns");
    if (!SUITE_IS_RACE_CHECKED)
        tcase_add_test(tests, signals_of_a_child_are_not_counted_for_the_parents_runs);
    tcase_add_test(tests, a_child_that_returns_from_a_call_in_a_thread_ends);
    tcase_add_test(tests, a_child_that_returns_from_on_result_ends);
    tcase_add_test(tests, a_child_that_returns_from_a_call_of_a_plain_loop_goes_on);
    return suite_run(suite);
}

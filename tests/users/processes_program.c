/* processes_program.c: the program around worker processes: its threads, OpenMP, stdio, signals,
 * children and ends; see processes.h. */
#include "processes.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#ifdef _OPENMP
#include <omp.h>
#endif

static int work(int i)
{
    count_begin(i);
    return 3 * i;
}
DELAYED(int, work, int);

static int crash(int i)
{
    count_begin(i);
    raise(SIGKILL);
    return i;
}
DELAYED(int, crash, int);

static parcel_calls *works(int count)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(work)(i));
    return calls;
}

static bool are_threefold(const parcel_results *results, int count)
{
    for (int i = 0; i < count; i++)
        if (parcel_get_or(results, (size_t)i, int, -1) != 3 * i)
            return false;
    return !parcel_results_error(results);
}

static bool runs_well(void)
{
    parcel_results *results = RUN(2, works(50), .verbose = -1);
    bool right = are_threefold(results, 50);
    parcel_results_free(results);
    return right;
}

static void run_with_crash(void)
{
    parcel_calls *calls = works(20);
    parcel_calls_add(calls, delayed(crash)(20));
    parcel_results *results = RUN(2, calls, .on_error = PARCEL_COLLECT);
    ck_assert_uint_eq(parcel_results_failures(results), 1);
    parcel_results_free(results);
}

/* ---- OpenMP ---- */

#ifdef _OPENMP

/* How many threads a region has that asks for so many. */
static int open_region(int n_threads)
{
    int count = 0;
#pragma omp parallel num_threads(n_threads) reduction(+ : count)
    count += 1;
    return count;
}
DELAYED(int, open_region, int);

static parcel_calls *regions(int count, int n_threads)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(open_region)(n_threads));
    return calls;
}

/* What the library takes for a BLAS. */
static int blas_threads = 8;
void openblas_set_num_threads(int count);
int openblas_get_num_threads(void);

void openblas_set_num_threads(int count)
{
    blas_threads = count;
}

int openblas_get_num_threads(void)
{
    return blas_threads;
}

/* What a call may use, of OpenMP and of BLAS. */
static int find_threads(void)
{
    return 100 * omp_get_max_threads() + blas_threads;
}
DELAYED(int, find_threads);

/* Runs that leave each call more threads than the run before. */
START_TEST(each_run_has_its_own_part_of_the_threads)
{
    parcel_executor *executors[] = {
        parcel_open(IN_PROCESSES(4, .verbose = -1)),
        parcel_open(&(parcel_options){.backend = "threading", .n_jobs = 4})};
    for (int count = 4; count >= 1; count /= 2) {
        int found[2];
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < count; i++)
            parcel_calls_add(calls, delayed(find_threads)());
        for (int i = 0; i < 2; i++) {
            parcel_results *results = parcel_executor_run(executors[i], calls);
            found[i] = parcel_get(results, 0, int);
            parcel_results_free(results);
        }
        ck_assert_int_eq(found[0], found[1]);
        parcel_calls_free(calls);
    }
    ck_assert_int_eq(blas_threads, 8);
    parcel_close(executors[0]);
    parcel_close(executors[1]);
}
END_TEST

static bool region_calls_run(int n_jobs)
{
    parcel_results *results = RUN(n_jobs, regions(20, 3), .verbose = -1);
    bool right = !parcel_results_error(results);
    for (size_t i = 0; i < 20; i++)
        right &= parcel_get_or(results, i, int, -1) == 3;
    parcel_results_free(results);
    return right;
}

START_TEST(calls_open_regions_of_several_threads)
{
    ck_assert(region_calls_run(1 + _i));
}
END_TEST

START_TEST(calls_open_regions_after_the_program_did)
{
    ck_assert_int_eq(open_region(4), 4);
    ck_assert(region_calls_run(1 + _i));
    ck_assert_int_eq(open_region(4), 4);
    ck_assert(region_calls_run(1 + _i));
}
END_TEST

START_TEST(a_run_may_be_called_in_a_region)
{
    if (SUITE_IS_SANITIZED)
        return;
    atomic_int right = 0;
#pragma omp parallel num_threads(3)
    if (region_calls_run(2))
        atomic_fetch_add(&right, 1);
    ck_assert_int_eq(atomic_load(&right), 3);
    ck_assert_int_eq(open_region(4), 4);
}
END_TEST

START_TEST(threads_and_processes_take_turns)
{
    for (int i = 0; i < 3; i++) {
        parcel_results *results =
            run_and_free(&(parcel_options){.backend = "threading", .n_jobs = 2}, works(50));
        ck_assert(are_threefold(results, 50));
        parcel_results_free(results);
        ck_assert(region_calls_run(2));
    }
}
END_TEST

static int run_threads(int i)
{
    parcel_results *results =
        run_and_free(&(parcel_options){.backend = "threading", .n_jobs = 3}, works(10));
    bool right = are_threefold(results, 10);
    parcel_results_free(results);
    return right ? 3 * i : -1;
}
DELAYED(int, run_threads, int);

START_TEST(calls_run_threads_of_their_own)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 10; i++)
        parcel_calls_add(calls, delayed(run_threads)(i));
    parcel_results *results = RUN(2, calls, .verbose = -1);
    ck_assert_msg(are_threefold(results, 10), "%s", parcel_results_error(results));
    parcel_results_free(results);
}
END_TEST

#endif

/* ---- output ---- */

static int print(int i)
{
    printf("call %d\n", i);
    if (i == 3)
        fprintf(stderr, "error %d\n", i);
    return i;
}
DELAYED(int, print, int);

/* Forks a program whose output goes to a file. Returns what it wrote. */
static char *output_of(void (*program)(void))
{
    FILE *file = tmpfile();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fileno(file), STDOUT_FILENO);
        dup2(fileno(file), STDERR_FILENO);
        setvbuf(stdout, NULL, _IOFBF, 4096);
        program();
        exit(EXIT_SUCCESS);
    }
    waitpid(pid, NULL, 0);
    char *text = calloc(1, 4096);
    rewind(file);
    ck_assert_uint_lt(fread(text, 1, 4096, file), 4096);
    fclose(file);
    return text;
}

static void print_much(void)
{
    FILE *other = fdopen(dup(STDOUT_FILENO), "w");
    parcel_calls *calls = parcel_calls_new();
    if (other)
        fprintf(other, "other\n");
    for (int i = 0; i < 6; i++)
        parcel_calls_add(calls, delayed(print)(i));
    printf("before\n");
    parcel_results_free(RUN(1, calls, .verbose = -1));
    printf("after\n");
    if (other)
        fclose(other);
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

START_TEST(what_is_printed_is_printed_once)
{
    char *text = output_of(print_much);
    const char *order[] = {"before\n", "call 0\n", "call 1\n", "call 2\n",
                           "call 3\n", "call 4\n", "call 5\n", "after\n"};
    const char *last = text;
    for (size_t i = 0; i < LENGTH(order); i++) {
        ck_assert_msg(count_of(text, order[i]) == 1, "'%s'", text);
        ck_assert_msg(strstr(last, order[i]) != NULL, "'%s'", text);
        last = strstr(last, order[i]);
    }
    ck_assert_msg(count_of(text, "error 3\n") == 1 && count_of(text, "other\n") == 1, "'%s'", text);
    ck_assert_uint_eq(strlen(text), strlen("before\nafter\nerror 3\nother\n") + 6 * 7);
    free(text);
}
END_TEST

static void say_goodbye(void)
{
    printf("goodbye\n");
}

static int leave(int how)
{
    if (how == 0)
        exit(0);
    if (how == 1)
        exit(3);
    if (how == 2)
        quick_exit(0);
    return how;
}
DELAYED(int, leave, int);

static void leave_often(void)
{
    parcel_calls *calls = parcel_calls_new();
    atexit(say_goodbye);
    at_quick_exit(say_goodbye);
    for (int i = 0; i < 9; i++)
        parcel_calls_add(calls, delayed(leave)(i % 4));
    parcel_results_free(RUN(2, calls, .on_error = PARCEL_COLLECT, .max_calls_per_worker = 2));
}

START_TEST(the_programs_exit_handlers_run_in_the_program_only)
{
    char *text = output_of(leave_often);
    ck_assert_str_eq(text, "goodbye\n");
    free(text);
}
END_TEST

/* ---- signals and children ---- */

static volatile sig_atomic_t n_reaped;

static void reap_all(int number)
{
    int saved = errno;
    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        n_reaped++;
    errno = saved;
}

/* What a signal's action is must not change by a run. */
static void run_with_sigchld(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, after;
    sigaction(SIGCHLD, &action, NULL);
    for (int i = 0; i < 5; i++) {
        run_with_crash();
        memset(shared, 0, sizeof *shared);
    }
    sigaction(SIGCHLD, NULL, &after);
    ck_assert(after.sa_handler == handler);
}

START_TEST(a_program_may_reap_all_children)
{
    run_with_sigchld(reap_all);
}
END_TEST

START_TEST(a_program_may_ignore_sigchld)
{
    run_with_sigchld(SIG_IGN);
}
END_TEST

static volatile sig_atomic_t n_heard;

static void hear(int number)
{
    (void)number;
    n_heard++;
}

/* Workers are the forkserver's children, and die unheard. */
START_TEST(the_death_of_a_worker_is_no_signal_to_the_program)
{
    struct sigaction action = {.sa_handler = hear, .sa_flags = SA_RESTART};
    sigaction(SIGCHLD, &action, NULL);
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .on_error = PARCEL_COLLECT));
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 10; i++)
        parcel_calls_add(calls, delayed(crash)(i));
    parcel_results_free(parcel_executor_run(executor, calls));
    ck_assert_int_eq(n_heard, 0);
    parcel_close(executor);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(the_programs_own_children_keep_their_status)
{
    int ends[2], status = 0;
    char byte;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 7 : 1);
    }
    pid_t ended = fork();
    if (ended == 0)
        _exit(9);
    run_with_crash();
    close(ends[1]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    ck_assert_int_eq(waitpid(ended, &status, 0), ended);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    ck_assert(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
}
END_TEST

static int run_child(int i)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(i);
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? 3 * WEXITSTATUS(status) : -1;
}
DELAYED(int, run_child, int);

START_TEST(calls_may_have_children)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 20; i++)
        parcel_calls_add(calls, delayed(run_child)(i));
    parcel_results *results = RUN(2, calls, .verbose = -1);
    ck_assert(are_threefold(results, 20));
    parcel_results_free(results);
}
END_TEST

/* As when a program that a call was to execute is not there: the child returns, too. */
static int return_twice(int i)
{
    int status = 0;
    count_begin(i);
    pid_t pid = fork();
    if (pid != 0)
        waitpid(pid, &status, 0);
    return pid == 0 ? -1 : WIFEXITED(status) ? 3 * i : -2;
}
DELAYED(int, return_twice, int);

START_TEST(a_child_of_a_call_runs_no_further_calls)
{
    for (int is_timed = 0; is_timed < 2; is_timed++) {
        memset(shared, 0, sizeof *shared);
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 10; i++)
            parcel_calls_add(calls, delayed(return_twice)(i));
        parcel_results *results = RUN(2, calls, .timeout = is_timed ? 100 : 0);
        ck_assert_ptr_null(parcel_results_error(results));
        ck_assert(are_threefold(results, 10));
        for (int i = 0; i < 10; i++)
            ck_assert_int_eq(atomic_load(&shared->begun[i]), 1);
        parcel_results_free(results);
    }
}
END_TEST

#ifndef __clang__ /* whose libomp needs one in each process, and aborts without */
START_TEST(no_descriptor_is_needed)
{
    const struct rlimit limit = {64, 64};
    setrlimit(RLIMIT_NOFILE, &limit);
    while (dup(STDERR_FILENO) >= 0)
        continue;
    ck_assert(runs_well());
    memset(shared, 0, sizeof *shared);
    run_with_crash();
    for (int fd = 3; fd < 64; fd++)
        close(fd);
}
END_TEST
#endif

/* ---- threads of the program ---- */

enum { CROWD = 4 };

struct crowded {
    parcel_executor *executor;
    parcel_calls *calls;
    bool is_right;
};

static void *run_often(void *argument)
{
    struct crowded *crowded = argument;
    crowded->is_right = true;
    for (int i = 0; i < 10; i++) {
        parcel_results *results = parcel_executor_run(crowded->executor, crowded->calls);
        crowded->is_right &= are_threefold(results, 50);
        parcel_results_free(results);
    }
    return NULL;
}

START_TEST(several_threads_run_one_executor)
{
    if (SUITE_IS_SANITIZED)
        return;
    pthread_t threads[CROWD];
    struct crowded crowded[CROWD];
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .verbose = -1));
    for (int i = 0; i < CROWD; i++) {
        crowded[i] = (struct crowded){executor, works(50), false};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_often, &crowded[i]), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(crowded[i].is_right);
        parcel_calls_free(crowded[i].calls);
    }
    parcel_close(executor);
}
END_TEST

static void *open_and_run(void *argument)
{
    struct crowded *crowded = argument;
    crowded->executor = parcel_open(IN_PROCESSES(2, .verbose = -1));
    return run_often(crowded);
}

/* The forkserver was forked by a thread that is no more. */
START_TEST(an_executor_outlives_the_thread_that_opened_it)
{
    pthread_t thread;
    struct crowded crowded = {NULL, works(50), false};
    ck_assert_int_eq(pthread_create(&thread, NULL, open_and_run, &crowded), 0);
    pthread_join(thread, NULL);
    ck_assert(crowded.is_right);
    run_often(&crowded);
    ck_assert(crowded.is_right);
    parcel_close(crowded.executor);
    parcel_calls_free(crowded.calls);
}
END_TEST

/* A lock that another thread holds when the workers are forked. */
static void *read_input(void *input)
{
    char line[16];
    return fgets(line, sizeof line, input);
}

static size_t count_bytes(const char *path)
{
    size_t count = 0;
    FILE *file = fopen(path, "r");
    while (file && fgetc(file) != EOF)
        count++;
    if (file)
        fclose(file);
    return count;
}

/* What the program has written to a file and not flushed is not written by workers, too. */
START_TEST(a_thread_may_wait_for_input)
{
    char path[] = "/tmp/parcel-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    int ends[2];
    pthread_t thread;
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    ck_assert_int_eq(pthread_create(&thread, NULL, read_input, stdin), 0);
    while (ftrylockfile(stdin) == 0) { /* until the thread reads */
        funlockfile(stdin);
        sched_yield();
    }
    fputs("once", file);
    ck_assert(runs_well());
    fclose(file);
    ck_assert_uint_eq(count_bytes(path), 4);
    ck_assert_int_eq(write(ends[1], "x\n", 2), 2);
    pthread_join(thread, NULL);
    unlink(path);
}
END_TEST

static parcel_results *run_nested(const char *backend)
{
    parcel_results *results =
        run_and_free(&(parcel_options){.backend = backend, .n_jobs = 2}, works(10));
    return results;
}

/* Runs works in an executor. Returns how many ran. */
static int run_in(parcel_executor *executor)
{
    parcel_calls *calls = works(4);
    parcel_results *results = parcel_executor_run(executor, calls);
    int count = are_threefold(results, 4) ? 4 : 0;
    parcel_results_free(results);
    parcel_calls_free(calls);
    return count;
}
DELAYED(int, run_in, parcel_executor *);

/* The run that the workers were forked in asks its calls to return, and they are none of them. */
START_TEST(workers_outlive_the_run_that_they_were_forked_in)
{
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .verbose = -1));
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(run_in)(executor));
    parcel_results *results =
        run_and_free(&(parcel_options){.backend = "sequential", .deadline = 0.3}, calls);
    parcel_results_free(results);
    usleep(300000);
    ck_assert_int_eq(run_in(executor), 4);
    parcel_close(executor);
}
END_TEST

static int nest(int i)
{
    parcel_results *results = run_nested(i % 2 ? "processes" : "sequential");
    bool right = are_threefold(results, 10);
    parcel_results_free(results);
    return right ? 3 * i : -1;
}
DELAYED(int, nest, int);

START_TEST(calls_run_processes_of_their_own)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 10; i++)
        parcel_calls_add(calls, delayed(nest)(i));
    parcel_results *results = RUN(2, calls, .verbose = -1);
    ck_assert_msg(are_threefold(results, 10), "%s", parcel_results_error(results));
    parcel_results_free(results);
}
END_TEST

/* ---- the program's end, and what it loads ---- */

static int cry_and_hang(int fd)
{
    while (write(fd, "", 1) < 0)
        continue;
    for (volatile unsigned i = 0;; i = i + 1)
        continue;
    return fd;
}
DELAYED(int, cry_and_hang, int);

static void hang_in_two(int fd)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(cry_and_hang)(fd));
    parcel_calls_add(calls, delayed(cry_and_hang)(fd));
    parcel_results_free(RUN(2, calls, .batch_size = 1));
}

/* A pipe is at its end when the last process has gone that could write to it. */
START_TEST(no_worker_outlives_the_program)
{
    int ends[2];
    char byte;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGTERM, SIG_DFL); /* Check's handler ends the test */
        hang_in_two(ends[1]);
    }
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    kill(pid, _i ? SIGKILL : SIGTERM);
    waitpid(pid, NULL, 0);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0);
}
END_TEST

START_TEST(a_process_that_the_program_forks_may_end_as_it_likes)
{
    int status;
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .verbose = -1));
    parcel_calls *calls = works(50);
    parcel_results_free(parcel_executor_run(executor, calls));
    pid_t pid = fork();
    if (pid == 0) {
        parcel_close(executor);
        _exit(runs_well() ? 7 : 1);
    }
    waitpid(pid, &status, 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    parcel_results *results = parcel_executor_run(executor, calls);
    ck_assert(are_threefold(results, 50));
    parcel_results_free(results);
    parcel_close(executor);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(functions_of_an_object_that_is_loaded_late_run)
{
    if (!suite_loads(LATE))
        return;
    parcel_executor *executor = parcel_open(IN_PROCESSES(2, .verbose = -1));
    parcel_calls *calls = works(50);
    parcel_results_free(parcel_executor_run(executor, calls));
    parcel_calls_free(calls);
    void *object = dlopen(LATE, RTLD_NOW);
    ck_assert_msg(object, "%s", dlerror());
    parcel_calls *(*late_calls)(int);
    *(void **)&late_calls = dlsym(object, "late_calls");
    calls = late_calls(50);
    parcel_results *results = parcel_executor_run(executor, calls);
    ck_assert_msg(are_threefold(results, 50), "%s", parcel_results_error(results));
    parcel_results_free(results);
    parcel_calls_free(calls);
    parcel_close(executor);
    dlclose(object);
}
END_TEST

/* The workers that stand have the functions of all other objects. */
START_TEST(an_object_that_is_loaded_replaces_no_worker)
{
    if (!suite_loads(LATE))
        return;
    parcel_executor *executor = parcel_open(IN_PROCESSES(1, .verbose = -1));
    parcel_calls *calls = works(1);
    parcel_results *before = parcel_executor_run(executor, calls);
    void *object = dlopen(LATE, RTLD_NOW);
    ck_assert_msg(object, "%s", dlerror());
    parcel_results *after = parcel_executor_run(executor, calls);
    ck_ran_well(after);
    ck_assert_int_eq(parcel_results_pid(before, 0), parcel_results_pid(after, 0));
    parcel_results_free(before);
    parcel_results_free(after);
    parcel_calls_free(calls);
    parcel_close(executor);
    dlclose(object);
}
END_TEST

/* ---- a group that may have so much memory ---- */

static bool write_to(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    bool written = file && fputs(text, file) >= 0;
    return file && fclose(file) == 0 && written;
}

/* Makes a control group of either version, when that is allowed. */
static bool make_group(char *folder, size_t size, const char *most)
{
    static const char *const places[][2] = {{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
                                            {"/sys/fs/cgroup", "memory.max"}};
    for (size_t i = 0; i < LENGTH(places); i++) {
        snprintf(folder, size, "%s/parcel_test_%d", places[i][0], (int)getpid());
        if (mkdir(folder, 0700) != 0)
            continue;
        if (write_to(folder, places[i][1], most))
            return true;
        rmdir(folder);
    }
    return false;
}

static unsigned char *volatile eaten;

static int eat(int i)
{
    const size_t size = 16 << 20;
    while (i == 5) {
        eaten = malloc(size);
        memset(eaten, 1, size);
    }
    return i;
}
DELAYED(int, eat, int);

/* In the group: the kernel kills the worker and not this process. */
static bool one_eats_all(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 12; i++)
        parcel_calls_add(calls, delayed(eat)(i));
    parcel_results *results = RUN(2, calls, .on_error = PARCEL_COLLECT);
    const char *message = parcel_results_message(results, 5);
    bool right = parcel_results_failures(results) == 1 && message &&
                 strstr(message, "killed by SIGKILL, likely out of memory: ") &&
                 strstr(message, "MiB resident, limit 200 MiB");
    for (int i = 0; i < 12; i++)
        right = right && (i == 5 || parcel_get(results, (size_t)i, int) == i);
    if (!right)
        printf("%s\n", message ? message : "no message");
    parcel_results_free(results);
    return right;
}

START_TEST(a_worker_that_the_kernel_kills_for_memory_says_so)
{
    char folder[128], self[16];
    int status;
    if (SUITE_IS_SANITIZED || !make_group(folder, sizeof folder, "209715200"))
        return;
    pid_t pid = fork();
    if (pid == 0) {
        snprintf(self, sizeof self, "%d", (int)getpid());
        _exit(!write_to(folder, "cgroup.procs", self) ? 2 : one_eats_all() ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    rmdir(folder);
    ck_assert(WIFEXITED(status));
    ck_assert_int_ne(WEXITSTATUS(status), 1);
}
END_TEST

static void add_openmp_tests(Suite *suite)
{
#ifdef _OPENMP
    TCase *tests = processes_case(suite, "OpenMP");
    tcase_add_loop_test(tests, calls_open_regions_of_several_threads, 0, 3);
    tcase_add_loop_test(tests, calls_open_regions_after_the_program_did, 0, 3);
    tcase_add_test(tests, a_run_may_be_called_in_a_region);
    tcase_add_test(tests, threads_and_processes_take_turns);
    tcase_add_test(tests, each_run_has_its_own_part_of_the_threads);
    tcase_add_test(tests, calls_run_threads_of_their_own);
#else
    (void)suite;
#endif
}

/* ---- a system that gives no process ---- */

static bool ignore_result(void *state, size_t index, parcel_value value,
                          const parcel_record *record)
{
    (void)state, (void)index, (void)value, (void)record;
    return true;
}

static parcel_next_status next_work(void *state, parcel_call *call)
{
    int *given = state;
    if (*given == 3)
        return PARCEL_NEXT_END;
    *call = delayed(work)((*given)++);
    return PARCEL_NEXT_CALL;
}

/* The backend's own reason, whatever takes the results. */
static bool says_why(parcel_results *results)
{
    static const char why[] =
        "worker 0 could not start: fork: Resource temporarily unavailable (EAGAIN): 0 ";
    parcel_result result;
    while (parcel_results_next(results, &result))
        parcel_result_free(&result);
    bool right = parcel_results_error(results) &&
                 strncmp(parcel_results_error(results), why, sizeof why - 1) == 0;
    if (!right)
        printf("%s\n", parcel_results_error(results));
    parcel_results_free(results);
    return right;
}

/* As a user of its own, with room for this process and one more, or for a thread. */
static bool run_without_processes(void)
{
    const struct rlimit limit = {2, 2};
    int numbers[] = {1, 2, 3}, given = 0;
    if (setgid(60000) != 0 || setuid((uid_t)(60000 + getpid() % 5000)) != 0)
        return false;
    setrlimit(RLIMIT_NPROC, &limit);
    parcel_calls *calls = parcel_calls_generate(next_work, &given);
    parcel_executor *executor =
        parcel_open(IN_PROCESSES(2, .return_as = PARCEL_GENERATOR_UNORDERED));
    bool right = says_why(
        parcel_run(IN_PROCESSES(2, .on_error = PARCEL_COLLECT), parcel_map(work, numbers, 3)));
    right &= says_why(
        parcel_run(IN_PROCESSES(2, .on_result = ignore_result), parcel_map(work, numbers, 3)));
    right &= says_why(
        parcel_run(IN_PROCESSES(2, .return_as = PARCEL_GENERATOR), parcel_map(work, numbers, 3)));
    right &= says_why(parcel_run(
        &(parcel_options){.n_jobs = 2, .isolate = PARCEL_YES, .return_as = PARCEL_GENERATOR},
        parcel_map(work, numbers, 3)));
    right &= says_why(parcel_run(IN_PROCESSES(2, .on_error = PARCEL_COLLECT), calls));
    right &= says_why(parcel_executor_run(executor, parcel_map(work, numbers, 3)));
    parcel_close(executor);
    parcel_calls_free(calls);
    return right;
}

START_TEST(where_no_process_is_given_all_runs_say_so)
{
    int status;
    if (getuid() != 0 || SUITE_IS_SANITIZED) /* whose own threads need room */
        return;
    pid_t pid = fork();
    if (pid == 0)
        _exit(run_without_processes() ? 7 : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

void add_program_tests(Suite *suite)
{
    TCase *tests = processes_case(suite, "program");
    tcase_add_test(tests, what_is_printed_is_printed_once);
    tcase_add_test(tests, the_programs_exit_handlers_run_in_the_program_only);
    tcase_add_test(tests, a_program_may_reap_all_children);
    tcase_add_test(tests, a_program_may_ignore_sigchld);
    tcase_add_test(tests, the_death_of_a_worker_is_no_signal_to_the_program);
    tcase_add_test(tests, the_programs_own_children_keep_their_status);
    tcase_add_test(tests, calls_may_have_children);
    tcase_add_test(tests, a_child_of_a_call_runs_no_further_calls);
#ifndef __clang__
    tcase_add_test(tests, no_descriptor_is_needed);
#endif
    tcase_add_test(tests, several_threads_run_one_executor);
    tcase_add_test(tests, an_executor_outlives_the_thread_that_opened_it);
    tcase_add_test(tests, a_thread_may_wait_for_input);
    tcase_add_test(tests, calls_run_processes_of_their_own);
    tcase_add_test(tests, workers_outlive_the_run_that_they_were_forked_in);
    tcase_add_loop_test(tests, no_worker_outlives_the_program, 0, 2);
    tcase_add_test(tests, a_process_that_the_program_forks_may_end_as_it_likes);
    tcase_add_test(tests, functions_of_an_object_that_is_loaded_late_run);
    tcase_add_test(tests, an_object_that_is_loaded_replaces_no_worker);
    tcase_add_test(tests, a_worker_that_the_kernel_kills_for_memory_says_so);
    tcase_add_test(tests, where_no_process_is_given_all_runs_say_so);
    add_openmp_tests(suite);
}

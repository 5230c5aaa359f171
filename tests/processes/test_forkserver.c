/*
 * test_forkserver.c: worker processes that end in every way, and a forkserver and a program that
 * do. What would disturb the test's own process is done in a program that it forks.
 */
#include "suite.h"

#include "ground/mutexes.h"
#include "ground/port.h"
#include "processes/death.h"
#include "processes/forkserver.h"
#include "processes/process.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_WORKERS = 8, THREADS = 4, AGAIN = 20 };

#ifdef _OPENMP
enum { REGION = THREADS };
#else
enum { REGION = 1 };
#endif

/* What all processes of a test see. */
static struct shared {
    atomic_int act[MOST_WORKERS]; /* what a worker does: one of the acts */
    atomic_uint asked[MOST_WORKERS];
    atomic_uint answered[MOST_WORKERS];
    atomic_int forkserver; /* the pid, as the last worker saw it */
    atomic_int count;
    int failed_line; /* of a program that the test forked */
} * shared;

static void share(void)
{
    shared = parcel__process_share(sizeof *shared);
    ck_assert_ptr_nonnull(shared);
}

static void stop_sharing(void)
{
    parcel__process_unshare(shared, sizeof *shared);
}

static int in_region(void)
{
    int sum = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(THREADS) reduction(+ : sum)
#endif
    sum += 1;
    return sum;
}

/* ---- acts ---- */

static void do_nothing(void)
{
}

static void touch_address_8(void)
{
    static volatile uintptr_t address = 8; /* a compiler that knew it would complain */
    *(volatile int *)address = 1;
}

static int fill_stack(int depth)
{
    volatile char page[4096];
    page[0] = (char)depth;
    return depth < 0 ? 0 : fill_stack(depth + 1) + page[0];
}

static void overflow_stack(void)
{
    fill_stack(1);
}

static void trap(void)
{
    __builtin_trap();
}

static void raise_fpe(void)
{
    raise(SIGFPE);
}

static void raise_bus(void)
{
    raise(SIGBUS);
}

static void raise_kill(void)
{
    raise(SIGKILL);
}

static void raise_usr2(void)
{
    raise(SIGUSR2);
}

static void raise_nameless(void)
{
    raise(40);
}

static void exit_0(void)
{
    exit(0);
}

static void exit_3(void)
{
    exit(3);
}

static void underscore_exit_4(void)
{
    _exit(4);
}

static void exit_quickly(void)
{
    quick_exit(5);
}

static void *exit_6(void *unused)
{
    exit(6);
    return unused;
}

static void exit_in_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, exit_6, NULL) == 0)
        pthread_join(thread, NULL);
}

static void close_all_files(void)
{
    for (int file = 0; file < 1024; file++)
        close(file);
    exit(7);
}

static void open_region(void)
{
    _exit(in_region());
}

static void end_child_by(int number)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    kill(child, number);
    waitpid(child, &status, 0);
    exit(WIFSIGNALED(status) ? WTERMSIG(status) : 255);
}

/* What a call forks has none of the worker's handlers in effect. */
static void terminate_child(void)
{
    end_child_by(SIGTERM);
}

static void crash_child(void)
{
    end_child_by(SIGSEGV);
}

static void interrupt_child(void)
{
    end_child_by(SIGINT);
}

static void signal_itself(void)
{
    raise(SIGTERM);
    raise(SIGINT);
    exit(8);
}

static void tell_core_limit(void)
{
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    _exit(core.rlim_cur <= 1 ? 1 : 2);
}

static void tell_cpus(void)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    _exit(CPU_COUNT(&set));
}

static void take_mutexes(void)
{
    for (int i = 0; i < PARCEL__N_MUTEXES; i++)
        parcel__mutexes_lock((enum parcel__mutex)i);
    for (int i = 0; i < PARCEL__N_MUTEXES; i++)
        parcel__mutexes_unlock((enum parcel__mutex)i);
    exit(9);
}

static void print_and_exit(void)
{
    printf("worker ");
    exit(10);
}

static void print_and_return(void)
{
    printf("worker ");
}

static void raise_usr1_and_child(void)
{
    raise(SIGUSR1);
    raise(SIGCHLD);
    exit(11);
}

static const struct {
    void (*act)(void);
    const char *death; /* or how it begins */
    bool is_all;
} acts[] = {
    {do_nothing, "exited with status 0", true},
    {touch_address_8, "killed by SIGSEGV (address 0x8)", true},
    {overflow_stack, "killed by SIGSEGV (address 0x", false},
    {trap, "killed by SIGILL (address 0x", false},
    {abort, "killed by SIGABRT", true},
    {raise_fpe, "killed by SIGFPE", true},
    {raise_bus, "killed by SIGBUS", true},
    {raise_kill, "killed by SIGKILL", false},
    {raise_usr2, "killed by SIGUSR2", true},
    {raise_nameless, "killed by signal 40", true},
    {exit_0, EXITED(0), true},
    {exit_3, EXITED(3), true},
    {underscore_exit_4, "exited with status 4", true},
    {exit_quickly, "ended by quick_exit", true},
    {exit_in_thread, EXITED(6), true},
    {close_all_files, EXITED(7), true},
    {terminate_child, EXITED(15), true},
    {crash_child, EXITED(11), true},
    {interrupt_child, EXITED(2), true},
    {signal_itself, EXITED(8), true},
    {take_mutexes, EXITED(9), true},
    /* Asked for by name, since their deaths depend on the test. */
    {open_region, NULL, false},
    {tell_core_limit, NULL, false},
    {tell_cpus, NULL, false},
    {print_and_exit, NULL, false},
    {print_and_return, NULL, false},
    {raise_usr1_and_child, NULL, false},
};
enum { N_DEATHS = 21 };

static int number_of(void (*act)(void))
{
    int number = 0;
    while (acts[number].act != act)
        number++;
    return number;
}

/* Below 0, a worker answers what it is asked, and never ends. */
static void work(void *context, struct parcel__forkserver *forkserver, int worker)
{
    (void)forkserver;
    (void)context;
    atomic_store(&shared->forkserver, getppid());
    int act = atomic_load(&shared->act[worker]);
    if (act >= 0) {
        acts[act].act();
        return;
    }
    for (unsigned done = atomic_load(&shared->answered[worker]);;) {
        while (atomic_load(&shared->asked[worker]) == done)
            parcel__process_wait(&shared->asked[worker], done, INFINITY);
        done++;
        parcel__process_ring(&shared->answered[worker]);
    }
}

/* ---- the program's side ---- */

static struct parcel__forkserver *open_with(int n_workers, char *why, size_t why_size)
{
    const struct parcel__forkserver_options options = {.n_workers = n_workers, .work = work};
    for (int i = 0; i < n_workers; i++)
        atomic_store(&shared->act[i], -1);
    return parcel__forkserver_open(&options, why, why_size);
}

static struct parcel__forkserver *open_forkserver(int n_workers)
{
    char why[128] = "";
    struct parcel__forkserver *forkserver = open_with(n_workers, why, sizeof why);
    ck_assert_msg(forkserver != NULL, "%s", why);
    return forkserver;
}

static bool start(struct parcel__forkserver *forkserver, int worker, int act)
{
    char why[128];
    atomic_store(&shared->act[worker], act);
    return parcel__forkserver_start(forkserver, worker, why, sizeof why);
}

/* False: the worker has ended. */
static bool ask(struct parcel__forkserver *forkserver, int worker)
{
    atomic_uint *answered = &shared->answered[worker];
    unsigned before = atomic_load(answered);
    parcel__process_ring(&shared->asked[worker]);
    while (atomic_load(answered) == before) {
        if (!parcel__forkserver_is_alive(forkserver, worker))
            return false;
        parcel__process_wait(answered, before, 0.01);
    }
    return true;
}

static void await_death(struct parcel__forkserver *forkserver, int worker)
{
    atomic_uint *bell = parcel__forkserver_bell(forkserver, worker);
    for (;;) {
        unsigned seen = atomic_load(bell);
        if (!parcel__forkserver_is_alive(forkserver, worker))
            return;
        parcel__process_wait(bell, seen, 0.01); /* a forkserver that is killed rings none */
    }
}

/* In static memory. */
static const char *death_of(const struct parcel__forkserver *forkserver, int worker)
{
    static char death[128];
    struct parcel__text text = {0};
    parcel__forkserver_put_death(&text, forkserver, worker);
    snprintf(death, sizeof death, "%s", text.bytes ? text.bytes : "");
    parcel__text_free(&text);
    return death;
}

/* Starts the worker, which ends; how. */
static const char *act_and_die(struct parcel__forkserver *forkserver, int worker, void (*act)(void))
{
    if (!start(forkserver, worker, number_of(act)))
        return "not started";
    await_death(forkserver, worker);
    return death_of(forkserver, worker);
}

#define require(condition) \
    do { \
        if (!(condition)) \
            return __LINE__; \
    } while (false)

/* Runs the body, which returns 0 or the line of what failed, in a process that this one forks. */
static pid_t fork_program(int (*body)(void))
{
    shared->failed_line = -1;
    pid_t program = fork();
    if (program == 0) {
        shared->failed_line = body();
        exit(0);
    }
    return program;
}

static int run_as_program(int (*body)(void))
{
    int status;
    pid_t program = fork_program(body);
    while (waitpid(program, &status, 0) < 0 && errno == EINTR)
        continue;
    return shared->failed_line;
}

/* ---- deaths ---- */

START_TEST(test_death)
{
    struct parcel__forkserver *forkserver = open_forkserver(2);
    ck_assert(start(forkserver, 1, -1));
    const char *death = act_and_die(forkserver, 0, acts[_i].act);
    if (acts[_i].is_all)
        ck_assert_str_eq(death, acts[_i].death);
    else
        ck_assert_msg(strncmp(death, acts[_i].death, strlen(acts[_i].death)) == 0, "%s", death);
    ck_assert(start(forkserver, 0, -1));
    ck_assert(ask(forkserver, 0) && ask(forkserver, 1));
    parcel__forkserver_close(forkserver);
}
END_TEST

START_TEST(test_kills)
{
    struct parcel__forkserver *forkserver = open_forkserver(1);
    ck_assert(start(forkserver, 0, -1));
    parcel__forkserver_kill(forkserver, 0, SIGTERM);
    await_death(forkserver, 0);
    ck_assert_str_eq(death_of(forkserver, 0), "killed by SIGTERM");
    ck_assert(start(forkserver, 0, -1));
    kill(parcel__forkserver_pid(forkserver, 0), SIGSTOP);
    parcel__forkserver_kill(forkserver, 0, SIGKILL);
    await_death(forkserver, 0);
    ck_assert_str_eq(death_of(forkserver, 0), "killed by SIGKILL");
    parcel__forkserver_kill(forkserver, 0, SIGKILL); /* there is none */
    ck_assert(start(forkserver, 0, -1));
    ck_assert(ask(forkserver, 0));
    parcel__forkserver_close(forkserver);
}
END_TEST

START_TEST(test_signals_of_others)
{
    struct parcel__forkserver *forkserver = open_forkserver(1);
    ck_assert(start(forkserver, 0, -1));
    ck_assert(ask(forkserver, 0));
    kill(parcel__forkserver_pid(forkserver, 0), SIGTERM);
    kill(parcel__forkserver_pid(forkserver, 0), SIGINT);
    kill(atomic_load(&shared->forkserver), SIGTERM);
    kill(atomic_load(&shared->forkserver), SIGINT);
    kill(atomic_load(&shared->forkserver), SIGUSR1);
    ck_assert(ask(forkserver, 0));
    ck_assert(parcel__forkserver_is_alive(forkserver, 0));
    parcel__forkserver_close(forkserver);
}
END_TEST

START_TEST(test_texts)
{
    struct parcel__death deaths[] = {
        {.has_ended = false},
        {.has_ended = true, .status = SIGKILL},
        {.has_ended = true, .status = SIGKILL, .out_of_memory = true, .resident = 3.1 * (1 << 30)},
        {.has_ended = true, .status = SIGKILL, .out_of_memory = true, .resident = 512e3},
        {.has_ended = true, .lost_forkserver = true},
    };
    static const char *const texts[] = {
        "has not ended",
        "killed by SIGKILL",
        "killed by SIGKILL, likely out of memory: 3.1 GiB resident, limit 4 GiB",
        "killed by SIGKILL, likely out of memory: 500 KiB resident, limit 4 GiB",
        "killed with the process that keeps the workers",
    };
    for (size_t i = 0; i < LENGTH(deaths); i++) {
        struct parcel__text text = {0};
        deaths[i].limit = 4.0 * (1 << 30);
        parcel__death_put(&text, &deaths[i]);
        ck_assert_str_eq(text.bytes, texts[i]);
        parcel__text_free(&text);
    }
}
END_TEST

extern void __asan_init(void) __attribute__((weak));

/* The forkserver thinks that there is little memory, of which the address sanitizer wants some. */
START_TEST(test_out_of_memory)
{
    const struct rlimit little = {1 << 16, RLIM_INFINITY}; /* a static program is small */
    if (__asan_init)
        return;
    struct parcel__forkserver *forkserver = open_forkserver(1);
    ck_assert(start(forkserver, 0, -1));
    ck_assert(ask(forkserver, 0));
    if (prlimit(atomic_load(&shared->forkserver), RLIMIT_AS, &little, NULL) == 0) {
        kill(parcel__forkserver_pid(forkserver, 0), SIGKILL);
        await_death(forkserver, 0);
        ck_contains(death_of(forkserver, 0), "killed by SIGKILL, likely out of memory: ");
        ck_contains(death_of(forkserver, 0), " resident, limit 64 KiB");
    }
    parcel__forkserver_close(forkserver);
}
END_TEST

/* ---- starts ---- */

START_TEST(test_core_limit)
{
    struct rlimit core;
    char why[128];
    struct parcel__forkserver_options options = {.n_workers = 1, .work = work};
    getrlimit(RLIMIT_CORE, &core);
    core.rlim_cur = core.rlim_max;
    setrlimit(RLIMIT_CORE, &core);
    for (int dumps = 0; dumps < 2; dumps++) {
        options.dumps_core = dumps != 0;
        struct parcel__forkserver *forkserver = parcel__forkserver_open(&options, why, sizeof why);
        ck_assert_ptr_nonnull(forkserver);
        ck_assert_str_eq(act_and_die(forkserver, 0, tell_core_limit), dumps && core.rlim_max > 1
                                                                          ? "exited with status 2"
                                                                          : "exited with status 1");
        parcel__forkserver_close(forkserver);
    }
}
END_TEST

static void count_and_wait(void *context, struct parcel__forkserver *forkserver, int worker)
{
    (void)context;
    (void)forkserver;
    (void)worker;
    atomic_fetch_add(&shared->count, 1);
    for (;;)
        pause();
}

/* Whether it runs already, or only just, when its proxy asks for it: there is one of each. */
START_TEST(test_started_at_once)
{
    char why[128];
    const struct parcel__forkserver_options options = {
        .n_workers = 3, .work = count_and_wait, .n_started = 2};
    atomic_store(&shared->count, 0);
    for (int i = 1; i <= 100; i++) {
        struct parcel__forkserver *forkserver = parcel__forkserver_open(&options, why, sizeof why);
        ck_assert_ptr_nonnull(forkserver);
        for (int worker = 0; worker < 3; worker++)
            ck_assert(parcel__forkserver_start(forkserver, worker, why, sizeof why));
        while (atomic_load(&shared->count) < 3 * i)
            sched_yield();
        parcel__forkserver_close(forkserver); /* who is not known to it would be waited for */
        ck_assert_int_eq(atomic_load(&shared->count), 3 * i);
    }
}
END_TEST

START_TEST(test_nobody_started)
{
    struct parcel__forkserver *forkserver = open_forkserver(1);
    ck_assert(!parcel__forkserver_is_alive(forkserver, 0));
    ck_assert_int_eq(parcel__forkserver_pid(forkserver, 0), 0);
    ck_assert_str_eq(death_of(forkserver, 0), "has not ended");
    parcel__forkserver_kill(forkserver, 0, SIGKILL);
    parcel__forkserver_close(forkserver);
    parcel__forkserver_close(NULL);
}
END_TEST

START_TEST(test_started_twice)
{
    struct parcel__forkserver *forkserver = open_forkserver(1);
    ck_assert(start(forkserver, 0, -1));
    pid_t pid = parcel__forkserver_pid(forkserver, 0);
    ck_assert(start(forkserver, 0, -1));
    ck_assert_int_eq(parcel__forkserver_pid(forkserver, 0), pid);
    ck_assert(ask(forkserver, 0));
    parcel__forkserver_close(forkserver);
}
END_TEST

struct crasher {
    struct parcel__forkserver *forkserver;
    int worker;
    int right;
};

static void *crash_again(void *data)
{
    struct crasher *crasher = data;
    for (int i = 0; i < AGAIN; i++) {
        atomic_store(&shared->act[crasher->worker], number_of(touch_address_8));
        char why[128];
        struct parcel__text text = {0};
        if (!parcel__forkserver_start(crasher->forkserver, crasher->worker, why, sizeof why))
            continue;
        await_death(crasher->forkserver, crasher->worker);
        parcel__forkserver_put_death(&text, crasher->forkserver, crasher->worker);
        crasher->right += strcmp(text.bytes, "killed by SIGSEGV (address 0x8)") == 0;
        parcel__text_free(&text);
    }
    return NULL;
}

START_TEST(test_many_crashes)
{
    struct parcel__forkserver *forkserver = open_forkserver(MOST_WORKERS);
    struct crasher crashers[MOST_WORKERS];
    pthread_t threads[MOST_WORKERS];
    for (int i = 0; i < MOST_WORKERS; i++) {
        crashers[i] = (struct crasher){forkserver, i, 0};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, crash_again, &crashers[i]), 0);
    }
    for (int i = 0; i < MOST_WORKERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < MOST_WORKERS; i++)
        ck_assert_int_eq(crashers[i].right, AGAIN);
    parcel__forkserver_close(forkserver);
}
END_TEST

/* RLIMIT_NPROC does not bind root. */
static bool become_nobody(void)
{
    return geteuid() != 0 || setresuid(54321, 54321, 54321) == 0;
}

static int refuse_workers(void)
{
    struct rlimit none = {0}, before;
    char why[128] = "";
    require(become_nobody());
    struct parcel__forkserver *forkserver = open_with(1, why, sizeof why);
    require(forkserver && start(forkserver, 0, -1) && ask(forkserver, 0));
    parcel__forkserver_kill(forkserver, 0, SIGKILL);
    await_death(forkserver, 0);
    getrlimit(RLIMIT_NPROC, &before);
    none.rlim_max = before.rlim_max;
    require(prlimit(atomic_load(&shared->forkserver), RLIMIT_NPROC, &none, NULL) == 0);
    require(!parcel__forkserver_start(forkserver, 0, why, sizeof why));
    require(strcmp(why, "fork: Resource temporarily unavailable (EAGAIN)") == 0);
    require(!parcel__forkserver_is_alive(forkserver, 0));
    require(prlimit(atomic_load(&shared->forkserver), RLIMIT_NPROC, &before, NULL) == 0);
    require(start(forkserver, 0, -1) && ask(forkserver, 0));
    parcel__forkserver_close(forkserver);
    return 0;
}

static int refuse_forkserver(void)
{
    struct rlimit none = {0};
    char why[128] = "";
    require(become_nobody());
    require(setrlimit(RLIMIT_NPROC, &none) == 0);
    require(!open_with(1, why, sizeof why));
    require(strcmp(why, "fork: Resource temporarily unavailable (EAGAIN)") == 0);
    return 0;
}

START_TEST(test_fork_fails)
{
    ck_assert_int_eq(run_as_program(refuse_workers), 0);
    ck_assert_int_eq(run_as_program(refuse_forkserver), 0);
}
END_TEST

/* ---- ends of others ---- */

static int
    to_test[2]; /* a pipe that is at its end when all processes that a program began are gone */

static void *open_and_start(void *data)
{
    struct parcel__forkserver **forkserver = data;
    char why[128];
    *forkserver = open_with(2, why, sizeof why);
    if (*forkserver && !start(*forkserver, 0, -1))
        *forkserver = NULL;
    return NULL;
}

static struct parcel__forkserver *open_in_thread(void)
{
    pthread_t thread;
    struct parcel__forkserver *forkserver = NULL;
    if (pthread_create(&thread, NULL, open_and_start, &forkserver) == 0)
        pthread_join(thread, NULL);
    return forkserver;
}

static int be_killed(void)
{
    struct parcel__forkserver *forkserver;
    open_and_start(&forkserver);
    require(forkserver && start(forkserver, 1, -1) && ask(forkserver, 0) && ask(forkserver, 1));
    raise(SIGKILL);
    return 0;
}

static int be_killed_after_thread(void)
{
    struct parcel__forkserver *forkserver = open_in_thread();
    require(forkserver && start(forkserver, 1, -1) && ask(forkserver, 0) && ask(forkserver, 1));
    raise(SIGKILL);
    return 0;
}

static int return_from_main(void)
{
    struct parcel__forkserver *forkserver = open_in_thread();
    require(forkserver && ask(forkserver, 0));
    return 0;
}

static int kill_forkserver_and_itself(void)
{
    struct parcel__forkserver *forkserver = open_in_thread();
    require(forkserver && start(forkserver, 1, -1) && ask(forkserver, 0) && ask(forkserver, 1));
    kill(atomic_load(&shared->forkserver), SIGKILL);
    raise(SIGKILL);
    return 0;
}

static int close_busy_workers(void)
{
    struct parcel__forkserver *forkserver = open_in_thread();
    require(forkserver && ask(forkserver, 0));
    kill(parcel__forkserver_pid(forkserver, 0), SIGSTOP);
    pid_t processes[] = {parcel__forkserver_pid(forkserver, 0), atomic_load(&shared->forkserver)};
    parcel__forkserver_close(forkserver);
    for (size_t i = 0; i < LENGTH(processes); i++)
        require(kill(processes[i], 0) != 0 && errno == ESRCH);
    return 0;
}

static int (*const ends[])(void) = {be_killed, be_killed_after_thread, return_from_main,
                                    kill_forkserver_and_itself, close_busy_workers};

START_TEST(test_program_ends)
{
    char byte;
    int status;
    ck_assert_int_eq(pipe(to_test), 0);
    pid_t program = fork_program(ends[_i]);
    close(to_test[1]);
    ck_assert_int_eq(read(to_test[0], &byte, 1), 0);
    ck_assert_int_eq(waitpid(program, &status, 0), program);
    ck_assert_int_le(shared->failed_line, 0);
    ck_assert_int_eq(WIFSIGNALED(status) ? -1 : 0, shared->failed_line);
    close(to_test[0]);
}
END_TEST

START_TEST(test_forking_thread_ends)
{
    struct parcel__forkserver *forkserver = open_in_thread();
    ck_assert_ptr_nonnull(forkserver);
    ck_assert(ask(forkserver, 0));
    ck_assert(start(forkserver, 1, -1));
    ck_assert(ask(forkserver, 0) && ask(forkserver, 1));
    parcel__forkserver_close(forkserver);
}
END_TEST

static void *start_and_ask(void *data)
{
    struct crasher *crasher = data;
    crasher->right = start(crasher->forkserver, crasher->worker, -1) &&
                     ask(crasher->forkserver, crasher->worker);
    return NULL;
}

START_TEST(test_forkserver_is_killed)
{
    struct parcel__forkserver *forkserver = open_forkserver(2);
    for (int i = 0; i < AGAIN; i++) {
        struct crasher starters[2] = {{forkserver, 0, 0}, {forkserver, 1, 0}};
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, start_and_ask, &starters[0]), 0);
        start_and_ask(&starters[1]);
        pthread_join(thread, NULL);
        ck_assert(starters[0].right && starters[1].right);
        kill(atomic_load(&shared->forkserver), SIGKILL);
        await_death(forkserver, i % 2);
        ck_assert_str_eq(death_of(forkserver, i % 2),
                         "killed with the process that keeps the workers");
    }
    parcel__forkserver_close(forkserver);
}
END_TEST

START_TEST(test_forkserver_is_killed_before_close)
{
    struct parcel__forkserver *forkserver = open_forkserver(1);
    ck_assert(start(forkserver, 0, -1));
    ck_assert(ask(forkserver, 0));
    kill(atomic_load(&shared->forkserver), SIGKILL);
    parcel__forkserver_close(forkserver);
}
END_TEST

/* A process that the program forks leaves the forkserver alone. */
START_TEST(test_fork_of_program)
{
    struct parcel__forkserver *forkserver = open_forkserver(1);
    ck_assert(start(forkserver, 0, -1));
    pid_t child = fork();
    if (child == 0) {
        char why[128] = "";
        bool refused = !parcel__forkserver_is_alive(forkserver, 0) &&
                       !parcel__forkserver_start(forkserver, 0, why, sizeof why) &&
                       strstr(why, "forked");
        parcel__forkserver_close(forkserver);
        _exit(refused ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert(ask(forkserver, 0));
    parcel__forkserver_close(forkserver);
}
END_TEST

/* ---- the program's signals ---- */

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&shared->count, 1);
}

static void reap_all(int number)
{
    int saved = errno;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        atomic_fetch_add(&shared->count, 1);
    errno = saved;
    (void)number;
}

static int crash_and_close(void)
{
    char why[128];
    struct parcel__forkserver *forkserver = open_with(1, why, sizeof why);
    require(forkserver);
    for (int i = 0; i < 3; i++) {
        require(strcmp(act_and_die(forkserver, 0, touch_address_8),
                       "killed by SIGSEGV (address 0x8)") == 0);
        require(start(forkserver, 0, -1) && ask(forkserver, 0));
        parcel__forkserver_kill(forkserver, 0, SIGKILL);
        await_death(forkserver, 0);
    }
    require(start(forkserver, 0, -1) && ask(forkserver, 0));
    kill(atomic_load(&shared->forkserver), SIGKILL);
    await_death(forkserver, 0);
    require(start(forkserver, 0, -1) && ask(forkserver, 0));
    parcel__forkserver_close(forkserver);
    return 0;
}

static int ignore_children(void)
{
    signal(SIGCHLD, SIG_IGN);
    return crash_and_close();
}

/* Besides the forkserver that was killed and the one that left, there is nobody to wait for. */
static int reap_in_handler(void)
{
    signal(SIGCHLD, reap_all);
    require(crash_and_close() == 0);
    require(atomic_load(&shared->count) <= 2);
    return 0;
}

static int count_children(void)
{
    char why[128];
    signal(SIGCHLD, count_signal);
    struct parcel__forkserver *forkserver = open_with(1, why, sizeof why);
    require(forkserver);
    for (int i = 0; i < 3; i++)
        act_and_die(forkserver, 0, touch_address_8);
    require(atomic_load(&shared->count) == 0);
    parcel__forkserver_close(forkserver);
    require(atomic_load(&shared->count) == 1);
    return 0;
}

START_TEST(test_children_of_program)
{
    static int (*const bodies[])(void) = {crash_and_close, ignore_children, reap_in_handler,
                                          count_children};
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        atomic_store(&shared->count, 0);
        ck_assert_int_eq(run_as_program(bodies[i]), 0);
    }
}
END_TEST

struct signal_state {
    struct sigaction actions[64];
    sigset_t mask;
    stack_t stack;
};

static void read_signals(struct signal_state *state)
{
    memset(state, 0, sizeof *state);
    for (int i = 1; i < 64; i++)
        sigaction(i, NULL, &state->actions[i]);
    pthread_sigmask(SIG_SETMASK, NULL, &state->mask);
    sigaltstack(NULL, &state->stack);
}

static int leave_signals(void)
{
    static struct signal_state before, after;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGINT, count_signal);
    signal(SIGSEGV, count_signal);
    read_signals(&before);
    require(crash_and_close() == 0);
    read_signals(&after);
    for (int i = 1; i < 64; i++)
        require(before.actions[i].sa_handler == after.actions[i].sa_handler &&
                before.actions[i].sa_flags == after.actions[i].sa_flags);
    require(memcmp(&before.mask, &after.mask, sizeof before.mask) == 0);
    require(before.stack.ss_sp == after.stack.ss_sp);
    return 0;
}

/* The program's handlers of other signals hold in the workers, though the forkserver has its own.
 */
static int keep_handlers(void)
{
    char why[128];
    signal(SIGUSR1, count_signal);
    signal(SIGCHLD, count_signal);
    struct parcel__forkserver *forkserver = open_with(1, why, sizeof why);
    require(forkserver);
    require(strcmp(act_and_die(forkserver, 0, raise_usr1_and_child), EXITED(11)) == 0);
    require(atomic_load(&shared->count) == 2);
    parcel__forkserver_close(forkserver);
    return 0;
}

/* Also of a program that blocks all signals, workers can be ended. */
static int block_all(void)
{
    sigset_t all;
    char why[128];
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    struct parcel__forkserver *forkserver = open_with(1, why, sizeof why);
    require(forkserver && start(forkserver, 0, -1));
    parcel__forkserver_kill(forkserver, 0, SIGTERM);
    await_death(forkserver, 0);
    require(strcmp(death_of(forkserver, 0), "killed by SIGTERM") == 0);
    require(strcmp(act_and_die(forkserver, 0, touch_address_8),
                   "killed by SIGSEGV (address 0x8)") == 0);
    parcel__forkserver_close(forkserver);
    return 0;
}

START_TEST(test_signals_of_program)
{
    static int (*const bodies[])(void) = {leave_signals, keep_handlers, block_all};
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        atomic_store(&shared->count, 0);
        ck_assert_int_eq(run_as_program(bodies[i]), 0);
    }
}
END_TEST

/* ---- what fork would break ---- */

static int open_regions_in_workers(void)
{
    char why[128], expected[32];
    struct parcel__forkserver *forkserver = open_with(2, why, sizeof why);
    snprintf(expected, sizeof expected, "exited with status %d", REGION);
    require(forkserver);
    for (int i = 0; i < 3; i++)
        require(strcmp(act_and_die(forkserver, i % 2, open_region), expected) == 0);
    parcel__forkserver_close(forkserver);
    return 0;
}

static int regions_before(void)
{
    require(in_region() == REGION);
    require(open_regions_in_workers() == 0);
    require(in_region() == REGION);
    require(open_regions_in_workers() == 0);
    return 0;
}

static int fork_in_region(void)
{
    int line = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(THREADS)
#pragma omp single
#endif
    line = open_regions_in_workers();
    return line;
}

static int fork_in_master_of_region(void)
{
    int line = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(THREADS)
#pragma omp master
#endif
    line = open_regions_in_workers();
    return line;
}

START_TEST(test_openmp)
{
    static int (*const bodies[])(void) = {open_regions_in_workers, regions_before, fork_in_region,
                                          fork_in_master_of_region};
    for (size_t i = 0; i < LENGTH(bodies); i++)
        ck_assert_int_eq(run_as_program(bodies[i]), 0);
}
END_TEST

static atomic_bool is_over;

/* Half of the time it is held, so that most forks find some of them locked. */
static void *take_and_give_back(void *which)
{
    while (!atomic_load(&is_over)) {
        parcel__mutexes_lock(*(enum parcel__mutex *)which);
        parcel__port_sleep(1e-4);
        parcel__mutexes_unlock(*(enum parcel__mutex *)which);
        parcel__port_sleep(1e-4);
    }
    return NULL;
}

START_TEST(test_mutexes_of_other_threads)
{
    pthread_t threads[PARCEL__N_MUTEXES];
    enum parcel__mutex which[PARCEL__N_MUTEXES];
    atomic_store(&is_over, false);
    for (int i = 0; i < PARCEL__N_MUTEXES; i++) {
        which[i] = (enum parcel__mutex)i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give_back, &which[i]), 0);
    }
    for (int i = 0; i < AGAIN; i++) {
        struct parcel__forkserver *forkserver = open_forkserver(1);
        ck_assert_str_eq(act_and_die(forkserver, 0, take_mutexes), EXITED(9));
        parcel__forkserver_close(forkserver);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < PARCEL__N_MUTEXES; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

static void *read_byte(void *unused)
{
    getchar();
    return unused;
}

static int wait_for_input(void)
{
    int input[2];
    pthread_t thread;
    require(pipe(input) == 0 && dup2(input[0], STDIN_FILENO) == STDIN_FILENO);
    require(pthread_create(&thread, NULL, read_byte, NULL) == 0);
    while (ftrylockfile(stdin) == 0) {
        funlockfile(stdin);
        sched_yield();
    }
    require(crash_and_close() == 0);
    require(write(input[1], "\n", 1) == 1);
    pthread_join(thread, NULL);
    return 0;
}

static UNUSED int have_no_files(void)
{
    struct rlimit files, none;
    require(getrlimit(RLIMIT_NOFILE, &files) == 0);
    none = (struct rlimit){0, files.rlim_max};
    require(setrlimit(RLIMIT_NOFILE, &none) == 0);
    require(crash_and_close() == 0);
    require(setrlimit(RLIMIT_NOFILE, &files) == 0);
    return 0;
}

START_TEST(test_files)
{
    ck_assert_int_eq(run_as_program(wait_for_input), 0);
#if !defined __clang__ || !defined _OPENMP /* libomp opens a file in every process, or aborts */
    ck_assert_int_eq(run_as_program(have_no_files), 0);
#endif
}
END_TEST

static char printed[] = "/tmp/parcel-forkserver-XXXXXX";

static int print(void)
{
    char why[128];
    require(freopen(printed, "w", stdout));
    printf("program ");
    struct parcel__forkserver *forkserver = open_with(1, why, sizeof why);
    require(forkserver);
    require(strcmp(act_and_die(forkserver, 0, print_and_exit), EXITED(10)) == 0);
    require(strcmp(act_and_die(forkserver, 0, print_and_return), "exited with status 0") == 0);
    act_and_die(forkserver, 0, underscore_exit_4);
    parcel__forkserver_close(forkserver);
    return 0;
}

START_TEST(test_nothing_is_printed_twice)
{
    char text[64] = "";
    strcpy(printed + strlen(printed) - 6, "XXXXXX");
    int file = mkstemp(printed);
    ck_assert_int_ge(file, 0);
    int line = run_as_program(print);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    remove(printed);
    ck_assert_int_eq(line, 0);
    ck_assert_int_gt(length, 0);
    ck_assert_str_eq(text, "program worker worker ");
}
END_TEST

static void count_exit(void)
{
    atomic_fetch_add(&shared->count, 1);
}

static int exit_in_workers(void)
{
    char why[128];
    require(atexit(count_exit) == 0 && at_quick_exit(count_exit) == 0);
    struct parcel__forkserver *forkserver = open_with(1, why, sizeof why);
    require(forkserver);
    act_and_die(forkserver, 0, exit_3);
    act_and_die(forkserver, 0, exit_quickly);
    act_and_die(forkserver, 0, exit_in_thread);
    act_and_die(forkserver, 0, do_nothing);
    parcel__forkserver_close(forkserver);
    require(atomic_load(&shared->count) == 0);
    return 0;
}

/* The program's own end is counted. */
START_TEST(test_exit_handlers)
{
    atomic_store(&shared->count, 0);
    ck_assert_int_eq(run_as_program(exit_in_workers), 0);
    ck_assert_int_eq(atomic_load(&shared->count), 1);
}
END_TEST

/* An OpenMP runtime reads its variables when it is loaded. */
static int begin_bound(void)
{
    setenv("OMP_PROC_BIND", "true", 1);
    execl("/proc/self/exe", "test_forkserver", "bound", (char *)NULL);
    return __LINE__;
}

static int compare_cpus(void)
{
    cpu_set_t mine;
    char expected[32];
    char why[128];
    shared = parcel__process_share(sizeof *shared);
    in_region();
    sched_getaffinity(0, sizeof mine, &mine);
    int cpus = parcel_cpu_count() > CPU_COUNT(&mine) ? parcel_cpu_count() : CPU_COUNT(&mine);
    snprintf(expected, sizeof expected, "exited with status %d", cpus);
    struct parcel__forkserver *forkserver = shared ? open_with(1, why, sizeof why) : NULL;
    if (!forkserver)
        return EXIT_FAILURE;
    const char *death = act_and_die(forkserver, 0, tell_cpus);
    parcel__forkserver_close(forkserver);
    return strcmp(death, expected) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

START_TEST(test_bound_threads)
{
    int status;
    pid_t program = fork_program(begin_bound);
    ck_assert_int_eq(waitpid(program, &status, 0), program);
    ck_assert_int_eq(shared->failed_line, -1);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- process ---- */

static void *ring(void *word)
{
    parcel__process_ring(word);
    return NULL;
}

START_TEST(test_ring)
{
    pthread_t thread;
    atomic_uint word = 7;
    ck_assert_int_eq(pthread_create(&thread, NULL, ring, &word), 0);
    while (atomic_load(&word) == 7)
        parcel__process_wait(&word, 7, INFINITY);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(atomic_load(&word), 8);
    parcel__process_wait(&word, 7, INFINITY); /* it is another value already */
    parcel__process_wait(&word, 8, 1e-3);
    parcel__process_wait(&word, 8, 0);
    parcel__process_wait(&word, 8, -1);
}
END_TEST

/* True when the byte may be read. */
static bool is_mapped(const unsigned char *byte)
{
    int sides[2];
    ck_assert_int_eq(pipe(sides), 0);
    bool is_read = write(sides[1], byte, 1) == 1;
    close(sides[0]);
    close(sides[1]);
    return is_read;
}

START_TEST(test_share)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *pages = parcel__process_share(5000);
    ck_assert_ptr_nonnull(pages);
    ck_assert_uint_eq(pages[0] | pages[4999], 0);
    pid_t child = fork();
    if (child == 0) {
        pages[4999] = 3;
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_uint_eq(pages[4999], 3);
    ck_assert(is_mapped(pages + 4999));
    ck_assert(!is_mapped(pages - 1));
    ck_assert(!is_mapped(pages + (5000 + page - 1) / page * page));
    parcel__process_unshare(pages, 5000);
    ck_assert_ptr_null(parcel__process_share(SIZE_MAX / 2));
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "bound") == 0)
        return compare_cpus();
    Suite *suite = suite_create("forkserver");
    TCase *tests = suite_case(suite, "forkserver");
    tcase_add_checked_fixture(tests, share, stop_sharing);
    tcase_add_loop_test(tests, test_death, 0, N_DEATHS);
    tcase_add_test(tests, test_kills);
    tcase_add_test(tests, test_signals_of_others);
    tcase_add_test(tests, test_texts);
    tcase_add_test(tests, test_out_of_memory);
    tcase_add_test(tests, test_core_limit);
    tcase_add_test(tests, test_started_at_once);
    tcase_add_test(tests, test_nobody_started);
    tcase_add_test(tests, test_started_twice);
    tcase_add_test(tests, test_many_crashes);
    tcase_add_test(tests, test_fork_fails);
    tcase_add_loop_test(tests, test_program_ends, 0, LENGTH(ends));
    tcase_add_test(tests, test_forking_thread_ends);
    tcase_add_test(tests, test_forkserver_is_killed);
    tcase_add_test(tests, test_forkserver_is_killed_before_close);
    tcase_add_test(tests, test_fork_of_program);
    tcase_add_test(tests, test_children_of_program);
    tcase_add_test(tests, test_signals_of_program);
    tcase_add_test(tests, test_openmp);
    tcase_add_test(tests, test_mutexes_of_other_threads);
    tcase_add_test(tests, test_files);
    tcase_add_test(tests, test_nothing_is_printed_twice);
    tcase_add_test(tests, test_exit_handlers);
    tcase_add_test(tests, test_bound_threads);
    tcase_add_test(tests, test_ring);
    tcase_add_test(tests, test_share);
    return suite_run(suite);
}

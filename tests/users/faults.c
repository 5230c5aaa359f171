/*
 * faults.c: runs in worker processes while things go wrong at random places: calls that crash,
 * exit, hang, or take their process's memory or descriptors away, workers and their forkserver
 * killed from outside, programs killed while they run, systems that fork no more. After each run:
 * every call has its result or a record that says why not, none ran more often than its record
 * says, no process and no mapping is left.
 *
 *     faults [injections [seed]]
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

enum { MOST_CALLS = 200, MOST_JOBS = 4, HANGS_FOR = 600 };

/* ---- what goes wrong in a call ---- */

enum fault {
    NO_FAULT,
    FAILS,
    SEGFAULTS,
    ABORTS,
    KILLS_ITSELF,
    EXITS_0,
    EXITS_3,
    EXITS_AT_ONCE,
    EXITS_QUICKLY,
    OVERFLOWS_STACK,
    TAKES_MEMORY,
    CLOSES_ALL,
    OPENS_ALL,
    STOPS_ITSELF,
    LOOPS,
    N_FAULTS
};

/* What the record says of it; NULL: the call succeeds. share: how often it is injected. */
static const struct {
    const char *name, *message;
    parcel_status status;
    int share;
} faults[N_FAULTS] = {
    [NO_FAULT] = {"none", NULL, PARCEL_OK, 0},
    [FAILS] = {"parcel_fail", "failed on purpose", PARCEL_FAILED, 100},
    [SEGFAULTS] = {"SIGSEGV", "worker killed by SIGSEGV (address 0x8)", PARCEL_LOST, 100},
    [ABORTS] = {"SIGABRT", "worker killed by SIGABRT", PARCEL_LOST, 100},
    [KILLS_ITSELF] = {"SIGKILL", "worker killed by SIGKILL", PARCEL_LOST, 100},
    [EXITS_0] = {"exit(0)", "worker " EXITED(0), PARCEL_LOST, 100},
    [EXITS_3] = {"exit(3)", "worker " EXITED(3), PARCEL_LOST, 100},
    [EXITS_AT_ONCE] = {"_exit(4)", "worker exited with status 4", PARCEL_LOST, 100},
    [EXITS_QUICKLY] = {"quick_exit", "worker ended by quick_exit", PARCEL_LOST, 100},
    [OVERFLOWS_STACK] = {"stack overflow", "worker killed by SIGSEGV (address 0x", PARCEL_LOST,
                         100},
#if !SUITE_IS_SANITIZED
    [TAKES_MEMORY] = {"RLIMIT_AS", "worker killed by SIGABRT", PARCEL_LOST, 100},
#endif
    [CLOSES_ALL] = {"descriptors closed", NULL, PARCEL_OK, 100},
    [OPENS_ALL] = {"descriptors exhausted", NULL, PARCEL_OK, 20},
    [STOPS_ITSELF] = {"SIGSTOP", "timed out: ", PARCEL_TIMED_OUT, 4},
    [LOOPS] = {"infinite loop", "timed out: ", PARCEL_TIMED_OUT, 4},
};

static bool hangs(enum fault fault)
{
    return fault == STOPS_ITSELF || fault == LOOPS;
}

static volatile int *volatile nowhere = (volatile int *)8;

__attribute__((noinline)) static int overflow(volatile char *above)
{
    volatile char here[4096];
    here[0] = *above;
    return *above == 0 ? overflow(here) + here[0] : 0;
}

static void take_memory(void)
{
    static void *volatile taken;
    const struct rlimit limit = {1 << 20, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &limit);
    while ((taken = malloc(1 << 16)) != NULL)
        continue;
    abort();
}

static void close_all(void)
{
    for (int fd = 0; fd < 256; fd++)
        close(fd);
}

static void open_all(void)
{
    const struct rlimit limit = {64, 64};
    setrlimit(RLIMIT_NOFILE, &limit);
    while (open("/dev/null", O_RDONLY) >= 0)
        continue;
}

static void loop(void)
{
    for (volatile unsigned i = 0;; i = i + 1)
        continue;
}

static void inject(enum fault fault)
{
    volatile char top = 0;
    switch (fault) {
    case FAILS:
        parcel_fail("failed on purpose");
        break;
    case SEGFAULTS:
        *nowhere = 0;
        break;
    case ABORTS:
        abort();
    case KILLS_ITSELF:
        raise(SIGKILL);
        break;
    case EXITS_0:
        exit(0);
    case EXITS_3:
        exit(3);
    case EXITS_AT_ONCE:
        _exit(4);
    case EXITS_QUICKLY:
        quick_exit(5);
    case OVERFLOWS_STACK:
        overflow(&top);
        break;
    case TAKES_MEMORY:
        take_memory();
        break;
    case CLOSES_ALL:
        close_all();
        break;
    case OPENS_ALL:
        open_all();
        break;
    case STOPS_ITSELF:
        raise(SIGSTOP);
        break;
    case LOOPS:
        loop();
        break;
    default:
        break;
    }
}

/* ---- the calls ---- */

/* What all processes see. */
static struct shared {
    atomic_int begun[MOST_CALLS]; /* how often each call did */
    atomic_int ended[MOST_CALLS];
    atomic_int n_begun;
    atomic_int forkserver;      /* the parent of the workers */
    atomic_int pids[MOST_JOBS]; /* the workers' */
} * shared;

/* Returns whether the call failed: what it returns then is not freed by anyone else. */
static bool begin(int i, int fault, int times)
{
    int n = atomic_fetch_add(&shared->begun[i], 1);
    atomic_store(&shared->forkserver, getppid());
    atomic_store(&shared->pids[parcel_worker() % MOST_JOBS], getpid());
    atomic_fetch_add(&shared->n_begun, 1);
    if (n >= times)
        return false;
    inject((enum fault)fault);
    return fault == FAILS;
}

static long number(int i, int fault, int times)
{
    begin(i, fault, times);
    atomic_fetch_add(&shared->ended[i], 1);
    return 7L * i + 1;
}
DELAYED(long, number, int, int, int);

static char *text(int i, int fault, int times)
{
    char *made = malloc(32);
    bool has_failed = begin(i, fault, times);
    atomic_fetch_add(&shared->ended[i], 1);
    if (has_failed) {
        free(made);
        return NULL;
    }
    snprintf(made, 32, "text %d", i);
    return made;
}
DELAYED(char *, text, int, int, int);

static parcel_array array(int i, int fault, int times, int count)
{
    unsigned *data = malloc((size_t)count * sizeof *data);
    bool has_failed = begin(i, fault, times);
    atomic_fetch_add(&shared->ended[i], 1);
    if (has_failed) {
        free(data);
        return (parcel_array){0};
    }
    for (int k = 0; k < count; k++)
        data[k] = (unsigned)(i + k);
    return parcel_array(data, (size_t)count);
}
DELAYED(parcel_array, array, int, int, int, int);

/* ---- a round ---- */

enum { NUMBER, TEXT, ARRAY };

/* What was planned for a call, and what came of it. */
struct planned {
    int kind;
    enum fault fault;
    int times; /* how many attempts meet the fault */
    int count; /* of an array's elements */
    parcel_status status;
    int attempts;
    bool is_right; /* its value */
    char message[160];
};

static struct round {
    int number;
    int n_calls;
    int n_jobs;
    int batch_size;
    int retries;
    bool collects;
    bool is_warm;          /* the workers stood before the calls */
    bool is_streamed;      /* results go to on_result */
    bool has_limit;        /* of time */
    int n_kills;           /* that are sent from outside, */
    bool kills_forkserver; /* to the forkserver too, */
    atomic_int killed;     /* and how many workers they may have met */
    atomic_bool is_over;
    struct planned calls[MOST_CALLS];
} run;

static int injected[N_FAULTS], n_injected, n_outside, n_forkservers;

static uint64_t random_state;

static int random_of(uint64_t *state, int limit)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (int)((*state >> 33) % (uint64_t)limit);
}

static int random_below(int limit)
{
    return random_of(&random_state, limit);
}

static unsigned long long seed;

#define EXPECT(condition, ...) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "faults: seed %llu, round %d: %s\n    ", seed, run.number, \
                    #condition); \
            fprintf(stderr, __VA_ARGS__); \
            fprintf(stderr, "\n"); \
            _exit(EXIT_FAILURE); \
        } \
    } while (0)

static enum fault random_fault(void)
{
    int sum = 0, i = 0;
    for (int k = 0; k < N_FAULTS; k++)
        sum += faults[k].share;
    for (int left = random_below(sum); left >= faults[i].share; i++)
        left -= faults[i].share;
    return (enum fault)i;
}

static void plan_fault(void)
{
    struct planned *call = &run.calls[random_below(run.n_calls)];
    if (call->fault != NO_FAULT)
        return;
    call->fault = random_fault();
    call->times = 1 + random_below(3);
    run.has_limit |= hangs(call->fault);
    injected[call->fault]++;
    n_injected++;
}

static void plan_round(int number)
{
    memset(&run, 0, sizeof run);
    memset(shared, 0, sizeof *shared);
    run.number = number;
    run.n_calls = 1 + random_below(random_below(2) ? 8 : MOST_CALLS);
    run.n_jobs = 1 + random_below(MOST_JOBS);
    run.batch_size = random_below(2) ? 0 : 1 + random_below(20);
    run.retries = random_below(2) ? 0 : 1 + random_below(3);
    run.collects = random_below(4) > 0;
    run.is_warm = random_below(3) == 0;
    run.is_streamed = random_below(3) == 0;
    bool is_large = random_below(4) == 0;
    for (int i = 0; i < run.n_calls; i++) {
        run.calls[i].kind = random_below(3);
        run.calls[i].count =
            is_large && random_below(8) == 0 ? random_below(2 << 20) : random_below(1000);
    }
    for (int n = random_below(8); n > 0; n--)
        plan_fault();
    if (random_below(3) > 0)
        return;
    run.n_kills = 1 + random_below(2);
    run.kills_forkserver = random_below(8) == 0 && !SUITE_IS_SANITIZED;
    run.collects = true;
}

/* ---- kills from outside ---- */

static int parent_of(int pid)
{
    char path[64], line[256];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    char *end = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    if (end)
        sscanf(end, ") %*c %d", &parent);
    fclose(file);
    return parent;
}

static void kill_one(uint64_t *state)
{
    int forkserver = atomic_load(&shared->forkserver);
    int worker = atomic_load(&shared->pids[random_of(state, MOST_JOBS)]);
    if (forkserver == 0 || parent_of(forkserver) != getpid())
        return;
    if (run.kills_forkserver && random_of(state, 2) == 0) {
        atomic_fetch_add(&run.killed, run.n_jobs);
        n_forkservers += kill(forkserver, SIGKILL) == 0;
    } else if (worker > 0 && parent_of(worker) == forkserver) {
        atomic_fetch_add(&run.killed, 1);
        n_outside += kill(worker, SIGKILL) == 0;
    }
}

static void *kill_some(void *argument)
{
    uint64_t state = *(const uint64_t *)argument;
    for (int n = run.n_kills; n > 0; n--) {
        int calls = 1 + random_of(&state, run.n_calls), moments = random_of(&state, 400);
        while (atomic_load(&shared->n_begun) < calls && !atomic_load(&run.is_over))
            sched_yield();
        while (moments-- > 0)
            sched_yield();
        kill_one(&state);
    }
    return NULL;
}

/* ---- a run ---- */

static bool is_right_array(const struct planned *call, int i, parcel_array array)
{
    const unsigned *data = array.data;
    if (array.count != (size_t)call->count)
        return false;
    for (int k = 0; k < call->count; k++)
        if (data[k] != (unsigned)(i + k))
            return false;
    return true;
}

static bool is_right(const struct planned *call, int i, const parcel_value *value)
{
    char expected[32];
    snprintf(expected, sizeof expected, "text %d", i);
    if (call->kind == NUMBER)
        return value->tag == PARCEL_TAG_INT64 && value->as.int64 == 7L * i + 1;
    if (call->kind == TEXT)
        return value->tag == PARCEL_TAG_STRING && strcmp(value->as.string, expected) == 0;
    return value->tag == PARCEL_TAG_ARRAY && is_right_array(call, i, *value->as.array);
}

static void note(size_t i, parcel_value value, parcel_status status, int attempts,
                 const char *message)
{
    struct planned *call = &run.calls[i];
    call->status = status;
    call->attempts = attempts;
    call->is_right = status == PARCEL_OK && is_right(call, (int)i, &value);
    snprintf(call->message, sizeof call->message, "%s", message ? message : "");
}

static bool take(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    (void)state;
    note(index, value, record->status, record->attempts, record->message);
    return true;
}

static parcel_calls *make_calls(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < run.n_calls; i++) {
        const struct planned *call = &run.calls[i];
        if (call->kind == NUMBER)
            parcel_calls_add(calls, delayed(number)(i, (int)call->fault, call->times));
        else if (call->kind == TEXT)
            parcel_calls_add(calls, delayed(text)(i, (int)call->fault, call->times));
        else
            parcel_calls_add(calls, delayed(array)(i, (int)call->fault, call->times, call->count));
    }
    return calls;
}

static int nothing(int i)
{
    return i;
}
DELAYED(int, nothing, int);

static parcel_executor *open_executor(void)
{
    static const int numbers[MOST_JOBS];
    const parcel_options options = {.backend = "processes",
                                    .n_jobs = run.n_jobs,
                                    .batch_size = run.batch_size,
                                    .retries = run.retries,
                                    .timeout = run.has_limit ? 1 : 0,
                                    .kill_after = 0.05,
                                    .on_error = run.collects ? PARCEL_COLLECT : PARCEL_STOP,
                                    .on_result = run.is_streamed ? take : NULL};
    parcel_executor *executor = parcel_open(&options);
    if (run.is_warm) {
        parcel_results_free(
            parcel_executor_run(executor, parcel_map(nothing, numbers, LENGTH(numbers))));
        for (size_t i = 0; i < MOST_JOBS; i++)
            note(i, (parcel_value){0}, PARCEL_NOT_RUN, 0, NULL);
    }
    return executor;
}

static void read_results(const parcel_results *results)
{
    for (size_t i = 0; i < (size_t)run.n_calls && !run.is_streamed; i++)
        note(i, parcel_results_value(results, i), parcel_results_status(results, i),
             parcel_results_attempts(results, i), parcel_results_message(results, i));
}

static int failures(void)
{
    int count = 0;
    for (int i = 0; i < run.n_calls; i++) {
        parcel_status status = run.calls[i].status;
        count += status == PARCEL_FAILED || status == PARCEL_LOST || status == PARCEL_TIMED_OUT;
    }
    return count;
}

static void run_round(void)
{
    pthread_t killer;
    uint64_t state = random_state;
    parcel_executor *executor = open_executor();
    parcel_calls *calls = make_calls();
    if (run.n_kills > 0)
        pthread_create(&killer, NULL, kill_some, &state);
    parcel_results *results = parcel_executor_run(executor, calls);
    atomic_store(&run.is_over, true);
    if (run.n_kills > 0)
        pthread_join(killer, NULL);
    read_results(results);
    const char *error = parcel_results_error(results);
    EXPECT(parcel_results_failures(results) == (size_t)failures(), "%zu and %d: %s",
           parcel_results_failures(results), failures(), error);
    EXPECT((error != NULL) == (failures() > 0), "%s", error ? error : "no error");
    parcel_close(executor);
    parcel_results_free(results);
    parcel_calls_free(calls);
}

/* ---- what must hold ---- */

/* How often a call is tried when nobody interferes. */
static int attempts_of(const struct planned *call)
{
    if (faults[call->fault].status == PARCEL_OK || hangs(call->fault))
        return 1;
    return call->times <= run.retries ? call->times + 1 : run.retries + 1;
}

static bool is_met(const struct planned *call)
{
    return hangs(call->fault) || call->times > run.retries;
}

/* A call of a run that nobody disturbed from outside, and that ran to its end. */
static void check_exactly(int i)
{
    const struct planned *call = &run.calls[i];
    parcel_status expected = is_met(call) ? faults[call->fault].status : PARCEL_OK;
    int begun = atomic_load(&shared->begun[i]), ended = atomic_load(&shared->ended[i]);
    const char *name = faults[call->fault].name;
    EXPECT(call->status == expected, "call %d, %s: status %d after %d attempts, '%s'", i, name,
           call->status, call->attempts, call->message);
    EXPECT(call->attempts == attempts_of(call) && begun == call->attempts,
           "call %d, %s: %d attempts, %d planned, %d begun", i, name, call->attempts,
           attempts_of(call), begun);
    EXPECT(call->fault == FAILS ? ended == begun : ended == (expected == PARCEL_OK),
           "call %d, %s: ended %d times", i, name, ended);
}

/* A call of a run that ends at a failure: it may not have run, or not as often as it would. */
static void check_stopped(int i)
{
    const struct planned *call = &run.calls[i];
    int begun = atomic_load(&shared->begun[i]), attempts = attempts_of(call);
    bool has_run = call->status != PARCEL_NOT_RUN && call->status != PARCEL_CANCELLED;
    if (call->status == PARCEL_OK || failures() == 0)
        check_exactly(i);
    else if (has_run)
        EXPECT(call->status == faults[call->fault].status && begun == call->attempts &&
                   begun <= attempts,
               "call %d, %s: status %d, %d begun of %d", i, faults[call->fault].name, call->status,
               begun, attempts);
    else
        EXPECT(begun == 0 || (call->fault != NO_FAULT && begun <= attempts),
               "call %d, %s: no record, %d begun", i, faults[call->fault].name, begun);
}

/* A call of a run whose workers were killed: at worst it was lost by that. */
static void check_disturbed(int i, int *n_lost)
{
    const struct planned *call = &run.calls[i];
    bool was_killed = strstr(call->message, "killed by SIGKILL") ||
                      strstr(call->message, "killed with the process that keeps the workers");
    EXPECT(call->status == PARCEL_OK || call->status == faults[call->fault].status ||
               (call->status == PARCEL_LOST && was_killed),
           "call %d, %s: status %d, '%s'", i, faults[call->fault].name, call->status,
           call->message);
    *n_lost += call->status == PARCEL_LOST && was_killed && call->fault != KILLS_ITSELF;
}

static void check_message(int i)
{
    const struct planned *call = &run.calls[i];
    const char *expected = faults[call->fault].message;
    if (call->status == PARCEL_OK)
        EXPECT(call->is_right, "call %d of kind %d: its value is wrong", i, call->kind);
    else
        EXPECT(call->status == PARCEL_NOT_RUN || run.n_kills > 0 ||
                   call->status == PARCEL_CANCELLED ||
                   (expected && strncmp(call->message, expected, strlen(expected)) == 0),
               "call %d: '%s'", i, call->message);
}

static void check_round(void)
{
    int n_lost = 0, n_extra = 0, killed = atomic_load(&run.killed);
    for (int i = 0; i < run.n_calls; i++) {
        check_message(i);
        n_extra += atomic_load(&shared->begun[i]) - run.calls[i].attempts;
        if (run.n_kills > 0)
            check_disturbed(i, &n_lost);
        else if (run.collects)
            check_exactly(i);
        else
            check_stopped(i);
    }
    if (run.n_kills > 0)
        EXPECT(n_lost <= killed && n_extra <= killed, "%d lost, %d more begun, %d killed", n_lost,
               n_extra, killed);
}

/* ---- nothing is left ---- */

static int lines_of_shared_pages(void)
{
    char line[512];
    int count = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    while (file && fgets(line, sizeof line, file))
        count += strstr(line, "/dev/zero") != NULL;
    if (file)
        fclose(file);
    return count;
}

/* Ends with the last process that has the other end, and was forked since it was made. */
static void await_all(const int ends[2])
{
    char byte;
    close(ends[1]);
    while (read(ends[0], &byte, 1) > 0)
        continue;
    close(ends[0]);
}

static void make_pipe(int ends[2])
{
    EXPECT(pipe(ends) == 0, "%s", strerror(errno));
}

static void random_round(int number)
{
    int ends[2], lines = lines_of_shared_pages();
    plan_round(number);
    make_pipe(ends);
    alarm(HANGS_FOR);
    run_round();
    check_round();
    await_all(ends);
    EXPECT(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
    EXPECT(lines_of_shared_pages() == lines, "shared pages are left");
}

/* ---- programs that end, systems that fork no more ---- */

static int outcry[2]; /* a byte for each call that runs */

static int cry(int i)
{
    while (write(outcry[1], "", 1) < 0 && errno == EINTR)
        continue;
    return i;
}
DELAYED(int, cry, int);

static void run_for_ever(void)
{
    parcel_executor *executor =
        parcel_open(&(parcel_options){.backend = "processes", .n_jobs = 3, .batch_size = 1});
    static const int numbers[50];
    for (;;)
        parcel_results_free(parcel_executor_run(executor, parcel_map(cry, numbers, 50)));
}

/* A program is killed after so many calls of it: who is left would keep the pipe open. */
static void kill_program(void)
{
    char byte;
    make_pipe(outcry);
    alarm(HANGS_FOR);
    pid_t pid = fork();
    if (pid == 0)
        run_for_ever();
    int n = random_below(200), moments = random_below(200);
    while (n-- > 0)
        EXPECT(read(outcry[0], &byte, 1) == 1, "%s", strerror(errno));
    while (moments-- > 0)
        sched_yield();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    await_all(outcry);
}

/* A run with the faults of others, but none that hangs, where forks are refused. */
static void run_crowded(rlim_t n_tasks)
{
    const struct rlimit limit = {n_tasks, n_tasks};
    if (setgid(50000) != 0 || setuid((uid_t)(50000 + getpid() % 10000)) != 0)
        _exit(EXIT_FAILURE);
    setrlimit(RLIMIT_NPROC, &limit);
    plan_round(run.number);
    run.n_jobs = MOST_JOBS;
    run.n_kills = 0;
    run.has_limit = false;
    for (int i = 0; i < run.n_calls; i++)
        if (hangs(run.calls[i].fault))
            run.calls[i].fault = SEGFAULTS;
    run_round();
    check_round();
    _exit(EXIT_SUCCESS);
}

/* Room for the program, its forkserver, three threads and at least one worker. A sanitizer has
 * threads of its own. False: not here. */
static bool crowd_system(int number)
{
    int status, ends[2];
    if (getuid() != 0 || SUITE_IS_SANITIZED)
        return false;
    make_pipe(ends);
    alarm(HANGS_FOR);
    run.number = number;
    pid_t pid = fork();
    if (pid == 0)
        run_crowded(6 + (rlim_t)random_below(4));
    waitpid(pid, &status, 0);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
    await_all(ends);
    return true;
}

static void report(int n_rounds, int n_programs, int n_crowds)
{
    for (int i = 1; i < N_FAULTS; i++)
        printf("%6d %s\n", injected[i], faults[i].name);
    printf("%6d workers killed from outside\n%6d forkservers killed\n", n_outside, n_forkservers);
    printf("%6d programs killed\n%6d systems with too few processes\n", n_programs, n_crowds);
    printf("%6d injections in %d runs\n",
           n_injected + n_outside + n_forkservers + n_programs + n_crowds, n_rounds);
}

int main(int n_arguments, char **arguments)
{
    int wanted = n_arguments > 1 ? atoi(arguments[1]) : 300, n_rounds = 0, n_programs = 0,
        n_crowds = 0;
    seed = n_arguments > 2 ? strtoull(arguments[2], NULL, 10) : (unsigned long long)getpid();
    printf("seed %llu\n", seed);
    fflush(stdout);
    random_state = seed;
    shared = parcel_shared_alloc(sizeof *shared);
    while (n_injected + n_outside + n_forkservers + n_programs + n_crowds < wanted) {
        random_round(++n_rounds);
        if (n_rounds % 10 == 0 && ++n_programs)
            kill_program();
        if (n_rounds % 30 == 0 && crowd_system(n_rounds))
            n_crowds++;
    }
    report(n_rounds, n_programs, n_crowds);
    parcel_shared_free(shared);
    return EXIT_SUCCESS;
}

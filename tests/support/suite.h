/*
 * suite.h: what the test programs share: the frame of a main, texts that must contain a part,
 * and places where calls meet. Check forks each test, and the parent runs no OpenMP: a child that
 * libgomp was forked into after a region hangs in its own.
 */
#ifndef SUITE_H
#define SUITE_H

#include <check.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <parcel.h>
#include <parcel/backend.h>

/* Whether the tests run on the ranks of a job: see mpi_ranks.h. */
#ifdef SUITE_ON_RANKS
#include "mpi_ranks.h"
#define SUITE_IS_ON_RANKS 1
#else
#define SUITE_IS_ON_RANKS 0
#endif

/* What is said of a process that called exit, of which some C libraries do not tell the status. */
#ifdef HAVE_ON_EXIT
#define EXITED(status) "exited with status " #status
#else
#define EXITED(status) "ended by exit"
#endif

/* Whether a sanitizer looks on. It takes memory of its own, which then cannot be limited; and its
 * locks may be held by another thread when a process is forked, where they stay so: a program that
 * does not fork in several threads at once is safe. */
#ifdef __has_feature
#define SUITE_IS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined __SANITIZE_ADDRESS__
#define SUITE_IS_SANITIZED 1
#else
#define SUITE_IS_SANITIZED 0
#endif

/* Whether it is the thread sanitizer, whose tool for OpenMP knows nothing of forked children. It
 * gives them their signals late, and takes no note of threads that are cancelled in a wait. */
#ifdef __has_feature
#define SUITE_IS_RACE_CHECKED __has_feature(thread_sanitizer)
#else
#define SUITE_IS_RACE_CHECKED 0
#endif

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define UNUSED __attribute__((unused))

#ifndef SUITE_ON_RANKS
static inline UNUSED int ranks_count(void)
{
    return 1;
}
#endif

#define ck_contains(text, part) suite_contains(__FILE__, __LINE__, text, part)
#define ck_ran_well(results) \
    ck_assert_msg(!parcel_results_error(results), "%s", parcel_results_error(results))

/* Fails the test, in its file and line, when the text is NULL or lacks the part. */
static inline UNUSED void suite_contains(const char *file, int line, const char *text,
                                         const char *part)
{
    ck_assert_msg(text && strstr(text, part), "%s:%d: '%s' lacks '%s'", file, line,
                  text ? text : "NULL", part);
}

/* Whether each test has a process of its own, and with it what is read once. */
static inline UNUSED bool suite_forks(void)
{
    const char *fork = getenv("CK_FORK");
    return !fork || strcmp(fork, "no") != 0;
}

static inline TCase *suite_case(Suite *suite, const char *name)
{
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, 300); /* what hangs is killed; nothing is measured by it */
    suite_add_tcase(suite, tests);
    return tests;
}

/* A test sets what it needs of the environment; what the user set must not decide. */
static inline void suite_clear_environment(void)
{
    static const char *const names[] = {"PARCEL_N_JOBS",
                                        "PARCEL_BACKEND",
                                        "PARCEL_VERBOSE",
                                        "PARCEL_BATCH_SIZE",
                                        "PARCEL_ON_ERROR",
                                        "PARCEL_PREFER",
                                        "PARCEL_REQUIRE",
                                        "PARCEL_HANDLE_SIGNALS",
                                        "PARCEL_MAX_FAILURES",
                                        "PARCEL_HALT",
                                        "PARCEL_DEADLINE",
                                        "PARCEL_TIMEOUT",
                                        "PARCEL_TIMEOUT_FACTOR",
                                        "PARCEL_RETRIES",
                                        "PARCEL_RETRY_DELAY",
                                        "PARCEL_SCHEDULE",
                                        "PARCEL_TIMING",
                                        "PARCEL_WINDOW",
                                        "PARCEL_RETURN_AS",
                                        "PARCEL_PRE_DISPATCH",
                                        "PARCEL_MAX_CALLS_PER_WORKER",
                                        "PARCEL_MAX_WORKER_MEMORY",
                                        "PARCEL_KILL_AFTER",
                                        "PARCEL_CORE_DUMPS",
                                        "PARCEL_READ_ONLY",
                                        "PARCEL_ISOLATE",
                                        "PARCEL_MPI_RESULTS",
                                        "PARCEL_MPI_TIMEOUT"};
    for (size_t i = 0; i < LENGTH(names); i++)
        unsetenv(names[i]);
}

static inline int suite_run(Suite *suite)
{
    suite_clear_environment();
#ifdef SUITE_ON_RANKS
    return ranks_run_suite(suite);
#else
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
#endif
}

/* The number of known backends. */
static inline UNUSED int suite_backends(void)
{
    int count = 0;
    while (parcel_backend_at((size_t)count))
        count++;
    return count;
}

/* False for a backend that is listed but says that it cannot run here. */
static inline UNUSED bool suite_backend_runs(const parcel_backend *backend)
{
    char why[256];
    void *state = NULL;
    if (!backend->open)
        return true;
    if (backend->open(backend, 2, &state, why, sizeof why) < 0)
        return false;
    if (backend->close)
        backend->close(state);
    return true;
}

/* False when the library was built without OpenMP. */
static inline UNUSED bool suite_has_threads(void)
{
    for (size_t i = 0; parcel_backend_at(i); i++)
        if (strcmp(parcel_backend_at(i)->name, "threading") == 0)
            return suite_backend_runs(parcel_backend_at(i));
    return false;
}

/* False, with a word, in a program that is linked statically with a C library that then loads
 * nothing. */
static inline UNUSED bool suite_loads_objects(void)
{
    bool loads = dlopen(NULL, RTLD_NOW) != NULL;
    if (!loads)
        puts("skipped: this program is static and loads no objects");
    return loads;
}

/* The same for one that a build of static libraries alone does not make. */
static inline UNUSED bool suite_loads(const char *object)
{
    if (access(object, R_OK) == 0)
        return suite_loads_objects();
    printf("skipped: this build has no %s\n", object);
    return false;
}

/* A place where calls wait for each other, so that a test sees them run at the same time. */
struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int here;      /* protected by lock */
    int round;     /* protected by lock */
    bool given_up; /* protected by lock: somebody waited in vain, so nobody need wait again */
};
#define MEETING \
    { \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, false \
    }

/* Makes a meeting in memory that processes share, for calls of several processes. */
static inline UNUSED void suite_share_meeting(struct meeting *meeting)
{
    pthread_mutexattr_t of_lock;
    pthread_condattr_t of_change;
    *meeting = (struct meeting)MEETING;
    pthread_mutexattr_init(&of_lock);
    pthread_mutexattr_setpshared(&of_lock, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&meeting->lock, &of_lock);
    pthread_mutexattr_destroy(&of_lock);
    pthread_condattr_init(&of_change);
    pthread_condattr_setpshared(&of_change, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&meeting->changed, &of_change);
    pthread_condattr_destroy(&of_change);
}

/* Waits until count calls are here, and lets them go together. False when they do not come: the
 * limit only turns a hang into a failure. */
static inline UNUSED bool meet(struct meeting *meeting, int count)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 120;
    pthread_mutex_lock(&meeting->lock);
    int round = meeting->round;
    if (++meeting->here == count) {
        meeting->here = 0;
        meeting->round++;
        pthread_cond_broadcast(&meeting->changed);
    }
    while (meeting->round == round && !meeting->given_up)
        if (pthread_cond_timedwait(&meeting->changed, &meeting->lock, &limit) != 0)
            meeting->given_up = meeting->round == round;
    bool met = meeting->round != round;
    pthread_mutex_unlock(&meeting->lock);
    return met;
}

/* How many calls run at once, now and at most. */
struct crowd {
    atomic_int now;
    atomic_int most;
};

static inline UNUSED void crowd_enter(struct crowd *crowd)
{
    int now = atomic_fetch_add(&crowd->now, 1) + 1;
    int most = atomic_load(&crowd->most);
    while (now > most && !atomic_compare_exchange_weak(&crowd->most, &most, now))
        continue;
}

static inline UNUSED void crowd_leave(struct crowd *crowd)
{
    atomic_fetch_sub(&crowd->now, 1);
}

/* A sink that keeps the lines, each with its newline. */
struct lines {
    char text[1 << 16];
    size_t length;
};

static inline UNUSED void keep_line(void *state, const char *line)
{
    struct lines *lines = state;
    size_t room = sizeof lines->text - lines->length;
    int length = snprintf(lines->text + lines->length, room, "%s\n", line);
    if (length > 0 && (size_t)length < room)
        lines->length += (size_t)length;
}

/* The end of a time in a line of progress, in joblib's short format; NULL when it is none. */
static inline UNUSED const char *suite_time_end(const char *time)
{
    char again[32], *unit;
    double number = strtod(time, &unit);
    int length = strncmp(unit, "min", 3) == 0 ? snprintf(again, sizeof again, "%4.1fmin", number)
                                              : snprintf(again, sizeof again, " %5.1fs", number);
    return strncmp(time, again, (size_t)length) == 0 ? time + length : NULL;
}

static inline UNUSED bool suite_ends_with(const struct lines *lines, const char *part)
{
    size_t length = strlen(part);
    return lines->length >= length &&
           memcmp(lines->text + lines->length - length, part, length) == 0;
}

/* Copies lines with T for each time, since how long a line takes depends on the machine. */
static inline UNUSED void mask_times(struct lines *masked, const char *text)
{
    masked->length = 0;
    while (*text) {
        const char *end = NULL;
        masked->text[masked->length++] = *text++;
        if (suite_ends_with(masked, "elapsed: ") || suite_ends_with(masked, "remaining: "))
            end = suite_time_end(text);
        if (end) {
            masked->text[masked->length++] = 'T';
            text = end;
        }
    }
    masked->text[masked->length] = '\0';
}

static inline UNUSED int square(int x)
{
    return x * x;
}
DELAYED(int, square, int);

/* A new list of the squares of 0 to count - 1. */
static inline UNUSED parcel_calls *squares(size_t count)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(square)((int)i));
    return calls;
}

/* True when all count results are there and are the squares of 0 to count - 1. */
static inline UNUSED bool are_squares(const parcel_results *results, size_t count)
{
    if (parcel_results_error(results) || parcel_results_count(results) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (parcel_get_or(results, i, int, -1) != (int)(i * i))
            return false;
    return true;
}

/* parcel_run, and the list is freed before its results are read. */
static inline UNUSED parcel_results *run_and_free(const parcel_options *options,
                                                  parcel_calls *calls)
{
    parcel_results *results = parcel_run(options, calls);
    parcel_calls_free(calls);
    return results;
}

/* Runs the squares and frees all; true when they are right. */
static inline UNUSED bool squares_run(const parcel_options *options, size_t count)
{
    parcel_results *results = run_and_free(options, squares(count));
    bool right = are_squares(results, count);
    parcel_results_free(results);
    return right;
}

#endif

/* test_threads.c: threads are tried where a region would need new ones, and only there. */
#include "suite.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ground/threads.h"

static int n_made, most_made = INT_MAX;

/* The linker takes them for pthread_create and for what it was. */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *argument), void *argument);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *argument), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *argument), void *argument)
{
    if (n_made == most_made)
        return EAGAIN;
    n_made++;
    return __real_pthread_create(thread, attributes, body, argument);
}

#define ck_region(wanted, in_new_thread, some, made) \
    do { \
        n_made = 0; \
        ck_assert_int_eq(parcel__threads_for_region(wanted, in_new_thread), some); \
        ck_assert_int_eq(n_made, made); \
    } while (0)

START_TEST(a_team_that_is_there_is_not_tried)
{
    ck_region(1, false, 1, 0);
    ck_region(4, false, 4, 3);
    ck_region(4, false, 4, 3); /* no region had them */
    parcel__threads_note_team(4);
    ck_region(4, false, 4, 0);
    ck_region(2, false, 2, 0);
    ck_region(6, false, 6, 2);
    parcel__threads_note_team(2); /* the others have ended */
    ck_region(4, false, 4, 2);
}
END_TEST

START_TEST(a_new_thread_has_no_team)
{
    parcel__threads_note_team(4);
    ck_region(4, true, 4, 4);
    ck_region(1, true, 1, 0);
}
END_TEST

static void *have_a_team_of_its_own(void *unused)
{
    ck_region(4, false, 4, 3);
    return unused;
}

START_TEST(the_team_of_one_thread_is_not_anothers)
{
    pthread_t thread;
    parcel__threads_note_team(4);
    ck_assert_int_eq(__real_pthread_create(&thread, NULL, have_a_team_of_its_own, NULL), 0);
    pthread_join(thread, NULL);
    ck_region(4, false, 4, 0);
}
END_TEST

#ifdef _OPENMP
START_TEST(inside_of_a_region_there_is_no_team)
{
    parcel__threads_note_team(4);
#pragma omp parallel num_threads(1)
    ck_region(4, false, 4, 3);
    ck_region(4, false, 4, 0);
}
END_TEST
#endif

START_TEST(where_not_all_can_be_made_half_are)
{
    most_made = 2;
    ck_region(8, false, 2, 2);
    most_made = 6;
    ck_region(8, false, 4, 6);
    ck_region(8, true, 3, 6);
    most_made = 0;
    ck_region(8, false, 1, 0);
    ck_region(8, true, 1, 0);
    parcel__threads_note_team(3);
    ck_region(8, false, 3, 0);
}
END_TEST

START_TEST(who_can_do_without_tries_once)
{
    ck_assert_int_eq(parcel__threads_startable(5), 5);
    ck_assert_int_eq(n_made, 4);
    ck_assert_int_eq(parcel__threads_startable(5), 5);
    ck_assert_int_eq(parcel__threads_startable(2), 2);
    ck_assert_int_eq(n_made, 4);
}
END_TEST

/* ---- as a run meets it ---- */

enum { N_CALLS = 64, N_JOBS = 8, MOST_USERS = 6 };

static size_t virtual_memory(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static int run_inner(int count)
{
    const parcel_options options = {.n_jobs = N_JOBS, .backend = "threading"};
    return squares_run(&options, (size_t)count) ? count : -1;
}
DELAYED(int, run_inner, int);

/* A run that leaves its calls' own runs all workers, or several that share them. */
static bool nested_runs(size_t count)
{
    int counts[N_CALLS];
    bool right = true;
    for (size_t i = 0; i < count; i++)
        counts[i] = 20;
    parcel_results *results = Parallel(.n_jobs = 2 * N_JOBS, .backend = "threading")(
        parcel_map(run_inner, counts, count));
    for (size_t i = 0; i < count; i++)
        right = right && parcel_get(results, i, int) == 20;
    parcel_results_free(results);
    return right;
}

static bool pulled_run(void)
{
    parcel_result result;
    parcel_calls *calls = squares(N_CALLS);
    size_t n = 0;
    parcel_results *results =
        Parallel(.n_jobs = N_JOBS, .backend = "threading", .return_as = PARCEL_GENERATOR)(calls);
    for (; parcel_results_next(results, &result); n++)
        parcel_result_free(&result);
    bool has_no_thread = parcel_results_error(results) != NULL; /* the stream's own; it says so */
    parcel_results_free(results);
    parcel_calls_free(calls);
    return n == N_CALLS || has_no_thread;
}

static bool plain_runs(void)
{
    const parcel_options many = {.n_jobs = N_JOBS, .backend = "threading"};
    const parcel_options few = {.n_jobs = 2, .backend = "threading"};
    return squares_run(&many, N_CALLS) && squares_run(&few, N_CALLS) && squares_run(&many, N_CALLS);
}

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int n_done;    /* protected by turn */
static bool is_over;  /* protected by turn */
static bool is_wrong; /* protected by turn */

/* One after the other runs; each keeps its team until all have run. */
static void *use(void *unused)
{
    pthread_mutex_lock(&turn);
    is_wrong |= !plain_runs() || !nested_runs(1) || !nested_runs(2) || !pulled_run();
    n_done++;
    pthread_cond_broadcast(&changed);
    while (!is_over)
        pthread_cond_wait(&changed, &turn);
    pthread_mutex_unlock(&turn);
    return unused;
}

/* Threads of the program until there is no memory for one more. A runtime that could not make a
 * thread would end the process. */
START_TEST(each_thread_of_the_program_has_the_workers_that_there_can_be)
{
    pthread_t users[MOST_USERS];
    int n_users = 0;
    size_t room = (size_t)(60 + 20 * _i) << 20;
    if (!suite_has_threads() || SUITE_IS_SANITIZED)
        return;
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, 1); /* others take up to 128 MiB for an instant, at any time */
#endif
    const struct rlimit limit = {virtual_memory() + room, RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    pthread_mutex_lock(&turn); /* no thread but of the runs is made while they try */
    while (n_users < MOST_USERS && __real_pthread_create(&users[n_users], NULL, use, NULL) == 0)
        n_users++;
    while (n_done < n_users)
        pthread_cond_wait(&changed, &turn);
    is_over = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&turn);
    for (int i = 0; i < n_users; i++)
        pthread_join(users[i], NULL);
    ck_assert(!is_wrong);
}
END_TEST

/* What finds room for all workers would else lose it to the thread that looks at the clock. */
START_TEST(a_thread_that_limits_need_is_made_before_workers_are_tried)
{
    static const parcel_options limited = {
        .n_jobs = N_JOBS, .backend = "threading", .timeout = 1000};
    if (!suite_has_threads())
        return;
    parcel_calls *calls = squares(N_CALLS);
    n_made = 0;
    most_made = N_JOBS - 1;
    parcel_results *results = parcel_run(&limited, calls);
    ck_assert_int_eq(n_made, N_JOBS - 1);
    ck_assert_int_eq(parcel_results_workers(results), 1 + (N_JOBS - 2) / 2);
    ck_assert(are_squares(results, N_CALLS));
    parcel_results_free(results);
    parcel_calls_free(calls);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *tests = suite_case(suite, "threads");
    tcase_add_test(tests, a_team_that_is_there_is_not_tried);
    tcase_add_test(tests, a_new_thread_has_no_team);
    tcase_add_test(tests, the_team_of_one_thread_is_not_anothers);
#ifdef _OPENMP
    tcase_add_test(tests, inside_of_a_region_there_is_no_team);
#endif
    tcase_add_test(tests, where_not_all_can_be_made_half_are);
    tcase_add_test(tests, who_can_do_without_tries_once);
    tcase_add_test(tests, a_thread_that_limits_need_is_made_before_workers_are_tried);
    tcase_add_loop_test(tests, each_thread_of_the_program_has_the_workers_that_there_can_be, 0, 8);
    return suite_run(suite);
}

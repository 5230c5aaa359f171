/* test_once.c: what is done once, by several threads and in children forked meanwhile. */
#include "suite.h"

#include <sys/wait.h>
#include <unistd.h>

#include "ground/once.h"

enum { N_THREADS = 8 };

static struct parcel__once once;
static atomic_int n_acts;
static int written; /* by the act, without an atomic: who returns sees it */
static atomic_bool has_begun, may_end;

static void act(void)
{
    atomic_fetch_add(&n_acts, 1);
    usleep(1000);
    written = 7;
}

static void *do_once(void *right)
{
    parcel__once_run(&once, act);
    *(bool *)right = written == 7;
    return NULL;
}

START_TEST(threads_that_come_together_act_once)
{
    pthread_t threads[N_THREADS];
    bool are_right[N_THREADS];
    for (int i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, do_once, &are_right[i]), 0);
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(are_right[i]);
    }
    ck_assert_int_eq(n_acts, 1);
}
END_TEST

static pid_t first; /* the process in which the act waits */

static void act_until_told(void)
{
    atomic_fetch_add(&n_acts, 1);
    atomic_store(&has_begun, true);
    while (getpid() == first && !atomic_load(&may_end))
        usleep(100); /* a point where a thread may be cancelled */
}

static void *do_until_told(void *unused)
{
    parcel__once_run(&once, act_until_told);
    return unused;
}

/* Returns when the act has begun, and waits. */
static pthread_t begin(void)
{
    pthread_t thread;
    first = getpid();
    ck_assert_int_eq(pthread_create(&thread, NULL, do_until_told, NULL), 0);
    while (!atomic_load(&has_begun))
        usleep(100);
    return thread;
}

static void finish(pthread_t thread)
{
    atomic_store(&may_end, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    parcel__once_run(&once, act_until_told);
}

START_TEST(a_child_begins_again_what_a_thread_was_about)
{
    int status;
    pthread_t thread = begin();
    pid_t child = fork();
    if (child == 0) {
        alarm(30); /* a hang is a failure */
        parcel__once_run(&once, act_until_told);
        parcel__once_run(&once, act_until_told);
        _exit(n_acts);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 2);
    finish(thread);
    ck_assert_int_eq(n_acts, 1);
}
END_TEST

START_TEST(a_thread_that_is_cancelled_ends_it)
{
    pthread_t thread = begin();
    ck_assert_int_eq(pthread_cancel(thread), 0);
    finish(thread);
    ck_assert_int_eq(n_acts, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("once");
    TCase *tests = suite_case(suite, "once");
    tcase_add_test(tests, threads_that_come_together_act_once);
    tcase_add_test(tests, a_child_begins_again_what_a_thread_was_about);
    tcase_add_test(tests, a_thread_that_is_cancelled_ends_it);
    return suite_run(suite);
}

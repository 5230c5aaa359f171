/*
 * nesting.c: runs inside of calls share the workers of the run around them, and so do the OpenMP
 * regions of the calls. "At once" is shown by calls that meet, never by time.
 */
#include "tally.h"

#include <sched.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* A leaf that is only done when so many leaves are here at once; 0 does not wait. */
static bool leaf(int guests)
{
    crowd_enter(&tally->crowd);
    bool met = guests == 0 || meet(&shared->meeting, guests);
    sched_yield();
    crowd_leave(&tally->crowd);
    return met;
}
DELAYED(bool, leaf, int);

/* What an inner run had, and whether all its leaves met. */
struct inner {
    int workers;
    int effective;
    bool met;
};

static struct inner run_leaves(int n_jobs, int leaves, int guests)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < leaves; i++)
        parcel_calls_add(calls, delayed(leaf)(guests));
    parcel_results *results =
        run_and_free(&(parcel_options){.n_jobs = n_jobs, .batch_size = 1}, calls);
    struct inner inner = {parcel_results_workers(results), parcel_effective_n_jobs(n_jobs),
                          !parcel_results_error(results)};
    for (int i = 0; i < leaves; i++)
        inner.met &= parcel_get(results, (size_t)i, bool);
    parcel_results_free(results);
    return inner;
}
DELAYED(struct inner, run_leaves, int, int, int);

/* So many outer calls under n_jobs workers; each has an inner run, which must have the share. */
static void check_share(int n_jobs, int outer, int inner_n_jobs, int share, int guests)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < outer; i++)
        parcel_calls_add(calls, delayed(run_leaves)(inner_n_jobs, 8, guests));
    atomic_store(&tally->crowd.most, 0);
    parcel_results *results =
        run_and_free(&(parcel_options){.n_jobs = n_jobs, .batch_size = 1}, calls);
    ck_ran_well(results);
    for (int i = 0; i < outer; i++) {
        struct inner inner = parcel_get(results, (size_t)i, struct inner);
        ck_assert_int_eq(inner.workers, share);
        ck_assert_int_eq(inner.effective, share);
        ck_assert(inner.met);
    }
    ck_assert_int_le(atomic_load(&tally->crowd.most), n_jobs);
    parcel_results_free(results);
}

/* All four leaves that may run at once do: they meet. */
START_TEST(four_workers_over_two_calls_give_each_two)
{
    if (!suite_has_threads())
        return;
    check_share(4, 2, 0, 2, 4);
    check_share(4, 2, 2, 2, 4);
    check_share(4, 2, 4, 2, 4);
    check_share(4, 2, -1, parcel_cpu_count() < 2 ? 1 : 2, 0);
}
END_TEST

START_TEST(what_does_not_divide_is_rounded_down)
{
    if (!suite_has_threads())
        return;
    check_share(4, 3, 0, 1, 0);
    check_share(5, 2, 0, 2, 0);
    check_share(2, 2, 8, 1, 0);
    check_share(2, 100, 2, 1, 0);
}
END_TEST

START_TEST(a_single_outer_call_leaves_all_to_its_runs)
{
    if (!suite_has_threads())
        return;
    check_share(4, 1, 0, 4, 4);
    check_share(4, 1, 3, 3, 0);
    check_share(4, 1, 100, 4, 4);
}
END_TEST

static int descend(int depth);
DELAYED(int, descend, int);

/* A binary tree of runs; the number of its leaves. */
static int descend(int depth)
{
    if (depth == 0)
        return leaf(0);
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(descend)(depth - 1));
    parcel_calls_add(calls, delayed(descend)(depth - 1));
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 4}, calls);
    int leaves = parcel_get(results, 0, int) + parcel_get(results, 1, int);
    if (parcel_results_error(results))
        parcel_fail("%s", parcel_results_error(results));
    parcel_results_free(results);
    return leaves;
}

START_TEST(recursion_ends_and_stays_within_the_budget)
{
    atomic_store(&tally->crowd.most, 0);
    ck_assert_int_eq(descend(6), 64);
    ck_assert_int_le(atomic_load(&tally->crowd.most), 4);
}
END_TEST

static double root(double x)
{
    if (x < 0)
        parcel_fail("root of a negative number: %g", x);
    return x;
}
DELAYED(double, root, double);

static void hand_on(parcel_calls *calls)
{
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, calls);
    if (parcel_results_error(results))
        parcel_fail("%s", parcel_results_error(results));
    parcel_results_free(results);
}

static void roots(double x)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(root)(x));
    parcel_calls_add(calls, delayed(root)(-x));
    hand_on(calls);
}
DELAYED(void, roots, double);

static void tables(int n)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(roots)(n));
    hand_on(calls);
}
DELAYED(void, tables, int);

START_TEST(an_error_two_levels_down_names_each_level)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(tables)(2));
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, calls);
    ck_assert_str_eq(parcel_results_error(results), "1 of 1 call failed; first: call 0, tables(2): "
                                                    "1 of 1 call failed; first: call 0, roots(2): "
                                                    "1 of 2 calls failed; first: call 1, root(-2): "
                                                    "root of a negative number: -2");
    parcel_results_free(results);
}
END_TEST

static void wait_until_cancelled(void)
{
    atomic_store(&tally->started, 1);
    while (!parcel_cancelled())
        sched_yield();
}
DELAYED(void, wait_until_cancelled);

/* One call waits in a run of its own; the other fails when that one is on its way. */
static void wait_inside_or_fail(bool waits)
{
    if (waits) {
        parcel_calls *calls = parcel_calls_new();
        parcel_calls_add(calls, delayed(wait_until_cancelled)());
        hand_on(calls);
        return;
    }
    while (!atomic_load(&tally->started))
        sched_yield();
    parcel_fail("the outer run stops");
}
DELAYED(void, wait_inside_or_fail, bool);

START_TEST(a_stop_of_the_outer_run_reaches_the_calls_of_inner_runs)
{
    if (!suite_has_threads())
        return;
    atomic_store(&tally->started, 0);
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(wait_inside_or_fail)(true));
    parcel_calls_add(calls, delayed(wait_inside_or_fail)(false));
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, calls);
    ck_contains(parcel_results_error(results), "the outer run stops");
    ck_assert_uint_eq(parcel_results_failures(results), 1);
    parcel_results_free(results);
}
END_TEST

static void *run_some(void *right)
{
    for (int i = 0; i < 20; i++)
        *(bool *)right &= descend(2) == 4;
    return NULL;
}

START_TEST(nested_runs_of_several_threads_are_right)
{
    pthread_t threads[3];
    bool right[LENGTH(threads)] = {true, true, true};
    for (size_t i = 0; i < LENGTH(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_some, &right[i]), 0);
    for (size_t i = 0; i < LENGTH(threads); i++)
        pthread_join(threads[i], NULL);
    ck_assert(right[0] && right[1] && right[2]);
}
END_TEST

/* A scope ends with the call that opened it, also when the call forgets to close it. */
static int leave_scope_open(int i)
{
    int seen = parcel_effective_n_jobs(0);
    parcel_config_push(.n_jobs = 1);
    parcel_config_push(.n_jobs = i % 2 ? 1 : 2);
    return seen;
}
DELAYED(int, leave_scope_open, int);

START_TEST(scopes_that_calls_leave_open_end_with_them)
{
    for (int n_jobs = 1; n_jobs <= 4; n_jobs += 3) {
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 100; i++)
            parcel_calls_add(calls, delayed(leave_scope_open)(i));
        parcel_results *results = run_and_free(&(parcel_options){.n_jobs = n_jobs}, calls);
        for (size_t i = 0; i < 100; i++)
            ck_assert_int_eq(parcel_get(results, i, int), parcel_get(results, 0, int));
        parcel_results_free(results);
        ck_assert(!parcel_config_pop());
    }
}
END_TEST

#ifdef _OPENMP

/* The OpenMP settings of a thread, and how many threads a region of its gets. */
struct openmp {
    int max_threads;
    int levels;
    int dynamic;
    int region;
};

static struct openmp look_at_openmp(void)
{
    struct openmp seen = {omp_get_max_threads(), omp_get_max_active_levels(), omp_get_dynamic(), 0};
#pragma omp parallel
#pragma omp atomic
    seen.region++;
    return seen;
}
DELAYED(struct openmp, look_at_openmp);

static bool same_settings(struct openmp one, struct openmp other)
{
    return one.max_threads == other.max_threads && one.levels == other.levels &&
           one.dynamic == other.dynamic && one.region == other.region;
}

/* Regions have what the run's workers, or the machine if that is more, leave to each call. */
static void check_regions(int n_jobs, int outer)
{
    int most = parcel_cpu_count() > n_jobs ? parcel_cpu_count() : n_jobs;
    int share = most / outer;
    struct openmp before = look_at_openmp();
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < outer; i++)
        parcel_calls_add(calls, delayed(look_at_openmp)());
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = n_jobs}, calls);
    for (int i = 0; i < outer; i++) {
        struct openmp seen = parcel_get(results, (size_t)i, struct openmp);
        ck_assert_int_eq(seen.max_threads, share);
        ck_assert_int_eq(seen.region, share);
    }
    parcel_results_free(results);
    ck_assert(same_settings(before, look_at_openmp()));
}

START_TEST(regions_in_calls_get_their_share_and_the_caller_keeps_its_settings)
{
    if (!suite_has_threads())
        return;
    check_regions(2, 2);
    check_regions(4, 2);
    check_regions(6, 2);
    check_regions(4, 4);
    omp_set_num_threads(3);
    check_regions(4, 2);
    ck_assert_int_eq(omp_get_max_threads(), 3);
}
END_TEST

START_TEST(one_worker_leaves_the_settings_of_its_calls_alone)
{
    omp_set_num_threads(3);
    struct openmp outside = look_at_openmp();
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(look_at_openmp)());
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 1}, calls);
    ck_assert(same_settings(outside, parcel_get(results, 0, struct openmp)));
    parcel_results_free(results);
}
END_TEST

START_TEST(a_run_in_each_thread_of_the_users_own_region_is_right)
{
    int right = 0, threads = 0;
#pragma omp parallel num_threads(3) reduction(+ : right, threads)
    {
        right += squares_run(&(parcel_options){.n_jobs = 2}, 100);
        threads++;
    }
    ck_assert_int_eq(right, threads);
}
END_TEST

static bool go_on(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    (void)state, (void)index, (void)value, (void)record;
    return true;
}

/* The runtime gives no more than one thread, and that is told. */
static void check_that_one_came(const parcel_options *options)
{
    parcel_results *results = run_and_free(options, squares(20));
    ck_ran_well(results);
    ck_assert_int_eq(parcel_results_workers(results), 1);
    ck_contains(parcel_results_warnings(results), "the run had 1 worker instead of 3: the OpenMP "
                                                  "runtime gave no more threads");
    ck_assert_ptr_null(strstr(parcel_results_warnings(results), "3 workers share"));
    parcel_results_free(results);
}

START_TEST(a_run_says_how_many_workers_came)
{
    omp_set_max_active_levels(0);
    check_that_one_came(&(parcel_options){.backend = "threading", .n_jobs = 3});
    check_that_one_came(&(parcel_options){.backend = "threading", .n_jobs = 3, .on_result = go_on});
    check_that_one_came(
        &(parcel_options){.backend = "threading", .n_jobs = 3, .max_calls_per_worker = 9});
    ck_assert_int_eq(omp_get_max_active_levels(), 0);
}
END_TEST

/* Four leaves meet, so four workers there are. */
START_TEST(a_dynamic_number_of_threads_takes_no_worker_away)
{
    if (!suite_has_threads())
        return;
    omp_set_dynamic(1);
    struct inner outer = run_leaves(4, 8, 4);
    ck_assert(outer.met);
    ck_assert_int_eq(outer.workers, 4);
    ck_assert_int_eq(omp_get_dynamic(), 1);
}
END_TEST

/* Has settings of its own, and keeps them. */
static void change_settings(void)
{
    omp_set_num_threads(omp_get_max_threads() + 1);
    omp_set_max_active_levels(omp_get_max_active_levels() + 1);
    omp_set_dynamic(1);
}
DELAYED(void, change_settings);

START_TEST(the_caller_keeps_settings_that_its_own_calls_change)
{
    struct openmp before = look_at_openmp();
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++) {
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 10; i++)
            parcel_calls_add(calls, delayed(change_settings)());
        parcel_results_free(run_and_free(&(parcel_options){.n_jobs = n_jobs}, calls));
        ck_assert(same_settings(before, look_at_openmp()));
    }
}
END_TEST

static void add_openmp_tests(TCase *tests)
{
    tcase_add_test(tests, a_run_says_how_many_workers_came);
    tcase_add_test(tests, a_dynamic_number_of_threads_takes_no_worker_away);
    tcase_add_test(tests, the_caller_keeps_settings_that_its_own_calls_change);
    tcase_add_test(tests, regions_in_calls_get_their_share_and_the_caller_keeps_its_settings);
    tcase_add_test(tests, one_worker_leaves_the_settings_of_its_calls_alone);
    tcase_add_test(tests, a_run_in_each_thread_of_the_users_own_region_is_right);
}

#else

static void add_openmp_tests(TCase *tests)
{
    (void)tests;
}

#endif

/* On ranks each has the workers of a run, whatever calls it gets, and runs do not overlap. */
static void add_tests(TCase *tests)
{
    tcase_add_test(tests, recursion_ends_and_stays_within_the_budget);
    tcase_add_test(tests, an_error_two_levels_down_names_each_level);
    tcase_add_test(tests, a_stop_of_the_outer_run_reaches_the_calls_of_inner_runs);
    tcase_add_test(tests, scopes_that_calls_leave_open_end_with_them);
    if (SUITE_IS_ON_RANKS)
        return;
    tcase_add_test(tests, four_workers_over_two_calls_give_each_two);
    tcase_add_test(tests, what_does_not_divide_is_rounded_down);
    tcase_add_test(tests, a_single_outer_call_leaves_all_to_its_runs);
    tcase_add_test(tests, nested_runs_of_several_threads_are_right);
    add_openmp_tests(tests);
}

int main(void)
{
    Suite *suite = suite_create("nesting");
    add_tests(tallied_case(suite, "nesting"));
    if (!SUITE_IS_SANITIZED)
        add_tests(case_elsewhere(suite));
    return suite_run(suite);
}

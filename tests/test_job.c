/*
 * test_job.c: who takes which calls, and what became of them, with a job that is driven by hand:
 * from one thread, and from plain threads without OpenMP, so that the thread sanitizer sees all.
 */
#include "suite.h"

#include "calls.h"
#include "job.h"

#include <math.h>
#include <sched.h>

enum { MOST_CALLS = 100000, MOST_WORKERS = 8, STRESSED = 4 };

/* How often each call ran. Not atomic: two workers at one call are a race for the sanitizer. */
static unsigned char times[MOST_CALLS];

static int count(int i)
{
    times[i]++;
    return 2 * i;
}
DELAYED(int, count, int);

/* Fails where it is told to. */
static int failing = -1, failing_too = -1;

static int risky(int i)
{
    times[i]++;
    if (i == failing || i == failing_too)
        parcel_fail("number %d", i);
    return 2 * i;
}
DELAYED(int, risky, int);

static const char *const words[] = {"zero", "one", "two"};

static const char *word(int i)
{
    times[i]++;
    return words[i % 3];
}
DELAYED(const char *, word, int);

/* Ways to make the calls of a run: all alike, and of functions that differ. */
static parcel_calls *make_calls(size_t n, bool mixed)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < (int)n; i++)
        parcel_calls_add(calls, mixed && i % 5 == 2 ? delayed(word)(i)
                                : mixed && i % 3    ? delayed(count)(i)
                                                    : delayed(risky)(i));
    return calls;
}

struct drive {
    parcel_calls *calls;
    parcel_results *results;
    struct parcel_job job;
    atomic_size_t watched; /* calls that the watcher was told of */
};

static void watch(void *state, size_t completed)
{
    struct drive *drive = state;
    atomic_fetch_add(&drive->watched, completed);
}

/* options: schedule (adaptive when it is 0), batch_size, collect and n_workers; the rest is filled
 * in. */
static void open_drive(struct drive *drive, size_t n, bool mixed,
                       struct parcel__job_options options)
{
    memset(times, 0, sizeof times);
    drive->calls = make_calls(n, mixed);
    drive->results = parcel__results_new(drive->calls, options.n_workers);
    atomic_init(&drive->watched, 0);
    options.schedule = options.schedule ? options.schedule : PARCEL_ADAPTIVE;
    options.is_timed = true;
    options.calls = drive->calls;
    options.results = drive->results;
    options.nest = (struct parcel__nest){1, 1, 0, false};
    options.watcher = (struct parcel__watcher){.completed = watch, .state = drive};
    ck_assert(parcel__job_open(&drive->job, &options));
}

static void free_drive(struct drive *drive)
{
    parcel_results_free(drive->results);
    parcel_calls_free(drive->calls);
}

static bool is_right_value(const parcel_results *results, size_t i)
{
    return parcel_holds(results, i, int)
               ? parcel_get(results, i, int) == 2 * (int)i
               : strcmp(parcel_get(results, i, const char *), words[i % 3]) == 0;
}

static bool is_right_record(const parcel_results *results, size_t i)
{
    int worker = parcel_results_worker(results, i);
    return parcel_results_status(results, i) == PARCEL_OK &&
           parcel_results_duration(results, i) >= 0 && parcel_results_start(results, i) >= 0 &&
           worker >= 0 && worker < results->n_workers;
}

/* Each call ran once, and its record says so. */
static void check_complete(struct drive *drive)
{
    const parcel_results *results = drive->results;
    for (size_t i = 0; i < results->count; i++)
        if (times[i] != 1 || !is_right_record(results, i) || !is_right_value(results, i))
            ck_abort_msg("call %zu of %zu ran %d times", i, results->count, times[i]);
    ck_assert_uint_eq(results->failures, 0);
    ck_assert_uint_eq(atomic_load(&drive->watched), results->count);
}

/* How many calls have that status. */
static size_t count_status(const parcel_results *results, parcel_status status)
{
    size_t found = 0;
    for (size_t i = 0; i < parcel_results_count(results); i++)
        found += parcel_results_status(results, i) == status;
    return found;
}

/* ---- from one thread ---- */

START_TEST(test_exactly_once)
{
    unsigned seed = 1;
    for (size_t n = 0; n < 300; n += 1 + n / 3)
        for (int n_workers = 1; n_workers <= MOST_WORKERS; n_workers++) {
            struct drive drive;
            open_drive(&drive, n, n % 2, (struct parcel__job_options){.n_workers = n_workers});
            for (int idle = 0; idle < n_workers * 20;) {
                parcel_batch batch;
                seed = seed * 1664525U + 1013904223U;
                bool taken = parcel_job_next(&drive.job, (int)(seed >> 8) % n_workers, &batch);
                idle = taken ? 0 : idle + 1;
                if (taken)
                    parcel_job_execute(&drive.job, &batch);
            }
            parcel__job_close(&drive.job);
            check_complete(&drive);
            free_drive(&drive);
        }
}
END_TEST

START_TEST(test_batch_size)
{
    static const size_t sizes[] = {1, 3, 100, SIZE_MAX / 2};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        struct drive drive;
        parcel_batch batch;
        size_t taken = 0;
        open_drive(&drive, 100, false,
                   (struct parcel__job_options){.n_workers = 1, .batch_size = sizes[i]});
        while (parcel_job_next(&drive.job, 0, &batch)) {
            ck_assert_uint_eq(batch.first, taken); /* one worker goes in order */
            ck_assert_uint_eq(batch.count, sizes[i] < 100 - taken ? sizes[i] : 100 - taken);
            taken += batch.count;
            parcel_job_execute(&drive.job, &batch);
        }
        ck_assert_uint_eq(taken, 100);
        parcel__job_close(&drive.job);
        check_complete(&drive);
        free_drive(&drive);
    }
}
END_TEST

/* The failure stops the run inside its batch: nothing after it runs, and what ran is kept. */
START_TEST(test_stop_inside_a_batch)
{
    static const size_t sizes[] = {0, 1, 4, 10, 100};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        struct drive drive;
        parcel_batch batch;
        failing = 13;
        open_drive(&drive, 50, false,
                   (struct parcel__job_options){.n_workers = 1, .batch_size = sizes[i]});
        parcel_job_work(&drive.job, 0);
        ck_assert(parcel_job_stopped(&drive.job));
        ck_assert(!parcel_job_next(&drive.job, 0, &batch));
        parcel__job_close(&drive.job);
        ck_assert_uint_eq(count_status(drive.results, PARCEL_OK), 13);
        ck_assert_uint_eq(count_status(drive.results, PARCEL_NOT_RUN), 36);
        ck_assert_int_eq(parcel_results_status(drive.results, 13), PARCEL_FAILED);
        ck_assert_str_eq(parcel_results_message(drive.results, 13), "number 13");
        ck_assert_int_eq(parcel_get(drive.results, 12, int), 24);
        ck_assert_uint_eq(times[14], 0);
        ck_assert_double_nan(parcel_results_start(drive.results, 14));
        ck_assert_uint_eq(drive.results->failures, 1);
        ck_assert_uint_eq(atomic_load(&drive.watched), 14);
        free_drive(&drive);
        failing = -1;
    }
}
END_TEST

/* A batch that another worker holds when the run stops is not begun. */
START_TEST(test_stop_reaches_other_workers)
{
    struct drive drive;
    parcel_batch batches[2];
    failing = 0;
    open_drive(&drive, 20, false, (struct parcel__job_options){.n_workers = 2, .batch_size = 5});
    ck_assert(parcel_job_next(&drive.job, 0, &batches[0]));
    ck_assert(parcel_job_next(&drive.job, 1, &batches[1]));
    parcel_job_execute(&drive.job, &batches[0]);
    parcel_job_execute(&drive.job, &batches[1]);
    parcel__job_close(&drive.job);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_FAILED), 1);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_NOT_RUN), 19);
    free_drive(&drive);
    failing = -1;
}
END_TEST

START_TEST(test_collect)
{
    static const size_t sizes[] = {0, 1, 7, 100};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        struct drive drive;
        failing = 13;
        failing_too = 14;
        open_drive(
            &drive, 50, false,
            (struct parcel__job_options){.n_workers = 2, .batch_size = sizes[i], .collect = true});
        parcel_job_work(&drive.job, 1);
        parcel_job_work(&drive.job, 0);
        ck_assert(!parcel_job_stopped(&drive.job));
        parcel__job_close(&drive.job);
        ck_assert_uint_eq(drive.results->failures, 2);
        ck_assert_uint_eq(count_status(drive.results, PARCEL_OK), 48);
        ck_assert_str_eq(parcel_results_message(drive.results, 14), "number 14");
        for (size_t call = 0; call < 50; call++)
            ck_assert_uint_eq(times[call], 1);
        free_drive(&drive);
        failing = failing_too = -1;
    }
}
END_TEST

START_TEST(test_lost)
{
    struct drive drive;
    parcel_batch batch;
    open_drive(&drive, 20, false,
               (struct parcel__job_options){.n_workers = 1, .batch_size = 5, .collect = true});
    ck_assert(parcel_job_next(&drive.job, 0, &batch));
    char why[] = "the worker died";
    parcel_job_lost(&drive.job, &batch, why);
    why[0] = 'X'; /* it was copied */
    ck_assert_uint_eq(batch.count, 0);
    ck_assert(parcel_job_next(&drive.job, 0, &batch));
    parcel_job_lost(&drive.job, &batch, NULL);
    parcel_job_lost(&drive.job, &batch, "again"); /* it was dealt with */
    parcel_job_work(&drive.job, 0);
    parcel__job_close(&drive.job);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_LOST), 10);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_OK), 10);
    ck_assert_uint_eq(drive.results->failures, 10);
    ck_assert_uint_eq(atomic_load(&drive.watched), 20);
    ck_assert_str_eq(parcel_results_message(drive.results, 4), "the worker died");
    ck_assert_ptr_nonnull(parcel_results_message(drive.results, 9));
    ck_assert_int_eq(parcel_results_worker(drive.results, 4), -1);
    free_drive(&drive);
}
END_TEST

START_TEST(test_lost_stops)
{
    struct drive drive;
    parcel_batch batch;
    open_drive(&drive, 20, false, (struct parcel__job_options){.n_workers = 1, .batch_size = 5});
    ck_assert(parcel_job_next(&drive.job, 0, &batch));
    parcel_job_lost(&drive.job, &batch, "gone");
    ck_assert(!parcel_job_next(&drive.job, 0, &batch));
    parcel__job_close(&drive.job);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_LOST), 5);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_NOT_RUN), 15);
    free_drive(&drive);
}
END_TEST

/* What a backend takes and never speaks of again is lost, and so is what it leaves behind. */
START_TEST(test_dropped)
{
    struct drive drive;
    parcel_batch batch;
    open_drive(&drive, 20, false, (struct parcel__job_options){.n_workers = 2, .batch_size = 5});
    ck_assert(parcel_job_next(&drive.job, 0, &batch));
    ck_assert(parcel_job_next(&drive.job, 1, &batch));
    parcel_job_execute(&drive.job, &batch);
    parcel__job_close(&drive.job);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_OK), 5);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_LOST), 15);
    ck_assert_uint_eq(drive.results->failures, 15);
    ck_contains(parcel_results_message(drive.results, 0), "without running");
    free_drive(&drive);
}
END_TEST

/* A run that stopped has calls that nobody took; what was taken and forgotten is lost all the same.
 */
START_TEST(test_dropped_before_the_stop)
{
    struct drive drive;
    parcel_batch held, batch;
    failing = 7;
    open_drive(&drive, 40, false, (struct parcel__job_options){.n_workers = 1, .batch_size = 5});
    ck_assert(parcel_job_next(&drive.job, 0, &held));
    ck_assert(parcel_job_next(&drive.job, 0, &batch));
    parcel_job_execute(&drive.job, &batch);
    parcel__job_close(&drive.job);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_LOST), 5);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_OK), 2);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_NOT_RUN), 32);
    ck_assert_uint_eq(drive.results->failures, 6);
    ck_assert_int_eq(parcel_results_status(drive.results, 4), PARCEL_LOST);
    free_drive(&drive);
    failing = -1;
}
END_TEST

START_TEST(test_nonsense_is_ignored)
{
    struct drive drive;
    parcel_batch batch;
    open_drive(&drive, 20, false, (struct parcel__job_options){.n_workers = 2, .batch_size = 5});
    parcel_batch wrong[] = {{0, 5, 2},  {0, 5, -1},       {20, 1, 0},       {0, 21, 0},
                            {19, 2, 0}, {1, SIZE_MAX, 0}, {SIZE_MAX, 1, 0}, {0, 0, 0}};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        parcel_job_execute(&drive.job, &wrong[i]);
        parcel_job_lost(&drive.job, &wrong[i], "wrong");
    }
    ck_assert(!parcel_job_next(&drive.job, -1, &batch));
    ck_assert(!parcel_job_next(&drive.job, 2, &batch));
    ck_assert(!parcel_job_next(&drive.job, 0, NULL));
    ck_assert(!parcel_job_next(NULL, 0, &batch));
    parcel_job_work(&drive.job, 2);
    parcel_job_work(NULL, 0);
    parcel_job_execute(NULL, &batch);
    parcel_job_execute(&drive.job, NULL);
    parcel_job_lost(&drive.job, NULL, "wrong");
    parcel_job_lost(NULL, &batch, "wrong");
    ck_assert(parcel_job_stopped(NULL));
    ck_assert_uint_eq(count_status(drive.results, PARCEL_NOT_RUN), 20);
    parcel_job_work(&drive.job, 0);
    parcel__job_close(&drive.job);
    check_complete(&drive);
    free_drive(&drive);
}
END_TEST

START_TEST(test_execute_twice)
{
    struct drive drive;
    parcel_batch batch;
    open_drive(&drive, 20, false, (struct parcel__job_options){.n_workers = 1, .batch_size = 5});
    while (parcel_job_next(&drive.job, 0, &batch)) {
        parcel_job_execute(&drive.job, &batch);
        ck_assert_uint_eq(batch.count, 0);
        parcel_job_execute(&drive.job, &batch);
        parcel_job_lost(&drive.job, &batch, "no");
    }
    parcel__job_close(&drive.job);
    check_complete(&drive);
    free_drive(&drive);
}
END_TEST

/* A worker that comes when all is handed out leaves, though batches still run. */
START_TEST(test_stealing)
{
    struct drive drive;
    parcel_batch held, batch;
    size_t taken = 0;
    open_drive(&drive, 100, false, (struct parcel__job_options){.n_workers = 3});
    ck_assert(parcel_job_next(&drive.job, 0, &held));
    while (parcel_job_next(&drive.job, 2, &batch)) { /* its own share, and the others' */
        taken += batch.count;
        parcel_job_execute(&drive.job, &batch);
    }
    ck_assert_uint_eq(taken + held.count, 100);
    ck_assert(!parcel_job_next(&drive.job, 1, &batch));
    parcel_job_execute(&drive.job, &held);
    parcel__job_close(&drive.job);
    check_complete(&drive);
    free_drive(&drive);
}
END_TEST

/* The C library's function, which a worker that must wait for another calls: it lets the other go
 * on, by publishing the range that it was busy with. */
static struct parcel__worker *busy_worker;
static parcel__range published;

int sched_yield(void)
{
    if (busy_worker)
        atomic_store(&busy_worker->range, published);
    busy_worker = NULL;
    return 0;
}

/* A worker that is just taking calls has them for others soon: none leaves meanwhile. */
START_TEST(test_waiting_for_a_busy_worker)
{
    struct drive drive;
    parcel_batch batch;
    open_drive(&drive, 10, false, (struct parcel__job_options){.n_workers = 2, .batch_size = 5});
    ck_assert(parcel_job_next(&drive.job, 0, &batch));
    parcel_job_execute(&drive.job, &batch);
    busy_worker = &drive.job.workers[1];
    published = atomic_load(&busy_worker->range);
    atomic_store(&busy_worker->range, (parcel__range)UINT32_MAX << 32); /* BUSY, as in job.c */
    while (parcel_job_next(&drive.job, 0, &batch))
        parcel_job_execute(&drive.job, &batch);
    ck_assert_ptr_null(busy_worker);
    parcel__job_close(&drive.job);
    check_complete(&drive);
    free_drive(&drive);
}
END_TEST

START_TEST(test_sums)
{
    struct drive drive;
    double total = 0;
    open_drive(&drive, 200, true, (struct parcel__job_options){.n_workers = 2, .batch_size = 1});
    parcel_job_work(&drive.job, 0);
    parcel_job_work(&drive.job, 1);
    parcel__job_close(&drive.job);
    size_t slowest = parcel_results_slowest(drive.results);
    for (size_t i = 0; i < 200; i++) {
        total += parcel_results_duration(drive.results, i);
        ck_assert(parcel_results_duration(drive.results, i) <=
                  parcel_results_duration(drive.results, slowest));
    }
    ck_assert_double_eq_tol(parcel_results_total_time(drive.results), total, 1e-9 + total * 1e-9);
    ck_assert(parcel_results_wall_time(drive.results) >= total * 0.999);
    free_drive(&drive);
}
END_TEST

START_TEST(test_out_of_memory)
{
    enum { MANY = PARCEL__FEW_WORKERS + 1 };
    struct drive drive = {.calls = squares(MANY)};
    drive.results = parcel__results_new(drive.calls, MANY);
    const struct parcel__job_options options = {
        .calls = drive.calls, .results = drive.results, .n_workers = MANY};
    parcel__memory_fail_from(1);
    bool opened = parcel__job_open(&drive.job, &options);
    parcel__memory_fail_from(0);
    ck_assert(!opened);
    free_drive(&drive);
}
END_TEST

/* ---- from several threads ---- */

struct hand {
    struct drive *drive;
    int worker;
    pthread_t thread;
};

/* Works as most backends do, or by hand, batch by batch. */
static void *work(void *state)
{
    const struct hand *hand = state;
    parcel_batch batch;
    if (hand->worker % 2)
        parcel_job_work(&hand->drive->job, hand->worker);
    else
        while (parcel_job_next(&hand->drive->job, hand->worker, &batch))
            parcel_job_execute(&hand->drive->job, &batch);
    return NULL;
}

static void work_all(struct drive *drive, int n_workers)
{
    struct hand hands[MOST_WORKERS];
    for (int i = 0; i < n_workers; i++) {
        hands[i] = (struct hand){.drive = drive, .worker = i};
        ck_assert_int_eq(pthread_create(&hands[i].thread, NULL, work, &hands[i]), 0);
    }
    for (int i = 0; i < n_workers; i++)
        ck_assert_int_eq(pthread_join(hands[i].thread, NULL), 0);
}

START_TEST(test_stress)
{
    static const size_t sizes[] = {0, 1, 3, 1000};
    for (size_t i = 0; i < LENGTH(sizes); i++)
        for (int mixed = 0; mixed < 2; mixed++) {
            struct drive drive;
            open_drive(&drive, sizes[i] == 0 ? MOST_CALLS : MOST_CALLS / 10, mixed,
                       (struct parcel__job_options){.n_workers = STRESSED, .batch_size = sizes[i]});
            work_all(&drive, STRESSED);
            parcel__job_close(&drive.job);
            check_complete(&drive);
            free_drive(&drive);
        }
}
END_TEST

/* Few calls and many rounds: the workers meet at the end of the run, where they steal. */
START_TEST(test_stress_the_end)
{
    for (size_t n = 0; n < 200; n++) {
        struct drive drive;
        open_drive(&drive, n % 23, true, (struct parcel__job_options){.n_workers = STRESSED});
        work_all(&drive, STRESSED);
        parcel__job_close(&drive.job);
        check_complete(&drive);
        free_drive(&drive);
    }
}
END_TEST

/* Whoever runs when the failure comes: no call runs twice, and no record lies. */
START_TEST(test_stress_stop)
{
    for (int round = 0; round < 50; round++) {
        struct drive drive;
        size_t n = 2000;
        failing = round * 40;
        failing_too = round % 2 ? -1 : 1999 - round;
        open_drive(&drive, n, false, (struct parcel__job_options){.n_workers = STRESSED});
        work_all(&drive, STRESSED);
        parcel__job_close(&drive.job);
        size_t failed = count_status(drive.results, PARCEL_FAILED);
        ck_assert_uint_ge(failed, 1);
        ck_assert_uint_eq(failed, drive.results->failures);
        ck_assert_uint_eq(count_status(drive.results, PARCEL_LOST), 0);
        for (size_t i = 0; i < n; i++)
            ck_assert_uint_eq(times[i], parcel_results_status(drive.results, i) != PARCEL_NOT_RUN);
        free_drive(&drive);
    }
    failing = failing_too = -1;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("job");
    TCase *tests = suite_case(suite, "one thread");
    tcase_add_test(tests, test_exactly_once);
    tcase_add_test(tests, test_batch_size);
    tcase_add_test(tests, test_stop_inside_a_batch);
    tcase_add_test(tests, test_stop_reaches_other_workers);
    tcase_add_test(tests, test_collect);
    tcase_add_test(tests, test_lost);
    tcase_add_test(tests, test_lost_stops);
    tcase_add_test(tests, test_dropped);
    tcase_add_test(tests, test_dropped_before_the_stop);
    tcase_add_test(tests, test_nonsense_is_ignored);
    tcase_add_test(tests, test_execute_twice);
    tcase_add_test(tests, test_stealing);
    tcase_add_test(tests, test_waiting_for_a_busy_worker);
    tcase_add_test(tests, test_sums);
    tcase_add_test(tests, test_out_of_memory);
    tests = suite_case(suite, "several threads");
    tcase_add_test(tests, test_stress);
    tcase_add_test(tests, test_stress_the_end);
    tcase_add_test(tests, test_stress_stop);
    return suite_run(suite);
}

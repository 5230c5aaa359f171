/*
 * test_job.c: who takes which calls, and what became of them, with a job that is driven by hand:
 * from one thread, and from plain threads without OpenMP, so that the thread sanitizer sees all.
 */
#include "suite.h"

#include "calls/calls.h"
#include "ground/port.h"
#include "job/attempt.h"
#include "job/job.h"
#include "job/record.h"

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

/* NULL, or what happens inside each call. */
static void (*inside)(int i);

static int risky(int i)
{
    times[i]++;
    if (inside)
        inside(i);
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
    struct parcel__policy policy;
    struct parcel__watcher watchers[2];
    atomic_size_t watched; /* calls that the watcher was told of */
};

static void watch(void *state, const struct parcel__lot *lot, size_t first, size_t count)
{
    struct drive *drive = state;
    for (size_t i = first; i < first + count; i++)
        ck_assert_int_ne(parcel_results_status(lot->results, i), PARCEL_NOT_RUN);
    atomic_fetch_add(&drive->watched, count);
}

/* policy: schedule (adaptive when it is 0), batch_size, collect and limits. */
static void open_drive(struct drive *drive, size_t n, bool mixed, int n_workers,
                       struct parcel__policy policy)
{
    struct parcel__job_options options = {.policy = &drive->policy, .n_workers = n_workers};
    drive->policy = policy;
    drive->policy.schedule = policy.schedule ? policy.schedule : PARCEL_ADAPTIVE;
    drive->policy.is_timed = true;
    memset(times, 0, sizeof times);
    drive->calls = make_calls(n, mixed);
    drive->results = parcel__results_new(drive->calls, options.n_workers);
    atomic_init(&drive->watched, 0);
    options.lot.calls = drive->calls;
    options.lot.results = drive->results;
    options.nest = (struct parcel__nest){1, 1, 0, false};
    options.floating = parcel__floating_read();
    drive->watchers[0] = (struct parcel__watcher){.ended = watch, .state = drive};
    drive->watchers[1] = (struct parcel__watcher){0};
    options.watchers = drive->watchers;
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
    ck_assert_uint_eq(results->sums.n_failed, 0);
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
            open_drive(&drive, n, n % 2, n_workers, (struct parcel__policy){0});
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
        open_drive(&drive, 100, false, 1, (struct parcel__policy){.batch_size = sizes[i]});
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
        open_drive(&drive, 50, false, 1, (struct parcel__policy){.batch_size = sizes[i]});
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
        ck_assert_uint_eq(drive.results->sums.n_failed, 1);
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
    open_drive(&drive, 20, false, 2, (struct parcel__policy){.batch_size = 5});
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
        open_drive(&drive, 50, false, 2,
                   (struct parcel__policy){.batch_size = sizes[i], .collect = true});
        parcel_job_work(&drive.job, 1);
        parcel_job_work(&drive.job, 0);
        ck_assert(!parcel_job_stopped(&drive.job));
        parcel__job_close(&drive.job);
        ck_assert_uint_eq(drive.results->sums.n_failed, 2);
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
    open_drive(&drive, 20, false, 1, (struct parcel__policy){.batch_size = 5, .collect = true});
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
    ck_assert_uint_eq(drive.results->sums.n_failed, 10);
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
    open_drive(&drive, 20, false, 1, (struct parcel__policy){.batch_size = 5});
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
    open_drive(&drive, 20, false, 2, (struct parcel__policy){.batch_size = 5});
    ck_assert(parcel_job_next(&drive.job, 0, &batch));
    ck_assert(parcel_job_next(&drive.job, 1, &batch));
    parcel_job_execute(&drive.job, &batch);
    parcel__job_close(&drive.job);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_OK), 5);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_LOST), 15);
    ck_assert_uint_eq(drive.results->sums.n_failed, 15);
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
    open_drive(&drive, 40, false, 1, (struct parcel__policy){.batch_size = 5});
    ck_assert(parcel_job_next(&drive.job, 0, &held));
    ck_assert(parcel_job_next(&drive.job, 0, &batch));
    parcel_job_execute(&drive.job, &batch);
    parcel__job_close(&drive.job);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_LOST), 5);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_OK), 2);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_NOT_RUN), 32);
    ck_assert_uint_eq(drive.results->sums.n_failed, 6);
    ck_assert_int_eq(parcel_results_status(drive.results, 4), PARCEL_LOST);
    free_drive(&drive);
    failing = -1;
}
END_TEST

START_TEST(test_nonsense_is_ignored)
{
    struct drive drive;
    parcel_batch batch;
    open_drive(&drive, 20, false, 2, (struct parcel__policy){.batch_size = 5});
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
    open_drive(&drive, 20, false, 1, (struct parcel__policy){.batch_size = 5});
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
    open_drive(&drive, 100, false, 3, (struct parcel__policy){0});
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

/* What the others do meanwhile, when a worker of this thread waits: it yields or sleeps by one of
 * these functions of the C library. NULL: nothing. */
static void (*meanwhile)(void);
static long longest_sleep; /* in nanoseconds */

int sched_yield(void)
{
    if (meanwhile)
        meanwhile();
    return 0;
}

int nanosleep(const struct timespec *duration, struct timespec *rest)
{
    longest_sleep = duration->tv_nsec > longest_sleep ? duration->tv_nsec : longest_sleep;
    if (meanwhile)
        meanwhile();
    return clock_nanosleep(CLOCK_MONOTONIC, 0, duration, rest);
}

static struct parcel__worker *busy_worker;
static parcel__range published;

/* The other publishes the range that it was busy with. */
static void publish(void)
{
    atomic_store(&busy_worker->range, published);
    meanwhile = NULL;
}

/* A worker that is just taking calls has them for others soon: none leaves meanwhile. */
START_TEST(test_waiting_for_a_busy_worker)
{
    struct drive drive;
    parcel_batch batch;
    open_drive(&drive, 10, false, 2, (struct parcel__policy){.batch_size = 5});
    ck_assert(parcel_job_next(&drive.job, 0, &batch));
    parcel_job_execute(&drive.job, &batch);
    busy_worker = &drive.job.workers[1];
    published = atomic_load(&busy_worker->range);
    atomic_store(&busy_worker->range, (parcel__range)UINT32_MAX << 32); /* BUSY, as in job.c */
    meanwhile = publish;
    while (parcel_job_next(&drive.job, 0, &batch))
        parcel_job_execute(&drive.job, &batch);
    ck_assert(!meanwhile);
    parcel__job_close(&drive.job);
    check_complete(&drive);
    free_drive(&drive);
}
END_TEST

/* ---- giving back ---- */

/* The job that a call looks into, and what it found there. */
static struct parcel_job *open_job;
static int asking;
static bool robs; /* the asking call takes what its worker has not claimed */
static unsigned thefts_before, thefts_after;
static uint32_t left_after;

static uint32_t length_of(int worker)
{
    return parcel__schedule_length(atomic_load(&open_job->workers[worker].range));
}

/* Inside one of worker 0's calls: worker 1 takes all that it may, and asks for more. The next call
 * looks what came of it. */
static void ask_for_more(int i)
{
    const struct timespec pause = {.tv_nsec = 100000};
    parcel_batch batch;
    if (i == asking) {
        while (robs && length_of(0) > 0 && parcel_job_next(open_job, 1, &batch))
            parcel_job_execute(open_job, &batch);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL); /* what is left is worth a theft */
        thefts_before = atomic_load(&open_job->n_thefts);
        parcel__current_signal(&open_job->workers[0].current, PARCEL__EVENT_ASKED);
    } else if (i == asking + 1) {
        thefts_after = atomic_load(&open_job->n_thefts);
        left_after = length_of(0);
    }
}

/* A job of 40 calls and two workers, of which worker 0 claims calls 0 to 9 first. */
static void open_sharing(struct drive *drive)
{
    open_drive(drive, 40, false, 2, (struct parcel__policy){0});
    parcel__job_make_ready(&drive->job, &drive->job.workers[0]);
    drive->job.workers[0].clock = parcel__port_now();
    drive->job.workers[0].wait = parcel__waits_begin(drive->job.workers[0].clock);
    drive->job.workers[0].last_count = 1000;
    drive->job.workers[0].seconds_per_call = 1e-9;
    open_job = &drive->job;
}

static void close_sharing(struct drive *drive)
{
    parcel_job_work(&drive->job, 1);
    parcel__job_close(&drive->job);
    check_complete(drive);
    free_drive(drive);
}

/* True when the call that is asked gives back what its worker, or a backend by its own hand, has
 * not begun. */
static bool gives_back(int call, bool rob, bool by_hand)
{
    struct drive drive;
    parcel_batch batch;
    asking = call;
    robs = rob;
    inside = ask_for_more;
    open_sharing(&drive);
    if (by_hand && parcel_job_next(&drive.job, 0, &batch))
        parcel_job_execute(&drive.job, &batch);
    else
        parcel_job_work(&drive.job, 0);
    inside = NULL;
    close_sharing(&drive);
    return thefts_after > thefts_before;
}

START_TEST(test_giving_back)
{
    ck_assert(gives_back(3, true, false));
    ck_assert_uint_eq(left_after, 5); /* 4 to 9 were given back, and 4 claimed again, alone */
    ck_assert(gives_back(7, true, false));
    ck_assert_uint_eq(left_after, 1);
}
END_TEST

/* Who asks finds calls in the range; or there is one call left; or a backend would not know. */
START_TEST(test_nothing_is_given_back)
{
    ck_assert(!gives_back(3, false, false));
    ck_assert_uint_eq(left_after, 10);
    ck_assert(!gives_back(8, true, false));
    ck_assert_uint_eq(left_after, 0);
    ck_assert(!gives_back(3, true, true));
    ck_assert_uint_eq(left_after, 0);
}
END_TEST

/* When worker 0 answers, and how. */
static double answered;
static void (*answer)(void);

static void give_all_back(void)
{
    open_job->workers[0].seconds_per_call = 1; /* else it is not worth it */
    ck_assert(parcel__job_give_back(open_job, &open_job->workers[0], 0, 10));
    ck_assert(!parcel__job_give_back(open_job, &open_job->workers[0], 0, 10));
}

static void stop_job(void)
{
    parcel__job_stop(open_job, PARCEL__BY_FAILURE);
}

/* Worker 0 is in a call of 20 ms, and longer if who asks, which may lose its cpu, has not slept. */
static void answer_late(void)
{
    const unsigned *events = &open_job->workers[0].current.running.events;
    if (!(__atomic_load_n(events, __ATOMIC_RELAXED) & PARCEL__EVENT_ASKED) || longest_sleep == 0 ||
        parcel__port_now() - open_job->start < 20e-3)
        return;
    meanwhile = NULL;
    answered = parcel__port_now();
    answer();
}

/* Works as worker 1, until worker 0 answers. */
static void wait_for_answer(struct drive *drive, struct parcel__batch *held, void (*how)(void))
{
    open_sharing(drive);
    ck_assert(parcel__job_ranges.take(&drive->job, &drive->job.workers[0], held));
    ck_assert_uint_eq(held->count, 10);
    answer = how;
    longest_sleep = 0;
    meanwhile = answer_late;
    parcel_job_work(&drive->job, 1);
    ck_assert(!meanwhile);
}

/* A worker waits for who may give something back. It does not sleep for long, since the run may
 * end meanwhile, and no call is recorded as if it had lasted so long. */
START_TEST(test_waiting_for_a_sharer)
{
    struct drive drive;
    struct parcel__batch held;
    wait_for_answer(&drive, &held, give_all_back);
    ck_assert_int_le(longest_sleep, 1000000);
    for (size_t i = 0; i < 10; i++)
        ck_assert(parcel_results_start(drive.results, i) >= answered - drive.job.start);
    close_sharing(&drive);
}
END_TEST

/* A run that stops waits for nobody who would share. */
START_TEST(test_stop_while_waiting)
{
    struct drive drive;
    struct parcel__batch held;
    wait_for_answer(&drive, &held, stop_job);
    parcel__job_close(&drive.job);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_OK), 30);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_NOT_RUN), 10);
    free_drive(&drive);
}
END_TEST

/* ---- calls that run elsewhere ---- */

enum { PID = 4711 };

/* A runner whose calls run nowhere: it records what they would have given. */
struct fake {
    struct parcel__runner runner; /* first, so that a runner is its fake */
    size_t most;                  /* calls that it deals with at once */
    bool gives_back;              /* the rest of its batch, once */
    int n_runs;
    int n_pokes;
    struct parcel__batch held; /* by hand, until who lingers has poked; of length 0: nothing */
    double longest;            /* that somebody lingered */
};

static void deal_with(struct parcel_job *job, struct parcel__worker *worker, size_t place)
{
    const parcel_results *results = job->options.lot.results;
    int value = 2 * (int)place;
    const struct parcel__outcome outcome = {.status = PARCEL_OK,
                                            .start = parcel__port_now(),
                                            .duration = 1e-6,
                                            .worker = worker->current.worker,
                                            .pid = PID + worker->current.worker,
                                            .attempts = 1};
    times[place]++;
    memcpy(results->slots + place * results->slot_size, &value, sizeof value);
    parcel__record_outcome(job, worker, place, &outcome);
    parcel__watcher_tell_ended(job->options.watchers, worker->lot, place, 1);
}

/* Every other time it finds no process, and does nothing. */
static size_t run_fake(const struct parcel__runner *runner, struct parcel_job *job,
                       struct parcel__worker *worker, size_t first, size_t count)
{
    struct fake *fake = (void *)(uintptr_t)runner;
    size_t n = count < fake->most ? count : fake->most;
    if (fake->n_runs++ % 2)
        return 0;
    for (size_t i = 0; i < n && !parcel_job_stopped(job); i++)
        deal_with(job, worker, first + i);
    if (fake->gives_back && parcel__job_give_back(job, worker, first + n, count - n)) {
        worker->n_given = count - n;
        fake->gives_back = false;
    }
    return n;
}

static void poke_fake(const struct parcel__runner *runner)
{
    ((struct fake *)(uintptr_t)runner)->n_pokes++;
}

/* Worker 0, which was asked, gives back what it holds. */
static void linger_at_fake(const struct parcel__runner *runner, double seconds)
{
    struct fake *fake = (void *)(uintptr_t)runner;
    fake->longest = fmax(fake->longest, seconds);
    if (fake->n_pokes == 0 || fake->held.count == 0)
        return;
    ck_assert(parcel__job_listen(&open_job->workers[0]));
    ck_assert(
        parcel__job_give_back(open_job, &open_job->workers[0], fake->held.first, fake->held.count));
    fake->held.count = 0;
}

static struct fake fake_of(size_t most, bool gives_back)
{
    return (struct fake){
        .runner = {run_fake, poke_fake, linger_at_fake}, .most = most, .gives_back = gives_back};
}

/* However few calls a runner deals with at once. */
START_TEST(test_carried_in_pieces)
{
    static const size_t most[] = {1, 3, 100};
    struct drive drive;
    struct fake fakes[] = {fake_of(most[_i], false), fake_of(2, false)};
    open_drive(&drive, 50, false, 2, (struct parcel__policy){0});
    parcel__job_set_runner(&drive.job, 0, &fakes[0].runner);
    parcel__job_set_runner(&drive.job, 1, &fakes[1].runner);
    parcel_job_work(&drive.job, 1);
    parcel_job_work(&drive.job, 0);
    parcel__job_close(&drive.job);
    check_complete(&drive);
    for (size_t i = 0; i < 50; i++)
        ck_assert_int_eq(parcel_results_pid(drive.results, i),
                         PID + parcel_results_worker(drive.results, i));
    free_drive(&drive);
}
END_TEST

/* What a runner gave back is no longer of its batch, and is handed out again. */
START_TEST(test_runner_gives_back)
{
    struct drive drive;
    struct fake fake = fake_of(4, true);
    open_sharing(&drive);
    parcel__job_set_runner(&drive.job, 0, &fake.runner);
    parcel_job_work(&drive.job, 0);
    ck_assert(!fake.gives_back);
    ck_assert_uint_gt(atomic_load(&drive.job.n_thefts), 0);
    close_sharing(&drive);
}
END_TEST

/* Who finds nothing lingers at the runner, and asks for more when that has taken some time. */
START_TEST(test_lingering_at_a_runner)
{
    struct drive drive;
    struct fake fake = fake_of(100, false);
    open_sharing(&drive);
    parcel__job_set_runner(&drive.job, 0, &fake.runner);
    ck_assert(parcel__job_ranges.take(&drive.job, &drive.job.workers[0], &fake.held));
    ck_assert_uint_eq(fake.held.count, 20); /* all that it has, since it can be asked */
    parcel_job_work(&drive.job, 1);
    ck_assert_uint_eq(fake.held.count, 0);
    ck_assert(fake.longest > 0 && fake.longest <= 5e-3);
    ck_assert_int_eq(fake.n_runs, 0);
    parcel__job_close(&drive.job);
    check_complete(&drive);
    free_drive(&drive);
}
END_TEST

/* Who stops the run wakes all who wait for a process. */
START_TEST(test_poke_at_the_stop)
{
    struct drive drive;
    struct parcel__batch batch;
    struct fake fakes[] = {fake_of(7, false), fake_of(100, false)};
    open_drive(&drive, 30, false, 3, (struct parcel__policy){.batch_size = 5});
    parcel__job_set_runner(&drive.job, 0, &fakes[0].runner);
    parcel__job_set_runner(&drive.job, 2, &fakes[1].runner);
    parcel__job_stop(&drive.job, PARCEL__BY_MATCH);
    ck_assert_int_eq(fakes[0].n_pokes, 1);
    ck_assert_int_eq(fakes[1].n_pokes, 1);
    ck_assert(!parcel__job_ranges.take(&drive.job, &drive.job.workers[0], &batch));
    parcel__job_close(&drive.job);
    ck_assert_uint_eq(count_status(drive.results, PARCEL_NOT_RUN), 30);
    free_drive(&drive);
}
END_TEST

static size_t overran_index;

static void note_overrun(void *state, size_t index, double seconds, double allowed)
{
    (void)state, (void)seconds, (void)allowed;
    overran_index = index;
}

/* All that is said of a call stands in its record. */
START_TEST(test_outcomes)
{
    static const parcel_status statuses[] = {PARCEL_OK, PARCEL_FAILED, PARCEL_LOST,
                                             PARCEL_TIMED_OUT};
    struct drive drive;
    char message[16];
    open_drive(&drive, LENGTH(statuses), false, 1, (struct parcel__policy){.collect = true});
    struct parcel__worker *worker = &drive.job.workers[0];
    drive.watchers[0].overran = note_overrun;
    ck_assert(parcel__results_keep_attempts(drive.results));
    parcel__job_make_ready(&drive.job, worker);
    for (size_t i = 0; i < LENGTH(statuses); i++) {
        snprintf(message, sizeof message, "message %zu", i);
        const struct parcel__outcome outcome = {.status = statuses[i],
                                                .message = message,
                                                .start = drive.job.start + (double)i,
                                                .duration = i == 2 ? 9 : 1,
                                                .worker = (int)i,
                                                .pid = PID + (int)i,
                                                .attempts = 1 + (int)i};
        parcel__record_outcome(&drive.job, worker, i, &outcome);
        memset(message, 'X', sizeof message - 1); /* it was copied */
    }
    parcel__job_close(&drive.job);
    for (size_t i = 0; i < LENGTH(statuses); i++) {
        ck_assert_int_eq(parcel_results_status(drive.results, i), statuses[i]);
        ck_assert(parcel_results_start(drive.results, i) == (double)i);
        ck_assert_int_eq(parcel_results_worker(drive.results, i), (int)i);
        ck_assert_int_eq(parcel_results_pid(drive.results, i), PID + (int)i);
        ck_assert_int_eq(parcel_results_attempts(drive.results, i), 1 + (int)i);
    }
    ck_assert_str_eq(parcel_results_message(drive.results, 1), "message 1");
    ck_assert_str_eq(parcel_results_message(drive.results, 3), "message 3");
    ck_assert_uint_eq(drive.results->sums.n_failed, 3);
    ck_assert_uint_eq(parcel_results_slowest(drive.results), 2);
    ck_assert_double_eq(parcel_results_total_time(drive.results), 12);
    ck_assert_uint_eq(overran_index, 3);
    free_drive(&drive);
}
END_TEST

/* Whether a call that ended so is tried again. */
static bool is_retried(struct drive *drive, parcel_status status, int attempts)
{
    const struct parcel__outcome outcome = {.status = status, .attempts = attempts};
    return parcel__attempt_retries(&drive->job, 0, &outcome);
}

static bool wants_second(void *state, size_t index, const char *message, int attempts)
{
    (void)state, (void)index;
    ck_contains(message, "memory"); /* for a message there was none */
    return attempts == 2;
}

START_TEST(test_retries_elsewhere)
{
    struct drive drive;
    open_drive(&drive, 1, false, 1,
               (struct parcel__policy){.limits.retry.most = 2, .collect = true});
    ck_assert(is_retried(&drive, PARCEL_FAILED, 1));
    ck_assert(is_retried(&drive, PARCEL_LOST, 2));
    ck_assert(!is_retried(&drive, PARCEL_LOST, 3));
    ck_assert(!is_retried(&drive, PARCEL_TIMED_OUT, 1));
    drive.policy.limits.retry.wanted = wants_second;
    ck_assert(!is_retried(&drive, PARCEL_LOST, 1));
    ck_assert(is_retried(&drive, PARCEL_TIMED_OUT, 2));
    parcel__job_stop(&drive.job, PARCEL__BY_MATCH);
    ck_assert(!is_retried(&drive, PARCEL_TIMED_OUT, 2));
    parcel__job_close(&drive.job);
    parcel__control_close(drive.job.control);
    free_drive(&drive);
}
END_TEST

/* The limit is ten times a median of nothing; while the call returns that was told so, the calls of
 * others have made it a year. */
static void outlast_a_limit_that_grows(int i)
{
    (void)i;
    parcel__control_allow(open_job->control, 0);
    while (!parcel_cancelled())
        continue;
    parcel__control_allow(open_job->control, 3e7);
}

START_TEST(test_a_call_that_was_told_is_late)
{
    struct drive drive;
    open_drive(&drive, 2, false, 1,
               (struct parcel__policy){.limits.timeout_factor = 10, .collect = true});
    open_job = &drive.job;
    inside = outlast_a_limit_that_grows;
    parcel_job_work(&drive.job, 0);
    inside = NULL;
    parcel__job_close(&drive.job);
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(parcel_results_status(drive.results, i), PARCEL_TIMED_OUT);
    ck_contains(parcel_results_message(drive.results, 1), " s, 0 s allowed");
    parcel__control_close(drive.job.control);
    free_drive(&drive);
}
END_TEST

/* ---- other schedules, and no times ---- */

/* The next batch of a worker, which is executed: its first call, and in *count its calls. */
static size_t next_batch(struct drive *drive, int worker, size_t *count)
{
    parcel_batch batch;
    *count = 0;
    if (!parcel_job_next(&drive->job, worker, &batch))
        return SIZE_MAX;
    size_t first = batch.first;
    *count = batch.count;
    parcel_job_execute(&drive->job, &batch);
    return first;
}

static void open_plain(struct drive *drive, parcel_schedule schedule, size_t batch_size)
{
    open_drive(drive, 30, true, 3,
               (struct parcel__policy){.schedule = schedule, .batch_size = batch_size});
}

/* Each worker has its share in one batch. */
START_TEST(test_static_schedule)
{
    struct drive drive;
    size_t count;
    open_plain(&drive, PARCEL_STATIC, _i ? 4 : 0);
    for (int worker = 2; worker >= 0; worker--) {
        ck_assert_uint_eq(next_batch(&drive, worker, &count), 10 * (size_t)worker);
        ck_assert_uint_eq(count, 10);
        ck_assert_uint_eq(next_batch(&drive, worker, &count), SIZE_MAX);
    }
    close_sharing(&drive);
}
END_TEST

/* Whoever comes has the next batch of that length. */
START_TEST(test_dynamic_schedule)
{
    struct drive drive;
    size_t length = _i ? 4 : 1, first = 0, count;
    open_plain(&drive, PARCEL_DYNAMIC, _i ? 4 : 0);
    for (int worker = 0; first < 30; worker = (worker + 2) % 3, first += count) {
        ck_assert_uint_eq(next_batch(&drive, worker, &count), first);
        ck_assert_uint_eq(count, 30 - first < length ? 30 - first : length);
    }
    close_sharing(&drive);
}
END_TEST

/* Whoever comes has a third of what is left, and the least length at the end. */
START_TEST(test_guided_schedule)
{
    struct drive drive;
    size_t length = _i ? 4 : 1, first = 0, count;
    open_plain(&drive, PARCEL_GUIDED, _i ? 4 : 0);
    for (int worker = 0; first < 30; worker = (worker + 2) % 3, first += count) {
        size_t left = 30 - first, expected = left / 3 > length ? left / 3 : length;
        ck_assert_uint_eq(next_batch(&drive, worker, &count), first);
        ck_assert_uint_eq(count, left < expected ? left : expected);
    }
    close_sharing(&drive);
}
END_TEST

/* However long they take, the calls of a batch share a record. */
START_TEST(test_no_times)
{
    struct drive drive;
    size_t count;
    open_drive(&drive, 200, true, 1, (struct parcel__policy){.batch_size = 50});
    drive.policy.is_timed = false;
    drive.job.workers[0].seconds_per_call = 1;
    for (size_t first = 0; first < 200; first += count) {
        ck_assert_uint_eq(next_batch(&drive, 0, &count), first);
        ck_assert_uint_eq(count, 50);
    }
    parcel__job_close(&drive.job);
    check_complete(&drive);
    for (size_t i = 0; i < 200; i++) {
        ck_assert(parcel_results_estimated(drive.results, i));
        ck_assert(parcel_results_duration(drive.results, i) ==
                  parcel_results_duration(drive.results, i / 50 * 50));
    }
    free_drive(&drive);
}
END_TEST

/* ---- threads that were asleep ---- */

static int yields;

static void count_yield(void)
{
    yields++;
}

/* A thread that plays all workers, one after the other, lets the others begin but once. */
START_TEST(test_one_thread_waits_once)
{
    struct drive drive;
    open_drive(&drive, 100, false, MOST_WORKERS, (struct parcel__policy){0});
    drive.job.is_cold = true;
    drive.job.opener = pthread_self();
    drive.job.has_waited = false;
    meanwhile = count_yield;
    parcel_job_work(&drive.job, 0);
    ck_assert_int_gt(yields, 0);
    yields = 0;
    for (int worker = 1; worker < MOST_WORKERS; worker++)
        parcel_job_work(&drive.job, worker);
    ck_assert_int_eq(yields, 0);
    meanwhile = NULL;
    parcel__job_close(&drive.job);
    check_complete(&drive);
    free_drive(&drive);
}
END_TEST

START_TEST(test_sums)
{
    struct drive drive;
    double total = 0;
    open_drive(&drive, 200, true, 2, (struct parcel__policy){.batch_size = 1});
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
        .lot = {.calls = drive.calls, .results = drive.results}, .n_workers = MANY};
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
            open_drive(&drive, sizes[i] == 0 ? MOST_CALLS : MOST_CALLS / 10, mixed, STRESSED,
                       (struct parcel__policy){.batch_size = sizes[i]});
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
        open_drive(&drive, n % 23, true, STRESSED, (struct parcel__policy){0});
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
        open_drive(&drive, n, false, STRESSED, (struct parcel__policy){0});
        work_all(&drive, STRESSED);
        parcel__job_close(&drive.job);
        size_t failed = count_status(drive.results, PARCEL_FAILED);
        ck_assert_uint_ge(failed, 1);
        ck_assert_uint_eq(failed, drive.results->sums.n_failed);
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
    tcase_add_test(tests, test_giving_back);
    tcase_add_test(tests, test_nothing_is_given_back);
    tcase_add_test(tests, test_waiting_for_a_sharer);
    tcase_add_test(tests, test_stop_while_waiting);
    tcase_add_loop_test(tests, test_carried_in_pieces, 0, 3);
    tcase_add_test(tests, test_runner_gives_back);
    tcase_add_test(tests, test_lingering_at_a_runner);
    tcase_add_test(tests, test_poke_at_the_stop);
    tcase_add_test(tests, test_outcomes);
    tcase_add_test(tests, test_retries_elsewhere);
    tcase_add_test(tests, test_a_call_that_was_told_is_late);
    tcase_add_loop_test(tests, test_static_schedule, 0, 2);
    tcase_add_loop_test(tests, test_dynamic_schedule, 0, 2);
    tcase_add_loop_test(tests, test_guided_schedule, 0, 2);
    tcase_add_test(tests, test_no_times);
    tcase_add_test(tests, test_one_thread_waits_once);
    tcase_add_test(tests, test_sums);
    tcase_add_test(tests, test_out_of_memory);
    tests = suite_case(suite, "several threads");
    tcase_add_test(tests, test_stress);
    tcase_add_test(tests, test_stress_the_end);
    tcase_add_test(tests, test_stress_stop);
    return suite_run(suite);
}

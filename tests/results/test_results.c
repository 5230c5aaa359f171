/* test_results.c: records, marks, and what is read from them. */
#include "suite.h"

#include "calls/calls.h"
#include "ground/waits.h"
#include "results/results.h"

#include <math.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

struct triple {
    double x, y, z;
};

static struct triple spread(double x)
{
    return (struct triple){x, x + 1, x + 2};
}
DELAYED(struct triple, spread, double);

static long double precise(int x)
{
    return x + 0.5L;
}
DELAYED(long double, precise, int);

static void nothing(void)
{
}
DELAYED(void, nothing);

/* Results of count squares that none has run. */
static parcel_results *empty_results(size_t count)
{
    parcel_calls *calls = squares(count);
    parcel_results *results = parcel__results_new(calls, 2);
    ck_assert_ptr_nonnull(results);
    parcel_calls_free(calls);
    return results;
}

static void write_int(parcel_results *results, size_t index, int value)
{
    memcpy(results->slots + index * results->slot_size, &value, sizeof value);
}

static void check_printed(const parcel_results *results, const char *expected)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    ck_assert(parcel_results_print(results, file));
    fclose(file);
    ck_assert_str_eq(text, expected);
    free(text);
}

/* ---- records ---- */

static void check_record(const parcel_results *results, size_t index, double start, double duration,
                         int worker, bool estimated)
{
    ck_assert_double_eq_tol(parcel_results_start(results, index), start, 1e-12);
    ck_assert_double_eq_tol(parcel_results_duration(results, index), duration, 1e-12);
    ck_assert_int_eq(parcel_results_worker(results, index), worker);
    ck_assert(parcel_results_estimated(results, index) == estimated);
    ck_assert_int_eq(parcel_results_status(results, index), PARCEL_OK);
}

static void check_not_run(const parcel_results *results, size_t index)
{
    ck_assert_double_nan(parcel_results_start(results, index));
    ck_assert_double_nan(parcel_results_duration(results, index));
    ck_assert_int_eq(parcel_results_worker(results, index), -1);
    ck_assert_int_eq(parcel_results_rank(results, index), -1);
    ck_assert_ptr_null(parcel_results_host(results, index));
    ck_assert(!parcel_results_estimated(results, index));
    ck_assert_int_eq(parcel_results_status(results, index), PARCEL_NOT_RUN);
    ck_assert_ptr_null(parcel_results_message(results, index));
    ck_assert_int_eq(parcel_results_value(results, index).tag, PARCEL_TAG_NONE);
}

START_TEST(test_shared_records)
{
    parcel_results *results = empty_results(10);
    const struct parcel__record shared = {2, 1, 1, 0}, own = {5, 0.5, 0, 0};
    parcel__results_mark(results, 3, 4, PARCEL_OK, shared);
    parcel__results_mark(results, 7, 1, PARCEL_OK, own);
    for (size_t i = 0; i < 10; i++) {
        if (i >= 3 && i < 7)
            check_record(results, i, 2 + 0.25 * (double)(i - 3), 0.25, 1, true);
        else if (i == 7)
            check_record(results, i, 5, 0.5, 0, false);
        else
            check_not_run(results, i);
    }
    parcel_results_free(results);
}
END_TEST

/* Neighbours that share records are told apart, and a failure keeps its share of the time. */
START_TEST(test_neighbouring_records)
{
    parcel_results *results = empty_results(6);
    parcel__results_mark(results, 2, 2, PARCEL_OK, (struct parcel__record){10, 4, 1, 0});
    parcel__results_mark(results, 0, 2, PARCEL_OK, (struct parcel__record){0, 2, 0, 0});
    parcel__results_mark(results, 4, 2, PARCEL_OK, (struct parcel__record){20, 6, 0, 0});
    parcel__results_fail(results, 2, PARCEL_FAILED, "why");
    parcel__results_fail(results, 5, PARCEL_FAILED, "why not");
    check_record(results, 1, 1, 1, 0, true);
    check_record(results, 3, 12, 2, 1, true);
    check_record(results, 4, 20, 3, 0, true);
    ck_assert_int_eq(parcel_results_status(results, 2), PARCEL_FAILED);
    ck_assert_str_eq(parcel_results_message(results, 2), "why");
    ck_assert_double_eq(parcel_results_start(results, 2), 10);
    ck_assert_double_eq(parcel_results_start(results, 5), 23);
    ck_assert_int_eq(parcel_results_worker(results, 5), 0);
    ck_assert(parcel_results_estimated(results, 5));
    parcel_results_free(results);
}
END_TEST

/* Long and short ones side by side, wherever they start: no two write one record. */
START_TEST(test_long_records)
{
    enum { SIDE = 3 };
    static const size_t lengths[] = {31, 32, 33, 63, 64, 65};
    for (size_t start = 0; start < 66; start++)
        for (size_t i = 0; i < LENGTH(lengths); i++) {
            parcel_results *results = empty_results(66 + SIDE * 65);
            for (size_t n = 0; n < SIDE; n++)
                parcel__results_mark(
                    results, start + n * lengths[i], lengths[i], PARCEL_OK,
                    (struct parcel__record){(double)n * 100, (double)lengths[i], (int)n % 2, 0});
            for (size_t n = 0; n < SIDE; n++) {
                size_t first = start + n * lengths[i], last = first + lengths[i] - 1;
                check_record(results, first, (double)n * 100, 1, (int)n % 2, true);
                check_record(results, last, (double)(n * 100 + lengths[i] - 1), 1, (int)n % 2,
                             true);
            }
            parcel_results_free(results);
        }
}
END_TEST

/* ---- records at random ---- */

enum { MANY = 40000, N_READERS = 4 };

/* Marks stretches of all lengths, some calls of which fail, and some that did not run. start holds
 * what is then right, NAN for those. */
static parcel_results *mixed_results(double *start)
{
    uint64_t state = 1;
    parcel_results *results = empty_results(MANY);
    for (size_t first = 0, count, n = 0; first < MANY; first += count, n++) {
        state = state * UINT64_C(6364136223846793005) + 1;
        count = (size_t)(state >> 40) % (n % 3 ? 5 : 3000) + 1;
        count = count < MANY - first ? count : MANY - first;
        for (size_t i = 0; i < count; i++)
            start[first + i] = n % 7 ? (double)(1000 * n + i) : NAN;
        if (n % 7 == 0)
            continue;
        parcel__results_mark(results, first, count, PARCEL_OK,
                             (struct parcel__record){1000 * (double)n, (double)count, (int)n, 0});
        if (count > 2)
            parcel__results_fail(results, first + count / 2, PARCEL_FAILED, "half way");
    }
    return results;
}

static bool is_same(double one, double other)
{
    return one == other || (isnan(one) && isnan(other));
}

/* True when the record says of the call what the functions of these names say. */
static bool agrees(const parcel_results *results, size_t i, const parcel_record *record)
{
    return record->index == i && record->status == parcel_results_status(results, i) &&
           record->message == parcel_results_message(results, i) &&
           is_same(record->start, parcel_results_start(results, i)) &&
           is_same(record->duration, parcel_results_duration(results, i)) &&
           record->worker == parcel_results_worker(results, i) &&
           record->estimated == parcel_results_estimated(results, i) &&
           record->attempts == parcel_results_attempts(results, i) &&
           record->pid == parcel_results_pid(results, i) &&
           record->rank == parcel_results_rank(results, i) &&
           record->host == parcel_results_host(results, i);
}

/* How many calls, in an order that jumps, have another record than they should. */
static size_t count_wrong(const parcel_results *results, const double *start)
{
    size_t n_wrong = 0;
    for (size_t n = 0, i = 0; n < MANY; n++, i = (i + 14983) % MANY) {
        parcel_record record;
        bool is_right = parcel_results_record(results, i, &record) &&
                        is_same(record.start, start[i]) && agrees(results, i, &record);
        n_wrong += !is_right;
    }
    return n_wrong;
}

START_TEST(test_records_at_random)
{
    static double start[MANY];
    parcel_results *results = mixed_results(start);
    ck_assert_uint_eq(count_wrong(results, start), 0);
    parcel_results_free(results);
}
END_TEST

START_TEST(test_records_in_order)
{
    static double start[MANY];
    parcel_results *results = mixed_results(start);
    struct parcel__walk walk = {.first = 0};
    for (size_t i = 0; i < MANY; i++) {
        parcel__results_walk(results, i, &walk);
        ck_assert(is_same(walk.record.start, start[i]));
        ck_assert(agrees(results, i, &walk.record));
    }
    parcel_results_free(results);
}
END_TEST

/* Nothing is noted for who reads nothing, and what was noted is not that of the next run. */
START_TEST(test_notes_of_records)
{
    static double start[MANY];
    parcel_calls *calls = squares(MANY);
    parcel_results *results = mixed_results(start);
    ck_assert_ptr_null(atomic_load(&results->firsts.before));
    ck_assert_uint_eq(count_wrong(results, start), 0);
    ck_assert_ptr_nonnull(atomic_load(&results->firsts.before));
    ck_assert(parcel__results_prepare(results, calls, 0, MANY));
    ck_assert_ptr_null(atomic_load(&results->firsts.before));
    parcel__results_mark(results, 0, MANY, PARCEL_OK, (struct parcel__record){0, MANY, 1, 0});
    check_record(results, MANY - 1, MANY - 1, 1, 1, true);
    parcel_results_free(results);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(test_no_memory_to_note_records)
{
    static double start[MANY];
    parcel_results *results = mixed_results(start);
    parcel__memory_fail_from(1);
    ck_assert_uint_eq(count_wrong(results, start), 0);
    parcel__memory_fail_from(0);
    ck_assert_ptr_null(atomic_load(&results->firsts.before));
    parcel_results_free(results);
}
END_TEST

static double start_of_all[MANY];
static pthread_barrier_t readers_meet;

static void *read_all(void *results)
{
    pthread_barrier_wait(&readers_meet);
    return (void *)count_wrong(results, start_of_all);
}

START_TEST(test_threads_read_records)
{
    pthread_t readers[N_READERS];
    void *n_wrong;
    pthread_barrier_init(&readers_meet, NULL, N_READERS);
    parcel_results *results = mixed_results(start_of_all);
    for (int i = 0; i < N_READERS; i++)
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_all, results), 0);
    for (int i = 0; i < N_READERS; i++) {
        pthread_join(readers[i], &n_wrong);
        ck_assert_uint_eq((size_t)n_wrong, 0);
    }
    pthread_barrier_destroy(&readers_meet);
    parcel_results_free(results);
}
END_TEST

START_TEST(test_no_record)
{
    parcel_record record = {.index = 7};
    parcel_results *results = empty_results(1);
    ck_assert(!parcel_results_record(results, 0, NULL));
    ck_assert(parcel_results_record(results, 0, &record));
    ck_assert(record.index == 0 && record.status == PARCEL_NOT_RUN && record.attempts == 0);
    for (int i = 0; i < 2; i++) {
        record.pid = 1;
        ck_assert(!parcel_results_record(i ? results : NULL, 1, &record));
        ck_assert(record.index == 1 && record.status == PARCEL_NOT_RUN && isnan(record.start) &&
                  isnan(record.duration) && record.worker == -1 && record.pid == -1 &&
                  record.rank == -1 && !record.host && !record.message && record.attempts == 0);
    }
    parcel_results_free(results);
}
END_TEST

/* The process that ran a call is that one in its children, too. */
START_TEST(test_a_child_reads_the_pid)
{
    int status;
    parcel_results *results = empty_results(1);
    parcel__results_mark(results, 0, 1, PARCEL_OK, (struct parcel__record){0});
    int pid = (int)getpid();
    ck_assert_int_eq(parcel_results_pid(results, 0), pid);
    pid_t child = fork();
    if (child == 0)
        _exit(parcel_results_pid(results, 0) != pid);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    parcel_results_free(results);
}
END_TEST

START_TEST(test_lost_calls_have_no_record)
{
    parcel_results *results = empty_results(3);
    parcel__results_mark(results, 0, 1, PARCEL_OK, (struct parcel__record){1, 1, 0, 0});
    parcel__results_fail(results, 1, PARCEL_LOST, "gone");
    ck_assert_double_nan(parcel_results_start(results, 1));
    ck_assert_double_nan(parcel_results_duration(results, 1));
    ck_assert_int_eq(parcel_results_worker(results, 1), -1);
    ck_assert_str_eq(parcel_results_message(results, 1), "gone");
    parcel_results_free(results);
}
END_TEST

static struct parcel__hosts *new_hosts(void)
{
    const int first_worker[] = {0, 2, 2, 3};
    const char *const names[] = {"north", "idle", "south"};
    return parcel__hosts_new(3, first_worker, names);
}

START_TEST(test_records_tell_rank_and_host)
{
    static const int workers[] = {2, 0, 1}, ranks[] = {2, 0, 0};
    static const char *const names[] = {"south", "north", "north"};
    parcel_results *results = empty_results(4);
    struct parcel__hosts *hosts = new_hosts();
    parcel__results_set_hosts(results, hosts);
    parcel__results_set_hosts(results, hosts);
    parcel__hosts_release(hosts); /* the results hold them */
    for (size_t i = 0; i < 3; i++)
        parcel__results_mark(results, i, 1, PARCEL_OK,
                             (struct parcel__record){.worker = workers[i], .pid = 7});
    for (size_t i = 0; i < 3; i++) {
        parcel_record record;
        ck_assert(parcel_results_record(results, i, &record));
        ck_assert_int_eq(record.rank, ranks[i]);
        ck_assert_str_eq(record.host, names[i]);
        ck_assert_int_eq(parcel_results_rank(results, i), ranks[i]);
        ck_assert_str_eq(parcel_results_host(results, i), names[i]);
    }
    check_not_run(results, 3);
    parcel_results_free(results);
}
END_TEST

START_TEST(test_one_process_is_rank_0)
{
    char name[256];
    parcel_record record;
    parcel_results *results = empty_results(2);
    parcel__results_mark(results, 0, 1, PARCEL_OK, (struct parcel__record){.worker = 1});
    ck_assert_int_eq(parcel_results_rank(results, 0), 0);
    ck_assert_int_eq(gethostname(name, sizeof name), 0);
    ck_assert_str_eq(parcel_results_host(results, 0), name);
    ck_assert(parcel_results_record(results, 1, &record));
    ck_assert_int_eq(record.rank, -1);
    ck_assert_ptr_null(record.host);
    parcel_results_free(results);
}
END_TEST

START_TEST(test_no_memory_for_hosts)
{
    parcel__memory_fail_from(1);
    ck_assert_ptr_null(new_hosts());
    parcel__memory_fail_from(0);
}
END_TEST

/* ---- printing ---- */

START_TEST(test_each_status_is_printed)
{
    parcel_results *results = empty_results(8);
    write_int(results, 0, 42);
    parcel__results_mark(results, 0, 1, PARCEL_OK, (struct parcel__record){0, 1, 0, 0});
    parcel__results_fail(results, 1, PARCEL_FAILED, "no root");
    parcel__results_fail(results, 2, PARCEL_CANCELLED, "stopped");
    parcel__results_fail(results, 3, PARCEL_CANCELLED, NULL);
    parcel__results_fail(results, 4, PARCEL_TIMED_OUT, "timed out: 1 s");
    parcel__results_fail(results, 5, PARCEL_LOST, "worker died");
    write_int(results, 7, -1);
    parcel__results_mark(results, 7, 1, PARCEL_OK, (struct parcel__record){0, 1, 0, 0});
    check_printed(results, "[42, <failed: no root>, <cancelled: stopped>, <cancelled>, "
                           "<timed out: 1 s>, <lost: worker died>, <not run>, -1]\n");
    parcel_results_free(results);
}
END_TEST

START_TEST(test_long_lists_are_printed)
{
    enum { COUNT = 30000 };
    parcel_results *results = Parallel(.n_jobs = 1)(parcel_map(square, ((int[COUNT]){0}), COUNT));
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    ck_assert(parcel_results_print(results, file));
    fclose(file);
    ck_assert_uint_eq(size, 3 * COUNT + 1);
    ck_assert_int_eq(text[0], '[');
    size_t wrong = 0;
    for (size_t i = 1; i < size - 3; i += 3)
        wrong += memcmp(text + i, "0, ", 3) != 0;
    ck_assert_uint_eq(wrong, 0);
    ck_assert_str_eq(text + size - 3, "0]\n");
    free(text);
    parcel_results_free(results);
}
END_TEST

START_TEST(test_print_fails)
{
    parcel_results *results = empty_results(3);
    FILE *full = fopen("/dev/full", "w");
    ck_assert(!parcel_results_print(results, NULL));
    ck_assert(!parcel_results_print(NULL, stdout));
    ck_assert(!parcel_results_print_summary(results, NULL));
    if (full) {
        setvbuf(full, NULL, _IONBF, 0);
        ck_assert(!parcel_results_print(results, full));
        ck_assert(!parcel_results_print_summary(results, full));
        fclose(full);
    }
    parcel_results_free(results);
}
END_TEST

START_TEST(test_summary)
{
    char *text;
    size_t size;
    parcel_results *results = empty_results(4);
    parcel__results_mark(results, 1, 1, PARCEL_OK, (struct parcel__record){0, 3, 0, 0});
    results->wall_time = 2;
    results->sums.total_time = 3;
    results->sums.slowest = 1;
    results->sums.n_failed = 2;
    FILE *file = open_memstream(&text, &size);
    ck_assert(parcel_results_print_summary(results, file));
    fclose(file);
    ck_contains(text, "4, 2 failed");
    ck_contains(text, "1.50\n"); /* speed-up */
    ck_contains(text, "0.75\n"); /* efficiency, with 2 workers */
    ck_contains(text, "call 1, 3.0");
    free(text);
    parcel_results_free(results);
}
END_TEST

/* ---- who waits for a cpu does not work ---- */

static parcel_results *results_that_waited(double waited)
{
    parcel_results *results = empty_results(4);
    parcel__results_mark(results, 1, 1, PARCEL_OK, (struct parcel__record){0, 3, 0, 0});
    results->wall_time = 2;
    results->sums.total_time = 4;
    results->sums.waited = waited;
    results->sums.slowest = 1;
    return results;
}

static char *summary_of(const parcel_results *results)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    ck_assert(parcel_results_print_summary(results, file));
    fclose(file);
    return text;
}

START_TEST(test_waits_are_no_speedup)
{
    static const struct {
        double waited, speedup;
        const char *said;
    } cases[] = {
        {3, 0.5, "workers waited 3 s of 4 s for a cpu\n"}, {0.1, 1.95, NULL}, {0, 2, NULL}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        parcel_results *results = results_that_waited(cases[i].waited);
        ck_assert_double_eq(parcel_results_speedup(results), cases[i].speedup);
        ck_assert_double_eq(parcel_results_efficiency(results), cases[i].speedup / 2);
        char *text = summary_of(results);
        if (cases[i].said)
            ck_contains(text, cases[i].said);
        else
            ck_assert_ptr_null(strstr(text, "waited"));
        ck_contains(text, "\nspeed-up    ");
        free(text);
        parcel_results_free(results);
    }
}
END_TEST

static double tell_nothing(void)
{
    return NAN;
}

/* Where the system does not tell it, here or where the calls ran, the word is another one. */
START_TEST(test_waits_are_not_told)
{
    for (int i = 0; i < 2; i++) {
        parcel__waits_source = i ? tell_nothing : parcel__waits_source;
        parcel_results *results = results_that_waited(i ? 0 : NAN);
        ck_assert_double_eq(parcel_results_speedup(results), 2);
        char *text = summary_of(results);
        ck_contains(text, "\nworkers busy 2.00\n");
        ck_assert_ptr_null(strstr(text, "speed-up"));
        ck_assert_ptr_null(strstr(text, "waited"));
        free(text);
        parcel_results_free(results);
    }
}
END_TEST

/* ---- values ---- */

START_TEST(test_out_of_range)
{
    parcel_results *results = empty_results(2);
    for (size_t i = 2; i != 0; i = i == 2 ? SIZE_MAX : 0) {
        check_not_run(results, i);
        ck_assert_int_eq(parcel_get(results, i, int), 0);
        ck_assert_double_nan(parcel_get(results, i, double));
        ck_assert_ptr_null(parcel_get(results, i, const char *));
        ck_assert_int_eq(parcel_get_or(results, i, int, -5), -5);
    }
    check_not_run(NULL, 0);
    ck_assert_uint_eq(parcel_results_count(NULL), 0);
    ck_assert_ptr_nonnull(parcel_results_error(NULL));
    ck_assert_double_nan(parcel_results_speedup(results));
    ck_assert_double_nan(parcel_results_efficiency(results));
    ck_assert_uint_eq(parcel_results_slowest(results), SIZE_MAX);
    parcel_results_free(results);
    parcel_results_free(NULL);
}
END_TEST

START_TEST(test_typed_values)
{
    parcel_results *results = empty_results(3);
    int all[3] = {9, 9, 9};
    write_int(results, 1, 42);
    parcel__results_mark(results, 1, 1, PARCEL_OK, (struct parcel__record){0, 1, 0, 0});
    ck_assert(parcel_get(results, 1, double) == 42);
    ck_assert_int_eq(parcel_get(results, 1, bool), true);
    ck_assert_int_eq(parcel_get(results, 1, signed char), 42);
    ck_assert_int_eq((int)parcel_get(results, 1, parcel_value).as.int64, 42);
    ck_assert_ptr_null(parcel_get(results, 1, char *));
    ck_assert(parcel_holds(results, 1, float));
    ck_assert(!parcel_holds(results, 1, const char *));
    ck_assert(!parcel_holds(results, 1, struct triple));
    ck_assert(parcel_get(results, 1, struct triple).y == 0);
    ck_assert(!parcel_holds(results, 0, int));
    ck_assert_uint_eq(parcel_get_all(results, all, 3), 1);
    ck_assert(all[0] == 0 && all[1] == 42 && all[2] == 0);
    parcel_results_free(results);
}
END_TEST

START_TEST(test_calls_without_value)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(nothing)());
    parcel_results *results = run_and_free(NULL, calls);
    ck_ran_well(results);
    check_printed(results, "[None]\n");
    ck_assert(!parcel_holds(results, 0, int));
    ck_assert_double_nan(parcel_get(results, 0, double));
    parcel_results_free(results);
}
END_TEST

/* Results of different sizes and alignments lie in slots that suit each of them. */
START_TEST(test_mixed_slots_are_aligned)
{
    enum { COUNT = 20 };
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < COUNT; i++)
        parcel_calls_add(calls, i % 2 ? delayed(precise)(i) : delayed(spread)(i));
    parcel_results *results = run_and_free(NULL, calls);
    ck_ran_well(results);
    ck_assert_uint_eq(results->slot_size % 16, 0);
    ck_assert_uint_eq((uintptr_t)results->slots % 16, 0);
    for (size_t i = 0; i < COUNT; i++)
        if (i % 2)
            ck_assert(parcel_get(results, i, long double) == (long double)i + 0.5L);
        else
            ck_assert(parcel_get(results, i, struct triple).z == (double)i + 2);
    parcel_results_free(results);
}
END_TEST

/* ---- errors ---- */

START_TEST(test_error_results)
{
    parcel_results *results = parcel__results_of_error("a reason", 7);
    ck_assert_str_eq(parcel_results_error(results), "a reason");
    ck_assert_uint_eq(parcel_results_count(results), 7);
    ck_assert_str_eq(parcel_results_backend(results), "");
    for (size_t i = 0; i < 8; i++)
        check_not_run(results, i);
    check_printed(results, "[<not run>, <not run>, <not run>, <not run>, <not run>, <not run>, "
                           "<not run>]\n");
    parcel_results_free(results);
}
END_TEST

START_TEST(test_first_error_holds)
{
    parcel_results *results = empty_results(1);
    parcel__results_set_error(results, parcel__memory_copy_string("first"));
    parcel__results_set_error(results, parcel__memory_copy_string("second"));
    ck_assert_str_eq(parcel_results_error(results), "first");
    parcel_results_free(results);
    results = empty_results(1);
    parcel__results_set_error(results, NULL); /* there was no memory even for the text */
    ck_contains(parcel_results_error(results), "memory");
    parcel_results_free(results);
}
END_TEST

START_TEST(test_no_memory_for_results)
{
    parcel_calls *calls = squares(1000);
    for (size_t n = 1; n <= 3; n++) {
        parcel__memory_fail_from(n);
        parcel_results *results = parcel__results_new(calls, 2);
        parcel__memory_fail_from(0);
        ck_assert_ptr_null(results);
    }
    parcel__memory_fail_from(1);
    parcel_results *results = parcel__results_of_error("lost", 3);
    parcel__memory_fail_from(0);
    ck_contains(parcel_results_error(results), "memory");
    check_not_run(results, 0);
    parcel_results_free(results); /* static, and nothing happens */
    ck_contains(parcel_results_error(results), "memory");
    parcel_calls_free(calls);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("results");
    TCase *tests = suite_case(suite, "results");
    tcase_add_test(tests, test_shared_records);
    tcase_add_test(tests, test_neighbouring_records);
    tcase_add_test(tests, test_long_records);
    tcase_add_test(tests, test_records_at_random);
    tcase_add_test(tests, test_records_in_order);
    tcase_add_test(tests, test_notes_of_records);
    tcase_add_test(tests, test_no_memory_to_note_records);
    tcase_add_test(tests, test_threads_read_records);
    tcase_add_test(tests, test_no_record);
    tcase_add_test(tests, test_a_child_reads_the_pid);
    tcase_add_test(tests, test_lost_calls_have_no_record);
    tcase_add_test(tests, test_records_tell_rank_and_host);
    tcase_add_test(tests, test_one_process_is_rank_0);
    tcase_add_test(tests, test_no_memory_for_hosts);
    tcase_add_test(tests, test_each_status_is_printed);
    tcase_add_test(tests, test_long_lists_are_printed);
    tcase_add_test(tests, test_print_fails);
    tcase_add_test(tests, test_summary);
    tcase_add_test(tests, test_waits_are_no_speedup);
    tcase_add_test(tests, test_waits_are_not_told);
    tcase_add_test(tests, test_out_of_range);
    tcase_add_test(tests, test_typed_values);
    tcase_add_test(tests, test_calls_without_value);
    tcase_add_test(tests, test_mixed_slots_are_aligned);
    tcase_add_test(tests, test_error_results);
    tcase_add_test(tests, test_first_error_holds);
    tcase_add_test(tests, test_no_memory_for_results);
    return suite_run(suite);
}

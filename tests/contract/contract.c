/* contract.c: what holds for every backend when the calls succeed; see contract.h. */
#include "contract.h"
#include "mock_backend.h"

#include <math.h>
#include <unistd.h>

#ifdef SUITE_ON_RANKS

bool can_run(const parcel_backend *backend)
{
    return backend->capabilities & PARCEL_MANY_HOSTS;
}

static const int n_jobs[] = {1, 2};

bool next_shape_of_one_program(int backend, struct shape *shape)
{
    return !ranks_are_together() && next_shape(backend, shape);
}

bool some_ranks_serve(void)
{
    return !ranks_are_together() && ranks_count() > 1;
}

bool next_shape_with_kept_workers(int backend, struct shape *shape)
{
    return !some_ranks_serve() && next_shape(backend, shape);
}

void *state_of_options(void)
{
    return some_ranks_serve() ? NULL : shared;
}

#else

bool can_run(const parcel_backend *backend)
{
    bool forks = !(backend->capabilities & PARCEL_SHARES_MEMORY);
    return suite_backend_runs(backend) && !(forks && SUITE_IS_SANITIZED);
}

static const int n_jobs[] = {1, 2, 3, 7};

bool next_shape_of_one_program(int backend, struct shape *shape)
{
    return next_shape(backend, shape);
}

bool next_shape_with_kept_workers(int backend, struct shape *shape)
{
    return next_shape(backend, shape);
}

bool some_ranks_serve(void)
{
    return false;
}

void *state_of_options(void)
{
    return shared;
}

#endif

bool next_shape(int backend, struct shape *shape)
{
    static const size_t sizes[] = {0, 1, 2, MOST_CALLS};
    static const struct {
        parcel_schedule schedule;
        parcel_switch timing;
    } ways[] = {{0, 0},
                {PARCEL_ADAPTIVE, PARCEL_NO},
                {PARCEL_STATIC, PARCEL_YES},
                {PARCEL_DYNAMIC, PARCEL_NO},
                {PARCEL_GUIDED, 0}};
    size_t number = (size_t)shape->number++, way = number / (LENGTH(n_jobs) * LENGTH(sizes));
    shape->backend = parcel_backend_at((size_t)backend);
    if (way >= LENGTH(ways) || !can_run(shape->backend))
        return false;
    shape->n_jobs = n_jobs[number / LENGTH(sizes) % LENGTH(n_jobs)];
    shape->workers = shape->n_jobs * ranks_count();
    shape->size = sizes[number % LENGTH(sizes)];
    shape->schedule = ways[way].schedule;
    shape->timing = ways[way].timing;
    return true;
}

bool holds_first(struct shape shape)
{
    return strcmp(shape.backend->name, "mock-holding") == 0 && shape.workers > 1;
}

bool next_streaming_shape(int backend, struct shape *shape)
{
    while (next_shape_of_one_program(backend, shape))
        if (!holds_first(*shape))
            return true;
    return false;
}

bool shares_memory(struct shape shape)
{
    return shape.backend->capabilities & PARCEL_SHARES_MEMORY;
}

bool has_ranks(struct shape shape)
{
    return shape.backend->capabilities & PARCEL_MANY_HOSTS;
}

bool next_shape_of_threads(int backend, struct shape *shape)
{
    return next_shape(backend, shape) && !has_ranks(*shape);
}

static void count_run(int i)
{
    atomic_fetch_add(&tally->ran[i], 1);
}
DELAYED(void, count_run, int);

/* True when each call ran so often, and forgets it. */
static bool all_ran(size_t size, int times)
{
    bool right = true;
    for (size_t i = 0; i < MOST_CALLS; i++)
        right &= atomic_exchange(&tally->ran[i], 0) == (i < size ? times : 0);
    return right;
}

START_TEST(each_call_runs_once)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            ck_assert(parcel_calls_add(calls, delayed(count_run)((int)i)));
        parcel_results *results = run_and_free(SHAPED(shape, 0), calls);
        ck_ran_well(results);
        HOLDS(shape, all_ran(shape.size, 1));
        parcel_results_free(results);
    }
}
END_TEST

START_TEST(results_stand_in_order_for_any_batch_size)
{
    static const long long batches[] = {0, 1, 4, 1000};
    for (struct shape shape = {0}; next_shape(_i, &shape);)
        for (size_t i = 0; i < LENGTH(batches); i++)
            HOLDS(shape, squares_run(SHAPED(shape, .batch_size = batches[i]), shape.size));
}
END_TEST

static bool record_is_sound(const parcel_results *results, size_t i, int workers)
{
    double start = parcel_results_start(results, i);
    double duration = parcel_results_duration(results, i);
    int worker = parcel_results_worker(results, i), rank = parcel_results_rank(results, i);
    return rank >= 0 && rank < ranks_count() && parcel_results_host(results, i) &&
           parcel_results_status(results, i) == PARCEL_OK && !parcel_results_message(results, i) &&
           worker >= 0 && worker < workers && start >= 0 && duration >= 0 &&
           start + duration <= parcel_results_wall_time(results) * (1 + 1e-9) + 1e-9;
}

START_TEST(records_are_sound)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        parcel_results *results = run_and_free(SHAPED(shape, 0), squares(shape.size));
        int workers = parcel_results_workers(results);
        HOLDS(shape, parcel_results_count(results) == shape.size);
        HOLDS(shape, workers >= (shape.size > 0) && workers <= shape.workers);
        HOLDS(shape, shape.size == 0 || (size_t)workers <= shape.size || has_ranks(shape));
        for (size_t i = 0; i < shape.size; i++)
            HOLDS(shape, record_is_sound(results, i, workers));
        parcel_results_free(results);
    }
}
END_TEST

/* One worker is one loop: no call starts before the one ahead of it ended. */
START_TEST(one_worker_starts_the_calls_one_after_the_other)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (shape.workers != 1)
            continue;
        parcel_results *results = run_and_free(SHAPED(shape, 0), squares(shape.size));
        for (size_t i = 1; i < shape.size; i++)
            HOLDS(shape, parcel_results_start(results, i) >= parcel_results_start(results, i - 1));
        parcel_results_free(results);
    }
}
END_TEST

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Lasts for many readings of the clock. */
static double outlast_the_clock(void)
{
    double start = now();
    while (now() - start < 1e-3)
        continue;
    return now() - start;
}
DELAYED(double, outlast_the_clock);

/* Only calls that are much shorter than a reading of the clock share a batch's time. */
START_TEST(long_calls_have_times_of_their_own_in_any_batch)
{
    static const long long batches[] = {0, 1, 4};
    for (size_t b = 0; can_run(parcel_backend_at((size_t)_i)) && b < LENGTH(batches); b++) {
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 8; i++)
            parcel_calls_add(calls, delayed(outlast_the_clock)());
        parcel_options options = {
            .backend = parcel_backend_at((size_t)_i)->name, .n_jobs = 1, .batch_size = batches[b]};
        parcel_results *results = run_and_free(&options, calls);
        for (size_t i = 0; i < 8; i++) {
            ck_assert_msg(!parcel_results_estimated(results, i), "batches of %lld, call %zu",
                          batches[b], i);
            ck_assert(parcel_results_duration(results, i) >= parcel_get(results, i, double));
        }
        parcel_results_free(results);
    }
}
END_TEST

struct arrival {
    int place;
    pthread_t thread;
};

static struct arrival arrive(void)
{
    return (struct arrival){atomic_fetch_add(&tally->started, 1), pthread_self()};
}
DELAYED(struct arrival, arrive);

/* In the calling thread, or all in one other process. */
static bool ran_in_one_place(struct shape shape, const parcel_results *results, size_t i)
{
    pthread_t thread = parcel_get(results, i, struct arrival).thread;
    int pid = parcel_results_pid(results, i);
    if (shares_memory(shape) || (has_ranks(shape) && !getenv("PARCEL_ISOLATE")))
        return pid == getpid() && pthread_equal(thread, pthread_self());
    return pid > 0 && pid != getpid() && pid == parcel_results_pid(results, 0);
}

START_TEST(one_worker_is_the_plain_loop)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (shape.workers != 1)
            continue;
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(arrive)());
        atomic_store(&tally->started, 0);
        parcel_results *results = run_and_free(SHAPED(shape, 0), calls);
        for (size_t i = 0; i < shape.size; i++) {
            HOLDS(shape, parcel_get(results, i, struct arrival).place == (int)i);
            HOLDS(shape, ran_in_one_place(shape, results, i));
        }
        parcel_results_free(results);
    }
}
END_TEST

/* What a call sees of itself, directly and through its handle. */
struct self {
    size_t index[2];
    int worker[2];
    int level[2];
    bool cancelled[2];
};

static void *look_through_handle(void *argument)
{
    struct self *self = ((void **)argument)[0];
    parcel_current_call *current = ((void **)argument)[1];
    self->index[1] = parcel_index_in(current);
    self->worker[1] = parcel_worker_in(current);
    self->level[1] = parcel_level_in(current);
    self->cancelled[1] = parcel_cancelled_in(current);
    return NULL;
}

static struct self look(bool in_thread)
{
    struct self self = {
        {parcel_index()}, {parcel_worker()}, {parcel_level()}, {parcel_cancelled()}};
    void *argument[] = {&self, parcel_current()};
    pthread_t thread;
    if (in_thread && pthread_create(&thread, NULL, look_through_handle, argument) == 0)
        pthread_join(thread, NULL);
    else
        look_through_handle(argument);
    return self;
}
DELAYED(struct self, look, bool);

START_TEST(a_call_knows_its_index_worker_and_level)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(look)(i % 100 == 1));
        parcel_results *results = run_and_free(SHAPED(shape, 0), calls);
        for (size_t i = 0; i < shape.size; i++) {
            struct self self = parcel_get(results, i, struct self);
            for (int form = 0; form < 2; form++) {
                HOLDS(shape, self.index[form] == i);
                HOLDS(shape, self.worker[form] == parcel_results_worker(results, i));
                HOLDS(shape, self.level[form] == 1);
                HOLDS(shape, !self.cancelled[form]);
            }
        }
        parcel_results_free(results);
    }
    ck_assert_ptr_null(parcel_current());
}
END_TEST

START_TEST(a_map_equals_its_list)
{
    static int array[MOST_CALLS];
    const int *constant = array;
    for (int i = 0; i < MOST_CALLS; i++)
        array[i] = i;
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        const parcel_calls *map = parcel_map(square, array, shape.size);
        parcel_results *results = parcel_run(SHAPED(shape, 0), map);
        HOLDS(shape, parcel_calls_count(map) == shape.size);
        HOLDS(shape, are_squares(results, shape.size));
        parcel_results_free(results);
        results = parcel_run(SHAPED(shape, 0), parcel_map(square, constant, shape.size));
        HOLDS(shape, are_squares(results, shape.size));
        parcel_results_free(results);
    }
}
END_TEST

enum { CROWD = 4 };

struct shared_run {
    parcel_options options;
    const parcel_calls *calls;
    parcel_executor *executor; /* NULL: parcel_run */
    size_t size;
    atomic_int right;
};

static void *run_shared(void *argument)
{
    struct shared_run *run = argument;
    parcel_results *results = run->executor ? parcel_executor_run(run->executor, run->calls)
                                            : parcel_run(&run->options, run->calls);
    atomic_fetch_add(&run->right, are_squares(results, run->size));
    parcel_results_free(results);
    return NULL;
}

/* Runs it in several threads at once; true when all of them had the right results. */
static bool run_in_threads(struct shared_run *run)
{
    pthread_t threads[CROWD];
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_shared, run), 0);
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    return atomic_exchange(&run->right, 0) == CROWD;
}

START_TEST(several_threads_run_one_list_at_once)
{
    for (struct shape shape = {0}; next_shape_of_threads(_i, &shape);) {
        parcel_calls *calls = squares(shape.size);
        struct shared_run run = {*SHAPED(shape, 0), calls, NULL, shape.size, 0};
        HOLDS(shape, run_in_threads(&run));
        parcel_calls_free(calls);
    }
}
END_TEST

START_TEST(an_executor_serves_several_runs_and_threads)
{
    for (struct shape shape = {0}; next_shape_of_threads(_i, &shape);) {
        parcel_calls *calls = squares(shape.size);
        struct shared_run run = {.calls = calls, .size = shape.size};
        run.executor = parcel_open(SHAPED(shape, 0));
        for (int i = 0; i < 3; i++)
            HOLDS(shape, run_in_threads(&run));
        parcel_results *kept = parcel_executor_run(run.executor, calls);
        parcel_close(run.executor);
        parcel_calls_free(calls);
        HOLDS(shape, are_squares(kept, shape.size));
        parcel_results_free(kept);
    }
}
END_TEST

static int sum_of_squares(int n)
{
    parcel_results *results = run_and_free(NULL, squares((size_t)n));
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += parcel_get(results, (size_t)i, int);
    if (parcel_results_error(results))
        parcel_fail("%s", parcel_results_error(results));
    parcel_results_free(results);
    return sum;
}
DELAYED(int, sum_of_squares, int);

/* Runs inside of one worker's calls have threads of their own, which on a loaded machine take
 * milliseconds to come: so most calls of a long run have nothing to run inside. */
static int count_inside(size_t i)
{
    return i % 100 < 2 ? 4 : 0;
}

START_TEST(a_run_inside_a_call_is_right)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(sum_of_squares)(count_inside(i)));
        parcel_results *results = run_and_free(SHAPED(shape, 0), calls);
        ck_ran_well(results);
        for (size_t i = 0; i < shape.size; i++)
            HOLDS(shape, parcel_get(results, i, int) == (count_inside(i) ? 0 + 1 + 4 + 9 : 0));
        parcel_results_free(results);
    }
}
END_TEST

/* True when two numbers agree but for rounding. */
static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b) + 1e-12;
}

static void check_summary(struct shape shape, const parcel_results *results)
{
    double total = 0, longest = 0;
    for (size_t i = 0; i < shape.size; i++) {
        total += parcel_results_duration(results, i);
        longest = fmax(longest, parcel_results_duration(results, i));
    }
    double wall = parcel_results_wall_time(results);
    HOLDS(shape, near(parcel_results_total_time(results), total));
    double speedup = parcel_results_speedup(results);
    HOLDS(shape, speedup >= 0 && speedup <= total / wall * (1 + 1e-6)); /* some waited for a cpu */
    HOLDS(shape,
          near(parcel_results_efficiency(results), speedup / parcel_results_workers(results)));
    HOLDS(shape, parcel_results_efficiency(results) <= 1 + 1e-6);
    HOLDS(shape, parcel_results_duration(results, parcel_results_slowest(results)) == longest);
}

START_TEST(the_summary_agrees_with_the_records)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        parcel_results *results = run_and_free(SHAPED(shape, 0), squares(shape.size));
        HOLDS(shape, parcel_results_wall_time(results) >= 0);
        if (shape.size > 0)
            check_summary(shape, results);
        else
            HOLDS(shape, isnan(parcel_results_speedup(results)) &&
                             isnan(parcel_results_efficiency(results)) &&
                             parcel_results_slowest(results) == SIZE_MAX &&
                             parcel_results_total_time(results) == 0);
        parcel_results_free(results);
    }
}
END_TEST

int main(void)
{
    parcel_register_backend(&mock_shuffling, false);
    parcel_register_backend(&mock_holding, false);
    int backends = suite_backends();
    Suite *suite = suite_create("contract");
    TCase *tests = tallied_case(suite, "runs");
    tcase_add_loop_test(tests, each_call_runs_once, 0, backends);
    tcase_add_loop_test(tests, results_stand_in_order_for_any_batch_size, 0, backends);
    tcase_add_loop_test(tests, records_are_sound, 0, backends);
    tcase_add_loop_test(tests, one_worker_starts_the_calls_one_after_the_other, 0, backends);
    tcase_add_loop_test(tests, long_calls_have_times_of_their_own_in_any_batch, 0, backends);
    tcase_add_loop_test(tests, one_worker_is_the_plain_loop, 0, backends);
    tcase_add_loop_test(tests, a_call_knows_its_index_worker_and_level, 0, backends);
    tcase_add_loop_test(tests, a_map_equals_its_list, 0, backends);
    tcase_add_loop_test(tests, several_threads_run_one_list_at_once, 0, backends);
    tcase_add_loop_test(tests, an_executor_serves_several_runs_and_threads, 0, backends);
    tcase_add_loop_test(tests, a_run_inside_a_call_is_right, 0, backends);
    tcase_add_loop_test(tests, the_summary_agrees_with_the_records, 0, backends);
    add_control_tests(tallied_case(suite, "control"), backends);
    add_limit_tests(tallied_case(suite, "limits"), backends);
    add_worker_tests(tallied_case(suite, "workers"), backends);
    add_environment_tests(tallied_case(suite, "environment"), backends);
    add_failure_tests(tallied_case(suite, "failures"), backends);
    add_value_tests(tallied_case(suite, "values"), backends);
    add_loss_tests(tallied_case(suite, "losses"));
    add_stream_tests(tallied_case(suite, "streams"), backends);
    return suite_run(suite);
}

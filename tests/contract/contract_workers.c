/* contract_workers.c: what holds for every backend for the states of its workers; see contract.h.
 */
#include "contract.h"

enum { MOST_WORKERS = 64 };

/* What on_worker_start makes. */
struct scratch {
    pthread_t thread; /* that started it */
    int worker;
    int uses; /* calls that had it; at most one at a time */
};

static void *start(void *state, int worker)
{
    struct scratch *scratch = malloc(sizeof *scratch);
    *scratch = (struct scratch){.thread = pthread_self(), .worker = worker};
    bool is_right = state == state_of_options() && parcel_worker() == worker &&
                    parcel_index() == SIZE_MAX && !parcel_worker_state() && !parcel_cancelled();
    atomic_fetch_add(&tally->started, 1);
    atomic_fetch_add(&tally->wrong, !is_right);
    return scratch;
}

static void end(void *state, int worker, void *worker_state)
{
    struct scratch *scratch = worker_state;
    atomic_fetch_add(&tally->ended, 1);
    atomic_fetch_add(&tally->wrong, state != state_of_options() || scratch->worker != worker ||
                                        scratch->uses == 0);
    free(scratch);
}

static int use(void)
{
    struct scratch *scratch = parcel_worker_state();
    if (!scratch || scratch != parcel_worker_state_in(parcel_current()))
        return -1;
    scratch->uses++;
    return scratch->worker;
}
DELAYED(int, use);

static parcel_calls *uses(size_t count)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(use)());
    return calls;
}

#define WITH_STATES(shape) \
    SHAPED(shape, .on_worker_start = start, .on_worker_end = end, \
           .worker_state = state_of_options())

static void count_from_none(void)
{
    atomic_store(&tally->started, 0);
    atomic_store(&tally->ended, 0);
}

/* The workers that ran some of the calls. */
static int workers_that_ran(const parcel_results *results)
{
    bool ran[MOST_WORKERS] = {false};
    int count = 0;
    ck_ran_well(results);
    for (size_t i = 0; i < parcel_results_count(results); i++) {
        int worker = parcel_results_worker(results, i);
        count += !ran[worker];
        ran[worker] = true;
    }
    return count;
}

/* The same; each call had the state of its worker. */
static int workers_with_states(struct shape shape, const parcel_results *results)
{
    for (size_t i = 0; i < shape.size; i++)
        HOLDS(shape, parcel_get_or(results, i, int, -1) == parcel_results_worker(results, i));
    return workers_that_ran(results);
}

/* True when the states of so many workers, and of no more, were ended. */
static bool have_ended(int workers)
{
    enum { MOST_TRIES = 20000 };
    const struct timespec instant = {0, 1000000};
    for (int i = 0; some_ranks_serve() && i < MOST_TRIES; i++) {
        if (atomic_load(&tally->ended) >= workers)
            break;
        nanosleep(&instant, NULL);
    }
    return atomic_load(&tally->ended) == workers;
}

START_TEST(each_worker_that_runs_something_has_a_state_of_its_own)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        count_from_none();
        parcel_results *results = run_and_free(WITH_STATES(shape), uses(shape.size));
        HOLDS(shape, workers_with_states(shape, results) == atomic_load(&tally->started));
        HOLDS(shape, have_ended(atomic_load(&tally->started)));
        HOLDS(shape, atomic_load(&tally->wrong) == 0);
        parcel_results_free(results);
    }
    ck_assert_ptr_null(parcel_worker_state());
}
END_TEST

START_TEST(an_executor_keeps_the_states_for_the_next_run)
{
    for (struct shape shape = {0}; next_shape_with_kept_workers(_i, &shape);) {
        count_from_none();
        parcel_executor *executor = parcel_open(WITH_STATES(shape));
        parcel_calls *calls = uses(shape.size);
        for (int i = 0; i < 3; i++) {
            parcel_results *results = parcel_executor_run(executor, calls);
            workers_with_states(shape, results);
            parcel_results_free(results);
        }
        HOLDS(shape, atomic_load(&tally->started) <= shape.workers);
        HOLDS(shape, atomic_load(&tally->ended) == 0);
        parcel_close(executor);
        parcel_calls_free(calls);
        HOLDS(shape, atomic_load(&tally->ended) == atomic_load(&tally->started));
        HOLDS(shape, atomic_load(&tally->wrong) == 0);
    }
}
END_TEST

enum { CROWD = 4 };

struct crowded {
    parcel_executor *executor;
    const parcel_calls *calls;
    atomic_int faults;
};

static void *run_crowded(void *argument)
{
    struct crowded *crowded = argument;
    parcel_results *results = parcel_executor_run(crowded->executor, crowded->calls);
    for (size_t i = 0; i < parcel_results_count(results); i++)
        if (parcel_get_or(results, i, int, -1) != parcel_results_worker(results, i))
            atomic_fetch_add(&crowded->faults, 1);
    parcel_results_free(results);
    return NULL;
}

/* The state is no atomic: runs that shared one would lose uses, which the race checker sees. */
START_TEST(runs_at_the_same_time_share_no_state)
{
    for (struct shape shape = {0}; next_shape_of_threads(_i, &shape);) {
        count_from_none();
        parcel_calls *calls = uses(shape.size);
        struct crowded crowded = {parcel_open(WITH_STATES(shape)), calls, 0};
        pthread_t threads[CROWD];
        for (int i = 0; i < CROWD; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, run_crowded, &crowded), 0);
        for (int i = 0; i < CROWD; i++)
            pthread_join(threads[i], NULL);
        parcel_close(crowded.executor);
        parcel_calls_free(calls);
        HOLDS(shape, atomic_load(&crowded.faults) == 0);
        HOLDS(shape, atomic_load(&tally->started) <= CROWD * shape.workers);
        HOLDS(shape, atomic_load(&tally->ended) == atomic_load(&tally->started));
    }
}
END_TEST

static void *fail_to_start(void *state, int worker)
{
    (void)state;
    atomic_fetch_add(&tally->started, 1);
    parcel_fail("no device %d", worker);
    return NULL;
}

START_TEST(a_worker_that_cannot_start_stops_the_run)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (shape.size == 0)
            continue;
        count_from_none();
        parcel_results *results =
            run_and_free(SHAPED(shape, .on_worker_start = fail_to_start), uses(shape.size));
        ck_contains(parcel_results_error(results), " could not start: no device ");
        ck_assert_ptr_null(strstr(parcel_results_error(results), "start: worker"));
        ck_contains(parcel_results_error(results), ": 0 of ");
        for (size_t i = 0; i < shape.size; i++) {
            HOLDS(shape, parcel_results_status(results, i) == PARCEL_CANCELLED);
            ck_contains(parcel_results_message(results, i), "not started: worker ");
        }
        HOLDS(shape,
              atomic_load(&tally->started) >= 1 && atomic_load(&tally->started) <= shape.workers);
        HOLDS(shape, parcel_results_failures(results) == 0);
        parcel_results_free(results);
    }
}
END_TEST

static void count_end(void *state, int worker, void *worker_state)
{
    (void)state, (void)worker;
    atomic_fetch_add(&tally->ended, worker_state ? 1000 : 1);
}

START_TEST(an_end_without_a_start_is_called_for_who_ran)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        count_from_none();
        parcel_results *results =
            run_and_free(SHAPED(shape, .on_worker_end = count_end), squares(shape.size));
        HOLDS(shape, have_ended(workers_that_ran(results)));
        parcel_results_free(results);
    }
}
END_TEST

void add_worker_tests(TCase *tests, int backends)
{
    tcase_add_loop_test(tests, each_worker_that_runs_something_has_a_state_of_its_own, 0, backends);
    tcase_add_loop_test(tests, an_executor_keeps_the_states_for_the_next_run, 0, backends);
    tcase_add_loop_test(tests, runs_at_the_same_time_share_no_state, 0, backends);
    tcase_add_loop_test(tests, a_worker_that_cannot_start_stops_the_run, 0, backends);
    tcase_add_loop_test(tests, an_end_without_a_start_is_called_for_who_ran, 0, backends);
}

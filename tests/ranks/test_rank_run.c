/*
 * test_rank_run.c: runs on several ranks, which are threads here, so that what they say to each
 * other comes late and in many orders.
 *
 *     test_rank_run [seed]
 *
 * A seed repeats the delays, though not the timing.
 */
#include "suite.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "ground/memory.h"
#include "ground/port.h"
#include "loopback.h"
#include "ranks/spread.h"
#include "wire/bundle.h"

enum { MANY = 1009, MOST_RANKS = 7, LARGE = PARCEL__BUNDLE_LARGE / sizeof(double) + 100 };

static unsigned seed;

/* ---- the calls: what they did is seen by all ranks ---- */

static atomic_int n_ran[MANY];

static void forget_calls(void)
{
    for (size_t i = 0; i < MANY; i++)
        atomic_store(&n_ran[i], 0);
}

/* Most calls take no time, some a little, few long. */
static void dawdle(int i)
{
    unsigned random = ((unsigned)i + seed) * 2654435761u >> 8;
    if (random % 16 == 0)
        parcel__port_yield();
    if (random % 64 == 1)
        parcel__port_sleep(100e-6);
    if (random % 512 == 2)
        parcel__port_sleep(2e-3);
}

static int once(int i)
{
    atomic_fetch_add(&n_ran[i], 1);
    dawdle(i);
    return i * i;
}
DELAYED(int, once, int);

static parcel_calls *onces(size_t count)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(once)((int)i));
    return calls;
}

/* True when each call ran once. */
static bool all_ran_once(size_t count)
{
    for (size_t i = 0; i < MANY; i++)
        if (atomic_load(&n_ran[i]) != (i < count))
            return false;
    return true;
}

/* True when rank 0 knows of exactly the calls that ran, and none ran twice. */
static bool are_known(const parcel_results *results)
{
    for (size_t i = 0; i < parcel_results_count(results); i++) {
        parcel_status status = parcel_results_status(results, i);
        bool has_run = status != PARCEL_NOT_RUN && status != PARCEL_CANCELLED;
        if (atomic_load(&n_ran[i]) != (int)has_run)
            return false;
    }
    return true;
}

/* ---- a play: what all ranks do in a test ---- */

struct play;

/* Of rank 0, and of the others unless they serve. */
typedef void play_act(struct parcel__ranks *ranks, struct play *play);

struct play {
    struct loopback_options options;
    int n_jobs;
    bool serves;
    play_act *act;
    size_t count;
    parcel_token tokens[MOST_RANKS];
    int at; /* a number of the test's own */
};

static bool is_root(const struct parcel__ranks *ranks)
{
    return ranks->transport->rank == 0;
}

static void do_part(struct parcel__ranks *ranks, void *state)
{
    struct play *play = state;
    if (is_root(ranks) || !play->serves)
        play->act(ranks, play);
    else
        ck_assert_ptr_null(parcel__spread_serve(ranks));
}

/* Tests loop over every twelfth setting, each seed over others. */
enum { STRIDE = 12 };
enum { RANKS = 5, FAN_OUTS = 3, SETTINGS = RANKS * FAN_OUTS * 2 * 2 };

static struct play play_at(int number, play_act *act)
{
    static const int ranks[RANKS] = {7, 3, 2, 4, 1}, fan_outs[FAN_OUTS] = {1, 2, 32};
    static const size_t most_eager[] = {256, 64, SIZE_MAX};
    unsigned n = (unsigned)number;
    return (struct play){.options = {.n_ranks = ranks[n % RANKS],
                                     .fan_out = fan_outs[n / RANKS % FAN_OUTS],
                                     .most_eager = most_eager[(n + seed) % 3],
                                     .seed = seed + n},
                         .serves = n / RANKS / FAN_OUTS % 2,
                         .n_jobs = 1 + n / RANKS / FAN_OUTS / 2 % 2,
                         .act = act};
}

static struct play play_of(int number, play_act *act)
{
    return play_at(number * STRIDE + (int)(seed % STRIDE), act);
}

static void play_it(struct play *play)
{
    loopback_run(&play->options, do_part, play);
}

static parcel_results *run_calls(const struct play *play, parcel_options options,
                                 parcel_calls *calls)
{
    options.backend = "mpi";
    options.n_jobs = play->n_jobs;
    return parcel_run(&options, calls);
}

/* ---- runs to the end ---- */

static void check_whole(const struct parcel__ranks *ranks, const parcel_results *results,
                        size_t count)
{
    ck_ran_well(results);
    ck_assert_uint_eq(parcel_results_count(results), count);
    if (!is_root(ranks))
        return;
    ck_assert(are_squares(results, count));
    ck_assert(all_ran_once(count));
}

static void complete(struct parcel__ranks *ranks, struct play *play)
{
    static const size_t counts[] = {MANY, 0, 1, 2, 100};
    for (size_t i = 0; i < LENGTH(counts); i++) {
        if (is_root(ranks))
            forget_calls();
        parcel_calls *calls = onces(counts[i]);
        parcel_results *results = run_calls(play, (parcel_options){0}, calls);
        parcel_calls_free(calls);
        check_whole(ranks, results, counts[i]);
        parcel_results_free(results);
    }
}

START_TEST(test_complete)
{
    struct play play = play_of(_i, complete);
    play_it(&play);
}
END_TEST

/* Records tell which rank it was, and a rank's workers have numbers that follow on. */
static void look_at_records(struct parcel__ranks *ranks, struct play *play)
{
    char host[32];
    forget_calls();
    parcel_calls *calls = onces(MANY);
    parcel_results *results = run_calls(play, (parcel_options){.batch_size = 3}, calls);
    parcel_calls_free(calls);
    if (is_root(ranks))
        ck_assert(are_squares(results, MANY));
    for (size_t i = 0; i < MANY && is_root(ranks); i += 7) {
        int worker = parcel_results_worker(results, i), rank = parcel_results_rank(results, i);
        ck_assert_int_eq(rank, worker / play->n_jobs);
        snprintf(host, sizeof host, "host-%d", rank / 2);
        ck_assert_str_eq(parcel_results_host(results, i), host);
        ck_assert(parcel_results_duration(results, i) >= 0);
    }
    parcel_results_free(results);
}

START_TEST(test_records)
{
    struct play play = play_of(_i, look_at_records);
    play_it(&play);
}
END_TEST

/* Some take long: others ask meanwhile for what their worker has not begun. */
static int tarry(int i)
{
    if (i % 128 == 100)
        parcel__port_sleep(5e-3);
    return once(i);
}
DELAYED(int, tarry, int);

static const parcel_options single_calls[] = {{.batch_size = 1, .timing = PARCEL_NO},
                                              {.schedule = PARCEL_DYNAMIC, .timing = PARCEL_NO}};

/* No call shares the time of its batch with another, also of those that ranks gave back, many at
 * once. */
static void run_single_calls(struct parcel__ranks *ranks, struct play *play)
{
    forget_calls();
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < MANY; i++)
        parcel_calls_add(calls, delayed(tarry)((int)i));
    parcel_results *results = run_calls(play, single_calls[play->at], calls);
    parcel_calls_free(calls);
    check_whole(ranks, results, MANY);
    for (size_t i = 0; i < MANY && is_root(ranks); i++)
        ck_assert(!parcel_results_estimated(results, i));
    parcel_results_free(results);
}

START_TEST(test_single_calls)
{
    struct play play = play_of(_i, run_single_calls);
    for (play.at = 0; play.at < 2; play.at++)
        play_it(&play);
}
END_TEST

/* ---- what workers wait for a cpu ---- */

static _Thread_local double waited;

static double tell(void)
{
    return waited;
}

static int wait_for_cpu(int x)
{
    const double end = parcel__port_now() + 6e-3; /* longer than what is settled later */
    waited += 1e-3;
    while (parcel__port_now() < end)
        parcel__port_sleep(1e-3);
    return x;
}
DELAYED(int, wait_for_cpu, int);

/* All ranks know what the workers of all waited. */
static void sum_waits(struct parcel__ranks *ranks, struct play *play)
{
    enum { COUNT = 9 };
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < COUNT; i++)
        parcel_calls_add(calls, delayed(wait_for_cpu)(i));
    parcel_results *results = run_calls(play, (parcel_options){.batch_size = 2}, calls);
    parcel_calls_free(calls);
    ck_ran_well(results);
    ck_assert_double_eq_tol(results->sums.waited, (double)COUNT * 1e-3, 1e-9);
    parcel_results_free(results);
    (void)ranks;
}

START_TEST(test_waits)
{
    struct play play = play_of(_i, sum_waits);
    parcel__waits_source = tell;
    play_it(&play);
}
END_TEST

/* ---- results on their way ---- */

struct taken {
    size_t count;
    size_t next;
    size_t most; /* after so many no more are wanted */
    bool is_in_order;
    bool are_right;
};

static bool take(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    struct taken *taken = state;
    taken->is_in_order = taken->is_in_order && index == taken->next;
    taken->next = index + 1;
    taken->are_right = taken->are_right && record->status == PARCEL_OK &&
                       value.as.int64 == (int64_t)(index * index);
    taken->count++;
    return taken->count < taken->most;
}

static void take_results(struct parcel__ranks *ranks, struct play *play)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        struct taken taken = {.most = SIZE_MAX, .is_in_order = true, .are_right = true};
        parcel_options options = {.on_result = take, .on_result_state = &taken};
        options.return_as = unordered ? PARCEL_GENERATOR_UNORDERED : PARCEL_LIST;
        options.window = play->at;
        if (is_root(ranks))
            forget_calls();
        parcel_calls *calls = onces(MANY);
        parcel_results *results = run_calls(play, options, calls);
        parcel_calls_free(calls);
        ck_ran_well(results);
        if (is_root(ranks)) {
            ck_assert_uint_eq(taken.count, MANY);
            ck_assert(taken.are_right && (unordered || taken.is_in_order));
            ck_assert(all_ran_once(MANY));
        }
        parcel_results_free(results);
    }
}

START_TEST(test_on_result)
{
    struct play play = play_of(_i, take_results);
    play.at = _i % 3 == 0 ? 0 : _i % 3 == 1 ? 5 : 100;
    play_it(&play);
}
END_TEST

static void refuse_results(struct parcel__ranks *ranks, struct play *play)
{
    struct taken taken = {.most = 10, .is_in_order = true, .are_right = true};
    parcel_options options = {.on_result = take, .on_result_state = &taken};
    forget_calls();
    parcel_calls *calls = onces(MANY);
    parcel_results *results = run_calls(play, options, calls);
    parcel_calls_free(calls);
    if (is_root(ranks))
        ck_assert(taken.count == 10 && taken.is_in_order && taken.are_right);
    parcel_results_free(results);
}

START_TEST(test_on_result_refuses)
{
    struct play play = play_of(_i, refuse_results);
    play_it(&play);
}
END_TEST

struct generator {
    int given;
    int count;
};

static parcel_next_status next_once(void *state, parcel_call *call)
{
    struct generator *generator = state;
    if (generator->given == generator->count)
        return PARCEL_NEXT_END;
    *call = delayed(once)(generator->given++);
    return PARCEL_NEXT_CALL;
}

/* Of each rank there is a generator; rank 0's is asked. */
static void generate(struct parcel__ranks *ranks, struct play *play)
{
    static const char *const pre_dispatch[] = {NULL, "2 * n_jobs", "1"};
    for (size_t i = 0; i < LENGTH(pre_dispatch); i++) {
        struct generator generator = {.count =
                                          i == 2 ? 30 : MANY}; /* one after the other takes long */
        if (is_root(ranks))
            forget_calls();
        parcel_calls *calls = parcel_calls_generate(next_once, &generator);
        parcel_results *results =
            run_calls(play, (parcel_options){.pre_dispatch = pre_dispatch[i]}, calls);
        parcel_calls_free(calls);
        ck_assert_int_eq(generator.given, is_root(ranks) ? generator.count : 0);
        check_whole(ranks, results, (size_t)generator.count);
        parcel_results_free(results);
    }
}

START_TEST(test_generate)
{
    struct play play = play_of(_i, generate);
    play_it(&play);
}
END_TEST

/* Pulls at most so many results of a stream. Returns how many there were. */
static size_t pull(parcel_results *results, size_t most)
{
    parcel_result result;
    size_t count = 0;
    while (count < most && parcel_results_next(results, &result)) {
        ck_assert_int_eq(result.value.as.int64, (int64_t)(result.index * result.index));
        parcel_result_free(&result);
        count++;
    }
    return count;
}

static void pull_stream(struct parcel__ranks *ranks, struct play *play)
{
    for (int i = 0; i < 4; i++) {
        parcel_options options = {.return_as =
                                      i % 2 ? PARCEL_GENERATOR_UNORDERED : PARCEL_GENERATOR};
        size_t most = i < 2 ? SIZE_MAX : (size_t)i * 3;
        if (is_root(ranks))
            forget_calls();
        parcel_calls *calls = onces(MANY);
        parcel_results *results = run_calls(play, options, calls);
        if (is_root(ranks))
            ck_assert_uint_eq(pull(results, most), most < MANY ? most : MANY);
        parcel_results_free(results);
        parcel_calls_free(calls);
        if (is_root(ranks) && i < 2)
            ck_assert(all_ran_once(MANY));
    }
}

START_TEST(test_pull)
{
    struct play play = play_of(_i, pull_stream);
    play_it(&play);
}
END_TEST

/* ---- failures and stops ---- */

static int fail_some(int i)
{
    once(i);
    if (i % 10 == 3)
        parcel_fail("%d ends with 3", i);
    return i;
}
DELAYED(int, fail_some, int);

static parcel_calls *some_fail(size_t count)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(fail_some)((int)i));
    return calls;
}

static void run_failing(struct parcel__ranks *ranks, struct play *play)
{
    enum { FAILURES = 101 };
    for (int collects = 0; collects < 2; collects++) {
        if (is_root(ranks))
            forget_calls();
        parcel_calls *calls = some_fail(MANY);
        parcel_results *results = run_calls(
            play, (parcel_options){.on_error = collects ? PARCEL_COLLECT : PARCEL_STOP}, calls);
        parcel_calls_free(calls);
        ck_contains(parcel_results_error(results), " of 1009 call");
        ck_assert_uint_ge(parcel_results_failures(results), 1);
        if (collects) {
            ck_assert_uint_eq(parcel_results_failures(results), FAILURES);
            ck_contains(parcel_results_error(results),
                        "101 of 1009 calls failed; first: call 3, fail_some(3): 3 ends with 3");
        }
        if (is_root(ranks)) {
            ck_assert(are_known(results));
            ck_assert(!collects || all_ran_once(MANY));
        }
        parcel_results_free(results);
    }
}

START_TEST(test_fail)
{
    struct play play = play_of(_i, run_failing);
    play_it(&play);
}
END_TEST

static void halt(struct parcel__ranks *ranks, struct play *play)
{
    static const char *const halts[] = {"soon,success=20", "now,done=10%", "soon,fail=2"};
    for (size_t i = 0; i < LENGTH(halts); i++) {
        if (is_root(ranks))
            forget_calls();
        parcel_calls *calls = some_fail(MANY);
        parcel_results *results = run_calls(play, (parcel_options){.halt = halts[i]}, calls);
        parcel_calls_free(calls);
        if (is_root(ranks)) {
            size_t n_done = 0;
            for (size_t k = 0; k < MANY; k++)
                n_done += parcel_results_status(results, k) == PARCEL_OK ||
                          parcel_results_status(results, k) == PARCEL_FAILED;
            ck_assert(are_known(results));
            ck_assert_uint_ge(n_done, i == 0 ? 20 : i == 1 ? 101 : 2);
        }
        parcel_results_free(results);
    }
}

START_TEST(test_halt)
{
    struct play play = play_of(_i, halt);
    play_it(&play);
}
END_TEST

/* One call cancels a token of one rank. */
static int cancel_at(int i, int at, parcel_token *token)
{
    if (i == at)
        parcel_cancel(token);
    return once(i);
}
DELAYED(int, cancel_at, int, int, parcel_token *);

static struct play *playing;

static int cancel_in(int i, int at, int rank)
{
    return cancel_at(i, at, &playing->tokens[rank]);
}
DELAYED(int, cancel_in, int, int, int);

static void cancel(struct parcel__ranks *ranks, struct play *play)
{
    int rank = ranks->transport->rank;
    for (int i = 0; i < 6; i++) {
        int who = play->serves ? 0 : (play->at + i) % play->options.n_ranks;
        parcel_calls *calls = parcel_calls_new();
        if (is_root(ranks)) {
            forget_calls();
            for (int k = 0; k < MOST_RANKS; k++)
                parcel_token_reset(&play->tokens[k]);
        }
        for (int k = 0; k < MANY; k++)
            parcel_calls_add(calls, delayed(cancel_in)(k, i * 170, who));
        parcel_results *results =
            run_calls(play, (parcel_options){.cancel = &play->tokens[rank]}, calls);
        parcel_calls_free(calls);
        const char *error = parcel_results_error(results);
        if (is_root(ranks)) {
            ck_assert(are_known(results));
            if (error)
                ck_contains(error, "cancelled by its token: ");
            else
                ck_assert(all_ran_once(MANY));
        }
        parcel_results_free(results);
    }
}

START_TEST(test_cancel)
{
    struct play play = play_of(_i, cancel);
    playing = &play;
    play.at = _i;
    play_it(&play);
}
END_TEST

static int linger(int i)
{
    once(i);
    parcel__port_sleep(1e-3);
    return i;
}
DELAYED(int, linger, int);

static void overrun(struct parcel__ranks *ranks, struct play *play)
{
    forget_calls();
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < MANY; i++)
        parcel_calls_add(calls, delayed(linger)(i));
    parcel_results *results = run_calls(play, (parcel_options){.deadline = 5e-3}, calls);
    parcel_calls_free(calls);
    ck_contains(parcel_results_error(results), "deadline");
    if (is_root(ranks))
        ck_assert(are_known(results));
    parcel_results_free(results);
}

START_TEST(test_deadline)
{
    struct play play = play_of(_i, overrun);
    play_it(&play);
}
END_TEST

static int fail_once(int i)
{
    if (atomic_fetch_add(&n_ran[i], 1) == 0 && i % 3 == 0)
        parcel_fail("at first");
    return i * i;
}
DELAYED(int, fail_once, int);

static void retry(struct parcel__ranks *ranks, struct play *play)
{
    if (is_root(ranks))
        forget_calls();
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < MANY; i++)
        parcel_calls_add(calls, delayed(fail_once)(i));
    parcel_results *results = run_calls(play, (parcel_options){.retries = 1}, calls);
    parcel_calls_free(calls);
    ck_ran_well(results);
    if (is_root(ranks))
        ck_assert(are_squares(results, MANY));
    for (size_t i = 0; i < MANY && is_root(ranks); i++)
        if (parcel_results_attempts(results, i) != (i % 3 == 0) + 1 ||
            atomic_load(&n_ran[i]) != (i % 3 == 0) + 1)
            ck_abort_msg("call %zu ran %d times, %d attempts", i, atomic_load(&n_ran[i]),
                         parcel_results_attempts(results, i));
    parcel_results_free(results);
}

START_TEST(test_retry)
{
    struct play play = play_of(_i, retry);
    play_it(&play);
}
END_TEST

/* ---- large arrays ---- */

/* Its result is as large as its argument, and holds all of it. */
static parcel_array negate(int i, parcel_array array)
{
    const double *numbers = array.data;
    double *negative = malloc(array.count * sizeof *negative + 1);
    once(i);
    for (size_t k = 0; k < array.count; k++)
        negative[k] = -numbers[k];
    return parcel_array(negative, array.count);
}
DELAYED(parcel_array, negate, int, parcel_array);

enum { ARRAYS = 40 };

static size_t length_of(int i)
{
    return i % 4 == 0 ? (size_t)i : LARGE + (size_t)i;
}

static double *new_numbers(void)
{
    double *numbers = malloc((LARGE + ARRAYS) * sizeof *numbers);
    for (size_t i = 0; i < LARGE + ARRAYS; i++)
        numbers[i] = (double)i;
    return numbers;
}

static parcel_calls *negations(double *numbers)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < ARRAYS; i++)
        parcel_calls_add(calls, delayed(negate)(i, parcel_array(numbers, length_of(i))));
    return calls;
}

/* Of each call that is done the array is all there. */
static void check_arrays(const parcel_results *results, bool are_all)
{
    for (int i = 0; i < ARRAYS; i++) {
        parcel_array array = parcel_get_or(results, (size_t)i, parcel_array, (parcel_array){0});
        if (!are_all && parcel_results_status(results, (size_t)i) != PARCEL_OK)
            continue;
        ck_assert_msg(array.count == length_of(i), "call %d: %zu numbers; status %d, message %s", i,
                      array.count, parcel_results_status(results, (size_t)i),
                      parcel_results_message(results, (size_t)i));
        const double *numbers = array.data;
        for (size_t k = 0; k < array.count; k++)
            if (numbers[k] != -(double)k)
                ck_abort_msg("call %d: number %zu is %g", i, k, numbers[k]);
    }
}

static void send_arrays(struct parcel__ranks *ranks, struct play *play)
{
    double *numbers = new_numbers();
    for (int i = 0; i < 3; i++) {
        if (is_root(ranks))
            forget_calls();
        parcel_calls *calls = negations(numbers);
        parcel_results *results = run_calls(play, (parcel_options){0}, calls);
        parcel_calls_free(calls);
        ck_ran_well(results);
        if (is_root(ranks)) {
            check_arrays(results, true);
            ck_assert(all_ran_once(ARRAYS));
        }
        parcel_results_free(results);
    }
    free(numbers);
}

START_TEST(test_arrays)
{
    struct play play = play_of(_i, send_arrays);
    play_it(&play);
}
END_TEST

/* Many calls whose arguments do not fit one message, though each is not large. */
static int sum_of(int i, parcel_array array)
{
    const unsigned char *bytes = array.data;
    int sum = 0;
    for (size_t k = 0; k < array.count; k += 997)
        sum += bytes[k];
    return once(i) + sum;
}
DELAYED(int, sum_of, int, parcel_array);

static void send_many_bytes(struct parcel__ranks *ranks, struct play *play)
{
    static unsigned char bytes[60000];
    for (int i = 0; i < 2; i++) {
        if (is_root(ranks))
            forget_calls();
        parcel_calls *calls = parcel_calls_new();
        for (int k = 0; k < 300; k++)
            parcel_calls_add(calls, delayed(sum_of)(k, parcel_array(bytes, sizeof bytes)));
        parcel_results *results = run_calls(play, (parcel_options){.batch_size = 40}, calls);
        parcel_calls_free(calls);
        check_whole(ranks, results, 300);
        parcel_results_free(results);
    }
}

START_TEST(test_many_bytes)
{
    struct play play = play_of(_i, send_many_bytes);
    play_it(&play);
}
END_TEST

/* Each rank has all values. */
static void have_all(struct parcel__ranks *ranks, struct play *play)
{
    double *numbers = new_numbers();
    const parcel_options options = {.mpi_results = PARCEL_ALL_RANKS, .on_error = PARCEL_COLLECT};
    for (int i = 0; i < 2; i++) {
        forget_calls();
        parcel_calls *calls = negations(numbers);
        parcel_results *results = run_calls(play, options, calls);
        parcel_calls_free(calls);
        ck_ran_well(results);
        check_arrays(results, true);
        parcel_results_free(results);
        calls = onces(MANY);
        results = run_calls(play, options, calls);
        parcel_calls_free(calls);
        ck_assert(are_squares(results, MANY));
        parcel_results_free(results);
        calls = some_fail(MANY);
        results = run_calls(play, options, calls);
        parcel_calls_free(calls);
        ck_assert_str_eq(parcel_results_message(results, 13), "13 ends with 3");
        ck_assert_int_eq(parcel_results_status(results, 12), PARCEL_OK);
        parcel_results_free(results);
    }
    (void)ranks;
    free(numbers);
}

START_TEST(test_all_ranks)
{
    struct play play = play_of(_i, have_all);
    play_it(&play);
}
END_TEST

static parcel_array negate_until(int i, int at, parcel_array array)
{
    if (i == at)
        parcel_fail("call %d fails", i);
    return i == at ? parcel_array((double *)NULL, 0) : negate(i, array);
}
DELAYED(parcel_array, negate_until, int, int, parcel_array);

/* The run stops while arrays are on their way, to calls and from them. */
static void stop_arrays(struct parcel__ranks *ranks, struct play *play)
{
    double *numbers = new_numbers();
    for (int i = 0; i < 6; i++) {
        if (is_root(ranks))
            forget_calls();
        parcel_calls *calls = parcel_calls_new();
        for (int k = 0; k < ARRAYS; k++)
            parcel_calls_add(calls,
                             delayed(negate_until)(k, i * 5, parcel_array(numbers, length_of(k))));
        parcel_results *results = run_calls(play, (parcel_options){0}, calls);
        parcel_calls_free(calls);
        ck_contains(parcel_results_error(results), "failed; first: call ");
        if (is_root(ranks))
            check_arrays(results, false);
        parcel_results_free(results);
    }
    free(numbers);
}

START_TEST(test_stop_arrays)
{
    struct play play = play_of(_i, stop_arrays);
    play_it(&play);
}
END_TEST

/* Arrays from a generator, whose results go to on_result until that wants no more. */
struct supply {
    double *numbers;
    int given;
    size_t n_taken;
};

static parcel_next_status next_negation(void *state, parcel_call *call)
{
    struct supply *supply = state;
    int i = supply->given;
    if (i == ARRAYS)
        return PARCEL_NEXT_END;
    supply->given++;
    *call = delayed(negate)(i, parcel_array(supply->numbers, length_of(i)));
    return PARCEL_NEXT_CALL;
}

static bool take_array(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    struct supply *supply = state;
    (void)value;
    ck_assert_int_eq(record->status, PARCEL_OK);
    ck_assert_uint_eq(index, supply->n_taken);
    return ++supply->n_taken < ARRAYS / 2;
}

static void generate_arrays(struct parcel__ranks *ranks, struct play *play)
{
    struct supply supply = {.numbers = new_numbers()};
    forget_calls();
    parcel_calls *calls = parcel_calls_generate(next_negation, &supply);
    parcel_results *results = run_calls(
        play, (parcel_options){.on_result = take_array, .on_result_state = &supply, .window = 8},
        calls);
    parcel_calls_free(calls);
    if (is_root(ranks))
        ck_assert_uint_eq(supply.n_taken, ARRAYS / 2);
    parcel_results_free(results);
    free(supply.numbers);
}

START_TEST(test_generate_arrays)
{
    struct play play = play_of(_i, generate_arrays);
    play_it(&play);
}
END_TEST

/* ---- out of memory ---- */

/* All is right, or what is wrong says that it was memory. */
static bool is_right_or_short(const parcel_results *results, size_t count)
{
    const char *error = parcel_results_error(results);
    if (error)
        ck_assert_msg(strstr(error, "memory"), "%s", error);
    else
        check_arrays(results, true);
    ck_assert(error || parcel_results_count(results) == count);
    return !error;
}

/* The others serve; the n-th allocation of any rank fails, and all after it, for n that go up. */
static void run_short(struct parcel__ranks *ranks, struct play *play)
{
    double *numbers = new_numbers();
    size_t n_allocations = 0, n = 0;
    bool is_complete = false;
    while (n_allocations >= n || !is_complete) {
        parcel_calls *calls = negations(numbers);
        parcel__memory_fail_from(n += 1 + n / 40);
        parcel_results *results = run_calls(play, (parcel_options){0}, calls);
        n_allocations = parcel__memory_fail_from(0);
        is_complete = is_right_or_short(results, ARRAYS);
        parcel_results_free(results);
        results = run_calls(play, (parcel_options){0}, calls);
        parcel_calls_free(calls);
        ck_ran_well(results);
        check_arrays(results, true);
        parcel_results_free(results);
    }
    (void)ranks;
    ck_assert_uint_gt(n, 10);
    free(numbers);
}

START_TEST(test_out_of_memory)
{
    static const int settings[] = {16, 17, 18, 20 + 30};
    struct play play = play_at(settings[_i], run_short);
    ck_assert(play.serves);
    play_it(&play);
}
END_TEST

static TCase *add(Suite *suite, const char *name, const TTest *test)
{
    TCase *tests = suite_case(suite, name);
    tcase_add_loop_test(tests, test, 0, SETTINGS / STRIDE);
    return tests;
}

int main(int n_arguments, char **arguments)
{
    seed = n_arguments > 1 ? (unsigned)strtoul(arguments[1], NULL, 10) : (unsigned)getpid();
    printf("seed %u\n", seed);
    fflush(stdout);
#ifndef _OPENMP
    puts("skipped: the calls of these ranks run on threads");
    return 77;
#endif
    Suite *suite = suite_create("rank_run");
    add(suite, "complete", test_complete);
    add(suite, "records", test_records);
    add(suite, "single calls", test_single_calls);
    add(suite, "waits", test_waits);
    add(suite, "on_result", test_on_result);
    add(suite, "on_result refuses", test_on_result_refuses);
    add(suite, "generate", test_generate);
    add(suite, "pull", test_pull);
    add(suite, "fail", test_fail);
    add(suite, "halt", test_halt);
    add(suite, "cancel", test_cancel);
    add(suite, "deadline", test_deadline);
    add(suite, "retry", test_retry);
    add(suite, "arrays", test_arrays);
    add(suite, "many bytes", test_many_bytes);
    add(suite, "all ranks", test_all_ranks);
    add(suite, "stop arrays", test_stop_arrays);
    add(suite, "generate arrays", test_generate_arrays);
    TCase *tests = suite_case(suite, "out of memory");
    tcase_add_loop_test(tests, test_out_of_memory, 0, 4);
    return suite_run(suite);
}

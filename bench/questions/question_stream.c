/*
 * question_stream.c: calls that flow through, and a run that is cancelled.
 *
 * The baseline of the stream is the loop that it stands for: ask for a call, make it, take its
 * result, one after the other. Calls of a generator are boxed one by one, by one worker at a time.
 */
#include <parcel.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "costs.h"
#include "functions.h"
#include "memory.h"
#include "questions.h"
#include "report.h"

DELAYED(int, empty, int, int);
DELAYED(int, spin, int, int);

enum { WINDOW = 1024, SMALL_WINDOW = 64, N_CANCELLED = 200000, LARGE = 10000 };
static const double call_length = 10e-6;

/* ---- a generator in, on_result out ---- */

/* The generator and on_result write theirs at once, in two threads: on one cache line they would
 * wait for each other, longer than a call takes. */
struct flow {
    int count;
    int given;
    _Alignas(128) long long sum;
};

static parcel_next_status next_call(void *state, parcel_call *call)
{
    struct flow *flow = state;
    if (flow->given == flow->count)
        return PARCEL_NEXT_END;
    *call = delayed(empty)(flow->given++, 1);
    return PARCEL_NEXT_CALL;
}

static bool take(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    struct flow *flow = state;
    (void)index, (void)record;
    flow->sum += value.as.int64;
    return true;
}

static double measure_stream(void *state)
{
    struct flow *flow = state;
    flow->given = 0;
    flow->sum = 0;
    double start = bench_now();
    parcel_calls *calls = parcel_calls_generate(next_call, flow);
    parcel_results *results = Parallel(.n_jobs = BENCH_WORKERS, .window = WINDOW, .on_result = take,
                                       .on_result_state = flow)(calls);
    double seconds = bench_now() - start;
    long long n = flow->count;
    bench_require(!parcel_results_error(results) && flow->sum == n * (n + 1) / 2,
                  "a stream is wrong");
    parcel_results_free(results);
    parcel_calls_free(calls);
    return seconds;
}

static double measure_loop(void *state)
{
    struct flow *flow = state;
    parcel_call call;
    flow->given = 0;
    flow->sum = 0;
    double start = bench_now();
    while (next_call(flow, &call) == PARCEL_NEXT_CALL) {
        int result;
        call.function->thunk(call.arguments, &result);
        flow->sum += result;
    }
    return bench_now() - start;
}

static void stream_once(void *state)
{
    measure_stream(state);
}

static void ask_flow(struct bench *bench)
{
    struct flow flow = {.count = bench->is_quick ? 1000000 : 10000000};
    enum { STREAM, LOOP, GROWTH, N };
    struct bench_contender contenders[N] = {
        [STREAM] = {.name = "parcel stream", .measure = measure_stream, .state = &flow},
        [LOOP] = {.name = "one after the other", .measure = measure_loop, .state = &flow},
        [GROWTH] = {.name = "parcel stream, memory"}};
    bench_rounds(bench, contenders, GROWTH);
    for (int round = 0; round < bench->rounds; round++)
        contenders[GROWTH].samples[round] = grown_by(stream_once, &flow);
    double ns = 1e9 / flow.count;
    const struct bench_row rows[] = {
        {"empty calls", &contenders[STREAM], &contenders[LOOP], ns, "ns a call", BENCH_AT_MOST, 25},
        {"memory above the start", &contenders[GROWTH], NULL, 0x1p-20, "MiB", BENCH_AT_MOST, 8},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        bench_print_row(bench, &rows[i]);
}

/* ---- large results ---- */

static atomic_int n_held, most_held; /* results that were made and not taken; relaxed counts */

static char *make_large(int number)
{
    char *large = malloc(LARGE);
    bench_require(large != NULL, "out of memory");
    memset(large, 'a' + number % 26, LARGE - 1);
    large[LARGE - 1] = '\0';
    int held = atomic_fetch_add(&n_held, 1) + 1, most = atomic_load(&most_held);
    while (held > most && !atomic_compare_exchange_weak(&most_held, &most, held))
        continue;
    return large;
}
DELAYED(char *, make_large, int);

static bool take_large(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    (void)state, (void)index, (void)value, (void)record;
    atomic_fetch_sub(&n_held, 1);
    return true;
}

static double measure_held(void *calls)
{
    atomic_store(&n_held, 0);
    atomic_store(&most_held, 0);
    parcel_results *results =
        Parallel(.n_jobs = BENCH_WORKERS, .window = SMALL_WINDOW, .on_result = take_large)(calls);
    bench_require(!parcel_results_error(results) && atomic_load(&n_held) == 0, "a stream is wrong");
    parcel_results_free(results);
    return atomic_load(&most_held);
}

static void ask_held(struct bench *bench)
{
    int count = bench->is_quick ? 10000 : 100000;
    parcel_calls *calls = parcel_calls_new();
    struct bench_contender stream = {
        .name = "parcel stream, 10 kB results", .measure = measure_held, .state = calls};
    for (int i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(make_large)(i));
    bench_rounds(bench, &stream, 1);
    bench_print_row(bench, &(struct bench_row){"results of 10 kB held, window 64", &stream, NULL, 1,
                                               "at most", BENCH_AT_MOST, SMALL_WINDOW});
    parcel_calls_free(calls);
}

/* ---- a run that is cancelled ---- */

struct cancelled {
    const parcel_calls *calls;
    parcel_token token;
    double at; /* when it was */
};

static void *cancel_soon(void *state)
{
    struct cancelled *cancelled = state;
    double start = bench_now();
    while (bench_now() - start < 5e-3)
        sched_yield();
    cancelled->at = bench_now();
    parcel_cancel(&cancelled->token);
    return NULL;
}

/* Seconds from the cancellation to the end of the run. */
static double measure_cancel(void *state)
{
    struct cancelled *cancelled = state;
    pthread_t thread;
    parcel_token_reset(&cancelled->token);
    bench_require(pthread_create(&thread, NULL, cancel_soon, cancelled) == 0, "no thread");
    parcel_results *results =
        Parallel(.n_jobs = BENCH_WORKERS, .cancel = &cancelled->token)(cancelled->calls);
    double end = bench_now();
    pthread_join(thread, NULL);
    bench_require(parcel_results_error(results) != NULL, "a run was not cancelled");
    parcel_results_free(results);
    return end - cancelled->at;
}

static void ask_cancel(struct bench *bench)
{
    int steps = steps_of(call_length);
    parcel_calls *calls = parcel_calls_new();
    struct cancelled cancelled = {.calls = calls};
    struct bench_contender run = {
        .name = "parcel list, cancelled", .measure = measure_cancel, .state = &cancelled};
    for (int i = 0; i < N_CANCELLED; i++)
        parcel_calls_add(calls, delayed(spin)(steps, i & 0xFFFF));
    bench_rounds(bench, &run, 1);
    bench_print_row(bench, &(struct bench_row){"cancelled, 10 us calls: end after", &run, NULL, 1e3,
                                               "ms", BENCH_AT_MOST, 1 + 2e3 * call_length});
    parcel_calls_free(calls);
}

void question_stream(struct bench *bench)
{
    bench_heading("A generator in and on_result out, a window of 1,024; and a run that is stopped");
    ask_flow(bench);
    ask_held(bench);
    ask_cancel(bench);
}

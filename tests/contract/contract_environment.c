/*
 * contract_environment.c: what holds for every backend for what a thread has beside its memory: the
 * modes of floating-point arithmetic, and the settings of OpenMP; see contract.h.
 */
#include "contract.h"

#include <fenv.h>
#include <float.h>

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#ifdef _OPENMP
#include <omp.h>
#endif

/* ---- floating-point modes ---- */

/* What arithmetic says of the modes. */
struct modes {
    int rounding;
    double third;
    double half_of_least; /* 0 where that is flushed */
    long double third_of_x87;
};

/* What is volatile is computed here, and not where a compiler thinks that it may be. */
static struct modes look(void)
{
    volatile double one = 1, three = 3, least = DBL_MIN, third, half;
    volatile long double long_one = 1, long_three = 3, long_third;
    third = one / three;
    half = least / 2;
    long_third = long_one / long_three;
    return (struct modes){fegetround(), third, half, long_third};
}
DELAYED(struct modes, look);

static bool same_modes(struct modes one, struct modes other)
{
    return one.rounding == other.rounding && one.third == other.third &&
           one.half_of_least == other.half_of_least && one.third_of_x87 == other.third_of_x87;
}

static const int roundings[] = {FE_UPWARD, FE_TONEAREST, FE_DOWNWARD, FE_TOWARDZERO};

/* The i-th of some sets of modes, each unlike the one before. */
static void change_modes(int i)
{
    fesetround(roundings[i % 4]);
#ifdef __SSE2__
    enum { FLUSHES = 0x8040 };
    _mm_setcsr(i % 3 == 0 ? _mm_getcsr() | FLUSHES : _mm_getcsr() & ~(unsigned)FLUSHES);
#endif
}

static parcel_calls *looks(size_t count)
{
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(look)());
    return calls;
}

/* True when each call of look saw the caller's modes. */
static bool saw_ours(const parcel_results *results, size_t count)
{
    struct modes ours = look();
    bool right = !parcel_results_error(results) && parcel_results_count(results) == count;
    for (size_t i = 0; i < count; i++)
        right = right && same_modes(parcel_get(results, i, struct modes), ours);
    return right;
}

START_TEST(calls_begin_with_the_modes_of_the_caller)
{
    int i = 0;
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        change_modes(i++);
        parcel_results *results = run_and_free(SHAPED(shape, 0), looks(shape.size));
        HOLDS(shape, saw_ours(results, shape.size));
        parcel_results_free(results);
    }
}
END_TEST

/* Its workers were there before. */
START_TEST(so_do_calls_of_an_executor)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        parcel_executor *executor = parcel_open(SHAPED(shape, 0));
        parcel_calls *calls = looks(shape.size);
        for (int i = 0; i < 4; i++) {
            change_modes(i);
            parcel_results *results = parcel_executor_run(executor, calls);
            HOLDS(shape, saw_ours(results, shape.size));
            parcel_results_free(results);
        }
        parcel_calls_free(calls);
        parcel_close(executor);
    }
}
END_TEST

/* Shapes in which a batch is one call: short ones of a larger batch are not looked at one by one.
 */
static bool next_shape_of_single_calls(int backend, struct shape *shape)
{
    while (next_shape(backend, shape))
        if (shape->schedule != PARCEL_STATIC && shape->schedule != PARCEL_GUIDED)
            return true;
    return false;
}

/* What it began with; then it has others. */
static struct modes look_and_change(int i)
{
    struct modes modes = look();
    change_modes(i);
    return modes;
}
DELAYED(struct modes, look_and_change, int);

START_TEST(what_a_call_changes_is_for_itself)
{
    for (struct shape shape = {0}; next_shape_of_single_calls(_i, &shape);) {
        change_modes(shape.number);
        struct modes before = look();
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(look_and_change)((int)i));
        parcel_results *results = run_and_free(SHAPED(shape, .batch_size = 1), calls);
        HOLDS(shape, same_modes(look(), before));
        HOLDS(shape, saw_ours(results, shape.size));
        parcel_results_free(results);
    }
}
END_TEST

static struct modes change_and_fail_at_first(void)
{
    int *tries = parcel_worker_state();
    struct modes modes = look();
    change_modes(++*tries);
    if (*tries % 2)
        parcel_fail("attempt %d", *tries);
    return modes;
}
DELAYED(struct modes, change_and_fail_at_first);

static void *count_tries(void *state, int worker)
{
    (void)state, (void)worker;
    change_modes(look().rounding == FE_TONEAREST ? 0 : 1);
    return calloc(1, sizeof(int));
}

static void free_tries(void *state, int worker, void *tries)
{
    (void)state, (void)worker;
    free(tries);
}

START_TEST(attempts_begin_alike_and_so_does_what_follows_a_workers_start)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        change_modes(shape.number);
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(change_and_fail_at_first)());
        parcel_results *results =
            run_and_free(SHAPED(shape, .retries = 1, .on_worker_start = count_tries,
                                .on_worker_end = free_tries),
                         calls);
        HOLDS(shape, saw_ours(results, shape.size));
        parcel_results_free(results);
    }
}
END_TEST

/* True when the calls of a run in this call, which has modes of its own, began with those. */
static bool look_inside(int i)
{
    change_modes(i);
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, looks(2));
    bool right = saw_ours(results, 2);
    parcel_results_free(results);
    return right;
}
DELAYED(bool, look_inside, int);

START_TEST(a_run_in_a_call_has_the_modes_of_that_call)
{
    enum { SOME = 5 };
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        if (shape.size > 2)
            continue;
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < SOME; i++)
            parcel_calls_add(calls, delayed(look_inside)(i));
        parcel_results *results = run_and_free(SHAPED(shape, 0), calls);
        ck_ran_well(results);
        for (size_t i = 0; i < SOME; i++)
            HOLDS(shape, parcel_get(results, i, bool));
        parcel_results_free(results);
    }
}
END_TEST

/* ---- streams ---- */

/* Of which the functions change the modes, too. */
struct flow {
    struct modes modes; /* of who runs it */
    size_t given;
    size_t size;
    size_t taken;
    bool right;
};

static parcel_next_status next_look(void *state, parcel_call *call)
{
    struct flow *flow = state;
    if (flow->given == flow->size)
        return PARCEL_NEXT_END;
    *call = delayed(look)();
    change_modes((int)flow->given++);
    return PARCEL_NEXT_CALL;
}

static bool take_look(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    struct flow *flow = state;
    struct modes modes;
    (void)record;
    memcpy(&modes, value.as.bytes, sizeof modes);
    flow->right = flow->right && same_modes(modes, flow->modes) &&
                  (index > 0 || same_modes(look(), flow->modes));
    flow->taken++;
    change_modes((int)index);
    return true;
}

START_TEST(a_stream_and_its_functions_have_the_modes_of_the_caller)
{
    for (struct shape shape = {0}; next_streaming_shape(_i, &shape);) {
        change_modes(shape.number);
        struct flow flow = {look(), 0, shape.size, 0, true};
        parcel_results *results =
            run_and_free(SHAPED(shape, .on_result = take_look, .on_result_state = &flow),
                         parcel_calls_generate(next_look, &flow));
        ck_ran_well(results);
        HOLDS(shape, flow.right && flow.taken == shape.size);
        HOLDS(shape, same_modes(look(), flow.modes));
        parcel_results_free(results);
    }
}
END_TEST

/* Those that it had when the stream began. */
START_TEST(so_has_a_stream_that_is_pulled)
{
    for (struct shape shape = {0}; next_streaming_shape(_i, &shape);) {
        parcel_result result;
        change_modes(shape.number);
        struct modes ours = look();
        parcel_calls *calls = looks(shape.size);
        parcel_results *results = parcel_run(SHAPED(shape, .return_as = PARCEL_GENERATOR), calls);
        change_modes(shape.number + 1);
        while (parcel_results_next(results, &result)) {
            struct modes modes;
            memcpy(&modes, result.value.as.bytes, sizeof modes);
            HOLDS(shape, same_modes(modes, ours));
            parcel_result_free(&result);
        }
        ck_ran_well(results);
        parcel_results_free(results);
        parcel_calls_free(calls);
    }
}
END_TEST

/* ---- OpenMP's settings ---- */

#ifdef _OPENMP

/* The threads of a region in a call, after the call said how many; 0: it says nothing. */
static int open_region(int threads)
{
    int n = 0;
    if (threads > 0) {
        omp_set_num_threads(threads);
        omp_set_dynamic(0);
    }
#pragma omp parallel
#pragma omp single
    n = omp_get_num_threads();
    return n;
}
DELAYED(int, open_region, int);

enum { REGIONS = 8 };

/* Even calls say how many threads they want, the others do not. */
START_TEST(a_call_has_the_threads_that_it_wants_and_no_other_has)
{
    for (struct shape shape = {0}; next_shape_of_single_calls(_i, &shape);) {
        if (shape.size != MOST_CALLS)
            continue;
        int threads = omp_get_max_threads(), levels = omp_get_max_active_levels();
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < REGIONS; i++)
            parcel_calls_add(calls, delayed(open_region)(i % 2 ? 0 : 3));
        parcel_results *results = run_and_free(SHAPED(shape, .batch_size = 1), calls);
        ck_ran_well(results);
        for (size_t i = 0; i < REGIONS; i++)
            HOLDS(shape, parcel_get(results, i, int) == (i % 2 ? parcel_get(results, 1, int) : 3));
        HOLDS(shape, omp_get_max_threads() == threads);
        HOLDS(shape, omp_get_max_active_levels() == levels && !omp_get_dynamic());
        parcel_results_free(results);
    }
}
END_TEST

static bool is_dynamic(void)
{
    return omp_get_dynamic();
}
DELAYED(bool, is_dynamic);

#ifdef __clang__
enum { HAS_LIBOMP = 1 };
#else
enum { HAS_LIBOMP = 0 };
#endif

/* The setting is for the regions of the calls; libomp would abort there (check-binding.sh). */
START_TEST(a_dynamic_number_of_threads_is_one_in_calls)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        omp_set_dynamic(1);
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < shape.size; i++)
            parcel_calls_add(calls, delayed(is_dynamic)());
        parcel_results *results = run_and_free(SHAPED(shape, 0), calls);
        ck_ran_well(results);
        HOLDS(shape, omp_get_dynamic());
        for (size_t i = 0; i < shape.size; i++)
            HOLDS(shape, parcel_get(results, i, bool) || HAS_LIBOMP || has_ranks(shape));
        parcel_results_free(results);
    }
}
END_TEST

static void add_openmp_tests(TCase *tests, int backends)
{
    tcase_add_loop_test(tests, a_call_has_the_threads_that_it_wants_and_no_other_has, 0, backends);
    tcase_add_loop_test(tests, a_dynamic_number_of_threads_is_one_in_calls, 0, backends);
}

#else

static void add_openmp_tests(TCase *tests, int backends)
{
    (void)tests, (void)backends;
}

#endif

void add_environment_tests(TCase *tests, int backends)
{
    tcase_add_loop_test(tests, calls_begin_with_the_modes_of_the_caller, 0, backends);
    tcase_add_loop_test(tests, so_do_calls_of_an_executor, 0, backends);
    tcase_add_loop_test(tests, what_a_call_changes_is_for_itself, 0, backends);
    tcase_add_loop_test(tests, attempts_begin_alike_and_so_does_what_follows_a_workers_start, 0,
                        backends);
    tcase_add_loop_test(tests, a_run_in_a_call_has_the_modes_of_that_call, 0, backends);
    tcase_add_loop_test(tests, a_stream_and_its_functions_have_the_modes_of_the_caller, 0,
                        backends);
    tcase_add_loop_test(tests, so_has_a_stream_that_is_pulled, 0, backends);
    add_openmp_tests(tests, backends);
}

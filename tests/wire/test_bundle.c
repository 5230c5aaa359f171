/*
 * test_bundle.c: calls and results in one message, what travels by itself, and what is damaged.
 *
 * What was put is read from a copy that is exactly as large, so that a sanitizer sees each byte
 * that is read behind it.
 */
#include "suite.h"

#include "calls/calls.h"
#include "calls/digest.h"
#include "calls/identity.h"
#include "ground/memory.h"
#include "results/results.h"
#include "wire/bundle.h"

#include <dlfcn.h>
#include <math.h>

enum { LARGE_COUNT = PARCEL__BUNDLE_LARGE / sizeof(double) };

/* Into so many of these results from at on. */
#define TO(results, at, count) \
    (&(struct parcel__bundle_destination){results, at, count, (results)->arenas})

struct wide {
    double number[20];
};

static double half(double x)
{
    return x / 2;
}
DELAYED(double, half, double);

static int negate(int i)
{
    return -i;
}
DELAYED(int, negate, int);

static void nothing(void)
{
}
DELAYED(void, nothing);

static struct wide spread(int i)
{
    struct wide wide = {{0}};
    wide.number[19] = i;
    return wide;
}
DELAYED(struct wide, spread, int);

static const char *word(int i)
{
    static const char *const words[] = {"zero", "one", NULL, "three"};
    return words[i % 4];
}
DELAYED(const char *, word, int);

static char *edit(char *text, int i)
{
    *text = (char)('0' + i % 10);
    return text;
}
DELAYED(char *, edit, char *, int);

static parcel_array count_to(int count)
{
    double *number = malloc(sizeof *number * (size_t)(count + 1));
    for (int i = 0; i < count; i++)
        number[i] = i;
    return parcel_array(number, (size_t)count);
}
DELAYED(parcel_array, count_to, int);

static double sum(parcel_array array, const char *name)
{
    const double *number = array.data;
    double all = name ? 1 : 0;
    for (size_t i = 0; number && i < array.count; i++)
        all += number[i];
    return all;
}
DELAYED(double, sum, parcel_array, const char *);

static parcel_value any(parcel_value value)
{
    return value;
}
DELAYED(parcel_value, any, parcel_value);

static int fail_odd(int i)
{
    if (i % 2)
        parcel_fail("%d is odd", i);
    return i;
}
DELAYED(int, fail_odd, int);

static const int constants[] = {1, 2, 3};

static const int *constant(int i)
{
    static int variable;
    return i < 3 ? &constants[i] : i < 4 ? NULL : &variable;
}
typedef const int *constant_pointer;
DELAYED(constant_pointer, constant, int);

static int dereference(const int *pointer)
{
    return pointer ? *pointer : 0;
}
DELAYED(int, dereference, const int *);

static int add_up(parcel_array of_pointers)
{
    int all = 0;
    const int *const *pointer = of_pointers.data;
    for (size_t i = 0; i < of_pointers.count; i++)
        all += pointer[i] ? *pointer[i] : 0;
    return all;
}
DELAYED(int, add_up, parcel_array);

static parcel_array words(int count)
{
    const char **all = malloc(sizeof *all * (size_t)count);
    for (int i = 0; i < count; i++)
        all[i] = "a word";
    return parcel_array(all, (size_t)count);
}
DELAYED(parcel_array, words, int);

/* ---- both ends ---- */

/* A copy of just the size, which ends where its memory ends. */
static unsigned char *copy_of(const struct parcel__bundle *bundle)
{
    unsigned char *copy = malloc(bundle->used + 1);
    memcpy(copy, bundle->bytes, bundle->used);
    return copy;
}

/* Brings what is left out from one end to the other. is_taken: the sender gives it away. */
static void carry(const struct parcel__bundle *from, const struct parcel__bundle *to, bool is_taken)
{
    ck_assert_uint_eq(from->n_large, to->n_large);
    for (size_t i = 0; i < from->n_large; i++) {
        ck_assert_uint_eq(from->large[i].size, to->large[i].size);
        ck_assert_ptr_null(to->large[i].data);
        void *data = malloc(from->large[i].size);
        memcpy(data, from->large[i].data, from->large[i].size);
        memcpy(to->large[i].where, &data, sizeof data);
        if (is_taken)
            free(from->large[i].data);
    }
}

/* The data of arguments, which nobody owns. */
static void free_carried(const struct parcel__bundle *large)
{
    for (size_t i = 0; i < large->n_large; i++) {
        void *data;
        memcpy(&data, large->large[i].where, sizeof data);
        free(data);
    }
}

static void put_all_calls(struct parcel__bundle *bundle, const parcel_calls *calls)
{
    struct parcel__text why = {0};
    size_t count = parcel_calls_count(calls);
    ck_assert_uint_eq(parcel__bundle_put_calls(bundle, calls, 0, count, SIZE_MAX, &why), count);
    ck_assert_ptr_null(why.bytes);
    ck_assert_uint_eq(bundle->used % 16, 0);
}

static void put_all_results(struct parcel__bundle *bundle, parcel_results *results)
{
    size_t count = parcel_results_count(results);
    ck_assert_uint_eq(parcel__bundle_put_results(bundle, results, 0, count, SIZE_MAX), count);
    ck_assert_uint_eq(bundle->used % 16, 0);
}

static parcel_results *run(const parcel_calls *calls)
{
    return Parallel(.backend = "sequential", .on_error = PARCEL_COLLECT)(calls);
}

static parcel_calls *all_kinds(int n_each)
{
    static const double values[] = {1, 2, 3};
    const parcel_array array = parcel_array(values, 3);
    static const int *pointers[] = {&constants[2], NULL, &constants[1]};
    parcel_calls *calls = parcel_calls_new();
    for (int i = 1; i <= n_each; i++) {
        parcel_calls_add(calls, delayed(half)(i));
        parcel_calls_add(calls, delayed(half)(2 * i));
        parcel_calls_add(calls, delayed(negate)(i));
        parcel_calls_add(calls, delayed(nothing)());
        parcel_calls_add(calls, delayed(spread)(i));
        parcel_calls_add(calls, delayed(word)(i));
        parcel_calls_add(calls, delayed(edit)("text", i));
        parcel_calls_add(calls, delayed(count_to)(i));
        parcel_calls_add(calls, delayed(sum)(array, i % 2 ? "name" : NULL));
        parcel_calls_add(calls, delayed(any)(parcel_value_array(&array)));
        parcel_calls_add(calls, delayed(any)(parcel_value_string("a string")));
        parcel_calls_add(calls, delayed(any)(parcel_value_bytes("bytes", 5)));
        parcel_calls_add(calls, delayed(any)(parcel_value_int(i)));
        parcel_calls_add(calls, delayed(fail_odd)(i));
        parcel_calls_add(calls, delayed(constant)(i % 4));
        parcel_calls_add(calls, delayed(dereference)(i % 2 ? &constants[1] : NULL));
        parcel_calls_add(calls, delayed(add_up)(parcel_array(pointers, 3)));
    }
    ck_assert_ptr_null(parcel_calls_error(calls));
    return calls;
}

static void check_same(const parcel_results *one, const parcel_results *other, size_t at)
{
    for (size_t i = 0; i < parcel_results_count(one); i++) {
        const char *message = parcel_results_message(one, i);
        ck_assert_int_eq(parcel_results_status(one, i), parcel_results_status(other, at + i));
        if (message)
            ck_assert_str_eq(message, parcel_results_message(other, at + i));
        ck_assert_msg(
            parcel_value_equal(parcel_results_value(one, i), parcel_results_value(other, at + i)),
            "result %zu", i);
        ck_assert_int_eq(parcel_results_worker(one, i), parcel_results_worker(other, at + i));
        ck_assert_int_eq(parcel_results_pid(one, i), parcel_results_pid(other, at + i));
        ck_assert(parcel_results_estimated(one, i) == parcel_results_estimated(other, at + i));
        double duration = parcel_results_duration(other, at + i);
        ck_assert(isnan(duration) || duration == parcel_results_duration(one, i));
        ck_assert(isnan(duration) == isnan(parcel_results_duration(one, i)));
        double apart = parcel_results_start(one, i) - parcel_results_start(other, at + i);
        ck_assert(isnan(duration) ? isnan(apart) : fabs(apart) < 1e-9);
    }
}

/* ---- calls ---- */

START_TEST(test_calls_of_all_kinds)
{
    struct parcel__text why = {0};
    struct parcel__bundle bundle = {0}, large = {0};
    parcel_calls *calls = all_kinds(20), *list = parcel_calls_new();
    size_t count = parcel_calls_count(calls);
    put_all_calls(&bundle, calls);
    unsigned char *bytes = copy_of(&bundle);
    parcel_calls_add(list, delayed(half)(1)); /* a list that has calls already */
    ck_assert(parcel__bundle_get_calls(bytes, bundle.used, count, list, &large, &why));
    ck_assert_uint_eq(parcel_calls_count(list), count + 1);
    ck_assert_uint_eq(parcel__digest_calls(calls, 0, count), parcel__digest_calls(list, 1, count));
    parcel_results *results = run(calls), *others = run(list);
    for (size_t i = 0; i < count; i++)
        ck_assert(parcel_value_equal(parcel_results_value(results, i),
                                     parcel_results_value(others, i + 1)));
    parcel_results_free(results);
    parcel_results_free(others);
    free(bytes);
    parcel_calls_free(calls);
    parcel_calls_free(list);
    parcel__bundle_free(&bundle);
    parcel__bundle_free(&large);
}
END_TEST

START_TEST(test_map)
{
    struct parcel__text why = {0};
    enum { COUNT = 1000 };
    double x[COUNT];
    struct parcel__bundle bundle = {0}, large = {0};
    for (int i = 0; i < COUNT; i++)
        x[i] = i;
    const parcel_calls *calls = parcel_map(half, x, COUNT);
    parcel_calls *list = parcel_calls_new();
    put_all_calls(&bundle, calls);
    ck_assert_uint_lt(bundle.used, COUNT * sizeof *x + 200);
    ck_assert(parcel__bundle_get_calls(bundle.bytes, bundle.used, COUNT, list, &large, &why));
    ck_assert_uint_eq(parcel__digest_calls(calls, 0, COUNT), parcel__digest_calls(list, 0, COUNT));
    parcel_calls_free(list);
    parcel__bundle_free(&bundle);
}
END_TEST

/* In pieces: what does not fit waits for the next message. */
START_TEST(test_calls_in_pieces)
{
    struct parcel__text why = {0};
    size_t most = (size_t)_i * 100, n_bundles = 0;
    parcel_calls *calls = all_kinds(9), *list = parcel_calls_new();
    struct parcel__bundle bundle = {0}, large = {0};
    size_t count = parcel_calls_count(calls), next = 0, n_bytes = 0;
    unsigned char *bytes[400];
    while (next < count) {
        parcel__bundle_clear(&bundle);
        size_t n = parcel__bundle_put_calls(&bundle, calls, next, count - next, most, &why);
        ck_assert_uint_gt(n, 0);
        ck_assert(n == 1 || bundle.used <= most);
        bytes[n_bundles++] = copy_of(&bundle);
        ck_assert(
            parcel__bundle_get_calls(bytes[n_bundles - 1], bundle.used, n, list, &large, &why));
        next += n;
        n_bytes += bundle.used;
    }
    ck_assert_uint_gt(n_bytes, 0);
    ck_assert(most > 0 || n_bundles == count);
    ck_assert_uint_eq(parcel__digest_calls(calls, 0, count), parcel__digest_calls(list, 0, count));
    while (n_bundles > 0)
        free(bytes[--n_bundles]);
    parcel_calls_free(calls);
    parcel_calls_free(list);
    parcel__bundle_free(&bundle);
}
END_TEST

START_TEST(test_large_arguments)
{
    struct parcel__text why = {0};
    struct parcel__bundle bundle = {0}, large = {0};
    double *numbers = malloc(sizeof *numbers * LARGE_COUNT);
    for (int i = 0; i < LARGE_COUNT; i++)
        numbers[i] = i;
    const parcel_array array = parcel_array(numbers, LARGE_COUNT);
    const parcel_array smaller = parcel_array(numbers, LARGE_COUNT - 1);
    parcel_calls *calls = parcel_calls_new(), *list = parcel_calls_new();
    for (int i = 0; i < 20; i++) {
        parcel_calls_add(calls, delayed(sum)(i % 2 ? array : smaller, "name"));
        parcel_calls_add(calls, delayed(any)(parcel_value_array(&array)));
        parcel_calls_add(calls, delayed(half)(i));
    }
    put_all_calls(&bundle, calls);
    ck_assert_uint_eq(bundle.n_large, 30);
    ck_assert_ptr_eq(bundle.large[1].data, numbers);
    unsigned char *bytes = copy_of(&bundle);
    ck_assert(parcel__bundle_get_calls(bytes, bundle.used, 60, list, &large, &why));
    for (size_t i = 0; i < large.n_large; i++)
        ck_assert_uint_eq(large.large[i].place, bundle.large[i].place);
    carry(&bundle, &large, false);
    parcel_results *results = run(calls), *others = run(list);
    for (size_t i = 0; i < 60; i++)
        ck_assert(
            parcel_value_equal(parcel_results_value(results, i), parcel_results_value(others, i)));
    const double count = LARGE_COUNT;
    ck_assert(parcel_get(others, 3, double) == 1 + count * (count - 1) / 2);
    free_carried(&large);
    free(bytes);
    free(numbers);
    parcel_results_free(results);
    parcel_results_free(others);
    parcel_calls_free(calls);
    parcel_calls_free(list);
    parcel__bundle_free(&bundle);
    parcel__bundle_free(&large);
}
END_TEST

/* A call that others cannot find or read is refused when its turn comes. */
START_TEST(test_calls_that_cannot_travel)
{
    struct parcel__text why = {0};
    int variable = 1;
    struct parcel__bundle bundle = {0};
    parcel_array inner = parcel_array(constants, 3);
    const parcel_function on_stack = *parcel_function_of(half);
    parcel_call call = delayed(half)(3);
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(half)(1));
    parcel_calls_add(calls, delayed(dereference)(&variable));
    call.function = &on_stack;
    parcel_calls_add(calls, call);
    parcel_calls_add(calls, delayed(sum)(parcel_array(&inner, 1), NULL));
    ck_assert_uint_eq(parcel__bundle_put_calls(&bundle, calls, 0, 4, SIZE_MAX, &why), 1);
    size_t used = bundle.used;
    static const char *const parts[] = {"call 1, dereference(", "call 2, half(3): half cannot",
                                        "call 3, sum("};
    for (size_t i = 1; i < 4; i++) {
        ck_assert_uint_eq(parcel__bundle_put_calls(&bundle, calls, i, 4 - i, SIZE_MAX, &why), 0);
        ck_contains(why.bytes, parts[i - 1]);
        if (i != 2)
            ck_contains(why.bytes, ": parameter 1 of ");
        parcel__text_free(&why);
        ck_assert_uint_eq(bundle.used, used);
    }
    parcel_calls_free(calls);
    parcel__bundle_free(&bundle);
}
END_TEST

/* The same before a run: nothing is said of what can travel. */
START_TEST(test_calls_are_looked_at_before)
{
    struct parcel__text why = {0};
    int variable = 1;
    struct parcel__bundle_found found = {.count = 0};
    const parcel_function on_stack = *parcel_function_of(half);
    parcel_call call = delayed(half)(3);
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, i % 2 ? delayed(half)(1) : delayed(negate)(i));
    ck_assert(parcel__bundle_check(calls, 0, 100, false, &found, &why));
    ck_assert_uint_eq(found.count, 2);
    parcel_calls_add(calls, delayed(dereference)(&variable));
    call.function = &on_stack;
    parcel_calls_add(calls, call);
    ck_assert(!parcel__bundle_check(calls, 100, 1, true, &found, &why));
    ck_contains(why.bytes, "parameter 1 of dereference is ");
    parcel__text_free(&why);
    ck_assert(!parcel__bundle_check(calls, 0, 102, false, &found, &why));
    ck_contains(why.bytes, "call 101, half(3): half cannot be found by other ranks");
    parcel__text_free(&why);
    ck_assert(!parcel__bundle_check(calls, 101, 1, true, &found, &why));
    ck_assert_msg(strncmp(why.bytes, "half cannot be found", 20) == 0, "%s", why.bytes);
    parcel__text_free(&why);
    parcel__calls_take_back(calls);
    parcel__calls_take_back(calls);
    ck_assert(parcel__bundle_check(calls, 0, parcel_calls_count(calls), false, &found, &why));
    ck_assert(parcel_calls_add(calls, delayed(half)(8)));
    ck_assert_uint_eq(parcel_calls_count(calls), 101);
    ck_assert_ptr_eq(parcel__calls_function(calls, 100), parcel_function_of(half));
    parcel_calls_free(calls);
}
END_TEST

/* A library that is loaded no more stands for one that this rank never loaded. */
START_TEST(test_function_that_is_not_here)
{
    struct parcel__text why = {0};
    parcel_calls *(*make)(int);
    struct parcel__bundle bundle = {0}, large = {0};
    if (!suite_loads(LATE))
        return;
    void *object = dlopen(LATE, RTLD_NOW);
    ck_assert_ptr_nonnull(object);
    *(void **)&make = dlsym(object, "late_calls");
    parcel_calls *calls = make(3), *list = parcel_calls_new();
    put_all_calls(&bundle, calls);
    ck_assert(parcel__bundle_get_calls(bundle.bytes, bundle.used, 3, list, &large, &why));
    ck_assert_int_eq(dlclose(object), 0);
    bool is_gone = !dlopen(LATE, RTLD_NOW | RTLD_NOLOAD);
    if (!is_gone)
        puts("skipped: this C library keeps what is closed");
    ck_assert(parcel__bundle_get_calls(bundle.bytes, bundle.used, 3, list, &large, &why) ==
              !is_gone);
    if (is_gone)
        ck_contains(why.bytes, "the function triple of late.so is not known on this rank");
    parcel__text_free(&why);
    parcel_calls_free(calls);
    parcel_calls_free(list);
    parcel__bundle_free(&bundle);
}
END_TEST

START_TEST(test_registered_function)
{
    struct parcel__text why = {0};
    struct parcel__bundle bundle = {0}, large = {0};
    static parcel_function function;
    parcel_call call = delayed(half)(1);
    function = *parcel_function_of(half);
    call.function = &function;
    parcel_calls *calls = parcel_calls_new(), *list = parcel_calls_new();
    ck_assert_ptr_null(parcel__identity_register("half by name", &function));
    parcel_calls_add(calls, call);
    put_all_calls(&bundle, calls);
    ck_assert(parcel__bundle_get_calls(bundle.bytes, bundle.used, 1, list, &large, &why));
    ck_assert_ptr_eq(parcel__calls_function(list, 0), &function);
    function.name = NULL; /* a descriptor that is not sound */
    ck_assert(!parcel__bundle_get_calls(bundle.bytes, bundle.used, 1, list, &large, &why));
    ck_contains(why.bytes, "damaged");
    parcel__text_free(&why);
    parcel_calls_free(calls);
    parcel_calls_free(list);
    parcel__bundle_free(&bundle);
}
END_TEST

/* ---- results ---- */

START_TEST(test_results_of_all_kinds)
{
    enum { AT = 3 };
    struct parcel__bundle bundle = {0}, large = {0};
    parcel_calls *calls = all_kinds(20);
    parcel_results *results = run(calls);
    size_t count = parcel_calls_count(calls);
    put_all_results(&bundle, results);
    parcel_calls *list = parcel_calls_new();
    for (int i = 0; i < AT; i++)
        parcel_calls_add(list, delayed(half)(1));
    for (size_t i = 0; i < count; i++) {
        parcel_call call = {.function = parcel__calls_function(calls, i)};
        memcpy(call.arguments, parcel__calls_arguments(calls, i), call.function->argument_bytes);
        parcel_calls_add(list, call);
    }
    parcel_results *others = parcel__results_new(list, 1);
    unsigned char *bytes = copy_of(&bundle);
    ck_assert(parcel__bundle_get_results(bytes, bundle.used, TO(others, AT, count), &large));
    free(bytes);
    check_same(results, others, AT);
    ck_assert_int_eq(parcel_results_status(others, 0), PARCEL_NOT_RUN);
    ck_assert_uint_eq(large.n_large, 0);
    parcel_results_free(results);
    parcel_results_free(others);
    parcel_calls_free(calls);
    parcel_calls_free(list);
    parcel__bundle_free(&bundle);
}
END_TEST

/* Results of calls that share records, some of which failed, were not run or were lost. */
static parcel_results *shared_records(const parcel_calls *calls)
{
    parcel_results *results = parcel__results_new(calls, 1);
    const double *x = calls->parcel__elements;
    for (size_t i = 0; i < results->count; i++)
        memcpy(results->slots + i * results->slot_size, &x[i], sizeof *x);
    size_t first = 0;
    for (size_t count = 1; first + count + 3 < results->count; first += count, count += 7)
        parcel__results_mark(results, first, count, PARCEL_OK,
                             (struct parcel__record){(double)first, 0.5, (int)count, 7});
    for (size_t i = 5; i < first; i += 50)
        parcel__results_fail(results, i, i % 20 ? PARCEL_FAILED : PARCEL_LOST, "a message");
    return results;
}

START_TEST(test_shared_records)
{
    enum { COUNT = 3000 };
    double x[COUNT];
    for (int i = 0; i < COUNT; i++)
        x[i] = i;
    const parcel_calls *calls = parcel_map(half, x, COUNT);
    struct parcel__bundle bundle = {0}, large = {0};
    parcel_results *results = shared_records(calls), *others = parcel__results_new(calls, 1);
    size_t most = _i < 2 ? 100 * (size_t)(_i + 1) : 1 << 20;
    for (size_t next = 0; next < COUNT;) {
        parcel__bundle_clear(&bundle);
        size_t n = parcel__bundle_put_results(&bundle, results, next, COUNT - next, most);
        ck_assert_uint_gt(n, 0);
        ck_assert(n == 1 || bundle.used <= most);
        ck_assert(
            parcel__bundle_get_results(bundle.bytes, bundle.used, TO(others, next, n), &large));
        next += n;
    }
    ck_assert(_i < 2 || bundle.used < 15 * COUNT);
    check_same(results, others, 0);
    parcel_results_free(results);
    parcel_results_free(others);
    parcel__bundle_free(&bundle);
}
END_TEST

START_TEST(test_attempts)
{
    enum { COUNT = 5 };
    struct parcel__bundle bundle = {0}, large = {0};
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < COUNT; i++)
        parcel_calls_add(calls, delayed(word)(i));
    parcel_results *results = run(calls), *others = parcel__results_new(calls, 1);
    ck_assert(parcel__results_keep_attempts(results) && parcel__results_keep_attempts(others));
    for (int i = 0; i < COUNT; i++)
        parcel__results_note_attempts(results, (size_t)i, 10 + i);
    put_all_results(&bundle, results);
    ck_assert(parcel__bundle_get_results(bundle.bytes, bundle.used, TO(others, 0, COUNT), &large));
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(parcel_results_attempts(others, (size_t)i), 10 + i);
    parcel_results_free(results);
    parcel_results_free(others);
    parcel_calls_free(calls);
    parcel__bundle_free(&bundle);
}
END_TEST

START_TEST(test_large_results)
{
    struct parcel__bundle bundle = {0}, large = {0};
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 10; i++)
        parcel_calls_add(calls, delayed(count_to)(LARGE_COUNT - 5 + i));
    parcel_results *results = run(calls), *others = parcel__results_new(calls, 1);
    put_all_results(&bundle, results);
    ck_assert_uint_eq(bundle.n_large, 5);
    ck_assert_uint_eq(bundle.large[0].place, 5);
    ck_assert(parcel__bundle_get_results(bundle.bytes, bundle.used, TO(others, 0, 10), &large));
    ck_assert_uint_eq(large.large[4].place, 9);
    carry(&bundle, &large, true);
    for (int i = 0; i < 10; i++) {
        parcel_array array = parcel_get(others, (size_t)i, parcel_array);
        ck_assert_uint_eq(array.count, (size_t)(LARGE_COUNT - 5 + i));
        ck_assert(((double *)array.data)[array.count - 1] == (double)array.count - 1);
    }
    ck_assert_ptr_null(parcel_get(results, 5, parcel_array).data);
    parcel_results_free(results);
    parcel_results_free(others);
    parcel_calls_free(calls);
    parcel__bundle_free(&bundle);
    parcel__bundle_free(&large);
}
END_TEST

START_TEST(test_results_that_cannot_travel)
{
    struct parcel__bundle bundle = {0}, large = {0};
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(constant)(1));
    parcel_calls_add(calls, delayed(constant)(5));
    parcel_calls_add(calls, delayed(words)(2));
    parcel_calls_add(calls, delayed(half)(2));
    parcel_results *results = run(calls), *others = parcel__results_new(calls, 1);
    put_all_results(&bundle, results);
    ck_assert(parcel__bundle_get_results(bundle.bytes, bundle.used, TO(others, 0, 4), &large));
    ck_assert_ptr_eq(parcel_get(others, 0, constant_pointer), &constants[1]);
    ck_contains(parcel_results_message(others, 1), "returns a pointer to memory");
    ck_contains(parcel_results_message(others, 2), "an array of strings");
    ck_assert_int_eq(parcel_results_status(results, 2), PARCEL_FAILED);
    ck_assert(parcel_get(others, 3, double) == 1);
    parcel_results_free(results);
    parcel_results_free(others);
    parcel_calls_free(calls);
    parcel__bundle_free(&bundle);
}
END_TEST

/* ---- damage ---- */

/* Reads calls, and all that they point at if they are sound. */
static bool read_calls(unsigned char *bytes, size_t size, size_t count)
{
    struct parcel__text why = {0};
    struct parcel__bundle large = {0};
    struct parcel__text text = {0};
    parcel_calls *list = parcel_calls_new();
    bool is_sound = parcel__bundle_get_calls(bytes, size, count, list, &large, &why);
    ck_assert(is_sound == !why.bytes);
    for (size_t i = 0; is_sound && i < count; i++)
        parcel__calls_put_call(&text, list, i, i);
    (void)parcel__digest_calls(list, 0, parcel_calls_count(list));
    parcel__text_free(&text);
    parcel__text_free(&why);
    parcel_calls_free(list);
    parcel__bundle_free(&large);
    return is_sound;
}

static bool read_results(unsigned char *bytes, size_t size, parcel_results *results)
{
    struct parcel__bundle large = {0};
    size_t count = parcel_results_count(results);
    bool is_sound = parcel__bundle_get_results(bytes, size, TO(results, 0, count), &large);
    for (size_t i = 0; i < count; i++) {
        ck_assert(is_sound || parcel_results_status(results, i) == PARCEL_NOT_RUN);
        (void)parcel_value_hash(parcel_results_value(results, i));
        (void)parcel_results_start(results, i);
        const char *message = parcel_results_message(results, i);
        ck_assert(!message || strlen(message) < size);
    }
    parcel__results_release_all(results);
    memset(results->marks, PARCEL_NOT_RUN, count);
    parcel__arena_reset(&results->arenas[0]);
    parcel__bundle_free(&large);
    return is_sound;
}

START_TEST(test_calls_cut_off)
{
    struct parcel__bundle bundle = {0};
    parcel_calls *calls = all_kinds(1);
    put_all_calls(&bundle, calls);
    for (size_t size = 0; size < bundle.used; size++) {
        unsigned char *bytes = malloc(size);
        memcpy(bytes, bundle.bytes, size);
        ck_assert(!read_calls(bytes, size, parcel_calls_count(calls)));
        free(bytes);
    }
    ck_assert(read_calls(bundle.bytes, bundle.used, parcel_calls_count(calls)));
    parcel_calls_free(calls);
    parcel__bundle_free(&bundle);
}
END_TEST

START_TEST(test_results_cut_off)
{
    struct parcel__bundle bundle = {0};
    parcel_calls *calls = all_kinds(1);
    parcel_results *results = run(calls), *others = parcel__results_new(calls, 1);
    put_all_results(&bundle, results);
    for (size_t size = 0; size < bundle.used; size++) {
        unsigned char *bytes = malloc(size);
        memcpy(bytes, bundle.bytes, size);
        ck_assert(!read_results(bytes, size, others));
        free(bytes);
    }
    ck_assert(read_results(bundle.bytes, bundle.used, others));
    parcel_results_free(results);
    parcel_results_free(others);
    parcel_calls_free(calls);
    parcel__bundle_free(&bundle);
}
END_TEST

/* Each bit of the bytes is turned, one at a time: what is read then may be wrong, but is there. */
START_TEST(test_bits_turned)
{
    struct parcel__bundle bundle = {0};
    parcel_calls *calls = all_kinds(1);
    size_t count = parcel_calls_count(calls);
    parcel_results *results = run(calls), *others = parcel__results_new(calls, 1);
    if (_i == 0)
        put_all_calls(&bundle, calls);
    else
        put_all_results(&bundle, results);
    size_t n_refused = 0;
    for (size_t bit = 0; bit < 8 * bundle.used; bit++) {
        unsigned char *bytes = copy_of(&bundle);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        n_refused += _i == 0 ? !read_calls(bytes, bundle.used, count)
                             : !read_results(bytes, bundle.used, others);
        free(bytes);
    }
    ck_assert_uint_gt(n_refused, 0);
    parcel_results_free(results);
    parcel_results_free(others);
    parcel_calls_free(calls);
    parcel__bundle_free(&bundle);
}
END_TEST

START_TEST(test_put)
{
    struct parcel__bundle bundle = {0};
    ck_assert(parcel__bundle_put(&bundle, "12345", 5));
    ck_assert_uint_eq(bundle.used, 16);
    ck_assert_mem_eq(bundle.bytes, "12345\0\0\0\0\0\0\0\0\0\0", 16);
    ck_assert(parcel__bundle_put(&bundle, NULL, 0));
    ck_assert_uint_eq(bundle.used, 16);
    ck_assert(!parcel__bundle_put(&bundle, "", SIZE_MAX - 4));
    ck_assert(bundle.failed);
    parcel__bundle_clear(&bundle);
    ck_assert(!bundle.failed && bundle.used == 0);
    parcel__bundle_free(&bundle);
    ck_assert_ptr_null(bundle.bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bundle");
    TCase *tests = suite_case(suite, "calls");
    tcase_add_test(tests, test_put);
    tcase_add_test(tests, test_calls_of_all_kinds);
    tcase_add_test(tests, test_map);
    tcase_add_loop_test(tests, test_calls_in_pieces, 0, 9);
    tcase_add_test(tests, test_large_arguments);
    tcase_add_test(tests, test_calls_that_cannot_travel);
    tcase_add_test(tests, test_calls_are_looked_at_before);
    tcase_add_test(tests, test_function_that_is_not_here);
    tcase_add_test(tests, test_registered_function);
    tests = suite_case(suite, "results");
    tcase_add_test(tests, test_results_of_all_kinds);
    tcase_add_loop_test(tests, test_shared_records, 0, 3);
    tcase_add_test(tests, test_attempts);
    tcase_add_test(tests, test_large_results);
    tcase_add_test(tests, test_results_that_cannot_travel);
    tests = suite_case(suite, "damage");
    tcase_add_test(tests, test_calls_cut_off);
    tcase_add_test(tests, test_results_cut_off);
    tcase_add_loop_test(tests, test_bits_turned, 0, 2);
    return suite_run(suite);
}

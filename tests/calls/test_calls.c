/* test_calls.c: lists and maps, as they are written and as a run reads them. */
#include "suite.h"

#include "calls/calls.h"
#include "calls/function.h"
#include "ground/memory.h"

#include <stdint.h>

enum { MANY = 10000 };

struct large {
    int number[50];
};

static int small(int x)
{
    return x;
}
DELAYED(int, small, int);

static int sum(int a, int b, int c, int d)
{
    return a + b + c + d;
}
DELAYED(int, sum, int, int, int, int);

static int first_of(struct large large)
{
    return large.number[0];
}
DELAYED(int, first_of, struct large);

static long double precise(long double x)
{
    return x;
}
DELAYED(long double, precise, long double);

static double wide(char tag, long double x)
{
    return tag + (double)x;
}
DELAYED(double, wide, char, long double);

static int length(const char *text)
{
    return (int)strlen(text);
}
DELAYED(int, length, const char *);

static const char *any(parcel_value value)
{
    return value.as.string;
}
DELAYED(const char *, any, parcel_value);

/* The call i of a list that mixes all sizes: runs of one function, and jumps between them. */
static parcel_call mixed_call(int i, char *text, size_t size)
{
    snprintf(text, size, "text %d", i);
    switch (i < 5000 ? i / 7 % 6 : i * 7 % 6) {
    case 0:
        return delayed(small)(i);
    case 1:
        return delayed(sum)(i, 1, 2, 3);
    case 2:
        return i % 100 == 0 ? delayed(first_of)((struct large){{i}}) : delayed(small)(-i);
    case 3:
        return delayed(precise)(i);
    case 4:
        return delayed(wide)('x', i);
    default:
        return delayed(length)(text);
    }
}

static void put_call(char *text, size_t size, const parcel_function *function,
                     const unsigned char *arguments)
{
    struct parcel__text put = {0};
    parcel__function_put_call(&put, function, arguments);
    snprintf(text, size, "%s", put.bytes);
    parcel__text_free(&put);
}

/* The call's text in the list must be the call's own. */
static void check_read_back(const parcel_calls *calls, size_t index, parcel_call call)
{
    char expected[256], read[256];
    const parcel_function *function = parcel__calls_function(calls, index);
    const unsigned char *arguments = parcel__calls_arguments(calls, index);
    ck_assert_ptr_eq(function, call.function);
    ck_assert_uint_eq((uintptr_t)arguments % function->argument_alignment, 0);
    put_call(expected, sizeof expected, call.function, call.arguments);
    put_call(read, sizeof read, function, arguments);
    ck_assert_str_eq(read, expected);
}

START_TEST(test_mixed_calls_read_back)
{
    parcel_calls *calls = parcel_calls_new();
    char text[32];
    for (int i = 0; i < MANY; i++)
        ck_assert(parcel_calls_add(calls, mixed_call(i, text, sizeof text)));
    ck_assert_uint_eq(parcel_calls_count(calls), MANY);
    ck_assert_ptr_null(parcel_calls_error(calls));
    ck_assert_ptr_null(parcel__calls_only_function(calls));
    for (int i = 0; i < MANY; i++)
        check_read_back(calls, (size_t)i, mixed_call(i, text, sizeof text));
    parcel_calls_free(calls);
}
END_TEST

START_TEST(test_restriding)
{
    const struct large large = {{42}};
    for (int before = 0; before < 70; before += 1 + before / 4) {
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < before; i++)
            parcel_calls_add(calls, delayed(small)(i));
        parcel_calls_add(calls, delayed(sum)(1, 2, 3, 4));
        parcel_calls_add(calls, delayed(first_of)(large));
        parcel_calls_add(calls, delayed(small)(-1));
        for (int i = 0; i < before; i++)
            check_read_back(calls, (size_t)i, delayed(small)(i));
        check_read_back(calls, (size_t)before, delayed(sum)(1, 2, 3, 4));
        check_read_back(calls, (size_t)before + 1, delayed(first_of)(large));
        check_read_back(calls, (size_t)before + 2, delayed(small)(-1));
        parcel_calls_free(calls);
    }
}
END_TEST

/* Also of calls that follow each other, where the inline add would do if they had no strings. */
START_TEST(test_strings_are_copied)
{
    parcel_calls *calls = parcel_calls_new();
    char text[16] = "before", value[16] = "value";
    for (int i = 0; i < 3; i++)
        parcel_calls_add(calls, delayed(length)(text));
    for (int i = 0; i < 3; i++)
        parcel_calls_add(calls, delayed(any)(parcel_value_string(value)));
    strcpy(text, "after");
    strcpy(value, "after");
    for (size_t i = 0; i < 3; i++) {
        check_read_back(calls, i, delayed(length)("before"));
        check_read_back(calls, i + 3, delayed(any)(parcel_value_string("value")));
    }
    parcel_calls_free(calls);
}
END_TEST

/* The inline add is a copy of what the slow one does; none may write what the other does not. */
START_TEST(test_inline_and_slow_add)
{
    parcel_calls *one = parcel_calls_new(), *other = parcel_calls_new();
    for (int i = 0; i < MANY; i++) {
        parcel_call call = i / 50 % 2 ? delayed(sum)(i, 1, 2, 3) : delayed(small)(i);
        ck_assert(parcel_calls_add(one, call));
        ck_assert(parcel__calls_add(other, &call));
    }
    ck_assert_uint_eq(parcel_calls_count(one), parcel_calls_count(other));
    for (size_t i = 0; i < MANY; i++) {
        struct parcel__span a = parcel__calls_span(one, i, 1), b = parcel__calls_span(other, i, 1);
        const parcel_function *function = parcel__calls_function(one, i);
        ck_assert_uint_eq(a.stride, b.stride);
        ck_assert_mem_eq(a.first, b.first, sizeof function + function->argument_bytes);
    }
    parcel_calls_free(one);
    parcel_calls_free(other);
}
END_TEST

START_TEST(test_alignment)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++) {
        parcel_calls_add(calls, delayed(small)(i));
        parcel_calls_add(calls, delayed(precise)(i));
        parcel_calls_add(calls, delayed(wide)('a', i));
    }
    for (size_t i = 0; i < 300; i++) {
        long double x;
        const unsigned char *arguments = parcel__calls_arguments(calls, i);
        if (i % 3 == 0)
            continue;
        ck_assert_uint_eq((uintptr_t)arguments % 16, 0);
        memcpy(&x, arguments + (i % 3 == 2 ? 16 : 0), sizeof x);
        ck_assert(x == (long double)(i / 3));
    }
    parcel_calls_free(calls);
}
END_TEST

/* Spans lie end to end and cover the list. */
START_TEST(test_spans)
{
    parcel_calls *calls = squares(MANY);
    size_t at = 0;
    ck_assert_ptr_eq(parcel__calls_only_function(calls), parcel_function_of(square));
    while (at < MANY) {
        struct parcel__span span = parcel__calls_span(calls, at, MANY - at);
        ck_assert_uint_ge(span.count, 1);
        ck_assert_uint_le(span.count, MANY - at);
        ck_assert_ptr_null(span.mapped);
        for (size_t i = 0; i < span.count; i++)
            ck_assert_ptr_eq(span.first + i * span.stride,
                             parcel__calls_span(calls, at + i, 1).first);
        at += span.count;
    }
    ck_assert_uint_eq(parcel__calls_span(calls, 0, 3).count, 3);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(test_maps)
{
    double unused = 0;
    int numbers[] = {3, 4, 5};
    const parcel_calls *map = parcel_map(small, numbers, 3);
    ck_assert_ptr_null(parcel__calls_check(map));
    ck_assert_uint_eq(parcel_calls_count(map), 3);
    struct parcel__span span = parcel__calls_span(map, 1, 2);
    ck_assert_ptr_eq(span.first, &numbers[1]);
    ck_assert_uint_eq(span.count, 2);
    ck_assert_ptr_eq(span.mapped, parcel_function_of(small));
    check_read_back(map, 2, delayed(small)(5));
    ck_assert(!parcel_calls_add((parcel_calls *)map, delayed(small)(6)));
    ck_assert_ptr_nonnull(parcel__calls_check(parcel_map(small, (int *)NULL, 3)));
    ck_assert_ptr_null(parcel__calls_check(parcel_map(small, (int *)NULL, 0)));
    const parcel_calls two = {
        .parcel__mapped = parcel_function_of(sum), .parcel__elements = &unused, .parcel__count = 1};
    ck_assert_ptr_nonnull(parcel__calls_check(&two));
    ck_assert_ptr_nonnull(parcel__calls_check(&(parcel_calls){.parcel__count = 1}));
}
END_TEST

START_TEST(test_null)
{
    parcel_call call = delayed(small)(1);
    ck_assert(!parcel_calls_add(NULL, call));
    ck_assert(!parcel__calls_add(NULL, &call));
    ck_assert_ptr_nonnull(parcel__calls_check(NULL));
    ck_assert_uint_eq(parcel_calls_count(NULL), 0);
    ck_assert_ptr_null(parcel_calls_error(NULL));
    parcel_calls_free(NULL);
}
END_TEST

START_TEST(test_call_without_function)
{
    parcel_call call = {.function = NULL};
    parcel_calls *calls = squares(3);
    ck_assert(!parcel_calls_add(calls, call));
    ck_assert_uint_eq(parcel_calls_count(calls), 3);
    ck_assert_str_eq(parcel__calls_check(calls), parcel_calls_error(calls));
    parcel_calls_free(calls);
}
END_TEST

START_TEST(test_add_while_running)
{
    parcel_calls *calls = squares(3);
    parcel__calls_begin_run(calls);
    parcel__calls_begin_run(calls);
    ck_assert(!parcel_calls_add(calls, delayed(square)(3)));
    parcel__calls_end_run(calls);
    ck_assert(!parcel_calls_add(calls, delayed(square)(3)));
    parcel__calls_end_run(calls);
    ck_contains(parcel_calls_error(calls), "while it ran");
    ck_assert_uint_eq(parcel_calls_count(calls), 3);
    ck_assert_ptr_nonnull(parcel__calls_check(calls)); /* a list with a hole is not run */
    parcel_calls_free(calls);
    parcel__calls_begin_run(parcel_map(small, (int *)NULL, 0)); /* a map is never added to */
}
END_TEST

static bool add_to(parcel_calls *calls)
{
    return parcel_calls_add(calls, delayed(square)(9));
}
DELAYED(bool, add_to, parcel_calls *);

START_TEST(test_add_from_a_call)
{
    parcel_calls *calls = squares(2);
    parcel_calls_add(calls, delayed(add_to)(calls));
    parcel_results *results = Parallel(.n_jobs = 1)(calls);
    ck_assert_int_eq(parcel_get_or(results, 2, bool, true), false);
    ck_contains(parcel_results_error(results), "while it ran");
    ck_assert_int_eq(parcel_get(results, 1, int), 1);
    ck_assert_uint_eq(parcel_calls_count(calls), 3);
    parcel_results_free(results);
    parcel_calls_free(calls);
}
END_TEST

/* The list is as it was before the call that memory ran out for, and can be read. */
START_TEST(test_out_of_memory)
{
    for (size_t n = 1; n < 4; n++) {
        parcel_calls *calls = squares(16); /* as many as its first block holds */
        parcel__memory_fail_from(n);
        bool added = true;
        for (int i = 0; i < 5000 && added; i++)
            added = parcel_calls_add(calls, i % 2 ? delayed(length)("text") : delayed(small)(i));
        parcel__memory_fail_from(0);
        size_t count = parcel_calls_count(calls);
        ck_assert(!added);
        ck_contains(parcel_calls_error(calls), "memory");
        ck_assert_str_eq(parcel__calls_check(calls), parcel_calls_error(calls));
        ck_assert(parcel_calls_add(calls, delayed(small)(7)));
        check_read_back(calls, 15, delayed(square)(15));
        check_read_back(calls, count, delayed(small)(7));
        parcel_calls_free(calls);
    }
}
END_TEST

START_TEST(test_slot_sizes)
{
    parcel_calls *calls = parcel_calls_new();
    ck_assert_ptr_null(parcel__calls_only_function(calls));
    parcel_calls_add(calls, delayed(small)(1));
    ck_assert_ptr_eq(parcel__calls_only_function(calls), parcel_function_of(small));
    ck_assert_uint_eq(parcel__calls_slot_size(calls), 8);
    parcel_calls_add(calls, delayed(precise)(1));
    ck_assert_uint_eq(parcel__calls_slot_size(calls), 16);
    parcel_calls_free(calls);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("calls");
    TCase *tests = suite_case(suite, "calls");
    tcase_add_test(tests, test_mixed_calls_read_back);
    tcase_add_test(tests, test_restriding);
    tcase_add_test(tests, test_strings_are_copied);
    tcase_add_test(tests, test_inline_and_slow_add);
    tcase_add_test(tests, test_alignment);
    tcase_add_test(tests, test_spans);
    tcase_add_test(tests, test_maps);
    tcase_add_test(tests, test_null);
    tcase_add_test(tests, test_call_without_function);
    tcase_add_test(tests, test_add_while_running);
    tcase_add_test(tests, test_add_from_a_call);
    tcase_add_test(tests, test_out_of_memory);
    tcase_add_test(tests, test_slot_sizes);
    return suite_run(suite);
}

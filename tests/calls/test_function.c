/* test_function.c: descriptors, the texts of calls, and calls that are boxed from values. */
#include "suite.h"

#include "calls/function.h"

#include <complex.h>
#include <math.h>

struct triple {
    double x, y, z;
};
struct eight {
    double number[8];
};
struct nine {
    double number[9];
};

static int add(int a, int b)
{
    return a + b;
}
DELAYED(int, add, int, int);

static void nothing(void)
{
}
DELAYED(void, nothing);

static double root(double x)
{
    return sqrt(x);
}
DELAYED(double, root, double);

static long double precise(long double x)
{
    return x;
}
DELAYED(long double, precise, long double);

static const char *label(const char *text)
{
    return text;
}
DELAYED(const char *, label, const char *);

static char *edit(char *text, int n)
{
    return n > 0 ? text : NULL;
}
DELAYED(char *, edit, char *, int);

static struct triple move(struct triple from, char axis)
{
    from.x += axis;
    return from;
}
DELAYED(struct triple, move, struct triple, char);

static struct eight inside(void)
{
    return (struct eight){{0}};
}
DELAYED(struct eight, inside);

static struct nine outside(void)
{
    return (struct nine){{0}};
}
DELAYED(struct nine, outside);

static parcel_value any(parcel_value value)
{
    return value;
}
DELAYED(parcel_value, any, parcel_value);

static _Bool all(_Bool a, unsigned char b, float c, void *d, parcel_array e, unsigned long long f)
{
    return a && b && c > 0 && d && e.count && f;
}
DELAYED(_Bool, all, _Bool, unsigned char, float, void *, parcel_array, unsigned long long);

/* ---- traits ---- */

static const struct {
    const parcel_function *function;
    size_t argument_offset, record_size, slot_size;
    bool has_writable_strings, is_plain, is_inline, has_content;
} traits_of[] = {
    {parcel_function_of(add), 8, 16, 8, false, true, true, false},
    {parcel_function_of(nothing), 8, 16, 8, false, true, true, false},
    {parcel_function_of(root), 8, 16, 8, false, true, true, false},
    {parcel_function_of(precise), 16, 32, 16, false, true, true, false},
    {parcel_function_of(label), 8, 16, 8, false, false, true, true},
    {parcel_function_of(edit), 8, 32, 8, true, false, true, true},
    {parcel_function_of(move), 8, 48, 24, false, true, true, false},
    {parcel_function_of(inside), 8, 16, 64, false, true, true, false},
    {parcel_function_of(outside), 8, 16, 8, false, false, false, false},
    {parcel_function_of(any), 8, 32, 16, false, false, true, true},
    {parcel_function_of(all), 8, 64, 8, false, true, true, false},
};

START_TEST(test_traits)
{
    const parcel_function *function = traits_of[_i].function;
    struct parcel__traits traits;
    parcel__function_traits(&traits, function);
    ck_assert_ptr_null(parcel__function_check(function));
    ck_assert_ptr_eq(traits.function, function);
    ck_assert_uint_eq(traits.argument_offset, traits_of[_i].argument_offset);
    ck_assert_uint_eq(parcel__function_record_size(function), traits_of[_i].record_size);
    ck_assert_uint_eq(parcel__function_slot_size(function), traits_of[_i].slot_size);
    ck_assert(traits.has_writable_strings == traits_of[_i].has_writable_strings);
    ck_assert(traits.is_plain == traits_of[_i].is_plain);
    ck_assert(traits.is_inline == traits_of[_i].is_inline);
    ck_assert(parcel__function_has_content(function) == traits_of[_i].has_content);
}
END_TEST

/* ---- checks ---- */

START_TEST(test_check)
{
    parcel_parameter wrong[] = {{PARCEL_INT, 4, 6, "int"},
                                {PARCEL_NONE, 4, 0, "int"},
                                {PARCEL_VALUE + 1, 4, 0, "?"},
                                {PARCEL_INT, 4, 9, "int"},
                                {PARCEL_INT, 9, 0, "int"}};
    const parcel_function sound = *parcel_function_of(add);
    parcel_function faulty[14];
    for (size_t i = 0; i < LENGTH(faulty); i++)
        faulty[i] = sound;
    faulty[0].size = 0;
    faulty[1].name = NULL;
    faulty[2].thunk = NULL;
    faulty[3].parameters = NULL;
    faulty[4].n_parameters = PARCEL_MAX_PARAMETERS + 1;
    faulty[5].argument_bytes = PARCEL_MAX_ARGUMENT_BYTES + 1;
    faulty[6].argument_alignment = 32;
    faulty[7].size = sizeof sound - 1;
    faulty[8].argument_bytes = 4; /* the second parameter lies beyond them */
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        faulty[9 + i].parameters = &wrong[i];
        faulty[9 + i].n_parameters = 1;
    }
    for (size_t i = 0; i < LENGTH(faulty); i++)
        ck_assert_msg(parcel__function_check(&faulty[i]) != NULL, "fault %zu", i);
    ck_assert_ptr_nonnull(parcel__function_check(NULL));
    ck_assert_ptr_null(parcel__function_check(&sound));
}
END_TEST

/* ---- texts ---- */

static void check_call(parcel_call call, const char *expected)
{
    struct parcel__text text = {0};
    parcel__function_put_call(&text, call.function, call.arguments);
    ck_assert_str_eq(text.bytes, expected);
    parcel__text_free(&text);
}

START_TEST(test_texts_of_calls)
{
    check_call(delayed(add)(1, -2), "add(1, -2)");
    check_call(delayed(nothing)(), "nothing()");
    check_call(delayed(root)(-1), "root(-1)");
    check_call(delayed(root)(0.5), "root(0.5)");
    check_call(delayed(label)("it's"), "label(\"it's\")");
    check_call(delayed(label)(NULL), "label(None)");
    check_call(delayed(move)((struct triple){1, 2, 3}, 'x'), "move(<struct, 24 bytes>, 120)");
    check_call(delayed(any)(parcel_value_double(2)), "any(2)");
}
END_TEST

START_TEST(test_long_arguments_are_cut)
{
    static char longest[PARCEL__LONGEST_ARGUMENT - 1], longer[1000], expected[300];
    memset(longest, 'x', sizeof longest - 1); /* with its quotes as long as it may be */
    snprintf(expected, sizeof expected, "label('%s')", longest);
    check_call(delayed(label)(longest), expected);
    memset(longer, 'x', sizeof longer - 1);
    snprintf(expected, sizeof expected, "label('%sx...)", longest);
    check_call(delayed(label)(longer), expected);
    snprintf(expected, sizeof expected, "edit('%sx..., 7)", longest);
    check_call(delayed(edit)(longer, 7), expected);
}
END_TEST

/* ---- content ---- */

START_TEST(test_copies_of_content)
{
    struct parcel__arena arena = {0};
    char text[] = "text";
    parcel_call call = delayed(edit)(text, 1);
    ck_assert(parcel__function_copy_content(call.function, call.arguments, &arena, true));
    text[0] = 'n';
    check_call(call, "edit('text', 1)");
    call = delayed(label)(text);
    ck_assert(parcel__function_copy_content(call.function, call.arguments, &arena, true));
    text[0] = 't';
    check_call(call, "label('text')"); /* a constant string is not copied here */
    ck_assert(parcel__function_copy_content(call.function, call.arguments, &arena, false));
    text[0] = 'n';
    check_call(call, "label('text')");
    call = delayed(any)(parcel_value_string(text));
    ck_assert(parcel__function_copy_content(call.function, call.arguments, &arena, false));
    text[0] = 't';
    check_call(call, "any('next')");
    parcel__arena_free(&arena);
}
END_TEST

START_TEST(test_copies_of_values)
{
    struct parcel__arena arena = {0};
    double numbers[] = {1, 2};
    parcel_array array = parcel_array(numbers, 2), empty = {NULL, 0, PARCEL_DOUBLE, 8};
    parcel_array missing = {NULL, 7, PARCEL_DOUBLE, 8}; /* a count, and nothing behind it */
    parcel_value values[] = {parcel_value_array(&array), parcel_value_bytes("ab", 2),
                             parcel_value_array(&empty), parcel_value_array(&missing),
                             parcel_value_int(3),        parcel_value_none()};
    static const char *const expected[] = {"[1.0, 2.0]", "b'ab'", "[]", "[]", "3", "None"};
    for (size_t i = 0; i < LENGTH(values); i++)
        ck_assert(parcel__function_copy_value(&values[i], &arena));
    numbers[0] = 0;
    array.count = 0;
    for (size_t i = 0; i < LENGTH(values); i++) {
        char *text = parcel_value_text(values[i]);
        ck_assert_str_eq(text, expected[i]);
        free(text);
    }
    parcel__arena_free(&arena);
}
END_TEST

/* A result that is part of an argument would be freed twice, or with the list. */
START_TEST(test_arguments_hold_results)
{
    char text[] = "text", other[] = "other";
    parcel_call call = delayed(edit)(text, 1);
    const parcel_function *function = call.function;
    ck_assert(parcel__function_argument_holds(function, call.arguments, text));
    ck_assert(parcel__function_argument_holds(function, call.arguments, text + 2));
    ck_assert(parcel__function_argument_holds(function, call.arguments, text + 4));
    ck_assert(!parcel__function_argument_holds(function, call.arguments, other));
    call = delayed(edit)(NULL, 1);
    ck_assert(!parcel__function_argument_holds(function, call.arguments, other));
    call = delayed(all)(true, 1, 1, other, parcel_array(text, 3), 1);
    ck_assert(parcel__function_argument_holds(call.function, call.arguments, text + 1));
    ck_assert(!parcel__function_argument_holds(call.function, call.arguments, text + 3));
    ck_assert(parcel__function_argument_holds(call.function, call.arguments, other));
    call = delayed(all)(true, 1, 1, NULL, parcel_array(text, 3), 1);
    ck_assert(!parcel__function_argument_holds(call.function, call.arguments, NULL));
}
END_TEST

/* ---- calls from values ---- */

static char message[256];

static bool box(parcel_call *call, const parcel_function *function, const parcel_value *values,
                size_t count)
{
    strcpy(message, "unwritten");
    return parcel_call_from_values(call, function, values, count, message, sizeof message);
}

static void check_boxed(const parcel_function *function, parcel_value value, const char *expected)
{
    parcel_call call;
    ck_assert_msg(box(&call, function, &value, 1), "%s", message);
    ck_assert_str_eq(message, "");
    check_call(call, expected);
}

static void check_refused(const parcel_function *function, parcel_value value, const char *expected)
{
    parcel_call call;
    ck_assert(!box(&call, function, &value, 1));
    ck_assert_str_eq(message, expected);
}

START_TEST(test_conversions)
{
    check_boxed(parcel_function_of(root), parcel_value_int(3), "root(3)");
    check_boxed(parcel_function_of(root), parcel_value_uint(3), "root(3)");
    check_boxed(parcel_function_of(root), parcel_value_bool(true), "root(1)");
    check_boxed(parcel_function_of(root), parcel_value_double(NAN), "root(nan)");
    check_boxed(parcel_function_of(precise), parcel_value_double(2.5), "precise(2.5)");
    check_boxed(parcel_function_of(label), parcel_value_string("a"), "label('a')");
    check_boxed(parcel_function_of(label), parcel_value_none(), "label(None)");
    check_boxed(parcel_function_of(any), parcel_value_none(), "any(None)");
    check_boxed(parcel_function_of(any), parcel_value_string("x"), "any('x')");
}
END_TEST

START_TEST(test_mismatches)
{
    const parcel_function *function = parcel_function_of(root);
    check_refused(function, parcel_value_string("1"),
                  "root: argument 1 of 1: expected double, given the string '1'");
    check_refused(function, parcel_value_none(),
                  "root: argument 1 of 1: expected double, given None");
    check_refused(function, parcel_value_bytes("a", 1),
                  "root: argument 1 of 1: expected double, given the bytes b'a'");
    function = parcel_function_of(label);
    check_refused(function, parcel_value_int(1),
                  "label: argument 1 of 1: expected const char *, given the integer 1");
    check_refused(function, parcel_value_bool(true),
                  "label: argument 1 of 1: expected const char *, given the bool True");
    check_refused(function, parcel_value_array(&parcel_array((int *)NULL, 0)),
                  "label: argument 1 of 1: expected const char *, given the array []");
}
END_TEST

/* Each position of six in turn is given what it cannot be. */
START_TEST(test_each_position)
{
    static const char *const expected[] = {
        "all: argument 1 of 6: expected _Bool, given the integer 2",
        "all: argument 2 of 6: expected unsigned char, given the integer 256",
        "all: argument 3 of 6: expected float, given the double 0.1",
        "all: argument 4 of 6: expected void *, given the integer 1",
        "all: argument 5 of 6: expected parcel_array, given the string 'x'",
        "all: argument 6 of 6: expected unsigned long long, given the integer -1"};
    int numbers[] = {1, 2};
    const parcel_array array = parcel_array(numbers, 2);
    const parcel_value wrong[] = {parcel_value_int(2),      parcel_value_int(256),
                                  parcel_value_double(0.1), parcel_value_int(1),
                                  parcel_value_string("x"), parcel_value_int(-1)};
    const parcel_value right[] = {parcel_value_int(1),        parcel_value_double(255),
                                  parcel_value_double(0.5),   parcel_value_pointer(numbers),
                                  parcel_value_array(&array), parcel_value_uint(UINT64_MAX)};
    parcel_call call;
    ck_assert_msg(box(&call, parcel_function_of(all), right, 6), "%s", message);
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        parcel_value values[LENGTH(right)];
        memcpy(values, right, sizeof values);
        values[i] = wrong[i];
        ck_assert(!box(&call, parcel_function_of(all), values, 6));
        ck_assert_str_eq(message, expected[i]);
    }
}
END_TEST

START_TEST(test_wrong_counts)
{
    const parcel_value values[] = {parcel_value_int(1), parcel_value_int(2), parcel_value_int(3)};
    parcel_call call;
    ck_assert(!box(&call, parcel_function_of(add), values, 3));
    ck_assert_str_eq(message, "add: expected 2 arguments, given 3");
    ck_assert(!box(&call, parcel_function_of(add), values, 0));
    ck_assert_str_eq(message, "add: expected 2 arguments, given 0");
    ck_assert(box(&call, parcel_function_of(nothing), NULL, 0));
    ck_assert(box(&call, parcel_function_of(add), values, 2));
    check_call(call, "add(1, 2)");
}
END_TEST

START_TEST(test_boxed_call_runs)
{
    const parcel_value values[] = {parcel_value_double(20), parcel_value_int(22)};
    parcel_call call;
    int sum = 0;
    ck_assert(box(&call, parcel_function_of(add), values, 2));
    call.function->thunk(call.arguments, &sum);
    ck_assert_int_eq(sum, 42);
}
END_TEST

START_TEST(test_bad_pointers)
{
    const parcel_value value = parcel_value_string("a long word that does not fit");
    parcel_call call;
    char small[10];
    ck_assert(!box(NULL, parcel_function_of(root), &value, 1));
    ck_assert_str_ne(message, "");
    ck_assert(!box(&call, NULL, &value, 1));
    ck_assert_str_ne(message, "");
    ck_assert(!box(&call, parcel_function_of(root), NULL, 1));
    ck_assert_str_ne(message, "");
    ck_assert(!parcel_call_from_values(&call, parcel_function_of(root), &value, 1, NULL, 0));
    ck_assert(!parcel_call_from_values(&call, parcel_function_of(root), &value, 1, small, 0));
    ck_assert(
        !parcel_call_from_values(&call, parcel_function_of(root), &value, 1, small, sizeof small));
    ck_assert_str_eq(small, "root: arg");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("function");
    TCase *tests = suite_case(suite, "descriptors");
    tcase_add_loop_test(tests, test_traits, 0, LENGTH(traits_of));
    tcase_add_test(tests, test_check);
    tcase_add_test(tests, test_texts_of_calls);
    tcase_add_test(tests, test_long_arguments_are_cut);
    tcase_add_test(tests, test_copies_of_content);
    tcase_add_test(tests, test_copies_of_values);
    tcase_add_test(tests, test_arguments_hold_results);
    tests = suite_case(suite, "calls from values");
    tcase_add_test(tests, test_conversions);
    tcase_add_test(tests, test_mismatches);
    tcase_add_test(tests, test_each_position);
    tcase_add_test(tests, test_wrong_counts);
    tcase_add_test(tests, test_boxed_call_runs);
    tcase_add_test(tests, test_bad_pointers);
    return suite_run(suite);
}

/* test_digest.c: equal calls have equal digests, wherever they lie; others have not. */
#include "suite.h"

#include "calls/digest.h"

#include <complex.h>

typedef double _Complex double_complex;

struct point {
    char label; /* padding follows */
    double x;
    const void *pointer;
};
PARCEL_STRUCT(struct point, label, x, pointer);
struct opaque {
    char byte;
    long number;
};

static double numbers(char a, int b, double c, long double d, double_complex e)
{
    return a + b + c + (double)d + creal(e);
}
DELAYED(double, numbers, char, int, double, long double, double_complex);

static int texts(const char *a, char *b)
{
    return a && b;
}
DELAYED(int, texts, const char *, char *);

static double structs(struct point a, struct opaque b)
{
    return a.x + (double)b.number;
}
DELAYED(double, structs, struct point, struct opaque);

static int others(parcel_value a, parcel_array b, const int *c)
{
    return (int)a.tag + (int)b.count + !c;
}
DELAYED(int, others, parcel_value, parcel_array, const int *);

static double half(double x)
{
    return x / 2;
}
DELAYED(double, half, double);

static double third(double x)
{
    return x / 3;
}
DELAYED(double, third, double);

static uint64_t digest_of(parcel_call call)
{
    parcel_calls *calls = parcel_calls_new();
    ck_assert(parcel_calls_add(calls, call));
    uint64_t digest = parcel__digest_calls(calls, 0, 1);
    parcel_calls_free(calls);
    return digest;
}

START_TEST(test_numbers)
{
    uint64_t digest = digest_of(delayed(numbers)('a', 1, 2.5, 3.5L, 4.0));
    ck_assert_uint_eq(digest, digest_of(delayed(numbers)('a', 1, 2.5, 3.5L, 4.0)));
    ck_assert_uint_ne(digest, digest_of(delayed(numbers)('b', 1, 2.5, 3.5L, 4.0)));
    ck_assert_uint_ne(digest, digest_of(delayed(numbers)('a', 2, 2.5, 3.5L, 4.0)));
    ck_assert_uint_ne(digest, digest_of(delayed(numbers)('a', 1, 2.25, 3.5L, 4.0)));
    ck_assert_uint_ne(digest, digest_of(delayed(numbers)('a', 1, 2.5, 3.25L, 4.0)));
    ck_assert_uint_ne(digest, digest_of(delayed(numbers)('a', 1, 2.5, 3.5L, 4.0 * I)));
    ck_assert_uint_ne(digest_of(delayed(half)(1)), digest_of(delayed(third)(1)));
}
END_TEST

START_TEST(test_texts)
{
    char one[] = "one", other[] = "one";
    uint64_t digest = digest_of(delayed(texts)(one, "two"));
    ck_assert_uint_eq(digest, digest_of(delayed(texts)(other, "two")));
    ck_assert_uint_ne(digest, digest_of(delayed(texts)("onet", "wo")));
    ck_assert_uint_ne(digest, digest_of(delayed(texts)(NULL, "two")));
    ck_assert_uint_ne(digest_of(delayed(texts)(NULL, "two")), digest_of(delayed(texts)("", "two")));
}
END_TEST

/* Padding, pointers and what is not described differ between processes by themselves. */
START_TEST(test_structs)
{
    struct point a, b;
    const struct opaque c = {1, 2}, d = {3, 4};
    memset(&a, 0, sizeof a);
    memset(&b, 0xff, sizeof b);
    a.label = b.label = 'x';
    a.x = b.x = 1.5;
    a.pointer = &a;
    b.pointer = &b;
    uint64_t digest = digest_of(delayed(structs)(a, c));
    ck_assert_uint_eq(digest, digest_of(delayed(structs)(b, c)));
    ck_assert_uint_eq(digest, digest_of(delayed(structs)(a, d)));
    a.x = 2;
    ck_assert_uint_ne(digest, digest_of(delayed(structs)(a, c)));
}
END_TEST

START_TEST(test_values_arrays_pointers)
{
    double data[] = {1, 2, 3}, same[] = {4, 5, 6};
    const int one = 1, other = 1;
    const parcel_array array = parcel_array(data, 3), shape = parcel_array(same, 3);
    const parcel_value value = parcel_value_string("text"), number = parcel_value_double(1);
    uint64_t digest = digest_of(delayed(others)(value, array, &one));
    ck_assert_uint_eq(digest, digest_of(delayed(others)(value, shape, &other)));
    ck_assert_uint_ne(digest, digest_of(delayed(others)(number, array, &one)));
    ck_assert_uint_ne(digest, digest_of(delayed(others)(value, parcel_array(data, 2), &one)));
    digest = digest_of(delayed(others)(parcel_value_array(&array), array, &one));
    ck_assert_uint_eq(digest, digest_of(delayed(others)(parcel_value_array(&shape), array, &one)));
    digest = digest_of(delayed(others)(parcel_value_pointer(data), array, &one));
    ck_assert_uint_eq(digest, digest_of(delayed(others)(parcel_value_pointer(same), array, &one)));
}
END_TEST

START_TEST(test_lists_and_maps)
{
    enum { MANY = 140000, N_FUNCTIONS = 2 };
    double *x = malloc(MANY * sizeof *x);
    parcel_calls *calls = parcel_calls_new(), *mixed = parcel_calls_new();
    for (int i = 0; i < MANY; i++) {
        x[i] = i;
        parcel_calls_add(calls, delayed(half)(i));
        parcel_calls_add(mixed, i % N_FUNCTIONS ? delayed(half)(i) : delayed(third)(i));
    }
    const parcel_calls *map = parcel_map(half, x, MANY);
    uint64_t digest = parcel__digest_calls(calls, 0, MANY);
    ck_assert_uint_eq(digest, parcel__digest_calls(map, 0, MANY));
    ck_assert_uint_ne(digest, parcel__digest_calls(mixed, 0, MANY));
    ck_assert_uint_ne(digest, parcel__digest_calls(map, 0, MANY - 1));
    ck_assert_uint_eq(parcel__digest_calls(calls, 5, 9), parcel__digest_calls(map, 5, 9));
    ck_assert_uint_ne(parcel__digest_calls(calls, 5, 9), parcel__digest_calls(map, 6, 9));
    double first = x[0];
    x[0] = x[1];
    x[1] = first;
    ck_assert_uint_ne(digest, parcel__digest_calls(map, 0, MANY));
    parcel_calls_free(calls);
    parcel_calls_free(mixed);
    free(x);
}
END_TEST

/* What lies in no object goes by its name. */
START_TEST(test_function_without_identity)
{
    parcel_function one = *parcel_function_of(half), other = one, third_one = one;
    parcel_call call = delayed(half)(1);
    call.function = &one;
    uint64_t digest = digest_of(call);
    call.function = &other;
    ck_assert_uint_eq(digest, digest_of(call));
    third_one.name = "another";
    call.function = &third_one;
    ck_assert_uint_ne(digest, digest_of(call));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("digest");
    TCase *tests = suite_case(suite, "digest");
    tcase_add_test(tests, test_numbers);
    tcase_add_test(tests, test_texts);
    tcase_add_test(tests, test_structs);
    tcase_add_test(tests, test_values_arrays_pointers);
    tcase_add_test(tests, test_lists_and_maps);
    tcase_add_test(tests, test_function_without_identity);
    return suite_run(suite);
}

/* test_structure.c: how described structs are entered, found and forgotten. */
#include "suite.h"

#include "values/structure.h"
#include "values/value.h"

struct point {
    int x, y;
};
PARCEL_STRUCT(struct point, x, y);

typedef struct {
    double radius;
} circle;
PARCEL_STRUCT(circle, radius);

union either {
    int whole;
    float real;
};
PARCEL_STRUCT(union either, whole, real);

static const parcel_field first_fields[] = {{"a", PARCEL_INT, PARCEL_NONE, 0, 4}};
static const parcel_field other_fields[] = {{"b", PARCEL_INT, PARCEL_NONE, 0, 4}};

static void check_text(unsigned short type, const void *object, size_t size, const char *expected)
{
    char *text = parcel_value_text(parcel__value_box(PARCEL_STRUCT_BYTES, size, type, object));
    ck_assert_str_eq(text, expected);
    free(text);
}

START_TEST(test_found_by_name_and_size)
{
    unsigned short id = parcel__structure_find("struct point", sizeof(struct point));
    ck_assert_uint_ne(id, 0);
    ck_assert_str_eq(parcel__structure_at(id)->name, "struct point");
    ck_assert_uint_eq(parcel__structure_find("const struct point", sizeof(struct point)), id);
    ck_assert_uint_eq(parcel__structure_find("struct point", sizeof(struct point) + 1), 0);
    ck_assert_uint_eq(parcel__structure_find("struct other", sizeof(struct point)), 0);
    ck_assert_uint_eq(parcel__structure_find("", 0), 0);
    ck_assert_uint_ne(parcel__structure_find("circle", sizeof(circle)), 0);
}
END_TEST

START_TEST(test_no_such_id)
{
    ck_assert_ptr_null(parcel__structure_at(0));
    ck_assert_ptr_null(parcel__structure_at(60000));
    parcel__structure_register(NULL);
    parcel__structure_unregister(NULL);
}
END_TEST

START_TEST(test_texts)
{
    const struct point point = {1, 2};
    const circle unit = {1};
    const union either either = {.whole = 0};
    check_text(parcel__structure_find("struct point", sizeof point), &point, sizeof point,
               "point(x=1, y=2)");
    check_text(parcel__structure_find("circle", sizeof unit), &unit, sizeof unit,
               "circle(radius=1.0)");
    check_text(parcel__structure_find("union either", sizeof either), &either, sizeof either,
               "either(whole=0, real=0.0)");
}
END_TEST

START_TEST(test_described_twice)
{
    parcel_structure one = {"struct twice", 4, first_fields, 1, 0};
    parcel_structure same = {"struct twice", 4, first_fields, 1, 0};
    parcel__structure_register(&one);
    parcel__structure_register(&same);
    ck_assert_uint_eq(parcel__structure_find("struct twice", 4), one.id);
    parcel__structure_unregister(&one);
    ck_assert_uint_eq(parcel__structure_find("struct twice", 4), same.id);
    parcel__structure_unregister(&same);
    ck_assert_uint_eq(parcel__structure_find("struct twice", 4), 0);
}
END_TEST

/* Which of them a value has cannot be told, so it is shown as opaque. */
START_TEST(test_described_in_two_ways)
{
    parcel_structure one = {"struct torn", 4, first_fields, 1, 0};
    parcel_structure other = {"struct torn", 4, other_fields, 1, 0};
    parcel__structure_register(&one);
    parcel__structure_register(&other);
    ck_assert_uint_eq(parcel__structure_find("struct torn", 4), 0);
    parcel__structure_unregister(&other);
    ck_assert_uint_eq(parcel__structure_find("struct torn", 4), one.id);
    parcel__structure_unregister(&one);
}
END_TEST

/* A value may outlive the object file that described it. */
START_TEST(test_forgotten)
{
    const int number = 7;
    parcel_structure left = {"struct left", 4, first_fields, 1, 0};
    parcel__structure_register(&left);
    unsigned short id = left.id;
    check_text(id, &number, 4, "left(a=7)");
    parcel__structure_unregister(&left);
    ck_assert_ptr_null(parcel__structure_at(id));
    check_text(id, &number, 4, "<struct, 4 bytes>");
}
END_TEST

/* What does not fit is opaque. It is the last test: places are never used again. */
START_TEST(test_more_than_fit)
{
    enum { COUNT = 2000 };
    static parcel_structure structures[COUNT];
    for (int i = 0; i < COUNT; i++) {
        structures[i] = (parcel_structure){"struct many", (size_t)i + 4, first_fields, 1, 0};
        parcel__structure_register(&structures[i]);
    }
    ck_assert_uint_eq(parcel__structure_find("struct many", 4), structures[0].id);
    ck_assert_uint_ne(structures[0].id, 0);
    ck_assert_uint_eq(structures[COUNT - 1].id, 0);
    ck_assert_uint_eq(parcel__structure_find("struct many", COUNT + 3), 0);
    for (int i = 0; i < COUNT; i++)
        parcel__structure_unregister(&structures[i]);
    ck_assert_uint_eq(parcel__structure_find("struct many", 4), 0);
    ck_assert_uint_ne(parcel__structure_find("struct point", sizeof(struct point)), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("structure");
    TCase *tests = suite_case(suite, "structure");
    tcase_add_test(tests, test_found_by_name_and_size);
    tcase_add_test(tests, test_no_such_id);
    tcase_add_test(tests, test_texts);
    tcase_add_test(tests, test_described_twice);
    tcase_add_test(tests, test_described_in_two_ways);
    tcase_add_test(tests, test_forgotten);
    tcase_add_test(tests, test_more_than_fit);
    return suite_run(suite);
}

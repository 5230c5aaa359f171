/* test_spelling.c: how far names are apart, against a definition that takes longer. */
#include "suite.h"

#include "ground/spelling.h"

static size_t distance(const char *one, const char *other)
{
    return parcel__spelling_distance(one, strlen(one), other);
}

START_TEST(test_known)
{
    static const struct {
        const char *one;
        const char *other;
        size_t distance;
    } cases[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"abc", "", 3},
        {"PARCEL_N_JOBS", "PARCEL_N_JOBS", 0},
        {"PARCEL_NJOBS", "PARCEL_N_JOBS", 1},
        {"PARCEL_N_JOB", "PARCEL_N_JOBS", 1},
        {"PARCEL_n_jobs", "PARCEL_N_JOBS", 0},
        {"PARCEL_TIMEOTU", "PARCEL_TIMEOUT", 2},
        {"PARCEL_JOBS", "PARCEL_N_JOBS", 2},
        {"PARCEL_WORKERS", "PARCEL_N_JOBS", 6},
        {"kitten", "sitting", 3},
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        ck_assert_uint_eq(distance(cases[i].one, cases[i].other), cases[i].distance);
}
END_TEST

static size_t least(size_t one, size_t two)
{
    return one < two ? one : two;
}

/* The definition, as it stands in books. */
static size_t defined(const char *one, const char *other)
{
    if (!*one || !*other)
        return strlen(one) + strlen(other);
    if (*one == *other)
        return defined(one + 1, other + 1);
    return 1 + least(defined(one + 1, other + 1),
                     least(defined(one + 1, other), defined(one, other + 1)));
}

static void random_word(char word[8])
{
    int length = rand() % 7;
    for (int i = 0; i < length; i++)
        word[i] = (char)('a' + rand() % 3);
    word[length] = '\0';
}

START_TEST(test_definition)
{
    char one[8], other[8];
    srand(1);
    for (int i = 0; i < 2000; i++) {
        random_word(one);
        random_word(other);
        ck_assert_uint_eq(distance(one, other), defined(one, other));
    }
}
END_TEST

START_TEST(test_long_names)
{
    char name[101];
    memset(name, 'a', sizeof name - 1);
    name[100] = '\0';
    ck_assert_uint_eq(distance(name, "a"), SIZE_MAX);
    ck_assert_uint_eq(distance("a", name), SIZE_MAX);
    name[63] = '\0';
    ck_assert_uint_eq(distance(name, "a"), 62);
}
END_TEST

/* Of a name only its length counts, not what stands behind it. */
START_TEST(test_length)
{
    ck_assert_uint_eq(parcel__spelling_distance("abc=value", 3, "abd"), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spelling");
    TCase *tests = suite_case(suite, "distance");
    tcase_add_test(tests, test_known);
    tcase_add_test(tests, test_definition);
    tcase_add_test(tests, test_long_names);
    tcase_add_test(tests, test_length);
    return suite_run(suite);
}

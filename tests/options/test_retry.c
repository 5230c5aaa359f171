/* test_retry.c: how long a retry waits, and the median that a relative time limit needs. */
#include "suite.h"

#include "ground/median.h"
#include "options/retry.h"

#include <math.h>

START_TEST(test_delays)
{
    for (size_t index = 0; index < 100; index++)
        for (int attempts = 1; attempts < 20; attempts++) {
            double delay = parcel__retry_delay(0.5, index, attempts);
            double middle = ldexp(0.5, attempts - 1);
            ck_assert(delay >= 0.75 * middle && delay <= 1.25 * middle);
            ck_assert(delay == parcel__retry_delay(0.5, index, attempts));
        }
    ck_assert(parcel__retry_delay(0, 3, 5) == 0);
    ck_assert(parcel__retry_delay(1e9, SIZE_MAX, 1000000) <= 1.25e9);
}
END_TEST

START_TEST(test_mean)
{
    double waits = parcel__retry_delay(0.5, 7, 1) + parcel__retry_delay(0.5, 7, 2);
    ck_assert_double_eq(parcel__retry_mean(0.25, 0.5, 7, 1), 0.25);
    ck_assert_double_eq_tol(parcel__retry_mean(3 * 0.25 + waits, 0.5, 7, 3), 0.25, 1e-9);
    ck_assert_double_eq(parcel__retry_mean(0.1, 0.5, 7, 3), 0); /* it ended in a wait */
}
END_TEST

/* Calls that fail together do not come back together: their waits fill the interval. */
START_TEST(test_jitter)
{
    int parts[10] = {0};
    double sum = 0;
    for (size_t index = 0; index < 10000; index++) {
        double unit = 2 * (parcel__retry_delay(1, index, 1) - 0.75);
        parts[(int)(unit * 10)]++;
        sum += unit;
    }
    for (size_t i = 0; i < LENGTH(parts); i++)
        ck_assert_msg(abs(parts[i] - 1000) < 150, "part %zu: %d", i, parts[i]);
    ck_assert_double_eq_tol(sum / 10000, 0.5, 0.015);
}
END_TEST

START_TEST(test_median_of_few)
{
    static const double numbers[] = {5, 1, 4, 2, 3, 9, 9};
    static const double medians[] = {INFINITY, INFINITY, INFINITY, INFINITY, 3, 3.5, 4};
    struct parcel__median median;
    parcel__median_open(&median);
    for (size_t i = 0; i < LENGTH(numbers); i++)
        ck_assert_double_eq(parcel__median_add(&median, numbers[i]), medians[i]);
    parcel__median_close(&median);
}
END_TEST

/* Numbers in a scattered order: exact while all are kept, near it when a sample is. */
START_TEST(test_median_of_many)
{
    struct parcel__median median;
    double middle = 0;
    parcel__median_open(&median);
    for (int i = 0; i < 255; i++)
        middle = parcel__median_add(&median, (i * 101) % 255);
    ck_assert_double_eq(middle, 127);
    for (int i = 0; i < 100003; i++)
        middle = parcel__median_add(&median, 1000.0 * (double)((i * 7919LL) % 100003) / 100003);
    ck_assert_double_eq_tol(middle, 500, 50);
    ck_assert_uint_le(median.count, PARCEL__MEDIAN_SAMPLE);
    parcel__median_close(&median);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("retry");
    TCase *tests = suite_case(suite, "delays");
    tcase_add_test(tests, test_delays);
    tcase_add_test(tests, test_mean);
    tcase_add_test(tests, test_jitter);
    tests = suite_case(suite, "medians");
    tcase_add_test(tests, test_median_of_few);
    tcase_add_test(tests, test_median_of_many);
    return suite_run(suite);
}

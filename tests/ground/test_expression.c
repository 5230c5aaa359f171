/* test_expression.c: arithmetic in the number of workers, with Python's answers for n_jobs = 4. */
#include "suite.h"

#include "ground/expression.h"

#include <math.h>

START_TEST(test_values)
{
    static const struct {
        const char *expression;
        double value;
    } cases[] = {
        {"1", 1},
        {"2.7", 2.7},
        {".5", 0.5},
        {"n_jobs", 4},
        {"2 * n_jobs", 8},
        {"2*n_jobs", 8},
        {"1.5*n_jobs", 6},
        {"n_jobs+1", 5},
        {" ( n_jobs - 1 ) * 2 ", 6},
        {"8 - 3 - 2", 3},
        {"16 / 4 / 2", 2},
        {"7 // 2", 3},
        {"-7 // 2", -4},
        {"7 % 3", 1},
        {"-7 % 3", 2},
        {"7 % -3", -2},
        {"2 + 3 * 4", 14},
        {"2 ** 3 ** 2", 512},
        {"-2 ** 2", -4},
        {"(-2) ** 2", 4},
        {"2 ** -1", 0.5},
        {"2 * -n_jobs", -8},
        {"--2", 2},
        {"+2", 2},
        {"1000000", 1e6},
        {"10 ** 6", 1e6},
        {"((((((((((((1))))))))))))", 1},
        {"123456789012345678901234567 % 2", NAN}, /* each value on the way is bounded */
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct parcel__text error = {0};
        double value = 0;
        bool valid = parcel__expression_evaluate(cases[i].expression, 4, &value, &error);
        ck_assert_msg(valid == !isnan(cases[i].value), "%s", cases[i].expression);
        ck_assert_msg(!valid || value == cases[i].value, "%s is %g", cases[i].expression, value);
        parcel__text_free(&error);
    }
}
END_TEST

START_TEST(test_faults)
{
    static const char syntax[] = "is not a valid or supported arithmetic expression";
    static const struct {
        const char *expression;
        const char *error;
    } cases[] = {
        {"foo", syntax},
        {"", syntax},
        {"   ", syntax},
        {"1^1", syntax},
        {"1 1", syntax},
        {"2n_jobs", syntax},
        {"n_jobs2", syntax},
        {"n_jobs n_jobs", syntax},
        {"(1", syntax},
        {"1)", syntax},
        {"1 +", syntax},
        {"* 2", syntax},
        {"2 * * 2", syntax},
        {"2 / / 2", syntax},
        {"1.2.3", syntax},
        {".", syntax},
        {"inf", syntax},
        {"nan", syntax},
        {"0x10", syntax},
        {"1e3", syntax},
        {"abs(1)", syntax},
        {"(-1) ** 0.5", syntax},
        {"1 / 0", "'1 / 0' divides by zero"},
        {"1 // (n_jobs - 4)", "divides by zero"},
        {"1 % 0", "divides by zero"},
        {"0 ** -1", "divides by zero"},
        {"1000000000", "numeric literal 1000000000.0 is too large, max is 1000000"},
        {"10 ** 7", "numeric literal 10000000.0 is too large"},
        {"999999 + 999999", "is too large"},
        {"9 ** 9 ** 9", "is too large"},
        {"1 / 0.0000001", "is too large"},
        {"1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1",
         "Expression '1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+'... is too long. Max length is 30, got 31."},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct parcel__text error = {0};
        double value;
        ck_assert_msg(!parcel__expression_evaluate(cases[i].expression, 4, &value, &error), "%s",
                      cases[i].expression);
        ck_contains(error.bytes, cases[i].error);
        parcel__text_free(&error);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("expression");
    TCase *tests = suite_case(suite, "expression");
    tcase_add_test(tests, test_values);
    tcase_add_test(tests, test_faults);
    return suite_run(suite);
}

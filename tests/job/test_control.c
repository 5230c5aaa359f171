/* test_control.c: the vocabulary of halt, and when a run stops and its calls are told. */
#include "suite.h"

#include "calls/current.h"
#include "job/control.h"

#include <limits.h>

static char *text_of(const struct parcel__halt *halt)
{
    struct parcel__text text = {0};
    parcel__halt_put(&text, halt);
    return parcel__text_take(&text);
}

static const char *const right[] = {"never",         "soon,fail=3",
                                    "now,fail=10%",  "soon,success=1",
                                    "soon,done=50%", "now,done=9223372036854775807",
                                    "now,done=100%"};

START_TEST(test_halts)
{
    struct parcel__halt halt;
    ck_assert(parcel__halt_parse(&halt, right[_i]));
    char *text = text_of(&halt);
    ck_assert_str_eq(text, right[_i]);
    free(text);
}
END_TEST

static const char *const wrong[] = {
    "",
    "soon",
    "never,fail=1",
    "soon,fail",
    "soon,fail=",
    "soon fail=",
    "soon,fail=0",
    "soon,fail=-1",
    "soon,fail=+1",
    "later,fail=1",
    "now,fail=%",
    "now,fail=101%",
    "now,fail=0%",
    "now,fail=1%%",
    "now,fail=1.5",
    "now,fails=1",
    "now, fail=1",
    "now,done=1 ",
    "Now,done=1",
    "soon,done=9223372036854775808",
    "soon,done=99999999999999999999",
};

START_TEST(test_wrong_halts)
{
    struct parcel__halt halt;
    ck_assert_msg(!parcel__halt_parse(&halt, wrong[_i]), "%s", wrong[_i]);
}
END_TEST

static const struct {
    const char *halt;
    size_t n_calls;
    size_t enough;
} enough[] = {
    {"soon,fail=3", 10, 3},       {"soon,fail=30", 10, 30},
    {"soon,fail=10%", 10, 1},     {"soon,fail=10%", 11, 2},
    {"soon,fail=1%", 1, 1},       {"soon,done=100%", 1009, 1009},
    {"soon,done=50%", 1009, 505}, {"soon,done=99%", SIZE_MAX / 100 * 100, SIZE_MAX / 100 * 99},
};

START_TEST(test_enough)
{
    struct parcel__halt halt;
    ck_assert(parcel__halt_parse(&halt, enough[_i].halt));
    ck_assert_uint_eq(parcel__halt_enough(&halt, enough[_i].n_calls), enough[_i].enough);
}
END_TEST

/* What is counted, and when it is enough. */
START_TEST(test_counts)
{
    static const struct {
        const char *halt;
        size_t failed, succeeded; /* which is one too few */
    } cases[] = {{"soon,fail=3", 2, 100}, {"soon,success=3", 100, 2}, {"soon,done=3", 1, 1}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct parcel__control control;
        struct parcel__limits limits = {0};
        ck_assert(parcel__halt_parse(&limits.halt, cases[i].halt));
        parcel__control_open(&control, &limits, 1000, NULL);
        ck_assert(!parcel__control_count(&control, cases[i].failed, cases[i].succeeded));
        ck_assert(parcel__control_count(&control, 1, 1));
        parcel__control_close(&control);
    }
    struct parcel__control control;
    parcel__control_open(&control, NULL, 10, NULL);
    ck_assert(!parcel__control_count(&control, 10, 10));
    ck_assert(!control.watches);
    ck_assert(!control.is_careful);
}
END_TEST

static bool asks(enum parcel__reason reason, const char *halt, bool is_stopped)
{
    struct parcel__control control;
    struct parcel__limits limits = {0};
    atomic_bool stopped = is_stopped;
    ck_assert(parcel__halt_parse(&limits.halt, halt));
    parcel__control_open(&control, &limits, 10, NULL);
    parcel__control_stop(&control, reason);
    parcel__control_stop(&control, PARCEL__BY_FAILURE); /* the first reason holds */
    const struct parcel_current_call current = {.control = &control, .is_stopped = &stopped};
    return parcel_cancelled_in(&current);
}

START_TEST(test_running_calls_are_asked)
{
    ck_assert(!asks(PARCEL__GOES_ON, "now,fail=1", false));
    ck_assert(asks(PARCEL__BY_HALT, "now,fail=1", true));
    ck_assert(!asks(PARCEL__BY_HALT, "soon,fail=1", true));
    ck_assert(asks(PARCEL__BY_MATCH, "soon,fail=1", true));
    ck_assert(asks(PARCEL__BY_FAILURE, "never", true));
}
END_TEST

START_TEST(test_what_is_due)
{
    struct parcel__control control;
    parcel_token token = {0};
    parcel__control_open(&control, &(struct parcel__limits){.cancel = &token, .deadline = 1e9}, 10,
                         NULL);
    ck_assert(control.watches);
    ck_assert_int_eq(parcel__control_due(&control), PARCEL__GOES_ON);
    parcel_cancel(&token);
    ck_assert_int_eq(parcel__control_due(&control), PARCEL__BY_TOKEN);
    parcel_token_reset(&token);
    ck_assert_int_eq(parcel__control_due(&control), PARCEL__GOES_ON);
    control.end = 0;
    ck_assert_int_eq(parcel__control_due(&control), PARCEL__BY_DEADLINE);
    parcel__control_close(&control);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control");
    TCase *tests = suite_case(suite, "halt");
    tcase_add_loop_test(tests, test_halts, 0, LENGTH(right));
    tcase_add_loop_test(tests, test_wrong_halts, 0, LENGTH(wrong));
    tcase_add_loop_test(tests, test_enough, 0, LENGTH(enough));
    tests = suite_case(suite, "runs");
    tcase_add_test(tests, test_counts);
    tcase_add_test(tests, test_running_calls_are_asked);
    tcase_add_test(tests, test_what_is_due);
    return suite_run(suite);
}

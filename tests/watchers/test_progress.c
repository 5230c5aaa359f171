/* test_progress.c: which numbers of completed calls are worth a line, and what it says. */
#include "suite.h"

#include "watchers/progress.h"

/* ---- the rule ---- */

/* The rule as it is stated, asked of each number. When all are done the finished line says so. */
static bool is_due(size_t before, size_t after, size_t total, int verbose)
{
    bool due = false;
    for (size_t k = before + 1; k <= after; k++)
        if (k < total && (total - k + 1) % (total / (size_t)verbose + 1) == 0)
            due = true;
    return due && after < total;
}

/* Walks from 0 to the total in steps of that length. */
static void check_walk(size_t total, int verbose, size_t step)
{
    for (size_t before = 0; before < total; before += step) {
        size_t after = before + step < total ? before + step : total;
        if (parcel__progress_is_due(before, after, total, verbose) !=
            is_due(before, after, total, verbose))
            ck_abort_msg("%zu to %zu of %zu at verbose %d", before, after, total, verbose);
    }
}

START_TEST(test_rule)
{
    static const size_t steps[] = {1, 2, 3, 5, 17, 100};
    for (size_t total = 0; total <= 200; total++)
        for (int verbose = 1; verbose <= 120; verbose++)
            for (size_t i = 0; i < LENGTH(steps); i++)
                check_walk(total, verbose, steps[i]);
}
END_TEST

START_TEST(test_extremes)
{
    ck_assert(!parcel__progress_is_due(0, 0, 10, 10));
    ck_assert(!parcel__progress_is_due(5, 4, 10, 1000));
    ck_assert(!parcel__progress_is_due(0, 0, 0, 1));
    ck_assert(!parcel__progress_is_due(3, 4, 4, INT32_MAX));
    ck_assert(parcel__progress_is_due(2, 3, 4, INT32_MAX));
    ck_assert(parcel__progress_is_due(0, SIZE_MAX - 2, SIZE_MAX - 1, 2));
}
END_TEST

/* ---- times ---- */

START_TEST(test_times)
{
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        {0, "   0.0s"},      {0.04, "   0.0s"},  {0.06, "   0.1s"},  {1, "   1.0s"},
        {9.96, "  10.0s"},   {59.94, "  59.9s"}, {59.96, "  60.0s"}, {60, "  60.0s"},
        {60.01, " 1.0min"},  {90, " 1.5min"},    {600, "10.0min"},   {3600, "60.0min"},
        {36000, "600.0min"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char text[16];
        parcel__progress_format_time(text, sizeof text, cases[i].seconds);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(test_long_times_fit)
{
    char text[16];
    parcel__progress_format_time(text, sizeof text, 1e300);
    ck_assert_uint_lt(strlen(text), sizeof text);
}
END_TEST

/* ---- the watcher ---- */

static struct lines lines;

static struct parcel__progress watch(int verbose, size_t total)
{
    lines = (struct lines){.length = 0};
    return (struct parcel__progress){
        .n_jobs = -1, .verbose = verbose, .total = total, .sink = keep_line, .sink_state = &lines};
}

static void check_lines(const char *expected)
{
    static struct lines masked;
    mask_times(&masked, lines.text);
    ck_assert_str_eq(masked.text, expected);
}

static void complete(struct parcel__progress *progress, size_t count)
{
    const struct parcel__watcher watchers[] = {parcel__progress_watcher(progress), {0}};
    parcel__watcher_tell_ended(watchers, NULL, 0, count);
}

START_TEST(test_lines)
{
    struct parcel__progress progress = watch(2, 4);
    parcel__progress_open(&progress, "threading", 3, "one warning\nand another\n");
    for (int i = 0; i < 4; i++)
        complete(&progress, 1);
    parcel__progress_close(&progress);
    check_lines("[Parallel(n_jobs=-1)]: Using backend threading with 3 concurrent workers.\n"
                "[Parallel(n_jobs=-1)]: Warning: one warning\n"
                "[Parallel(n_jobs=-1)]: Warning: and another\n"
                "[Parallel(n_jobs=-1)]: Done   2 out of   4 | elapsed: T remaining: T\n"
                "[Parallel(n_jobs=-1)]: Done   4 out of   4 | elapsed: T finished\n");
}
END_TEST

/* A batch that passes several due numbers gives one line, with the count as it is. */
START_TEST(test_jumps)
{
    struct parcel__progress progress = watch(1, 4);
    progress.verbose = 100;
    parcel__progress_open(&progress, "mine", 1, NULL);
    complete(&progress, 3);
    complete(&progress, 1);
    parcel__progress_close(&progress);
    check_lines("[Parallel(n_jobs=-1)]: Using backend mine with 1 concurrent workers.\n"
                "[Parallel(n_jobs=-1)]: Done   3 out of   4 | elapsed: T remaining: T\n"
                "[Parallel(n_jobs=-1)]: Done   4 out of   4 | elapsed: T finished\n");
}
END_TEST

START_TEST(test_one_finished_line)
{
    struct parcel__progress progress = watch(1, 4);
    parcel__progress_open(&progress, "mine", 1, "not shown at this level");
    for (int i = 0; i < 4; i++)
        complete(&progress, 1);
    parcel__progress_close(&progress);
    check_lines("[Parallel(n_jobs=-1)]: Done   4 out of   4 | elapsed: T finished\n");
}
END_TEST

START_TEST(test_stopped_early)
{
    struct parcel__progress progress = watch(1, 1000);
    parcel__progress_open(&progress, "mine", 1, NULL);
    complete(&progress, 0);
    parcel__progress_close(&progress);
    check_lines("[Parallel(n_jobs=-1)]: Done   0 out of 1000 | elapsed: T finished\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("progress");
    TCase *tests = suite_case(suite, "progress");
    tcase_add_test(tests, test_rule);
    tcase_add_test(tests, test_extremes);
    tcase_add_test(tests, test_times);
    tcase_add_test(tests, test_long_times_fit);
    tcase_add_test(tests, test_lines);
    tcase_add_test(tests, test_jumps);
    tcase_add_test(tests, test_one_finished_line);
    tcase_add_test(tests, test_stopped_early);
    return suite_run(suite);
}

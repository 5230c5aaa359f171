/*
 * progress_lines.c: the lines of progress, byte for byte but for the times.
 *
 * The rule, which expect() states once more as an oracle: with n calls in batches of one there is
 * a line for each number k of completed calls, 0 < k < n, with (n - k + 1) % (n / verbose + 1) = 0,
 * and always one that says "finished". From verbose 2 on the backend is named first. Warnings
 * depend on the machine, and are passed over.
 */
#include "suite.h"

#include <unistd.h>

static const int sizes[] = {0, 1, 2, 4, 10, 100, 1009};
static const int verbosities[] = {1, 2, 5, 10, 11, 50, 100};
static const int jobs[] = {0, 1, 2, -1};

static struct lines expected, written, masked;

static void expect_line(int n_jobs, const char *text)
{
    char line[160];
    snprintf(line, sizeof line, "[Parallel(n_jobs=%d)]: %s", n_jobs, text);
    keep_line(&expected, line);
}

static void expect_count(int n_jobs, int k, int n, const char *tail)
{
    char text[96];
    snprintf(text, sizeof text, "Done %3d out of %3d | elapsed: T %s", k, n, tail);
    expect_line(n_jobs, text);
}

static void expect_backend(const char *name, int n_jobs, int workers)
{
    char text[96];
    snprintf(text, sizeof text, "Using backend %s with %d concurrent workers.", name, workers);
    expect_line(n_jobs, text);
}

/* n_jobs: as the lines show it. name: NULL when the backend is not said, below verbose 2. */
static void expect(int n, int verbose, int n_jobs, const char *name, int workers)
{
    expected.length = 0;
    if (name)
        expect_backend(name, n_jobs, workers);
    for (int k = 1; k < n; k++)
        if ((n - k + 1) % (n / verbose + 1) == 0)
            expect_count(n_jobs, k, n, "remaining: T");
    expect_count(n_jobs, n, n, "finished");
}

static void drop_warnings(int n_jobs, char *text)
{
    char warning[64], *line;
    snprintf(warning, sizeof warning, "[Parallel(n_jobs=%d)]: Warning: ", n_jobs);
    while ((line = strstr(text, warning)) != NULL) {
        char *next = strchr(line, '\n') + 1;
        memmove(line, next, strlen(next) + 1);
    }
}

static void compare(int n_jobs, const char *text)
{
    mask_times(&masked, text);
    drop_warnings(n_jobs, masked.text);
    ck_assert_str_eq(masked.text, expected.text);
}

/* The number that the lines show: as asked, or resolved when it was left alone. */
static int shown(int n_jobs)
{
    return n_jobs ? n_jobs : parcel_effective_n_jobs(0);
}

/* sequential has one worker however many are asked for. */
static int workers_of(const char *backend, int n_jobs, int n)
{
    int workers = parcel_effective_n_jobs(n_jobs);
    if (workers > n)
        workers = n > 0 ? n : 1;
    return strcmp(backend, "sequential") == 0 ? 1 : workers;
}

static void check_lines(const char *backend, int n, int verbose, int n_jobs)
{
    written.length = 0;
    written.text[0] = '\0';
    ck_assert(squares_run(&(parcel_options){.backend = backend,
                                            .n_jobs = n_jobs,
                                            .verbose = verbose,
                                            .batch_size = 1,
                                            .sink = keep_line,
                                            .sink_state = &written},
                          (size_t)n));
    expect(n, verbose, shown(n_jobs), verbose >= 2 ? backend : NULL,
           workers_of(backend, n_jobs, n));
    compare(shown(n_jobs), written.text);
}

START_TEST(a_sink_gets_the_lines_of_the_rule)
{
    const parcel_backend *backend = parcel_backend_at((size_t)_i);
    if (!suite_backend_runs(backend))
        return;
    for (size_t n = 0; n < LENGTH(sizes); n++)
        for (size_t v = 0; v < LENGTH(verbosities); v++)
            for (size_t j = 0; j < LENGTH(jobs); j++)
                check_lines(backend->name, sizes[n], verbosities[v], jobs[j]);
}
END_TEST

/* A stream that is led into a file for a while. */
struct redirected {
    FILE *stream;
    FILE *file;
    int saved;
};

static struct redirected redirect(FILE *stream)
{
    fflush(stream);
    struct redirected redirected = {stream, tmpfile(), dup(fileno(stream))};
    ck_assert_ptr_nonnull(redirected.file);
    dup2(fileno(redirected.file), fileno(stream));
    return redirected;
}

/* Leads the stream back and reads what was written to it meanwhile. */
static void restore(struct redirected *redirected, struct lines *lines)
{
    fflush(redirected->stream);
    dup2(redirected->saved, fileno(redirected->stream));
    close(redirected->saved);
    rewind(redirected->file);
    lines->length = fread(lines->text, 1, sizeof lines->text - 1, redirected->file);
    lines->text[lines->length] = '\0';
    fclose(redirected->file);
}

static struct lines on_stdout, on_stderr;

/* Runs n squares by the options and keeps what stdout and stderr got. */
static void run_redirected(const parcel_options *options, int n)
{
    struct redirected out = redirect(stdout), err = redirect(stderr);
    bool right = squares_run(options, (size_t)n);
    restore(&err, &on_stderr);
    restore(&out, &on_stdout);
    ck_assert(right);
}

START_TEST(below_50_to_stderr_from_50_on_to_stdout)
{
    static const int verbose[] = {1, 10, 49, 50, 100};
    for (size_t i = 0; i < LENGTH(verbose); i++) {
        parcel_options options = {
            .backend = "sequential", .n_jobs = 2, .verbose = verbose[i], .batch_size = 1};
        run_redirected(&options, 100);
        expect(100, verbose[i], 2, verbose[i] >= 2 ? "sequential" : NULL, 1);
        compare(2, verbose[i] < 50 ? on_stderr.text : on_stdout.text);
        ck_assert_str_eq(verbose[i] < 50 ? on_stdout.text : on_stderr.text, "");
    }
}
END_TEST

START_TEST(nothing_is_printed_unasked)
{
    run_redirected(NULL, 1009);
    ck_assert_str_eq(on_stdout.text, "");
    ck_assert_str_eq(on_stderr.text, "");
}
END_TEST

START_TEST(the_environment_turns_progress_on)
{
    setenv("PARCEL_VERBOSE", "10", 1);
    run_redirected(&(parcel_options){.backend = "sequential", .n_jobs = 1, .batch_size = 1}, 100);
    unsetenv("PARCEL_VERBOSE");
    expect(100, 10, 1, "sequential", 1);
    compare(1, on_stderr.text);
}
END_TEST

START_TEST(minus_one_is_silence_whatever_the_environment_says)
{
    setenv("PARCEL_VERBOSE", "50", 1);
    run_redirected(&(parcel_options){.verbose = -1, .n_jobs = 2}, 100);
    unsetenv("PARCEL_VERBOSE");
    ck_assert_str_eq(on_stdout.text, "");
    ck_assert_str_eq(on_stderr.text, "");
}
END_TEST

static bool run_inside(int n)
{
    return squares_run(NULL, (size_t)n);
}
DELAYED(bool, run_inside, int);

/* The environment speaks to the program's runs, not to those inside of their calls. */
START_TEST(runs_inside_of_calls_are_not_shown)
{
    if (!suite_has_threads())
        return; /* with one worker they are as outside */
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 4; i++)
        parcel_calls_add(calls, delayed(run_inside)(10));
    setenv("PARCEL_VERBOSE", "1", 1);
    struct redirected err = redirect(stderr);
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 2}, calls);
    restore(&err, &on_stderr);
    unsetenv("PARCEL_VERBOSE");
    ck_ran_well(results);
    expect(4, 1, 2, NULL, 2);
    compare(2, on_stderr.text);
    parcel_results_free(results);
}
END_TEST

/* One worker is the plain loop: its calls see the scope around it, the sink as the verbosity. */
START_TEST(a_scopes_sink_takes_the_lines_of_runs_inside_of_one_worker)
{
    written.length = 0;
    ck_assert(parcel_config_push(.verbose = 1, .sink = keep_line, .sink_state = &written));
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(run_inside)(3));
    struct redirected err = redirect(stderr);
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 1}, calls);
    restore(&err, &on_stderr);
    ck_assert(parcel_config_pop());
    ck_ran_well(results);
    ck_assert_str_eq(on_stderr.text, "");
    ck_contains(written.text, "Done   3 out of   3");
    ck_contains(written.text, "Done   1 out of   1");
    parcel_results_free(results);
}
END_TEST

START_TEST(an_executor_shows_each_of_its_runs)
{
    parcel_executor *executor = parcel_open(&(parcel_options){
        .n_jobs = 2, .verbose = 1, .batch_size = 1, .sink = keep_line, .sink_state = &written});
    parcel_calls *calls = squares(100);
    for (int run = 0; run < 2; run++) {
        written.length = 0;
        parcel_results_free(parcel_executor_run(executor, calls));
        expect(100, 1, 2, NULL, 2);
        compare(2, written.text);
    }
    parcel_calls_free(calls);
    parcel_close(executor);
}
END_TEST

/* In batches the numbers of the rule may be passed: fewer lines, but rising, and one finished. */
START_TEST(counts_rise_to_the_finished_line_in_any_batches)
{
    static const long long batches[] = {0, 3, 64};
    for (size_t i = 0; i < LENGTH(batches); i++) {
        written.length = 0;
        ck_assert(squares_run(&(parcel_options){.n_jobs = 2,
                                                .verbose = 11,
                                                .batch_size = batches[i],
                                                .sink = keep_line,
                                                .sink_state = &written},
                              1009));
        int last = 0, count, total;
        char *end = NULL;
        for (char *line = strstr(written.text, "Done "); line; line = strstr(line + 1, "Done ")) {
            ck_assert_int_eq(sscanf(line, "Done %d out of %d", &count, &total), 2);
            ck_assert(count > last && total == 1009);
            last = count;
            end = strchr(line, '\n');
        }
        ck_assert_int_eq(last, 1009);
        ck_assert_str_eq(end - strlen(" finished"), " finished\n");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("progress_lines");
    TCase *tests = suite_case(suite, "progress_lines");
    tcase_add_loop_test(tests, a_sink_gets_the_lines_of_the_rule, 0, suite_backends());
    tcase_add_test(tests, below_50_to_stderr_from_50_on_to_stdout);
    tcase_add_test(tests, nothing_is_printed_unasked);
    tcase_add_test(tests, the_environment_turns_progress_on);
    tcase_add_test(tests, minus_one_is_silence_whatever_the_environment_says);
    tcase_add_test(tests, runs_inside_of_calls_are_not_shown);
    tcase_add_test(tests, a_scopes_sink_takes_the_lines_of_runs_inside_of_one_worker);
    tcase_add_test(tests, an_executor_shows_each_of_its_runs);
    tcase_add_test(tests, counts_rise_to_the_finished_line_in_any_batches);
    return suite_run(suite);
}

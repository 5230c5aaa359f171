/*
 * musl.c: a program with a libparcel and a C library that are not glibc's: the sequential backend
 * works, and worker processes do, of which one ends by exit, another by a crash, and one is killed
 * at its time limit.
 */
#include <parcel.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { FAILS = 1, EXITS = 2, LASTS = 3, CRASHES = 4, N_CALLS = 6 };

static int square(int x)
{
    return x * x;
}
DELAYED(int, square, int);

static int square_or_end(int x)
{
    if (x == EXITS)
        exit(3);
    if (x == CRASHES)
        raise(SIGKILL);
    return x * x;
}
DELAYED(int, square_or_end, int);

static int square_or_fail(int x)
{
    if (x == FAILS)
        parcel_fail("%d is not wanted", x);
    return x * x;
}
DELAYED(int, square_or_fail, int);

static int square_or_last(int x)
{
    while (x == LASTS)
        pause();
    return x * x;
}
DELAYED(int, square_or_last, int);

static const int numbers[N_CALLS] = {0, 1, 2, 3, 4, 5};

static bool is_square(const parcel_results *results, int i)
{
    return parcel_results_status(results, (size_t)i) == PARCEL_OK &&
           parcel_get(results, (size_t)i, int) == i * i;
}

static bool all_run(const char *backend)
{
    parcel_results *results =
        Parallel(.n_jobs = 2, .backend = backend)(parcel_map(square, numbers, N_CALLS));
    bool right = !parcel_results_error(results);
    for (int i = 0; i < N_CALLS; i++)
        right = right && is_square(results, i);
    parcel_results_free(results);
    return right;
}

static bool others_are_right(const parcel_results *results, int one, int other)
{
    bool right = true;
    for (int i = 0; i < N_CALLS; i++)
        right = right && (i == one || i == other || is_square(results, i));
    return right;
}

/* True when the message begins so. */
static bool says(const parcel_results *results, size_t i, parcel_status status, const char *words)
{
    const char *message = parcel_results_message(results, i);
    printf("%s\n", message ? message : "no message");
    return parcel_results_status(results, i) == status && message &&
           strncmp(message, words, strlen(words)) == 0;
}

static bool failure_is_data(const char *backend)
{
    parcel_results *results = Parallel(.n_jobs = 2, .backend = backend, .on_error = PARCEL_COLLECT)(
        parcel_map(square_or_fail, numbers, N_CALLS));
    bool right = says(results, FAILS, PARCEL_FAILED, "1 is not wanted") &&
                 others_are_right(results, FAILS, FAILS);
    parcel_results_free(results);
    return right;
}

static bool who_lasts_is_killed(void)
{
    parcel_results *results =
        Parallel(.n_jobs = 2, .backend = "processes", .timeout = 0.2, .kill_after = 0.1,
                 .on_error = PARCEL_COLLECT)(parcel_map(square_or_last, numbers, N_CALLS));
    bool right = says(results, LASTS, PARCEL_TIMED_OUT, "timed out: ") &&
                 strstr(parcel_results_message(results, LASTS), "killed") &&
                 others_are_right(results, LASTS, LASTS);
    parcel_results_free(results);
    return right;
}

static bool streams_come_in_order(void)
{
    parcel_result result;
    int n_right = 0;
    parcel_results *results =
        Parallel(.n_jobs = 2, .backend = "processes",
                 .return_as = PARCEL_GENERATOR)(parcel_map(square, numbers, N_CALLS));
    while (parcel_results_next(results, &result)) {
        n_right += result.value.as.int64 == n_right * n_right;
        parcel_result_free(&result);
    }
    parcel_results_free(results);
    return n_right == N_CALLS;
}

/* The status of exit is told by some C libraries only. */
static bool only_who_ends_is_lost(void)
{
    parcel_results *results =
        Parallel(.n_jobs = 2, .backend = "processes",
                 .on_error = PARCEL_COLLECT)(parcel_map(square_or_end, numbers, N_CALLS));
    bool right = says(results, EXITS, PARCEL_LOST, "worker ended by exit") &&
                 says(results, CRASHES, PARCEL_LOST, "worker killed by SIGKILL") &&
                 others_are_right(results, EXITS, CRASHES);
    parcel_results_free(results);
    return right;
}

int main(void)
{
    bool right = all_run("sequential") && all_run("processes") && failure_is_data("sequential") &&
                 failure_is_data("processes") && only_who_ends_is_lost() && who_lasts_is_killed() &&
                 streams_come_in_order();
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
}

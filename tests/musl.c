/*
 * musl.c: a program with a libparcel and a C library that are not glibc's: the sequential backend
 * works, and worker processes do, of which one ends by exit, another by a crash.
 */
#include <parcel.h>
#include <signal.h>
#include <stdlib.h>

enum { EXITS = 2, CRASHES = 4, N_CALLS = 6 };

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

static bool says(const parcel_results *results, size_t i, const char *death)
{
    const char *message = parcel_results_message(results, i);
    printf("%s\n", message ? message : "no message");
    return parcel_results_status(results, i) == PARCEL_LOST && strcmp(message, death) == 0;
}

/* The status of exit is told by some C libraries only. */
static bool only_who_ends_is_lost(void)
{
    parcel_results *results =
        Parallel(.n_jobs = 2, .backend = "processes",
                 .on_error = PARCEL_COLLECT)(parcel_map(square_or_end, numbers, N_CALLS));
    bool right = says(results, EXITS, "worker ended by exit") &&
                 says(results, CRASHES, "worker killed by SIGKILL");
    for (int i = 0; i < N_CALLS; i++)
        right = right && (i == EXITS || i == CRASHES || is_square(results, i));
    parcel_results_free(results);
    return right;
}

int main(void)
{
    bool right = all_run("sequential") && all_run("processes") && only_who_ends_is_lost();
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
}

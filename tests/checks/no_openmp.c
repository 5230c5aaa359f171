/*
 * no_openmp.c: a program with a library that was built without OpenMP: threading is an error that
 * says why, and the sequential backend works, also as the default.
 */
#include <parcel.h>
#include <stdlib.h>

static int square(int x)
{
    return x * x;
}
DELAYED(int, square, int);

static bool works(const char *backend)
{
    int numbers[] = {1, 2, 3};
    parcel_results *results =
        Parallel(.n_jobs = 2, .backend = backend)(parcel_map(square, numbers, 3));
    bool right = !parcel_results_error(results) && parcel_get(results, 2, int) == 9;
    parcel_results_free(results);
    return right;
}

static bool says_why(const char *backend)
{
    int numbers[] = {1};
    parcel_results *results = Parallel(.backend = backend)(parcel_map(square, numbers, 1));
    const char *error = parcel_results_error(results);
    printf("%s: %s\n", backend, error ? error : "no error");
    bool right = error && strstr(error, "threading") && strstr(error, "without OpenMP") &&
                 parcel_results_status(results, 0) == PARCEL_NOT_RUN;
    parcel_results_free(results);
    return right;
}

int main(void)
{
    return works("sequential") && says_why("threading") ? EXIT_SUCCESS : EXIT_FAILURE;
}

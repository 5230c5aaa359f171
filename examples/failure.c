/*
 * failure.c: failure is data. One call of ten fails; the other nine keep their results, and the
 * error names the call, its arguments and why.
 */
#include <math.h>
#include <parcel.h>

static double root(double x)
{
    if (x < 0)
        parcel_fail("root of a negative number: %g", x); /* what is returned then is ignored */
    return sqrt(x);
}
DELAYED(double, root, double);

int main(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 10; i++)
        parcel_calls_add(calls, delayed(root)(i == 3 ? -1 : i));

    parcel_results *results = Parallel(.on_error = PARCEL_COLLECT)(calls);
    if (parcel_results_error(results)) /* NULL when every call succeeded */
        fprintf(stderr, "%s\n", parcel_results_error(results));

    parcel_results_free(results);
    parcel_calls_free(calls);
    return 0;
}

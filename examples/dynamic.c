/*
 * dynamic.c: calls from values, as an interpreter or a reader of job files makes them. Number and
 * types are checked when the call is made; conversions that lose nothing are made.
 */
#include <parcel.h>

static double area(int width, double height, const char *unit)
{
    double factor = strcmp(unit, "km") == 0 ? 1e6 : 1;
    return width * height * factor;
}
DELAYED(double, area, int, double, const char *);

static void add(parcel_calls *calls, const parcel_value *arguments, size_t count)
{
    parcel_call call;
    char error[200];
    if (parcel_call_from_values(&call, parcel_function_of(area), arguments, count, error,
                                sizeof error))
        parcel_calls_add(calls, call);
    else
        printf("%s\n", error);
}

int main(void)
{
    const parcel_value exact[] = {parcel_value_int(3), parcel_value_double(2.5),
                                  parcel_value_string("m")};
    const parcel_value converted[] = {parcel_value_double(3.0), parcel_value_int(2),
                                      parcel_value_string("km")};
    const parcel_value lossy[] = {parcel_value_double(3.5), parcel_value_int(2),
                                  parcel_value_string("m")};
    parcel_calls *calls = parcel_calls_new();
    add(calls, exact, 3);
    add(calls, converted, 3); /* 3.0 is an int, 2 a double */
    add(calls, lossy, 3);     /* 3.5 is no int: an error, no call */
    add(calls, exact, 2);     /* an argument is missing: the same */

    parcel_results *results = Parallel()(calls);
    parcel_results_print(results, stdout);

    parcel_results_free(results);
    parcel_calls_free(calls);
    return 0;
}

/*
 * mixed.c: calls of different functions in one list, printed the way Python prints a list.
 */
#include <math.h>
#include <parcel.h>
#include <stdlib.h>

static char *greet(const char *name) /* what malloc gave is taken by the results */
{
    char *text = malloc(64);
    if (text)
        snprintf(text, 64, "hello, %s", name);
    return text;
}
DELAYED(char *, greet, const char *);

static const char *weekday(int day) /* a constant string is copied */
{
    static const char *const names[] = {"Monday", "Tuesday", "Wednesday"};
    return day < 3 ? names[day] : NULL;
}
DELAYED(const char *, weekday, int);

static void store(int *cell, int value) /* a pointer is borrowed: threads share memory */
{
    *cell = value;
}
DELAYED(void, store, int *, int);

static bool is_even(unsigned long long n)
{
    return n % 2 == 0;
}
DELAYED(bool, is_even, unsigned long long);

DELAYED(double, pow, double, double); /* a library function needs nothing more */

int main(void)
{
    int cell = 0;
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(greet)("world"));
    parcel_calls_add(calls, delayed(weekday)(2));
    parcel_calls_add(calls, delayed(weekday)(9)); /* NULL is None */
    parcel_calls_add(calls, delayed(store)(&cell, 42));
    parcel_calls_add(calls, delayed(is_even)(1ull << 63));
    parcel_calls_add(calls, delayed(pow)(2, 0.5));

    parcel_results *results = Parallel()(calls);
    parcel_results_print(results, stdout);
    printf("the cell holds %d, and 2 to the 1/2 is %.3f\n", cell, parcel_get(results, 5, double));

    parcel_results_free(results);
    parcel_calls_free(calls);
    return 0;
}

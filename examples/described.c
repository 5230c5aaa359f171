/*
 * described.c: PARCEL_STRUCT names a struct's fields. Without it a struct is opaque bytes; with it
 * results print field by field, and so do the arguments in an error.
 */
#include <parcel.h>

struct body {
    char name[8];
    double mass;        /* kg */
    double velocity[2]; /* m/s */
};
PARCEL_STRUCT(struct body, name, mass, velocity);

struct opaque {
    int x, y;
};

static struct body brake(struct body b)
{
    if (b.mass <= 0)
        parcel_fail("no mass");
    b.velocity[0] /= 2;
    b.velocity[1] /= 2;
    return b;
}
DELAYED(struct body, brake, struct body);

static struct opaque swap(struct opaque o)
{
    return (struct opaque){o.y, o.x};
}
DELAYED(struct opaque, swap, struct opaque);

int main(void)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(brake)((struct body){"probe", 5.5, {3, 4}}));
    parcel_calls_add(calls, delayed(swap)((struct opaque){1, 2}));
    parcel_calls_add(calls, delayed(brake)((struct body){"ghost", 0, {1, 0.25}}));

    parcel_results *results = Parallel(.on_error = PARCEL_COLLECT)(calls);
    parcel_results_print(results, stdout);
    if (parcel_results_error(results))
        printf("%s\n", parcel_results_error(results));

    parcel_results_free(results);
    parcel_calls_free(calls);
    return 0;
}

/*
 * header.c: a user's program in every dialect of C, which check-header.sh compiles with every
 * warning that users ask for: the header itself, each macro, and what DELAYED must take.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#include <parcel.h>
#include <parcel/backend.h>

#include <complex.h>
#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

struct point {
    int x;
    double y;
};
union either {
    int x;
    double y;
};
enum colour { RED, GREEN };
enum mode { Serial, Parallel }; /* the macro of that name is a function's */
typedef double real;
typedef int64_t position;
typedef double (*unary)(double);
typedef float four_floats __attribute__((vector_size(16)));
PARCEL_STRUCT(struct point, x, y);

/* ---- the C library, with its macros and attributes ---- */

DELAYED(double, sqrt, double);
DELAYED(double, pow, double, double);
DELAYED(float, sinf, float);
DELAYED(int, abs, int);
DELAYED(int, toupper, int);
DELAYED(int, isalpha, int);
DELAYED(int, putchar, int);
DELAYED(double complex, cexp, double complex);
DELAYED(void *, malloc, size_t);
DELAYED(void, free, void *);
DELAYED(void, qsort, void *, size_t, size_t, int (*)(const void *, const void *));
DELAYED(void *, memcpy, void *, const void *, size_t);
DELAYED(char *, strcpy, char *, const char *);
DELAYED(int, strcmp, const char *, const char *);
DELAYED(size_t, strlen, const char *);
DELAYED(double, strtod, const char *, char **);
DELAYED(const char *, getenv, const char *);
DELAYED(int, system, const char *);
DELAYED(void, puts, const char *);
DELAYED(void, exit, int);
DELAYED(void, abort);
DELAYED(int, rand, void);
DELAYED(int, getpid);
DELAYED(unsigned, sleep, unsigned);

/* ---- parameters without names ---- */

DELAYED(int, printf, const char *, int);
DELAYED(int, fprintf, FILE *, const char *, double, long);
DELAYED(int, snprintf, char *, size_t, const char *, int, int, int, int, int, int, int);
DELAYED(int, open, const char *, int);

/* ---- qualifiers, arrays, functions, and names for types ---- */

static double qualified(const int a, volatile int b, const char *__restrict c, double *const d)
{
    return a + b + c[0] + d[0];
}
DELAYED(double, qualified, int, int, const char *, double *);

static double qualified_too(int a, int b, const char *c, double *d)
{
    return a + b + c[0] + d[0];
}
DELAYED(double, qualified_too, const int, volatile int, const char *__restrict, double *const);

static double arrays(double a[3], const double b[], const double *c)
{
    return a[0] + b[0] + c[0];
}
DELAYED(double, arrays, double *, const double[3], const double[]);

static double functions(double f(double), unary g, double (*h)(double))
{
    return f(1) + g(2) + h(3);
}
DELAYED(double, functions, double (*)(double), double (*)(double), unary);

static unary chosen(int i)
{
    return i ? sqrt : fabs;
}
DELAYED(double (*)(double), chosen, int);

static real names(position a, uint8_t b, real *c)
{
    return (real)a + b + c[0];
}
DELAYED(double, names, int64_t, unsigned char, double *);

static void *any(void *p, const void *q)
{
    return q ? p : NULL;
}
DELAYED(void *, any, void *, const void *);

static struct point moved(struct point p, const struct point *q, union either u)
{
    p.x += q->x + u.x;
    return p;
}
DELAYED(struct point, moved, const struct point, const struct point *, union either);

static enum colour other(enum colour colour)
{
    return colour == RED ? GREEN : RED;
}
DELAYED(enum colour, other, enum colour);

static bool both(bool a, _Bool b)
{
    return a && b;
}
DELAYED(_Bool, both, bool, bool);

static float floats(float x, const float y)
{
    return x + y;
}
DELAYED(float, floats, float, float);

static four_floats twice(four_floats x)
{
    return x + x;
}
DELAYED(four_floats, twice, four_floats);

static parcel_array same(parcel_array array, parcel_value value)
{
    (void)value;
    return array;
}
DELAYED(parcel_array, same, parcel_array, parcel_value);

static double ten(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j)
{
    return a + b + c + d + e + f + g + h + i + j;
}
DELAYED(double, ten, int, int, int, int, int, int, int, int, int, int);

static void none(void)
{
}
DELAYED(void, none, void);

/* ---- what else a function may be ---- */

static __inline__ double fast(double x)
{
    return x;
}
DELAYED(double, fast, double);

static double hidden(double x)
{
    return x;
}
#define hidden(x) (-(x))
DELAYED(double, hidden, double);

static double (*const constant)(double) = sqrt;
DELAYED(double, constant, double);

__attribute__((noreturn)) static void leave(int status)
{
    exit(status);
}
DELAYED(void, leave, int);

__attribute__((pure)) static double pure(double x)
{
    return x;
}
DELAYED(double, pure, double);

__attribute__((const)) static double mathematical(double x)
{
    return x;
}
DELAYED(double, mathematical, double);

__attribute__((nonnull, warn_unused_result, cold, noinline)) static int careful(const char *text)
{
    return text[0];
}
DELAYED(int, careful, const char *);

__attribute__((warn_unused_result)) static struct point wanted(int x)
{
    const struct point point = {x, 0};
    return point;
}
DELAYED(void, wanted, int);

extern double later(double x);
DELAYED(double, later, double);
double later(double x)
{
    return x;
}

/* ---- the other macros ---- */

static bool take(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    (void)state, (void)index, (void)value, (void)record;
    return true;
}

static parcel_next_status next(void *state, parcel_call *call)
{
    const enum mode delayed = Parallel;
    (void)state, (void)delayed;
    *call = delayed(sqrt)(4);
    return PARCEL_NEXT_END;
}

static const parcel_function *const descriptor = parcel_function_of(sqrt);
static const char *const backend = "threading";

int main(void)
{
    double numbers[3] = {1, 2, 3};
    const double constants[2] = {4, 9};
    float singles[2] = {1, 2};
    parcel_calls *calls = parcel_calls_new();
    parcel_calls *generated = parcel_calls_generate(next, NULL);
    parcel_array array = parcel_array(numbers, 3);
    parcel_results *results;
    double sum;
    size_t n;
    parcel_calls_add(calls, delayed(sqrt)(2));
    parcel_calls_add(calls, delayed(floats)(1, 2));
    parcel_calls_add(calls, delayed(none)());
    parcel_calls_add(calls, delayed(same)(array, parcel_value_int(3)));
    parcel_config_push(.n_jobs = 2);
    parcel_config_push();
    results = Parallel(.n_jobs = 2, .backend = backend, .on_result = take)(calls);
    parcel_results_free(results);
    results = Parallel()(generated);
    parcel_results_free(results);
    results = parcel_parallel()(parcel_map(sqrt, constants, 2));
    sum = parcel_get(results, 0, double) + parcel_get_or(results, 1, double, 1);
    sum += (double)parcel_get(results, 0, float) + parcel_holds(results, 0, float);
    n = parcel_get_all(results, numbers, 2) + parcel_get_all(results, singles, 2);
    parcel_results_free(results);
    parcel_config_pop();
    parcel_config_pop();
    parcel_calls_free(generated);
    parcel_calls_free(calls);
    return descriptor->n_parameters == 1 && sum > 0 && n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* contract_values.c: every kind of argument and result, for every backend; see contract.h. */
#include "contract.h"

#include <complex.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>

enum color { RED = 1, BLUE = 200 };
struct pair {
    double x;
    int n;
};
struct wide {
    char bytes[PARCEL_MAX_ARGUMENT_BYTES];
};
struct huge {
    int numbers[250];
};
struct narrow {
    char c;
};
typedef void *handle;

/* Each function gives back what it was given. */
#define SAME(name, T) \
    static T same_##name(T x) \
    { \
        return x; \
    } \
    DELAYED(T, same_##name, T)

SAME(bool, bool);
SAME(char, char);
SAME(schar, signed char);
SAME(uchar, unsigned char);
SAME(short, short);
SAME(ushort, unsigned short);
SAME(int, int);
SAME(uint, unsigned);
SAME(long, long);
SAME(ulong, unsigned long);
SAME(llong, long long);
SAME(ullong, unsigned long long);
SAME(float, float);
SAME(double, double);
SAME(ldouble, long double);
SAME(cfloat, float complex);
SAME(cdouble, double complex);
SAME(cldouble, long double complex);
SAME(size, size_t);
SAME(enum, enum color);
SAME(handle, void *);
SAME(pair, struct pair);
SAME(wide, struct wide);
SAME(text, const char *);
SAME(own_text, char *);
SAME(value, parcel_value);

/* The rows: what is given to same_<name> of type T, and how the result is boxed. */
#define NUMBERS(ROW) \
    ROW(bool, bool, true, PARCEL_TAG_BOOL) \
    ROW(char, char, 'c', PARCEL_TAG_INT64) \
    ROW(schar, signed char, SCHAR_MIN, PARCEL_TAG_INT64) \
    ROW(uchar, unsigned char, UCHAR_MAX, PARCEL_TAG_UINT64) \
    ROW(short, short, SHRT_MIN, PARCEL_TAG_INT64) \
    ROW(ushort, unsigned short, USHRT_MAX, PARCEL_TAG_UINT64) \
    ROW(int, int, INT_MIN, PARCEL_TAG_INT64) \
    ROW(uint, unsigned, UINT_MAX, PARCEL_TAG_UINT64) \
    ROW(long, long, LONG_MIN, PARCEL_TAG_INT64) \
    ROW(ulong, unsigned long, ULONG_MAX, PARCEL_TAG_UINT64) \
    ROW(llong, long long, LLONG_MIN, PARCEL_TAG_INT64) \
    ROW(ullong, unsigned long long, ULLONG_MAX, PARCEL_TAG_UINT64) \
    ROW(float, float, FLT_MAX, PARCEL_TAG_DOUBLE) \
    ROW(double, double, DBL_MIN, PARCEL_TAG_DOUBLE) \
    ROW(ldouble, long double, LDBL_MAX, PARCEL_TAG_BYTES) \
    ROW(cfloat, float complex, 1.5f - 2.5f * I, PARCEL_TAG_BYTES) \
    ROW(cdouble, double complex, 1.5 - 2.5 * I, PARCEL_TAG_BYTES) \
    ROW(cldouble, long double complex, 1.5L - 2.5L * I, PARCEL_TAG_BYTES) \
    ROW(size, size_t, SIZE_MAX, PARCEL_TAG_UINT64) \
    ROW(enum, enum color, BLUE, PARCEL_TAG_UINT64)
#define POINTERS(ROW) ROW(handle, handle, (handle)(uintptr_t)&constant_place, PARCEL_TAG_POINTER)

/* What is constant is the same in each process. */
static const char constant_place;

/* Runs with three workers, and so in another thread where the backend has some. */
static parcel_results *run_on(int backend, parcel_calls *calls)
{
    const parcel_backend *chosen = parcel_backend_at((size_t)backend);
    parcel_results *results =
        run_and_free(&(parcel_options){.backend = chosen->name, .n_jobs = 3}, calls);
    if (can_run(chosen))
        ck_ran_well(results);
    return results;
}

/* Where a pointer may be an argument or a result: see tests/mpi/mpi.c for the others. */
static bool takes_pointers(int backend)
{
    return !(parcel_backend_at((size_t)backend)->capabilities & PARCEL_MANY_HOSTS);
}

#define ADD(name, T, x, tag) ck_assert(parcel_calls_add(calls, delayed(same_##name)(x)));
#define CHECK(name, T, x, wanted) \
    ck_assert_msg(parcel_holds(results, i, T), "%s is there", #T); \
    ck_assert_msg(parcel_get(results, i, T) == (T)(x), "%s is the same", #T); \
    ck_assert_msg(parcel_results_value(results, i).tag == (wanted), "%s is boxed", #T); \
    i++;

START_TEST(numbers_of_every_type_pass)
{
    if (!can_run(parcel_backend_at((size_t)_i)))
        return;
    parcel_calls *calls = parcel_calls_new();
    NUMBERS(ADD)
    if (takes_pointers(_i)) {
        POINTERS(ADD)
    }
    parcel_results *results = run_on(_i, calls);
    size_t i = 0;
    NUMBERS(CHECK)
    if (takes_pointers(_i)) {
        POINTERS(CHECK)
    }
    parcel_results_free(results);
}
END_TEST

/* ---- functions that are delayed as they are declared, or nearly so ---- */

static double half(const double x)
{
    return x / 2;
}
DELAYED(double, half, const double);

static int twice(volatile int x)
{
    return 2 * x;
}
DELAYED(int, twice, int);

static int seven(void)
{
    return 7;
}
DELAYED(int, seven, void);

static int ignored(int x)
{
    return x;
}
DELAYED(void, ignored, int);

/* As a char * it would be freed. */
static char *number_word(int n)
{
    static char words[][4] = {"one", "two"};
    return words[n];
}
DELAYED(const char *, number_word, int);

static int total(int count, ...)
{
    va_list numbers;
    int sum = 0;
    va_start(numbers, count);
    for (int i = 0; i < count; i++)
        sum += va_arg(numbers, int);
    va_end(numbers);
    return sum;
}
DELAYED(int, total, int, int, int, int);

static enum color other_color(enum color color)
{
    return color == RED ? BLUE : RED;
}
DELAYED(unsigned, other_color, unsigned);

static double applied(double function(double), const double x[1])
{
    return function(x[0]);
}
DELAYED(double, applied, double (*)(double), const double[1]);

static const void *itself(const void *pointer)
{
    return pointer;
}
DELAYED(const void *, itself, const void *);

START_TEST(functions_pass_as_they_are_declared)
{
    static const double nine = 9;
    if (!can_run(parcel_backend_at((size_t)_i)))
        return;
    parcel_calls *calls = parcel_calls_new();
    ck_assert(parcel_calls_add(calls, delayed(half)(3)));
    ck_assert(parcel_calls_add(calls, delayed(twice)(21)));
    ck_assert(parcel_calls_add(calls, delayed(seven)()));
    ck_assert(parcel_calls_add(calls, delayed(ignored)(5)));
    ck_assert(parcel_calls_add(calls, delayed(number_word)(1)));
    ck_assert(parcel_calls_add(calls, delayed(total)(3, 1, 10, 100)));
    ck_assert(parcel_calls_add(calls, delayed(other_color)(RED)));
    if (takes_pointers(_i)) {
        ck_assert(parcel_calls_add(calls, delayed(applied)(half, &nine)));
        ck_assert(parcel_calls_add(calls, delayed(itself)(&constant_place)));
    }
    parcel_results *results = run_on(_i, calls);
    ck_assert_double_eq(parcel_get(results, 0, double), 1.5);
    ck_assert_int_eq(parcel_get(results, 1, int), 42);
    ck_assert_int_eq(parcel_get(results, 2, int), 7);
    ck_assert_int_eq(parcel_results_status(results, 3), PARCEL_OK);
    ck_assert_int_eq(parcel_results_value(results, 3).tag, PARCEL_TAG_NONE);
    ck_assert_str_eq(parcel_get(results, 4, const char *), "two");
    ck_assert_int_eq(parcel_get(results, 5, int), 111);
    ck_assert_int_eq(parcel_get(results, 6, enum color), BLUE);
    if (takes_pointers(_i)) {
        ck_assert_double_eq(parcel_get(results, 7, double), 4.5);
        ck_assert(parcel_results_value(results, 8).as.pointer == &constant_place);
    }
    parcel_results_free(results);
}
END_TEST

START_TEST(parameters_that_are_const_are_mapped)
{
    const parcel_backend *backend = parcel_backend_at((size_t)_i);
    static const double constants[] = {1, 2, 3};
    static double numbers[] = {4, 5, 6};
    const parcel_calls *maps[] = {parcel_map(half, constants, 3), parcel_map(half, numbers, 3)};
    const double first[] = {0.5, 2};
    if (!can_run(backend))
        return;
    for (size_t m = 0; m < LENGTH(maps); m++) {
        parcel_results *results = Parallel(.backend = backend->name, .n_jobs = 2)(maps[m]);
        ck_ran_well(results);
        for (size_t i = 0; i < 3; i++)
            ck_assert_double_eq(parcel_get(results, i, double), first[m] + (double)i / 2);
        parcel_results_free(results);
    }
}
END_TEST

/* A call of a function whose descriptor is made by hand, and without a result. Check knows nothing
 * of ranks that serve: an assertion there would end the process. */
static void nothing_of(const void *arguments, void *result)
{
    int number = *(const int *)arguments;
    (void)result;
    if (number != 17)
        parcel_fail("%d was given", number);
}
static const parcel_parameter one_number[] = {{PARCEL_INT, sizeof(int), 0, "int"}};
static const parcel_function without_result = {.size = sizeof without_result,
                                               .n_parameters = 1,
                                               .name = "nothing_of",
                                               .address = (void (*)(void))nothing_of,
                                               .thunk = nothing_of,
                                               .parameters = one_number,
                                               .argument_bytes = sizeof(int),
                                               .argument_alignment = _Alignof(int),
                                               .result = {PARCEL_NONE, 0, 1, "void"}};

START_TEST(calls_are_filled_by_hand)
{
    if (!can_run(parcel_backend_at((size_t)_i)))
        return;
    parcel_calls *calls = parcel_calls_new();
    parcel_call call = {.function = &without_result};
    const int seventeen = 17;
    memcpy(call.arguments, &seventeen, sizeof seventeen);
    ck_assert(parcel_calls_add(calls, call));
    call = (parcel_call){.function = parcel_function_of(twice)};
    memcpy(call.arguments + call.function->parameters[0].offset, &seventeen, sizeof seventeen);
    ck_assert(parcel_calls_add(calls, call));
    parcel_results *results = run_on(_i, calls);
    ck_assert_int_eq(parcel_results_value(results, 0).tag, PARCEL_TAG_NONE);
    ck_assert_int_eq(parcel_get(results, 1, int), 34);
    parcel_results_free(results);
}
END_TEST

static void set_to_one(int *number)
{
    *number = 1;
}
DELAYED(void, set_to_one, int *);

/* Where calls see a copy, a pointer that they might write through must be to shared memory. */
START_TEST(what_a_call_writes_is_seen_or_it_is_refused)
{
    for (struct shape shape = {0}; next_shape(_i, &shape);) {
        int private = 0;
        if (shape.size != 2 || !takes_pointers(_i))
            continue;
        parcel_calls *calls = parcel_calls_new();
        parcel_calls_add(calls, delayed(set_to_one)((int *)&tally->started));
        parcel_results_free(run_and_free(SHAPED(shape, 0), calls));
        HOLDS(shape, atomic_exchange(&tally->started, 0) == 1);
        calls = parcel_calls_new();
        parcel_calls_add(calls, delayed(set_to_one)(&private));
        parcel_results *results = run_and_free(SHAPED(shape, 0), calls);
        HOLDS(shape, private == shares_memory(shape));
        if (!shares_memory(shape))
            ck_contains(parcel_results_error(results),
                        "parameter 1 of set_to_one is int *, whose memory other processes do not "
                        "share: take it from parcel_shared_alloc, make it const int *, or set "
                        ".read_only");
        parcel_results_free(results);
    }
}
END_TEST

static double sum_0(void)
{
    return 0;
}
static double sum_1(char a)
{
    return a;
}
static double sum_2(char a, double b)
{
    return a + b;
}
static double sum_3(char a, double b, short c)
{
    return sum_2(a, b) + c;
}
static double sum_4(char a, double b, short c, long double d)
{
    return sum_3(a, b, c) + (double)d;
}
static double sum_5(char a, double b, short c, long double d, bool e)
{
    return sum_4(a, b, c, d) + e;
}
static double sum_6(char a, double b, short c, long double d, bool e, const char *f)
{
    return sum_5(a, b, c, d, e) + atof(f);
}
static double sum_7(char a, double b, short c, long double d, bool e, const char *f, float g)
{
    return sum_6(a, b, c, d, e, f) + g;
}
static double sum_8(char a, double b, short c, long double d, bool e, const char *f, float g,
                    struct pair h)
{
    return sum_7(a, b, c, d, e, f, g) + h.x + h.n;
}
static double sum_9(char a, double b, short c, long double d, bool e, const char *f, float g,
                    struct pair h, char *i)
{
    return sum_8(a, b, c, d, e, f, g, h) + atof(i);
}
static double sum_10(char a, double b, short c, long double d, bool e, const char *f, float g,
                     struct pair h, char *i, const double *j)
{
    return sum_9(a, b, c, d, e, f, g, h, i) + *j;
}
DELAYED(double, sum_0);
DELAYED(double, sum_1, char);
DELAYED(double, sum_2, char, double);
DELAYED(double, sum_3, char, double, short);
DELAYED(double, sum_4, char, double, short, long double);
DELAYED(double, sum_5, char, double, short, long double, bool);
DELAYED(double, sum_6, char, double, short, long double, bool, const char *);
DELAYED(double, sum_7, char, double, short, long double, bool, const char *, float);
DELAYED(double, sum_8, char, double, short, long double, bool, const char *, float, struct pair);
DELAYED(double, sum_9, char, double, short, long double, bool, const char *, float, struct pair,
        char *);
DELAYED(double, sum_10, char, double, short, long double, bool, const char *, float, struct pair,
        char *, const double *);

START_TEST(functions_of_0_to_10_parameters_pass)
{
    static const double ten = 512;
    static const double sums[] = {0, 1, 3, 7, 15, 16, 48, 112, 240, 496, 1008};
    const parcel_backend *backend = parcel_backend_at((size_t)_i);
    if (!can_run(backend))
        return;
    struct pair h = {120, 8};
    char i[] = "256";
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(sum_0)());
    parcel_calls_add(calls, delayed(sum_1)(1));
    parcel_calls_add(calls, delayed(sum_2)(1, 2));
    parcel_calls_add(calls, delayed(sum_3)(1, 2, 4));
    parcel_calls_add(calls, delayed(sum_4)(1, 2, 4, 8));
    parcel_calls_add(calls, delayed(sum_5)(1, 2, 4, 8, true));
    parcel_calls_add(calls, delayed(sum_6)(1, 2, 4, 8, true, "32"));
    parcel_calls_add(calls, delayed(sum_7)(1, 2, 4, 8, true, "32", 64));
    parcel_calls_add(calls, delayed(sum_8)(1, 2, 4, 8, true, "32", 64, h));
    parcel_calls_add(calls, delayed(sum_9)(1, 2, 4, 8, true, "32", 64, h, i));
    if (takes_pointers(_i))
        parcel_calls_add(calls, delayed(sum_10)(1, 2, 4, 8, true, "32", 64, h, i, &ten));
    parcel_results *results = run_on(_i, calls);
    for (size_t n = 0; n < parcel_results_count(results); n++)
        ck_assert_double_eq(parcel_get(results, n, double), sums[n]);
    parcel_results_free(results);
}
END_TEST

static char *write_over(char *text)
{
    char *written = malloc(strlen(text) + 1);
    for (size_t i = 0; text[i]; i++)
        text[i]++;
    return written ? strcpy(written, text) : NULL;
}
DELAYED(char *, write_over, char *);

struct repeated {
    const parcel_calls *calls;
    parcel_options options;
    atomic_int right;
};

static void *run_repeatedly(void *argument)
{
    struct repeated *repeated = argument;
    for (int run = 0; run < 20; run++) {
        parcel_results *results = parcel_run(&repeated->options, repeated->calls);
        for (size_t i = 0; i < 8; i++)
            atomic_fetch_add(&repeated->right,
                             strcmp(parcel_get_or(results, i, char *, ""), "bcd") == 0);
        parcel_results_free(results);
    }
    return NULL;
}

/* Also for runs of one list at the same time, and the caller's own text stays as it is. */
START_TEST(a_char_pointer_is_a_private_copy_in_each_run)
{
    struct shape shape = {0};
    if (!next_shape_of_threads(_i, &shape))
        return;
    char text[] = "abc";
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 8; i++)
        parcel_calls_add(calls, delayed(write_over)(text));
    struct repeated repeated = {calls, {.backend = shape.backend->name, .n_jobs = 2}, 0};
    pthread_t other;
    ck_assert_int_eq(pthread_create(&other, NULL, run_repeatedly, &repeated), 0);
    run_repeatedly(&repeated);
    pthread_join(other, NULL);
    ck_assert_int_eq(atomic_load(&repeated.right), 2 * 20 * 8);
    ck_assert_str_eq(text, "abc");
    parcel_calls_free(calls);
}
END_TEST

static char *second(char *a, char *b)
{
    (void)a;
    return b;
}
DELAYED(char *, second, char *, char *);

static char *argument_in_disguise(const char *text)
{
    return (char *)(uintptr_t)text;
}
DELAYED(char *, argument_in_disguise, const char *);

static char *own_tail(char *text)
{
    return text + 1;
}
DELAYED(char *, own_tail, char *);

static const char *tail(const char *text)
{
    return text + 1;
}
DELAYED(const char *, tail, const char *);

/* What a sanitizer or valgrind adds: no double free, nothing lost. */
START_TEST(a_text_result_may_be_the_calls_own_argument)
{
    if (!can_run(parcel_backend_at((size_t)_i)))
        return;
    char a[] = "first", b[] = "second";
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(same_own_text)(a));
    parcel_calls_add(calls, delayed(second)(a, b));
    parcel_calls_add(calls, delayed(argument_in_disguise)(a));
    parcel_calls_add(calls, delayed(tail)(a));
    parcel_calls_add(calls, delayed(own_tail)(b));
    memset(a, '?', 1);
    for (int run = 0; run < 2; run++) {
        parcel_options options = {.backend = parcel_backend_at((size_t)_i)->name, .n_jobs = 2};
        parcel_results *results = parcel_run(&options, calls);
        ck_assert_str_eq(parcel_get(results, 0, char *), "first");
        ck_assert_str_eq(parcel_get(results, 1, const char *), "second");
        ck_assert_str_eq(parcel_get(results, 2, char *), "first");
        ck_assert_str_eq(parcel_get(results, 3, const char *), "irst");
        ck_assert_str_eq(parcel_get(results, 4, char *), "econd");
        parcel_results_free(results);
    }
    parcel_calls_free(calls);
}
END_TEST

START_TEST(null_texts_pass_as_none)
{
    if (!can_run(parcel_backend_at((size_t)_i)))
        return;
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(same_text)(NULL));
    parcel_calls_add(calls, delayed(same_own_text)(NULL));
    parcel_results *results = run_on(_i, calls);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(parcel_results_status(results, i), PARCEL_OK);
        ck_assert_int_eq(parcel_results_value(results, i).tag, PARCEL_TAG_NONE);
        ck_assert_ptr_null(parcel_get(results, i, const char *));
    }
    parcel_results_free(results);
}
END_TEST

static struct huge spread(int first, struct narrow narrow)
{
    struct huge huge;
    for (size_t i = 0; i < LENGTH(huge.numbers); i++)
        huge.numbers[i] = first + (int)i + narrow.c;
    return huge;
}
DELAYED(struct huge, spread, int, struct narrow);

START_TEST(structs_of_any_size_pass)
{
    if (!can_run(parcel_backend_at((size_t)_i)))
        return;
    struct wide wide;
    for (size_t i = 0; i < sizeof wide.bytes; i++)
        wide.bytes[i] = (char)i;
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(same_wide)(wide));
    parcel_calls_add(calls, delayed(same_pair)((struct pair){2.5, 7}));
    for (int i = 2; i < 200; i++)
        parcel_calls_add(calls, delayed(spread)(i, (struct narrow){1}));
    parcel_results *results = run_on(_i, calls);
    struct wide same = parcel_get(results, 0, struct wide);
    ck_assert_mem_eq(&same, &wide, sizeof wide);
    ck_assert_int_eq(parcel_get(results, 1, struct pair).n, 7);
    ck_assert_double_eq(parcel_get(results, 1, struct pair).x, 2.5);
    for (int i = 2; i < 200; i++)
        for (int k = 0; k < 250; k++)
            ck_assert(parcel_get(results, (size_t)i, struct huge).numbers[k] == i + k + 1);
    parcel_results_free(results);
}
END_TEST

static parcel_array count_up(int count)
{
    double *numbers = malloc((size_t)count * sizeof *numbers);
    for (int i = 0; numbers && i < count; i++)
        numbers[i] = i;
    return parcel_array(numbers, (size_t)count);
}
DELAYED(parcel_array, count_up, int);

static double sum(parcel_array array)
{
    const double *numbers = array.data;
    double total = 0;
    for (size_t i = 0; i < array.count; i++)
        total += numbers[i];
    return total;
}
DELAYED(double, sum, parcel_array);

START_TEST(arrays_and_values_pass)
{
    if (!can_run(parcel_backend_at((size_t)_i)))
        return;
    double numbers[] = {1, 2, 4};
    char text[] = "copied";
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(count_up)(3));
    parcel_calls_add(calls, delayed(sum)(parcel_array(numbers, LENGTH(numbers))));
    parcel_calls_add(calls, delayed(same_value)(parcel_value_string(text)));
    parcel_calls_add(calls, delayed(same_value)(parcel_value_double(2.5)));
    parcel_calls_add(calls, delayed(same_value)(parcel_value_none()));
    text[0] = '?';
    parcel_results *results = run_on(_i, calls);
    parcel_array array = parcel_get(results, 0, parcel_array);
    ck_assert_uint_eq(array.count, 3);
    ck_assert_double_eq(((const double *)array.data)[2], 2);
    ck_assert_double_eq(parcel_get(results, 1, double), 7);
    ck_assert_str_eq(parcel_get(results, 2, parcel_value).as.string, "copied");
    ck_assert_double_eq(parcel_get(results, 3, double), 2.5);
    ck_assert_int_eq(parcel_results_value(results, 4).tag, PARCEL_TAG_NONE);
    parcel_results_free(results);
}
END_TEST

static char *spell(int i)
{
    char *text = malloc(16);
    if (text)
        snprintf(text, 16, "it's %d", i);
    return text;
}
DELAYED(char *, spell, int);

static void nothing(void)
{
}
DELAYED(void, nothing);

static double refuse(double x)
{
    parcel_fail("no %g", x);
    return x;
}
DELAYED(double, refuse, double);
DELAYED(double, sqrt, double);

/* All results of a run as parcel_results_print writes them. */
static char *printed(const parcel_results *results)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    ck_assert(parcel_results_print(results, file));
    fclose(file);
    return text;
}

START_TEST(calls_of_several_functions_share_a_list_and_print_as_in_python)
{
    if (!can_run(parcel_backend_at((size_t)_i)))
        return;
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(square)(1));
    parcel_calls_add(calls, delayed(sqrt)(6.25));
    parcel_calls_add(calls, delayed(same_text)("a"));
    parcel_calls_add(calls, delayed(nothing)());
    parcel_calls_add(calls, delayed(same_bool)(true));
    parcel_calls_add(calls, delayed(spell)(5));
    parcel_calls_add(calls, delayed(refuse)(0.5));
    parcel_calls_add(calls, delayed(count_up)(2));
    parcel_calls_add(calls, delayed(same_pair)((struct pair){1, 1}));
    parcel_calls_add(calls, delayed(sqrt)(-1));
    parcel_options options = {
        .backend = parcel_backend_at((size_t)_i)->name, .n_jobs = 3, .on_error = PARCEL_COLLECT};
    parcel_results *results = run_and_free(&options, calls);
    char *text = printed(results);
    ck_assert_str_eq(text, "[1, 2.5, 'a', None, True, \"it's 5\", <failed: no 0.5>, [0.0, 1.0], "
                           "<struct, 16 bytes>, nan]\n");
    free(text);
    parcel_results_free(results);
}
END_TEST

START_TEST(a_result_converts_as_numbers_do_in_c)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(same_int)(-3));
    parcel_calls_add(calls, delayed(same_double)(2.75));
    parcel_calls_add(calls, delayed(same_ullong)(ULLONG_MAX));
    parcel_calls_add(calls, delayed(same_bool)(true));
    parcel_results *results = run_and_free(NULL, calls);
    ck_assert_double_eq(parcel_get(results, 0, double), -3);
    ck_assert_int_eq(parcel_get(results, 0, signed char), -3);
    ck_assert(parcel_get(results, 0, bool));
    ck_assert_int_eq(parcel_get(results, 1, int), 2);
    ck_assert(parcel_get(results, 1, float) == 2.75f);
    ck_assert(parcel_get(results, 1, long double) == 2.75L);
    ck_assert(parcel_get(results, 2, unsigned char) == UCHAR_MAX);
    ck_assert(parcel_get(results, 2, float) == (float)ULLONG_MAX);
    ck_assert_int_eq(parcel_get(results, 3, int), 1);
    parcel_results_free(results);
}
END_TEST

START_TEST(a_value_of_another_type_is_the_stated_fallback)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(same_text)("text"));
    parcel_calls_add(calls, delayed(same_pair)((struct pair){1, 2}));
    parcel_calls_add(calls, delayed(same_int)(7));
    parcel_results *results = run_and_free(NULL, calls);
    ck_assert_int_eq(parcel_get(results, 0, int), 0);
    ck_assert(isnan(parcel_get(results, 0, double)));
    ck_assert(isnan(parcel_get(results, 1, float)));
    ck_assert_ptr_null(parcel_get(results, 1, const char *));
    ck_assert_ptr_null(parcel_get(results, 2, const char *));
    ck_assert_int_eq(parcel_get(results, 1, struct huge).numbers[249], 0);
    ck_assert_int_eq(parcel_get_or(results, 0, int, -5), -5);
    ck_assert_int_eq(parcel_get_or(results, 2, int, -5), 7);
    ck_assert(!parcel_holds(results, 0, int) && parcel_holds(results, 0, const char *));
    ck_assert(!parcel_holds(results, 1, struct huge) && parcel_holds(results, 1, struct pair));
    ck_assert(!parcel_holds(results, 99, int) && parcel_get(results, 99, int) == 0);
    parcel_results_free(results);
}
END_TEST

START_TEST(all_results_go_into_an_array)
{
    double numbers[6];
    int integers[3] = {-1, -1, -1};
    parcel_calls *calls = squares(3);
    parcel_calls_add(calls, delayed(same_text)("text"));
    parcel_results *results = run_and_free(NULL, calls);
    ck_assert_uint_eq(parcel_get_all(results, integers, 3), 3);
    ck_assert_int_eq(integers[2], 4);
    ck_assert_uint_eq(parcel_get_all(results, numbers, 6), 3);
    ck_assert_double_eq(numbers[2], 4);
    for (int i = 3; i < 6; i++)
        ck_assert(isnan(numbers[i]));
    parcel_results_free(results);
}
END_TEST

START_TEST(the_summary_is_printed_line_by_line)
{
    parcel_results *results = run_and_free(NULL, squares(10));
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    ck_assert(parcel_results_print_summary(results, file));
    fclose(file);
    ck_contains(text, "10");
    ck_contains(text, "wall");
    ck_contains(text, "fficiency");
    ck_assert(text[size - 1] == '\n');
    free(text);
    parcel_results_free(results);
}
END_TEST

void add_value_tests(TCase *tests, int backends)
{
    tcase_add_loop_test(tests, numbers_of_every_type_pass, 0, backends);
    tcase_add_loop_test(tests, functions_pass_as_they_are_declared, 0, backends);
    tcase_add_loop_test(tests, parameters_that_are_const_are_mapped, 0, backends);
    tcase_add_loop_test(tests, calls_are_filled_by_hand, 0, backends);
    tcase_add_loop_test(tests, what_a_call_writes_is_seen_or_it_is_refused, 0, backends);
    tcase_add_loop_test(tests, functions_of_0_to_10_parameters_pass, 0, backends);
    tcase_add_loop_test(tests, a_char_pointer_is_a_private_copy_in_each_run, 0, backends);
    tcase_add_loop_test(tests, a_text_result_may_be_the_calls_own_argument, 0, backends);
    tcase_add_loop_test(tests, null_texts_pass_as_none, 0, backends);
    tcase_add_loop_test(tests, structs_of_any_size_pass, 0, backends);
    tcase_add_loop_test(tests, arrays_and_values_pass, 0, backends);
    tcase_add_loop_test(tests, calls_of_several_functions_share_a_list_and_print_as_in_python, 0,
                        backends);
    tcase_add_test(tests, a_result_converts_as_numbers_do_in_c);
    tcase_add_test(tests, a_value_of_another_type_is_the_stated_fallback);
    tcase_add_test(tests, all_results_go_into_an_array);
    tcase_add_test(tests, the_summary_is_printed_line_by_line);
}

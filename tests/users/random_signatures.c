/* random_signatures.c: see random_signatures.h. */
#include "random_signatures.h"

#include "random_faults.h"

#include <complex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

enum { MOST_ELEMENTS = 50, MOST_TEXT = 40 };

struct opaque {
    int64_t words[3];
};

struct plan *plan;

static parcel_function functions[N_SIGNATURES];
static parcel_parameter parameters[N_SIGNATURES][PARCEL_MAX_PARAMETERS];
static char names[N_SIGNATURES][16];
static const int constants[] = {2, 3, 5, 7};

/* SplitMix64's finaliser (Steele, Lea, Flood: Fast splittable pseudorandom number generators). */
uint64_t mixed(uint64_t seed, uint64_t one, uint64_t other)
{
    uint64_t z = seed + 0x9e3779b97f4a7c15U * (one * 1009 + other + 1);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

/* ---- values ---- */

/* Each kind of number: its type, and what bits make of it. */
#define NUMBERS(X) \
    X(PARCEL_BOOL, bool, bits % 2 == 1) \
    X(PARCEL_CHAR, char, bits % 100) \
    X(PARCEL_SCHAR, signed char, bits % 100) \
    X(PARCEL_UCHAR, unsigned char, bits % 200) \
    X(PARCEL_SHORT, short, bits % 30000) \
    X(PARCEL_USHORT, unsigned short, bits % 60000) \
    X(PARCEL_INT, int, (int64_t)(bits % 4000000000U) - 2000000000) \
    X(PARCEL_UINT, unsigned, bits) \
    X(PARCEL_LONG, long, bits) \
    X(PARCEL_ULONG, unsigned long, bits) \
    X(PARCEL_LLONG, long long, bits) \
    X(PARCEL_ULLONG, unsigned long long, bits) \
    X(PARCEL_FLOAT, float, (float)(bits % 1000) / 8) \
    X(PARCEL_DOUBLE, double, (double)bits / 3) \
    X(PARCEL_LDOUBLE, long double, (long double)bits / 3) \
    X(PARCEL_CFLOAT, float _Complex, (float)(bits % 1000) + 2 * I) \
    X(PARCEL_CDOUBLE, double _Complex, (double)bits / 3 + 3 * I) \
    X(PARCEL_CLDOUBLE, long double _Complex, (long double)bits / 3 + 5 * I)

static const struct {
    unsigned kind, size, alignment;
    const char *type;
} types[] = {
#define ROW(kind, T, value) {kind, sizeof(T), _Alignof(T), #T},
    NUMBERS(ROW){PARCEL_STRING, sizeof(char *), _Alignof(char *), "const char *"},
    {PARCEL_WRITABLE_STRING, sizeof(char *), _Alignof(char *), "char *"},
    {PARCEL_STRUCT_BYTES, sizeof(struct opaque), _Alignof(struct opaque), "struct opaque"},
    {PARCEL_ARRAY, sizeof(parcel_array), _Alignof(parcel_array), "parcel_array"},
    {PARCEL_VALUE, sizeof(parcel_value), _Alignof(parcel_value), "parcel_value"},
    {PARCEL_POINTER, sizeof(int *), _Alignof(int *), "const int *"},
};

/* What strings and arrays of arguments hold: the same bytes for all, from a place of their own. */
static char letters[MOST_TEXT + 27];
static double numbers[MOST_ELEMENTS + 64];

static void fill_content(void)
{
    for (size_t i = 0; i < sizeof letters - 1; i++)
        letters[i] = (char)('a' + i % 26);
    for (size_t i = 0; i < LENGTH(numbers); i++)
        numbers[i] = (double)i / 7;
}

static const char *text_of(uint64_t bits)
{
    return &letters[sizeof letters - 1 - bits % MOST_TEXT];
}

static parcel_array array_of(uint64_t bits)
{
    return parcel_array(&numbers[bits % 64], (size_t)(bits / 64 % MOST_ELEMENTS));
}

static parcel_value value_of(uint64_t bits)
{
    switch (bits % 4) {
    case 0:
        return parcel_value_none();
    case 1:
        return parcel_value_int((int64_t)bits);
    case 2:
        return parcel_value_double((double)bits / 3);
    default:
        return parcel_value_string(text_of(bits / 4));
    }
}

static struct opaque opaque_of(uint64_t bits)
{
    return (struct opaque){{(int64_t)bits, (int64_t)(bits / 3), -(int64_t)(bits / 5)}};
}

/* Writes the argument of a kind that the bits make. */
static void write_argument(unsigned kind, uint64_t bits, void *at)
{
    switch (kind) {
#define WRITE(kind, T, value) \
    case kind: \
        *(T *)at = (T)(value); \
        break;
        NUMBERS(WRITE)
    case PARCEL_STRING:
        *(const char **)at = text_of(bits);
        break;
    case PARCEL_WRITABLE_STRING:
        *(char **)at = (char *)(uintptr_t)text_of(bits);
        break;
    case PARCEL_STRUCT_BYTES:
        *(struct opaque *)at = opaque_of(bits);
        break;
    case PARCEL_ARRAY:
        *(parcel_array *)at = array_of(bits);
        break;
    case PARCEL_VALUE:
        *(parcel_value *)at = value_of(bits);
        break;
    case PARCEL_POINTER:
        *(const int **)at = &constants[bits % LENGTH(constants)];
        break;
    default:
        break;
    }
}

static bool is_same_text(const char *text, uint64_t bits)
{
    return text && strcmp(text, text_of(bits)) == 0;
}

/* The copy is private, and may be written. */
static bool is_own_text(char *text, uint64_t bits)
{
    bool is_right = is_same_text(text, bits);
    if (text && *text)
        *text = '!';
    return is_right;
}

static bool is_same_array(parcel_array array, uint64_t bits)
{
    parcel_array planned = array_of(bits);
    return array.count == planned.count && array.element_size == sizeof(double) &&
           (array.count == 0 ||
            memcmp(array.data, planned.data, array.count * sizeof(double)) == 0);
}

static bool is_same_struct(const void *bytes, uint64_t bits)
{
    struct opaque planned = opaque_of(bits);
    return memcmp(bytes, &planned, sizeof planned) == 0;
}

static bool is_planned_argument(unsigned kind, uint64_t bits, const void *at)
{
    switch (kind) {
#define COMPARE(kind, T, value) \
    case kind: \
        return *(const T *)at == (T)(value);
        NUMBERS(COMPARE)
    case PARCEL_STRING:
        return is_same_text(*(const char *const *)at, bits);
    case PARCEL_WRITABLE_STRING:
        return is_own_text(*(char *const *)at, bits);
    case PARCEL_STRUCT_BYTES:
        return is_same_struct(at, bits);
    case PARCEL_ARRAY:
        return is_same_array(*(const parcel_array *)at, bits);
    case PARCEL_VALUE:
        return parcel_value_equal(*(const parcel_value *)at, value_of(bits));
    case PARCEL_POINTER:
        return **(const int *const *)at == constants[bits % LENGTH(constants)];
    default:
        return false;
    }
}

/* Of a result, a char * and an array are new, and taken. */
static void write_result(unsigned kind, uint64_t bits, void *at)
{
    if (kind == PARCEL_WRITABLE_STRING) {
        *(char **)at = strdup(text_of(bits));
    } else if (kind == PARCEL_ARRAY) {
        parcel_array array = array_of(bits);
        void *copy = malloc(array.count * sizeof(double) + 1);
        memcpy(copy, array.data, array.count * sizeof(double));
        array.data = copy;
        *(parcel_array *)at = array;
    } else {
        write_argument(kind, bits, at);
    }
}

/* The number that a value holds, as a T. */
#define NUMBER_OF(T, boxed) \
    (boxed.tag == PARCEL_TAG_BOOL     ? (T)boxed.as.boolean \
     : boxed.tag == PARCEL_TAG_INT64  ? (T)boxed.as.int64 \
     : boxed.tag == PARCEL_TAG_UINT64 ? (T)boxed.as.uint64 \
     : boxed.tag == PARCEL_TAG_DOUBLE ? (T)boxed.as.number \
                                      : *(const T *)boxed.as.bytes)

bool is_planned_value(unsigned number, parcel_value boxed)
{
    uint64_t bits = mixed(plan->seed, number, 99);
    switch (plan->calls[number].function->result.kind) {
#define COMPARE_VALUE(kind, T, value) \
    case kind: \
        return NUMBER_OF(T, boxed) == (T)(value);
        NUMBERS(COMPARE_VALUE)
    case PARCEL_NONE:
        return boxed.tag == PARCEL_TAG_NONE;
    case PARCEL_STRING:
    case PARCEL_WRITABLE_STRING:
        return boxed.tag == PARCEL_TAG_STRING && is_same_text(boxed.as.string, bits);
    case PARCEL_STRUCT_BYTES:
        return boxed.tag == PARCEL_TAG_BYTES && boxed.size == sizeof(struct opaque) &&
               is_same_struct(boxed.as.bytes, bits);
    case PARCEL_ARRAY:
        return boxed.tag == PARCEL_TAG_ARRAY && is_same_array(*boxed.as.array, bits);
    case PARCEL_VALUE:
        return parcel_value_equal(boxed, value_of(bits));
    default:
        return false;
    }
}

/* ---- what a call does ---- */

static int square(int i)
{
    return i * i;
}
DELAYED(int, square, int);

static void nest(void)
{
    int array[] = {1, 2, 3};
    parcel_results *results = Parallel(.n_jobs = 2)(parcel_map(square, array, LENGTH(array)));
    if (!parcel_results_error(results) && parcel_get(results, 2, int) != 9)
        parcel_fail("the nested run is wrong");
    parcel_results_free(results);
}

static void take_long(long nanoseconds)
{
    struct timespec time = {0, nanoseconds};
    nanosleep(&time, NULL);
}

/* What a call does before it returns. */
static void behave(struct planned *planned, int attempt)
{
    switch (planned->behaviour) {
    case TAKES_LONG:
        take_long(100000);
        break;
    case NESTS:
        nest();
        break;
    case FAILS:
        parcel_fail("planned");
        break;
    case FAILS_FIRST:
        if (attempt == 1)
            parcel_fail("planned");
        break;
    case EXITS:
        _exit(7);
    case CRASHES:
        raise(SIGSEGV);
        break;
    case HANGS:
        while (!parcel_cancelled())
            take_long(1000000);
        break;
    case STOPS:
        parcel_stop();
        break;
    case CANCELS:
        parcel_cancel(&plan->token);
        break;
    default:
        break;
    }
}

static bool fails(const struct planned *planned, int attempt)
{
    return planned->behaviour == FAILS || (planned->behaviour == FAILS_FIRST && attempt == 1);
}

static void thunk(const void *arguments, void *result)
{
    unsigned number = *(const unsigned *)arguments;
    struct planned *planned = &plan->calls[number];
    const parcel_function *function = planned->function;
    int attempt = atomic_fetch_add(&planned->n_ran, 1) + 1;
    if (parcel_index() != number)
        parcel_fail("call %u has the index %zu", number, parcel_index());
    for (unsigned i = 1; i < function->n_parameters; i++) {
        const parcel_parameter *parameter = &function->parameters[i];
        if (!is_planned_argument(parameter->kind, mixed(plan->seed, number, i),
                                 (const char *)arguments + parameter->offset))
            parcel_fail("argument %u, %s, is wrong", i, parameter->type);
    }
    behave(planned, attempt);
    if (function->result.kind == PARCEL_NONE)
        return;
    /* What a failed call returns is ignored, and not freed. */
    faults_pause();
    if (fails(planned, attempt))
        memset(result, 0, function->result.size);
    else
        write_result(function->result.kind, mixed(plan->seed, number, 99), result);
    faults_resume();
}

/* ---- signatures ---- */

static void address(void)
{
}

static void set_type(parcel_parameter *parameter, size_t type, unsigned *bytes)
{
    *bytes = (*bytes + types[type].alignment - 1) / types[type].alignment * types[type].alignment;
    *parameter = (parcel_parameter){.kind = types[type].kind,
                                    .size = types[type].size,
                                    .offset = *bytes,
                                    .type = types[type].type};
    *bytes += types[type].size;
}

static size_t type_of_kind(unsigned kind)
{
    size_t type = 0;
    while (types[type].kind != kind)
        type++;
    return type;
}

/* Nothing, or anything but a pointer. */
static parcel_parameter random_result(uint64_t bits)
{
    size_t type = bits / 8 % (LENGTH(types) - 1);
    if (bits % 8 == 0)
        return (parcel_parameter){.kind = PARCEL_NONE, .offset = 1, .type = "void"};
    return (parcel_parameter){.kind = types[type].kind,
                              .size = types[type].size,
                              .offset = types[type].alignment,
                              .type = types[type].type};
}

static void make_signature(uint64_t seed, size_t number)
{
    parcel_function *function = &functions[number];
    unsigned count =
        number == 0 ? 1 : 1 + (unsigned)(mixed(seed, number, 0) % PARCEL_MAX_PARAMETERS);
    unsigned bytes = 0, n = 1;
    set_type(&parameters[number][0], type_of_kind(PARCEL_UINT), &bytes);
    for (; n < count && bytes + 2 * sizeof(parcel_value) < PARCEL_MAX_ARGUMENT_BYTES; n++)
        set_type(&parameters[number][n], mixed(seed, number, n) % LENGTH(types), &bytes);
    snprintf(names[number], sizeof names[number], "random_%zu", number);
    *function = (parcel_function){.size = sizeof *function,
                                  .n_parameters = n,
                                  .name = names[number],
                                  .address = address,
                                  .thunk = thunk,
                                  .parameters = parameters[number],
                                  .argument_bytes = number == 0 ? bytes : (bytes + 15) / 16 * 16,
                                  .argument_alignment = number == 0 ? 4 : 16,
                                  .result = random_result(mixed(seed, number, 98))};
}

bool signatures_open(uint64_t seed)
{
    fill_content();
    for (size_t i = 0; i < N_SIGNATURES; i++)
        make_signature(seed, i);
    plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return plan != MAP_FAILED;
}

const parcel_function *signature_at(size_t number)
{
    return &functions[number];
}

const parcel_function *signature_of_number(void)
{
    return &functions[0];
}

parcel_call planned_call(unsigned number)
{
    const parcel_function *function = plan->calls[number].function;
    parcel_call call = {.function = function};
    write_argument(PARCEL_UINT, number, call.arguments);
    for (unsigned i = 1; i < function->n_parameters; i++)
        write_argument(function->parameters[i].kind, mixed(plan->seed, number, i),
                       call.arguments + function->parameters[i].offset);
    return call;
}

/*
 * test_wire.c: calls and results there and back, what does not fit, and what is damaged.
 *
 * Both ends are in one process here. So that nothing is right only because the reader sees the
 * sender's memory, what a call points at is overwritten before it is read.
 */
#include "suite.h"

#include "calls/function.h"
#include "ground/memory.h"
#include "ground/shared.h"
#include "wire/wire.h"

#include <complex.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

struct triple {
    double x, y, z;
};
struct nine {
    double number[9];
};
struct strict {
    _Alignas(64) int number;
};

static int add(int a, int b)
{
    return a + b;
}
DELAYED(int, add, int, int);

static void nothing(void)
{
}
DELAYED(void, nothing);

/* ---- calls of every kind of parameter ---- */

static _Bool small(_Bool a, char b, signed char c, unsigned char d, short e, unsigned short f)
{
    return a && b && c && d && e && f;
}
DELAYED(_Bool, small, _Bool, char, signed char, unsigned char, short, unsigned short);

static float large(unsigned a, long b, unsigned long c, long long d, unsigned long long e)
{
    return (float)a + (float)b + (float)c + (float)d + (float)e;
}
DELAYED(float, large, unsigned, long, unsigned long, long long, unsigned long long);

typedef float _Complex single_complex;
typedef double _Complex double_complex;
typedef long double _Complex long_complex;

static double real(float a, double b, long double c, single_complex d, double_complex e,
                   long_complex f)
{
    return a + b + (double)c + creal(d) + creal(e) + creal((double_complex)f);
}
DELAYED(double, real, float, double, long double, single_complex, double_complex, long_complex);

static const char *join(const char *a, char *b, const char *c)
{
    return a ? a : b ? b : c;
}
DELAYED(const char *, join, const char *, char *, const char *);

static struct nine mixed(struct nine a, char b, struct triple c, const void *d)
{
    a.number[0] += b + c.x + (d != NULL);
    return a;
}
DELAYED(struct nine, mixed, struct nine, char, struct triple, const void *);

static size_t count(parcel_array a, int b, parcel_array c)
{
    return a.count + (size_t)b + c.count;
}
DELAYED(size_t, count, parcel_array, int, parcel_array);

static parcel_value any(parcel_value a, parcel_value b)
{
    return a.tag == PARCEL_TAG_NONE ? b : a;
}
DELAYED(parcel_value, any, parcel_value, parcel_value);

/* Room for a message, aligned as both ends have it. */
enum { ROOM = 4096 };
struct message {
    _Alignas(16) unsigned char bytes[ROOM];
};

static size_t put(struct message *message, const parcel_call *call)
{
    memset(message, 0xA5, sizeof *message);
    return parcel__wire_put_call(message->bytes, ROOM, call->function, call->arguments);
}

/* The text of a call, new. */
static char *text_of(const parcel_call *call)
{
    struct parcel__text text = {0};
    parcel__function_put_call(&text, call->function, call->arguments);
    return parcel__text_take(&text);
}

/* Sends a call, and checks that it comes back with this text. Two in a row are told apart. */
static void check_sent(parcel_call call, const char *expected)
{
    struct message message;
    parcel_call first, second;
    size_t size = put(&message, &call);
    ck_assert_uint_gt(size, 0);
    ck_assert_uint_eq(size % 16, 0);
    ck_assert_uint_eq(
        parcel__wire_put_call(message.bytes + size, ROOM - size, call.function, call.arguments),
        size);
    ck_assert_uint_eq(parcel__wire_get_call(message.bytes, ROOM, &first), size);
    ck_assert_uint_eq(parcel__wire_get_call(message.bytes + size, size, &second), size);
    ck_assert_ptr_eq(first.function, call.function);
    char *text = text_of(&first), *other = text_of(&second);
    ck_assert_str_eq(text, expected);
    ck_assert_str_eq(other, expected);
    parcel__memory_free(text);
    parcel__memory_free(other);
}

START_TEST(test_numbers)
{
    check_sent(delayed(nothing)(), "nothing()");
    check_sent(delayed(add)(INT_MIN, INT_MAX), "add(-2147483648, 2147483647)");
    check_sent(delayed(small)(true, 'a', -1, 255, -32768, 65535),
               "small(True, 97, -1, 255, -32768, 65535)");
    check_sent(delayed(large)(UINT_MAX, LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX),
               "large(4294967295, -9223372036854775808, 18446744073709551615, "
               "-9223372036854775808, 18446744073709551615)");
    check_sent(delayed(real)(0.5f, NAN, 2.5L, 1 + 2 * I, 3 - 4 * I, 5 + 6 * I),
               "real(0.5, nan, 2.5, (1+2j), (3-4j), (5+6j))");
}
END_TEST

START_TEST(test_strings)
{
    char word[] = "word", longer[300];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    check_sent(delayed(join)("a", word, "it's"), "join('a', 'word', \"it's\")");
    check_sent(delayed(join)("", "exactly 15 long", "sixteen, and so"),
               "join('', 'exactly 15 long', 'sixteen, and so')");
    check_sent(delayed(join)(NULL, NULL, "x"), "join(None, None, 'x')");
    char *expected = text_of(&(parcel_call[]){delayed(join)(longer, NULL, longer)}[0]);
    check_sent(delayed(join)(longer, NULL, longer), expected);
    parcel__memory_free(expected);
}
END_TEST

START_TEST(test_structs_and_pointers)
{
    struct nine nine = {{1, 2, 3}};
    parcel_call call = delayed(mixed)(nine, 'b', (struct triple){4, 5, 6}, &nine), copy;
    struct message message;
    ck_assert_uint_gt(put(&message, &call), 0);
    ck_assert_uint_gt(parcel__wire_get_call(message.bytes, ROOM, &copy), 0);
    ck_assert_mem_eq(copy.arguments, call.arguments, sizeof nine + 1); /* then there is padding */
    copy.function->thunk(copy.arguments, &nine);
    ck_assert_double_eq(nine.number[0], 1 + 'b' + 4 + 1);
}
END_TEST

START_TEST(test_arrays)
{
    double numbers[] = {1, 2.5, NAN};
    int none[1] = {0};
    parcel_array missing = {NULL, 7, PARCEL_DOUBLE, 8}; /* a count, and nothing behind it */
    check_sent(delayed(count)(parcel_array(numbers, 3), 1, parcel_array("ab", 2)),
               "count([1.0, 2.5, nan], 1, [97, 98])");
    check_sent(delayed(count)(parcel_array(none, 0), 2, missing), "count([], 2, [])");
    check_sent(delayed(count)(missing, 3, parcel_array(none, 1)), "count([], 3, [0])");
}
END_TEST

START_TEST(test_values)
{
    double numbers[] = {1, 2};
    const long double precise = 2.5L;
    parcel_array array = parcel_array(numbers, 2), missing = {NULL, 7, PARCEL_DOUBLE, 8};
    parcel_value number = parcel_value_bytes(&precise, sizeof precise);
    number.kind = PARCEL_LDOUBLE;
    check_sent(delayed(any)(parcel_value_none(), parcel_value_bool(true)), "any(None, True)");
    check_sent(delayed(any)(parcel_value_int(-1), parcel_value_uint(UINT64_MAX)),
               "any(-1, 18446744073709551615)");
    check_sent(delayed(any)(parcel_value_double(0.5), parcel_value_string("text")),
               "any(0.5, 'text')");
    check_sent(delayed(any)(parcel_value_bytes("a\0b", 3), parcel_value_string("")),
               "any(b'a\\x00b', '')");
    check_sent(delayed(any)(parcel_value_bytes("", 0), number), "any(b'', 2.5)");
    check_sent(delayed(any)(parcel_value_array(&array), parcel_value_array(&missing)),
               "any([1.0, 2.0], [])");
    parcel_call call = delayed(any)(parcel_value_pointer(numbers), parcel_value_none()), copy;
    struct message message;
    put(&message, &call);
    ck_assert_uint_gt(parcel__wire_get_call(message.bytes, ROOM, &copy), 0);
    ck_assert_mem_eq(copy.arguments, call.arguments, 2 * sizeof(parcel_value));
}
END_TEST

/* What a call that was read points at is the message, whatever became of the sender's memory. */
START_TEST(test_content_is_copied)
{
    char word[] = "word", text[] = "text";
    int numbers[] = {1, 2};
    parcel_array array = parcel_array(numbers, 2);
    parcel_call strings = delayed(join)(word, text, NULL), copy;
    parcel_call values = delayed(any)(parcel_value_array(&array), parcel_value_string(text));
    struct message messages[2];
    put(&messages[0], &strings);
    put(&messages[1], &values);
    memset(word, '?', 4);
    memset(text, '?', 4);
    memset(numbers, 0, sizeof numbers);
    memset(&array, 0, sizeof array);
    for (int again = 0; again < 2; again++) { /* reading does not use a message up */
        parcel__wire_get_call(messages[0].bytes, ROOM, &copy);
        char *string = text_of(&copy);
        ck_assert_str_eq(string, "join('word', 'text', None)");
        parcel__memory_free(string);
        parcel__wire_get_call(messages[1].bytes, ROOM, &copy);
        string = text_of(&copy);
        ck_assert_str_eq(string, "any([1, 2], 'text')");
        parcel__memory_free(string);
    }
}
END_TEST

static parcel_call rich_call(void)
{
    static double numbers[] = {1, 2, 3};
    static parcel_array array;
    array = parcel_array(numbers, 3);
    return delayed(any)(parcel_value_array(&array), parcel_value_string("a string of some length"));
}

static bool is_untouched(const unsigned char *bytes, size_t size)
{
    while (size > 0 && bytes[size - 1] == 0xA5)
        size--;
    return size == 0;
}

/* With one byte less than it needs, a call writes nothing behind its room and is refused. */
START_TEST(test_room_for_calls)
{
    const parcel_call calls[] = {delayed(nothing)(), delayed(add)(1, 2), rich_call(),
                                 delayed(join)("a", "b", "c"),
                                 delayed(count)(parcel_array("abc", 3), 1, parcel_array("d", 1))};
    for (size_t i = 0; i < LENGTH(calls); i++) {
        struct message message;
        size_t needed = put(&message, &calls[i]);
        for (size_t room = 0; room <= needed; room++) {
            memset(&message, 0xA5, sizeof message);
            size_t written =
                parcel__wire_put_call(message.bytes, room, calls[i].function, calls[i].arguments);
            ck_assert_uint_eq(written, room == needed ? needed : 0);
            ck_assert(is_untouched(message.bytes + room, ROOM - room));
        }
    }
}
END_TEST

START_TEST(test_calls_out_of_range)
{
    char byte = 0;
    struct message message;
    const parcel_array arrays[] = {{&byte, SIZE_MAX, PARCEL_DOUBLE, 8},
                                   {&byte, SIZE_MAX / 8, PARCEL_DOUBLE, 8},
                                   {&byte, SIZE_MAX / 8 + 2, PARCEL_DOUBLE, 8},
                                   {&byte, 1, PARCEL_DOUBLE, 1},
                                   {&byte, 1, PARCEL_VALUE + 1, 1}};
    for (size_t i = 0; i < LENGTH(arrays); i++) {
        parcel_call call = delayed(count)(arrays[i], 1, arrays[i]);
        ck_assert_uint_eq(put(&message, &call), 0);
    }
}
END_TEST

/* Reads all that a call points at, so that the sanitizers and valgrind see it. */
static void touch(const parcel_call *call)
{
    for (unsigned i = 0; i < call->function->n_parameters; i++) {
        const parcel_parameter *parameter = &call->function->parameters[i];
        parcel_value value = parcel__function_box(parameter, call->arguments + parameter->offset);
        if (value.tag <= PARCEL_TAG_POINTER)
            parcel_value_hash(value);
    }
}

/* Each byte in turn becomes each of some others: the call is refused, or can be read. */
START_TEST(test_damaged_calls)
{
    static const unsigned char flips[] = {1, 2, 4, 8, 16, 32, 64, 128, 0xFF};
    char word[] = "word";
    const parcel_call calls[] = {delayed(add)(1, 2), rich_call(),
                                 delayed(join)("", word, "a string of some length"),
                                 delayed(count)(parcel_array(word, 4), 1, parcel_array(word, 0))};
    size_t n_refused = 0, n_read = 0, n_wrong = 0;
    for (size_t i = 0; i < LENGTH(calls); i++) {
        struct message whole, damaged;
        parcel_call copy;
        size_t size = put(&whole, &calls[i]);
        for (size_t at = 0; at < size * LENGTH(flips); at++) {
            damaged = whole;
            damaged.bytes[at / LENGTH(flips)] ^= flips[at % LENGTH(flips)];
            size_t read = parcel__wire_get_call(damaged.bytes, size, &copy);
            n_wrong += read > size;
            n_wrong += read > 0 && at / LENGTH(flips) < 16; /* the function is never in doubt */
            n_refused += read == 0;
            n_read += read > 0;
            if (read > 0)
                touch(&copy);
        }
    }
    ck_assert_uint_eq(n_wrong, 0);
    ck_assert_uint_gt(n_refused, 500);
    ck_assert_uint_gt(n_read, 500);
}
END_TEST

/* The message ends where its memory does, so that a byte too many is seen. */
START_TEST(test_calls_that_are_cut_off)
{
    const parcel_call calls[] = {delayed(nothing)(), delayed(add)(1, 2), rich_call(),
                                 delayed(join)("a", "b", "c")};
    for (size_t i = 0; i < LENGTH(calls); i++) {
        struct message message;
        parcel_call copy;
        size_t size = put(&message, &calls[i]);
        for (size_t length = 0; length < size; length++) {
            unsigned char *part = malloc(length ? length : 1);
            memcpy(part, message.bytes, length);
            ck_assert_uint_eq(parcel__wire_get_call(part, length, &copy), 0);
            free(part);
        }
    }
}
END_TEST

/* A generator of numbers that is the same everywhere. */
static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

START_TEST(test_calls_of_noise)
{
    uint64_t random = 1;
    struct message message;
    parcel_call copy;
    memset(&message, 0, sizeof message);
    ck_assert_uint_eq(parcel__wire_get_call(message.bytes, ROOM, &copy), 0);
    for (int i = 0; i < 1000; i++) {
        size_t size = put(&message, &(parcel_call[]){rich_call()}[0]);
        for (size_t at = i % 2 ? 16 : 0; at < size; at++) /* a sound header, or not even that */
            if (next_random(&random) % 4 == 0)
                message.bytes[at] = (unsigned char)next_random(&random);
        if (parcel__wire_get_call(message.bytes, size, &copy) > 0)
            touch(&copy);
    }
}
END_TEST

/* ---- results ---- */

static struct strict strict(int x)
{
    return (struct strict){x};
}
DELAYED(struct strict, strict, int);

static struct triple triple(double x)
{
    return (struct triple){x, x + 1, x + 2};
}
DELAYED(struct triple, triple, double);

static long double precise(long double x)
{
    return x;
}
DELAYED(long double, precise, long double);

static long_complex turn(long_complex z)
{
    return z;
}
DELAYED(long_complex, turn, long_complex);

typedef void *address;
static address point(const void *pointer)
{
    union {
        const void *read;
        void *write;
    } same = {pointer};
    return same.write;
}
DELAYED(address, point, const void *);

static char *edit(char *text)
{
    return text;
}
DELAYED(char *, edit, char *);

static parcel_array give(parcel_array array)
{
    return array;
}
DELAYED(parcel_array, give, parcel_array);

/* A sender's pages, which are shared as a worker's are. */
enum { LARGE = PARCEL__SHARED_LARGE, PAGES = 8 * LARGE };
static struct parcel__wire_room open_room(size_t size)
{
    void *pages = mmap(NULL, PAGES, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert_ptr_ne(pages, MAP_FAILED);
    return (struct parcel__wire_room){pages, size, 0, size};
}

static void close_room(struct parcel__wire_room *room)
{
    munmap(room->base, PAGES);
}

/* A result's place, and the slot that stands for it in a worker's results. */
struct slot {
    _Alignas(64) unsigned char bytes[256];
};

/* The value of the call's result, which stands at place. */
static parcel_value value_at(const parcel_function *function, const void *place)
{
    return parcel__function_box(&function->result, place);
}

/* Where a result stands, by its slot. */
static const void *place_of(const parcel_function *function, const struct slot *slot)
{
    const void *place = slot->bytes;
    if (!parcel__function_result_is_inline(function))
        memcpy(&place, slot->bytes, sizeof place);
    return place;
}

/* Frees what a result that was received is made of. */
static void free_taken(const parcel_function *function, const struct slot *slot)
{
    char *string;
    parcel_array array;
    if (function->result.kind == PARCEL_WRITABLE_STRING) {
        memcpy(&string, slot->bytes, sizeof string);
        free(string);
    } else if (function->result.kind == PARCEL_ARRAY) {
        memcpy(&array, slot->bytes, sizeof array);
        if (!parcel__shared_release(array.data))
            free(array.data);
    }
}

/* Runs a call, and receives its result after the sender's pages are gone. */
static void check_result(parcel_call call)
{
    const parcel_function *function = call.function;
    struct parcel__wire_room room = open_room(PAGES);
    struct parcel__wire_result result;
    struct parcel__arena arena = {0};
    struct slot sent = {{0}}, received = {{0}};
    function->thunk(call.arguments, sent.bytes);
    ck_assert(parcel__wire_put_result(&result, &room, function, sent.bytes));
    ck_assert_uint_eq(room.used % 16, 0);
    const char *fault =
        parcel__wire_get_result(&result, room.base, room.size, function, &arena, received.bytes);
    ck_assert_msg(!fault, "%s: %s", function->name, fault);
    close_room(&room);
    const void *place = place_of(function, &received);
    ck_assert_uint_eq((uintptr_t)place % function->result.offset, 0);
    ck_assert(parcel_value_equal(value_at(function, sent.bytes), value_at(function, place)));
    ck_assert_mem_eq(received.bytes + parcel__function_slot_size(function),
                     sent.bytes + sizeof sent - 64, 64); /* zero: nothing behind the slot */
    free_taken(function, &received);
    parcel__arena_free(&arena);
}

START_TEST(test_results_of_every_kind)
{
    static const double number = 1;
    check_result(delayed(nothing)());
    check_result(delayed(add)(-1, -2));
    check_result(delayed(small)(true, 'a', 1, 2, 3, 4));
    check_result(delayed(large)(1, 2, 3, 4, 5));
    check_result(delayed(real)(1, 2, 3, 4, 5, 6));
    check_result(delayed(precise)(0.1L));
    check_result(delayed(turn)(1.5L - 2 * I));
    check_result(delayed(point)(&number));
    check_result(delayed(point)(NULL));
    check_result(delayed(triple)(1));
    check_result(delayed(strict)(7));
    check_result(delayed(mixed)((struct nine){{1, 2}}, 'x', (struct triple){0}, NULL));
    check_result(delayed(count)(parcel_array("ab", 2), 1, parcel_array("c", 1)));
}
END_TEST

START_TEST(test_results_with_content)
{
    double numbers[] = {1, 2, 3};
    char text[] = "a text that is longer than sixteen bytes", *none = NULL;
    parcel_array array = parcel_array(numbers, 3), missing = {NULL, 7, PARCEL_DOUBLE, 8};
    const parcel_value nil = parcel_value_none();
    check_result(delayed(join)(text, NULL, NULL));
    check_result(delayed(join)("", NULL, NULL));
    check_result(delayed(join)(NULL, NULL, NULL));
    check_result(delayed(edit)(text));
    check_result(delayed(edit)(text + strlen(text)));
    check_result(delayed(edit)(none));
    check_result(delayed(give)(array));
    check_result(delayed(give)(parcel_array(numbers, 0)));
    check_result(delayed(give)(missing));
    check_result(delayed(give)((parcel_array){0}));
    check_result(delayed(any)(parcel_value_string(text), nil));
    check_result(delayed(any)(parcel_value_bytes(numbers, sizeof numbers), nil));
    check_result(delayed(any)(parcel_value_array(&array), nil));
    check_result(delayed(any)(parcel_value_array(&missing), nil));
    check_result(delayed(any)(parcel_value_pointer(numbers), nil));
    check_result(delayed(any)(parcel_value_int(1), nil));
    check_result(delayed(any)(nil, nil));
}
END_TEST

/* An empty array that is not NULL stays so, and is freed as any other. */
START_TEST(test_empty_data)
{
    parcel_call call = delayed(give)(parcel_array("", 0));
    struct parcel__wire_room room = open_room(PAGES);
    struct parcel__wire_result result;
    parcel_array array;
    struct slot slot = {{0}};
    call.function->thunk(call.arguments, &array);
    ck_assert(parcel__wire_put_result(&result, &room, call.function, &array));
    ck_assert_ptr_null(
        parcel__wire_get_result(&result, room.base, PAGES, call.function, NULL, slot.bytes));
    memcpy(&array, slot.bytes, sizeof array);
    ck_assert_ptr_nonnull(array.data);
    ck_assert_uint_eq(array.count, 0);
    free_taken(call.function, &slot);
    close_room(&room);
}
END_TEST

START_TEST(test_large_results)
{
    unsigned char *bytes = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (unsigned char)(i % 251 + 1);
    bytes[LARGE - 1] = '\0';
    parcel_array array = parcel_array(bytes, LARGE);
    check_result(delayed(give)(array));
    array.count = LARGE - 1;
    check_result(delayed(give)(array));
    check_result(delayed(edit)((char *)bytes));
    array.count = 1 << 20;
    check_result(delayed(any)(parcel_value_array(&array), parcel_value_none()));
    free(bytes);
}
END_TEST

/* Wherever the sender's pages start, large data is received as a view if there are any. */
START_TEST(test_large_data_is_viewed)
{
    struct parcel__wire_room whole = open_room(PAGES);
    unsigned char *bytes = calloc(LARGE, 1);
    const parcel_array array = parcel_array(bytes, LARGE);
    const parcel_function *function = parcel_function_of(give);
    void *view = parcel__shared_view(whole.base, LARGE);
    bool has_views = parcel__shared_release(view);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t start = 0; start < 4 * page; start += page) {
        struct parcel__wire_room room = {whole.base + start, PAGES / 2, 0, PAGES / 2};
        struct parcel__wire_result result;
        parcel_array received;
        ck_assert(parcel__wire_put_result(&result, &room, function, &array));
        ck_assert_ptr_null(
            parcel__wire_get_result(&result, room.base, room.size, function, NULL, &received));
        ck_assert(parcel__shared_release(received.data) == has_views);
        if (!has_views)
            free(received.data);
    }
    free(bytes);
    close_room(&whole);
}
END_TEST

/* Large data grows down and keeps its place, while there is some; small content begins anew with
 * each order. */
START_TEST(test_large_data_keeps_its_place)
{
    struct parcel__wire_room room = open_room(PAGES);
    struct parcel__wire_result result;
    unsigned char *bytes = calloc(LARGE + 1, 1);
    const parcel_array array = parcel_array(bytes, LARGE + 1);
    const parcel_function *function = parcel_function_of(give);
    size_t before = room.large;
    for (int i = 0; i < 3; i++) { /* a page more than a quarter of the upper half, each */
        ck_assert(parcel__wire_put_result(&result, &room, function, &array));
        ck_assert_uint_eq(room.large % 4096, 0);
        ck_assert_uint_eq(result.offset, room.large);
        ck_assert_uint_le(room.large + array.count, before);
        ck_assert_uint_eq(room.used, 0);
        before = room.large;
    }
    for (int i = 0; i < 3; i++) {
        ck_assert(parcel__wire_put_result(&result, &room, function, &array));
        ck_assert_uint_lt(result.offset + array.count, room.used + 1);
    }
    ck_assert_uint_eq(room.large, before);
    ck_assert(!parcel__wire_put_result(&result, &room, function, &array));
    free(bytes);
    close_room(&room);
}
END_TEST

/* With less room than a result needs, nothing is written, and the room is as it was. */
START_TEST(test_room_for_results)
{
    double numbers[] = {1, 2, 3};
    parcel_array array = parcel_array(numbers, 3);
    const parcel_value value = parcel_value_array(&array);
    const char *text = "a text of more than sixteen bytes";
    const struct nine nine = {{1}};
    const struct {
        const parcel_function *function;
        const void *place;
        size_t needed;
    } cases[] = {{parcel_function_of(join), &text, 48},
                 {parcel_function_of(edit), &text, 48},
                 {parcel_function_of(mixed), &nine, 80},
                 {parcel_function_of(give), &array, 32},
                 {parcel_function_of(any), &value, 64}};
    struct parcel__wire_result result;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        for (size_t size = 0; size <= cases[i].needed; size += 16) {
            struct message message;
            memset(&message, 0xA5, sizeof message);
            struct parcel__wire_room room = {message.bytes, 16 + size, 16, 16 + size};
            bool is_put =
                parcel__wire_put_result(&result, &room, cases[i].function, cases[i].place);
            ck_assert(is_put == (size == cases[i].needed));
            ck_assert_uint_eq(room.used, is_put ? 16 + size : 16);
            ck_assert_uint_eq(room.large, 16 + size);
            ck_assert_uint_eq(message.bytes[15], 0xA5);
            ck_assert_uint_eq(message.bytes[16 + size], 0xA5);
        }
    }
}
END_TEST

START_TEST(test_results_out_of_range)
{
    char byte = 0;
    struct parcel__wire_room room = open_room(PAGES);
    struct parcel__wire_result result;
    const parcel_array arrays[] = {{&byte, SIZE_MAX, PARCEL_DOUBLE, 8},
                                   {&byte, SIZE_MAX / 8 + 2, PARCEL_DOUBLE, 8},
                                   {&byte, SIZE_MAX / 256, PARCEL_CHAR, 1},
                                   {&byte, PAGES + 1, PARCEL_CHAR, 1}};
    for (size_t i = 0; i < LENGTH(arrays); i++)
        ck_assert(!parcel__wire_put_result(&result, &room, parcel_function_of(give), &arrays[i]));
    close_room(&room);
}
END_TEST

/* The strings of such an array are not there. */
START_TEST(test_arrays_of_strings_are_refused)
{
    const char *words[] = {"a", "b"};
    parcel_array array = parcel_array(words, 2);
    parcel_value value = parcel_value_array(&array);
    struct parcel__wire_room room = open_room(PAGES);
    struct parcel__wire_result result;
    struct parcel__arena arena = {0};
    struct slot slot = {{0}};
    parcel__wire_put_result(&result, &room, parcel_function_of(give), &array);
    ck_contains(parcel__wire_get_result(&result, room.base, PAGES, parcel_function_of(give), &arena,
                                        slot.bytes),
                "array of strings");
    parcel__wire_put_result(&result, &room, parcel_function_of(any), &value);
    ck_contains(parcel__wire_get_result(&result, room.base, PAGES, parcel_function_of(any), &arena,
                                        slot.bytes),
                "array of strings");
    parcel__arena_free(&arena);
    close_room(&room);
}
END_TEST

/* One result of each kind that has content, in the room. */
struct rich_results {
    struct parcel__wire_room room;
    struct parcel__wire_result results[5];
};
static const parcel_function *const rich_functions[] = {
    parcel_function_of(join), parcel_function_of(edit), parcel_function_of(mixed),
    parcel_function_of(give), parcel_function_of(any)};

/* memory: of the room, whose end is the end of what was written. */
static struct rich_results put_rich(unsigned char *memory, size_t size)
{
    memset(memory, 0xA5, size); /* damaged ones may read what lies between others */
    static const struct nine nine = {{1, 2}};
    static int numbers[] = {1, 2, 3, 4, 5};
    static const char *text = "a text of more than sixteen bytes";
    parcel_array array = parcel_array(numbers, 5);
    const parcel_value value = parcel_value_array(&array);
    const void *const places[] = {&text, &text, &nine, &array, &value};
    struct rich_results rich = {.room = {memory, size, 0, size}};
    for (size_t i = 0; i < LENGTH(rich_functions); i++)
        ck_assert(
            parcel__wire_put_result(&rich.results[i], &rich.room, rich_functions[i], places[i]));
    rich.room.size = rich.room.used;
    return rich;
}

/* Receives a result that may be damaged; true when it was accepted, and then it can be read. */
static bool receive(const struct parcel__wire_result *result, const struct parcel__wire_room *room,
                    const parcel_function *function)
{
    struct parcel__arena arena = {0};
    struct slot slot, before;
    memset(&slot, 0x5A, sizeof slot);
    before = slot;
    const char *fault =
        parcel__wire_get_result(result, room->base, room->size, function, &arena, slot.bytes);
    if (fault)
        ck_assert_mem_eq(&slot, &before, sizeof slot);
    else
        parcel_value_hash(value_at(function, place_of(function, &slot)));
    if (!fault)
        free_taken(function, &slot);
    parcel__arena_free(&arena);
    return !fault;
}

START_TEST(test_damaged_results)
{
    size_t n_refused = 0, n_read = 0;
    unsigned char *memory = aligned_alloc(16, 512);
    struct rich_results rich = put_rich(memory, 512);
    for (size_t i = 0; i < LENGTH(rich_functions); i++)
        for (size_t bit = 0; bit < 8 * sizeof rich.results[i]; bit++) {
            struct parcel__wire_result damaged = rich.results[i];
            ((unsigned char *)&damaged)[bit / 8] ^= (unsigned char)(1 << bit % 8);
            bool is_read = receive(&damaged, &rich.room, rich_functions[i]);
            n_refused += !is_read;
            n_read += is_read;
        }
    for (size_t bit = 0; bit < 8 * rich.room.used; bit++) {
        memory[bit / 8] ^= (unsigned char)(1 << bit % 8);
        for (size_t i = 0; i < LENGTH(rich_functions); i++)
            n_read += receive(&rich.results[i], &rich.room, rich_functions[i]);
        memory[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    ck_assert_uint_gt(n_refused, 300);
    ck_assert_uint_gt(n_read, 3000);
    free(memory);
}
END_TEST

/* A worker died while it wrote, or its room is smaller than it said. */
START_TEST(test_results_that_are_cut_off)
{
    unsigned char *memory = aligned_alloc(16, 512);
    struct rich_results rich = put_rich(memory, 512);
    size_t whole = rich.room.used;
    for (size_t i = 0; i < LENGTH(rich_functions); i++)
        ck_assert(receive(&rich.results[i], &rich.room, rich_functions[i]));
    for (size_t size = 0; size < whole; size++) {
        unsigned char *part = aligned_alloc(16, (size + 16) / 16 * 16);
        memcpy(part, memory, size);
        const struct parcel__wire_room room = {part, size, size, size};
        for (size_t i = 0; i < LENGTH(rich_functions); i++) {
            bool is_whole = rich.results[i].offset + rich.results[i].size <= size;
            ck_assert(receive(&rich.results[i], &room, rich_functions[i]) == is_whole);
        }
        free(part);
    }
    free(memory);
}
END_TEST

START_TEST(test_results_without_memory)
{
    const parcel_function *const functions[] = {rich_functions[0], rich_functions[1],
                                                rich_functions[2], rich_functions[3],
                                                rich_functions[4], parcel_function_of(strict)};
    unsigned char *memory = aligned_alloc(16, 512);
    struct rich_results rich = put_rich(memory, 512);
    struct parcel__wire_result results[LENGTH(functions)] = {{{0}, 0, 0}};
    const struct strict odd = {1};
    struct parcel__wire_room rest = {memory, 512, rich.room.used, 512};
    memcpy(results, rich.results, sizeof rich.results);
    ck_assert(parcel__wire_put_result(&results[5], &rest, functions[5], &odd));
    for (size_t i = 0; i < LENGTH(functions); i++) {
        parcel__memory_fail_from(1);
        bool is_received = receive(&results[i], &rest, functions[i]);
        ck_assert_uint_gt(parcel__memory_fail_from(0), 0);
        ck_assert(!is_received);
        ck_assert(receive(&results[i], &rest, functions[i]));
    }
    free(memory);
}
END_TEST

/* Without memory for a view's record, large data is copied; without any, it is refused. */
START_TEST(test_large_result_without_memory)
{
    struct parcel__wire_room room = open_room(PAGES);
    struct parcel__wire_result result;
    unsigned char *bytes = calloc(2 * LARGE, 1);
    const parcel_array array = parcel_array(bytes, 2 * LARGE);
    const parcel_function *function = parcel_function_of(give);
    ck_assert(parcel__wire_put_result(&result, &room, function, &array));
    parcel__memory_fail_from(1);
    bool is_received = receive(&result, &room, function);
    parcel__memory_fail_from(0);
    ck_assert(!is_received);
    ck_assert(receive(&result, &room, function));
    free(bytes);
    close_room(&room);
}
END_TEST

/* ---- messages of failures ---- */

/* Sends a text through a room of that size. */
static void check_text(const char *text, size_t size, const char *expected)
{
    struct message message;
    struct parcel__wire_result result;
    struct parcel__wire_room room = {message.bytes, 16 + size, 16, 16 + size};
    memset(&message, 0xA5, sizeof message);
    bool is_whole = parcel__wire_put_text(&result, &room, text);
    ck_assert(is_whole == (strcmp(text, expected) == 0));
    ck_assert_uint_le(room.used, room.large);
    ck_assert_uint_eq(message.bytes[16 + size], 0xA5);
    ck_assert_str_eq(parcel__wire_get_text(&result, message.bytes, 16 + size), expected);
}

START_TEST(test_texts)
{
    check_text("why", 64, "why");
    check_text("", 64, "");
    check_text("", 0, "");
    check_text("why", 0, "");
    check_text("why", 15, "");
    check_text("fifteen letters", 16, "fifteen letters");
    check_text("sixteen letters.", 16, "sixteen letters");
    check_text("fourteen here \xC3\xA9", 16, "fourteen here "); /* no half of a character */
    check_text("thirteen now \xC3\xA9 and", 16, "thirteen now \xC3\xA9");
}
END_TEST

START_TEST(test_damaged_texts)
{
    struct message message;
    struct parcel__wire_result result;
    struct parcel__wire_room room = {message.bytes, 64, 16, 64};
    memset(&message, 0xA5, sizeof message);
    parcel__wire_put_text(&result, &room, "why it failed");
    for (size_t bit = 0; bit < 8 * sizeof result; bit++) {
        struct parcel__wire_result damaged = result;
        ((unsigned char *)&damaged)[bit / 8] ^= (unsigned char)(1 << bit % 8);
        const char *text = parcel__wire_get_text(&damaged, message.bytes, 64);
        ck_assert(!text || strlen(text) < 64);
    }
    message.bytes[16 + 13] = 'x';
    ck_assert_ptr_null(parcel__wire_get_text(&result, message.bytes, 64));
    ck_assert_ptr_null(parcel__wire_get_text(&result, message.bytes, 29));
    result.size = 0;
    ck_assert_ptr_null(parcel__wire_get_text(&result, message.bytes, 64));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire");
    TCase *tests = suite_case(suite, "calls");
    tcase_add_test(tests, test_numbers);
    tcase_add_test(tests, test_strings);
    tcase_add_test(tests, test_structs_and_pointers);
    tcase_add_test(tests, test_arrays);
    tcase_add_test(tests, test_values);
    tcase_add_test(tests, test_content_is_copied);
    tcase_add_test(tests, test_room_for_calls);
    tcase_add_test(tests, test_calls_out_of_range);
    tcase_add_test(tests, test_damaged_calls);
    tcase_add_test(tests, test_calls_that_are_cut_off);
    tcase_add_test(tests, test_calls_of_noise);
    tests = suite_case(suite, "results");
    tcase_add_test(tests, test_results_of_every_kind);
    tcase_add_test(tests, test_results_with_content);
    tcase_add_test(tests, test_empty_data);
    tcase_add_test(tests, test_large_results);
    tcase_add_test(tests, test_large_data_is_viewed);
    tcase_add_test(tests, test_large_data_keeps_its_place);
    tcase_add_test(tests, test_room_for_results);
    tcase_add_test(tests, test_results_out_of_range);
    tcase_add_test(tests, test_arrays_of_strings_are_refused);
    tcase_add_test(tests, test_damaged_results);
    tcase_add_test(tests, test_results_that_are_cut_off);
    tcase_add_test(tests, test_results_without_memory);
    tcase_add_test(tests, test_large_result_without_memory);
    tcase_add_test(tests, test_texts);
    tcase_add_test(tests, test_damaged_texts);
    return suite_run(suite);
}

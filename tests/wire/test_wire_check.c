/* test_wire_check.c: which calls may go to a process that does not share our memory. */
#include "suite.h"

#include "ground/memory.h"
#include "ground/shared.h"
#include "wire/wire.h"

#include <limits.h>

struct triple {
    double x, y, z;
};

static int add(int a, int b)
{
    return a + b;
}
DELAYED(int, add, int, int);

static void nothing(void)
{
}

static parcel_value any(parcel_value a, parcel_value b)
{
    return a.tag == PARCEL_TAG_NONE ? b : a;
}
DELAYED(parcel_value, any, parcel_value, parcel_value);

static parcel_array give(parcel_array array)
{
    return array;
}
DELAYED(parcel_array, give, parcel_array);

static void update(int step, double *state)
{
    *state += step;
}
DELAYED(void, update, int, double *);

static void reset(double *state)
{
    *state = 0;
}
DELAYED(void, reset, double *);

static double look(const double *state, struct triple const *other)
{
    return *state + other->x;
}
DELAYED(double, look, const double *, struct triple const *);

static void table(const char **names, double *const *rows, const double *const *columns)
{
    (void)names, (void)rows, (void)columns;
}
DELAYED(void, table, const char **, double *const *, const double *const *);

typedef double *number_pointer;
typedef void (*action)(void);
static void hidden(number_pointer number, action act)
{
    (void)number, (void)act;
}
DELAYED(void, hidden, number_pointer, action);

/* A list of one call that anybody may run, and this one. */
static parcel_calls *list_with(parcel_call call)
{
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(add)(1, 2));
    ck_assert(parcel_calls_add(calls, call));
    return calls;
}

enum { IN_SNAPSHOTS = 1, READ_ONLY = 2, ALWAYS = 4 }; /* where a call may go */

/* A process that has all shared blocks. */
#define TARGET(snapshot, only_read) \
    &(struct parcel__wire_target) \
    { \
        .serial = UINT_MAX, .is_snapshot = (snapshot), .read_only = (only_read) \
    }

/* Checks where the call may go, and frees a sentence. */
static void check_travels(parcel_call call, unsigned where)
{
    parcel_calls *calls = list_with(call);
    for (unsigned i = 0; i < 4; i++) {
        bool is_snapshot = i & 1, read_only = i & 2;
        bool expected = (where & ALWAYS) || ((where & IN_SNAPSHOTS) && is_snapshot) ||
                        ((where & READ_ONLY) && is_snapshot && read_only);
        struct parcel__text why = {0};
        ck_assert(parcel__wire_check(calls, 0, 2, TARGET(is_snapshot, read_only), &why) ==
                  expected);
        ck_assert(expected == !why.bytes);
        parcel__text_free(&why);
        ck_assert(parcel__wire_check(calls, 0, 1, TARGET(is_snapshot, read_only), &why));
    }
    ck_assert(parcel__wire_needs_snapshot(calls, UINT_MAX) == !(where & ALWAYS));
    parcel_calls_free(calls);
}

static const double constant = 1;
static const double *const relocated = &constant; /* constant once the program is loaded */
static double variable = 1;

START_TEST(test_pointers_that_travel)
{
    double local = 0, *block = parcel_shared_alloc(sizeof *block);
    struct triple other = {0};
    union {
        const double *const *read;
        double *const *write;
    } same = {&relocated};
    check_travels(delayed(update)(1, NULL), ALWAYS);
    check_travels(delayed(update)(1, block), ALWAYS);
    check_travels(delayed(update)(1, &local), READ_ONLY);
    check_travels(delayed(update)(1, &variable), READ_ONLY);
    check_travels(delayed(look)(&constant, NULL), ALWAYS);
    check_travels(delayed(look)(&local, NULL), IN_SNAPSHOTS);
    check_travels(delayed(look)(NULL, &other), IN_SNAPSHOTS);
    check_travels(delayed(table)(NULL, NULL, same.read), ALWAYS);
    check_travels(delayed(table)((const char *[]){"a"}, NULL, NULL), READ_ONLY);
    check_travels(delayed(table)(NULL, (double *[]){&local}, NULL), IN_SNAPSHOTS);
    check_travels(delayed(table)(NULL, NULL, (const double *[]){&local}), IN_SNAPSHOTS);
    check_travels(delayed(hidden)(NULL, nothing), ALWAYS);
    check_travels(delayed(hidden)(&local, nothing), READ_ONLY);
    parcel_shared_free(block);
    check_travels(delayed(update)(1, block), READ_ONLY);
}
END_TEST

START_TEST(test_values_and_arrays_that_travel)
{
    double local = 0;
    char word[] = "word";
    const parcel_value nil = parcel_value_none();
    const char *constants[] = {"a", NULL, "b"}, *mixture[] = {"a", word};
    void *pointers[] = {NULL, &local};
    parcel_value values[] = {parcel_value_int(1), parcel_value_string(word)};
    parcel_array fine = parcel_array(constants, 3), deep = parcel_array(mixture, 2);
    parcel_array rows[] = {parcel_array(&local, 1)};
    check_travels(delayed(any)(parcel_value_string(word), nil), ALWAYS);
    check_travels(delayed(any)(nil, parcel_value_pointer(&local)), READ_ONLY);
    check_travels(delayed(any)(nil, parcel_value_array(&fine)), ALWAYS);
    check_travels(delayed(any)(nil, parcel_value_array(&deep)), IN_SNAPSHOTS);
    check_travels(delayed(give)(parcel_array(&local, 1)), ALWAYS);
    check_travels(delayed(give)(fine), ALWAYS);
    check_travels(delayed(give)(deep), IN_SNAPSHOTS);
    check_travels(delayed(give)(parcel_array(pointers, 1)), ALWAYS);
    check_travels(delayed(give)(parcel_array(pointers, 2)), READ_ONLY);
    check_travels(delayed(give)(parcel_array(values, 1)), ALWAYS);
    check_travels(delayed(give)(parcel_array(values, 2)), IN_SNAPSHOTS);
    check_travels(delayed(give)(parcel_array(rows, 1)), IN_SNAPSHOTS);
    check_travels(delayed(give)((parcel_array){NULL, 3, PARCEL_POINTER, 8}), ALWAYS);
}
END_TEST

/* The sentence for the list's second call; what stands between its parentheses varies. */
static void check_sentence(parcel_call call, bool is_snapshot, const char *begin, const char *end)
{
    parcel_calls *calls = list_with(call);
    struct parcel__text why = {0};
    ck_assert(!parcel__wire_check(calls, 0, 2, TARGET(is_snapshot, false), &why));
    ck_assert_msg(strncmp(why.bytes, begin, strlen(begin)) == 0, "%s", why.bytes);
    const char *found = strstr(why.bytes, "): ");
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found, end);
    parcel__text_free(&why);
    parcel_calls_free(calls);
}

START_TEST(test_sentences)
{
    double local = 0;
    const void *pointers[] = {&local};
    check_sentence(delayed(update)(1, &local), true, "call 1, update(1, ",
                   "): parameter 2 of update is double *, whose memory other processes do not "
                   "share: take it from parcel_shared_alloc, make it const double *, or set "
                   ".read_only");
    check_sentence(delayed(update)(1, &local), false, "call 1, update(1, ",
                   "): parameter 2 of update is double *, whose memory other processes do not "
                   "share: take it from parcel_shared_alloc before the run");
    check_sentence(delayed(hidden)(&local, NULL), true, "call 1, hidden(",
                   "): parameter 1 of hidden is number_pointer, whose memory other processes do "
                   "not share: take it from parcel_shared_alloc, make it a pointer to const, or "
                   "set .read_only");
    check_sentence(delayed(any)(parcel_value_none(), parcel_value_pointer(&local)), true,
                   "call 1, any(None, ",
                   "): parameter 2 of any is a pointer, whose memory other processes do not "
                   "share: take it from parcel_shared_alloc or set .read_only");
    check_sentence(delayed(give)(parcel_array(pointers, 1)), false, "call 1, give(",
                   "): parameter 1 of give is an array of pointers, whose memory other processes "
                   "do not share: take it from parcel_shared_alloc before the run");
}
END_TEST

/* The same for ranks: of such that made the calls too, and of such that they are sent to. */
static void check_for_ranks(parcel_call call, const char *own, const char *sent)
{
    parcel_calls *calls = list_with(call);
    for (int is_snapshot = 0; is_snapshot < 2; is_snapshot++) {
        const struct parcel__wire_target target = {.is_snapshot = is_snapshot, .is_rank = true};
        const char *expected = is_snapshot ? own : sent;
        struct parcel__text why = {0};
        ck_assert(parcel__wire_check(calls, 0, 2, &target, &why) == !expected);
        if (expected)
            ck_contains(why.bytes, expected);
        parcel__text_free(&why);
    }
    parcel_calls_free(calls);
}

START_TEST(test_calls_for_other_ranks)
{
    double local = 0, *block = parcel_shared_alloc(sizeof *block);
    const void *pointers[] = {&local};
    static const char update_own[] =
        "parameter 2 of update is double *, whose memory other ranks do not share: return what "
        "the call writes, make it const double *, or set .read_only";
    static const char update_sent[] =
        "parameter 2 of update is double *, whose memory other ranks do not share: give it as a "
        "parcel_array, a string or a struct";
    check_for_ranks(delayed(update)(1, NULL), NULL, NULL);
    check_for_ranks(delayed(update)(1, &local), update_own, update_sent);
    check_for_ranks(delayed(update)(1, block), update_own, update_sent);
    check_for_ranks(delayed(look)(&constant, NULL), NULL, NULL);
    check_for_ranks(delayed(look)(&local, NULL), NULL, "is const double *, whose memory other");
    check_for_ranks(delayed(give)(parcel_array(pointers, 1)),
                    "do not share: return what the call writes or set .read_only",
                    "an array of pointers, whose memory other ranks do not share");
    parcel_shared_free(block);
}
END_TEST

START_TEST(test_shared_blocks_that_are_too_young)
{
    double *block = parcel_shared_alloc(sizeof *block);
    unsigned serial = parcel__shared_serial();
    parcel_calls *calls = list_with(delayed(update)(1, block));
    for (unsigned age = 0; age < 2; age++) {
        const struct parcel__wire_target target = {.serial = serial - age, .is_snapshot = true};
        struct parcel__text why = {0};
        ck_assert(parcel__wire_check(calls, 0, 2, &target, &why) == (age == 0));
        ck_assert(!why.bytes == (age == 0));
        parcel__text_free(&why);
    }
    parcel_calls_free(calls);
    parcel_shared_free(block);
}
END_TEST

typedef double *place;
static place find(place start, int steps)
{
    return start + steps;
}
DELAYED(place, find, place, int);

static const char *check_pointer(const void *pointer, unsigned serial)
{
    return parcel__wire_check_result(parcel_function_of(find), &pointer, serial);
}

static const char *check_value(parcel_value value, unsigned serial)
{
    return parcel__wire_check_result(parcel_function_of(any), &value, serial);
}

static const char *check_array(parcel_array array)
{
    return parcel__wire_check_result(parcel_function_of(give), &array, UINT_MAX);
}

START_TEST(test_results)
{
    double local = 0, *block = parcel_shared_alloc(2 * sizeof *block);
    unsigned serial = parcel__shared_serial();
    const void *fine[] = {NULL, block, &constant}, *mixture[] = {block, &local};
    const char *strings[] = {"a", "b"};
    parcel_array numbers = parcel_array(&local, 1), pointers = parcel_array(mixture, 2);
    ck_assert_ptr_null(check_pointer(NULL, serial));
    ck_assert_ptr_null(check_pointer(&constant, serial));
    ck_assert_ptr_null(check_pointer(block + 1, serial));
    ck_contains(check_pointer(block + 1, serial - 1), "returns a pointer to memory that ");
    ck_contains(check_pointer(&variable, serial), "returns a pointer to memory that ");
    ck_assert_ptr_null(check_value(parcel_value_double(1), serial));
    ck_assert_ptr_null(check_value(parcel_value_pointer(block), serial));
    ck_assert_ptr_null(check_value(parcel_value_array(&numbers), serial));
    ck_contains(check_value(parcel_value_pointer(&local), serial), "returns a pointer");
    ck_contains(check_value(parcel_value_array(&pointers), serial), "returns a pointer");
    ck_assert_ptr_null(check_array(parcel_array(fine, 3)));
    ck_contains(check_array(pointers), "returns a pointer");
    ck_assert_ptr_null(check_array(parcel_array(strings, 2)));
    parcel_shared_free(block);
}
END_TEST

START_TEST(test_no_memory_is_no_yes)
{
    double local = 0;
    struct parcel__text why = {0};
    parcel_calls *calls = list_with(delayed(update)(1, &local));
    parcel__memory_fail_from(1);
    bool may = parcel__wire_check(calls, 0, 2, TARGET(true, false), &why);
    parcel__memory_fail_from(0);
    ck_assert(!may);
    ck_assert(why.failed);
    parcel__text_free(&why);
    parcel_calls_free(calls);
}
END_TEST

START_TEST(test_maps_that_travel)
{
    double local = 0, *block = parcel_shared_alloc(3 * sizeof *block);
    double *fine[] = {block, block + 1, NULL}, *mixture[] = {block, &local};
    int numbers[] = {1, 2};
    struct parcel__text why = {0};
    const parcel_calls *plain = parcel_map(square, numbers, 2);
    ck_assert(parcel__wire_check(plain, 0, 2, TARGET(false, false), &why));
    ck_assert(!parcel__wire_needs_snapshot(plain, 0));
    ck_assert(parcel__wire_check(parcel_map(reset, fine, 3), 0, 3, TARGET(false, false), &why));
    const parcel_calls *mixed_map = parcel_map(reset, mixture, 2);
    ck_assert(parcel__wire_check(mixed_map, 0, 1, TARGET(false, false), &why));
    ck_assert(!parcel__wire_check(mixed_map, 0, 2, TARGET(false, false), &why));
    ck_contains(why.bytes, "call 1, reset(");
    parcel__text_free(&why);
    parcel_shared_free(block);
}
END_TEST

/* A block that is younger than the processes is not among what they see. */
START_TEST(test_needs_snapshot)
{
    double *old = parcel_shared_alloc(sizeof *old);
    unsigned serial = parcel__shared_serial();
    double *young = parcel_shared_alloc(sizeof *young);
    parcel_calls *calls = list_with(delayed(update)(1, old));
    ck_assert(!parcel__wire_needs_snapshot(calls, serial));
    parcel_calls_add(calls, delayed(update)(1, young));
    ck_assert(parcel__wire_needs_snapshot(calls, serial));
    ck_assert(!parcel__wire_needs_snapshot(calls, parcel__shared_serial()));
    parcel_calls_free(calls);
    parcel_shared_free(old);
    parcel_shared_free(young);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire_check");
    TCase *tests = suite_case(suite, "calls that travel");
    tcase_add_test(tests, test_pointers_that_travel);
    tcase_add_test(tests, test_values_and_arrays_that_travel);
    tcase_add_test(tests, test_sentences);
    tcase_add_test(tests, test_calls_for_other_ranks);
    tcase_add_test(tests, test_shared_blocks_that_are_too_young);
    tcase_add_test(tests, test_results);
    tcase_add_test(tests, test_no_memory_is_no_yes);
    tcase_add_test(tests, test_maps_that_travel);
    tcase_add_test(tests, test_needs_snapshot);
    return suite_run(suite);
}

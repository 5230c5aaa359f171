/*
 * test_identity.c: functions of the program and of libraries, as another process has them.
 *
 * The other process is this program, started anew, which says what it calls them. It takes some
 * memory first, so that its libraries lie elsewhere.
 */
#include "suite.h"

#include "calls/calls.h"
#include "calls/identity.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

static int twice(int i)
{
    return 2 * i;
}
DELAYED(int, twice, int);

static double half(double x)
{
    return x / 2;
}
DELAYED(double, half, double);

static bool is_same(struct parcel__identity one, struct parcel__identity other)
{
    return one.object == other.object && one.offset == other.offset;
}

static struct parcel__identity identity_of(const void *address)
{
    struct parcel__identity identity;
    ck_assert(parcel__identity_of(address, &identity));
    return identity;
}

/* The descriptor in a library, which is loaded now. */
static const parcel_function *function_in(const char *library)
{
    parcel_calls *(*make)(int);
    void *object = dlopen(library, RTLD_NOW);
    if (!object)
        return NULL;
    *(void **)&make = dlsym(object, "late_calls");
    parcel_calls *calls = make(1);
    const parcel_function *function = parcel__calls_function(calls, 0);
    parcel_calls_free(calls);
    return function;
}

static const char *const libraries[] = {LATE, BARE};

/* Line by line: the build, and the identities of a function of each object. */
static int tell_identities(void)
{
    const parcel_function *functions[] = {parcel_function_of(twice), NULL, NULL};
    struct parcel__identity identity;
    mmap(NULL, 123 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    printf("%" PRIx64 " 0\n", parcel__identity_build());
    for (size_t i = 0; i < LENGTH(functions); i++) {
        if (i > 0)
            functions[i] = function_in(libraries[i - 1]);
        if (!parcel__identity_of(functions[i], &identity))
            return EXIT_FAILURE;
        printf("%" PRIx64 " %" PRIx64 "\n", identity.object, identity.offset);
    }
    return EXIT_SUCCESS;
}

static FILE *start_other(void)
{
    char path[4000], command[4100];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    ck_assert_int_gt(length, 0);
    path[length] = '\0';
    snprintf(command, sizeof command, "'%s' tell", path);
    return popen(command, "r");
}

static struct parcel__identity read_identity(FILE *file)
{
    struct parcel__identity identity;
    ck_assert_int_eq(fscanf(file, "%" SCNx64 " %" SCNx64, &identity.object, &identity.offset), 2);
    return identity;
}

START_TEST(test_another_process)
{
    if (!suite_loads(LATE))
        return;
    FILE *other = start_other();
    ck_assert_ptr_nonnull(other);
    ck_assert_uint_eq(read_identity(other).object, parcel__identity_build());
    struct parcel__identity own = read_identity(other);
    ck_assert(is_same(own, identity_of(parcel_function_of(twice))));
    for (size_t i = 0; i < LENGTH(libraries); i++) {
        struct parcel__identity identity = read_identity(other);
        ck_assert_ptr_null(parcel__identity_find(identity, sizeof(parcel_function)));
        const parcel_function *function = function_in(libraries[i]);
        ck_assert_ptr_eq(parcel__identity_find(identity, sizeof(parcel_function)), function);
        ck_assert(is_same(identity, identity_of(function)));
        ck_contains(libraries[i], parcel__identity_object_name(function));
    }
    ck_assert_int_eq(pclose(other), 0);
}
END_TEST

START_TEST(test_functions_and_code)
{
    struct parcel__identity one = identity_of(parcel_function_of(twice));
    struct parcel__identity other = identity_of(parcel_function_of(half));
    struct parcel__identity code = identity_of((const void *)(uintptr_t)&lldiv);
    ck_assert_uint_eq(one.object, parcel__identity_build());
    ck_assert_uint_eq(one.object, other.object);
    ck_assert_uint_ne(one.offset, other.offset);
    ck_assert_ptr_eq(parcel__identity_find(one, sizeof(parcel_function)),
                     parcel_function_of(twice));
    ck_assert_ptr_eq(parcel__identity_find(code, 1), (const void *)(uintptr_t)&lldiv);
    ck_assert_str_eq(parcel__identity_object_name(parcel_function_of(twice)), "the program");
    if (!suite_loads_objects())
        return;
    ck_assert_uint_ne(code.object, one.object);
    const char *library = parcel__identity_object_name((const void *)(uintptr_t)&lldiv);
    ck_assert_msg(strstr(library, "libc") || strstr(library, "musl"), "%s", library);
}
END_TEST

START_TEST(test_what_has_none)
{
    struct parcel__identity identity;
    int local = 0;
    void *heap = malloc(1);
    ck_assert(!parcel__identity_of(NULL, &identity));
    ck_assert(!parcel__identity_of(&local, &identity));
    ck_assert(!parcel__identity_of(heap, &identity));
    ck_assert_ptr_null(parcel__identity_object_name(heap));
    free(heap);
    struct parcel__identity known = identity_of(parcel_function_of(twice));
    identity = (struct parcel__identity){known.object + 1, known.offset};
    ck_assert_ptr_null(parcel__identity_find(identity, 1));
    identity = (struct parcel__identity){known.object, UINT64_MAX / 2};
    ck_assert_ptr_null(parcel__identity_find(identity, 1));
    ck_assert_ptr_null(parcel__identity_find(known, SIZE_MAX));
    ck_assert_ptr_null(parcel__identity_find((struct parcel__identity){0, 0}, 1));
}
END_TEST

START_TEST(test_registered)
{
    static parcel_function named, other;
    const parcel_function on_stack = *parcel_function_of(twice);
    struct parcel__identity identity;
    named = on_stack;
    other = *parcel_function_of(half);
    ck_assert(!parcel__identity_of(&on_stack, &identity));
    ck_assert_ptr_null(parcel__identity_register("twice as much", &named));
    ck_assert_ptr_null(parcel__identity_register("twice as much", &named));
    identity = identity_of(&named);
    ck_assert_uint_eq(identity.object, 0);
    ck_assert_ptr_eq(parcel__identity_find(identity, sizeof(parcel_function)), &named);
    ck_contains(parcel__identity_register("twice as much", &other), "another function");
    ck_contains(parcel__identity_register("2 x", &named), "another name");
    ck_assert_ptr_null(parcel__identity_register("half", &other));
    ck_assert(!is_same(identity, identity_of(&other)));
    ck_contains(parcel__identity_register(NULL, &other), "name");
    ck_contains(parcel__identity_register("", &other), "name");
    ck_contains(parcel__identity_register("none", NULL), "NULL");
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "tell") == 0)
        return tell_identities();
    Suite *suite = suite_create("identity");
    TCase *tests = suite_case(suite, "identity");
    tcase_add_test(tests, test_another_process);
    tcase_add_test(tests, test_functions_and_code);
    tcase_add_test(tests, test_what_has_none);
    tcase_add_test(tests, test_registered);
    return suite_run(suite);
}

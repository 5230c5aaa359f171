/* test_backends.c: the registry of backends. */
#include "suite.h"

#include "ground/memory.h"
#include "options/backends.h"

static void run_all(void *state, parcel_job *job, int n_workers)
{
    (void)state;
    for (int worker = 0; worker < n_workers; worker++)
        parcel_job_work(job, worker);
}

static const char *const nicknames[] = {"short", "tiny", NULL};
static const parcel_backend mine = {
    .size = sizeof mine, .name = "mine", .aliases = nicknames, .capabilities = 0, .run = run_all};
static const parcel_backend other = {.size = sizeof other, .name = "other", .run = run_all};

/* What the run says that it ran on. */
static bool runs_on(const char *asked, const char *name)
{
    parcel_results *results = run_and_free(&(parcel_options){.backend = asked}, squares(5));
    bool right = are_squares(results, 5) && strcmp(parcel_results_backend(results), name) == 0;
    parcel_results_free(results);
    return right;
}

START_TEST(test_built_in)
{
    ck_assert_str_eq(parcel__backends_find("sequential")->name, "sequential");
    ck_assert_str_eq(parcel__backends_find("threading")->name, "threading");
    ck_assert_ptr_eq(parcel__backends_find("openmp"), parcel__backends_find("threading"));
    ck_assert_ptr_eq(parcel__backends_default(), parcel__backends_find("threading"));
    ck_assert_ptr_null(parcel__backends_find("Threading"));
    ck_assert_ptr_null(parcel__backends_find(""));
    ck_assert_ptr_null(parcel_backend_at(SIZE_MAX));
    ck_assert_ptr_null(parcel_backend_at((size_t)suite_backends()));
}
END_TEST

START_TEST(test_names)
{
    struct parcel__text text = {0};
    parcel__backends_put_names(&text);
    ck_assert_str_eq(text.bytes, "['sequential', 'threading', 'processes', 'mpi']");
    parcel__text_free(&text);
    ck_assert_ptr_null(parcel_register_backend(&mine, false));
    parcel__backends_put_names(&text);
    ck_assert_str_eq(text.bytes, "['sequential', 'threading', 'processes', 'mpi', 'mine']");
    parcel__text_free(&text);
    ck_assert(parcel_unregister_backend("mine"));
}
END_TEST

START_TEST(test_register)
{
    int before = suite_backends();
    ck_assert_ptr_null(parcel_register_backend(&mine, false));
    ck_assert_int_eq(suite_backends(), before + 1);
    ck_assert_ptr_eq(parcel_backend_at((size_t)before), &mine);
    ck_assert_ptr_eq(parcel__backends_find("mine"), &mine);
    ck_assert_ptr_eq(parcel__backends_find("tiny"), &mine);
    ck_assert(runs_on("mine", "mine"));
    ck_assert(runs_on("short", "mine"));
    ck_assert_str_eq(parcel__backends_default()->name, "threading");
    ck_assert(parcel_unregister_backend("mine"));
    ck_assert_ptr_null(parcel__backends_find("mine"));
    ck_assert_ptr_null(parcel__backends_find("tiny"));
    ck_assert_int_eq(suite_backends(), before);
}
END_TEST

START_TEST(test_default_is_restored)
{
    ck_assert_ptr_null(parcel_register_backend(&mine, true));
    ck_assert_ptr_eq(parcel__backends_default(), &mine);
    ck_assert(runs_on(NULL, "mine"));
    ck_assert_ptr_null(parcel_register_backend(&other, true));
    ck_assert_ptr_eq(parcel__backends_default(), &other);
    ck_assert(parcel_unregister_backend("mine")); /* the default stays */
    ck_assert_ptr_eq(parcel__backends_default(), &other);
    ck_assert(parcel_unregister_backend("other"));
    ck_assert_str_eq(parcel__backends_default()->name, "threading");
}
END_TEST

START_TEST(test_taken_names)
{
    static const char *const taken_aliases[] = {"free", "tiny", NULL};
    static const char *const openmp[] = {"openmp", NULL};
    const parcel_backend again = {.size = sizeof again, .name = "mine", .run = run_all};
    const parcel_backend alias_taken = {
        .size = sizeof again, .name = "new", .aliases = taken_aliases, .run = run_all};
    const parcel_backend name_is_alias = {.size = sizeof again, .name = "short", .run = run_all};
    const parcel_backend as_openmp = {
        .size = sizeof again, .name = "new", .aliases = openmp, .run = run_all};
    ck_assert_ptr_null(parcel_register_backend(&mine, false));
    ck_contains(parcel_register_backend(&again, true), "known already");
    ck_contains(parcel_register_backend(&alias_taken, true), "known already");
    ck_contains(parcel_register_backend(&name_is_alias, true), "known already");
    ck_contains(parcel_register_backend(&as_openmp, true), "known already");
    ck_assert_str_eq(parcel__backends_default()->name, "threading");
    ck_assert_ptr_null(parcel__backends_find("free"));
    ck_assert(parcel_unregister_backend("mine"));
}
END_TEST

START_TEST(test_faulty)
{
    parcel_backend faulty = mine;
    ck_assert_ptr_nonnull(parcel_register_backend(NULL, false));
    faulty.size = 1;
    ck_contains(parcel_register_backend(&faulty, false), "size");
    faulty = mine;
    faulty.name = NULL;
    ck_contains(parcel_register_backend(&faulty, false), "name");
    faulty.name = "";
    ck_contains(parcel_register_backend(&faulty, false), "name");
    faulty = mine;
    faulty.run = NULL;
    ck_contains(parcel_register_backend(&faulty, false), "run");
    ck_assert_ptr_null(parcel__backends_find("mine"));
}
END_TEST

START_TEST(test_unregister)
{
    ck_assert(!parcel_unregister_backend(NULL));
    ck_assert(!parcel_unregister_backend("nobody"));
    ck_assert(!parcel_unregister_backend("sequential"));
    ck_assert(!parcel_unregister_backend("openmp"));
    ck_assert_ptr_null(parcel_register_backend(&mine, false));
    ck_assert_ptr_null(parcel_register_backend(&other, false));
    ck_assert(parcel_unregister_backend("mine"));
    ck_assert(!parcel_unregister_backend("mine"));
    ck_assert_ptr_eq(parcel__backends_find("other"), &other);
    ck_assert(parcel_unregister_backend("other"));
}
END_TEST

START_TEST(test_full_table)
{
    enum { COUNT = 100 };
    static parcel_backend backends[COUNT];
    static char names[COUNT][16];
    int entered = 0;
    const char *fault = NULL;
    while (entered < COUNT && !fault) {
        snprintf(names[entered], sizeof names[entered], "b%d", entered);
        backends[entered] = mine;
        backends[entered].name = names[entered];
        backends[entered].aliases = NULL;
        fault = parcel_register_backend(&backends[entered], false);
        entered += !fault;
    }
    ck_assert_int_eq(entered, 64);
    ck_contains(fault, "64 backends are registered already");
    ck_assert_ptr_eq(parcel__backends_find("b63"), &backends[63]);
    for (int i = 0; i < entered; i++)
        ck_assert(parcel_unregister_backend(names[i]));
    ck_assert_ptr_null(parcel_register_backend(&mine, false));
    ck_assert(parcel_unregister_backend("mine"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backend");
    TCase *tests = suite_case(suite, "backend");
    tcase_add_test(tests, test_built_in);
    tcase_add_test(tests, test_names);
    tcase_add_test(tests, test_register);
    tcase_add_test(tests, test_default_is_restored);
    tcase_add_test(tests, test_taken_names);
    tcase_add_test(tests, test_faulty);
    tcase_add_test(tests, test_unregister);
    tcase_add_test(tests, test_full_table);
    return suite_run(suite);
}

/* test_shared.c: blocks and views that several processes see. */
#include "suite.h"

#include "ground/memory.h"
#include "ground/shared.h"
#include "results/results.h"

#include <limits.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LARGE = PARCEL__SHARED_LARGE, MANY = 200 };

static parcel_array numbers(void)
{
    return (parcel_array){0};
}
DELAYED(parcel_array, numbers);

/* Runs work in a child, and waits for its end. */
static void in_child(void (*work)(void *), void *state)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        work(state);
        _exit(0);
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

/* Shared pages that belong to no block. */
static unsigned char *map_pages(void)
{
    void *pages = mmap(NULL, LARGE, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert_ptr_ne(pages, MAP_FAILED);
    return pages;
}

/* ---- blocks ---- */

static void write_one(void *state)
{
    int *number = state;
    *number = 1;
}

START_TEST(test_blocks_are_shared)
{
    int *block = parcel_shared_alloc(3 * sizeof *block);
    ck_assert_ptr_nonnull(block);
    ck_assert_uint_eq((uintptr_t)block % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(block[i], 0);
    in_child(write_one, &block[1]);
    ck_assert_int_eq(block[0], 0);
    ck_assert_int_eq(block[1], 1);
    parcel_shared_free(block);
}
END_TEST

START_TEST(test_sizes)
{
    char *nothing = parcel_shared_alloc(0), *other = parcel_shared_alloc(0);
    ck_assert_ptr_nonnull(nothing);
    ck_assert_ptr_ne(nothing, other);
    ck_assert_ptr_null(parcel_shared_alloc(SIZE_MAX));
    ck_assert_ptr_null(parcel_shared_alloc(SIZE_MAX / 2));
    parcel_shared_free(nothing);
    parcel_shared_free(other);
}
END_TEST

START_TEST(test_what_is_no_block_is_left_alone)
{
    int local = 7;
    char *block = parcel_shared_alloc(100);
    parcel_shared_free(NULL);
    parcel_shared_free(&local);
    parcel_shared_free(block + 1);
    block[0] = 'x'; /* it is still there */
    ck_assert(!parcel__shared_release(block));
    parcel_shared_free(block);
    parcel_shared_free(block);
    ck_assert_int_eq(local, 7);
}
END_TEST

START_TEST(test_covers)
{
    unsigned before = parcel__shared_serial();
    char *block = parcel_shared_alloc(1000);
    unsigned after = parcel__shared_serial();
    ck_assert_uint_gt(after, before);
    ck_assert(parcel__shared_covers(block, after));
    ck_assert(parcel__shared_covers(block + 999, UINT_MAX));
    ck_assert(!parcel__shared_covers(block + 1000, UINT_MAX));
    ck_assert(!parcel__shared_covers(block - 1, UINT_MAX));
    ck_assert(!parcel__shared_covers(block, before));
    ck_assert(!parcel__shared_covers(NULL, UINT_MAX));
    parcel_shared_free(block);
    ck_assert(!parcel__shared_covers(block, UINT_MAX));
    ck_assert_uint_eq(parcel__shared_serial(), after);
}
END_TEST

/* Freed in another order than they came, so that the table closes gaps anywhere. */
START_TEST(test_many_blocks)
{
    char *blocks[MANY];
    unsigned serials[MANY];
    for (size_t i = 0; i < MANY; i++) {
        blocks[i] = parcel_shared_alloc(1 + i * 100);
        serials[i] = parcel__shared_serial();
    }
    for (size_t i = 0; i < MANY; i++) {
        size_t gone = i * 77 % MANY;
        ck_assert(parcel__shared_covers(blocks[gone] + gone * 100, serials[gone]));
        ck_assert(!parcel__shared_covers(blocks[gone], serials[gone] - 1));
        parcel_shared_free(blocks[gone]);
        ck_assert(!parcel__shared_covers(blocks[gone], UINT_MAX));
    }
}
END_TEST

START_TEST(test_block_without_memory)
{
    unsigned before = parcel__shared_serial();
    parcel__memory_fail_from(1);
    void *block = parcel_shared_alloc(100);
    parcel__memory_fail_from(0);
    ck_assert_ptr_null(block);
    ck_assert_uint_eq(parcel__shared_serial(), before);
    block = parcel_shared_alloc(100);
    ck_assert(parcel__shared_covers(block, UINT_MAX));
    parcel_shared_free(block);
}
END_TEST

static void *make_and_free(void *state)
{
    bool *is_right = state;
    for (int i = 0; i < MANY; i++) {
        char *block = parcel_shared_alloc(100);
        *is_right = *is_right && block && parcel__shared_covers(block + 99, UINT_MAX);
        parcel_shared_free(block);
    }
    return NULL;
}

START_TEST(test_threads)
{
    pthread_t threads[4];
    bool is_right[4] = {true, true, true, true};
    for (size_t i = 0; i < LENGTH(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_and_free, &is_right[i]), 0);
    for (size_t i = 0; i < LENGTH(threads); i++) {
        pthread_join(threads[i], NULL);
        ck_assert(is_right[i]);
    }
}
END_TEST

/* ---- views ---- */

/* A view of the pages; NULL where there are none (valgrind), and the test has nothing to say. */
static unsigned char *view_of(unsigned char *pages)
{
    pages[LARGE - 1] = 3;
    return parcel__shared_view(pages, LARGE);
}

START_TEST(test_views)
{
    unsigned char *pages = map_pages(), *view = view_of(pages);
    if (view) {
        ck_assert_ptr_ne(view, pages);
        ck_assert_int_eq(view[LARGE - 1], 3);
        pages[0] = 4;
        ck_assert_int_eq(view[0], 4);
        ck_assert(!parcel__shared_covers(view, UINT_MAX)); /* it is no block */
        parcel_shared_free(view);
    }
    munmap(pages, LARGE);
    if (view) {
        ck_assert_int_eq(view[0], 4);
        ck_assert(parcel__shared_release(view));
    }
    ck_assert(!parcel__shared_release(view));
}
END_TEST

/* Only part of a map is viewed, as of a worker's pages; the rest is not touched by the release. */
START_TEST(test_release_empties_the_pages)
{
    unsigned char *pages = map_pages();
    pages[LARGE / 2 - 1] = 5;
    pages[LARGE / 2] = 6;
    unsigned char *view = parcel__shared_view(pages + LARGE / 2, LARGE / 2);
    if (view) {
        ck_assert_int_eq(view[0], 6);
        ck_assert(parcel__shared_release(view));
        ck_assert_int_eq(pages[LARGE / 2], 0);
        ck_assert_int_eq(pages[LARGE / 2 - 1], 5);
    }
    munmap(pages, LARGE);
}
END_TEST

static void release_in_child(void *view)
{
    if (!parcel__shared_release(view))
        _exit(1);
}

/* A program that forks by itself may free in the child what it still reads in the parent. */
START_TEST(test_release_in_another_process)
{
    unsigned char *pages = map_pages(), *view = view_of(pages);
    if (view) {
        in_child(release_in_child, view);
        ck_assert_int_eq(view[LARGE - 1], 3);
        ck_assert(parcel__shared_release(view));
    }
    munmap(pages, LARGE);
}
END_TEST

START_TEST(test_view_without_memory)
{
    unsigned char *pages = map_pages();
    parcel__memory_fail_from(1);
    void *view = view_of(pages);
    parcel__memory_fail_from(0);
    ck_assert_ptr_null(view);
    ck_assert_int_eq(pages[LARGE - 1], 3);
    munmap(pages, LARGE);
}
END_TEST

START_TEST(test_no_view_of_private_memory)
{
    void *pages = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(pages, MAP_FAILED);
    ck_assert_ptr_null(parcel__shared_view(pages, LARGE));
    munmap(pages, LARGE);
}
END_TEST

static unsigned char *new_bytes(size_t size)
{
    return calloc(size, 1);
}

/* Results free an array's data as what it is: a view, or what a call allocated. */
START_TEST(test_results_release_views)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 3; i++)
        parcel_calls_add(calls, delayed(numbers)());
    parcel_results *results = parcel__results_new(calls, 1);
    unsigned char *pages = map_pages(), *view = view_of(pages);
    const parcel_array arrays[] = {parcel_array(view ? view : new_bytes(LARGE), LARGE),
                                   parcel_array(new_bytes(LARGE), LARGE),
                                   parcel_array(new_bytes(8), 8)};
    for (size_t i = 0; i < 3; i++)
        memcpy(results->slots + i * results->slot_size, &arrays[i], sizeof arrays[i]);
    parcel__results_mark(results, 0, 3, PARCEL_OK, (struct parcel__record){0});
    parcel_results_free(results);
    ck_assert_int_eq(pages[LARGE - 1], view ? 0 : 3);
    ck_assert(!parcel__shared_release(view));
    munmap(pages, LARGE);
    parcel_calls_free(calls);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shared");
    TCase *tests = suite_case(suite, "blocks");
    tcase_add_test(tests, test_blocks_are_shared);
    tcase_add_test(tests, test_sizes);
    tcase_add_test(tests, test_what_is_no_block_is_left_alone);
    tcase_add_test(tests, test_covers);
    tcase_add_test(tests, test_many_blocks);
    tcase_add_test(tests, test_block_without_memory);
    tcase_add_test(tests, test_threads);
    tests = suite_case(suite, "views");
    tcase_add_test(tests, test_views);
    tcase_add_test(tests, test_release_empties_the_pages);
    tcase_add_test(tests, test_release_in_another_process);
    tcase_add_test(tests, test_view_without_memory);
    tcase_add_test(tests, test_no_view_of_private_memory);
    tcase_add_test(tests, test_results_release_views);
    return suite_run(suite);
}

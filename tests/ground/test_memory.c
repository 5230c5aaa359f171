/* test_memory.c: allocations that fail on demand, the cache of blocks, and arenas. */
#include "suite.h"

#include "ground/memory.h"

#include <stdint.h>

enum { KIB = 1 << 10, MIB = 1 << 20, MOST = 80 };

static struct parcel__block blocks[MOST];

/* Takes count blocks and touches each. Returns how many came from the cache: a fresh page is zero,
 * and one that was used before keeps its mark. */
static int take_all(int count, size_t size)
{
    int reused = 0;
    for (int i = 0; i < count; i++) {
        ck_assert(parcel__memory_take(&blocks[i], size, false));
        unsigned char *bytes = blocks[i].bytes;
        reused += bytes[0] == 0xA5;
        bytes[0] = 0xA5;
        bytes[size - 1] = 0xA5;
    }
    return reused;
}

static void give_all_back(int count)
{
    for (int i = 0; i < count; i++) {
        parcel__memory_give_back(&blocks[i]);
        ck_assert_ptr_null(blocks[i].bytes);
    }
}

/* Fills an empty cache with count blocks, and returns how many of them it kept. */
static int kept_of(int count, size_t size)
{
    parcel_trim();
    take_all(count, size);
    give_all_back(count);
    int kept = take_all(count, size);
    give_all_back(count);
    parcel_trim();
    return kept;
}

START_TEST(test_blocks_are_reused)
{
    parcel_trim();
    ck_assert_int_eq(take_all(1, MIB), 0);
    const void *before = blocks[0].bytes;
    give_all_back(1);
    ck_assert_int_eq(take_all(1, MIB - 100), 1);
    ck_assert_ptr_eq(blocks[0].bytes, before);
    give_all_back(1);
}
END_TEST

START_TEST(test_reused_blocks_fit)
{
    parcel_trim();
    take_all(1, 8 * MIB);
    give_all_back(1);
    ck_assert_int_eq(take_all(1, 1 * MIB), 0); /* would waste seven eighths */
    give_all_back(1);
    ck_assert_int_eq(take_all(1, 16 * MIB), 0); /* too small */
    ck_assert_uint_ge(blocks[0].size, 16 * MIB);
    give_all_back(1);
    ck_assert_int_eq(take_all(1, 5 * MIB), 1);
    ck_assert_uint_eq(blocks[0].size, 8 * MIB);
    give_all_back(1);
}
END_TEST

/* Pages that were asked to be huge would fill memory where only a few bytes are written. */
START_TEST(test_sparse_blocks_stay_apart)
{
    struct parcel__block block;
    parcel_trim();
    take_all(1, 4 * MIB);
    give_all_back(1);
    ck_assert(parcel__memory_take(&block, 4 * MIB, true));
    ck_assert_uint_eq(*(unsigned char *)block.bytes, 0);
    parcel__memory_give_back(&block);
    ck_assert_int_eq(take_all(1, 4 * MIB), 1);
    give_all_back(1);
    parcel_trim();
}
END_TEST

START_TEST(test_small_blocks)
{
    struct parcel__block block;
    for (size_t size = 0; size < 70 * KIB; size += 1 + size / 2) {
        ck_assert(parcel__memory_take(&block, size, false));
        ck_assert_uint_ge(block.size, size);
        memset(block.bytes, 1, size);
        parcel__memory_give_back(&block);
        ck_assert_ptr_null(block.bytes);
    }
    parcel__memory_give_back(&block); /* an empty one is nothing to give back */
}
END_TEST

START_TEST(test_cache_is_bounded)
{
    ck_assert_int_eq(kept_of(2, 60 * MIB), 2);
    ck_assert_int_eq(kept_of(3, 60 * MIB), 2);
    ck_assert_int_eq(kept_of(4, 32 * MIB), 4);
    ck_assert_int_eq(kept_of(5, 32 * MIB), 4);
    ck_assert_int_eq(kept_of(1, 129 * MIB), 0);
    ck_assert_int_lt(kept_of(MOST, 64 * KIB), MOST);
}
END_TEST

/* Else blocks of runs long past would fill the cache, and each run fault fresh pages. */
START_TEST(test_oldest_blocks_give_way)
{
    parcel_trim();
    take_all(3, 40 * MIB);
    give_all_back(3);
    take_all(1, 10 * MIB);
    give_all_back(1);
    ck_assert_int_eq(take_all(1, 10 * MIB), 1);
    give_all_back(1);
    ck_assert_int_eq(take_all(3, 40 * MIB), 2);
    give_all_back(3);
    parcel_trim();
}
END_TEST

START_TEST(test_forkservers_lift_the_bound)
{
    parcel_trim();
    parcel__memory_keep_all(true);
    parcel__memory_keep_all(true);
    take_all(3, 60 * MIB);
    give_all_back(3);
    parcel__memory_keep_all(false);
    ck_assert_int_eq(take_all(3, 60 * MIB), 3);
    give_all_back(3);
    parcel__memory_keep_all(false); /* the last forkserver leaves: the bound holds again */
    ck_assert_int_eq(take_all(3, 60 * MIB), 2);
    give_all_back(3);
    parcel_trim();
}
END_TEST

START_TEST(test_trim_empties)
{
    take_all(3, MIB);
    give_all_back(3);
    parcel_trim();
    ck_assert_int_eq(take_all(3, MIB), 0);
    give_all_back(3);
    parcel_trim();
    parcel_trim();
}
END_TEST

START_TEST(test_impossible_sizes)
{
    struct parcel__block block;
    const size_t sizes[] = {SIZE_MAX, SIZE_MAX - KIB, SIZE_MAX - 64 * KIB, SIZE_MAX / 2};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        ck_assert(!parcel__memory_take(&block, sizes[i], false));
        ck_assert_ptr_null(block.bytes);
        parcel__memory_give_back(&block);
    }
}
END_TEST

static bool holds_only(const unsigned char *place, size_t size, int byte)
{
    for (size_t i = 0; i < size; i++)
        if (place[i] != byte)
            return false;
    return true;
}

START_TEST(test_arenas_align)
{
    enum { COUNT = 3000 };
    static unsigned char *places[COUNT];
    static size_t sizes[COUNT];
    struct parcel__arena arena = {0};
    unsigned seed = 1;
    for (int i = 0; i < COUNT; i++) {
        seed = seed * 1664525U + 1013904223U;
        size_t alignment = (size_t)1 << (seed >> 28) % 7;
        sizes[i] = i % 500 == 0 ? 100 * KIB : (seed >> 8) % 300;
        places[i] = parcel__arena_new(&arena, sizes[i], alignment);
        ck_assert_ptr_nonnull(places[i]);
        ck_assert_uint_eq((uintptr_t)places[i] % alignment, 0);
        memset(places[i], i & 0xFF, sizes[i]);
    }
    for (int i = 0; i < COUNT; i++) /* none lies on another */
        ck_assert(holds_only(places[i], sizes[i], i & 0xFF));
    parcel__arena_free(&arena);
    ck_assert_ptr_null(arena.chunks);
}
END_TEST

START_TEST(test_arenas_reset)
{
    struct parcel__arena arena = {0};
    parcel__arena_reset(&arena);
    ck_assert_ptr_null(arena.chunks);
    for (int i = 0; i < 1000; i++)
        ck_assert_str_eq(parcel__arena_copy(&arena, "some text that takes room"),
                         "some text that takes room");
    parcel__arena_reset(&arena);
    const void *kept = arena.chunks;
    parcel__memory_fail_from(1); /* the kept chunk is enough for what comes next */
    char *copy = parcel__arena_copy(&arena, "text");
    parcel__memory_fail_from(0);
    ck_assert_ptr_nonnull(copy);
    ck_assert_ptr_eq(arena.chunks, kept);
    parcel__arena_free(&arena);
    parcel__arena_free(&arena);
}
END_TEST

START_TEST(test_arenas_run_out)
{
    struct parcel__arena arena = {0};
    ck_assert_ptr_null(parcel__arena_new(&arena, SIZE_MAX, 1));
    parcel__memory_fail_from(1);
    ck_assert_ptr_null(parcel__arena_new(&arena, 1, 1));
    ck_assert_ptr_null(parcel__arena_copy(&arena, "text"));
    parcel__memory_fail_from(0);
    ck_assert_str_eq(parcel__arena_copy(&arena, "text"), "text");
    parcel__arena_free(&arena);
}
END_TEST

START_TEST(test_fail_from_counts)
{
    struct parcel__block block;
    parcel__memory_fail_from(4);
    void *first = parcel__memory_new(0);
    void *second = parcel__memory_resize(NULL, 10);
    ck_assert(first && second);
    ck_assert(parcel__memory_take(&block, MIB, false));
    parcel__memory_give_back(&block);
    ck_assert_ptr_null(parcel__memory_new(1));
    ck_assert_ptr_null(parcel__memory_resize(second, 20)); /* second is as it was */
    ck_assert_ptr_null(parcel__memory_copy_string("text"));
    ck_assert(!parcel__memory_take(&block, 1, false));
    ck_assert_uint_eq(parcel__memory_fail_from(0), 7);
    ck_assert_uint_eq(parcel__memory_fail_from(0), 0);
    parcel__memory_free(first);
    parcel__memory_free(second);
    parcel__memory_free(NULL);
    char *copy = parcel__memory_copy_string("text");
    ck_assert_str_eq(copy, "text");
    parcel__memory_free(copy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tests = suite_case(suite, "memory");
    tcase_add_test(tests, test_blocks_are_reused);
    tcase_add_test(tests, test_reused_blocks_fit);
    tcase_add_test(tests, test_sparse_blocks_stay_apart);
    tcase_add_test(tests, test_small_blocks);
    tcase_add_test(tests, test_cache_is_bounded);
    tcase_add_test(tests, test_oldest_blocks_give_way);
    tcase_add_test(tests, test_forkservers_lift_the_bound);
    tcase_add_test(tests, test_trim_empties);
    tcase_add_test(tests, test_impossible_sizes);
    tcase_add_test(tests, test_arenas_align);
    tcase_add_test(tests, test_arenas_reset);
    tcase_add_test(tests, test_arenas_run_out);
    tcase_add_test(tests, test_fail_from_counts);
    return suite_run(suite);
}

/* test_window.c: the order of blocks, and how many calls may be on their way. */
#include "suite.h"

#include "stream/window.h"

enum { BLOCKS = 7 };

START_TEST(test_room)
{
    struct parcel__place one, two;
    struct parcel__window window = {.in_order = true, .most_waiting = 10, .most_ahead = 6};
    ck_assert_uint_eq(parcel__window_room(&window), 6);
    parcel__window_enter(&window, &one, 4);
    ck_assert_uint_eq(parcel__window_room(&window), 2);
    parcel__window_enter(&window, &two, 2);
    ck_assert_uint_eq(parcel__window_room(&window), 0);
    parcel__window_finish(&window, &two);
    ck_assert_uint_eq(parcel__window_room(&window), 2);
    parcel__window_finish(&window, &one);
    ck_assert_uint_eq(parcel__window_room(&window), 4); /* 6 of 10 wait */
    parcel__window_take(&window, 6);
    ck_assert_uint_eq(parcel__window_room(&window), 6);
}
END_TEST

/* Finishes the blocks in all orders, given by the digits of a number; what is ready must come in
 * order, and no later than it can. */
static void check_order(bool in_order, int order)
{
    struct parcel__place places[BLOCKS];
    struct parcel__window window = {
        .in_order = in_order, .most_waiting = SIZE_MAX, .most_ahead = SIZE_MAX};
    bool finished[BLOCKS] = {false};
    int expected = 0;
    for (int i = 0; i < BLOCKS; i++)
        parcel__window_enter(&window, &places[i], 1);
    for (int left = BLOCKS; left > 0; order /= left--) {
        int skip = order % left, block = -1;
        while (skip >= 0)
            skip -= !finished[++block];
        finished[block] = true;
        parcel__window_finish(&window, &places[block]);
        if (!in_order) {
            ck_assert_ptr_eq(parcel__window_unqueue(&window.ready), &places[block]);
        } else {
            for (; expected < BLOCKS && finished[expected]; expected++)
                ck_assert_ptr_eq(parcel__window_unqueue(&window.ready), &places[expected]);
        }
        ck_assert_ptr_null(parcel__window_unqueue(&window.ready));
    }
    ck_assert_ptr_null(window.running.first);
}

START_TEST(test_order)
{
    for (int order = 0; order < 5040; order++) {
        check_order(true, order);
        check_order(false, order);
    }
}
END_TEST

/* Who has no calls stays while a block may be split, in which the order of calls is kept. */
START_TEST(test_split)
{
    for (int in_order = 0; in_order <= 1; in_order++) {
        struct parcel__place one, two, rest;
        struct parcel__window window = {
            .in_order = in_order, .most_waiting = 10, .most_ahead = SIZE_MAX};
        ck_assert(!parcel__window_is_divisible(&window));
        parcel__window_enter(&window, &one, 3);
        parcel__window_enter(&window, &two, 1);
        ck_assert(parcel__window_is_divisible(&window));
        parcel__window_split(&window, &one, &rest, 1);
        ck_assert_uint_eq(one.count, 2);
        ck_assert_uint_eq(rest.count, 1);
        ck_assert_uint_eq(parcel__window_room(&window), 6); /* they are on their way all the same */
        ck_assert(parcel__window_is_divisible(&window));
        parcel__window_finish(&window, &one);
        ck_assert(!parcel__window_is_divisible(&window));
        ck_assert_ptr_eq(parcel__window_unqueue(&window.ready), &one);
        parcel__window_finish(&window, &two);
        ck_assert_ptr_eq(parcel__window_unqueue(&window.ready), in_order ? NULL : &two);
        parcel__window_finish(&window, &rest);
        ck_assert_ptr_eq(parcel__window_unqueue(&window.ready), &rest);
        ck_assert_ptr_eq(parcel__window_unqueue(&window.ready), in_order ? &two : NULL);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("window");
    TCase *tests = suite_case(suite, "window");
    tcase_add_test(tests, test_room);
    tcase_add_test(tests, test_order);
    tcase_add_test(tests, test_split);
    return suite_run(suite);
}

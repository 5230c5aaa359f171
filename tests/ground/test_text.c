/* test_text.c: texts that grow, are cut, and run out of memory. */
#include "suite.h"

#include "ground/memory.h"
#include "ground/text.h"

#include <wchar.h>

START_TEST(test_growth)
{
    enum { COUNT = 5000 };
    static char expected[COUNT * 3 + 1];
    struct parcel__text text = {0};
    for (int i = 0; i < COUNT; i++) {
        parcel__text_add(&text, &"abcdef"[i % 3], 2);
        parcel__text_format(&text, "%d", i % 10);
        memcpy(expected + 3 * i, &"abcdef"[i % 3], 2);
        expected[3 * i + 2] = (char)('0' + i % 10);
        ck_assert_uint_eq(text.length, 3 * (size_t)(i + 1));
        ck_assert_int_eq(text.bytes[text.length], '\0');
    }
    char *taken = parcel__text_take(&text);
    ck_assert_str_eq(taken, expected);
    ck_assert_ptr_null(text.bytes);
    parcel__memory_free(taken);
}
END_TEST

START_TEST(test_long_format)
{
    static char word[3001];
    struct parcel__text text = {0};
    memset(word, 'w', sizeof word - 1);
    parcel__text_format(&text, "<%s|%s>", word, word);
    ck_assert_uint_eq(text.length, 6003);
    ck_assert_int_eq(text.bytes[0], '<');
    ck_assert_int_eq(text.bytes[3001], '|');
    ck_assert_int_eq(text.bytes[6002], '>');
    parcel__text_free(&text);
}
END_TEST

/* What printf cannot format in this locale is not lost without a trace. */
START_TEST(test_format_that_fails)
{
    const wchar_t unknown[] = {0x20AC, 0};
    struct parcel__text text = {0};
    parcel__text_format(&text, "wide: %ls", unknown);
    ck_contains(text.bytes, "wide: ");
    ck_assert(!text.failed);
    parcel__text_free(&text);
}
END_TEST

START_TEST(test_empty)
{
    struct parcel__text text = {0};
    char *taken = parcel__text_take(&text);
    ck_assert_str_eq(taken, "");
    parcel__memory_free(taken);
    parcel__text_free(&text);
    parcel__text_cut(&text, 0, 10);
    ck_assert_uint_eq(text.length, 0);
}
END_TEST

START_TEST(test_cut)
{
    static const struct {
        const char *before, *added, *after;
        size_t most;
    } cases[] = {
        {"", "abcdef", "abcdef", 6},
        {"", "abcdef", "abc...", 3},
        {"keep ", "abc", "keep abc", 3},
        {"keep ", "abcd", "keep abc...", 3},
        {"", "", "", 0},
        {"x", "yz", "x...", 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct parcel__text text = {0};
        parcel__text_put(&text, cases[i].before);
        parcel__text_put(&text, cases[i].added);
        parcel__text_cut(&text, strlen(cases[i].before), cases[i].most);
        ck_assert_str_eq(text.bytes, cases[i].after);
        parcel__text_free(&text);
    }
}
END_TEST

/* True when the text is whole characters of one to four bytes, as made below. */
static bool is_whole(const char *text, size_t length)
{
    static const size_t lengths[] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 3, 4};
    size_t i = 0;
    while (i < length) {
        size_t character = lengths[(unsigned char)text[i] >> 4];
        if (character == 0)
            return false;
        for (size_t j = 1; j < character; j++)
            if (((unsigned char)text[i + j] & 0xC0) != 0x80)
                return false;
        i += character;
    }
    return i == length;
}

START_TEST(test_cut_between_characters)
{
    static const char string[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x8E\x81z\xC3\xA9\xF0\x9F\x8E\x81";
    for (size_t most = 0; most < sizeof string; most++) {
        struct parcel__text text = {0};
        parcel__text_put(&text, string);
        parcel__text_cut(&text, 0, most);
        size_t kept = text.length;
        if (kept == sizeof string - 1)
            kept += 3;
        else
            ck_assert_str_eq(text.bytes + kept - 3, "...");
        ck_assert_mem_eq(text.bytes, string, kept - 3);
        ck_assert(is_whole(text.bytes, kept - 3));
        parcel__text_free(&text);
    }
}
END_TEST

START_TEST(test_failure_is_sticky)
{
    struct parcel__text text = {0};
    parcel__text_put(&text, "before");
    size_t capacity = text.capacity;
    parcel__memory_fail_from(1);
    while (!text.failed && text.length <= capacity)
        parcel__text_put(&text, "1234567");
    parcel__memory_fail_from(0);
    ck_assert(text.failed);
    size_t length = text.length;
    parcel__text_put(&text, "x");
    parcel__text_format(&text, "%d", 1);
    ck_assert_uint_eq(text.length, length);
    ck_assert_mem_eq(text.bytes, "before", 6);
    ck_assert_ptr_null(parcel__text_take(&text));
    ck_assert(!text.failed); /* it may be used anew */
}
END_TEST

START_TEST(test_failure_at_once)
{
    struct parcel__text text = {0};
    parcel__memory_fail_from(1);
    ck_assert_ptr_null(parcel__text_take(&text)); /* not even the empty text */
    parcel__text_format(&text, "%d", 1);
    parcel__memory_fail_from(0);
    ck_assert(text.failed);
    parcel__text_cut(&text, 0, 0);
    parcel__text_free(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tests = suite_case(suite, "text");
    tcase_add_test(tests, test_growth);
    tcase_add_test(tests, test_long_format);
    tcase_add_test(tests, test_format_that_fails);
    tcase_add_test(tests, test_empty);
    tcase_add_test(tests, test_cut);
    tcase_add_test(tests, test_cut_between_characters);
    tcase_add_test(tests, test_failure_is_sticky);
    tcase_add_test(tests, test_failure_at_once);
    return suite_run(suite);
}

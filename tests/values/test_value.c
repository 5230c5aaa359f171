/* test_value.c: boxes, Python's texts, equality and hash. */
#include "suite.h"

#include "values/structure.h"
#include "values/value.h"

#include <float.h>
#include <limits.h>
#include <locale.h>
#include <math.h>

struct padded {
    char letter;
    double number;
};
PARCEL_STRUCT(struct padded, letter, number);

struct mixed {
    bool flag;
    char name[8];
    int grid[3];
    float ratio;
    const char *label;
};
PARCEL_STRUCT(struct mixed, flag, name, grid, ratio, label);

/* Valgrind computes long doubles as doubles: what needs more digits cannot be seen there. */
static bool has_long_double(void)
{
    volatile long double one = 1, sum = one + LDBL_EPSILON;
    return LDBL_DIG > DBL_DIG && sum != one;
}

/* Checks and frees the text. */
static void check_text(parcel_value value, const char *expected)
{
    char *text = parcel_value_text(value);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, expected);
    free(text);
}

/* The box of a C object, as a call's argument or result is boxed. */
#define BOX(type, object) \
    parcel__value_box(parcel__KIND(type), sizeof(type), \
                      parcel__structure_find(#type, sizeof(type)), &(type){object})

/* A complex number lies in memory as its two parts do. */
#define COMPLEX(kind, type, ...) parcel__value_box(kind, 2 * sizeof(type), 0, (type[]){__VA_ARGS__})

/* ---- texts ---- */

static const struct {
    double number;
    const char *text;
} doubles[] = {
    {2.5, "2.5"},
    {1.0, "1.0"},
    {0.0, "0.0"},
    {-0.0, "-0.0"},
    {-1.5, "-1.5"},
    {0.1, "0.1"},
    {0.1 + 0.2, "0.30000000000000004"},
    {1.0 / 3, "0.3333333333333333"},
    {100.0, "100.0"},
    {0.0001, "0.0001"},
    {0.00012345, "0.00012345"},
    {1e-05, "1e-05"},
    {1.25e-05, "1.25e-05"},
    {1e15, "1000000000000000.0"},
    {1e16, "1e+16"},
    {1.5e16, "1.5e+16"},
    {9999999999999998.0, "9999999999999998.0"},
    {123456789012345680.0, "1.2345678901234568e+17"},
    {1234567890123456.7, "1234567890123456.8"},
    {1e22, "1e+22"},
    {1e23, "1e+23"},
    {1e100, "1e+100"},
    {DBL_MAX, "1.7976931348623157e+308"},
    {DBL_MIN, "2.2250738585072014e-308"},
    {5e-324, "5e-324"},
    {1.5e-323, "1.5e-323"},
    {0x1p-44, "5.684341886080802e-14"}, /* 16 digits, but not those that are nearest */
    {NAN, "nan"},
    {-NAN, "nan"},
    {INFINITY, "inf"},
    {-INFINITY, "-inf"},
};

START_TEST(test_texts_of_doubles)
{
    for (size_t i = 0; i < LENGTH(doubles); i++)
        check_text(parcel_value_double(doubles[i].number), doubles[i].text);
}
END_TEST

START_TEST(test_texts_of_floats)
{
    check_text(BOX(float, 0.1F), "0.1");
    check_text(BOX(float, 16777216.0F), "16777216.0");
    check_text(BOX(float, 3.4028235e38F), "3.4028235e+38");
    check_text(BOX(float, 1e-45F), "1e-45");
    check_text(BOX(float, NAN), "nan");
    check_text(BOX(float, 0x1p-96F), "1.2621775e-29"); /* numpy.float32(2.0 ** -96) */
    check_text(parcel_value_double(0.1F), "0.10000000149011612");
}
END_TEST

START_TEST(test_texts_of_integers)
{
    check_text(BOX(bool, true), "True");
    check_text(BOX(bool, false), "False");
    check_text(BOX(signed char, -128), "-128");
    check_text(BOX(unsigned char, 255), "255");
    check_text(BOX(char, 'A'), "65");
    check_text(BOX(short, SHRT_MIN), "-32768");
    check_text(BOX(unsigned short, USHRT_MAX), "65535");
    check_text(BOX(int, INT_MIN), "-2147483648");
    check_text(BOX(unsigned, UINT_MAX), "4294967295");
    check_text(BOX(long long, LLONG_MIN), "-9223372036854775808");
    check_text(BOX(unsigned long long, ULLONG_MAX), "18446744073709551615");
    check_text(BOX(long, -1), "-1");
    check_text(BOX(unsigned long, 1), "1");
    check_text(parcel_value_int(INT64_MIN), "-9223372036854775808");
    check_text(parcel_value_uint(UINT64_MAX), "18446744073709551615");
    check_text(parcel_value_bool(true), "True");
    check_text(parcel_value_none(), "None");
}
END_TEST

START_TEST(test_texts_of_wide_numbers)
{
    if (has_long_double()) {
        check_text(BOX(long double, 0.1L), "0.1");
        check_text(BOX(long double, 1e4000L), "1e+4000");
        check_text(BOX(long double, -INFINITY), "-inf");
        check_text(BOX(long double, NAN), "nan");
    }
    check_text(BOX(long double, 2.5L), "2.5");
    check_text(COMPLEX(PARCEL_CDOUBLE, double, 1, 2), "(1+2j)");
    check_text(COMPLEX(PARCEL_CDOUBLE, double, 1.5, -0.5), "(1.5-0.5j)");
    check_text(COMPLEX(PARCEL_CDOUBLE, double, -0.25, -INFINITY), "(-0.25-infj)");
    check_text(COMPLEX(PARCEL_CDOUBLE, double, 1, NAN), "(1+nanj)");
    check_text(COMPLEX(PARCEL_CFLOAT, float, 0.1F, 0.2F), "(0.1+0.2j)");
    check_text(COMPLEX(PARCEL_CLDOUBLE, long double, 3, 4), "(3+4j)");
}
END_TEST

static const char *const strings[][2] = {
    {"", "''"},
    {"text", "'text'"},
    {"it's", "\"it's\""},
    {"\"quoted\"", "'\"quoted\"'"},
    {"both ' and \"", "'both \\' and \"'"},
    {"tab\tnewline\nreturn\r", "'tab\\tnewline\\nreturn\\r'"},
    {"back\\slash", "'back\\\\slash'"},
    {"\x01\x1f\x7f", "'\\x01\\x1f\\x7f'"},
    {"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8E\x81", "'caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8E\x81'"},
    {"\xFF", "'\\xff'"},
    {"\xC3", "'\\xc3'"},
    {"\xC3(", "'\\xc3('"},
    {"\x80", "'\\x80'"},
    {"\xE2\x82", "'\\xe2\\x82'"},
    {"\xC0\xAF", "'\\xc0\\xaf'"},                   /* an overlong slash */
    {"\xE0\x80\xAF", "'\\xe0\\x80\\xaf'"},          /* the same in three bytes */
    {"\xF0\x80\x80\xAF", "'\\xf0\\x80\\x80\\xaf'"}, /* and in four */
    {"\xED\xA0\x80", "'\\xed\\xa0\\x80'"},          /* half of a surrogate pair */
    {"\xF4\x90\x80\x80", "'\\xf4\\x90\\x80\\x80'"}, /* beyond the last character */
    {"\xF5\x80\x80\x80", "'\\xf5\\x80\\x80\\x80'"},
};

START_TEST(test_texts_of_strings)
{
    for (size_t i = 0; i < LENGTH(strings); i++)
        check_text(parcel_value_string(strings[i][0]), strings[i][1]);
}
END_TEST

START_TEST(test_texts_of_bytes)
{
    check_text(parcel_value_bytes("a\0\n'\xC3", 5), "b\"a\\x00\\n'\\xc3\"");
    check_text(parcel_value_bytes("'\"", 2), "b'\\'\"'");
    check_text(parcel_value_bytes("abc", 0), "b''");
}
END_TEST

START_TEST(test_texts_of_arrays)
{
    double numbers[] = {1, 2.5, NAN};
    const char *words[] = {"a", NULL, "it's"};
    bool flags[] = {true, false};
    parcel_value boxed[] = {parcel_value_int(1), parcel_value_string("x"), parcel_value_none()};
    parcel_array inner[] = {parcel_array(numbers, 2), parcel_array(flags, 2)};
    parcel_array nested = parcel_array(inner, 2), empty = parcel_array(numbers, 0);
    check_text(parcel_value_array(&parcel_array(numbers, 3)), "[1.0, 2.5, nan]");
    check_text(parcel_value_array(&parcel_array(words, 3)), "['a', None, \"it's\"]");
    check_text(parcel_value_array(&parcel_array(boxed, 3)), "[1, 'x', None]");
    check_text(parcel_value_array(&nested), "[[1.0, 2.5], [True, False]]");
    check_text(parcel_value_array(&empty), "[]");
}
END_TEST

START_TEST(test_texts_of_structs)
{
    struct mixed mixed = {true, "north", {1, -2, 3}, 0.1F, "it's"};
    struct {
        int one, two;
    } opaque = {1, 2};
    unsigned short type = parcel__structure_find("struct mixed", sizeof mixed);
    check_text(parcel__value_box(PARCEL_STRUCT_BYTES, sizeof mixed, type, &mixed),
               "mixed(flag=True, name='north', grid=[1, -2, 3], ratio=0.1, label=\"it's\")");
    memcpy(mixed.name, "eightchr", 8); /* full, without a NUL at its end */
    check_text(parcel__value_box(PARCEL_STRUCT_BYTES, sizeof mixed, type, &mixed),
               "mixed(flag=True, name='eightchr', grid=[1, -2, 3], ratio=0.1, label=\"it's\")");
    check_text(parcel__value_box(PARCEL_STRUCT_BYTES, sizeof opaque, 0, &opaque),
               "<struct, 8 bytes>");
}
END_TEST

START_TEST(test_null_is_none)
{
    check_text(parcel_value_string(NULL), "None");
    check_text(parcel_value_bytes(NULL, 3), "None");
    check_text(parcel_value_array(NULL), "None");
    check_text(parcel_value_pointer(NULL), "None");
    check_text(BOX(const char *, NULL), "None");
    check_text(BOX(void *, NULL), "None");
    ck_assert(!parcel_value_print(parcel_value_int(1), NULL));
}
END_TEST

START_TEST(test_print)
{
    char *written;
    size_t size;
    FILE *file = open_memstream(&written, &size);
    ck_assert(parcel_value_print(parcel_value_double(2.5), file));
    fclose(file);
    ck_assert_str_eq(written, "2.5");
    free(written);
}
END_TEST

/* As an argument in a message a whole number needs no ".0". */
START_TEST(test_arguments)
{
    struct parcel__text text = {0};
    parcel__value_put_argument(&text, parcel_value_double(-1));
    parcel__text_put(&text, " ");
    parcel__value_put_argument(&text, parcel_value_double(2.5));
    parcel__text_put(&text, " ");
    parcel__value_put_argument(&text, parcel_value_string("x"));
    ck_assert_str_eq(text.bytes, "-1 2.5 'x'");
    parcel__text_free(&text);
}
END_TEST

/* A locale whose decimal point is a comma, if the machine has one. */
static bool set_comma_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8",
                                        "fr_FR.utf8",  "de_DE",      "fr_FR"};
    for (size_t i = 0; i < LENGTH(names); i++)
        if (setlocale(LC_ALL, names[i]) && *localeconv()->decimal_point == ',')
            return true;
    setlocale(LC_ALL, "C");
    return false;
}

START_TEST(test_texts_in_a_locale)
{
    ck_assert(set_comma_locale());
    for (size_t i = 0; i < LENGTH(doubles); i++)
        check_text(parcel_value_double(doubles[i].number), doubles[i].text);
    check_text(BOX(float, 0.1F), "0.1");
    check_text(BOX(long double, 2.5L), "2.5");
    setlocale(LC_ALL, "C");
}
END_TEST

/* ---- the shortest digits ---- */

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state ^ *state >> 29;
}

static bool reads_back(const char *text, double number, bool is_float)
{
    return is_float ? strtof(text, NULL) == (float)number : strtod(text, NULL) == number;
}

static int digits_in(const char *text)
{
    int digits = 0, zeros = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (digits > 0 || *text != '0')) {
            digits++;
            zeros = *text == '0' ? zeros + 1 : 0;
        }
    return digits - zeros;
}

/* True when a decimal of so many digits, next to the number, reads back: the nearest one, or the
 * one above or below, since the gaps around a power of two are not alike. */
static bool has_decimal(double number, int digits, bool is_float)
{
    char printed[64], text[64];
    snprintf(printed, sizeof printed, "%.*e", digits - 1, number);
    const char *exponent = strchr(printed, 'e');
    long long whole = 0;
    for (const char *place = printed; place < exponent; place++)
        if (*place >= '0' && *place <= '9')
            whole = 10 * whole + (*place - '0');
    for (long long step = -1; step <= 1; step++) {
        snprintf(text, sizeof text, "%llde%d", whole + step, atoi(exponent + 1) - (digits - 1));
        if (reads_back(text, number, is_float))
            return true;
    }
    return false;
}

static void keep_digits(const char *text, char *digits)
{
    size_t count = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (count > 0 || *text != '0'))
            digits[count++] = *text;
    while (count > 0 && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
}

/* Of all decimals of so many digits the text is the nearest that reads back. */
static void check_nearest(const char *text, double number, int digits, bool is_float)
{
    char nearest[64], wanted[400], found[400];
    snprintf(nearest, sizeof nearest, "%.*e", digits - 1, number);
    if (!reads_back(nearest, number, is_float))
        return;
    keep_digits(nearest, wanted);
    keep_digits(text, found);
    ck_assert_str_eq(found, wanted);
}

/* The text of a positive number must read back, and no shorter decimal may. */
static void check_shortest(parcel_value value, bool is_float)
{
    char *text = parcel_value_text(value);
    int digits = digits_in(text);
    ck_assert_msg(reads_back(text, value.as.number, is_float), "%s", text);
    for (int fewer = 1; fewer < digits; fewer++)
        if (has_decimal(value.as.number, fewer, is_float))
            ck_abort_msg("%s needs %d digits", text, fewer);
    check_nearest(text, value.as.number, digits, is_float);
    free(text);
}

START_TEST(test_random_doubles_read_back)
{
    uint64_t seed = 1;
    for (int i = 0; i < 3000; i++) {
        uint64_t bits = next_random(&seed) & INT64_MAX;
        double number;
        memcpy(&number, &bits, sizeof number);
        if (isfinite(number) && number > 0)
            check_shortest(parcel_value_double(number), false);
    }
}
END_TEST

START_TEST(test_short_doubles_stay_short)
{
    uint64_t seed = 2;
    for (int i = 0; i < 1000; i++) {
        double number = (double)(next_random(&seed) % 100000 + 1) / 1000;
        check_shortest(parcel_value_double(number), false);
        check_shortest(BOX(float, (float)number), true);
    }
}
END_TEST

START_TEST(test_powers_of_two)
{
    for (int exponent = -1074; exponent <= 1023; exponent += 3)
        check_shortest(parcel_value_double(ldexp(1, exponent)), false);
    for (int exponent = -149; exponent <= 127; exponent++)
        check_shortest(BOX(float, ldexpf(1, exponent)), true);
}
END_TEST

START_TEST(test_random_floats_read_back)
{
    uint64_t seed = 3;
    for (int i = 0; i < 3000; i++) {
        uint32_t bits = (uint32_t)next_random(&seed) & INT32_MAX;
        float number;
        memcpy(&number, &bits, sizeof number);
        if (isfinite(number) && number > 0)
            check_shortest(BOX(float, number), true);
    }
}
END_TEST

/* ---- conversions ---- */

START_TEST(test_unbox)
{
    int number = 42;
    double real = 42;
    bool flag = false;
    const char *string = "before";
    ck_assert(parcel__value_unbox(parcel_value_double(-2.9), PARCEL_INT, sizeof number, &number));
    ck_assert_int_eq(number, -2);
    ck_assert(parcel__value_unbox(parcel_value_int(-3), PARCEL_DOUBLE, sizeof real, &real));
    ck_assert(real == -3);
    ck_assert(parcel__value_unbox(parcel_value_double(0.5), PARCEL_BOOL, sizeof flag, &flag));
    ck_assert(flag);
    ck_assert(parcel__value_unbox(parcel_value_none(), PARCEL_STRING, sizeof string, &string));
    ck_assert_ptr_null(string);
    ck_assert(!parcel__value_unbox(parcel_value_string("1"), PARCEL_INT, sizeof number, &number));
    ck_assert(!parcel__value_unbox(parcel_value_int(1), PARCEL_STRING, sizeof string, &string));
    ck_assert(!parcel__value_unbox(parcel_value_none(), PARCEL_DOUBLE, sizeof real, &real));
    ck_assert_int_eq(number, -2); /* nothing was written */
}
END_TEST

/* In C these are undefined: no such integer exists. */
START_TEST(test_unbox_refuses)
{
    static const double numbers[] = {NAN, INFINITY, -INFINITY, 1e300, 0x1p64, -0x1.8p63};
    for (size_t i = 0; i < LENGTH(numbers); i++) {
        long long number = 42;
        ck_assert(!parcel__value_unbox(parcel_value_double(numbers[i]), PARCEL_LLONG, sizeof number,
                                       &number));
        ck_assert_int_eq(number, 42);
    }
}
END_TEST

START_TEST(test_fits)
{
    const parcel_value whole = parcel_value_int(INT64_C(9007199254740993)); /* 2^53 + 1 */
    ck_assert(parcel__value_fits(parcel_value_int(255), PARCEL_UCHAR, 1));
    ck_assert(!parcel__value_fits(parcel_value_int(256), PARCEL_UCHAR, 1));
    ck_assert(!parcel__value_fits(parcel_value_int(-1), PARCEL_UCHAR, 1));
    ck_assert(!parcel__value_fits(parcel_value_int(-1), PARCEL_ULLONG, 8));
    ck_assert(!parcel__value_fits(parcel_value_uint(UINT64_MAX), PARCEL_LLONG, 8));
    ck_assert(parcel__value_fits(parcel_value_double(3), PARCEL_INT, 4));
    ck_assert(!parcel__value_fits(parcel_value_double(3.5), PARCEL_INT, 4));
    ck_assert(!parcel__value_fits(parcel_value_double(3e9), PARCEL_INT, 4));
    ck_assert(parcel__value_fits(parcel_value_double(0.5), PARCEL_FLOAT, 4));
    ck_assert(!parcel__value_fits(parcel_value_double(0.1), PARCEL_FLOAT, 4));
    ck_assert(parcel__value_fits(parcel_value_double(NAN), PARCEL_FLOAT, 4));
    ck_assert(!parcel__value_fits(parcel_value_double(NAN), PARCEL_INT, 4));
    ck_assert(parcel__value_fits(parcel_value_int(1), PARCEL_BOOL, sizeof(bool)));
    ck_assert(!parcel__value_fits(parcel_value_int(2), PARCEL_BOOL, sizeof(bool)));
    ck_assert(!has_long_double() || !parcel__value_fits(whole, PARCEL_DOUBLE, 8));
    ck_assert(parcel__value_fits(whole, PARCEL_LLONG, 8));
    ck_assert(parcel__value_fits(parcel_value_none(), PARCEL_POINTER, sizeof(void *)));
    ck_assert(!parcel__value_fits(parcel_value_bytes("abc", 3), PARCEL_STRUCT_BYTES, 4));
    ck_assert(parcel__value_fits(parcel_value_bytes("abcd", 4), PARCEL_STRUCT_BYTES, 4));
}
END_TEST

/* ---- equality and hash ---- */

static void check_equal(parcel_value one, parcel_value other)
{
    ck_assert(parcel_value_equal(one, other) && parcel_value_equal(other, one));
    ck_assert_uint_eq(parcel_value_hash(one), parcel_value_hash(other));
}

static void check_different(parcel_value one, parcel_value other)
{
    ck_assert(!parcel_value_equal(one, other) && !parcel_value_equal(other, one));
}

START_TEST(test_equal)
{
    double payload;
    const uint64_t bits = UINT64_C(0xFFF8000000000123);
    memcpy(&payload, &bits, sizeof payload);
    char copy[] = "text";
    check_equal(parcel_value_none(), parcel_value_string(NULL));
    check_equal(parcel_value_double(NAN), parcel_value_double(payload));
    check_equal(parcel_value_double(0.0), parcel_value_double(-0.0));
    check_equal(parcel_value_string("text"), parcel_value_string(copy));
    check_equal(parcel_value_bytes("text", 4), parcel_value_bytes(copy, 4));
    check_equal(BOX(int, 7), BOX(long, 7));
    check_equal(BOX(float, 0.5F), BOX(double, 0.5));
}
END_TEST

START_TEST(test_different)
{
    int object;
    check_different(parcel_value_int(1), parcel_value_double(1));
    check_different(parcel_value_int(1), parcel_value_bool(true));
    check_different(parcel_value_int(1), parcel_value_uint(1));
    check_different(parcel_value_int(0), parcel_value_none());
    check_different(parcel_value_string("1"), parcel_value_int(1));
    check_different(parcel_value_string("a"), parcel_value_bytes("a", 1));
    check_different(parcel_value_bytes("ab", 1), parcel_value_bytes("ab", 2));
    check_different(BOX(float, 0.1F), BOX(double, 0.1));
    check_different(parcel_value_pointer(&object), parcel_value_pointer(&object + 1));
}
END_TEST

START_TEST(test_arrays_by_content)
{
    double one[] = {1, NAN, -0.0}, other[] = {1, NAN, 0.0};
    long whole[] = {1, 2, 3};
    const char *words[] = {"a", "b"};
    char b[] = "b";
    const char *same_words[] = {"a", b};
    check_equal(parcel_value_array(&parcel_array(one, 3)),
                parcel_value_array(&parcel_array(other, 3)));
    check_equal(parcel_value_array(&parcel_array(words, 2)),
                parcel_value_array(&parcel_array(same_words, 2)));
    check_different(parcel_value_array(&parcel_array(one, 3)),
                    parcel_value_array(&parcel_array(one, 2)));
    check_different(parcel_value_array(&parcel_array(one, 3)),
                    parcel_value_array(&parcel_array(whole, 3)));
    check_different(parcel_value_array(&parcel_array(one, 3)),
                    parcel_value_array(&parcel_array(one + 1, 2)));
}
END_TEST

/* Padding is not content. The objects are filled before their fields are written. */
START_TEST(test_padding_is_ignored)
{
    struct padded one, other;
    unsigned short type = parcel__structure_find("struct padded", sizeof one);
    ck_assert_uint_ne(type, 0);
    memset(&one, 0xAA, sizeof one);
    memset(&other, 0x55, sizeof other);
    one.letter = other.letter = 'x';
    one.number = other.number = 2.5;
    const parcel_value a = parcel__value_box(PARCEL_STRUCT_BYTES, sizeof one, type, &one);
    const parcel_value b = parcel__value_box(PARCEL_STRUCT_BYTES, sizeof other, type, &other);
    check_equal(a, b);
    other.number = 3;
    check_different(a, b);
}
END_TEST

START_TEST(test_padding_of_long_doubles_is_ignored)
{
    long double one[2], other[2]; /* and of the complex number that they are */
    memset(one, 0xAA, sizeof one);
    memset(other, 0x55, sizeof other);
    one[0] = other[0] = 2.5L;
    one[1] = other[1] = -1;
    check_equal(parcel__value_box(PARCEL_LDOUBLE, sizeof *one, 0, one),
                parcel__value_box(PARCEL_LDOUBLE, sizeof *other, 0, other));
    check_equal(parcel__value_box(PARCEL_CLDOUBLE, sizeof one, 0, one),
                parcel__value_box(PARCEL_CLDOUBLE, sizeof other, 0, other));
    check_different(parcel__value_box(PARCEL_LDOUBLE, sizeof *one, 0, &one[0]),
                    parcel__value_box(PARCEL_LDOUBLE, sizeof *one, 0, &one[1]));
}
END_TEST

/* An opaque struct may hold padding anywhere: its hash is that of its size. */
START_TEST(test_opaque_structs)
{
    check_equal(parcel__value_box(PARCEL_STRUCT_BYTES, 4, 0, "abcd"),
                parcel__value_box(PARCEL_STRUCT_BYTES, 4, 0, "abcdx"));
    ck_assert_uint_eq(parcel_value_hash(parcel__value_box(PARCEL_STRUCT_BYTES, 4, 0, "abcd")),
                      parcel_value_hash(parcel__value_box(PARCEL_STRUCT_BYTES, 4, 0, "efgh")));
}
END_TEST

/* A random value from few possible ones, so that equal ones meet. */
static parcel_value random_value(uint64_t *seed, parcel_array *array, double *numbers)
{
    static char words[][4] = {"", "a", "ab", "abc"}, same_words[][4] = {"", "a", "ab", "abc"};
    uint64_t bits = next_random(seed) >> 16;
    unsigned choice = (unsigned)(bits >> 8) % 4;
    switch (bits % 8) {
    case 0:
        return parcel_value_none();
    case 1:
        return parcel_value_bool(choice % 2);
    case 2:
        return parcel_value_int((int64_t)choice - 1);
    case 3:
        return parcel_value_uint(choice);
    case 4:
        return parcel_value_double(choice == 0 ? NAN : (double)choice - 1);
    case 5:
        return parcel_value_string(bits & 0x100000 ? words[choice] : same_words[choice]);
    case 6:
        return parcel_value_bytes(bits & 0x100000 ? words[3] : same_words[3], choice);
    default:
        numbers[0] = choice % 2 ? 0.0 : -0.0;
        numbers[1] = choice;
        *array = (parcel_array){numbers, choice % 3, PARCEL_DOUBLE, sizeof *numbers};
        return parcel_value_array(array);
    }
}

START_TEST(test_equal_values_hash_alike)
{
    uint64_t seed = 4;
    int equal = 0, different_hashes = 0;
    for (int i = 0; i < 50000; i++) {
        parcel_array arrays[2];
        double numbers[2][2];
        parcel_value one = random_value(&seed, &arrays[0], numbers[0]);
        parcel_value other = random_value(&seed, &arrays[1], numbers[1]);
        bool same_hash = parcel_value_hash(one) == parcel_value_hash(other);
        bool same = parcel_value_equal(one, other);
        /* Of so few values no two that differ have one hash. */
        if (!parcel_value_equal(one, one) || parcel_value_equal(other, one) != same ||
            same != same_hash)
            ck_abort_msg("%d and %d, round %d", one.tag, other.tag, i);
        equal += same;
        different_hashes += !same_hash;
    }
    ck_assert_int_gt(equal, 1000);
    ck_assert_int_gt(different_hashes, 1000);
}
END_TEST

static void add_texts(Suite *suite)
{
    TCase *tests = suite_case(suite, "texts");
    tcase_add_test(tests, test_texts_of_doubles);
    tcase_add_test(tests, test_texts_of_floats);
    tcase_add_test(tests, test_texts_of_integers);
    tcase_add_test(tests, test_texts_of_wide_numbers);
    tcase_add_test(tests, test_texts_of_strings);
    tcase_add_test(tests, test_texts_of_bytes);
    tcase_add_test(tests, test_texts_of_arrays);
    tcase_add_test(tests, test_texts_of_structs);
    tcase_add_test(tests, test_null_is_none);
    tcase_add_test(tests, test_print);
    tcase_add_test(tests, test_arguments);
    if (set_comma_locale())
        tcase_add_test(tests, test_texts_in_a_locale);
    setlocale(LC_ALL, "C");
    tcase_add_test(tests, test_random_doubles_read_back);
    tcase_add_test(tests, test_short_doubles_stay_short);
    tcase_add_test(tests, test_powers_of_two);
    tcase_add_test(tests, test_random_floats_read_back);
}

int main(void)
{
    Suite *suite = suite_create("value");
    add_texts(suite);
    TCase *tests = suite_case(suite, "comparing");
    tcase_add_test(tests, test_unbox);
    tcase_add_test(tests, test_unbox_refuses);
    tcase_add_test(tests, test_fits);
    tcase_add_test(tests, test_equal);
    tcase_add_test(tests, test_different);
    tcase_add_test(tests, test_arrays_by_content);
    tcase_add_test(tests, test_padding_is_ignored);
    tcase_add_test(tests, test_padding_of_long_doubles_is_ignored);
    tcase_add_test(tests, test_opaque_structs);
    tcase_add_test(tests, test_equal_values_hash_alike);
    return suite_run(suite);
}

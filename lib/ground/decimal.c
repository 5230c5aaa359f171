/*
 * decimal.c: numbers as text: the shortest decimals that read back, in any locale.
 *
 * A number is scaled by a power of ten to an integer of 17 or 18 digits and a fraction, in 64 bits.
 * The nearest decimal of so many digits, and whether it lies among what reads back, is then told by
 * integers, whose error is known; for the few numbers where that error could matter printf and
 * strtod tell it. They agree with each other in any locale, and only their digits are looked at.
 */
#include "ground/decimal.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The digits of a number, d.ddd times 10^exponent. */
struct digits {
    char digit[48];
    int count;
    int exponent;
    bool negative;
};

static void drop_zeros(struct digits *digits)
{
    while (digits->count > 1 && digits->digit[digits->count - 1] == '0')
        digits->count--;
}

/* ---- by integers ---- */

/* 10^number = mantissa * 2^(exponent - 63). The mantissa, with its highest bit set, is less than 2
 * below what it should be, and at most 1 above. */
struct power {
    uint64_t mantissa;
    int exponent;
};

static const uint64_t powers[] = {1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,
                                  1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17};

enum { STEP = 18, FIRST_STEP = -17 };

/* The mantissas of 10^(STEP * (i + FIRST_STEP)), to the nearest. */
static const uint64_t steps[] = {
    0xB3C4F1BA87BC8697, 0x9BECCE62836AC577, 0x873E4F75E2224E68, 0xEA9C227723EE8BCB,
    0xCB7DDCDDA26DA269, 0xB080392CC4349DED, 0x991711052D8BF3C5, 0x84C8D4DFD2C63F3B,
    0xE65829B3046B0AFA, 0xC7CABA6E7C5382C9, 0xAD4AB7112EB3929E, 0x964E858C91BA2655,
    0x825ECC24C8737830, 0xE2280B6C20DD5232, 0xC428D05AA4751E4D, 0xAA242499697392D3,
    0x9392EE8E921D5D07, 0x8000000000000000, 0xDE0B6B3A76400000, 0xC097CE7BC90715B3,
    0xA70C3C40A64E6C52, 0x90E40FBEEA1D3A4B, 0xFB5878494ACE3A5F, 0xDA01EE641A708DEA,
    0xBD176620A501FC00, 0xA402B9C5A8D3A6E7, 0x8E41ADE9FBEBC27D, 0xF6C69A72A3989F5C,
    0xD60B3BD56A5586F2, 0xB9A74A0637CE2EE1, 0xA1075A24E4421731, 0x8BAB8EEFB6409C1A,
    0xF24A01A73CF2DCD0, 0xD226FC195C6A2F8C, 0xB6472E511C81471E, 0x9E19DB92B4E31BA9};

/* The upper half of a product; *low is the lower one. */
static uint64_t multiply(uint64_t a, uint64_t b, uint64_t *low)
{
    uint64_t a_high = a >> 32, a_low = (uint32_t)a, b_high = b >> 32, b_low = (uint32_t)b;
    uint64_t lower = a_low * b_low;
    uint64_t middle = a_high * b_low + (lower >> 32);
    uint64_t other = a_low * b_high + (uint32_t)middle;
    *low = other << 32 | (uint32_t)lower;
    return a_high * b_high + (middle >> 32) + (other >> 32);
}

/* floor(log2(10^number)), below 10^1233. */
static int binary_exponent(int number)
{
    return (int)(((int64_t)number * 1741647) >> 19);
}

/* floor(log10(2^exponent)), for all exponents of a double. */
static int decimal_exponent(int exponent)
{
    return (int)(((int64_t)exponent * 1262611) >> 22);
}

static struct power power_of_ten(int number)
{
    uint64_t low;
    int step = (number - STEP * FIRST_STEP) / STEP;
    uint64_t rest = powers[number - STEP * (step + FIRST_STEP)];
    uint64_t high = multiply(rest << __builtin_clzll(rest), steps[step], &low);
    if (!(high >> 63))
        high = high << 1 | low >> 63;
    return (struct power){high, binary_exponent(number)};
}

/* A positive number times 10^power, in units of 2^-n_bits, and how far from it, down and up, lies
 * what reads back. */
struct scaled {
    uint64_t number;
    uint64_t below, above;
    int n_bits;
    int power;
};

/* What the errors of the power, and of what is cut off, can amount to in a comparison. */
enum { DOUBT = 6 };

/* Of a normal number. */
static struct scaled scale(double number, bool is_float)
{
    const int type_bits = is_float ? FLT_MANT_DIG : DBL_MANT_DIG;
    uint64_t bits, low;
    memcpy(&bits, &number, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7FF) - 1023;
    uint64_t mantissa = (bits | 1ULL << 52) << 11;
    int power = 16 - decimal_exponent(exponent);
    struct power ten = power_of_ten(power);
    uint64_t half = ten.mantissa >> (type_bits + 1);
    bool is_power_of_two = mantissa == 1ULL << 63; /* those below lie closer */
    return (struct scaled){multiply(mantissa, ten.mantissa, &low), half >> is_power_of_two, half,
                           62 - exponent - ten.exponent, power};
}

enum verdict { NO, YES, UNKNOWN };

static enum verdict is_less(uint64_t a, uint64_t b)
{
    if ((a > b ? a - b : b - a) <= DOUBT)
        return UNKNOWN;
    return a < b ? YES : NO;
}

/* Whether the nearest multiple of 10^n_zeros, or else the next one up, reads back. is_last: the
 * nearest is known to. UNKNOWN covers ties too, whatever the rule for them. */
static enum verdict reads_back_rounded(const struct scaled *scaled, int n_zeros, bool is_last,
                                       uint64_t *rounded)
{
    uint64_t unit = powers[n_zeros] << scaled->n_bits;
    uint64_t down = scaled->number % unit, up = unit - down;
    enum verdict is_down = is_less(down, up);
    uint64_t whole = (scaled->number - down) >> scaled->n_bits;
    if (is_down == UNKNOWN)
        return UNKNOWN;
    *rounded = is_down == YES ? whole : whole + powers[n_zeros];
    if (is_last)
        return YES;
    if (is_down == NO)
        return is_less(up, scaled->above);
    enum verdict found = is_less(down, scaled->below);
    if (found != NO)
        return found;
    *rounded = whole + powers[n_zeros];
    return is_less(up, scaled->above);
}

/* Writes the digits of an integer from the end on. Returns the first. */
static char *write_backwards(char *end, unsigned long long integer)
{
    do
        *--end = (char)('0' + integer % 10);
    while (integer /= 10);
    return end;
}

static bool find_by_integers(struct digits *digits, double number, bool is_float)
{
    const int most = is_float ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;
    struct scaled scaled = scale(number, is_float);
    int n_digits = scaled.number >> scaled.n_bits >= powers[17] ? 18 : 17;
    int count = is_float ? FLT_DIG : DBL_DIG;
    uint64_t rounded;
    enum verdict found;
    while ((found = reads_back_rounded(&scaled, n_digits - count, count == most, &rounded)) == NO)
        count++;
    if (found == UNKNOWN)
        return false;
    char text[24], *end = text + sizeof text, *first = write_backwards(end, rounded);
    digits->count = (int)(end - first);
    digits->exponent = digits->count - 1 - scaled.power;
    memcpy(digits->digit, first, (size_t)digits->count);
    drop_zeros(digits);
    return true;
}

/* ---- by printf ---- */

/* Reads "-d.ddde+xx", with whatever decimal point the locale has. */
static void read_digits(struct digits *digits, const char *printed)
{
    digits->count = 0;
    for (; *printed != 'e'; printed++)
        if (*printed >= '0' && *printed <= '9' && digits->count < (int)sizeof digits->digit)
            digits->digit[digits->count++] = *printed;
    digits->exponent = atoi(printed + 1);
    drop_zeros(digits);
}

static bool reads_back(const char *printed, double number, bool is_float)
{
    return is_float ? strtof(printed, NULL) == (float)number : strtod(printed, NULL) == number;
}

/* Adds one to the last digit of "-d.ddde+xx". Returns false when all were nines: the digits are
 * then those of a shorter text, which was tried before. */
static bool round_up(char *printed)
{
    char *digit = strchr(printed, 'e') - 1;
    for (; digit >= printed && *digit != '-'; digit--) {
        if (*digit < '0' || *digit > '9')
            continue;
        if (*digit != '9') {
            (*digit)++;
            return true;
        }
        *digit = '0';
    }
    return false;
}

/* All decimals of up to least digits survive the type, so the search starts there, but for
 * subnormal numbers, which have fewer. Next to a power of two the numbers above lie twice as far
 * apart as those below: there the digits that read back may be the next ones up, and not the
 * nearest. */
static void find_by_printf(struct digits *digits, double number, bool is_float, bool is_subnormal)
{
    char printed[64];
    int least = is_subnormal ? 1 : is_float ? FLT_DIG : DBL_DIG;
    for (int count = least; count <= DBL_DECIMAL_DIG; count++) {
        snprintf(printed, sizeof printed, "%.*e", count - 1, number);
        if (reads_back(printed, number, is_float) ||
            (round_up(printed) && reads_back(printed, number, is_float)))
            break;
    }
    read_digits(digits, printed);
}

static void find_long_digits(struct digits *digits, long double number)
{
    char printed[64];
    for (int count = LDBL_DIG; count <= LDBL_DECIMAL_DIG; count++) {
        snprintf(printed, sizeof printed, "%.*Le", count - 1, number);
        if (strtold(printed, NULL) == number)
            break;
    }
    read_digits(digits, printed);
}

/* ---- text ---- */

static void put_zeros(struct parcel__text *text, int count)
{
    for (; count > 0; count--)
        parcel__text_put(text, "0");
}

static void put_exponent(struct parcel__text *text, int exponent)
{
    parcel__text_put(text, exponent < 0 ? "e-" : "e+");
    if (abs(exponent) < 10)
        parcel__text_put(text, "0");
    parcel__decimal_put_integer(text, abs(exponent));
}

static void put_digits(struct parcel__text *text, const struct digits *digits, const char *whole)
{
    const char *first = digits->digit;
    size_t count = (size_t)digits->count;
    if (digits->negative)
        parcel__text_put(text, "-");
    if (digits->exponent < -4 || digits->exponent >= 16) {
        parcel__text_add(text, first, 1);
        if (count > 1) {
            parcel__text_put(text, ".");
            parcel__text_add(text, first + 1, count - 1);
        }
        put_exponent(text, digits->exponent);
        return;
    }
    if (digits->exponent < 0) {
        parcel__text_put(text, "0.");
        put_zeros(text, -digits->exponent - 1);
        parcel__text_add(text, first, count);
        return;
    }
    size_t before = (size_t)digits->exponent + 1;
    parcel__text_add(text, first, count < before ? count : before);
    put_zeros(text, (int)before - (int)count);
    if (count > before) {
        parcel__text_put(text, ".");
        parcel__text_add(text, first + before, count - before);
    } else {
        parcel__text_put(text, whole);
    }
}

void parcel__decimal_put(struct parcel__text *text, double number, bool is_float, const char *whole)
{
    struct digits digits = {.digit = "0", .count = 1, .negative = signbit(number) != 0};
    double size = fabs(number);
    if (isnan(number)) {
        parcel__text_put(text, "nan");
        return;
    }
    if (isinf(number)) {
        parcel__text_put(text, number < 0 ? "-inf" : "inf");
        return;
    }
    bool is_subnormal = size < (is_float ? (double)FLT_MIN : DBL_MIN);
    if (size > 0 && (is_subnormal || !find_by_integers(&digits, size, is_float)))
        find_by_printf(&digits, size, is_float, is_subnormal);
    put_digits(text, &digits, whole);
}

void parcel__decimal_put_long(struct parcel__text *text, long double number, const char *whole)
{
    struct digits digits = {.negative = signbit(number) != 0};
    if (!isfinite(number)) {
        parcel__decimal_put(text, (double)number, false, whole);
        return;
    }
    find_long_digits(&digits, number);
    put_digits(text, &digits, whole);
}

void parcel__decimal_put_unsigned(struct parcel__text *text, unsigned long long number)
{
    char digits[24], *end = digits + sizeof digits, *first = write_backwards(end, number);
    parcel__text_add(text, first, (size_t)(end - first));
}

void parcel__decimal_put_integer(struct parcel__text *text, long long number)
{
    if (number < 0)
        parcel__text_put(text, "-");
    parcel__decimal_put_unsigned(text, number < 0 ? -(unsigned long long)number
                                                  : (unsigned long long)number);
}

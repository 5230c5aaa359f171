/*
 * value.c: boxing C values, their texts, their equality and their hash.
 *
 * Numbers are printed the way Python prints them: the shortest digits that read back, in plain
 * notation from 1e-4 to 1e16. All digits come from printf and are put together here, so that the
 * locale's decimal point never shows.
 */
#include "value.h"

#include <complex.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "structure.h"

parcel_value parcel_value_none(void)
{
    return (parcel_value){.tag = PARCEL_TAG_NONE};
}

parcel_value parcel_value_bool(bool boolean)
{
    return (parcel_value){.tag = PARCEL_TAG_BOOL, .as.boolean = boolean};
}

parcel_value parcel_value_int(int64_t number)
{
    return (parcel_value){.tag = PARCEL_TAG_INT64, .as.int64 = number};
}

parcel_value parcel_value_uint(uint64_t number)
{
    return (parcel_value){.tag = PARCEL_TAG_UINT64, .as.uint64 = number};
}

parcel_value parcel_value_double(double number)
{
    return (parcel_value){.tag = PARCEL_TAG_DOUBLE, .as.number = number};
}

parcel_value parcel_value_string(const char *string)
{
    if (!string)
        return parcel_value_none();
    return (parcel_value){.tag = PARCEL_TAG_STRING, .as.string = string};
}

parcel_value parcel_value_bytes(const void *bytes, unsigned size)
{
    if (!bytes)
        return parcel_value_none();
    return (parcel_value){.tag = PARCEL_TAG_BYTES, .size = size, .as.bytes = bytes};
}

parcel_value parcel_value_array(const parcel_array *array)
{
    if (!array)
        return parcel_value_none();
    return (parcel_value){.tag = PARCEL_TAG_ARRAY, .as.array = array};
}

parcel_value parcel_value_pointer(void *pointer)
{
    if (!pointer)
        return parcel_value_none();
    return (parcel_value){.tag = PARCEL_TAG_POINTER, .as.pointer = pointer};
}

/* ---- kinds ---- */

bool parcel__kind_is_integer(unsigned kind)
{
    return kind >= PARCEL_CHAR && kind <= PARCEL_ULLONG;
}

bool parcel__kind_is_floating(unsigned kind)
{
    return kind >= PARCEL_FLOAT && kind <= PARCEL_LDOUBLE;
}

static bool is_unsigned(unsigned kind)
{
    switch (kind) {
    case PARCEL_CHAR:
        return CHAR_MIN == 0;
    case PARCEL_UCHAR:
    case PARCEL_USHORT:
    case PARCEL_UINT:
    case PARCEL_ULONG:
    case PARCEL_ULLONG:
        return true;
    default:
        return false;
    }
}

static int64_t read_signed(const void *memory, size_t size)
{
    int8_t one;
    int16_t two;
    int32_t four;
    int64_t eight;
    switch (size) {
    case 1:
        memcpy(&one, memory, 1);
        return one;
    case 2:
        memcpy(&two, memory, 2);
        return two;
    case 4:
        memcpy(&four, memory, 4);
        return four;
    default:
        memcpy(&eight, memory, 8);
        return eight;
    }
}

static uint64_t mask_of(size_t size)
{
    return size < 8 ? (UINT64_C(1) << (8 * size)) - 1 : UINT64_MAX;
}

static uint64_t read_unsigned(const void *memory, size_t size)
{
    return (uint64_t)read_signed(memory, size) & mask_of(size);
}

/* Pointers of every kind are read as void *: POSIX has them all alike. */
static void *read_pointer(const void *memory)
{
    void *pointer;
    memcpy(&pointer, memory, sizeof pointer);
    return pointer;
}

static double read_floating(unsigned kind, const void *memory)
{
    float small;
    double number;
    if (kind == PARCEL_FLOAT) {
        memcpy(&small, memory, sizeof small);
        return small;
    }
    memcpy(&number, memory, sizeof number);
    return number;
}

parcel_value parcel__value_box(unsigned kind, size_t size, unsigned short type, const void *memory)
{
    parcel_value value = parcel_value_none();
    if (kind == PARCEL_BOOL)
        value = parcel_value_bool(*(const unsigned char *)memory != 0);
    else if (is_unsigned(kind))
        value = parcel_value_uint(read_unsigned(memory, size));
    else if (parcel__kind_is_integer(kind))
        value = parcel_value_int(read_signed(memory, size));
    else if (kind == PARCEL_FLOAT || kind == PARCEL_DOUBLE)
        value = parcel_value_double(read_floating(kind, memory));
    else if (kind == PARCEL_STRING || kind == PARCEL_WRITABLE_STRING)
        value = parcel_value_string(read_pointer(memory));
    else if (kind == PARCEL_POINTER)
        value = parcel_value_pointer(read_pointer(memory));
    else if (kind == PARCEL_ARRAY)
        value = parcel_value_array(memory);
    else if (kind == PARCEL_VALUE)
        memcpy(&value, memory, sizeof value);
    else if (kind != PARCEL_NONE)
        value = parcel_value_bytes(memory, (unsigned)size);
    if (kind != PARCEL_VALUE && value.tag != PARCEL_TAG_NONE) {
        value.kind = (unsigned char)kind;
        value.type = type;
    }
    return value;
}

/* ---- texts ---- */

/* The digits of a number, d.ddd times 10^exponent. */
struct digits {
    char digit[48];
    int count;
    int exponent;
    bool negative;
};

/* Reads "-d.ddde+xx", with whatever decimal point the locale has, and drops trailing zeros. */
static void read_digits(struct digits *digits, const char *printed)
{
    digits->negative = *printed == '-';
    digits->count = 0;
    for (; *printed != 'e'; printed++)
        if (*printed >= '0' && *printed <= '9' && digits->count < (int)sizeof digits->digit)
            digits->digit[digits->count++] = *printed;
    digits->exponent = atoi(printed + 1);
    while (digits->count > 1 && digits->digit[digits->count - 1] == '0')
        digits->count--;
}

/* The shortest digits that read back. All decimals of up to least digits survive the type, so
 * the search starts there, but for subnormal numbers, which have fewer. */
static void find_digits(struct digits *digits, double number, bool is_float)
{
    char printed[64];
    bool subnormal = is_float ? fabs(number) < FLT_MIN : fabs(number) < DBL_MIN;
    int least = subnormal ? 1 : is_float ? FLT_DIG : DBL_DIG;
    for (int count = least; count <= 17; count++) {
        snprintf(printed, sizeof printed, "%.*e", count - 1, number);
        if (is_float ? strtof(printed, NULL) == (float)number : strtod(printed, NULL) == number)
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

static void put_zeros(struct parcel__text *text, int count)
{
    for (; count > 0; count--)
        parcel__text_put(text, "0");
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
        parcel__text_format(text, "e%+03d", digits->exponent);
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

/* whole: what follows a number without a fraction, ".0" or nothing. */
static void put_number(struct parcel__text *text, double number, bool is_float, const char *whole)
{
    struct digits digits;
    if (isnan(number)) {
        parcel__text_put(text, "nan");
        return;
    }
    if (isinf(number)) {
        parcel__text_put(text, number < 0 ? "-inf" : "inf");
        return;
    }
    find_digits(&digits, number, is_float);
    put_digits(text, &digits, whole);
}

static void put_long_double(struct parcel__text *text, long double number)
{
    struct digits digits;
    if (!isfinite(number)) {
        put_number(text, (double)number, false, ".0");
        return;
    }
    find_long_digits(&digits, number);
    put_digits(text, &digits, ".0");
}

static void put_complex(struct parcel__text *text, double real, double imaginary, bool is_float)
{
    parcel__text_put(text, "(");
    put_number(text, real, is_float, "");
    if (!signbit(imaginary) || isnan(imaginary))
        parcel__text_put(text, "+");
    put_number(text, imaginary, is_float, "");
    parcel__text_put(text, "j)");
}

/* How many bytes of a valid UTF-8 character start here; 0 when none does. */
static size_t utf8_length(const unsigned char *byte)
{
    size_t length = *byte >= 0xF0 && *byte <= 0xF4   ? 4
                    : *byte >= 0xE0                  ? 3
                    : *byte >= 0xC2 && *byte <= 0xDF ? 2
                                                     : 0;
    if (*byte > 0xF4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((byte[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

static void put_byte(struct parcel__text *text, unsigned char byte, char quote)
{
    static const char special[] = "\n\t\r\\", letters[] = "ntr\\";
    const char *found = byte ? strchr(special, byte) : NULL;
    if (found)
        parcel__text_format(text, "\\%c", letters[found - special]);
    else if (byte == (unsigned char)quote)
        parcel__text_format(text, "\\%c", quote);
    else if (byte < 0x20 || byte >= 0x7F)
        parcel__text_format(text, "\\x%02x", byte);
    else
        parcel__text_add(text, (const char *)&byte, 1);
}

static void put_string(struct parcel__text *text, const char *string)
{
    char quote = strchr(string, '\'') && !strchr(string, '"') ? '"' : '\'';
    parcel__text_add(text, &quote, 1);
    for (const unsigned char *byte = (const unsigned char *)string; *byte;) {
        size_t length = *byte < 0x80 ? 0 : utf8_length(byte);
        if (length > 0)
            parcel__text_add(text, (const char *)byte, length);
        else
            put_byte(text, *byte, quote);
        byte += length > 0 ? length : 1;
    }
    parcel__text_add(text, &quote, 1);
}

static void put_array(struct parcel__text *text, const parcel_array *array)
{
    const unsigned char *element = array->data;
    parcel__text_put(text, "[");
    for (size_t i = 0; element && i < array->count && !text->failed; i++) {
        if (i > 0)
            parcel__text_put(text, ", ");
        parcel__value_put(text, parcel__value_box(array->kind, array->element_size, 0,
                                                  element + i * array->element_size));
    }
    parcel__text_put(text, "]");
}

/* An array field as a value; text when it holds characters. scratch: what an array borrows. */
static parcel_value box_field(const parcel_field *field, const unsigned char *bytes,
                              parcel_array *scratch, char *string)
{
    const unsigned char *memory = bytes + field->offset;
    if (field->element == PARCEL_NONE)
        return parcel__value_box(field->kind, field->size, 0, memory);
    if (field->element == PARCEL_CHAR && field->size < PARCEL__LONGEST_FIELD) {
        memcpy(string, memory, field->size);
        string[field->size] = '\0';
        return parcel_value_string(string);
    }
    static const unsigned char sizes[] = {[PARCEL_BOOL] = sizeof(bool),
                                          [PARCEL_CHAR] = 1,
                                          [PARCEL_SCHAR] = 1,
                                          [PARCEL_UCHAR] = 1,
                                          [PARCEL_SHORT] = sizeof(short),
                                          [PARCEL_USHORT] = sizeof(short),
                                          [PARCEL_INT] = sizeof(int),
                                          [PARCEL_UINT] = sizeof(int),
                                          [PARCEL_LONG] = sizeof(long),
                                          [PARCEL_ULONG] = sizeof(long),
                                          [PARCEL_LLONG] = sizeof(long long),
                                          [PARCEL_ULLONG] = sizeof(long long),
                                          [PARCEL_FLOAT] = sizeof(float),
                                          [PARCEL_DOUBLE] = sizeof(double)};
    unsigned size = field->element < sizeof sizes ? sizes[field->element] : 1;
    union {
        const void *read;
        void *write;
    } data = {memory}; /* a parcel_array has no const form; nothing is written */
    *scratch = (parcel_array){data.write, field->size / size, field->element, size};
    return parcel_value_array(scratch);
}

static const char *without_struct(const char *name)
{
    if (strncmp(name, "struct ", 7) == 0)
        return name + 7;
    return strncmp(name, "union ", 6) == 0 ? name + 6 : name;
}

static void put_struct(struct parcel__text *text, parcel_value value)
{
    const parcel_structure *structure = parcel__structure_at(value.type);
    parcel_array array;
    char string[PARCEL__LONGEST_FIELD];
    if (!structure) {
        parcel__text_format(text, "<struct, %u bytes>", value.size);
        return;
    }
    parcel__text_format(text, "%s(", without_struct(structure->name));
    for (size_t i = 0; i < structure->n_fields; i++) {
        const parcel_field *field = &structure->fields[i];
        parcel__text_format(text, "%s%s=", i > 0 ? ", " : "", field->name);
        parcel__value_put(text, box_field(field, value.as.bytes, &array, string));
    }
    parcel__text_put(text, ")");
}

static void put_bytes(struct parcel__text *text, parcel_value value)
{
    const unsigned char *byte = value.as.bytes;
    long double number;
    float complex cfloat;
    double complex cdouble;
    switch (value.kind) {
    case PARCEL_STRUCT_BYTES:
        put_struct(text, value);
        return;
    case PARCEL_LDOUBLE:
        memcpy(&number, byte, sizeof number);
        put_long_double(text, number);
        return;
    case PARCEL_CFLOAT:
        memcpy(&cfloat, byte, sizeof cfloat);
        put_complex(text, crealf(cfloat), cimagf(cfloat), true);
        return;
    case PARCEL_CDOUBLE:
        memcpy(&cdouble, byte, sizeof cdouble);
        put_complex(text, creal(cdouble), cimag(cdouble), false);
        return;
    case PARCEL_CLDOUBLE: {
        long double parts[2];
        memcpy(parts, byte, sizeof parts);
        put_complex(text, (double)parts[0], (double)parts[1], false);
        return;
    }
    default:
        parcel__text_put(text, "b'");
        for (unsigned i = 0; i < value.size; i++)
            put_byte(text, byte[i], '\'');
        parcel__text_put(text, "'");
    }
}

void parcel__value_put(struct parcel__text *text, parcel_value value)
{
    switch (value.tag) {
    case PARCEL_TAG_BOOL:
        parcel__text_put(text, value.as.boolean ? "True" : "False");
        return;
    case PARCEL_TAG_INT64:
        parcel__text_format(text, "%lld", (long long)value.as.int64);
        return;
    case PARCEL_TAG_UINT64:
        parcel__text_format(text, "%llu", (unsigned long long)value.as.uint64);
        return;
    case PARCEL_TAG_DOUBLE:
        put_number(text, value.as.number, value.kind == PARCEL_FLOAT, ".0");
        return;
    case PARCEL_TAG_STRING:
        put_string(text, value.as.string);
        return;
    case PARCEL_TAG_BYTES:
        put_bytes(text, value);
        return;
    case PARCEL_TAG_ARRAY:
        put_array(text, value.as.array);
        return;
    case PARCEL_TAG_POINTER:
        parcel__text_format(text, "<pointer %p>", value.as.pointer);
        return;
    default:
        parcel__text_put(text, "None");
    }
}

void parcel__value_put_argument(struct parcel__text *text, parcel_value value)
{
    if (value.tag == PARCEL_TAG_DOUBLE)
        put_number(text, value.as.number, value.kind == PARCEL_FLOAT, "");
    else
        parcel__value_put(text, value);
}

char *parcel_value_text(parcel_value value)
{
    struct parcel__text text = {0};
    parcel__value_put(&text, value);
    return parcel__text_take(&text);
}

bool parcel_value_print(parcel_value value, FILE *file)
{
    char *text = file ? parcel_value_text(value) : NULL;
    bool printed = text && fputs(text, file) != EOF;
    parcel__memory_free(text);
    return printed;
}

/* ---- conversions ---- */

/* A number as the widest of its class, so that each conversion is written once. */
struct number {
    enum { NOT_A_NUMBER, SIGNED, UNSIGNED, FLOATING } class;
    int64_t integer;
    uint64_t natural;
    long double real;
};

static struct number read_number(parcel_value value)
{
    struct number number = {NOT_A_NUMBER, 0, 0, 0};
    switch (value.tag) {
    case PARCEL_TAG_BOOL:
        number = (struct number){SIGNED, value.as.boolean, value.as.boolean, value.as.boolean};
        break;
    case PARCEL_TAG_INT64:
        number = (struct number){SIGNED, value.as.int64, (uint64_t)value.as.int64,
                                 (long double)value.as.int64};
        break;
    case PARCEL_TAG_UINT64:
        number = (struct number){UNSIGNED, (int64_t)value.as.uint64, value.as.uint64,
                                 (long double)value.as.uint64};
        break;
    case PARCEL_TAG_DOUBLE:
        number = (struct number){FLOATING, 0, 0, value.as.number};
        break;
    case PARCEL_TAG_BYTES:
        if (value.kind != PARCEL_LDOUBLE)
            break;
        number.class = FLOATING;
        memcpy(&number.real, value.as.bytes, sizeof number.real);
        break;
    default:
        break;
    }
    return number;
}

/* Converting a floating number to an integer that cannot hold it is undefined in C: refused. */
static bool truncate_real(struct number *number)
{
    if (number->class != FLOATING)
        return true;
    if (!(number->real > -9223372036854775809.0L && number->real < 18446744073709551616.0L))
        return false;
    number->integer = number->real < 0 ? (int64_t)number->real : (int64_t)(uint64_t)number->real;
    number->natural = (uint64_t)number->integer;
    return true;
}

static void write_integer(uint64_t bits, size_t size, void *memory)
{
    const uint8_t one = (uint8_t)bits;
    const uint16_t two = (uint16_t)bits;
    const uint32_t four = (uint32_t)bits;
    const void *source = size == 1   ? (const void *)&one
                         : size == 2 ? (const void *)&two
                         : size == 4 ? (const void *)&four
                                     : (const void *)&bits;
    memcpy(memory, source, size);
}

static void write_real(long double real, unsigned kind, void *memory)
{
    const float small = (float)real;
    const double number = (double)real;
    if (kind == PARCEL_FLOAT)
        memcpy(memory, &small, sizeof small);
    else if (kind == PARCEL_DOUBLE)
        memcpy(memory, &number, sizeof number);
    else
        memcpy(memory, &real, sizeof real);
}

static bool unbox_number(parcel_value value, unsigned kind, size_t size, void *memory)
{
    struct number number = read_number(value);
    if (number.class == NOT_A_NUMBER)
        return false;
    if (kind == PARCEL_BOOL) {
        const bool boolean = number.real != 0;
        memcpy(memory, &boolean, sizeof boolean);
        return true;
    }
    if (parcel__kind_is_floating(kind)) {
        write_real(number.real, kind, memory);
        return true;
    }
    if (!truncate_real(&number))
        return false;
    write_integer(number.natural, size, memory);
    return true;
}

static bool unbox_pointer(parcel_value value, unsigned kind, void *memory)
{
    const void *pointer = NULL;
    bool is_string = kind == PARCEL_STRING || kind == PARCEL_WRITABLE_STRING;
    if (is_string && value.tag == PARCEL_TAG_STRING)
        pointer = value.as.string;
    else if (!is_string && value.tag == PARCEL_TAG_POINTER)
        pointer = value.as.pointer;
    else if (value.tag != PARCEL_TAG_NONE)
        return false;
    memcpy(memory, &pointer, sizeof pointer);
    return true;
}

bool parcel__value_unbox(parcel_value value, unsigned kind, size_t size, void *memory)
{
    if (kind == PARCEL_VALUE) {
        memcpy(memory, &value, sizeof value);
        return true;
    }
    if (kind == PARCEL_BOOL || parcel__kind_is_integer(kind) || parcel__kind_is_floating(kind))
        return unbox_number(value, kind, size, memory);
    if (kind == PARCEL_STRING || kind == PARCEL_WRITABLE_STRING || kind == PARCEL_POINTER)
        return unbox_pointer(value, kind, memory);
    if (kind == PARCEL_ARRAY && value.tag == PARCEL_TAG_ARRAY) {
        memcpy(memory, value.as.array, sizeof(parcel_array));
        return true;
    }
    if (value.tag != PARCEL_TAG_BYTES || value.size != size ||
        (value.kind != kind && value.kind != PARCEL_NONE))
        return false;
    memcpy(memory, value.as.bytes, size);
    return true;
}

/* True when both are the same number, whatever their classes. */
static bool same_number(struct number one, struct number other)
{
    bool negative = one.class == SIGNED && one.integer < 0;
    bool other_negative = other.class == SIGNED && other.integer < 0;
    if (one.class == FLOATING || other.class == FLOATING)
        return one.real == other.real || (isnan(one.real) && isnan(other.real));
    return negative == other_negative && one.natural == other.natural;
}

bool parcel__value_fits(parcel_value value, unsigned kind, size_t size)
{
    union {
        unsigned char bytes[PARCEL__LARGEST_SCALAR];
        long double aligned;
    } copy;
    if (kind == PARCEL_VALUE)
        return true;
    struct number number = read_number(value);
    bool wants_number =
        kind == PARCEL_BOOL || parcel__kind_is_integer(kind) || parcel__kind_is_floating(kind);
    if (wants_number && number.class != NOT_A_NUMBER)
        return parcel__value_unbox(value, kind, size, copy.bytes) &&
               same_number(number, read_number(parcel__value_box(kind, size, 0, copy.bytes)));
    if (wants_number)
        return false;
    if (kind == PARCEL_ARRAY)
        return value.tag == PARCEL_TAG_ARRAY;
    if (kind == PARCEL_STRING || kind == PARCEL_WRITABLE_STRING || kind == PARCEL_POINTER)
        return unbox_pointer(value, kind, copy.bytes);
    return value.tag == PARCEL_TAG_BYTES && value.size == size &&
           (value.kind == kind || value.kind == PARCEL_NONE);
}

/* ---- equality and hash ---- */

static bool equal_numbers(double one, double other)
{
    return one == other || (isnan(one) && isnan(other));
}

static bool equal_arrays(const parcel_array *one, const parcel_array *other)
{
    if (one->count != other->count || one->kind != other->kind ||
        one->element_size != other->element_size)
        return false;
    const unsigned char *a = one->data, *b = other->data;
    for (size_t i = 0; i < one->count; i++)
        if (!parcel_value_equal(
                parcel__value_box(one->kind, one->element_size, 0, a + i * one->element_size),
                parcel__value_box(one->kind, one->element_size, 0, b + i * one->element_size)))
            return false;
    return true;
}

static bool equal_fields(const parcel_structure *structure, const void *one, const void *other)
{
    parcel_array arrays[2];
    char strings[2][PARCEL__LONGEST_FIELD];
    for (size_t i = 0; i < structure->n_fields; i++) {
        const parcel_field *field = &structure->fields[i];
        if (!parcel_value_equal(box_field(field, one, &arrays[0], strings[0]),
                                box_field(field, other, &arrays[1], strings[1])))
            return false;
    }
    return true;
}

static bool equal_bytes(parcel_value one, parcel_value other)
{
    const parcel_structure *structure = parcel__structure_at(one.type);
    if (one.size != other.size || one.kind != other.kind || one.type != other.type)
        return false;
    if (structure)
        return equal_fields(structure, one.as.bytes, other.as.bytes);
    if (one.kind == PARCEL_LDOUBLE) /* its padding says nothing */
        return same_number(read_number(one), read_number(other));
    return memcmp(one.as.bytes, other.as.bytes, one.size) == 0;
}

bool parcel_value_equal(parcel_value one, parcel_value other)
{
    if (one.tag != other.tag)
        return false;
    switch (one.tag) {
    case PARCEL_TAG_NONE:
        return true;
    case PARCEL_TAG_BOOL:
        return one.as.boolean == other.as.boolean;
    case PARCEL_TAG_DOUBLE:
        return equal_numbers(one.as.number, other.as.number);
    case PARCEL_TAG_STRING:
        return strcmp(one.as.string, other.as.string) == 0;
    case PARCEL_TAG_BYTES:
        return equal_bytes(one, other);
    case PARCEL_TAG_ARRAY:
        return equal_arrays(one.as.array, other.as.array);
    case PARCEL_TAG_POINTER:
        return one.as.pointer == other.as.pointer;
    default:
        return one.as.uint64 == other.as.uint64;
    }
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t hash_value(uint64_t hash, parcel_value value);

static uint64_t hash_number(uint64_t hash, double number)
{
    /* Equal numbers hash alike: -0.0 as 0.0, and every nan as one. */
    number = number == 0 ? 0 : isnan(number) ? NAN : number;
    return hash_bytes(hash, &number, sizeof number);
}

static uint64_t hash_array(uint64_t hash, const parcel_array *array)
{
    const unsigned char *element = array->data;
    hash = hash_bytes(hash, &array->kind, sizeof array->kind);
    hash = hash_bytes(hash, &array->count, sizeof array->count);
    for (size_t i = 0; i < array->count; i++)
        hash = hash_value(hash, parcel__value_box(array->kind, array->element_size, 0,
                                                  element + i * array->element_size));
    return hash;
}

static uint64_t hash_content(uint64_t hash, parcel_value value)
{
    const parcel_structure *structure = parcel__structure_at(value.type);
    parcel_array array;
    char string[PARCEL__LONGEST_FIELD];
    hash = hash_bytes(hash, &value.size, sizeof value.size);
    if (value.kind == PARCEL_LDOUBLE)
        return hash_number(hash, (double)read_number(value).real);
    if (value.kind != PARCEL_STRUCT_BYTES)
        return hash_bytes(hash, value.as.bytes, value.size);
    for (size_t i = 0; structure && i < structure->n_fields; i++)
        hash = hash_value(hash, box_field(&structure->fields[i], value.as.bytes, &array, string));
    return hash;
}

static uint64_t hash_value(uint64_t hash, parcel_value value)
{
    hash = hash_bytes(hash, &value.tag, sizeof value.tag);
    switch (value.tag) {
    case PARCEL_TAG_NONE:
        return hash;
    case PARCEL_TAG_BOOL:
        return hash_bytes(hash, &value.as.boolean, sizeof value.as.boolean);
    case PARCEL_TAG_DOUBLE:
        return hash_number(hash, value.as.number);
    case PARCEL_TAG_STRING:
        return hash_bytes(hash, value.as.string, strlen(value.as.string));
    case PARCEL_TAG_BYTES:
        return hash_content(hash, value);
    case PARCEL_TAG_ARRAY:
        return hash_array(hash, value.as.array);
    case PARCEL_TAG_POINTER:
        return hash_bytes(hash, &value.as.pointer, sizeof value.as.pointer);
    default:
        return hash_bytes(hash, &value.as.uint64, sizeof value.as.uint64);
    }
}

uint64_t parcel_value_hash(parcel_value value)
{
    return hash_value(UINT64_C(14695981039346656037), value);
}

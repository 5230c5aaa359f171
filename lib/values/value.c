/* value.c: boxing C values, and giving them back as C values. */
#include "values/value.h"

#include <limits.h>
#include <math.h>
#include <string.h>

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

size_t parcel__kind_size(unsigned kind)
{
    static const unsigned char sizes[] = {
        [PARCEL_BOOL] = sizeof(bool),
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
        [PARCEL_DOUBLE] = sizeof(double),
        [PARCEL_LDOUBLE] = sizeof(long double),
        [PARCEL_CFLOAT] = 2 * sizeof(float),
        [PARCEL_CDOUBLE] = 2 * sizeof(double),
        [PARCEL_CLDOUBLE] = 2 * sizeof(long double),
        [PARCEL_STRING] = sizeof(char *),
        [PARCEL_WRITABLE_STRING] = sizeof(char *),
        [PARCEL_POINTER] = sizeof(void *),
        [PARCEL_STRUCT_BYTES] = 0,
        [PARCEL_ARRAY] = sizeof(parcel_array),
        [PARCEL_VALUE] = sizeof(parcel_value),
    };
    return kind < sizeof sizes ? sizes[kind] : 0;
}

static bool is_integer(unsigned kind)
{
    return kind >= PARCEL_CHAR && kind <= PARCEL_ULLONG;
}

bool parcel__kind_is_floating(unsigned kind)
{
    return kind >= PARCEL_FLOAT && kind <= PARCEL_LDOUBLE;
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

/* How a value of that kind is held. */
static parcel_tag tag_of(unsigned kind)
{
    static const unsigned char tags[] = {
        [PARCEL_NONE] = PARCEL_TAG_NONE,
        [PARCEL_BOOL] = PARCEL_TAG_BOOL,
        [PARCEL_CHAR] = CHAR_MIN == 0 ? PARCEL_TAG_UINT64 : PARCEL_TAG_INT64,
        [PARCEL_SCHAR] = PARCEL_TAG_INT64,
        [PARCEL_UCHAR] = PARCEL_TAG_UINT64,
        [PARCEL_SHORT] = PARCEL_TAG_INT64,
        [PARCEL_USHORT] = PARCEL_TAG_UINT64,
        [PARCEL_INT] = PARCEL_TAG_INT64,
        [PARCEL_UINT] = PARCEL_TAG_UINT64,
        [PARCEL_LONG] = PARCEL_TAG_INT64,
        [PARCEL_ULONG] = PARCEL_TAG_UINT64,
        [PARCEL_LLONG] = PARCEL_TAG_INT64,
        [PARCEL_ULLONG] = PARCEL_TAG_UINT64,
        [PARCEL_FLOAT] = PARCEL_TAG_DOUBLE,
        [PARCEL_DOUBLE] = PARCEL_TAG_DOUBLE,
        [PARCEL_LDOUBLE] = PARCEL_TAG_BYTES,
        [PARCEL_CFLOAT] = PARCEL_TAG_BYTES,
        [PARCEL_CDOUBLE] = PARCEL_TAG_BYTES,
        [PARCEL_CLDOUBLE] = PARCEL_TAG_BYTES,
        [PARCEL_STRING] = PARCEL_TAG_STRING,
        [PARCEL_WRITABLE_STRING] = PARCEL_TAG_STRING,
        [PARCEL_POINTER] = PARCEL_TAG_POINTER,
        [PARCEL_STRUCT_BYTES] = PARCEL_TAG_BYTES,
        [PARCEL_ARRAY] = PARCEL_TAG_ARRAY,
    };
    return kind < sizeof tags ? tags[kind] : PARCEL_TAG_BYTES;
}

parcel_value parcel__value_box(unsigned kind, size_t size, unsigned short type, const void *memory)
{
    parcel_value value = {
        .tag = (unsigned char)tag_of(kind), .kind = (unsigned char)kind, .type = type};
    if (kind == PARCEL_VALUE) {
        memcpy(&value, memory, sizeof value);
        return value;
    }
    switch ((parcel_tag)value.tag) {
    case PARCEL_TAG_INT64:
        value.as.int64 = read_signed(memory, size);
        return value;
    case PARCEL_TAG_UINT64:
        value.as.uint64 = read_unsigned(memory, size);
        return value;
    case PARCEL_TAG_DOUBLE:
        value.as.number = read_floating(kind, memory);
        return value;
    case PARCEL_TAG_BOOL:
        value.as.boolean = *(const unsigned char *)memory != 0;
        return value;
    case PARCEL_TAG_STRING:
    case PARCEL_TAG_POINTER:
        value.as.pointer = read_pointer(memory);
        return value.as.pointer ? value : parcel_value_none();
    case PARCEL_TAG_ARRAY:
        value.as.array = memory;
        return value;
    case PARCEL_TAG_BYTES:
        value.size = (unsigned)size;
        value.as.bytes = memory;
        return value;
    default:
        return parcel_value_none();
    }
}

parcel_value parcel__value_box_field(const parcel_field *field, const unsigned char *bytes,
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
    unsigned size = (unsigned)parcel__kind_size(field->element);
    union {
        const void *read;
        void *write;
    } data = {memory}; /* a parcel_array has no const form; nothing is written */
    *scratch = (parcel_array){data.write, field->size / size, field->element, size};
    return parcel_value_array(scratch);
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
    /* Nor may the integer be too narrow: what C leaves undefined is refused as well. */
    return number.class != FLOATING ||
           read_number(parcel__value_box(kind, size, 0, memory)).real == truncl(number.real);
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
    if (kind == PARCEL_BOOL || is_integer(kind) || parcel__kind_is_floating(kind))
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
    bool wants_number = kind == PARCEL_BOOL || is_integer(kind) || parcel__kind_is_floating(kind);
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

int parcel__value_parts(parcel_value value, long double parts[2])
{
    float small[2];
    double number[2];
    int count = value.kind == PARCEL_LDOUBLE ? 1 : 2;
    switch (value.kind) {
    case PARCEL_LDOUBLE:
    case PARCEL_CLDOUBLE:
        memcpy(parts, value.as.bytes, (size_t)count * sizeof *parts);
        return count;
    case PARCEL_CFLOAT:
        memcpy(small, value.as.bytes, sizeof small);
        parts[0] = small[0], parts[1] = small[1];
        return count;
    case PARCEL_CDOUBLE:
        memcpy(number, value.as.bytes, sizeof number);
        parts[0] = number[0], parts[1] = number[1];
        return count;
    default:
        return 0;
    }
}

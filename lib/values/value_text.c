/* value_text.c: values as Python prints them. */
#include <math.h>
#include <string.h>

#include "ground/decimal.h"
#include "ground/memory.h"
#include "values/structure.h"
#include "values/value.h"

/* kind: that of the complex number whose part it is. */
static void put_part(struct parcel__text *text, long double part, unsigned kind)
{
    if (kind == PARCEL_CLDOUBLE)
        parcel__decimal_put_long(text, part, "");
    else
        parcel__decimal_put(text, (double)part, kind == PARCEL_CFLOAT, "");
}

static void put_complex(struct parcel__text *text, const long double parts[2], unsigned kind)
{
    parcel__text_put(text, "(");
    put_part(text, parts[0], kind);
    if (!signbit(parts[1]) || isnan(parts[1]))
        parcel__text_put(text, "+");
    put_part(text, parts[1], kind);
    parcel__text_put(text, "j)");
}

/* How many bytes of a valid UTF-8 character of two and more start here; 0 when none does. The
 * second byte's bounds leave out what could be written shorter, surrogates, and what lies above
 * U+10FFFF. */
static size_t utf8_length(const unsigned char *byte)
{
    unsigned char first = *byte, least = 0x80, most = 0xBF;
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    if (first == 0xE0 || first == 0xF0)
        least = first == 0xE0 ? 0xA0 : 0x90;
    if (first == 0xED || first == 0xF4)
        most = first == 0xED ? 0x9F : 0x8F;
    if (byte[1] < least || byte[1] > most)
        return 0;
    for (size_t i = 2; i < length; i++)
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

static void put_plain_bytes(struct parcel__text *text, const unsigned char *bytes, size_t size)
{
    bool has_single = size > 0 && memchr(bytes, '\'', size);
    char quote = has_single && !memchr(bytes, '"', size) ? '"' : '\'';
    parcel__text_format(text, "b%c", quote);
    for (size_t i = 0; i < size; i++)
        put_byte(text, bytes[i], quote);
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
        parcel__text_format(text, "<struct, %u byte%s>", value.size, value.size == 1 ? "" : "s");
        return;
    }
    parcel__text_format(text, "%s(", without_struct(structure->name));
    for (size_t i = 0; i < structure->n_fields; i++) {
        const parcel_field *field = &structure->fields[i];
        parcel__text_format(text, "%s%s=", i > 0 ? ", " : "", field->name);
        parcel__value_put(text, parcel__value_box_field(field, value.as.bytes, &array, string));
    }
    parcel__text_put(text, ")");
}

static void put_bytes(struct parcel__text *text, parcel_value value)
{
    long double parts[2];
    int n_parts = parcel__value_parts(value, parts);
    if (value.kind == PARCEL_STRUCT_BYTES)
        put_struct(text, value);
    else if (n_parts == 2)
        put_complex(text, parts, value.kind);
    else if (n_parts == 1)
        parcel__decimal_put_long(text, parts[0], ".0");
    else
        put_plain_bytes(text, value.as.bytes, value.size);
}

void parcel__value_put(struct parcel__text *text, parcel_value value)
{
    switch (value.tag) {
    case PARCEL_TAG_BOOL:
        parcel__text_put(text, value.as.boolean ? "True" : "False");
        return;
    case PARCEL_TAG_INT64:
        parcel__decimal_put_integer(text, value.as.int64);
        return;
    case PARCEL_TAG_UINT64:
        parcel__decimal_put_unsigned(text, value.as.uint64);
        return;
    case PARCEL_TAG_DOUBLE:
        parcel__decimal_put(text, value.as.number, value.kind == PARCEL_FLOAT, ".0");
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
        parcel__decimal_put(text, value.as.number, value.kind == PARCEL_FLOAT, "");
    else
        parcel__value_put(text, value);
}

/* The type it had in C; NULL: it was made by hand. */
static const char *kind_name(unsigned kind)
{
    static const char *const names[] = {
        [PARCEL_BOOL] = "bool",
        [PARCEL_CHAR] = "char",
        [PARCEL_SCHAR] = "signed char",
        [PARCEL_UCHAR] = "unsigned char",
        [PARCEL_SHORT] = "short",
        [PARCEL_USHORT] = "unsigned short",
        [PARCEL_INT] = "int",
        [PARCEL_UINT] = "unsigned",
        [PARCEL_LONG] = "long",
        [PARCEL_ULONG] = "unsigned long",
        [PARCEL_LLONG] = "long long",
        [PARCEL_ULLONG] = "unsigned long long",
        [PARCEL_FLOAT] = "float",
        [PARCEL_DOUBLE] = "double",
        [PARCEL_LDOUBLE] = "long double",
        [PARCEL_CFLOAT] = "complex float",
        [PARCEL_CDOUBLE] = "complex double",
        [PARCEL_CLDOUBLE] = "complex long double",
        [PARCEL_STRING] = "string",
        [PARCEL_WRITABLE_STRING] = "string",
        [PARCEL_POINTER] = "pointer",
        [PARCEL_STRUCT_BYTES] = "struct",
        [PARCEL_ARRAY] = "array",
        [PARCEL_VALUE] = "parcel_value",
    };
    return kind < sizeof names / sizeof *names ? names[kind] : NULL;
}

static const char *tag_name(unsigned tag)
{
    static const char *const names[] = {
        [PARCEL_TAG_NONE] = "None",       [PARCEL_TAG_BOOL] = "bool",
        [PARCEL_TAG_INT64] = "integer",   [PARCEL_TAG_UINT64] = "unsigned integer",
        [PARCEL_TAG_DOUBLE] = "double",   [PARCEL_TAG_STRING] = "string",
        [PARCEL_TAG_BYTES] = "bytes",     [PARCEL_TAG_ARRAY] = "array",
        [PARCEL_TAG_POINTER] = "pointer",
    };
    return tag < sizeof names / sizeof *names ? names[tag] : "unknown";
}

void parcel__value_put_type(struct parcel__text *text, parcel_value value)
{
    const char *name = kind_name(value.kind);
    if (value.tag == PARCEL_TAG_ARRAY) {
        const char *element = kind_name(value.as.array->kind);
        parcel__text_format(text, "%s[%zu]", element ? element : "unknown", value.as.array->count);
        return;
    }
    parcel__text_put(text, name ? name : tag_name(value.tag));
    if (value.tag == PARCEL_TAG_BYTES)
        parcel__text_format(text, " of %u byte%s", value.size, value.size == 1 ? "" : "s");
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

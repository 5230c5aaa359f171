/* value_compare.c: equality of values, and the hash that goes with it. */
#include <math.h>
#include <string.h>

#include "values/structure.h"
#include "values/value.h"

static bool equal_numbers(long double one, long double other)
{
    return one == other || (isnan(one) && isnan(other));
}

static bool equal_arrays(const parcel_array *one, const parcel_array *other)
{
    if (one->count != other->count || one->kind != other->kind ||
        one->element_size != other->element_size)
        return false;
    const unsigned char *a = one->data, *b = other->data;
    if (!a || !b)
        return one->count == 0 || a == b;
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
        if (!parcel_value_equal(parcel__value_box_field(field, one, &arrays[0], strings[0]),
                                parcel__value_box_field(field, other, &arrays[1], strings[1])))
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
    long double parts[2], others[2];
    int count = parcel__value_parts(one, parts);
    parcel__value_parts(other, others);
    if (count > 0)
        return equal_numbers(parts[0], others[0]) &&
               (count < 2 || equal_numbers(parts[1], others[1]));
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
    for (size_t i = 0; element && i < array->count; i++)
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
    long double parts[2];
    int count = parcel__value_parts(value, parts);
    for (int i = 0; i < count; i++)
        hash = hash_number(hash, (double)parts[i]);
    if (count > 0)
        return hash;
    if (value.kind != PARCEL_STRUCT_BYTES)
        return hash_bytes(hash, value.as.bytes, value.size);
    for (size_t i = 0; structure && i < structure->n_fields; i++)
        hash = hash_value(
            hash, parcel__value_box_field(&structure->fields[i], value.as.bytes, &array, string));
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

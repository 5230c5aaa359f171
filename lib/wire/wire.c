/*
 * wire.c: calls and results as bytes, for processes that do not see each other's memory.
 *
 * A call is its function, its arguments and then, one behind the other, what these point at:
 *
 *     | function, seal | arguments ... | content of one | content of the next | ...
 *
 * Where an argument holds a pointer to content, the message holds what is needed to find its end:
 * a string's size (0 for NULL), and of arrays and bytes that it is not NULL, since they know their
 * own size. So content has no lengths of its own, and the reader finds all of it on one walk. To a
 * process that is no fork of ours, a pointer's content is the identity of what it points at.
 */
#include "wire/wire.h"

#include <stddef.h>
#include <string.h>

#include "calls/function.h"
#include "calls/identity.h"
#include "ground/bytes.h"
#include "ground/shared.h"
#include "values/structure.h"
#include "values/value.h"

struct header {
    uint64_t function;
    uint64_t seal; /* tells a function from anything else that may stand here */
};

/* ---- the function ---- */

/* Both ends are forks of one process, where a descriptor has one address. */
static struct header header_of(const parcel_function *function)
{
    uint64_t address = (uintptr_t)function;
    return (struct header){address, ~address};
}

/* NULL when the header is none. */
static const parcel_function *function_of(struct header header)
{
    return header.seal == ~header.function ? (const parcel_function *)(uintptr_t)header.function
                                           : NULL;
}

/* ---- what pointers point at ---- */

bool parcel__wire_size_data(const parcel_array *array, size_t *size)
{
    size_t element_size = parcel__kind_size(array->kind);
    if (array->kind > PARCEL_VALUE || (element_size > 0 && array->element_size != element_size))
        return false;
    return !__builtin_mul_overflow(array->count, array->element_size, size) &&
           *size <= PARCEL__WIRE_LARGEST;
}

static bool is_pointer(unsigned kind)
{
    return kind == PARCEL_POINTER || kind == PARCEL_STRING || kind == PARCEL_WRITABLE_STRING;
}

/* Pointers side by side, each by its identity; NULL is none. */
static bool put_pointers(struct parcel__wire_output *output, const unsigned char *place,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct parcel__identity identity = {0, 0};
        const void *pointer;
        memcpy(&pointer, place + i * sizeof pointer, sizeof pointer);
        output->away->is_unknown = pointer && !parcel__identity_of(pointer, &identity);
        if (output->away->is_unknown || !parcel__wire_put_bytes(output, &identity, sizeof identity))
            return false;
    }
    return true;
}

/* What is only counted is told of when it is written. */
static bool leave_out(struct parcel__wire_away *away, bool is_counted, void *data, size_t size)
{
    away->has_no_memory = !is_counted && !away->leave_out(away->state, away->part, data, size);
    return !away->has_no_memory;
}

static bool put_data_away(struct parcel__wire_output *output, const parcel_array *array,
                          size_t size)
{
    struct parcel__wire_away *away = output->away;
    if (is_pointer(array->kind))
        return put_pointers(output, array->data, array->count);
    away->is_unknown = parcel__wire_has_pointers(array);
    if (away->is_unknown)
        return false;
    return size >= away->least ? leave_out(away, !output->bytes, array->data, size)
                               : parcel__wire_put_bytes(output, array->data, size);
}

static bool put_data(struct parcel__wire_output *output, const parcel_array *array)
{
    size_t size;
    if (!array->data)
        return true;
    if (!parcel__wire_size_data(array, &size))
        return false;
    return output->away ? put_data_away(output, array, size)
                        : parcel__wire_put_bytes(output, array->data, size);
}

/* The string that place points at; its size takes its place. */
static bool put_string(struct parcel__wire_output *output, unsigned char *place)
{
    const char *string;
    memcpy(&string, place, sizeof string);
    uintptr_t size = string ? strlen(string) + 1 : 0;
    memcpy(place, &size, sizeof size);
    return parcel__wire_put_bytes(output, string, size);
}

bool parcel__wire_put_value(struct parcel__wire_output *output, unsigned char *place)
{
    parcel_value value;
    memcpy(&value, place, sizeof value);
    switch (value.tag) {
    case PARCEL_TAG_STRING:
        return put_string(output, place + offsetof(parcel_value, as));
    case PARCEL_TAG_BYTES:
        return !value.as.bytes || parcel__wire_put_bytes(output, value.as.bytes, value.size);
    case PARCEL_TAG_ARRAY:
        return !value.as.array ||
               (parcel__wire_put_bytes(output, value.as.array, sizeof(parcel_array)) &&
                put_data(output, value.as.array));
    case PARCEL_TAG_POINTER:
        return !output->away || put_pointers(output, place + offsetof(parcel_value, as), 1);
    default:
        return true;
    }
}

static struct parcel__wire_layout layout_of(const parcel_function *function)
{
    return (struct parcel__wire_layout){function->parameters, function->n_parameters,
                                        function->argument_bytes};
}

/* Adds what the object points at, and makes it what the reader needs. */
static bool put_content(struct parcel__wire_output *output,
                        const struct parcel__wire_layout *layout, unsigned char *object)
{
    bool is_put = true;
    for (unsigned i = 0; is_put && i < layout->n_parts; i++) {
        unsigned char *place = object + layout->parts[i].offset;
        unsigned kind = layout->parts[i].kind;
        parcel_array array;
        if (output->away)
            output->away->part = i;
        if (kind == PARCEL_STRING || kind == PARCEL_WRITABLE_STRING) {
            is_put = put_string(output, place);
        } else if (kind == PARCEL_VALUE) {
            is_put = parcel__wire_put_value(output, place);
        } else if (kind == PARCEL_ARRAY) {
            memcpy(&array, place, sizeof array);
            is_put = put_data(output, &array);
        } else if (kind == PARCEL_POINTER && output->away) {
            is_put = put_pointers(output, place, 1);
        }
    }
    return is_put;
}

/* Makes place, which holds a string's size, point at the string. */
static bool get_string(struct parcel__wire_input *input, unsigned char *place)
{
    uintptr_t size;
    memcpy(&size, place, sizeof size);
    if (size == 0)
        return true;
    const unsigned char *string = parcel__bytes_take(&input->bytes, size);
    memcpy(place, &string, sizeof string);
    return string && string[size - 1] == '\0';
}

/* Makes pointers of identities; place may be where these stand. */
static bool get_pointers(struct parcel__wire_input *input, unsigned char *place, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct parcel__identity identity;
        const unsigned char *bytes = parcel__bytes_take(&input->bytes, sizeof identity);
        if (!bytes)
            return false;
        memcpy(&identity, bytes, sizeof identity);
        bool is_null = identity.object == 0 && identity.offset == 0;
        const void *pointer = is_null ? NULL : parcel__identity_find(identity, 1);
        input->away->is_unknown = !is_null && !pointer;
        if (input->away->is_unknown)
            return false;
        memcpy(place + i * sizeof pointer, &pointer, sizeof pointer);
    }
    return true;
}

static bool get_data_away(struct parcel__wire_input *input, parcel_array *array, size_t size)
{
    struct parcel__wire_away *away = input->away;
    if (is_pointer(array->kind)) {
        array->data = input->bytes.next;
        return get_pointers(input, input->bytes.next, array->count);
    }
    if (size >= away->least) {
        array->data = NULL;
        return leave_out(away, false, NULL, size);
    }
    array->data = parcel__bytes_take(&input->bytes, size);
    return array->data && !parcel__wire_has_pointers(array);
}

/* Makes the array that stands at place point at its data. */
static bool get_data(struct parcel__wire_input *input, unsigned char *place)
{
    parcel_array array;
    size_t size;
    memcpy(&array, place, sizeof array);
    if (!array.data)
        return true;
    if (!parcel__wire_size_data(&array, &size))
        return false;
    bool is_sound = true;
    if (input->away)
        is_sound = get_data_away(input, &array, size);
    else
        array.data = parcel__bytes_take(&input->bytes, size);
    memcpy(place, &array, sizeof array);
    return is_sound && (array.data || input->away);
}

/* True when who reads the bytes as what they are said to be does not read behind them. */
static bool is_sound_size(parcel_value value)
{
    size_t size = parcel__kind_size(value.kind);
    const parcel_structure *structure = value.type ? parcel__structure_at(value.type) : NULL;
    return (size == 0 || size == value.size) && (!structure || structure->size == value.size);
}

bool parcel__wire_get_value(struct parcel__wire_input *input, unsigned char *place)
{
    parcel_value value;
    memcpy(&value, place, sizeof value);
    bool has_content = value.tag >= PARCEL_TAG_STRING && value.tag <= PARCEL_TAG_ARRAY;
    if (input->away && has_content && !value.as.pointer) /* None stands for it */
        return false;
    if (value.tag == PARCEL_TAG_STRING)
        return get_string(input, place + offsetof(parcel_value, as));
    if (value.tag == PARCEL_TAG_POINTER && input->away)
        return get_pointers(input, place + offsetof(parcel_value, as), 1);
    bool is_array = value.tag == PARCEL_TAG_ARRAY;
    if ((!is_array && value.tag != PARCEL_TAG_BYTES) || !value.as.pointer)
        return true;
    unsigned char *bytes =
        parcel__bytes_take(&input->bytes, is_array ? sizeof(parcel_array) : value.size);
    value.as.bytes = bytes;
    memcpy(place, &value, sizeof value);
    return bytes && (is_array ? get_data(input, bytes) : is_sound_size(value));
}

static bool get_content(struct parcel__wire_input *input, const struct parcel__wire_layout *layout,
                        unsigned char *object)
{
    bool is_sound = true;
    for (unsigned i = 0; is_sound && i < layout->n_parts; i++) {
        unsigned char *place = object + layout->parts[i].offset;
        unsigned kind = layout->parts[i].kind;
        if (input->away)
            input->away->part = i;
        if (kind == PARCEL_STRING || kind == PARCEL_WRITABLE_STRING)
            is_sound = get_string(input, place);
        else if (kind == PARCEL_VALUE)
            is_sound = parcel__wire_get_value(input, place);
        else if (kind == PARCEL_ARRAY)
            is_sound = get_data(input, place);
        else if (kind == PARCEL_POINTER && input->away)
            is_sound = get_pointers(input, place, 1);
    }
    return is_sound;
}

/* ---- calls ---- */

size_t parcel__wire_put_call(unsigned char *bytes, size_t room, const parcel_function *function,
                             const unsigned char *arguments)
{
    struct header header = header_of(function);
    struct parcel__wire_output output = {bytes, room, 0, NULL};
    const struct parcel__wire_layout layout = layout_of(function);
    bool is_put = parcel__wire_put_bytes(&output, &header, sizeof header) &&
                  parcel__wire_put_bytes(&output, arguments, function->argument_bytes) &&
                  put_content(&output, &layout, bytes + sizeof header);
    return is_put ? output.used : 0;
}

size_t parcel__wire_get_call(unsigned char *bytes, size_t size, parcel_call *call)
{
    struct parcel__wire_input input = {{bytes, size}, NULL};
    struct header header;
    if (!parcel__bytes_take(&input.bytes, sizeof header))
        return 0;
    memcpy(&header, bytes, sizeof header);
    const parcel_function *function = function_of(header);
    const unsigned char *arguments =
        function ? parcel__bytes_take(&input.bytes, function->argument_bytes) : NULL;
    if (!arguments)
        return 0;
    call->function = function;
    call->parcel__reserved = NULL;
    memcpy(call->arguments, arguments, function->argument_bytes);
    const struct parcel__wire_layout layout = layout_of(function);
    return get_content(&input, &layout, call->arguments) ? size - input.bytes.left : 0;
}

/* ---- objects for processes that are no forks ---- */

size_t parcel__wire_size_away(const struct parcel__wire_layout *layout, const void *object,
                              struct parcel__wire_away *away)
{
    unsigned char copy[PARCEL_MAX_ARGUMENT_BYTES];
    struct parcel__wire_output output = {NULL, SIZE_MAX, 0, away};
    if (!parcel__wire_put_bytes(&output, object, layout->size))
        return 0;
    if (layout->n_parts == 1 && layout->size > sizeof copy) /* a result, a struct: no content */
        return output.used;
    memcpy(copy, object, layout->size);
    return put_content(&output, layout, copy) ? output.used : 0;
}

size_t parcel__wire_put_away(unsigned char *bytes, size_t room,
                             const struct parcel__wire_layout *layout, const void *object,
                             struct parcel__wire_away *away)
{
    struct parcel__wire_output output = {bytes, room, 0, away};
    bool is_put = parcel__wire_put_bytes(&output, object, layout->size) &&
                  put_content(&output, layout, bytes);
    return is_put ? output.used : 0;
}

size_t parcel__wire_get_away(unsigned char *bytes, size_t size,
                             const struct parcel__wire_layout *layout, void *object,
                             struct parcel__wire_away *away)
{
    struct parcel__wire_input input = {{bytes, size}, away};
    const unsigned char *read = parcel__bytes_take(&input.bytes, layout->size);
    if (!read)
        return 0;
    memcpy(object, read, layout->size);
    return get_content(&input, layout, object) ? size - input.bytes.left : 0;
}

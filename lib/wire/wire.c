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
#include "ground/shared.h"
#include "values/structure.h"
#include "values/value.h"

enum { UNIT = 16, LARGE_ALIGNMENT = 64 << 10 /* at least a page, wherever */ };

/* Of one content; so many can be added up without an overflow. */
static const size_t largest = SIZE_MAX / 64;

/* The offset of a result without content: it is NULL, or stands in the result itself. */
static const uint64_t nowhere = UINT64_MAX;

static const char not_sound[] = "what the worker sent back is damaged";
static const char out_of_memory[] = "out of memory";
static const char is_too_deep[] =
    "an array of strings, arrays or values cannot be returned from another process";

struct header {
    uint64_t function;
    uint64_t seal; /* tells a function from anything else that may stand here */
};

static size_t padded(size_t size)
{
    return (size + UNIT - 1) / UNIT * UNIT;
}

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

/* Bytes that are written one behind the other; bytes is NULL where they are only counted. */
struct output {
    unsigned char *bytes;
    size_t room;
    size_t used;
    struct parcel__wire_away *away; /* NULL: to a fork */
};

static bool put_bytes(struct output *output, const void *content, size_t size)
{
    if (size > largest || padded(size) > output->room - output->used)
        return false;
    if (output->bytes && size > 0)
        memcpy(output->bytes + output->used, content, size);
    if (output->bytes && output->away) /* nothing else of our memory leaves the process */
        memset(output->bytes + output->used + size, 0, padded(size) - size);
    output->used += padded(size);
    return true;
}

/* False: more than there can be, or no sizes that go with the kind. */
static bool size_data(const parcel_array *array, size_t *size)
{
    size_t element_size = parcel__kind_size(array->kind);
    if (array->kind > PARCEL_VALUE || (element_size > 0 && array->element_size != element_size))
        return false;
    return !__builtin_mul_overflow(array->count, array->element_size, size) && *size <= largest;
}

static bool is_pointer(unsigned kind)
{
    return kind == PARCEL_POINTER || kind == PARCEL_STRING || kind == PARCEL_WRITABLE_STRING;
}

/* Pointers side by side, each by its identity; NULL is none. */
static bool put_pointers(struct output *output, const unsigned char *place, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct parcel__identity identity = {0, 0};
        const void *pointer;
        memcpy(&pointer, place + i * sizeof pointer, sizeof pointer);
        output->away->is_unknown = pointer && !parcel__identity_of(pointer, &identity);
        if (output->away->is_unknown || !put_bytes(output, &identity, sizeof identity))
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

static bool put_data_away(struct output *output, const parcel_array *array, size_t size)
{
    struct parcel__wire_away *away = output->away;
    if (is_pointer(array->kind))
        return put_pointers(output, array->data, array->count);
    away->is_unknown = parcel__wire_has_pointers(array);
    if (away->is_unknown)
        return false;
    return size >= away->least ? leave_out(away, !output->bytes, array->data, size)
                               : put_bytes(output, array->data, size);
}

static bool put_data(struct output *output, const parcel_array *array)
{
    size_t size;
    if (!array->data)
        return true;
    if (!size_data(array, &size))
        return false;
    return output->away ? put_data_away(output, array, size) : put_bytes(output, array->data, size);
}

/* The string that place points at; its size takes its place. */
static bool put_string(struct output *output, unsigned char *place)
{
    const char *string;
    memcpy(&string, place, sizeof string);
    uintptr_t size = string ? strlen(string) + 1 : 0;
    memcpy(place, &size, sizeof size);
    return put_bytes(output, string, size);
}

static bool put_value(struct output *output, unsigned char *place)
{
    parcel_value value;
    memcpy(&value, place, sizeof value);
    switch (value.tag) {
    case PARCEL_TAG_STRING:
        return put_string(output, place + offsetof(parcel_value, as));
    case PARCEL_TAG_BYTES:
        return !value.as.bytes || put_bytes(output, value.as.bytes, value.size);
    case PARCEL_TAG_ARRAY:
        return !value.as.array || (put_bytes(output, value.as.array, sizeof(parcel_array)) &&
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
static bool put_content(struct output *output, const struct parcel__wire_layout *layout,
                        unsigned char *object)
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
            is_put = put_value(output, place);
        } else if (kind == PARCEL_ARRAY) {
            memcpy(&array, place, sizeof array);
            is_put = put_data(output, &array);
        } else if (kind == PARCEL_POINTER && output->away) {
            is_put = put_pointers(output, place, 1);
        }
    }
    return is_put;
}

/* Bytes that are read one behind the other. */
struct input {
    unsigned char *next;
    size_t left;
    struct parcel__wire_away *away; /* NULL: from a fork */
};

/* The next so many bytes, or NULL. */
static unsigned char *get_bytes(struct input *input, size_t size)
{
    if (size > largest || padded(size) > input->left)
        return NULL;
    unsigned char *bytes = input->next;
    input->next += padded(size);
    input->left -= padded(size);
    return bytes;
}

/* Makes place, which holds a string's size, point at the string. */
static bool get_string(struct input *input, unsigned char *place)
{
    uintptr_t size;
    memcpy(&size, place, sizeof size);
    if (size == 0)
        return true;
    const unsigned char *string = get_bytes(input, size);
    memcpy(place, &string, sizeof string);
    return string && string[size - 1] == '\0';
}

/* Makes pointers of identities; place may be where these stand. */
static bool get_pointers(struct input *input, unsigned char *place, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct parcel__identity identity;
        const unsigned char *bytes = get_bytes(input, sizeof identity);
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

static bool get_data_away(struct input *input, parcel_array *array, size_t size)
{
    struct parcel__wire_away *away = input->away;
    if (is_pointer(array->kind)) {
        array->data = input->next;
        return get_pointers(input, input->next, array->count);
    }
    if (size >= away->least) {
        array->data = NULL;
        return leave_out(away, false, NULL, size);
    }
    array->data = get_bytes(input, size);
    return array->data && !parcel__wire_has_pointers(array);
}

/* Makes the array that stands at place point at its data. */
static bool get_data(struct input *input, unsigned char *place)
{
    parcel_array array;
    size_t size;
    memcpy(&array, place, sizeof array);
    if (!array.data)
        return true;
    if (!size_data(&array, &size))
        return false;
    bool is_sound = true;
    if (input->away)
        is_sound = get_data_away(input, &array, size);
    else
        array.data = get_bytes(input, size);
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

static bool get_value(struct input *input, unsigned char *place)
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
    unsigned char *bytes = get_bytes(input, is_array ? sizeof(parcel_array) : value.size);
    value.as.bytes = bytes;
    memcpy(place, &value, sizeof value);
    return bytes && (is_array ? get_data(input, bytes) : is_sound_size(value));
}

static bool get_content(struct input *input, const struct parcel__wire_layout *layout,
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
            is_sound = get_value(input, place);
        else if (kind == PARCEL_ARRAY)
            is_sound = get_data(input, place);
        else if (kind == PARCEL_POINTER && input->away)
            is_sound = get_pointers(input, place, 1);
    }
    return is_sound;
}

/* ---- calls ---- */

size_t parcel__wire_call_size(const parcel_function *function, const unsigned char *arguments)
{
    unsigned char copy[PARCEL_MAX_ARGUMENT_BYTES];
    struct output output = {NULL, SIZE_MAX, sizeof(struct header), NULL};
    const struct parcel__wire_layout layout = layout_of(function);
    memcpy(copy, arguments, function->argument_bytes);
    bool is_counted = put_bytes(&output, arguments, function->argument_bytes) &&
                      put_content(&output, &layout, copy);
    return is_counted ? output.used : 0;
}

size_t parcel__wire_put_call(unsigned char *bytes, size_t room, const parcel_function *function,
                             const unsigned char *arguments)
{
    struct header header = header_of(function);
    struct output output = {bytes, room, 0, NULL};
    const struct parcel__wire_layout layout = layout_of(function);
    bool is_put = put_bytes(&output, &header, sizeof header) &&
                  put_bytes(&output, arguments, function->argument_bytes) &&
                  put_content(&output, &layout, bytes + sizeof header);
    return is_put ? output.used : 0;
}

size_t parcel__wire_get_call(unsigned char *bytes, size_t size, parcel_call *call)
{
    struct input input = {bytes, size, NULL};
    struct header header;
    if (!get_bytes(&input, sizeof header))
        return 0;
    memcpy(&header, bytes, sizeof header);
    const parcel_function *function = function_of(header);
    const unsigned char *arguments = function ? get_bytes(&input, function->argument_bytes) : NULL;
    if (!arguments)
        return 0;
    call->function = function;
    call->parcel__reserved = NULL;
    memcpy(call->arguments, arguments, function->argument_bytes);
    const struct parcel__wire_layout layout = layout_of(function);
    return get_content(&input, &layout, call->arguments) ? size - input.left : 0;
}

/* ---- objects for processes that are no forks ---- */

size_t parcel__wire_size_away(const struct parcel__wire_layout *layout, const void *object,
                              struct parcel__wire_away *away)
{
    unsigned char copy[PARCEL_MAX_ARGUMENT_BYTES];
    struct output output = {NULL, SIZE_MAX, 0, away};
    if (!put_bytes(&output, object, layout->size))
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
    struct output output = {bytes, room, 0, away};
    bool is_put = put_bytes(&output, object, layout->size) && put_content(&output, layout, bytes);
    return is_put ? output.used : 0;
}

size_t parcel__wire_get_away(unsigned char *bytes, size_t size,
                             const struct parcel__wire_layout *layout, void *object,
                             struct parcel__wire_away *away)
{
    struct input input = {bytes, size, away};
    const unsigned char *read = get_bytes(&input, layout->size);
    if (!read)
        return 0;
    memcpy(object, read, layout->size);
    return get_content(&input, layout, object) ? size - input.left : 0;
}

/* ---- results ---- */

/* Where the part of a room begins whose pages the receiver may keep; a small room has none. */
static size_t begin_of_views(size_t size)
{
    size_t begin = (size / 2 + LARGE_ALIGNMENT - 1) / LARGE_ALIGNMENT * LARGE_ALIGNMENT;
    return begin < size ? begin : size;
}

/* Puts content where it is copied from. */
static bool put_small(struct parcel__wire_result *result, struct parcel__wire_room *room,
                      const void *content, size_t size)
{
    struct output output = {room->base, begin_of_views(room->size), room->used, NULL};
    if (!put_bytes(&output, content, size))
        return false;
    result->offset = room->used;
    result->size = size;
    room->used = output.used;
    return true;
}

/* Puts content into pages of its own, as long as there are some: large is what other processes may
 * have written over. */
static bool put_large(struct parcel__wire_result *result, struct parcel__wire_room *room,
                      const void *content, size_t size)
{
    size_t begin = begin_of_views(room->size);
    if (room->large < begin || room->large > room->size || size > room->large - begin)
        return put_small(result, room, content, size);
    size_t start = (room->large - size) / LARGE_ALIGNMENT * LARGE_ALIGNMENT;
    memcpy(room->base + start, content, size);
    result->offset = room->large = start;
    result->size = size;
    return true;
}

/* An array on its way: its data, if it is not NULL, is the content. */
struct array_shape {
    size_t count;
    unsigned kind;
    unsigned element_size;
};

static bool put_array_result(struct parcel__wire_result *result, struct parcel__wire_room *room,
                             const parcel_array *array)
{
    struct array_shape shape = {array->count, array->kind, array->element_size};
    size_t size;
    memcpy(result->value, &shape, sizeof shape);
    if (!array->data)
        return true;
    if (!size_data(array, &size))
        return false;
    return size >= PARCEL__SHARED_LARGE ? put_large(result, room, array->data, size)
                                        : put_small(result, room, array->data, size);
}

static bool put_value_result(struct parcel__wire_result *result, struct parcel__wire_room *room,
                             const void *place)
{
    struct output output = {room->base, begin_of_views(room->size), room->used, NULL};
    memcpy(result->value, place, sizeof(parcel_value));
    if (!put_value(&output, result->value))
        return false;
    result->offset = room->used;
    result->size = output.used - room->used;
    room->used = output.used;
    return true;
}

bool parcel__wire_put_result(struct parcel__wire_result *result, struct parcel__wire_room *room,
                             const parcel_function *function, const void *place)
{
    const char *string;
    parcel_array array;
    result->offset = nowhere;
    result->size = 0;
    switch (function->result.kind) {
    case PARCEL_STRING:
    case PARCEL_WRITABLE_STRING:
        memcpy(&string, place, sizeof string);
        return !string || put_small(result, room, string, strlen(string) + 1);
    case PARCEL_ARRAY:
        memcpy(&array, place, sizeof array);
        return put_array_result(result, room, &array);
    case PARCEL_VALUE:
        return put_value_result(result, room, place);
    default:
        if (function->result.size > sizeof result->value)
            return put_small(result, room, place, function->result.size);
        memcpy(result->value, place, function->result.size);
        return true;
    }
}

/* True when the content of a result lies in the sender's pages. */
static bool is_inside(const struct parcel__wire_result *result, size_t size)
{
    return result->offset % UNIT == 0 && result->offset <= size &&
           result->size <= size - result->offset;
}

/* A string in the arena, or, without one, a new one. Its end is looked at in the copy, which
 * nobody else can write. */
static const char *get_string_result(const struct parcel__wire_result *result,
                                     const unsigned char *content, struct parcel__arena *arena,
                                     unsigned char *place)
{
    size_t size = result->size;
    if (!content || size == 0 || content[size - 1] != '\0')
        return not_sound;
    char *copy = arena ? parcel__arena_new(arena, size, 1) : parcel__memory_new(size);
    if (!copy)
        return out_of_memory;
    memcpy(copy, content, size);
    copy[size - 1] = '\0';
    memcpy(place, &copy, sizeof copy);
    return NULL;
}

/* New memory with the data of an array, or a view of its pages. NULL when there is none. */
static void *get_array_data(const struct parcel__wire_result *result, unsigned char *content,
                            size_t room)
{
    bool is_page = result->offset % LARGE_ALIGNMENT == 0 && result->offset >= begin_of_views(room);
    bool may_view = is_page && result->size >= PARCEL__SHARED_LARGE;
    void *data = may_view ? parcel__shared_view(content, result->size) : NULL;
    if (data)
        return data;
    data = parcel__memory_new(result->size);
    if (data && result->size > 0)
        memcpy(data, content, result->size);
    return data;
}

/* True when the elements point at memory of the sender, which they are made to be read from. */
static bool is_deep(const parcel_array *array)
{
    bool has_content = array->kind == PARCEL_STRING || array->kind == PARCEL_WRITABLE_STRING ||
                       array->kind == PARCEL_ARRAY || array->kind == PARCEL_VALUE;
    return has_content && array->count > 0;
}

static const char *get_array_result(const struct parcel__wire_result *result,
                                    unsigned char *content, size_t room, unsigned char *place)
{
    struct array_shape shape;
    size_t size;
    memcpy(&shape, result->value, sizeof shape);
    parcel_array array = {content, shape.count, shape.kind, shape.element_size};
    if (result->offset == nowhere) {
        array.data = NULL;
    } else {
        if (!content || !size_data(&array, &size) || size != result->size)
            return not_sound;
        if (is_deep(&array))
            return is_too_deep;
        array.data = get_array_data(result, content, room);
        if (!array.data)
            return out_of_memory;
    }
    memcpy(place, &array, sizeof array);
    return NULL;
}

static const char *get_value_result(const struct parcel__wire_result *result,
                                    const unsigned char *content, struct parcel__arena *arena,
                                    unsigned char *place)
{
    parcel_value value;
    struct input input = {NULL, result->size, NULL};
    if (!content)
        return not_sound;
    input.next = parcel__arena_new(arena, input.left, UNIT);
    if (!input.next)
        return out_of_memory;
    if (input.left > 0)
        memcpy(input.next, content, input.left);
    memcpy(&value, result->value, sizeof value);
    if (!get_value(&input, (unsigned char *)&value))
        return not_sound;
    if (value.tag == PARCEL_TAG_ARRAY && value.as.array && is_deep(value.as.array))
        return is_too_deep;
    memcpy(place, &value, sizeof value);
    return NULL;
}

static const char *get_plain_result(const struct parcel__wire_result *result,
                                    const unsigned char *content, size_t size, unsigned char *place)
{
    if (size <= sizeof result->value) {
        memcpy(place, result->value, size);
        return NULL;
    }
    if (!content || result->size != size)
        return not_sound;
    memcpy(place, content, size);
    return NULL;
}

/* Writes the result to its place. */
static const char *get_result(const struct parcel__wire_result *result, unsigned char *content,
                              size_t room, const parcel_parameter *returned,
                              struct parcel__arena *arena, unsigned char *place)
{
    switch (returned->kind) {
    case PARCEL_STRING:
    case PARCEL_WRITABLE_STRING:
        if (result->offset != nowhere)
            return get_string_result(result, content,
                                     returned->kind == PARCEL_STRING ? arena : NULL, place);
        memset(place, 0, sizeof(char *));
        return NULL;
    case PARCEL_ARRAY:
        return get_array_result(result, content, room, place);
    case PARCEL_VALUE:
        return get_value_result(result, content, arena, place);
    default:
        return get_plain_result(result, content, returned->size, place);
    }
}

const char *parcel__wire_get_result(const struct parcel__wire_result *result, unsigned char *base,
                                    size_t size, const parcel_function *function,
                                    struct parcel__arena *arena, void *slot)
{
    const parcel_parameter *returned = &function->result;
    unsigned char *content = is_inside(result, size) ? base + result->offset : NULL;
    if (parcel__function_result_is_inline(function))
        return get_result(result, content, size, returned, arena, slot);
    unsigned char *place = parcel__arena_new(arena, returned->size, returned->offset);
    if (!place)
        return out_of_memory;
    const char *fault = get_result(result, content, size, returned, arena, place);
    if (!fault)
        memcpy(slot, &place, sizeof place);
    return fault;
}

/* ---- messages of failures ---- */

/* The longest part of a text that is no longer, and ends between two characters of UTF-8. */
static size_t cut(const char *text, size_t length)
{
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--;
    return length;
}

bool parcel__wire_put_text(struct parcel__wire_result *result, struct parcel__wire_room *room,
                           const char *text)
{
    size_t length = strlen(text), left = (begin_of_views(room->size) - room->used) / UNIT * UNIT;
    result->offset = nowhere;
    result->size = 0;
    if (left == 0)
        return length == 0;
    size_t kept = length < left ? length : cut(text, left - 1);
    unsigned char *copy = room->base + room->used;
    memcpy(copy, text, kept);
    copy[kept] = '\0';
    result->offset = room->used;
    result->size = kept + 1;
    room->used += padded(kept + 1);
    return kept == length;
}

const char *parcel__wire_get_text(const struct parcel__wire_result *result,
                                  const unsigned char *base, size_t size)
{
    if (result->offset == nowhere)
        return "";
    if (!is_inside(result, size) || result->size == 0)
        return NULL;
    const char *text = (const char *)base + result->offset;
    return text[result->size - 1] == '\0' ? text : NULL;
}

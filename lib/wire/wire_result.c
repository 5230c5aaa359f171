/*
 * wire_result.c: one result on its way between two forks of one process, and the text of a failure.
 */
#include "wire/wire.h"

#include <string.h>

#include "calls/function.h"
#include "ground/shared.h"
#include "values/value.h"

enum { LARGE_ALIGNMENT = 64 << 10 /* at least a page, wherever */ };

/* The offset of a result without content: it is NULL, or stands in the result itself. */
static const uint64_t nowhere = UINT64_MAX;

static const char not_sound[] = "what the worker sent back is damaged";
static const char out_of_memory[] = "out of memory";
static const char is_too_deep[] =
    "an array of strings, arrays or values cannot be returned from another process";

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
    struct parcel__wire_output output = {room->base, begin_of_views(room->size), room->used, NULL};
    if (!parcel__wire_put_bytes(&output, content, size))
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
    if (!parcel__wire_size_data(array, &size))
        return false;
    return size >= PARCEL__SHARED_LARGE ? put_large(result, room, array->data, size)
                                        : put_small(result, room, array->data, size);
}

static bool put_value_result(struct parcel__wire_result *result, struct parcel__wire_room *room,
                             const void *place)
{
    struct parcel__wire_output output = {room->base, begin_of_views(room->size), room->used, NULL};
    memcpy(result->value, place, sizeof(parcel_value));
    if (!parcel__wire_put_value(&output, result->value))
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
    return result->offset % PARCEL__BYTES_UNIT == 0 && result->offset <= size &&
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
        if (!content || !parcel__wire_size_data(&array, &size) || size != result->size)
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
    struct parcel__wire_input input = {{NULL, result->size}, NULL};
    if (!content)
        return not_sound;
    input.bytes.next = parcel__arena_new(arena, input.bytes.left, PARCEL__BYTES_UNIT);
    if (!input.bytes.next)
        return out_of_memory;
    if (input.bytes.left > 0)
        memcpy(input.bytes.next, content, input.bytes.left);
    memcpy(&value, result->value, sizeof value);
    if (!parcel__wire_get_value(&input, (unsigned char *)&value))
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
static size_t cut_text(const char *text, size_t length)
{
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--;
    return length;
}

bool parcel__wire_put_text(struct parcel__wire_result *result, struct parcel__wire_room *room,
                           const char *text)
{
    size_t length = strlen(text), left = (begin_of_views(room->size) - room->used) /
                                         PARCEL__BYTES_UNIT * PARCEL__BYTES_UNIT;
    result->offset = nowhere;
    result->size = 0;
    if (left == 0)
        return length == 0;
    size_t kept = length < left ? length : cut_text(text, left - 1);
    unsigned char *copy = room->base + room->used;
    memcpy(copy, text, kept);
    copy[kept] = '\0';
    result->offset = room->used;
    result->size = kept + 1;
    room->used += parcel__bytes_padded(kept + 1);
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

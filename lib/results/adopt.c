/* adopt.c: how what a call returned becomes the results' own. */
#include "results/adopt.h"

#include <string.h>

#include "calls/function.h"

static bool adopt_data(parcel_array *array)
{
    size_t size = array->count * array->element_size; /* no overflow: so much stands there */
    if (!array->data)
        return true;
    void *data = parcel__memory_new(size);
    if (data && size > 0)
        memcpy(data, array->data, size);
    array->data = data;
    return data != NULL;
}

static bool adopt_text(char **text, struct parcel__arena *arena)
{
    if (!*text)
        return true;
    *text = arena ? parcel__arena_copy(arena, *text) : parcel__memory_copy_string(*text);
    return *text != NULL;
}

bool parcel__adopt(unsigned kind, void *place, struct parcel__arena *arena, bool is_borrowed)
{
    switch (kind) {
    case PARCEL_STRING:
        return adopt_text(place, arena);
    case PARCEL_VALUE:
        return parcel__function_copy_value(place, arena);
    case PARCEL_WRITABLE_STRING:
        return !is_borrowed || adopt_text(place, NULL);
    case PARCEL_ARRAY:
        return !is_borrowed || adopt_data(place);
    default:
        return true;
    }
}

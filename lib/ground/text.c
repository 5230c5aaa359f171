/* text.c: a text that grows; the one place where messages are put together. */
#include "ground/text.h"

#include <stdio.h>
#include <string.h>

#include "ground/memory.h"
#include "ground/port.h"

static bool make_room(struct parcel__text *text, size_t more)
{
    size_t needed = text->length + more + 1;
    if (text->failed || needed < more)
        return false;
    if (needed <= text->capacity)
        return true;
    size_t capacity = needed < 64 ? 64 : needed + needed / 2;
    char *bytes = parcel__memory_resize(text->bytes, capacity);
    if (!bytes) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void parcel__text_add(struct parcel__text *text, const char *bytes, size_t length)
{
    if (!make_room(text, length))
        return;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void parcel__text_format(struct parcel__text *text, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    parcel__text_format_list(text, format, list);
    va_end(list);
}

void parcel__text_format_list(struct parcel__text *text, const char *format, va_list list)
{
    locale_t before = parcel__port_enter_c_locale();
    parcel__text_format_local(text, format, list);
    parcel__port_leave_c_locale(before);
}

void parcel__text_format_local(struct parcel__text *text, const char *format, va_list list)
{
    va_list again;
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) {
        parcel__text_put(text, format); /* an invalid multibyte string: better than nothing */
        return;
    }
    if (!make_room(text, (size_t)length))
        return;
    vsnprintf(text->bytes + text->length, (size_t)length + 1, format, list);
    text->length += (size_t)length;
}

/* A byte that goes on with a character of UTF-8. */
static bool continues_character(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

void parcel__text_cut(struct parcel__text *text, size_t length, size_t most)
{
    size_t end = length;
    for (size_t count = 0; end < text->length; end++)
        if (!continues_character(text->bytes[end]) && ++count > most)
            break;
    if (end == text->length)
        return;
    text->length = end;
    parcel__text_put(text, "...");
}

char *parcel__text_take(struct parcel__text *text)
{
    if (text->failed || !text->bytes)
        parcel__text_put(text, "");
    char *bytes = text->failed ? NULL : text->bytes;
    if (text->failed)
        parcel__memory_free(text->bytes);
    *text = (struct parcel__text){0};
    return bytes;
}

void parcel__text_free(struct parcel__text *text)
{
    parcel__memory_free(text->bytes);
    *text = (struct parcel__text){0};
}

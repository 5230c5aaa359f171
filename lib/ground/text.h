/* text.h: a text that grows. */
#ifndef PARCEL__TEXT_H
#define PARCEL__TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Zero is an empty text. When memory runs out, failed is set and what comes after is dropped. */
struct parcel__text {
    char *bytes; /* NUL-terminated, or NULL while it is empty */
    size_t length;
    size_t capacity;
    bool failed;
};

void parcel__text_add(struct parcel__text *text, const char *bytes, size_t length);

/* Inline: the length of a literal is known. */
static inline void parcel__text_put(struct parcel__text *text, const char *string)
{
    parcel__text_add(text, string, strlen(string));
}

/* As printf does, but numbers have a decimal point in every locale. */
void parcel__text_format(struct parcel__text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void parcel__text_format_list(struct parcel__text *text, const char *format, va_list list);

/* What a text says that says why: "out of memory" when it failed, or is empty. */
static inline const char *parcel__text_why(const struct parcel__text *why)
{
    return why->failed || !why->bytes ? "out of memory" : why->bytes;
}

/* For a format of the user's: numbers are as the user's locale has them. */
void parcel__text_format_local(struct parcel__text *text, const char *format, va_list list);

/* Cuts what was added after length bytes to most characters and "...", between characters. */
void parcel__text_cut(struct parcel__text *text, size_t length, size_t most);

/* The text, which the caller then owns (parcel__memory_free); NULL when it failed. */
char *parcel__text_take(struct parcel__text *text);
void parcel__text_free(struct parcel__text *text);

#endif

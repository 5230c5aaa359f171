/*
 * parcel/value.h: boxed values. Included by parcel.h; do not include it alone.
 *
 * A parcel_value is a tagged value of 16 bytes. It borrows what it points at: a value that is
 * read from results lives as long as the results.
 */
#ifndef PARCEL_VALUE_H
#define PARCEL_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The C type that a box, a parameter, a result or an array element has. */
typedef enum parcel_kind {
    PARCEL_NONE,
    PARCEL_BOOL,
    PARCEL_CHAR,
    PARCEL_SCHAR,
    PARCEL_UCHAR,
    PARCEL_SHORT,
    PARCEL_USHORT,
    PARCEL_INT,
    PARCEL_UINT,
    PARCEL_LONG,
    PARCEL_ULONG,
    PARCEL_LLONG,
    PARCEL_ULLONG,
    PARCEL_FLOAT,
    PARCEL_DOUBLE,
    PARCEL_LDOUBLE,
    PARCEL_CFLOAT,
    PARCEL_CDOUBLE,
    PARCEL_CLDOUBLE,
    PARCEL_STRING,          /* const char * */
    PARCEL_WRITABLE_STRING, /* char * */
    PARCEL_POINTER,
    PARCEL_STRUCT_BYTES, /* a struct or a union */
    PARCEL_ARRAY,
    PARCEL_VALUE
} parcel_kind;

/* How a parcel_value holds its content: which member of its union is valid. */
typedef enum parcel_tag {
    PARCEL_TAG_NONE,
    PARCEL_TAG_BOOL,
    PARCEL_TAG_INT64,
    PARCEL_TAG_UINT64,
    PARCEL_TAG_DOUBLE,
    PARCEL_TAG_STRING,
    PARCEL_TAG_BYTES, /* complex, long double and structs too: .kind says which */
    PARCEL_TAG_ARRAY,
    PARCEL_TAG_POINTER
} parcel_tag;

/* count elements of one type, side by side. The data is borrowed, except where a result says
 * taken. Made by parcel_array(pointer, count). Since 0.1. */
typedef struct parcel_array {
    void *data;
    size_t count;
    unsigned kind;         /* parcel_kind of an element */
    unsigned element_size; /* bytes of an element */
} parcel_array;

/* Since 0.1. */
typedef struct parcel_value {
    unsigned char tag;   /* parcel_tag */
    unsigned char kind;  /* parcel_kind the value had in C; PARCEL_NONE when it was made by hand */
    unsigned short type; /* described struct (PARCEL_STRUCT), 0 when it is not described */
    unsigned size;       /* bytes behind .bytes, below 4 GiB */
    union {
        bool boolean;
        int64_t int64;
        uint64_t uint64;
        double number;
        const char *string;
        const void *bytes;
        const parcel_array *array;
        void *pointer;
    } as;
} parcel_value;

/* Make a value. Strings, bytes, arrays and pointers are borrowed. NULL makes None.
 * Errors: none. Threads: any. Since 0.1. */
parcel_value parcel_value_none(void);
parcel_value parcel_value_bool(bool boolean);
parcel_value parcel_value_int(int64_t number);
parcel_value parcel_value_uint(uint64_t number);
parcel_value parcel_value_double(double number);
parcel_value parcel_value_string(const char *string);
parcel_value parcel_value_bytes(const void *bytes, unsigned size);
parcel_value parcel_value_array(const parcel_array *array);
parcel_value parcel_value_pointer(void *pointer);

/* Prints the value as Python does: True, 1, 2.5 (the shortest that reads back), nan, 'text',
 * None, [1.0, 2.0], model(temperature=2.5, size=4) for a described struct, <struct, 16 bytes> for
 * another. file: borrowed. Returns false when file is NULL, a write failed or memory ran out.
 * Threads: any. Since 0.1. */
bool parcel_value_print(parcel_value value, FILE *file);

/* The same text as a new string (free with free), or NULL when memory ran out. Since 0.1. */
char *parcel_value_text(parcel_value value);

/* True when both have the same tag and content: 1 and 1.0 differ, a nan equals itself, strings,
 * bytes and arrays are compared by content, described structs field by field, pointers by
 * address. Threads: any. Since 0.1. */
bool parcel_value_equal(parcel_value one, parcel_value other);

/* A 64-bit hash (FNV-1a) of what parcel_value_equal compares; equal values have equal hashes, in
 * every process of one byte order, pointers excepted. An opaque struct has no meaningful content
 * (padding): only its size counts. Threads: any. Source: Fowler, Noll, Vo; draft-eastlake-fnv.
 * Since 0.1. */
uint64_t parcel_value_hash(parcel_value value);

/* One field of a described struct. Filled by PARCEL_STRUCT. */
typedef struct parcel_field {
    const char *name;
    unsigned kind;    /* parcel_kind */
    unsigned element; /* parcel_kind of an element when the field is an array, else PARCEL_NONE */
    size_t offset;
    size_t size;
} parcel_field;

/* A described struct. Filled by PARCEL_STRUCT, which registers it before main. */
typedef struct parcel_structure {
    const char *name; /* the type as it is written: "struct model" */
    size_t size;
    const parcel_field *fields;
    size_t n_fields;
    unsigned short id; /* written by parcel__structure_register, under its lock */
} parcel_structure;

/* Called by what PARCEL_STRUCT generates, before main and when its object is unloaded. */
void parcel__structure_register(parcel_structure *structure);
void parcel__structure_unregister(parcel_structure *structure);

#ifdef __cplusplus
}
#endif
#endif

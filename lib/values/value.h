/* value.h: boxing C values (value.c), their texts (value_text.c), and comparing them
 * (value_compare.c). */
#ifndef PARCEL__VALUE_H
#define PARCEL__VALUE_H

#include <parcel/value.h>

#include "ground/text.h"

enum {
    PARCEL__LONGEST_FIELD = 1024, /* longer character arrays are printed as arrays */
    PARCEL__LARGEST_SCALAR = 32   /* a long double _Complex */
};

/* The value of a C object of that kind and size; type is its described struct or 0. Bytes and
 * arrays are borrowed from memory. */
parcel_value parcel__value_box(unsigned kind, size_t size, unsigned short type, const void *memory);

/* A field of the described struct at bytes, as a value; character arrays as text. scratch and
 * string (of PARCEL__LONGEST_FIELD) hold what the value of an array borrows. */
parcel_value parcel__value_box_field(const parcel_field *field, const unsigned char *bytes,
                                     parcel_array *scratch, char *string);

/* Reads the one or two floating numbers that a value's bytes hold (a long double, or a complex
 * number), without their padding. Returns how many there are; 0 for other bytes. */
int parcel__value_parts(parcel_value value, long double parts[2]);

/* Adds the value as Python prints it; as an argument in a message, where 2.0 is plain 2. */
void parcel__value_put(struct parcel__text *text, parcel_value value);
void parcel__value_put_argument(struct parcel__text *text, parcel_value value);

/* Adds what the value is: "double", "int[3]". */
void parcel__value_put_type(struct parcel__text *text, parcel_value value);

/* Writes the value as a C object of that kind and size, converted as C converts numbers. False,
 * and nothing is written, when it cannot be one or has no such number. */
bool parcel__value_unbox(parcel_value value, unsigned kind, size_t size, void *memory);

/* True when the value, taken as that kind, is the very same number, string or bytes. */
bool parcel__value_fits(parcel_value value, unsigned kind, size_t size);

/* Bytes of a C object of that kind; 0 for none and for structs, which have no one size. */
size_t parcel__kind_size(unsigned kind);
bool parcel__kind_is_floating(unsigned kind);

#endif

/* function.h: what a function descriptor says, and boxing and printing its arguments. */
#ifndef PARCEL__FUNCTION_H
#define PARCEL__FUNCTION_H

#include <parcel.h>

#include "ground/memory.h"
#include "ground/text.h"

enum { PARCEL__LARGEST_INLINE_RESULT = 64, PARCEL__LONGEST_ARGUMENT = 200 };

/* What running and recording a call of a function needs, worked out once. */
struct parcel__traits {
    const parcel_function *function;
    size_t argument_offset;    /* of the arguments in a list's record */
    bool has_writable_strings; /* each run of the call needs copies of its own */
    bool is_plain;             /* the thunk may write straight into the slot, and nothing more */
    bool is_inline;            /* the result stands in the slot; else the slot points at it */
};

/* NULL when the descriptor is sound, else what is wrong with it. */
const char *parcel__function_check(const parcel_function *function);

void parcel__function_traits(struct parcel__traits *traits, const parcel_function *function);

/* True when the result stands in its slot; else the slot points at it. */
bool parcel__function_result_is_inline(const parcel_function *function);

/* Bytes of a record in a list, a multiple of 16. */
size_t parcel__function_record_size(const parcel_function *function);

/* Bytes of a slot in the results, and its alignment, 8 or 16. */
size_t parcel__function_slot_size(const parcel_function *function);
size_t parcel__function_slot_alignment(const parcel_function *function);

/* True when arguments hold strings or values, whose content a list copies. */
bool parcel__function_has_content(const parcel_function *function);

/* Replaces each string, and each parcel_value's content, by a copy in the arena. only_writable:
 * char * parameters alone. False when memory ran out. */
bool parcel__function_copy_content(const parcel_function *function, unsigned char *arguments,
                                   struct parcel__arena *arena, bool only_writable);

/* True when the string is part of one of the arguments, and so not a result of its own. */
bool parcel__function_argument_holds(const parcel_function *function,
                                     const unsigned char *arguments, const char *string);

/* Copies what a value points at into the arena. False when memory ran out. */
bool parcel__function_copy_value(parcel_value *value, struct parcel__arena *arena);

/* A parameter's value in the arguments, or a result's at its place: as a described struct, too. */
parcel_value parcel__function_box(const parcel_parameter *parameter, const void *place);

/* Adds "root(-1)"; each argument is cut at PARCEL__LONGEST_ARGUMENT characters. */
void parcel__function_put_call(struct parcel__text *text, const parcel_function *function,
                               const unsigned char *arguments);

/* The same with types, "root(-1: double)". */
void parcel__function_put_typed_call(struct parcel__text *text, const parcel_function *function,
                                     const unsigned char *arguments);

#endif

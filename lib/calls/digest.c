/*
 * digest.c: whether calls are the same in several processes.
 *
 * How a function's parameters count is worked out once for each stretch of its calls. Numbers take
 * one step each, so that a digest costs less than to run the shortest calls.
 */
#include "calls/digest.h"

#include <string.h>

#include "calls/calls.h"
#include "calls/function.h"
#include "calls/identity.h"
#include "ground/hash.h"
#include "values/structure.h"
#include "values/value.h"

/* How the calls of one function count. */
struct plan {
    const parcel_function *function;
    uint64_t hash; /* of the function */
    size_t argument_offset;
    const parcel_structure *structures[PARCEL_MAX_PARAMETERS]; /* of described structs */
};

static struct plan plan_for(const parcel_function *function)
{
    struct parcel__identity identity;
    struct parcel__traits traits;
    parcel__function_traits(&traits, function);
    struct plan plan = {.function = function, .argument_offset = traits.argument_offset};
    if (parcel__identity_of(function, &identity))
        plan.hash = parcel__hash_mix(identity.object, identity.offset);
    else
        plan.hash = parcel__hash_bytes(0, function->name, strlen(function->name));
    for (unsigned i = 0; i < function->n_parameters; i++) {
        const parcel_parameter *parameter = &function->parameters[i];
        if (parameter->kind == PARCEL_STRUCT_BYTES)
            plan.structures[i] =
                parcel__structure_at(parcel__structure_find(parameter->type, parameter->size));
    }
    return plan;
}

/* ---- what may stand in a parameter ---- */

static uint64_t add_string(uint64_t hash, const char *string)
{
    return string ? parcel__hash_bytes(hash, string, strlen(string)) : parcel__hash_mix(hash, 1);
}

static uint64_t add_shape(uint64_t hash, const parcel_array *array)
{
    hash = parcel__hash_mix(hash, array->count);
    hash = parcel__hash_mix(hash, array->kind);
    return parcel__hash_mix(hash, array->element_size);
}

static uint64_t add_fields(uint64_t hash, const parcel_structure *structure,
                           const unsigned char *bytes)
{
    parcel_array array;
    char string[PARCEL__LONGEST_FIELD];
    for (size_t i = 0; i < structure->n_fields; i++) {
        const parcel_field *field = &structure->fields[i];
        parcel_value value = parcel__value_box_field(field, bytes, &array, string);
        if (value.tag != PARCEL_TAG_POINTER)
            hash = parcel__hash_mix(hash, parcel_value_hash(value));
    }
    return hash;
}

static uint64_t add_value(uint64_t hash, parcel_value value)
{
    const parcel_structure *structure = NULL;
    hash = parcel__hash_mix(hash, value.tag);
    if (value.tag == PARCEL_TAG_POINTER)
        return hash;
    if (value.tag == PARCEL_TAG_ARRAY)
        return add_shape(hash, value.as.array);
    if (value.tag == PARCEL_TAG_BYTES)
        structure = parcel__structure_at(value.type);
    return structure ? add_fields(hash, structure, value.as.bytes)
                     : parcel__hash_mix(hash, parcel_value_hash(value));
}

/* What is not a number of at most a word. */
static uint64_t add_other(uint64_t hash, const struct plan *plan, unsigned i,
                          const unsigned char *place)
{
    const parcel_parameter *parameter = &plan->function->parameters[i];
    const char *string;
    parcel_array array;
    parcel_value value;
    switch (parameter->kind) {
    case PARCEL_POINTER:
        return hash;
    case PARCEL_STRING:
    case PARCEL_WRITABLE_STRING:
        memcpy(&string, place, sizeof string);
        return add_string(hash, string);
    case PARCEL_ARRAY:
        memcpy(&array, place, sizeof array);
        return add_shape(hash, &array);
    case PARCEL_VALUE:
        memcpy(&value, place, sizeof value);
        return add_value(hash, value);
    case PARCEL_STRUCT_BYTES:
        return plan->structures[i] ? add_fields(hash, plan->structures[i], place) : hash;
    default:
        value = parcel__value_box(parameter->kind, parameter->size, 0, place);
        return parcel__hash_mix(hash, parcel_value_hash(value));
    }
}

/* ---- calls ---- */

static bool is_word(unsigned kind)
{
    return kind <= PARCEL_DOUBLE || kind == PARCEL_CFLOAT;
}

static uint64_t add_call(uint64_t hash, const struct plan *plan, const unsigned char *arguments)
{
    const parcel_function *function = plan->function;
    hash = parcel__hash_mix(hash, plan->hash);
    for (unsigned i = 0; i < function->n_parameters; i++) {
        const parcel_parameter *parameter = &function->parameters[i];
        const unsigned char *place = arguments + parameter->offset;
        uint64_t word = 0;
        if (is_word(parameter->kind)) {
            memcpy(&word, place, parameter->size <= sizeof word ? parameter->size : sizeof word);
            hash = parcel__hash_mix(hash, word);
        } else {
            hash = add_other(hash, plan, i, place);
        }
    }
    return hash;
}

/* The plans of functions that take turns; a new one takes the place of the oldest. */
struct plans {
    struct plan of[16];
    size_t n_made;
};

static const struct plan *plan_of(struct plans *plans, const parcel_function *function)
{
    const size_t room = sizeof plans->of / sizeof *plans->of;
    for (size_t i = 0; i < room && i < plans->n_made; i++)
        if (plans->of[i].function == function)
            return &plans->of[i];
    struct plan *plan = &plans->of[plans->n_made++ % room];
    *plan = plan_for(function);
    return plan;
}

static uint64_t add_span(uint64_t hash, const struct parcel__span *span, struct plans *plans)
{
    const unsigned char *record = span->first;
    const struct plan *plan = plan_of(plans, parcel__calls_function_in(span, record));
    for (size_t i = 0; i < span->count; i++, record += span->stride) {
        const parcel_function *function = parcel__calls_function_in(span, record);
        if (function != plan->function)
            plan = plan_of(plans, function);
        hash = add_call(hash, plan, record + (span->mapped ? 0 : plan->argument_offset));
    }
    return hash;
}

uint64_t parcel__digest_calls(const parcel_calls *calls, size_t first, size_t count)
{
    uint64_t hash = parcel__hash_mix(0, count);
    struct plans plans = {0};
    while (count > 0) {
        struct parcel__span span = parcel__calls_span(calls, first, count);
        hash = add_span(hash, &span, &plans);
        first += span.count;
        count -= span.count;
    }
    return hash;
}

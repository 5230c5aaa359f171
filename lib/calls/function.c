/* function.c: what a function descriptor says, and boxing and printing its arguments. */
#include "calls/function.h"

#include <string.h>

#include "values/structure.h"
#include "values/value.h"

/* True when kind, size and type belong together. */
static bool is_sound(const parcel_parameter *parameter)
{
    size_t size = parcel__kind_size(parameter->kind);
    return parameter->kind <= PARCEL_VALUE && parameter->type &&
           (parameter->size == size || parameter->kind == PARCEL_STRUCT_BYTES);
}

/* The alignment of a result stands where a parameter has its offset. */
static bool is_sound_result(const parcel_parameter *result)
{
    bool is_power_of_two = result->offset > 0 && (result->offset & (result->offset - 1)) == 0;
    return is_sound(result) && (result->kind == PARCEL_NONE || is_power_of_two);
}

const char *parcel__function_check(const parcel_function *function)
{
    if (!function)
        return "a call has no function: parcel_function is NULL";
    if (function->size < sizeof *function || !function->name || !function->thunk ||
        (function->n_parameters > 0 && !function->parameters))
        return "a parcel_function lacks its size, name, thunk or parameters";
    if (function->n_parameters > PARCEL_MAX_PARAMETERS ||
        function->argument_bytes > PARCEL_MAX_ARGUMENT_BYTES || function->argument_alignment > 16)
        return "a parcel_function has more than 10 parameters, 240 bytes or 16 bytes of alignment";
    if (!is_sound_result(&function->result))
        return "the result of a parcel_function has a kind, size, alignment and type that disagree";
    for (unsigned i = 0; i < function->n_parameters; i++) {
        const parcel_parameter *parameter = &function->parameters[i];
        if (parameter->kind == PARCEL_NONE || !is_sound(parameter))
            return "a parameter of a parcel_function has a kind, size and type that disagree";
        if (parameter->offset > function->argument_bytes ||
            parameter->size > function->argument_bytes - parameter->offset)
            return "a parameter of a parcel_function lies outside of its arguments";
    }
    return NULL;
}

static size_t argument_offset(const parcel_function *function)
{
    return function->argument_alignment > sizeof(void *) ? 16 : sizeof(void *);
}

bool parcel__function_result_is_inline(const parcel_function *function)
{
    const parcel_parameter *result = &function->result;
    return result->size <= PARCEL__LARGEST_INLINE_RESULT && result->offset <= 16;
}

void parcel__function_traits(struct parcel__traits *traits, const parcel_function *function)
{
    const parcel_parameter *result = &function->result;
    *traits = (struct parcel__traits){.function = function,
                                      .argument_offset = argument_offset(function),
                                      .is_inline = parcel__function_result_is_inline(function)};
    for (unsigned i = 0; i < function->n_parameters; i++)
        if (function->parameters[i].kind == PARCEL_WRITABLE_STRING)
            traits->has_writable_strings = true;
    traits->is_plain = traits->is_inline && !traits->has_writable_strings &&
                       result->kind != PARCEL_STRING && result->kind != PARCEL_WRITABLE_STRING &&
                       result->kind != PARCEL_ARRAY && result->kind != PARCEL_VALUE;
}

size_t parcel__function_record_size(const parcel_function *function)
{
    size_t size = argument_offset(function) + function->argument_bytes;
    return (size + 15) / 16 * 16;
}

size_t parcel__function_slot_alignment(const parcel_function *function)
{
    return parcel__function_result_is_inline(function) && function->result.offset > 8 ? 16 : 8;
}

size_t parcel__function_slot_size(const parcel_function *function)
{
    size_t alignment = parcel__function_slot_alignment(function);
    bool is_large = function->result.size > sizeof(void *);
    size_t size = is_large && parcel__function_result_is_inline(function) ? function->result.size
                                                                          : sizeof(void *);
    return (size + alignment - 1) / alignment * alignment;
}

bool parcel__function_has_content(const parcel_function *function)
{
    for (unsigned i = 0; i < function->n_parameters; i++) {
        unsigned kind = function->parameters[i].kind;
        if (kind == PARCEL_STRING || kind == PARCEL_WRITABLE_STRING || kind == PARCEL_VALUE)
            return true;
    }
    return false;
}

static bool copy_string(unsigned char *place, struct parcel__arena *arena)
{
    const char *string;
    memcpy(&string, place, sizeof string);
    if (!string)
        return true;
    const char *copy = parcel__arena_copy(arena, string);
    memcpy(place, &copy, sizeof copy);
    return copy != NULL;
}

bool parcel__function_copy_value(parcel_value *value, struct parcel__arena *arena)
{
    if (value->tag == PARCEL_TAG_STRING) {
        value->as.string = parcel__arena_copy(arena, value->as.string);
        return value->as.string != NULL;
    }
    if (value->tag == PARCEL_TAG_BYTES) {
        void *copy = parcel__arena_new(arena, value->size, 16);
        if (copy)
            memcpy(copy, value->as.bytes, value->size);
        value->as.bytes = copy;
        return copy != NULL;
    }
    if (value->tag != PARCEL_TAG_ARRAY)
        return true;
    const parcel_array *array = value->as.array;
    size_t size = array->data ? array->count * array->element_size : 0;
    parcel_array *copy = parcel__arena_new(arena, sizeof *copy, 16);
    void *data = copy ? parcel__arena_new(arena, size, 16) : NULL;
    if (!data)
        return false;
    if (size > 0)
        memcpy(data, array->data, size);
    *copy = *array;
    copy->data = array->data ? data : NULL;
    value->as.array = copy;
    return true;
}

bool parcel__function_copy_content(const parcel_function *function, unsigned char *arguments,
                                   struct parcel__arena *arena, bool only_writable)
{
    for (unsigned i = 0; i < function->n_parameters; i++) {
        const parcel_parameter *parameter = &function->parameters[i];
        unsigned char *place = arguments + parameter->offset;
        bool copied = true;
        if (parameter->kind == PARCEL_WRITABLE_STRING ||
            (parameter->kind == PARCEL_STRING && !only_writable)) {
            copied = copy_string(place, arena);
        } else if (parameter->kind == PARCEL_VALUE && !only_writable) {
            parcel_value value;
            memcpy(&value, place, sizeof value);
            copied = parcel__function_copy_value(&value, arena);
            memcpy(place, &value, sizeof value);
        }
        if (!copied)
            return false;
    }
    return true;
}

static bool lies_in(const char *string, const void *start, size_t size)
{
    uintptr_t address = (uintptr_t)string;
    return start && address >= (uintptr_t)start && address - (uintptr_t)start < size;
}

bool parcel__function_argument_holds(const parcel_function *function,
                                     const unsigned char *arguments, const char *string)
{
    if (!string)
        return false;
    for (unsigned i = 0; i < function->n_parameters; i++) {
        const parcel_parameter *parameter = &function->parameters[i];
        const char *pointer;
        parcel_array array;
        if (parameter->kind == PARCEL_ARRAY) {
            memcpy(&array, arguments + parameter->offset, sizeof array);
            if (lies_in(string, array.data, array.count * array.element_size))
                return true;
        } else if (parameter->kind == PARCEL_STRING || parameter->kind == PARCEL_WRITABLE_STRING) {
            memcpy(&pointer, arguments + parameter->offset, sizeof pointer);
            if (pointer && lies_in(string, pointer, strlen(pointer) + 1))
                return true;
        } else if (parameter->kind == PARCEL_POINTER) {
            memcpy(&pointer, arguments + parameter->offset, sizeof pointer);
            if (pointer == string)
                return true;
        }
    }
    return false;
}

parcel_value parcel__function_box(const parcel_parameter *parameter, const void *place)
{
    unsigned short type = parameter->kind == PARCEL_STRUCT_BYTES
                              ? parcel__structure_find(parameter->type, parameter->size)
                              : 0;
    return parcel__value_box(parameter->kind, parameter->size, type, place);
}

static void put_call(struct parcel__text *text, const parcel_function *function,
                     const unsigned char *arguments, bool with_types)
{
    parcel__text_format(text, "%s(", function->name);
    for (unsigned i = 0; i < function->n_parameters; i++) {
        if (i > 0)
            parcel__text_put(text, ", ");
        size_t before = text->length;
        const parcel_parameter *parameter = &function->parameters[i];
        parcel_value value = parcel__function_box(parameter, arguments + parameter->offset);
        parcel__value_put_argument(text, value);
        parcel__text_cut(text, before, PARCEL__LONGEST_ARGUMENT);
        if (with_types) {
            parcel__text_put(text, ": ");
            parcel__value_put_type(text, value);
        }
    }
    parcel__text_put(text, ")");
}

void parcel__function_put_call(struct parcel__text *text, const parcel_function *function,
                               const unsigned char *arguments)
{
    put_call(text, function, arguments, false);
}

void parcel__function_put_typed_call(struct parcel__text *text, const parcel_function *function,
                                     const unsigned char *arguments)
{
    put_call(text, function, arguments, true);
}

static const char *tag_name(parcel_value value)
{
    static const char *const names[] = {[PARCEL_TAG_NONE] = "",
                                        [PARCEL_TAG_BOOL] = "the bool ",
                                        [PARCEL_TAG_INT64] = "the integer ",
                                        [PARCEL_TAG_UINT64] = "the integer ",
                                        [PARCEL_TAG_DOUBLE] = "the double ",
                                        [PARCEL_TAG_STRING] = "the string ",
                                        [PARCEL_TAG_BYTES] = "the bytes ",
                                        [PARCEL_TAG_ARRAY] = "the array ",
                                        [PARCEL_TAG_POINTER] = "the pointer "};
    return value.tag < sizeof names / sizeof *names ? names[value.tag] : "";
}

static void explain_mismatch(struct parcel__text *text, const parcel_function *function,
                             unsigned position, parcel_value given)
{
    parcel__text_format(text, "%s: argument %u of %u: expected %s, given %s", function->name,
                        position + 1, function->n_parameters, function->parameters[position].type,
                        tag_name(given));
    size_t before = text->length;
    parcel__value_put(text, given);
    parcel__text_cut(text, before, PARCEL__LONGEST_ARGUMENT);
}

/* Boxes all arguments; the position of the first that does not fit, or their number. */
static unsigned box_all(parcel_call *call, const parcel_function *function,
                        const parcel_value *arguments)
{
    for (unsigned i = 0; i < function->n_parameters; i++) {
        const parcel_parameter *parameter = &function->parameters[i];
        if (!parcel__value_fits(arguments[i], parameter->kind, parameter->size) ||
            !parcel__value_unbox(arguments[i], parameter->kind, parameter->size,
                                 call->arguments + parameter->offset))
            return i;
    }
    return function->n_parameters;
}

/* Writes why into text; empty when the call was boxed. */
static void box_call(struct parcel__text *text, parcel_call *call, const parcel_function *function,
                     const parcel_value *arguments, size_t count)
{
    const char *fault = parcel__function_check(function);
    if (fault || !call || (!arguments && count > 0)) {
        parcel__text_put(text, fault ? fault : "parcel_call_from_values: an argument is NULL");
        return;
    }
    if (count != function->n_parameters) {
        parcel__text_format(text, "%s: expected %u argument%s, given %zu", function->name,
                            function->n_parameters, function->n_parameters == 1 ? "" : "s", count);
        return;
    }
    memset(call, 0, sizeof *call);
    call->function = function;
    unsigned position = box_all(call, function, arguments);
    if (position < function->n_parameters)
        explain_mismatch(text, function, position, arguments[position]);
}

bool parcel_call_from_values(parcel_call *call, const parcel_function *function,
                             const parcel_value *arguments, size_t count, char *error,
                             size_t error_size)
{
    struct parcel__text text = {0};
    box_call(&text, call, function, arguments, count);
    bool boxed = !text.failed && text.length == 0;
    if (error && error_size > 0)
        snprintf(error, error_size, "%s", boxed ? "" : parcel__text_why(&text));
    parcel__text_free(&text);
    return boxed;
}

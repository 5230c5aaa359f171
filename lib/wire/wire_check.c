/*
 * wire_check.c: which calls may go to a process that does not share our memory.
 *
 * Strings, values and the data of arrays travel; what a pointer points at does not. So each pointer
 * among the arguments is looked at, in arrays and values too.
 */
#include "wire/wire.h"

#include <ctype.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "calls/calls.h"
#include "ground/objects.h"
#include "ground/shared.h"

/* ---- constants of loaded objects ---- */

struct constants {
    uintptr_t wanted;
    uintptr_t start, size; /* of the part that was found last; the next address is often there */
};

static int find_constants(struct dl_phdr_info *object, size_t size, void *state)
{
    struct constants *constants = state;
    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        bool is_constant =
            part->p_type == PT_GNU_RELRO || (part->p_type == PT_LOAD && !(part->p_flags & PF_W));
        uintptr_t start = object->dlpi_addr + part->p_vaddr;
        if (is_constant && constants->wanted - start < part->p_memsz) {
            constants->start = start;
            constants->size = part->p_memsz;
            return 1;
        }
    }
    return 0;
}

static bool is_constant(struct constants *constants, const void *pointer)
{
    constants->wanted = (uintptr_t)pointer;
    return constants->wanted - constants->start < constants->size ||
           parcel__objects_walk(find_constants, constants) != 0;
}

/* ---- the pointers of calls ---- */

/* What may hold pointers side by side: the elements of an array, or an argument as the only one. */
struct elements {
    const unsigned char *data;
    size_t count;
    size_t size;
    unsigned kind;
    bool of_array;
};

/* A walk from one pointer that is not NULL to the next. */
struct walk {
    const parcel_calls *calls;
    size_t place; /* of the call */
    size_t end;
    const parcel_function *function; /* of the call */
    bool passes_const;               /* pointers to const are not looked for */
    bool has_pointers;               /* the function */
    unsigned next;                   /* parameter to look at after this one */
    const parcel_parameter *parameter;
    struct elements elements; /* of this one */
    size_t element;           /* to look at */
    const void *pointer;      /* that was found */
    struct constants constants;
};

static bool may_point(unsigned kind)
{
    return kind == PARCEL_POINTER || kind == PARCEL_VALUE || kind == PARCEL_ARRAY;
}

static bool is_part_of_name(char character)
{
    return isalnum((unsigned char)character) || character == '_';
}

/* True for "const double *", not for "const char **": what the last * points at is constant. */
static bool points_to_const(const char *type)
{
    const char *last = strrchr(type, '*'), *word = type;
    bool is_const = false;
    for (const char *next = type; last && next <= last; next++) {
        if (is_part_of_name(*next))
            continue;
        is_const = is_const || (next - word == 5 && strncmp(word, "const", 5) == 0);
        if (*next == '*' && next < last)
            is_const = false;
        word = next + 1;
    }
    return is_const;
}

/* Types are read once for each stretch of calls of a function. */
static void note_function(struct walk *walk, const parcel_function *function)
{
    walk->function = function;
    walk->has_pointers = false;
    for (unsigned i = 0; i < function->n_parameters && !walk->has_pointers; i++) {
        const parcel_parameter *parameter = &function->parameters[i];
        bool passes = walk->passes_const && parameter->kind == PARCEL_POINTER &&
                      points_to_const(parameter->type);
        walk->has_pointers = may_point(parameter->kind) && !passes;
    }
}

static struct walk begin_walk(const parcel_calls *calls, size_t first, size_t count,
                              bool passes_const)
{
    struct walk walk = {
        .calls = calls, .place = first, .end = first + count, .passes_const = passes_const};
    const parcel_function *only = parcel__calls_only_function(calls);
    if (only)
        note_function(&walk, only);
    if (only && !walk.has_pointers)
        walk.place = walk.end;
    return walk;
}

static struct elements elements_of(const parcel_array *array)
{
    bool may_hold = may_point(array->kind) || array->kind == PARCEL_STRING ||
                    array->kind == PARCEL_WRITABLE_STRING;
    size_t count = array->data && may_hold ? array->count : 0;
    return (struct elements){array->data, count, array->element_size, array->kind, true};
}

/* Where the pointers of an argument stand. */
static struct elements elements_in(unsigned kind, const unsigned char *place)
{
    parcel_value value = {0};
    parcel_array array;
    if (kind == PARCEL_POINTER)
        return (struct elements){place, 1, sizeof(void *), PARCEL_POINTER, false};
    if (kind == PARCEL_ARRAY) {
        memcpy(&array, place, sizeof array);
        return elements_of(&array);
    }
    if (kind == PARCEL_VALUE)
        memcpy(&value, place, sizeof value);
    if (value.tag == PARCEL_TAG_ARRAY && value.as.array)
        return elements_of(value.as.array);
    bool is_pointer = value.tag == PARCEL_TAG_POINTER;
    return (struct elements){place + offsetof(parcel_value, as), is_pointer, sizeof(void *),
                             PARCEL_POINTER, false};
}

/* The pointer in an element, or NULL. */
static const void *pointer_in(unsigned kind, const unsigned char *place)
{
    const void *pointer;
    parcel_value value;
    parcel_array array;
    if (kind == PARCEL_VALUE) {
        memcpy(&value, place, sizeof value);
        return value.tag >= PARCEL_TAG_STRING ? value.as.pointer : NULL;
    }
    if (kind == PARCEL_ARRAY) {
        memcpy(&array, place, sizeof array);
        return array.data;
    }
    memcpy(&pointer, place, sizeof pointer);
    return pointer;
}

/* Finds the next pointer in the parameter that is looked at. */
static bool find_in_elements(struct walk *walk)
{
    const struct elements *elements = &walk->elements;
    walk->pointer = NULL;
    while (!walk->pointer && walk->element < elements->count)
        walk->pointer =
            pointer_in(elements->kind, elements->data + walk->element++ * elements->size);
    return walk->pointer != NULL;
}

bool parcel__wire_has_pointers(const parcel_array *array)
{
    struct walk walk = {.elements = elements_of(array)};
    return find_in_elements(&walk);
}

static bool find_in_call(struct walk *walk)
{
    while (!find_in_elements(walk)) {
        if (walk->next == walk->function->n_parameters)
            return false;
        const unsigned char *arguments = parcel__calls_arguments(walk->calls, walk->place);
        walk->parameter = &walk->function->parameters[walk->next++];
        walk->elements = elements_in(walk->parameter->kind, arguments + walk->parameter->offset);
        walk->element = 0;
    }
    return true;
}

static bool find_next(struct walk *walk)
{
    for (; walk->place < walk->end; walk->place++, walk->next = 0) {
        const parcel_function *function = parcel__calls_function(walk->calls, walk->place);
        if (function != walk->function)
            note_function(walk, function);
        if (walk->has_pointers && find_in_call(walk))
            return true;
    }
    return false;
}

/* ---- which pointers are right elsewhere ---- */

/* True when the call does not write through the pointer that was found, as its type says. */
static bool is_only_read(const struct walk *walk)
{
    if (walk->parameter->kind == PARCEL_POINTER)
        return points_to_const(walk->parameter->type);
    return walk->elements.kind != PARCEL_POINTER && walk->elements.kind != PARCEL_WRITABLE_STRING;
}

/* True when the pointer is right in each process that was forked when the serial was that. */
static bool is_everywhere(struct walk *walk, unsigned serial)
{
    return parcel__shared_covers(walk->pointer, serial) ||
           is_constant(&walk->constants, walk->pointer);
}

/* Strings, and what else an array may not hold, are refused where they are read. */
const char *parcel__wire_check_result(const parcel_function *function, const void *place,
                                      unsigned serial)
{
    struct walk walk = {0};
    if (may_point(function->result.kind))
        walk.elements = elements_in(function->result.kind, place);
    while (walk.elements.kind == PARCEL_POINTER && find_in_elements(&walk))
        if (!is_everywhere(&walk, serial))
            return serial > 0 ? "returns a pointer to memory that other processes do not share: "
                                "take it from parcel_shared_alloc before the run, or return what "
                                "it points at"
                              : "returns a pointer to memory that other ranks do not have: return "
                                "what it points at";
    return NULL;
}

bool parcel__wire_needs_snapshot(const parcel_calls *calls, unsigned serial)
{
    struct walk walk = begin_walk(calls, 0, parcel_calls_count(calls), false);
    while (find_next(&walk))
        if (!is_everywhere(&walk, serial))
            return true;
    return false;
}

/* ---- calls that are refused ---- */

/* "const double *" for "double *", when it is as simple as that. */
static void put_const(struct parcel__text *text, const parcel_parameter *parameter)
{
    const char *star = strchr(parameter->type, '*');
    if (star && !strchr(star + 1, '*'))
        parcel__text_format(text, ", make it const %s, or set .read_only", parameter->type);
    else
        parcel__text_put(text, ", make it a pointer to const, or set .read_only");
}

/* What would be accepted. */
static void put_advice(struct parcel__text *text, const struct walk *walk,
                       const struct parcel__wire_target *target)
{
    if (target->is_rank && !target->is_snapshot) {
        parcel__text_put(text, "give it as a parcel_array, a string or a struct");
        return;
    }
    parcel__text_put(text, target->is_rank ? "return what the call writes"
                                           : "take it from parcel_shared_alloc");
    if (!target->is_snapshot)
        parcel__text_put(text, " before the run");
    else if (walk->parameter->kind != PARCEL_POINTER)
        parcel__text_put(text, " or set .read_only");
    else
        put_const(text, walk->parameter);
}

static void put_refusal(struct parcel__text *text, const struct walk *walk,
                        const struct parcel__wire_target *target)
{
    size_t parameter = (size_t)(walk->parameter - walk->function->parameters) + 1;
    if (!target->is_known)
        parcel__calls_put_call(text, walk->calls, walk->place, walk->place);
    const char *what = walk->parameter->kind == PARCEL_POINTER ? walk->parameter->type
                       : walk->elements.of_array               ? "an array of pointers"
                                                               : "a pointer";
    parcel__text_format(text, "%sparameter %zu of %s is %s, whose memory other %s do not share: ",
                        target->is_known ? "" : ": ", parameter, walk->function->name, what,
                        target->is_rank ? "ranks" : "processes");
    put_advice(text, walk, target);
}

bool parcel__wire_check(const parcel_calls *calls, size_t first, size_t count,
                        const struct parcel__wire_target *target, struct parcel__text *why)
{
    struct walk walk = begin_walk(calls, first, count, target->is_snapshot);
    if (target->is_snapshot && target->read_only)
        return true;
    while (find_next(&walk)) {
        if ((target->is_snapshot && is_only_read(&walk)) || is_everywhere(&walk, target->serial))
            continue;
        put_refusal(why, &walk, target);
        return false;
    }
    return true;
}

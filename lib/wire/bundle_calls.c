/*
 * bundle_calls.c: the calls of a message.
 *
 * They stand in groups of one function, which is told of when it comes first:
 *
 *     | group | identity, seal, name | arguments of one | of the next | ... | group | ...
 */
#include "wire/bundle_parts.h"

#include <stddef.h>

#include "calls/calls.h"
#include "calls/function.h"
#include "calls/identity.h"
#include "ground/hash.h"
#include "ground/text.h"

enum { N_KNOWN = 16 };

/* ---- functions of calls ---- */

/* A function that the receiver was told of. The places are taken in turn. */
struct known {
    const parcel_function *function;
    bool is_plain;
    struct parcel__wire_layout layout;
};

struct group {
    uint32_t slot; /* of the function, among those known */
    uint32_t is_new;
    uint64_t count;
};

struct definition {
    struct parcel__identity identity;
    uint64_t seal; /* tells it from what was damaged, which would be taken for a function */
    uint64_t size; /* of the text that follows, its end included */
};

static uint64_t seal_of(struct parcel__identity identity)
{
    return parcel__hash_mix(parcel__hash_mix(UINT64_C(0x63616C6C), identity.object),
                            identity.offset);
}

static struct known know(const parcel_function *function)
{
    struct known known = {
        function, true, {function->parameters, function->n_parameters, function->argument_bytes}};
    for (unsigned i = 0; i < function->n_parameters; i++)
        known.is_plain = known.is_plain && parcel__bundle_is_plain(function->parameters[i].kind);
    return known;
}

/* ---- writing calls ---- */

struct packing {
    struct parcel__bundle *bundle;
    const parcel_calls *calls;
    size_t first;
    size_t done; /* calls that are written */
    size_t end;  /* the bytes should not go beyond */
    struct known known[N_KNOWN];
    size_t n_known; /* that ever were */
    struct parcel__wire_away away;
    struct parcel__bundle_leaving leaving;
};

static bool define(struct parcel__bundle *bundle, const parcel_function *function,
                   struct parcel__identity identity)
{
    struct parcel__text text = {0};
    const char *object = parcel__identity_object_name(function);
    parcel__text_put(&text, function->name);
    if (identity.object == 0)
        parcel__text_put(&text, ", which is registered");
    else
        parcel__text_format(&text, " of %s", object ? object : "");
    struct definition definition = {identity, seal_of(identity), text.length + 1};
    bool is_put = !text.failed && text.bytes &&
                  parcel__bundle_put(bundle, &definition, sizeof definition) &&
                  parcel__bundle_put(bundle, text.bytes, text.length + 1);
    parcel__text_free(&text);
    return is_put;
}

/* Begins a group of the function; its count is written when it ends. */
static enum parcel__bundle_outcome
begin_group(struct packing *packing, const parcel_function *function, const struct known **known)
{
    struct parcel__identity identity;
    size_t slot = 0, n = packing->n_known < N_KNOWN ? packing->n_known : N_KNOWN;
    while (slot < n && packing->known[slot].function != function)
        slot++;
    struct group group = {(uint32_t)slot, slot == n, 0};
    if (slot == n) {
        if (!parcel__identity_of(function, &identity))
            return PARCEL__BUNDLE_REFUSED;
        group.slot = (uint32_t)(packing->n_known++ % N_KNOWN);
        packing->known[group.slot] = know(function);
    }
    *known = &packing->known[group.slot];
    bool is_put = parcel__bundle_put(packing->bundle, &group, sizeof group) &&
                  (!group.is_new || define(packing->bundle, function, identity));
    return is_put ? PARCEL__BUNDLE_DONE : PARCEL__BUNDLE_NO_MEMORY;
}

/* Calls of one function, side by side. */
struct column {
    const unsigned char *arguments;
    size_t stride;
    size_t count;
};

static enum parcel__bundle_outcome put_plain_calls(struct packing *packing,
                                                   const struct known *known, struct column column)
{
    size_t size = known->layout.size;
    size_t count = parcel__bundle_fitting(packing->bundle, packing->end, packing->done == 0, size,
                                          column.count);
    if (count == 0)
        return PARCEL__BUNDLE_FULL;
    unsigned char *bytes = parcel__bundle_extend(packing->bundle, size * count);
    if (!bytes)
        return PARCEL__BUNDLE_NO_MEMORY;
    parcel__bundle_copy_column(bytes, size, column.arguments, column.stride, size, count);
    packing->done += count;
    return count == column.count ? PARCEL__BUNDLE_DONE : PARCEL__BUNDLE_FULL;
}

static enum parcel__bundle_outcome put_other_calls(struct packing *packing,
                                                   const struct known *known, struct column column)
{
    enum parcel__bundle_outcome outcome = PARCEL__BUNDLE_DONE;
    for (size_t i = 0; outcome == PARCEL__BUNDLE_DONE && i < column.count; i++) {
        packing->leaving.place = packing->done;
        size_t n_large = packing->bundle->n_large;
        outcome = parcel__bundle_put_object(packing->bundle, packing->end, packing->done == 0,
                                            &known->layout, column.arguments + i * column.stride,
                                            &packing->away);
        if (outcome == PARCEL__BUNDLE_DONE)
            packing->done++;
        else
            packing->bundle->n_large = n_large;
    }
    return outcome;
}

static enum parcel__bundle_outcome put_group(struct packing *packing,
                                             const parcel_function *function, struct column column)
{
    struct parcel__bundle *bundle = packing->bundle;
    const struct known *known;
    size_t start = bundle->used, before = packing->done;
    enum parcel__bundle_outcome outcome = begin_group(packing, function, &known);
    if (outcome == PARCEL__BUNDLE_DONE)
        outcome = known->is_plain ? put_plain_calls(packing, known, column)
                                  : put_other_calls(packing, known, column);
    uint64_t count = packing->done - before;
    if (count == 0)
        bundle->used = start;
    else
        memcpy(bundle->bytes + start + offsetof(struct group, count), &count, sizeof count);
    return outcome;
}

/* The calls from that one on that have one function and lie side by side. */
static struct column next_column(const parcel_calls *calls, size_t first, size_t count,
                                 const parcel_function **function)
{
    struct parcel__span span = parcel__calls_span(calls, first, count);
    size_t n = 1;
    *function = parcel__calls_function(calls, first);
    if (span.mapped)
        n = span.count;
    else
        while (n < span.count &&
               memcmp(span.first + n * span.stride, function, sizeof *function) == 0)
            n++;
    return (struct column){parcel__calls_arguments(calls, first), span.stride, n};
}

static const char cannot_be_found[] =
    "cannot be found by other ranks: its parcel_function must have static storage, or be "
    "registered by parcel_mpi_register";

static void put_refusal(struct parcel__text *text, const struct packing *packing)
{
    size_t place = packing->first + packing->done;
    struct parcel__identity identity;
    const parcel_function *function = parcel__calls_function(packing->calls, place);
    parcel__calls_put_call(text, packing->calls, place, place);
    if (!parcel__identity_of(function, &identity))
        parcel__text_format(text, ": %s %s", function->name, cannot_be_found);
    else
        parcel__text_format(text, ": parameter %u of %s %s", packing->away.part + 1, function->name,
                            packing->away.is_unknown
                                ? "points at memory that other ranks do not have: pass what it "
                                  "points at, by value or as an array of numbers or structs"
                                : "has a kind and a size that disagree");
}

/* ---- calls that are refused before ---- */

static bool is_found(const struct parcel__bundle_found *found, const parcel_function *function)
{
    const size_t room = sizeof found->functions / sizeof *found->functions;
    for (size_t i = 0; i < room && i < found->count; i++)
        if (found->functions[i] == function)
            return true;
    return false;
}

/* False: other ranks cannot find the function of the call. */
static bool check_function(struct parcel__bundle_found *found, const parcel_calls *calls,
                           size_t place, bool is_known, struct parcel__text *why)
{
    struct parcel__identity identity;
    const parcel_function *function = parcel__calls_function(calls, place);
    const size_t room = sizeof found->functions / sizeof *found->functions;
    if (is_found(found, function))
        return true;
    if (parcel__identity_of(function, &identity)) {
        found->functions[found->count++ % room] = function;
        return true;
    }
    if (!is_known)
        parcel__calls_put_call(why, calls, place, place);
    parcel__text_format(why, "%s%s %s", is_known ? "" : ": ", function->name, cannot_be_found);
    return false;
}

bool parcel__bundle_check(const parcel_calls *calls, size_t first, size_t count, bool is_known,
                          struct parcel__bundle_found *found, struct parcel__text *why)
{
    const struct parcel__wire_target target = parcel__wire_to_rank(is_known);
    for (size_t done = 0; done < count;) {
        const parcel_function *function;
        size_t place = first + done;
        done += next_column(calls, place, count - done, &function).count;
        if (!check_function(found, calls, place, is_known, why))
            return false;
    }
    return parcel__wire_check(calls, first, count, &target, why);
}

size_t parcel__bundle_put_calls(struct parcel__bundle *bundle, const parcel_calls *calls,
                                size_t first, size_t count, size_t most_bytes,
                                struct parcel__text *why)
{
    struct packing packing = {.bundle = bundle, .calls = calls, .first = first};
    packing.end = most_bytes < SIZE_MAX - bundle->used ? bundle->used + most_bytes : SIZE_MAX;
    packing.leaving.bundle = bundle;
    packing.away = (struct parcel__wire_away){.least = PARCEL__BUNDLE_LARGE,
                                              .leave_out = parcel__bundle_leave_out,
                                              .state = &packing.leaving};
    enum parcel__bundle_outcome outcome = PARCEL__BUNDLE_DONE;
    while (outcome == PARCEL__BUNDLE_DONE && packing.done < count) {
        const parcel_function *function;
        struct column column =
            next_column(calls, first + packing.done, count - packing.done, &function);
        outcome = put_group(&packing, function, column);
    }
    if (packing.done == 0 && outcome == PARCEL__BUNDLE_REFUSED)
        put_refusal(why, &packing);
    return packing.done;
}

/* ---- reading calls ---- */

struct unpacking {
    struct parcel__bytes input;
    parcel_calls *list;
    size_t n_before; /* calls that the list had */
    struct known known[N_KNOWN];
    struct parcel__wire_away away;
    struct parcel__bundle_leaving leaving;
    struct parcel__text *why;
};

static const char not_sound[] = "the calls that another rank sent are damaged";

/* Refuses the bytes. */
static bool refuse_bytes(struct unpacking *unpacking, const char *sentence)
{
    parcel__text_put(unpacking->why, sentence);
    return false;
}

static bool refuse_unknown(struct unpacking *unpacking, const char *name, const char *what)
{
    parcel__text_format(unpacking->why,
                        "%s%s is not known on this rank: each rank must run the same build, and "
                        "have loaded or registered the same",
                        what, name);
    return false;
}

/* Reads which function a group has that is not known yet. */
static bool learn(struct unpacking *unpacking, struct known *known)
{
    struct definition definition;
    const void *bytes = parcel__bytes_take(&unpacking->input, sizeof definition);
    if (!bytes)
        return refuse_bytes(unpacking, not_sound);
    memcpy(&definition, bytes, sizeof definition);
    const char *name = (const char *)parcel__bytes_take(&unpacking->input, definition.size);
    if (!name || definition.size == 0 || name[definition.size - 1] != '\0' ||
        definition.seal != seal_of(definition.identity))
        return refuse_bytes(unpacking, not_sound);
    const parcel_function *function =
        parcel__identity_find(definition.identity, sizeof(parcel_function));
    if (!function)
        return refuse_unknown(unpacking, name, "the function ");
    if ((uintptr_t)function % _Alignof(parcel_function) != 0 || parcel__function_check(function))
        return refuse_bytes(unpacking, not_sound);
    *known = know(function);
    return true;
}

static bool add_plain_calls(struct unpacking *unpacking, const struct known *known, size_t count)
{
    parcel_call call = {.function = known->function};
    size_t size = known->layout.size;
    const unsigned char *arguments = parcel__bytes_take_some(&unpacking->input, size, count);
    if (!arguments)
        return refuse_bytes(unpacking, not_sound);
    for (size_t i = 0; i < count; i++) {
        memcpy(call.arguments, arguments + i * size, size);
        if (!parcel__calls_put(unpacking->list, &call))
            return false;
    }
    return true;
}

static bool add_other_call(struct unpacking *unpacking, const struct known *known)
{
    struct parcel__wire_away *away = &unpacking->away;
    parcel_call call = {.function = known->function};
    unpacking->leaving.place = unpacking->list->parcel__count - unpacking->n_before;
    if (parcel__bundle_take_object(&unpacking->input, &known->layout, call.arguments, away))
        return parcel__calls_put(unpacking->list, &call);
    if (away->has_no_memory)
        return false;
    return away->is_unknown ? refuse_unknown(unpacking, known->function->name,
                                             "what is pointed at by an argument of ")
                            : refuse_bytes(unpacking, not_sound);
}

static bool add_group(struct unpacking *unpacking, size_t most)
{
    struct group group;
    const void *bytes = parcel__bytes_take(&unpacking->input, sizeof group);
    if (!bytes)
        return refuse_bytes(unpacking, not_sound);
    memcpy(&group, bytes, sizeof group);
    if (group.slot >= N_KNOWN || group.count == 0 || group.count > most)
        return refuse_bytes(unpacking, not_sound);
    struct known *known = &unpacking->known[group.slot];
    if (group.is_new && !learn(unpacking, known))
        return false;
    if (!known->function)
        return refuse_bytes(unpacking, not_sound);
    if (known->is_plain)
        return add_plain_calls(unpacking, known, (size_t)group.count);
    for (size_t i = 0; i < group.count; i++)
        if (!add_other_call(unpacking, known))
            return false;
    return true;
}

/* Where the pointer to an array's data stands, now that the list does not move any more. */
static unsigned char *place_of_data(const parcel_calls *list, size_t place, unsigned part)
{
    union {
        const unsigned char *read;
        unsigned char *write;
    } arguments = {parcel__calls_arguments(list, place)}; /* the list is ours */
    const parcel_parameter *parameter = &parcel__calls_function(list, place)->parameters[part];
    unsigned char *argument = arguments.write + parameter->offset;
    parcel_value value;
    if (parameter->kind == PARCEL_ARRAY)
        return argument + offsetof(parcel_array, data);
    memcpy(&value, argument, sizeof value);
    union {
        const parcel_array *read;
        parcel_array *write;
    } array = {value.as.array}; /* a copy that belongs to the list */
    return (unsigned char *)&array.write->data;
}

bool parcel__bundle_get_calls(unsigned char *bytes, size_t size, size_t count, parcel_calls *list,
                              struct parcel__bundle *large, struct parcel__text *why)
{
    size_t first_large = large->n_large, n_before = parcel_calls_count(list);
    struct unpacking unpacking = {
        .input = {bytes, size}, .list = list, .n_before = n_before, .why = why};
    unpacking.leaving.bundle = large;
    unpacking.away = (struct parcel__wire_away){.least = PARCEL__BUNDLE_LARGE,
                                                .leave_out = parcel__bundle_leave_out,
                                                .state = &unpacking.leaving};
    size_t added = 0;
    for (; added < count; added = parcel_calls_count(list) - n_before)
        if (!add_group(&unpacking, count - added)) {
            large->n_large = first_large;
            return false;
        }
    for (size_t i = first_large; i < large->n_large; i++)
        large->large[i].where =
            place_of_data(list, n_before + large->large[i].place, large->large[i].part);
    return true;
}

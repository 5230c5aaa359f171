/*
 * bundle.c: calls and results of one message between ranks, as bytes.
 *
 * Calls stand in groups of one function, which is told of when it comes first:
 *
 *     | group | identity, seal, name | arguments of one | of the next | ... | group | ...
 *
 * and results in stretches of one function, one status and one record:
 *
 *     | stretch | values or messages ... | attempts ... | stretch | ...
 *
 * What holds no pointers is copied as it lies, all of a group or stretch at once; the rest is an
 * object of wire.c for each call.
 */
#include "wire/bundle.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "calls/calls.h"
#include "calls/function.h"
#include "ground/hash.h"
#include "calls/identity.h"
#include "results/results.h"
#include "ground/text.h"
#include "wire/wire.h"

enum { UNIT = 16, FIRST_BYTES = 4096, FIRST_LARGE = 8, N_KNOWN = 16 };

static const char out_of_memory[] = "out of memory";

static size_t padded(size_t size)
{
    return (size + UNIT - 1) / UNIT * UNIT;
}

/* ---- the bundle ---- */

void parcel__bundle_clear(struct parcel__bundle *bundle)
{
    bundle->used = 0;
    bundle->n_large = 0;
    bundle->failed = false;
}

void parcel__bundle_free(struct parcel__bundle *bundle)
{
    parcel__memory_free(bundle->bytes);
    parcel__memory_free(bundle->large);
    *bundle = (struct parcel__bundle){0};
}

static bool make_room(struct parcel__bundle *bundle, size_t size)
{
    size_t capacity = bundle->capacity ? bundle->capacity : FIRST_BYTES;
    if (size > SIZE_MAX / 4 - bundle->used) {
        bundle->failed = true;
        return false;
    }
    while (capacity - bundle->used < size)
        capacity *= 2;
    if (capacity == bundle->capacity)
        return true;
    unsigned char *bytes = parcel__memory_resize(bundle->bytes, capacity);
    bundle->failed = bundle->failed || !bytes;
    if (!bytes)
        return false;
    bundle->bytes = bytes;
    bundle->capacity = capacity;
    return true;
}

/* So many more bytes, to be written; those of the padding are zero. NULL: out of memory. */
static unsigned char *extend(struct parcel__bundle *bundle, size_t size)
{
    size_t whole = padded(size < SIZE_MAX / 2 ? size : SIZE_MAX / 2);
    if (!make_room(bundle, whole))
        return NULL;
    unsigned char *bytes = bundle->bytes + bundle->used;
    memset(bytes + size, 0, whole - size);
    bundle->used += whole;
    return bytes;
}

bool parcel__bundle_put(struct parcel__bundle *bundle, const void *bytes, size_t size)
{
    unsigned char *place = extend(bundle, size);
    if (place && size > 0)
        memcpy(place, bytes, size);
    return place != NULL;
}

static bool add_large(struct parcel__bundle *bundle, struct parcel__large large)
{
    if (bundle->n_large == bundle->large_capacity) {
        size_t capacity = bundle->large_capacity ? 2 * bundle->large_capacity : FIRST_LARGE;
        struct parcel__large *all = parcel__memory_resize(bundle->large, capacity * sizeof *all);
        bundle->failed = bundle->failed || !all;
        if (!all)
            return false;
        bundle->large = all;
        bundle->large_capacity = capacity;
    }
    bundle->large[bundle->n_large++] = large;
    return true;
}

/* Who is told of what wire.c leaves out. */
struct leaving {
    struct parcel__bundle *bundle;
    size_t place; /* of the call that is written or read */
};

static bool leave_out(void *state, unsigned part, void *data, size_t size)
{
    const struct leaving *leaving = state;
    return add_large(
        leaving->bundle,
        (struct parcel__large){.place = leaving->place, .data = data, .size = size, .part = part});
}

/* ---- objects ---- */

enum outcome { DONE, FULL, REFUSED, NO_MEMORY };

/* Writes an object where the bundle's bytes do not go beyond end, or where it is the first. */
static enum outcome put_object(struct parcel__bundle *bundle, size_t end, bool is_first,
                               const struct parcel__wire_layout *layout, const void *object,
                               struct parcel__wire_away *away)
{
    size_t size = parcel__wire_size_away(layout, object, away);
    if (size == 0)
        return REFUSED;
    if (!is_first && (bundle->used > end || size > end - bundle->used))
        return FULL;
    if (!make_room(bundle, size) ||
        parcel__wire_put_away(bundle->bytes + bundle->used, size, layout, object, away) == 0)
        return NO_MEMORY;
    bundle->used += size;
    return DONE;
}

/* True when it is the same in each process, byte by byte. */
static bool is_plain_kind(unsigned kind)
{
    return kind < PARCEL_STRING || kind == PARCEL_STRUCT_BYTES;
}

/* Copies so many things of that size between places a stride apart. */
static void copy_column(unsigned char *to, size_t to_stride, const unsigned char *from,
                        size_t from_stride, size_t size, size_t count)
{
    if (to_stride == size && from_stride == size) {
        memcpy(to, from, size * count);
        return;
    }
    if (size == 8) { /* without a call of memcpy */
        for (size_t i = 0; i < count; i++)
            memcpy(to + i * to_stride, from + i * from_stride, 8);
        return;
    }
    for (size_t i = 0; size > 0 && i < count; i++)
        memcpy(to + i * to_stride, from + i * from_stride, size);
}

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
        known.is_plain = known.is_plain && is_plain_kind(function->parameters[i].kind);
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
    struct leaving leaving;
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
static enum outcome begin_group(struct packing *packing, const parcel_function *function,
                                const struct known **known)
{
    struct parcel__identity identity;
    size_t slot = 0, n = packing->n_known < N_KNOWN ? packing->n_known : N_KNOWN;
    while (slot < n && packing->known[slot].function != function)
        slot++;
    struct group group = {(uint32_t)slot, slot == n, 0};
    if (slot == n) {
        if (!parcel__identity_of(function, &identity))
            return REFUSED;
        group.slot = (uint32_t)(packing->n_known++ % N_KNOWN);
        packing->known[group.slot] = know(function);
    }
    *known = &packing->known[group.slot];
    bool is_put = parcel__bundle_put(packing->bundle, &group, sizeof group) &&
                  (!group.is_new || define(packing->bundle, function, identity));
    return is_put ? DONE : NO_MEMORY;
}

/* How many of so many things of that size fit, one at least when they are the first. */
static size_t fitting(const struct parcel__bundle *bundle, size_t end, bool is_first, size_t size,
                      size_t count)
{
    size_t left = bundle->used < end ? end - bundle->used : 0;
    size_t fit = size > 0 ? left / UNIT * UNIT / size : count;
    if (fit == 0 && is_first)
        return 1;
    return fit < count ? fit : count;
}

/* Calls of one function, side by side. */
struct column {
    const unsigned char *arguments;
    size_t stride;
    size_t count;
};

static enum outcome put_plain_calls(struct packing *packing, const struct known *known,
                                    struct column column)
{
    size_t size = known->layout.size;
    size_t count = fitting(packing->bundle, packing->end, packing->done == 0, size, column.count);
    if (count == 0)
        return FULL;
    unsigned char *bytes = extend(packing->bundle, size * count);
    if (!bytes)
        return NO_MEMORY;
    copy_column(bytes, size, column.arguments, column.stride, size, count);
    packing->done += count;
    return count == column.count ? DONE : FULL;
}

static enum outcome put_other_calls(struct packing *packing, const struct known *known,
                                    struct column column)
{
    enum outcome outcome = DONE;
    for (size_t i = 0; outcome == DONE && i < column.count; i++) {
        packing->leaving.place = packing->done;
        size_t n_large = packing->bundle->n_large;
        outcome = put_object(packing->bundle, packing->end, packing->done == 0, &known->layout,
                             column.arguments + i * column.stride, &packing->away);
        if (outcome == DONE)
            packing->done++;
        else
            packing->bundle->n_large = n_large;
    }
    return outcome;
}

static enum outcome put_group(struct packing *packing, const parcel_function *function,
                              struct column column)
{
    struct parcel__bundle *bundle = packing->bundle;
    const struct known *known;
    size_t start = bundle->used, before = packing->done;
    enum outcome outcome = begin_group(packing, function, &known);
    if (outcome == DONE)
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

static char *refusal(const struct packing *packing)
{
    struct parcel__text text = {0};
    size_t place = packing->first + packing->done;
    struct parcel__identity identity;
    const parcel_function *function = parcel__calls_function(packing->calls, place);
    parcel__calls_put_call(&text, packing->calls, place, place);
    if (!parcel__identity_of(function, &identity))
        parcel__text_format(&text, ": %s %s", function->name, cannot_be_found);
    else
        parcel__text_format(&text, ": parameter %u of %s %s", packing->away.part + 1,
                            function->name,
                            packing->away.is_unknown
                                ? "points at memory that other ranks do not have: pass what it "
                                  "points at, by value or as an array of numbers or structs"
                                : "has a kind and a size that disagree");
    return parcel__text_take(&text);
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
                           size_t place, bool is_known, char **why)
{
    struct parcel__text text = {0};
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
        parcel__calls_put_call(&text, calls, place, place);
    parcel__text_format(&text, "%s%s %s", is_known ? "" : ": ", function->name, cannot_be_found);
    *why = parcel__text_take(&text);
    return false;
}

bool parcel__bundle_check(const parcel_calls *calls, size_t first, size_t count, bool is_known,
                          struct parcel__bundle_found *found, char **why)
{
    const struct parcel__wire_target target = {.is_rank = true, .is_known = is_known};
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
                                size_t first, size_t count, size_t most_bytes, char **why)
{
    struct packing packing = {.bundle = bundle, .calls = calls, .first = first};
    packing.end = most_bytes < SIZE_MAX - bundle->used ? bundle->used + most_bytes : SIZE_MAX;
    packing.leaving.bundle = bundle;
    packing.away = (struct parcel__wire_away){
        .least = PARCEL__BUNDLE_LARGE, .leave_out = leave_out, .state = &packing.leaving};
    enum outcome outcome = DONE;
    while (outcome == DONE && packing.done < count) {
        const parcel_function *function;
        struct column column =
            next_column(calls, first + packing.done, count - packing.done, &function);
        outcome = put_group(&packing, function, column);
    }
    if (packing.done == 0)
        *why = outcome == REFUSED ? refusal(&packing) : NULL;
    return packing.done;
}

/* ---- reading ---- */

struct input {
    unsigned char *next;
    size_t left;
};

/* The next so many bytes, or NULL. */
static unsigned char *take(struct input *input, size_t size)
{
    if (size > input->left || padded(size) > input->left)
        return NULL;
    unsigned char *bytes = input->next;
    input->next += padded(size);
    input->left -= padded(size);
    return bytes;
}

/* So many things of that size, or NULL. */
static unsigned char *take_column(struct input *input, size_t size, size_t count)
{
    return size > 0 && count > input->left / size ? NULL : take(input, size * count);
}

static bool take_object(struct input *input, const struct parcel__wire_layout *layout, void *object,
                        struct parcel__wire_away *away)
{
    size_t size = parcel__wire_get_away(input->next, input->left, layout, object, away);
    return size > 0 && take(input, size);
}

/* ---- reading calls ---- */

struct unpacking {
    struct input input;
    parcel_calls *list;
    size_t n_before; /* calls that the list had */
    struct known known[N_KNOWN];
    struct parcel__wire_away away;
    struct leaving leaving;
    char **why;
};

static const char not_sound[] = "the calls that another rank sent are damaged";

/* Refuses the bytes. Without memory for the sentence, it is NULL. */
static bool refuse(struct unpacking *unpacking, const char *sentence)
{
    *unpacking->why = parcel__memory_copy_string(sentence);
    return false;
}

static bool refuse_unknown(struct unpacking *unpacking, const char *name, const char *what)
{
    struct parcel__text text = {0};
    parcel__text_format(&text,
                        "%s%s is not known on this rank: each rank must run the same build, and "
                        "have loaded or registered the same",
                        what, name);
    *unpacking->why = parcel__text_take(&text);
    return false;
}

/* Reads which function a group has that is not known yet. */
static bool learn(struct unpacking *unpacking, struct known *known)
{
    struct definition definition;
    const void *bytes = take(&unpacking->input, sizeof definition);
    if (!bytes)
        return refuse(unpacking, not_sound);
    memcpy(&definition, bytes, sizeof definition);
    const char *name = (const char *)take(&unpacking->input, definition.size);
    if (!name || definition.size == 0 || name[definition.size - 1] != '\0' ||
        definition.seal != seal_of(definition.identity))
        return refuse(unpacking, not_sound);
    const parcel_function *function =
        parcel__identity_find(definition.identity, sizeof(parcel_function));
    if (!function)
        return refuse_unknown(unpacking, name, "the function ");
    if ((uintptr_t)function % _Alignof(parcel_function) != 0 || parcel__function_check(function))
        return refuse(unpacking, not_sound);
    *known = know(function);
    return true;
}

static bool add_plain_calls(struct unpacking *unpacking, const struct known *known, size_t count)
{
    parcel_call call = {.function = known->function};
    size_t size = known->layout.size;
    const unsigned char *arguments = take_column(&unpacking->input, size, count);
    if (!arguments)
        return refuse(unpacking, not_sound);
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
    if (take_object(&unpacking->input, &known->layout, call.arguments, away))
        return parcel__calls_put(unpacking->list, &call);
    if (away->has_no_memory)
        return false;
    return away->is_unknown ? refuse_unknown(unpacking, known->function->name,
                                             "what is pointed at by an argument of ")
                            : refuse(unpacking, not_sound);
}

static bool add_group(struct unpacking *unpacking, size_t most)
{
    struct group group;
    const void *bytes = take(&unpacking->input, sizeof group);
    if (!bytes)
        return refuse(unpacking, not_sound);
    memcpy(&group, bytes, sizeof group);
    if (group.slot >= N_KNOWN || group.count == 0 || group.count > most)
        return refuse(unpacking, not_sound);
    struct known *known = &unpacking->known[group.slot];
    if (group.is_new && !learn(unpacking, known))
        return false;
    if (!known->function)
        return refuse(unpacking, not_sound);
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
                              struct parcel__bundle *large, char **why)
{
    size_t first_large = large->n_large, n_before = parcel_calls_count(list);
    struct unpacking unpacking = {
        .input = {bytes, size}, .list = list, .n_before = n_before, .why = why};
    unpacking.leaving.bundle = large;
    unpacking.away = (struct parcel__wire_away){
        .least = PARCEL__BUNDLE_LARGE, .leave_out = leave_out, .state = &unpacking.leaving};
    size_t added = 0;
    *why = NULL;
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

/* ---- stretches of results ---- */

enum { HAS_RECORD = 1, IS_SHARED = 2, HAS_ATTEMPTS = 4 };

struct stretch {
    uint64_t count;
    uint32_t status;
    uint32_t flags;
    struct parcel__record record; /* of the first; of all, when it is shared */
};

static const parcel_parameter message_part = {PARCEL_STRING, sizeof(char *), 0, "const char *"};
static const struct parcel__wire_layout message_layout = {&message_part, 1, sizeof(char *)};

/* How a value is written. */
struct shape {
    parcel_parameter part; /* the result, as the only part of an object */
    struct parcel__wire_layout layout;
    bool is_plain;  /* all values of a stretch are copied at once */
    bool is_inline; /* in its slot; else the slot points at it */
};

/* function: NULL for a call that did not run, of which nothing else is known. */
static void note_shape(struct shape *shape, const parcel_function *function)
{
    *shape = (struct shape){.is_inline = true};
    if (!function)
        return;
    shape->part = function->result;
    shape->part.offset = 0; /* where a result has its alignment */
    shape->layout = (struct parcel__wire_layout){&shape->part, 1, shape->part.size};
    shape->is_inline = parcel__function_result_is_inline(function);
    shape->is_plain = shape->is_inline && is_plain_kind(shape->part.kind);
}

/* True when there is nothing for each call but what is copied. */
static bool is_plain_stretch(const struct stretch *stretch, const struct shape *shape)
{
    return stretch->status == PARCEL_NOT_RUN || (stretch->status == PARCEL_OK && shape->is_plain);
}

/* Bytes for each call that are copied all at once. */
static size_t plain_size(const struct stretch *stretch, const struct shape *shape)
{
    return is_plain_stretch(stretch, shape) && stretch->status == PARCEL_OK ? shape->part.size : 0;
}

static unsigned char *slot_of(const parcel_results *results, size_t index)
{
    return results->slots + index * results->slot_size;
}

/* Where the pointer to the data of an array stands that was returned. */
static unsigned char *pointer_to_data(const parcel_results *results, size_t index)
{
    return slot_of(results, index) + offsetof(parcel_array, data);
}

/* ---- writing results ---- */

struct returning {
    struct parcel__bundle *bundle;
    parcel_results *results;
    size_t next; /* to write */
    size_t first;
    size_t end;       /* of the results */
    size_t end_bytes; /* the bytes should not go beyond */
    int pid;
    size_t record_at;             /* of the record that was looked up last */
    struct parcel__record record; /* which calls from there on share */
    struct parcel__wire_away away;
    struct leaving leaving;
};

/* The first of these marks that differs, or end. Most are alike: eight are looked at at once. */
static size_t end_of_marks(const unsigned char *marks, size_t first, size_t end, unsigned char mark)
{
    uint64_t alike, word;
    memset(&alike, mark, sizeof alike);
    for (; end - first >= sizeof word; first += sizeof word) {
        memcpy(&word, marks + first, sizeof word);
        if (word != alike)
            break;
    }
    while (first < end && marks[first] == mark)
        first++;
    return first;
}

/* The first call from there on that has another function, or end. */
static size_t end_of_function(const parcel_results *results, size_t first, size_t end)
{
    size_t next = first + 1;
    if (!results->functions)
        return end;
    while (next < end && results->functions[next] == results->functions[first])
        next++;
    return next;
}

/* The record of the next call, if it has one. Only the first that is written is looked up in the
 * middle of those that share one. */
static bool find_record(struct returning *returning, struct parcel__record *record)
{
    const parcel_results *results = returning->results;
    size_t next = returning->next;
    unsigned char mark = results->marks[next];
    if (!(mark & (PARCEL__MARK_FIRST | PARCEL__MARK_SHARED)))
        return false;
    if (mark & PARCEL__MARK_FIRST || next == returning->first) {
        returning->record_at = next;
        if (!parcel__results_record(results, next, &returning->record))
            return false;
        if (returning->record.pid == 0)
            returning->record.pid = returning->pid;
    }
    *record = returning->record;
    record->start += (double)(next - returning->record_at) * record->duration;
    return true;
}

/* The calls from next on that have one function, one status and one record. */
static struct stretch next_stretch(struct returning *returning)
{
    const parcel_results *results = returning->results;
    size_t first = returning->next;
    unsigned char mark = results->marks[first];
    struct stretch stretch = {.count = 1, .status = mark & PARCEL__MARK_STATUS};
    if (find_record(returning, &stretch.record))
        stretch.flags |= HAS_RECORD;
    if (mark & PARCEL__MARK_SHARED)
        stretch.flags |= IS_SHARED;
    if (results->attempts)
        stretch.flags |= HAS_ATTEMPTS;
    mark &= PARCEL__MARK_STATUS | PARCEL__MARK_SHARED;
    if (stretch.flags & HAS_RECORD && !(stretch.flags & IS_SHARED))
        return stretch;
    size_t end = end_of_function(results, first, returning->end);
    end = end_of_marks(results->marks, first + 1, end, mark);
    stretch.count = end - first;
    return stretch;
}

/* Why a value cannot travel, a constant, or NULL. */
static const char *check_value(const parcel_function *function, const void *place)
{
    parcel_array array = {0};
    parcel_value value;
    if (function->result.kind == PARCEL_ARRAY)
        memcpy(&array, place, sizeof array);
    if (function->result.kind == PARCEL_VALUE) {
        memcpy(&value, place, sizeof value);
        if (value.tag == PARCEL_TAG_ARRAY && value.as.array)
            array = *value.as.array;
    }
    if (array.data && array.kind != PARCEL_POINTER && parcel__wire_has_pointers(&array))
        return "an array of strings, arrays or values cannot be returned from another rank";
    if (parcel__wire_check_result(function, place, 0))
        return "returns a pointer to memory that other ranks do not have: return what it points "
               "at";
    return NULL;
}

/* Writes one value. REFUSED: the call has failed instead. */
static enum outcome put_value(struct returning *returning, const struct shape *shape, size_t index)
{
    parcel_results *results = returning->results;
    const parcel_function *function = parcel__results_function(results, index);
    const void *place = slot_of(results, index);
    if (!shape->is_inline)
        memcpy(&place, slot_of(results, index), sizeof place);
    returning->leaving.place = index;
    returning->away.least = shape->part.kind == PARCEL_ARRAY ? PARCEL__BUNDLE_LARGE : SIZE_MAX;
    const char *fault = check_value(function, place);
    enum outcome outcome =
        fault ? REFUSED
              : put_object(returning->bundle, returning->end_bytes, index == returning->first,
                           &shape->layout, place, &returning->away);
    if (outcome == REFUSED) {
        parcel__results_free_taken(results, index);
        parcel__results_fail(results, index, PARCEL_FAILED,
                             fault ? fault : "its result has a kind and a size that disagree");
    }
    return outcome;
}

static enum outcome put_message(struct returning *returning, size_t index)
{
    return put_object(returning->bundle, returning->end_bytes, index == returning->first,
                      &message_layout, slot_of(returning->results, index), &returning->away);
}

/* Writes the values or messages of a stretch one by one. */
static enum outcome put_others(struct returning *returning, const struct shape *shape,
                               const struct stretch *stretch)
{
    enum outcome outcome = DONE;
    for (size_t i = 0; outcome == DONE && i < stretch->count; i++) {
        outcome = stretch->status == PARCEL_OK ? put_value(returning, shape, returning->next)
                                               : put_message(returning, returning->next);
        returning->next += outcome == DONE;
    }
    return outcome;
}

/* Writes what is copied all at once. */
static enum outcome put_plain(struct returning *returning, const struct shape *shape,
                              const struct stretch *stretch)
{
    const parcel_results *results = returning->results;
    size_t size = plain_size(stretch, shape), count = (size_t)stretch->count;
    unsigned char *bytes = extend(returning->bundle, size * count);
    if (!bytes)
        return NO_MEMORY;
    copy_column(bytes, size, slot_of(results, returning->next), results->slot_size, size, count);
    returning->next += count;
    return DONE;
}

/* Completes a stretch, from which on it can only be sent: what large has is no longer ours. */
static bool end_stretch(struct returning *returning, size_t start, size_t first, size_t n_large)
{
    struct parcel__bundle *bundle = returning->bundle;
    const int *attempts = returning->results->attempts;
    uint64_t count = returning->next - first;
    memcpy(bundle->bytes + start + offsetof(struct stretch, count), &count, sizeof count);
    if (attempts && !parcel__bundle_put(bundle, attempts + first, (size_t)count * sizeof *attempts))
        return false;
    for (; n_large < bundle->n_large; n_large++)
        memset(pointer_to_data(returning->results, bundle->large[n_large].place), 0,
               sizeof(void *));
    return true;
}

/* Cuts the stretch to what fits, where that is known beforehand. */
static void cut_stretch(const struct returning *returning, struct stretch *stretch,
                        const struct shape *shape)
{
    bool is_first = returning->next == returning->first;
    size_t size = plain_size(stretch, shape);
    size_t head = padded(sizeof *stretch) + UNIT;
    size_t end = returning->end_bytes > head ? returning->end_bytes - head : 0;
    if (stretch->flags & HAS_ATTEMPTS)
        size += sizeof(int);
    if (size == 0 && !is_first && returning->bundle->used >= end)
        stretch->count = 0;
    else
        stretch->count = fitting(returning->bundle, end, is_first, size, (size_t)stretch->count);
}

static enum outcome put_stretch(struct returning *returning)
{
    struct parcel__bundle *bundle = returning->bundle;
    struct stretch stretch = next_stretch(returning);
    struct shape shape;
    note_shape(&shape, parcel__results_function(returning->results, returning->next));
    cut_stretch(returning, &stretch, &shape);
    size_t start = bundle->used, first = returning->next, n_large = bundle->n_large;
    enum outcome outcome = FULL;
    if (stretch.count > 0 && !parcel__bundle_put(bundle, &stretch, sizeof stretch))
        outcome = NO_MEMORY;
    else if (stretch.count > 0)
        outcome = is_plain_stretch(&stretch, &shape) ? put_plain(returning, &shape, &stretch)
                                                     : put_others(returning, &shape, &stretch);
    if (returning->next > first && end_stretch(returning, start, first, n_large))
        return outcome;
    if (returning->next > first)
        outcome = NO_MEMORY;
    bundle->used = start;
    bundle->n_large = n_large;
    returning->next = first;
    return outcome;
}

size_t parcel__bundle_put_results(struct parcel__bundle *bundle, parcel_results *results,
                                  size_t first, size_t count, size_t most_bytes)
{
    struct returning returning = {.bundle = bundle,
                                  .results = results,
                                  .next = first,
                                  .first = first,
                                  .end = first + count,
                                  .pid = (int)getpid()};
    returning.end_bytes =
        most_bytes < SIZE_MAX - bundle->used ? bundle->used + most_bytes : SIZE_MAX;
    returning.leaving.bundle = bundle;
    returning.away =
        (struct parcel__wire_away){.leave_out = leave_out, .state = &returning.leaving};
    enum outcome outcome = DONE;
    while ((outcome == DONE || outcome == REFUSED) && returning.next < returning.end)
        outcome = put_stretch(&returning);
    return returning.next - first;
}

/* ---- reading results ---- */

struct entering {
    struct input input;
    parcel_results *results;
    size_t next; /* to enter */
    size_t left;
    struct parcel__arena *arena;
    struct parcel__wire_away away;
    struct leaving leaving;
};

static bool is_sound(const struct stretch *stretch, size_t left)
{
    bool has_record = stretch->flags & HAS_RECORD, is_shared = stretch->flags & IS_SHARED;
    return stretch->count > 0 && stretch->count <= left && stretch->status <= PARCEL_LOST &&
           (has_record ? is_shared || stretch->count == 1 : !is_shared);
}

static void enter_marks(struct entering *entering, const struct stretch *stretch)
{
    parcel_results *results = entering->results;
    size_t first = entering->next, count = (size_t)stretch->count;
    if (stretch->flags & HAS_RECORD)
        parcel__results_mark_each(results, first, count, (parcel_status)stretch->status,
                                  stretch->flags & IS_SHARED, stretch->record);
    else
        memset(results->marks + first, (int)stretch->status, count);
}

static bool enter_attempts(struct entering *entering, size_t first, size_t count)
{
    int attempts;
    const unsigned char *bytes = take_column(&entering->input, sizeof attempts, count);
    for (size_t i = 0; bytes && i < count; i++) {
        memcpy(&attempts, bytes + i * sizeof attempts, sizeof attempts);
        parcel__results_note_attempts(entering->results, first + i, attempts);
    }
    return bytes != NULL;
}

/* A string of the bytes becomes one of ours. False: out of memory. */
static bool keep_string(char **string, struct parcel__arena *arena)
{
    if (*string)
        *string = arena ? parcel__arena_copy(arena, *string) : parcel__memory_copy_string(*string);
    return *string != NULL;
}

static bool keep_array(parcel_array *array)
{
    size_t size = array->count * array->element_size; /* no overflow: it was read so */
    void *data = array->data ? parcel__memory_new(size) : NULL;
    if (data && size > 0)
        memcpy(data, array->data, size);
    bool is_kept = data || !array->data;
    array->data = data;
    return is_kept;
}

/* Makes what points into the bytes what a call that ran here would have left. */
static bool keep_value(unsigned kind, void *place, struct parcel__arena *arena)
{
    char **string = place;
    switch (kind) {
    case PARCEL_STRING:
    case PARCEL_WRITABLE_STRING:
        return !*string || keep_string(string, kind == PARCEL_STRING ? arena : NULL);
    case PARCEL_ARRAY:
        return keep_array(place);
    case PARCEL_VALUE:
        return parcel__function_copy_value(place, arena);
    default:
        return true;
    }
}

static void fail_for_memory(parcel_results *results, size_t index)
{
    parcel__results_fail(results, index, PARCEL_FAILED, out_of_memory);
}

/* A value that its slot points at, which has no content. */
static bool enter_wide_value(struct entering *entering, const parcel_function *function,
                             size_t index)
{
    const unsigned char *bytes = take(&entering->input, function->result.size);
    if (!bytes)
        return false;
    void *place =
        parcel__arena_new(entering->arena, function->result.size, function->result.offset);
    if (!place) {
        fail_for_memory(entering->results, index);
        return true;
    }
    memcpy(place, bytes, function->result.size);
    memcpy(slot_of(entering->results, index), &place, sizeof place);
    return true;
}

/* What cannot be read leaves an empty slot, of which nothing is freed. */
static bool enter_value(struct entering *entering, const struct shape *shape, size_t index)
{
    unsigned char *slot = slot_of(entering->results, index);
    struct parcel__wire_away *away = &entering->away;
    entering->leaving.place = index;
    away->least = shape->part.kind == PARCEL_ARRAY ? PARCEL__BUNDLE_LARGE : SIZE_MAX;
    if (!take_object(&entering->input, &shape->layout, slot, away)) {
        memset(slot, 0, shape->part.size);
        return false;
    }
    if (!keep_value(shape->part.kind, slot, entering->arena))
        fail_for_memory(entering->results, index);
    return true;
}

static bool enter_values(struct entering *entering, const struct shape *shape, size_t count)
{
    parcel_results *results = entering->results;
    const parcel_function *function = parcel__results_function(results, entering->next);
    bool is_sound = true;
    memset(slot_of(results, entering->next), 0, count * results->slot_size);
    for (size_t i = entering->next; is_sound && i < entering->next + count; i++)
        is_sound = shape->is_inline ? enter_value(entering, shape, i)
                                    : enter_wide_value(entering, function, i);
    return is_sound;
}

static bool enter_plain(struct entering *entering, size_t size, size_t count)
{
    parcel_results *results = entering->results;
    const unsigned char *bytes = take_column(&entering->input, size, count);
    if (bytes)
        copy_column(slot_of(results, entering->next), results->slot_size, bytes, size, size, count);
    return bytes != NULL;
}

static bool enter_messages(struct entering *entering, size_t count)
{
    for (size_t i = entering->next; i < entering->next + count; i++) {
        char *message;
        if (!take_object(&entering->input, &message_layout, &message, &entering->away))
            return false;
        if (!message || !keep_string(&message, entering->arena))
            fail_for_memory(entering->results, i);
        else
            memcpy(slot_of(entering->results, i), &message, sizeof message);
    }
    return true;
}

static bool enter_stretch(struct entering *entering)
{
    struct stretch stretch;
    struct shape shape;
    const void *bytes = take(&entering->input, sizeof stretch);
    if (!bytes)
        return false;
    memcpy(&stretch, bytes, sizeof stretch);
    size_t count = (size_t)stretch.count, end = entering->next + count;
    if (!is_sound(&stretch, entering->left) ||
        end_of_function(entering->results, entering->next, end) != end)
        return false;
    note_shape(&shape, parcel__results_function(entering->results, entering->next));
    enter_marks(entering, &stretch);
    bool is_entered = is_plain_stretch(&stretch, &shape)
                          ? enter_plain(entering, plain_size(&stretch, &shape), count)
                      : stretch.status == PARCEL_OK ? enter_values(entering, &shape, count)
                                                    : enter_messages(entering, count);
    is_entered = is_entered && (!(stretch.flags & HAS_ATTEMPTS) ||
                                enter_attempts(entering, entering->next, count));
    entering->next += count;
    entering->left -= count;
    return is_entered;
}

/* What was entered becomes NOT_RUN again. */
static void forget(parcel_results *results, size_t at, size_t count)
{
    for (size_t i = at; i < at + count; i++) {
        parcel__results_release(results, i);
        results->marks[i] = PARCEL_NOT_RUN;
    }
}

bool parcel__bundle_get_results(unsigned char *bytes, size_t size, parcel_results *results,
                                size_t at, size_t count, struct parcel__arena *arena,
                                struct parcel__bundle *large)
{
    size_t n_large = large->n_large;
    struct entering entering = {
        .input = {bytes, size}, .results = results, .next = at, .left = count, .arena = arena};
    entering.leaving.bundle = large;
    entering.away = (struct parcel__wire_away){.leave_out = leave_out, .state = &entering.leaving};
    while (entering.left > 0)
        if (!enter_stretch(&entering)) {
            forget(results, at, count);
            large->n_large = n_large;
            return false;
        }
    for (; n_large < large->n_large; n_large++)
        large->large[n_large].where = pointer_to_data(results, large->large[n_large].place);
    return true;
}

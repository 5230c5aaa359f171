/*
 * bundle_results.c: the results of a message.
 *
 * They stand in stretches of one function, one status and one record:
 *
 *     | stretch | values or messages ... | attempts ... | stretch | ...
 */
#include "wire/bundle_parts.h"

#include <stddef.h>
#include <unistd.h>

#include "calls/function.h"
#include "results/adopt.h"
#include "results/results.h"

static const char out_of_memory[] = "out of memory";

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
    shape->is_plain = shape->is_inline && parcel__bundle_is_plain(shape->part.kind);
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
    struct parcel__bundle_leaving leaving;
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

/* Writes one value. PARCEL__BUNDLE_REFUSED: the call has failed instead. */
static enum parcel__bundle_outcome put_value(struct returning *returning, const struct shape *shape,
                                             size_t index)
{
    parcel_results *results = returning->results;
    const parcel_function *function = parcel__results_function(results, index);
    const void *place = slot_of(results, index);
    if (!shape->is_inline)
        memcpy(&place, slot_of(results, index), sizeof place);
    returning->leaving.place = index;
    returning->away.least = shape->part.kind == PARCEL_ARRAY ? PARCEL__BUNDLE_LARGE : SIZE_MAX;
    const char *fault = check_value(function, place);
    enum parcel__bundle_outcome outcome =
        fault ? PARCEL__BUNDLE_REFUSED
              : parcel__bundle_put_object(returning->bundle, returning->end_bytes,
                                          index == returning->first, &shape->layout, place,
                                          &returning->away);
    if (outcome == PARCEL__BUNDLE_REFUSED) {
        parcel__results_free_taken(results, index);
        parcel__results_fail(results, index, PARCEL_FAILED,
                             fault ? fault : "its result has a kind and a size that disagree");
    }
    return outcome;
}

static enum parcel__bundle_outcome put_message(struct returning *returning, size_t index)
{
    return parcel__bundle_put_object(returning->bundle, returning->end_bytes,
                                     index == returning->first, &message_layout,
                                     slot_of(returning->results, index), &returning->away);
}

/* Writes the values or messages of a stretch one by one. */
static enum parcel__bundle_outcome
put_others(struct returning *returning, const struct shape *shape, const struct stretch *stretch)
{
    enum parcel__bundle_outcome outcome = PARCEL__BUNDLE_DONE;
    for (size_t i = 0; outcome == PARCEL__BUNDLE_DONE && i < stretch->count; i++) {
        outcome = stretch->status == PARCEL_OK ? put_value(returning, shape, returning->next)
                                               : put_message(returning, returning->next);
        returning->next += outcome == PARCEL__BUNDLE_DONE;
    }
    return outcome;
}

/* Writes what is copied all at once. */
static enum parcel__bundle_outcome put_plain(struct returning *returning, const struct shape *shape,
                                             const struct stretch *stretch)
{
    const parcel_results *results = returning->results;
    size_t size = plain_size(stretch, shape), count = (size_t)stretch->count;
    unsigned char *bytes = parcel__bundle_extend(returning->bundle, size * count);
    if (!bytes)
        return PARCEL__BUNDLE_NO_MEMORY;
    parcel__bundle_copy_column(bytes, size, slot_of(results, returning->next), results->slot_size,
                               size, count);
    returning->next += count;
    return PARCEL__BUNDLE_DONE;
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
    size_t head = parcel__bytes_padded(sizeof *stretch) + PARCEL__BYTES_UNIT;
    size_t end = returning->end_bytes > head ? returning->end_bytes - head : 0;
    if (stretch->flags & HAS_ATTEMPTS)
        size += sizeof(int);
    if (size == 0 && !is_first && returning->bundle->used >= end)
        stretch->count = 0;
    else
        stretch->count =
            parcel__bundle_fitting(returning->bundle, end, is_first, size, (size_t)stretch->count);
}

static enum parcel__bundle_outcome put_stretch(struct returning *returning)
{
    struct parcel__bundle *bundle = returning->bundle;
    struct stretch stretch = next_stretch(returning);
    struct shape shape;
    note_shape(&shape, parcel__results_function(returning->results, returning->next));
    cut_stretch(returning, &stretch, &shape);
    size_t start = bundle->used, first = returning->next, n_large = bundle->n_large;
    enum parcel__bundle_outcome outcome = PARCEL__BUNDLE_FULL;
    if (stretch.count > 0 && !parcel__bundle_put(bundle, &stretch, sizeof stretch))
        outcome = PARCEL__BUNDLE_NO_MEMORY;
    else if (stretch.count > 0)
        outcome = is_plain_stretch(&stretch, &shape) ? put_plain(returning, &shape, &stretch)
                                                     : put_others(returning, &shape, &stretch);
    if (returning->next > first && end_stretch(returning, start, first, n_large))
        return outcome;
    if (returning->next > first)
        outcome = PARCEL__BUNDLE_NO_MEMORY;
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
    returning.away = (struct parcel__wire_away){.leave_out = parcel__bundle_leave_out,
                                                .state = &returning.leaving};
    enum parcel__bundle_outcome outcome = PARCEL__BUNDLE_DONE;
    while ((outcome == PARCEL__BUNDLE_DONE || outcome == PARCEL__BUNDLE_REFUSED) &&
           returning.next < returning.end)
        outcome = put_stretch(&returning);
    return returning.next - first;
}

/* ---- reading results ---- */

struct entering {
    struct parcel__bytes input;
    parcel_results *results;
    size_t next; /* to enter */
    size_t left;
    struct parcel__arena *arena;
    struct parcel__wire_away away;
    struct parcel__bundle_leaving leaving;
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
    const unsigned char *bytes = parcel__bytes_take_some(&entering->input, sizeof attempts, count);
    for (size_t i = 0; bytes && i < count; i++) {
        memcpy(&attempts, bytes + i * sizeof attempts, sizeof attempts);
        parcel__results_note_attempts(entering->results, first + i, attempts);
    }
    return bytes != NULL;
}

static void fail_for_memory(parcel_results *results, size_t index)
{
    parcel__results_fail(results, index, PARCEL_FAILED, out_of_memory);
}

/* A value that its slot points at, which has no content. */
static bool enter_wide_value(struct entering *entering, const parcel_function *function,
                             size_t index)
{
    const unsigned char *bytes = parcel__bytes_take(&entering->input, function->result.size);
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
    if (!parcel__bundle_take_object(&entering->input, &shape->layout, slot, away)) {
        memset(slot, 0, shape->part.size);
        return false;
    }
    if (!parcel__adopt(shape->part.kind, slot, entering->arena, true))
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
    const unsigned char *bytes = parcel__bytes_take_some(&entering->input, size, count);
    if (bytes)
        parcel__bundle_copy_column(slot_of(results, entering->next), results->slot_size, bytes,
                                   size, size, count);
    return bytes != NULL;
}

static bool enter_messages(struct entering *entering, size_t count)
{
    for (size_t i = entering->next; i < entering->next + count; i++) {
        char *message;
        if (!parcel__bundle_take_object(&entering->input, &message_layout, &message,
                                        &entering->away))
            return false;
        if (!message || !parcel__adopt(PARCEL_STRING, &message, entering->arena, true))
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
    const void *bytes = parcel__bytes_take(&entering->input, sizeof stretch);
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

bool parcel__bundle_get_results(unsigned char *bytes, size_t size,
                                const struct parcel__bundle_destination *to,
                                struct parcel__bundle *large)
{
    size_t n_large = large->n_large;
    struct entering entering = {.input = {bytes, size},
                                .results = to->results,
                                .next = to->at,
                                .left = to->count,
                                .arena = to->arena};
    entering.leaving.bundle = large;
    entering.away = (struct parcel__wire_away){.leave_out = parcel__bundle_leave_out,
                                               .state = &entering.leaving};
    while (entering.left > 0)
        if (!enter_stretch(&entering)) {
            forget(to->results, to->at, to->count);
            large->n_large = n_large;
            return false;
        }
    for (; n_large < large->n_large; n_large++)
        large->large[n_large].where = pointer_to_data(to->results, large->large[n_large].place);
    return true;
}

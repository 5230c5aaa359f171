/*
 * records.c: where the results of calls stand.
 *
 *     call        0        1        2        3        4
 *     slots       value    value    value    message  .        of slot_size bytes; large: a pointer
 *     marks       OK+FIRST OK       OK       FAILED+F NOT_RUN  a byte each
 *     records     record   .        .        record   .        written where the mark is FIRST
 *
 * Calls without a FIRST of their own share the record before them, with its mean duration. The
 * record of 32 and more calls stands among the long ones instead, one place for each 32 calls, so
 * that those of many short calls lie close. Only the marks are cleared beforehand: the pages of
 * records that short calls never write are never touched.
 *
 * A worker writes the slots, marks and records of its own calls only. Nobody else reads them before
 * the worker is joined, or its block is handed on.
 */
#include "results/results.h"

#include <assert.h>
#include <string.h>

#include "calls/calls.h"

/* Below so many calls a block of their own for the records costs more than it spares. */
enum { FEW_RECORDS = 256 };

/* What workers write for calls far apart lies in lines apart; the few calls of a short run share
 * lines anyway, and each line costs it. */
static size_t aligned(size_t size, size_t count)
{
    const size_t unit = count > 4 ? 64 : 8;
    return (size + unit - 1) / unit * unit;
}

/* Makes a block at least that large; what it held is gone if it was smaller. */
static bool reserve(struct parcel__block *block, size_t size, bool sparse)
{
    if (block->bytes && block->size >= size)
        return true;
    parcel__memory_give_back(block);
    return parcel__memory_take(block, size, sparse);
}

/* Lays slots, functions, long records and marks out in one block, and the records, of which a run
 * of short calls writes few, in another; false when they cannot be had. */
static bool lay_out(parcel_results *results, bool is_mixed)
{
    size_t count = results->count;
    if (count > SIZE_MAX / 4 / (results->slot_size + sizeof(struct parcel__record) + 16))
        return false;
    size_t functions = aligned(count * results->slot_size, count);
    size_t long_records =
        functions + (is_mixed ? aligned(count * sizeof *results->functions, count) : 0);
    size_t n_long = (count >> PARCEL__LONG_SHIFT) + 1;
    size_t marks = long_records + aligned(n_long * sizeof *results->long_records, count);
    size_t records = marks + aligned(count, count), record_bytes = count * sizeof *results->records;
    bool is_one_block = count <= FEW_RECORDS;
    if (!reserve(&results->memory, records + (is_one_block ? record_bytes : 0), false))
        return false;
    if (!is_one_block && !reserve(&results->record_memory, record_bytes, true))
        return false;
    unsigned char *bytes = results->memory.bytes;
    results->slots = bytes;
    results->functions = is_mixed ? (const parcel_function **)(void *)(bytes + functions) : NULL;
    results->long_records = (struct parcel__record *)(void *)(bytes + long_records);
    results->marks = bytes + marks;
    results->records = is_one_block ? (void *)(bytes + records) : results->record_memory.bytes;
    memset(results->marks, PARCEL_NOT_RUN, count);
    return true;
}

bool parcel__results_prepare(parcel_results *results, const parcel_calls *calls, size_t first,
                             size_t count)
{
    parcel__firsts_forget(&results->firsts);
    results->marks = NULL; /* should memory run out, there is nothing to read */
    results->count = count;
    results->slot_size = parcel__calls_slot_size(calls);
    results->function = parcel__calls_only_function(calls);
    results->sums = PARCEL__TALLY_NONE;
    bool is_mixed = count > 0 && !results->function;
    if (!lay_out(results, is_mixed))
        return false;
    for (size_t i = 0; is_mixed && i < count; i++)
        results->functions[i] = parcel__calls_function(calls, first + i);
    return true;
}

void parcel__results_mark_each(parcel_results *results, size_t first, size_t count,
                               parcel_status status, bool is_shared, struct parcel__record record)
{
    unsigned char shared = is_shared ? PARCEL__MARK_SHARED : 0;
    assert(count > 0 && first + count <= results->count);
    assert(results->marks[first] == PARCEL_NOT_RUN); /* exactly once */
    unsigned char place = count >> PARCEL__LONG_SHIFT ? PARCEL__MARK_LONG : 0;
    if (count > 1)
        memset(results->marks + first + 1, (int)status | shared, count - 1);
    results->marks[first] = (unsigned char)(status | PARCEL__MARK_FIRST | shared | place);
    *parcel__results_record_at(results, first) = record;
}

void parcel__results_mark(parcel_results *results, size_t first, size_t count, parcel_status status,
                          struct parcel__record record)
{
    record.duration /= (double)count;
    parcel__results_mark_each(results, first, count, status, count > 1, record);
}

void parcel__results_hand_out(parcel_results *results, size_t first, size_t count)
{
    results->records[first].n_held = count;
    results->marks[first] |= PARCEL__MARK_HANDED;
}

size_t parcel__results_take_back(parcel_results *results, size_t first)
{
    if (!(results->marks[first] & PARCEL__MARK_HANDED))
        return 0;
    results->marks[first] &= (unsigned char)~PARCEL__MARK_HANDED;
    return results->records[first].n_held;
}

bool parcel__results_keep_attempts(parcel_results *results)
{
    size_t size = results->count * sizeof *results->attempts;
    results->keeps_attempts = true;
    if (!reserve(&results->attempt_memory, size, false))
        return false;
    results->attempts = results->attempt_memory.bytes;
    memset(results->attempts, 0, size);
    return true;
}

void parcel__results_note_attempts(parcel_results *results, size_t index, int attempts)
{
    if (results->attempts)
        results->attempts[index] = attempts;
}

/* ---- results that grow ---- */

/* Copies the calls of a part to the indices from first on. */
static void copy_calls(parcel_results *results, size_t first, const parcel_results *part)
{
    if (part->count == 0) /* and there may be no marks either */
        return;
    memcpy(results->marks + first, part->marks, part->count);
    for (size_t i = 0; i < part->count; i++) {
        memcpy(results->slots + (first + i) * results->slot_size, part->slots + i * part->slot_size,
               part->slot_size);
        results->functions[first + i] = parcel__results_function(part, i);
        if (part->attempts)
            parcel__results_note_attempts(results, first + i, part->attempts[i]);
        if (part->marks[i] & PARCEL__MARK_FIRST)
            *parcel__results_record_at(results, first + i) = *parcel__results_record_at(part, i);
    }
}

/* Gives the results room for that many calls with slots of that size; those they have move. */
static bool grow(parcel_results *results, size_t capacity, size_t slot_size)
{
    parcel_results larger = {.count = capacity, .slot_size = slot_size};
    if (!lay_out(&larger, true) ||
        (results->keeps_attempts && !parcel__results_keep_attempts(&larger))) {
        parcel__memory_give_back(&larger.memory);
        parcel__memory_give_back(&larger.record_memory);
        return false;
    }
    parcel__firsts_forget(&results->firsts);
    memset(larger.functions, 0, capacity * sizeof *larger.functions);
    larger.count = results->count;
    copy_calls(&larger, 0, results);
    parcel__memory_give_back(&results->memory);
    parcel__memory_give_back(&results->record_memory);
    parcel__memory_give_back(&results->attempt_memory);
    results->attempt_memory = larger.attempt_memory;
    results->attempts = larger.attempts;
    results->capacity = capacity;
    results->slot_size = slot_size;
    results->memory = larger.memory;
    results->record_memory = larger.record_memory;
    results->slots = larger.slots;
    results->functions = larger.functions;
    results->records = larger.records;
    results->long_records = larger.long_records;
    results->marks = larger.marks;
    return true;
}

/* Both sizes are multiples of 8, and where one is aligned to 16 it is a multiple of that. */
static size_t common_slot_size(size_t one, size_t other)
{
    size_t larger = one > other ? one : other;
    bool is_even = one % 16 == 0 || other % 16 == 0;
    return is_even ? (larger + 15) / 16 * 16 : larger;
}

static bool make_room(parcel_results *results, size_t count, size_t slot_size)
{
    size_t size = common_slot_size(results->slot_size, slot_size);
    size_t capacity = results->capacity > 0 ? results->capacity : FEW_RECORDS;
    while (capacity < count)
        capacity *= 2;
    return (capacity == results->capacity && size == results->slot_size) ||
           grow(results, capacity, size);
}

bool parcel__results_extend(parcel_results *results, size_t count)
{
    if (count <= results->count)
        return true;
    if (!make_room(results, count, sizeof(void *)))
        return false;
    parcel__firsts_forget(&results->firsts);
    results->count = count;
    return true;
}

bool parcel__results_reserve(parcel_results *results, size_t count, const parcel_results *part)
{
    return make_room(results, count, part->slot_size);
}

void parcel__results_place(parcel_results *results, size_t first, parcel_results *part)
{
    size_t end = first + part->count;
    assert(end <= results->capacity && part->slot_size <= results->slot_size);
    parcel__firsts_forget(&results->firsts);
    results->count = end > results->count ? end : results->count;
    copy_calls(results, first, part);
    part->count = 0;
}

/*
 * results.c: the records of a run, by index.
 *
 * Each call has a slot (its value, or a pointer to it when it is large), a mark and, where the
 * mark says so, a record of its time. Only the marks are cleared beforehand: the pages of records
 * that short calls never write are never touched.
 */
#include "results/results.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calls/calls.h"
#include "calls/function.h"
#include "ground/port.h"
#include "ground/shared.h"
#include "ground/text.h"
#include "values/value.h"
#include "ground/waits.h"

/* What is returned when there is no memory even to say so. Never freed, never written. */
static parcel_results out_of_memory = {
    .error = (char[]){"out of memory"}, .backend = "", .slowest = SIZE_MAX};

/* What workers write for calls far apart lies in lines apart; the few calls of a short run share
 * lines anyway, and each line costs it. */
static size_t aligned(size_t size, size_t count)
{
    const size_t unit = count > 4 ? 64 : 8;
    return (size + unit - 1) / unit * unit;
}

/* Below so many calls a block of their own for the records costs more than it spares. */
enum { FEW_RECORDS = 256 };

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

parcel_results *parcel__results_new_empty(int n_workers)
{
    size_t arenas = (size_t)n_workers * sizeof(struct parcel__arena);
    parcel_results *results = parcel__memory_new(sizeof *results + arenas);
    if (!results)
        return NULL;
    memset(results, 0, sizeof *results + arenas);
    results->slot_size = sizeof(void *);
    results->pid = parcel__port_pid();
    results->n_arenas = results->n_workers = n_workers;
    results->backend = "";
    results->slowest = SIZE_MAX;
    return results;
}

bool parcel__results_prepare(parcel_results *results, const parcel_calls *calls, size_t first,
                             size_t count)
{
    parcel__firsts_forget(&results->firsts);
    results->marks = NULL; /* should memory run out, there is nothing to read */
    results->count = count;
    results->slot_size = parcel__calls_slot_size(calls);
    results->function = parcel__calls_only_function(calls);
    results->failures = 0;
    results->slowest = SIZE_MAX;
    results->total_time = results->waited = 0;
    bool is_mixed = count > 0 && !results->function;
    if (!lay_out(results, is_mixed))
        return false;
    for (size_t i = 0; is_mixed && i < count; i++)
        results->functions[i] = parcel__calls_function(calls, first + i);
    return true;
}

parcel_results *parcel__results_new(const parcel_calls *calls, int n_workers)
{
    parcel_results *results = parcel__results_new_empty(n_workers);
    if (!results || parcel__results_prepare(results, calls, 0, parcel_calls_count(calls)))
        return results;
    parcel__results_free(results);
    return NULL;
}

parcel_results *parcel__results_of_error(const char *error, size_t count)
{
    parcel_results *results = parcel__memory_new(sizeof *results);
    if (!results)
        return &out_of_memory;
    *results = (parcel_results){.count = count, .backend = "", .slowest = SIZE_MAX};
    parcel__results_set_error(results, parcel__memory_copy_string(error));
    return results;
}

/* The newline behind the last sentence goes: an error ends so, too. */
void parcel__results_warn(parcel_results *results, struct parcel__text *sentences)
{
    struct parcel__text all = {0};
    if (sentences->length > 0 && !sentences->failed) {
        if (results->warnings)
            parcel__text_format(&all, "%s\n", results->warnings);
        parcel__text_add(&all, sentences->bytes, sentences->length - 1);
        char *warnings = parcel__text_take(&all);
        if (warnings) {
            parcel__memory_free(results->warnings);
            results->warnings = warnings;
        }
    }
    parcel__text_free(sentences);
}

void parcel__results_set_error(parcel_results *results, char *error)
{
    if (results->error) {
        parcel__memory_free(error);
        return;
    }
    results->error = error ? error : out_of_memory.error;
    results->owns_error = error != NULL;
}

void parcel__results_put_sharing(struct parcel__text *text, int n_workers)
{
    int cpus = parcel_cpu_count();
    if (n_workers > cpus)
        parcel__text_format(text, "%d workers share %d cpu%s\n", n_workers, cpus,
                            cpus > 1 ? "s" : "");
}

/* Takes what was said of the planned workers out of the warnings. A sentence stands behind it. */
static bool take_sharing(char *warnings, int planned)
{
    struct parcel__text text = {0};
    parcel__results_put_sharing(&text, planned);
    char *line = warnings && text.length > 0 && !text.failed ? strstr(warnings, text.bytes) : NULL;
    if (line)
        memmove(line, line + text.length, strlen(line + text.length) + 1);
    parcel__text_free(&text);
    return line != NULL;
}

static void tell_absent(parcel_results *results)
{
    struct parcel__text text = {0};
    int planned = results->n_workers;
    results->n_workers -= results->n_absent;
    parcel__text_format(&text,
                        "the run had %d worker%s instead of %d: the OpenMP runtime gave no more "
                        "threads (see OMP_THREAD_LIMIT and OMP_MAX_ACTIVE_LEVELS)\n",
                        results->n_workers, results->n_workers == 1 ? "" : "s", planned);
    parcel__results_warn(results, &text);
    if (take_sharing(results->warnings, planned)) {
        parcel__results_put_sharing(&text, results->n_workers);
        parcel__results_warn(results, &text);
    }
}

void parcel__results_tell_absent(parcel_results *results)
{
    if (results->n_absent > 0)
        tell_absent(results);
}

void parcel__results_take_ending(parcel_results *results, parcel_results *ending)
{
    results->count = ending->count;
    results->failures = ending->failures;
    results->slowest = ending->slowest;
    results->total_time = ending->total_time;
    results->waited = ending->waited;
    results->wall_time = ending->wall_time;
    results->n_absent = ending->n_absent;
    parcel__results_tell_absent(results);
    if (!ending->error)
        return;
    parcel__results_set_error(results, ending->owns_error ? ending->error : NULL);
    ending->owns_error = false;
}

void parcel__results_set_hosts(parcel_results *results, struct parcel__hosts *hosts)
{
    struct parcel__hosts *before = results->hosts;
    results->hosts = parcel__hosts_hold(hosts);
    parcel__hosts_release(before);
}

/* Where the record of a call that is marked FIRST stands. */
static struct parcel__record *record_at(const parcel_results *results, size_t first)
{
    return results->marks[first] & PARCEL__MARK_LONG
               ? &results->long_records[first >> PARCEL__LONG_SHIFT]
               : &results->records[first];
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
    *record_at(results, first) = record;
}

void parcel__results_mark(parcel_results *results, size_t first, size_t count, parcel_status status,
                          struct parcel__record record)
{
    record.duration /= (double)count;
    parcel__results_mark_each(results, first, count, status, count > 1, record);
}

void parcel__results_hand_out(parcel_results *results, size_t first, size_t count)
{
    results->records[first].duration = (double)count; /* exact below 2^53 */
    results->marks[first] |= PARCEL__MARK_HANDED;
}

size_t parcel__results_take_back(parcel_results *results, size_t first)
{
    if (!(results->marks[first] & PARCEL__MARK_HANDED))
        return 0;
    results->marks[first] &= (unsigned char)~PARCEL__MARK_HANDED;
    return (size_t)results->records[first].duration;
}

void parcel__results_fail(parcel_results *results, size_t index, parcel_status status,
                          const char *message)
{
    memcpy(results->slots + index * results->slot_size, &message, sizeof message);
    results->marks[index] &= (unsigned char)~PARCEL__MARK_STATUS;
    results->marks[index] |= (unsigned char)status;
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

/* ---- freeing ---- */

const parcel_function *parcel__results_function(const parcel_results *results, size_t index)
{
    return results->functions ? results->functions[index] : results->function;
}

static bool has_value(const parcel_results *results, size_t index)
{
    return (results->marks[index] & PARCEL__MARK_STATUS) == PARCEL_OK;
}

void parcel__results_free_taken(const parcel_results *results, size_t index)
{
    const parcel_parameter *result = &parcel__results_function(results, index)->result;
    const unsigned char *slot = results->slots + index * results->slot_size;
    if (result->kind == PARCEL_WRITABLE_STRING) {
        char *string;
        memcpy(&string, slot, sizeof string);
        free(string);
    } else if (result->kind == PARCEL_ARRAY) {
        parcel_array array;
        memcpy(&array, slot, sizeof array);
        bool is_large = array.count * array.element_size >= PARCEL__SHARED_LARGE;
        if (!is_large || !parcel__shared_release(array.data))
            free(array.data);
    }
}

static bool gives_memory(const parcel_function *function)
{
    return function->result.kind == PARCEL_WRITABLE_STRING || function->result.kind == PARCEL_ARRAY;
}

void parcel__results_release(parcel_results *results, size_t index)
{
    if (has_value(results, index) && gives_memory(parcel__results_function(results, index)))
        parcel__results_free_taken(results, index);
    results->marks[index] &= (unsigned char)~PARCEL__MARK_STATUS;
}

void parcel__results_release_all(parcel_results *results)
{
    if (!results->marks || (results->function && !gives_memory(results->function)))
        return;
    for (size_t i = 0; i < results->count; i++)
        parcel__results_release(results, i);
}

void parcel__results_free(parcel_results *results)
{
    if (!results || results == &out_of_memory)
        return;
    parcel__results_release_all(results);
    for (int i = 0; i < results->n_arenas; i++)
        parcel__arena_free(&results->arenas[i]);
    parcel__firsts_forget(&results->firsts);
    parcel__memory_give_back(&results->memory);
    parcel__memory_give_back(&results->record_memory);
    parcel__memory_give_back(&results->attempt_memory);
    if (results->owns_error)
        parcel__memory_free(results->error);
    parcel__memory_free(results->warnings);
    parcel__hosts_release(results->hosts);
    parcel__memory_free(results);
}

/* ---- reading ---- */

static bool is_readable(const parcel_results *results, size_t index)
{
    return results && index < results->count && results->marks;
}

size_t parcel_results_count(const parcel_results *results)
{
    return results ? results->count : 0;
}

const char *parcel_results_error(const parcel_results *results)
{
    return results ? results->error : "results is NULL";
}

size_t parcel_results_failures(const parcel_results *results)
{
    return results ? results->failures : 0;
}

const char *parcel_results_warnings(const parcel_results *results)
{
    return results ? results->warnings : NULL;
}

parcel_status parcel_results_status(const parcel_results *results, size_t index)
{
    if (!is_readable(results, index))
        return PARCEL_NOT_RUN;
    parcel_status status = (parcel_status)(results->marks[index] & PARCEL__MARK_STATUS);
    return status == PARCEL_NOT_RUN && results->why_not_run ? PARCEL_CANCELLED : status;
}

const char *parcel_results_message(const parcel_results *results, size_t index)
{
    const char *message;
    parcel_status status = parcel_results_status(results, index);
    if (status == PARCEL_OK || status == PARCEL_NOT_RUN)
        return NULL;
    if ((results->marks[index] & PARCEL__MARK_STATUS) == PARCEL_NOT_RUN)
        return results->why_not_run;
    memcpy(&message, results->slots + index * results->slot_size, sizeof message);
    return message;
}

/* True when the call ran, and so has a record. */
static bool has_record(const parcel_results *results, size_t index)
{
    return is_readable(results, index) &&
           (results->marks[index] & (PARCEL__MARK_FIRST | PARCEL__MARK_SHARED)) != 0;
}

/* The index whose record tells of this call, or SIZE_MAX. Readers note where records stand, which
 * changes nothing of the results. */
static size_t record_of(const parcel_results *results, size_t index)
{
    if (!has_record(results, index))
        return SIZE_MAX;
    struct parcel__firsts *firsts = &((parcel_results *)results)->firsts;
    return parcel__firsts_find(firsts, results->marks, results->count, index);
}

bool parcel__results_record(const parcel_results *results, size_t index,
                            struct parcel__record *record)
{
    size_t first = record_of(results, index);
    if (first == SIZE_MAX)
        return false;
    *record = *record_at(results, first);
    record->start += (double)(index - first) * record->duration;
    return true;
}

double parcel_results_start(const parcel_results *results, size_t index)
{
    struct parcel__record record;
    return parcel__results_record(results, index, &record) ? record.start : NAN;
}

double parcel_results_duration(const parcel_results *results, size_t index)
{
    size_t first = record_of(results, index);
    return first == SIZE_MAX ? NAN : record_at(results, first)->duration;
}

bool parcel_results_estimated(const parcel_results *results, size_t index)
{
    return is_readable(results, index) && (results->marks[index] & PARCEL__MARK_SHARED) != 0;
}

int parcel_results_worker(const parcel_results *results, size_t index)
{
    size_t first = record_of(results, index);
    return first == SIZE_MAX ? -1 : record_at(results, first)->worker;
}

static int pid_of(const parcel_results *results, const struct parcel__record *record)
{
    return record->pid ? record->pid : results->pid;
}

int parcel_results_pid(const parcel_results *results, size_t index)
{
    size_t first = record_of(results, index);
    return first == SIZE_MAX ? -1 : pid_of(results, record_at(results, first));
}

int parcel_results_rank(const parcel_results *results, size_t index)
{
    int worker = parcel_results_worker(results, index);
    return worker < 0 ? -1 : parcel__hosts_rank(results->hosts, worker);
}

const char *parcel_results_host(const parcel_results *results, size_t index)
{
    int worker = parcel_results_worker(results, index);
    return worker < 0 ? NULL : parcel__hosts_name(results->hosts, worker);
}

int parcel_results_attempts(const parcel_results *results, size_t index)
{
    if (!has_record(results, index))
        return 0;
    return results->attempts ? results->attempts[index] : 1;
}

int parcel_results_workers(const parcel_results *results)
{
    return results ? results->n_workers : 0;
}

const char *parcel_results_backend(const parcel_results *results)
{
    return results ? results->backend : "";
}

double parcel_results_wall_time(const parcel_results *results)
{
    return results ? results->wall_time : 0;
}

double parcel_results_total_time(const parcel_results *results)
{
    return results ? results->total_time : 0;
}

/* What calls waited for a cpu is no work that was done. */
double parcel_results_speedup(const parcel_results *results)
{
    if (!results || results->slowest == SIZE_MAX)
        return NAN;
    double waited = isnan(results->waited) ? 0 : results->waited;
    return (results->total_time - waited) / results->wall_time;
}

double parcel_results_efficiency(const parcel_results *results)
{
    return results ? parcel_results_speedup(results) / results->n_workers : NAN;
}

size_t parcel_results_slowest(const parcel_results *results)
{
    return results ? results->slowest : SIZE_MAX;
}

static bool is_failure(parcel_status status)
{
    return status != PARCEL_NOT_RUN && status != PARCEL_OK && status != PARCEL_CANCELLED;
}

size_t parcel__results_first_failure(const parcel_results *results)
{
    size_t first = 0;
    while (!is_failure(parcel_results_status(results, first)))
        first++;
    return first;
}

/* Writes all that is known of the call. first: whose record it has, SIZE_MAX when it has none. */
static void read_record(const parcel_results *results, size_t index, size_t first,
                        parcel_record *record)
{
    parcel_status status = parcel_results_status(results, index);
    *record = (parcel_record){
        .index = index,
        .status = status,
        .message = status == PARCEL_OK ? NULL : parcel_results_message(results, index),
        .start = NAN,
        .duration = NAN,
        .worker = -1,
        .pid = -1,
        .rank = -1};
    if (first == SIZE_MAX)
        return;
    const struct parcel__record *read = record_at(results, first);
    record->start = read->start + (double)(index - first) * read->duration;
    record->duration = read->duration;
    record->worker = read->worker;
    record->estimated = (results->marks[index] & PARCEL__MARK_SHARED) != 0;
    record->attempts = results->attempts ? results->attempts[index] : 1;
    record->pid = pid_of(results, read);
    record->rank = results->hosts ? parcel__hosts_rank(results->hosts, read->worker) : 0;
    record->host = parcel__hosts_name(results->hosts, read->worker);
}

bool parcel_results_record(const parcel_results *results, size_t index, parcel_record *record)
{
    if (!record)
        return false;
    read_record(results, index, record_of(results, index), record);
    return is_readable(results, index);
}

void parcel__results_walk(const parcel_results *results, size_t index, struct parcel__walk *walk)
{
    unsigned char mark = results->marks[index];
    parcel_record *record = &walk->record;
    if (mark == ((unsigned char)PARCEL_OK | PARCEL__MARK_SHARED) && !results->attempts) {
        record->index = index; /* the rest is that of the call before it */
        record->status = PARCEL_OK;
        record->message = NULL;
        record->start = walk->start + (double)(index - walk->first) * record->duration;
        return;
    }
    if (mark & PARCEL__MARK_FIRST)
        walk->first = index;
    read_record(results, index, has_record(results, index) ? walk->first : SIZE_MAX, record);
    if (mark & PARCEL__MARK_FIRST)
        walk->start = record->start;
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
            *record_at(results, first + i) = *record_at(part, i);
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

/* ---- values ---- */

/* Where the value of a call that has one stands. */
static const void *place_of(const parcel_results *results, size_t index)
{
    const unsigned char *slot = results->slots + index * results->slot_size;
    const void *place = slot;
    if (!parcel__function_result_is_inline(parcel__results_function(results, index)))
        memcpy(&place, slot, sizeof place);
    return place;
}

parcel_value parcel_results_value(const parcel_results *results, size_t index)
{
    if (!is_readable(results, index) || !has_value(results, index))
        return parcel_value_none();
    const parcel_parameter *result = &parcel__results_function(results, index)->result;
    return parcel__function_box(result, place_of(results, index));
}

/* What there is instead of a value. */
static void write_nothing(parcel_kind kind, size_t size, void *place)
{
    memset(place, 0, size);
    if (parcel__kind_is_floating(kind))
        parcel__value_unbox(parcel_value_double(NAN), kind, size, place);
}

/* Writes the value as that type; false, with a fallback written, when there is none of it. */
static bool read_value(const parcel_results *results, size_t index, parcel_kind kind, size_t size,
                       void *place)
{
    if (is_readable(results, index) && has_value(results, index)) {
        const parcel_parameter *result = &parcel__results_function(results, index)->result;
        if (result->kind == kind && result->size == size) {
            memcpy(place, place_of(results, index), size);
            return true;
        }
        if (result->kind != PARCEL_NONE &&
            parcel__value_unbox(parcel_results_value(results, index), kind, size, place))
            return true;
    }
    write_nothing(kind, size, place);
    return false;
}

const void *parcel__results_get(const parcel_results *results, size_t index, parcel_kind kind,
                                size_t size, void *scratch)
{
    read_value(results, index, kind, size, scratch);
    return scratch;
}

bool parcel__results_holds(const parcel_results *results, size_t index, parcel_kind kind,
                           size_t size)
{
    union {
        unsigned char bytes[PARCEL__LARGEST_SCALAR];
        long double aligned;
    } copy;
    if (!is_readable(results, index) || !has_value(results, index))
        return false;
    const parcel_parameter *result = &parcel__results_function(results, index)->result;
    if (result->kind == kind && result->size == size)
        return true;
    return size <= sizeof copy && read_value(results, index, kind, size, copy.bytes);
}

size_t parcel__results_get_all(const parcel_results *results, void *array, size_t count,
                               parcel_kind kind, size_t size)
{
    size_t held = 0;
    unsigned char *element = array;
    for (size_t i = 0; array && i < count; i++)
        held += read_value(results, i, kind, size, element + i * size);
    return held;
}

/* ---- printing ---- */

/* A message that begins with the word says it already. */
static void put_failure(struct parcel__text *text, const char *word, const char *message)
{
    if (!message)
        parcel__text_format(text, "<%s>", word);
    else if (strncmp(message, word, strlen(word)) == 0)
        parcel__text_format(text, "<%s>", message);
    else
        parcel__text_format(text, "<%s: %s>", word, message);
}

/* Adds what stands for the call in a printed list. */
static void put_result(struct parcel__text *text, const parcel_results *results, size_t index)
{
    static const char *const words[] = {[PARCEL_NOT_RUN] = "not run",
                                        [PARCEL_FAILED] = "failed",
                                        [PARCEL_CANCELLED] = "cancelled",
                                        [PARCEL_TIMED_OUT] = "timed out",
                                        [PARCEL_LOST] = "lost"};
    parcel_status status = parcel_results_status(results, index);
    if (results->are_elsewhere)
        parcel__text_put(text, "<on rank 0>");
    else if (!results->marks && !results->error)
        parcel__text_put(text, "<not kept>"); /* a stream, or on_result, had it */
    else if (status == PARCEL_OK)
        parcel__value_put(text, parcel_results_value(results, index));
    else
        put_failure(text, words[status], parcel_results_message(results, index));
}

static bool write_text(struct parcel__text *text, FILE *file)
{
    bool written = !text->failed && fwrite(text->bytes, 1, text->length, file) == text->length;
    text->length = 0;
    return written;
}

bool parcel_results_print(const parcel_results *results, FILE *file)
{
    enum { WRITE_AT = 1 << 16 };
    struct parcel__text text = {0};
    if (!results || !file)
        return false;
    bool written = true;
    parcel__text_put(&text, "[");
    for (size_t i = 0; i < results->count && written; i++) {
        if (i > 0)
            parcel__text_put(&text, ", ");
        put_result(&text, results, i);
        if (text.length >= WRITE_AT)
            written = write_text(&text, file);
    }
    parcel__text_put(&text, "]\n");
    written = written && write_text(&text, file);
    parcel__text_free(&text);
    return written;
}

/* Where the system does not tell who waited for a cpu, nobody knows the speed-up. */
static const char *word_for_speedup(const parcel_results *results)
{
    return isnan(results->waited) || !parcel__waits_are_told() ? "workers busy" : "speed-up   ";
}

bool parcel_results_print_summary(const parcel_results *results, FILE *file)
{
    static const double worth_saying = 0.05; /* of the total time */
    struct parcel__text text = {0};
    if (!results || !file)
        return false;
    parcel__text_format(&text,
                        "calls       %zu, %zu failed\n"
                        "workers     %d, backend %s\n"
                        "wall time   %.6f s\n"
                        "total time  %.6f s\n"
                        "%s %.2f\n"
                        "efficiency  %.2f\n",
                        results->count, results->failures, results->n_workers,
                        *results->backend ? results->backend : "none", results->wall_time,
                        results->total_time, word_for_speedup(results),
                        parcel_results_speedup(results), parcel_results_efficiency(results));
    if (results->waited > worth_saying * results->total_time)
        parcel__text_format(&text, "workers waited %.3g s of %.3g s for a cpu\n", results->waited,
                            results->total_time);
    if (!isnan(parcel_results_duration(results, results->slowest)))
        parcel__text_format(&text, "slowest     call %zu, %.6f s\n", results->slowest,
                            parcel_results_duration(results, results->slowest));
    bool written = write_text(&text, file);
    parcel__text_free(&text);
    return written;
}

/* read.c: what programs read of results. */
#include "results/results.h"

#include <math.h>
#include <string.h>

#include "calls/calls.h"
#include "calls/function.h"
#include "ground/port.h"
#include "ground/waits.h"
#include "values/value.h"

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
    return results ? results->sums.n_failed : 0;
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
    *record = *parcel__results_record_at(results, first);
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
    return first == SIZE_MAX ? NAN : parcel__results_record_at(results, first)->duration;
}

bool parcel_results_estimated(const parcel_results *results, size_t index)
{
    return is_readable(results, index) && (results->marks[index] & PARCEL__MARK_SHARED) != 0;
}

int parcel_results_worker(const parcel_results *results, size_t index)
{
    size_t first = record_of(results, index);
    return first == SIZE_MAX ? -1 : parcel__results_record_at(results, first)->worker;
}

static int pid_of(const parcel_results *results, const struct parcel__record *record)
{
    return record->pid ? record->pid : results->pid;
}

int parcel_results_pid(const parcel_results *results, size_t index)
{
    size_t first = record_of(results, index);
    return first == SIZE_MAX ? -1 : pid_of(results, parcel__results_record_at(results, first));
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
    return results ? results->sums.total_time : 0;
}

/* What calls waited for a cpu is no work that was done. */
double parcel_results_speedup(const parcel_results *results)
{
    if (!results || results->sums.slowest == SIZE_MAX)
        return NAN;
    double waited = isnan(results->sums.waited) ? 0 : results->sums.waited;
    return (results->sums.total_time - waited) / results->wall_time;
}

double parcel_results_efficiency(const parcel_results *results)
{
    return results ? parcel_results_speedup(results) / results->n_workers : NAN;
}

size_t parcel_results_slowest(const parcel_results *results)
{
    return results ? results->sums.slowest : SIZE_MAX;
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
    const struct parcel__record *read = parcel__results_record_at(results, first);
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
    if (!is_readable(results, index) || !parcel__results_has_value(results, index))
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
    if (is_readable(results, index) && parcel__results_has_value(results, index)) {
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
    if (!is_readable(results, index) || !parcel__results_has_value(results, index))
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

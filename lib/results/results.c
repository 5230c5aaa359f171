/*
 * results.c: what became of a run: made, told of its end, and freed.
 *
 * records.c has what stands there of each call, read.c what programs ask, print.c the text.
 */
#include "results/results.h"

#include <stdlib.h>
#include <string.h>

#include "calls/calls.h"
#include "ground/port.h"
#include "ground/shared.h"
#include "ground/text.h"

/* What is returned when there is no memory even to say so. Never freed, never written. */
static parcel_results out_of_memory = {.error = (char[]){"out of memory"},
                                       .backend = "",
                                       .sums = {.longest = -1, .slowest = SIZE_MAX}};

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
    results->sums = PARCEL__TALLY_NONE;
    return results;
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
    *results = (parcel_results){.count = count, .backend = "", .sums = PARCEL__TALLY_NONE};
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

void parcel__results_copy_sums(parcel_results *results, const parcel_results *of)
{
    results->sums = of->sums;
    results->wall_time = of->wall_time;
    results->n_absent = of->n_absent;
}

void parcel__results_take_ending(parcel_results *results, parcel_results *ending)
{
    results->count = ending->count;
    parcel__results_copy_sums(results, ending);
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

void parcel__results_fail(parcel_results *results, size_t index, parcel_status status,
                          const char *message)
{
    memcpy(results->slots + index * results->slot_size, &message, sizeof message);
    results->marks[index] &= (unsigned char)~PARCEL__MARK_STATUS;
    results->marks[index] |= (unsigned char)status;
}

/* ---- freeing ---- */

const parcel_function *parcel__results_function(const parcel_results *results, size_t index)
{
    return results->functions ? results->functions[index] : results->function;
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
    if (parcel__results_has_value(results, index) &&
        gives_memory(parcel__results_function(results, index)))
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

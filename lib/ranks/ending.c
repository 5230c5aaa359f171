/* ending.c: what became of a run, as all ranks get to know it. */
#include "ranks/ending.h"

#include <stddef.h>
#include <string.h>

#include "ground/memory.h"
#include "ranks/large_arrays.h"
#include "wire/bundle.h"

/* Results of so many bytes travel together. */
enum { MOST_BYTES = 1 << 20 };

/* ---- rank 0 ---- */

/* Appends the text. Returns its size; 0: there is none. */
static size_t put_text(struct parcel__bundle *bundle, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    return size > 0 && parcel__bundle_put(bundle, text, size) ? size : 0;
}

static void tell_end(const struct parcel__ranks *ranks, const parcel_results *results,
                     bool with_results)
{
    struct parcel__bundle bundle = {0};
    struct parcel__end end = {.count = results->count,
                              .sums = results->sums,
                              .wall_time = results->wall_time,
                              .has_results = with_results};
    parcel__bundle_put(&bundle, &end, sizeof end);
    end.error_size = put_text(&bundle, results->error);
    end.warnings_size = put_text(&bundle, results->warnings);
    end.why_not_run_size = put_text(&bundle, results->why_not_run);
    if (bundle.failed) {
        end.error_size = end.warnings_size = end.why_not_run_size = 0;
        parcel__ranks_pass_on(ranks, PARCEL__SAYS_END, &end, sizeof end);
    } else {
        memcpy(bundle.bytes, &end, sizeof end);
        parcel__ranks_pass_on(ranks, PARCEL__SAYS_END, bundle.bytes, bundle.used);
    }
    parcel__bundle_free(&bundle);
}

/* Appends the large arrays that were left out, and puts them back where they were. */
static bool put_large(struct parcel__bundle *bundle, parcel_results *results)
{
    bool is_put = true;
    for (size_t i = 0; i < bundle->n_large; i++) {
        const struct parcel__large *large = &bundle->large[i];
        unsigned char *slot = results->slots + large->place * results->slot_size;
        memcpy(slot + offsetof(parcel_array, data), &large->data, sizeof large->data);
        is_put = parcel__bundle_put(bundle, large->data, large->size) && is_put;
    }
    return is_put;
}

/* Sends some of all results. False: out of memory. */
static bool tell_some(const struct parcel__ranks *ranks, parcel_results *results,
                      struct parcel__bundle *bundle, struct parcel__all_results *all)
{
    size_t left = results->count - all->first;
    parcel__bundle_clear(bundle);
    bool is_put = parcel__bundle_put(bundle, all, sizeof *all);
    size_t head = bundle->used;
    if (is_put && left > 0) {
        all->count = parcel__bundle_put_results(bundle, results, all->first, left, MOST_BYTES);
        all->size = bundle->used - head;
        is_put = put_large(bundle, results) && all->count > 0;
    }
    if (!is_put)
        return false;
    all->is_last = all->count == left;
    memcpy(bundle->bytes, all, sizeof *all);
    parcel__ranks_pass_on(ranks, PARCEL__SAYS_ALL_RESULTS, bundle->bytes, bundle->used);
    return true;
}

static bool tell_results(const struct parcel__ranks *ranks, parcel_results *results)
{
    struct parcel__bundle bundle = {0};
    struct parcel__all_results all = {.is_last = false};
    bool is_told = true;
    while (is_told && !all.is_last) {
        is_told = tell_some(ranks, results, &bundle, &all);
        all.first += all.count;
    }
    if (!is_told) { /* they must not wait for the rest */
        all = (struct parcel__all_results){.is_last = true};
        parcel__ranks_pass_on(ranks, PARCEL__SAYS_ALL_RESULTS, &all, sizeof all);
    }
    parcel__bundle_free(&bundle);
    return is_told;
}

bool parcel__ending_tell(const struct parcel__ranks *ranks, parcel_results *results,
                         bool with_results)
{
    with_results = with_results && results->marks;
    tell_end(ranks, results, with_results);
    return !with_results || tell_results(ranks, results);
}

/* ---- the others ---- */

void parcel__ending_hear(struct parcel__ending *ending, const struct parcel__ranks *ranks,
                         struct parcel__message *message)
{
    struct parcel__message *kept = parcel__memory_await(sizeof *kept);
    parcel__ranks_pass_on(ranks, message->kind, message->bytes, message->size);
    *kept = *message;
    kept->next = NULL;
    message->bytes = NULL;
    if (ending->first)
        ending->last->next = kept;
    else
        ending->first = kept;
    ending->last = kept;
}

bool parcel__ending_is_whole(const struct parcel__ending *ending)
{
    struct parcel__end end;
    struct parcel__all_results all;
    if (!ending->first)
        return false;
    memcpy(&end, ending->first->bytes, sizeof end);
    if (!end.has_results)
        return true;
    memcpy(&all, ending->last->bytes, sizeof all);
    return ending->last->kind == PARCEL__SAYS_ALL_RESULTS && all.is_last;
}

void parcel__ending_free(struct parcel__ending *ending)
{
    while (ending->first) {
        struct parcel__message *message = ending->first;
        ending->first = message->next;
        parcel__memory_free(message->bytes);
        parcel__memory_free(message);
    }
}

static char *read_text(const unsigned char **bytes, size_t size)
{
    const char *text = (const char *)*bytes;
    *bytes += parcel__bytes_padded(size);
    return size > 0 ? parcel__memory_copy_string(text) : NULL;
}

static void read_end(const struct parcel__message *message, parcel_results *results)
{
    struct parcel__end end;
    memcpy(&end, message->bytes, sizeof end);
    const unsigned char *bytes = message->bytes + parcel__bytes_padded(sizeof end);
    results->count = end.count;
    results->sums = end.sums;
    results->wall_time = end.wall_time;
    if (end.error_size > 0)
        parcel__results_set_error(results, read_text(&bytes, end.error_size));
    char *warnings = read_text(&bytes, end.warnings_size);
    if (warnings) {
        parcel__memory_free(results->warnings);
        results->warnings = warnings;
    }
    if (end.why_not_run_size > 0) {
        const char *why = parcel__arena_copy(results->arenas, (const char *)bytes);
        results->why_not_run = why ? why : "not started: the run was stopped";
    }
}

/* Copies the data of a large array that the message has. False: out of memory. */
static bool read_large(const struct parcel__large *large, const unsigned char *bytes)
{
    unsigned char *data = parcel__large_arrays_room(large->size);
    if (!data)
        return false;
    memcpy(data, bytes, large->size);
    memcpy(large->where, &data, sizeof data);
    return true;
}

/* Reads some of all results. False: out of memory. */
static bool read_results(const struct parcel__message *message, parcel_results *results)
{
    struct parcel__bundle large = {0};
    struct parcel__all_results all;
    memcpy(&all, message->bytes, sizeof all);
    if (all.count == 0)
        return all.first == results->count;
    unsigned char *bytes = message->bytes + parcel__bytes_padded(sizeof all);
    const struct parcel__bundle_destination to = {results, all.first, all.count, results->arenas};
    bool is_read = parcel__bundle_get_results(bytes, all.size, &to, &large);
    bytes += all.size;
    for (size_t i = 0; is_read && i < large.n_large; i++) {
        is_read = read_large(&large.large[i], bytes);
        bytes += parcel__bytes_padded(large.large[i].size);
    }
    parcel__bundle_free(&large);
    return is_read;
}

bool parcel__ending_read(const struct parcel__ending *ending, parcel_results *results)
{
    const struct parcel__message *message = ending->first->next;
    bool is_read = true;
    read_end(ending->first, results);
    for (; results->marks && message && is_read; message = message->next)
        is_read = read_results(message, results);
    return is_read;
}

/* calls.h: lists and maps as a run reads them. */
#ifndef PARCEL__CALLS_H
#define PARCEL__CALLS_H

#include <parcel.h>
#include <string.h>

#include "ground/text.h"

/* Calls that lie side by side. In a list's record the function comes first and its arguments
 * follow at its argument_offset; a map's elements are the arguments. */
struct parcel__span {
    const unsigned char *first;
    size_t stride;
    size_t count;
    const parcel_function *mapped; /* NULL for a list */
};

/* As many of the calls from first on as lie side by side, at most count and at least one. */
struct parcel__span parcel__calls_span(const parcel_calls *calls, size_t first, size_t count);

/* The function of the span's call that stands at record. */
static inline const parcel_function *parcel__calls_function_in(const struct parcel__span *span,
                                                               const unsigned char *record)
{
    const parcel_function *function = span->mapped;
    if (!function)
        memcpy(&function, record, sizeof function);
    return function;
}

/* The function and the arguments of one call. */
const parcel_function *parcel__calls_function(const parcel_calls *calls, size_t index);
const unsigned char *parcel__calls_arguments(const parcel_calls *calls, size_t index);

/* Adds "call 3, root(-1)"; index: its number in the run, place: where it stands in the calls. */
void parcel__calls_put_call(struct parcel__text *text, const parcel_calls *calls, size_t place,
                            size_t index);

/* The function of all calls, or NULL when they differ or there are none. */
const parcel_function *parcel__calls_only_function(const parcel_calls *calls);

/* Bytes that each result needs in its slot. */
size_t parcel__calls_slot_size(const parcel_calls *calls);

/* NULL when the calls can be run, else why not. */
const char *parcel__calls_check(const parcel_calls *calls);

/* ---- generated calls ---- */

bool parcel__calls_are_generated(const parcel_calls *calls);

/* True for the one run that a generator has. Threads: any. */
bool parcel__calls_start(const parcel_calls *calls);

/* Asks the generator; call->function is NULL when it wrote none. */
parcel_next_status parcel__calls_next(const parcel_calls *calls, parcel_call *call);

/* True when the error of a list is that memory ran out, and no mistake of whoever adds. */
bool parcel__calls_lack_memory(const parcel_calls *calls);

/* Empties a list but keeps its memory for what comes next. */
void parcel__calls_clear(parcel_calls *list);

/* Takes the last call off a list that was just added to it. */
void parcel__calls_take_back(parcel_calls *list);

/* While at least one run lasts, the list refuses to be added to. Threads: any. */
void parcel__calls_begin_run(const parcel_calls *calls);
void parcel__calls_end_run(const parcel_calls *calls);

#endif

/* calls.h: lists and maps as a run reads them. */
#ifndef PARCEL__CALLS_H
#define PARCEL__CALLS_H

#include <parcel.h>

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

/* The function and the arguments of one call. */
const parcel_function *parcel__calls_function(const parcel_calls *calls, size_t index);
const unsigned char *parcel__calls_arguments(const parcel_calls *calls, size_t index);

/* The function of all calls, or NULL when they differ or there are none. */
const parcel_function *parcel__calls_only_function(const parcel_calls *calls);

/* Bytes that each result needs in its slot. */
size_t parcel__calls_slot_size(const parcel_calls *calls);

/* NULL when the calls can be run, else why not. */
const char *parcel__calls_check(const parcel_calls *calls);

/* While at least one run lasts, the list refuses to be added to. Threads: any. */
void parcel__calls_begin_run(const parcel_calls *calls);
void parcel__calls_end_run(const parcel_calls *calls);

#endif

/* report.h: what is said of a run that is over, a list or a stream. */
#ifndef PARCEL__REPORT_H
#define PARCEL__REPORT_H

#include <parcel.h>

#include "job/control.h"

/* Notes what calls that did not run say, when the run was stopped. */
void parcel__report_why_not_run(parcel_results *results, const struct parcel__control *control);

/* Adds "out of memory: 12 of 100 calls had run", or "12 calls" when n_calls is SIZE_MAX. */
void parcel__report_put_shortage(struct parcel__text *text, size_t n_ran, size_t n_calls);

/* Adds "1 of 10 calls failed; first: ", behind what the text has; the first is to follow. */
void parcel__report_put_failures(struct parcel__text *text, size_t failures, size_t n_calls);

/* Adds "call 3, root(-1): root of a negative number: -1", of the first call that failed; there is
 * one. The results are those of the calls from first_call on, which have the numbers from first on
 * in the run. Returns its number. */
size_t parcel__report_put_first(struct parcel__text *text, const parcel_results *results,
                                const parcel_calls *calls, size_t first_call, size_t first);

/* Makes the text, which is taken, the error of the run; an empty one is none. */
void parcel__report_set(parcel_results *results, struct parcel__text *text);

/* Writes the error of the run of a list: why it stopped, and the first of its failures. */
void parcel__report_list(parcel_results *results, const parcel_calls *calls,
                         const struct parcel__control *control);

#endif

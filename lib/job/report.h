/* report.h: what is said of a run that is over. */
#ifndef PARCEL__REPORT_H
#define PARCEL__REPORT_H

#include <parcel.h>

#include "job/control.h"

/* Notes what calls that did not run say, when the run was stopped. */
void parcel__report_why_not_run(parcel_results *results, const struct parcel__control *control);

/* Writes the error of the run of a list: why it stopped, and the first of its failures. */
void parcel__report_list(parcel_results *results, const parcel_calls *calls,
                         const struct parcel__control *control);

#endif

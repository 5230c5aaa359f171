/* report.c: what is said of a run that is over. */
#include "job/report.h"

#include "calls/calls.h"
#include "ground/memory.h"
#include "results/results.h"

/* "1 of 10 calls failed; first: call 3, root(-1): root of a negative number: -1" */
static void put_failures(struct parcel__text *text, const parcel_results *results,
                         const parcel_calls *calls)
{
    size_t first = parcel__results_first_failure(results);
    parcel__text_format(text, "%zu of %zu call%s failed; first: ", results->failures,
                        results->count, results->count == 1 ? "" : "s");
    parcel__calls_put_call(text, calls, first, first);
    parcel__text_format(text, ": %s", parcel_results_message(results, first));
}

void parcel__report_why_not_run(parcel_results *results, const struct parcel__control *control)
{
    struct parcel__text why = {0};
    if (results->why_not_run) /* a stream that ran out of memory */
        return;
    parcel__text_put(&why, "not started: ");
    if (parcel__control_put_reason(&why, control)) {
        const char *kept = why.failed ? NULL : parcel__arena_copy(results->arenas, why.bytes);
        results->why_not_run = kept ? kept : "not started: the run was stopped";
    }
    parcel__text_free(&why);
}

/* Says why calls did not run, when the run was stopped; "cancelled by SIGINT: 12 of 100 calls had
 * run", when that is an error. */
static void put_stop(struct parcel__text *text, parcel_results *results,
                     const struct parcel__control *control)
{
    if (results->n_ran == results->count)
        return;
    parcel__report_why_not_run(results, control);
    if (!parcel__control_is_error(control))
        return;
    parcel__control_put_stop(text, control, results->n_ran, results->count);
}

void parcel__report_list(parcel_results *results, const parcel_calls *calls,
                         const struct parcel__control *control)
{
    const char *refused = parcel_calls_error(calls);
    struct parcel__text text = {0};
    if (results->n_ran == results->count && results->failures == 0 && !refused)
        return;
    put_stop(&text, results, control);
    if (results->failures > 0) {
        parcel__text_put(&text, text.length > 0 ? "; " : "");
        put_failures(&text, results, calls);
    }
    if (text.length > 0 || text.failed)
        parcel__results_set_error(results, parcel__text_take(&text));
    if (refused)
        parcel__results_set_error(results, parcel__memory_copy_string(refused));
}

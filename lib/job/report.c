/* report.c: what is said of a run that is over. */
#include "job/report.h"

#include "calls/calls.h"
#include "ground/memory.h"
#include "results/results.h"

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

void parcel__report_put_shortage(struct parcel__text *text, size_t n_ran, size_t n_calls)
{
    bool is_open = n_calls == SIZE_MAX;
    parcel__text_format(text, "out of memory: %zu", n_ran);
    if (!is_open)
        parcel__text_format(text, " of %zu", n_calls);
    parcel__text_format(text, " call%s had run", n_ran == 1 && is_open ? "" : "s");
}

void parcel__report_put_failures(struct parcel__text *text, size_t failures, size_t n_calls)
{
    parcel__text_format(text, "%s%zu of %zu call%s failed; first: ", text->length > 0 ? "; " : "",
                        failures, n_calls, n_calls == 1 ? "" : "s");
}

size_t parcel__report_put_first(struct parcel__text *text, const parcel_results *results,
                                const parcel_calls *calls, size_t first_call, size_t first)
{
    size_t failed = parcel__results_first_failure(results);
    parcel__calls_put_call(text, calls, first_call + failed, first + failed);
    parcel__text_format(text, ": %s", parcel_results_message(results, failed));
    return first + failed;
}

void parcel__report_set(parcel_results *results, struct parcel__text *text)
{
    if (text->length > 0 || text->failed)
        parcel__results_set_error(results, parcel__text_take(text));
}

void parcel__report_list(parcel_results *results, const parcel_calls *calls,
                         const struct parcel__control *control)
{
    const char *refused = parcel_calls_error(calls);
    struct parcel__text text = {0};
    bool is_whole = results->sums.n_ran == results->count;
    if (is_whole && results->sums.n_failed == 0 && !refused)
        return;
    if (!is_whole)
        parcel__report_why_not_run(results, control);
    if (!is_whole && parcel__control_is_error(control))
        parcel__control_put_stop(&text, control, results->sums.n_ran, results->count);
    if (results->sums.n_failed > 0) {
        parcel__report_put_failures(&text, results->sums.n_failed, results->count);
        parcel__report_put_first(&text, results, calls, 0, 0);
    }
    parcel__report_set(results, &text);
    if (refused)
        parcel__results_set_error(results, parcel__memory_copy_string(refused));
}

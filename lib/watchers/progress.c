/* progress.c: the watcher that writes lines while a run lasts. */
#include "watchers/progress.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "calls/calls.h"
#include "ground/port.h"
#include "ground/text.h"

enum { TO_STDOUT = 50 };

void parcel__progress_format_time(char *text, size_t size, double seconds)
{
    locale_t before = parcel__port_enter_c_locale();
    if (seconds > 60)
        snprintf(text, size, "%4.1fmin", seconds / 60);
    else
        snprintf(text, size, " %5.1fs", seconds);
    parcel__port_leave_c_locale(before);
}

bool parcel__progress_is_due(size_t before, size_t after, size_t total, int verbose)
{
    /* A number k is due when (total - k + 1) is a multiple of the step, and k < total. The least
     * one above before is found, and compared with after. */
    size_t step = total / (size_t)verbose + 1;
    if (after >= total || after <= before)
        return false;
    size_t beyond = (total - (before + 1) + 1) % step;
    return before + 1 + beyond <= after;
}

bool parcel__progress_is_due_of_any(size_t before, size_t after, int verbose)
{
    double step = verbose > 10 ? 0 : 0.5 * (11 - verbose) * (11 - verbose);
    if (after <= before)
        return false;
    return before == 0 || step == 0 ||
           floor(sqrt((double)after / step)) > floor(sqrt((double)before / step));
}

/* One line, in one write: lines of several threads must not mix. */
static void put_line(const struct parcel__progress *progress, const char *format, ...)
{
    struct parcel__text line = {0};
    va_list list;
    parcel__text_format(&line, "[Parallel(n_jobs=%d)]: ", progress->n_jobs);
    va_start(list, format);
    parcel__text_format_list(&line, format, list);
    va_end(list);
    if (progress->sink && !line.failed) {
        progress->sink(progress->sink_state, line.bytes);
    } else if (!progress->sink) {
        FILE *stream = progress->verbose < TO_STDOUT ? stderr : stdout;
        parcel__text_put(&line, "\n");
        if (!line.failed)
            fwrite(line.bytes, 1, line.length, stream);
        fflush(stream);
    }
    parcel__text_free(&line);
}

void parcel__progress_open(struct parcel__progress *progress, const char *backend, int n_workers,
                           const char *warnings)
{
    pthread_mutex_init(&progress->mutex, NULL);
    progress->start = parcel__port_now();
    if (progress->verbose < 2)
        return;
    put_line(progress, "Using backend %s with %d concurrent workers.", backend, n_workers);
    while (warnings && *warnings) {
        int length = (int)strcspn(warnings, "\n");
        put_line(progress, "Warning: %.*s", length, warnings);
        warnings += length + (warnings[length] == '\n');
    }
}

static void put_done(const struct parcel__progress *progress, size_t done)
{
    char elapsed[16], remaining[16];
    double seconds = parcel__port_now() - progress->start;
    double left = seconds / (double)done * (double)(progress->total - done);
    parcel__progress_format_time(elapsed, sizeof elapsed, seconds);
    parcel__progress_format_time(remaining, sizeof remaining, left);
    if (progress->total == 0)
        put_line(progress, "Done %3zu tasks      | elapsed: %s", done, elapsed);
    else
        put_line(progress, "Done %3zu out of %3zu | elapsed: %s remaining: %s", done,
                 progress->total, elapsed, remaining);
}

static void note_ended(void *state, const struct parcel__lot *lot, size_t first, size_t count)
{
    struct parcel__progress *progress = state;
    (void)lot, (void)first;
    pthread_mutex_lock(&progress->mutex);
    size_t before = progress->completed;
    size_t done = progress->completed += count;
    if (progress->total == 0
            ? parcel__progress_is_due_of_any(before, done, progress->verbose)
            : parcel__progress_is_due(before, done, progress->total, progress->verbose))
        put_done(progress, done);
    pthread_mutex_unlock(&progress->mutex);
}

static void note_overrun(void *state, size_t index, double seconds, double allowed)
{
    struct parcel__progress *progress = state;
    struct parcel__text call = {0};
    if (progress->verbose < 2)
        return;
    if (progress->calls)
        parcel__calls_put_call(&call, progress->calls, index, index);
    else
        parcel__text_format(&call, "call %zu, generated,", index);
    pthread_mutex_lock(&progress->mutex);
    if (!call.failed)
        put_line(progress, "%s ran %.3g s, %.3g s are allowed", call.bytes, seconds, allowed);
    pthread_mutex_unlock(&progress->mutex);
    parcel__text_free(&call);
}

struct parcel__watcher parcel__progress_watcher(struct parcel__progress *progress)
{
    return (struct parcel__watcher){note_ended, note_overrun, progress};
}

void parcel__progress_close(struct parcel__progress *progress)
{
    char elapsed[16];
    size_t total = progress->total > 0 ? progress->total : progress->completed;
    parcel__progress_format_time(elapsed, sizeof elapsed, parcel__port_now() - progress->start);
    if (progress->verbose > 0)
        put_line(progress, "Done %3zu out of %3zu | elapsed: %s finished", progress->completed,
                 total, elapsed);
    pthread_mutex_destroy(&progress->mutex);
}

/* feed_generator.c: a stream's calls from a generator, which is asked for one after the other. */
#include "stream/feed.h"

#include "calls/calls.h"
#include "ground/memory.h"

/* Says why the generator gives no more. Returns an error without text for its regular end. */
static void report_generator(struct parcel__stream *stream, parcel_next_status status,
                             const char *refused, const char *message)
{
    struct parcel__text text = {0};
    size_t n = parcel__stream_count_pulled(stream);
    const char *plural = n == 1 ? "" : "s";
    if (message || status == PARCEL_NEXT_ERROR)
        parcel__text_format(&text, "the generator failed after %zu call%s: %s", n, plural,
                            message ? message : "it does not say why");
    else if (refused)
        parcel__text_format(&text, "the generator gave a wrong call after %zu call%s: %s", n,
                            plural, refused);
    else
        parcel__text_format(&text,
                            "the generator returned %d after %zu call%s: PARCEL_NEXT_CALL, "
                            "PARCEL_NEXT_END or PARCEL_NEXT_ERROR is allowed",
                            (int)status, n, plural);
    parcel__stream_note_error(stream, &text);
}

/* False: the call that was added last cannot go where it may have to, as why says. */
static bool check_travel(struct parcel__stream *stream, parcel_calls *list,
                         struct parcel__text *why)
{
    size_t last = parcel_calls_count(list) - 1;
    if (!stream->options.may_travel ||
        parcel__bundle_check(list, last, 1, true, &stream->found, why))
        return true;
    parcel__calls_take_back(list);
    return false;
}

/* Adds the next call to the list. False: there is none, *status says why, and the list's error, or
 * why. */
static bool ask_generator(struct parcel__stream *stream, parcel_calls *list,
                          parcel_next_status *status, struct parcel__text *why)
{
    parcel_call call;
    stream->asking.running.index = parcel__stream_count_pulled(stream);
    *status = parcel__calls_next(stream->options.calls, &call);
    if (*status != PARCEL_NEXT_CALL || parcel__stream_has_failed(&stream->asking))
        return false;
    return parcel__calls_put(list, &call) && check_travel(stream, list, why);
}

static size_t fill(void *state, struct parcel__stream_block *block, size_t count,
                   enum parcel__feed_end end)
{
    struct parcel__stream *stream = state;
    parcel_calls *list = block->calls;
    bool failed;
    (void)end;
    struct parcel__text why = {0};
    parcel_next_status status = PARCEL_NEXT_CALL;
    parcel__calls_clear(list);
    struct parcel_current_call *before = parcel__stream_enter(&stream->asking);
    while (count > 0 && ask_generator(stream, list, &status, &why)) {
        parcel__feed_add_pulled(stream, 1);
        count--;
    }
    char *message = parcel__stream_leave(&stream->asking, before, &failed);
    bool is_refused = why.failed || why.length > 0;
    if (count > 0 || failed)
        parcel__feed_note_end(stream);
    if (parcel__calls_lack_memory(list))
        parcel__stream_run_out_of_memory(stream);
    else if (failed || parcel_calls_error(list) || (count > 0 && status != PARCEL_NEXT_END))
        report_generator(stream, status,
                         is_refused ? parcel__text_why(&why) : parcel_calls_error(list),
                         failed && !message ? "out of memory" : message);
    parcel__memory_free(message);
    parcel__text_free(&why);
    return parcel_calls_count(list);
}

const struct parcel__feed parcel__feed_generator = {.fill = fill};

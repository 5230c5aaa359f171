/* call.c: a call whose arguments or result need more than the thunk. */
#include "job/call.h"

#include "results/adopt.h"

/* Data that the call was given, and gave back, is not its own to give. */
static bool keep_result(const struct parcel__worker *worker, const unsigned char *arguments,
                        void *place)
{
    const parcel_function *function = worker->traits.function;
    const void *data; /* an array begins with it */
    memcpy(&data, place, sizeof data);
    return parcel__adopt(function->result.kind, place, worker->arena,
                         parcel__function_argument_holds(function, arguments, data));
}

/* An attempt for which there is no memory is not late, however long it took to find that out. */
static bool refuse_attempt(struct parcel__worker *worker)
{
    worker->current.started = 0;
    return false;
}

bool parcel__call_run_boxed(struct parcel__worker *worker, const unsigned char *arguments,
                            void *slot)
{
    _Alignas(16) unsigned char copy[PARCEL_MAX_ARGUMENT_BYTES];
    const struct parcel__traits *traits = &worker->traits;
    const parcel_function *function = traits->function;
    void *place = slot;
    if (traits->has_writable_strings) {
        memcpy(copy, arguments, function->argument_bytes);
        if (!parcel__function_copy_content(function, copy, &worker->scratch, true))
            return refuse_attempt(worker);
        arguments = copy;
    }
    if (!traits->is_inline) {
        place = parcel__arena_new(worker->arena, function->result.size, function->result.offset);
        if (!place)
            return refuse_attempt(worker);
    }
    function->thunk(arguments, place);
    unsigned kind = function->result.kind;
    bool is_kept = (kind != PARCEL_STRING && kind != PARCEL_WRITABLE_STRING &&
                    kind != PARCEL_ARRAY && kind != PARCEL_VALUE) ||
                   (parcel__call_events(worker) & PARCEL__EVENT_FAILED) ||
                   keep_result(worker, arguments, place);
    if (!traits->is_inline)
        memcpy(slot, &place, sizeof place);
    if (traits->has_writable_strings)
        parcel__arena_reset(&worker->scratch);
    return is_kept;
}

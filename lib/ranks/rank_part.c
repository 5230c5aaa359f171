/* rank_part.c: what leading a run and following it have in common. */
#include "ranks/rank_part.h"

#include <string.h>

#include "calls/calls.h"
#include "calls/digest.h"
#include "calls/identity.h"
#include "ground/memory.h"
#include "wire/wire.h"

/* A call of a list whose result would be a pointer, which fails on some ranks and not on others;
 * SIZE_MAX: there is none. */
static size_t find_pointer(const parcel_calls *calls)
{
    const parcel_function *only = parcel__calls_only_function(calls);
    size_t count = parcel_calls_count(calls);
    if (only)
        return only->result.kind == PARCEL_POINTER ? 0 : SIZE_MAX;
    for (size_t i = 0; i < count; i++)
        if (parcel__calls_function(calls, i)->result.kind == PARCEL_POINTER)
            return i;
    return SIZE_MAX;
}

/* False: the calls cannot run on several ranks, as why says. */
static bool check_calls(const struct parcel__rank_part *part, struct parcel__text *why)
{
    const struct parcel__run *run = part->run;
    if (part->ranks->transport->n_ranks == 1)
        return parcel__run_check_pointers(run, why);
    size_t place = parcel__calls_are_generated(run->calls) ? SIZE_MAX : find_pointer(run->calls);
    if (place == SIZE_MAX)
        return true;
    parcel__calls_put_call(why, run->calls, place, place);
    parcel__text_put(why, ": it returns a pointer to memory that other ranks do not have: return "
                          "what it points at");
    return false;
}

/* False: what they write through a pointer would be there on the rank of the call only. A shared
 * block is one rank's, too. */
static bool check_writes(const struct parcel__rank_part *part, struct parcel__text *why)
{
    const struct parcel__wire_target target = parcel__wire_to_twin();
    const parcel_calls *calls = part->run->calls;
    return part->ranks->transport->n_ranks == 1 || parcel__calls_are_generated(calls) ||
           parcel__wire_check(calls, 0, parcel_calls_count(calls), &target, why);
}

void parcel__rank_part_introduce(const struct parcel__rank_part *part, const char *fault,
                                 struct parcel__hello *hello)
{
    const struct parcel__run *run = part->run;
    const parcel_calls *calls = run->calls;
    struct parcel__text why = {0};
    parcel__ranks_introduce(part->ranks, hello);
    hello->has_token = run->plan->policy.limits.cancel != NULL;
    if (hello->n_most > run->team->n_workers)
        hello->n_most = run->team->n_workers;
    if (fault)
        parcel__text_put(&why, fault);
    hello->forbids_writes = !run->plan->policy.worker_limits.read_only;
    hello->cannot_run = fault || !check_calls(part, &why);
    hello->may_write = !hello->cannot_run && !check_writes(part, &why);
    if (hello->cannot_run || hello->may_write)
        hello->fault = parcel__text_take(&why);
    if (hello->cannot_run)
        return;
    hello->role = parcel__calls_are_generated(calls) ? PARCEL__GENERATES : PARCEL__LISTS;
    hello->count = parcel_calls_count(calls);
    hello->digest = parcel__digest_calls(calls, 0, hello->count);
}

/* What this rank's run is told of its part. */
static void set_part(const struct parcel__rank_part *part)
{
    struct parcel__run *run = part->run;
    const struct parcel__terms *terms = part->terms;
    int rank = part->ranks->transport->rank;
    run->n_jobs = run->n_workers = terms->parts[rank].n_workers;
    run->part.first_worker = parcel__terms_first_worker(terms, rank);
    run->part.count = terms->count;
    run->part.floating = terms->floating;
    run->part.functions = &parcel__rank_run_functions;
    run->part.state = part->rank_run;
}

void parcel__rank_part_open(struct parcel__rank_part *part)
{
    part->rank_run = parcel__rank_run_open(part->ranks, part->terms);
    set_part(part);
}

void parcel__rank_part_leave(struct parcel__rank_part *part)
{
    if (part->rank_run)
        parcel__rank_run_close(part->rank_run);
    else
        parcel__memory_free(part->terms);
    parcel__ranks_let_go(part->ranks);
}

parcel_results *parcel__rank_part_refuse(const struct parcel__rank_part *part,
                                         struct parcel__text *error, const parcel_calls *calls)
{
    bool is_stopped = part->waiting && parcel__control_reason(part->waiting) != PARCEL__GOES_ON;
    return is_stopped ? parcel__run_cancel(part->waiting, error, calls)
                      : parcel__run_refuse(error, calls);
}

/* ---- functions of the options, for ranks that serve ---- */

/* The identity of a function, all 0 for NULL. False: other ranks cannot find it. */
static bool identify(const void *function, size_t size, struct parcel__identity *identity)
{
    const void *address;
    memcpy(&address, function, sizeof address < size ? sizeof address : size);
    *identity = (struct parcel__identity){0, 0};
    return !address || parcel__identity_of(address, identity);
}

/* Writes the function of that identity; NULL when it is all 0. False: it is not here. */
static bool find_function(struct parcel__identity identity, void *function, size_t size)
{
    const void *address = NULL;
    bool is_none = identity.object == 0 && identity.offset == 0;
    if (!is_none)
        address = parcel__identity_find(identity, 1);
    memcpy(function, &address, sizeof address < size ? sizeof address : size);
    return is_none || address;
}

bool parcel__rank_part_receive(struct parcel__plan *plan, const struct parcel__terms *terms)
{
    const struct parcel__shared_functions *sent = &terms->functions;
    struct parcel__callbacks *callbacks = &plan->callbacks;
    struct parcel__retry *retry = &plan->policy.limits.retry;
    return find_function(sent->start, &callbacks->start, sizeof callbacks->start) &&
           find_function(sent->end, &callbacks->end, sizeof callbacks->end) &&
           find_function(sent->retry, &retry->wanted, sizeof retry->wanted);
}

const char *parcel__rank_part_send(struct parcel__terms *terms, const struct parcel__plan *plan)
{
    const struct parcel__callbacks *callbacks = &plan->callbacks;
    const struct parcel__retry *retry = &plan->policy.limits.retry;
    struct parcel__shared_functions *sent = &terms->functions;
    if (callbacks->state || (retry->wanted && retry->state))
        return "worker_state and retry_state are memory of rank 0, which ranks that serve do not "
               "have: NULL is allowed, or the same calls on all ranks";
    if (identify(&callbacks->start, sizeof callbacks->start, &sent->start) &&
        identify(&callbacks->end, sizeof callbacks->end, &sent->end) &&
        identify(&retry->wanted, sizeof retry->wanted, &sent->retry))
        return NULL;
    return "on_worker_start, on_worker_end and retry_if have to be functions of the program or of "
           "its libraries where other ranks serve";
}

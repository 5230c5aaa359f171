/* spread.c: the door to runs on several ranks: who has them, and what stops a run that waits. */
#include "ranks/spread.h"

#include <math.h>

#include "calls/calls.h"
#include "ground/clock.h"
#include "ground/memory.h"
#include "ranks/rank_part.h"

static const char ranks_are_busy[] =
    "another run of this process is using the ranks: such runs are made one after the other";

/* Takes the ranks for the run. NULL, or why it cannot have them. */
static const char *claim_ranks(const struct parcel__run *run, struct parcel__ranks *ranks)
{
    const char *why;
    if (run->streaming && atomic_load_explicit(run->streaming, memory_order_acquire))
        return parcel__run_already_streaming;
    if (parcel__ranks_used(&why) != ranks)
        return "the ranks that this executor was opened with have ended: it needs a new one";
    if (!parcel__ranks_claim(ranks))
        return ranks_are_busy;
    return NULL;
}

/* The stream's calls may have run: then the others have gone on to this run. */
static parcel_results *refuse_second_stream(const struct parcel__run *run,
                                            struct parcel__ranks *ranks)
{
    struct parcel__text error = {0};
    parcel__text_put(&error, parcel__run_already_streaming);
    return parcel__spread_refuse(ranks, &error, run->plan->mpi_timeout, run->calls);
}

/* Seconds that rank 0 has to say when the deadline has passed. */
static const double rank_0_first = 1;

/* What may stop the run while ranks wait for each other, as it does later. A signal that comes
 * before the calls, as when a job is ended, stops the run as any other. Returns whether the clock
 * is watched. */
static bool open_waiting(struct parcel__rank_part *part, struct parcel__control *waiting,
                         struct parcel__limits *limits)
{
    struct parcel__run *run = part->run;
    *limits = (struct parcel__limits){.cancel = run->plan->policy.limits.cancel,
                                      .handles_signals = run->plan->policy.limits.handles_signals,
                                      .deadline = run->plan->policy.limits.deadline};
    (void)parcel__control_open(waiting, limits, 0, NULL); /* it has no median */
    if (part->ranks->transport->rank > 0)
        waiting->end += rank_0_first; /* its deadline holds, if it comes */
    part->waiting = waiting;
    run->part.catches_signals = limits->handles_signals;
    run->part.signals_before = waiting->signals_before;
    bool is_watched = run->plan->mpi_timeout < INFINITY || limits->deadline > 0;
    if (is_watched)
        parcel__clock_watch();
    return is_watched;
}

struct parcel__ranks *parcel__spread_find(const struct parcel__plan *plan,
                                          struct parcel__text *error)
{
    const char *why;
    struct parcel__ranks *ranks = parcel__ranks_used(&why);
    if (!ranks)
        parcel__text_format(error, "backend '%s' is not available: %s", plan->backend->name, why);
    return ranks;
}

parcel_results *parcel__spread_run(struct parcel__run *run, struct parcel__ranks *ranks)
{
    struct parcel__control waiting;
    struct parcel__limits limits;
    struct parcel__rank_part part = {.run = run, .ranks = ranks};
    const char *fault = claim_ranks(run, ranks);
    if (fault == parcel__run_already_streaming)
        return refuse_second_stream(run, ranks);
    if (fault)
        return parcel__results_of_error(fault, parcel_calls_count(run->calls));
    bool is_watched = open_waiting(&part, &waiting, &limits);
    parcel_results *results =
        ranks->transport->rank == 0 ? parcel__lead_run(&part) : parcel__follow_run(&part);
    if (is_watched)
        parcel__clock_unwatch();
    parcel__control_close(&waiting);
    return results;
}

parcel_results *parcel__spread_refuse(struct parcel__ranks *ranks, struct parcel__text *error,
                                      double timeout, const parcel_calls *calls)
{
    struct parcel__text told = {0};
    const struct parcel__patience patience = {.timeout = timeout};
    if (!parcel__ranks_claim(ranks))
        return parcel__run_refuse(error, calls);
    const struct parcel__hello own = {.cannot_run = true, .fault = parcel__text_take(error)};
    if (ranks->transport->rank == 0)
        (void)parcel__ranks_gather(ranks, &own, calls, &patience, &told);
    else
        parcel__memory_free(parcel__ranks_join(ranks, &own, calls, &patience, &told));
    parcel__memory_free(own.fault);
    parcel__ranks_let_go(ranks);
    return parcel__run_refuse(&told, calls);
}

/* lead.c: a run on several ranks, as rank 0 leads it with its own options. */
#include <string.h>

#include "calls/calls.h"
#include "ground/memory.h"
#include "ground/port.h"
#include "ranks/rank_part.h"
#include "run/warnings.h"
#include "wire/bundle.h"

/* What a run on ranks cannot do. */
static const char *check_for_ranks(const struct parcel__plan *plan, const parcel_calls *calls)
{
    if (plan->all_ranks && parcel__calls_are_generated(calls))
        return "mpi_results = PARCEL_ALL_RANKS needs a list of calls: these are generated";
    if (plan->all_ranks && parcel__plan_streams(plan, calls))
        return "mpi_results = PARCEL_ALL_RANKS needs results that are kept: on_result and streams "
               "have them on rank 0";
    return NULL;
}

/* Writes rank 0's options into the terms. */
static void set_terms(struct parcel__terms *terms, const struct parcel__run *run)
{
    const struct parcel__plan *plan = run->plan;
    terms->count = parcel_calls_count(run->calls);
    terms->sends_calls |= parcel__calls_are_generated(run->calls);
    terms->all_ranks = plan->all_ranks;
    terms->policy = plan->policy;
    terms->floating = parcel__floating_read();
}

/* False: the calls of a list are to be sent, and one cannot, as why says. */
static bool check_sent(const struct parcel__rank_part *part, struct parcel__text *why)
{
    const parcel_calls *calls = part->run->calls;
    struct parcel__bundle_found found = {.count = 0};
    return !part->terms->sends_calls || parcel__calls_are_generated(calls) ||
           parcel__bundle_check(calls, 0, parcel_calls_count(calls), false, &found, why);
}

/* At least one: a rank may have fewer workers than were planned. */
static size_t scaled(size_t number, int n_all, int n_here)
{
    size_t product;
    if (__builtin_mul_overflow(number, (size_t)n_all, &product))
        return SIZE_MAX;
    size_t part = product / (size_t)n_here;
    return part > 0 ? part : 1;
}

/* Bounds that follow the number of workers do so for those of all ranks. */
static void scale_bounds(struct parcel__plan *plan, int n_here, int n_all)
{
    bool is_list = !plan->on_result && plan->return_as == PARCEL_LIST;
    if (plan->sources[PARCEL__WINDOW] == PARCEL__FROM_DEFAULT || is_list)
        plan->window = is_list ? SIZE_MAX : scaled(plan->window, n_all, n_here);
    bool follows =
        plan->follows_n_jobs || plan->sources[PARCEL__PRE_DISPATCH] == PARCEL__FROM_DEFAULT;
    if (follows && plan->pre_dispatch < SIZE_MAX)
        plan->pre_dispatch = scaled(plan->pre_dispatch, n_all, n_here);
}

static void note_rank_warnings(parcel_results *results, const struct parcel__rank_part *part)
{
    const struct parcel__run *run = part->run;
    struct parcel__text text = {0};
    parcel__warnings_put(&text, run->plan, run->team, run->calls, results->n_workers);
    parcel__terms_put_warnings(part->ranks, part->terms, &text);
    parcel__results_warn(results, &text);
}

/* New results of all ranks' workers. NULL: out of memory. */
static parcel_results *new_rank_results(const struct parcel__rank_part *part)
{
    int n_workers = parcel__terms_first_worker(part->terms, part->terms->n_ranks);
    parcel_results *results = parcel__results_new_empty(n_workers);
    if (!results)
        return NULL;
    results->backend = "mpi";
    if (!parcel__terms_set_hosts(part->terms, results)) {
        parcel_results_free(results);
        return NULL;
    }
    note_rank_warnings(results, part);
    return results;
}

/* Brings all ranks to the run. False: it is refused, and error says why. */
static bool agree(struct parcel__rank_part *part, struct parcel__text *error)
{
    const struct parcel__run *run = part->run;
    struct parcel__ranks *ranks = part->ranks;
    struct parcel__hello own;
    const char *fault = check_for_ranks(run->plan, run->calls);
    parcel__rank_part_introduce(part, fault ? fault : parcel__run_check(run->plan, run->calls),
                                &own);
    const struct parcel__patience patience = {run->plan->mpi_timeout, part->waiting};
    bool have_come = parcel__ranks_gather(ranks, &own, run->calls, &patience, error);
    parcel__memory_free(own.fault);
    if (!have_come)
        return false;
    bool is_unset = run->plan->is_n_jobs_unset;
    part->terms = parcel__terms_new(ranks, is_unset ? 0 : run->plan->n_jobs_asked);
    if (!part->terms)
        return false;
    set_terms(part->terms, run);
    const char *refused =
        parcel__ranks_have_server(ranks) ? parcel__rank_part_send(part->terms, run->plan) : NULL;
    if (refused)
        parcel__text_put(error, refused);
    else if (check_sent(part, error))
        return true;
    parcel__ranks_refuse(ranks, parcel__text_why(error));
    return false;
}

static const char too_late[] =
    "a rank did not wait until rank 0 had looked at its calls (mpi_timeout)";

/* Makes what a run of all ranks needs here, and begins it. NULL, or why it is refused. */
static const char *begin(struct parcel__rank_part *part, struct parcel__plan *plan)
{
    struct parcel__run *run = part->run;
    const struct parcel__terms *terms = part->terms;
    int n_planned = plan->n_jobs > 0 ? plan->n_jobs : 1;
    parcel__rank_part_open(part);
    scale_bounds(plan, n_planned, parcel__terms_first_worker(terms, terms->n_ranks));
    plan->policy.limits.has_token_elsewhere = terms->has_token;
    run->plan = plan;
    run->results = new_rank_results(part);
    if (!run->results) {
        parcel__ranks_refuse(part->ranks, "rank 0 is out of memory");
        return "out of memory";
    }
    if (!parcel__ranks_are_waiting(part->ranks)) {
        parcel__ranks_refuse(part->ranks, too_late);
        parcel_results_free(run->results);
        return too_late;
    }
    run->part.start = parcel__port_now(); /* no rank begins sooner */
    parcel__terms_announce(part->ranks, terms);
    return NULL;
}

parcel_results *parcel__lead_run(struct parcel__rank_part *part)
{
    struct parcel__run *run = part->run;
    struct parcel__plan plan = *run->plan;
    struct parcel__text error = {0};
    size_t count = parcel_calls_count(run->calls);
    if (!agree(part, &error)) {
        parcel__rank_part_leave(part);
        return parcel__rank_part_refuse(part, &error, run->calls);
    }
    const char *fault = begin(part, &plan);
    if (fault) {
        parcel__rank_part_leave(part);
        return parcel__results_of_error(fault, count);
    }
    fault = parcel__run_execute(run);
    if (!fault && run->results->pulled)
        return run->results;
    if (fault) {
        parcel_results_free(run->results);
        run->results = parcel__results_of_error(fault, count);
    }
    parcel__rank_run_conclude(part->rank_run, run->results);
    return run->results;
}

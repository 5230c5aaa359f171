/*
 * follow.c: the part of a rank in a run that rank 0 leads, whether it has the same calls or serves.
 */
#include <math.h>
#include <stdio.h>

#include "calls/calls.h"
#include "ground/memory.h"
#include "ranks/rank_part.h"
#include "ranks/spread.h"
#include "stream/block.h"

/* Nothing: the calls of a rank that is sent them come from elsewhere. */
static parcel_next_status no_call(void *state, parcel_call *call)
{
    (void)state;
    (void)call;
    return PARCEL_NEXT_END;
}

/* This rank's options, and rank 0's in place of all that are not this rank's own. */
static void adopt(struct parcel__plan *plan, const struct parcel__terms *terms, int n_workers)
{
    const parcel_token *cancel = plan->policy.limits.cancel;
    struct parcel__retry retry = plan->policy.limits.retry;
    plan->verbose = 0;
    plan->n_jobs = n_workers;
    plan->policy = terms->policy;
    plan->policy.limits.has_token_elsewhere = terms->has_token;
    plan->policy.limits.cancel = cancel;
    plan->policy.limits.retry.wanted = retry.wanted;
    plan->policy.limits.retry.state = retry.state;
    plan->on_result = NULL;
    plan->return_as = PARCEL_LIST;
    plan->window = plan->pre_dispatch = SIZE_MAX;
}

/* Runs what this rank is given. False: out of memory. */
static bool run_part(const struct parcel__rank_part *part)
{
    struct parcel__run *run = part->run;
    struct parcel__stream stream;
    bool opened = parcel__run_open_control(run, NULL);
    const struct parcel__stream_options options = parcel__run_stream_options(run);
    run->results->keeps_attempts = run->plan->policy.limits.retry.most > 0;
    opened = opened && parcel__stream_open(&stream, &options);
    if (opened)
        parcel__stream_run(&stream, parcel__run_on_team, run);
    if (!opened || !parcel__job_has_begun(&stream.job)) /* no worker could begin */
        parcel__rank_run_give_up(part->rank_run);
    bool is_told = parcel__rank_run_await_end(part->rank_run, run->results);
    if (opened)
        parcel__stream_close(&stream);
    parcel__run_close_control(run);
    return opened && is_told;
}

/* The results that this rank has of a run: with all values, or with what became of them only. */
static parcel_results *new_part_results(const struct parcel__rank_part *part)
{
    const struct parcel__terms *terms = part->terms;
    const parcel_calls *calls = part->run->calls;
    int n_workers = parcel__terms_first_worker(terms, terms->n_ranks);
    parcel_results *results = terms->all_ranks && calls && !parcel__calls_are_generated(calls)
                                  ? parcel__results_new(calls, n_workers)
                                  : parcel__results_new_empty(n_workers);
    if (results) {
        results->backend = "mpi";
        results->are_elsewhere = !results->marks;
        if (results->marks && terms->policy.limits.retry.most > 0)
            (void)parcel__results_keep_attempts(results); /* without them each was tried once */
    }
    if (results && terms->all_ranks)
        (void)parcel__terms_set_hosts(terms, results); /* without them all is told of here */
    return results;
}

/* The team for the part of a run that is rank 0's to describe: the one there is, or one opened in
 * own for it. NULL: it cannot be had. */
static const struct parcel__team *find_team(const struct parcel__run *run,
                                            struct parcel__plan *plan, struct parcel__team *own)
{
    struct parcel__text error = {0};
    bool has_states = run->calls || (!plan->callbacks.start && !plan->callbacks.end);
    if (run->plan->policy.isolate == plan->policy.isolate && has_states)
        return run->team;
    bool opened = parcel__team_open(own, plan, parcel__team_choose_part(plan), true, &error);
    parcel__text_free(&error);
    return opened ? own : NULL;
}

/* Runs the part of this rank on the terms. */
static parcel_results *run_on_terms(struct parcel__rank_part *part)
{
    struct parcel__run *run = part->run;
    struct parcel__plan plan = *run->plan;
    struct parcel__team own;
    const struct parcel__team *team = run->team;
    const struct parcel__terms *terms = part->terms;
    parcel_calls *sent = terms->sends_calls ? parcel_calls_generate(no_call, NULL) : NULL;
    parcel_results *results = new_part_results(part);
    parcel__rank_part_open(part);
    adopt(&plan, terms, run->n_workers);
    bool has_functions = run->calls || parcel__rank_part_receive(&plan, terms);
    run->team = has_functions ? find_team(run, &plan, &own) : NULL;
    run->plan = &plan;
    run->calls = sent ? sent : run->calls;
    run->results = results;
    if (results && run->team && (sent || !terms->sends_calls)) {
        if (!run_part(part) && !results->error)
            parcel__results_set_error(results, NULL);
    } else {
        parcel__rank_run_give_up(part->rank_run);
        (void)parcel__rank_run_await_end(part->rank_run, results);
    }
    if (run->team == &own)
        parcel__team_close(&own);
    run->team = team;
    parcel_calls_free(sent);
    return results ? results : parcel__results_of_error("out of memory", 0);
}

/* Has a part in a run that rank 0 leads. NULL: there is none, as error says. */
static parcel_results *take_part(struct parcel__rank_part *part, const struct parcel__hello *own,
                                 double timeout, struct parcel__text *error)
{
    parcel_results *results = NULL;
    const struct parcel__patience patience = {timeout, part->waiting};
    part->terms = parcel__ranks_join(part->ranks, own, part->run->calls, &patience, error);
    if (part->terms)
        results = run_on_terms(part);
    parcel__rank_part_leave(part);
    return results;
}

parcel_results *parcel__follow_run(struct parcel__rank_part *part)
{
    struct parcel__run *run = part->run;
    struct parcel__text error = {0};
    struct parcel__hello own;
    parcel__rank_part_introduce(part, parcel__run_check(NULL, run->calls), &own);
    parcel__calls_begin_run(run->calls);
    const parcel_calls *calls = run->calls;
    parcel_results *results = take_part(part, &own, run->plan->mpi_timeout, &error);
    parcel__calls_end_run(calls);
    parcel__memory_free(own.fault);
    return results ? results : parcel__rank_part_refuse(part, &error, calls);
}

/* Serves one run of rank 0. False: there are no more; error says why, unless rank 0 is done. */
static bool serve_once(struct parcel__ranks *ranks, struct parcel__plan *plan,
                       struct parcel__team *team, struct parcel__text *error)
{
    struct parcel__run run = {.plan = plan, .team = team};
    struct parcel__rank_part part = {.run = &run, .ranks = ranks};
    struct parcel__hello own;
    parcel__ranks_introduce(ranks, &own);
    own.role = PARCEL__SERVES;
    (void)parcel__ranks_claim(ranks); /* no other run is made on a rank that serves */
    parcel_results *results = take_part(&part, &own, INFINITY, error);
    parcel_results_free(results);
    /* What refuses a run is said on rank 0. */
    bool goes_on = !ranks->is_done;
    if (goes_on)
        parcel__text_free(error);
    return goes_on;
}

const char *parcel__spread_serve(struct parcel__ranks *ranks)
{
    static const parcel_options options = {.backend = "mpi"};
    struct parcel__plan plan;
    struct parcel__team team;
    struct parcel__text error = {0};
    if (parcel__plan_resolve(&plan, &options, &error) &&
        parcel__team_open(&team, &plan, parcel__team_choose_part(&plan), true, &error)) {
        while (serve_once(ranks, &plan, &team, &error))
            ;
        parcel__team_close(&team);
    }
    parcel__plan_free(&plan);
    bool has_fault = error.length > 0 || error.failed;
    snprintf(ranks->why, sizeof ranks->why, "%s", has_fault ? parcel__text_why(&error) : "");
    parcel__text_free(&error);
    return has_fault ? ranks->why : NULL;
}

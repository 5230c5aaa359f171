/*
 * spread.c: a run on several ranks. Rank 0 leads it, with its own options; the others have a part
 * in it, whether they have the same calls or serve.
 */
#include "ranks/spread.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "wire/bundle.h"
#include "calls/calls.h"
#include "options/backend.h"
#include "ground/clock.h"
#include "stream/crew.h"
#include "calls/digest.h"
#include "ranks/rank_run.h"
#include "calls/identity.h"
#include "ground/memory.h"
#include "ground/port.h"
#include "wire/wire.h"

/* A run on the ranks, as this one has a part in it. */
struct part {
    struct parcel__run *run;
    struct parcel__ranks *ranks;
    struct parcel__terms *terms;       /* NULL: they are not yet known */
    struct parcel__rank_run *rank_run; /* which has the terms then, or NULL */
    struct parcel__control *waiting;   /* what stops the run while ranks are waited for, or NULL */
};

/* Ends this rank's part in a run. */
static void leave(struct part *part)
{
    if (part->rank_run)
        parcel__rank_run_close(part->rank_run);
    else
        parcel__memory_free(part->terms);
    parcel__ranks_let_go(part->ranks);
}

static const char ranks_are_busy[] =
    "another run of this process is using the ranks: such runs are made one after the other";

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

/* False: the calls cannot run on several ranks; *why as parcel__wire_check has it. */
static bool check_calls(const struct part *part, char **why)
{
    struct parcel__text text = {0};
    const struct parcel__run *run = part->run;
    if (part->ranks->transport->n_ranks == 1)
        return parcel__run_check_pointers(run, why);
    size_t place = parcel__calls_are_generated(run->calls) ? SIZE_MAX : find_pointer(run->calls);
    if (place == SIZE_MAX)
        return true;
    parcel__calls_put_call(&text, run->calls, place, place);
    parcel__text_put(&text, ": it returns a pointer to memory that other ranks do not have: return "
                            "what it points at");
    *why = parcel__text_take(&text);
    return false;
}

/* False: what they write through a pointer would be there on the rank of the call only. A shared
 * block is one rank's, too. */
static bool check_writes(const struct part *part, char **why)
{
    static const struct parcel__wire_target target = {.is_snapshot = true, .is_rank = true};
    const parcel_calls *calls = part->run->calls;
    return part->ranks->transport->n_ranks == 1 || parcel__calls_are_generated(calls) ||
           parcel__wire_check(calls, 0, parcel_calls_count(calls), &target, why);
}

/* What a rank says of its calls; fault: why it cannot run them, or NULL. The hello's own fault is
 * to be freed. */
static void introduce(const struct part *part, const char *fault, struct parcel__hello *hello)
{
    const struct parcel__run *run = part->run;
    const parcel_calls *calls = run->calls;
    parcel__ranks_introduce(part->ranks, hello);
    hello->has_token = run->plan->policy.limits.cancel != NULL;
    if (hello->n_most > run->team->n_workers)
        hello->n_most = run->team->n_workers;
    if (fault)
        hello->fault = parcel__memory_copy_string(fault);
    hello->forbids_writes = !run->plan->policy.worker_limits.read_only;
    hello->cannot_run = fault || !check_calls(part, &hello->fault);
    if (hello->cannot_run)
        return;
    hello->may_write = !check_writes(part, &hello->fault);
    hello->role = parcel__calls_are_generated(calls) ? PARCEL__GENERATES : PARCEL__LISTS;
    hello->count = parcel_calls_count(calls);
    hello->digest = parcel__digest_calls(calls, 0, hello->count);
}

/* What a run on ranks cannot do. */
static const char *check_for_ranks(const struct parcel__plan *plan, const parcel_calls *calls)
{
    if (plan->all_ranks && parcel__calls_are_generated(calls))
        return "mpi_results = PARCEL_ALL_RANKS needs a list of calls: these are generated";
    if (plan->all_ranks && parcel__run_is_streamed(plan, calls))
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

/* Tells ranks that serve of the options' functions. NULL, or why they cannot have them. */
static const char *send_functions(struct parcel__terms *terms, const struct parcel__plan *plan)
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

/* False: this rank does not have them. */
static bool receive_functions(struct parcel__plan *plan, const struct parcel__terms *terms)
{
    const struct parcel__shared_functions *sent = &terms->functions;
    struct parcel__callbacks *callbacks = &plan->callbacks;
    struct parcel__retry *retry = &plan->policy.limits.retry;
    return find_function(sent->start, &callbacks->start, sizeof callbacks->start) &&
           find_function(sent->end, &callbacks->end, sizeof callbacks->end) &&
           find_function(sent->retry, &retry->wanted, sizeof retry->wanted);
}

/* False: the calls of a list are to be sent, and one cannot; *why as parcel__wire_check has it. */
static bool check_sent(const struct part *part, char **why)
{
    const parcel_calls *calls = part->run->calls;
    struct parcel__bundle_found found = {.count = 0};
    return !part->terms->sends_calls || parcel__calls_are_generated(calls) ||
           parcel__bundle_check(calls, 0, parcel_calls_count(calls), false, &found, why);
}

/* What this rank's run is told of its part. */
static void set_part(const struct part *part)
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

/* Opens it, and hands the terms over. */
static void open_part(struct part *part)
{
    part->rank_run = parcel__rank_run_open(part->ranks, part->terms);
    set_part(part);
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

static void note_rank_warnings(parcel_results *results, const struct part *part)
{
    const struct parcel__run *run = part->run;
    struct parcel__text text = {0};
    parcel__run_put_warnings(&text, run->plan, run->team, run->calls, results->n_workers);
    parcel__ranks_put_warnings(part->ranks, part->terms, &text);
    parcel__results_warn(results, &text);
}

/* New results of all ranks' workers. NULL: out of memory. */
static parcel_results *new_rank_results(const struct part *part)
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
static bool agree(struct part *part, struct parcel__text *error)
{
    const struct parcel__run *run = part->run;
    struct parcel__ranks *ranks = part->ranks;
    struct parcel__hello own;
    char *why = NULL;
    const char *fault = check_for_ranks(run->plan, run->calls);
    introduce(part, fault ? fault : parcel__run_check(run->plan, run->calls), &own);
    const struct parcel__patience patience = {run->plan->mpi_timeout, part->waiting};
    bool have_come = parcel__ranks_gather(ranks, &own, run->calls, &patience, error);
    parcel__memory_free(own.fault);
    if (!have_come)
        return false;
    bool is_unset = run->plan->is_n_jobs_unset;
    part->terms = parcel__ranks_terms(ranks, is_unset ? 0 : run->plan->n_jobs_asked);
    if (!part->terms)
        return false;
    set_terms(part->terms, run);
    const char *refused =
        parcel__ranks_have_server(ranks) ? send_functions(part->terms, run->plan) : NULL;
    if (refused)
        why = parcel__memory_copy_string(refused);
    else if (check_sent(part, &why))
        return true;
    parcel__text_put(error, why ? why : "out of memory");
    parcel__memory_free(why);
    parcel__ranks_refuse(ranks, error->failed ? "out of memory" : error->bytes);
    return false;
}

static const char too_late[] =
    "a rank did not wait until rank 0 had looked at its calls (mpi_timeout)";

/* Makes what a run of all ranks needs here, and begins it. NULL, or why it is refused. */
static const char *begin(struct part *part, struct parcel__plan *plan)
{
    struct parcel__run *run = part->run;
    const struct parcel__terms *terms = part->terms;
    int n_planned = plan->n_jobs > 0 ? plan->n_jobs : 1;
    open_part(part);
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
    parcel__ranks_announce(part->ranks, terms);
    return NULL;
}

/* What a run returns that has not begun. */
static parcel_results *refuse(const struct part *part, struct parcel__text *error,
                              const parcel_calls *calls)
{
    bool is_stopped = part->waiting && parcel__control_reason(part->waiting) != PARCEL__GOES_ON;
    return is_stopped ? parcel__run_cancel(part->waiting, error, calls)
                      : parcel__run_refuse(error, calls);
}

/* Leads a run: rank 0. */
static parcel_results *lead(struct part *part)
{
    struct parcel__run *run = part->run;
    struct parcel__plan plan = *run->plan;
    struct parcel__text error = {0};
    size_t count = parcel_calls_count(run->calls);
    if (!agree(part, &error)) {
        leave(part);
        return refuse(part, &error, run->calls);
    }
    const char *fault = begin(part, &plan);
    if (fault) {
        leave(part);
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

/* ---- the part of the other ranks ---- */

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
static bool run_part(const struct part *part)
{
    struct parcel__run *run = part->run;
    struct parcel__stream stream;
    bool opened = parcel__run_open_control(run, NULL);
    const struct parcel__stream_options options = parcel__run_stream_options(run);
    run->results->keeps_attempts = run->plan->policy.limits.retry.most > 0;
    opened = opened && parcel__stream_open(&stream, &options);
    if (opened)
        parcel__crew_run(&stream, parcel__run_on_team, run);
    if (!opened || !stream.has_begun) /* no worker could begin */
        parcel__rank_run_give_up(part->rank_run);
    bool is_told = parcel__rank_run_await_end(part->rank_run, run->results);
    if (opened)
        parcel__stream_close(&stream);
    parcel__run_close_control(run);
    return opened && is_told;
}

/* The results that this rank has of a run: with all values, or with what became of them only. */
static parcel_results *new_part_results(const struct part *part)
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
    bool opened = parcel__team_open(own, plan, parcel__spread_choose(plan), true, &error);
    parcel__text_free(&error);
    return opened ? own : NULL;
}

/* Runs the part of this rank on the terms. */
static parcel_results *run_on_terms(struct part *part)
{
    struct parcel__run *run = part->run;
    struct parcel__plan plan = *run->plan;
    struct parcel__team own;
    const struct parcel__team *team = run->team;
    const struct parcel__terms *terms = part->terms;
    parcel_calls *sent = terms->sends_calls ? parcel_calls_generate(no_call, NULL) : NULL;
    parcel_results *results = new_part_results(part);
    open_part(part);
    adopt(&plan, terms, run->n_workers);
    bool has_functions = run->calls || receive_functions(&plan, terms);
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
static parcel_results *take_part(struct part *part, const struct parcel__hello *own, double timeout,
                                 struct parcel__text *error)
{
    parcel_results *results = NULL;
    const struct parcel__patience patience = {timeout, part->waiting};
    part->terms = parcel__ranks_join(part->ranks, own, part->run->calls, &patience, error);
    if (part->terms)
        results = run_on_terms(part);
    leave(part);
    return results;
}

/* The same for calls that this rank has, too. */
static parcel_results *follow(struct part *part)
{
    struct parcel__run *run = part->run;
    struct parcel__text error = {0};
    struct parcel__hello own;
    introduce(part, parcel__run_check(NULL, run->calls), &own);
    parcel__calls_begin_run(run->calls);
    const parcel_calls *calls = run->calls;
    parcel_results *results = take_part(part, &own, run->plan->mpi_timeout, &error);
    parcel__calls_end_run(calls);
    parcel__memory_free(own.fault);
    return results ? results : refuse(part, &error, calls);
}

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
static bool open_waiting(struct part *part, struct parcel__control *waiting,
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

const parcel_backend *parcel__spread_choose(const struct parcel__plan *plan)
{
    return plan->policy.isolate ? parcel__backend_find("processes") : parcel__backend_threads();
}

parcel_results *parcel__spread_run(struct parcel__run *run, struct parcel__ranks *ranks)
{
    struct parcel__control waiting;
    struct parcel__limits limits;
    struct part part = {.run = run, .ranks = ranks};
    const char *fault = claim_ranks(run, ranks);
    if (fault == parcel__run_already_streaming)
        return refuse_second_stream(run, ranks);
    if (fault)
        return parcel__results_of_error(fault, parcel_calls_count(run->calls));
    bool is_watched = open_waiting(&part, &waiting, &limits);
    parcel_results *results = ranks->transport->rank == 0 ? lead(&part) : follow(&part);
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

/* Serves one run of rank 0. False: there are no more; error says why, unless rank 0 is done. */
static bool serve_once(struct parcel__ranks *ranks, struct parcel__plan *plan,
                       struct parcel__team *team, struct parcel__text *error)
{
    struct parcel__run run = {.plan = plan, .team = team};
    struct part part = {.run = &run, .ranks = ranks};
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
        parcel__team_open(&team, &plan, parcel__spread_choose(&plan), true, &error)) {
        while (serve_once(ranks, &plan, &team, &error))
            ;
        parcel__team_close(&team);
    }
    parcel__plan_free(&plan);
    bool has_fault = error.length > 0 || error.failed;
    snprintf(ranks->why, sizeof ranks->why, "%s",
             error.failed  ? "out of memory"
             : error.bytes ? error.bytes
                           : "");
    parcel__text_free(&error);
    return has_fault ? ranks->why : NULL;
}

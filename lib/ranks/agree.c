/*
 * agree.c: how the ranks agree upon a run.
 *
 * Each rank that comes to its n-th run says hello to rank 0, with a digest of its calls. Rank 0
 * answers when all have come: with the terms, which each rank passes on down the tree, or with why
 * there is no run. Who is too late, or has left, is told so: nobody waits for an answer that does
 * not come, as long as rank 0 comes to runs or ends.
 */
#include "ranks/ranks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "calls/calls.h"
#include "calls/digest.h"
#include "calls/function.h"
#include "ground/clock.h"
#include "ground/memory.h"
#include "ground/port.h"
#include "ground/threads.h"
#include "job/control.h"
#include "options/n_jobs.h"

/* ---- who comes to a run ---- */

/* At least one. */
static int part_of(int n_cpus, int n_ranks)
{
    return n_ranks < 2 ? n_cpus : n_cpus / n_ranks > 0 ? n_cpus / n_ranks : 1;
}

/* What several ranks may use the launcher left to them to share: a host, or the same cpus of it. */
void parcel__ranks_introduce(const struct parcel__ranks *ranks, struct parcel__hello *hello)
{
    const struct parcel__cpus cpus = parcel__n_jobs_cpus();
    int of_host = part_of(cpus.shared, ranks->transport->n_here);
    int of_mask = part_of(cpus.affinity, ranks->transport->n_alike);
    int least = of_host < of_mask ? of_host : of_mask;
    *hello = (struct parcel__hello){.n_allowed = cpus.count,
                                    .n_cpus = least < cpus.count ? least : cpus.count};
    hello->n_most = parcel__port_thread_limit();
    snprintf(hello->host, sizeof hello->host, "%s", ranks->transport->host);
}

static bool is_missing(const struct parcel__ranks *ranks, int rank)
{
    return ranks->hellos[rank].serial < ranks->serial;
}

/* It came, and waits no longer. */
static bool has_gone(const struct parcel__ranks *ranks, int rank)
{
    return ranks->hellos[rank].leave.serial == ranks->serial;
}

/* It will not come any more. */
static bool has_ended(const struct parcel__ranks *ranks, int rank)
{
    return ranks->has_left[rank] && is_missing(ranks, rank);
}

/* None went on to a later run. */
static bool all_wait(const struct parcel__ranks *ranks)
{
    for (int i = 1; i < ranks->transport->n_ranks; i++)
        if (ranks->hellos[i].serial != ranks->serial || has_gone(ranks, i))
            return false;
    return true;
}

/* Adds "ranks 1, 3 and 5 of 7 did not call Parallel", of those that are so. */
static void put_those(struct parcel__text *text, const struct parcel__ranks *ranks,
                      bool (*are_so)(const struct parcel__ranks *ranks, int rank))
{
    int n_ranks = ranks->transport->n_ranks, n_such = 0, n_put = 0;
    for (int i = 1; i < n_ranks; i++)
        n_such += are_so(ranks, i);
    parcel__text_put(text, n_such == 1 ? "rank " : "ranks ");
    for (int i = 1; i < n_ranks; i++) {
        if (!are_so(ranks, i))
            continue;
        const char *glue = n_put == 0 ? "" : n_put == n_such - 1 ? " and " : ", ";
        parcel__text_format(text, "%s%d", glue, i);
        n_put++;
    }
    parcel__text_format(text, " of %d did not call Parallel", n_ranks);
}

/* The first that is so, or 0. */
static int find_rank(const struct parcel__ranks *ranks,
                     bool (*is_so)(const struct parcel__ranks *ranks, int rank))
{
    for (int i = 1; i < ranks->transport->n_ranks; i++)
        if (is_so(ranks, i))
            return i;
    return 0;
}

/* It did not wait for this run of rank 0, and came to a later one. */
static bool is_ahead(const struct parcel__ranks *ranks, int rank)
{
    return ranks->hellos[rank].serial > ranks->serial;
}

/* What stopped the run on this rank, if anything did. */
static struct parcel__note note_of(const struct parcel__ranks *ranks,
                                   const struct parcel__control *control)
{
    struct parcel__note note = {.serial = ranks->serial};
    if (control) {
        note.reason = (int)parcel__control_reason(control);
        note.signal = parcel__control_signal(control);
        note.deadline = control->deadline;
    }
    return note;
}

/* Another rank says what has stopped the run. */
static void hear_note(const struct parcel__note *note, struct parcel__control *control)
{
    if (!control || note->reason == PARCEL__GOES_ON)
        return;
    if (note->signal != 0)
        parcel__control_hear_signal(control, note->signal);
    if (parcel__control_reason(control) == PARCEL__GOES_ON)
        control->deadline = note->deadline;
    parcel__control_stop(control, (enum parcel__reason)note->reason);
}

/* What this rank is stopped by while it waits, and notes so; PARCEL__GOES_ON: nothing. */
static enum parcel__reason stop_if_due(const struct parcel__patience *patience)
{
    if (!patience->control)
        return PARCEL__GOES_ON;
    parcel__control_stop(patience->control, parcel__control_due(patience->control));
    return parcel__control_reason(patience->control);
}

/* "cancelled by SIGTERM: 0 of 12 calls had run" */
static void put_stop(struct parcel__text *text, const struct parcel__control *control,
                     const parcel_calls *calls)
{
    bool is_open = calls && parcel__calls_are_generated(calls);
    parcel__control_put_stop(text, control, 0, is_open ? SIZE_MAX : parcel_calls_count(calls));
}

/* Why the run cannot begin without the rank, which has gone. */
static void put_gone(struct parcel__text *error, const struct parcel__ranks *ranks, int rank)
{
    if (find_rank(ranks, is_missing) == 0) {
        parcel__text_format(
            error, "rank %d went on without rank 0, which came too late (mpi_timeout)", rank);
        return;
    }
    put_those(error, ranks, is_missing);
    parcel__text_format(error, ", and rank %d did not wait longer (mpi_timeout)", rank);
}

/* Why the run does not begin. */
static void put_why(struct parcel__text *error, const struct parcel__ranks *ranks,
                    const struct parcel__patience *patience, const parcel_calls *calls)
{
    int gone = find_rank(ranks, has_gone), ahead = find_rank(ranks, is_ahead);
    if (patience->control && parcel__control_reason(patience->control) != PARCEL__GOES_ON) {
        put_stop(error, patience->control, calls);
    } else if (gone > 0) {
        put_gone(error, ranks, gone);
    } else if (ahead > 0) {
        parcel__text_format(
            error, "rank %d went on without rank 0, which came too late (mpi_timeout)", ahead);
    } else if (find_rank(ranks, has_ended) > 0) {
        put_those(error, ranks, has_ended);
        parcel__text_put(error, ", and ended MPI instead");
    } else {
        put_those(error, ranks, is_missing);
        parcel__text_format(error, " within %g s (mpi_timeout)", patience->timeout);
    }
}

/* True when the run is stopped, by this rank or one that has gone. */
static bool is_stopped(const struct parcel__ranks *ranks, const struct parcel__patience *patience)
{
    int gone = find_rank(ranks, has_gone);
    if (gone > 0)
        hear_note(&ranks->hellos[gone].leave, patience->control);
    return stop_if_due(patience) != PARCEL__GOES_ON;
}

/* Seconds in which ranks that come to a run that is stopped are told so, and who leaves a run waits
 * for an answer that is on its way. */
static const double last_wait = 1;

/* False: some do not come, or the run is stopped. */
static bool await_all(struct parcel__ranks *ranks, const struct parcel__patience *patience)
{
    double end = parcel__clock_now() + patience->timeout;
    bool was_stopped = false;
    for (unsigned n_idle = 0;; n_idle++) {
        parcel__ranks_poll(ranks);
        if (all_wait(ranks))
            return true;
        if (is_stopped(ranks, patience)) {
            if (!was_stopped)
                end = fmin(end, parcel__clock_now() + last_wait);
            was_stopped = true;
        } else if (find_rank(ranks, has_gone) || find_rank(ranks, is_ahead) ||
                   find_rank(ranks, has_ended)) {
            return false;
        }
        if ((was_stopped && find_rank(ranks, is_missing) == 0) || parcel__clock_now() >= end)
            return false;
        parcel__ranks_pause(ranks, n_idle);
    }
}

/* ---- are the lists the same? ---- */

/* Asks a rank about a part of its list. False: it has left meanwhile. */
static bool ask_rank(struct parcel__ranks *ranks, int rank, struct parcel__comparison *question)
{
    struct parcel__comparison answer;
    parcel__messages_free(ranks->compared);
    ranks->compared = NULL;
    parcel__post_tell(ranks->post, rank, PARCEL__SAYS_COMPARE, question, sizeof *question);
    for (unsigned n_idle = 0; !ranks->compared && !has_gone(ranks, rank); n_idle++) {
        parcel__ranks_poll(ranks);
        parcel__ranks_pause(ranks, n_idle);
    }
    if (!ranks->compared)
        return false;
    memcpy(&answer, ranks->compared->bytes, sizeof answer);
    question->is_same = answer.is_same;
    return true;
}

/* Says what the call is on both ranks; with its types when it looks the same. */
static void put_difference(struct parcel__ranks *ranks, int rank, const parcel_calls *calls,
                           struct parcel__comparison question, struct parcel__text *error)
{
    struct parcel__text own = {0};
    parcel__ranks_put_call(&own, calls, &question);
    const char *other = ask_rank(ranks, rank, &question)
                            ? parcel__messages_text(ranks->compared, sizeof question)
                            : NULL;
    bool is_alike = other && own.bytes && strcmp(own.bytes, other) == 0;
    if (is_alike && !question.with_types) {
        question.with_types = true;
        put_difference(ranks, rank, calls, question, error);
    } else {
        parcel__text_format(error, ": call %zu is %s on rank 0", question.low,
                            own.bytes ? own.bytes : "one");
        if (other)
            parcel__text_format(error, " and %s on rank %d", other, rank);
        if (is_alike)
            parcel__text_put(error, ", which differ in what is not shown");
    }
    parcel__text_free(&own);
}

/* Finds the first call that differs, by halves, and says what it is on both ranks. */
static void find_difference(struct parcel__ranks *ranks, int rank, const parcel_calls *calls,
                            struct parcel__text *error)
{
    struct parcel__comparison question = {.serial = ranks->serial};
    size_t low = 0, high = parcel_calls_count(calls);
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        question.low = low;
        question.high = middle;
        question.digest = parcel__digest_calls(calls, low, middle - low);
        if (!ask_rank(ranks, rank, &question))
            return;
        if (question.is_same)
            low = middle;
        else
            high = middle;
    }
    question.low = low;
    question.high = high;
    put_difference(ranks, rank, calls, question, error);
}

static void put_calls(struct parcel__text *text, const struct parcel__hello *hello)
{
    if (hello->role == PARCEL__GENERATES)
        parcel__text_put(text, "generated calls");
    else
        parcel__text_format(text, "%zu call%s", hello->count, hello->count == 1 ? "" : "s");
}

static void put_counts(struct parcel__text *error, const struct parcel__hello *own,
                       const struct parcel__hello *other, int rank)
{
    parcel__text_put(error, ": ");
    put_calls(error, own);
    parcel__text_put(error, " on rank 0, ");
    put_calls(error, other);
    parcel__text_format(error, " on rank %d", rank);
}

/* False: a rank has other calls than rank 0, as error says. */
static bool have_same_calls(struct parcel__ranks *ranks, const struct parcel__hello *own,
                            const parcel_calls *calls, struct parcel__text *error)
{
    for (int i = 1; i < ranks->transport->n_ranks; i++) {
        const struct parcel__hello *hello = &ranks->hellos[i];
        bool generates = own->role == PARCEL__GENERATES;
        if (hello->role == PARCEL__SERVES || (generates && hello->role == PARCEL__GENERATES) ||
            (hello->role == own->role && hello->count == own->count &&
             hello->digest == own->digest))
            continue;
        parcel__text_put(error, "the lists differ");
        if (hello->role == own->role && hello->count == own->count)
            find_difference(ranks, i, calls, error);
        else
            put_counts(error, own, hello, i);
        if (ranks->has_kept_values) /* of which a list may have been made */
            parcel__text_format(error,
                                "; rank %d has no results of earlier runs, which .mpi_results = "
                                "PARCEL_ALL_RANKS gives to all ranks",
                                i);
        return false;
    }
    return true;
}

static const char *fault_of(const struct parcel__hello *hello)
{
    return hello->fault ? hello->fault : "out of memory";
}

/* False: some rank says that it cannot run. Of calls that are to be sent, more is asked. */
static bool all_can_run(const struct parcel__ranks *ranks, const struct parcel__hello *own,
                        struct parcel__text *error)
{
    bool forbids_writes = own->forbids_writes && !parcel__ranks_have_server(ranks);
    if (own->cannot_run || (forbids_writes && own->may_write)) {
        parcel__text_put(error, fault_of(own));
        return false;
    }
    for (int i = 1; i < ranks->transport->n_ranks; i++) {
        const struct parcel__hello *hello = &ranks->hellos[i];
        if (!hello->cannot_run && !(forbids_writes && hello->may_write))
            continue;
        parcel__text_format(error, "rank %d: %s", i, fault_of(hello));
        return false;
    }
    return true;
}

void parcel__ranks_refuse(struct parcel__ranks *ranks, const char *why)
{
    struct parcel__text text = {0};
    struct parcel__note note = {.serial = ranks->serial};
    if (ranks->why_closed.serial == ranks->serial)
        note = ranks->why_closed;
    parcel__text_add(&text, (const char *)&note, sizeof note);
    parcel__text_put(&text, why);
    ranks->closed = ranks->serial;
    for (int i = 1; i < ranks->transport->n_ranks; i++) {
        if (ranks->hellos[i].serial != ranks->serial)
            continue;
        if (text.failed)
            parcel__post_tell(ranks->post, i, PARCEL__SAYS_REFUSE, &note, sizeof note);
        else
            parcel__post_tell(ranks->post, i, PARCEL__SAYS_REFUSE, text.bytes, text.length + 1);
    }
    parcel__text_free(&text);
    parcel__ranks_flush(ranks);
}

/* Who comes later is told the same where it is not the one that is late. */
static void note_why(struct parcel__ranks *ranks, const struct parcel__control *control,
                     const char *why)
{
    bool is_stopped = control && parcel__control_reason(control) != PARCEL__GOES_ON;
    if (!is_stopped && find_rank(ranks, has_ended) == 0)
        return;
    ranks->why_closed = note_of(ranks, control);
    snprintf(ranks->why_stopped, sizeof ranks->why_stopped, "%s", why);
}

bool parcel__ranks_gather(struct parcel__ranks *ranks, const struct parcel__hello *own,
                          const parcel_calls *calls, const struct parcel__patience *patience,
                          struct parcel__text *error)
{
    ranks->serial++;
    ranks->hellos[0] = *own;
    ranks->hellos[0].serial = ranks->serial;
    ranks->hellos[0].fault = NULL;
    bool have_come = await_all(ranks, patience);
    if (have_come && all_can_run(ranks, own, error) && have_same_calls(ranks, own, calls, error))
        return true;
    if (!have_come)
        put_why(error, ranks, patience, calls);
    const char *why = parcel__text_why(error);
    note_why(ranks, patience->control, why);
    parcel__ranks_refuse(ranks, why);
    return false;
}

bool parcel__ranks_are_waiting(struct parcel__ranks *ranks)
{
    parcel__ranks_poll(ranks);
    return all_wait(ranks);
}

bool parcel__ranks_have_server(const struct parcel__ranks *ranks)
{
    for (int i = 1; i < ranks->transport->n_ranks; i++)
        if (ranks->hellos[i].role == PARCEL__SERVES)
            return true;
    return false;
}

/* ---- the others ---- */

/* Waits for rank 0's answer. False: it does not come. */
static bool await_answer(struct parcel__ranks *ranks, const struct parcel__patience *patience)
{
    double end = parcel__clock_now() + patience->timeout;
    for (unsigned n_idle = 0; !ranks->answer && !ranks->is_done; n_idle++) {
        parcel__ranks_poll(ranks);
        if (ranks->answer || parcel__clock_now() >= end || stop_if_due(patience) != PARCEL__GOES_ON)
            break;
        parcel__ranks_pause(ranks, n_idle);
    }
    return ranks->answer || ranks->is_done;
}

/* Rank 0 may answer just as this rank leaves: then that holds. */
static bool leave_run(struct parcel__ranks *ranks, const struct parcel__control *control)
{
    const struct parcel__patience patience = {.timeout = last_wait};
    const struct parcel__note note = note_of(ranks, control);
    parcel__post_tell(ranks->post, 0, PARCEL__SAYS_LEAVE, &note, sizeof note);
    return await_answer(ranks, &patience);
}

/* The terms in rank 0's answer; NULL: it refuses. */
static struct parcel__terms *read_answer(struct parcel__ranks *ranks,
                                         struct parcel__control *control,
                                         struct parcel__text *error)
{
    struct parcel__message *answer = ranks->answer;
    const char *why = parcel__messages_text(answer, sizeof(struct parcel__note));
    struct parcel__terms *terms = NULL;
    struct parcel__note note;
    ranks->answer = NULL;
    if (answer->kind == PARCEL__SAYS_BEGIN) {
        terms = (void *)answer->bytes;
        answer->bytes = NULL;
    } else {
        memcpy(&note, answer->bytes, sizeof note);
        hear_note(&note, control);
        parcel__text_put(error, why ? why : "rank 0 is out of memory");
    }
    parcel__messages_free(answer);
    return terms;
}

static void put_vain_wait(struct parcel__text *error, const struct parcel__patience *patience,
                          const parcel_calls *calls)
{
    if (patience->control && parcel__control_reason(patience->control) != PARCEL__GOES_ON)
        put_stop(error, patience->control, calls);
    else
        parcel__text_format(error,
                            "rank 0 did not answer within %g s (mpi_timeout): it did not call "
                            "Parallel, or waits for another rank",
                            patience->timeout);
}

struct parcel__terms *parcel__ranks_join(struct parcel__ranks *ranks,
                                         const struct parcel__hello *own, const parcel_calls *calls,
                                         const struct parcel__patience *patience,
                                         struct parcel__text *error)
{
    struct parcel__hello hello = *own;
    hello.serial = ++ranks->serial;
    ranks->calls = calls;
    parcel__messages_free(ranks->answer); /* to a run that this rank left */
    ranks->answer = NULL;
    if (stop_if_due(patience) != PARCEL__GOES_ON) /* so that rank 0 begins nothing */
        hello.leave = note_of(ranks, patience->control);
    parcel__messages_tell(ranks->post, 0, PARCEL__SAYS_HELLO, &hello, sizeof hello, hello.fault);
    bool has_answer = await_answer(ranks, patience) || leave_run(ranks, patience->control);
    ranks->calls = NULL;
    if (ranks->answer)
        return read_answer(ranks, patience->control, error);
    if (!has_answer)
        put_vain_wait(error, patience, calls);
    else if (own->role != PARCEL__SERVES)
        parcel__text_put(error, "rank 0 has ended its part in MPI, and runs no more calls");
    return NULL;
}

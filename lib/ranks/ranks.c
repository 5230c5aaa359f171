/* ranks.c: the ranks of a job: their tree, what they hear, and how they are opened and closed. */
#include "ranks/ranks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "calls/calls.h"
#include "calls/digest.h"
#include "calls/function.h"
#include "ground/clock.h"
#include "ground/memory.h"
#include "ground/port.h"
#include "ground/threads.h"
#include "options/n_jobs.h"

enum { FAN_OUT = 32 };

/* ---- the tree ---- */

int parcel__ranks_parent(const struct parcel__ranks *ranks)
{
    return (ranks->transport->rank - 1) / ranks->fan_out;
}

int parcel__ranks_first_child(const struct parcel__ranks *ranks)
{
    long long first = (long long)ranks->transport->rank * ranks->fan_out + 1;
    return first < ranks->transport->n_ranks ? (int)first : ranks->transport->n_ranks;
}

int parcel__ranks_n_children(const struct parcel__ranks *ranks)
{
    int n = ranks->transport->n_ranks - parcel__ranks_first_child(ranks);
    return n < ranks->fan_out ? n : ranks->fan_out;
}

void parcel__ranks_pass_on(const struct parcel__ranks *ranks, int kind, const void *bytes,
                           size_t size)
{
    int first = parcel__ranks_first_child(ranks), n = parcel__ranks_n_children(ranks);
    for (int i = 0; i < n; i++)
        parcel__post_tell(ranks->post, first + i, kind, bytes, size);
}

/* ---- messages ---- */

static void tell_late(const struct parcel__ranks *ranks, int rank, unsigned serial)
{
    static const char gone[] = "rank 0 has ended its part in MPI, and runs no more calls";
    static const char late[] =
        "rank 0 went on without this rank, which came too late (mpi_timeout)";
    struct parcel__note note = {.serial = serial};
    const char *why = ranks->is_closing ? gone : late;
    if (ranks->why_closed.serial == serial) {
        note = ranks->why_closed;
        why = ranks->why_stopped;
    }
    parcel__messages_tell(ranks->post, rank, PARCEL__SAYS_REFUSE, &note, sizeof note, why);
}

/* A rank that comes to a run that there is not, or not any more. */
static void answer_late(const struct parcel__ranks *ranks, const struct parcel__hello *hello,
                        int rank)
{
    if (ranks->is_closing && hello->role == PARCEL__SERVES)
        parcel__post_tell(ranks->post, rank, PARCEL__SAYS_DONE, NULL, 0);
    else
        tell_late(ranks, rank, hello->serial);
}

static void hear_hello(struct parcel__ranks *ranks, const struct parcel__message *message)
{
    struct parcel__hello hello;
    if (!ranks->hellos)
        return;
    memcpy(&hello, message->bytes, sizeof hello);
    if (ranks->is_closing || hello.serial <= ranks->closed) {
        answer_late(ranks, &hello, message->rank);
        return;
    }
    const char *fault = parcel__messages_text(message, sizeof hello);
    hello.fault = fault ? parcel__memory_copy_string(fault) : NULL;
    if (hello.leave.serial == 0)
        hello.leave = ranks->hellos[message->rank].leave;
    parcel__memory_free(ranks->hellos[message->rank].fault);
    ranks->hellos[message->rank] = hello;
}

static void hear_leave(struct parcel__ranks *ranks, const struct parcel__message *message)
{
    if (ranks->hellos)
        memcpy(&ranks->hellos[message->rank].leave, message->bytes, sizeof(struct parcel__note));
}

/* Adds the call that is compared. */
void parcel__ranks_put_call(struct parcel__text *text, const parcel_calls *calls,
                            const struct parcel__comparison *question)
{
    const parcel_function *function = parcel__calls_function(calls, question->low);
    const unsigned char *arguments = parcel__calls_arguments(calls, question->low);
    if (question->with_types)
        parcel__function_put_typed_call(text, function, arguments);
    else
        parcel__function_put_call(text, function, arguments);
}

/* Says whether a part of this rank's calls is as rank 0's; of one call, what it is. */
static void compare(struct parcel__ranks *ranks, const struct parcel__message *message)
{
    struct parcel__comparison question;
    struct parcel__text text = {0};
    memcpy(&question, message->bytes, sizeof question);
    if (!ranks->calls || question.serial != ranks->serial)
        return;
    size_t count = question.high - question.low;
    question.is_same = parcel__digest_calls(ranks->calls, question.low, count) == question.digest;
    parcel__text_add(&text, (const char *)&question, sizeof question);
    if (count == 1)
        parcel__ranks_put_call(&text, ranks->calls, &question);
    if (text.failed)
        parcel__post_tell(ranks->post, message->rank, PARCEL__SAYS_COMPARED, &question,
                          sizeof question);
    else
        parcel__post_tell(ranks->post, message->rank, PARCEL__SAYS_COMPARED, text.bytes,
                          text.length + (count == 1));
    parcel__text_free(&text);
}

/* A copy of the message that keeps the bytes. */
static struct parcel__message *keep_copy(struct parcel__message *message)
{
    struct parcel__message *kept = parcel__memory_await(sizeof *kept);
    *kept = *message;
    kept->next = NULL;
    message->bytes = NULL;
    return kept;
}

/* Rank 0's answer to the hello of the run that this rank comes to, or one that is out of date. */
static void hear_answer(struct parcel__ranks *ranks, struct parcel__message *message)
{
    struct parcel__note note;
    bool begins = message->kind == PARCEL__SAYS_BEGIN;
    memcpy(&note, message->bytes, sizeof note);
    if (note.serial != ranks->serial ||
        (begins && message->size != parcel__terms_size(ranks->transport->n_ranks)))
        return;
    if (begins)
        parcel__ranks_pass_on(ranks, PARCEL__SAYS_BEGIN, message->bytes, message->size);
    parcel__messages_free(ranks->answer);
    ranks->answer = keep_copy(message);
}

/* Of a run that this rank does not yet know of. */
static void keep_early(struct parcel__ranks *ranks, struct parcel__message *message)
{
    struct parcel__message **link = &ranks->early;
    while (*link)
        link = &(*link)->next;
    *link = keep_copy(message);
}

static void handle(void *context, struct parcel__message *message)
{
    struct parcel__ranks *ranks = context;
    if (!parcel__messages_is_sound(message))
        return;
    switch (message->kind) {
    case PARCEL__SAYS_HELLO:
        hear_hello(ranks, message);
        return;
    case PARCEL__SAYS_LEAVE:
        hear_leave(ranks, message);
        return;
    case PARCEL__SAYS_BYE:
        if (ranks->has_left)
            ranks->has_left[message->rank] = true;
        return;
    case PARCEL__SAYS_DONE:
        ranks->is_done = true;
        return;
    case PARCEL__SAYS_FAREWELL:
        ranks->has_farewell = true;
        return;
    case PARCEL__SAYS_COMPARE:
        compare(ranks, message);
        return;
    case PARCEL__SAYS_COMPARED:
        parcel__messages_free(ranks->compared);
        ranks->compared = keep_copy(message);
        return;
    case PARCEL__SAYS_REFUSE:
    case PARCEL__SAYS_BEGIN:
        hear_answer(ranks, message);
        return;
    default:
        if (ranks->rank_run)
            ranks->handle(ranks->rank_run, message);
        else
            keep_early(ranks, message);
    }
}

void parcel__ranks_poll(struct parcel__ranks *ranks)
{
    parcel__post_poll(ranks->post, handle, ranks);
}

void parcel__ranks_flush(struct parcel__ranks *ranks)
{
    parcel__ranks_poll(ranks);
    for (unsigned n_idle = 0;
         !parcel__post_is_empty(ranks->post) || parcel__post_has_data(ranks->post); n_idle++) {
        parcel__ranks_pause(ranks, n_idle);
        parcel__ranks_poll(ranks);
    }
}

/* At first an instant, since the next message may be on its way; then longer and longer, since
 * another rank may compute on this cpu. Data move only while both sides look. */
void parcel__ranks_pause(const struct parcel__ranks *ranks, unsigned n_idle)
{
    enum { YIELDS = 20, SHORT = 2000, LONG = 4000 };
    if (n_idle < YIELDS || parcel__post_has_data(ranks->post))
        parcel__port_yield();
    else
        parcel__port_sleep(n_idle < SHORT ? 50e-6 : n_idle < LONG ? 200e-6 : 1e-3);
}

/* ---- opening and closing ---- */

static void *new_zeros(size_t size)
{
    void *memory = parcel__memory_new(size);
    return memory ? memset(memory, 0, size) : NULL;
}

static bool allocate(struct parcel__ranks *ranks)
{
    size_t n_ranks = (size_t)ranks->transport->n_ranks;
    if (ranks->transport->rank > 0)
        return true;
    ranks->hellos = new_zeros(n_ranks * sizeof *ranks->hellos);
    ranks->has_left = new_zeros(n_ranks * sizeof *ranks->has_left);
    return ranks->hellos && ranks->has_left;
}

static void free_ranks(struct parcel__ranks *ranks)
{
    for (int i = 0; ranks->hellos && i < ranks->transport->n_ranks; i++)
        parcel__memory_free(ranks->hellos[i].fault);
    parcel__messages_free(ranks->answer);
    parcel__messages_free(ranks->compared);
    while (ranks->early) {
        struct parcel__message *first = ranks->early;
        ranks->early = first->next;
        parcel__messages_free(first);
    }
    parcel__memory_free(ranks->hellos);
    parcel__memory_free(ranks->has_left);
    parcel__memory_free(ranks);
}

struct parcel__ranks *parcel__ranks_open(const struct parcel__transport *transport)
{
    struct parcel__ranks *ranks = parcel__memory_new(sizeof *ranks);
    if (!ranks)
        return NULL;
    *ranks = (struct parcel__ranks){
        .transport = transport,
        .process = getpid(),
        .fan_out = transport->fan_out > 0 ? transport->fan_out : FAN_OUT,
    };
    ranks->post = parcel__post_open(transport);
    if (ranks->post && allocate(ranks))
        return ranks;
    if (ranks->post)
        parcel__post_close(ranks->post);
    free_ranks(ranks);
    return NULL;
}

static bool all_have_left(const struct parcel__ranks *ranks)
{
    for (int i = 1; i < ranks->transport->n_ranks; i++)
        if (!ranks->has_left[i])
            return false;
    return true;
}

/* Ends the servers, and answers who is late until all have said good-bye. */
static void dismiss(struct parcel__ranks *ranks)
{
    int n_ranks = ranks->transport->n_ranks;
    ranks->is_closing = true;
    for (int i = 1; i < n_ranks; i++) {
        const struct parcel__hello *hello = &ranks->hellos[i];
        if (hello->serial > ranks->closed)
            answer_late(ranks, hello, i);
    }
    for (unsigned n_idle = 0; !all_have_left(ranks); n_idle++) {
        parcel__ranks_poll(ranks);
        parcel__ranks_pause(ranks, n_idle);
    }
    for (int i = 1; i < n_ranks; i++)
        parcel__post_tell(ranks->post, i, PARCEL__SAYS_FAREWELL, NULL, 0);
}

static void say_goodbye(struct parcel__ranks *ranks)
{
    parcel__post_tell(ranks->post, 0, PARCEL__SAYS_BYE, NULL, 0);
    for (unsigned n_idle = 0; !ranks->has_farewell; n_idle++) {
        parcel__ranks_poll(ranks);
        parcel__ranks_pause(ranks, n_idle);
    }
}

void parcel__ranks_close(struct parcel__ranks *ranks)
{
    if (!ranks)
        return;
    if (ranks->transport->rank == 0)
        dismiss(ranks);
    else
        say_goodbye(ranks);
    parcel__post_close(ranks->post);
    free_ranks(ranks);
}

/* Written by whoever initialises and finalises; release and acquire, so that a run finds the ranks
 * complete. */
static _Atomic(struct parcel__ranks *) used;
static _Atomic(const char *) why_not;

void parcel__ranks_use(struct parcel__ranks *ranks, const char *why)
{
    atomic_store_explicit(&why_not, why, memory_order_release);
    atomic_store_explicit(&used, ranks, memory_order_release);
}

struct parcel__ranks *parcel__ranks_used(const char **why)
{
    struct parcel__ranks *ranks = atomic_load_explicit(&used, memory_order_acquire);
    *why = atomic_load_explicit(&why_not, memory_order_acquire);
    if (!ranks && !*why)
        *why = "the program has not called parcel_mpi_init (parcel_mpi.h, -lparcel_mpi)";
    if (!ranks || ranks->process == getpid())
        return ranks;
    *why = "this process was forked from a rank, and is none itself";
    return NULL;
}

bool parcel__ranks_are_busy(const struct parcel__ranks *ranks)
{
    return ranks && atomic_load_explicit(&ranks->is_busy, memory_order_acquire);
}

bool parcel__ranks_claim(struct parcel__ranks *ranks)
{
    return !atomic_exchange_explicit(&ranks->is_busy, true, memory_order_acquire);
}

void parcel__ranks_let_go(struct parcel__ranks *ranks)
{
    atomic_store_explicit(&ranks->is_busy, false, memory_order_release);
}

/*
 * test_ranks.c: how ranks agree upon a run, and what they say to each other before and behind it.
 *
 * Where the order decides, one thread plays all ranks: it says by hand what the others would, and
 * rank 0 waits no time. Where all take part, ranks are threads, and what they say comes late.
 */
#include "suite.h"

#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls/calls.h"
#include "calls/digest.h"
#include "ground/memory.h"
#include "ground/port.h"
#include "ground/text.h"
#include "job/control.h"
#include "loopback.h"
#include "options/n_jobs.h"
#include "ranks/ranks.h"

enum { MOST_RANKS = 7, RUNS = 3, SETTINGS = 18 };

/* A timeout that nobody waits for: Check ends what hangs. */
static const double forever = 1e9;

/* ---- the tree ---- */

static struct parcel__ranks in_tree(struct parcel__transport *transport, int rank, int n_ranks,
                                    int fan_out)
{
    *transport = (struct parcel__transport){.rank = rank, .n_ranks = n_ranks};
    return (struct parcel__ranks){.transport = transport, .fan_out = fan_out};
}

/* Counts how often each rank is below another, whose child it then is. */
static void count_children(int *n_above, int n_ranks, int fan_out)
{
    struct parcel__transport transport;
    for (int rank = 0; rank < n_ranks; rank++) {
        const struct parcel__ranks ranks = in_tree(&transport, rank, n_ranks, fan_out);
        int first = parcel__ranks_first_child(&ranks), n = parcel__ranks_n_children(&ranks);
        ck_assert_int_ge(n, 0);
        ck_assert_int_le(n, fan_out);
        ck_assert_int_gt(first, rank);
        ck_assert_int_le(first + n, n_ranks);
        for (int child = first; child < first + n; child++) {
            const struct parcel__ranks below = in_tree(&transport, child, n_ranks, fan_out);
            ck_assert_int_eq(parcel__ranks_parent(&below), rank);
            n_above[child]++;
            transport.rank = rank;
        }
    }
}

START_TEST(each_rank_but_the_first_has_one_above_it)
{
    enum { MOST = 70 };
    static const int fan_outs[] = {1, 2, 3, 5, 32, 100};
    for (int n_ranks = 1; n_ranks <= MOST; n_ranks++) {
        int n_above[MOST] = {0};
        count_children(n_above, n_ranks, fan_outs[_i]);
        for (int rank = 0; rank < n_ranks; rank++)
            ck_assert_int_eq(n_above[rank], rank > 0);
    }
}
END_TEST

START_TEST(rank_0_hands_out_to_as_many_as_it_may)
{
    struct parcel__transport transport;
    const struct parcel__ranks ranks = in_tree(&transport, 0, 70, 32);
    ck_assert_int_eq(parcel__ranks_first_child(&ranks), 1);
    ck_assert_int_eq(parcel__ranks_n_children(&ranks), 32);
}
END_TEST

START_TEST(the_last_of_very_many_ranks_has_none_below_it)
{
    struct parcel__transport transport;
    const struct parcel__ranks ranks = in_tree(&transport, INT_MAX - 1, INT_MAX, 32);
    ck_assert_int_eq(parcel__ranks_n_children(&ranks), 0);
    ck_assert_int_eq(parcel__ranks_parent(&ranks), (INT_MAX - 2) / 32);
}
END_TEST

/* ---- ranks that one thread plays ---- */

static struct loopback *loopback;
static struct parcel__transport transports[MOST_RANKS]; /* whose functions a test may replace */
static struct parcel__ranks *group[MOST_RANKS];
static int n_in_group;

/* What is said is there at once. */
static void open_group(int n_ranks)
{
    loopback = loopback_open(
        &(struct loopback_options){.n_ranks = n_ranks, .fan_out = 2, .most_eager = SIZE_MAX});
    n_in_group = n_ranks;
    for (int i = 0; i < n_ranks; i++) {
        transports[i] = *loopback_transport(loopback, i);
        group[i] = parcel__ranks_open(&transports[i]);
        ck_assert_ptr_nonnull(group[i]);
    }
}

static void *close_rank(void *argument)
{
    parcel__ranks_close(argument);
    return NULL;
}

static void close_group(void)
{
    pthread_t threads[MOST_RANKS];
    for (int i = 0; i < n_in_group; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, close_rank, group[i]), 0);
    for (int i = 0; i < n_in_group; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(loopback_close(loopback), 0);
}

/* What rank says is there when this returns. */
static void say(int rank, int to, int kind, const void *bytes, size_t size)
{
    parcel__post_tell(group[rank]->post, to, kind, bytes, size);
    parcel__ranks_poll(group[rank]);
    ck_assert(parcel__post_is_empty(group[rank]->post));
}

/* The rank comes to a run, as parcel__ranks_join begins. */
static void come(int rank, unsigned serial, int role)
{
    const struct parcel__hello hello = {.serial = serial, .role = role};
    group[rank]->serial = serial;
    say(rank, 0, PARCEL__SAYS_HELLO, &hello, sizeof hello);
}

static void leave(int rank)
{
    const struct parcel__note note = {.serial = group[rank]->serial};
    say(rank, 0, PARCEL__SAYS_LEAVE, &note, sizeof note);
}

/* Why rank 0 refused the rank; NULL: it did not answer. */
static const char *refusal_of(int rank)
{
    parcel__ranks_poll(group[rank]);
    const struct parcel__message *answer = group[rank]->answer;
    if (!answer)
        return NULL;
    ck_assert_int_eq(answer->kind, PARCEL__SAYS_REFUSE);
    return parcel__messages_text(answer, sizeof(struct parcel__note));
}

/* Rank 0 comes to its next run, and has no calls. NULL: all ranks run; else why not. */
static const char *gather_within(double timeout)
{
    static char why[256];
    struct parcel__text error = {0};
    const struct parcel__hello own = {0};
    bool is_good = parcel__ranks_gather(group[0], &own, NULL,
                                        &(struct parcel__patience){.timeout = timeout}, &error);
    ck_assert(is_good == !error.bytes);
    snprintf(why, sizeof why, "%s", error.bytes ? error.bytes : "");
    parcel__text_free(&error);
    return is_good ? NULL : why;
}

static const char *gather(void)
{
    return gather_within(0);
}

/* ---- who comes to a run ---- */

START_TEST(ranks_that_do_not_come_are_named)
{
    static const struct {
        int n_ranks;
        const char *come; /* 'y': the rank comes */
        const char *why;
    } rows[] = {
        {2, " -", "rank 1 of 2 did not call Parallel within 0 s (mpi_timeout)"},
        {3, " --", "ranks 1 and 2 of 3 did not call Parallel within 0 s (mpi_timeout)"},
        {3, " y-", "rank 2 of 3 did not call Parallel within 0 s (mpi_timeout)"},
        {6, " -y---", "ranks 1, 3, 4 and 5 of 6 did not call Parallel within 0 s (mpi_timeout)"},
    };
    open_group(rows[_i].n_ranks);
    for (int i = 1; i < rows[_i].n_ranks; i++)
        if (rows[_i].come[i] == 'y')
            come(i, 1, PARCEL__LISTS);
    ck_assert_str_eq(gather(), rows[_i].why);
    for (int i = 1; i < rows[_i].n_ranks; i++) {
        if (rows[_i].come[i] == 'y')
            ck_assert_str_eq(refusal_of(i), rows[_i].why);
        else
            ck_assert_ptr_null(refusal_of(i));
    }
    close_group();
}
END_TEST

START_TEST(a_rank_that_comes_too_late_is_told_so)
{
    open_group(3);
    come(2, 1, PARCEL__LISTS);
    ck_assert_ptr_nonnull(gather());
    come(1, 1, PARCEL__LISTS);
    parcel__ranks_poll(group[0]);
    ck_assert_str_eq(refusal_of(1),
                     "rank 0 went on without this rank, which came too late (mpi_timeout)");
    come(1, 2, PARCEL__LISTS);
    come(2, 2, PARCEL__LISTS);
    ck_assert_ptr_null(gather());
    close_group();
}
END_TEST

START_TEST(a_rank_that_did_not_wait_for_rank_0_is_named_and_waits_for_its_next_run)
{
    open_group(3);
    come(1, 1, PARCEL__LISTS);
    come(2, 2, PARCEL__LISTS);
    ck_assert_str_eq(gather(), "rank 2 went on without rank 0, which came too late (mpi_timeout)");
    ck_assert_ptr_nonnull(refusal_of(1));
    ck_assert_ptr_null(refusal_of(2));
    come(1, 2, PARCEL__LISTS);
    ck_assert_ptr_null(gather());
    close_group();
}
END_TEST

/* It came, so it is not missing; and nobody waits for it, however long the others may take. */
START_TEST(a_rank_that_left_came_and_is_not_waited_for)
{
    static const char *const whys[] = {
        "rank 1 went on without rank 0, which came too late (mpi_timeout)",
        "rank 2 of 3 did not call Parallel, and rank 1 did not wait longer (mpi_timeout)"};
    open_group(2 + _i);
    come(1, 1, PARCEL__LISTS);
    leave(1);
    ck_assert_str_eq(gather_within(forever), whys[_i]);
    ck_assert_str_eq(refusal_of(1), whys[_i]); /* if it listens still */
    for (int i = 1; i < n_in_group; i++)
        come(i, 2, PARCEL__LISTS);
    ck_assert_ptr_null(gather());
    close_group();
}
END_TEST

/* ---- what stops a run before it begins ---- */

enum stopper { BY_TOKEN, BY_SIGNAL, BY_DEADLINE, N_STOPPERS };

static parcel_token token;

/* A control that is stopped so now. */
static void open_stopped(struct parcel__control *control, struct parcel__limits *limits,
                         enum stopper stopper)
{
    *limits = (struct parcel__limits){.cancel = stopper == BY_TOKEN ? &token : NULL,
                                      .handles_signals = stopper == BY_SIGNAL,
                                      .deadline = stopper == BY_DEADLINE ? 1e-9 : 0};
    parcel_cancel(&token);
    ck_assert(parcel__control_open(control, limits, 0, NULL));
    if (stopper == BY_SIGNAL)
        raise(SIGTERM);
    while (parcel__control_due(control) == PARCEL__GOES_ON)
        parcel__port_yield();
}

static const char *const stops[N_STOPPERS] = {
    [BY_TOKEN] = "cancelled by its token: 0 of 0 calls had run",
    [BY_SIGNAL] = "cancelled by SIGTERM: 0 of 0 calls had run",
    [BY_DEADLINE] = "the deadline of 1e-09 s had passed: 0 of 0 calls had run"};

static const struct parcel__note *note_to(int rank)
{
    return (const void *)group[rank]->answer->bytes;
}

/* Rank 2 never comes, or late. */
START_TEST(rank_0_that_is_stopped_waits_for_nobody)
{
    struct parcel__control control;
    struct parcel__limits limits;
    struct parcel__text error = {0};
    const struct parcel__hello own = {0};
    open_group(3);
    open_stopped(&control, &limits, (enum stopper)_i);
    come(1, 1, PARCEL__LISTS);
    const struct parcel__patience patience = {forever, &control};
    ck_assert(!parcel__ranks_gather(group[0], &own, NULL, &patience, &error));
    ck_assert_str_eq(error.bytes, stops[_i]);
    ck_assert_str_eq(refusal_of(1), stops[_i]);
    come(2, 1, PARCEL__LISTS);
    parcel__ranks_poll(group[0]);
    ck_assert_str_eq(refusal_of(2), stops[_i]);
    for (int i = 1; i < 3; i++) {
        ck_assert_int_eq(note_to(i)->reason, (int)parcel__control_reason(&control));
        if (_i == BY_SIGNAL || suite_forks()) /* else an earlier test's signal is told */
            ck_assert_int_eq(note_to(i)->signal, _i == BY_SIGNAL ? SIGTERM : 0);
    }
    parcel__control_close(&control);
    parcel__text_free(&error);
    close_group();
}
END_TEST

/* Rank 1 is stopped before it comes, or while it waits; rank 0 comes then, and rank 2 later. */
START_TEST(another_rank_that_is_stopped_stops_all)
{
    struct parcel__control control, control_of_0;
    struct parcel__limits limits, none = {.cancel = NULL};
    struct parcel__text error = {0}, error_of_0 = {0};
    const struct parcel__hello own = {0};
    open_group(3);
    open_stopped(&control, &limits, (enum stopper)_i);
    ck_assert(parcel__control_open(&control_of_0, &none, 0, NULL));
    const struct parcel__patience patience = {forever, &control};
    ck_assert_ptr_null(parcel__ranks_join(group[1], &own, NULL, &patience, &error));
    ck_assert_str_eq(error.bytes, stops[_i]);
    const struct parcel__patience patience_of_0 = {forever, &control_of_0};
    ck_assert(!parcel__ranks_gather(group[0], &own, NULL, &patience_of_0, &error_of_0));
    ck_assert_int_eq(parcel__control_reason(&control_of_0), parcel__control_reason(&control));
    ck_assert_str_eq(error_of_0.bytes, stops[_i]); /* also a deadline that rank 0 does not have */
    come(2, 1, PARCEL__LISTS);
    parcel__ranks_poll(group[0]);
    ck_assert_str_eq(refusal_of(2), error_of_0.bytes);
    for (int i = 1; i < n_in_group; i++)
        come(i, 2, PARCEL__LISTS);
    ck_assert_ptr_null(gather()); /* the next run is as any other */
    parcel__control_close(&control);
    parcel__control_close(&control_of_0);
    parcel__text_free(&error);
    parcel__text_free(&error_of_0);
    close_group();
}
END_TEST

START_TEST(ranks_wait_until_one_of_them_leaves)
{
    open_group(3);
    come(1, 1, PARCEL__LISTS);
    come(2, 1, PARCEL__LISTS);
    ck_assert_ptr_null(gather());
    ck_assert(parcel__ranks_are_waiting(group[0]));
    leave(2);
    ck_assert(!parcel__ranks_are_waiting(group[0]));
    parcel__ranks_refuse(group[0], "too late");
    ck_assert_str_eq(refusal_of(1), "too late");
    ck_assert_str_eq(refusal_of(2), "too late"); /* if it listens still */
    close_group();
}
END_TEST

START_TEST(a_rank_that_ended_is_not_waited_for)
{
    static const char why[] = "rank 1 of 3 did not call Parallel, and ended MPI instead";
    open_group(3);
    say(1, 0, PARCEL__SAYS_BYE, NULL, 0);
    ck_assert_str_eq(gather_within(forever), why);
    come(2, 1, PARCEL__LISTS); /* it was on its way */
    parcel__ranks_poll(group[0]);
    ck_assert_str_eq(refusal_of(2), why);
    come(2, 2, PARCEL__LISTS);
    ck_assert_str_eq(gather_within(forever), why);
    ck_assert_str_eq(refusal_of(2), why);
    close_group();
}
END_TEST

START_TEST(a_fault_of_a_rank_is_told_to_all)
{
    static const char *const faults[][3] = {
        {"", "", "no memory"}, {"", "no memory", "no calls"}, {"no calls", "no memory", ""}};
    static const char *const whys[] = {"rank 2: no memory", "rank 1: no memory", "no calls"};
    struct parcel__text error = {0};
    open_group(3);
    for (int i = 1; i < 3; i++) {
        const struct parcel__hello hello = {.serial = 1, .cannot_run = *faults[_i][i] != '\0'};
        group[i]->serial = 1;
        parcel__messages_tell(group[i]->post, 0, PARCEL__SAYS_HELLO, &hello, sizeof hello,
                              faults[_i][i]);
        parcel__ranks_poll(group[i]);
    }
    const struct parcel__hello own = {.cannot_run = *faults[_i][0] != '\0',
                                      .fault = (char *)faults[_i][0]};
    ck_assert(!parcel__ranks_gather(group[0], &own, NULL, &(struct parcel__patience){0}, &error));
    ck_assert_str_eq(error.bytes, whys[_i]);
    ck_assert_str_eq(refusal_of(1), whys[_i]);
    ck_assert_str_eq(refusal_of(2), whys[_i]);
    parcel__text_free(&error);
    close_group();
}
END_TEST

/* ---- who waits for rank 0 ---- */

/* What a rank that lists its calls, and has none, hears; "": there is a run, which it joins. */
static const char *join(int rank, int role, double timeout)
{
    static _Thread_local char why[256];
    struct parcel__text error = {0};
    const struct parcel__hello own = {.role = role};
    struct parcel__terms *terms = parcel__ranks_join(
        group[rank], &own, NULL, &(struct parcel__patience){.timeout = timeout}, &error);
    snprintf(why, sizeof why, "%s", error.bytes ? error.bytes : "");
    ck_assert(!terms || !*why);
    parcel__memory_free(terms);
    parcel__text_free(&error);
    return why;
}

START_TEST(who_waits_in_vain_for_rank_0_leaves)
{
    open_group(2);
    ck_assert_str_eq(join(1, PARCEL__LISTS, 0),
                     "rank 0 did not answer within 0 s (mpi_timeout): it did not call Parallel, or "
                     "waits for another rank");
    ck_assert_str_eq(gather(), "rank 1 went on without rank 0, which came too late (mpi_timeout)");
    close_group();
}
END_TEST

static struct parcel__transfer *(*send_as_usual)(void *state, int to, int kind, const void *bytes,
                                                 size_t size);

/* Rank 0 answers just before it hears that rank 1 leaves. */
static struct parcel__transfer *send_across(void *state, int to, int kind, const void *bytes,
                                            size_t size)
{
    if (kind == PARCEL__SAYS_LEAVE)
        ck_assert_ptr_null(gather());
    if (kind == PARCEL__SAYS_LEAVE)
        parcel__ranks_refuse(group[0], "rank 0 thought otherwise");
    return send_as_usual(state, to, kind, bytes, size);
}

START_TEST(an_answer_that_crosses_a_leave_holds)
{
    open_group(2);
    send_as_usual = transports[1].send;
    transports[1].send = send_across;
    ck_assert_str_eq(join(1, PARCEL__LISTS, 0), "rank 0 thought otherwise");
    close_group();
}
END_TEST

START_TEST(an_answer_to_a_run_before_is_ignored)
{
    open_group(2);
    come(1, 1, PARCEL__LISTS);
    leave(1);
    come(1, 2, PARCEL__LISTS);
    const struct parcel__note before = {.serial = 1}, now = {.serial = 2};
    say(0, 1, PARCEL__SAYS_REFUSE, &before, sizeof before);
    parcel__ranks_poll(group[1]);
    ck_assert_ptr_null(group[1]->answer);
    say(0, 1, PARCEL__SAYS_REFUSE, &now, sizeof now);
    parcel__ranks_poll(group[1]);
    ck_assert_ptr_nonnull(group[1]->answer);
    close_group();
}
END_TEST

START_TEST(a_refusal_that_lost_its_text_speaks_of_memory)
{
    static const char unended[] = {'n', 'o'};
    const struct parcel__note note = {.serial = 1};
    unsigned char bytes[sizeof note + sizeof unended];
    open_group(2);
    memcpy(bytes, &note, sizeof note);
    memcpy(bytes + sizeof note, unended, sizeof unended);
    say(0, 1, PARCEL__SAYS_REFUSE, bytes, _i == 0 ? sizeof note : sizeof bytes);
    ck_assert_str_eq(join(1, PARCEL__LISTS, forever), "rank 0 is out of memory");
    close_group();
}
END_TEST

START_TEST(terms_that_are_cut_off_are_no_answer)
{
    open_group(2);
    come(1, 1, PARCEL__LISTS);
    ck_assert_ptr_null(gather());
    struct parcel__terms *terms = parcel__terms_new(group[0], 0);
    for (size_t size = 0; size < parcel__terms_size(terms->n_ranks); size++)
        say(0, 1, PARCEL__SAYS_BEGIN, terms, size);
    parcel__ranks_poll(group[1]);
    ck_assert_ptr_null(group[1]->answer);
    parcel__terms_announce(group[0], terms);
    parcel__ranks_poll(group[1]);
    ck_assert_ptr_nonnull(group[1]->answer);
    parcel__memory_free(terms);
    close_group();
}
END_TEST

/* ---- the terms ---- */

static void begin_to_say(struct parcel__hello *hello, const struct parcel__ranks *ranks,
                         const parcel_calls *calls)
{
    parcel__ranks_introduce(ranks, hello);
    hello->count = parcel_calls_count(calls);
    hello->digest = parcel__digest_calls(calls, 0, hello->count);
}

/* The rank's part in a run of these calls. NULL: there is none. */
static struct parcel__terms *take_part(struct parcel__ranks *ranks, const struct parcel__hello *own,
                                       const parcel_calls *calls, struct parcel__text *error)
{
    if (ranks->transport->rank > 0)
        return parcel__ranks_join(ranks, own, calls, &(struct parcel__patience){.timeout = forever},
                                  error);
    if (!parcel__ranks_gather(ranks, own, calls, &(struct parcel__patience){.timeout = forever},
                              error))
        return NULL;
    struct parcel__terms *terms = parcel__terms_new(ranks, 0);
    ck_assert_ptr_nonnull(terms);
    terms->policy.batch_size = 100 + ranks->serial;
    parcel__terms_announce(ranks, terms);
    return terms;
}

static struct loopback_options options_at(int number)
{
    static const int n_ranks[] = {7, 4, 2}, fan_outs[] = {1, 2, 0};
    return (struct loopback_options){.n_ranks = n_ranks[number % 3],
                                     .fan_out = fan_outs[number / 3 % 3],
                                     .most_eager = number % 2 ? SIZE_MAX : 64,
                                     .seed = (unsigned)number};
}

static void check_terms(const struct parcel__terms *terms, const struct parcel__ranks *ranks,
                        unsigned serial)
{
    char host[32];
    ck_assert_ptr_nonnull(terms);
    ck_assert_uint_eq(terms->serial, serial);
    ck_assert_uint_eq(terms->policy.batch_size, 100 + serial);
    ck_assert_int_eq(terms->n_ranks, ranks->transport->n_ranks);
    ck_assert(!terms->sends_calls);
    for (int i = 0; i < terms->n_ranks; i++) {
        snprintf(host, sizeof host, "host-%d", i / 2);
        ck_assert_str_eq(terms->parts[i].host, host);
        ck_assert_int_eq(terms->parts[i].n_workers, i + 1);
        ck_assert_int_eq(parcel__terms_first_worker(terms, i), i * (i + 1) / 2);
    }
}

static void come_to_some_runs(struct parcel__ranks *ranks, void *state)
{
    (void)state;
    parcel_calls *calls = squares(5);
    for (unsigned serial = 1; serial <= RUNS; serial++) {
        struct parcel__text error = {0};
        struct parcel__hello own;
        begin_to_say(&own, ranks, calls);
        own.n_cpus = ranks->transport->rank + 1;
        own.n_most = MOST_RANKS;
        struct parcel__terms *terms = take_part(ranks, &own, calls, &error);
        check_terms(terms, ranks, serial);
        parcel__memory_free(terms);
        parcel__text_free(&error);
    }
    parcel_calls_free(calls);
}

START_TEST(all_ranks_get_the_same_terms)
{
    const struct loopback_options options = options_at(_i);
    loopback_run(&options, come_to_some_runs, NULL);
}
END_TEST

START_TEST(a_rank_has_as_many_workers_as_were_asked_for_and_it_can_have)
{
    static const struct {
        int n_jobs, n_cpus, n_most, expected;
    } rows[] = {
        {0, 4, 100, 4},  {0, 4, 3, 3},    {6, 4, 100, 6},  {6, 4, 5, 5},
        {-1, 4, 100, 4}, {-2, 4, 100, 3}, {-9, 4, 100, 1}, {2, 4, 0, 1},
    };
    open_group(1);
    ck_assert_ptr_null(gather());
    group[0]->hellos[0] =
        (struct parcel__hello){.serial = 1, .n_cpus = rows[_i].n_cpus, .n_most = rows[_i].n_most};
    struct parcel__terms *terms = parcel__terms_new(group[0], rows[_i].n_jobs);
    ck_assert_int_eq(terms->parts[0].n_workers, rows[_i].expected);
    parcel__memory_free(terms);
    close_group();
}
END_TEST

/* Calls are sent to all when there is one that has not got them, or generates them. */
START_TEST(calls_are_sent_when_a_rank_has_no_list)
{
    static const int roles[][2] = {{PARCEL__LISTS, PARCEL__LISTS},
                                   {PARCEL__LISTS, PARCEL__SERVES},
                                   {PARCEL__SERVES, PARCEL__LISTS},
                                   {PARCEL__SERVES, PARCEL__SERVES}};
    open_group(3);
    come(1, 1, roles[_i][0]);
    come(2, 1, roles[_i][1]);
    ck_assert_ptr_null(gather());
    struct parcel__terms *terms = parcel__terms_new(group[0], 0);
    ck_assert(terms->sends_calls == (_i > 0));
    ck_assert(parcel__ranks_have_server(group[0]) == (_i > 0));
    parcel__memory_free(terms);
    close_group();
}
END_TEST

START_TEST(ranks_of_one_host_share_its_cpus)
{
    struct parcel__hello hello;
    open_group(2);
    int n_cpus = parcel_cpu_count(), n_shared = n_cpus > 1 ? n_cpus / 2 : 1;
    bool is_bound = n_cpus < parcel__port_online_cpus();
    parcel__ranks_introduce(group[1], &hello);
    ck_assert_int_eq(hello.n_cpus, is_bound ? n_cpus : n_shared);
    ck_assert_int_eq(hello.n_allowed, n_cpus);
    ck_assert_str_eq(hello.host, "host-0");
    transports[1].n_here = 1;
    parcel__ranks_introduce(group[1], &hello);
    ck_assert_int_eq(hello.n_cpus, n_cpus);
    transports[1].n_alike = 2; /* the same cpus of a larger host */
    parcel__ranks_introduce(group[1], &hello);
    int n_alike = parcel__n_jobs_cpus().affinity / 2;
    n_alike = n_alike > 0 ? n_alike : 1;
    ck_assert_int_eq(hello.n_cpus, n_alike < n_cpus ? n_alike : n_cpus);
    transports[1].n_alike = 1 << 20;
    parcel__ranks_introduce(group[1], &hello);
    ck_assert_int_eq(hello.n_cpus, 1);
    transports[1].n_alike = 1;
    transports[1].n_here = 1 << 20;
    parcel__ranks_introduce(group[1], &hello);
    ck_assert_int_eq(hello.n_cpus, is_bound ? n_cpus : 1);
    close_group();
}
END_TEST

START_TEST(a_rank_with_fewer_cpus_than_workers_is_warned_of)
{
    struct parcel__text text = {0};
    open_group(3);
    transports[0].note = "a note\n";
    come(1, 1, PARCEL__LISTS);
    come(2, 1, PARCEL__LISTS);
    ck_assert_ptr_null(gather());
    for (int i = 0; i < 3; i++)
        group[0]->hellos[i] = (struct parcel__hello){
            .serial = 1, .n_cpus = 2, .n_most = 9, .n_allowed = i < 3 - _i ? 2 : 1, .host = "h"};
    struct parcel__terms *terms = parcel__terms_new(group[0], 2);
    parcel__terms_put_warnings(group[0], terms, &text);
    if (_i == 0)
        ck_assert_str_eq(text.bytes, "a note\n");
    if (_i == 1)
        ck_contains(text.bytes, "a note\nrank 2 on h may use 1 cpu for 2 workers: ");
    if (_i == 2)
        ck_contains(text.bytes, "a note\nrank 1 on h (and 1 more) may use 1 cpu for 2 workers: ");
    parcel__memory_free(terms);
    parcel__text_free(&text);
    close_group();
}
END_TEST

/* ---- are the lists the same? ---- */

/* What one rank has, and all say. */
struct difference {
    struct loopback_options options;
    int rank; /* that has something else */
    size_t count;
    size_t count_there;
    size_t place; /* of the call that differs there, or SIZE_MAX */
    bool generates;
    char why[256];
};

static void come_with_others(struct parcel__ranks *ranks, void *state)
{
    const struct difference *difference = state;
    struct parcel__text error = {0};
    struct parcel__hello own;
    bool is_other = ranks->transport->rank == difference->rank;
    size_t count = is_other ? difference->count_there : difference->count;
    parcel_calls *calls = parcel_calls_new();
    for (size_t i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(square)(is_other && i == difference->place ? 77 : (int)i));
    begin_to_say(&own, ranks, calls);
    own.role = is_other && difference->generates ? PARCEL__GENERATES : PARCEL__LISTS;
    ck_assert_ptr_null(take_part(ranks, &own, calls, &error));
    ck_assert_str_eq(error.bytes, difference->why);
    parcel__text_free(&error);
    parcel_calls_free(calls);
}

START_TEST(the_first_call_that_differs_is_found)
{
    for (size_t count = 1; count < 10; count++) {
        struct difference difference = {.options = options_at(_i), .count = count};
        difference.rank = difference.options.n_ranks - 1;
        difference.count_there = count;
        difference.place = (size_t)_i % count;
        snprintf(difference.why, sizeof difference.why,
                 "the lists differ: call %zu is square(%zu) on rank 0 and square(77) on rank %d",
                 difference.place, difference.place, difference.rank);
        loopback_run(&difference.options, come_with_others, &difference);
    }
}
END_TEST

START_TEST(lists_of_different_length_are_refused)
{
    struct difference difference = {.options = options_at(_i),
                                    .rank = 1,
                                    .count = _i % 2 ? 3 : 1,
                                    .count_there = 2,
                                    .place = SIZE_MAX};
    snprintf(difference.why, sizeof difference.why,
             "the lists differ: %s on rank 0, 2 calls on rank 1", _i % 2 ? "3 calls" : "1 call");
    loopback_run(&difference.options, come_with_others, &difference);
}
END_TEST

/* ---- calls that are printed alike ---- */

static int take_value(parcel_value value)
{
    return value.tag;
}
DELAYED(int, take_value, parcel_value);

static int take_array(parcel_array array)
{
    return (int)array.count;
}
DELAYED(int, take_array, parcel_array);

static int take_text(const char *text)
{
    return *text;
}
DELAYED(int, take_text, const char *);

static int ints[1001];
static long longs[1001];
static char text_a[1001], text_b[1001];

/* What rank 0 has, and what rank 1 has. */
static void add_alike(parcel_calls *calls, int i, bool is_other)
{
    if (i == 0)
        parcel_calls_add(
            calls, delayed(take_value)(is_other ? parcel_value_double(1) : parcel_value_int(1)));
    else if (i == 1)
        parcel_calls_add(
            calls, delayed(take_value)(is_other ? parcel_value_uint(1) : parcel_value_int(1)));
    else if (i == 2)
        parcel_calls_add(
            calls, delayed(take_array)(is_other ? parcel_array(longs, 3) : parcel_array(ints, 3)));
    else if (i == 3)
        parcel_calls_add(calls, delayed(take_array)(parcel_array(ints, is_other ? 1001 : 1000)));
    else
        parcel_calls_add(calls, delayed(take_text)(is_other ? text_a : text_b));
}

static const char *const alike[][2] = {
    {"take_value(1: integer)", "take_value(1: double)"},
    {"take_value(1: integer)", "take_value(1: unsigned integer)"},
    {"take_array([0, 0, 0]: int[3])", "take_array([0, 0, 0]: long[3])"},
    {": int[1000])", ": int[1001])"},
    {"...: string) on rank 0", "...: string) on rank 1, which differ in what is not shown"},
};

static void come_with_alike(struct parcel__ranks *ranks, void *state)
{
    int i = *(const int *)state;
    struct parcel__text error = {0};
    struct parcel__hello own;
    parcel_calls *calls = parcel_calls_new();
    add_alike(calls, i, ranks->transport->rank == 1);
    begin_to_say(&own, ranks, calls);
    ck_assert_ptr_null(take_part(ranks, &own, calls, &error));
    ck_contains(error.bytes, "the lists differ: call 0 is take_");
    ck_contains(error.bytes, alike[i][0]);
    ck_contains(error.bytes, alike[i][1]);
    parcel__text_free(&error);
    parcel_calls_free(calls);
}

START_TEST(calls_that_are_printed_alike_are_told_apart)
{
    int i = _i;
    const struct loopback_options options = options_at(2);
    memset(text_a, 'a', sizeof text_a - 1);
    memset(text_b, 'a', sizeof text_b - 1);
    text_b[1000 - 1] = 'b';
    loopback_run(&options, come_with_alike, &i);
}
END_TEST

START_TEST(a_list_and_generated_calls_differ)
{
    struct difference difference = {.options = options_at(_i),
                                    .rank = 1,
                                    .count = 2,
                                    .count_there = 2,
                                    .place = SIZE_MAX,
                                    .generates = true,
                                    .why = "the lists differ: 2 calls on rank 0, generated calls "
                                           "on rank 1"};
    loopback_run(&difference.options, come_with_others, &difference);
}
END_TEST

/* Rank 1 is asked, and leaves, or comes to another run, too. */
struct departure {
    bool comes_again;
    bool is_asked;
};

static void leave_when_asked(void *context, struct parcel__message *message)
{
    struct departure *departure = context;
    const struct parcel__note note = {.serial = 1};
    const struct parcel__hello next = {.serial = 2};
    if (departure->is_asked) /* rank 0 was quick, and says what became of the run */
        return;
    ck_assert_int_eq(message->kind, PARCEL__SAYS_COMPARE);
    departure->is_asked = true;
    parcel__post_tell(group[1]->post, 0, PARCEL__SAYS_LEAVE, &note, sizeof note);
    if (departure->comes_again)
        parcel__post_tell(group[1]->post, 0, PARCEL__SAYS_HELLO, &next, sizeof next);
}

/* Rank 0, with two calls that are not rank 1's. */
static void *gather_others(void *argument)
{
    struct parcel__text error = {0};
    struct parcel__hello own;
    parcel_calls *calls = argument;
    begin_to_say(&own, group[0], calls);
    ck_assert(!parcel__ranks_gather(group[0], &own, calls,
                                    &(struct parcel__patience){.timeout = forever}, &error));
    ck_assert_str_eq(error.bytes, "the lists differ");
    parcel__text_free(&error);
    return NULL;
}

START_TEST(a_rank_that_leaves_while_it_is_asked_is_not_waited_for)
{
    const struct parcel__hello hello = {.serial = 1, .count = 2};
    struct departure departure = {.comes_again = _i == 1};
    parcel_calls *calls = squares(2);
    pthread_t thread;
    open_group(2);
    say(1, 0, PARCEL__SAYS_HELLO, &hello, sizeof hello);
    ck_assert_int_eq(pthread_create(&thread, NULL, gather_others, calls), 0);
    while (!departure.is_asked)
        parcel__post_poll(group[1]->post, leave_when_asked, &departure);
    pthread_join(thread, NULL);
    parcel_calls_free(calls);
    close_group();
}
END_TEST

/* Of another run, or when the rank waits no longer. */
START_TEST(a_question_out_of_date_is_not_answered)
{
    const struct parcel__comparison question = {.serial = _i == 0 ? 1 : 2, .high = 1};
    parcel_calls *calls = squares(1);
    open_group(2);
    group[1]->serial = 2;
    group[1]->calls = _i == 2 ? NULL : calls;
    say(0, 1, PARCEL__SAYS_COMPARE, &question, sizeof question);
    parcel__ranks_poll(group[1]);
    parcel__ranks_poll(group[0]);
    ck_assert((group[0]->compared != NULL) == (_i == 1));
    group[1]->calls = NULL;
    parcel_calls_free(calls);
    close_group();
}
END_TEST

/* ---- ranks that come to more runs than others, and the end ---- */

/* What the others hear when rank 0 ends. */
struct finale {
    int role;
    int n_more; /* runs that the others come to */
    const char *why;
};

static void come_once_more(struct parcel__ranks *ranks, void *state)
{
    const struct finale *finale = state;
    come_to_some_runs(ranks, NULL);
    for (int i = 0; ranks->transport->rank > 0 && i < finale->n_more; i++) {
        struct parcel__text error = {0};
        const struct parcel__hello own = {.role = finale->role};
        ck_assert_ptr_null(parcel__ranks_join(
            ranks, &own, NULL, &(struct parcel__patience){.timeout = forever}, &error));
        ck_assert_str_eq(error.bytes ? error.bytes : "", finale->why);
        parcel__text_free(&error);
    }
}

START_TEST(ranks_that_come_to_a_run_behind_the_last_are_told)
{
    const struct loopback_options options = options_at(_i);
    struct finale finale = {PARCEL__LISTS, 2,
                            "rank 0 has ended its part in MPI, and runs no more calls"};
    loopback_run(&options, come_once_more, &finale);
}
END_TEST

START_TEST(ranks_that_serve_are_done_without_an_error)
{
    const struct loopback_options options = options_at(_i);
    struct finale finale = {PARCEL__SERVES, 2, ""};
    loopback_run(&options, come_once_more, &finale);
}
END_TEST

/* How many messages of a kind a rank has found. */
static bool (*probe_as_usual)(void *state, struct parcel__envelope *envelope);
static int counted_kind, n_counted;

static bool probe_and_count(void *state, struct parcel__envelope *envelope)
{
    bool is_there = probe_as_usual(state, envelope);
    n_counted += is_there && envelope->kind == counted_kind;
    return is_there;
}

static void count_messages(int rank, int kind)
{
    probe_as_usual = transports[rank].probe;
    transports[rank].probe = probe_and_count;
    counted_kind = kind;
    n_counted = 0;
}

START_TEST(rank_0_waits_for_all_good_byes)
{
    open_group(4);
    count_messages(0, PARCEL__SAYS_BYE);
    close_group();
    ck_assert_int_eq(n_counted, 3);
}
END_TEST

START_TEST(the_others_wait_for_rank_0s_last_message)
{
    pthread_t thread;
    open_group(2);
    count_messages(1, PARCEL__SAYS_FAREWELL);
    ck_assert_int_eq(pthread_create(&thread, NULL, close_rank, group[1]), 0);
    while (!group[0]->has_left[1])
        parcel__ranks_poll(group[0]);
    parcel__ranks_close(group[0]);
    pthread_join(thread, NULL);
    ck_assert_int_eq(n_counted, 1);
    ck_assert_uint_eq(loopback_close(loopback), 0);
}
END_TEST

START_TEST(no_ranks_are_closed_without_effect)
{
    parcel__ranks_close(NULL);
    ck_assert(!parcel__ranks_are_busy(NULL));
    open_group(1);
    ck_assert(!parcel__ranks_are_busy(group[0]));
    atomic_store(&group[0]->is_busy, true);
    ck_assert(parcel__ranks_are_busy(group[0]));
    close_group();
}
END_TEST

/* ---- messages of runs ---- */

static void pass_on_a_number(struct parcel__ranks *ranks, void *state)
{
    const int number = 77;
    int rank = ranks->transport->rank;
    (void)state;
    while (rank > 0 && !ranks->early)
        parcel__ranks_poll(ranks);
    if (rank > 0) {
        ck_assert_int_eq(ranks->early->rank, parcel__ranks_parent(ranks));
        ck_assert_int_eq(ranks->early->kind, PARCEL__SAYS_RECALL);
        ck_assert_uint_eq(ranks->early->size, sizeof number);
        ck_assert_mem_eq(ranks->early->bytes, &number, sizeof number);
    }
    parcel__ranks_pass_on(ranks, PARCEL__SAYS_RECALL, &number, sizeof number);
    parcel__ranks_flush(ranks);
    ck_assert(parcel__post_is_empty(ranks->post));
    ck_assert(!ranks->early || !ranks->early->next);
}

START_TEST(what_is_passed_on_comes_to_each_rank_once)
{
    const struct loopback_options options = options_at(_i);
    loopback_run(&options, pass_on_a_number, NULL);
}
END_TEST

struct parcel__rank_run {
    int n_heard;
    size_t last_offer;
};

static void hear(struct parcel__rank_run *rank_run, struct parcel__message *message)
{
    struct parcel__wish wish;
    ck_assert_int_eq(message->kind, PARCEL__SAYS_WANT);
    memcpy(&wish, message->bytes, sizeof wish);
    rank_run->n_heard++;
    rank_run->last_offer = wish.offer;
}

static void say_wish(size_t offer)
{
    const struct parcel__wish wish = {offer};
    say(0, 1, PARCEL__SAYS_WANT, &wish, sizeof wish);
}

START_TEST(messages_of_a_run_that_has_not_begun_are_kept_in_order)
{
    enum { EARLY = 20 };
    struct parcel__rank_run rank_run = {0};
    size_t n_kept = 0;
    open_group(2);
    for (size_t i = 0; i < EARLY; i++)
        say_wish(i);
    parcel__ranks_poll(group[1]);
    group[1]->rank_run = &rank_run;
    group[1]->handle = hear;
    say_wish(EARLY);
    parcel__ranks_poll(group[1]);
    group[1]->rank_run = NULL;
    ck_assert_int_eq(rank_run.n_heard, 1);
    ck_assert_uint_eq(rank_run.last_offer, EARLY);
    for (struct parcel__message *message = group[1]->early; message; message = message->next) {
        struct parcel__wish wish;
        memcpy(&wish, message->bytes, sizeof wish);
        ck_assert_uint_eq(wish.offer, n_kept++);
    }
    ck_assert_uint_eq(n_kept, EARLY);
    close_group();
}
END_TEST

/* Of each kind, the least that it has. */
static const struct {
    int kind;
    size_t least;
} sizes[] = {
    {PARCEL__SAYS_HELLO, sizeof(struct parcel__hello)},
    {PARCEL__SAYS_LEAVE, sizeof(struct parcel__note)},
    {PARCEL__SAYS_BYE, 0},
    {PARCEL__SAYS_DONE, 0},
    {PARCEL__SAYS_FAREWELL, 0},
    {PARCEL__SAYS_COMPARE, sizeof(struct parcel__comparison)},
    {PARCEL__SAYS_COMPARED, sizeof(struct parcel__comparison)},
    {PARCEL__SAYS_REFUSE, sizeof(struct parcel__note)},
    {PARCEL__SAYS_BEGIN, sizeof(struct parcel__note)},
    {PARCEL__SAYS_WORK, sizeof(struct parcel__work)},
    {PARCEL__SAYS_RECALL, 0},
    {PARCEL__SAYS_HALT, sizeof(struct parcel__stopped)},
    {PARCEL__SAYS_ALLOWED, sizeof(struct parcel__allowed)},
    {PARCEL__SAYS_END, sizeof(struct parcel__end)},
    {PARCEL__SAYS_ALL_RESULTS, sizeof(struct parcel__all_results)},
    {PARCEL__SAYS_RESULTS, 0},
    {PARCEL__SAYS_NOT_RUN, sizeof(struct parcel__unrun)},
    {PARCEL__SAYS_RETURN, sizeof(struct parcel__unrun)},
    {PARCEL__SAYS_STOPPED, sizeof(struct parcel__stopped)},
    {PARCEL__SAYS_WANT, sizeof(struct parcel__wish)},
    {PARCEL__SAYS_DROP, sizeof(struct parcel__wish)},
};

static bool is_sound(int kind, size_t size)
{
    return parcel__messages_is_sound(&(struct parcel__message){.kind = kind, .size = size});
}

START_TEST(a_message_is_sound_when_it_has_what_its_kind_has)
{
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        ck_assert(is_sound(sizes[i].kind, sizes[i].least));
        ck_assert(is_sound(sizes[i].kind, sizes[i].least + 1));
        for (size_t size = 0; size < sizes[i].least; size++)
            ck_assert(!is_sound(sizes[i].kind, size));
    }
}
END_TEST

START_TEST(a_message_of_no_known_kind_is_not_sound)
{
    static const int kinds[] = {INT_MIN, -1, 0, PARCEL__SAYS_DROP + 1, 32767, INT_MAX};
    for (size_t i = 0; i < LENGTH(kinds); i++)
        ck_assert(!is_sound(kinds[i], SIZE_MAX));
}
END_TEST

/* To the other one of two ranks. */
static void say_zeros(int rank, int kind, size_t size)
{
    static const unsigned char zeros[1000];
    ck_assert_uint_le(size, sizeof zeros);
    say(rank, 1 - rank, kind, zeros, size);
}

/* Both ranks tell each other what is cut off; a rank that came has come, and no more happens. */
START_TEST(unsound_messages_change_nothing)
{
    open_group(2);
    come(1, 1, PARCEL__LISTS);
    for (size_t i = 0; i < LENGTH(sizes); i++)
        for (int rank = 0; rank < 2 && sizes[i].least > 0; rank++)
            say_zeros(rank, sizes[i].kind, sizes[i].least - 1);
    for (int rank = 0; rank < 2; rank++) {
        say_zeros(rank, PARCEL__SAYS_DROP + 1, 1000);
        say_zeros(rank, 0, 1000);
    }
    parcel__ranks_poll(group[1]);
    ck_assert_ptr_null(group[1]->answer);
    ck_assert_ptr_null(group[0]->compared);
    ck_assert_ptr_null(group[0]->early);
    ck_assert_ptr_null(group[1]->early);
    ck_assert_ptr_null(gather());
    close_group();
}
END_TEST

/* What only rank 0 can be told. */
START_TEST(a_rank_that_is_told_what_is_for_rank_0_goes_on)
{
    const struct parcel__hello hello = {.serial = 9};
    const struct parcel__note note = {.serial = 1};
    open_group(3);
    say(1, 2, PARCEL__SAYS_HELLO, &hello, sizeof hello);
    say(1, 2, PARCEL__SAYS_LEAVE, &note, sizeof note);
    say(1, 2, PARCEL__SAYS_BYE, NULL, 0);
    come(1, 1, PARCEL__LISTS);
    come(2, 1, PARCEL__LISTS);
    parcel__ranks_poll(group[2]);
    ck_assert_ptr_null(group[2]->early);
    ck_assert_ptr_null(gather());
    close_group();
}
END_TEST

START_TEST(a_text_goes_with_a_header)
{
    static const char *const texts[] = {"why not", "", NULL};
    const struct parcel__stopped header = {1, 2, 0};
    open_group(2);
    for (size_t i = 0; i < LENGTH(texts); i++) {
        parcel__messages_tell(group[0]->post, 1, PARCEL__SAYS_STOPPED, &header, sizeof header,
                              texts[i]);
        parcel__ranks_poll(group[0]);
        parcel__ranks_poll(group[1]);
        struct parcel__message *message = group[1]->early;
        ck_assert_ptr_nonnull(message);
        ck_assert_mem_eq(message->bytes, &header, sizeof header);
        const char *text = parcel__messages_text(message, sizeof header);
        ck_assert_pstr_eq(text, texts[i]);
        group[1]->early = NULL;
        parcel__memory_free(message->bytes);
        parcel__memory_free(message);
    }
    close_group();
}
END_TEST

START_TEST(a_text_that_does_not_end_is_none)
{
    unsigned char bytes[] = {1, 2, 'n', 'o'};
    const struct parcel__message message = {.size = sizeof bytes, .bytes = bytes};
    ck_assert_ptr_null(parcel__messages_text(&message, 2));
    bytes[3] = '\0';
    ck_assert_str_eq(parcel__messages_text(&message, 2), "n");
}
END_TEST

/* ---- memory, and the ranks of a process ---- */

/* Each of the allocations fails in turn. */
START_TEST(without_memory_there_are_no_ranks)
{
    struct parcel__ranks *ranks = NULL;
    size_t n = 0;
    loopback = loopback_open(&(struct loopback_options){.n_ranks = 1});
    while (!ranks) {
        parcel__memory_fail_from(++n);
        ranks = parcel__ranks_open(loopback_transport(loopback, 0));
        parcel__memory_fail_from(0);
    }
    ck_assert_uint_gt(n, 2);
    parcel__ranks_close(ranks);
    ck_assert_uint_eq(loopback_close(loopback), 0);
}
END_TEST

START_TEST(without_memory_for_the_terms_all_are_refused)
{
    open_group(2);
    come(1, 1, PARCEL__LISTS);
    ck_assert_ptr_null(gather());
    parcel__memory_fail_from(1);
    struct parcel__terms *terms = parcel__terms_new(group[0], 0);
    parcel__memory_fail_from(0);
    ck_assert_ptr_null(terms);
    ck_assert_ptr_null(refusal_of(1)); /* nor was there any for a text */
    ck_assert_ptr_nonnull(group[1]->answer);
    close_group();
}
END_TEST

/* The library's own, in whose place loopback.c has put another. */
struct parcel__ranks *__real_parcel__ranks_used(const char **why);

START_TEST(the_ranks_of_a_process_are_not_those_of_one_it_forks)
{
    const char *why;
    int status;
    open_group(1);
    ck_assert_ptr_null(__real_parcel__ranks_used(&why));
    ck_contains(why, "has not called parcel_mpi_init");
    parcel__ranks_use(NULL, "MPI has ended");
    ck_assert_ptr_null(__real_parcel__ranks_used(&why));
    ck_assert_str_eq(why, "MPI has ended");
    parcel__ranks_use(group[0], NULL);
    ck_assert_ptr_eq(__real_parcel__ranks_used(&why), group[0]);
    pid_t child = fork();
    if (child == 0)
        _exit(!__real_parcel__ranks_used(&why) && strstr(why, "forked") ? 0 : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    parcel__ranks_use(NULL, NULL);
    close_group();
}
END_TEST

static void add_tree(TCase *tests)
{
    tcase_add_loop_test(tests, each_rank_but_the_first_has_one_above_it, 0, 6);
    tcase_add_test(tests, rank_0_hands_out_to_as_many_as_it_may);
    tcase_add_test(tests, the_last_of_very_many_ranks_has_none_below_it);
    tcase_add_loop_test(tests, what_is_passed_on_comes_to_each_rank_once, 0, SETTINGS);
}

static void add_roll_call(TCase *tests)
{
    tcase_add_loop_test(tests, ranks_that_do_not_come_are_named, 0, 4);
    tcase_add_test(tests, a_rank_that_comes_too_late_is_told_so);
    tcase_add_test(tests, a_rank_that_did_not_wait_for_rank_0_is_named_and_waits_for_its_next_run);
    tcase_add_loop_test(tests, a_rank_that_left_came_and_is_not_waited_for, 0, 2);
    tcase_add_loop_test(tests, rank_0_that_is_stopped_waits_for_nobody, 0, N_STOPPERS);
    tcase_add_loop_test(tests, another_rank_that_is_stopped_stops_all, 0, N_STOPPERS);
    tcase_add_test(tests, ranks_wait_until_one_of_them_leaves);
    tcase_add_test(tests, a_rank_that_ended_is_not_waited_for);
    tcase_add_loop_test(tests, a_fault_of_a_rank_is_told_to_all, 0, 3);
    tcase_add_test(tests, who_waits_in_vain_for_rank_0_leaves);
    tcase_add_test(tests, an_answer_that_crosses_a_leave_holds);
    tcase_add_test(tests, an_answer_to_a_run_before_is_ignored);
    tcase_add_loop_test(tests, a_refusal_that_lost_its_text_speaks_of_memory, 0, 2);
    tcase_add_test(tests, terms_that_are_cut_off_are_no_answer);
}

static void add_terms(TCase *tests)
{
    tcase_add_loop_test(tests, all_ranks_get_the_same_terms, 0, SETTINGS);
    tcase_add_loop_test(tests, a_rank_has_as_many_workers_as_were_asked_for_and_it_can_have, 0, 8);
    tcase_add_loop_test(tests, calls_are_sent_when_a_rank_has_no_list, 0, 4);
    tcase_add_test(tests, ranks_of_one_host_share_its_cpus);
    tcase_add_loop_test(tests, a_rank_with_fewer_cpus_than_workers_is_warned_of, 0, 3);
}

static void add_lists(TCase *tests)
{
    tcase_add_loop_test(tests, the_first_call_that_differs_is_found, 0, SETTINGS);
    tcase_add_loop_test(tests, calls_that_are_printed_alike_are_told_apart, 0, (int)LENGTH(alike));
    tcase_add_loop_test(tests, lists_of_different_length_are_refused, 0, SETTINGS);
    tcase_add_loop_test(tests, a_list_and_generated_calls_differ, 0, SETTINGS);
    tcase_add_loop_test(tests, a_rank_that_leaves_while_it_is_asked_is_not_waited_for, 0, 2);
    tcase_add_loop_test(tests, a_question_out_of_date_is_not_answered, 0, 3);
}

static void add_end(TCase *tests)
{
    tcase_add_loop_test(tests, ranks_that_come_to_a_run_behind_the_last_are_told, 0, SETTINGS);
    tcase_add_loop_test(tests, ranks_that_serve_are_done_without_an_error, 0, SETTINGS);
    tcase_add_test(tests, rank_0_waits_for_all_good_byes);
    tcase_add_test(tests, the_others_wait_for_rank_0s_last_message);
    tcase_add_test(tests, no_ranks_are_closed_without_effect);
}

static void add_messages(TCase *tests)
{
    tcase_add_test(tests, messages_of_a_run_that_has_not_begun_are_kept_in_order);
    tcase_add_test(tests, a_message_is_sound_when_it_has_what_its_kind_has);
    tcase_add_test(tests, a_message_of_no_known_kind_is_not_sound);
    tcase_add_test(tests, unsound_messages_change_nothing);
    tcase_add_test(tests, a_rank_that_is_told_what_is_for_rank_0_goes_on);
    tcase_add_test(tests, a_text_goes_with_a_header);
    tcase_add_test(tests, a_text_that_does_not_end_is_none);
}

int main(void)
{
    Suite *suite = suite_create("ranks");
    add_tree(suite_case(suite, "tree"));
    add_roll_call(suite_case(suite, "roll call"));
    add_terms(suite_case(suite, "terms"));
    add_lists(suite_case(suite, "lists"));
    add_end(suite_case(suite, "end"));
    add_messages(suite_case(suite, "messages"));
    TCase *process = suite_case(suite, "process");
    tcase_add_test(process, without_memory_there_are_no_ranks);
    tcase_add_test(process, without_memory_for_the_terms_all_are_refused);
    tcase_add_test(process, the_ranks_of_a_process_are_not_those_of_one_it_forks);
    return suite_run(suite);
}

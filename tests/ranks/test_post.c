/*
 * test_post.c: messages and data between the posts of a few ranks.
 *
 * Most tests poll all posts in turn in one thread, so that what has arrived at a poll does not
 * depend on time. The others have threads, for the order in which they come, and for the thread
 * sanitizer.
 */
#include "suite.h"

#include <stdint.h>

#include "ground/memory.h"
#include "ground/port.h"
#include "loopback.h"
#include "ranks/post.h"

enum { MOST_RANKS = 4, MOST_KEPT = 4096, LARGE = 1 << 20, SEEDS = 6, THREADS = 4, SOME = 300 };

static const size_t everything = SIZE_MAX;

/* ---- memory that runs out: the linker puts it in the place of malloc ---- */

static _Thread_local int n_to_fail;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    if (n_to_fail == 0)
        return __real_malloc(size);
    n_to_fail--;
    return NULL;
}

/* ---- the posts ---- */

/* What a rank has received, in its order. */
struct inbox {
    size_t count;
    struct parcel__message kept[MOST_KEPT];
};

static struct loopback *loopback;
static int n_posts;
static struct parcel__transport transports[MOST_RANKS]; /* whose functions a test may replace */
static struct parcel__post *posts[MOST_RANKS];
static struct inbox inboxes[MOST_RANKS];

static void open_posts(int n_ranks, size_t most_eager, unsigned seed)
{
    loopback = loopback_open(
        &(struct loopback_options){.n_ranks = n_ranks, .most_eager = most_eager, .seed = seed});
    n_posts = n_ranks;
    for (int i = 0; i < n_ranks; i++) {
        transports[i] = *loopback_transport(loopback, i);
        posts[i] = parcel__post_open(&transports[i]);
        ck_assert_ptr_nonnull(posts[i]);
        inboxes[i].count = 0;
    }
}

static void keep(void *context, struct parcel__message *message)
{
    struct inbox *inbox = context;
    ck_assert_uint_lt(inbox->count, MOST_KEPT);
    inbox->kept[inbox->count++] = *message;
    message->bytes = NULL;
}

static void poll_post(int rank)
{
    parcel__post_poll(posts[rank], keep, &inboxes[rank]);
}

static void poll_all(void)
{
    for (int i = 0; i < n_posts; i++)
        poll_post(i);
}

static void await_messages(int rank, size_t count)
{
    while (inboxes[rank].count < count)
        poll_all();
}

static bool is_quiet(void)
{
    for (int i = 0; i < n_posts; i++)
        if (!parcel__post_is_empty(posts[i]) || parcel__post_has_data(posts[i]))
            return false;
    return true;
}

static void empty_inbox(int rank)
{
    for (size_t i = 0; i < inboxes[rank].count; i++)
        parcel__memory_free(inboxes[rank].kept[i].bytes);
    inboxes[rank].count = 0;
}

static void close_posts(void)
{
    while (!is_quiet())
        poll_all();
    for (int i = 0; i < n_posts; i++) {
        parcel__post_close(posts[i]);
        empty_inbox(i);
    }
    ck_assert_uint_eq(loopback_close(loopback), 0);
}

/* ---- bytes that tell which message they are of ---- */

static void fill(unsigned char *bytes, size_t size, unsigned number)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(number * 31 + i * 7 + (i >> 8));
}

static bool is_filled(const unsigned char *bytes, size_t size, unsigned number)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (unsigned char)(number * 31 + i * 7 + (i >> 8)))
            return false;
    return true;
}

/* Sends the bytes of a number, as a message of that kind. */
static void send_filled(int from, int to, unsigned number, size_t size)
{
    unsigned char *bytes = parcel__memory_await(size);
    fill(bytes, size, number);
    parcel__post_send(posts[from], to, (int)number, bytes, size);
}

static void check_filled(const struct parcel__message *message, int from, unsigned number,
                         size_t size)
{
    ck_assert_int_eq(message->rank, from);
    ck_assert_int_eq(message->kind, (int)number);
    ck_assert_uint_eq(message->size, size);
    ck_assert(is_filled(message->bytes, size, number));
}

static void tell_number(int from, int to, int kind, unsigned number)
{
    parcel__post_tell(posts[from], to, kind, &number, sizeof number);
}

static unsigned number_in(const struct parcel__message *message)
{
    unsigned number;
    ck_assert_uint_eq(message->size, sizeof number);
    memcpy(&number, message->bytes, sizeof number);
    return number;
}

/* ---- messages ---- */

START_TEST(a_message_arrives_as_it_was_sent)
{
    static const size_t sizes[] = {0, 1, 15, 16, 1000, LARGE};
    open_posts(2, 64, (unsigned)_i);
    for (unsigned i = 0; i < LENGTH(sizes); i++)
        send_filled(0, 1, i, sizes[i]);
    await_messages(1, LENGTH(sizes));
    for (unsigned i = 0; i < LENGTH(sizes); i++)
        check_filled(&inboxes[1].kept[i], 0, i, sizes[i]);
    ck_assert_uint_eq(inboxes[0].count, 0);
    close_posts();
}
END_TEST

START_TEST(many_small_messages_arrive_in_order)
{
    open_posts(2, _i % 2 ? everything : 0, (unsigned)_i);
    for (unsigned i = 0; i < SOME; i++)
        tell_number(0, 1, 1, i);
    await_messages(1, SOME);
    for (unsigned i = 0; i < SOME; i++)
        ck_assert_uint_eq(number_in(&inboxes[1].kept[i]), i);
    close_posts();
    ck_assert_uint_eq(inboxes[1].count, 0);
}
END_TEST

START_TEST(messages_of_several_ranks_arrive_each_in_the_order_of_its_sender)
{
    unsigned next[MOST_RANKS] = {0};
    open_posts(MOST_RANKS, 0, (unsigned)_i);
    for (unsigned i = 0; i < SOME; i++)
        for (int from = 1; from < MOST_RANKS; from++)
            tell_number(from, 0, from, i);
    await_messages(0, (MOST_RANKS - 1) * SOME);
    for (size_t i = 0; i < inboxes[0].count; i++) {
        const struct parcel__message *message = &inboxes[0].kept[i];
        ck_assert_int_eq(message->rank, message->kind);
        ck_assert_uint_eq(number_in(message), next[message->rank]++);
    }
    close_posts();
}
END_TEST

START_TEST(a_message_to_itself_arrives)
{
    open_posts(1, _i % 2 ? everything : 0, (unsigned)_i);
    send_filled(0, 0, 7, 100);
    send_filled(0, 0, 8, 0);
    await_messages(0, 2);
    check_filled(&inboxes[0].kept[0], 0, 7, 100);
    check_filled(&inboxes[0].kept[1], 0, 8, 0);
    close_posts();
}
END_TEST

START_TEST(bytes_that_are_told_may_change_at_once)
{
    unsigned char bytes[200];
    open_posts(2, 0, 0);
    fill(bytes, sizeof bytes, 3);
    parcel__post_tell(posts[0], 1, 3, bytes, sizeof bytes);
    memset(bytes, 0, sizeof bytes);
    await_messages(1, 1);
    check_filled(&inboxes[1].kept[0], 0, 3, sizeof bytes);
    close_posts();
}
END_TEST

/* The receiver copies late from where the sender has them. */
START_TEST(bytes_stay_until_they_are_taken)
{
    open_posts(2, 0, (unsigned)_i);
    for (unsigned i = 0; i < SOME; i++)
        send_filled(0, 1, i, i + 1);
    poll_post(0);
    ck_assert(!parcel__post_is_empty(posts[0]));
    await_messages(1, SOME);
    for (unsigned i = 0; i < SOME; i++)
        check_filled(&inboxes[1].kept[i], 0, i, i + 1);
    close_posts();
}
END_TEST

START_TEST(a_post_is_empty_when_all_was_sent)
{
    open_posts(2, 0, 0);
    ck_assert(parcel__post_is_empty(posts[0]));
    tell_number(0, 1, 1, 1);
    ck_assert(!parcel__post_is_empty(posts[0]));
    poll_post(0);
    ck_assert(!parcel__post_is_empty(posts[0])); /* it is not taken */
    poll_post(1);
    ck_assert_uint_eq(inboxes[1].count, 1);
    poll_post(0);
    ck_assert(parcel__post_is_empty(posts[0]));
    ck_assert(parcel__post_is_empty(posts[1]));
    close_posts();
}
END_TEST

/* ---- polls ---- */

START_TEST(one_poll_sees_to_all_that_is_there)
{
    open_posts(2, everything, 0);
    for (unsigned i = 0; i < SOME; i++)
        tell_number(0, 1, 1, i);
    ck_assert(!parcel__post_is_empty(posts[0]));
    poll_post(0);
    ck_assert(parcel__post_is_empty(posts[0]));
    poll_post(1);
    ck_assert_uint_eq(inboxes[1].count, SOME);
    close_posts();
}
END_TEST

static void answer(void *context, struct parcel__message *message)
{
    parcel__post_tell(context, message->rank, message->kind + 1, message->bytes, message->size);
}

START_TEST(what_a_handler_answers_is_sent_in_the_same_poll)
{
    open_posts(2, everything, 0);
    send_filled(0, 1, 5, 50);
    poll_post(0);
    parcel__post_poll(posts[1], answer, posts[1]);
    ck_assert(parcel__post_is_empty(posts[1]));
    poll_post(0);
    ck_assert_uint_eq(inboxes[0].count, 1);
    ck_assert_int_eq(inboxes[0].kept[0].kind, 6);
    ck_assert(is_filled(inboxes[0].kept[0].bytes, 50, 5));
    close_posts();
}
END_TEST

START_TEST(a_post_tells_when_it_was_polled_last)
{
    open_posts(1, everything, 0);
    double before = parcel__port_now();
    ck_assert(parcel__post_last_poll(posts[0]) < before);
    poll_post(0);
    ck_assert(parcel__post_last_poll(posts[0]) >= before);
    ck_assert(parcel__post_last_poll(posts[0]) <= parcel__port_now());
    close_posts();
}
END_TEST

static void *poll_in_thread(void *argument)
{
    (void)argument;
    poll_post(0);
    return NULL;
}

/* Another thread polls rank 0's post meanwhile, and comes back. */
static void let_another_poll(void)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, poll_in_thread, NULL), 0);
    pthread_join(thread, NULL);
}

START_TEST(nothing_is_dealt_with_while_the_post_is_held)
{
    open_posts(2, everything, 0);
    tell_number(1, 0, 1, 1);
    poll_post(1);
    parcel__post_hold(posts[0]);
    tell_number(0, 1, 1, 1);
    let_another_poll();
    ck_assert_uint_eq(inboxes[0].count, 0);
    ck_assert(!parcel__post_is_empty(posts[0]));
    parcel__post_let_go(posts[0]);
    let_another_poll();
    ck_assert_uint_eq(inboxes[0].count, 1);
    ck_assert(parcel__post_is_empty(posts[0]));
    close_posts();
}
END_TEST

static size_t n_handled_meanwhile;

static void handle_slowly(void *context, struct parcel__message *message)
{
    (void)context;
    (void)message;
    let_another_poll();
    n_handled_meanwhile += inboxes[0].count;
}

START_TEST(a_handler_has_the_post_for_itself)
{
    open_posts(2, everything, 0);
    tell_number(1, 0, 1, 1);
    tell_number(1, 0, 1, 2);
    poll_post(1);
    n_handled_meanwhile = 0;
    parcel__post_poll(posts[0], handle_slowly, NULL);
    ck_assert_uint_eq(n_handled_meanwhile, 0);
    close_posts();
}
END_TEST

/* Threads tell something and poll once. */

static bool (*probe_as_usual)(void *state, struct parcel__envelope *envelope);
static bool has_told;

static void *tell_and_poll(void *argument)
{
    (void)argument;
    tell_number(0, 1, 1, 1);
    poll_post(0);
    return NULL;
}

/* In the last look for messages, another thread tells something and cannot poll. */
static bool probe_while_another_tells(void *state, struct parcel__envelope *envelope)
{
    pthread_t thread;
    bool is_there = probe_as_usual(state, envelope);
    if (is_there || has_told)
        return is_there;
    has_told = true;
    ck_assert_int_eq(pthread_create(&thread, NULL, tell_and_poll, NULL), 0);
    pthread_join(thread, NULL);
    return false;
}

START_TEST(who_polls_looks_again_before_it_goes)
{
    open_posts(2, everything, 0);
    probe_as_usual = transports[0].probe;
    transports[0].probe = probe_while_another_tells;
    has_told = false;
    poll_post(0);
    ck_assert(has_told);
    ck_assert(parcel__post_is_empty(posts[0]));
    poll_post(1);
    ck_assert_uint_eq(inboxes[1].count, 1);
    close_posts();
}
END_TEST

static void *tell_some(void *argument)
{
    const int *kind = argument;
    for (unsigned i = 0; i < SOME; i++) {
        tell_number(0, 1, *kind, i);
        poll_post(0);
    }
    return NULL;
}

START_TEST(threads_that_tell_at_once_lose_nothing)
{
    pthread_t threads[THREADS];
    int kinds[THREADS];
    unsigned next[THREADS] = {0};
    open_posts(2, everything, 0);
    for (int i = 0; i < THREADS; i++) {
        kinds[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, tell_some, &kinds[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert(parcel__post_is_empty(posts[0]));
    poll_post(1);
    ck_assert_uint_eq(inboxes[1].count, THREADS * SOME);
    for (size_t i = 0; i < THREADS * SOME; i++)
        ck_assert_uint_eq(number_in(&inboxes[1].kept[i]), next[inboxes[1].kept[i].kind]++);
    close_posts();
}
END_TEST

/* ---- data ---- */

/* Some data on their way, and when they are there. */
struct load {
    int other; /* the rank that has them, or gets them */
    int tag;
    size_t size;
    unsigned char *bytes;
    int n_done;
};

static struct load new_load(int other, int tag, size_t size)
{
    return (struct load){.other = other,
                         .tag = tag,
                         .size = size,
                         .bytes = memset(parcel__memory_await(size), 0, size)};
}

static void note_done(void *context, void *data)
{
    struct load *load = context;
    ck_assert_ptr_eq(data, load->bytes);
    load->n_done++;
}

static struct parcel__freight freight_of(struct load *load, void (*done)(void *load, void *data))
{
    return (struct parcel__freight){.rank = load->other,
                                    .tag = load->tag,
                                    .bytes = load->bytes,
                                    .size = load->size,
                                    .done = done,
                                    .context = load};
}

static void begin_to_send(int rank, struct load *load)
{
    const struct parcel__freight freight = freight_of(load, note_done);
    parcel__post_hold(posts[rank]);
    parcel__post_send_data(posts[rank], &freight);
    parcel__post_let_go(posts[rank]);
}

static void begin_to_receive(int rank, struct load *load, void (*done)(void *load, void *data))
{
    const struct parcel__freight freight = freight_of(load, done);
    parcel__post_hold(posts[rank]);
    parcel__post_receive_data(posts[rank], &freight);
    parcel__post_let_go(posts[rank]);
}

static void await_data(void)
{
    while (!is_quiet())
        poll_all();
}

/* The load is there, once, and holds what the number says. */
static void check_load(const struct load *load, unsigned number)
{
    ck_assert_int_eq(load->n_done, 1);
    ck_assert(is_filled(load->bytes, load->size, number));
}

START_TEST(data_arrive_whoever_begins)
{
    struct load out = new_load(1, 9, LARGE), in = new_load(0, 9, LARGE);
    open_posts(2, 64, (unsigned)_i);
    fill(out.bytes, LARGE, 9);
    if (_i % 2)
        begin_to_send(0, &out);
    begin_to_receive(1, &in, note_done);
    poll_all();
    if (_i % 2 == 0)
        begin_to_send(0, &out);
    ck_assert(parcel__post_has_data(posts[0]));
    await_data();
    check_load(&in, 9);
    check_load(&out, 9);
    parcel__memory_free(in.bytes);
    parcel__memory_free(out.bytes);
    close_posts();
}
END_TEST

START_TEST(a_post_has_data_until_they_are_there)
{
    struct load out = new_load(1, 9, 100), in = new_load(0, 9, 100);
    open_posts(2, 0, 0);
    ck_assert(!parcel__post_has_data(posts[0]));
    begin_to_send(0, &out);
    poll_all();
    ck_assert(parcel__post_has_data(posts[0])); /* nobody awaits them */
    ck_assert(!parcel__post_has_data(posts[1]));
    ck_assert_int_eq(out.n_done, 0);
    begin_to_receive(1, &in, note_done);
    ck_assert(parcel__post_has_data(posts[1]));
    poll_post(1);
    ck_assert(!parcel__post_has_data(posts[1]));
    ck_assert_int_eq(in.n_done, 1);
    poll_post(0);
    ck_assert(!parcel__post_has_data(posts[0]));
    ck_assert_int_eq(out.n_done, 1);
    parcel__memory_free(in.bytes);
    parcel__memory_free(out.bytes);
    close_posts();
}
END_TEST

START_TEST(data_find_who_awaits_them_by_sender_and_tag)
{
    enum { TAGS = 5 };
    struct load out[TAGS], in[TAGS];
    open_posts(3, 0, (unsigned)_i);
    for (int i = 0; i < TAGS; i++) {
        out[i] = new_load(2, i / 2, 1000 + (size_t)i);
        fill(out[i].bytes, out[i].size, (unsigned)i);
        begin_to_send(i % 2, &out[i]);
    }
    for (int i = TAGS - 1; i >= 0; i--) {
        in[i] = new_load(i % 2, i / 2, 1000 + (size_t)i);
        begin_to_receive(2, &in[i], note_done);
    }
    await_data();
    for (int i = 0; i < TAGS; i++) {
        check_load(&in[i], (unsigned)i);
        check_load(&out[i], (unsigned)i);
        parcel__memory_free(in[i].bytes);
        parcel__memory_free(out[i].bytes);
    }
    close_posts();
}
END_TEST

/* Nobody awaits the first and the last yet. */
START_TEST(data_do_not_wait_for_each_other)
{
    struct load out[] = {new_load(1, 0, 100), new_load(1, 1, 100), new_load(1, 2, 100)};
    struct load in[] = {new_load(0, 0, 100), new_load(0, 1, 100), new_load(0, 2, 100)};
    open_posts(2, 0, 0);
    for (int i = 0; i < 3; i++)
        begin_to_send(0, &out[i]);
    begin_to_receive(1, &in[1], note_done);
    poll_post(1);
    poll_post(0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(out[i].n_done, i == 1);
    begin_to_receive(1, &in[0], note_done);
    begin_to_receive(1, &in[2], note_done);
    await_data();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(out[i].n_done, 1);
        parcel__memory_free(in[i].bytes);
        parcel__memory_free(out[i].bytes);
    }
    close_posts();
}
END_TEST

/* Each rank in a thread of its own, with messages in between. */
static void *exchange_data(void *argument)
{
    enum { LOADS = 4 };
    const int rank = *(const int *)argument, other = 1 - rank;
    struct load out[LOADS], in[LOADS];
    for (int i = 0; i < LOADS; i++) {
        out[i] = new_load(other, i % 2, LARGE);
        in[i] = new_load(other, i % 2, LARGE);
        fill(out[i].bytes, LARGE, (unsigned)(10 * rank + i));
        begin_to_send(rank, &out[i]);
        begin_to_receive(rank, &in[i], note_done);
        tell_number(rank, other, 1, (unsigned)i);
    }
    while (parcel__post_has_data(posts[rank]) || !parcel__post_is_empty(posts[rank]) ||
           inboxes[rank].count < LOADS)
        poll_post(rank);
    for (int i = 0; i < LOADS; i++) {
        check_load(&in[i], (unsigned)(10 * other + i));
        check_load(&out[i], (unsigned)(10 * rank + i));
        ck_assert_uint_eq(number_in(&inboxes[rank].kept[i]), (unsigned)i);
        parcel__memory_free(in[i].bytes);
        parcel__memory_free(out[i].bytes);
    }
    return NULL;
}

START_TEST(data_go_both_ways_at_once)
{
    static const int ranks[] = {0, 1};
    pthread_t thread;
    open_posts(2, 0, (unsigned)_i);
    ck_assert_int_eq(pthread_create(&thread, NULL, exchange_data, (void *)&ranks[1]), 0);
    exchange_data((void *)&ranks[0]);
    pthread_join(thread, NULL);
    close_posts();
}
END_TEST

/* A load that goes on as soon as it is there. */
static struct load relayed;

static void pass_on(void *context, void *data)
{
    struct load *load = context;
    note_done(context, data);
    relayed = (struct load){.other = 2, .tag = load->tag, .size = load->size, .bytes = data};
    const struct parcel__freight freight = freight_of(&relayed, note_done);
    parcel__post_send_data(posts[1], &freight);
}

START_TEST(data_that_arrive_may_go_on_at_once)
{
    struct load out = new_load(1, 4, LARGE), between = new_load(0, 4, LARGE),
                in = new_load(1, 4, LARGE);
    open_posts(3, 0, (unsigned)_i);
    fill(out.bytes, LARGE, 4);
    begin_to_send(0, &out);
    begin_to_receive(2, &in, note_done);
    begin_to_receive(1, &between, pass_on);
    await_data();
    check_load(&in, 4);
    check_load(&relayed, 4);
    ck_assert_int_eq(between.n_done, 1);
    parcel__memory_free(out.bytes);
    parcel__memory_free(between.bytes);
    parcel__memory_free(in.bytes);
    close_posts();
}
END_TEST

static void note_slowly(void *context, void *data)
{
    note_done(context, data);
    let_another_poll();
    n_handled_meanwhile += inboxes[0].count;
}

START_TEST(data_are_there_while_the_post_is_held)
{
    struct load out = new_load(0, 4, 100), in = new_load(1, 4, 100);
    open_posts(2, everything, 0);
    begin_to_send(1, &out);
    tell_number(1, 0, 1, 1);
    poll_post(1);
    n_handled_meanwhile = 0;
    begin_to_receive(0, &in, note_slowly);
    poll_post(0);
    ck_assert_int_eq(in.n_done, 1);
    ck_assert_uint_eq(n_handled_meanwhile, 0);
    ck_assert_uint_eq(inboxes[0].count, 1);
    parcel__memory_free(in.bytes);
    parcel__memory_free(out.bytes);
    close_posts();
}
END_TEST

/* ---- closing ---- */

static void *close_in_thread(void *argument)
{
    parcel__post_close(argument);
    return NULL;
}

START_TEST(a_post_closes_when_all_is_sent)
{
    pthread_t thread;
    struct load out = new_load(1, 2, LARGE), in = new_load(0, 2, LARGE);
    open_posts(2, 0, (unsigned)_i);
    fill(out.bytes, LARGE, 2);
    begin_to_send(0, &out);
    for (unsigned i = 0; i < SOME; i++)
        send_filled(0, 1, i, i);
    ck_assert_int_eq(pthread_create(&thread, NULL, close_in_thread, posts[0]), 0);
    begin_to_receive(1, &in, note_done);
    while (inboxes[1].count < SOME || in.n_done == 0)
        poll_post(1);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < SOME; i++)
        check_filled(&inboxes[1].kept[i], 0, i, i);
    check_load(&in, 2);
    ck_assert_int_eq(out.n_done, 1);
    parcel__memory_free(out.bytes);
    parcel__memory_free(in.bytes);
    parcel__post_close(posts[1]);
    empty_inbox(1);
    ck_assert_uint_eq(loopback_close(loopback), 0);
}
END_TEST

/* Receives of messages that are not done at the first looks. */
static struct parcel__transfer *(*take_as_usual)(void *state,
                                                 const struct parcel__envelope *envelope,
                                                 void *bytes);
static bool (*is_done_as_usual)(void *state, struct parcel__transfer *transfer);
static struct parcel__transfer *arriving;
static int n_looks;

static struct parcel__transfer *take_slowly(void *state, const struct parcel__envelope *envelope,
                                            void *bytes)
{
    return arriving = take_as_usual(state, envelope, bytes);
}

static bool is_done_late(void *state, struct parcel__transfer *transfer)
{
    if (transfer == arriving && n_looks++ < 3)
        return false;
    bool is_done = is_done_as_usual(state, transfer);
    if (is_done && transfer == arriving)
        arriving = NULL;
    return is_done;
}

START_TEST(a_post_that_closes_lets_what_arrives_come_in)
{
    open_posts(2, everything, 0);
    take_as_usual = transports[1].take;
    is_done_as_usual = transports[1].is_done;
    transports[1].take = take_slowly;
    transports[1].is_done = is_done_late;
    n_looks = 0;
    tell_number(0, 1, 1, 1);
    poll_all();
    ck_assert_ptr_nonnull(arriving);
    ck_assert_uint_eq(inboxes[1].count, 0);
    close_posts();
    ck_assert_ptr_null(arriving);
}
END_TEST

/* ---- memory ---- */

START_TEST(without_memory_there_is_no_post)
{
    open_posts(1, everything, 0);
    parcel__memory_fail_from(1);
    struct parcel__post *post = parcel__post_open(&transports[0]);
    parcel__memory_fail_from(0);
    ck_assert_ptr_null(post);
    close_posts();
}
END_TEST

START_TEST(a_message_waits_for_memory_and_arrives)
{
    unsigned char bytes[100];
    open_posts(2, 0, 0);
    fill(bytes, sizeof bytes, 3);
    n_to_fail = 3;
    parcel__post_tell(posts[0], 1, 3, bytes, sizeof bytes);
    ck_assert_int_eq(n_to_fail, 0);
    poll_post(0);
    n_to_fail = 2;
    poll_post(1);
    ck_assert_int_eq(n_to_fail, 0);
    ck_assert_uint_eq(inboxes[1].count, 1);
    check_filled(&inboxes[1].kept[0], 0, 3, sizeof bytes);
    close_posts();
}
END_TEST

START_TEST(data_wait_for_memory_and_arrive)
{
    struct load out = new_load(1, 2, 100), in = new_load(0, 2, 100);
    open_posts(2, 0, 0);
    fill(out.bytes, 100, 2);
    n_to_fail = 2;
    begin_to_send(0, &out);
    ck_assert_int_eq(n_to_fail, 0);
    n_to_fail = 1;
    begin_to_receive(1, &in, note_done);
    ck_assert_int_eq(n_to_fail, 0);
    await_data();
    check_load(&in, 2);
    parcel__memory_free(out.bytes);
    parcel__memory_free(in.bytes);
    close_posts();
}
END_TEST

/* What others wait for must not fail: all of it asks for memory that is awaited. */
START_TEST(what_is_under_way_asks_for_no_memory_that_may_fail)
{
    struct load out = new_load(1, 2, 100), in = new_load(0, 2, 100);
    open_posts(2, 0, 0);
    parcel__memory_fail_from(1);
    send_filled(0, 1, 1, 50);
    begin_to_send(0, &out);
    begin_to_receive(1, &in, note_done);
    await_data();
    ck_assert_uint_eq(parcel__memory_fail_from(0), 0);
    ck_assert_uint_eq(inboxes[1].count, 1);
    ck_assert_int_eq(in.n_done, 1);
    parcel__memory_free(out.bytes);
    parcel__memory_free(in.bytes);
    close_posts();
}
END_TEST

static void add_messages(TCase *tests)
{
    tcase_add_loop_test(tests, a_message_arrives_as_it_was_sent, 0, SEEDS);
    tcase_add_loop_test(tests, many_small_messages_arrive_in_order, 0, SEEDS);
    tcase_add_loop_test(tests, messages_of_several_ranks_arrive_each_in_the_order_of_its_sender, 0,
                        SEEDS);
    tcase_add_loop_test(tests, a_message_to_itself_arrives, 0, SEEDS);
    tcase_add_test(tests, bytes_that_are_told_may_change_at_once);
    tcase_add_loop_test(tests, bytes_stay_until_they_are_taken, 0, SEEDS);
    tcase_add_test(tests, a_post_is_empty_when_all_was_sent);
}

static void add_polls(TCase *tests)
{
    tcase_add_test(tests, one_poll_sees_to_all_that_is_there);
    tcase_add_test(tests, what_a_handler_answers_is_sent_in_the_same_poll);
    tcase_add_test(tests, a_post_tells_when_it_was_polled_last);
    tcase_add_test(tests, nothing_is_dealt_with_while_the_post_is_held);
    tcase_add_test(tests, a_handler_has_the_post_for_itself);
    tcase_add_test(tests, who_polls_looks_again_before_it_goes);
    tcase_add_test(tests, threads_that_tell_at_once_lose_nothing);
}

static void add_data(TCase *tests)
{
    tcase_add_loop_test(tests, data_arrive_whoever_begins, 0, SEEDS);
    tcase_add_test(tests, a_post_has_data_until_they_are_there);
    tcase_add_loop_test(tests, data_find_who_awaits_them_by_sender_and_tag, 0, SEEDS);
    tcase_add_test(tests, data_do_not_wait_for_each_other);
    tcase_add_loop_test(tests, data_go_both_ways_at_once, 0, SEEDS);
    tcase_add_loop_test(tests, data_that_arrive_may_go_on_at_once, 0, SEEDS);
    tcase_add_test(tests, data_are_there_while_the_post_is_held);
}

int main(void)
{
    Suite *suite = suite_create("post");
    add_messages(suite_case(suite, "messages"));
    add_polls(suite_case(suite, "polls"));
    add_data(suite_case(suite, "data"));
    TCase *closing = suite_case(suite, "closing");
    tcase_add_loop_test(closing, a_post_closes_when_all_is_sent, 0, SEEDS);
    tcase_add_test(closing, a_post_that_closes_lets_what_arrives_come_in);
    TCase *memory = suite_case(suite, "memory");
    tcase_add_test(memory, without_memory_there_is_no_post);
    tcase_add_test(memory, a_message_waits_for_memory_and_arrives);
    tcase_add_test(memory, data_wait_for_memory_and_arrive);
    tcase_add_test(memory, what_is_under_way_asks_for_no_memory_that_may_fail);
    return suite_run(suite);
}

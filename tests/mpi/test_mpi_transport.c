/* test_mpi_transport.c: messages and data between ranks, in pieces of a thousand bytes. */
#include "mpi_suite.h"

#include "ground/memory.h"
#include "mpi_transport.h"
#include "mpi_version.h"

#include <limits.h>
#include <unistd.h>

enum { PIECE = 1000, MOST = 4 * PIECE, COUNT = 500 };

static struct parcel__mpi_transport opened;
static const struct parcel__transport *seam = &opened.seam;

static void open_it(void)
{
    parcel__mpi_transport_open(&opened, MPI_COMM_WORLD, PIECE);
}

static void close_it(void)
{
    parcel__mpi_transport_close(&opened);
}

static int next_rank(void)
{
    return (seam->rank + 1) % seam->n_ranks;
}

static int last_rank(void)
{
    return (seam->rank + seam->n_ranks - 1) % seam->n_ranks;
}

/* The i-th thing that is sent: some have no bytes, some have a piece exactly, some several. */
struct thing {
    int kind;
    size_t size;
    unsigned char bytes[MOST];
};

static void fill(struct thing *thing, int i)
{
    static const size_t sizes[] = {0, 1, 17, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3333, MOST};
    thing->kind = i % 3 == 0 ? 32767 : i % 5;
    thing->size = sizes[(size_t)i % LENGTH(sizes)];
    for (size_t at = 0; at < thing->size; at++)
        thing->bytes[at] = (unsigned char)((size_t)i * 31 + at * 7);
}

static void wait_for(struct parcel__transfer *transfer)
{
    ck_assert_ptr_nonnull(transfer);
    while (!seam->is_done(seam->state, transfer))
        continue;
}

static void wait_for_message(struct parcel__envelope *envelope)
{
    while (!seam->probe(seam->state, envelope))
        continue;
}

static void ck_is_thing(const unsigned char *bytes, const struct thing *thing)
{
    ck_assert(memcmp(bytes, thing->bytes, thing->size) == 0);
}

/* Takes the probed message, which is the i-th of its sender. */
static void take_thing(const struct parcel__envelope *envelope, int i)
{
    static struct thing expected;
    static unsigned char bytes[MOST];
    fill(&expected, i);
    ck_assert_int_eq(envelope->kind, expected.kind);
    ck_assert_uint_eq(envelope->size, expected.size);
    wait_for(seam->take(seam->state, envelope, bytes));
    ck_is_thing(bytes, &expected);
}

/* Things and their transfers, which are all on their way at once. */
struct sent {
    struct thing things[COUNT];
    struct parcel__transfer *transfers[COUNT];
};

static struct sent *send_all(int to)
{
    struct sent *sent = malloc(sizeof *sent);
    ck_assert_ptr_nonnull(sent);
    for (int i = 0; i < COUNT; i++) {
        struct thing *thing = &sent->things[i];
        fill(thing, i);
        sent->transfers[i] = seam->send(seam->state, to, thing->kind, thing->bytes, thing->size);
    }
    return sent;
}

static void wait_for_all(struct sent *sent)
{
    for (int i = 0; i < COUNT; i++)
        wait_for(sent->transfers[i]);
    free(sent);
}

START_TEST(it_knows_where_it_is)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    ck_assert_int_eq(seam->rank, mpi_rank());
    ck_assert_int_eq(seam->n_ranks, mpi_ranks());
    ck_assert_int_eq(seam->n_here, mpi_ranks());
    ck_assert_int_ge(seam->n_alike, 1);
    ck_assert_int_le(seam->n_alike, seam->n_here);
    ck_assert_str_eq(seam->host, host);
}
END_TEST

START_TEST(nothing_is_found_where_nothing_was_sent)
{
    struct parcel__envelope envelope;
    for (int i = 0; i < 100; i++)
        ck_assert(!seam->probe(seam->state, &envelope));
}
END_TEST

START_TEST(messages_arrive_in_the_order_in_which_they_were_sent)
{
    struct parcel__envelope envelope;
    struct sent *sent = send_all(next_rank());
    for (int i = 0; i < COUNT; i++) {
        wait_for_message(&envelope);
        ck_assert_int_eq(envelope.from, last_rank());
        take_thing(&envelope, i);
    }
    wait_for_all(sent);
}
END_TEST

START_TEST(all_send_to_all_before_anybody_receives)
{
    struct sent *sent[16];
    int arrived[16] = {0};
    ck_assert_int_le(seam->n_ranks, (int)LENGTH(sent));
    for (int to = 0; to < seam->n_ranks; to++)
        sent[to] = send_all(to);
    for (int i = 0; i < seam->n_ranks * COUNT; i++) {
        struct parcel__envelope envelope;
        wait_for_message(&envelope);
        take_thing(&envelope, arrived[envelope.from]++);
    }
    for (int to = 0; to < seam->n_ranks; to++) {
        ck_assert_int_eq(arrived[to], COUNT);
        wait_for_all(sent[to]);
    }
}
END_TEST

/* Sends and receives the i-th thing as data; who receives first depends on the rank. */
static void exchange_data(int i, int tag)
{
    static struct thing thing;
    static unsigned char bytes[MOST];
    struct parcel__transfer *sent = NULL;
    fill(&thing, i);
    if (seam->rank % 2 == 0)
        sent = seam->send_data(seam->state, next_rank(), tag, thing.bytes, thing.size);
    wait_for(seam->receive_data(seam->state, last_rank(), tag, bytes, thing.size));
    if (seam->rank % 2 == 1)
        sent = seam->send_data(seam->state, next_rank(), tag, thing.bytes, thing.size);
    wait_for(sent);
    ck_is_thing(bytes, &thing);
}

START_TEST(data_arrive_whole)
{
    /* With an odd number of ranks two neighbours are even, and none waits in a circle. */
    for (int i = 0; i < COUNT; i++)
        exchange_data(i, i % 2 ? 32767 : 0);
}
END_TEST

START_TEST(data_of_one_tag_match_in_order)
{
    struct sent *sent = malloc(sizeof *sent);
    struct parcel__transfer **receives = malloc(COUNT * sizeof *receives);
    struct thing *things = malloc(COUNT * sizeof *things);
    ck_assert(sent && receives && things);
    for (int i = 0; i < COUNT; i++) {
        struct thing *thing = &sent->things[i];
        fill(thing, i);
        receives[i] = seam->receive_data(seam->state, last_rank(), 3, things[i].bytes, thing->size);
        sent->transfers[i] =
            seam->send_data(seam->state, next_rank(), 3, thing->bytes, thing->size);
    }
    for (int i = COUNT - 1; i >= 0; i--) {
        wait_for(receives[i]);
        ck_is_thing(things[i].bytes, &sent->things[i]);
    }
    wait_for_all(sent);
    free(receives);
    free(things);
}
END_TEST

/* A message and data of the same kind, sender and moment stay apart. */
START_TEST(long_messages_are_no_data)
{
    static struct thing thing;
    static unsigned char bytes[MOST];
    static const unsigned char data[MOST] = {1, 2, 3};
    struct parcel__envelope envelope;
    fill(&thing, 8);
    struct parcel__transfer *message =
        seam->send(seam->state, next_rank(), thing.kind, thing.bytes, thing.size);
    struct parcel__transfer *beside =
        seam->send_data(seam->state, next_rank(), thing.kind, data, sizeof data);
    wait_for(seam->receive_data(seam->state, last_rank(), thing.kind, bytes, sizeof data));
    ck_assert(memcmp(bytes, data, sizeof data) == 0);
    wait_for_message(&envelope);
    take_thing(&envelope, 8);
    wait_for(message);
    wait_for(beside);
}
END_TEST

/* Others would wait in vain for what could not begin: so memory is waited for, and what lets
 * allocations fail is not asked. */
START_TEST(memory_that_runs_out_is_waited_for)
{
    struct parcel__envelope envelope;
    for (int i = 0; i < 9; i++) {
        static struct thing thing;
        fill(&thing, i);
        parcel__memory_fail_from(1);
        struct parcel__transfer *sent =
            seam->send(seam->state, next_rank(), thing.kind, thing.bytes, thing.size);
        wait_for_message(&envelope);
        take_thing(&envelope, i);
        wait_for(sent);
        parcel__memory_fail_from(0);
    }
}
END_TEST

START_TEST(the_programs_own_messages_are_not_seen)
{
    struct parcel__envelope envelope;
    MPI_Request request;
    int number = -1;
    MPI_Isend(&seam->rank, 1, MPI_INT, next_rank(), 1, MPI_COMM_WORLD, &request);
    MPI_Barrier(MPI_COMM_WORLD);
    ck_assert(!seam->probe(seam->state, &envelope));
    MPI_Recv(&number, 1, MPI_INT, last_rank(), MPI_ANY_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    ck_assert_int_eq(number, last_rank());
    MPI_Wait(&request, MPI_STATUS_IGNORE);
}
END_TEST

START_TEST(the_programs_error_handler_stays)
{
    MPI_Errhandler handler;
    MPI_Comm_get_errhandler(MPI_COMM_WORLD, &handler);
    ck_assert(handler == MPI_ERRORS_ARE_FATAL);
    MPI_Errhandler_free(&handler);
}
END_TEST

/* More bytes than an int counts, with the pieces that programs have; of rank 0 to rank 1. */
static void exchange_huge(const struct parcel__transport *huge, unsigned char *bytes, size_t size)
{
    struct parcel__transfer *transfer = NULL;
    if (huge->rank == 0)
        transfer = huge->send_data(huge->state, 1, 1, bytes, size);
    else if (huge->rank == 1)
        transfer = huge->receive_data(huge->state, 0, 1, bytes, size);
    if (transfer)
        wait_for(transfer);
}

START_TEST(more_than_two_gigabytes_arrive)
{
    if (!getenv("PARCEL_TEST_HUGE") || seam->n_ranks < 2)
        return;
    size_t size = (size_t)INT_MAX + 12345;
    static struct parcel__mpi_transport huge;
    unsigned char *bytes = calloc(size, 1);
    ck_assert_ptr_nonnull(bytes);
    for (size_t at = 0; seam->rank == 0 && at < size; at++)
        bytes[at] = (unsigned char)(at % 251);
    parcel__mpi_transport_open(&huge, MPI_COMM_WORLD, PARCEL__MPI_PIECE);
    exchange_huge(&huge.seam, bytes, size);
    parcel__mpi_transport_close(&huge);
    size_t wrong = 0;
    for (size_t at = 0; seam->rank == 1 && at < size; at++)
        wrong += bytes[at] != at % 251;
    ck_assert_uint_eq(wrong, 0);
    free(bytes);
}
END_TEST

/* What a header does not promise, the two libraries know of each other. */
START_TEST(another_libparcel_is_named)
{
    char sentence[256] = "";
    ck_assert(parcel__mpi_version_check(parcel_version(), sentence, sizeof sentence));
    ck_assert_str_eq(sentence, "");
    ck_assert(!parcel__mpi_version_check("99.98.97", sentence, sizeof sentence));
    ck_contains(sentence, "the libparcel that is loaded of 99.98.97");
    ck_contains(sentence, parcel_version());
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("mpi_transport");
    TCase *tests = suite_case(suite, "mpi_transport");
    tcase_add_checked_fixture(tests, open_it, close_it);
    tcase_add_test(tests, it_knows_where_it_is);
    tcase_add_test(tests, nothing_is_found_where_nothing_was_sent);
    tcase_add_test(tests, messages_arrive_in_the_order_in_which_they_were_sent);
    tcase_add_test(tests, all_send_to_all_before_anybody_receives);
    tcase_add_test(tests, data_arrive_whole);
    tcase_add_test(tests, data_of_one_tag_match_in_order);
    tcase_add_test(tests, long_messages_are_no_data);
    tcase_add_test(tests, memory_that_runs_out_is_waited_for);
    tcase_add_test(tests, the_programs_own_messages_are_not_seen);
    tcase_add_test(tests, the_programs_error_handler_stays);
    tcase_add_test(tests, more_than_two_gigabytes_arrive);
    tcase_add_test(tests, another_libparcel_is_named);
    return suite;
}

int main(void)
{
    MPI_Init(NULL, NULL);
    int status = mpi_suite_run(suite());
    MPI_Finalize();
    return status;
}

/*
 * loopback.c: ranks that are threads of one process.
 *
 * What is sent stands in a queue for each pair of ranks, and data in another, behind one mutex for
 * all. A receive copies when it is done, and only then is a send done that waits for it: whoever
 * frees or reads too early is seen by the address sanitizer.
 */
#include "loopback.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

/* Something that was sent. */
struct packet {
    struct packet *next;
    int from;
    int to;
    int tag; /* of data, or the kind of a message */
    size_t size;
    const void *bytes;
    void *copy;                     /* where bytes points when nobody waits, else NULL */
    struct parcel__transfer *sends; /* the send that waits, or NULL */
    unsigned delay;                 /* so many looks pass before it is there */
};

/* A send, or a receive that waits for what matches it. */
struct parcel__transfer {
    struct parcel__transfer *next; /* of receives without a packet */
    int from;
    int to;
    int tag;
    size_t size;
    void *bytes;
    struct packet *packet; /* of a receive */
    bool is_done;          /* of a send */
    unsigned delay;
};

/* A rank's end of it. */
struct seat {
    struct loopback *loopback;
    struct parcel__transport transport;
    char host[32];
};

struct loopback {
    struct loopback_options options;
    struct seat *seats;
    pthread_mutex_t mutex; /* protects all below */
    uint64_t random;
    struct packet **messages;          /* of each pair, the first at the head */
    struct packet *data;               /* of all */
    struct parcel__transfer *receives; /* the same */
};

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    if (!memory)
        abort();
    return memory;
}

/* splitmix64 */
static uint64_t next_random(struct loopback *loopback)
{
    uint64_t x = loopback->random += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Mostly short, and long once in a while. */
static unsigned new_delay(struct loopback *loopback)
{
    enum { SHORT = 8, LONG = 300 };
    uint64_t random = loopback->options.seed == 0 ? 0 : next_random(loopback);
    if (random % 2 == 0)
        return 0;
    return (unsigned)(random / 64 % (random / 2 % 32 == 0 ? LONG : SHORT));
}

static void append(struct packet **link, struct packet *packet)
{
    while (*link)
        link = &(*link)->next;
    *link = packet;
}

/* ---- sending ---- */

static struct packet *new_packet(struct loopback *loopback, int from, int to, int tag,
                                 const void *bytes, size_t size)
{
    struct packet *packet = allocate(1, sizeof *packet);
    *packet = (struct packet){.from = from, .to = to, .tag = tag, .bytes = bytes, .size = size};
    packet->delay = new_delay(loopback);
    if (size > loopback->options.most_eager)
        return packet;
    packet->bytes = packet->copy = allocate(1, size);
    if (size > 0)
        memcpy(packet->copy, bytes, size);
    return packet;
}

static void free_packet(struct packet *packet)
{
    free(packet->copy);
    free(packet);
}

static struct parcel__transfer *new_send(struct loopback *loopback, struct packet *packet)
{
    struct parcel__transfer *transfer = allocate(1, sizeof *transfer);
    *transfer = (struct parcel__transfer){.from = packet->from, .to = packet->to};
    transfer->is_done = packet->copy != NULL;
    transfer->delay = new_delay(loopback);
    if (!packet->copy)
        packet->sends = transfer;
    return transfer;
}

static struct packet **queue_of(const struct loopback *loopback, int from, int to)
{
    return &loopback->messages[from * loopback->options.n_ranks + to];
}

static struct parcel__transfer *send_message(void *state, int to, int kind, const void *bytes,
                                             size_t size)
{
    const struct seat *seat = state;
    struct loopback *loopback = seat->loopback;
    pthread_mutex_lock(&loopback->mutex);
    struct packet *packet = new_packet(loopback, seat->transport.rank, to, kind, bytes, size);
    append(queue_of(loopback, packet->from, to), packet);
    struct parcel__transfer *transfer = new_send(loopback, packet);
    pthread_mutex_unlock(&loopback->mutex);
    return transfer;
}

/* ---- data ---- */

static void must_fit(const struct parcel__transfer *receive, const struct packet *packet)
{
    if (receive->size == packet->size)
        return;
    fprintf(stderr, "loopback: %zu bytes with tag %d from rank %d to %d, which awaits %zu\n",
            packet->size, packet->tag, packet->from, packet->to, receive->size);
    abort();
}

/* Gives a packet to the first receive that waits for such. False: there is none. */
static bool match_packet(struct loopback *loopback, struct packet *packet)
{
    struct parcel__transfer **link = &loopback->receives;
    while (*link && ((*link)->from != packet->from || (*link)->to != packet->to ||
                     (*link)->tag != packet->tag))
        link = &(*link)->next;
    if (!*link)
        return false;
    must_fit(*link, packet);
    (*link)->packet = packet;
    *link = (*link)->next;
    return true;
}

/* The same for a receive. */
static bool match_receive(struct loopback *loopback, struct parcel__transfer *receive)
{
    struct packet **link = &loopback->data;
    while (*link && ((*link)->from != receive->from || (*link)->to != receive->to ||
                     (*link)->tag != receive->tag))
        link = &(*link)->next;
    if (!*link)
        return false;
    must_fit(receive, *link);
    receive->packet = *link;
    *link = (*link)->next;
    return true;
}

static struct parcel__transfer *send_data(void *state, int to, int tag, const void *bytes,
                                          size_t size)
{
    const struct seat *seat = state;
    struct loopback *loopback = seat->loopback;
    pthread_mutex_lock(&loopback->mutex);
    struct packet *packet = new_packet(loopback, seat->transport.rank, to, tag, bytes, size);
    struct parcel__transfer *transfer = new_send(loopback, packet);
    if (!match_packet(loopback, packet))
        append(&loopback->data, packet);
    pthread_mutex_unlock(&loopback->mutex);
    return transfer;
}

static struct parcel__transfer *receive_data(void *state, int from, int tag, void *bytes,
                                             size_t size)
{
    const struct seat *seat = state;
    struct loopback *loopback = seat->loopback;
    struct parcel__transfer *transfer = allocate(1, sizeof *transfer), **link;
    *transfer = (struct parcel__transfer){
        .from = from, .to = seat->transport.rank, .tag = tag, .size = size, .bytes = bytes};
    pthread_mutex_lock(&loopback->mutex);
    transfer->delay = new_delay(loopback);
    link = &loopback->receives;
    if (!match_receive(loopback, transfer)) {
        while (*link)
            link = &(*link)->next;
        *link = transfer;
    }
    pthread_mutex_unlock(&loopback->mutex);
    return transfer;
}

/* ---- receiving ---- */

/* Any of the messages that are there; NULL: there is none. */
static struct packet *choose(struct loopback *loopback, int to)
{
    struct packet *chosen = NULL;
    unsigned n_there = 0;
    for (int from = 0; from < loopback->options.n_ranks; from++) {
        struct packet *first = *queue_of(loopback, from, to);
        if (!first || (first->delay > 0 && first->delay--))
            continue;
        n_there++;
        if (n_there == 1 || next_random(loopback) % n_there == 0)
            chosen = first;
    }
    return chosen;
}

static bool probe(void *state, struct parcel__envelope *envelope)
{
    const struct seat *seat = state;
    struct loopback *loopback = seat->loopback;
    pthread_mutex_lock(&loopback->mutex);
    struct packet *packet = choose(loopback, seat->transport.rank);
    if (packet)
        *queue_of(loopback, packet->from, packet->to) = packet->next;
    pthread_mutex_unlock(&loopback->mutex);
    if (packet)
        *envelope = (struct parcel__envelope){packet->from, packet->tag, packet->size, packet};
    return packet != NULL;
}

static struct parcel__transfer *take(void *state, const struct parcel__envelope *envelope,
                                     void *bytes)
{
    const struct seat *seat = state;
    struct loopback *loopback = seat->loopback;
    struct parcel__transfer *transfer = allocate(1, sizeof *transfer);
    *transfer = (struct parcel__transfer){
        .size = envelope->size, .bytes = bytes, .packet = envelope->ticket};
    pthread_mutex_lock(&loopback->mutex);
    transfer->delay = new_delay(loopback);
    pthread_mutex_unlock(&loopback->mutex);
    return transfer;
}

/* What a receive is done with. */
static void copy(struct parcel__transfer *receive)
{
    struct packet *packet = receive->packet;
    if (packet->size > 0)
        memcpy(receive->bytes, packet->bytes, packet->size);
    if (packet->sends)
        packet->sends->is_done = true;
    free_packet(packet);
    receive->is_done = true;
}

static bool is_done(void *state, struct parcel__transfer *transfer)
{
    const struct seat *seat = state;
    struct loopback *loopback = seat->loopback;
    pthread_mutex_lock(&loopback->mutex);
    bool is_there = transfer->is_done || transfer->packet;
    if (is_there && transfer->delay > 0) {
        transfer->delay--;
        is_there = false;
    }
    if (is_there && transfer->packet)
        copy(transfer);
    pthread_mutex_unlock(&loopback->mutex);
    if (is_there)
        free(transfer);
    return is_there;
}

/* ---- opening and closing ---- */

static void open_seat(struct loopback *loopback, int rank)
{
    struct seat *seat = &loopback->seats[rank];
    snprintf(seat->host, sizeof seat->host, "host-%d", rank / 2);
    seat->loopback = loopback;
    seat->transport = (struct parcel__transport){.state = seat,
                                                 .rank = rank,
                                                 .n_ranks = loopback->options.n_ranks,
                                                 .n_here = 2,
                                                 .fan_out = loopback->options.fan_out,
                                                 .host = seat->host,
                                                 .send = send_message,
                                                 .send_data = send_data,
                                                 .receive_data = receive_data,
                                                 .probe = probe,
                                                 .take = take,
                                                 .is_done = is_done};
}

struct loopback *loopback_open(const struct loopback_options *options)
{
    size_t n_ranks = (size_t)options->n_ranks;
    struct loopback *loopback = allocate(1, sizeof *loopback);
    *loopback = (struct loopback){.options = *options, .random = options->seed};
    loopback->seats = allocate(n_ranks, sizeof *loopback->seats);
    loopback->messages = allocate(n_ranks * n_ranks, sizeof *loopback->messages);
    pthread_mutex_init(&loopback->mutex, NULL);
    for (int i = 0; i < options->n_ranks; i++)
        open_seat(loopback, i);
    return loopback;
}

const struct parcel__transport *loopback_transport(struct loopback *loopback, int rank)
{
    return &loopback->seats[rank].transport;
}

/* Tells what is in the queue and should not be, since a test fails then. */
static size_t free_queue(struct packet *first)
{
    size_t count = 0;
    while (first) {
        struct packet *packet = first;
        first = packet->next;
        if (packet->sends)
            fprintf(stderr, "loopback: nobody took %zu bytes with tag %d from rank %d to %d\n",
                    packet->size, packet->tag, packet->from, packet->to);
        count += packet->sends != NULL;
        free_packet(packet);
    }
    return count;
}

size_t loopback_close(struct loopback *loopback)
{
    size_t n_ranks = (size_t)loopback->options.n_ranks;
    size_t n_left = free_queue(loopback->data);
    for (size_t i = 0; i < n_ranks * n_ranks; i++)
        n_left += free_queue(loopback->messages[i]);
    pthread_mutex_destroy(&loopback->mutex);
    free(loopback->messages);
    free(loopback->seats);
    free(loopback);
    return n_left;
}

/* ---- ranks that are threads ---- */

static _Thread_local struct parcel__ranks *used;

void loopback_use(struct parcel__ranks *ranks)
{
    used = ranks;
}

/* The linker puts it in the place of the library's, which knows one rank a process. */
struct parcel__ranks *__wrap_parcel__ranks_used(const char **why);
struct parcel__ranks *__wrap_parcel__ranks_used(const char **why)
{
    *why = used ? NULL : "this thread is no rank";
    return used;
}

struct member {
    pthread_t thread;
    struct parcel__ranks *ranks;
    loopback_part *part;
    void *state;
};

static void *run_member(void *argument)
{
    struct member *member = argument;
    loopback_use(member->ranks);
    member->part(member->ranks, member->state);
    loopback_use(NULL);
    parcel__ranks_close(member->ranks);
    return NULL;
}

void loopback_run(const struct loopback_options *options, loopback_part *part, void *state)
{
    struct loopback *loopback = loopback_open(options);
    struct member *members = allocate((size_t)options->n_ranks, sizeof *members);
    for (int i = 0; i < options->n_ranks; i++) {
        struct parcel__ranks *ranks = parcel__ranks_open(loopback_transport(loopback, i));
        ck_assert_ptr_nonnull(ranks);
        members[i] = (struct member){.ranks = ranks, .part = part, .state = state};
    }
    for (int i = 0; i < options->n_ranks; i++)
        ck_assert_int_eq(pthread_create(&members[i].thread, NULL, run_member, &members[i]), 0);
    for (int i = 0; i < options->n_ranks; i++)
        pthread_join(members[i].thread, NULL);
    free(members);
    ck_assert_uint_eq(loopback_close(loopback), 0);
}

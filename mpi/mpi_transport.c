/*
 * mpi_transport.c: the seam of lib/ranks/transport.h over MPI, by nonblocking two-sided messages.
 *
 * A message of one piece is one message of MPI, whose tag is its kind. A longer one is announced
 * by its size, with a tag above all kinds, and its bytes go as data, with that tag: they are
 * received in the order in which they are announced. Data go in pieces of a size that both ends
 * know, and MPI keeps the pieces in order.
 *
 * What MPI reports is the loss of another rank or a mistake of ours: nobody could go on, so the
 * job ends with the error, as it does where a program leaves errors to MPI.
 */
#include "mpi_transport.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ground/memory.h"
#include "ground/port.h"

enum { ANNOUNCED = (PARCEL__MPI_HIGHEST_TAG + 1) / 2 };

struct parcel__transfer {
    uint64_t size; /* the text of an announcement */
    int n_requests;
    MPI_Request requests[];
};

/* An envelope's ticket is the message that MPI matched, in place of a pointer to it. */
_Static_assert(sizeof(MPI_Message) <= sizeof(void *), "a ticket holds a message");

static void must(const struct parcel__mpi_transport *transport, int code, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    if (code == MPI_SUCCESS)
        return;
    MPI_Error_string(code, text, &length);
    fprintf(stderr, "parcel: rank %d (%s): %s: %s\n", transport->seam.rank, transport->host, what,
            text);
    MPI_Abort(transport->messages, EXIT_FAILURE);
}

/* Some MPIs leave by exit, from within a call, when another rank ends the job. */
static _Thread_local bool is_calling;

#define MUST(transport, function, ...) \
    (is_calling = true, must(transport, function(__VA_ARGS__), #function), is_calling = false)

bool parcel__mpi_transport_is_calling(void)
{
    return is_calling;
}

static size_t count_pieces(const struct parcel__mpi_transport *transport, size_t size)
{
    return size == 0 ? 1 : (size - 1) / transport->piece + 1;
}

/* One with room for the requests, none of which has begun. */
static struct parcel__transfer *new_transfer(size_t n_requests)
{
    struct parcel__transfer *transfer =
        parcel__memory_await(sizeof *transfer + n_requests * sizeof *transfer->requests);
    transfer->n_requests = 0;
    return transfer;
}

static void start_send(const struct parcel__mpi_transport *transport,
                       struct parcel__transfer *transfer, const void *bytes, size_t size, int to,
                       int tag, MPI_Comm communicator)
{
    MPI_Request *request = &transfer->requests[transfer->n_requests++];
    MUST(transport, MPI_Isend, bytes, (int)size, MPI_BYTE, to, tag, communicator, request);
}

static void start_sends(const struct parcel__mpi_transport *transport,
                        struct parcel__transfer *transfer, const unsigned char *bytes, size_t size,
                        int to, int tag)
{
    while (size > transport->piece) {
        start_send(transport, transfer, bytes, transport->piece, to, tag, transport->data);
        bytes += transport->piece;
        size -= transport->piece;
    }
    start_send(transport, transfer, bytes, size, to, tag, transport->data);
}

static void start_receive(const struct parcel__mpi_transport *transport,
                          struct parcel__transfer *transfer, void *bytes, size_t size, int from,
                          int tag)
{
    MPI_Request *request = &transfer->requests[transfer->n_requests++];
    MUST(transport, MPI_Irecv, bytes, (int)size, MPI_BYTE, from, tag, transport->data, request);
}

static struct parcel__transfer *receive_data(void *state, int from, int tag, void *bytes,
                                             size_t size)
{
    const struct parcel__mpi_transport *transport = state;
    struct parcel__transfer *transfer = new_transfer(count_pieces(transport, size));
    unsigned char *next = bytes;
    while (size > transport->piece) {
        start_receive(transport, transfer, next, transport->piece, from, tag);
        next += transport->piece;
        size -= transport->piece;
    }
    start_receive(transport, transfer, next, size, from, tag);
    return transfer;
}

static struct parcel__transfer *send_data(void *state, int to, int tag, const void *bytes,
                                          size_t size)
{
    const struct parcel__mpi_transport *transport = state;
    struct parcel__transfer *transfer = new_transfer(count_pieces(transport, size));
    start_sends(transport, transfer, bytes, size, to, tag);
    return transfer;
}

/* The announcement and the bytes begin together, since the other end may be waiting for either. */
static struct parcel__transfer *send_announced(const struct parcel__mpi_transport *transport,
                                               int to, int kind, const void *bytes, size_t size)
{
    struct parcel__transfer *transfer = new_transfer(1 + count_pieces(transport, size));
    transfer->size = size;
    start_send(transport, transfer, &transfer->size, sizeof transfer->size, to, ANNOUNCED + kind,
               transport->messages);
    start_sends(transport, transfer, bytes, size, to, ANNOUNCED + kind);
    return transfer;
}

static struct parcel__transfer *send_message(void *state, int to, int kind, const void *bytes,
                                             size_t size)
{
    const struct parcel__mpi_transport *transport = state;
    if (size > transport->piece)
        return send_announced(transport, to, kind, bytes, size);
    struct parcel__transfer *transfer = new_transfer(1);
    start_send(transport, transfer, bytes, size, to, kind, transport->messages);
    return transfer;
}

/* Reads an announcement. It is there, and small: nobody is waited for. */
static size_t read_size(const struct parcel__mpi_transport *transport, MPI_Message *message)
{
    uint64_t size = 0;
    MUST(transport, MPI_Mrecv, &size, sizeof size, MPI_BYTE, message, MPI_STATUS_IGNORE);
    return (size_t)size;
}

static bool probe(void *state, struct parcel__envelope *envelope)
{
    const struct parcel__mpi_transport *transport = state;
    MPI_Message message;
    MPI_Status status;
    int found = 0;
    int size = 0;
    /* The first look may be the one that lets a message in, which only the second one finds. */
    for (int look = 0; look < 2 && !found; look++)
        MUST(transport, MPI_Improbe, MPI_ANY_SOURCE, MPI_ANY_TAG, transport->messages, &found,
             &message, &status);
    if (!found)
        return false;
    MPI_Get_count(&status, MPI_BYTE, &size);
    *envelope = (struct parcel__envelope){
        .from = status.MPI_SOURCE, .kind = status.MPI_TAG, .size = (size_t)size};
    if (status.MPI_TAG >= ANNOUNCED) {
        envelope->kind -= ANNOUNCED;
        envelope->size = read_size(transport, &message);
    }
    memcpy(&envelope->ticket, &message, sizeof message);
    return true;
}

static struct parcel__transfer *take(void *state, const struct parcel__envelope *envelope,
                                     void *bytes)
{
    const struct parcel__mpi_transport *transport = state;
    MPI_Message message;
    if (envelope->size > transport->piece)
        return receive_data(state, envelope->from, ANNOUNCED + envelope->kind, bytes,
                            envelope->size);
    struct parcel__transfer *transfer = new_transfer(1);
    memcpy(&message, &envelope->ticket, sizeof message);
    transfer->n_requests = 1;
    MUST(transport, MPI_Imrecv, bytes, (int)envelope->size, MPI_BYTE, &message, transfer->requests);
    return transfer;
}

static bool is_done(void *state, struct parcel__transfer *transfer)
{
    const struct parcel__mpi_transport *transport = state;
    for (; transfer->n_requests > 0; transfer->n_requests--) {
        MPI_Request *last = &transfer->requests[transfer->n_requests - 1];
        int done = 0;
        MUST(transport, MPI_Test, last, &done, MPI_STATUS_IGNORE);
        if (!done)
            return false;
    }
    parcel__memory_free(transfer);
    return true;
}

static MPI_Comm duplicate(MPI_Comm communicator)
{
    MPI_Comm copy;
    MPI_Comm_dup(communicator, &copy);
    MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN);
    return copy;
}

/* How many of the ranks share this host's memory, and how many of these may use the same cpus. */
static void count_here(MPI_Comm communicator, struct parcel__transport *seam)
{
    MPI_Comm here, alike;
    int color = (int)(parcel__port_affinity_hash() & INT_MAX);
    MPI_Comm_split_type(communicator, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here);
    MPI_Comm_size(here, &seam->n_here);
    MPI_Comm_split(here, color, 0, &alike);
    MPI_Comm_size(alike, &seam->n_alike);
    MPI_Comm_free(&alike);
    MPI_Comm_free(&here);
}

void parcel__mpi_transport_open(struct parcel__mpi_transport *transport, MPI_Comm communicator,
                                size_t piece)
{
    *transport = (struct parcel__mpi_transport){
        .messages = duplicate(communicator), .data = duplicate(communicator), .piece = piece};
    gethostname(transport->host, sizeof transport->host - 1);
    transport->seam = (struct parcel__transport){.state = transport,
                                                 .host = transport->host,
                                                 .send = send_message,
                                                 .send_data = send_data,
                                                 .receive_data = receive_data,
                                                 .probe = probe,
                                                 .take = take,
                                                 .is_done = is_done};
    count_here(communicator, &transport->seam);
    MPI_Comm_rank(communicator, &transport->seam.rank);
    MPI_Comm_size(communicator, &transport->seam.n_ranks);
}

void parcel__mpi_transport_close(struct parcel__mpi_transport *transport)
{
    MPI_Comm_free(&transport->messages);
    MPI_Comm_free(&transport->data);
}

/* transport.h: how the ranks of a job reach each other. Whoever connects them gives one. */
#ifndef PARCEL__TRANSPORT_H
#define PARCEL__TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

/* A message that has arrived, or one whose sender waits until it is taken. */
struct parcel__envelope {
    int from;
    int kind; /* as its sender said, 0 to 32767 */
    size_t size;
    void *ticket; /* the transport's own */
};

/* A send or a receive that has begun; the transport's own. */
struct parcel__transfer;

/*
 * The functions are called by one thread at a time, whichever it is, and none waits for another
 * rank. What two ranks send each other arrives in the order in which it was sent. Messages are
 * found by probe. Data are received by who was told of them: they match in order, for each sender
 * and tag.
 */
struct parcel__transport {
    void *state; /* given to each function */
    int rank;
    int n_ranks;
    int n_here;       /* ranks on this host, with this one, */
    int n_alike;      /* and of these, that may run on the same cpus */
    int fan_out;      /* ranks that one hands out to; 0: the usual number */
    const char *host; /* this rank's; as long as the transport */
    const char *note; /* what users of a run should know, a line; NULL: nothing */

    /* Starts to send; the bytes stay as they are until it is done. These wait for memory where
     * there is none. */
    struct parcel__transfer *(*send)(void *state, int to, int kind, const void *bytes, size_t size);
    struct parcel__transfer *(*send_data)(void *state, int to, int tag, const void *bytes,
                                          size_t size);

    /* Starts to receive data. */
    struct parcel__transfer *(*receive_data)(void *state, int from, int tag, void *bytes,
                                             size_t size);

    /* The next message, from whomever. False: none is there. */
    bool (*probe)(void *state, struct parcel__envelope *envelope);

    /* Starts to receive the message that was probed last; it is taken before the next is probed. */
    struct parcel__transfer *(*take)(void *state, const struct parcel__envelope *envelope,
                                     void *bytes);

    /* True: it is done, and its memory is given back. */
    bool (*is_done)(void *state, struct parcel__transfer *transfer);
};

#endif

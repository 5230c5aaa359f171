/* post.h: messages and large data on their way between ranks, and who sees to them. */
#ifndef PARCEL__POST_H
#define PARCEL__POST_H

#include "ranks/transport.h"

struct parcel__post;

struct parcel__message {
    struct parcel__message *next;
    int rank; /* to whom, or from whom */
    int kind;
    size_t size;
    unsigned char *bytes; /* owned; aligned as memory is */
    struct parcel__transfer *transfer;
};

/* Deals with a message that has arrived; what it does not take out of it (bytes, by setting it to
 * NULL) is freed behind it. Called with the post held: no other message is dealt with meanwhile. */
typedef void parcel__post_handler(void *context, struct parcel__message *message);

/* Data that travel by themselves. next and transfer are the post's. */
struct parcel__freight {
    struct parcel__freight *next;
    struct parcel__transfer *transfer;
    int rank; /* to whom, or from whom */
    int tag;
    void *bytes; /* borrowed until done is called */
    size_t size;

    /* They have been sent or received. Called with the post held. */
    void (*done)(void *context, void *bytes);
    void *context;
};

/* NULL: out of memory. The transport is borrowed. */
struct parcel__post *parcel__post_open(const struct parcel__transport *transport);
/* Waits until all is sent. */
void parcel__post_close(struct parcel__post *post);

/* Sends a message, whose bytes (of parcel__memory_new) are taken. Threads: any. */
void parcel__post_send(struct parcel__post *post, int to, int kind, void *bytes, size_t size);

/* The same for bytes that are copied. */
void parcel__post_tell(struct parcel__post *post, int to, int kind, const void *bytes, size_t size);

/* Begins to send or to receive data; the freight is copied. Only while the post is held, by a
 * handler or a done. */
void parcel__post_send_data(struct parcel__post *post, const struct parcel__freight *freight);
void parcel__post_receive_data(struct parcel__post *post, const struct parcel__freight *freight);

/* Sees to all that can be done now, unless another thread is just doing so. Threads: any. */
void parcel__post_poll(struct parcel__post *post, parcel__post_handler *handler, void *context);

/* Holds the post, as a handler finds it. Threads: any. */
void parcel__post_hold(struct parcel__post *post);
void parcel__post_let_go(struct parcel__post *post);

/* When all was seen to last, by the clock; and whether data are on their way. Threads: any. */
double parcel__post_last_poll(const struct parcel__post *post);
bool parcel__post_has_data(const struct parcel__post *post);

/* True when nothing waits to be sent. Threads: any. */
bool parcel__post_is_empty(const struct parcel__post *post);

#endif

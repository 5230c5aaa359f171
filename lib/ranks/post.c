/*
 * post.c: messages and large data on their way between ranks.
 *
 * Whoever has a moment sees to the post: a worker between two calls, one that waits, or the courier
 * when all are in long calls. One thread does so at a time; what another wants to send meanwhile
 * stands in a queue, which it looks at again before it goes.
 */
#include "ranks/post.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "ground/memory.h"
#include "ground/port.h"

struct queue {
    struct parcel__message *first;
    struct parcel__message *last;
};

struct parcel__post {
    const struct parcel__transport *transport;

    pthread_mutex_t queue_mutex;
    struct queue waiting;   /* to be sent; protected by queue_mutex */
    atomic_size_t n_unsent; /* messages that are not sent yet; relaxed: only their number counts */

    pthread_mutex_t mutex;            /* held by who sees to the post; protects what follows */
    struct parcel__message *sending;  /* in no order */
    struct parcel__message *arriving; /* the one that is being received, or NULL */
    struct parcel__freight *freights;
    atomic_size_t n_freights; /* written with the mutex held, relaxed to look */
    _Atomic double last_poll; /* the same */
};

struct parcel__post *parcel__post_open(const struct parcel__transport *transport)
{
    struct parcel__post *post = parcel__memory_new(sizeof *post);
    if (!post)
        return NULL;
    *post = (struct parcel__post){.transport = transport};
    pthread_mutex_init(&post->queue_mutex, NULL);
    pthread_mutex_init(&post->mutex, NULL);
    return post;
}

static void drop(struct parcel__message *message)
{
    parcel__memory_free(message->bytes);
    parcel__memory_free(message);
}

/* ---- messages out ---- */

static void enqueue(struct parcel__post *post, struct parcel__message *message)
{
    atomic_fetch_add_explicit(&post->n_unsent, 1, memory_order_relaxed);
    pthread_mutex_lock(&post->queue_mutex);
    if (post->waiting.first)
        post->waiting.last->next = message;
    else
        post->waiting.first = message;
    post->waiting.last = message;
    pthread_mutex_unlock(&post->queue_mutex);
}

void parcel__post_send(struct parcel__post *post, int to, int kind, void *bytes, size_t size)
{
    struct parcel__message *message = parcel__memory_await(sizeof *message);
    *message = (struct parcel__message){.rank = to, .kind = kind, .size = size, .bytes = bytes};
    enqueue(post, message);
}

void parcel__post_tell(struct parcel__post *post, int to, int kind, const void *bytes, size_t size)
{
    void *copy = parcel__memory_await(size);
    if (size > 0)
        memcpy(copy, bytes, size);
    parcel__post_send(post, to, kind, copy, size);
}

static struct parcel__message *dequeue(struct parcel__post *post)
{
    pthread_mutex_lock(&post->queue_mutex);
    struct parcel__message *message = post->waiting.first;
    if (message)
        post->waiting.first = message->next;
    pthread_mutex_unlock(&post->queue_mutex);
    return message;
}

/* Returns whether something was done. */
static bool start_sends(struct parcel__post *post)
{
    const struct parcel__transport *transport = post->transport;
    struct parcel__message *message;
    bool has_begun = false;
    while ((message = dequeue(post)) != NULL) {
        message->transfer = transport->send(transport->state, message->rank, message->kind,
                                            message->bytes, message->size);
        message->next = post->sending;
        post->sending = message;
        has_begun = true;
    }
    return has_begun;
}

static bool end_sends(struct parcel__post *post)
{
    const struct parcel__transport *transport = post->transport;
    struct parcel__message **link = &post->sending;
    bool has_ended = false;
    while (*link) {
        struct parcel__message *message = *link;
        if (!transport->is_done(transport->state, message->transfer)) {
            link = &message->next;
            continue;
        }
        *link = message->next;
        drop(message);
        atomic_fetch_sub_explicit(&post->n_unsent, 1, memory_order_relaxed);
        has_ended = true;
    }
    return has_ended;
}

bool parcel__post_is_empty(const struct parcel__post *post)
{
    return atomic_load_explicit(&post->n_unsent, memory_order_relaxed) == 0;
}

/* ---- data ---- */

static void start_freight(struct parcel__post *post, const struct parcel__freight *freight,
                          struct parcel__transfer *transfer)
{
    struct parcel__freight *started = parcel__memory_await(sizeof *started);
    *started = *freight;
    started->transfer = transfer;
    started->next = post->freights;
    post->freights = started;
    atomic_fetch_add_explicit(&post->n_freights, 1, memory_order_relaxed);
}

void parcel__post_send_data(struct parcel__post *post, const struct parcel__freight *freight)
{
    const struct parcel__transport *transport = post->transport;
    start_freight(post, freight,
                  transport->send_data(transport->state, freight->rank, freight->tag,
                                       freight->bytes, freight->size));
}

void parcel__post_receive_data(struct parcel__post *post, const struct parcel__freight *freight)
{
    const struct parcel__transport *transport = post->transport;
    start_freight(post, freight,
                  transport->receive_data(transport->state, freight->rank, freight->tag,
                                          freight->bytes, freight->size));
}

static bool end_freights(struct parcel__post *post)
{
    const struct parcel__transport *transport = post->transport;
    struct parcel__freight *ended = NULL, **link = &post->freights;
    bool has_ended = false;
    while (*link) {
        struct parcel__freight *freight = *link;
        if (!transport->is_done(transport->state, freight->transfer)) {
            link = &freight->next;
            continue;
        }
        *link = freight->next;
        freight->next = ended;
        ended = freight;
    }
    while (ended) { /* done may begin further ones */
        struct parcel__freight *freight = ended;
        ended = freight->next;
        atomic_fetch_sub_explicit(&post->n_freights, 1, memory_order_relaxed);
        freight->done(freight->context, freight->bytes);
        parcel__memory_free(freight);
        has_ended = true;
    }
    return has_ended;
}

bool parcel__post_has_data(const struct parcel__post *post)
{
    return atomic_load_explicit(&post->n_freights, memory_order_relaxed) > 0;
}

/* ---- messages in ---- */

/* Begins to receive the next message, if there is one. */
static void start_receive(struct parcel__post *post)
{
    const struct parcel__transport *transport = post->transport;
    struct parcel__envelope envelope;
    if (!transport->probe(transport->state, &envelope))
        return;
    struct parcel__message *message = parcel__memory_await(sizeof *message);
    *message = (struct parcel__message){.rank = envelope.from,
                                        .kind = envelope.kind,
                                        .size = envelope.size,
                                        .bytes = parcel__memory_await(envelope.size)};
    message->transfer = transport->take(transport->state, &envelope, message->bytes);
    post->arriving = message;
}

static bool receive(struct parcel__post *post, parcel__post_handler *handler, void *context)
{
    const struct parcel__transport *transport = post->transport;
    if (!post->arriving)
        start_receive(post);
    struct parcel__message *message = post->arriving;
    if (!message || !transport->is_done(transport->state, message->transfer))
        return false;
    post->arriving = NULL;
    handler(context, message);
    drop(message);
    return true;
}

/* ---- seeing to it ---- */

static void see_to_all(struct parcel__post *post, parcel__post_handler *handler, void *context)
{
    bool goes_on = true;
    while (goes_on) {
        goes_on = start_sends(post);
        if (post->sending)
            goes_on |= end_sends(post);
        if (post->freights)
            goes_on |= end_freights(post);
        goes_on |= receive(post, handler, context);
    }
    atomic_store_explicit(&post->last_poll, parcel__port_now(), memory_order_relaxed);
}

static bool has_waiting(struct parcel__post *post)
{
    pthread_mutex_lock(&post->queue_mutex);
    bool has = post->waiting.first != NULL;
    pthread_mutex_unlock(&post->queue_mutex);
    return has;
}

void parcel__post_poll(struct parcel__post *post, parcel__post_handler *handler, void *context)
{
    do {
        if (pthread_mutex_trylock(&post->mutex) != 0)
            return; /* who holds it looks at the queue again */
        see_to_all(post, handler, context);
        pthread_mutex_unlock(&post->mutex);
    } while (has_waiting(post));
}

void parcel__post_hold(struct parcel__post *post)
{
    pthread_mutex_lock(&post->mutex);
}

void parcel__post_let_go(struct parcel__post *post)
{
    pthread_mutex_unlock(&post->mutex);
}

double parcel__post_last_poll(const struct parcel__post *post)
{
    return atomic_load_explicit(&post->last_poll, memory_order_relaxed);
}

static void ignore(void *context, struct parcel__message *message)
{
    (void)context;
    (void)message;
}

void parcel__post_close(struct parcel__post *post)
{
    static const double pause = 50e-6;
    for (;;) {
        parcel__post_poll(post, ignore, NULL);
        if (parcel__post_is_empty(post) && !parcel__post_has_data(post) && !post->arriving)
            break;
        parcel__port_sleep(pause);
    }
    pthread_mutex_destroy(&post->queue_mutex);
    pthread_mutex_destroy(&post->mutex);
    parcel__memory_free(post);
}

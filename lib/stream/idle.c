/*
 * idle.c: a worker of a stream that has no calls.
 *
 * It waits for room, for the generator, for what another worker gives back, which it asks for that;
 * and goes when there will be none.
 */
#include "stream/idle.h"

#include <math.h>

#include "ground/port.h"
#include "stream/feed.h"

/* Waits for what may have changed. What stops the run from outside wakes nobody: where there may be
 * such a thing, it is looked for from time to time. Called with the mutex held. */
static void pause_for(struct parcel__stream *stream, double seconds)
{
    static const double look = 5e-3;
    struct parcel__control *control = stream->options.job.control;
    double longest = control->watches ? look : INFINITY;
    seconds = seconds < longest ? seconds : longest;
    if (seconds < INFINITY)
        parcel__port_wait(&stream->has_room, &stream->mutex, seconds);
    else
        pthread_cond_wait(&stream->has_room, &stream->mutex);
    if (!control->watches)
        return;
    pthread_mutex_unlock(&stream->mutex);
    (void)parcel__job_must_stop(&stream->job);
    pthread_mutex_lock(&stream->mutex);
}

/* Asks those who run several calls for what they have not begun, and waits for it, from the time
 * since on: at first for an instant, as most blocks last no longer, and a run's end waits for who
 * sleeps. Called with the mutex held. */
static void ask_around(struct parcel__stream *stream, double *since)
{
    static const double instant = 100e-6, longest = 5e-3;
    double now = parcel__port_now();
    *since = *since == 0 ? now : *since;
    double waited = now - *since;
    if (waited >= instant)
        parcel__stream_ask_locked(stream);
    if (waited >= instant || !parcel__stream_has_ended(stream)) {
        pause_for(stream, fmin(instant + waited / 16, longest));
        return;
    }
    pthread_mutex_unlock(&stream->mutex);
    parcel__port_yield();
    pthread_mutex_lock(&stream->mutex);
}

/* True when no other thread is just handing out: what it takes nobody sees yet. */
static bool is_turn_free(struct parcel__stream *stream)
{
    if (pthread_mutex_trylock(&stream->pull_mutex) != 0)
        return false;
    pthread_mutex_unlock(&stream->pull_mutex);
    return true;
}

enum prospect { NO_CALLS, NEW_CALLS, CALLS_OF_OTHERS, SOME_CALLS };

/* True when this thread took a block for a backend that has not begun it. */
static bool holds_some(const struct parcel__stream *stream)
{
    const struct parcel__stream_block *block = stream->held;
    while (block && !pthread_equal(block->holder, pthread_self()))
        block = block->link;
    return block != NULL;
}

/* True when a backend holds all that is on its way and begins none of it: this thread would wait
 * for itself, or perhaps for one that waits for it. *since: for how long, by the clock; 0: it was
 * not so before. Called with the mutex held. */
static bool waits_in_vain(const struct parcel__stream *stream, double *since)
{
    static const double patience = 50e-3;
    if (stream->n_held == 0 || stream->n_held < stream->window.blocks) {
        *since = 0;
        return false;
    }
    double now = parcel__port_now();
    *since = *since > 0 ? *since : now;
    return holds_some(stream) || now - *since > patience;
}

/* What a worker without calls may hope for. Called with the mutex held. */
static enum prospect look_out(struct parcel__stream *stream, double *held_up)
{
    bool is_free = is_turn_free(stream);
    if (parcel__job_is_stopped(&stream->job))
        return NO_CALLS;
    if (stream->n_returned > 0 || (is_free && parcel__feed_room(stream) > 0))
        return SOME_CALLS;
    if (is_free && waits_in_vain(stream, held_up))
        return NO_CALLS;
    if (parcel__stream_shares(stream) && (!is_free || parcel__window_is_divisible(&stream->window)))
        return CALLS_OF_OTHERS;
    return is_free && parcel__stream_has_ended(stream) ? NO_CALLS : NEW_CALLS;
}

bool parcel__idle_await(struct parcel__stream *stream)
{
    static const double look = 5e-3; /* who holds calls wakes nobody */
    double since = 0, held_up = 0;
    enum prospect prospect;
    pthread_mutex_lock(&stream->mutex);
    atomic_fetch_add_explicit(&stream->n_waiting, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    while ((prospect = look_out(stream, &held_up)) == NEW_CALLS || prospect == CALLS_OF_OTHERS)
        if (prospect == NEW_CALLS)
            pause_for(stream, stream->n_held > 0 ? look : INFINITY);
        else
            ask_around(stream, &since);
    if (prospect == NO_CALLS)
        pthread_cond_broadcast(&stream->has_room); /* nor for the others */
    atomic_fetch_sub_explicit(&stream->n_waiting, 1, memory_order_relaxed);
    pthread_mutex_unlock(&stream->mutex);
    return prospect == SOME_CALLS;
}

/* window.c: the blocks of calls that a stream has on their way. */
#include "stream/window.h"

#include <assert.h>

void parcel__window_queue(struct parcel__queue *queue, struct parcel__place *place)
{
    place->next = NULL;
    if (queue->first)
        queue->last->next = place;
    else
        queue->first = place;
    queue->last = place;
}

struct parcel__place *parcel__window_unqueue(struct parcel__queue *queue)
{
    struct parcel__place *place = queue->first;
    if (place)
        queue->first = place->next;
    return place;
}

size_t parcel__window_room(const struct parcel__window *window)
{
    size_t waiting = window->entered - window->taken;
    size_t ahead = window->entered - window->finished;
    size_t room = waiting < window->most_waiting ? window->most_waiting - waiting : 0;
    size_t front = ahead < window->most_ahead ? window->most_ahead - ahead : 0;
    return room < front ? room : front;
}

void parcel__window_enter(struct parcel__window *window, struct parcel__place *place, size_t count)
{
    assert(count > 0 && count <= parcel__window_room(window));
    place->count = count;
    place->is_finished = false;
    window->entered += count;
    window->blocks++;
    if (window->in_order)
        parcel__window_queue(&window->running, place);
}

void parcel__window_split(struct parcel__window *window, struct parcel__place *place,
                          struct parcel__place *rest, size_t count)
{
    assert(count <= place->count && !place->is_finished);
    place->count -= count;
    rest->count = count;
    rest->is_finished = false;
    window->blocks++;
    if (!window->in_order)
        return;
    rest->next = place->next;
    place->next = rest;
    if (window->running.last == place)
        window->running.last = rest;
}

bool parcel__window_is_divisible(const struct parcel__window *window)
{
    return window->entered - window->finished > window->blocks;
}

void parcel__window_finish(struct parcel__window *window, struct parcel__place *place)
{
    place->is_finished = true;
    window->finished += place->count;
    window->blocks--;
    if (!window->in_order)
        parcel__window_queue(&window->ready, place);
    while (window->running.first && window->running.first->is_finished)
        parcel__window_queue(&window->ready, parcel__window_unqueue(&window->running));
}

void parcel__window_take(struct parcel__window *window, size_t count)
{
    window->taken += count;
    assert(window->taken <= window->finished);
}

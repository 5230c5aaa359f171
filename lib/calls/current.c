/* current.c: the call that runs in this thread. */
#include "calls/current.h"

#include <pthread.h>
#include <stdarg.h>

#include "ground/memory.h"
#include "ground/text.h"

static _Thread_local struct parcel_current_call *current_call;

struct parcel_current_call *parcel__current_get(void)
{
    return current_call;
}

struct parcel_current_call *parcel__current_enter(struct parcel_current_call *current)
{
    struct parcel_current_call *before = current_call;
    current_call = current;
    return before;
}

void parcel__current_leave(struct parcel_current_call *before)
{
    current_call = before;
}

parcel_current_call *parcel_current(void)
{
    return current_call;
}

void parcel__current_signal(struct parcel_current_call *current, unsigned event)
{
    __atomic_fetch_or(&current->running.events, event, __ATOMIC_RELEASE);
}

/* In a child: when it returns from the call, it is one thread of the run's many. */
static void note_fork(void)
{
    for (struct parcel_current_call *current = current_call; current; current = current->around)
        parcel__current_signal(current, PARCEL__EVENT_FORKED);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, note_fork);
}

static void fail(struct parcel_current_call *current, const char *format, va_list list)
{
    struct parcel__text text = {0};
    char *none = NULL;
    if (!current)
        return;
    parcel__text_format_local(&text, format ? format : "", list);
    char *message = parcel__text_take(&text);
    /* The worker reads the message after it joined or returned from the call: relaxed. */
    if (message &&
        !atomic_compare_exchange_strong_explicit(&current->message, &none, message,
                                                 memory_order_relaxed, memory_order_relaxed))
        parcel__memory_free(message);
    parcel__current_signal(current, PARCEL__EVENT_FAILED);
}

void parcel_fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fail(current_call, format, list);
    va_end(list);
}

void parcel_fail_in(parcel_current_call *current, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fail(current, format, list);
    va_end(list);
}

char *parcel__current_take_message(struct parcel_current_call *current)
{
    return atomic_exchange_explicit(&current->message, NULL, memory_order_relaxed);
}

size_t parcel_index_in(const parcel_current_call *current)
{
    return current ? current->running.index : SIZE_MAX;
}

size_t parcel_index(void)
{
    return parcel_index_in(current_call);
}

int parcel_worker_in(const parcel_current_call *current)
{
    return current ? current->worker : -1;
}

int parcel_worker(void)
{
    return parcel_worker_in(current_call);
}

int parcel_level_in(const parcel_current_call *current)
{
    return current ? current->nest->level : 0;
}

int parcel_level(void)
{
    return parcel_level_in(current_call);
}

void *parcel_worker_state_in(const parcel_current_call *current)
{
    return current ? current->worker_state : NULL;
}

void *parcel_worker_state(void)
{
    return parcel_worker_state_in(current_call);
}

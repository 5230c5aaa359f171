/*
 * count_clock.c: what differs between two runs of one program, replaced at link time.
 *
 * The clock goes on by a microsecond at each look and the ticks by a thousand, so that batches are
 * cut the same each time. A stream's thread is run to its end by the thread that makes it.
 */
#include "count.h"

#include <pthread.h>
#include <stdint.h>

double __wrap_parcel__port_now(void);
uint64_t __wrap_parcel__port_ticks(void);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *argument);
int __wrap_pthread_join(pthread_t thread, void **result);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *argument);
int __real_pthread_join(pthread_t thread, void **result);

bool count_has_no_threads;

double __wrap_parcel__port_now(void)
{
    static double now = 1;
    return now += 1e-6;
}

uint64_t __wrap_parcel__port_ticks(void)
{
    static uint64_t ticks;
    return ticks += 1000;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *argument)
{
    if (!count_has_no_threads)
        return __real_pthread_create(thread, attributes, body, argument);
    *thread = pthread_self();
    (void)body(argument);
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    return count_has_no_threads ? 0 : __real_pthread_join(thread, result);
}

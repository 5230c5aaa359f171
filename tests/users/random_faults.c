/*
 * random_faults.c: see random_faults.h. The linker wraps the functions: what the C library and the
 * OpenMP runtime ask for themselves never fails here.
 */
#include "random_faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* One of so many fails. */
enum { MEMORY = 40, PAGES = 8, FORK = 4, THREAD = 4 };

static atomic_bool is_on;
static atomic_uint n_failed;
static _Atomic uint64_t state;
static _Thread_local int n_pauses;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__real_mmap(void *place, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *place, size_t size, int protection, int flags, int file, off_t offset);
pid_t __real_fork(void);
pid_t __wrap_fork(void);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *argument);

void faults_begin(uint64_t seed)
{
    atomic_store(&state, seed);
    atomic_store(&n_failed, 0);
    atomic_store(&is_on, true);
}

unsigned faults_end(void)
{
    atomic_store(&is_on, false);
    return atomic_load(&n_failed);
}

void faults_pause(void)
{
    n_pauses++;
}

void faults_resume(void)
{
    n_pauses--;
}

/* A linear congruential generator (Knuth, MMIX), whose high bits are good enough. */
static bool fails(unsigned one_of)
{
    if (!atomic_load_explicit(&is_on, memory_order_relaxed) || n_pauses > 0)
        return false;
    uint64_t bits = atomic_load(&state);
    while (!atomic_compare_exchange_weak(&state, &bits,
                                         bits * 6364136223846793005U + 1442695040888963407U))
        ;
    if ((bits >> 33) % one_of != 0)
        return false;
    atomic_fetch_add(&n_failed, 1);
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails(MEMORY) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(MEMORY) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails(MEMORY) ? NULL : __real_realloc(memory, size);
}

void *__wrap_mmap(void *place, size_t size, int protection, int flags, int file, off_t offset)
{
    if (!fails(PAGES))
        return __real_mmap(place, size, protection, flags, file, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

pid_t __wrap_fork(void)
{
    if (!fails(FORK))
        return __real_fork();
    errno = EAGAIN;
    return -1;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *argument)
{
    return fails(THREAD) ? EAGAIN : __real_pthread_create(thread, attributes, body, argument);
}

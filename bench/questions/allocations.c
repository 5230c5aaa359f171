/*
 * allocations.c: malloc, calloc and realloc of this program, which hand on to the C library's.
 *
 * While nothing is counted they cost one predictable branch, so that the timed parts are not
 * disturbed.
 */
#include "allocations.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* The C library's own, by the names that glibc keeps for whoever stands before it. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

/* Relaxed: the counted part starts and ends while no other thread runs calls. */
static atomic_bool is_counting;
static atomic_size_t count;

static void note(void)
{
    if (atomic_load_explicit(&is_counting, memory_order_relaxed))
        atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    note();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    note();
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size)
{
    note();
    return __libc_realloc(memory, size);
}

void allocations_begin(void)
{
    atomic_store_explicit(&count, 0, memory_order_relaxed);
    atomic_store_explicit(&is_counting, true, memory_order_relaxed);
}

size_t allocations_end(void)
{
    atomic_store_explicit(&is_counting, false, memory_order_relaxed);
    return atomic_load_explicit(&count, memory_order_relaxed);
}

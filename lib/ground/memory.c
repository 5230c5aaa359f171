/*
 * memory.c: every allocation of the library.
 *
 * All of them pass parcel__memory_new, parcel__memory_resize or parcel__memory_take, so that the
 * tests can let the n-th fail. The cache of blocks holds at most CACHE_LIMIT bytes, whatever the
 * program does, and the oldest make room for new ones; parcel_trim empties it.
 */
#include "ground/memory.h"

#include <parcel.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ground/mutexes.h"
#include "ground/port.h"

enum { CACHE_LIMIT = 128 << 20, CACHE_SLOTS = 64, SMALLEST_MAPPED = 64 << 10, CHUNK = 64 << 10 };

struct parcel__arena_chunk {
    struct parcel__arena_chunk *older;
    size_t size; /* bytes behind this header */
};

/* Blocks that nobody uses, the oldest first; all protected by the mutex. */
static struct {
    struct parcel__block blocks[CACHE_SLOTS];
    size_t count;
    size_t bytes;
    size_t n_keeping; /* open executors: while there are any, the cache has no bound */
} cache;

/* Written by tests and by whoever allocates; relaxed, since only the count matters. */
static atomic_size_t allocations;
static atomic_size_t failing_from;
static atomic_bool fails_once;

static bool failure_is_due(void)
{
    size_t from = atomic_load_explicit(&failing_from, memory_order_relaxed);
    if (from == 0)
        return false;
    size_t n = atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed) + 1;
    return n == from || (n > from && !atomic_load_explicit(&fails_once, memory_order_relaxed));
}

static size_t fail(size_t n, bool once)
{
    atomic_store_explicit(&fails_once, once, memory_order_relaxed);
    atomic_store_explicit(&failing_from, n, memory_order_relaxed);
    return atomic_exchange_explicit(&allocations, 0, memory_order_relaxed);
}

size_t parcel__memory_fail_from(size_t n)
{
    return fail(n, false);
}

size_t parcel__memory_fail_at(size_t n)
{
    return fail(n, true);
}

void *parcel__memory_new(size_t size)
{
    return failure_is_due() ? NULL : malloc(size ? size : 1);
}

void *parcel__memory_new_aligned(size_t alignment, size_t size)
{
    size_t whole = (size + alignment - 1) / alignment * alignment;
    return failure_is_due() || whole < size ? NULL : aligned_alloc(alignment, whole);
}

/* Tests let none of these fail: they would wait for ever. */
void *parcel__memory_await(size_t size)
{
    static const double pause = 1e-3;
    void *memory;
    while ((memory = malloc(size ? size : 1)) == NULL)
        parcel__port_sleep(pause);
    return memory;
}

void *parcel__memory_resize(void *memory, size_t size)
{
    return failure_is_due() ? NULL : realloc(memory, size ? size : 1);
}

void parcel__memory_free(void *memory)
{
    free(memory);
}

char *parcel__memory_copy_string(const char *string)
{
    size_t size = strlen(string) + 1;
    char *copy = parcel__memory_new(size);
    if (copy)
        memcpy(copy, string, size);
    return copy;
}

/* Called with the mutex held. */
static struct parcel__block remove_cached(size_t index)
{
    struct parcel__block block = cache.blocks[index];
    cache.bytes -= block.size;
    cache.count--;
    memmove(&cache.blocks[index], &cache.blocks[index + 1],
            (cache.count - index) * sizeof *cache.blocks);
    return block;
}

/* Called with the mutex held: drops the oldest blocks until no more bytes are cached. */
static void shrink_cache(size_t bytes)
{
    while (cache.bytes > bytes) {
        struct parcel__block block = remove_cached(0);
        parcel__port_unmap(block.bytes, block.size);
    }
}

/* Takes the smallest cached block that is large enough and not more than twice too large. */
static bool take_cached(struct parcel__block *block, size_t size, bool sparse)
{
    parcel__mutexes_lock(PARCEL__MUTEX_CACHE);
    size_t best = CACHE_SLOTS;
    for (size_t i = 0; i < cache.count; i++) {
        size_t held = cache.blocks[i].size;
        if (held >= size && held / 2 <= size && cache.blocks[i].sparse == sparse &&
            (best == CACHE_SLOTS || held < cache.blocks[best].size))
            best = i;
    }
    if (best != CACHE_SLOTS)
        *block = remove_cached(best);
    parcel__mutexes_unlock(PARCEL__MUTEX_CACHE);
    return best != CACHE_SLOTS;
}

static bool put_into_cache(const struct parcel__block *block)
{
    parcel__mutexes_lock(PARCEL__MUTEX_CACHE);
    bool is_kept = cache.n_keeping > 0 || block->size <= CACHE_LIMIT;
    if (is_kept && cache.n_keeping == 0)
        shrink_cache(CACHE_LIMIT - block->size);
    if (is_kept && cache.count == CACHE_SLOTS)
        shrink_cache(cache.bytes - 1);
    if (is_kept) {
        cache.blocks[cache.count++] = *block;
        cache.bytes += block->size;
    }
    parcel__mutexes_unlock(PARCEL__MUTEX_CACHE);
    return is_kept;
}

bool parcel__memory_take(struct parcel__block *block, size_t size, bool sparse)
{
    *block = (struct parcel__block){.sparse = sparse};
    if (failure_is_due())
        return false;
    if (size < SMALLEST_MAPPED) {
        block->bytes = malloc(size ? size : 1);
        block->size = size;
        return block->bytes != NULL;
    }
    if (take_cached(block, size, sparse))
        return true;
    block->size = (size + SMALLEST_MAPPED - 1) / SMALLEST_MAPPED * SMALLEST_MAPPED;
    if (block->size < size)
        return false;
    block->bytes = parcel__port_map(block->size, sparse);
    return block->bytes != NULL;
}

void parcel__memory_give_back(struct parcel__block *block)
{
    if (block->bytes && block->size < SMALLEST_MAPPED)
        free(block->bytes);
    else if (block->bytes && !put_into_cache(block))
        parcel__port_unmap(block->bytes, block->size);
    *block = (struct parcel__block){0};
}

void parcel_trim(void)
{
    parcel__mutexes_lock(PARCEL__MUTEX_CACHE);
    shrink_cache(0);
    parcel__mutexes_unlock(PARCEL__MUTEX_CACHE);
}

void parcel__memory_keep_all(bool keep)
{
    parcel__mutexes_lock(PARCEL__MUTEX_CACHE);
    if (keep)
        cache.n_keeping++;
    else if (--cache.n_keeping == 0)
        shrink_cache(CACHE_LIMIT);
    parcel__mutexes_unlock(PARCEL__MUTEX_CACHE);
}

static bool add_chunk(struct parcel__arena *arena, size_t needed)
{
    size_t size = needed > CHUNK / 4 ? needed : CHUNK - sizeof(struct parcel__arena_chunk);
    struct parcel__arena_chunk *chunk = parcel__memory_new(sizeof *chunk + size);
    if (!chunk)
        return false;
    *chunk = (struct parcel__arena_chunk){arena->chunks, size};
    arena->chunks = chunk;
    arena->next = (unsigned char *)(chunk + 1);
    arena->end = arena->next + size;
    return true;
}

void *parcel__arena_new(struct parcel__arena *arena, size_t size, size_t alignment)
{
    size_t padding = -(uintptr_t)arena->next & (alignment - 1);
    if (size > SIZE_MAX / 2)
        return NULL;
    if (!arena->next || padding + size > (size_t)(arena->end - arena->next)) {
        if (!add_chunk(arena, size + alignment))
            return NULL;
        padding = -(uintptr_t)arena->next & (alignment - 1);
    }
    void *memory = arena->next + padding;
    arena->next += padding + size;
    return memory;
}

char *parcel__arena_copy(struct parcel__arena *arena, const char *string)
{
    size_t size = strlen(string) + 1;
    char *copy = parcel__arena_new(arena, size, 1);
    if (copy)
        memcpy(copy, string, size);
    return copy;
}

void parcel__arena_reset(struct parcel__arena *arena)
{
    struct parcel__arena_chunk *kept = arena->chunks;
    if (!kept)
        return;
    struct parcel__arena older = {.chunks = kept->older};
    parcel__arena_free(&older);
    kept->older = NULL;
    arena->next = (unsigned char *)(kept + 1);
    arena->end = arena->next + kept->size;
}

void parcel__arena_free(struct parcel__arena *arena)
{
    while (arena->chunks) {
        struct parcel__arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->older;
        parcel__memory_free(chunk);
    }
    arena->next = arena->end = NULL;
}

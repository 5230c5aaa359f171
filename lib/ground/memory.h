/* memory.h: every allocation of the library, arenas, and the pages that are kept between runs. */
#ifndef PARCEL__MEMORY_H
#define PARCEL__MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* As malloc, realloc and free. NULL when memory ran out or the tests' n-th failure is due. */
void *parcel__memory_new(size_t size);
void *parcel__memory_resize(void *memory, size_t size);
void parcel__memory_free(void *memory);
char *parcel__memory_copy_string(const char *string);

/* The same at a multiple of the alignment, a power of two. */
void *parcel__memory_new_aligned(size_t alignment, size_t size);

/* The same where others would wait in vain if it failed: waits until there is memory. */
void *parcel__memory_await(size_t size);

/* For tests: the n-th allocation from now on fails, and all after it; 0 turns it off. Counts in
 * all threads. Returns how many allocations there were since the last call. */
size_t parcel__memory_fail_from(size_t n);

/* The same, but the n-th alone fails. */
size_t parcel__memory_fail_at(size_t n);

/* A block for one run or one list: not zeroed. Large ones come from, and go back to, a bounded
 * cache of the process, so that a second run does not fault fresh pages. Threads: any. */
struct parcel__block {
    void *bytes;
    size_t size;
    bool sparse; /* written here and there only: no huge pages */
};
bool parcel__memory_take(struct parcel__block *block, size_t size, bool sparse);
void parcel__memory_give_back(struct parcel__block *block);

/* While more asked to keep all than not, the cache has no bound: an open executor's runs find the
 * memory of the runs before. Threads: any. */
void parcel__memory_keep_all(bool keep);

/* Many small allocations that are freed together. One thread at a time. Zero is an empty one. */
struct parcel__arena_chunk;
struct parcel__arena {
    struct parcel__arena_chunk *chunks; /* newest first */
    unsigned char *next;
    unsigned char *end;
};
void *parcel__arena_new(struct parcel__arena *arena, size_t size, size_t alignment);
char *parcel__arena_copy(struct parcel__arena *arena, const char *string);
/* Empties the arena but keeps one chunk for what comes next. */
void parcel__arena_reset(struct parcel__arena *arena);
void parcel__arena_free(struct parcel__arena *arena);

#endif

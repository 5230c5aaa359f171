/*
 * shared.c: memory of which several processes see the same pages.
 *
 * One table, in the order of the addresses, holds the blocks that the program asked for and the
 * views of large results. Whoever frees one empties its pages as well: other processes may still
 * have them mapped, and would keep them from the system.
 */
#include "ground/shared.h"

#include <parcel.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ground/memory.h"
#include "ground/mutexes.h"

struct region {
    unsigned char *start;
    size_t size;
    unsigned serial; /* of a block; 0 of a view */
    pid_t maker;     /* the process that may empty the pages */
};

/* All protected by PARCEL__MUTEX_SHARED. */
static struct {
    struct region *regions;
    size_t count;
    size_t capacity;
    unsigned serial; /* of the newest block */
} table;

/* ---- the table; all called with the mutex held ---- */

/* How many regions start at the address or before it. */
static size_t count_up_to(const void *address)
{
    size_t low = 0, high = table.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)table.regions[middle].start <= (uintptr_t)address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool grow_table(void)
{
    if (table.count < table.capacity)
        return true;
    size_t capacity = table.capacity ? 2 * table.capacity : 16;
    struct region *regions = parcel__memory_resize(table.regions, capacity * sizeof *table.regions);
    if (!regions)
        return false;
    table.regions = regions;
    table.capacity = capacity;
    return true;
}

static bool insert(struct region region)
{
    if (!grow_table())
        return false;
    size_t place = count_up_to(region.start);
    memmove(&table.regions[place + 1], &table.regions[place],
            (table.count - place) * sizeof *table.regions);
    table.regions[place] = region;
    table.count++;
    return true;
}

/* Takes the region out whose pages start there, if it is of that sort. */
static bool take_region(const void *start, bool is_view, struct region *region)
{
    size_t place = count_up_to(start);
    if (place == 0)
        return false;
    *region = table.regions[place - 1];
    if (region->start != start || is_view != (region->serial == 0))
        return false;
    memmove(&table.regions[place - 1], &table.regions[place],
            (table.count - place) * sizeof *table.regions);
    if (--table.count == 0) {
        parcel__memory_free(table.regions);
        table.regions = NULL;
        table.capacity = 0;
    }
    return true;
}

/* ---- regions ---- */

/* Puts pages that were just mapped into the table, or unmaps them. */
static void *keep_pages(void *pages, size_t size, bool is_view)
{
    if (pages == MAP_FAILED)
        return NULL;
    parcel__mutexes_lock(PARCEL__MUTEX_SHARED);
    bool is_kept = insert((struct region){pages, size, is_view ? 0 : table.serial + 1, getpid()});
    if (is_kept && !is_view)
        table.serial++;
    parcel__mutexes_unlock(PARCEL__MUTEX_SHARED);
    if (is_kept)
        return pages;
    munmap(pages, size);
    return NULL;
}

static bool release_pages(void *memory, bool is_view)
{
    struct region region;
    parcel__mutexes_lock(PARCEL__MUTEX_SHARED);
    bool is_ours = take_region(memory, is_view, &region);
    parcel__mutexes_unlock(PARCEL__MUTEX_SHARED);
    if (!is_ours)
        return false;
#ifdef MADV_REMOVE
    /* A process that the program forked may free what it inherited, and the program still uses. */
    if (region.maker == getpid())
        madvise(region.start, region.size, MADV_REMOVE);
#endif
    munmap(region.start, region.size);
    return true;
}

void *parcel_shared_alloc(size_t size)
{
    if (size == 0)
        size = 1;
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return keep_pages(pages, size, false);
}

void parcel_shared_free(void *memory)
{
    release_pages(memory, false);
}

unsigned parcel__shared_serial(void)
{
    parcel__mutexes_lock(PARCEL__MUTEX_SHARED);
    unsigned serial = table.serial;
    parcel__mutexes_unlock(PARCEL__MUTEX_SHARED);
    return serial;
}

bool parcel__shared_covers(const void *pointer, unsigned serial)
{
    bool covers = false;
    parcel__mutexes_lock(PARCEL__MUTEX_SHARED);
    size_t place = count_up_to(pointer);
    if (place > 0) {
        const struct region *region = &table.regions[place - 1];
        covers = (uintptr_t)pointer - (uintptr_t)region->start < region->size &&
                 region->serial != 0 && region->serial <= serial;
    }
    parcel__mutexes_unlock(PARCEL__MUTEX_SHARED);
    return covers;
}

void *parcel__shared_view(void *pages, size_t size)
{
#ifdef __linux__
    return keep_pages(mremap(pages, 0, size, MREMAP_MAYMOVE), size,
                      true); /* 0: the old one stays */
#else
    (void)pages, (void)size;
    return NULL;
#endif
}

bool parcel__shared_release(void *memory)
{
    return release_pages(memory, true);
}

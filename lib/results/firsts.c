/* firsts.c: see firsts.h. */
#include "results/firsts.h"

#include <stdint.h>
#include <string.h>

#include "ground/memory.h"
#include "results/results.h"

enum { SHIFT = 6 }; /* of an index, to the number of its 64 calls */

/* The last FIRST from begin on before end; SIZE_MAX when there is none. Most marks are none: eight
 * are looked at at once. */
static size_t last_first(const unsigned char *marks, size_t begin, size_t end)
{
    uint64_t firsts, word;
    memset(&firsts, PARCEL__MARK_FIRST, sizeof firsts);
    for (; end - begin >= sizeof word; end -= sizeof word) {
        memcpy(&word, marks + end - sizeof word, sizeof word);
        if (word & firsts)
            break;
    }
    while (end > begin)
        if (marks[--end] & PARCEL__MARK_FIRST)
            return end;
    return SIZE_MAX;
}

static void note_firsts(const unsigned char *marks, size_t n_notes, size_t *before)
{
    before[0] = SIZE_MAX;
    for (size_t i = 1; i < n_notes; i++) {
        size_t found = last_first(marks, (i - 1) << SHIFT, i << SHIFT);
        before[i] = found == SIZE_MAX ? before[i - 1] : found;
    }
}

/* What was noted, by this thread if it is the first. NULL: out of memory. */
static const size_t *notes(struct parcel__firsts *firsts, const unsigned char *marks, size_t count)
{
    size_t *before = atomic_load_explicit(&firsts->before, memory_order_acquire), *other = NULL;
    size_t n_notes = (count >> SHIFT) + 1;
    if (before)
        return before;
    before = parcel__memory_new(n_notes * sizeof *before);
    if (!before)
        return NULL;
    note_firsts(marks, n_notes, before);
    if (atomic_compare_exchange_strong_explicit(&firsts->before, &other, before,
                                                memory_order_acq_rel, memory_order_acquire))
        return before;
    parcel__memory_free(before);
    return other;
}

size_t parcel__firsts_find(struct parcel__firsts *firsts, const unsigned char *marks, size_t count,
                           size_t index)
{
    const size_t *noted = atomic_load_explicit(&firsts->before, memory_order_acquire);
    size_t block = index >> SHIFT;
    if (marks[index] & PARCEL__MARK_FIRST)
        return index;
    if (noted && block < count >> SHIFT && noted[block] == noted[block + 1])
        return noted[block]; /* there is none among these 64 */
    size_t first = last_first(marks, block << SHIFT, index);
    if (first != SIZE_MAX)
        return first;
    const size_t *before = notes(firsts, marks, count);
    return before ? before[block] : last_first(marks, 0, index);
}

void parcel__firsts_forget(struct parcel__firsts *firsts)
{
    size_t *before = atomic_load_explicit(&firsts->before, memory_order_relaxed);
    if (!before)
        return;
    atomic_store_explicit(&firsts->before, NULL, memory_order_relaxed);
    parcel__memory_free(before);
}

/* large_arrays.c: large arrays that another rank may ask for, which then travel by themselves. */
#include "ranks/large_arrays.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ground/memory.h"

struct parcel__offer {
    unsigned char *data; /* NULL: it is gone */
    size_t size;
    bool is_owned;
};

/* Tags go round: of those on their way at once no two are alike. */
enum { TAGS = 30000 };

void parcel__large_arrays_open(struct parcel__large_arrays *large_arrays, struct parcel__post *post)
{
    *large_arrays = (struct parcel__large_arrays){.post = post};
    pthread_mutex_init(&large_arrays->mutex, NULL);
}

void parcel__large_arrays_close(struct parcel__large_arrays *large_arrays)
{
    for (size_t i = 0; i < large_arrays->count; i++)
        if (large_arrays->list[i].is_owned)
            free(large_arrays->list[i].data);
    parcel__memory_free(large_arrays->list);
    pthread_mutex_destroy(&large_arrays->mutex);
}

size_t parcel__large_arrays_add(struct parcel__large_arrays *large_arrays,
                                const struct parcel__bundle *bundle, size_t from, bool are_owned)
{
    size_t count = bundle->n_large - from;
    if (count == 0)
        return 0;
    pthread_mutex_lock(&large_arrays->mutex);
    size_t first = large_arrays->count;
    struct parcel__offer *larger =
        parcel__memory_resize(large_arrays->list, (first + count) * sizeof *larger);
    if (larger) {
        large_arrays->list = larger;
        large_arrays->count += count;
        for (size_t i = 0; i < count; i++)
            larger[first + i] = (struct parcel__offer){bundle->large[from + i].data,
                                                       bundle->large[from + i].size, are_owned};
    }
    pthread_mutex_unlock(&large_arrays->mutex);
    return larger ? first : SIZE_MAX;
}

static struct parcel__offer take_offer(struct parcel__large_arrays *large_arrays, size_t number)
{
    struct parcel__offer taken = {0};
    pthread_mutex_lock(&large_arrays->mutex);
    if (number < large_arrays->count) {
        taken = large_arrays->list[number];
        large_arrays->list[number].data = NULL;
    }
    pthread_mutex_unlock(&large_arrays->mutex);
    return taken;
}

static void free_sent(void *context, void *data)
{
    (void)context;
    free(data);
}

static void keep_sent(void *context, void *data)
{
    (void)context;
    (void)data;
}

void parcel__large_arrays_hear(struct parcel__large_arrays *large_arrays,
                               const struct parcel__message *message)
{
    struct parcel__wish wish;
    memcpy(&wish, message->bytes, sizeof wish);
    struct parcel__offer offer = take_offer(large_arrays, wish.offer);
    const struct parcel__freight freight = {.rank = message->rank,
                                            .tag = (int)(wish.offer % TAGS),
                                            .bytes = offer.data,
                                            .size = offer.size,
                                            .done = offer.is_owned ? free_sent : keep_sent};
    if (offer.data && message->kind == PARCEL__SAYS_WANT)
        parcel__post_send_data(large_arrays->post, &freight);
    else if (offer.is_owned)
        free(offer.data);
}

void parcel__large_arrays_want(struct parcel__large_arrays *large_arrays, size_t number,
                               struct parcel__freight freight)
{
    const struct parcel__wish wish = {number};
    freight.tag = (int)(number % TAGS);
    parcel__post_receive_data(large_arrays->post, &freight);
    parcel__post_tell(large_arrays->post, freight.rank, PARCEL__SAYS_WANT, &wish, sizeof wish);
}

void parcel__large_arrays_decline(struct parcel__large_arrays *large_arrays, int from,
                                  size_t number)
{
    const struct parcel__wish wish = {number};
    parcel__post_tell(large_arrays->post, from, PARCEL__SAYS_DROP, &wish, sizeof wish);
}

/* In huge pages, where there are some: fresh pages are what a large array costs most. */
unsigned char *parcel__large_arrays_room(size_t size)
{
    const size_t huge = (size_t)2 << 20;
    if (size < huge)
        return parcel__memory_new(size);
    unsigned char *data = parcel__memory_new_aligned(huge, size);
    if (data)
        (void)madvise(data, size, MADV_HUGEPAGE);
    return data;
}

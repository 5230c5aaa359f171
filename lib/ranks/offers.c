/* offers.c: large arrays that another rank may ask for, which then travel by themselves. */
#include "ranks/offers.h"

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

void parcel__offers_open(struct parcel__offers *offers, struct parcel__post *post)
{
    *offers = (struct parcel__offers){.post = post};
    pthread_mutex_init(&offers->mutex, NULL);
}

void parcel__offers_close(struct parcel__offers *offers)
{
    for (size_t i = 0; i < offers->count; i++)
        if (offers->list[i].is_owned)
            free(offers->list[i].data);
    parcel__memory_free(offers->list);
    pthread_mutex_destroy(&offers->mutex);
}

size_t parcel__offers_add(struct parcel__offers *offers, const struct parcel__bundle *bundle,
                          size_t from, bool are_owned)
{
    size_t count = bundle->n_large - from;
    if (count == 0)
        return 0;
    pthread_mutex_lock(&offers->mutex);
    size_t first = offers->count;
    struct parcel__offer *larger =
        parcel__memory_resize(offers->list, (first + count) * sizeof *larger);
    if (larger) {
        offers->list = larger;
        offers->count += count;
        for (size_t i = 0; i < count; i++)
            larger[first + i] = (struct parcel__offer){bundle->large[from + i].data,
                                                       bundle->large[from + i].size, are_owned};
    }
    pthread_mutex_unlock(&offers->mutex);
    return larger ? first : SIZE_MAX;
}

static struct parcel__offer take(struct parcel__offers *offers, size_t number)
{
    struct parcel__offer taken = {0};
    pthread_mutex_lock(&offers->mutex);
    if (number < offers->count) {
        taken = offers->list[number];
        offers->list[number].data = NULL;
    }
    pthread_mutex_unlock(&offers->mutex);
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

void parcel__offers_hear(struct parcel__offers *offers, const struct parcel__message *message)
{
    struct parcel__wish wish;
    memcpy(&wish, message->bytes, sizeof wish);
    struct parcel__offer offer = take(offers, wish.offer);
    if (offer.data && message->kind == PARCEL__SAYS_WANT)
        parcel__post_send_data(offers->post, message->rank, (int)(wish.offer % TAGS), offer.data,
                               offer.size, offer.is_owned ? free_sent : keep_sent, NULL);
    else if (offer.is_owned)
        free(offer.data);
}

void parcel__offers_want(struct parcel__offers *offers, int from, size_t number, void *data,
                         size_t size, parcel__post_done *done, void *context)
{
    const struct parcel__wish wish = {number};
    parcel__post_receive_data(offers->post, from, (int)(number % TAGS), data, size, done, context);
    parcel__post_tell(offers->post, from, PARCEL__SAYS_WANT, &wish, sizeof wish);
}

void parcel__offers_decline(struct parcel__offers *offers, int from, size_t number)
{
    const struct parcel__wish wish = {number};
    parcel__post_tell(offers->post, from, PARCEL__SAYS_DROP, &wish, sizeof wish);
}

/* In huge pages, where there are some: fresh pages are what a large array costs most. */
unsigned char *parcel__offers_room(size_t size)
{
    const size_t huge = (size_t)2 << 20;
    if (size < huge)
        return parcel__memory_new(size);
    unsigned char *data = parcel__memory_new_aligned(huge, size);
    if (data)
        (void)madvise(data, size, MADV_HUGEPAGE);
    return data;
}

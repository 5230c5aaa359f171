/* hosts.c: see hosts.h. All that belongs to some hosts lies in one piece of memory. */
#include "results/hosts.h"

#include <stddef.h>
#include <string.h>

#include "ground/memory.h"
#include "ground/port.h"

struct parcel__hosts *parcel__hosts_new(int n_ranks, const int *first_worker,
                                        const char *const *names)
{
    size_t n = (size_t)n_ranks, n_bytes = 0;
    for (size_t i = 0; i < n; i++)
        n_bytes += strlen(names[i]) + 1;
    size_t texts = sizeof(struct parcel__hosts) + n * sizeof(char *);
    size_t workers = (n + 1) * sizeof *first_worker;
    struct parcel__hosts *hosts = parcel__memory_new(texts + workers + n_bytes);
    if (!hosts)
        return NULL;
    *hosts = (struct parcel__hosts){.n_holders = 1,
                                    .n_ranks = n_ranks,
                                    .first_worker = (int *)(void *)((char *)hosts + texts),
                                    .names = (char **)(void *)(hosts + 1)};
    memcpy(hosts->first_worker, first_worker, workers);
    char *end = (char *)hosts + texts + workers;
    for (size_t i = 0; i < n; i++) {
        size_t size = strlen(names[i]) + 1;
        hosts->names[i] = memcpy(end, names[i], size);
        end += size;
    }
    return hosts;
}

struct parcel__hosts *parcel__hosts_hold(struct parcel__hosts *hosts)
{
    if (hosts)
        __atomic_fetch_add(&hosts->n_holders, 1, __ATOMIC_RELAXED);
    return hosts;
}

void parcel__hosts_release(struct parcel__hosts *hosts)
{
    /* Whoever frees comes after all that the others read. */
    if (hosts && __atomic_fetch_sub(&hosts->n_holders, 1, __ATOMIC_ACQ_REL) == 1)
        parcel__memory_free(hosts);
}

/* The last rank whose workers begin there or before: a rank without workers has none of them. */
int parcel__hosts_rank(const struct parcel__hosts *hosts, int worker)
{
    int low = 0, high = hosts ? hosts->n_ranks : 1;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (hosts->first_worker[middle] <= worker)
            low = middle;
        else
            high = middle;
    }
    return low;
}

const char *parcel__hosts_name(const struct parcel__hosts *hosts, int worker)
{
    return hosts ? hosts->names[parcel__hosts_rank(hosts, worker)] : parcel__port_host();
}

/* proxy.h: the end of a mailbox in the thread that stands for a worker process. */
#ifndef PARCEL__PROXY_H
#define PARCEL__PROXY_H

#include <pthread.h>

#include "processes/forkserver.h"
#include "processes/mailbox.h"

/* What the workers' memory has, since it stood before their forkserver was forked. */
struct parcel__snapshot {
    unsigned serial;           /* of the newest shared block that it has */
    const parcel_calls *calls; /* the run's list, if it is to be read there; else NULL */
    bool has_memory;           /* what is only read of all that the run's calls point at */
};

struct parcel__proxy {
    struct parcel__runner runner; /* first, so that a runner of ours is a proxy */
    struct parcel__mail mail;
    struct parcel__forkserver *forkserver;
    const struct parcel__snapshot *snapshot;
    int number;
    struct parcel__proxy *all; /* of the pool: one may lend its process, */
    int n_all;
    pthread_mutex_t mutex; /* which is held by who uses it */
    size_t n_calls;        /* that its process has run */
    int n_vain;  /* processes that died, one after the other, before a call of theirs began, or
                  * that could not be forked while there was no other */
    size_t torn; /* the call whose result was lost on its way, */
    int n_torn;  /* so often */
};

/* Opens the proxies of a pool, and closes them when their forkserver is gone. */
void parcel__proxy_open_all(struct parcel__proxy *proxies, int count,
                            const struct parcel__mail *mails, struct parcel__forkserver *forkserver,
                            const struct parcel__snapshot *snapshot);
void parcel__proxy_close_all(struct parcel__proxy *proxies, int count);

/* Tells the worker to end itself, even when it is only being started, which nobody may have waited
 * for; and waits until it has, as long as its on_worker_end takes. */
void parcel__proxy_dismiss(struct parcel__proxy *proxy);
void parcel__proxy_await(struct parcel__proxy *proxy);

#endif

/*
 * forkserver.h: worker processes, and the process that keeps them.
 *
 * The program forks the forkserver, which has one thread and does nothing but fork workers, wait
 * for them, and kill them. So a worker that ends sends the program no SIGCHLD, and all workers
 * begin as copies of the program as it was when the forkserver was forked. When the program ends,
 * so do they.
 */
#ifndef PARCEL__FORKSERVER_H
#define PARCEL__FORKSERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "ground/text.h"

struct parcel__forkserver; /* in shared pages */

struct parcel__forkserver_options {
    int n_workers;
    /* What a worker does. When it returns, the process ends with status 0. What context points at
     * must not stand on the stack of a thread: a child has only one of them. */
    void (*work)(void *context, struct parcel__forkserver *forkserver, int worker);
    void *context;
    int n_started;   /* workers that are started at once, without being asked for one by one */
    bool dumps_core; /* as the program's limit says; else workers dump none */
};

/* Forks the forkserver. NULL: why is filled. Threads: any. */
struct parcel__forkserver *parcel__forkserver_open(const struct parcel__forkserver_options *options,
                                                   char *why, size_t why_size);

/* True when workers may read the stack of the thread that opened the forkserver. */
bool parcel__forkserver_has_stack(const struct parcel__forkserver *forkserver);

/* Kills the workers that still run, and waits until they and the forkserver are gone. To end a
 * worker orderly let its work return first. */
void parcel__forkserver_close(struct parcel__forkserver *forkserver);

/* Below, each worker is used by one thread at a time. */

/* The word on which the worker's proxy waits. It is rung when the worker has started, could
 * not be started, or ended. When the forkserver was killed, is_alive rings all. */
atomic_uint *parcel__forkserver_bell(struct parcel__forkserver *forkserver, int worker);

/* Starts the worker if it does not run, and waits until it does. False: it cannot, and why is
 * filled. A forkserver that was killed is forked anew first. */
bool parcel__forkserver_start(struct parcel__forkserver *forkserver, int worker, char *why,
                              size_t why_size);

/* True when it was started and is not known to have ended; notices that the forkserver was killed.
 */
bool parcel__forkserver_is_alive(struct parcel__forkserver *forkserver, int worker);

/* The worker's process, or that of the last one; 0 when there was none. */
pid_t parcel__forkserver_pid(const struct parcel__forkserver *forkserver, int worker);

/* Has the forkserver send SIGTERM or SIGKILL to the worker, if it still runs. */
void parcel__forkserver_kill(struct parcel__forkserver *forkserver, int worker, int signal);

/* Adds how the worker's last process ended: "killed by SIGSEGV (address 0x8)", "exited with status
 * 3". It can be told until the worker is started again. */
void parcel__forkserver_put_death(struct parcel__text *text,
                                  const struct parcel__forkserver *forkserver, int worker);

#endif

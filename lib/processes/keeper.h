/*
 * keeper.h: worker processes, and the process that keeps them.
 *
 * The program forks the keeper, which has one thread and does nothing but fork workers, wait for
 * them, and kill them. So a worker that ends sends the program no SIGCHLD, and all workers begin
 * as copies of the program as it was when the keeper was forked. When the program ends, so do they.
 */
#ifndef PARCEL__KEEPER_H
#define PARCEL__KEEPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "ground/text.h"

struct parcel__keeper; /* in shared pages */

struct parcel__keeper_options {
    int n_workers;
    /* What a worker does. When it returns, the process ends with status 0. What context points at
     * must not stand on the stack of a thread: a child has only one of them. */
    void (*work)(void *context, struct parcel__keeper *keeper, int worker);
    void *context;
    int n_started;   /* workers that are started at once, without being asked for one by one */
    bool dumps_core; /* as the program's limit says; else workers dump none */
};

/* Forks the keeper. NULL: why is filled. Threads: any. */
struct parcel__keeper *parcel__keeper_open(const struct parcel__keeper_options *options, char *why,
                                           size_t why_size);

/* True when workers may read the stack of the thread that opened the keeper. */
bool parcel__keeper_has_stack(const struct parcel__keeper *keeper);

/* Kills the workers that still run, and waits until they and the keeper are gone. To end a worker
 * orderly let its work return first. */
void parcel__keeper_close(struct parcel__keeper *keeper);

/* Below, each worker is used by one thread at a time. */

/* The word on which the worker's attendant waits. It is rung when the worker has started, could
 * not be started, or ended. When the keeper was killed, is_alive rings all. */
atomic_uint *parcel__keeper_bell(struct parcel__keeper *keeper, int worker);

/* Starts the worker if it does not run, and waits until it does. False: it cannot, and why is
 * filled. A keeper that was killed is forked anew first. */
bool parcel__keeper_start(struct parcel__keeper *keeper, int worker, char *why, size_t why_size);

/* True when it was started and is not known to have ended; notices that the keeper was killed. */
bool parcel__keeper_is_alive(struct parcel__keeper *keeper, int worker);

/* The worker's process, or that of the last one; 0 when there was none. */
pid_t parcel__keeper_pid(const struct parcel__keeper *keeper, int worker);

/* Has the keeper send SIGTERM or SIGKILL to the worker, if it still runs. */
void parcel__keeper_kill(struct parcel__keeper *keeper, int worker, int signal);

/* Adds how the worker's last process ended: "killed by SIGSEGV (address 0x8)", "exited with status
 * 3". It can be told until the worker is started again. */
void parcel__keeper_put_death(struct parcel__text *text, const struct parcel__keeper *keeper,
                              int worker);

#endif

/*
 * loopback.h: ranks that are threads of one process, for tests. What travels between them may come
 * late, and in another order than that of MPI on one host, so that what depends on it shows.
 */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include "ranks/ranks.h"
#include "ranks/transport.h"

struct loopback_options {
    int n_ranks;
    int fan_out;       /* of the tree; 0: the usual number */
    size_t most_eager; /* bytes of what is sent without waiting for who takes it; as with any MPI,
                        * the small messages of a run may come when it is over */
    unsigned seed; /* 0: what is sent is there at once; else at random late, so that what several
                    * ranks send comes in any order */
};

struct loopback;

/* New; never NULL. */
struct loopback *loopback_open(const struct loopback_options *options);

/* What the rank has; as long as the loopback. */
const struct parcel__transport *loopback_transport(struct loopback *loopback, int rank);

/* Returns how many messages and data that somebody waits for were never taken. */
size_t loopback_close(struct loopback *loopback);

/* What a rank does, in a thread of its own: backend "mpi" finds its ranks there. */
typedef void loopback_part(struct parcel__ranks *ranks, void *state);

/* Lets each of the ranks do its part, and waits. */
void loopback_run(const struct loopback_options *options, loopback_part *part, void *state);

/* What the backend finds in this thread from now on, as loopback_run sees to. */
void loopback_use(struct parcel__ranks *ranks);

#endif

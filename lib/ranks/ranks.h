/* ranks.h: the ranks of a job, and how they agree upon a run. */
#ifndef PARCEL__RANKS_H
#define PARCEL__RANKS_H

#include <parcel.h>
#include <stdint.h>
#include <sys/types.h>

#include "calls/identity.h"
#include "ground/floating.h"
#include "options/plan.h"
#include "ranks/messages.h"
#include "results/results.h"

/* Of one rank in a run. */
struct parcel__part {
    int n_workers;
    char host[PARCEL__LONGEST_HOST];
};

/* Of the options, for ranks that serve; all 0: there is none. */
struct parcel__shared_functions {
    struct parcel__identity start, end, retry;
};

/* What holds for a run on all ranks: rank 0's options. */
struct parcel__terms {
    unsigned serial;
    int n_ranks;
    size_t count;     /* of rank 0's calls, unless they are generated */
    bool sends_calls; /* to all: the calls of rank 0 travel */
    bool has_token;   /* some rank has one */
    bool all_ranks;   /* get the results */
    struct parcel__policy policy;
    struct parcel__floating floating; /* the modes that calls begin with */
    struct parcel__shared_functions functions;
    struct parcel__part parts[]; /* of each rank */
};

/* The bytes of the terms of so many ranks. */
static inline size_t parcel__terms_size(int n_ranks)
{
    return sizeof(struct parcel__terms) + (size_t)n_ranks * sizeof(struct parcel__part);
}

struct parcel__rank_run;

/* The ranks, as one of them sees them. What messages change is written with the post held; read
 * by the thread that runs, between two polls, or by who holds it. */
struct parcel__ranks {
    const struct parcel__transport *transport;
    pid_t process; /* one that was forked from it has no part in the job */
    struct parcel__post *post;
    int fan_out;         /* ranks that one hands out to */
    char why[256];       /* a server ended, or "" */
    atomic_bool is_busy; /* a run has them; acquire to take them, release to let go */

    unsigned serial;                /* of the run that this rank is in, or was in last */
    unsigned closed;                /* of the last run that cannot be joined any more */
    struct parcel__note why_closed; /* rank 0's, when that was stopped before it began, or a rank */
    char why_stopped[128];          /* had ended; and a sentence */
    const parcel_calls *calls;      /* while they are compared */

    /* Of rank 0. */
    struct parcel__hello *hellos; /* the last of each rank */
    bool *has_left;               /* which ranks said good-bye */
    bool is_closing;
    bool has_kept_values; /* of some run, which the others do not have */
    struct parcel__message *compared;

    /* Of the others. */
    bool is_done;                   /* there are no more runs, */
    bool has_farewell;              /* and no more messages, as rank 0 says */
    struct parcel__message *answer; /* of rank 0, when it begins or refuses the run */

    /* Of the run that has begun, with what deals with its messages; NULL: they are kept, the first
     * at the head. */
    struct parcel__rank_run *rank_run;
    void (*handle)(struct parcel__rank_run *rank_run, struct parcel__message *message);
    struct parcel__message *early;
};

/* NULL: out of memory. The transport is borrowed. */
struct parcel__ranks *parcel__ranks_open(const struct parcel__transport *transport);

/* Says good-bye, and waits until all others do so, too: then no message is left on its way. NULL:
 * nothing. */
void parcel__ranks_close(struct parcel__ranks *ranks);

/* The ranks that the backend "mpi" uses in this process from now on; NULL: none, as why says
 * (borrowed; NULL: nobody made them known). Threads: any. */
void parcel__ranks_use(struct parcel__ranks *ranks, const char *why);

/* The ones that are used; NULL: *why says why not. */
struct parcel__ranks *parcel__ranks_used(const char **why);

/* Adds the call of which a rank asks, to be compared. */
void parcel__ranks_put_call(struct parcel__text *text, const parcel_calls *calls,
                            const struct parcel__comparison *question);

/* True while a run goes on in this process. Threads: any. */
bool parcel__ranks_are_busy(const struct parcel__ranks *ranks);

/* Takes the ranks for a run; false: another one has them. Threads: any. */
bool parcel__ranks_claim(struct parcel__ranks *ranks);
void parcel__ranks_let_go(struct parcel__ranks *ranks);

/* ---- a run ---- */

/* What this rank says of itself. */
void parcel__ranks_introduce(const struct parcel__ranks *ranks, struct parcel__hello *hello);

/* How long a rank waits for others: so many seconds, and no longer than control, which is NULL or
 * is stopped then, goes on. */
struct parcel__patience {
    double timeout;
    struct parcel__control *control;
};

/* On rank 0: waits for all ranks, and sees that they may run. False: they are refused, as error
 * says. */
bool parcel__ranks_gather(struct parcel__ranks *ranks, const struct parcel__hello *own,
                          const parcel_calls *calls, const struct parcel__patience *patience,
                          struct parcel__text *error);

/* True when all that have come still wait: looking at many calls takes a while. */
bool parcel__ranks_are_waiting(struct parcel__ranks *ranks);

/* True when some of those that have come serve. */
bool parcel__ranks_have_server(const struct parcel__ranks *ranks);

/* The terms for them, new (parcel__memory_free); NULL: out of memory, and they are refused. The
 * run's own part is to be written before they are announced. n_jobs: as asked, 0: not set. */
struct parcel__terms *parcel__terms_new(struct parcel__ranks *ranks, int n_jobs);
void parcel__terms_announce(struct parcel__ranks *ranks, const struct parcel__terms *terms);
void parcel__ranks_refuse(struct parcel__ranks *ranks, const char *why);

/* On the others: comes to a run and waits for the terms, new. NULL: there is no run, and error says
 * why; it is empty when rank 0 is done. */
struct parcel__terms *parcel__ranks_join(struct parcel__ranks *ranks,
                                         const struct parcel__hello *own, const parcel_calls *calls,
                                         const struct parcel__patience *patience,
                                         struct parcel__text *error);

/* Adds what the user should know of where ranks run: cpus fewer than workers. */
void parcel__terms_put_warnings(const struct parcel__ranks *ranks,
                                const struct parcel__terms *terms, struct parcel__text *text);

/* Lets the results tell where their workers were. False: out of memory. */
bool parcel__terms_set_hosts(const struct parcel__terms *terms, parcel_results *results);

/* The number of a rank's first worker; of n_ranks, how many there are. */
int parcel__terms_first_worker(const struct parcel__terms *terms, int rank);

/* Sees to the post, and waits an instant when that was done n_idle times for nothing. */
void parcel__ranks_poll(struct parcel__ranks *ranks);
void parcel__ranks_flush(struct parcel__ranks *ranks); /* until all is sent, data too */
void parcel__ranks_pause(const struct parcel__ranks *ranks, unsigned n_idle);

/* Sends a copy to each rank right below. */
void parcel__ranks_pass_on(const struct parcel__ranks *ranks, int kind, const void *bytes,
                           size_t size);

/* The tree of ranks that hand out: of a rank but 0, the one above it; and the first below it. The
 * others below it follow, as many as there are and fan_out at most. */
int parcel__ranks_parent(const struct parcel__ranks *ranks);
int parcel__ranks_first_child(const struct parcel__ranks *ranks);
int parcel__ranks_n_children(const struct parcel__ranks *ranks);

#endif

/* attendant.h: the end of a mailbox in the thread that stands for a worker process. */
#ifndef PARCEL__ATTENDANT_H
#define PARCEL__ATTENDANT_H

#include "keeper.h"
#include "mailbox.h"

/* What the workers' memory has, since it stood before their keeper was forked. */
struct parcel__snapshot {
    const parcel_calls *calls; /* NULL: nothing that the run needs */
};

struct parcel__attendant {
    struct parcel__carrier carrier; /* first, so that a carrier of ours is an attendant */
    struct parcel__mail mail;
    struct parcel__keeper *keeper;
    const struct parcel__snapshot *snapshot;
    int number;
    size_t n_calls; /* that its process has run */
    int n_vain;     /* processes that died, one after the other, before a call of theirs began */
    size_t torn;    /* the call whose result was lost on its way, */
    int n_torn;     /* so often */
};

void parcel__attendant_open(struct parcel__attendant *attendant, const struct parcel__mail *mail,
                            struct parcel__keeper *keeper, int number,
                            const struct parcel__snapshot *snapshot);

/* Tells the worker, if it runs, to end itself; and waits until it has, as long as its on_worker_end
 * takes. */
void parcel__attendant_dismiss(struct parcel__attendant *attendant);
void parcel__attendant_await(struct parcel__attendant *attendant);

#endif

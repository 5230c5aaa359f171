/* worker_states.h: what the user's on_worker_start makes, one for each worker of a run. */
#ifndef PARCEL__WORKER_STATES_H
#define PARCEL__WORKER_STATES_H

#include <parcel.h>

#include "options/limits.h"

struct parcel__worker_state {
    void *value;
    bool is_started;
};

/* The states of one run's workers, written by each worker for itself. */
struct parcel__state_set {
    struct parcel__callbacks callbacks;
    struct parcel__state_set *next;
    int first_worker; /* the number in the run of the first */
    int n_workers;
    struct parcel__worker_state of[];
};

/* The sets of a team that no run uses now: runs at the same time have each a set of its own. */
struct parcel__worker_states;

/* NULL when memory ran out. */
struct parcel__worker_states *parcel__worker_states_new(const struct parcel__callbacks *callbacks);

/* Ends all workers, in the calling thread. NULL: nothing. */
void parcel__worker_states_free(struct parcel__worker_states *states);

/* A set for so many workers from that number on, or NULL when memory ran out. Threads: any. */
struct parcel__state_set *parcel__worker_states_take(struct parcel__worker_states *states,
                                                     int first_worker, int n_workers);
void parcel__worker_states_give_back(struct parcel__worker_states *states,
                                     struct parcel__state_set *set);

#endif

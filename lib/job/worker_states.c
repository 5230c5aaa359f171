/* worker_states.c: what the user's on_worker_start makes, one for each worker of a run. */
#include "job/worker_states.h"

#include "ground/memory.h"
#include "ground/mutexes.h"

struct parcel__worker_states {
    struct parcel__callbacks callbacks;
    struct parcel__state_set *unused; /* protected by PARCEL__MUTEX_STATES */
};

struct parcel__worker_states *parcel__worker_states_new(const struct parcel__callbacks *callbacks)
{
    struct parcel__worker_states *states = parcel__memory_new(sizeof *states);
    if (!states)
        return NULL;
    states->callbacks = *callbacks;
    states->unused = NULL;
    return states;
}

static void end_workers(const struct parcel__state_set *set)
{
    for (int i = 0; i < set->n_workers; i++)
        if (set->of[i].is_started && set->callbacks.end)
            set->callbacks.end(set->callbacks.state, set->first_worker + i, set->of[i].value);
}

void parcel__worker_states_free(struct parcel__worker_states *states)
{
    if (!states)
        return;
    while (states->unused) {
        struct parcel__state_set *set = states->unused;
        states->unused = set->next;
        end_workers(set);
        parcel__memory_free(set);
    }
    parcel__memory_free(states);
}

static struct parcel__state_set *take_unused(struct parcel__worker_states *states)
{
    parcel__mutexes_lock(PARCEL__MUTEX_STATES);
    struct parcel__state_set *set = states->unused;
    if (set)
        states->unused = set->next;
    parcel__mutexes_unlock(PARCEL__MUTEX_STATES);
    return set;
}

/* The set, larger if it has to be; NULL: out of memory, and it is as it was. */
static struct parcel__state_set *enlarge(struct parcel__state_set *set,
                                         const struct parcel__worker_states *states, int n_workers)
{
    int before = set ? set->n_workers : 0;
    if (before >= n_workers)
        return set;
    struct parcel__state_set *larger =
        parcel__memory_resize(set, sizeof *set + (size_t)n_workers * sizeof *set->of);
    if (!larger)
        return NULL;
    larger->callbacks = states->callbacks;
    larger->n_workers = n_workers;
    for (int i = before; i < n_workers; i++)
        larger->of[i] = (struct parcel__worker_state){NULL, false};
    return larger;
}

struct parcel__state_set *parcel__worker_states_take(struct parcel__worker_states *states,
                                                     int first_worker, int n_workers)
{
    struct parcel__state_set *set = take_unused(states);
    struct parcel__state_set *larger = enlarge(set, states, n_workers);
    if (larger)
        larger->first_worker = first_worker;
    else if (set)
        parcel__worker_states_give_back(states, set);
    return larger;
}

void parcel__worker_states_give_back(struct parcel__worker_states *states,
                                     struct parcel__state_set *set)
{
    parcel__mutexes_lock(PARCEL__MUTEX_STATES);
    set->next = states->unused;
    states->unused = set;
    parcel__mutexes_unlock(PARCEL__MUTEX_STATES);
}

/*
 * random_signatures.h: functions of random types, whose calls know what they were given and what
 * becomes of them.
 *
 * A call's first argument is its number. Whatever else it is given, returns and does follows from
 * that number and the plan, which is in memory that worker processes share: so each end can tell
 * what the other meant.
 */
#ifndef RANDOM_SIGNATURES_H
#define RANDOM_SIGNATURES_H

#include <parcel.h>
#include <stdatomic.h>

enum { N_SIGNATURES = 40, MOST_PLANNED = 1009 };

enum behaviour {
    RETURNS,
    TAKES_LONG,  /* some 100 us */
    NESTS,       /* runs calls of its own */
    FAILS,       /* always, with the message "planned" */
    FAILS_FIRST, /* at its first attempt */
    EXITS,
    CRASHES,
    HANGS, /* until it is told to return */
    STOPS,
    CANCELS,
    N_BEHAVIOURS
};

struct planned {
    const parcel_function *function;
    enum behaviour behaviour;
    atomic_int n_ran; /* attempts that began */
};

struct plan {
    uint64_t seed;
    parcel_token token; /* that CANCELS cancels */
    struct planned calls[MOST_PLANNED];
};
extern struct plan *plan; /* in shared pages */

/* A number of the seed and two more, each the same every time. */
uint64_t mixed(uint64_t seed, uint64_t one, uint64_t other);

/* Makes the functions, once, before anything runs. False: out of memory. */
bool signatures_open(uint64_t seed);
const parcel_function *signature_at(size_t number);

/* A function of its number only, for maps. */
const parcel_function *signature_of_number(void);

/* Boxes the planned call of that number. What it points at lives as long as the plan. */
parcel_call planned_call(unsigned number);

/* Whether a value is what that call returns. */
bool is_planned_value(unsigned number, parcel_value value);

#endif

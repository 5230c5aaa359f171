/* table.h: the options that there are: a row each, from which all else that is said of one follows.
 */
#ifndef PARCEL__TABLE_H
#define PARCEL__TABLE_H

#include <limits.h>
#include <parcel.h>
#include <string.h>

#include "ground/text.h"

enum {
    PARCEL__MOST_JOBS = 1000000,
    PARCEL__MOST_SECONDS = 1000000000,
    PARCEL__MOST_RETRIES = 1000000
};

/*
 * A row is KIND(name, NAME, ...). Its variable is PARCEL_NAME, unless the kind ends with _HERE:
 * such an option a program only sets. PLACE is the member of the plan that holds it.
 *
 *     WHOLE(name, NAME, place, least, most)       int
 *     WIDE(name, NAME, place, zero, unit)         size_t; what 0 is called, and its unit
 *     REAL(name, NAME, place, least, unit)        double, above least; 0 and infinity are "none"
 *     CHOICE(name, NAME, place, words...)         an enumeration from 1 on
 *     FLAG(name, NAME, place, truth, words...)    the same, and the plan keeps whether it is truth
 *     NAME(name, NAME), NAME_HERE(name, NAME)     text, which plan.c makes something of
 *     POINTER_HERE(name, NAME, place, what)       what it is called when it is set
 *
 * The order is that of parcel_explain. All from return_as on are looked for only if any is set.
 */
#define PARCEL__OPTIONS(WHOLE, WIDE, REAL, CHOICE, FLAG, NAME, NAME_HERE, POINTER_HERE) \
    WHOLE(n_jobs, N_JOBS, n_jobs_asked, -PARCEL__MOST_JOBS, PARCEL__MOST_JOBS) \
    WHOLE(verbose, VERBOSE, verbose, -1, INT_MAX) \
    WIDE(batch_size, BATCH_SIZE, policy.batch_size, "adaptive", "") \
    FLAG(on_error, ON_ERROR, policy.collect, PARCEL_COLLECT, "stop", "collect") \
    NAME(backend, BACKEND) \
    NAME_HERE(prefer, PREFER) \
    NAME_HERE(require, REQUIRE) \
    CHOICE(return_as, RETURN_AS, return_as, "list", "generator", "generator_unordered") \
    POINTER_HERE(on_result, ON_RESULT, on_result, "a function") \
    WIDE(window, WINDOW, window, "none", "") \
    NAME(pre_dispatch, PRE_DISPATCH) \
    CHOICE(schedule, SCHEDULE, policy.schedule, "adaptive", "static", "dynamic", "guided") \
    FLAG(timing, TIMING, policy.is_timed, PARCEL_YES, "yes", "no") \
    POINTER_HERE(cancel, CANCEL, policy.limits.cancel, "a token") \
    FLAG(handle_signals, HANDLE_SIGNALS, policy.limits.handles_signals, PARCEL_YES, "yes", "no") \
    WIDE(max_failures, MAX_FAILURES, max_failures, "none", "") \
    NAME(halt, HALT) \
    REAL(deadline, DEADLINE, policy.limits.deadline, 0, " s") \
    REAL(timeout, TIMEOUT, policy.limits.timeout, 0, " s") \
    REAL(timeout_factor, TIMEOUT_FACTOR, policy.limits.timeout_factor, 1, "") \
    WHOLE(retries, RETRIES, policy.limits.retry.most, 1, PARCEL__MOST_RETRIES) \
    REAL(retry_delay, RETRY_DELAY, policy.limits.retry.delay, 0, " s") \
    WIDE(max_calls_per_worker, MAX_CALLS_PER_WORKER, policy.worker_limits.max_calls, "none", "") \
    WIDE(max_worker_memory, MAX_WORKER_MEMORY, policy.worker_limits.max_memory, "none", " byte") \
    REAL(kill_after, KILL_AFTER, policy.worker_limits.kill_after, 0, " s") \
    FLAG(core_dumps, CORE_DUMPS, policy.worker_limits.dumps_core, PARCEL_YES, "yes", "no") \
    FLAG(read_only, READ_ONLY, policy.worker_limits.read_only, PARCEL_YES, "yes", "no") \
    FLAG(isolate, ISOLATE, policy.isolate, PARCEL_YES, "yes", "no") \
    FLAG(mpi_results, MPI_RESULTS, all_ranks, PARCEL_ALL_RANKS, "rank_0", "all_ranks") \
    REAL(mpi_timeout, MPI_TIMEOUT, mpi_timeout, 0, " s")

/* A row may end with its NAME, and ISO C wants an argument for each "...": so there is one more. */
#define PARCEL__ID(...) PARCEL__SECOND(__VA_ARGS__, )
#define PARCEL__SECOND(name, ID, ...) PARCEL__##ID,
enum parcel__option_id {
    PARCEL__OPTIONS(PARCEL__ID, PARCEL__ID, PARCEL__ID, PARCEL__ID, PARCEL__ID, PARCEL__ID,
                    PARCEL__ID, PARCEL__ID) PARCEL__N_OPTIONS
};
#undef PARCEL__ID
#undef PARCEL__SECOND

struct parcel__option {
    const char *name;
    const char *variable; /* NULL: the environment does not say */
    size_t offset;        /* in parcel_options */
    size_t place;         /* in the plan */
    enum {
        PARCEL__WHOLE,
        PARCEL__WIDE,
        PARCEL__REAL,
        PARCEL__CHOICE,
        PARCEL__FLAG,
        PARCEL__NAME,
        PARCEL__POINTER
    } kind;
    long long least; /* of a real number, exclusive */
    long long most;
    int truth;        /* of a flag, the choice that is true */
    const char *zero; /* what the value 0 is called */
    const char *unit;
    const char
        *words[5]; /* of a choice and a flag; a program's are PARCEL_ and these in capitals */
};

extern const struct parcel__option parcel__table[PARCEL__N_OPTIONS];

/* Where a value came from. */
enum parcel__from {
    PARCEL__FROM_DEFAULT,
    PARCEL__FROM_ENVIRONMENT,
    PARCEL__FROM_SCOPE,
    PARCEL__GIVEN
};

/* An option's value, all of it zero when it is not set: a number, or a name or a pointer that is
 * borrowed from its source. */
struct parcel__setting {
    enum parcel__from source;
    const parcel_options *options; /* where it was found, or NULL */
    union {
        long long number;
        double real;
        const char *name;
        const void *pointer;
    };
};

/* True when its values are words. */
static inline bool parcel__table_has_words(const struct parcel__option *option)
{
    return option->kind == PARCEL__CHOICE || option->kind == PARCEL__FLAG;
}

/* Reads it from options. True when they set it. */
static inline bool parcel__table_read(const struct parcel__option *option,
                                      const parcel_options *options,
                                      struct parcel__setting *setting)
{
    const unsigned char *place = (const unsigned char *)options + option->offset;
    int number;
    setting->options = options;
    if (option->kind == PARCEL__WHOLE || parcel__table_has_words(option)) {
        memcpy(&number, place, sizeof number);
        setting->number = number;
    } else {
        memcpy(&setting->number, place, sizeof setting->number);
    }
    return setting->number != 0;
}

/* False: a value that options set is not allowed, as error says. */
bool parcel__table_check(const struct parcel__option *option, const struct parcel__setting *setting,
                         struct parcel__text *error);

/* Reads what its variable says, strictly. False: that is not allowed, as error says. */
bool parcel__table_parse(const struct parcel__option *option, const char *value,
                         struct parcel__setting *setting, struct parcel__text *error);

/* The variable that a name misses by two letters or fewer; NULL: none, or it is one. */
const char *parcel__table_nearest(const char *name, size_t length);

struct parcel__plan;

/* Writes a value into the plan, where the option has a place; and adds it as parcel_explain shows
 * it.
 */
void parcel__table_store(const struct parcel__option *option, const struct parcel__setting *setting,
                         struct parcel__plan *plan);
void parcel__table_put(struct parcel__text *text, const struct parcel__option *option,
                       const struct parcel__plan *plan);

#endif

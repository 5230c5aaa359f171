/* limits.h: when a run stops, what its calls may take, and what its workers may: as options say. */
#ifndef PARCEL__LIMITS_H
#define PARCEL__LIMITS_H

#include <parcel.h>

#include "ground/text.h"
#include "options/retry.h"

/* After how many calls of which kind a run stops. */
struct parcel__halt {
    enum {
        PARCEL__HALT_UNSET,
        PARCEL__HALT_NEVER,
        PARCEL__HALT_FAIL,
        PARCEL__HALT_SUCCESS,
        PARCEL__HALT_DONE
    } counts;
    bool now;        /* running calls are asked to return */
    bool is_percent; /* of all calls of the run */
    long long number;
};

/* What the options say of it; zero is nothing. */
struct parcel__limits {
    const parcel_token *cancel;
    bool has_token_elsewhere; /* another process looks at one for this run */
    bool handles_signals;
    struct parcel__halt halt;
    double deadline; /* seconds */
    double timeout;  /* seconds of an attempt */
    double timeout_factor;
    struct parcel__retry retry;
};

/* False: the text is none of GNU parallel's --halt. */
bool parcel__halt_parse(struct parcel__halt *halt, const char *text);
void parcel__halt_put(struct parcel__text *text, const struct parcel__halt *halt);

/* The calls that are enough for it, of so many. Pure. */
size_t parcel__halt_enough(const struct parcel__halt *halt, size_t n_calls);

/* What a worker that is a process of its own may do; 0: no limit. */
struct parcel__worker_limits {
    size_t max_calls;  /* before another takes its place */
    size_t max_memory; /* the same: bytes above what it had at its start */
    double kill_after; /* seconds from SIGTERM to SIGKILL */
    bool dumps_core;
    bool read_only; /* calls write through none of their pointers */
};

struct parcel__callbacks {
    parcel_worker_start *start;
    parcel_worker_end *end;
    void *state;
};

#endif

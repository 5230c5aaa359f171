/* rank_simulation.h: a run on very many ranks, played by one thread from event to event. */
#ifndef BENCH_RANK_SIMULATION_H
#define BENCH_RANK_SIMULATION_H

#include <stdbool.h>

/* Times in seconds. */
struct rank_costs {
    double message; /* what each end of a message has to do */
    double byte;    /* the same for each byte of it */
    double latency; /* from one end to the other, while nobody works */
    double look;    /* at most until a rank that computes looks for messages */
    double record;  /* of each result, on rank 0 */
    double result;  /* bytes of a result in a message */
};

/* How calls are dealt. */
struct rank_policy {
    int fan_out;   /* ranks to which one deals; as many as there are: rank 0 deals to all */
    double window; /* seconds for which what a worker was given lasts */
    int parts;     /* a rank is given more when such a part of that is gone */
    int ahead;     /* the fewest calls that a worker is given, unless they are long */
    double merge;  /* seconds for which results wait for others to go up with them */
    int hurry;     /* 1: they do not wait on the lowest ranks when few calls are in store there;
                    * 2: nor on any other rank */
};

struct rank_run {
    int n_ranks;
    int n_workers;     /* on each rank */
    double call;       /* seconds, in the mean */
    bool is_lognormal; /* with sigma 0.5 */
    double work;       /* seconds of calls for each worker; at least some calls */
};

struct rank_outcome {
    double efficiency; /* max(all calls / all workers, the longest call) over the time */
    double load;       /* the part of the time for which rank 0 has messages to handle */
    double roll_call;  /* seconds until all ranks have said hello and have the plan; on top */
};

struct rank_outcome simulate_on_ranks(const struct rank_run *run, const struct rank_policy *policy,
                                      const struct rank_costs *costs);

#endif

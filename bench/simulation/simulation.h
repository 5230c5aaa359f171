/* simulation.h: a run of very many workers, played by one thread from event to event. */
#ifndef BENCH_SIMULATION_H
#define BENCH_SIMULATION_H

#include <stdint.h>

#include "dispatch_costs.h"

enum { SIMULATION_MOST_WORKERS = 1024 };

struct simulation_calls {
    uint32_t count;
    double cost;          /* of each */
    const double *before; /* or, for each call and the end, the seconds of all before it */
    double longest;
};

/* The seconds that the calls from one on to another take. */
double simulation_duration(const struct simulation_calls *calls, uint32_t first, uint32_t end);

/* The seconds till the last worker is done: by the policy of lib/job/schedule.c and
 * lib/job/steal.c.
 */
double simulate_ranges(const struct simulation_calls *calls, int n_workers,
                       const struct dispatch_costs *costs);

/* The same for one counter, by which each worker takes one call after the other. */
double simulate_counter(const struct simulation_calls *calls, int n_workers,
                        const struct dispatch_costs *costs);

#endif

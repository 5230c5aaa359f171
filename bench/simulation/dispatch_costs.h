/* dispatch_costs.h: what the steps of a scheduler cost on this machine. */
#ifndef BENCH_DISPATCH_COSTS_H
#define BENCH_DISPATCH_COSTS_H

/* All in seconds. */
struct dispatch_costs {
    double call;     /* a call through a pointer that does nothing, and its result stored */
    double claim;    /* of a batch from a range that nobody else looked at since the last claim */
    double transfer; /* a change of a word that another core changed last: till it is done */
    double turn;     /* the same when many want the word at once: till the next one's turn */
    double scan;     /* a look at the range of one worker, of many that are looked at */
    double clock;    /* a reading of the clock */
    double ticks;    /* a reading of the ticks that time longer calls */
};

/* In about a second. On one processor, what another core does to it cannot be measured: then those
 * figures are too low. */
struct dispatch_costs measure_dispatch_costs(void);

#endif

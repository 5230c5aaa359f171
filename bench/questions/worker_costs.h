/* worker_costs.h: what a worker process costs: its start, its crash, a large result. */
#ifndef BENCH_WORKER_COSTS_H
#define BENCH_WORKER_COSTS_H

#include "harness.h"

/* Asks and prints with headings of its own. */
void ask_worker_costs(struct bench *bench);

#endif

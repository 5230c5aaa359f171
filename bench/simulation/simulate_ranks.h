/* simulate_ranks.h: how the backend mpi would do on up to 100,000 ranks. */
#ifndef BENCH_SIMULATE_RANKS_H
#define BENCH_SIMULATE_RANKS_H

/* What `simulate ranks` does with the words behind it, which NULL ends. Returns its status. */
int simulate_ranks(char **words);

#endif

/* functions.h: what the benches call. In a file of their own, so that no call is inlined. */
#ifndef BENCH_FUNCTIONS_H
#define BENCH_FUNCTIONS_H

struct pair {
    int first, second;
};

struct small {
    double values[3]; /* fits a result's slot */
};

struct large {
    double values[12]; /* does not */
};

/* As good as empty: the sum shows that the call was made, with its arguments. */
int empty(int first, int second);
int empty_pair(struct pair pair);

/* Work for the given number of steps, each of which waits for the one before. */
int spin(int steps, int seed);
int spin_pair(struct pair pair);

/* A name out of a few, borrowed. */
const char *name_of(int number);
struct small small_of(int number);
struct large large_of(int number);

#endif

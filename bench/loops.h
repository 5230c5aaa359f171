/* loops.h: the hand-written OpenMP loops that Parcel is measured against. */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include <stddef.h>

#include "functions.h"
#include "harness.h"

/* A call by hand. The loops record nothing but the result. */
struct raw_call {
    int (*function)(int, int);
    int first, second;
    int result;
};

enum loop {
    LOOP_SERIAL,
    LOOP_STATIC,
    LOOP_GUIDED,
    LOOP_DYNAMIC_1,
    LOOP_DYNAMIC_64,
    LOOP_DYNAMIC_1024,
    N_LOOPS
};

/* A loop over calls, as a contender's state. */
struct loop_run {
    enum loop loop;
    struct raw_call *calls;
    size_t count;
};

extern const char *const loop_names[N_LOOPS];

/* Seconds that the loop of a struct loop_run takes. */
double measure_loop(void *loop_run);

struct bench_contender loop_contender(struct loop_run *run);

/* Calls of one function with these arguments; free with free. */
struct raw_call *new_raw_calls(int (*function)(int, int), const struct pair *arguments,
                               size_t count);

#endif

/* count.h: the parts of count.c that look inside. */
#ifndef BENCH_COUNT_H
#define BENCH_COUNT_H

#include <parcel.h>

/* For the functions that valgrind is to find. */
#define NOINLINE __attribute__((noinline))

/* True while a thread that is made runs at once, in the thread that makes it. */
extern bool count_has_no_threads;

/* The calls as a message from one rank to another, and the results as one back: packed on one side,
 * read on the other. Whether they came through. */
bool count_messages(const parcel_calls *calls, parcel_results *results);

/* The calls to a worker process and back, by a list that it has and packed. Whether they ran. */
bool count_orders(const parcel_calls *calls);

#endif

/* allocations.h: counts the program's allocations, the libraries' included. */
#ifndef BENCH_ALLOCATIONS_H
#define BENCH_ALLOCATIONS_H

#include <stddef.h>

/* Between these two malloc, calloc and realloc are counted, in all threads. end returns how often
 * they were called. */
void allocations_begin(void);
size_t allocations_end(void);

#endif

/* random_faults.h: memory, pages, processes and threads that the system does not give, at random
 * places of the library. */
#ifndef RANDOM_FAULTS_H
#define RANDOM_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* From now on some requests fail, which ones follows from the seed and their order; until end,
 * which returns how many did. */
void faults_begin(uint64_t seed);
unsigned faults_end(void);

/* The thread's own requests do not fail between the two: those of a call, and of the test. */
void faults_pause(void);
void faults_resume(void);

#endif

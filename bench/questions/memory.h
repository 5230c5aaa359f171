/* memory.h: how much memory the process has. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

/* Bytes in memory now, and at most since the last reset_peak. */
double resident_bytes(void);
double peak_bytes(void);
void reset_peak(void);

/* Bytes by which the process grew at its peak while the action ran. */
double grown_by(void (*action)(void *state), void *state);

#endif

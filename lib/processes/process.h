/* process.h: processes that are forked from this one, and the memory that they share with it. */
#ifndef PARCEL__PROCESS_H
#define PARCEL__PROCESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Zeroed pages that processes forked later share, or NULL. They take memory when they are written
 * first, until they are released: then they are zero again. Those before and behind them belong to
 * nobody. */
void *parcel__process_share(size_t size);
void parcel__process_release(void *pages, size_t size);
void parcel__process_unshare(void *pages, size_t size);

/* Waits until the word is no longer value, or so many seconds have passed (INFINITY: for ever), or
 * for no reason. The word may stand in shared pages. Threads: any. */
void parcel__process_wait(atomic_uint *word, unsigned value, double seconds);

/* Adds 1 to the word (release) and wakes all who wait for it. Threads: any. */
void parcel__process_ring(atomic_uint *word);

/* Writes what stands in the buffers of stdio. Where another thread waits for input, what a
 * program's other files hold stays, since to look at them would be to wait for that thread. */
void parcel__process_flush(void);

/* At the end: writes what gcc --coverage counted, and what memory nobody freed, where a sanitizer
 * looks for that and can: in a process that was forked from one with other threads, or with libomp,
 * it would call all lost that only their stacks point at, or that libomp forgets in a child. */
void parcel__process_write_counts(void);
void parcel__process_report_leaks(void);

/* Lets this thread run on all cpus that the OpenMP runtime binds threads to. */
void parcel__process_unbind(void);

/* Forks a process that runs body and must end in it. It begins with all signals blocked, may use
 * OpenMP and the library whatever the threads of this process did, and runs on a thread of its
 * own that may be a new one: thread-local values are then not the caller's, and the caller's stack
 * may be used again by threads of the child; is_caller says whether it is not so. Returns its pid,
 * or -1 with errno. Threads: any. */
pid_t parcel__process_fork(void (*body)(void *context), void *context, bool *is_caller);

#endif

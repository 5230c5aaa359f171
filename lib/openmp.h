/* openmp.h: the OpenMP settings of the calling thread, in whatever runtimes the process has. */
#ifndef PARCEL__OPENMP_H
#define PARCEL__OPENMP_H

#include <stdbool.h>
#include <sys/types.h>

enum { PARCEL__OPENMP_RUNTIMES = 2 };

struct parcel__openmp_setting {
    int threads;
    int levels;
};

struct parcel__openmp_settings {
    bool changed;
    struct parcel__openmp_setting of[PARCEL__OPENMP_RUNTIMES];
};

/* Lets parallel regions that this thread opens have at most so many threads. saved: written. */
void parcel__openmp_limit(int threads, struct parcel__openmp_settings *saved);

/* Reads the settings, which another process may then put back as its own. */
void parcel__openmp_read(struct parcel__openmp_settings *settings);

/* Puts the settings back; nothing when changed is false. */
void parcel__openmp_restore(const struct parcel__openmp_settings *saved);

/* The cpus of all places that threads may be bound to; 0 when they are not bound. */
int parcel__openmp_bound_cpus(void);

/* The same cpus by their numbers, which the caller frees (parcel__memory_free); NULL when there are
 * none, or memory ran out. */
int *parcel__openmp_list_bound_cpus(int *count);

/* Ends the teams that this thread keeps, so that it can open regions in a forked child too. False:
 * that could not be, as inside a region; then another thread must fork. */
bool parcel__openmp_before_fork(void);

/* Removes the file that libomp makes in every process, and leaves when it does not end by exit. */
void parcel__openmp_clean_up(pid_t pid);

#endif

/* openmp.h: the OpenMP settings of the calling thread, in whatever runtimes the process has. */
#ifndef PARCEL__OPENMP_H
#define PARCEL__OPENMP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PARCEL__OPENMP_RUNTIMES = 2 };

/* Seconds: a call that opened a region of several threads took longer. */
#define PARCEL__OPENMP_SHORTEST 0.5e-6

/* What holds for the regions that a thread opens. */
struct parcel__openmp_setting {
    int threads; /* of a region that does not say; 0: nothing is known */
    int levels;  /* so many regions, one in the other, may have several threads */
    bool is_dynamic;
};

struct parcel__openmp_settings {
    struct parcel__openmp_setting of[PARCEL__OPENMP_RUNTIMES];
};

/* The settings of this thread. */
void parcel__openmp_read(struct parcel__openmp_settings *settings);

/* The same for the calls of a run, whichever thread or process they are in: levels count from
 * there. threads, unless it is 0: those of a region that does not say; several then are allowed in
 * one, also where the run is itself in a region. */
void parcel__openmp_read_for_calls(struct parcel__openmp_settings *settings, int threads);

/* Makes those of the calls settings of this thread, which has those before, and writes them to now.
 * False: nothing is known of them. */
bool parcel__openmp_begin(struct parcel__openmp_settings *now,
                          const struct parcel__openmp_settings *before,
                          const struct parcel__openmp_settings *of_calls);

/* Makes the settings those of this thread, where they differ. */
void parcel__openmp_set(const struct parcel__openmp_settings *settings);

/* The same after a call, which is only asked for the number of threads: whoever changes another
 * setting changes that one, too, but for few, and each question costs as much as a short call. */
void parcel__openmp_renew(const struct parcel__openmp_settings *settings);

/* True in a region of the runtime that this library is linked with, of one thread, too. */
bool parcel__openmp_in_region(void);

/* Bytes of stack that OMP_STACKSIZE gives to each thread of a team; 0 when it says nothing. */
size_t parcel__openmp_stack_size(void);

/* The cpus of all places that threads may be bound to; 0 when they are not bound. */
int parcel__openmp_bound_cpus(void);

/* The same cpus by their numbers, which the caller frees (parcel__memory_free); NULL when there are
 * none, or memory ran out. */
int *parcel__openmp_list_bound_cpus(int *count);

/* The cpus of a libgomp that the program does not use, which the caller frees; NULL: there is none,
 * or it binds no threads. */
int *parcel__openmp_list_cpus_of_others(int *count);

/* Ends the teams that this thread keeps, so that it can open regions in a forked child too. False:
 * that could not be, as inside a region; then another thread must fork. */
bool parcel__openmp_before_fork(void);

/* True when a runtime is libomp, which forgets its memory in a forked child, and whose threads have
 * stacks of a size of its own. Threads: any. */
bool parcel__openmp_has_libomp(void);

/* Removes the file that libomp makes in every process, and leaves when it does not end by exit. */
void parcel__openmp_clean_up(pid_t pid);

#endif

/* death.h: how a worker process ended, in its own last words and in what the system tells. */
#ifndef PARCEL__DEATH_H
#define PARCEL__DEATH_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "ground/text.h"

/* Stands in shared pages. Zero: it has not ended. */
struct parcel__death {
    /* Written by the worker's handlers. Relaxed: they are read when the process is gone. */
    atomic_bool has_address;
    atomic_uintptr_t address; /* that the faulting instruction touched */
    atomic_bool was_quick;    /* quick_exit, which tells nobody the status */
    atomic_bool was_untold;   /* exit, where the C library does not tell the status */
    atomic_bool had_left;     /* its work was done: what follows is its end */

    /* Written by who waited for the worker, before it says that it ended. */
    bool has_ended;
    bool lost_forkserver; /* it was killed because the forkserver was gone; nothing else is known */
    bool was_told;        /* to end, by the signal that ended it */
    bool out_of_memory;
    int status;      /* as of wait */
    double resident; /* bytes, at most */
    double limit;    /* of the memory that it may take, when it ran out of it */
};

/* In a worker: from now on its handlers write last words, and it ends by SIGTERM only when the
 * forkserver sends it. SIGINT does nothing: the program decides what it means. Then sets the mask,
 * but for the signals of these handlers, which are not blocked. */
void parcel__death_watch(struct parcel__death *death, pid_t forkserver, const sigset_t *mask);

/* Ends a worker whose work is done. */
_Noreturn void parcel__death_leave(void);

/* When a call of a worker returned: ends a process that the call forked and that returned from it.
 * Else it would run the worker's other calls as well, and outlive the program. */
void parcel__death_end_copy(void);

/* In a process whose workers watch: what ends a worker by exit passes the program's handlers. */
void parcel__death_catch_exits(void);

/* In the process that waits for workers, now and then: what it will compare with. */
void parcel__death_look(void);

/* What wait4 told; signal: the last one that the worker was sent, or 0. */
void parcel__death_record(struct parcel__death *death, int status, const struct rusage *usage,
                          int signal);

/* True when its work was done, and nothing went wrong behind it. */
bool parcel__death_was_in_order(const struct parcel__death *death);

/* "killed by SIGSEGV (address 0x8)", "exited with status 3", ... */
void parcel__death_put(struct parcel__text *text, const struct parcel__death *death);

#endif

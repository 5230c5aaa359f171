/*
 * process.c: fork, and what must be seen to before and behind it.
 *
 * - What stands in the buffers of stdio would be written by both processes.
 * - libgomp keeps a team for the thread that opened a region; in a child, that thread would wait
 *   for threads that are not there. So the team is ended first, or, where the thread is inside a
 *   region, a new thread forks, which has no team. In a child that the program forks only a new
 *   thread has regions.
 * - Other threads may hold mutexes. The C library sees to its own, and we to ours (mutexes.c).
 * - An OpenMP runtime that binds threads bound the forking thread to one cpu.
 */
#include "processes/process.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ground/fork.h"
#include "ground/memory.h"
#include "ground/openmp.h"
#include "ground/port.h"

enum { GUARD = 64 << 10 /* a page at least, wherever */ };

/* FUTEX_WAIT and FUTEX_WAKE of linux/futex.h, which is not in the path of every compiler. */
enum { WAIT_WHILE_EQUAL = 0, WAKE = 1 };

static const double for_ever = 1e9; /* seconds: more than the system's time may hold elsewhere */

/* Where a program locks all its memory, the pages would be filled at once, but for this. */
static bool open_pages(void *pages, size_t size)
{
    munlock(pages, size);
    madvise(pages, size, MADV_DONTDUMP);
    return mprotect(pages, size, PROT_READ | PROT_WRITE) == 0;
}

/* To valgrind each byte that is opened is a step, and takes memory. */
static void close_guards(unsigned char *guard, size_t size)
{
    mprotect(guard, GUARD, PROT_NONE);
    mprotect(guard + GUARD + size, GUARD, PROT_NONE);
}

/* What runs over the end of a block of the program that lies beside ends there. */
void *parcel__process_share(size_t size)
{
    const size_t whole = size + 2 * GUARD;
    const bool is_open = parcel__port_is_under_valgrind();
    unsigned char *guard = mmap(NULL, whole, is_open ? PROT_READ | PROT_WRITE : PROT_NONE,
                                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (guard == MAP_FAILED)
        return NULL;
    if (is_open)
        close_guards(guard, size);
    if (is_open || open_pages(guard + GUARD, size))
        return guard + GUARD;
    munmap(guard, whole);
    return NULL;
}

void parcel__process_release(void *pages, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    madvise(pages, (size + page - 1) / page * page, MADV_REMOVE);
}

void parcel__process_unshare(void *pages, size_t size)
{
    munmap((unsigned char *)pages - GUARD, size + 2 * GUARD);
}

void parcel__process_wait(atomic_uint *word, unsigned value, double seconds)
{
    struct timespec limit;
    if (!(seconds > 0))
        return;
    if (seconds < for_ever) {
        limit.tv_sec = (time_t)seconds;
        limit.tv_nsec = (long)((seconds - (double)limit.tv_sec) * 1e9);
    }
    syscall(SYS_futex, word, WAIT_WHILE_EQUAL, value, seconds < for_ever ? &limit : NULL, NULL, 0);
}

void parcel__process_ring(atomic_uint *word)
{
    atomic_fetch_add_explicit(word, 1, memory_order_release);
    syscall(SYS_futex, word, WAKE, INT_MAX, NULL, NULL, 0);
}

/* In a child: streams other than the standard ones may hold what the program wrote. */
static bool holds_what_others_wrote;

static void flush_if_free(FILE *stream)
{
    if (ftrylockfile(stream) != 0)
        return;
    fflush(stream);
    funlockfile(stream);
}

/* A thread that waits for input holds stdin's lock, for which fflush(NULL) would wait. False: only
 * the standard streams were flushed. */
static bool flush(void)
{
    if (!holds_what_others_wrote && ftrylockfile(stdin) == 0) {
        funlockfile(stdin);
        fflush(NULL);
        return true;
    }
    flush_if_free(stdout);
    flush_if_free(stderr);
    return false;
}

void parcel__process_flush(void)
{
    flush();
}

/* ---- what tools do at the end of a program, which a child of ours does not reach ---- */

/* Of the program's files that delay functions: see parcel/delayed.h. */
extern void parcel__counts(bool goes_on, char *const *never) __attribute__((weak));
extern void __lsan_do_leak_check(void) __attribute__((weak));

/* In a child: the program had no other thread. */
static bool was_alone;

/* Before a fork: writes what gcc --coverage counted so far, and counts from 0 on. */
static void begin_counts(void)
{
    if (parcel__counts)
        parcel__counts(true, NULL);
}

void parcel__process_write_counts(void)
{
    if (parcel__counts)
        parcel__counts(false, NULL);
}

void parcel__process_report_leaks(void)
{
    if (was_alone)
        __lsan_do_leak_check();
}

/* ---- fork ---- */

/* Lets this thread run on these cpus too. */
static void spread(const int *cpus, int count)
{
    union {
        cpu_set_t set;
        unsigned char room[PARCEL__LARGEST_CPU_SET / CHAR_BIT]; /* the kernel's may be wider */
    } may;
    CPU_ZERO_S(sizeof may, &may.set);
    if (count == 0 || sched_getaffinity(0, sizeof may, &may.set) != 0)
        return;
    for (int i = 0; i < count; i++)
        CPU_SET_S((size_t)cpus[i], sizeof may, &may.set);
    sched_setaffinity(0, sizeof may, &may.set);
}

/* In a program of libomp a libgomp may be loaded for this library alone. Where threads are to be
 * bound it binds the one that loads it at once, and libomp would take that cpu for all there are.
 */
__attribute__((constructor)) static void undo_binding(void)
{
    int count;
    int *cpus = parcel__openmp_list_cpus_of_others(&count);
    spread(cpus, count);
    parcel__memory_free(cpus);
}

void parcel__process_unbind(void)
{
    int count;
    int *cpus = parcel__openmp_list_bound_cpus(&count);
    spread(cpus, count);
    parcel__memory_free(cpus);
}

struct forking {
    void (*body)(void *context);
    void *context;
    int *bound_cpus; /* of all threads of the OpenMP runtime, or NULL */
    int n_bound_cpus;
    bool is_flushed; /* all streams */
    bool was_alone;  /* the thread that forks was the only one */
    pid_t pid;
    int error;
};

/* Another thread may have written between the flush and the fork. */
static void begin_child(struct forking *forking)
{
    parcel__fork_forget_team(); /* it was ended before, or this thread is new */
    holds_what_others_wrote = !forking->is_flushed;
    was_alone = forking->was_alone;
    __fpurge(stdout);
    __fpurge(stderr);
    spread(forking->bound_cpus, forking->n_bound_cpus);
    forking->body(forking->context);
    _exit(EXIT_FAILURE);
}

static void *fork_here(void *data)
{
    struct forking *forking = data;
    forking->pid = fork();
    forking->error = errno;
    if (forking->pid == 0)
        begin_child(forking);
    return NULL;
}

static void fork_in_new_thread(struct forking *forking)
{
    pthread_t thread;
    forking->pid = -1;
    forking->error = pthread_create(&thread, NULL, fork_here, forking);
    if (forking->error == 0)
        pthread_join(thread, NULL);
}

pid_t parcel__process_fork(void (*body)(void *context), void *context, bool *is_caller)
{
    struct forking forking = {.body = body, .context = context, .is_flushed = flush()};
    sigset_t all, before;
    forking.bound_cpus = parcel__openmp_list_bound_cpus(&forking.n_bound_cpus);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *is_caller = !parcel__fork_lost_team() && parcel__openmp_before_fork();
    forking.was_alone = __lsan_do_leak_check && !parcel__openmp_has_libomp() &&
                        !parcel__fork_lost_threads() && parcel__port_is_only_thread();
    begin_counts();
    if (*is_caller)
        fork_here(&forking);
    else
        fork_in_new_thread(&forking);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    parcel__memory_free(forking.bound_cpus);
    errno = forking.error;
    return forking.pid;
}

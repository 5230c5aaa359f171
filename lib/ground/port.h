/* port.h: the operating system on one page. */
#ifndef PARCEL__PORT_H
#define PARCEL__PORT_H

#include <locale.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seconds of a monotonic clock; 25 to 35 ns a reading. */
double parcel__port_now(void);

/* A counter that goes up at a steady rate, which two readings of the clock around it tell; quicker
 * to read than the clock where the processor has one. Not exact when a thread moves to another
 * cpu. */
uint64_t parcel__port_ticks(void);

/* Lets other threads run on this cpu, for an instant or for so many seconds. */
void parcel__port_yield(void);
void parcel__port_sleep(double seconds);

/* A condition that can be waited for no longer than so many seconds, whatever becomes of the time
 * of day; and that wait, with the mutex held. */
void parcel__port_open_condition(pthread_cond_t *condition);
void parcel__port_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, double seconds);

/* The kernel's sets may be wider than cpu_set_t, but not wider than this. */
enum { PARCEL__LARGEST_CPU_SET = 65536 };

/* The cpu that the calling thread runs on, or -1; and moves the thread to another one, if it may
 * run there. Its affinity is then as before. */
int parcel__port_cpu(void);
void parcel__port_leave_cpu(int cpu);

/* Zeroed pages, or NULL. Blocks of 2 MiB and more ask for huge pages, unless they are written
 * here and there only. */
void *parcel__port_map(size_t size, bool sparse);
void parcel__port_unmap(void *pages, size_t size);

/* What one part of the system allows; INT_MAX when it sets no limit. */
int parcel__port_online_cpus(void);
int parcel__port_affinity_cpus(void);

/* Equal in threads that may run on the same cpus. */
uint64_t parcel__port_affinity_hash(void);
int parcel__port_cgroup_cpus(const char *root, const char *groups); /* groups: a file like
                                                                     * /proc/self/cgroup */

/* The most bytes that the system lets the process's cgroup have; LLONG_MAX when it sets no limit or
 * cannot be asked. And how many processes of the group the kernel has killed since it ran out of
 * memory; LLONG_MAX when it is not told. */
long long parcel__port_cgroup_memory(const char *root, const char *groups);
long long parcel__port_cgroup_kills(const char *root, const char *groups);

/* The least of what the cgroup, RLIMIT_AS and the machine have, in bytes; and the kills of the
 * process's group. */
long long parcel__port_memory_limit(void);
long long parcel__port_memory_kills(void);

/* The cpus that a process may use. */
struct parcel__cpus {
    int count;      /* the least of online, affinity, cgroup quota and what variables say; from 1 */
    int shared;     /* what the job's processes on this host have together; INT_MAX: not known */
    int affinity;   /* what the mask allows; INT_MAX: not known */
    const char *by; /* what holds the count down: "affinity", "NSLOTS" */
};

/* bound_cpus: the cpus that an OpenMP runtime binds its threads to, or 0. Such a runtime has bound
 * the calling thread to one of them, whose own affinity then says nothing of the process's. */
struct parcel__cpus parcel__port_cpus(int bound_cpus);

/* How many threads one run may start without asking the system for more than it gives: an
 * OpenMP runtime ends the process when a thread cannot be made. */
int parcel__port_thread_limit(void);

/* What exit calls behind the handlers that are registered later, with its status; or with a
 * negative one, where the C library does not tell it. One function a process. */
void parcel__port_at_exit(void (*leave)(int status));

/* Puts off a pthread_cancel of the calling thread, in which locks may be held and others wait for
 * it; the second is given what the first returned. */
int parcel__port_hold_cancel(void);
void parcel__port_release_cancel(int before);

/* True when the process has no thread but the calling one; false also when that cannot be told. */
bool parcel__port_is_only_thread(void);

/* True when the program runs under valgrind. */
bool parcel__port_is_under_valgrind(void);

/* Bytes of memory that the machine has. */
size_t parcel__port_physical_memory(void);

/* Bytes of addresses that may be taken without being used: a part of what the process, or the
 * system, still has to give to others. */
size_t parcel__port_spare_addresses(void);

/* The memory of its own that this process has resident, in bytes; where that cannot be read, as
 * when all its files are closed, the most that it ever had. */
size_t parcel__port_memory(void);

/* The seconds for which a thread waited for a cpu while it could have run, of a file like
 * /proc/thread-self/schedstat; NaN when it does not tell. */
double parcel__port_waited(const char *file);

/* getpid() without asking the system each time. */
int parcel__port_pid(void);

/* The name of this host, read once. */
const char *parcel__port_host(void);

/* A variable of the environment, or NULL when it is missing or empty. */
const char *parcel__port_variable(const char *name);

/* The next variable, as "NAME=value", whose name begins so: behind that one, or (NULL) the first.
 * NULL: there is none. One walk instead of one for each option. */
char **parcel__port_next_variable(char **before, const char *prefix);

/* What the calling thread prints and reads between the two has a decimal point, whatever locale the
 * program or the thread has. leave takes what enter returned. */
locale_t parcel__port_enter_c_locale(void);
void parcel__port_leave_c_locale(locale_t before);

/* Reads a whole number, with nothing before or behind it but spaces. False: it is none, or out of
 * range. */
bool parcel__port_parse(const char *text, long long least, long long most, long long *number);

/* The same for a number with a fraction, behind a point; the range is not looked at. */
bool parcel__port_parse_real(const char *text, double *number);

#endif

/*
 * processes.h: what a user of the backend "processes" can do that no other backend can: how calls
 * and workers end (processes.c), what travels to them and back (processes_data.c), the program
 * around them (processes_program.c), and what ends with them (processes_ends.c).
 */
#ifndef PROCESSES_H
#define PROCESSES_H

#include "suite.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_COUNTED = 256 };

/* What all processes see; new for each test. */
extern struct shared {
    atomic_int begun[MOST_COUNTED]; /* how often each call did, by the number it is given */
    atomic_int n_begun;
    atomic_int started, ended; /* workers */
} * shared;

/* A call of this number begins; returns how often it had before. */
int count_begin(int i);

/* Waits until so many calls have begun. */
void await_begun(int count);

#define IN_PROCESSES(jobs, ...) \
    &(parcel_options) \
    { \
        .backend = "processes", .n_jobs = jobs, __VA_ARGS__ \
    }

/* Runs calls, and frees the list. */
#define RUN(jobs, calls, ...) run_and_free(IN_PROCESSES(jobs, __VA_ARGS__), calls)

void add_data_tests(Suite *suite);
void add_program_tests(Suite *suite);
void add_end_tests(Suite *suite);
TCase *processes_case(Suite *suite, const char *name);

#endif

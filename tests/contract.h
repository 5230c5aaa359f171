/*
 * contract.h: what every backend owes its users. Each property is written once and looped over
 * the known backends (the loop's index is the backend's), and in a test over workers, sizes and
 * ways to hand out and to time the calls.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include "suite.h"

#include <sys/types.h>

enum { MOST_CALLS = 1009 };

struct shape {
    const parcel_backend *backend;
    int workers;
    size_t size;
    parcel_schedule schedule; /* 0: not set, and the same of timing */
    parcel_switch timing;
    int number; /* which of the shapes comes next */
};

/* The next shape of a backend; false after the last. Start with {0}. */
bool next_shape(int backend, struct shape *shape);

#define HOLDS(shape, condition) \
    ck_assert_msg(condition, "%s, %d workers, %zu calls, schedule %d, timing %d", \
                  (shape).backend->name, (shape).workers, (shape).size, (int)(shape).schedule, \
                  (int)(shape).timing)

/* The options of a run of this shape, with more of them behind. */
#define SHAPED(shape, ...) \
    &(parcel_options) \
    { \
        .schedule = (shape).schedule, .timing = (shape).timing, .backend = (shape).backend->name, \
        .n_jobs = (shape).workers, .kill_after = 1e3, __VA_ARGS__ \
    }

/* True when the calls of this backend see the test's own memory, and not a copy of it. */
bool shares_memory(struct shape shape);

/* What calls count and where they meet, as new in each test. Calls in other processes see the same
 * pages. */
struct tally {
    atomic_int started;
    atomic_int ended;
    atomic_int wrong; /* what was not as it should be */
    atomic_int ran[MOST_CALLS];
    struct crowd crowd;
    struct meeting meeting;
    parcel_token token;
    pid_t runner; /* the test's process */
};
extern struct tally *tally;

/* In a call that is asked to end: where it has a process of its own, a short while after that it
 * gets SIGTERM. It then takes the time that it needs all the same. */
void take_time(void);

void add_control_tests(TCase *tests, int backends);
void add_failure_tests(TCase *tests, int backends);
void add_limit_tests(TCase *tests, int backends);
void add_value_tests(TCase *tests, int backends);
void add_loss_tests(TCase *tests);
void add_worker_tests(TCase *tests, int backends);
void add_stream_tests(TCase *tests, int backends);

#endif

/*
 * contract.h: what every backend owes its users. Each property is written once and looped over
 * the known backends (the loop's index is the backend's), and in a test over workers, sizes and
 * ways to hand out and to time the calls.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include "tally.h"

struct shape {
    const parcel_backend *backend;
    int n_jobs;
    int workers; /* of all ranks, where there are some */
    size_t size;
    parcel_schedule schedule; /* 0: not set, and the same of timing */
    parcel_switch timing;
    int number; /* which of the shapes comes next */
};

/* False for a backend that cannot run here. Under a sanitizer these are worker processes: its own
 * locks stay locked in a process that is forked while other threads run, and to fork takes it long;
 * the suites processes and faults do what it can follow. */
bool can_run(const parcel_backend *backend);

/* The next shape of a backend; false after the last. Start with {0}. */
bool next_shape(int backend, struct shape *shape);

/* The same for tests of what one program does with several threads or processes of its own, with
 * streams, or with results that it takes as they come: none where each rank runs the test. */
bool next_shape_of_one_program(int backend, struct shape *shape);

/* A backend that runs its first batch last holds up all that is to go on in order; and as
 * next_shape_of_one_program, without those. */
bool holds_first(struct shape shape);
bool next_streaming_shape(int backend, struct shape *shape);

/* The same for tests of workers that stay for several runs: none where ranks serve, which have new
 * ones for each. */
bool next_shape_with_kept_workers(int backend, struct shape *shape);

/* True when some ranks serve: rank 0 returns from a run before all of them have left it. */
bool some_ranks_serve(void);

/* What the options' functions are given: NULL where ranks serve, which have no memory of rank 0. */
void *state_of_options(void);

/* The same for tests whose threads run at the same time: none of a backend whose runs are made one
 * after the other, as its workers belong to other programs, too. */
bool next_shape_of_threads(int backend, struct shape *shape);

#define HOLDS(shape, condition) \
    ck_assert_msg(condition, "%s, %d workers, %zu calls, schedule %d, timing %d", \
                  (shape).backend->name, (shape).workers, (shape).size, (int)(shape).schedule, \
                  (int)(shape).timing)

/* The options of a run of this shape, with more of them behind. */
#define SHAPED(shape, ...) \
    &(parcel_options) \
    { \
        .schedule = (shape).schedule, .timing = (shape).timing, .backend = (shape).backend->name, \
        .n_jobs = (shape).n_jobs, .kill_after = 1e3, __VA_ARGS__ \
    }

/* Seconds, by the clock that only goes on. */
double now(void);

/* True when the calls of this backend see the test's own memory, and not a copy of it. */
bool shares_memory(struct shape shape);

/* True when its workers are of several programs. */
bool has_ranks(struct shape shape);

void add_control_tests(TCase *tests, int backends);
void add_environment_tests(TCase *tests, int backends);
void add_failure_tests(TCase *tests, int backends);
void add_limit_tests(TCase *tests, int backends);
void add_value_tests(TCase *tests, int backends);
void add_loss_tests(TCase *tests);
void add_worker_tests(TCase *tests, int backends);
void add_stream_tests(TCase *tests, int backends);

#endif

/*
 * test_proxy.c: both ends of a mailbox.
 *
 * The proxy meets worker processes that write wild content into their mailbox, as a call may
 * that runs wild: whatever stands there, each call is recorded once, and the run ends. Where the
 * two ends only have to take turns, the worker is a thread of the test, so that the thread
 * sanitizer sees both; and all ways in which they meet at the calls that have not begun are tried.
 */
#include "suite.h"

#include "calls/calls.h"
#include "ground/port.h"
#include "processes/process.h"
#include "processes/proxy.h"
#include "processes/worker_main.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { N_CALLS = 24, AREA = 1 << 22, GARBLED = 300, ROUNDS = 30, MOST_UNITS = 5 };

struct world;

/* What all processes of a test see. */
static struct shared {
    atomic_int n_processes; /* that began to work */
    atomic_size_t n_recorded;
    atomic_int times[N_CALLS];
    struct parcel__mailbox box;
} * shared;

struct world {
    struct parcel__mail mail;
    /* What the first process does when it has its first order, or NULL; others do what they are
     * meant to. False: it ends. */
    bool (*mischief)(const struct world *world);
    unsigned seed;
    struct parcel__forkserver *forkserver;
    struct parcel__policy policy;
    struct parcel__snapshot snapshot;
    struct parcel__proxy proxy;
    parcel_calls *calls;
    parcel_results *results;
    struct parcel_job job;
};

/* ---- calls ---- */

static int twice(int i)
{
    atomic_fetch_add(&shared->times[i], 1);
    return 2 * i;
}
DELAYED(int, twice, int);

static const char *word(int i)
{
    static const char *const words[] = {"zero", "one", "a word that does not fit a slot"};
    atomic_fetch_add(&shared->times[i], 1);
    return words[i % 3];
}
DELAYED(const char *, word, int);

static bool is_right(const parcel_results *results, size_t i)
{
    return parcel_holds(results, i, int)
               ? parcel_get(results, i, int) == 2 * (int)i
               : strcmp(parcel_get(results, i, const char *), word((int)i)) == 0;
}

/* ---- the worker's end ---- */

static bool is_odd(size_t i)
{
    return i % 2;
}

/* Answers so many calls as they should be answered, but does not say so. */
static void forge(const struct world *world, size_t count)
{
    struct parcel__mailbox *box = world->mail.box;
    struct parcel__wire_room room = {
        .base = world->mail.results, .size = AREA, .large = world->mail.box->large};
    for (size_t i = 0; i < count; i++) {
        struct parcel__answer *answer = &box->answers[i];
        const parcel_function *function =
            is_odd(i) ? parcel_function_of(word) : parcel_function_of(twice);
        int number = 2 * (int)i;
        const char *text = word((int)i);
        const void *place = is_odd(i) ? (const void *)&text : &number;
        answer->end = parcel__port_now();
        answer->duration = 1e-6;
        answer->status = PARCEL_OK;
        ck_assert(parcel__wire_put_result(&answer->result, &room, function, place));
    }
}

static void say_answered(const struct world *world, size_t count)
{
    atomic_store(&world->mail.box->n_answers, count);
    parcel__process_ring(world->mail.bell);
}

static void say_done(const struct world *world)
{
    struct parcel__mailbox *box = world->mail.box;
    atomic_store(&box->n_done, atomic_load(&box->n_orders));
    parcel__process_ring(world->mail.bell);
}

static void await_order(const struct world *world)
{
    struct parcel__mailbox *box = world->mail.box;
    while (atomic_load(&box->n_orders) == 0)
        parcel__process_wait(&box->n_orders, 0, INFINITY);
}

static void work(void *context, struct parcel__forkserver *forkserver, int worker)
{
    struct world *world = context;
    bool is_first = atomic_fetch_add(&shared->n_processes, 1) == 0;
    world->mail.bell = parcel__forkserver_bell(forkserver, worker);
    if (is_first && world->mischief) {
        await_order(world);
        if (!world->mischief(world))
            return;
    }
    parcel__worker_main_work(&world->mail);
}

/* ---- the proxy's end ---- */

static void count_recorded(void *state, const struct parcel__lot *lot, size_t first, size_t count)
{
    (void)state, (void)lot, (void)first;
    atomic_fetch_add(&shared->n_recorded, count);
}

static parcel_calls *make_calls(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < N_CALLS; i++)
        parcel_calls_add(calls, is_odd((size_t)i) ? delayed(word)(i) : delayed(twice)(i));
    return calls;
}

static const struct parcel__worker_limits no_limits = {.kill_after = 1};

/* A job of N_CALLS calls of two functions. */
static void open_job(struct world *world, int n_workers)
{
    static const struct parcel__watcher watchers[] = {{.ended = count_recorded}, {0}};
    world->calls = make_calls();
    world->policy = (struct parcel__policy){.schedule = PARCEL_ADAPTIVE,
                                            .batch_size = n_workers == 1 ? N_CALLS : 0,
                                            .collect = true,
                                            .is_timed = true,
                                            .worker_limits = no_limits};
    world->results = parcel__results_new(world->calls, n_workers);
    const struct parcel__job_options options = {
        .lot = {.calls = world->calls, .results = world->results},
        .policy = &world->policy,
        .n_workers = n_workers,
        .nest = {1, 1, 0, false},
        .floating = parcel__floating_read(),
        .watchers = watchers,
    };
    ck_assert(parcel__job_open(&world->job, &options));
    world->snapshot.calls = world->calls;
}

/* The worker sees the world as it is now, and what is shared. */
static void open_world(struct world *world, int n_workers,
                       void (*body)(void *, struct parcel__forkserver *, int))
{
    char why[200];
    shared = parcel__process_share(sizeof *shared + 2 * AREA);
    ck_assert_ptr_nonnull(shared);
    unsigned char *areas = (unsigned char *)(shared + 1);
    areas += -(uintptr_t)areas & 4095;
    world->mail = (struct parcel__mail){.box = &shared->box,
                                        .calls = areas,
                                        .calls_size = AREA - 4096,
                                        .results = areas + AREA - 4096,
                                        .results_size = AREA};
    shared->box.large = AREA;
    open_job(world, n_workers);
    const struct parcel__forkserver_options options = {
        .n_workers = 1, .work = body, .context = world};
    world->forkserver = parcel__forkserver_open(&options, why, sizeof why);
    ck_assert_msg(world->forkserver, "%s", why);
    world->mail.bell = parcel__forkserver_bell(world->forkserver, 0);
    parcel__proxy_open_all(&world->proxy, 1, &world->mail, world->forkserver, &world->snapshot);
    parcel__job_set_runner(&world->job, 0, &world->proxy.runner);
}

static void close_world(struct world *world)
{
    parcel__forkserver_close(world->forkserver);
    parcel__proxy_close_all(&world->proxy, 1);
    parcel__control_close(world->job.control);
    parcel_results_free(world->results);
    parcel_calls_free(world->calls);
    parcel__process_unshare(shared, sizeof *shared + 2 * AREA);
}

/* ---- wild content ---- */

static bool too_many(const struct world *world)
{
    forge(world, N_CALLS);
    say_answered(world, N_CALLS + 1);
    say_done(world);
    return true;
}

static bool far_too_many(const struct world *world)
{
    forge(world, N_CALLS);
    say_answered(world, SIZE_MAX);
    say_done(world);
    return true;
}

/* The words stand where there is nothing. */
static bool outside(const struct world *world)
{
    static const size_t offsets[] = {SIZE_MAX - 1, AREA, AREA - 8, SIZE_MAX - 15, SIZE_MAX / 2};
    forge(world, N_CALLS);
    for (size_t i = 1; i < N_CALLS; i += 2) {
        struct parcel__wire_result *result = &world->mail.box->answers[i].result;
        result->offset = offsets[i % LENGTH(offsets)];
        result->size = i % 3 ? result->size : SIZE_MAX - i;
    }
    say_answered(world, N_CALLS);
    say_done(world);
    return true;
}

static bool unknown_status(const struct world *world)
{
    static const unsigned statuses[] = {UINT_MAX, INT_MAX, 77, PARCEL_NOT_RUN};
    forge(world, N_CALLS);
    for (size_t i = 0; i < N_CALLS; i += 2)
        world->mail.box->answers[i].status = statuses[i / 2 % LENGTH(statuses)];
    say_answered(world, N_CALLS);
    say_done(world);
    return true;
}

static bool odd_times(const struct world *world)
{
    static const double times[] = {NAN, -INFINITY, INFINITY, -1e300};
    forge(world, N_CALLS);
    for (size_t i = 0; i < N_CALLS; i++) {
        world->mail.box->answers[i].end = times[i % LENGTH(times)];
        world->mail.box->answers[i].duration = times[i / 2 % LENGTH(times)];
    }
    say_answered(world, N_CALLS);
    say_done(world);
    return true;
}

static bool done_early(const struct world *world)
{
    say_done(world);
    return true;
}

static bool another_order(const struct world *world)
{
    atomic_store(&world->mail.box->n_orders, 4711);
    return true;
}

static bool another_phase(const struct world *world)
{
    atomic_store(&world->mail.box->phase, 77);
    return false;
}

/* Answers all, and waits until that was read. */
static void answer_all(const struct world *world)
{
    forge(world, N_CALLS);
    say_answered(world, N_CALLS);
    while (atomic_load(&shared->n_recorded) < N_CALLS)
        parcel__port_yield();
}

static void claim_to_run(const struct world *world, enum parcel__phase phase, size_t index)
{
    atomic_store(&world->mail.box->phase, (int)phase);
    world->mail.box->job.few[0].current.running.index = index;
}

static bool fewer_answers(const struct world *world)
{
    answer_all(world);
    atomic_store(&world->mail.box->n_answers, 1);
    claim_to_run(world, PARCEL__PHASE_RUNNING, 1);
    return false;
}

static bool no_answers(const struct world *world)
{
    answer_all(world);
    atomic_store(&world->mail.box->n_answers, 0);
    claim_to_run(world, PARCEL__PHASE_RETURNING, 0);
    return false;
}

static bool runs_beyond(const struct world *world)
{
    answer_all(world);
    claim_to_run(world, PARCEL__PHASE_RUNNING, N_CALLS);
    return false;
}

static bool returns_beyond(const struct world *world)
{
    answer_all(world);
    claim_to_run(world, PARCEL__PHASE_RETURNING, N_CALLS);
    world->mail.box->n_answers = N_CALLS;
    return false;
}

static const struct {
    const char *name;
    bool (*mischief)(const struct world *world);
    size_t failed; /* calls whose record says that they failed; the others are right */
} mischiefs[] = {
    {"too many answers", too_many, 0},
    {"far too many answers", far_too_many, 0},
    {"content outside", outside, N_CALLS / 2},
    {"unknown status", unknown_status, N_CALLS / 2},
    {"odd times", odd_times, 0},
    {"done early", done_early, 0},
    {"another order", another_order, 0},
    {"another phase", another_phase, 0},
    {"fewer answers", fewer_answers, 0},
    {"no answers", no_answers, 0},
    {"a call beyond the order", runs_beyond, 0},
    {"a result beyond the order", returns_beyond, 0},
};

/* Each call has a record, and a value that is right or a message. Returns how many failed. */
static size_t check_records(const struct world *world, const char *name)
{
    const parcel_results *results = world->results;
    size_t failed = 0;
    for (size_t i = 0; i < N_CALLS; i++) {
        parcel_status status = parcel_results_status(results, i);
        ck_assert_msg(status == PARCEL_OK || status == PARCEL_FAILED, "%s: call %zu: %d", name, i,
                      status);
        if (status == PARCEL_OK)
            ck_assert_msg(is_right(results, i), "%s: call %zu", name, i);
        else
            ck_assert_ptr_nonnull(parcel_results_message(results, i));
        failed += status != PARCEL_OK;
    }
    ck_assert_uint_eq(atomic_load(&shared->n_recorded), N_CALLS);
    ck_assert_uint_eq(results->sums.n_failed, failed);
    return failed;
}

START_TEST(test_wild_content)
{
    struct world world = {.mischief = mischiefs[_i].mischief};
    open_world(&world, 1, work);
    parcel_job_work(&world.job, 0);
    parcel__job_close(&world.job);
    ck_assert_uint_eq(check_records(&world, mischiefs[_i].name), mischiefs[_i].failed);
    close_world(&world);
}
END_TEST

/* ---- random content ---- */

static unsigned next_number(unsigned *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

/* Where it is most likely to do harm, or anywhere. */
static size_t pick_place(unsigned *seed)
{
    static const size_t places[] = {
        offsetof(struct parcel__mailbox, n_orders),
        offsetof(struct parcel__mailbox, waiting),
        offsetof(struct parcel__mailbox, waiting) + 4,
        offsetof(struct parcel__mailbox, reason),
        offsetof(struct parcel__mailbox, n_answers),
        offsetof(struct parcel__mailbox, n_answers) + 4,
        offsetof(struct parcel__mailbox, phase),
        offsetof(struct parcel__mailbox, n_done),
        offsetof(struct parcel__mailbox, stopped_by),
        offsetof(struct parcel__mailbox, memory),
        offsetof(struct parcel__mailbox, large),
        offsetof(struct parcel__mailbox, fault.offset),
        offsetof(struct parcel__mailbox, fault.size),
        offsetof(struct parcel__mailbox, job.few[0].current.running.index),
        offsetof(struct parcel__mailbox, job.few[0].current.started),
        offsetof(struct parcel__mailbox, job.few[0].current.started) + 4,
    };
    const size_t size = offsetof(struct parcel__mailbox, answers[N_CALLS]);
    unsigned place = next_number(seed) % (2 * LENGTH(places));
    return place < LENGTH(places) ? places[place] : next_number(seed) % (size / 4) * 4;
}

static unsigned pick_value(unsigned *seed)
{
    unsigned value = next_number(seed) % 32;
    return value == 31 ? next_number(seed) : value == 30 ? UINT_MAX : value;
}

static bool garble(const struct world *world)
{
    unsigned seed = world->seed;
    unsigned char *bytes = (unsigned char *)world->mail.box;
    forge(world, N_CALLS);
    say_answered(world, next_number(&seed) % (N_CALLS + 1));
    for (unsigned left = 1 + next_number(&seed) % 20; left > 0; left--) {
        unsigned value = pick_value(&seed);
        memcpy(bytes + pick_place(&seed), &value, sizeof value);
        if (left % 4 == 0)
            parcel__process_ring(world->mail.bell);
    }
    if (next_number(&seed) % 2)
        say_done(world);
    return false;
}

/* The length of what the call gave: its text or its message. */
static size_t read_through(const parcel_results *results, size_t i)
{
    const char *text = parcel_results_message(results, i);
    if (parcel_holds(results, i, const char *) && parcel_results_status(results, i) == PARCEL_OK)
        text = parcel_get(results, i, const char *);
    return text ? strlen(text) : 0;
}

/* The run ends; what a call is said to have given can be read, and is counted once. */
START_TEST(test_random_content)
{
    for (unsigned seed = 0; seed < GARBLED; seed++) {
        struct world world = {.mischief = garble, .seed = seed};
        size_t n_recorded = 0;
        open_world(&world, 1, work);
        parcel_job_work(&world.job, 0);
        bool is_stopped = parcel_job_stopped(&world.job);
        parcel__job_close(&world.job);
        for (size_t i = 0; i < N_CALLS; i++) {
            parcel_status status = parcel_results_status(world.results, i);
            ck_assert_msg(status != PARCEL_NOT_RUN || is_stopped, "seed %u, call %zu", seed, i);
            ck_assert_uint_lt(read_through(world.results, i), AREA);
            n_recorded += status != PARCEL_NOT_RUN;
        }
        ck_assert_msg(atomic_load(&shared->n_recorded) == n_recorded, "seed %u: %zu of %zu", seed,
                      atomic_load(&shared->n_recorded), n_recorded);
        close_world(&world);
    }
}
END_TEST

/* ---- calls that are taken back ---- */

/* Calls of the first half last long. */
static int slow(int i)
{
    const struct timespec pause = {.tv_nsec = 200000};
    atomic_fetch_add(&shared->times[i], 1);
    if (i < N_CALLS / 2)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    return i;
}
DELAYED(int, slow, int);

static void sleep_on(void *context, struct parcel__forkserver *forkserver, int worker)
{
    (void)context, (void)forkserver, (void)worker;
    for (;;)
        pause();
}

static void *serve(void *mail)
{
    parcel__worker_main_work(mail);
    return NULL;
}

static void *work_beside(void *job)
{
    parcel_job_work(job, 1);
    return NULL;
}

/* A batch of all of the first half is sent off; the other worker is soon done with its own. */
static void open_shared_world(struct world *world)
{
    open_world(world, 2, sleep_on);
    parcel__calls_clear(world->calls);
    for (int i = 0; i < N_CALLS; i++)
        parcel_calls_add(world->calls, delayed(slow)(i));
    ck_assert(parcel__results_prepare(world->results, world->calls, 0, N_CALLS));
    parcel__job_make_ready(&world->job, &world->job.workers[0]);
    world->job.workers[0].last_count = 1000;
    world->job.workers[0].seconds_per_call = 1e-9;
}

/* Each call runs once. Returns how many of those that were sent off were taken back. */
static size_t take_back(void)
{
    struct world world = {.mischief = NULL};
    pthread_t worker, other;
    size_t n_taken = 0;
    open_shared_world(&world);
    ck_assert_int_eq(pthread_create(&worker, NULL, serve, &world.mail), 0);
    ck_assert_int_eq(pthread_create(&other, NULL, work_beside, &world.job), 0);
    parcel_job_work(&world.job, 0);
    pthread_join(other, NULL);
    parcel__job_close(&world.job);
    parcel__proxy_dismiss(&world.proxy);
    pthread_join(worker, NULL);
    for (size_t i = 0; i < N_CALLS; i++) {
        ck_assert_int_eq(shared->times[i], 1);
        ck_assert_int_eq(parcel_get(world.results, i, int), (int)i);
        n_taken += i < N_CALLS / 2 && parcel_results_worker(world.results, i) == 1;
    }
    ck_assert_uint_eq(atomic_load(&shared->n_recorded), N_CALLS);
    close_world(&world);
    return n_taken;
}

START_TEST(test_taking_back)
{
    size_t n_taken = 0;
    for (int round = 0; round < ROUNDS; round++)
        n_taken += take_back();
    ck_assert_uint_gt(n_taken, 0);
}
END_TEST

/* ---- all ways in which begin_next and share meet ---- */

enum step { LOAD, SWAP, DONE };

/* Both as machines, whose steps are their atomic accesses to what has not begun. */
struct encounter {
    parcel__range waiting;
    enum step worker, proxy;
    parcel__range seen_by_worker, seen_by_proxy;
    uint32_t n_begun;  /* by the worker: the first is as soon as the order is sent */
    uint32_t n_shares; /* that are still to come */
    uint32_t count;    /* what the proxy takes for the order */
};

static struct {
    bool swaps; /* the proxy compares and swaps, or it just stores */
    size_t n_ends;
    size_t n_taken; /* ends where something was taken back */
    size_t n_wrong; /* ends where a call was both begun and taken back, or neither */
} search;

static void step_worker(struct encounter *at)
{
    parcel__range seen = at->worker == LOAD ? at->waiting : at->seen_by_worker;
    bool swaps = at->worker == SWAP && at->waiting == seen;
    if (swaps) {
        at->waiting = parcel__schedule_claim(seen, 1, 0).left;
        at->n_begun++;
    }
    at->seen_by_worker = at->waiting;
    at->worker = swaps ? LOAD : parcel__schedule_length(at->waiting) == 0 ? DONE : SWAP;
}

static void step_proxy(struct encounter *at)
{
    uint32_t begun = parcel__schedule_low(at->seen_by_proxy);
    if (at->proxy == LOAD || (search.swaps && at->waiting != at->seen_by_proxy)) {
        at->seen_by_proxy = at->waiting;
        at->proxy = SWAP;
        return;
    }
    at->waiting = parcel__schedule_range(begun, begun);
    at->count = begun < at->count ? begun : at->count;
    at->proxy = --at->n_shares > 0 ? LOAD : DONE;
}

static void meet_all_ways(struct encounter at, uint32_t n_calls)
{
    struct encounter next = at;
    if (at.worker != DONE) {
        step_worker(&next);
        meet_all_ways(next, n_calls);
    }
    next = at;
    if (at.proxy != DONE) {
        step_proxy(&next);
        meet_all_ways(next, n_calls);
    }
    if (at.worker != DONE || at.proxy != DONE)
        return;
    search.n_ends++;
    search.n_taken += at.count < n_calls;
    search.n_wrong += at.count != at.n_begun;
}

static void explore(uint32_t n_calls, uint32_t n_shares, bool swaps)
{
    memset(&search, 0, sizeof search);
    search.swaps = swaps;
    meet_all_ways((struct encounter){.waiting = parcel__schedule_range(1, n_calls),
                                     .n_begun = 1,
                                     .n_shares = n_shares,
                                     .count = n_calls},
                  n_calls);
}

/* Each call is either begun or taken back. */
START_TEST(test_all_encounters)
{
    for (uint32_t n_calls = 1; n_calls <= MOST_UNITS; n_calls++)
        for (uint32_t n_shares = 1; n_shares <= 2; n_shares++) {
            explore(n_calls, n_shares, true);
            ck_assert_uint_gt(search.n_ends, 0);
            ck_assert_uint_eq(search.n_wrong, 0);
            ck_assert(search.n_taken > 0 || n_calls == 1);
        }
    explore(2, 1, false); /* the search finds what it is meant to find */
    ck_assert_uint_gt(search.n_wrong, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proxy");
    TCase *tests = suite_case(suite, "proxy");
    tcase_add_loop_test(tests, test_wild_content, 0, LENGTH(mischiefs));
    tcase_add_test(tests, test_random_content);
    tcase_add_test(tests, test_taking_back);
    tcase_add_test(tests, test_all_encounters);
    return suite_run(suite);
}

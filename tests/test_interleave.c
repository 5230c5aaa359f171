/*
 * test_interleave.c: every way in which workers that claim and steal can meet.
 *
 * A model of job.c: each worker is a machine whose steps are the atomic accesses that claim and
 * steal make to the shared ranges, with the pure functions of schedule.h between them. All states
 * that any order of steps leads to are visited once. Models without the BUSY mark, or without the
 * count of thefts, show that the search sees a worker that leaves too early.
 */
#include "suite.h"

#include "schedule.h"

#include <stdint.h>

enum { MOST_WORKERS = 3, NOBODY = MOST_WORKERS, MOST_STATES = 1 << 19 };

/* Where a worker stands: its next atomic access. */
enum step {
    LOAD_OWN,  /* claim: load the own range */
    CLAIM,     /* claim: compare-and-swap the own range */
    NOTE,      /* steal: load the count of thefts */
    SCAN,      /* steal: load the range of worker number scanned */
    MARK_BUSY, /* steal: store BUSY into the own range */
    COUNT,     /* steal: add to the count of thefts */
    TAKE,      /* steal: compare-and-swap the victim's range */
    PUBLISH,   /* steal: store the rest of what was taken into the own range */
    CHECK,     /* steal: load the count again, when nothing was found */
    LEFT       /* nothing was found: the worker is gone */
};

/* A range of units in two bytes, so that a state is small. */
struct units {
    uint8_t low, high;
};
static const struct units none = {0, 0}, busy = {UINT8_MAX, 0};

struct machine {
    uint8_t step;
    uint8_t scanned;   /* workers that this scan has looked at */
    uint8_t victim;    /* the one of them with most, or NOBODY */
    uint8_t again;     /* a range was busy, or taking failed */
    uint8_t changed;   /* the count of thefts is another than NOTE found */
    struct units seen; /* what a compare-and-swap expects */
    struct units kept; /* what PUBLISH will store */
};

struct state {
    struct units ranges[MOST_WORKERS];
    struct machine machines[MOST_WORKERS];
    uint8_t done; /* a bit for each unit that was handed out */
};

/* What is searched, and what was found. */
static struct {
    int n_workers;
    uint32_t batch; /* units to a batch; 0: any number that an adaptive batch may have */
    bool marks_busy;
    bool counts;  /* thefts */
    uint8_t all;  /* a bit for each unit */
    size_t twice; /* steps that handed out a unit once more */
    size_t early; /* steps by which a worker left while a unit was not handed out */
    size_t ends;
    size_t unfinished; /* ends without some unit */
} search;

/* ---- the states that were seen ---- */

static struct {
    struct state *states; /* in the order in which they were found */
    uint32_t *table;      /* index plus 1, by hash */
    uint32_t count;
} seen;

static void add_state(const struct state *state)
{
    const unsigned char *byte = (const unsigned char *)state;
    uint32_t place = 2166136261U;
    for (size_t i = 0; i < sizeof *state; i++)
        place = (place ^ byte[i]) * 16777619U;
    for (place ^= place >> 15;; place++) {
        uint32_t *entry = &seen.table[place % (2 * MOST_STATES)];
        if (*entry == 0) {
            ck_assert_uint_lt(seen.count, MOST_STATES);
            seen.states[seen.count] = *state;
            *entry = ++seen.count;
            return;
        }
        if (memcmp(&seen.states[*entry - 1], state, sizeof *state) == 0)
            return;
    }
}

/* ---- the machines ---- */

static parcel__range wide(struct units units)
{
    return parcel__schedule_range(units.low, units.high);
}

static struct units narrow(parcel__range range)
{
    return (struct units){(uint8_t)parcel__schedule_low(range),
                          (uint8_t)parcel__schedule_high(range)};
}

static bool same(struct units one, struct units other)
{
    return one.low == other.low && one.high == other.high;
}

static uint32_t length_of(struct units units)
{
    return parcel__schedule_length(wide(units));
}

static struct machine start(enum step step)
{
    return (struct machine){.step = (uint8_t)step, .victim = NOBODY};
}

static void hand_out(struct state *state, parcel__range taken)
{
    for (uint32_t i = parcel__schedule_low(taken); i < parcel__schedule_high(taken); i++) {
        search.twice += state->done >> i & 1;
        state->done |= (uint8_t)(1U << i);
    }
}

/* The batch lengths to try, from least to most. */
static uint32_t least_batch(uint32_t left)
{
    return search.batch == 0 ? 1 : search.batch < left ? search.batch : left;
}

static uint32_t most_batch(uint32_t left)
{
    return search.batch == 0 ? left - left / 2 : least_batch(left);
}

static void step_claim(const struct state *state, int worker)
{
    struct units own = state->ranges[worker], expected = state->machines[worker].seen;
    struct state next = *state;
    if (!same(own, expected)) {
        next.machines[worker] = start(length_of(own) ? CLAIM : NOTE);
        next.machines[worker].seen = length_of(own) ? own : none;
        add_state(&next);
        return;
    }
    for (uint32_t i = least_batch(length_of(own)); i <= most_batch(length_of(own)); i++) {
        struct parcel__cut cut = parcel__schedule_claim(wide(own), i, worker);
        next = *state;
        next.ranges[worker] = narrow(cut.left);
        next.machines[worker] = start(LOAD_OWN);
        hand_out(&next, cut.taken);
        add_state(&next);
    }
}

static void step_scan(const struct state *state, int worker)
{
    struct state next = *state;
    struct machine *machine = &next.machines[worker];
    struct units range = state->ranges[machine->scanned];
    if (same(range, busy)) {
        machine->again = 1;
    } else if (length_of(range) > length_of(machine->seen)) {
        machine->seen = range;
        machine->victim = machine->scanned;
    }
    machine->scanned++;
    if (machine->scanned == search.n_workers) {
        machine->scanned = 0;
        if (machine->victim != NOBODY)
            machine->step = MARK_BUSY;
        else
            machine->step = machine->again ? NOTE : CHECK;
    }
    add_state(&next);
}

static void step_take(const struct state *state, int worker)
{
    struct machine machine = state->machines[worker];
    struct parcel__cut half = parcel__schedule_steal(wide(machine.seen), machine.victim);
    struct state next = *state;
    next.machines[worker] = start(PUBLISH);
    if (!same(state->ranges[machine.victim], machine.seen)) {
        next.machines[worker].again = 1;
        add_state(&next);
        return;
    }
    uint32_t left = parcel__schedule_length(half.taken);
    for (uint32_t i = least_batch(left); i <= most_batch(left); i++) {
        struct parcel__cut cut = parcel__schedule_claim(half.taken, i, worker);
        next = *state;
        next.ranges[machine.victim] = narrow(half.left);
        next.machines[worker] = start(PUBLISH);
        next.machines[worker].kept = narrow(cut.left);
        hand_out(&next, cut.taken);
        add_state(&next);
    }
}

/* The count itself does not matter, only whether it changes while somebody looks. */
static bool is_looking(const struct machine *machine)
{
    return machine->step == SCAN || machine->step == CHECK;
}

/* Adds all states that this worker's next access leads to. */
static void step(const struct state *state, int worker)
{
    struct state next = *state;
    struct machine *machine = &next.machines[worker];
    switch (machine->step) {
    case LOAD_OWN:
        *machine = start(length_of(state->ranges[worker]) ? CLAIM : NOTE);
        if (machine->step == CLAIM)
            machine->seen = state->ranges[worker];
        break;
    case CLAIM:
        step_claim(state, worker);
        return;
    case NOTE:
        *machine = start(SCAN);
        break;
    case SCAN:
        step_scan(state, worker);
        return;
    case MARK_BUSY:
        if (search.marks_busy)
            next.ranges[worker] = busy;
        machine->step = COUNT;
        break;
    case COUNT:
        for (int i = 0; i < search.n_workers; i++)
            next.machines[i].changed |= search.counts && is_looking(&next.machines[i]);
        machine->step = TAKE;
        break;
    case CHECK:
        *machine = start(machine->changed ? NOTE : LEFT);
        search.early += machine->step == LEFT && state->done != search.all;
        break;
    case TAKE:
        step_take(state, worker);
        return;
    case PUBLISH:
        next.ranges[worker] = machine->kept;
        *machine = start(machine->again ? NOTE : LOAD_OWN);
        break;
    default:
        return;
    }
    add_state(&next);
}

/* ---- the search ---- */

static void check_end(const struct state *state)
{
    for (int i = 0; i < search.n_workers; i++)
        if (state->machines[i].step != LEFT)
            return;
    search.ends++;
    search.unfinished += state->done != search.all;
}

/* What job.c has against workers that leave too early. */
enum guard { UNGUARDED = 0, MARKS = 1, COUNTS = 2, GUARDED = MARKS | COUNTS };

/* holder: who has all units at first; NOBODY for equal shares. */
static void explore(int n_workers, uint32_t units, int holder, uint32_t batch, enum guard guard)
{
    struct state first;
    memset(&first, 0, sizeof first);
    memset(&search, 0, sizeof search);
    search.n_workers = n_workers;
    search.batch = batch;
    search.marks_busy = guard & MARKS;
    search.counts = guard & COUNTS;
    search.all = (uint8_t)((1U << units) - 1);
    seen.states = malloc(MOST_STATES * sizeof *seen.states);
    seen.table = calloc(2 * MOST_STATES, sizeof *seen.table);
    seen.count = 0;
    ck_assert(seen.states && seen.table);
    for (int i = 0; i < n_workers; i++) {
        first.machines[i] = start(LOAD_OWN);
        if (holder == NOBODY)
            first.ranges[i] = narrow(parcel__schedule_share(units, i, n_workers));
        else if (holder == i)
            first.ranges[i] = narrow(parcel__schedule_range(0, units));
    }
    add_state(&first);
    for (uint32_t i = 0; i < seen.count; i++) {
        const struct state state = seen.states[i];
        for (int worker = 0; worker < n_workers; worker++)
            step(&state, worker);
        check_end(&state);
    }
    free(seen.states);
    free(seen.table);
}

/* Each unit is handed out exactly once, whatever comes between what. */
static void check_once(void)
{
    ck_assert_uint_eq(search.twice, 0);
    ck_assert_uint_eq(search.unfinished, 0);
    ck_assert_uint_gt(search.ends, 0);
}

START_TEST(test_one_worker)
{
    for (uint32_t units = 0; units <= 8; units++) {
        explore(1, units, NOBODY, 0, GUARDED);
        check_once();
        ck_assert_uint_eq(search.early, 0);
    }
}
END_TEST

/* Of two workers none leaves while there are units: who takes some is seen to be busy. */
START_TEST(test_two_workers)
{
    static const int holders[] = {0, 1, NOBODY};
    for (size_t i = 0; i < LENGTH(holders); i++)
        for (uint32_t units = 0; units <= 8; units++)
            for (uint32_t batch = 0; batch <= 3; batch++) {
                explore(2, units, holders[i], batch, GUARDED);
                check_once();
                ck_assert_uint_eq(search.early, 0);
            }
}
END_TEST

/* A scan looks at one range after the other, and units may move behind its back: then the count of
 * thefts has changed, and nobody leaves. */
START_TEST(test_three_workers)
{
    static const struct {
        uint32_t units;
        int holder;
        uint32_t batch;
    } cases[] = {{1, NOBODY, 0}, {4, NOBODY, 1}, {5, NOBODY, 2}, {4, 0, 1}, {4, 1, 2}, {5, 2, 3}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        explore(3, cases[i].units, cases[i].holder, cases[i].batch, GUARDED);
        check_once();
        ck_assert_uint_eq(search.early, 0);
    }
}
END_TEST

/* The search finds what it is meant to find: either guard is needed. */
START_TEST(test_without_guards)
{
    explore(2, 6, 0, 1, UNGUARDED);
    check_once();
    ck_assert_uint_gt(search.early, 0);
    explore(2, 6, 0, 1, COUNTS);
    check_once();
    ck_assert_uint_gt(search.early, 0);
    explore(3, 3, 1, 1, MARKS);
    check_once();
    ck_assert_uint_gt(search.early, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("interleave");
    TCase *tests = suite_case(suite, "interleave");
    tcase_add_test(tests, test_one_worker);
    tcase_add_test(tests, test_two_workers);
    tcase_add_test(tests, test_three_workers);
    tcase_add_test(tests, test_without_guards);
    return suite_run(suite);
}

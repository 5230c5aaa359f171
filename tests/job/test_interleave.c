/*
 * test_interleave.c: every way in which workers that claim, steal and give back can meet.
 *
 * A model of job.c: each worker is a machine whose steps are the atomic accesses that claim, steal
 * and give_back make to what is shared, with the pure functions of schedule.h between them. All
 * states that any order of steps leads to are visited once. Models without the BUSY mark, without
 * the count of thefts, or that give back in another order, show that the search sees a worker that
 * leaves too early.
 */
#include "suite.h"

#include "job/schedule.h"

#include <stdint.h>

enum { MOST_WORKERS = 3, NOBODY = MOST_WORKERS, MOST_STATES = 1 << 19 };

/* Where a worker stands: its next atomic access. */
enum step {
    LOAD_OWN,  /* claim: load the own range */
    ANNOUNCE,  /* claim: store may_share for a batch of that length */
    CLAIM,     /* claim: compare-and-swap the own range */
    RUN,       /* run the batch's next unit; or hear who asks, and refuse or GIVE */
    GIVE,      /* give_back: the next of its accesses */
    REFUSE,    /* steal: store may_share, false */
    NOTE,      /* steal: load the count of thefts */
    SCAN,      /* steal: load the range of worker number scanned */
    MARK_BUSY, /* steal: store BUSY into the own range */
    COUNT,     /* steal: add to the count of thefts */
    TAKE,      /* steal: compare-and-swap the victim's range */
    PROMISE,   /* steal: store may_share for the batch that was taken */
    PUBLISH,   /* steal: store the rest of what was taken into the own range */
    FIND,      /* steal: load may_share of worker number scanned */
    ASK,       /* steal: signal worker number scanned */
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
    uint8_t scanned;    /* workers that this scan has looked at; of GIVE, accesses made */
    uint8_t victim;     /* the one of them with most, or NOBODY */
    uint8_t again;      /* a range was busy, or taking failed */
    uint8_t changed;    /* the count of thefts is another than NOTE found */
    struct units seen;  /* what a compare-and-swap expects */
    struct units kept;  /* what PUBLISH will store */
    struct units batch; /* what has not begun of the batch; of CLAIM, its length in high */
};

struct state {
    struct units ranges[MOST_WORKERS];
    uint8_t may_share[MOST_WORKERS];
    uint8_t is_asked[MOST_WORKERS];
    struct machine machines[MOST_WORKERS];
    uint8_t done; /* a bit for each unit that has begun */
};

/* An access of give_back: 'r' stores the range, 'c' counts, 'm' stores may_share, false. */
static const char as_in_job[] = "rcm";

/* What is searched, and what was found. */
static struct {
    int n_workers;
    uint32_t batch; /* units to a batch; 0: any number that an adaptive batch may have */
    bool marks_busy;
    bool counts;        /* thefts */
    const char *giving; /* the accesses of give_back, in their order */
    uint8_t all;        /* a bit for each unit */
    size_t twice;       /* steps that began a unit once more */
    size_t given;       /* steps that gave something back */
    size_t early;       /* steps by which a worker left while there was something to take */
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

static void begin(struct state *state, unsigned unit)
{
    search.twice += state->done >> unit & 1;
    state->done |= (uint8_t)(1U << unit);
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

/* The claim, which found this range, goes on with a batch of any length; or it found nothing. */
static void add_claims(const struct state *state, int worker, struct units own)
{
    struct state next = *state;
    uint32_t left = length_of(own);
    next.machines[worker] = start(left ? ANNOUNCE : REFUSE);
    next.machines[worker].seen = left ? own : none;
    if (left == 0)
        add_state(&next);
    for (uint32_t i = least_batch(left); left > 0 && i <= most_batch(left); i++) {
        next.machines[worker].batch.high = (uint8_t)i;
        add_state(&next);
    }
}

static void step_claim(const struct state *state, int worker)
{
    const struct machine *machine = &state->machines[worker];
    struct units own = state->ranges[worker];
    struct state next = *state;
    if (!same(own, machine->seen)) {
        add_claims(state, worker, own);
        return;
    }
    struct parcel__cut cut = parcel__schedule_claim(wide(own), machine->batch.high, worker);
    next.ranges[worker] = narrow(cut.left);
    next.machines[worker] = start(RUN);
    next.machines[worker].batch = narrow(cut.taken);
    add_state(&next);
}

/* Who is asked may find that what is left is not worth it, or that its range is not empty. */
static void step_run(const struct state *state, int worker)
{
    struct state next = *state;
    struct machine *machine = &next.machines[worker];
    if (!state->is_asked[worker]) {
        begin(&next, machine->batch.low++);
        if (length_of(machine->batch) == 0)
            *machine = start(LOAD_OWN);
        add_state(&next);
        return;
    }
    next.is_asked[worker] = 0;
    add_state(&next);
    if (!state->may_share[worker] || length_of(machine->batch) < 2 ||
        length_of(state->ranges[worker]) > 0)
        return;
    machine->step = GIVE;
    search.given++;
    add_state(&next);
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
            machine->step = machine->again ? NOTE : FIND;
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
        next.machines[worker] = start(PROMISE);
        next.machines[worker].kept = narrow(cut.left);
        next.machines[worker].batch = narrow(cut.taken);
        add_state(&next);
    }
}

/* The count itself does not matter, only whether it changes while somebody looks. */
static void count_theft(struct state *state)
{
    for (int i = 0; i < search.n_workers; i++) {
        struct machine *machine = &state->machines[i];
        bool is_looking = machine->step == SCAN || machine->step == FIND || machine->step == CHECK;
        machine->changed |= search.counts && is_looking;
    }
}

static void step_give(struct state *state, int worker)
{
    struct machine *machine = &state->machines[worker];
    switch (search.giving[machine->scanned++]) {
    case 'r':
        state->ranges[worker] = machine->batch;
        machine->batch = none;
        break;
    case 'c':
        count_theft(state);
        break;
    default:
        state->may_share[worker] = false;
    }
    if (!search.giving[machine->scanned])
        *machine = start(LOAD_OWN);
}

/* Looks at the other workers, from the next one on. */
static void step_find(struct state *state, int worker)
{
    struct machine *machine = &state->machines[worker];
    int other = (worker + 1 + machine->scanned) % search.n_workers;
    if (other == worker)
        machine->step = CHECK;
    else if (state->may_share[other])
        machine->step = ASK;
    else
        machine->scanned++;
}

/* True while there is something that was given back, may be given back, or can be stolen. */
static bool has_to_give(const struct state *state)
{
    for (int i = 0; i < search.n_workers; i++) {
        const struct machine *machine = &state->machines[i];
        bool is_running = machine->step == RUN || machine->step == GIVE;
        if (length_of(machine->kept) > 0 || (is_running && length_of(machine->batch) > 1) ||
            (!same(state->ranges[i], busy) && length_of(state->ranges[i]) > 0))
            return true;
    }
    return false;
}

static void step_steal(struct state *state, int worker)
{
    struct machine *machine = &state->machines[worker];
    switch (machine->step) {
    case REFUSE:
        state->may_share[worker] = false;
        *machine = start(NOTE);
        return;
    case NOTE:
        *machine = start(SCAN);
        return;
    case MARK_BUSY:
        if (search.marks_busy)
            state->ranges[worker] = busy;
        machine->step = COUNT;
        return;
    case COUNT:
        count_theft(state);
        machine->step = TAKE;
        return;
    case PROMISE:
        state->may_share[worker] = length_of(machine->batch) > 1;
        machine->step = PUBLISH;
        return;
    case FIND:
        step_find(state, worker);
        return;
    case ASK:
        state->is_asked[(worker + 1 + machine->scanned) % search.n_workers] = true;
        *machine = start(NOTE);
        return;
    default: /* CHECK */
        *machine = start(machine->changed ? NOTE : LEFT);
        search.early += machine->step == LEFT && has_to_give(state);
    }
}

static void step_publish(struct state *state, int worker)
{
    struct machine *machine = &state->machines[worker];
    struct units batch = machine->batch;
    state->ranges[worker] = machine->kept;
    *machine = start(machine->again ? NOTE : RUN);
    machine->batch = batch;
}

/* Adds all states that this worker's next access leads to. */
static void step(const struct state *state, int worker)
{
    struct state next = *state;
    struct machine *machine = &next.machines[worker];
    switch (machine->step) {
    case LOAD_OWN:
        add_claims(state, worker, state->ranges[worker]);
        return;
    case CLAIM:
        step_claim(state, worker);
        return;
    case RUN:
        step_run(state, worker);
        return;
    case SCAN:
        step_scan(state, worker);
        return;
    case TAKE:
        step_take(state, worker);
        return;
    case LEFT:
        return;
    case ANNOUNCE:
        next.may_share[worker] = machine->batch.high > 1;
        machine->step = CLAIM;
        break;
    case GIVE:
        step_give(&next, worker);
        break;
    case PUBLISH:
        step_publish(&next, worker);
        break;
    default:
        step_steal(&next, worker);
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
static void explore(int n_workers, uint32_t units, int holder, uint32_t batch, enum guard guard,
                    const char *giving)
{
    struct state first;
    memset(&first, 0, sizeof first);
    memset(&search, 0, sizeof search);
    search.n_workers = n_workers;
    search.batch = batch;
    search.marks_busy = guard & MARKS;
    search.counts = guard & COUNTS;
    search.giving = giving;
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

/* Each unit runs exactly once, whatever comes between what. */
static void check_once(void)
{
    ck_assert_uint_eq(search.twice, 0);
    ck_assert_uint_eq(search.unfinished, 0);
    ck_assert_uint_gt(search.ends, 0);
}

START_TEST(test_one_worker)
{
    for (uint32_t units = 0; units <= 8; units++) {
        explore(1, units, NOBODY, 0, GUARDED, as_in_job);
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
        for (uint32_t units = 0; units <= 7; units += 1 + units / 3)
            for (uint32_t batch = 0; batch <= 3; batch++) {
                explore(2, units, holders[i], batch, GUARDED, as_in_job);
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
    } cases[] = {{1, NOBODY, 0}, {3, NOBODY, 1}, {4, NOBODY, 1}, {3, 0, 1}, {2, 2, 0}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        explore(3, cases[i].units, cases[i].holder, cases[i].batch, GUARDED, as_in_job);
        check_once();
        ck_assert_uint_eq(search.early, 0);
    }
}
END_TEST

/* A batch of which a part was given back is not lost to those who have nothing to do. */
START_TEST(test_giving_back)
{
    static const struct {
        int n_workers;
        uint32_t units;
        int holder;
        uint32_t batch;
    } cases[] = {{2, 6, 0, 3}, {2, 7, 1, 4}, {2, 8, 0, 0}, {3, 2, 0, 2}, {3, 2, 1, 2}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        explore(cases[i].n_workers, cases[i].units, cases[i].holder, cases[i].batch, GUARDED,
                as_in_job);
        check_once();
        ck_assert_uint_gt(search.given, 0);
        ck_assert_uint_eq(search.early, 0);
    }
}
END_TEST

/* It must be in this order: the range, the count, may_share. */
START_TEST(test_giving_back_in_other_orders)
{
    static const char *const orders[] = {"rm", "crm", "rmc", "mrc", "mcr", "cmr"};
    for (size_t i = 0; i < LENGTH(orders); i++) {
        explore(2, 6, 0, 3, GUARDED, orders[i]);
        check_once();
        ck_assert_msg(search.early > 0, "%s", orders[i]);
    }
}
END_TEST

/* The search finds what it is meant to find: either guard is needed. */
START_TEST(test_without_guards)
{
    explore(2, 6, 0, 1, UNGUARDED, as_in_job);
    check_once();
    ck_assert_uint_gt(search.early, 0);
    explore(2, 6, 0, 1, COUNTS, as_in_job);
    check_once();
    ck_assert_uint_gt(search.early, 0);
    explore(3, 3, 1, 1, MARKS, as_in_job);
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
    tcase_add_test(tests, test_giving_back);
    tcase_add_test(tests, test_giving_back_in_other_orders);
    tcase_add_test(tests, test_without_guards);
    return suite_run(suite);
}

/*
 * test_schedule.c: the pure functions that say who takes what.
 *
 * A simulated run plays the workers in one thread: ranges in an array, and a clock for each
 * worker that the costs of its calls move on.
 */
#include "suite.h"

#include "schedule.h"

#include <math.h>
#include <stdint.h>

enum { MOST_WORKERS = 8, MOST_UNITS = 5000 };

static const double target = 10e-6; /* seconds that a batch is meant to take */

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return random_state >> 33;
}

/* ---- ranges ---- */

START_TEST(test_ranges)
{
    static const uint32_t bounds[] = {0, 1, 2, 77, 1U << 31, UINT32_MAX - 1};
    for (size_t i = 0; i < LENGTH(bounds); i++)
        for (size_t j = i; j < LENGTH(bounds); j++) {
            parcel__range range = parcel__schedule_range(bounds[i], bounds[j]);
            ck_assert_uint_eq(parcel__schedule_low(range), bounds[i]);
            ck_assert_uint_eq(parcel__schedule_high(range), bounds[j]);
            ck_assert_uint_eq(parcel__schedule_length(range), bounds[j] - bounds[i]);
        }
    ck_assert_uint_eq(parcel__schedule_length(0), 0);
}
END_TEST

START_TEST(test_units)
{
    static const size_t counts[] = {0,
                                    1,
                                    1000,
                                    UINT32_MAX - 2,
                                    UINT32_MAX - 1,
                                    UINT32_MAX,
                                    (size_t)1 << 32,
                                    (size_t)1 << 40,
                                    SIZE_MAX / 2};
    for (size_t i = 0; i < LENGTH(counts); i++) {
        size_t unit = parcel__schedule_unit(counts[i]);
        size_t units = (counts[i] + unit - 1) / unit;
        ck_assert_uint_ge(unit, 1);
        ck_assert_uint_le(units, UINT32_MAX - 1);
        ck_assert(unit == 1 || units > UINT32_MAX / 4); /* no coarser than it must be */
    }
    ck_assert_uint_eq(parcel__schedule_unit(UINT32_MAX - 2), 1);
    ck_assert_uint_eq(parcel__schedule_unit((size_t)1 << 40), 257);
}
END_TEST

/* True when the shares lie end to end, cover all, and differ by one unit at most. */
static bool is_shared_out(uint32_t units, int n_workers)
{
    uint32_t end = 0, least = units / (uint32_t)n_workers;
    for (int worker = 0; worker < n_workers; worker++) {
        parcel__range share = parcel__schedule_share(units, worker, n_workers);
        uint32_t more = parcel__schedule_length(share) - least;
        if (parcel__schedule_low(share) != end || more > 1)
            return false;
        end = parcel__schedule_high(share);
    }
    return end == units;
}

START_TEST(test_shares)
{
    static const uint32_t counts[] = {0, 1, 2, 7, 1000, UINT32_MAX - 1};
    static const int workers[] = {1, 2, 3, 7, 64, 4096, 1000000};
    for (size_t i = 0; i < LENGTH(counts); i++)
        for (size_t j = 0; j < LENGTH(workers); j++)
            ck_assert_msg(is_shared_out(counts[i], workers[j]), "%u units, %d workers", counts[i],
                          workers[j]);
}
END_TEST

/* True when the parts lie side by side and make up the range. */
static bool is_partition(parcel__range range, struct parcel__cut cut, bool taken_is_low)
{
    parcel__range low = taken_is_low ? cut.taken : cut.left;
    parcel__range high = taken_is_low ? cut.left : cut.taken;
    return parcel__schedule_low(low) == parcel__schedule_low(range) &&
           parcel__schedule_high(low) == parcel__schedule_low(high) &&
           parcel__schedule_high(high) == parcel__schedule_high(range);
}

START_TEST(test_cuts)
{
    for (uint32_t length = 1; length < 40; length++)
        for (int owner = 0; owner < 4; owner++) {
            parcel__range range = parcel__schedule_range(100, 100 + length);
            struct parcel__cut cut = parcel__schedule_steal(range, owner);
            ck_assert(is_partition(range, cut, owner % 2 == 1));
            ck_assert_uint_eq(parcel__schedule_length(cut.taken), (length + 1) / 2);
            for (uint32_t wanted = 1; wanted < 45; wanted++) {
                cut = parcel__schedule_claim(range, wanted, owner);
                ck_assert(is_partition(range, cut, owner % 2 == 0));
                ck_assert_uint_eq(parcel__schedule_length(cut.taken),
                                  wanted < length ? wanted : length);
            }
        }
}
END_TEST

/* ---- batches ---- */

static bool is_right_batch(uint32_t batch, uint32_t left, int n_workers, uint32_t last, double cost)
{
    if (batch <= 1)
        return batch == (left > 0);
    return batch <= (n_workers > 1 ? left - left / 2 : left) && batch <= 4 * (uint64_t)last &&
           !(cost > 0 && batch > target / cost + 1e-9);
}

START_TEST(test_batch_bounds)
{
    static const double seconds[] = {0, 1e-12, 1e-9, 1e-7, 9e-6, 1e-5, 1e-3, 1, 1e9, -1, NAN};
    random_state = 1;
    for (int i = 0; i < 100000; i++) {
        uint32_t left = (uint32_t)next_random() >> next_random() % 31;
        uint32_t last = (uint32_t)next_random() >> next_random() % 31;
        int n_workers = 1 + (int)(next_random() % MOST_WORKERS);
        double cost = seconds[next_random() % LENGTH(seconds)];
        uint32_t batch = parcel__schedule_batch(left, n_workers, last, cost);
        if (!is_right_batch(batch, left, n_workers, last, cost))
            ck_abort_msg("%u of %u after %u of %g s", batch, left, last, cost);
    }
}
END_TEST

START_TEST(test_batches_grow_and_shrink)
{
    uint32_t last = 0, batches = 0;
    for (; last < 1000; batches++) {
        uint32_t batch = parcel__schedule_batch(UINT32_MAX - 1, 4, last, 1e-9);
        ck_assert_uint_eq(batch, last == 0 ? 1 : 4 * last);
        last = batch;
    }
    ck_assert_uint_eq(batches, 6); /* 1, 4, 16, 64, 256, 1024 */
    ck_assert_uint_eq(parcel__schedule_batch(UINT32_MAX - 1, 4, last, 1), 1);
    ck_assert_uint_eq(parcel__schedule_batch(UINT32_MAX - 1, 4, last, target / 3.5), 3);
    ck_assert_uint_eq(parcel__schedule_batch(100, 4, last, 1e-9), 50);
    ck_assert_uint_eq(parcel__schedule_batch(100, 1, last, 1e-9), 100);
}
END_TEST

/* ---- simulated runs ---- */

struct run {
    uint32_t units;
    int n_workers;
    const double *costs;
    parcel__range ranges[MOST_WORKERS];
    uint32_t last[MOST_WORKERS];
    double seconds_per_unit[MOST_WORKERS];
    double clock[MOST_WORKERS];
    double longest_batch;
    double start[MOST_UNITS];        /* when each unit began */
    unsigned char times[MOST_UNITS]; /* how often each was handed out */
};

static struct run run;

static void start_run(uint32_t units, int n_workers, const double *costs)
{
    memset(&run, 0, sizeof run);
    run.units = units;
    run.n_workers = n_workers;
    run.costs = costs;
    for (int i = 0; i < n_workers; i++)
        run.ranges[i] = parcel__schedule_share(units, i, n_workers);
}

static uint32_t batch_of(int worker, parcel__range range)
{
    return parcel__schedule_batch(parcel__schedule_length(range), run.n_workers, run.last[worker],
                                  run.seconds_per_unit[worker]);
}

/* What the worker takes next, from its own range or from the longest; 0: nothing is left. */
static parcel__range take(int worker)
{
    parcel__range own = run.ranges[worker];
    if (parcel__schedule_length(own) == 0) {
        int victim = 0;
        for (int i = 1; i < run.n_workers; i++)
            if (parcel__schedule_length(run.ranges[i]) >
                parcel__schedule_length(run.ranges[victim]))
                victim = i;
        if (parcel__schedule_length(run.ranges[victim]) == 0)
            return 0;
        struct parcel__cut cut = parcel__schedule_steal(run.ranges[victim], victim);
        run.ranges[victim] = cut.left;
        own = cut.taken;
    }
    struct parcel__cut cut = parcel__schedule_claim(own, batch_of(worker, own), worker);
    run.ranges[worker] = cut.left;
    return cut.taken;
}

/* Runs the units that were taken, by the worker's clock. */
static void execute(int worker, parcel__range taken)
{
    double start = run.clock[worker];
    for (uint32_t i = parcel__schedule_low(taken); i < parcel__schedule_high(taken); i++) {
        run.times[i]++;
        run.start[i] = run.clock[worker];
        run.clock[worker] += run.costs ? run.costs[i] : 1e-7;
    }
    double duration = run.clock[worker] - start;
    run.last[worker] = parcel__schedule_length(taken);
    run.seconds_per_unit[worker] = duration / run.last[worker];
    run.longest_batch = duration > run.longest_batch ? duration : run.longest_batch;
}

static int earliest(const bool *has_left)
{
    int worker = -1;
    for (int i = 0; i < run.n_workers; i++)
        if (!has_left[i] && (worker < 0 || run.clock[i] < run.clock[worker]))
            worker = i;
    return worker;
}

/* Runs all units as the clocks say; returns when the last worker is done. */
static double simulate(void)
{
    bool has_left[MOST_WORKERS] = {false};
    double end = 0;
    for (int worker; (worker = earliest(has_left)) >= 0;) {
        parcel__range taken = take(worker);
        has_left[worker] = taken == 0;
        if (taken)
            execute(worker, taken);
        end = run.clock[worker] > end ? run.clock[worker] : end;
    }
    return end;
}

static void check_exactly_once(void)
{
    for (uint32_t i = 0; i < run.units; i++)
        if (run.times[i] != 1)
            ck_abort_msg("unit %u was handed out %d times", i, run.times[i]);
}

START_TEST(test_each_unit_once)
{
    for (uint64_t seed = 0; seed < 400; seed++) {
        random_state = seed;
        start_run((uint32_t)next_random() % 600, 1 + (int)(next_random() % MOST_WORKERS), NULL);
        int done = 0;
        while (done < run.n_workers) { /* any worker's turn, whatever its clock says */
            int worker = (int)(next_random() % (uint64_t)run.n_workers);
            parcel__range taken = take(worker);
            if (taken)
                execute(worker, taken);
            done = taken ? 0 : done + 1;
        }
        check_exactly_once();
    }
}
END_TEST

/* Fills costs with random ones over six orders of magnitude, in no order; returns the longest. */
static double random_costs(double *costs, uint32_t units, double *total)
{
    double longest = 0;
    *total = 0;
    for (uint32_t i = 0; i < units; i++) {
        costs[i] = 1e-8 * pow(1e6, (double)(next_random() % 100000) / 1e5);
        *total += costs[i];
        longest = costs[i] > longest ? costs[i] : longest;
    }
    return longest;
}

/* No worker idles while there is work, so a run lasts total / workers and its last batch. A batch
 * is one call once calls are known to be long; short calls before it may let it hold more of these
 * giants, which nobody can foresee: that is rare, and costs one giant. */
START_TEST(test_makespan)
{
    enum { RUNS = 200 };
    static double costs[MOST_UNITS];
    int late = 0;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        double total;
        random_state = seed;
        uint32_t units = 1 + (uint32_t)next_random() % MOST_UNITS;
        double longest = random_costs(costs, units, &total);
        start_run(units, 1 + (int)(next_random() % MOST_WORKERS), costs);
        double bound = total / run.n_workers + longest + 4 * target;
        double end = simulate();
        check_exactly_once();
        late += end > bound;
        ck_assert(end <= total / run.n_workers + run.longest_batch);
        ck_assert_msg(end <= bound + longest, "seed %d: %g s for %u units on %d workers, not %g",
                      (int)seed, end, units, run.n_workers, bound);
    }
    ck_assert_int_le(late, RUNS / 50);
}
END_TEST

/* A call that takes as long as all others together costs nothing when it starts early: at either
 * end of the list it is among the first. */
START_TEST(test_giants_start_early)
{
    static double costs[MOST_UNITS];
    for (uint32_t units = 2; units < MOST_UNITS; units += 1 + units / 2)
        for (int last = 0; last < 2; last++) {
            uint32_t giant = last ? units - 1 : 0;
            for (uint32_t i = 0; i < units; i++)
                costs[i] = 1e-6;
            costs[giant] = units * 1e-6;
            start_run(units, 2, costs);
            double end = simulate();
            check_exactly_once();
            ck_assert(run.start[giant] <= target);
            ck_assert(end <= costs[giant] + 2 * target);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tests = suite_case(suite, "schedule");
    tcase_add_test(tests, test_ranges);
    tcase_add_test(tests, test_units);
    tcase_add_test(tests, test_shares);
    tcase_add_test(tests, test_cuts);
    tcase_add_test(tests, test_batch_bounds);
    tcase_add_test(tests, test_batches_grow_and_shrink);
    tcase_add_test(tests, test_each_unit_once);
    tcase_add_test(tests, test_makespan);
    tcase_add_test(tests, test_giants_start_early);
    return suite_run(suite);
}

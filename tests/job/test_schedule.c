/*
 * test_schedule.c: the pure functions that say who takes what.
 *
 * A simulated run plays the workers in one thread: ranges in an array, and a clock for each
 * worker that the costs of its calls move on.
 */
#include "suite.h"

#include "job/schedule.h"
#include "recorded_costs.h"

#include <math.h>
#include <stdint.h>

enum { MOST_WORKERS = 8, MOST_UNITS = 5000, MOST_DISPATCHES = 1 << 20 };

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
    ck_assert_uint_eq(parcel__schedule_bounded(8192), 8192);
    ck_assert_uint_eq(parcel__schedule_bounded(SIZE_MAX), UINT32_MAX);
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
           !(cost > 0 && batch > parcel__schedule_target / cost + 1e-9);
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
    for (last = 1; last < 10000; last++) {
        uint32_t batch = parcel__schedule_batch(UINT32_MAX - 1, 4, last, 1e-10);
        ck_assert_uint_eq(batch, last < 2048 ? 4 * last : 8192);
    }
    last = 1000;
    ck_assert_uint_eq(parcel__schedule_batch(UINT32_MAX - 1, 4, last, 1), 1);
    ck_assert_uint_eq(
        parcel__schedule_batch(UINT32_MAX - 1, 4, last, parcel__schedule_target / 3.5), 3);
    ck_assert_uint_eq(parcel__schedule_batch(100, 4, last, 1e-9), 50);
    ck_assert_uint_eq(parcel__schedule_batch(100, 1, last, 1e-9), 100);
}
END_TEST

/* ---- simulated runs ---- */

struct worker {
    parcel__range range;
    uint32_t last; /* units of its last batch */
    double seconds_per_unit;
    double clock;
    bool is_done;
};

static struct {
    uint32_t units;
    const double *costs; /* one a unit, or NULL: all cost the same */
    double cost;
    int n_workers;
    struct worker workers[MOST_WORKERS];
    uint32_t dispatches;
    double longest_batch;
    double end;
    uint32_t watched; /* a unit of which the time is wanted at which it begins */
    double begin;
} run;

static parcel__range handed_out[MOST_DISPATCHES]; /* in the order of time */

static void open_run(uint32_t units, int n_workers, const double *costs)
{
    memset(&run, 0, sizeof run);
    run.units = units;
    run.costs = costs;
    run.cost = 1e-7;
    run.n_workers = n_workers;
    for (int i = 0; i < n_workers; i++)
        run.workers[i].range = parcel__schedule_share(units, i, n_workers);
}

static int longest_range(void)
{
    int victim = 0;
    for (int i = 1; i < run.n_workers; i++)
        if (parcel__schedule_length(run.workers[i].range) >
            parcel__schedule_length(run.workers[victim].range))
            victim = i;
    return victim;
}

/* What the worker takes next, from its own range or from the longest; 0: nothing is left. */
static parcel__range take(struct worker *worker)
{
    int number = (int)(worker - run.workers);
    if (parcel__schedule_length(worker->range) == 0) {
        int victim = longest_range();
        if (parcel__schedule_length(run.workers[victim].range) == 0)
            return 0;
        struct parcel__cut half = parcel__schedule_steal(run.workers[victim].range, victim);
        run.workers[victim].range = half.left;
        worker->range = half.taken;
    }
    uint32_t batch = parcel__schedule_batch(parcel__schedule_length(worker->range), run.n_workers,
                                            worker->last, worker->seconds_per_unit);
    struct parcel__cut cut = parcel__schedule_claim(worker->range, batch, number);
    worker->range = cut.left;
    return cut.taken;
}

/* The seconds that the units take. */
static double duration_of(parcel__range units)
{
    double seconds = 0;
    if (!run.costs)
        return run.cost * parcel__schedule_length(units);
    for (uint32_t i = parcel__schedule_low(units); i < parcel__schedule_high(units); i++)
        seconds += run.costs[i];
    return seconds;
}

static bool is_in(uint32_t unit, parcel__range units)
{
    return unit >= parcel__schedule_low(units) && unit < parcel__schedule_high(units);
}

/* Runs the units that were taken, by the worker's clock. */
static void execute(struct worker *worker, parcel__range taken)
{
    double duration = duration_of(taken);
    if (run.dispatches == MOST_DISPATCHES)
        ck_abort_msg("more than %u dispatches", run.dispatches);
    handed_out[run.dispatches++] = taken;
    if (is_in(run.watched, taken))
        run.begin = worker->clock +
                    duration_of(parcel__schedule_range(parcel__schedule_low(taken), run.watched));
    worker->clock += duration;
    worker->last = parcel__schedule_length(taken);
    worker->seconds_per_unit = duration / worker->last;
    run.longest_batch = fmax(run.longest_batch, duration);
    run.end = fmax(run.end, worker->clock);
}

/* The worker whose turn it is, or NULL when all are done. */
static struct worker *earliest(void)
{
    struct worker *first = NULL;
    for (struct worker *worker = run.workers; worker < run.workers + run.n_workers; worker++)
        if (!worker->is_done && (!first || worker->clock < first->clock))
            first = worker;
    return first;
}

static int compare_ranges(const void *one, const void *other)
{
    parcel__range a = *(const parcel__range *)one, b = *(const parcel__range *)other;
    return (a > b) - (a < b);
}

/* What was handed out lies end to end, so each unit was handed out once; and a dispatch has at
 * least one unit, so there are no more of them than units. */
static void check_exactly_once(void)
{
    uint32_t end = 0;
    ck_assert_uint_le(run.dispatches, run.units);
    qsort(handed_out, run.dispatches, sizeof *handed_out, compare_ranges);
    for (uint32_t i = 0; i < run.dispatches; i++) {
        if (parcel__schedule_low(handed_out[i]) != end)
            ck_abort_msg("unit %u was left out, or handed out twice", end);
        end = parcel__schedule_high(handed_out[i]);
    }
    ck_assert_uint_eq(end, run.units);
}

/* Runs all units as the clocks say. */
static void simulate(void)
{
    for (struct worker *worker; (worker = earliest());) {
        parcel__range taken = take(worker);
        worker->is_done = taken == 0;
        if (taken)
            execute(worker, taken);
    }
    check_exactly_once();
}

START_TEST(test_each_unit_once)
{
    for (uint64_t seed = 0; seed < 400; seed++) {
        random_state = seed;
        open_run((uint32_t)next_random() % 600, 1 + (int)(next_random() % MOST_WORKERS), NULL);
        int done = 0;
        while (done < run.n_workers) { /* any worker's turn, whatever its clock says */
            struct worker *worker = &run.workers[next_random() % (uint64_t)run.n_workers];
            parcel__range taken = take(worker);
            if (taken)
                execute(worker, taken);
            done = taken ? 0 : done + 1;
        }
        check_exactly_once();
    }
}
END_TEST

/* The calls of a unit may be many, and the last unit's fewer: no call is left out nor beyond. */
START_TEST(test_more_calls_than_a_range_holds)
{
    static const uint64_t counts[] = {UINT32_MAX, UINT64_C(1) << 32, (UINT64_C(1) << 32) + 1,
                                      (UINT64_C(1) << 40) + 12345, UINT64_C(1) << 62};
    for (size_t i = 0; i < LENGTH(counts) && counts[i] <= SIZE_MAX; i++) {
        size_t count = (size_t)counts[i], unit = parcel__schedule_unit(count);
        size_t units = (count + unit - 1) / unit;
        open_run((uint32_t)units, 1 + (int)i, NULL);
        run.cost = 1e-12;
        ck_assert_uint_eq(run.units, units);
        simulate();
        ck_assert_uint_ge(run.units * unit, count);
        ck_assert_uint_lt((run.units - 1) * unit, count);
    }
}
END_TEST

/* ---- how long runs last ---- */

struct costs {
    double total, shortest, longest;
};

static struct costs sum_up(const double *costs, uint32_t units)
{
    struct costs sum = {0, INFINITY, 0};
    for (uint32_t i = 0; i < units; i++) {
        sum.total += costs[i];
        sum.shortest = fmin(sum.shortest, costs[i]);
        sum.longest = fmax(sum.longest, costs[i]);
    }
    return sum;
}

/* The least time in which any schedule can do it. */
static double least_time(const struct costs *sum)
{
    return fmax(sum->total / run.n_workers, sum->longest);
}

/* What holds for all costs. While a unit waits no worker does, so until the last batch begins all
 * work: makespan <= (total - batch) / workers + batch. And a batch of several units has at most
 * parcel__schedule_target / rate of them, where the rate was measured and so is no less than the
 * shortest unit: it takes at most parcel__schedule_target * longest / shortest. A batch of one
 * takes at most the longest. */
static void check_makespan(const struct costs *sum)
{
    const double slack = 1 + 1e-9; /* of sums in another order */
    double batch = fmax(sum->longest, parcel__schedule_target * sum->longest / sum->shortest);
    double bound = (sum->total - run.longest_batch) / run.n_workers + run.longest_batch;
    ck_assert(run.end * slack >= least_time(sum));
    ck_assert(run.longest_batch <= batch * slack);
    ck_assert_msg(run.end <= bound * slack, "%g s for %u units on %d workers, not %g", run.end,
                  run.units, run.n_workers, bound);
}

/* Runs the costs and checks what holds for all. Returns what the run takes beyond the least time,
 * as a part of it. */
static double excess_of(const double *costs, uint32_t units, int n_workers)
{
    struct costs sum = sum_up(costs, units);
    open_run(units, n_workers, costs);
    simulate();
    check_makespan(&sum);
    return run.end / least_time(&sum) - 1;
}

/* Short calls before them may let a batch hold several giants, which nobody can foresee: that is
 * rare, and costs one giant. */
START_TEST(test_random_costs)
{
    enum { RUNS = 200 };
    static double costs[MOST_UNITS];
    int late = 0;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        random_state = seed;
        uint32_t units = 1 + (uint32_t)next_random() % MOST_UNITS;
        int n_workers = 1 + (int)(next_random() % MOST_WORKERS);
        for (uint32_t i = 0; i < units; i++) /* over six orders of magnitude */
            costs[i] = 1e-8 * pow(1e6, (double)(next_random() % 100000) / 1e5);
        excess_of(costs, units, n_workers);
        struct costs sum = sum_up(costs, units);
        double beyond =
            run.end - (sum.total / n_workers + sum.longest + 4 * parcel__schedule_target);
        late += beyond > 0;
        ck_assert_msg(beyond <= sum.longest, "seed %d: %g s too late", (int)seed, beyond);
    }
    ck_assert_int_le(late, RUNS / 50);
}
END_TEST

/* A batch of several recorded calls never takes twice as long as the longest call alone. The
 * excess is what there would be if nothing were given back. */
START_TEST(test_recorded_costs)
{
    enum { UNITS = LENGTH(recorded_microseconds) };
    static double costs[UNITS];
    for (int reversed = 0; reversed < 2; reversed++)
        for (int n_workers = 1; n_workers <= MOST_WORKERS; n_workers++) {
            for (uint32_t i = 0; i < UNITS; i++)
                costs[i] = 1e-6 * recorded_microseconds[reversed ? UNITS - 1 - i : i];
            double excess = excess_of(costs, UNITS, n_workers);
            double longest = sum_up(costs, UNITS).longest;
            ck_assert_msg(run.longest_batch <= 2 * longest, "%g of %g", run.longest_batch, longest);
            ck_assert_msg(excess <= (n_workers <= 4 ? 0.06 : 0.45), "%d workers: %g", n_workers,
                          excess);
        }
}
END_TEST

/* Short calls, but for those from first on to end, which take 10^6 times as long. */
static void fill_block(double *costs, uint32_t units, uint32_t first, uint32_t end)
{
    for (uint32_t i = 0; i < units; i++)
        costs[i] = i >= first && i < end ? 1e-2 : 1e-8;
}

/* The batches of several units that hold more than one of those from first on to end. */
static uint32_t count_wrong_guesses(uint32_t first, uint32_t end)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < run.dispatches; i++) {
        uint32_t low = parcel__schedule_low(handed_out[i]);
        uint32_t high = parcel__schedule_high(handed_out[i]);
        low = low > first ? low : first;
        high = high < end ? high : end;
        count += high > low + 1;
    }
    return count;
}

/* A worker takes too many long calls at once only where it comes from short ones: once each. It
 * takes too few short ones only where it comes from long ones, for five batches, and where a range
 * ends, by halves. At worst, three of five long calls are left to one of five workers. */
static void check_jump(int n_workers, uint32_t first, uint32_t end, double excess)
{
    uint32_t wrong = count_wrong_guesses(first, end);
    if (wrong > (uint32_t)n_workers)
        ck_abort_msg("%d workers took several long calls at once %u times", n_workers, wrong);
    if (run.dispatches > end - first + 50 * (uint32_t)n_workers)
        ck_abort_msg("%u dispatches for %u long calls", run.dispatches, end - first);
    if (excess > (n_workers <= 2 ? 0.21 : 2.01))
        ck_abort_msg("%d workers, long from %u to %u: %g", n_workers, first, end, excess);
}

/* Costs jump by 10^6, up and down, anywhere. */
START_TEST(test_costs_that_jump)
{
    enum { UNITS = MOST_UNITS };
    static double costs[UNITS];
    static const uint32_t places[] = {1, 5, 50, 500, 1250, 2500, 3750, 4500, 4950, 4995, 4999};
    for (size_t i = 0; i < LENGTH(places); i++)
        for (int up = 0; up < 2; up++)
            for (int n_workers = 1; n_workers <= MOST_WORKERS; n_workers++) {
                uint32_t first = up ? places[i] : 0, end = up ? UNITS : places[i];
                fill_block(costs, UNITS, first, end);
                double excess = excess_of(costs, UNITS, n_workers);
                check_jump(n_workers, first, end, excess);
            }
}
END_TEST

/* Dispatch costs nothing: short calls come in batches of 10 us, or of 8192, but for some twenty of
 * each worker while they grow and at the end. */
START_TEST(test_few_dispatches)
{
    enum { UNITS = 1000000 };
    static const double seconds[] = {1e-9, 1e-8, 1e-7, 1e-6};
    for (size_t i = 0; i < LENGTH(seconds); i++)
        for (int n_workers = 1; n_workers <= MOST_WORKERS; n_workers++) {
            open_run(UNITS, n_workers, NULL);
            run.cost = seconds[i];
            simulate();
            double batch = fmin(8192, floor(parcel__schedule_target / seconds[i] - 1e-3));
            ck_assert_msg(run.dispatches <= (double)UNITS / batch + 20 * n_workers,
                          "%u dispatches of calls of %g s to %d workers", run.dispatches,
                          seconds[i], n_workers);
        }
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
            open_run(units, 2, costs);
            run.watched = giant;
            simulate();
            ck_assert(run.begin <= parcel__schedule_target);
            ck_assert(run.end <= costs[giant] + 2 * parcel__schedule_target);
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
    tcase_add_test(tests, test_more_calls_than_a_range_holds);
    tcase_add_test(tests, test_random_costs);
    tcase_add_test(tests, test_recorded_costs);
    tcase_add_test(tests, test_costs_that_jump);
    tcase_add_test(tests, test_few_dispatches);
    tcase_add_test(tests, test_giants_start_early);
    return suite_run(suite);
}

/*
 * jumps.c: runs whose costs jump: many short calls, and a few at random places that take up to 10^5
 * times as long. Batches then turn out to hold giants, and are given back, asked for and stolen;
 * each call runs once all the same, and the records add up.
 */
#include "suite.h"

#include <math.h>

enum { MOST_CALLS = 20000, MOST_JOBS = 7, LEAST_RUNS = 30 };

/* How often each call ran. Not atomic: two workers at one call are a race for the sanitizer. */
static unsigned char times[MOST_CALLS];

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* A call of so many nanoseconds, in which its thread works, or, if it is asleep, leaves the cpu to
 * others. */
static int last(int i, int nanoseconds, bool asleep)
{
    const struct timespec duration = {.tv_nsec = nanoseconds};
    times[i]++;
    if (asleep)
        nanosleep(&duration, NULL);
    else if (nanoseconds > 0)
        for (double end = now() + 1e-9 * nanoseconds; now() < end;)
            continue;
    return 3 * i;
}
DELAYED(int, last, int, int, bool);

static uint64_t random_state;

static int random_below(int limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (int)((random_state >> 33) % (uint64_t)limit);
}

static parcel_calls *jumping_calls(int n)
{
    static const int short_costs[] = {0, 0, 100, 1000, 3000};
    parcel_calls *calls = parcel_calls_new();
    int cost = short_costs[random_below(LENGTH(short_costs))], rare = 1 + n / (1 + random_below(8));
    for (int i = 0; i < n; i++) {
        bool jumps = random_below(rare) == 0;
        parcel_calls_add(calls, delayed(last)(i, jumps ? random_below(2000000) : cost,
                                              jumps && random_below(2)));
    }
    return calls;
}

static void check_run(const parcel_results *results, int n)
{
    double total = 0, longest = 0;
    ck_ran_well(results);
    for (int i = 0; i < n; i++) {
        size_t index = (size_t)i;
        double duration = parcel_results_duration(results, index);
        if (times[i] != 1 || parcel_get(results, index, int) != 3 * i || !(duration >= 0))
            ck_abort_msg("call %d of %d ran %d times, for %g s", i, n, times[i], duration);
        total += duration;
        longest = fmax(longest, duration);
    }
    double sum = parcel_results_total_time(results), wall = parcel_results_wall_time(results);
    ck_assert_double_eq_tol(sum, total, 1e-9 + 1e-6 * total);
    ck_assert(sum <= wall * parcel_results_workers(results) * (1 + 1e-6));
    ck_assert(longest <= wall * (1 + 1e-6));
}

START_TEST(costs_that_jump)
{
    double end = now() + 1;
    random_state = 1;
    for (int run = 0; run < LEAST_RUNS || now() < end; run++) {
        int n = 1 + random_below(random_below(2) ? MOST_CALLS : 100);
        const parcel_options options = {.n_jobs = 1 + random_below(MOST_JOBS),
                                        .timing = random_below(4) ? PARCEL_YES : PARCEL_NO};
        memset(times, 0, sizeof times);
        parcel_results *results = run_and_free(&options, jumping_calls(n));
        check_run(results, n);
        parcel_results_free(results);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jumps");
    TCase *tests = suite_case(suite, "jumps");
    tcase_add_test(tests, costs_that_jump);
    return suite_run(suite);
}

/* harness.c: turns, interleaved rounds, and their medians. */
#include "harness.h"

#include <dlfcn.h>
#include <glob.h>
#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef _OPENMP
#error "the baselines of bench/ are OpenMP loops: configure without --disable-openmp"
#endif

const double bench_tolerated = 0.02;

enum { MOST_TURNS = 6, MOST_TEAMS = 8 };

/* ---- time, and who takes it ---- */

double bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void bench_require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

/* Seconds that the host took from all of this machine's cpus. */
static double time_stolen_by_host(void)
{
    unsigned long long ticks = 0;
    FILE *file = fopen("/proc/stat", "r");
    if (!file)
        return 0;
    if (fscanf(file, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &ticks) != 1)
        ticks = 0;
    fclose(file);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Seconds that this process's threads were ready to run while others ran. */
static double time_stolen_by_others(void)
{
    glob_t threads;
    double seconds = 0;
    if (glob("/proc/self/task/*/schedstat", 0, NULL, &threads) != 0)
        return 0;
    for (size_t i = 0; i < threads.gl_pathc; i++) {
        unsigned long long waited = 0;
        FILE *file = fopen(threads.gl_pathv[i], "r");
        if (!file)
            continue;
        if (fscanf(file, "%*u %llu", &waited) == 1)
            seconds += 1e-9 * (double)waited;
        fclose(file);
    }
    globfree(&threads);
    return seconds;
}

static double time_stolen(const struct bench *bench)
{
    return time_stolen_by_host() + (bench->is_crowded ? 0 : time_stolen_by_others());
}

/* ---- teams ---- */

static double processor_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

/* One region, so that the OpenMP threads come back to where they wait. */
static void open_region(void)
{
#pragma omp parallel num_threads(BENCH_WORKERS)
    __asm__ volatile("" ::: "memory");
}

/* What libomp calls the time, in milliseconds, for which its threads look for work. */
struct block_time {
    int (*get)(void);
    void (*set)(int);
};

static struct block_time find_block_time(void)
{
    struct block_time found;
    void *get = dlsym(RTLD_DEFAULT, "kmp_get_blocktime");
    void *set = dlsym(RTLD_DEFAULT, "kmp_set_blocktime");
    memcpy(&found.get, &get, sizeof get); /* C converts no object pointer into a function's */
    memcpy(&found.set, &set, sizeof set);
    return found;
}

/* Returns when no other thread of this process runs any more. */
static void wait_until_idle(void)
{
    static const double idle = 0.1, patience = 0.3;
    static const struct timespec pause = {.tv_nsec = 2000000};
    double start = bench_now(), slept, used;
    do {
        slept = bench_now();
        used = processor_seconds();
        nanosleep(&pause, NULL);
        used = processor_seconds() - used;
        slept = bench_now() - slept;
    } while (used > idle * slept && bench_now() - start < patience);
}

/* Other runtimes' threads give up within 20 ms, libomp's after 200 ms if they are let. */
static void fall_asleep(void)
{
    struct block_time libomp = find_block_time();
    if (!libomp.get || !libomp.set) {
        wait_until_idle();
        return;
    }
    int before = libomp.get();
    libomp.set(0);
    open_region(); /* so that its threads start to wait anew */
    wait_until_idle();
    libomp.set(before);
}

void bench_warm(void (*run)(void), double awake)
{
    static const double enough = 1e-3, patience = 50e-3;
    double start = bench_now(), last = start, bad = start;
    while (last - bad < enough && last - start < patience) {
        run();
        double now = bench_now();
        if (now - last > awake)
            bad = now;
        last = now;
    }
}

/* Moves the calling thread to the cpu of that number among those that it may use. It may then go
 * where it likes. */
static void move_to_cpu(int number)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || number-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
        sched_setaffinity(0, sizeof all, &all);
        return;
    }
}

/* Threads are often woken on the cpu of the caller, which spins there, and stay for long. */
static void warm_openmp(void)
{
#pragma omp parallel num_threads(BENCH_WORKERS)
    move_to_cpu(omp_get_thread_num());
    bench_warm(open_region, 100e-6);
}

static void warm(const struct bench_team *team)
{
    if (!team)
        warm_openmp();
    else if (team->warm)
        team->warm();
}

/* Puts the contender's threads into the state in which it is measured. */
static void prepare(const struct bench_contender *contender)
{
    if (contender->idle == 0) {
        warm(contender->team);
        return;
    }
    struct timespec pause = {.tv_nsec = (long)(1e9 * contender->idle)};
    fall_asleep();
    nanosleep(&pause, NULL);
}

/* ---- rounds ---- */

/* Takes a contender's sample of a round, if need be several times: the one counts in which others
 * took least. */
static void take_turn(struct bench *bench, struct bench_contender *contender, int round)
{
    double least = INFINITY;
    for (int turn = 0; turn < MOST_TURNS && least > bench_tolerated; turn++) {
        prepare(contender);
        double stolen = time_stolen(bench), start = bench_now();
        double sample = contender->measure(contender->state);
        double took = bench_now() - start;
        stolen = (time_stolen(bench) - stolen) / ((double)BENCH_WORKERS * took);
        if (stolen < least)
            contender->samples[round] = sample;
        least = fmin(least, stolen);
        if (turn == 0)
            continue;
        bench->n_repeated++;
        bench->patience -= took;
        if (bench->patience < 0)
            break;
    }
    bench->n_disturbed += least > bench_tolerated;
    contender->n_disturbed += least > bench_tolerated;
    bench->n_turns++;
}

/* Writes the contenders' teams, each once. Returns how many. */
static size_t find_teams(const struct bench_contender *contenders, size_t count,
                         const struct bench_team **teams)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        while (same < n && teams[same] != contenders[i].team)
            same++;
        if (same < n)
            continue;
        bench_require(n < MOST_TEAMS, "too many teams");
        teams[n++] = contenders[i].team;
    }
    return n;
}

/* A team's turns follow each other: putting a team to sleep takes longer than most turns. */
static void run_round(struct bench *bench, struct bench_contender *contenders, size_t count,
                      int round)
{
    const struct bench_team *teams[MOST_TEAMS];
    size_t n_teams = find_teams(contenders, count, teams);
    for (size_t t = 0; t < n_teams; t++) {
        const struct bench_team *team = teams[(t + (size_t)round) % n_teams];
        if (n_teams > 1)
            fall_asleep();
        for (size_t i = 0; i < count; i++) {
            struct bench_contender *contender = &contenders[(i + (size_t)round) % count];
            if (contender->team == team)
                take_turn(bench, contender, round);
        }
    }
}

void bench_rounds(struct bench *bench, struct bench_contender *contenders, size_t count)
{
    fall_asleep();                     /* whoever was measured last */
    for (size_t i = 0; i < count; i++) /* for caches, memory and the processors' clock */
        contenders[i].measure(contenders[i].state);
    for (int round = 0; round < bench->rounds; round++)
        run_round(bench, contenders, count, round);
}

/* ---- statistics ---- */

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* The sample below which that part of all samples lies. */
static double quantile(const double *samples, int count, double part)
{
    double sorted[BENCH_MOST_ROUNDS];
    memcpy(sorted, samples, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, compare);
    return sorted[(int)(part * (count - 1) + 0.5)];
}

double bench_quantile(const struct bench *bench, const struct bench_contender *contender,
                      double part)
{
    return quantile(contender->samples, bench->rounds, part);
}

double bench_median(const struct bench *bench, const struct bench_contender *contender)
{
    return bench_quantile(bench, contender, 0.5);
}

double bench_ratio(const struct bench *bench, const struct bench_contender *contender,
                   const struct bench_contender *baseline)
{
    double ratios[BENCH_MOST_ROUNDS];
    for (int i = 0; i < bench->rounds; i++)
        ratios[i] = contender->samples[i] / baseline->samples[i];
    return quantile(ratios, bench->rounds, 0.5);
}

bool bench_is_disturbed(const struct bench *bench, const struct bench_contender *contender)
{
    return 2 * contender->n_disturbed > bench->rounds;
}

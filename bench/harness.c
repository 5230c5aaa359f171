/* harness.c: interleaved rounds, medians, the machine, and the table. */
#include "harness.h"

#include <dlfcn.h>
#include <glob.h>
#include <math.h>
#include <parcel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef _OPENMP
#error "the baselines of bench/ are OpenMP loops: configure without --disable-openmp"
#endif

/* The part of the processors' time that others may take in a turn without its being repeated. */
static const double tolerated = 0.02;

enum { MOST_TURNS = 6 };

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

static double time_stolen(void)
{
    return time_stolen_by_host() + time_stolen_by_others();
}

/* Wakes the OpenMP threads: a runtime lets them sleep after some milliseconds, and whoever came
 * first after a pause would pay for it. */
static void warm_team(void)
{
    static const double awake = 10e-6, patience = 20e-3;
    double start = bench_now(), last = start, region = patience;
    while (region > awake && last - start < patience) {
#pragma omp parallel num_threads(BENCH_WORKERS)
        __asm__ volatile("" ::: "memory");
        double now = bench_now();
        region = now - last;
        last = now;
    }
}

/* ---- rounds ---- */

/* Takes a contender's sample of a round, if need be several times: the one counts in which others
 * took least. */
static void take_turn(struct bench *bench, struct bench_contender *contender, int round)
{
    double least = INFINITY;
    for (int turn = 0; turn < MOST_TURNS && least > tolerated; turn++) {
        warm_team();
        double stolen = time_stolen(), start = bench_now();
        double sample = contender->measure(contender->state);
        double took = bench_now() - start;
        stolen = (time_stolen() - stolen) / (BENCH_WORKERS * took);
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
    bench->n_disturbed += least > tolerated;
    contender->n_disturbed += least > tolerated;
    bench->n_turns++;
}

void bench_rounds(struct bench *bench, struct bench_contender *contenders, size_t count)
{
    for (size_t i = 0; i < count; i++) /* for caches, memory and the processors' clock */
        contenders[i].measure(contenders[i].state);
    for (int round = 0; round < bench->rounds; round++)
        for (size_t i = 0; i < count; i++)
            take_turn(bench, &contenders[(i + (size_t)round) % count], round);
}

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

double bench_median(const struct bench *bench, const struct bench_contender *contender)
{
    return quantile(contender->samples, bench->rounds, 0.5);
}

double bench_ratio(const struct bench *bench, const struct bench_contender *contender,
                   const struct bench_contender *baseline)
{
    double ratios[BENCH_MOST_ROUNDS];
    for (int i = 0; i < bench->rounds; i++)
        ratios[i] = contender->samples[i] / baseline->samples[i];
    return quantile(ratios, bench->rounds, 0.5);
}

/* Half the distance between the quartiles, in percent of the median. */
static double spread(const struct bench *bench, const struct bench_contender *contender)
{
    double low = quantile(contender->samples, bench->rounds, 0.25);
    double high = quantile(contender->samples, bench->rounds, 0.75);
    double median = bench_median(bench, contender);
    return median > 0 ? 50 * (high - low) / median : 0;
}

/* ---- the table ---- */

void bench_heading(const char *question)
{
    printf("\n%s\n%-36s %9s %-10s %5s  %9s  %-26s %6s  %-12s\n", question, "", "measured", "", "+-",
           "baseline", "", "ratio", "target");
}

bool bench_is_disturbed(const struct bench *bench, const struct bench_contender *contender)
{
    return 2 * contender->n_disturbed > bench->rounds;
}

const char *bench_verdict(struct bench *bench, bool is_kept, bool is_disturbed)
{
    bench->n_ok += is_kept;
    bench->n_missed += !is_kept;
    if (is_disturbed)
        return is_kept ? "ok (disturbed)" : "MISSED (disturbed)";
    return is_kept ? "ok" : "MISSED";
}

static bool is_kept(const struct bench_row *row, double figure, double ratio)
{
    switch (row->promise) {
    case BENCH_AT_MOST:
        return figure <= row->target;
    case BENCH_AT_LEAST:
        return figure >= row->target;
    default:
        return ratio <= row->target;
    }
}

static void print_promise(struct bench *bench, const struct bench_row *row, double figure,
                          double ratio)
{
    static const char *const forms[] = {[BENCH_AT_MOST] = "<= %g",
                                        [BENCH_AT_LEAST] = ">= %g",
                                        [BENCH_RATIO_AT_MOST] = "ratio <= %g"};
    char text[32];
    if (row->promise == BENCH_NONE)
        return;
    bool is_disturbed =
        bench_is_disturbed(bench, row->measured) ||
        (row->promise == BENCH_RATIO_AT_MOST && bench_is_disturbed(bench, row->baseline));
    snprintf(text, sizeof text, forms[row->promise], row->target);
    printf("  %-12s %s", text, bench_verdict(bench, is_kept(row, figure, ratio), is_disturbed));
}

void bench_print_row(struct bench *bench, const struct bench_row *row)
{
    double figure = row->scale * bench_median(bench, row->measured), ratio = 0;
    printf("%-30s %9.2f %-10s %3.0f %%", row->name, figure, row->unit,
           spread(bench, row->measured));
    if (row->baseline) {
        ratio = bench_ratio(bench, row->measured, row->baseline);
        printf("  %9.2f  %-28s %5.2f", row->scale * bench_median(bench, row->baseline),
               row->baseline->name, ratio);
    } else {
        printf("  %9s  %-28s %5s", "", "", "");
    }
    print_promise(bench, row, figure, ratio);
    putchar('\n');
    fflush(stdout);
}

/* ---- the machine ---- */

/* The text behind the colon of the first line of /proc/cpuinfo with that key. */
static void put_processor(char *text, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(text, size, "unknown processor");
    while (file && fgets(line, sizeof line, file)) {
        const char *value = strchr(line, ':');
        if (!value || strncmp(line, "model name", strlen("model name")) != 0)
            continue;
        snprintf(text, size, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
        break;
    }
    if (file)
        fclose(file);
}

/* libomp has libgomp's entry points too, so its own are looked for first. */
static const char *runtime_name(void)
{
    if (dlsym(RTLD_DEFAULT, "__kmpc_fork_call"))
        return "libomp";
    return dlsym(RTLD_DEFAULT, "GOMP_parallel") ? "libgomp" : "unknown OpenMP runtime";
}

static void print_machine(void)
{
    static const char *const variables[] = {"OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY",
                                            "GOMP_SPINCOUNT", "KMP_BLOCKTIME"};
    char processor[128];
    double load[3] = {0};
    put_processor(processor, sizeof processor);
    if (getloadavg(load, 3) < 1)
        load[0] = -1;
    printf("%s, %d cpus (%ld online), load %.2f\n", processor, parcel_cpu_count(),
           sysconf(_SC_NPROCESSORS_ONLN), load[0]);
#ifdef __clang__
    printf("%s, %s, parcel %s", __VERSION__, runtime_name(), parcel_version());
#else
    printf("gcc %s, %s, parcel %s", __VERSION__, runtime_name(), parcel_version());
#endif
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        if (getenv(variables[i]))
            printf(", %s=%s", variables[i], getenv(variables[i]));
    putchar('\n');
}

bool bench_open(struct bench *bench, int argc, char **argv)
{
    bool is_quick = argc == 2 && strcmp(argv[1], "quick") == 0;
    if (argc > 1 && !is_quick) {
        fprintf(stderr, "usage: %s [quick]\n", argv[0]);
        return false;
    }
    *bench = (struct bench){
        .is_quick = is_quick, .rounds = is_quick ? 9 : 11, .patience = is_quick ? 5 : 30};
    print_machine();
    printf("%d workers, medians of %d interleaved rounds, +- half the quartiles' distance\n",
           BENCH_WORKERS, bench->rounds);
    return true;
}

int bench_close(const struct bench *bench)
{
    printf("\n%d targets: %d ok, %d MISSED. Of %d turns %d were disturbed: others took more than "
           "%g %% "
           "of the cpus,\nalso when it was repeated (%d repetitions).\n",
           bench->n_ok + bench->n_missed, bench->n_ok, bench->n_missed, bench->n_turns,
           bench->n_disturbed, 100 * tolerated, bench->n_repeated);
    return 0;
}

/*
 * question_build.c: building, holding and freeing a list.
 *
 * The baseline is an array of records by hand, filled in a loop: in fresh pages where Parcel's
 * are fresh, and in the same pages again where Parcel finds those of an earlier list.
 */
#include <parcel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "loops.h"
#include "questions.h"

DELAYED(int, empty, int, int);

enum { N_CALLS = 1000000 };
static const double ns_a_call = 1e9 / N_CALLS;

/* ---- the contenders ---- */

struct building {
    bool is_cold;
    double freeing; /* seconds that freeing the last list took */
};

static parcel_calls *new_list(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < N_CALLS; i++)
        parcel_calls_add(calls, delayed(empty)(i, 1));
    return calls;
}

static double measure_build(void *state)
{
    struct building *building = state;
    if (building->is_cold)
        parcel_trim();
    double start = bench_now();
    parcel_calls *calls = new_list();
    double built = bench_now();
    bench_require(parcel_calls_count(calls) == N_CALLS, "a list is not complete");
    double counted = bench_now();
    parcel_calls_free(calls);
    building->freeing = bench_now() - counted;
    return built - start;
}

/* What measure_build left behind. */
static double measure_free(void *state)
{
    const struct building *building = state;
    return building->freeing;
}

static void fill(struct raw_call *calls)
{
    for (int i = 0; i < N_CALLS; i++)
        calls[i] = (struct raw_call){empty, i, 1, 0};
    __asm__ volatile("" : : "r"(calls) : "memory"); /* the stores are made */
}

static struct raw_call *map_raw_calls(void)
{
    void *pages = mmap(NULL, N_CALLS * sizeof(struct raw_call), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bench_require(pages != MAP_FAILED, "out of memory");
    return pages;
}

static double measure_raw_cold(void *state)
{
    struct building *building = state;
    double start = bench_now();
    struct raw_call *calls = map_raw_calls();
    fill(calls);
    double filled = bench_now();
    munmap(calls, N_CALLS * sizeof *calls);
    building->freeing = bench_now() - filled;
    return filled - start;
}

static double measure_raw_warm(void *calls)
{
    double start = bench_now();
    fill(calls);
    return bench_now() - start;
}

/* ---- memory ---- */

/* A line of /proc/self/status, in bytes. */
static double status_bytes(const char *key)
{
    char line[128];
    double kilobytes = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && kilobytes < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            kilobytes = strtod(line + strlen(key), NULL);
    if (file)
        fclose(file);
    bench_require(kilobytes >= 0, "/proc/self/status does not say how much memory is used");
    return 1024 * kilobytes;
}

/* From here on the peak is a new one. */
static void reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    bool is_reset = file && fputs("5", file) >= 0;
    if (file)
        is_reset = fclose(file) == 0 && is_reset;
    bench_require(is_reset, "/proc/self/clear_refs cannot be written");
}

/* Bytes that building a list takes at its peak; with *runs also those of running it. */
static double measure_bytes(void *runs)
{
    parcel_trim();
    reset_peak();
    double before = status_bytes("VmRSS:");
    parcel_calls *calls = new_list();
    if (*(const bool *)runs)
        parcel_results_free(Parallel(.n_jobs = BENCH_WORKERS)(calls));
    double bytes = status_bytes("VmHWM:") - before;
    parcel_calls_free(calls);
    return bytes;
}

static double measure_raw_bytes(void *state)
{
    (void)state;
    reset_peak();
    double before = status_bytes("VmRSS:");
    struct raw_call *calls = map_raw_calls();
    fill(calls);
    double bytes = status_bytes("VmHWM:") - before;
    munmap(calls, N_CALLS * sizeof *calls);
    return bytes;
}

/* ---- the question ---- */

static void ask_time(struct bench *bench)
{
    struct building cold = {.is_cold = true}, warm = {.is_cold = false}, raw = {0};
    struct raw_call *calls = map_raw_calls();
    enum { COLD, WARM, FREE, RAW_COLD, RAW_WARM, RAW_FREE, N };
    struct bench_contender contenders[N] = {
        [COLD] = {.name = "list, cold", .measure = measure_build, .state = &cold},
        [WARM] = {.name = "list, warm", .measure = measure_build, .state = &warm},
        [FREE] = {.name = "free", .measure = measure_free, .state = &warm},
        [RAW_COLD] = {.name = "records, fresh pages", .measure = measure_raw_cold, .state = &raw},
        [RAW_WARM] = {.name = "records, warm", .measure = measure_raw_warm, .state = calls},
        [RAW_FREE] = {.name = "munmap", .measure = measure_free, .state = &raw},
    };
    bench_rounds(bench, contenders, N);
    const struct bench_row rows[] = {
        {"build a list, fresh pages", &contenders[COLD], &contenders[RAW_COLD], ns_a_call,
         "ns a call", BENCH_AT_MOST, 25},
        {"build a list, after another", &contenders[WARM], &contenders[RAW_WARM], ns_a_call,
         "ns a call", BENCH_AT_MOST, 25},
        {"free a list", &contenders[FREE], &contenders[RAW_FREE], ns_a_call, "ns a call",
         BENCH_NONE, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        bench_print_row(bench, &rows[i]);
    munmap(calls, N_CALLS * sizeof *calls);
}

static void ask_bytes(struct bench *bench)
{
    bool no = false, yes = true;
    enum { LIST, RUN, RAW, N };
    struct bench_contender contenders[N] = {
        [LIST] = {.name = "list", .measure = measure_bytes, .state = &no},
        [RUN] = {.name = "list and results", .measure = measure_bytes, .state = &yes},
        [RAW] = {.name = "records with results", .measure = measure_raw_bytes, .state = NULL},
    };
    bench_rounds(bench, contenders, N);
    const struct bench_row rows[] = {
        {"memory of a list", &contenders[LIST], &contenders[RAW], 1.0 / N_CALLS, "bytes/call",
         BENCH_AT_MOST, 48},
        {"memory with the run's records", &contenders[RUN], &contenders[RAW], 1.0 / N_CALLS,
         "bytes/call", BENCH_NONE, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        bench_print_row(bench, &rows[i]);
}

void question_build(struct bench *bench)
{
    bench_heading("A list of 1,000,000 calls of int f(int, int)");
    ask_time(bench);
    ask_bytes(bench);
}

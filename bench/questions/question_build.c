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

#include "memory.h"
#include "peers.h"
#include "questions.h"
#include "report.h"

DELAYED(int, empty, int, int);

enum { N_CALLS = 1000000 };
static const double ns_a_call = 1e9 / (double)N_CALLS;

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

static void build(void *state)
{
    (void)state;
    parcel_calls_free(new_list());
}

static void build_and_run(void *state)
{
    (void)state;
    parcel_calls *calls = new_list();
    parcel_results_free(Parallel(.n_jobs = BENCH_WORKERS)(calls));
    parcel_calls_free(calls);
}

static void build_raw(void *state)
{
    (void)state;
    struct raw_call *calls = map_raw_calls();
    fill(calls);
    munmap(calls, N_CALLS * sizeof *calls);
}

struct growth {
    void (*action)(void *);
};

static double measure_growth(void *state)
{
    const struct growth *growth = state;
    parcel_trim();
    return grown_by(growth->action, NULL);
}

/* ---- the question ---- */

/* Whether pages of 2 MB can be had by who asks for them: fresh memory is then cheaper. */
static bool has_huge_pages(void)
{
    char line[64] = "";
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    bool is_read = file && fgets(line, sizeof line, file);
    if (file)
        fclose(file);
    return is_read && !strstr(line, "[never]");
}

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
         "ns a call", BENCH_AT_MOST, has_huge_pages() ? 8 : 20},
        {"build a list, after another", &contenders[WARM], &contenders[RAW_WARM], ns_a_call,
         "ns a call", BENCH_AT_MOST, 4},
        {"free a list", &contenders[FREE], &contenders[RAW_FREE], ns_a_call, "ns a call",
         BENCH_AT_MOST, 0.1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        bench_print_row(bench, &rows[i]);
    munmap(calls, N_CALLS * sizeof *calls);
}

static void ask_bytes(struct bench *bench)
{
    struct growth list = {build}, run = {build_and_run}, raw = {build_raw};
    enum { LIST, RUN, RAW, N };
    struct bench_contender contenders[N] = {
        [LIST] = {.name = "list", .measure = measure_growth, .state = &list},
        [RUN] = {.name = "list and results", .measure = measure_growth, .state = &run},
        [RAW] = {.name = "records with results", .measure = measure_growth, .state = &raw},
    };
    bench_rounds(bench, contenders, N);
    const struct bench_row rows[] = {
        {"memory of a list", &contenders[LIST], &contenders[RAW], 1.0 / (double)N_CALLS,
         "bytes/call", BENCH_AT_MOST, 32},
        {"memory with the run's records", &contenders[RUN], &contenders[RAW], 1.0 / (double)N_CALLS,
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

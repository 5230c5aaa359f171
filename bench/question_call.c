/* question_call.c: what an empty call costs beside the hand-written loops. */
#include <parcel.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "loops.h"
#include "questions.h"
#include "runs.h"

DELAYED(int, empty_pair, struct pair);

enum { N_CALLS = 1000000 };
static const double ns_a_call = 1e9 / N_CALLS;

/* A static loop that writes its results apart from the calls, as a contender's state. */
struct apart {
    const struct pair *pairs;
    const struct raw_call *raw;
    int *results;
};

/* The loop that parcel_map stands for. */
static double measure_map_loop(void *state)
{
    const struct apart *apart = state;
    double start = bench_now();
#pragma omp parallel for num_threads(BENCH_WORKERS) schedule(static)
    for (size_t i = 0; i < N_CALLS; i++)
        apart->results[i] = empty_pair(apart->pairs[i]);
    return bench_now() - start;
}

/* The loop over records, with its results in fresh pages. */
static double measure_fresh_loop(void *state)
{
    const struct apart *apart = state;
    size_t size = N_CALLS * sizeof(int);
    double start = bench_now();
    int *results = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bench_require(results != MAP_FAILED, "out of memory");
#pragma omp parallel for num_threads(BENCH_WORKERS) schedule(static)
    for (size_t i = 0; i < N_CALLS; i++)
        results[i] = apart->raw[i].function(apart->raw[i].first, apart->raw[i].second);
    munmap(results, size);
    return bench_now() - start;
}

/* ---- the question ---- */

/* The calls in each form. */
struct material {
    struct pair *pairs;
    struct raw_call *raw;
    int *results;
    parcel_calls *list;
};

static void new_material(struct material *material)
{
    material->pairs = malloc(N_CALLS * sizeof *material->pairs);
    material->results = calloc(N_CALLS, sizeof *material->results);
    bench_require(material->pairs && material->results, "out of memory");
    for (int i = 0; i < N_CALLS; i++)
        material->pairs[i] = (struct pair){i, 1};
    material->raw = new_raw_calls(empty, material->pairs, N_CALLS);
    material->list = new_empty_list(material->pairs, N_CALLS);
}

static void free_material(struct material *material)
{
    free(material->pairs);
    free(material->raw);
    free(material->results);
    parcel_calls_free(material->list);
}

/* The contenders with warm memory; the loops over records come first. */
enum { MAP_LOOP = N_LOOPS, LIST, MAP, LIST_ONE, MAP_ONE, N_WARM };

static void print_warm(struct bench *bench, const struct bench_contender *contenders)
{
    static const struct {
        const char *name;
        int measured, baseline;
        double target;
    } rows[] = {
        {"list, 2 workers", LIST, LOOP_DYNAMIC_1, 2},
        {"list, 2 workers", LIST, LOOP_STATIC, 2.2},
        {"map, 2 workers", MAP, LOOP_DYNAMIC_1, 2},
        {"map, 2 workers", MAP, MAP_LOOP, 1.25},
        {"list, n_jobs = 1", LIST_ONE, LOOP_SERIAL, 2},
        {"list, n_jobs = 1", LIST_ONE, LOOP_SERIAL, 1.6},
        {"map, n_jobs = 1", MAP_ONE, LOOP_SERIAL, 1.6},
    };
    for (int i = 0; i < N_LOOPS; i++)
        bench_print_row(bench,
                        &(struct bench_row){loop_names[i], &contenders[i], &contenders[LOOP_SERIAL],
                                            ns_a_call, "ns a call", BENCH_NONE, 0});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        bench_print_row(bench,
                        &(struct bench_row){rows[i].name, &contenders[rows[i].measured],
                                            &contenders[rows[i].baseline], ns_a_call, "ns a call",
                                            BENCH_RATIO_AT_MOST, rows[i].target});
}

static void ask_warm(struct bench *bench, const struct material *material)
{
    struct loop_run loops[N_LOOPS];
    struct bench_contender contenders[N_WARM];
    struct apart apart = {material->pairs, NULL, material->results};
    const parcel_calls *map = parcel_map(empty_pair, material->pairs, N_CALLS);
    struct run list_run = {material->list, BENCH_WORKERS, N_CALLS, false},
               map_run = {map, BENCH_WORKERS, N_CALLS, false},
               list_one = {material->list, 1, N_CALLS, false}, map_one = {map, 1, N_CALLS, false};
    for (int i = 0; i < N_LOOPS; i++) {
        loops[i] = (struct loop_run){(enum loop)i, material->raw, N_CALLS};
        contenders[i] = loop_contender(&loops[i]);
    }
    contenders[MAP_LOOP] = (struct bench_contender){
        .name = "omp for static, array", .measure = measure_map_loop, .state = &apart};
    contenders[LIST] = parcel_contender("list", &list_run);
    contenders[MAP] = parcel_contender("map", &map_run);
    contenders[LIST_ONE] = parcel_contender("list, 1", &list_one);
    contenders[MAP_ONE] = parcel_contender("map, 1", &map_one);
    bench_rounds(bench, contenders, N_WARM);
    print_warm(bench, contenders);
}

static void ask_cold(struct bench *bench, const struct material *material)
{
    enum { COLD_LIST, FRESH_LOOP, N };
    struct apart apart = {NULL, material->raw, NULL};
    struct run run = {material->list, BENCH_WORKERS, N_CALLS, true};
    struct bench_contender contenders[N] = {
        [COLD_LIST] = parcel_contender("list", &run),
        [FRESH_LOOP] = {.name = "omp for static, fresh",
                        .measure = measure_fresh_loop,
                        .state = &apart},
    };
    bench_rounds(bench, contenders, N);
    bench_print_row(bench, &(struct bench_row){"list, 2 workers, fresh pages",
                                               &contenders[COLD_LIST], &contenders[FRESH_LOOP],
                                               ns_a_call, "ns a call", BENCH_RATIO_AT_MOST, 1.5});
}

void question_call(struct bench *bench)
{
    struct material material;
    new_material(&material);
    bench_heading("1,000,000 empty calls; Parcel's with results freed, records and times on");
    ask_warm(bench, &material);
    ask_cold(bench, &material);
    free_material(&material);
}

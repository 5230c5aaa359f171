/*
 * question_call.c: what an empty call costs beside the peers, and what the memory allows.
 *
 * The yardstick is the static loop: dynamic hands out at the speed at which the host's cores
 * exchange a cache line, which differs between runs.
 */
#include <parcel.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memory.h"
#include "peers.h"
#include "questions.h"
#include "report.h"
#include "runs.h"

DELAYED(int, empty_pair, struct pair);

enum { N_CALLS = 1000000 };
static const double ns_a_call = 1e9 / (double)N_CALLS;

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

/* The contenders with warm memory; the peers stand behind the serial loop, which is the first. */
enum { MAP_LOOP = MOST_PEERS + 1, LIST, MAP, LIST_ONE, MAP_ONE, N_WARM };

struct warm {
    parcel_calls mapped; /* what parcel_map makes lives no longer than its block */
    struct run list, map, list_one, map_one;
    struct apart apart;
    struct peer_run serial, runs[MOST_PEERS];
    size_t n_peers;
    struct bench_contender contenders[N_WARM];
};

static void add_peers(struct warm *warm, const struct material *material)
{
    const struct peer *peers[MOST_PEERS];
    warm->n_peers = find_peers(peers);
    warm->serial = (struct peer_run){NULL, material->raw, N_CALLS};
    warm->contenders[0] = serial_contender(&warm->serial);
    for (size_t i = 0; i < warm->n_peers; i++) {
        warm->runs[i] = warm->serial;
        warm->contenders[1 + i] = peer_contender(peers[i], &warm->runs[i]);
    }
}

/* Parcel's follow the last peer, without a gap. */
static struct bench_contender *find_contender(struct warm *warm, int which)
{
    return &warm->contenders[which < MAP_LOOP ? (size_t)which
                                              : warm->n_peers + 1 + (size_t)(which - MAP_LOOP)];
}

static void add_parcel(struct warm *warm, const struct material *material)
{
    warm->apart = (struct apart){material->pairs, NULL, material->results};
    warm->list = (struct run){material->list, {.n_jobs = BENCH_WORKERS}, N_CALLS, false, 0};
    warm->map = warm->list;
    warm->mapped = *parcel_map(empty_pair, material->pairs, N_CALLS);
    warm->map.calls = &warm->mapped;
    warm->list_one = warm->list;
    warm->map_one = warm->map;
    warm->list_one.options.n_jobs = warm->map_one.options.n_jobs = 1;
    *find_contender(warm, MAP_LOOP) = (struct bench_contender){
        .name = "omp static, array", .measure = measure_map_loop, .state = &warm->apart};
    *find_contender(warm, LIST) = parcel_contender("parcel list", &warm->list);
    *find_contender(warm, MAP) = parcel_contender("parcel map", &warm->map);
    *find_contender(warm, LIST_ONE) = parcel_contender("parcel list, 1", &warm->list_one);
    *find_contender(warm, MAP_ONE) = parcel_contender("parcel map, 1", &warm->map_one);
}

/* ---- what the memory allows ---- */

static void run_once(void *state)
{
    const struct run *run = state;
    parcel_results_free(parcel_run(&run->options, run->calls));
}

/* Bytes a call that a run in fresh memory writes. */
static double result_bytes(struct run *run)
{
    parcel_trim();
    return grown_by(run_once, run) / (double)N_CALLS;
}

static void build_list(void *pairs)
{
    parcel_calls_free(new_empty_list(pairs, N_CALLS));
}

static double list_bytes(struct pair *pairs)
{
    parcel_trim();
    return grown_by(build_list, pairs) / (double)N_CALLS;
}

/* Bytes a second that two threads read and write, copying what no cache holds. */
static double measure_copy(void *state)
{
    enum { SIZE = 1 << 27, PART = SIZE / BENCH_WORKERS };
    unsigned char *from = state, *to = from + SIZE;
    double start = bench_now();
#pragma omp parallel for num_threads(BENCH_WORKERS) schedule(static)
    for (int i = 0; i < BENCH_WORKERS; i++)
        memcpy(to + (size_t)i * PART, from + (size_t)i * PART, PART);
    return 2 * SIZE / (bench_now() - start);
}

static void ask_copy(struct bench *bench)
{
    size_t size = (size_t)1 << 28;
    unsigned char *memory = malloc(size);
    bench_require(memory != NULL, "out of memory");
    memset(memory, 1, size);
    struct bench_contender copy = {
        .name = "memcpy on 2 threads", .measure = measure_copy, .state = memory};
    bench_rounds(bench, &copy, 1);
    bench_print_row(bench, &(struct bench_row){"copy bandwidth, read and written", &copy, NULL,
                                               1e-9, "GB/s", BENCH_NONE, 0});
    free(memory);
}

/* A row of what a contender moves, by the bytes a call that it reads and writes. */
static void print_moved(struct bench *bench, const char *what, double bytes,
                        const struct bench_contender *measured)
{
    char name[64];
    struct bench_contender moved = *measured;
    for (int round = 0; round < bench->rounds; round++)
        moved.samples[round] = bytes * (double)N_CALLS / measured->samples[round];
    snprintf(name, sizeof name, "%s, %.0f bytes a call", what, bytes);
    bench_print_row(bench, &(struct bench_row){name, &moved, NULL, 1e-9, "GB/s", BENCH_NONE, 0});
}

static void print_bytes(struct bench *bench, struct warm *warm, const struct material *material)
{
    double list = list_bytes(material->pairs) + result_bytes(&warm->list);
    double map = (double)sizeof(struct pair) + result_bytes(&warm->map);
    print_moved(bench, "omp static moves", 2.0 * sizeof(struct raw_call), &warm->contenders[1]);
    print_moved(bench, "the list moves", list, find_contender(warm, LIST));
    print_moved(bench, "the map moves", map, find_contender(warm, MAP));
    ask_copy(bench);
}

/* ---- with warm and with fresh memory ---- */

static void print_warm(struct bench *bench, struct warm *warm)
{
    enum { SERIAL = 0, STATIC = 1 };
    static const struct {
        const char *name;
        int measured, baseline;
        double target;
    } rows[] = {
        {"list, 2 workers", LIST, STATIC, 2.2},
        {"map, 2 workers", MAP, MAP_LOOP, 1.25},
        {"list, n_jobs = 1", LIST_ONE, SERIAL, 1.6},
        {"map, n_jobs = 1", MAP_ONE, SERIAL, 1.6},
    };
    for (size_t i = 0; i <= warm->n_peers; i++)
        bench_print_row(bench, &(struct bench_row){warm->contenders[i].name, &warm->contenders[i],
                                                   &warm->contenders[SERIAL], ns_a_call,
                                                   "ns a call", BENCH_NONE, 0});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        bench_print_row(bench,
                        &(struct bench_row){rows[i].name, find_contender(warm, rows[i].measured),
                                            find_contender(warm, rows[i].baseline), ns_a_call,
                                            "ns a call", BENCH_RATIO_AT_MOST, rows[i].target});
}

static void ask_warm(struct bench *bench, const struct material *material)
{
    struct warm warm;
    add_peers(&warm, material);
    add_parcel(&warm, material);
    bench_rounds(bench, warm.contenders, warm.n_peers + 1 + (N_WARM - MAP_LOOP));
    print_warm(bench, &warm);
    print_bytes(bench, &warm, material);
}

static void ask_cold(struct bench *bench, const struct material *material)
{
    enum { COLD_LIST, FRESH_LOOP, N };
    struct apart apart = {NULL, material->raw, NULL};
    struct run run = {material->list, {.n_jobs = BENCH_WORKERS}, N_CALLS, true, 0};
    struct bench_contender contenders[N] = {
        [COLD_LIST] = parcel_contender("parcel list, fresh", &run),
        [FRESH_LOOP] = {.name = "omp static, fresh",
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

/*
 * worker_costs.c: what a worker process costs: its start, its crash, a large result.
 *
 * Calls say themselves what time it is, by a clock that all processes share.
 */
#include "worker_costs.h"

#include <parcel.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "python.h"
#include "report.h"

enum {
    MOST_CRASHES = 20,
    FEW_CRASHES = 4,
    LARGE_BYTES = 100000000,
    GIGABYTE = 1 << 30,
    PAGE = 4096
};

static const struct bench_team team_processes = {NULL};

/* ---- starts ---- */

static double tell_time(int number)
{
    (void)number;
    return bench_now();
}
DELAYED(double, tell_time, int);

/* Seconds from the start of a run to its call in the first worker. */
static double measure_first(void *state)
{
    int number = 0;
    double start = bench_now();
    (void)state;
    parcel_results *results =
        Parallel(.n_jobs = 1, .backend = "processes")(parcel_map(tell_time, &number, 1));
    double seconds = parcel_get(results, 0, double) - start;
    parcel_results_free(results);
    bench_require(seconds > 0, "a worker did not start");
    return seconds;
}

/* The same of a second worker, which starts when a run of one call is followed by one of two. */
static double measure_second(void *state)
{
    const int numbers[BENCH_WORKERS] = {0};
    parcel_executor *executor = parcel_open(&(parcel_options){
        .n_jobs = BENCH_WORKERS, .backend = "processes", .schedule = PARCEL_STATIC});
    (void)state;
    parcel_results_free(parcel_executor_run(executor, parcel_map(tell_time, numbers, 1)));
    double start = bench_now();
    parcel_results *results =
        parcel_executor_run(executor, parcel_map(tell_time, numbers, BENCH_WORKERS));
    double seconds = parcel_get(results, 1, double) - start;
    bench_require(parcel_results_worker(results, 1) == 1 && seconds > 0, "no worker was started");
    parcel_results_free(results);
    parcel_close(executor);
    return seconds;
}

/* ---- crashes ---- */

struct crashes {
    double *times; /* shared */
    size_t count;
};

/* Notes the time and crashes, if it is told where. */
static double crash_or_tell(double *crashed)
{
    if (!crashed)
        return bench_now();
    *crashed = bench_now();
    raise(SIGSEGV);
    return 0;
}
DELAYED(double, crash_or_tell, double *);

/* Seconds from a crash to the next call, which another process runs. */
static double measure_crash(void *state)
{
    const struct crashes *crashes = state;
    double *places[2 * MOST_CRASHES] = {NULL}, sum = 0;
    for (size_t i = 0; i < crashes->count; i++)
        places[2 * i] = &crashes->times[i];
    parcel_results *results =
        Parallel(.n_jobs = 1, .backend = "processes",
                 .on_error = PARCEL_COLLECT)(parcel_map(crash_or_tell, places, 2 * crashes->count));
    bench_require(parcel_results_failures(results) == crashes->count, "a crash was not noticed");
    for (size_t i = 0; i < crashes->count; i++)
        sum += parcel_get(results, 2 * i + 1, double) - crashes->times[i];
    parcel_results_free(results);
    return sum / (double)crashes->count;
}

/* ---- starts and crashes with much memory in the parent ---- */

/* Bytes of this process that stand in huge pages. */
static double huge_bytes(void)
{
    char line[128];
    double kilobytes = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "AnonHugePages:", strlen("AnonHugePages:")) == 0)
            kilobytes = strtod(line + strlen("AnonHugePages:"), NULL);
    if (file)
        fclose(file);
    return 1024 * kilobytes;
}

enum { FIRST, SECOND, CRASH, N_COSTS };

/* What may be promised, in milliseconds; 0: nothing. */
struct promised {
    const char *memory;
    double ms[N_COSTS];
};

static void ask_costs(struct bench *bench, struct crashes *crashes, const struct promised *promised)
{
    static const char *const names[] = {"start to first call", "a further worker's start",
                                        "crash to next call"};
    struct bench_contender contenders[N_COSTS] = {
        [FIRST] = {.name = "parcel", .measure = measure_first, .team = &team_processes},
        [SECOND] = {.name = "parcel", .measure = measure_second, .team = &team_processes},
        [CRASH] = {
            .name = "parcel", .measure = measure_crash, .state = crashes, .team = &team_processes}};
    bench_rounds(bench, contenders, N_COSTS);
    for (size_t i = 0; i < N_COSTS; i++) {
        char text[64];
        double ms = promised->ms[i];
        snprintf(text, sizeof text, "%s%s", promised->memory, names[i]);
        bench_print_row(bench, &(struct bench_row){text, &contenders[i], NULL, 1e3, "ms",
                                                   ms > 0 ? BENCH_AT_MOST : BENCH_NONE, ms});
    }
}

static void ask_large_parent(struct bench *bench, struct crashes *crashes, bool is_huge)
{
    static const struct promised promised[] = {{"4 kB pages: ", {0}},
                                               {"huge pages: ", {[SECOND] = 1}}};
    void *memory = mmap(NULL, GIGABYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bench_require(memory != MAP_FAILED, "out of memory");
    madvise(memory, GIGABYTE, is_huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    memset(memory, 1, GIGABYTE);
    if (is_huge && huge_bytes() < 0.9 * (double)GIGABYTE)
        printf("huge pages: there are none here\n");
    else
        ask_costs(bench, crashes, &promised[is_huge]);
    munmap(memory, GIGABYTE);
}

static void ask_starts(struct bench *bench)
{
    struct crashes crashes = {parcel_shared_alloc(MOST_CRASHES * sizeof(double)), MOST_CRASHES};
    bench_require(crashes.times != NULL, "out of memory");
    bench_heading("Worker processes: their starts, and their crashes");
    ask_costs(bench, &crashes, &(const struct promised){"", {[CRASH] = 1}});
    bench_heading("The same with 1 GB resident in the program");
    crashes.count = FEW_CRASHES;
    ask_large_parent(bench, &crashes, true);
    ask_large_parent(bench, &crashes, false);
    parcel_shared_free(crashes.times);
}

/* ---- a large result ---- */

/* The time of its end, which is when the result's way begins, stands in the first element. */
static parcel_array make_large(int number)
{
    double *data = malloc(LARGE_BYTES);
    bench_require(data != NULL, "out of memory");
    memset(data, number, LARGE_BYTES);
    data[0] = bench_now();
    return parcel_array(data, LARGE_BYTES / sizeof *data);
}
DELAYED(parcel_array, make_large, int);

/* Reads what stands on each page, as whoever gets data does sooner or later. */
static double read_pages(const void *data)
{
    double sum = 0;
    for (size_t i = 0; i < LARGE_BYTES; i += PAGE)
        sum += ((const unsigned char *)data)[i];
    return sum;
}

/* Seconds from the end of the call until its result was read, on a warm worker. */
static double measure_large(void *state)
{
    int number = 1;
    (void)state;
    parcel_executor *executor = parcel_open(&(parcel_options){.n_jobs = 1, .backend = "processes"});
    parcel_results *results = parcel_executor_run(executor, parcel_map(make_large, &number, 1));
    bench_require(!parcel_results_error(results), "a large result is missing");
    parcel_array array = parcel_get(results, 0, parcel_array);
    double sum = read_pages(array.data), seconds = bench_now() - *(const double *)array.data;
    parcel_results_free(results);
    parcel_close(executor);
    bench_require(sum >= 1, "a large result is wrong");
    return seconds;
}

static double measure_memcpy(void *source)
{
    double start = bench_now();
    void *copy = malloc(LARGE_BYTES);
    bench_require(copy != NULL, "out of memory");
    memcpy(copy, source, LARGE_BYTES);
    double sum = read_pages(copy), seconds = bench_now() - start;
    free(copy);
    bench_require(sum >= 1, "a copy is wrong");
    return seconds;
}

/* Python's is a call that makes it in no time, on warm workers. */
static void ask_large_result(struct bench *bench)
{
    enum { RESULT, COPY, PEERS };
    struct python_run runs[N_PYTHON_PEERS];
    void *source = malloc(LARGE_BYTES);
    bench_require(source != NULL, "out of memory");
    memset(source, 1, LARGE_BYTES);
    struct bench_contender contenders[PEERS + N_PYTHON_PEERS] = {
        {.name = "parcel", .measure = measure_large, .team = &team_processes},
        {.name = "memcpy to fresh pages",
         .measure = measure_memcpy,
         .state = source,
         .team = &team_processes}};
    size_t n = PEERS + python_contenders(
                           contenders + PEERS, runs,
                           &(struct python_runs){{JOBLIB_LOKY, "large", 1, LARGE_BYTES}, POOL_MAP});
    bench_rounds(bench, contenders, n);
    free(source);
    bench_print_row(bench,
                    &(struct bench_row){"from its call to its reader", &contenders[RESULT],
                                        &contenders[COPY], 1e3, "ms", BENCH_RATIO_AT_MOST, 1.5});
    for (size_t i = PEERS; i < n; i++) {
        char text[64];
        snprintf(text, sizeof text, "  %s", contenders[i].name);
        bench_print_row(bench, &(struct bench_row){text, &contenders[i], &contenders[COPY], 1e3,
                                                   "ms", BENCH_NONE, 0});
    }
}

void ask_worker_costs(struct bench *bench)
{
    ask_starts(bench);
    bench_heading("A result of 100 MB");
    ask_large_result(bench);
}

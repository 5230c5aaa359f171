/*
 * question_mpi.c: calls on the ranks of MPI jobs, beside loops by hand and mpi4py.futures.
 *
 * Each sample is a job of its own, which measures itself when its ranks are connected (mpi_job.c,
 * mpi_job.py). Ranks wait for processors that other ranks have: only what the host takes is a
 * disturbance.
 */
#include <stdlib.h>
#include <string.h>

#include "contest.h"
#include "costs.h"
#include "questions.h"
#include "report.h"

/* What compare was not told by configure is not there. */
#ifndef BENCH_MPIEXEC
#define BENCH_MPIEXEC ""
#define BENCH_MPI_RUN ""
#define BENCH_MPI_JOB ""
#endif

enum { MOST_CONTENDERS = 6 };

/* Calls on ranks, as a contender's state. */
struct mpi_run {
    const char *way; /* of mpi_job.c, or NULL: mpi4py.futures, in chunks */
    int chunk;
    const char *function;
    int count, steps;
    int n_ranks, n_workers; /* on each rank */
    bool is_by_tcp;
};

/* The same calls by several contenders, and what is promised of Parcel. */
struct mpi_line {
    const char *name;
    struct mpi_run calls;
    bool has_peers;
    double target; /* 0: nothing is promised */
};

static const struct bench_team team_ranks = {NULL};

static bool is_open_mpi;

/* ---- jobs ---- */

/* Writes the first line that a command prints; false: it failed or printed none. */
static bool first_line(const char *command, char *line, size_t size)
{
    fflush(NULL);
    FILE *output = popen(command, "r");
    if (!output)
        return false;
    bool is_read = fgets(line, (int)size, output) != NULL;
    if (is_read)
        line[strcspn(line, "\n")] = '\0';
    return pclose(output) == 0 && is_read;
}

static bool run_job(const struct mpi_run *run, char *answer, size_t size)
{
    char program[1024], command[2048];
    if (run->way)
        snprintf(program, sizeof program, "%s %s", BENCH_MPI_JOB, run->way);
    else
        snprintf(program, sizeof program, "%s %s/mpi_job.py %d", PYTHON, BENCH_SOURCES, run->chunk);
    if (run->is_by_tcp)
        snprintf(command, sizeof command, "%s/two_nodes.sh %s", BENCH_SOURCES, program);
    else
        snprintf(command, sizeof command, "%s %d %s", BENCH_MPI_RUN, run->n_ranks, program);
    size_t length = strlen(command);
    snprintf(command + length, sizeof command - length, " %s %d %d %d </dev/null", run->function,
             run->count, run->steps, run->way ? run->n_workers : run->n_ranks);
    return first_line(command, answer, size);
}

/* Seconds a call. */
static double measure_job(void *state)
{
    const struct mpi_run *run = state;
    char answer[256], *end;
    bench_require(run_job(run, answer, sizeof answer), "a job of MPI ranks failed");
    double seconds = strtod(answer, &end);
    bench_require(end != answer && *end == '\0' && seconds > 0, answer);
    return seconds / run->count;
}

/* Seconds a call of the loop in this process. */
static double measure_serial(void *state)
{
    const struct mpi_run *run = state;
    int sum = 0;
    double start = bench_now();
    for (int i = 0; i < run->count; i++)
        sum |= spin(run->steps, i);
    bench_require(sum >= 0, "spin is wrong");
    return (bench_now() - start) / run->count;
}

static struct bench_contender contender(const char *name, struct mpi_run *run)
{
    return (struct bench_contender){
        .name = name, .measure = measure_job, .state = run, .team = &team_ranks};
}

/* Whether jobs of that kind run here. */
static bool runs(const struct mpi_run *run)
{
    char answer[256];
    struct mpi_run few = *run;
    few.count = 2;
    few.steps = 1;
    return run_job(&few, answer, sizeof answer);
}

static bool has_mpi4py(void)
{
    static int is_there = -1;
    if (is_there < 0)
        is_there = runs(&(struct mpi_run){.chunk = 1, .function = "empty", .n_ranks = 2});
    return is_there;
}

/* ---- lines ---- */

struct mpi_contest {
    size_t count;
    struct mpi_run runs[MOST_CONTENDERS];
    struct bench_contender contenders[MOST_CONTENDERS]; /* Parcel's first, the serial loop last */
};

static void add(struct mpi_contest *contest, const char *name, struct mpi_run run)
{
    contest->runs[contest->count] = run;
    contest->contenders[contest->count] = contender(name, &contest->runs[contest->count]);
    contest->count++;
}

/* Python's take so long that some of the calls have to do. */
static void add_mpi4py(struct mpi_contest *contest, struct mpi_run run)
{
    enum { ENOUGH = 1000 };
    run.way = NULL;
    run.count = run.count < ENOUGH ? run.count : ENOUGH;
    run.chunk = 1;
    add(contest, "mpi4py.futures", run);
    run.chunk = 32;
    add(contest, "mpi4py.futures, by 32", run);
}

static void open_contest(struct mpi_contest *contest, const struct mpi_line *line)
{
    struct mpi_run run = line->calls;
    contest->count = 0;
    run.way = "parcel";
    add(contest, "parcel", run);
    if (!line->has_peers)
        return;
    run.way = "static";
    add(contest, "static, by hand", run);
    run.way = "manager";
    add(contest, "manager, by hand", run);
    if (has_mpi4py() && !run.is_by_tcp)
        add_mpi4py(contest, run);
}

static void print_contest(struct bench *bench, const struct mpi_line *line,
                          const struct mpi_contest *contest, struct bench_row form)
{
    for (size_t i = 0; i < contest->count; i++) {
        char text[64];
        struct bench_row row = form;
        snprintf(text, sizeof text, i == 0 ? "%s" : "  %s",
                 i == 0 ? line->name : contest->contenders[i].name);
        row.name = text;
        row.measured = &contest->contenders[i];
        row.baseline = NULL;
        row.target = line->target;
        if (i > 0 || line->target == 0)
            row.promise = BENCH_NONE;
        bench_print_row(bench, &row);
    }
}

static void ask_empty(struct bench *bench)
{
    const struct mpi_line line = {"empty calls, 2 ranks",
                                  {.function = "empty",
                                   .count = bench->is_quick ? 100000 : 1000000,
                                   .n_ranks = 2,
                                   .n_workers = 1},
                                  true,
                                  300};
    struct mpi_contest contest;
    open_contest(&contest, &line);
    for (size_t i = 0; i < contest.count; i++)
        if (strcmp(contest.contenders[i].name, "manager, by hand") == 0)
            contest.runs[i].count /= 10;
    bench_rounds(bench, contest.contenders, contest.count);
    print_contest(bench, &line, &contest,
                  (struct bench_row){.scale = 1e9, .unit = "ns a call", .promise = BENCH_AT_MOST});
}

/* Efficiency on the cores that the ranks have. */
static void ask_efficiency(struct bench *bench, const struct mpi_line *line)
{
    struct mpi_contest contest;
    open_contest(&contest, line);
    struct mpi_run serial = line->calls;
    struct bench_contender *last = &contest.contenders[contest.count];
    *last = contender("serial", &serial);
    last->measure = measure_serial;
    bench_rounds(bench, contest.contenders, contest.count + 1);
    turn_into_efficiencies(bench, last, contest.contenders, contest.count,
                           1.0 / (double)BENCH_WORKERS);
    print_contest(bench, line, &contest,
                  (struct bench_row){.scale = 1e2, .unit = "% of 2", .promise = BENCH_AT_LEAST});
}

static void ask_lengths(struct bench *bench)
{
    int part = bench->is_quick ? 2 : 1;
    const struct mpi_run hundred = {.function = "spin",
                                    .count = 4000 / part,
                                    .steps = steps_of(100e-6),
                                    .n_ranks = 2,
                                    .n_workers = 1};
    struct mpi_run on_one = hundred, on_four = hundred, thousand = hundred, rising;
    on_one.n_ranks = 1;
    on_one.n_workers = 2;
    on_four.n_ranks = 4;
    thousand.count = 600 / part;
    thousand.steps = steps_of(1e-3);
    rising = thousand;
    rising.function = "rise";
    const struct mpi_line lines[] = {
        {"100 us, 2 ranks", hundred, true, 93},
        {"100 us, 1 rank x 2 workers", on_one, false, 95},
        {"100 us, 4 ranks on 2 cpus", on_four, true, is_open_mpi ? 85 : 70},
        {"1 ms, 2 ranks", thousand, true, 95},
        {"1 ms in the mean, rising", rising, true, 0}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ask_efficiency(bench, &lines[i]);
}

/* ---- two nodes ---- */

static void ask_tcp(struct bench *bench)
{
    const struct mpi_line line = {"1 ms, 2 ranks by TCP",
                                  {.function = "spin",
                                   .count = bench->is_quick ? 300 : 600,
                                   .steps = steps_of(1e-3),
                                   .n_ranks = 2,
                                   .n_workers = 1,
                                   .is_by_tcp = true},
                                  true,
                                  90};
    struct mpi_run first = line.calls;
    first.way = "static";
    if (runs(&first))
        ask_efficiency(bench, &line);
}

/* ---- a large result ---- */

/* What the receiver's fresh pages cost is in Parcel's time and in that of its baseline. */
static void ask_array(struct bench *bench)
{
    static const double least_bandwidth = 0.7;
    struct mpi_run run = {.way = "parcel-array",
                          .function = "array",
                          .count = 2,
                          .steps = 100000000,
                          .n_ranks = 2,
                          .n_workers = 1},
                   fresh = run, warm = run;
    fresh.way = "send-fresh";
    warm.way = "send-warm";
    struct bench_contender contenders[] = {contender("parcel", &run),
                                           contender("MPI_Send, fresh memory", &fresh),
                                           contender("MPI_Send, warm memory", &warm)};
    bench_rounds(bench, contenders, 3);
    const struct bench_row rows[] = {{"a result of 100 MB", &contenders[0], &contenders[1],
                                      1e3 * run.count, "ms", BENCH_RATIO_AT_MOST,
                                      1 / least_bandwidth},
                                     {"a result of 100 MB", &contenders[0], &contenders[2],
                                      1e3 * run.count, "ms", BENCH_NONE, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        bench_print_row(bench, &rows[i]);
}

/* ---- the question ---- */

void question_mpi(struct bench *bench)
{
    char version[64], heading[128];
    int rounds = bench->rounds;
    if (!*BENCH_MPI_JOB || !first_line(BENCH_MPI_JOB " version", version, sizeof version)) {
        bench_heading("Calls on MPI ranks: not asked, since configure found no MPI");
        return;
    }
    is_open_mpi = strncmp(version, "Open MPI", strlen("Open MPI")) == 0;
    setenv("MPIEXEC", BENCH_MPIEXEC, 1); /* for two_nodes.sh */
    setenv("BENCH_FUNCTIONS", BENCH_FUNCTIONS, 1);
    bench->is_crowded = true;
    bench->rounds = bench->is_quick ? 3 : 7; /* a job takes half a second to begin */
    snprintf(heading, sizeof heading, "Calls on MPI ranks: %s, %d rounds", version, bench->rounds);
    bench_heading(heading);
    ask_empty(bench);
    ask_lengths(bench);
    ask_tcp(bench);
    ask_array(bench);
    bench->rounds = rounds;
    bench->is_crowded = false;
}

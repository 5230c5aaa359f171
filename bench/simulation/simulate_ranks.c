/*
 * simulate_ranks.c: how the backend mpi would do on 10 to 100,000 ranks.
 *
 *     ./simulate ranks [csv] [message=US] [byte=NS] [latency=US] [look=US] [record=NS]
 *                [result=BYTES] [fan_out=N] [window=MS] [parts=N] [patience=N] [ahead=N]
 * [workers=N] [work=MS]
 *
 * What messages cost here, bench/message_costs prints in these words. Without them the figures are
 * those of TCP between two network namespaces of one machine. The first tables compare rank 0,
 * which deals to all, with a tree; the last looks for the fan-out. An efficiency that rank 0
 * cannot reach even if it does nothing but take results is given as such.
 */
#include "simulate_ranks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rank_simulation.h"

static const int counts[] = {10, 100, 1000, 10000, 100000};
static const int fan_outs[] = {4, 8, 16, 32, 64, 128, 256};
static const struct length {
    const char *name;
    double seconds;
} lengths[] = {{"1 us", 1e-6},   {"10 us", 10e-6},   {"100 us", 100e-6}, {"1 ms", 1e-3},
               {"10 ms", 10e-3}, {"100 ms", 100e-3}, {"1 s", 1}};

enum {
    N_COUNTS = sizeof counts / sizeof *counts,
    N_FAN_OUTS = sizeof fan_outs / sizeof *fan_outs,
    N_LENGTHS = sizeof lengths / sizeof *lengths,
    FIRST_LOGNORMAL = 2,   /* shorter ones are like equal ones: many are dealt at once */
    N_CELLS = 2 * N_COUNTS /* a line: flat, then the tree */
};

struct settings {
    struct rank_costs costs;
    struct rank_policy policy;
    int n_workers;
    double work;
    bool csv;
};

/* ---- the command line ---- */

static bool set_count(const char *word, size_t length, double number, struct settings *settings)
{
    const struct {
        const char *name;
        int *count;
    } known[] = {{"hurry", &settings->policy.hurry},
                 {"fan_out", &settings->policy.fan_out},
                 {"parts", &settings->policy.parts},
                 {"ahead", &settings->policy.ahead},
                 {"workers", &settings->n_workers}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].name) != length || memcmp(known[i].name, word, length) != 0)
            continue;
        *known[i].count = (int)number;
        return number >= (i > 0) && number <= 1e6;
    }
    return false;
}

static bool set_cost(const char *word, size_t length, double number, struct settings *settings)
{
    const struct {
        const char *name;
        double *cost;
        double unit;
    } known[] = {
        {"message", &settings->costs.message, 1e-6}, {"latency", &settings->costs.latency, 1e-6},
        {"look", &settings->costs.look, 1e-6},       {"byte", &settings->costs.byte, 1e-9},
        {"record", &settings->costs.record, 1e-9},   {"result", &settings->costs.result, 1},
        {"window", &settings->policy.window, 1e-3},  {"work", &settings->work, 1e-3}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].name) != length || memcmp(known[i].name, word, length) != 0)
            continue;
        *known[i].cost = known[i].unit * number;
        return number >= 0;
    }
    return false;
}

static bool read_word(struct settings *settings, const char *word)
{
    const char *sign = strchr(word, '=');
    char *end;
    if (!sign)
        return settings->csv = strcmp(word, "csv") == 0;
    double number = strtod(sign + 1, &end);
    size_t length = (size_t)(sign - word);
    return end != sign + 1 && *end == '\0' &&
           (set_count(word, length, number, settings) || set_cost(word, length, number, settings));
}

/* ---- the tables ---- */

/* What is below this is not simulated, but said to be below it. */
static const double hopeless = 0.05;

/* The efficiency at which rank 0 does nothing but take results; no run has a better one. */
static double bound_by_rank_0(const struct settings *settings, double call, int n_ranks,
                              int fan_out)
{
    const struct rank_costs *costs = &settings->costs;
    double part = settings->policy.window / settings->policy.parts;
    double messages = fan_out < n_ranks ? 0 : 2 * costs->message / (part > call ? part / call : 1);
    double each = costs->record + costs->byte * costs->result + messages;
    return call / (n_ranks * settings->n_workers * each);
}

static struct rank_outcome simulate(const struct settings *settings, const struct length *length,
                                    bool is_lognormal, int n_ranks, int fan_out)
{
    struct rank_policy policy = settings->policy;
    double bound = bound_by_rank_0(settings, length->seconds, n_ranks, fan_out);
    policy.fan_out = fan_out;
    if (bound < hopeless)
        return (struct rank_outcome){bound, 1, 0};
    return simulate_on_ranks(&(struct rank_run){.n_ranks = n_ranks,
                                                .n_workers = settings->n_workers,
                                                .call = length->seconds,
                                                .is_lognormal = is_lognormal,
                                                .work = settings->work},
                             &policy, &settings->costs);
}

/* A field of the tables: efficiency, and rank 0's load in percent. */
static void put_outcome(const struct rank_outcome *outcome)
{
    if (outcome->efficiency < hopeless)
        printf("  < %4.2f      ", hopeless);
    else
        printf("  %5.3f %3.0f %%", outcome->efficiency, 100 * outcome->load);
}

static void print_heading(const struct settings *settings, const char *what, const char *first)
{
    printf("\n%s: efficiency, and rank 0's load by messages; %d worker%s a rank\n%-13s%-6s", what,
           settings->n_workers, settings->n_workers == 1 ? "" : "s", first, "ranks");
    for (int i = 0; i < N_COUNTS; i++)
        printf("  %11d", counts[i]);
    putchar('\n');
}

static void print_row(const struct length *length, const struct rank_outcome *outcomes)
{
    for (int i = 0; i < N_CELLS; i++) {
        bool is_tree = i >= N_COUNTS;
        if (i == 0 || i == N_COUNTS)
            printf("%-13s%-6s", is_tree ? "" : length->name, is_tree ? "tree" : "flat");
        put_outcome(&outcomes[i]);
        if (i == N_COUNTS - 1 || i == N_CELLS - 1)
            putchar('\n');
    }
    fflush(stdout);
}

static void put_rows(const struct settings *settings, const struct length *length,
                     const char *shape, const struct rank_outcome *outcomes)
{
    for (int i = 0; i < N_CELLS; i++)
        printf("%s,%s,%d,%d,%.4f,%.4f,%.6f\n", length->name, shape, counts[i % N_COUNTS],
               i < N_COUNTS ? 0 : settings->policy.fan_out, outcomes[i].efficiency,
               outcomes[i].load, outcomes[i].roll_call);
}

static void ask_lengths(const struct settings *settings, bool is_lognormal)
{
    if (!settings->csv)
        print_heading(settings, is_lognormal ? "Calls of lognormal lengths" : "Equal calls",
                      "a call takes");
    for (int row = is_lognormal ? FIRST_LOGNORMAL : 0; row < N_LENGTHS; row++) {
        struct rank_outcome outcomes[N_CELLS];
#pragma omp parallel for schedule(dynamic, 1)
        for (int i = N_CELLS - 1; i >= 0; i--) {
            int n_ranks = counts[i % N_COUNTS];
            outcomes[i] = simulate(settings, &lengths[row], is_lognormal, n_ranks,
                                   i < N_COUNTS ? n_ranks : settings->policy.fan_out);
        }
        if (settings->csv)
            put_rows(settings, &lengths[row], is_lognormal ? "lognormal" : "equal", outcomes);
        else
            print_row(&lengths[row], outcomes);
    }
}

/* Every fan-out with the length at which dealing is hardest and calls still repay the ranks. */
static void ask_fan_outs(const struct settings *settings)
{
    static const struct length length = {"1 ms", 1e-3};
    struct rank_outcome outcomes[N_FAN_OUTS][N_COUNTS];
#pragma omp parallel for schedule(dynamic, 1)
    for (int i = N_FAN_OUTS * N_COUNTS - 1; i >= 0; i--)
        outcomes[i % N_FAN_OUTS][i / N_FAN_OUTS] =
            simulate(settings, &length, true, counts[i / N_FAN_OUTS], fan_outs[i % N_FAN_OUTS]);
    print_heading(settings, "A tree, lognormal calls of 1 ms", "fan-out");
    for (int row = 0; row < N_FAN_OUTS; row++) {
        printf("%-19d", fan_outs[row]);
        for (int i = 0; i < N_COUNTS; i++)
            put_outcome(&outcomes[row][i]);
        printf("\n%19s", "roll call");
        for (int i = 0; i < N_COUNTS; i++)
            printf("  %8.2f ms", 1e3 * outcomes[row][i].roll_call);
        putchar('\n');
    }
}

static void print_settings(const struct settings *settings)
{
    const struct rank_costs *costs = &settings->costs;
    const struct rank_policy *policy = &settings->policy;
    printf("Simulated with message=%.2f us, byte=%.3f ns, latency=%.2f us, look=%.0f us, "
           "record=%.1f ns,\nresult=%.0f bytes, window=%.1f ms in parts=%d, ahead=%d, "
           "merge=%.2f ms,\nhurry=%d, fan_out=%d; work=%.0f ms a worker, at least 50 calls\n",
           1e6 * costs->message, 1e9 * costs->byte, 1e6 * costs->latency, 1e6 * costs->look,
           1e9 * costs->record, costs->result, 1e3 * policy->window, policy->parts, policy->ahead,
           1e3 * policy->merge, policy->hurry, policy->fan_out, 1e3 * settings->work);
}

int simulate_ranks(char **words)
{
    struct settings settings = {
        {3e-6, 1.1e-9, 5e-6, 50e-6, 5e-9, 13},
        {.fan_out = 32, .window = 4e-3, .parts = 4, .ahead = 2, .merge = 0.5e-3, .hurry = 1},
        1,
        50e-3,
        false};
    for (; *words; words++)
        if (!read_word(&settings, *words)) {
            fprintf(stderr, "simulate ranks: %s is unknown or out of range\n", *words);
            return 2;
        }
    if (settings.csv)
        puts("calls,shape,ranks,fan_out,efficiency,load,roll_call");
    else
        print_settings(&settings);
    ask_lengths(&settings, false);
    ask_lengths(&settings, true);
    if (!settings.csv)
        ask_fan_outs(&settings);
    return 0;
}

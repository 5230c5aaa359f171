/*
 * simulate.c: how the scheduler would do on machines with 1 to 1024 workers.
 *
 *     ./simulate [csv] [calls=1000] [call=NS] [claim=NS] [transfer=NS] [turn=NS] [scan=NS]
 *                [clock=NS] [ticks=NS]
 *     ./simulate ranks ...            of MPI: simulate_ranks.c
 *
 * What its steps cost is measured at the start, and may be given for other machines, in
 * nanoseconds. Efficiency is the least time that so many workers can take, max(total / workers, the
 * longest call), over the time that the simulated run takes. The runtime's own fork and join are
 * not simulated, nor are slower lines between sockets. Below each line stands a loop that hands out
 * one call after the other by one counter, for which no clock is read.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "costs.h"
#include "harness.h"
#include "simulate_ranks.h"
#include "simulation.h"

enum shape_of_row { EQUAL, LOGNORMAL, GIANT_LAST };

static const struct row {
    const char *name;
    double mean;
    enum shape_of_row shape;
} rows[] = {{"100 ns", 100e-9, EQUAL},
            {"1 us", 1e-6, EQUAL},
            {"10 us", 10e-6, EQUAL},
            {"100 us", 100e-6, EQUAL},
            {"1 ms", 1e-3, EQUAL},
            {"10 ms", 10e-3, EQUAL},
            {"100 ms", 100e-3, EQUAL},
            {"1 s", 1, EQUAL},
            {"10 us, lognormal", 10e-6, LOGNORMAL},
            {"10 us, giant last", 10e-6, GIANT_LAST}};

enum { N_ROWS = sizeof rows / sizeof *rows };

struct settings {
    struct dispatch_costs costs;
    int calls; /* of each worker */
    bool csv;
};

/* ---- the command line ---- */

/* The cost with that name, or NULL. */
static double *find_cost(struct dispatch_costs *costs, const char *name, size_t length)
{
    const struct {
        const char *name;
        double *cost;
    } known[] = {{"call", &costs->call},  {"claim", &costs->claim}, {"transfer", &costs->transfer},
                 {"turn", &costs->turn},  {"scan", &costs->scan},   {"clock", &costs->clock},
                 {"ticks", &costs->ticks}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == length && memcmp(known[i].name, name, length) == 0)
            return known[i].cost;
    return NULL;
}

/* False when the word is not one that is known. */
static bool read_word(struct settings *settings, const char *word)
{
    const char *sign = strchr(word, '=');
    char *end;
    if (!sign)
        return settings->csv = strcmp(word, "csv") == 0;
    double number = strtod(sign + 1, &end);
    double *cost = find_cost(&settings->costs, word, (size_t)(sign - word));
    if (cost)
        *cost = 1e-9 * number;
    else if (strncmp(word, "calls=", 6) == 0)
        settings->calls = (int)number;
    else
        return false;
    return *end == '\0' && (cost ? number > 0 : number >= 1 && number <= 1e5);
}

/* ---- the calls ---- */

/* The seconds of all calls before each. */
static double *sum_up(double *costs, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = 0; i <= count; i++) {
        double cost = i < count ? costs[i] : 0;
        costs[i] = sum;
        sum += cost;
    }
    return costs;
}

/* The hardest giant: as long as a worker's fair share of everything. */
static void fill_giant_last(double *costs, uint32_t count, int n_workers, double mean)
{
    for (uint32_t i = 0; i < count; i++)
        costs[i] = mean;
    if (n_workers > 1)
        costs[count - 1] = mean * (count - 1) / (n_workers - 1);
}

static double longest_of(const double *costs, uint32_t count)
{
    double longest = 0;
    for (uint32_t i = 0; i < count; i++)
        longest = costs[i] > longest ? costs[i] : longest;
    return longest;
}

/* The costs in calls->before are new. */
static struct simulation_calls new_calls(const struct row *row, uint32_t count, int n_workers)
{
    if (row->shape == EQUAL)
        return (struct simulation_calls){count, row->mean, NULL, row->mean};
    double *costs = malloc((count + (size_t)1) * sizeof *costs);
    bench_require(costs != NULL, "out of memory");
    if (row->shape == LOGNORMAL)
        fill_costs(SHAPE_LOGNORMAL, costs, count, row->mean);
    else
        fill_giant_last(costs, count, n_workers, row->mean);
    double longest = longest_of(costs, count);
    return (struct simulation_calls){count, row->mean, sum_up(costs, count), longest};
}

/* ---- the table ---- */

struct outcome {
    double ranges, counter; /* efficiencies */
};

static struct outcome simulate(const struct settings *settings, const struct row *row,
                               int n_workers)
{
    uint32_t count = (uint32_t)settings->calls * (uint32_t)n_workers;
    struct simulation_calls calls = new_calls(row, count, n_workers);
    double least = simulation_duration(&calls, 0, count) / n_workers;
    least = calls.longest > least ? calls.longest : least;
    struct outcome outcome = {least / simulate_ranges(&calls, n_workers, &settings->costs),
                              least / simulate_counter(&calls, n_workers, &settings->costs)};
    free((void *)(uintptr_t)calls.before);
    return outcome;
}

static void print_csv(const struct settings *settings)
{
    printf("calls,workers,ranges,counter\n");
    for (int i = 0; i < N_ROWS; i++)
        for (int n_workers = 1; n_workers <= SIMULATION_MOST_WORKERS; n_workers *= 2) {
            struct outcome outcome = simulate(settings, &rows[i], n_workers);
            printf("\"%s\",%d,%.4f,%.4f\n", rows[i].name, n_workers, outcome.ranges,
                   outcome.counter);
        }
}

static void print_row(const struct settings *settings, const struct row *row)
{
    struct outcome outcomes[16];
    int count = 0;
    for (int n_workers = 1; n_workers <= SIMULATION_MOST_WORKERS; n_workers *= 2)
        outcomes[count++] = simulate(settings, row, n_workers);
    printf("%-18s ranges ", row->name);
    for (int i = 0; i < count; i++)
        printf(" %5.3f", outcomes[i].ranges);
    printf("\n%-18s counter", "");
    for (int i = 0; i < count; i++)
        printf(" %5.3f", outcomes[i].counter);
    putchar('\n');
    fflush(stdout);
}

static void print_table(const struct settings *settings)
{
    const struct dispatch_costs *costs = &settings->costs;
    printf("Simulated with, in ns: call=%.1f claim=%.1f transfer=%.1f turn=%.1f scan=%.1f "
           "clock=%.1f ticks=%.1f\n",
           1e9 * costs->call, 1e9 * costs->claim, 1e9 * costs->transfer, 1e9 * costs->turn,
           1e9 * costs->scan, 1e9 * costs->clock, 1e9 * costs->ticks);
    printf("\nEfficiency, %d calls a worker\n%-18s workers", settings->calls, "a call takes");
    for (int n_workers = 1; n_workers <= SIMULATION_MOST_WORKERS; n_workers *= 2)
        printf(" %5d", n_workers);
    putchar('\n');
    for (int i = 0; i < N_ROWS; i++)
        print_row(settings, &rows[i]);
}

/* False when the command line is wrong. */
static bool read_command_line(struct settings *settings, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!read_word(settings, argv[i]))
            return false;
    return true;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "ranks") == 0)
        return simulate_ranks(argv + 2);
    struct settings settings = {measure_dispatch_costs(), 1000, false};
    if (!read_command_line(&settings, argc, argv)) {
        fprintf(stderr,
                "usage: %s [csv] [calls=N] [call|claim|transfer|turn|scan|clock|ticks=NS]...\n",
                argv[0]);
        return 2;
    }
    if (settings.csv)
        print_csv(&settings);
    else
        print_table(&settings);
    return 0;
}

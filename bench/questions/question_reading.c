/*
 * question_reading.c: what it costs to read results, and to print them.
 *
 * The baseline of reading is the same of an array by hand; that of printing is fprintf, which does
 * not find the shortest digits.
 */
#include <parcel.h>
#include <stdint.h>
#include <stdlib.h>

#include "functions.h"
#include "questions.h"
#include "report.h"

DELAYED(int, empty, int, int);

enum { N_CALLS = 1000000, N_NUMBERS = 200000, STRIDE = 611953 };

static double numbers[N_NUMBERS];
static volatile double sink;

static parcel_array all_numbers(int unused)
{
    double *copy = malloc(sizeof numbers);
    (void)unused;
    bench_require(copy != NULL, "out of memory");
    for (int i = 0; i < N_NUMBERS; i++)
        copy[i] = numbers[i];
    return parcel_array(copy, N_NUMBERS);
}
DELAYED(parcel_array, all_numbers, int);

static double read_values(void *results)
{
    double sum = 0, start = bench_now();
    for (size_t i = 0; i < N_CALLS; i++)
        sum += parcel_get(results, i, int);
    sink = sum;
    return bench_now() - start;
}

static double read_durations(void *results)
{
    double sum = 0, start = bench_now();
    for (size_t i = 0; i < N_CALLS; i++)
        sum += parcel_results_duration(results, i);
    sink = sum;
    return bench_now() - start;
}

static double read_at_random(void *results)
{
    double sum = 0, start = bench_now();
    for (size_t n = 0, i = 0; n < N_CALLS; n++, i = (i + STRIDE) % N_CALLS)
        sum += parcel_results_duration(results, i);
    sink = sum;
    return bench_now() - start;
}

static double read_records(void *results)
{
    parcel_record record;
    double sum = 0, start = bench_now();
    for (size_t i = 0; i < N_CALLS; i++)
        if (parcel_results_record(results, i, &record))
            sum += record.duration;
    sink = sum;
    return bench_now() - start;
}

static void ask_records(struct bench *bench)
{
    const double ns = 1e9 / (double)N_CALLS;
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < N_CALLS; i++)
        parcel_calls_add(calls, delayed(empty)(i, 1));
    parcel_results *results = Parallel(.n_jobs = BENCH_WORKERS)(calls);
    bench_require(!parcel_results_error(results), "a run failed");
    struct bench_contender readers[] = {
        {.name = "parcel_get", .measure = read_values, .state = results},
        {.name = "parcel_results_duration", .measure = read_durations, .state = results},
        {.name = "the same, at random", .measure = read_at_random, .state = results},
        {.name = "parcel_results_record", .measure = read_records, .state = results}};
    const struct bench_row rows[] = {
        {"read values", &readers[0], NULL, ns, "ns a call", BENCH_AT_MOST, 40},
        {"durations in order", &readers[1], NULL, ns, "ns a call", BENCH_AT_MOST, 20},
        {"durations at random", &readers[2], NULL, ns, "ns a call", BENCH_AT_MOST, 100},
        {"whole records in order", &readers[3], NULL, ns, "ns a call", BENCH_AT_MOST, 20}};
    bench_rounds(bench, readers, sizeof readers / sizeof *readers);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        bench_print_row(bench, &rows[i]);
    parcel_results_free(results);
    parcel_calls_free(calls);
}

/* ---- printing, in seconds a byte ---- */

static double seconds_a_byte(FILE *file, double start)
{
    double seconds = bench_now() - start;
    long size = ftell(file);
    fclose(file);
    bench_require(size > N_NUMBERS, "nothing was printed");
    return seconds / (double)size;
}

static double print_results(void *results)
{
    FILE *file = tmpfile();
    bench_require(file != NULL, "no file");
    double start = bench_now();
    bench_require(parcel_results_print(results, file), "not printed");
    return seconds_a_byte(file, start);
}

static double print_by_hand(void *unused)
{
    FILE *file = tmpfile();
    (void)unused;
    bench_require(file != NULL, "no file");
    double start = bench_now();
    for (int i = 0; i < N_NUMBERS; i++)
        fprintf(file, "%.17g, ", numbers[i]);
    return seconds_a_byte(file, start);
}

static void ask_printing(struct bench *bench)
{
    uint64_t state = 1;
    for (int i = 0; i < N_NUMBERS; i++) {
        state = state * UINT64_C(6364136223846793005) + 1;
        numbers[i] = (double)(state >> 11) * 0x1p-53;
    }
    int argument = 0;
    parcel_results *results = Parallel(.n_jobs = 1)(parcel_map(all_numbers, &argument, 1));
    bench_require(!parcel_results_error(results), "a run failed");
    struct bench_contender printers[] = {
        {.name = "parcel_results_print", .measure = print_results, .state = results},
        {.name = "fprintf %.17g", .measure = print_by_hand}};
    bench_rounds(bench, printers, 2);
    bench_print_row(bench, &(struct bench_row){"print an array of doubles", &printers[0],
                                               &printers[1], 1e9, "ns a byte", BENCH_AT_MOST, 20});
    parcel_results_free(results);
}

void question_reading(struct bench *bench)
{
    bench_heading("Reading and printing results (20 ns a byte: 50 MB/s)");
    ask_records(bench);
    ask_printing(bench);
}

/* question_memory.c: how much memory ten million calls take, in a process that does nothing else.
 */
#include <parcel.h>
#include <stdio.h>
#include <unistd.h>

#include "functions.h"
#include "memory.h"
#include "questions.h"
#include "report.h"

DELAYED(int, empty, int, int);

enum { N_CALLS = 10000000 };

int print_peak(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < N_CALLS; i++)
        parcel_calls_add(calls, delayed(empty)(i, 1));
    double listed = peak_bytes();
    parcel_results *results = Parallel(.n_jobs = BENCH_WORKERS)(calls);
    bool is_right = parcel_get(results, N_CALLS - 1, int) == N_CALLS;
    printf("%.0f %.0f\n", listed, peak_bytes());
    parcel_results_free(results);
    parcel_calls_free(calls);
    return is_right ? 0 : 1;
}

/* Runs this program again for print_peak. */
static void ask_process(double *listed, double *peak)
{
    char command[64];
    snprintf(command, sizeof command, "exec /proc/%ld/exe " PEAK_OPTION, (long)getpid());
    FILE *process = popen(command, "r");
    bool is_read = process && fscanf(process, "%lf %lf", listed, peak) == 2;
    bench_require(is_read && pclose(process) == 0, "the process that measures memory failed");
}

void question_memory(struct bench *bench)
{
    struct bench_contender list = {.name = "parcel list"}, run = {.name = "parcel run"};
    ask_process(&list.samples[0], &run.samples[0]);
    for (int round = 1; round < bench->rounds; round++) { /* it is asked once */
        list.samples[round] = list.samples[0];
        run.samples[round] = run.samples[0];
    }
    bench_heading("Peak memory of 10,000,000 calls of int f(int, int), in one process");
    const struct bench_row rows[] = {
        {"the list", &list, NULL, 0x1p-20, "MiB", BENCH_NONE, 0},
        {"the list and its results", &run, NULL, 0x1p-20, "MiB", BENCH_AT_MOST, 1024},
        {"a call", &run, NULL, 1.0 / (double)N_CALLS, "bytes", BENCH_NONE, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        bench_print_row(bench, &rows[i]);
}

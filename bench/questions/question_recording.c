/* question_recording.c: what it costs that longer calls have each their own measured time. */
#include <stdlib.h>

#include "contest.h"
#include "costs.h"
#include "questions.h"

/* What is to be reached with the times of all calls measured, which is the default. */
static const struct {
    double length, floor;
    const char *name;
} lengths[] = {
    {1e-6, 0.95, "1 us"}, {2e-6, 0.97, "2 us"}, {5e-6, 0.98, "5 us"}, {10e-6, 0.98, "10 us"}};

enum { N_LENGTHS = sizeof lengths / sizeof *lengths, MOST_CALLS = 40000 };
enum { SERIAL, ON, OFF, N };

/* A list with and without a time for each call, and the same calls by hand. */
struct recording {
    parcel_calls *calls;
    struct raw_call *raw;
    struct run on, off;
    struct peer_run serial;
    struct bench_contender contenders[N];
};

static void new_recording(struct recording *recording, const struct pair *pairs, size_t count)
{
    int last = spin_pair(pairs[count - 1]);
    recording->calls = new_spin_list(pairs, count);
    recording->raw = new_raw_calls(spin, pairs, count);
    recording->serial = (struct peer_run){NULL, recording->raw, count};
    recording->on = (struct run){recording->calls, {.n_jobs = BENCH_WORKERS}, last, false, 0};
    recording->off = recording->on;
    recording->off.options.timing = PARCEL_NO;
    recording->contenders[SERIAL] = serial_contender(&recording->serial);
    recording->contenders[ON] = parcel_contender("timing on", &recording->on);
    recording->contenders[OFF] = parcel_contender("timing off", &recording->off);
}

static void free_recording(struct recording *recording)
{
    parcel_calls_free(recording->calls);
    free(recording->raw);
}

static void print_rows(struct bench *bench, struct recording *recording, size_t length,
                       size_t count)
{
    char name[64];
    struct bench_contender *on = &recording->contenders[ON];
    snprintf(name, sizeof name, "%s, beside timing off", lengths[length].name);
    bench_print_row(bench,
                    &(struct bench_row){name, on, &recording->contenders[OFF], 1e6 / (double)count,
                                        "us a call", BENCH_RATIO_AT_MOST, 1.05});
    turn_into_efficiencies(bench, &recording->contenders[SERIAL], on, 1,
                           1.0 / (double)BENCH_WORKERS);
    snprintf(name, sizeof name, "%s, efficiency", lengths[length].name);
    bench_print_row(
        bench, &(struct bench_row){name, on, NULL, 1, "", BENCH_AT_LEAST, lengths[length].floor});
}

void question_recording(struct bench *bench)
{
    struct pair *pairs = new_pairs(MOST_CALLS);
    bench_heading("Lists whose calls have each their own measured time");
    for (size_t i = 0; i < N_LENGTHS; i++) {
        struct recording recording;
        size_t count = (size_t)((bench->is_quick ? 20e-3 : 40e-3) / lengths[i].length);
        fill_equal(lengths[i].length, pairs, count);
        new_recording(&recording, pairs, count);
        bench_rounds(bench, recording.contenders, N);
        print_rows(bench, &recording, i, count);
        free_recording(&recording);
    }
    free(pairs);
}

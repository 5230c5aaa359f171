/* question_python.c: the original, and Python's own pool, beside Parcel. */
#include <stdlib.h>

#include "contest.h"
#include "contest.h"
#include "costs.h"
#include "python.h"
#include "questions.h"

/* The list and the serial loop stand behind the peers. */
struct python_contest {
    size_t n_peers;
    struct python_run runs[N_PYTHON_PEERS];
    struct run list;
    struct peer_run serial;
    struct raw_call *raw;
    parcel_calls *calls;
    struct bench_contender contenders[N_PYTHON_PEERS + 2];
};

static void new_python_contest(struct python_contest *contest, const char *function, int count,
                               int steps)
{
    bool is_spin = steps > 0;
    struct pair *pairs = new_pairs((size_t)count);
    for (int i = 0; i < count; i++)
        pairs[i] = (struct pair){steps, i};
    size_t n = python_contenders(contest->contenders, contest->runs, function, count, steps);
    contest->n_peers = n;
    contest->raw = new_raw_calls(is_spin ? spin : empty, pairs, (size_t)count);
    contest->calls = (is_spin ? new_spin_list : new_empty_list)(pairs, (size_t)count);
    contest->list = (struct run){contest->calls,
                                 {.n_jobs = BENCH_WORKERS},
                                 (is_spin ? spin : empty)(steps, count - 1),
                                 false};
    contest->serial = (struct peer_run){NULL, contest->raw, (size_t)count};
    contest->contenders[n] = parcel_contender("parcel list", &contest->list);
    contest->contenders[n].column = "list";
    contest->contenders[n + 1] = serial_contender(&contest->serial);
    free(pairs);
}

static void free_python_contest(struct python_contest *contest)
{
    parcel_calls_free(contest->calls);
    free(contest->raw);
}

static void ask_empty(struct bench *bench)
{
    struct python_contest contest;
    int count = bench->is_quick ? 1000 : 5000;
    new_python_contest(&contest, "empty", count, 0);
    const struct bench_contender *list = &contest.contenders[contest.n_peers];
    bench_heading("Empty calls by Python, 2 workers that wait for them");
    bench_rounds(bench, contest.contenders, contest.n_peers + 1);
    for (size_t i = 0; i <= contest.n_peers; i++)
        bench_print_row(bench,
                        &(struct bench_row){contest.contenders[i].name, &contest.contenders[i],
                                            list, 1e6 / count, "us a call", BENCH_NONE, 0});
    free_python_contest(&contest);
}

/* A line of the matrix, for calls that long. */
static void ask_length(struct bench *bench, const char *name, double length, bool is_first)
{
    struct python_contest contest;
    int count = bench->is_quick ? 300 : 2000;
    new_python_contest(&contest, "spin", count, steps_of(length));
    if (is_first)
        bench_matrix_heading("Calls of one length by Python: efficiency on 2 workers",
                             "length of a call", contest.contenders, contest.n_peers + 1);
    bench_rounds(bench, contest.contenders, contest.n_peers + 2);
    turn_into_efficiencies(bench, &contest.contenders[contest.n_peers + 1], contest.contenders,
                           contest.n_peers + 1, 1.0 / BENCH_WORKERS);
    bench_print_line(bench, &(struct bench_line){name, contest.contenders, contest.n_peers + 1,
                                                 contest.n_peers, NULL, 0, "efficiency"});
    free_python_contest(&contest);
}

void question_python(struct bench *bench)
{
    if (!has_python())
        return;
    ask_empty(bench);
    ask_length(bench, "1 us", 1e-6, true);
    ask_length(bench, "10 us", 10e-6, false);
    ask_length(bench, "100 us", 100e-6, false);
}

/* python_contest.c: the same calls by Python's peers and by Parcel. */
#include "python_contest.h"

#include <stdlib.h>
#include <string.h>

#include "contest.h"

void new_python_contest(struct python_contest *contest, const struct python_calls *calls)
{
    bool is_spin = strcmp(calls->function, "spin") == 0;
    size_t count = (size_t)calls->count;
    struct pair *pairs = new_pairs(count);
    for (int i = 0; i < calls->count; i++)
        pairs[i] = (struct pair){calls->steps, i};
    const struct python_runs wanted = {{calls->first, calls->function, calls->count, calls->steps},
                                       calls->last};
    size_t n = python_contenders(contest->contenders, contest->runs, &wanted);
    contest->n_peers = n;
    contest->raw = new_raw_calls(is_spin ? spin : empty, pairs, count);
    contest->calls = (is_spin ? new_spin_list : new_empty_list)(pairs, count);
    contest->list = (struct run){contest->calls,
                                 {.n_jobs = BENCH_WORKERS, .backend = calls->backend},
                                 (is_spin ? spin : empty)(calls->steps, calls->count - 1),
                                 false,
                                 calls->backend ? 1 : 0};
    contest->serial = (struct peer_run){NULL, contest->raw, count};
    contest->contenders[n] = parcel_contender("parcel list", &contest->list);
    contest->contenders[n].column = "list";
    contest->contenders[n + 1] = serial_contender(&contest->serial);
    free(pairs);
}

void free_python_contest(struct python_contest *contest)
{
    parcel_calls_free(contest->calls);
    free(contest->raw);
}

void ask_python_line(struct bench *bench, const struct python_line *line,
                     const struct python_calls *calls)
{
    struct python_contest contest;
    new_python_contest(&contest, calls);
    const struct bench_contender *list = &contest.contenders[contest.n_peers];
    if (line->heading)
        bench_matrix_heading(line->heading, "length of a call", contest.contenders,
                             contest.n_peers + 1);
    bench_rounds(bench, contest.contenders, contest.n_peers + 2);
    turn_into_efficiencies(bench, &contest.contenders[contest.n_peers + 1], contest.contenders,
                           contest.n_peers + 1, 1.0 / (double)BENCH_WORKERS);
    bench_print_line(bench,
                     &(struct bench_line){line->name, contest.contenders, contest.n_peers + 1,
                                          contest.n_peers, line->floor > 0 ? list : NULL,
                                          line->floor, "efficiency"});
    free_python_contest(&contest);
}

/* question_python.c: the original, and Python's own pool, beside Parcel. */
#include "costs.h"
#include "python_contest.h"
#include "questions.h"
#include "report.h"

static void ask_empty(struct bench *bench)
{
    struct python_contest contest;
    int count = bench->is_quick ? 1000 : 5000;
    new_python_contest(&contest, &(struct python_calls){JOBLIB_THREADING, POOL_MAP_BY_ONE, NULL,
                                                        "empty", count, 0});
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
static void ask_length(struct bench *bench, const char *name, double length, const char *heading)
{
    ask_python_line(bench, &(struct python_line){name, heading, 0},
                    &(struct python_calls){JOBLIB_THREADING, POOL_MAP_BY_ONE, NULL, "spin",
                                           bench->is_quick ? 300 : 2000, steps_of(length)});
}

void question_python(struct bench *bench)
{
    if (!has_python())
        return;
    ask_empty(bench);
    ask_length(bench, "1 us", 1e-6, "Calls of one length by Python: efficiency on 2 workers");
    ask_length(bench, "10 us", 10e-6, NULL);
    ask_length(bench, "100 us", 100e-6, NULL);
}

/* question_grain.c: how short calls may be, all equally long. */
#include <stdlib.h>

#include "contest.h"
#include "costs.h"
#include "questions.h"

/* What the list is to reach at a length: from about 1 us on each call has its own measured time. */
static const struct {
    double length, floor;
    const char *name;
} grains[] = {
    {10e-9, 0, "10 ns"},      {20e-9, 0.95, "20 ns"},   {50e-9, 0.95, "50 ns"},
    {100e-9, 0.95, "100 ns"}, {200e-9, 0.95, "200 ns"}, {500e-9, 0.95, "500 ns"},
    {1e-6, 0.95, "1 us"},     {2e-6, 0.97, "2 us"},     {5e-6, 0.98, "5 us"},
    {10e-6, 0.98, "10 us"},   {20e-6, 0.98, "20 us"},   {100e-6, 0.98, "100 us"},
};

/* As many calls of that length as take long enough to be measured. */
static size_t n_calls(const struct bench *bench, double length)
{
    size_t count = (size_t)((bench->is_quick ? 6e-3 : 40e-3) / length);
    return count < CONTEST_MOST_CALLS ? count : CONTEST_MOST_CALLS;
}

void question_grain(struct bench *bench)
{
    struct pair *pairs = new_pairs(CONTEST_MOST_CALLS);
    contest_heading("Equal calls: efficiency on 2 workers", "length of a call", NULL);
    for (size_t i = 0; i < sizeof grains / sizeof *grains; i++) {
        struct contest contest;
        size_t count = n_calls(bench, grains[i].length);
        fill_equal(grains[i].length, pairs, count);
        new_contest(&contest, pairs, count);
        ask_contest(bench, grains[i].name, &contest, grains[i].floor);
        free_contest(&contest);
    }
    free(pairs);
}

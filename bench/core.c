/*
 * core.c: what Parcel's core costs, each figure beside its honest baseline, in one table.
 *
 *     ./core          under two minutes
 *     ./core quick    under 20 seconds
 */
#include "questions.h"

int main(int argc, char **argv)
{
    struct bench bench;
    if (!bench_open(&bench, argc, argv))
        return 2;
    question_build(&bench);
    question_call(&bench);
    question_run(&bench);
    question_allocations(&bench);
    question_grain(&bench);
    question_uneven(&bench);
    return bench_close(&bench);
}

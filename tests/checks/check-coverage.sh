#!/bin/sh
# What tools of gcc say at the end of a program reaches from workers, too: the counts of --coverage,
# of code that ran in them only, and the leaks that a sanitizer finds there.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

need gcc gcov
can_build --coverage gcc || skip 'gcc has no --coverage'
folder=$TOP_BUILDDIR/tests/check-coverage.dir
trap 'rm -rf "$folder"' EXIT
rm -rf "$folder"
mkdir "$folder"
cd "$folder"
cat >program.c <<'END'
#include <parcel.h>
#include <stdlib.h>
static int leak(int i)
{
    void *volatile lost = malloc(1000);
    lost = NULL;
    return i + (lost != NULL); /* counted */
}
DELAYED(int, leak, int);
int main(void)
{
    int numbers[6] = {0, 1, 2, 3, 4, 5};
    parcel_results_free(Parallel(.backend = "processes", .n_jobs = 2)(
        parcel_map(leak, numbers, 6)));
    return 0; /* once */
}
END

# build FLAG...
build()
{
    gcc -std=c11 -g "$@" -I"$TOP_SRCDIR/include" program.c -L"$TOP_BUILDDIR/lib/.libs" \
        -Wl,-rpath,"$TOP_BUILDDIR/lib/.libs" -lparcel -o program
}

build --coverage
./program
gcov ./*.gcda >/dev/null
grep -q ' 6: .*counted' program.c.gcov || fail 'what ran in workers is not counted'
grep -q ' 1: .*once' program.c.gcov || fail 'what ran in the program is not counted once'

can_build -fsanitize=address gcc || exit 0
build -fsanitize=address
./program >said 2>&1 || fail 'the program has no leak'
grep -q "in leak .*program.c" said || fail "what a worker leaked is not told"

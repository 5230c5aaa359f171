#!/bin/sh
# No path that users pay for takes more instructions than bench/harness/instructions.txt says, by more than
# a hundredth; the part that does is named. The counts are those of gcc 12, as configure sets it.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

need valgrind callgrind_annotate
case $("$CC" --version | head -n 1) in
    gcc*' 12.'*) ;;
    *) skip 'the counts are of gcc 12' ;;
esac
[ "$(uname -m)" = x86_64 ] || skip 'the counts are of x86-64'
[ "$BUILD_CFLAGS" = '-g -O2' ] || skip "the counts are of -g -O2, and this build is of $BUILD_CFLAGS"
[ "$WITH_DEBUG" = no ] || skip 'this build has assertions'
[ -x "$TOP_BUILDDIR/bench/count" ] || skip 'this build has no OpenMP'

cd "$TOP_BUILDDIR/bench"
sh "$TOP_SRCDIR/bench/harness/compare_instructions.sh" ./count ||
    fail 'counts differ; where that is meant, copy bench/instructions.new to bench/harness/instructions.txt'

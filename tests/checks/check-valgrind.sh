#!/bin/sh
# The white-box suites that own memory, under valgrind in one process: no error and no leak. What is
# tagged as using worker processes is left to the sanitizers: each worker that ends looks through
# all of the pool for leaks, 256 MB, which takes seconds, and test_oom ends hundreds.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

need valgrind
echo 'int main(void) { return 0; }' | $CC -g -x c - -o valgrind-probe
said=$(valgrind -q ./valgrind-probe 2>&1) || true
rm -f valgrind-probe
[ -z "$said" ] || skip "valgrind cannot read what $CC writes for debuggers"

export CK_FORK=no CK_EXCLUDE_TAGS=processes
ulimit -c 0
for suite in $WITH_MEMORY; do
    echo "$suite"
    valgrind -q --leak-check=full --error-exitcode=9 \
        --suppressions="$TOP_SRCDIR/tests/checks/valgrind.supp" "./$suite" || fail "$suite"
done

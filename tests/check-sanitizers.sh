#!/bin/sh
# All suites with gcc's address and undefined behaviour sanitizers; and the suites on the exported
# library with clang's thread sanitizer, the only one that understands an OpenMP runtime.
# shellcheck source=script.sh
. "${srcdir:-.}/script.sh"

# suites_with LIST COMPILER C++-COMPILER FLAGS
suites_with()
{
    configure_in "$2" CC="$2" CXX="$3" --disable-static --enable-debug \
        CFLAGS="-g -O1 $4" CXXFLAGS="-g -O1 $4"
    make -s -C lib >/dev/null
    make -s -k -C tests "$1" VERBOSE=1 || failed="$failed $2:$4"
}

has_sanitizer()                 # compiler, sanitizer
{
    command -v "$1" >/dev/null &&
        echo 'int main(void) { return 0; }' |
        "$1" -fopenmp -fsanitize="$2" -x c - -o "$copy/probe" 2>/dev/null && "$copy/probe"
}

copy_sources sanitizers
ran=no
failed=
if has_sanitizer gcc address,undefined; then
    ran=yes
    suites_with check-suites gcc g++ '-fsanitize=address,undefined -fno-sanitize-recover=all'
fi
if has_sanitizer clang thread; then
    ran=yes
    export TSAN_OPTIONS='ignore_noninstrumented_modules=1 halt_on_error=0'
    suites_with check-contract clang clang++ '-fsanitize=thread'
fi
[ -z "$failed" ] || fail "$failed"
[ $ran = yes ] || skip 'no compiler has the sanitizers'

#!/bin/sh
# All suites with gcc's address and undefined behaviour sanitizers, and the library's own checks.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

flags='-fsanitize=address,undefined -fno-sanitize-recover=all'
can_build "$flags" gcc || skip 'gcc has no sanitizers'
copy_sources sanitizers
export PARCEL_TEST_SECONDS=20 # for random_programs
suites_with "$flags" gcc g++ check-suites

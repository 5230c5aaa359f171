#!/bin/sh
# The suites on the exported library, and those of what threads share, with clang's thread
# sanitizer. gcc's knows nothing of its OpenMP runtime, and reports races that are none.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

flags=-fsanitize=thread
can_build "-fopenmp $flags" clang || skip 'clang has no thread sanitizer, or no OpenMP'
copy_sources races
# Calls in worker processes, which are forked, open regions.
export TSAN_OPTIONS='ignore_noninstrumented_modules=1 die_after_fork=0'
# libomp tells the sanitizer of its regions through a tool, which it does not find everywhere.
OMP_TOOL_LIBRARIES=$(clang -print-file-name=libarcher.so)
export OMP_TOOL_LIBRARIES
export PARCEL_TEST_SECONDS=20 # for random_programs
suites_with "$flags" clang clang++ check-raced

#!/bin/sh
# Every C and C++ file is laid out as .clang-format says. Other versions of the tool differ in
# small things, so that only the one that Debian 12 has is a judge.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

need clang-format
clang-format --version | grep -q 'version 14\.' || skip 'clang-format is not of version 14'

cd "$TOP_SRCDIR"
find include lib mpi tests bench examples '(' -name '*.[ch]' -o -name '*.cc' ')' \
    -exec clang-format --dry-run -Werror {} +

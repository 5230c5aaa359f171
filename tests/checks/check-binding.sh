#!/bin/sh
# Programs of gcc and of clang whose threads are bound: the library of this build leaves them the
# cpus that they have without it, and worker processes have all of them. Where the number of
# threads is dynamic, regions in calls do no harm.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

need gcc clang nproc timeout
echo '#include <omp.h>' | clang -fopenmp -E - >/dev/null 2>&1 || skip 'clang has no OpenMP'
unset OMP_PROC_BIND OMP_PLACES OMP_NUM_THREADS KMP_AFFINITY GOMP_CPU_AFFINITY PARCEL_N_JOBS
[ "$(nproc)" -gt 1 ] || skip 'there is one cpu'
[ "$(nproc)" -le 64 ] || skip 'there are more cpus than the program counts'
library=$TOP_BUILDDIR/lib/.libs/libparcel.so
[ -f "$library" ] || skip 'there is no shared library'
! nm -D "$library" | grep -q 'U __[at]san_init' || skip 'the library is one of a sanitizer'

source=$(cd "${srcdir:-.}" && pwd)/checks/binding.c
cd "$TOP_BUILDDIR"
programs=$PWD/check-binding.dir
rm -rf "$programs"
mkdir "$programs"
trap 'rm -rf "$programs"' EXIT
trap 'exit 1' HUP INT TERM

# The second is linked with a library that it does not use.
build()
{
    "$1" -std=gnu11 -fopenmp "$source" -o "$programs/plain-$1"
    "$1" -std=gnu11 -fopenmp "$source" -o "$programs/linked-$1" \
        -Wl,--no-as-needed "$library" "-Wl,-rpath,$PWD/lib/.libs"
    "$1" -std=gnu11 -fopenmp -DWITH_PARCEL -I "$TOP_SRCDIR/include" "$source" \
        -o "$programs/using-$1" "$library" "-Wl,-rpath,$PWD/lib/.libs" -lm
    "$1" -std=gnu11 -fopenmp -I "$TOP_SRCDIR/include" "${source%/*}/dynamic.c" \
        -o "$programs/dynamic-$1" "$library" "-Wl,-rpath,$PWD/lib/.libs" -lm
}

# try COMPILER SETTING
try()
{
    echo "$1, $2"
    plain=$(env "$2" "$programs/plain-$1" 2>&1) || fail "a plain program: $plain"
    linked=$(env "$2" "$programs/linked-$1" 2>&1) || fail "a linked program: $linked"
    [ "$plain" = "$linked" ] || fail "'$plain' without the library, '$linked' with it"
    # LLVM 19 ends a forked child with KMP_AFFINITY=disabled.
    env "$2" timeout 60 "$programs/plain-$1" forks >/dev/null 2>&1 ||
        { echo 'skipped: its runtime does not go on in a forked child' && return; }
    env "$2" timeout 60 "$programs/using-$1" "$(nproc)" || fail "a program that uses the library"
}

for compiler in gcc clang; do
    build "$compiler"
    for setting in NONE=1 OMP_PROC_BIND=true OMP_PROC_BIND=close OMP_PROC_BIND=spread \
        OMP_PROC_BIND=false OMP_PLACES=cores OMP_PLACES=threads KMP_AFFINITY=compact \
        KMP_AFFINITY=scatter KMP_AFFINITY=none KMP_AFFINITY=disabled; do
        try "$compiler" "$setting"
    done
    OMP_DYNAMIC=true timeout 60 "$programs/dynamic-$compiler" ||
        fail "$compiler: a program with a dynamic number of threads"
done

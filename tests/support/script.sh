# script.sh: what the script tests share. They are run by make check, which gives them the
# directories, the compiler and the version; exit 77 says that a test was skipped.
# shellcheck shell=sh
set -eu
: "${TOP_SRCDIR:?a script test is run by make check}"
unset MAKEFLAGS MAKELEVEL MAKEOVERRIDES MFLAGS MPICC MPIEXEC

skip()
{
    echo "skipped: $*"
    exit 77
}

fail()
{
    echo "failed: $*"
    exit 1
}

need()
{
    for tool; do
        command -v "$tool" >/dev/null || skip "there is no $tool"
    done
}

# MPI names the one that configure found.
need_mpi()
{
    [ "$MPI" != no ] || skip 'this build has no MPI'
}

# Copies what a release holds, so that it can be built another way, and goes there. What is in
# the copy is gone when the script ends.
copy_sources()
{
    cd "$TOP_BUILDDIR"
    copy=$PWD/check-$1.dir
    remove_copy
    trap remove_copy EXIT
    trap 'exit 1' HUP INT TERM
    make -s distdir distdir="check-$1.dir" >/dev/null
    cd "$copy"
}

remove_copy()
{
    [ ! -d "$copy" ] || chmod -R u+w "$copy"
    rm -rf "$copy"
}

# configure_in DIRECTORY ARGUMENT...: configures a build in a directory of the copy.
configure_in()
{
    mkdir "$copy/$1"
    cd "$copy/$1"
    shift
    ../configure -q "$@" >configure.log 2>&1 || { cat configure.log; fail "configure $*"; }
}

# can_build FLAGS COMPILER: whether what the compiler makes with the flags runs.
can_build()
{
    command -v "$2" >/dev/null || return 1
    probe=$(mktemp)
    status=0
    # shellcheck disable=SC2086 # flags are words
    { echo 'int main(void) { return 0; }' | "$2" $1 -x c - -o "$probe" && "$probe"; } \
        >/dev/null 2>&1 || status=$?
    rm -f "$probe"
    return $status
}

# c_compilers: those of gcc and clang that are there.
c_compilers()
{
    for compiler in gcc clang; do
        ! can_build '' $compiler || echo $compiler
    done
}

# suites_with FLAGS COMPILER C++-COMPILER TARGET: runs suites that are built so, in the copy.
suites_with()
{
    configure_in "build-$2" CC="$2" CXX="$3" --disable-static --enable-debug --without-mpi \
        CFLAGS="-g -O1 $1" CXXFLAGS="-g -O1 $1"
    make -s -C lib >/dev/null
    make -s -k -C tests "$4" >make.log 2>&1 || tell_failures tests/*/*.log
    no_reports tests/*/*.log
}

# tell_failures LOG...: what make said, then the end of each log of a suite that failed. Short, and
# the logs last: who shows what a script printed may leave out the middle.
tell_failures()
{
    grep -v -e '^  [A-Z]* ' -e '^PASS: ' make.log | tail -n 30
    for log; do
        ! grep -q '^:test-result: [FE]' "${log%.log}.trs" 2>/dev/null || tell_end "$log"
    done
    fail 'suites, see above'
}

tell_end()
{
    echo "==== the end of $1:"
    tail -n 60 "$1"
}

# no_reports LOG...: fails when a process wrote a sanitizer's report: a worker may, and its suite
# passes. That a leak checker could not look, as where a test takes all descriptors, is no report.
no_reports()
{
    reports='ERROR: [A-Za-z]+Sanitizer|WARNING: ThreadSanitizer|: runtime error: |double free|corrupted'
    logs=$(grep -l -E "$reports" "$@") || return 0
    for log in $logs; do
        echo "==== the first report in $log:"
        grep -m 1 -A 40 -E "$reports" "$log"
    done
    fail 'suites pass whose processes have reports'
}

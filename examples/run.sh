#!/bin/sh
# run.sh PROGRAM: runs an example, as make check does, and compares what it prints on stdout with
# NAME.expected and, where there is such a file, on stderr with NAME.expected-stderr. Times are
# masked. Exit 77 says that the example cannot run here.
set -eu
program=$1
name=$(basename "$program")
expected=$(dirname "$0")/$name

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# What the examples leave to their user is the default here.
for variable in $(env | sed -n 's/^\(PARCEL_[A-Z_]*\)=.*/\1/p') \
    OMP_NUM_THREADS OMP_THREAD_LIMIT SLURM_CPUS_PER_TASK; do
    unset "$variable"
done

# The first program asks for threads by name. Its calls print in the order in which they happen
# to run: only the last line, the results, is the same every time.
with_threads()
{
    ! PARCEL_BACKEND=threading "$(dirname "$program")/failure" 2>&1 |
        grep -q 'built without OpenMP'
}
select_stdout()
{
    if [ "$name" = first ]; then
        tail -n 1
    else
        sed '/^cpus  *= /d' # what parcel_explain tells of this machine
    fi
}
mask_times()
{
    sed 's|elapsed: *[0-9.]*[a-z]*|elapsed: TIME|'
}

if [ "$name" = first ] && ! with_threads; then
    echo 'skipped: this library was built without OpenMP'
    exit 77
fi

"$program" >"$scratch/all" 2>"$scratch/stderr"
select_stdout <"$scratch/all" >"$scratch/stdout"
diff "$expected.expected" "$scratch/stdout"
[ ! -f "$expected.expected-stderr" ] ||
    mask_times <"$scratch/stderr" | diff "$expected.expected-stderr" -

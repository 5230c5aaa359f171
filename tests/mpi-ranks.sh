#!/bin/sh
# The suites on the ranks of MPI jobs, with the MPI that configure found: rank 0 alone with the
# others serving, with workers that are forked, and all ranks in step; and what ends a job.
# PARCEL_TEST_RANKS="1 2" asks for less.
# shellcheck source=script.sh
. "${srcdir:-.}/script.sh"

need_mpi
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT
trap 'exit 1' HUP INT TERM
export MPI_RUN_SECONDS="${MPI_RUN_SECONDS:-300}"

# suite N MODE PROGRAM: a suite of Check; what it says counts when it fails.
suite()
{
    if SUITE_RANKS=$2 ./mpi-run "$1" "./$3" >"$output" 2>&1; then
        echo "ok: $3, $1 ranks, $2: $(grep -o 'Checks: [0-9]*' "$output")"
    else
        echo "FAILED: $3, $1 ranks, $2"
        cat "$output"
        failed=$((failed + 1))
    fi
}

# says N CASE STATUS TEXT...: a case of mpi_faults, which ends with that status (0, or any that is
# not) and says each of the texts.
says()
{
    what="mpi_faults $2, $1 ranks"
    status=0 good=1
    MPI_RUN_SECONDS=60 ./mpi-run "$1" ./mpi_faults "$2" >"$output" 2>&1 || status=$?
    [ "$status" -ne 124 ] || good=0
    case $3 in 0) [ "$status" -eq 0 ] || good=0 ;; *) [ "$status" -ne 0 ] || good=0 ;; esac
    shift 3
    for text; do
        grep -q "$text" "$output" || { good=0; echo "missing: $text"; }
    done
    if [ "$good" -eq 1 ]; then
        echo "ok: $what"
    else
        echo "FAILED: $what, exit status $status"
        cat "$output"
        failed=$((failed + 1))
    fi
}

for n in ${PARCEL_TEST_RANKS:-1 2 3 4}; do
    suite "$n" served mpi_contract
    suite "$n" together mpi_contract
    suite "$n" apart mpi
done
for n in ${PARCEL_TEST_RANKS:-1 3}; do
    suite "$n" isolated mpi_contract
    for program in mpi_joblib mpi_joblib_control mpi_streams mpi_nesting; do
        CK_RUN_CASE='on mpi' suite "$n" served "$program"
    done
done

SUITE_RANKS=served ./mpi_contract >"$output" 2>&1 || {
    echo 'FAILED: without mpiexec the program is not one rank'
    cat "$output"
    failed=$((failed + 1))
}

says 2 well 0 'rank 0: all is well' 'rank 1: all is well'
says 1 no-init 0 'rank 0: .*parcel_mpi_init'
says 2 low-level 0 'init: .*MPI_THREAD_SINGLE.*MPI_THREAD_SERIALIZED' \
    'rank 0: .*MPI_THREAD_SINGLE.*MPI_THREAD_SERIALIZED'
says 3 finalize 0 'rank 0: all is well' 'rank 1: all is well' 'rank 2: all is well'
says 1 serve 0 'rank 0: all is well'
says 3 serve 0 'rank 0: all is well' 'rank 1 served: all is well' 'rank 2 served: all is well'
says 2 exit 1 'parcel: rank [01] (.*): exit was called while a run went on: this ends the job'
says 2 exit-isolated 0 'rank 0: 1 of 100 calls failed; first: call 50, exit_at(50): worker exited' \
    'rank 1: 1 of 100 calls failed'
says 2 die 1
says 2 sigterm 1
says 3 miss-last 0 'rank 0: .*rank 2' 'rank 1: .*rank 2'
says 3 miss-0 0 'rank 1: .*rank 0' 'rank 2: .*rank 0'
says 2 out-of-step 0 'rank 0: ' 'rank 1: '
if command -v taskset >/dev/null; then
    what='more workers than cpus'
    if taskset -c 0 ./mpi-run 2 ./mpi_faults cpus >"$output" 2>&1 &&
        grep -q 'rank 0 warns: .*cpu' "$output"; then
        echo "ok: $what"
    else
        echo "FAILED: $what"
        cat "$output"
        failed=$((failed + 1))
    fi
fi

[ "$failed" -eq 0 ] || fail "$failed of the jobs above"

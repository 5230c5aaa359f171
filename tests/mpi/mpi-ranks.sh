#!/bin/sh
# The suites on the ranks of MPI jobs, with the MPI that configure found: rank 0 alone with the
# others serving, with workers that are forked, and all ranks in step.
# PARCEL_TEST_RANKS="1 2" asks for less.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

need_mpi
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT
trap 'exit 1' HUP INT TERM
export MPI_RUN_SECONDS="${MPI_RUN_SECONDS:-600}" # of a whole suite; see also mpi_ranks.c

run()
{
    env SUITE_RANKS="$2" ${4:+CK_RUN_CASE="$4"} ./mpi-run "$1" "./mpi/$3" >"$output" 2>&1
}

# suite N MODE PROGRAM [CASE]: a suite of Check, or one case of it.
suite()
{
    run "$@" || {
        echo "FAILED: $3, $1 ranks, $2"
        cat "$output"
        failed=$((failed + 1))
        return
    }
    echo "ok: $3, $1 ranks, $2: $(grep -o 'Checks: [0-9]*' "$output")"
}

for n in ${PARCEL_TEST_RANKS:-1 2 3 4}; do
    suite "$n" served mpi_contract
    suite "$n" apart mpi
done
for n in ${PARCEL_TEST_RANKS:-2 4}; do
    suite "$n" together mpi_contract
done
for n in ${PARCEL_TEST_RANKS:-2}; do
    suite "$n" isolated mpi_contract
done
for n in ${PARCEL_TEST_RANKS:-1 3}; do
    for program in mpi_joblib mpi_joblib_control mpi_streams mpi_nesting; do
        suite "$n" served "$program" 'on mpi'
    done
done

SUITE_RANKS=served ./mpi/mpi_contract >"$output" 2>&1 || {
    echo 'FAILED: without mpiexec the program is not one rank'
    cat "$output"
    failed=$((failed + 1))
}

[ "$failed" -eq 0 ] || fail "$failed of the jobs above"

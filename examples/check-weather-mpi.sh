#!/bin/sh
# check-weather-mpi.sh: the bootstrap on ranks prints and draws what it does on threads, however
# many ranks and workers there are, and a rank that cannot begin leaves none of the others waiting.
# MPI names the one that configure found. Exit 77 says that the example was not built.
set -eu
if [ "${MPI:-no}" = no ]; then
    echo 'skipped: this build has no MPI'
    exit 77
fi
here=$PWD
data=$(cd "$(dirname "$0")" && pwd)/data/seattle-weather.csv

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
cd "$scratch"
for variable in $(env | sed -n 's/^\(PARCEL_[A-Z_]*\)=.*/\1/p'); do
    unset "$variable"
done
export PARCEL_N_JOBS=1

fail()
{
    echo "failed: $*"
    exit 1
}

# ranks NUMBER ARGUMENT...
ranks()
{
    n=$1
    shift
    "$here/../tests/mpi-run" "$n" "$here/weather_mpi" "$@"
}

# same NAME COMMAND...: what the command prints and draws is what the threads did.
same()
{
    name=$1
    shift
    "$@" "$data" "$name.svg" 2000 >"$name.out" 2>"$name.err" || fail "$name: $(cat "$name.err")"
    cmp threads.out "$name.out"
    cmp threads.svg "$name.svg"
}

"$here/bootstrap_weather" "$data" threads.svg 2000 >threads.out 2>threads.err
PARCEL_BACKEND=mpi same one-rank "$here/weather_mpi"
PARCEL_BACKEND=mpi same two-ranks ranks 2
grep -q 'Using backend mpi with 2 concurrent workers' two-ranks.err || fail "$(cat two-ranks.err)"
[ "$(grep -c 'finished$' two-ranks.err)" -eq 1 ] || fail 'not one rank tells of progress'
PARCEL_BACKEND=mpi PARCEL_N_JOBS=2 PARCEL_ISOLATE=yes same processes ranks 2

# Rank 0 ends before the run, and the others do not wait for it.
status=0
PARCEL_BACKEND=mpi ranks 2 "$data" none/a.svg >out 2>err || status=$?
case $status in
    0 | 124) fail "exit $status: $(cat err)" ;;
esac
grep -q '^weather_mpi: none/a.svg: cannot be opened for writing: ' err || fail "$(cat err)"

#!/bin/sh
# instructions.sh: instructions a call at one thread, counted by valgrind, which repeats exactly.
#
#     ./instructions.sh [PROGRAM]        (default: ./count)
#
# Each part is counted for two lengths of the list; the difference leaves out what does not grow
# with it. A processor clears memory by one "rep stos", which valgrind counts as an instruction a
# byte, 2 a call for the marks. So the C library is told to clear by vector stores, as it does on
# processors that are slow at it.
set -eu

program=${1:-./count}
short=100000
long=200000
parts='build list map read free'
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

command -v valgrind >/dev/null || { echo "$0: valgrind is missing" >&2; exit 1; }

# count PART N: the instructions of that part in a run of N calls.
count() {
    OMP_NUM_THREADS=1 GLIBC_TUNABLES=glibc.cpu.hwcaps=-ERMS \
        valgrind --tool=callgrind --toggle-collect="count_$1" \
        --callgrind-out-file="$directory/out" "$program" "$2" >"$directory/log" 2>&1 ||
        { cat "$directory/log" >&2; exit 1; }
    sed -n 's/^totals: //p' "$directory/out"
}

echo "# instructions a call of int f(int, int), one thread"
for part in $parts; do
    few=$(count "$part" "$short")
    many=$(count "$part" "$long")
    awk -v part="$part" -v few="$few" -v many="$many" -v calls="$((long - short))" \
        'BEGIN { printf "%-6s %7.2f\n", part, (many - few) / calls }'
done

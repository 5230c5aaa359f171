#!/bin/sh
# instructions.sh: what a call costs on each path that users pay for, in instructions at one thread,
# counted by valgrind, which repeats exactly.
#
#     ./instructions.sh [PROGRAM]        (default: ./count)
#
# Each part is counted for two numbers of calls; the difference leaves out what does not grow with
# it. The C library is told to use what every processor of this kind has, so that all count alike;
# and to clear memory by vector stores, since valgrind counts "rep stos" as an instruction a byte.
set -eu

program=${1:-./count}
short=20000
long=40000
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

command -v valgrind >/dev/null || { echo "$0: valgrind is missing" >&2; exit 1; }

# count N: a line "part instructions" for each part, of N calls.
count()
{
    env -i PATH="$PATH" LD_LIBRARY_PATH="${LD_LIBRARY_PATH-}" OMP_NUM_THREADS=1 \
        GLIBC_TUNABLES=glibc.cpu.hwcaps=-ERMS,-FSRM,-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load \
        valgrind --tool=callgrind --callgrind-out-file="$directory/out" "$program" "$1" \
        >"$directory/log" 2>&1 || { cat "$directory/log" >&2; exit 1; }
    callgrind_annotate --inclusive=yes --threshold=100 "$directory/out" |
        sed -n 's/^ *\([0-9,]*\) .*:count_\([a-z]*\)\(\.[a-z.0-9]*\)* \[.*/\2 \1/p' | tr -d ,
}

count "$short" >"$directory/few"
count "$long" >"$directory/many"
echo '# instructions a call of int f(int, int), one thread; of run: a run of two calls'
awk -v calls="$((long - short))" '
    FNR == NR { few[$1] = $2; next }
    $1 in order { next }
    { n = split("build list map loop run stream pull process packed calls results read durations records print", all)
      for (i = 1; i <= n; i++) if (all[i] == $1) { order[$1] = i; many[i] = $2 } }
    END {
        for (i = 1; i <= n; i++) {
            if (!(i in many)) continue
            each = (many[i] - few[all[i]]) / calls * (all[i] == "run" ? 100 : 1)
            printf "%-9s %8.2f\n", all[i], each
        }
    }' "$directory/few" "$directory/many"

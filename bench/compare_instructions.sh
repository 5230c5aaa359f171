#!/bin/sh
# compare_instructions.sh: what became of the instructions a call since the last commit.
#
#     ./compare_instructions.sh [PROGRAM]        (default: ./count)
#
# Counts anew, into instructions.new, and shows each part beside bench/instructions.txt of the last
# commit, or outside of a repository beside the file as it was shipped. Those counts are gcc's at
# -O2: another compiler's differ. Fails when a count grew by more than a hundredth.
set -eu

source=$(cd "$(dirname "$0")" && pwd)
new=instructions.new
old=$(mktemp)
trap 'rm -f "$old"' EXIT

(cd "$source" && git show HEAD:./instructions.txt) >"$old" 2>/dev/null ||
    cp "$source/instructions.txt" "$old"
"${SHELL:-sh}" "$source/instructions.sh" "${1:-./count}" >"$new"

printf '%-6s %8s %8s %9s  %s\n' part before now change 'at most'
awk '
    BEGIN { most["list"] = 25; most["map"] = 18 }
    /^#/ { next }
    FNR == NR { before[$1] = $2; next }
    {
        change = $2 - before[$1]
        limit = $1 in most ? most[$1] ($2 <= most[$1] ? " ok" : " MISSED") : ""
        line = sprintf("%-6s %8.2f %8.2f %+9.2f  %s", $1, before[$1], $2, change, limit)
        sub(/ *$/, "", line)
        if (change > 0.01 * before[$1] + 0.005) {
            line = line "  GREW"
            grew = 1
        }
        print line
    }
    END { exit grew }
' "$old" "$new"

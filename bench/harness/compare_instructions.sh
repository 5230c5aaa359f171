#!/bin/sh
# compare_instructions.sh: what became of the instructions that each path takes.
#
#     ./compare_instructions.sh [PROGRAM]        (default: ./count)
#
# Counts anew, into instructions.new, and shows each part beside instructions.txt. Those counts are
# gcc 12's at -O2: another compiler's differ. Fails, and names the part, when a count differs by
# more than a hundredth. A change that is meant brings the new file with it, also one for the
# better: what comes after it is held against it.
set -eu

source=$(cd "$(dirname "$0")" && pwd)
new=instructions.new
"${SHELL:-sh}" "$source/instructions.sh" "${1:-./count}" >"$new"

printf '%-9s %9s %9s %9s\n' part before now change
awk '
    /^#/ { next }
    FNR == NR { before[$1] = $2; next }
    {
        seen[$1] = 1
        change = $2 - before[$1]
        limit = 0.01 * before[$1] + 0.005
        word = !($1 in before) ? "  NEW" : change > limit ? "  GREW" : change < -limit ? "  SHRANK" : ""
        printf "%-9s %9.2f %9.2f %+9.2f%s\n", $1, before[$1], $2, change, word
        differs = differs || word != ""
    }
    END {
        for (part in before)
            if (!(part in seen)) {
                print part ": NOT COUNTED"
                differs = 1
            }
        exit differs
    }
' "$source/instructions.txt" "$new"

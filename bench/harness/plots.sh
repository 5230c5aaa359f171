#!/bin/sh
# plots.sh: draws the plots of a csv file of compare, as SVG into the working directory.
#
#     ./plots.sh [FILE]        (default: results.csv)
#
# A plot whose question was not asked is left out. Each contender keeps its place in the file.
set -eu

source=$(cd "$(dirname "$0")" && pwd)
results=${1:-results.csv}
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

command -v gnuplot >/dev/null ||
    { echo "plots: gnuplot is missing (Debian: gnuplot-nox); nothing is drawn"; exit 0; }

# matrix QUESTION: a line a case and a column a contender; names are quoted.
matrix()
{
    awk -F, -v question="$1" '
        $1 == question && !($2 in row) { row[$2] = ++rows; cases[rows] = $2 }
        $1 == question && !($3 in column) { column[$3] = ++columns; contenders[columns] = $3 }
        $1 == question { figure[row[$2], column[$3]] = $5 }
        END {
            printf "\"\""
            for (c = 1; c <= columns; c++)
                printf " \"%s\"", contenders[c]
            for (r = 1; r <= rows; r++) {
                printf "\n\"%s\"", cases[r]
                for (c = 1; c <= columns; c++)
                    printf " %s", (r, c) in figure ? figure[r, c] : "?"
            }
            print ""
        }' "$results"
}

# nanoseconds: what an empty call costs by each contender on two workers, the cheapest first.
nanoseconds()
{
    sed 's/"\([^",]*\),\([^",]*\)"/\1\2/g' "$results" | awk -F, '
        $1 == "call" && $4 == "ns a call" && $3 !~ /array|fresh|list 1|map 1|serial/ &&
            !seen[$3]++ { print $5 " \"" $3 "\"" }
        $1 == "python" && $4 == "us a call" && $3 !~ /parcel/ { print 1000 * $5 " \"" $3 "\"" }
    ' | sort -g
}

# draw NAME DATA: by NAME.gnuplot.
draw()
{
    [ "$(wc -l <"$2")" -gt 1 ] || return 0
    gnuplot -e "directory = '$source'; data = '$2'; output_file = '$1.svg'" "$source/$1.gnuplot"
    echo "drawn: $1.svg"
}

matrix grain >"$directory/grain"
matrix shapes >"$directory/shapes"
nanoseconds >"$directory/overhead"
draw grain "$directory/grain"
draw shapes "$directory/shapes"
draw overhead "$directory/overhead"

#!/bin/sh
# No function of the library has more than 80 lines. All are laid out alike: one begins with the
# brace that opens a line, and ends with the next that does.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

cd "$TOP_SRCDIR/lib"
long=$(find . ../mpi -name '*.[ch]' -exec awk '
    /^{/ { first = FNR }
    /^}/ && first {
        if (FNR - first + 1 > 80)
            print FILENAME ":" first ": " FNR - first + 1 " lines"
        first = 0
    }' {} +)
[ -z "$long" ] || { echo "$long"; fail 'functions of more than 80 lines'; }

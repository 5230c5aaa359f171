#!/bin/sh
# No function of the library has more than 80 lines, and a file of more than 500 says at its top why
# it stays whole. Functions are laid out alike: one begins with the brace that opens a line, and ends
# with the next that does.
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

for file in $(find . ../mpi -name '*.[ch]'); do
    [ "$(wc -l <"$file")" -le 500 ] || head -n 40 "$file" | grep -q 'stays whole' ||
        fail "$file has more than 500 lines, and does not say why it stays whole"
done
[ -z "$long" ] || { echo "$long"; fail 'functions of more than 80 lines'; }

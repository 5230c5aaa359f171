#!/bin/sh
# README and the manual name every variable that sets an option, and none that does not exist.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

# variables: those in a text, one a line.
variables()
{
    grep -o 'PARCEL_[A-Z][A-Z_0-9]*' | sort -u
}

# Of the table a choice is {"word", "PARCEL_NAME"}; what is left in quotes are variables.
expected=$(sed -n '/^} options_table/,/^};/p' "$TOP_SRCDIR/lib/options/config.c" | tr '\n' ' ' |
    sed 's/{"[^"]*", *"[^"]*"}//g' | grep -o '"PARCEL_[^"]*"' | variables)
[ -n "$expected" ] || fail 'no variable was found in lib/options/config.c'

# compare WHAT NAMES
compare()
{
    [ "$expected" = "$2" ] || fail "$1 does not name the variables of lib/options/config.c:
$(printf '%s\n' "$expected" "$2" | sort | uniq -u)"
}

compare README "$(sed -n '/^Options that a program leaves alone/,/^Other languages/p' \
    "$TOP_SRCDIR/README" | variables)"
compare doc/parcel.3 "$(sed -n '/^\.SH ENVIRONMENT/,/^\.SH RUNTIME/p' \
    "$TOP_SRCDIR/doc/parcel.3" | variables)"

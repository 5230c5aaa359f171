#!/bin/sh
# README and the manual name every variable that sets an option, and none that does not exist.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

# variables: those in a text, one a line.
variables()
{
    grep -o 'PARCEL_[A-Z][A-Z_0-9]*' | sort -u
}

# A row is KIND(name, NAME, ...); options of kinds that end with _HERE have no variable.
table=lib/options/table.h
expected=$(sed -n '/^#define PARCEL__OPTIONS/,/[^\\]$/p' "$TOP_SRCDIR/$table" | grep -v '_HERE(' |
    sed -n 's/^ *[A-Z]*([a-z_]*, \([A-Z_]*\)[,)].*/PARCEL_\1/p' | variables)
[ -n "$expected" ] || fail "no variable was found in $table"

# compare WHAT NAMES
compare()
{
    [ "$expected" = "$2" ] || fail "$1 does not name the variables of $table:
$(printf '%s\n' "$expected" "$2" | sort | uniq -u)"
}

compare README "$(sed -n '/^Options that a program leaves alone/,/^Other languages/p' \
    "$TOP_SRCDIR/README" | variables)"
compare doc/parcel.3 "$(sed -n '/^\.SH ENVIRONMENT/,/^\.SH RUNTIME/p' \
    "$TOP_SRCDIR/doc/parcel.3" | variables)"

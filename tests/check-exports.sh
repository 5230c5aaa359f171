#!/bin/sh
# The library exports what lib/parcel.sym lists, and that is what the public headers declare.
# shellcheck source=script.sh
. "${srcdir:-.}/script.sh"
export LC_ALL=C

headers=$TOP_SRCDIR/include
list=$TOP_SRCDIR/lib/parcel.sym
library=$TOP_BUILDDIR/lib/.libs/libparcel.so

# The names of the functions that are declared, and not defined, in the headers: a statement that
# stands in no braces and is no typedef declares the first parcel_name before a parenthesis.
declared()
{
    printf '#include <parcel.h>\n#include <parcel/backend.h>\n' |
        $CC -std=c11 -E -P -I "$headers" - | tr '\n' ' ' | sed 's/[;{}]/\n&\n/g' |
        awk '
            $1 == "{"   { depth++; next }
            $1 == "}"   { depth--; next }
            depth > 0 || $1 == "typedef" || $1 == "static" { next }
            match($0, /parcel_[a-z0-9_]+ *\(/) {
                name = substr($0, RSTART, RLENGTH - 1)
                sub(/ +$/, "", name)
                print name
            }' | sort -u
}

# same TEXT TEXT MESSAGE
same()
{
    [ "$1" = "$2" ] && return
    echo "$1" >exports-1.tmp
    echo "$2" >exports-2.tmp
    diff exports-1.tmp exports-2.tmp || true
    rm -f exports-1.tmp exports-2.tmp
    fail "$3"
}

listed=$(cat "$list")
same "$listed" "$(sort -u "$list")" 'lib/parcel.sym is not sorted'
same "$listed" "$(declared)" 'lib/parcel.sym (<) and the public headers (>) differ'

need nm
[ -f "$library" ] || skip 'no shared library was built'
exported=$(nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sort -u)
same "$listed" "$exported" 'lib/parcel.sym (<) and what the library exports (>) differ'

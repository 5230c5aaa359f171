#!/bin/sh
# The libraries export what their lists say: libparcel what the public headers declare and what
# libparcel_mpi needs besides, and that what parcel_mpi.h declares.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"
export LC_ALL=C

headers=$TOP_SRCDIR/include
list=$TOP_SRCDIR/lib/parcel.sym
mpi_list=$TOP_SRCDIR/mpi/parcel_mpi.sym
library=$TOP_BUILDDIR/lib/.libs/libparcel.so
mpi_library=$TOP_BUILDDIR/mpi/.libs/libparcel_mpi.so

# The names of the functions that are declared, and not defined, in the headers: a statement that
# stands in no braces, is no typedef and not weak, declares the first parcel_name before a parenthesis. MPI's
# own header is not read.
declared()
{
    cat "$headers/parcel.h" "$headers"/parcel/*.h "$@" | grep -v -e '#include <mpi.h>' -e '#pragma GCC' |
        $CC -std=c11 -E -P -I "$headers" - | tr '\n' ' ' | sed 's/[;{}]/\n&\n/g' |
        awk '
            $1 == "{"   { depth++; next }
            $1 == "}"   { depth--; next }
            depth > 0 || $1 == "typedef" || $1 == "static" || /[(]weak/ { next }
            match($0, /parcel_[a-z0-9_]+ *\(/) {
                name = substr($0, RSTART, RLENGTH - 1)
                sub(/ +$/, "", name)
                print name
            }' | sort -u
}

# What libparcel_mpi calls of libparcel's own.
needed_by_mpi()
{
    cat "$TOP_SRCDIR"/mpi/*.c | tr '(' '\n' | sed -n 's/.*\(parcel__[a-z0-9_]*\)$/\1/p' |
        grep -v '^parcel__mpi_' | sort -u
}

exported()
{
    nm -D --defined-only "$1" | awk '$2 != "A" { print $3 }' | sort -u
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
declared=$( { declared; needed_by_mpi; } | sort -u)
same "$listed" "$(sort -u "$list")" 'lib/parcel.sym is not sorted'
same "$listed" "$declared" 'lib/parcel.sym (<) and the public headers (>) differ'

mpi_listed=$(cat "$mpi_list")
mpi_declared=$(declared "$headers/parcel_mpi.h" | grep '^parcel_mpi_')
same "$mpi_listed" "$mpi_declared" 'mpi/parcel_mpi.sym (<) and parcel_mpi.h (>) differ'

need nm
[ -f "$library" ] || skip 'no shared library was built'
same "$listed" "$(exported "$library")" 'lib/parcel.sym (<) and what the library exports (>) differ'
[ ! -f "$mpi_library" ] || same "$mpi_listed" "$(exported "$mpi_library")" \
    'mpi/parcel_mpi.sym (<) and what the library exports (>) differ'

#!/bin/sh
# The version has one place, parcel.h; configure took it from there.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

in_header=$(sed -n 's/^#define PARCEL_VERSION_[A-Z]* //p' "$TOP_SRCDIR/include/parcel.h" |
    paste -s -d .)
in_pc=$(sed -n 's/^Version: //p' "$TOP_BUILDDIR/lib/parcel.pc")

[ "$in_header" = "$PACKAGE_VERSION" ] ||
    fail "parcel.h is $in_header, configure made $PACKAGE_VERSION: run autoreconf"
[ "$in_header" = "$in_pc" ] || fail "parcel.h is $in_header, parcel.pc is $in_pc"

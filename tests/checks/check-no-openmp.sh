#!/bin/sh
# Built with --disable-openmp: threading says that it is not there, and why.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

copy_sources no-openmp
configure_in build CC="$CC" --disable-openmp --disable-shared
make -s -C lib
$CC -std=c11 -I"$copy/include" "$copy/tests/checks/no_openmp.c" lib/.libs/libparcel.a -lm -o no_openmp
./no_openmp

#!/bin/sh
# Built with another C library than glibc, and without OpenMP: what is glibc's alone is not asked
# for, nothing is warned of, and a program runs, be it static or not.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

need musl-gcc
copy_sources musl
configure_in build CC=musl-gcc CFLAGS=-O1 --disable-openmp --without-mpi --disable-shared \
    --enable-warnings
make -s -j 2 -C lib >make.log 2>&1 || { cat make.log; fail 'it does not build'; }
! grep -A 5 warning: make.log || fail 'there are warnings'

# run_with NAME FLAG...: the program, linked so
run_with()
{
    name=$1
    shift
    musl-gcc -std=c11 -Wall -Wextra "$@" -I"$copy/include" "$copy/tests/checks/musl.c" \
        lib/.libs/libparcel.a -o "$name"
    "./$name" || fail "$name: it does not work"
}

run_with musl-static -static
if ls /lib/ld-musl-* >/dev/null 2>&1; then
    run_with musl-dynamic
else
    echo 'skipped: the dynamic program, as there is no loader of musl'
fi

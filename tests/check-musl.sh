#!/bin/sh
# Built with another C library than glibc, and without OpenMP: what is glibc's alone is not asked for.
# shellcheck source=script.sh
. "${srcdir:-.}/script.sh"

need musl-gcc
copy_sources musl
configure_in build CC=musl-gcc --disable-openmp --without-mpi --disable-shared
make -s -C lib
musl-gcc -std=c11 -static -I"$copy/include" "$copy/tests/musl.c" lib/.libs/libparcel.a -o musl
./musl

#!/bin/sh
# The installed library in a user's program: built by gcc and by clang, each in a program of gcc
# and of clang, shared and static, by nothing but the line that the documentation gives.
# shellcheck source=script.sh
. "${srcdir:-.}/script.sh"

need gcc clang pkg-config
echo '#include <omp.h>' | clang -fopenmp -E - >/dev/null 2>&1 || skip 'clang has no OpenMP'

# install_built_by COMPILER: into a directory of the compiler's name, and the static library once
# more where no shared one stands beside it.
install_built_by()
{
    configure_in "build-$1" CC="$1" --prefix="$copy/$1"
    make -s -C include install >/dev/null
    make -s -C lib install >/dev/null
    mkdir "$copy/$1/static"
    cp "$copy/$1/lib/libparcel.a" "$copy/$1/static/"
}

# try_library COMPILER-OF-LIBRARY COMPILER-OF-PROGRAM
try_library()
{
    export PKG_CONFIG_PATH="$copy/$1/lib/pkgconfig"
    echo "a library of $1 in a program of $2: shared"
    # shellcheck disable=SC2046 # pkg-config prints words
    $2 -std=c11 -Wall -Wextra -pedantic -Werror -fopenmp "$program" -o shared \
        $(pkg-config --cflags --libs parcel)
    LD_LIBRARY_PATH=$copy/$1/lib ./shared || fail "library of $1, program of $2, shared"

    echo "a library of $1 in a program of $2: static"
    # shellcheck disable=SC2046
    $2 -std=c11 -fopenmp "$program" -o static \
        $(pkg-config --define-variable=libdir="$copy/$1/static" --static --cflags --libs parcel)
    ./static || fail "library of $1, program of $2, static"
}

copy_sources installed
program=$copy/tests/installed.c
for library in gcc clang; do
    install_built_by $library
done

mkdir "$copy/elsewhere"
cd "$copy/elsewhere"
for library in gcc clang; do
    for compiler in gcc clang; do
        try_library $library $compiler
    done
done

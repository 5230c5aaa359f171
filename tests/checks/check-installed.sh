#!/bin/sh
# The installed library in a user's program: built by gcc and by clang, each in a program of gcc
# and of clang, shared and static, by nothing but the line that the documentation gives.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

need gcc clang pkg-config
echo '#include <omp.h>' | clang -fopenmp -E - >/dev/null 2>&1 || skip 'clang has no OpenMP'

# install_built_by COMPILER: into a directory of the compiler's name, and the static library once
# more where no shared one stands beside it.
install_built_by()
{
    configure_in "build-$1" CC="$1" --prefix="$copy/$1" --with-mpi="$WITH_MPI"
    make -s -C include install >/dev/null
    make -s -C lib install >/dev/null
    make -s -C mpi install >/dev/null
    make -s -C doc install-data >/dev/null
    make -s -C examples install-data >/dev/null
    make -s install-data-am >/dev/null
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

# try_forks COMPILER-OF-LIBRARY COMPILER-OF-PROGRAM: what a forked child may do is the runtime's word
try_forks()
{
    echo "a library of $1 in a program of $2: forks"
    # shellcheck disable=SC2046
    $2 -std=c11 -D_GNU_SOURCE -fopenmp -I"$copy/tests/support" "$copy/tests/users/forks.c" \
        -o forks \
        $(pkg-config --cflags --libs check parcel)
    LD_LIBRARY_PATH=$copy/$1/lib ./forks || fail "library of $1, program of $2, forks"
}

# try_mpi COMPILER-OF-LIBRARY COMPILER-OF-PROGRAM
try_mpi()
{
    echo "a library of $1 in a program of $2: MPI"
    # shellcheck disable=SC2046
    $2 -std=c11 -Wall -Wextra -pedantic -Werror -fopenmp "$copy/tests/checks/installed_mpi.c" -o mpi \
        $(pkg-config --cflags --libs parcel-mpi)
    LD_LIBRARY_PATH=$copy/$1/lib "$copy/build-$1/tests/mpi-run" 2 ./mpi ||
        fail "library of $1, program of $2, MPI"
}

# A program in C++, which reads the header and uses what it declares.
try_mpi_in_cplusplus()
{
    cat >mpi.cc <<'END'
#include <parcel_mpi.h>
int main()
{
    return parcel_mpi_ranks() == 1 && parcel_mpi_rank() == 0 ? 0 : 1;
}
END
    # shellcheck disable=SC2046
    g++ -std=c++11 -Wall -Wextra -pedantic -Werror mpi.cc -o mpi \
        $(pkg-config --cflags --libs parcel-mpi)
    LD_LIBRARY_PATH=$copy/gcc/lib ./mpi || fail 'MPI in C++'
}

# What a user reads beside it.
installs_its_documents()
{
    for file in README COPYING NEWS PERFORMANCE examples/first.c; do
        [ -s "$copy/gcc/share/doc/parcel/$file" ] || fail "$file is not installed"
    done
}

copy_sources installed
program=$copy/tests/checks/installed.c
for library in gcc clang; do
    install_built_by $library
done

installs_its_documents

mkdir "$copy/elsewhere"
cd "$copy/elsewhere"
for library in gcc clang; do
    for compiler in gcc clang; do
        try_library $library $compiler
        try_forks $library $compiler
        [ "$MPI" = no ] || try_mpi $library $compiler
    done
done
if [ "$MPI" != no ] && command -v g++ >/dev/null; then
    export PKG_CONFIG_PATH="$copy/gcc/lib/pkgconfig"
    try_mpi_in_cplusplus
fi

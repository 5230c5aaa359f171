# PARCEL_WARNINGS: sets WARNING_CFLAGS to what --enable-warnings asks for and the compiler knows.
AC_DEFUN([PARCEL_WARNINGS], [
  WARNING_CFLAGS=
  AS_IF([test "x$enable_warnings" = xyes], [
    parcel_cflags=$CFLAGS
    for flag in -Wall -Wextra -pedantic -Wconversion -Wshadow -Wstrict-prototypes \
                -Wmissing-prototypes -Wpointer-arith -Wundef -Wvla; do
      CFLAGS="$parcel_cflags -Werror $flag"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_APPEND([WARNING_CFLAGS], [" $flag"])])
    done
    CFLAGS=$parcel_cflags
  ])
  AC_SUBST([WARNING_CFLAGS])
])

# PARCEL_TUNING: sets TUNING_CFLAGS. gcc clears and copies a large structure by one instruction, which
# takes 10 ns to start, where the C library takes 3: a short run has nine of them.
AC_DEFUN([PARCEL_TUNING], [
  TUNING_CFLAGS=
  parcel_cflags=$CFLAGS
  CFLAGS="$parcel_cflags -Werror -mstringop-strategy=libcall"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [TUNING_CFLAGS=-mstringop-strategy=libcall])
  CFLAGS=$parcel_cflags
  AC_SUBST([TUNING_CFLAGS])
])

# PARCEL_OPENMP_RUNTIME: sets OPENMP_LIBS to the runtime that a static library of this compiler
# needs by name. gcc's calls are in every runtime, so that the user's own -fopenmp serves them;
# clang's are only in its own, which stands where clang's libraries do.
AC_DEFUN([PARCEL_OPENMP_RUNTIME], [
  OPENMP_LIBS=$OPENMP_CFLAGS
  AS_IF([test -n "$OPENMP_CFLAGS"], [
    AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#ifndef __clang__
#error another compiler
#endif
int only_clang;]])],
      [OPENMP_LIBS="-L`$CC -print-resource-dir`/../.. -lomp $OPENMP_CFLAGS"])
  ])
  AC_SUBST([OPENMP_LIBS])
])

# PARCEL_CXX_WORKS(if it does, if not)
AC_DEFUN([PARCEL_CXX_WORKS], [
  AC_MSG_CHECKING([whether $CXX compiles C++11])
  AC_LANG_PUSH([C++])
  parcel_cxxflags=$CXXFLAGS
  CXXFLAGS="$CXXFLAGS -std=c++11"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <vector>]], [[std::vector<int> none;]])],
    [AC_MSG_RESULT([yes])
     $1],
    [AC_MSG_RESULT([no])
     $2])
  CXXFLAGS=$parcel_cxxflags
  AC_LANG_POP([C++])
])

# PARCEL_LINKS_CXX17(NAME, WORDS FOR THE MESSAGE, LIBS, PROLOGUE, BODY): sets NAME to yes or no.
AC_DEFUN([PARCEL_LINKS_CXX17], [
  AC_MSG_CHECKING([for $2])
  AC_LANG_PUSH([C++])
  parcel_cxxflags=$CXXFLAGS
  parcel_libs=$LIBS
  CXXFLAGS="$CXXFLAGS -std=c++17"
  LIBS="$3 $LIBS"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([$4], [$5])], [$1=yes], [$1=no])
  CXXFLAGS=$parcel_cxxflags
  LIBS=$parcel_libs
  AC_LANG_POP([C++])
  AC_MSG_RESULT([$$1])
])

# PARCEL_BENCH_PEERS: finds whom bench/ can measure the library against. None is needed.
AC_DEFUN([PARCEL_BENCH_PEERS], [
  PARCEL_LINKS_CXX17([tbb], [oneTBB], [-ltbb -lstdc++],
    [[#include <tbb/global_control.h>
      #include <tbb/parallel_for.h>
      #include <tbb/task_group.h>]],
    [[tbb::parallel_for(0, 2, [](int) {});]])
  std_par=no
  AS_IF([test "$tbb" = yes], [PARCEL_LINKS_CXX17([std_par], [std::execution::par],
    [-ltbb -lstdc++],
    [[#include <algorithm>
      #include <execution>]],
    [[int all[2] = {0};
      std::for_each(std::execution::par, all, all + 2, [](int &one) { one = 1; });]])])
  AC_CHECK_HEADER([pthreadpool.h],
    [AC_CHECK_LIB([pthreadpool], [pthreadpool_create], [pthreadpool=yes], [pthreadpool=no])],
    [pthreadpool=no])
  AM_CONDITIONAL([HAVE_TBB], [test "$tbb" = yes])
  AM_CONDITIONAL([HAVE_STD_PAR], [test "$std_par" = yes])
  AM_CONDITIONAL([HAVE_PTHREADPOOL], [test "$pthreadpool" = yes])
  dnl Debian's package of joblib is for Debian's Python, which need not be the first one.
  AC_CACHE_CHECK([for a python3 with joblib], [ac_cv_path_PYTHON3],
    [AC_PATH_PROGS_FEATURE_CHECK([PYTHON3], [python3],
      [AS_IF([$ac_path_PYTHON3 -c 'import joblib' 2>/dev/null],
        [ac_cv_path_PYTHON3=$ac_path_PYTHON3; ac_path_PYTHON3_found=:])],
      [ac_cv_path_PYTHON3=python3])])
  AC_SUBST([PYTHON3], [$ac_cv_path_PYTHON3])
])

# PARCEL_MPI: brings --with-mpi, finds MPI by what its compiler wrapper says, and sets MPI_CFLAGS
# and MPI_LIBS. mpi is its name and version, or no. The wrapper itself is no compiler here: libtool
# links shared libraries with CC, and would forget them.
AC_DEFUN([PARCEL_MPI], [
  AC_ARG_WITH([mpi],
    [AS_HELP_STRING([--with-mpi@<:@=MPICC@:>@],
      [libparcel_mpi, with the MPI of this wrapper (mpicc; without it when there is none)])],
    [], [with_mpi=maybe])
  AC_ARG_VAR([MPIEXEC], [starts the MPI programs of make check])
  AS_CASE([$with_mpi],
    [no], [MPICC=],
    [maybe|yes], [AC_PATH_PROGS([MPICC], [mpicc mpiicc])],
    [*/*], [MPICC=$with_mpi],
    [MPICC=
     AC_PATH_PROG([MPICC], [$with_mpi])])
  mpi=no
  AS_IF([test -n "$MPICC"], [PARCEL_MPI_FLAGS
                             PARCEL_MPI_NAME])
  AS_IF([test "$mpi" != no], [PARCEL_MPIEXEC],
    [test "$with_mpi" != no && test "$with_mpi" != maybe],
    [AC_MSG_ERROR([--with-mpi=$with_mpi: no program of MPI 3 links by what the wrapper's -show says
                  (Debian's packages: libopenmpi-dev, or mpich and libmpich-dev)])])
  AC_SUBST([MPI_CFLAGS])
  AC_SUBST([MPI_LIBS])
  AC_SUBST([MPI], [$mpi])
  AS_IF([test "$mpi" = no], [WITH_MPI=no], [WITH_MPI=$MPICC])
  AC_SUBST([WITH_MPI])
])

# PARCEL_MPI_FLAGS: sorts the wrapper's words. Some quote them, and -Xlinker takes the next one.
AC_DEFUN([PARCEL_MPI_FLAGS], [
  MPI_CFLAGS=
  MPI_LIBS=
  for word in `$MPICC -show 2>/dev/null | sed "s/[[\"']]//g; s/-Xlinker  */-Wl,/g"`; do
    AS_CASE([$word],
      [-I*|-D*], [AS_VAR_APPEND([MPI_CFLAGS], [" $word"])],
      [-L*|-l*|-Wl,-rpath*|-Wl,/*|-pthread], [AS_VAR_APPEND([MPI_LIBS], [" $word"])])
  done
])

# PARCEL_MPI_NAME: sets mpi, when a program links. MPI 3 has matched probes.
AC_DEFUN([PARCEL_MPI_NAME], [
  AC_MSG_CHECKING([for the MPI of $MPICC])
  parcel_cppflags=$CPPFLAGS
  parcel_libs=$LIBS
  CPPFLAGS="$CPPFLAGS $MPI_CFLAGS"
  LIBS="$MPI_LIBS $LIBS"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#include <mpi.h>
#if MPI_VERSION < 3
#error too old
#endif]], [[MPI_Init(0, 0);]])], [
    AC_LANG_CONFTEST([AC_LANG_SOURCE([[
#include <mpi.h>
#if defined OPEN_MPI
parcel: "Open_MPI_" OMPI_MAJOR_VERSION.OMPI_MINOR_VERSION.OMPI_RELEASE_VERSION
#elif defined I_MPI_VERSION
parcel: "Intel_MPI_" I_MPI_VERSION
#elif defined MPICH_VERSION
parcel: "MPICH_" MPICH_VERSION
#else
parcel: "MPI_" MPI_VERSION.MPI_SUBVERSION
#endif]])])
    mpi=`$CC -E -P $CPPFLAGS conftest.c 2>/dev/null | tr -d '\n" ' |
         sed 's/.*parcel://' | tr _ ' '`
  ])
  CPPFLAGS=$parcel_cppflags
  LIBS=$parcel_libs
  AC_MSG_RESULT([$mpi])
])

# PARCEL_MPIEXEC: the launcher that stands beside the wrapper. Where several MPIs share a directory,
# the plain name need not be of the same one.
AC_DEFUN([PARCEL_MPIEXEC], [
  AS_CASE([$mpi],
    [Open*], [parcel_mpiexec=mpiexec.openmpi],
    [MPICH*], [parcel_mpiexec=mpiexec.mpich],
    [parcel_mpiexec=mpiexec.hydra])
  AC_PATH_PROGS([MPIEXEC], [$parcel_mpiexec mpiexec srun], [mpiexec],
    [`AS_DIRNAME(["$MPICC"])`$PATH_SEPARATOR$PATH])
])

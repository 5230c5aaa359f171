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

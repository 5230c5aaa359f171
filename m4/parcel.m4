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

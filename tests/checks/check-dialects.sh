#!/bin/sh
# The header, its macros, and what DELAYED must take compile without a warning in every dialect of
# C, with the warnings that users ask for, with the header's names short and long, and in C++.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"
export LC_ALL=C

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
compilers=$(c_compilers)
[ -n "$compilers" ] || skip 'there is neither gcc nor clang'
program=$TOP_SRCDIR/tests/checks/header.c
headers=$TOP_SRCDIR/include

# accepts COMPILER FLAG...: without a word.
accepts()
{
    "$@" -O1 -I "$headers" -c -o "$work/object" 2>"$work/said" && [ ! -s "$work/said" ] && return
    cat "$work/said"
    fail "$*"
}

strict='-Wall -Wextra -pedantic -Wdouble-promotion -Wconversion -Wsign-conversion -Wshadow -Wundef
    -Wstrict-prototypes -Wcast-qual -Wcast-align -Wold-style-definition -Wmissing-prototypes
    -Wwrite-strings -Wredundant-decls -Wnested-externs -Wfloat-equal -Wpointer-arith -Winit-self'

in_all_dialects()
{
    for compiler in $compilers; do
        for dialect in gnu89 gnu99 c11 gnu11 gnu17 gnu2x; do
            accepts "$compiler" -std=$dialect -Wall -Wextra "$program"
        done
        accepts "$compiler" -std=c99 -Wall -Wextra "$program"
        # shellcheck disable=SC2086 # flags are words
        accepts "$compiler" -std=c11 $strict "$program"
    done
}

in_all_dialects
for compiler in $compilers; do
    accepts "$compiler" -std=c11 -Wc++-compat "$program"
    accepts "$compiler" -std=gnu11 -O2 -D_FORTIFY_SOURCE=2 -Wall -Wextra "$program"
done

# All warnings of one clang, since each version has others: but for those of C++98 and of layout, and
# those that are of the program itself.
if clang --version 2>/dev/null | grep -q 'version 14\.'; then
    accepts clang -std=c11 -Weverything -Wno-c++98-compat -Wno-padded -Wno-used-but-marked-unused \
        -Wno-missing-noreturn -Wno-unused-macros -Wno-reserved-identifier -Wno-reserved-macro-identifier \
        -Wno-format-nonliteral "$program"
fi

# With names of its own for the short ones.
cat >"$work/long.c" <<'END'
#define PARCEL_NO_SHORT_NAMES
#include <parcel.h>
#if defined DELAYED || defined delayed || defined Parallel
#error a short name is defined
#endif
enum names { DELAYED, delayed, Parallel };
static double half(double x)
{
    return x / 2;
}
PARCEL_DELAYED(double, half, double);
int main(void)
{
    const double array[] = {1, 2};
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, parcel_delayed(half)(1));
    parcel_results_free(parcel_parallel(.n_jobs = 2)(calls));
    parcel_results_free(parcel_parallel()(parcel_map(half, array, 2)));
    parcel_calls_free(calls);
    return DELAYED + delayed - Parallel;
}
END
for compiler in $compilers; do
    accepts "$compiler" -std=c11 -Wall -Wextra -pedantic "$work/long.c"
done

printf '#include <parcel.h>\n#include <parcel/backend.h>\nint main() { return 0; }\n' >"$work/all.cc"
for compiler in g++ clang++; do
    can_build '-x c++' $compiler || continue
    for dialect in 11 14 17 20; do
        accepts $compiler -std=c++$dialect -Wall -Wextra -pedantic "$work/all.cc"
    done
done

# Once more without the pragma, which does not reach a gcc whose preprocessor ran alone.
cp -R "$headers" "$work/plain"
chmod -R u+w "$work/plain"
find "$work/plain" -name '*.h' -exec sed -i '/#pragma GCC system_header/d' {} +
headers=$work/plain
in_all_dialects

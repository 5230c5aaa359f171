#!/bin/sh
# What must not compile does not, and the first error says what to do, in a few lines of gcc.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"
export LC_ALL=C

most_lines=24
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
compilers=$(c_compilers)
[ -n "$compilers" ] || skip 'there is neither gcc nor clang'

# program DECLARATION STATEMENT: one with some functions, a list of calls and two arrays.
program()
{
    cat <<END
#include <parcel.h>
double half(double x);
double scale(double x, int n);
double nothing(void);
int number;
$1
int main(void)
{
    double array[3] = {1, 2, 3};
    int integers[3] = {1, 2, 3};
    parcel_calls *calls = parcel_calls_new();
    number = integers[0] + (int)array[0] + (int)parcel_calls_count(calls);
    $2;
    parcel_calls_free(calls);
    return number;
}
END
}

# complain WHAT: with the compiler's words.
complain()
{
    cat "$work/said"
    fail "$1"
}

# slip WORDS DECLARATION STATEMENT [CLANG'S WORDS]
slip()
{
    program "$2" "$3" >"$work/slip.c"
    for compiler in $compilers; do
        ! "$compiler" -std=c11 -Wall -Wextra -pedantic -I "$TOP_SRCDIR/include" -fsyntax-only \
            "$work/slip.c" 2>"$work/said" || fail "$compiler compiles: $2 $3"
        first=$(sed -n 's/.*error: //p' "$work/said" | sed 1q)
        words=$1
        [ "$compiler" = gcc ] || words=${4:-$1}
        case $first in
        *"$words"*) ;;
        *) complain "the first error of $compiler is not '$words': $2 $3" ;;
        esac
        [ "$compiler" != gcc ] || [ "$(wc -l <"$work/said")" -le $most_lines ] ||
            complain "more than $most_lines lines of gcc: $2 $3"
    done
}

# refused WORDS DECLARATION: the types are not the function's.
refused()
{
    slip "$1 is not a function with this result and these parameters" "$2" ''
}

refused half 'DELAYED(int, half, double);'
refused half 'DELAYED(float, half, double);'
refused half 'DELAYED(const char *, half, double);'
refused half 'DELAYED(double, half, int);'
refused half 'DELAYED(double, half, float);'
refused half 'DELAYED(double, half, double *);'
refused half 'DELAYED(double, half);'
refused half 'DELAYED(double, half, void);'
refused half 'DELAYED(double, half, double, double);'
refused half 'DELAYED(void, half, int);'
refused half 'PARCEL_DELAYED(int, half, int);'
refused scale 'DELAYED(double, scale, int, double);'
refused scale 'DELAYED(double, scale, double);'
refused nothing 'DELAYED(double, nothing, double);'
refused nothing 'struct s { int i; }; DELAYED(struct s, nothing);'
refused number 'DELAYED(int, number);'
refused number 'DELAYED(int, number, int);'
refused number 'DELAYED(void, number, int);'
refused f 'const char *f(int x); DELAYED(char *, f, int);'
refused f 'void *f(int x); DELAYED(const char *, f, int);'
refused f 'long f(void); DELAYED(long long, f);'
refused f 'double f(const double *x); DELAYED(double, f, double *);'
refused f 'int f(int i, struct parcel_array array); DELAYED(int, f, struct parcel_array, int);'
refused f 'int f(float x, float y); DELAYED(int, f, double, float);'
refused f 'int f(const char *x, ...); DELAYED(int, f, int, const char *);'
refused f 'int f(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j);
    DELAYED(int, f, int, int, int, int, int, int, int, int, int, long);'
slip 'too many arguments to function' 'DELAYED(void, half, double, double);' ''

# Numbers that have no kind.
for number in '__int128' 'unsigned __int128' '_Complex int'; do
    odd="__extension__ typedef $number odd;"
    slip 'a type that Parcel does not know' "$odd odd f(int x); DELAYED(odd, f, int);" ''
    slip 'a type that Parcel does not know' "$odd int f(int x, odd y); DELAYED(int, f, int, odd);" ''
    slip 'no result is of the type odd' "$odd" 'odd x = parcel_get(NULL, 0, odd); (void)x'
done

once=one_DELAYED_at_file_scope_for
made=made_by_DELAYED_half
slip $made '' 'parcel_calls_add(calls, delayed(half)(1))'
slip $made '' 'parcel_calls_add(calls, parcel_delayed(half)(1))'
slip $made '' 'parcel_results_free(Parallel()(parcel_map(half, array, 3)))'
slip $made '' 'puts(parcel_function_of(half)->name)'
slip "${once}_half" 'DELAYED(double, half, double);
    DELAYED(double, half, double);' ''
slip "${once}_scale" '' 'DELAYED(double, scale, double, int)' 'function definition is not allowed'
slip "expected" 'DELAYED(double, half, double)' '' "expected ';'"
slip 'DELAYED wants a result, a function, and the types' 'DELAYED(double);' ''
slip 'at most 10 parameters' \
    'DELAYED(int, f, int, int, int, int, int, int, int, int, int, int, int);' ''
slip 'at most 240 bytes' 'struct s { double x[31]; }; int f(struct s s); DELAYED(int, f, struct s);' ''

mapped='wants a function of one parameter, and an array of its type'
slip "$mapped" 'DELAYED(double, scale, double, int);' \
    'parcel_results_free(Parallel()(parcel_map(scale, array, 3)))'
slip "$mapped" 'DELAYED(double, nothing);' \
    'parcel_results_free(Parallel()(parcel_map(nothing, array, 3)))'
slip "$mapped" 'DELAYED(double, half, double);' \
    'parcel_results_free(Parallel()(parcel_map(half, integers, 3)))'

named='options are given by name, as in Parallel(.n_jobs = 2)(calls)'
slip "$named" '' 'parcel_results_free(Parallel(2)(calls))'
slip "$named" '' 'parcel_results_free(Parallel(-1)(calls))'
slip "$named" '' 'parcel_results_free(Parallel("threading")(calls))'
slip "$named" '' 'parcel_results_free(parcel_parallel(2)(calls))'
slip "$named" '' 'parcel_options o = {0}; parcel_results_free(Parallel(&o)(calls))'
slip "$named" '' 'parcel_config_push(2)'
slip calls_follow_in_parentheses 'parcel_results *results;' 'results = Parallel(.n_jobs = 2)' \
    "expected ')'"
slip 'has no member named' '' 'parcel_results_free(Parallel(.n_job = 2)(calls))' \
    "designator 'n_job' does not refer"

# warned OPTION STATEMENT: what compilers warn of in a program they warn of in what it gives to macros.
warned()
{
    program 'DELAYED(double, scale, double, int);
        DELAYED(double, half, double);' "$2" >"$work/slip.c"
    for compiler in $compilers; do
        "$compiler" -std=c11 -O1 -Wall -Wextra "$1" "-Wno-error=${1#-W}" -I "$TOP_SRCDIR/include" \
            -c "$work/slip.c" -o "$work/object" 2>"$work/said" || complain "$compiler does not compile: $2"
        { grep -q "slip.c:14:" "$work/said" && grep -q "warning: .*\\[$1\\]" "$work/said"; } ||
            complain "$compiler does not warn by $1: $2"
    done
}

any='parcel_results *any = Parallel()(calls); parcel_results_free(any)'
warned -Wfloat-conversion 'parcel_calls_add(calls, delayed(scale)(1, array[0]))'
warned -Wdouble-promotion 'parcel_calls_add(calls, delayed(half)((float)number * array[0]))'
warned -Wuninitialized 'double lost; parcel_calls_add(calls, delayed(half)(lost))'
warned -Wuninitialized 'int lost; parcel_results_free(Parallel(.n_jobs = lost)(calls))'
warned -Wuninitialized 'double *lost; parcel_results_free(Parallel()(parcel_map(half, lost, 3)))'
warned -Wsign-conversion 'parcel_results_free(Parallel(.n_jobs = (unsigned)number)(calls))'
warned -Wincompatible-pointer-types 'parcel_results_free(Parallel(.backend = integers)(calls))'
warned -Wsign-conversion 'parcel_results_free(Parallel()(parcel_map(half, array, number)))'
warned -Wsign-conversion "$any; number = (int)(parcel_get(any, 0, int) + 1u)"
warned -Wfloat-conversion "$any; number = parcel_get(any, 0, double)"
warned -Wparentheses "$any; if (number = parcel_holds(any, 0, int)) number++"

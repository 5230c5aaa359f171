#!/bin/sh
# summary.sh STATUS DIRECTORY...: counts the tests that make check ran in the directories, and
# prints "N passed, N failed" (and ", N skipped"), after why each was skipped. A program of Check says its own numbers; any
# other test counts as one. STATUS is make's: when it is not 0 but no test failed, what failed is
# the building of the tests, which then counts as one.
status=$1
shift

# What a program of Check said: checks, failures, errors.
numbers()
{
    sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$1"
}

# One line for each test: its result, and its numbers if it has any. Automake's harness writes a
# .trs file for each, and a .log file beside it.
results()
{
    find "$@" -name '*.trs' | while read -r trs; do
        result=$(sed -n 's/^:global-test-result: //p' "$trs")
        case ${trs##*/} in
            check-*) echo "$result" ;;  # a script counts as one, whatever it runs
            *) echo "$result $(numbers "${trs%.trs}.log" | tr '\n' ' ')" ;;
        esac
    done
}

# Why tests were skipped, a line each.
find "$@" -name '*.trs' | while read -r trs; do
    grep -q '^:global-test-result: SKIP' "$trs" || continue
    sed -n "s|^skipped: |skipped: $(basename "${trs%.trs}"): |p" "${trs%.trs}.log"
done

results "$@" | awk -v status="$status" '
    function count_programs(    i) {
        bad = 0
        for (i = 2; i < NF; i += 3) {
            passed += $i - $(i + 1) - $(i + 2)
            bad += $(i + 1) + $(i + 2)
        }
        if (bad == 0 && $1 != "PASS")   # it said all is well and then ended badly
            bad = 1
        failed += bad
    }
    $1 == "SKIP" { skipped++; next }
    NF > 1       { count_programs(); next }
    $1 == "PASS" { passed++; next }
                 { failed++ }
    END {
        if (status != 0 && failed == 0)
            failed = 1
        printf "%d passed, %d failed%s\n", passed, failed, skipped ? ", " skipped " skipped" : ""
    }'

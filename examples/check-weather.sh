#!/bin/sh
# check-weather.sh [PROGRAM]: the bootstrap prints the same for every n_jobs, its estimates are
# what awk computes, its picture is XML, and each bad input is one sentence that says where.
set -eu
program=${1:-./bootstrap_weather}
case $program in
    /*) ;;
    *) program=$PWD/$program ;;
esac
data=$(cd "$(dirname "$0")" && pwd)/data/seattle-weather.csv

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
cd "$scratch"
for variable in $(env | sed -n 's/^\(PARCEL_[A-Z_]*\)=.*/\1/p'); do
    unset "$variable"
done

fail()
{
    echo "failed: $*"
    exit 1
}

# One output and one picture, whatever the number of workers.
same_for_every_n_jobs()
{
    for n in 1 2 7; do
        PARCEL_N_JOBS=$n "$program" "$data" $n.svg 2000 >$n.out 2>$n.err ||
            fail "n_jobs $n: $(cat $n.err)"
        grep -q 'Done 2000 out of 2000 .* finished$' $n.err || fail "n_jobs $n: no progress"
        grep -q '^2000 replicates, 0 failed$' $n.out || fail "n_jobs $n: no replicates"
        cmp 1.out $n.out
        cmp 1.svg $n.svg
    done
    "$program" "$data" all.svg >all.out 2>all.err || fail "$(cat all.err)"
    grep -q '^10000 replicates, 0 failed$' all.out || fail '10,000 is not the default'
}

# November's mean rain, and the slope with time and temperature taken from their months' means.
estimates_by_awk()
{
    awk -F, 'NR > 1 {
            m = substr($1, 6, 2) + 0; month[NR] = m; n[m]++
            time[NR] = NR / 365.25; t[m] += time[NR]
            warmth[NR] = ($3 + $4) / 2; w[m] += warmth[NR]
            if (m == 11) rain += $2
        }
        END {
            for (i = 2; i <= NR; i++) {
                m = month[i]; x = time[i] - t[m] / n[m]
                xx += x * x; xy += x * (warmth[i] - w[m] / n[m])
            }
            printf "warming trend: %.2f degrees C per year,\n", xy / xx
            printf "mean rain of the wettest month, November: %.1f mm per month,\n", rain / 4
        }' "$data" >estimates
    while read -r line; do
        grep -qF "$line" all.out || fail "awk computes: $line"
    done <estimates
}

# The ends of each interval stand on either side of the estimate.
intervals_hold_estimates()
{
    awk -F'[:,]' '/ interval / {
            split($0, part, " interval "); split(part[2], end, " to ")
            sub(/.*: /, "", part[1])
            if (end[1] + 0 < part[1] + 0 && part[1] + 0 < end[2] + 0) good++
        }
        END { exit good != 2 }' all.out || fail "an interval is off: $(cat all.out)"
}

picture_is_xml()
{
    if command -v xmllint >/dev/null; then
        xmllint --noout all.svg
    fi
    [ "$(tail -n 1 all.svg)" = '</svg>' ] || fail 'the picture has no end'
    [ "$(grep -c 'class="estimate"' all.svg)" -eq 2 ] || fail 'an estimate is not marked'
    [ "$(grep -c 'class="end"' all.svg)" -eq 4 ] || fail 'an interval is not marked'
    grep -q '&#176;C per year</text>' all.svg || fail 'the trend has no unit'
    grep -q 'mm per month</text>' all.svg || fail 'the rain has no unit'
    ! grep -qi 'nan\|inf"' all.svg || fail 'a coordinate is no number'
}

# refused TEXT ARGUMENT...: exit 1, nothing on stdout, and one sentence with the text in it.
refused()
{
    text=$1
    shift
    status=0
    "$program" "$@" >out 2>err || status=$?
    [ $status -eq 1 ] || fail "exit $status, not 1: $text"
    [ ! -s out ] || fail "output in spite of: $text"
    [ "$(wc -l <err)" -eq 1 ] || fail "not one sentence: $(cat err)"
    grep -qF -- "bootstrap_weather: $text" err || fail "not '$text' but: $(cat err)"
}

# bad_line NUMBER LINE TEXT: the data with one line replaced.
bad_line()
{
    awk -v number="$1" -v line="$2" 'NR == number { print line; next } { print }' "$data" >bad.csv
    refused "bad.csv, line $1: $3" bad.csv bad.svg
}

bad_lines()
{
    bad_line 1 'day,rain' 'the header is not date,precipitation'
    bad_line 3 '' 'has 1 column instead of 6'
    bad_line 3 '2012-01-02,1,2,1,4' 'has 5 columns instead of 6'
    bad_line 3 '2012-01-02,1,2,1,4,rain,' 'has 7 columns instead of 6'
    bad_line 3 '2012-01-02,wet,2,1,4,rain' "the precipitation 'wet' is not a number"
    bad_line 3 '2012-01-02,,2,1,4,rain' "the precipitation '' is not a number"
    bad_line 3 '2012-01-02,1,nan,1,4,rain' "the highest temperature 'nan' is not a number"
    bad_line 3 '2012-01-02,1,2,0x1,4,rain' "the lowest temperature '0x1' is not a number"
    bad_line 3 '2012-01-02,1,2,1, 4,rain' "the wind ' 4' is not a number"
    bad_line 3 '2012-01-02,-1,2,1,4,rain' 'the precipitation -1 is not between 0 and 2000'
    bad_line 3 '2012-01-02,1,1e999,1,4,rain' 'the highest temperature 1e999 is not between'
    bad_line 3 '2012-01-02,1,2,3,4,rain' 'the highest temperature 2 is below the lowest, 3'
    bad_line 3 '2012-1-2,1,2,1,4,rain' "'2012-1-2' is not a date like 2012-01-31"
    bad_line 3 '2012-13-02,1,2,1,4,rain' "'2012-13-02' is not a date"
    bad_line 61 '2012-02-30,1,2,1,4,rain' "'2012-02-30' is not a date"
    bad_line 426 '2013-02-29,1,2,1,4,rain' "'2013-02-29' is not a date"
    bad_line 3 '2012-01-03,1,2,1,4,rain' '2012-01-03 does not follow 2012-01-01'
    bad_line 2 '2012-01-02,1,2,1,4,rain' 'the first day must be a 1 January'
}

bad_files()
{
    refused 'none.csv: cannot be opened: ' none.csv bad.svg
    refused '., line 1: cannot be read: ' . bad.svg
    : >bad.csv
    refused 'bad.csv, line 1: the file is empty' bad.csv bad.svg
    head -n 1 "$data" >bad.csv
    refused 'bad.csv, line 2: no day follows the header' bad.csv bad.svg
    head -n 1000 "$data" >bad.csv
    refused 'bad.csv, line 1000: the data end on 2014-09-25' bad.csv bad.svg
    head -n 367 "$data" >bad.csv
    refused 'bad.csv, line 367: a trend needs two years' bad.csv bad.svg
    { head -n 3 "$data" && printf '2012-01-03,1\0,2\n'; } >bad.csv
    refused 'bad.csv, line 4: holds a zero byte' bad.csv bad.svg
    [ ! -e bad.svg ] || fail 'a picture of bad data was written'
}

bad_arguments()
{
    refused 'none/a.svg: cannot be opened for writing: ' "$data" none/a.svg
    for count in '' 0 -1 99 10000001 100x ' 100' 1e3 99999999999999999999999; do
        refused "REPLICATES must be a whole number from 100 to 10000000, not '$count'" \
            "$data" bad.svg "$count"
    done
    refused 'usage: bootstrap_weather' "$data" bad.svg 100 100
}

same_for_every_n_jobs
estimates_by_awk
intervals_hold_estimates
picture_is_xml
bad_lines
bad_files
bad_arguments

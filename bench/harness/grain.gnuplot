# grain.gnuplot: efficiency by the length of a call. data: lines of lengths, columns of contenders.
columns = system("head -n 1 '" . data . "' | grep -o '\"[^\"]*\"' | wc -l") + 0
load directory . '/style.gnuplot'

nanoseconds(text) = word(text, 1) * (word(text, 2) eq 'us' ? 1000 : 1)

set title 'Equal calls on 2 workers: how much of both cpus is used'
set xlabel 'length of a call'
set ylabel 'efficiency'
set logscale x
set xrange [9:120000]
set yrange [0:1.1]
set xtics ('10 ns' 10, '100 ns' 100, '1 µs' 1000, '10 µs' 10000, '100 µs' 100000)
set key autotitle columnhead
plot for [c = 2:columns] data using (nanoseconds(stringcolumn(1))):c \
    with linespoints linestyle style_of(c)

# shapes.gnuplot: efficiency for calls of unequal lengths. data: lines of shapes, columns of
# contenders.
columns = system("head -n 1 '" . data . "' | grep -o '\"[^\"]*\"' | wc -l") + 0
load directory . '/style.gnuplot'

set terminal svg noenhanced size 1200,520 font 'DejaVu Sans,13' background rgb 'white'
set title 'Calls of unequal lengths, 10 µs in the mean, on 2 workers'
set ylabel 'efficiency'
set xrange [-0.7:9.7] # ten shapes, and no gaps beside them
set yrange [0:1.05] # bars that begin elsewhere would lie
set style data histograms
set style histogram clustered gap 2
set style fill solid noborder
set key autotitle columnhead
plot for [c = 2:columns] data using c:xtic(1) linestyle style_of(c)

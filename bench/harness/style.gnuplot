# style.gnuplot: what the plots share. A contender has one colour and one look in all of them.
set terminal svg noenhanced size 900,520 font 'DejaVu Sans,13' background rgb 'white'
set output output_file
set style line 1 lc rgb '#1f77b4' lw 1.5 pt 5 ps 0.5
set style line 2 lc rgb '#17becf' lw 1.5 pt 7 ps 0.5
set style line 3 lc rgb '#2ca02c' lw 1.5 pt 9 ps 0.6
set style line 4 lc rgb '#98c379' lw 1.5 pt 11 ps 0.6
set style line 5 lc rgb '#bcbd22' lw 1.5 pt 13 ps 0.6
set style line 6 lc rgb '#9467bd' lw 1.5 pt 4 ps 0.6
set style line 7 lc rgb '#c5a3e0' lw 1.5 pt 6 ps 0.6
set style line 8 lc rgb '#ff7f0e' lw 1.5 pt 8 ps 0.6
set style line 9 lc rgb '#ffbb78' lw 1.5 pt 10 ps 0.6
set style line 10 lc rgb '#e8a0b8' lw 1.5 pt 12 ps 0.6
set style line 11 lc rgb '#8c564b' lw 1.5 pt 14 ps 0.6
set style line 12 lc rgb '#7f7f7f' lw 1.5 pt 1 ps 0.6
set style line 20 lc rgb '#d62728' lw 4 pt 7 ps 0.7
set style line 21 lc rgb '#000000' lw 2.5 dt 2 pt 7 ps 0.5
set style line 30 lc rgb '#dddddd' lw 1

# The line style of the contender in that column: Parcel's are the last two.
style_of(column) = column == columns ? 20 : column == columns - 1 ? 21 : column - 1

set border 3 lc rgb '#444444'
set tics nomirror
set xtics scale 0
set grid ytics ls 30
set key outside right center vertical reverse Left samplen 2 spacing 1.15

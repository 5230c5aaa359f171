# overhead.gnuplot: what an empty call costs. data: lines of nanoseconds and contender.
columns = 0
load directory . '/style.gnuplot'

set terminal svg noenhanced size 900,560 font 'DejaVu Sans,13' background rgb 'white'
set title 'An empty call on 2 workers'
set xlabel 'nanoseconds (logarithmic)'
set logscale x
set xrange [0.3:*] # to the next power of ten, where the last figure has room
set yrange [*:*] reverse
set format x '%g'
set grid noytics xtics ls 30
set ytics scale 0
set lmargin 24
set boxwidth 0.65
unset key
is_parcel(name) = strstrt(name, 'parcel') > 0
plot data using (0.3):0:(0.3):1:($0 - 0.35):($0 + 0.35):(is_parcel(stringcolumn(2)) ? \
        0xd62728 : 0x9db7d0):ytic(2) with boxxyerror fill solid noborder lc rgb variable, \
    data using ($1 * 1.15):0:(sprintf($1 < 100 ? '%.2g' : '%.0f', $1)) with labels left font ',11'

# SPDX-License-Identifier: MIT
# As bars.gp, on a logarithmic axis.
# Given by -e: data, columns, out, heading, ylab.
set terminal svg size 1200,480 font "sans-serif,12" background rgb "white"
set output out
set datafile missing "NaN"
set title heading
set ylabel ylab
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.85 border -1
set boxwidth 0.9
set logscale y 10
set yrange [0.01:*]
set grid ytics lc rgb "#dddddd"
set xtics rotate by 25 right scale 0 noenhanced
set key outside top center horizontal noenhanced
plot for [i = 2:columns] data using i:xtic(1) title columnheader(i)

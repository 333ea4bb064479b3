# SPDX-License-Identifier: MIT
# Grouped bars: data has a header, then a name and a value for each column.
# Given by -e: data, columns, out, heading, ylab, and kind: linear, log or ratio (with a
# line at 1, and one at the target of 0.8).
set terminal svg size 1280,480 font "sans-serif,12" background rgb "white"
set output out
set datafile missing "NaN"
set title heading
set ylabel ylab
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.85 border -1
set boxwidth 0.9
set grid ytics lc rgb "#dddddd"
set xtics scale 0 noenhanced
set bmargin 3.5
set key outside top center horizontal noenhanced
set yrange [0:*]
if (kind eq "log") {
	set logscale y 10
	set yrange [0.01:*]
}
if (kind eq "ratio") {
	plot for [i = 2:columns] data using i:xtic(1) title columnheader(i), \
		1 with lines lc rgb "black" notitle, 0.8 with lines dt 2 lc rgb "red" notitle
} else {
	plot for [i = 2:columns] data using i:xtic(1) title columnheader(i)
}

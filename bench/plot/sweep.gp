# SPDX-License-Identifier: MIT
# Speed by number of threads: cached, direct and cold reads of three sizes.
# Given by -e: folder (of sweep-*.dat), columns, out.
set terminal svg size 1080,900 font "sans-serif,11" background rgb "white"
set output out
set datafile missing "NaN"
set multiplot layout 3,3 title "Speed by number of threads"
set logscale x 2
set xtics (1, 2, 4, 8, 16)
set xrange [0.9:18]
set yrange [0:*]
set grid lc rgb "#dddddd"
set key bottom right noenhanced
set style data linespoints
do for [c in "cached direct cold"] {
	do for [s in "4k 64k 1m"] {
		file = folder . "/sweep-" . c . "-" . s . ".dat"
			set title sprintf("%s %s", c, s)
		set format y (s eq "4k" ? "%.1s%c" : "%g")
		set xlabel "threads"
		set ylabel (s eq "4k" ? "reads a second" : "GB/s")
		plot for [i = 2:columns] file using 1:(column(i)) lw 2 pt 7 ps 0.6 title columnheader(i)
	}
}
unset multiplot

#!/bin/sh
# SPDX-License-Identifier: MIT
# Files of sizes round the tile and block borders come back as they were, at all levels.
. "$(dirname "$0")/common.sh"

make_noise noise 2000000
make_text text 300000
for size in 0 1 2 31 32 33 65535 65536 65537 131072 524287 524288 524289 1048577; do
	for kind in noise text; do
		head -c $size $kind >in
		run 0 "$dstool" compress --force in in.gdeflate
		says "MB/s" stderr
		run 0 "$dstool" decompress --force --size $size in.gdeflate out
		same in out
	done
done

for level in 1 2 3 4 5 6 7 8 9 10 11 12; do
	run 0 "$dstool" compress --force --level $level text text.gdeflate
	run 0 "$dstool" decompress --force text.gdeflate out
	same text out
done

# The default level is 6.
run 0 "$dstool" compress --level 6 text six
run 0 "$dstool" compress text default
same six default

# What is stored takes little more room than it had; what is text takes less.
run 0 "$dstool" compress noise noise.gdeflate
[ "$(wc -c <noise.gdeflate)" -lt 2020000 ] || fail "noise grew too much"
[ "$(wc -c <six)" -lt "$(($(wc -c <text) / 2))" ] || fail "text did not become smaller"

# Decoding with any number of threads gives the same.
for threads in 1 2 5 16; do
	run 0 "$dstool" decompress --force --threads $threads six out
	same text out
done
no_litter .

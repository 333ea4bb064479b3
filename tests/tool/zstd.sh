#!/bin/sh
# SPDX-License-Identifier: MIT
# The Zstandard format, where the build has it; where it has not, that is said.
. "$(dirname "$0")/common.sh"

make_text text 300000
if ! has_zstd; then
	run 1 "$dstool" compress --format zstd text out
	says "this build lacks" stderr
	absent out
	exit 77
fi

make_noise noise 1000000
for size in 0 1 65536 131072 131073 1000000; do
	for kind in text noise; do
		head -c $size $kind >in
		run 0 "$dstool" compress --force --format zstd in in.zst
		run 0 "$dstool" decompress --force --size $size in.zst out
		same in out
	done
done
run 0 "$dstool" compress --format zstd --level 19 text text.zst
run 2 "$dstool" compress --format zstd --level 20 text none
run 1 "$dstool" decompress --size 7 text.zst none
says "--size" stderr
absent none
cat text | "$dstool" compress --format zstd - - 2>stderr | "$dstool" decompress - - 2>stderr |
	cmp -s - text || fail "pipes"

size=$(wc -c <text.zst)
for keep in 3 4 5 10 $((size / 2)) $((size - 1)); do
	head -c "$keep" text.zst >part
	run 1 "$dstool" decompress part none
	absent none
done
# The checksum at the end is the last four bytes.
head -c $((size - 4)) text.zst >bad
printf 'abcd' >>bad
run 1 "$dstool" decompress bad none
absent none

# Frames one after the other, as the format has it.
cat text.zst text.zst >two.zst
cat text text >two
run 0 "$dstool" decompress two.zst out2
same two out2
run 1 "$dstool" decompress --size "$(wc -c <text)" two.zst none
absent none

if command -v zstd >/dev/null; then
	zstd -q -dc text.zst | cmp -s - text || fail "zstd itself cannot read it"
	# From a pipe it does not know the size, and cannot write it.
	zstd -q -c <text >unsized.zst
	run 0 "$dstool" decompress unsized.zst out3
	same text out3
	run 1 "$dstool" load unsized.zst
	says "does not say how large" stderr
fi
no_litter .

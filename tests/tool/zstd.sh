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
for size in 0 1 65536 262144 262145 1000000; do
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

# Several frames and their table, which the same number of threads need not read.
cat noise noise noise >big
for threads in 1 3; do
	run 0 "$dstool" compress --force --threads $threads --format zstd big big$threads.zst
done
same big1.zst big3.zst
run 0 "$dstool" decompress --force --threads 2 --size 3000000 big1.zst out
same big out
run 0 "$dstool" load --verify big1.zst
cat big1.zst text.zst >more.zst
cat big text >more
run 0 "$dstool" decompress --force --size "$(wc -c <more)" more.zst out
same more out
run 1 "$dstool" decompress --size 2999999 big1.zst none
run 1 "$dstool" decompress --size 3000001 big1.zst none
absent none
size=$(wc -c <big1.zst)
for keep in 20 31 33 100 1000 $((size / 2)) $((size - 1)); do
	head -c "$keep" big1.zst >part
	run 1 "$dstool" decompress part none
	absent none
done
# An end in the table that is not one: refused here, and read without the table when loaded.
cp big1.zst bad
printf '\377\377' | dd of=bad bs=1 seek=33 conv=notrunc 2>/dev/null
run 1 "$dstool" decompress bad none
absent none
run 0 "$dstool" load --verify bad

if command -v zstd >/dev/null; then
	zstd -q -dc big1.zst | cmp -s - big || fail "zstd itself cannot read frames with a table"
	zstd -q -dc text.zst | cmp -s - text || fail "zstd itself cannot read it"
	# From a pipe it does not know the size, and cannot write it.
	zstd -q -c <text >unsized.zst
	run 0 "$dstool" decompress unsized.zst out3
	same text out3
	run 1 "$dstool" load unsized.zst
	says "does not say how large" stderr
fi
no_litter .

#!/bin/sh
# SPDX-License-Identifier: MIT
# What is written does not depend on how many threads wrote it.
. "$(dirname "$0")/common.sh"

make_text text 400000
make_noise noise 600000
cat text noise text >in
formats=gdeflate
has_zstd && formats="gdeflate zstd"
for format in $formats; do
	run 0 "$dstool" compress --format "$format" --threads 1 in "one.$format"
	for threads in 2 3 7 32; do
		run 0 "$dstool" compress --force --format "$format" --threads $threads in many
		same "one.$format" many
	done
	run 0 "$dstool" compress --force --format "$format" in many
	same "one.$format" many
	run 0 "$dstool" decompress --force "one.$format" back
	same in back
done

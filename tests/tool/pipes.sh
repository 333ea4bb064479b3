#!/bin/sh
# SPDX-License-Identifier: MIT
# Standard input and output, on either side, and devices as OUT.
. "$(dirname "$0")/common.sh"

make_text text 400000
run 0 "$dstool" compress text text.gdeflate

cat text | "$dstool" compress - - >piped 2>stderr || fail "compress - -"
same text.gdeflate piped
cat text | "$dstool" compress - out 2>stderr || fail "compress - OUT"
same text.gdeflate out
"$dstool" compress text - >out2 2>stderr || fail "compress IN -"
same text.gdeflate out2
"$dstool" compress - - <text >out3 2>stderr || fail "compress from a redirected file"
same text.gdeflate out3

cat piped | "$dstool" decompress - - >back 2>stderr || fail "decompress - -"
same text back
cat piped | "$dstool" decompress - back2 2>stderr || fail "decompress - OUT"
same text back2
"$dstool" decompress piped - >back3 2>stderr || fail "decompress IN -"
same text back3
"$dstool" compress text - 2>/dev/null | "$dstool" decompress - - 2>/dev/null | cmp -s - text ||
	fail "one into the other"

# Nothing at all is a stream too.
: | "$dstool" compress - - 2>stderr | "$dstool" decompress --size 0 - empty 2>stderr ||
	fail "an empty pipe"
if [ ! -e empty ] || [ -s empty ]; then fail "the empty pipe's output"; fi

# A stream that ends early, out of a pipe.
head -c 100000 piped | "$dstool" decompress - out4 2>stderr && fail "half a stream is well"
absent out4
head -c 20 piped | "$dstool" decompress - out4 2>stderr && fail "half a table is well"
head -c 5 piped | "$dstool" decompress - out4 2>stderr && fail "half a header is well"
: | "$dstool" decompress - out4 2>stderr && fail "nothing is no stream"
absent out4

# Bytes after the end are told of.
{
	cat piped
	echo more
} | "$dstool" decompress - back4 2>stderr || fail "bytes after the end"
says "ignored" stderr
same text back4

# Devices are written as they are; files of unknown size are read to their end.
run 0 "$dstool" decompress text.gdeflate /dev/null
[ -c /dev/null ] || fail "/dev/null was replaced"
if [ -r /proc/self/maps ]; then
	run 0 "$dstool" compress /proc/version version.gdeflate
	run 0 "$dstool" decompress version.gdeflate version
	cat /proc/version >version.want
	same version.want version
fi
if [ -e /dev/full ]; then
	"$dstool" decompress text.gdeflate - >/dev/full 2>stderr
	[ $? -eq 1 ] || fail "a full device is well"
	says "standard output" stderr
fi
no_litter .

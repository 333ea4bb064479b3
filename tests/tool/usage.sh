#!/bin/sh
# SPDX-License-Identifier: MIT
# Help, versions, wrong usage, and the three exit codes.
. "$(dirname "$0")/common.sh"

run 2 "$dstool"
says "usage: dstool" stderr
run 2 "$dstool" frobnicate
says "frobnicate" stderr
run 2 "$dstool" --frobnicate
run 0 "$dstool" --help
says "Exit codes" stdout
run 0 "$dstool" --version
says "dstool 0." stdout

for command in info compress decompress load bench; do
	run 0 "$dstool" --help
	says "  $command " stdout
	run 0 "$dstool" $command --help
	says "usage: dstool $command" stdout
	[ ! -s stderr ] || fail "$command --help prints on stderr"
	run 2 "$dstool" $command --frobnicate
	says "--frobnicate" stderr
	run 2 "$dstool" $command -z
done

make_text in 1000
run 2 "$dstool" compress
run 2 "$dstool" compress in
run 2 "$dstool" compress in out more
run 2 "$dstool" compress --level 0 in out
run 2 "$dstool" compress --level 13 in out
run 2 "$dstool" compress --level -1 in out
run 2 "$dstool" compress --level 6x in out
run 2 "$dstool" compress --level 99999999999999999999 in out
run 2 "$dstool" compress --level
run 2 "$dstool" compress --threads 0 in out
run 2 "$dstool" compress --threads 1k in out
run 2 "$dstool" compress --format lz4 in out
run 2 "$dstool" compress --force=yes in out
run 2 "$dstool" decompress in
run 2 "$dstool" decompress --size abc in out
run 2 "$dstool" decompress --size 99999999T in out
run 2 "$dstool" decompress --size '' in out
run 2 "$dstool" info extra
run 2 "$dstool" load
run 2 "$dstool" load --backend warp in
says "warp" stderr
run 2 "$dstool" load --direct in
says "'in' is none of auto, on, off" stderr
run 2 "$dstool" load --direct= in
run 2 "$dstool" load --backend
run 2 "$dstool" load --queue-depth 0 in
run 2 "$dstool" load --workers 257 in
run 2 "$dstool" load --memory 10 in
absent out

run 1 "$dstool" compress missing out
says "missing" stderr
run 1 "$dstool" compress . out
run 1 "$dstool" compress in missing/out
says "missing/out" stderr
run 1 "$dstool" compress in ''
run 1 "$dstool" decompress in out
says "neither" stderr
run 1 "$dstool" load missing
absent out

# Options anywhere, both spellings, and names that begin with a dash.
run 0 "$dstool" compress in --level=9 out --threads 2
cp in ./--odd
run 0 "$dstool" compress -- --odd odd.gdeflate
run 0 "$dstool" decompress --size 3893 odd.gdeflate odd
same in odd

# A report that nobody can receive is a failure.
if [ -e /dev/full ]; then
	"$dstool" info >/dev/full 2>stderr
	[ $? -eq 1 ] || fail "info into a full device is well"
fi
exit 0

#!/bin/sh
# SPDX-License-Identifier: MIT
# The examples do what they say, with files and without.
. "$(dirname "$0")/common.sh"

make_noise noise 3000000
make_text text 100000
: >empty

for name in noise text empty; do
	"$programs/example_read_file" $name >copy 2>stderr || fail "read_file $name"
	same $name copy
done
run 1 "$programs/example_read_file" missing
says "missing" stderr
run 2 "$programs/example_read_file"

for i in 1 2 3 4 5 6 7 8; do
	cp noise "asset$i"
done
run 0 "$programs/example_stream_assets" text asset*
[ "$(grep -c ': DS_OK, ' stdout)" -ge 5 ] || fail "too few assets came"
[ "$(grep -c ', right: DS_ERR_CANCELLED' stdout)" -eq "$(sed -n 's/^cancelled: //p' stdout)" ] ||
	fail "the number of cancelled assets"
[ "$(wc -l <stdout)" -eq 10 ] || fail "not every asset is told of once"
says "text, now: DS_OK, 588895 bytes" stdout
[ "$(grep -c ', left: DS_OK, 3000000 bytes' stdout)" -eq 4 ] || fail "the left room"
run 1 "$programs/example_stream_assets" text missing asset1
says "missing" stderr
run 2 "$programs/example_stream_assets"

run 0 "$programs/example_epoll_loop" text empty asset*
says "text: DS_OK, 65536 bytes" stdout
says "empty: DS_OK, 0 bytes" stdout
says "timer ticks" stdout
run 1 "$programs/example_epoll_loop" missing
run 2 "$programs/example_epoll_loop"

run 0 "$programs/example_gdeflate_codec" c text packed
run 0 "$dstool" decompress --force packed back
same text back
run 0 "$programs/example_gdeflate_codec" d packed unpacked
same text unpacked
run 1 "$programs/example_gdeflate_codec" d text unpacked
run 2 "$programs/example_gdeflate_codec"

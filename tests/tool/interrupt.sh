#!/bin/sh
# SPDX-License-Identifier: MIT
# A signal in the middle of compressing or decompressing leaves nothing behind.
. "$(dirname "$0")/common.sh"

has_temp() {
	[ -n "$(find . -name '.dstool-*')" ]
}

make_text text 400000
run 0 "$dstool" compress text whole
mkfifo pipe

# interrupt COMMAND SIGNAL INPUT: the pipe gives half of INPUT and then stays open.
interrupt() {
	with_sigint "$dstool" "$1" pipe out 2>stderr &
	pid=$!
	children="$children $pid"
	exec 3>pipe
	head -c 200000 "$3" >&3
	wait_until 60 has_temp || fail "no temporary file"
	kill -"$2" "$pid"
	wait "$pid"
	code=$?
	exec 3>&-
	[ "$code" -ne 0 ] || fail "$1 after SIG$2 is well"
	says "interrupted" stderr
	absent out
	no_litter .
}

signals="TERM HUP"
env --default-signal=INT true 2>/dev/null && signals="INT $signals"
for signal in $signals; do
	interrupt compress "$signal" text
	interrupt decompress "$signal" whole
done

#!/bin/sh
# SPDX-License-Identifier: MIT
# load: a signal in the middle cancels what is in flight, says so, and still reports.
. "$(dirname "$0")/common.sh"

# Holes, so that it takes long to load and no room.
truncate -s 256G sparse 2>/dev/null || exit 77

# Half a second of CPU time: far from the start and from the end. (What io_uring reads is not
# counted in /proc/PID/io.)
has_read_much() {
	ticks=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f12,13 | tr ' ' +)
	[ $((${ticks:-0})) -ge 50 ]
}

# interrupt SIGNAL OPTION...
interrupt() {
	signal=$1
	shift
	with_sigint "$dstool" load "$@" sparse >stdout 2>stderr &
	pid=$!
	children="$children $pid"
	wait_until 60 has_read_much || fail "it does not read"
	kill -"$signal" "$pid"
	wait "$pid"
	code=$?
	[ "$code" -eq 1 ] || fail "exit code $code after SIG$signal"
	says "interrupted" stderr
	says "cancelled" stderr
}

signals=TERM
env --default-signal=INT true 2>/dev/null && signals="INT TERM"
# Fewer workers than requests in flight: some are still to be cancelled, however many cores there are.
for signal in $signals; do
	interrupt "$signal" --workers 2
	says "interrupted     yes" stdout
	grep -Eq "0 failed, [1-9][0-9]* cancelled" stdout || fail "nothing was cancelled"
	interrupt "$signal" --workers 2 --backend cpu
	grep -Eq "0 failed, [1-9][0-9]* cancelled" stdout || fail "nothing was cancelled"
	interrupt "$signal" --verify --workers 1 --queue-depth 4
	says "verified        NOT ALL" stdout
done

command -v python3 >/dev/null || exit 77
interrupt TERM --workers 2 --json
python3 - <<'PYTHON' || fail "the JSON is not as it should be"
import json
report = json.load(open("stdout"))
assert report["interrupted"] is True and report["cancelled"] > 0
assert report["requests"] == report["completed"] + report["cancelled"] + report["failed"]
PYTHON

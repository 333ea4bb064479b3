#!/bin/sh
# SPDX-License-Identifier: MIT
# Where io_uring is forbidden, "auto" takes the CPU backend and says why; "io_uring" fails and
# says why; info and bench say so too.
. "$(dirname "$0")/common.sh"

make_noise noise 3000000
"$programs/no_uring" EPERM true
code=$?
[ $code -ne 77 ] || exit 77
[ $code -eq 0 ] || fail "no_uring"

# is_explained FILE ERRNO: with a reason of its own, not only a result's message.
is_explained() {
	says "backend io_uring: " "$1"
	if grep -q 'without io_uring' "$1"; then return; fi
	case $2 in
	EPERM) grep -Eq 'seccomp|io_uring_disabled' "$1" || fail "no reason is given" ;;
	ENOSYS) says "no io_uring" "$1" ;;
	esac
}

for errno in EPERM ENOSYS; do
	run 0 "$programs/no_uring" $errno "$dstool" load --verify noise
	is_explained stderr $errno
	says "using cpu" stderr
	says "backend cpu" stdout
	says "instead of" stdout
	says "verified        yes" stdout

	run 1 "$programs/no_uring" $errno "$dstool" load --backend io_uring noise
	is_explained stderr $errno
	[ ! -s stdout ] || fail "a report of nothing"

	run 0 "$programs/no_uring" $errno "$dstool" load --backend cpu noise
	[ ! -s stderr ] || fail "the CPU backend was asked for, and something is said"

	run 0 "$programs/no_uring" $errno "$dstool" info
	says "io_uring: not available: " stdout
	says "(not backend io_uring: " stdout
	says "codecs           gdeflate" stdout
done

run 1 "$programs/no_uring" EPERM "$dstool" bench io --backend io_uring --size-mib 8 --seconds 0.01 \
	--rounds 1
is_explained stderr EPERM

command -v python3 >/dev/null || exit 77
run 0 "$programs/no_uring" EPERM "$dstool" load --json noise
python3 - <<'PYTHON' || fail "the JSON of load is not as it should be"
import json
report = json.load(open("stdout"))
assert report["backend"] == "cpu" and report["backend_asked"] == "auto"
assert report["fell_back_because"].startswith("backend io_uring: ")
assert report["io_fixed_buffers"] == report["io_fixed_files"] == 0
PYTHON
run 0 "$programs/no_uring" EPERM "$dstool" bench io --json --size-mib 8 --seconds 0.01 --rounds 1
says "left out" stderr
python3 - <<'PYTHON' || fail "the JSON of bench is not as it should be"
import json
report = json.load(open("stdout"))
assert report["left_out"].startswith("backend io_uring: ")
assert all(c["backend"] == "cpu" for w in report["workloads"] for c in w["contestants"])
PYTHON

#!/bin/sh
# SPDX-License-Identifier: MIT
# An ordinary user with little lockable memory: io_uring works, without registered memory, and
# that is reported. With enough of it, staging memory is registered, and that is reported too.
. "$(dirname "$0")/common.sh"

command -v prlimit >/dev/null || exit 77
make_noise noise 3000001
"$dstool" load --backend io_uring noise >stdout 2>stderr || exit 77

# Root may lock what it likes: then it is done as nobody, with copies that nobody can reach.
if [ "$(id -u)" -eq 0 ]; then
	command -v setpriv >/dev/null || exit 77
	chmod 755 .
	cp "$dstool" dstool
	ldd "$dstool" | sed -n 's/.*libds_runtime.* => \([^ ]*\) .*/\1/p' | while read -r library; do
		cp "$library" .
	done
fi

# little COMMAND [ARGUMENT]...: dstool as an ordinary user with 64 KiB of lockable memory.
little() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups prlimit --memlock=65536 \
			env LD_LIBRARY_PATH="$work" "$work/dstool" "$@"
	else
		prlimit --memlock=65536: "$dstool" "$@"
	fi
}

run 0 little info
# Where the kernel does not count (a capability, an odd sandbox) there is nothing to test.
grep -q "32 MiB are refused" stdout || exit 77
says "RLIMIT_MEMLOCK is 65.5 kB" stdout

# What the file system's blocks do not fit is read through staging memory.
# One ring: the rings themselves count too, and those of a process that has ended do for a while.
one_ring() {
	little load --backend io_uring --workers 1 --direct on --verify noise >stdout 2>stderr
}
wait_until 20 one_ring || fail "io_uring does not work"
says "backend io_uring" stdout
says "verified        yes" stdout
says " 0 into registered memory" stdout
# More rings than fit: the CPU backend then, which is said; else io_uring as above.
run 0 little load --workers 64 --verify noise
says "verified        yes" stdout
if grep -q "^backend cpu" stdout; then
	says "backend io_uring: " stderr
	says "using cpu" stderr
else
	says " 0 into registered memory" stdout
fi

"$dstool" info >stdout
grep -q "32 MiB can be registered" stdout || exit 0
run 0 "$dstool" load --backend io_uring --direct on --verify noise
says "verified        yes" stdout
if grep -q "O_DIRECT through staging memory" stdout; then
	grep -Eq "[1-9][0-9]* into registered memory" stdout ||
		fail "staging memory can be registered, and was not"
fi
exit 0

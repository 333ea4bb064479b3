# SPDX-License-Identifier: MIT
# common.sh: what all tests of dstool share. Sourced with the folder of the programs as $1.
# Changes into an empty folder, which is removed at the end.
# shellcheck shell=sh
set -u

programs=$(cd "$1" && pwd) || exit 1
dstool=$programs/dstool
work=$(mktemp -d) || exit 1
children=

clean_up() {
	for child in $children; do
		kill -KILL "$child" 2>/dev/null
	done
	chmod -R u+rwx "$work" 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1

fail() {
	echo "FAILED: $*" >&2
	[ -s stdout ] && sed 's/^/  stdout: /' stdout | head -n 40 >&2
	[ -s stderr ] && sed 's/^/  stderr: /' stderr | head -n 40 >&2
	exit 1
}

# run CODE COMMAND...: runs it with its output in ./stdout and ./stderr, and wants that exit code.
run() {
	wanted=$1
	shift
	"$@" >stdout 2>stderr </dev/null
	code=$?
	[ "$code" -eq "$wanted" ] || fail "exit code $code instead of $wanted: $*"
}

# says TEXT FILE: the file contains it.
says() {
	grep -qF -- "$1" "$2" || fail "'$1' is not in $2"
}

same() {
	cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

absent() {
	if [ -e "$1" ] || [ -L "$1" ]; then fail "$1 is there"; fi
}

# No temporary file of dstool's is left in the folder.
no_litter() {
	for left in "$1"/.dstool-*; do
		[ ! -e "$left" ] || fail "$left was left behind"
	done
}

# make_text FILE LINES: compressible, always the same.
make_text() {
	seq 1 "$2" >"$1"
}

# make_noise FILE BYTES
make_noise() {
	head -c "$2" /dev/urandom >"$1"
}

has_zstd() {
	"$dstool" info --json | tr -d ' \n' | grep -q '"dstool_formats":\["gdeflate","zstd"\]'
}

# wait_until SECONDS COMMAND...: false when it did not come true in that time.
wait_until() {
	tries=$(($1 * 20))
	shift
	while [ "$tries" -gt 0 ]; do
		"$@" && return 0
		sleep 0.05
		tries=$((tries - 1))
	done
	return 1
}

# Shells start background jobs with SIGINT ignored; this undoes it, where env can.
with_sigint() {
	if env --default-signal=INT true 2>/dev/null; then
		exec env --default-signal=INT "$@"
	fi
	exec "$@"
}

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh: runs a Windows program by Wine, with dstorage.dll of this build.
#
# usage: run.sh PREFIX DLLS FOLDER PROGRAM [ARGUMENT]...   in FOLDER, which is made anew
#        run.sh --setup PREFIX DLLS                        makes the prefix, starts a display
#        run.sh --cleanup PREFIX                           ends what --setup started
#
# Exit 77: there is no Wine here. RUN_WINE_OVERRIDES adds to WINEDLLOVERRIDES.
set -euo pipefail

find_wine() {
	command -v wine64 || command -v wine || ls /usr/lib/wine/wine64 2>/dev/null
}

find_server() {
	command -v wineserver || ls /usr/lib/wine/wineserver* 2>/dev/null | head -n 1
}

if ! wine=$(find_wine); then
	echo "Wine is not installed"
	if [ "$1" = --setup ] || [ "$1" = --cleanup ]; then exit 0; fi
	exit 77
fi

# No crash dialog, which would wait for ever; no offers to download parts of Wine.
export WINEARCH=win64 WINEDEBUG=-all
export WINEDLLOVERRIDES="dstorage,dstoragecore=b;winedbg.exe,mscoree,mshtml=d${RUN_WINE_OVERRIDES:+;$RUN_WINE_OVERRIDES}"

# Where D3D12 finds a window system. Wine asks once, when a prefix's first process starts.
start_display() {
	command -v Xvfb >/dev/null || return 0
	Xvfb -displayfd 3 -screen 0 640x480x24 -nolisten tcp \
		3>"$WINEPREFIX/display" >/dev/null 2>&1 &
	echo $! >"$WINEPREFIX/display.pid"
	for _ in $(seq 100); do
		[ ! -s "$WINEPREFIX/display" ] || break
		sleep 0.1
	done
}

use_display() {
	unset DISPLAY
	if [ -s "$WINEPREFIX/display" ]; then
		DISPLAY=:$(cat "$WINEPREFIX/display")
		export DISPLAY
	fi
}

cleanup() {
	"$(find_server)" -k 2>/dev/null || true
	if [ -s "$WINEPREFIX/display.pid" ]; then
		kill "$(cat "$WINEPREFIX/display.pid")" 2>/dev/null || true
	fi
	rm -f "$WINEPREFIX/display" "$WINEPREFIX/display.pid"
}

case $1 in
--setup)
	mkdir -p "$2"
	export WINEPREFIX=$2 WINEDLLPATH=$3
	cleanup
	start_display
	use_display
	# The server stays from the first program to the last: starting it costs seconds.
	# None of what stays may keep our output open: ctest reads it to its end.
	"$(find_server)" -p </dev/null >/dev/null 2>&1
	# Also copies our DLLs into system32, where programs that bring none find them.
	timeout 150 "$wine" wineboot -u </dev/null >"$2/wineboot.log" 2>&1
	;;
--cleanup)
	export WINEPREFIX=$2
	cleanup
	;;
*)
	export WINEPREFIX=$1 WINEDLLPATH=$2
	rm -rf "$3"
	mkdir -p "$3"
	cd "$3"
	use_display
	exec "$wine" "${@:4}" </dev/null
	;;
esac

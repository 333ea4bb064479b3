#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# wine-vkd3d-check.sh: tests and measures dstorage.dll on vkd3d-proton, which the tests of the build
# do without: D3D12's metacommand, and our own decoder by the interop interfaces.
#
# usage: wine-vkd3d-check.sh PREFIX [BUILD_FOLDER [STEP]...]     BUILD_FOLDER: build
#
# PREFIX is a Wine prefix with vkd3d-proton's d3d12.dll and d3d12core.dll in its system32; this
# build's dstorage.dll is put there as well. Steps: base, software, metacommand, vulkan, bench;
# all of them unless named. A step whose needs are not met is skipped by name.
#
#	needs: Wine 10 or later for vkd3d-proton 3; Xvfb, or a display in DISPLAY; a Vulkan driver
#	DATA   a file for the bench step, which compresses it (the Unix half of the DLL)
#
# Exit 77: nothing can be run here. 1: something failed.
set -euo pipefail

prefix=$(cd "${1:?usage: wine-vkd3d-check.sh PREFIX [BUILD_FOLDER [STEP]...]}" && pwd)
build=$(cd "${2:-build}" && pwd)
shift $(($# < 2 ? $# : 2))
steps=" ${*:-base software metacommand vulkan bench} "
tests=$build/tests/wine
system32=$prefix/drive_c/windows/system32
failed=0

skip_all() {
	echo "skipped: $*"
	exit 77
}

wine=$(command -v wine64 || command -v wine) || skip_all "Wine is not installed"
server=$(command -v wineserver || ls /usr/lib/wine/wineserver* 2>/dev/null | head -n 1)
[ -f "$system32/d3d12core.dll" ] || skip_all "$prefix has no vkd3d-proton: d3d12core.dll is missing"
[ -f "$tests/test_decode.exe" ] || skip_all "$build has no tests for Wine: needs DS_BUILD_WINE"

export WINEPREFIX=$prefix WINEARCH=win64 WINEDEBUG=-all WINEDLLPATH=$build/wine
export WINEDLLOVERRIDES="dstorage,dstoragecore=b;d3d12,d3d12core=n;winedbg.exe,mscoree,mshtml=d"
export VKD3D_DEBUG=${VKD3D_DEBUG:-none}
work=$(mktemp -d)
display=
cleanup() {
	"$server" -k 2>/dev/null || true
	[ -z "$display" ] || kill "$display" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

if [ -z "${DISPLAY:-}" ]; then
	command -v Xvfb >/dev/null || skip_all "there is no display, and no Xvfb"
	Xvfb -displayfd 3 -screen 0 640x480x24 -nolisten tcp 3>"$work/display" >/dev/null 2>&1 &
	display=$!
	for _ in $(seq 100); do
		[ ! -s "$work/display" ] || break
		sleep 0.1
	done
	DISPLAY=:$(cat "$work/display")
	export DISPLAY
fi
# A server that was started without a display keeps answering without one.
"$server" -k 2>/dev/null || true
cp "$build"/wine/x86_64-windows/dstorage*.dll "$system32"

run() { # step, limit in seconds, program, arguments
	local status=0
	(cd "$work" && timeout "$2" "$wine" "$tests/$3" "${@:4}" </dev/null) \
		>"$work/log" 2>&1 || status=$?
	case $status in
	0) echo "$1: passed" ;;
	77) echo "$1: skipped: $(tail -n 1 "$work/log")" ;;
	*)
		echo "$1: FAILED ($status)"
		tail -n 5 "$work/log"
		failed=1
		;;
	esac
}

bench() { # who decodes
	local status=0
	(cd "$work" && DS_WINE_GPU_DECODE=$1 timeout 300 "$wine" "$tests/gpu_decompression.exe" \
		"${DATA:-$build/wine/x86_64-unix/dstorage.so}" 64 </dev/null) \
		>"$work/log" 2>&1 || status=$?
	if [ $status != 0 ]; then
		echo "bench $1: FAILED ($status)"
		tail -n 3 "$work/log"
		failed=1
		return
	fi
	grep -a 'GDeflate' "$work/log" | tr -d '\r' | sed "s/^/bench $1: /"
}

for step in $steps; do
	case $step in
	base) DS_WINE_GPU_DECODE=off run base 300 test_gpu.exe real ;;
	software)
		if vulkaninfo --summary 2>/dev/null | grep -q PHYSICAL_DEVICE_TYPE_CPU; then
			run software 100 test_decode.exe software
		else
			echo "software: skipped: vulkaninfo names no device that is a CPU"
		fi
		;;
	metacommand | vulkan) run "$step" 300 test_decode.exe "$step" ;;
	bench)
		if [ -f "$tests/gpu_decompression.exe" ]; then
			for who in off auto vulkan metacommand; do bench $who; done
		else
			echo "bench: skipped: the samples are not built"
		fi
		;;
	*) echo "unknown step $step" >&2 && exit 2 ;;
	esac
done
exit $failed

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# demo.sh: the main job on real files. Compresses them with all cores, loads them through
# the runtime raw and compressed, checks every byte, and prints a table.
#
# usage: demo.sh [BUILD_FOLDER]     (default: build)
#
# The files are those of Debian's freedoom package where deps.sh found them, else large
# files of this machine. Nothing is left behind.
set -euo pipefail

build=${1:-build}
dstool=$build/dstool
runs=5
most_bytes=100000000
# Where deps.sh unpacks game data that is not installed.
game_data=${XDG_CACHE_HOME:-$HOME/.cache}/ds-runtime/freedoom
# Each run loads the files as often as it takes to have at least this much to measure.
run_bytes=400000000

if [ ! -x "$dstool" ]; then
	echo "demo: $dstool is not there; 'make build' makes it" >&2
	exit 1
fi
dstool=$(cd "$build" && pwd)/dstool
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
	echo "demo: $*" >&2
	if [ -s "$work/errors" ]; then cat "$work/errors" >&2; fi
	exit 1
}

# --------------------------------------------------------------- the input

# Sizes and names, the largest of a middling size first; not what is compressed already.
large_files() {
	find /usr/lib /usr/lib64 /usr/bin /usr/share -xdev -type f -size +256k -size -8M -readable \
		! -name '*.gz' ! -name '*.xz' ! -name '*.zst' ! -name '*.bz2' ! -name '*.png' \
		! -name '*.jpg' ! -name '*.jar' -printf '%s %p\n' 2>/dev/null |
		sort -k1,1nr -k2
}

choose_files() {
	local wad size path sum=0

	files=()
	for wad in /usr/share/games/doom/*.wad "$game_data"/usr/share/games/doom/*.wad; do
		if [ -f "$wad" ] && [ -r "$wad" ]; then files+=("$wad"); fi
	done
	what='the game data of Freedoom'
	if [ ${#files[@]} -gt 0 ]; then return; fi
	what='files of this machine'
	while read -r size path && [ ${#files[@]} -lt 100 ]; do
		if [ $((sum + size)) -gt $most_bytes ]; then continue; fi
		sum=$((sum + size))
		files+=("$path")
	done < <(large_files)
	if [ ${#files[@]} -eq 0 ]; then fail "no file of this machine can be used"; fi
}

# --------------------------------------------------------------- measuring

# number KEY FILE: one number of a report.
number() {
	sed -n "s/^  \"$1\": \([0-9.e+-]*\),\{0,1\}\$/\1/p" "$2"
}

# compress FORMAT: all files to $work/FORMAT; sets bytes_out and mb_per_s.
compress() {
	local format=$1 i=0 begin end file suffix=gdeflate

	if [ "$format" = zstd ]; then suffix=zst; fi
	mkdir "$work/$format"
	begin=$(date +%s%N)
	for file in "${files[@]}"; do
		i=$((i + 1))
		"$dstool" compress --format "$format" "$file" \
			"$work/$format/$i-$(basename "$file").$suffix" 2>"$work/errors" ||
			fail "compressing $file"
	done
	end=$(date +%s%N)
	bytes_out=$(cat "$work/$format"/* | wc -c)
	mb_per_s=$(awk -v b="$bytes_in" -v ns=$((end - begin)) 'BEGIN { printf "%.0f", b / ns * 1000 }')
}

# The median of several loads of the paths: sets gb_per_s and cpu_s_per_gb; then verifies.
load() {
	local i paths=()

	for ((i = 0; i < run_bytes; i += bytes_in)); do paths+=("$@"); done
	: >"$work/figures"
	for ((i = 0; i < runs; i++)); do
		"$dstool" load --json "${paths[@]}" >"$work/report" 2>"$work/errors" || fail "loading"
		echo "$(number gb_per_s "$work/report") $(number cpu_s_per_gb "$work/report")" \
			>>"$work/figures"
	done
	read -r gb_per_s cpu_s_per_gb < <(sort -g "$work/figures" | sed -n "$((runs / 2 + 1))p")
	"$dstool" load --json --verify "$@" >"$work/report" 2>"$work/errors" || fail "verifying"
	grep -q '"all_right": true' "$work/report" || fail "verifying"
	if [ "$(number bytes_delivered "$work/report")" != "$bytes_in" ]; then
		fail "verifying: other sizes than those of the files"
	fi
}

# row NAME BYTES COMPRESS_SPEED: one line of the table, with what load() found.
row() {
	awk -v name="$1" -v bytes="$2" -v all="$bytes_in" -v speed="$3" -v gb="$gb_per_s" \
		-v cpu="$cpu_s_per_gb" 'BEGIN {
		printf "  %-9s %8.1f %7.3f %15s %12.2f %11.3f %10s\n",
			name, bytes / 1e6, all / bytes, speed, gb, cpu, "yes" }'
}

# ------------------------------------------------------------------ the job

choose_files
bytes_in=$(cat "${files[@]}" | wc -c)
formats=(gdeflate)
if "$dstool" info --json | tr -d ' \n' | grep -q '"codecs":\["gdeflate","zstd"\]'; then
	formats+=(zstd)
fi

echo
echo "ds-runtime: compressing and loading $what"
echo "  ${#files[@]} files, $((bytes_in / 1000000)) MB, $(nproc) cores"
echo
echo "              MB    ratio   compress MB/s    load GB/s    CPU s/GB   verified"
load "${files[@]}"
row raw "$bytes_in" -
for format in "${formats[@]}"; do
	compress "$format"
	load "$work/$format"
	row "$format" "$bytes_out" "$mb_per_s"
done
echo
echo "Read by: $(sed -n 's/^  "backend": "\(.*\)",$/\1/p' "$work/report")."
echo "Loading is the median of $runs runs from the page cache, in bytes that arrive; every byte"
echo "was then compared with what plain reads and a separate decode give. More of this:"
echo "  $dstool load --verify PATH..."
echo "  $dstool bench io"

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How much sooner Zstandard with a table of frames is loaded by several decoders than by one: one
# file at a time from the page cache, beside the same bytes as one frame. For a quiet machine.
#
#	scripts/bench_zstd.sh [BUILD_FOLDER [ROUNDS]]
#
# Takes the corpus of bench_corpus.sh. Prints GB/s of decompressed bytes and CPU seconds a GB, medians of
# rounds in which the kinds take turns, and the median of the speed-up within a round.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dstool=${1:-$here/build}/dstool
rounds=${2:-7}
corpus=${XDG_CACHE_HOME:-$HOME/.cache}/ds-runtime-bench/corpus
cores=$(nproc)
work=$(mktemp -d "${TMPDIR:-/var/tmp}/ds-zstd.XXXXXX")
trap 'rm -r "$work"' EXIT

mkdir "$work/table" "$work/frame"
cat "$corpus"/{freedoom.wad,maps.bsp,models.md3,programs,textures.bc} >"$work/all"
"$dstool" compress --format zstd --level 3 "$work/all" "$work/table/0.zst"
kinds=table
if command -v zstd >/dev/null; then
	zstd -q -3 "$work/all" -o "$work/frame/0.zst"
	kinds="table frame"
fi
# One after the other into the same memory: no time goes into fresh pages but at the first.
for kind in $kinds; do
	for i in 1 2 3 4 5 6 7; do
		ln "$work/$kind/0.zst" "$work/$kind/$i.zst"
	done
done

for ((i = 0; i < rounds; i++)); do
	for kind in $kinds; do
		for workers in 1 "$cores"; do
			"$dstool" load --backend cpu --direct off --queue-depth 1 \
				--decode-workers "$workers" --json "$work/$kind" |
				awk -v round="$i" -v kind="$kind" -v workers="$workers" -F '[:,]' '
					/"gb_per_s"/ { speed = $2 }
					/"cpu_s_per_gb"/ { cpu = $2 }
					END { print round, kind, workers, speed + 0, cpu + 0 }'
		done
	done
done | awk -v cores="$cores" '
	function median(key,    i, j, t, n, x) {
		n = nr[key]
		for (i = 1; i <= n; i++)
			x[i] = value[key, i]
		for (i = 1; i <= n; i++)
			for (j = i + 1; j <= n; j++)
				if (x[j] < x[i]) { t = x[i]; x[i] = x[j]; x[j] = t }
		return x[int((n + 1) / 2)]
	}
	function add(key, v) { value[key, ++nr[key]] = v }
	{
		add($2 " " $3 " speed", $4)
		add($2 " " $3 " cpu", $5)
		kinds[$2] = 1
		if ($3 == 1)
			one[$1, $2] = $4
		else
			add($2 " ratio", $4 / one[$1, $2])
	}
	END {
		for (k in kinds)
			printf "%s: 1 decoder %.2f GB/s, %.2f s/GB; %d decoders %.2f GB/s, %.2f s/GB; speed-up %.2f\n",
				k, median(k " 1 speed"), median(k " 1 cpu"), cores,
				median(k " " cores " speed"), median(k " " cores " cpu"),
				median(k " ratio")
	}'

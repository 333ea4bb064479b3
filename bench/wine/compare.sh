#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# compare.sh: dstorage.dll in Wine against the runtime itself, and against overlapped ReadFile.
#
# usage: compare.sh BUILD_FOLDER [--rounds N] [--seconds S] [--mib N] [--cold]
#
# The peers take turns, round after round. Prints for each workload and peer the median, and the
# median of its ratios to the peer that it is compared with, as lines of key=value pairs. The
# files are cached unless --cold is given: then they leave the page cache before each run.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?usage: compare.sh BUILD_FOLDER}" && pwd)
shift
rounds=7 seconds=1 mib=512 cold=
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=$2 && shift ;;
	--seconds) seconds=$2 && shift ;;
	--mib) mib=$2 && shift ;;
	--cold) cold=yes ;;
	*) echo "unknown option $1" >&2 && exit 2 ;;
	esac
	shift
done

native=$build/bench_wine_native
windows=$build/bench/wine/bench_wine.exe
runner=$here/../../tests/wine/run.sh
folder=${XDG_CACHE_HOME:-$HOME/.cache}/ds-runtime-bench/wine
prefix=$build/bench/wine/prefix
if [ ! -x "$native" ] || [ ! -f "$windows" ]; then
	echo "compare.sh: not built in $build: needs DS_BUILD_WINE" >&2
	exit 1
fi

mkdir -p "$folder"
if [ "$(stat -c %s "$folder/plain.bin" 2>/dev/null || echo 0)" != $((mib * 1048576)) ]; then
	"$native" prepare "$folder" "$mib"
fi
"$runner" --setup "$prefix" "$build/wine"
trap '"$runner" --cleanup "$prefix"' EXIT

in_wine() {
	"$runner" "$prefix" "$build/wine" "$build/bench/wine/run.dir" "$windows" \
		"$1" "Z:${folder//\//\\}" "$2" "$seconds" 2>/dev/null | tr -d '\r'
}

run_peer() { # peer, workload
	if [ -n "$cold" ]; then
		"$native" evict "$folder"
	fi
	case $1 in
	native) "$native" "$folder" "$2" "$seconds" ;;
	*) in_wine "$1" "$2" ;;
	esac
}

peers_of() {
	case $1 in
	gdeflate-*) echo native dstorage ;;
	*) echo native dstorage readfile ;;
	esac
}

for workload in read-64k read-64k-wide read-1m gdeflate-1m; do
	cat "$folder"/*.bin >/dev/null
	for round in $(seq "$rounds"); do
		for peer in $(peers_of $workload); do
			echo "$workload $round $peer $(run_peer "$peer" $workload)"
		done
	done
done | awk -v cold="${cold:-no}" '
function median(list,   n, i, j, t, a) {
	n = split(list, a, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) {
			t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
		}
	return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}
{
	key = $1 " " $3
	if (!(key in values)) keys[++nr] = key
	values[key] = values[key] " " $4
	cpu[key] = cpu[key] " " $5
	now[$3] = $4
	if ($3 == "dstorage") ratio[key] = ratio[key] " " $4 / now["native"]
	if ($3 == "readfile") ratio[key] = ratio[key] " " now["dstorage"] / $4
}
END {
	for (i = 1; i <= nr; i++) {
		split(keys[i], k, " ")
		printf "workload=wine-%s cold=%s backend=%s gbps=%.3f cpu_s_per_gb=%.3f",
			k[1], cold, k[2], median(values[keys[i]]), median(cpu[keys[i]])
		if (k[2] == "dstorage") printf " ratio_to_native=%.2f", median(ratio[keys[i]])
		if (k[2] == "readfile") printf " dstorage_is_times=%.2f", median(ratio[keys[i]])
		print ""
	}
}'

#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the benchmarks and draws their charts.
#
#	scripts/bench.sh [options] [BUILD_FOLDER]
#
# Everything lands in bench-out/<date>/: results.txt (one line of key=value pairs a
# figure), results.json (the same), machine.txt, and one SVG a chart.
set -eu

usage() {
	cat <<'END'
usage: scripts/bench.sh [options] [BUILD_FOLDER]

  --quick         short runs: about two minutes instead of ten
  --only PARTS    of io, sweep, load, codec: a list with commas
  --backend LIST  backends to measure (default: all that work here)
  --out FOLDER    where the results go (default: bench-out/<date>)
  --draw FOLDER   measure nothing, draw the charts of results that are there
END
}

here=$(cd "$(dirname "$0")/.." && pwd)
build=build
parts=io,sweep,load,codec
quick=
backend=
out=
draw_only=
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=--quick ;;
	--only) parts=$2 && shift ;;
	--backend) backend=$2 && shift ;;
	--out) out=$2 && shift ;;
	--draw) out=$2 && draw_only=1 && shift ;;
	--help | -h) usage && exit 0 ;;
	-*) usage >&2 && exit 2 ;;
	*) build=$1 ;;
	esac
	shift
done
cd "$here"
out=${out:-bench-out/$(date +%Y%m%d-%H%M%S)}
results=$out/results.txt

is_wanted() {
	case ,$parts, in
	*,$1,*) return 0 ;;
	esac
	return 1
}

# Without stopping at the first program that fails: the others' figures are still worth having.
failed=0
measure() {
	program=$build/$1
	shift
	if [ ! -x "$program" ]; then
		echo "$program is not built, left out" >&2
		return
	fi
	echo "$program $*" >&2
	if ! "$program" "$@" >>"$results"; then
		echo "$program $* failed" >&2
		failed=1
	fi
}

describe_machine() {
	echo "date: $(date -u +%Y-%m-%dT%H:%M:%SZ)"
	echo "kernel: $(uname -sr) $(uname -m)"
	echo "cpu: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) usable"
	echo "memory: $(awk '/MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)"
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/ds-runtime-bench
	mkdir -p "$cache"
	echo "file system: $(df -PT "$cache" | awk 'NR == 2 { print $2 " on " $1 }')"
	echo "load: $(cut -d ' ' -f 1-3 /proc/loadavg)"
	echo "compiler: $(sed -n 's/^CMAKE_C_COMPILER:[^=]*=//p' "$build/CMakeCache.txt")," \
		"$(sed -n 's/^CMAKE_BUILD_TYPE:[^=]*=//p' "$build/CMakeCache.txt")"
	if command -v fio >/dev/null; then
		fio --version
	else
		echo "fio: not installed, left out"
	fi
}

list_backends() {
	if [ -n "$backend" ]; then
		echo "$backend" | tr , ' '
	else
		"$build/bench_io" --backends
	fi
}

# The corpus where it was fetched, game data where that is installed, else some of the machine's
# own programs.
codec_files() {
	if [ -d "$cache/corpus" ]; then
		find "$cache/corpus" -type f | sort
		return
	fi
	wads=$(find /usr/share/games/doom "${XDG_CACHE_HOME:-$HOME/.cache}/ds-runtime/freedoom" \
		-name '*.wad' 2>/dev/null | sort)
	echo "${wads:-$(find /usr/bin -type f -size +256k | sort | head -n 60)}"
}

# $backend_arg and $quick are empty or words without blanks.
# shellcheck disable=SC2046,SC2086
measure_all() {
	backend_arg=${backend:+--backend $backend}
	if is_wanted io; then
		measure bench_io $quick $backend_arg --fio
	fi
	if is_wanted sweep; then
		measure bench_io ${quick:---seconds 0.5 --rounds 3} $backend_arg 'sweep-*'
	fi
	if is_wanted load; then
		for b in $(list_backends); do
			measure bench_load $quick --backend "$b"
		done
	fi
	if is_wanted codec; then
		measure bench_codec --runs 3 --levels 1,6,9 --threads "1,$(nproc)" \
			$(codec_files)
		# The same beside libdeflate, zlib and zstd.
		"$build/dstool" bench codec $(codec_files) >"$out/codec.txt" || failed=1
		cat "$out/codec.txt" >&2
	fi
}

# The awk programs below read a line's pairs into v[].
# shellcheck disable=SC2016
read_pairs='
function pairs(   i, at) {
	split("", v)
	for (i = 1; i <= NF; i++) {
		at = index($i, "=")
		if (at) v[substr($i, 1, at - 1)] = substr($i, at + 1)
	}
	return "workload" in v
}
# What a line is drawn as; "" for bare loops with another number of threads than the backend.
function column(   name) {
	name = v["backend"]
	if ("variant" in v && v["variant"] != "none") name = name "+" v["variant"]
	if ("codec" in v && v["codec"] != "none") name = name "/" v["codec"]
	if (v["backend"] == "bare" && v["workload"] in workers &&
	    workers[v["workload"]] != v["threads"]) return ""
	return name
}
# A table of cells, whose rows and columns come in the order in which they were first met.
function put(r, c, value) {
	if (!(r in row)) { row[r] = 1; rows[++nr] = r }
	if (!(c in col)) { col[c] = 1; cols[++nc] = c }
	cell[r, c] = value
}
function print_table(corner,   i, j, key) {
	printf "%s", corner
	for (j = 1; j <= nc; j++) printf " %s", cols[j]
	print ""
	for (i = 1; i <= nr; i++) {
		printf "%s", rows[i]
		for (j = 1; j <= nc; j++) {
			key = rows[i] SUBSEP cols[j]
			if (key in cell) printf " %s", cell[key]
			else printf " NaN"
		}
		print ""
	}
}
'

make_json() {
	awk "$read_pairs"'
	BEGIN { print "[" }
	pairs() {
		printf "%s  {", (n++ ? ",\n" : "")
		for (i = 1; i <= NF; i++) {
			at = index($i, "=")
			if (!at) continue
			key = substr($i, 1, at - 1); value = substr($i, at + 1)
			if (value !~ /^-?[0-9]+(\.[0-9]+)?$/) value = "\"" value "\""
			printf "%s\"%s\": %s", (i > 1 ? ", " : ""), key, value
		}
		printf "}"
	}
	END { print "\n]" }' "$results" >"$out/results.json"
}

# pivot METRIC PATTERN: a row a workload (its name on two lines), a column a peer.
pivot() {
	awk -v metric="$1" -v pattern="$2" "$read_pairs"'
	NR == FNR {
		if (pairs() && "peer" in v && v["peer"] ~ /^bare-/)
			workers[v["workload"]] = substr(v["peer"], 6)
		next
	}
	pairs() && v["workload"] ~ pattern && metric in v {
		c = column()
		if (c == "") next
		name = v["workload"]
		sub(/-/, "\\n", name)
		put("\"" name "\"", c, v[metric])
	}
	END { print_table("workload") }' "$results" "$results"
}

# A row a level and number of threads, a column a format.
codec_table() {
	awk "$read_pairs"'
	pairs() && v["workload"] ~ /_decode$/ && ("mbps" in v) && !("path" in v) {
		name = v["workload"]
		sub(/_decode$/, "", name)
		put("\"level " v["level"] "\\n" v["threads"] " threads\"", name, v["mbps"] / 1000)
	}
	END { print_table("level") }' "$results"
}

# sweep METRIC WORKLOAD: a row a number of threads, a column a peer.
sweep() {
	awk -v metric="$1" -v workload="$2" "$read_pairs"'
	pairs() && v["workload"] == workload { put(v["threads"], v["backend"], v[metric]) }
	END { print_table("threads") }' "$results"
}

# relative_to NAME: each cell of a table divided by its row's cell in that column.
relative_to() {
	awk -v name="$1" '
	NR == 1 { for (i = 2; i <= NF; i++) if ($i == name) at = i }
	{
		line = $1
		for (i = 2; i <= NF; i++) {
			if (i == at) continue
			if (NR == 1) line = line " " $i
			else if (!at || $i == "NaN" || $at == "NaN") line = line " NaN"
			else line = line " " $i / $at
		}
		print line
	}'
}

columns() {
	head -n 1 "$1" | wc -w
}

# chart NAME KIND TITLE Y_LABEL: draws $out/NAME.dat, unless it has no rows.
chart() {
	if [ "$(wc -l <"$out/$1.dat")" -lt 2 ]; then
		rm -f "$out/$1.dat"
		return
	fi
	gnuplot -e "data='$out/$1.dat'; columns=$(columns "$out/$1.dat"); out='$out/$1.svg'" \
		-e "kind='$2'; heading='$3'; ylab='$4'" bench/plot/bars.gp
}

draw() {
	if ! command -v gnuplot >/dev/null; then
		echo "gnuplot is not installed: no charts" >&2
		return
	fi
	pivot gbps '^cached-' >"$out/cached.dat"
	chart cached linear 'Reads from the page cache' 'GB/s'
	pivot gbps '^(direct|cold|half)-(64k|1m)' >"$out/disk.dat"
	chart disk linear 'Reads from the disk, 64 outstanding' 'GB/s'
	pivot iops '^(direct|cold)-4k' >"$out/disk-4k.dat"
	chart disk-4k linear '4 KiB reads from the disk, 64 outstanding' 'reads a second'
	pivot cpu_s_per_gb '^(cached|direct|cold|half)-' >"$out/cpu.dat"
	chart cpu log 'CPU time' 'CPU seconds per GB (log)'
	pivot iops '^(cached-|direct-|cold-|cost-4k)' | relative_to bare >"$out/ratio.dat"
	chart ratio ratio 'Speed relative to bare pread with as many threads as the CPU backend' ratio
	pivot gbps '^(load|decode)-' >"$out/load.dat"
	chart load linear 'Loading real files' 'GB/s of delivered bytes'
	codec_table >"$out/codec.dat"
	chart codec linear 'Decoding in memory' 'GB/s'
	for c in cached direct cold; do
		for s in 4k 64k 1m; do
			m=gbps
			[ $s = 4k ] && m=iops
			sweep $m sweep-$c-$s >"$out/sweep-$c-$s.dat"
		done
	done
	if [ "$(wc -l <"$out/sweep-cached-4k.dat")" -ge 2 ]; then
		gnuplot -e "folder='$out'; columns=$(columns "$out/sweep-cached-4k.dat")" \
			-e "out='$out/sweep.svg'" bench/plot/sweep.gp
	else
		rm -f "$out"/sweep-*.dat
	fi
}

summary() {
	awk "$read_pairs"'
	function show(key, format) { return (key in v) ? sprintf(format, v[key]) : "-" }
	function against(   k, text) {
		for (k = ""; ("peer" k) in v; k = k == "" ? 2 : k + 1)
			text = text sprintf("%s%.2f of %s", (text == "" ? "" : ", "),
				v["ratio_to_peer" k], v["peer" k])
		return text
	}
	NR == 1 {
		printf "%-22s %-20s %3s %9s %9s %9s %9s %9s  %s\n", "workload", "how", "thr",
			"GB/s", "IOPS", "p50 us", "p99 us", "CPU s/GB", "against"
	}
	pairs() {
		name = v["backend"]
		if ("variant" in v && v["variant"] != "none") name = name "+" v["variant"]
		if ("codec" in v && v["codec"] != "none") name = name "/" v["codec"]
		if (!("backend" in v) && "level" in v) name = "level " v["level"]
		if ("mbps" in v) v["gbps"] = v["mbps"] / 1000
		printf "%-22s %-20s %3s %9s %9s %9s %9s %9s  %s\n", v["workload"], name,
			show("threads", "%s"), show("gbps", "%.3f"), show("iops", "%.0f"),
			show("p50_us", "%.1f"), show("p99_us", "%.1f"),
			show("cpu_s_per_gb", "%.4f"),
			against()
	}' "$results"
}

if [ -z "$draw_only" ]; then
	mkdir -p "$out"
	: >"$results"
	describe_machine >"$out/machine.txt"
	measure_all
fi
make_json
draw || echo "not all charts could be drawn" >&2
summary | tee "$out/summary.txt"
echo "results and charts: $out" >&2
exit $failed

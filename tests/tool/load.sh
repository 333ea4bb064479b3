#!/bin/sh
# SPDX-License-Identifier: MIT
# load: a tree of raw and compressed files, verified, in several settings.
. "$(dirname "$0")/common.sh"

mkdir -p tree/a/b tree/c 'tree/odd name'
make_text tree/a/text 500000
make_noise tree/a/b/noise 9000000
make_noise 'tree/odd name/two
lines' 70000
: >tree/c/empty
run 0 "$dstool" compress tree/a/text tree/c/text.gdeflate
run 0 "$dstool" compress tree/c/empty tree/c/empty.gdeflate
run 0 "$dstool" compress tree/a/b/noise tree/c/noise.gdeflate
files=7
if has_zstd; then
	run 0 "$dstool" compress --format zstd tree/a/text tree/c/text.zst
	run 0 "$dstool" compress --format zstd tree/c/empty tree/c/empty.zst
	files=9
fi
ln -s ../a/text tree/c/link
ln -s ../.. tree/c/loop
mkfifo tree/c/pipe

run 0 "$dstool" load tree
says "verified        no" stdout
run 0 "$dstool" load --verify tree
says "verified        yes" stdout
says "files           $files (3 other things skipped)" stdout

check() {
	run 0 "$dstool" load --verify "$@" tree
	says "verified        yes" stdout
	says "0 failed, 0 cancelled" stdout
}
check --queue-depth 1
check --workers 1 --decode-workers 1 --queue-depth 3
check --memory 1M
check --memory 1M --queue-depth 1000
for direct in auto on off; do
	check --direct $direct
	check --backend cpu --direct=$direct
	says "direct I/O $direct" stdout
done
check --backend cpu
says "backend cpu" stdout
check --backend auto

# A file twice, a link as the path itself, and a tree whose name ends in a slash.
run 0 "$dstool" load --verify tree/a/text tree/a/text tree/c/link tree/a/
says "files           5" stdout

# Thousands of small files, more than may be open at a time.
mkdir many
seq 1 3000 | split -l 1 -a 4 - many/f
(
	ulimit -n 100
	exec "$dstool" load --verify --queue-depth 16 many
) >stdout 2>stderr || fail "many small files"
says "files           3000" stdout
says "requests        3000: 3000 complete" stdout
(
	ulimit -n 48
	exec "$dstool" load --backend cpu --queue-depth 1000 many
) >stdout 2>stderr || fail "more requests than files may be open"
says "queue depth 16 instead of 1000" stderr
says "requests        3000: 3000 complete" stdout
# With direct I/O a file may be open twice.
(
	ulimit -n 48
	exec "$dstool" load --backend cpu --direct on --queue-depth 1000 many
) >stdout 2>stderr || fail "more requests than files may be open, directly"
says "queue depth 8 instead of 1000" stderr
says "requests        3000: 3000 complete" stdout

mkdir nothing
run 0 "$dstool" load nothing
says "files           0" stdout

command -v python3 >/dev/null || exit 77
run 0 "$dstool" load --json --verify tree many
FILES=$files python3 - <<'PYTHON' || fail "the JSON is not as it should be"
import json, os
report = json.load(open("stdout"))
want = sum(os.path.getsize(os.path.join(d, f))
           for top in ("tree", "many") for d, _, names in os.walk(top) for f in names
           if os.path.isfile(os.path.join(d, f)) and not os.path.islink(os.path.join(d, f)))
assert report["files"] == int(os.environ["FILES"]) + 3000, report["files"]
assert report["bytes_read"] == want, (report["bytes_read"], want)
assert report["requests"] == report["completed"]
assert report["failed"] == report["cancelled"] == 0
assert report["backend_asked"] == report["direct"] == "auto"
assert report["backend"] == "io_uring" or report["fell_back_because"]
assert max(report["io_fixed_buffers"], report["io_fixed_files"]) <= report["io_operations"]
assert report["direct_refused"] == 0 or report["backend"] == "io_uring"
assert report["failures"] == [] and report["interrupted"] is False
assert report["verification"]["all_right"] is True
assert report["verification"]["bytes_right"] == report["bytes_delivered"] > want
assert report["seconds"] > 0 and report["gb_per_s"] > 0 and report["cpu_s_per_gb"] > 0
assert 0 < report["latency_p50_ns"] <= report["latency_p99_ns"]
assert report["staging_high_water_bytes"] <= report["staging_bytes"]
assert report["destination_high_water_bytes"] <= report["memory_limit_bytes"]
assert sum(p["bytes"] for p in report["paths"].values()) == report["bytes_delivered"]
PYTHON

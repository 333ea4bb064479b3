#!/bin/sh
# SPDX-License-Identifier: MIT
# bench io: short, on a small file: every contestant has figures or a reason, and what it prints
# as JSON is JSON.
. "$(dirname "$0")/common.sh"

run 2 "$dstool" bench
run 2 "$dstool" bench speed
says "'speed'" stderr
run 2 "$dstool" bench io extra
run 2 "$dstool" bench io --seconds 0
run 2 "$dstool" bench io --seconds -1
run 2 "$dstool" bench io --seconds 1e1
run 2 "$dstool" bench io --seconds .
says "'.'" stderr
run 2 "$dstool" bench io --seconds 61
says "between 0.01 and 60" stderr
run 2 "$dstool" bench io --rounds 100
run 2 "$dstool" bench io --size-mib 7
run 2 "$dstool" bench io --backend warp
says "none of auto, cpu, io_uring" stderr

run 1 "$dstool" bench io --file missing
says "missing: " stderr
make_text small 1000
run 1 "$dstool" bench io --file small
says "too small" stderr
run 1 "$dstool" bench io --file .
says "directory" stderr
run 1 env TMPDIR="$work/nowhere" "$dstool" bench io
says "nowhere" stderr

# A file of the user's stays as it is; one of its own leaves nothing behind.
make_noise mine 9000000
cp mine copy
run 0 "$dstool" bench io --backend cpu --file mine --seconds 0.01 --rounds 1
says "direct-4k-random" stdout
says "cpu, 4 workers (4)" stdout
same mine copy
rm mine copy small
mkdir tmp
run 0 env TMPDIR="$work/tmp" "$dstool" bench io --seconds 0.05 --size-mib 16 --rounds 2 --json
[ -z "$(ls -A tmp)" ] || fail "something is left in TMPDIR"

command -v python3 >/dev/null || exit 77
python3 - <<'PYTHON' || fail "the JSON is not as it should be"
import json
report = json.load(open("stdout"))
assert report["file"] is None and report["file_bytes"] == 16 << 20
assert report["rounds"] == 2 and abs(report["seconds"] - 0.05) < 1e-9
workloads = {w["name"]: w for w in report["workloads"]}
for name in ("direct-4k-random", "direct-64k-random", "direct-1m-sequential",
             "cached-4k-random", "cached-64k-random", "cached-1m-sequential",
             "half-64k-random", "half-1m-sequential", "cancel-direct-4k", "cancel-direct-1m"):
    w = workloads.pop(name)
    assert w["contestants"], name
    backends = set()
    for c in w["contestants"]:
        backends.add(c["backend"])
        if c["missing"]:
            continue
        assert c["io_workers"] >= 1
        assert c["bytes_per_s"] > 0 and c["iops"] > 0 and c["cpu_s_per_gb"] > 0, (name, c)
        assert abs(c["bytes_per_s"] / c["iops"] / w["request_bytes"] - 1) < 0.5, (name, c)
        assert 0 <= c["latency_p50_us"] <= c["latency_p99_us"] <= 1.04 * c["latency_max_us"]
        assert c["latency_p50_us"] > 0 or w["latency_of"] == "cancel"
        for r in c["ratios"]:
            assert r["speed"] > 0 and r["cpu_saved"] > 0 and r["to"] != c["name"]
    assert "cpu" in backends
    assert "io_uring" in backends or report["left_out"]
assert not workloads
PYTHON

run 2 "$dstool" bench codec --levels 1,x mine
run 2 "$dstool" bench codec --formats none mine
run 1 "$dstool" bench codec missing
says "missing" stderr
run 1 env XDG_CACHE_HOME="$work" "$dstool" bench codec
says "bench_corpus.sh" stderr
make_noise some 300000
run 0 "$dstool" bench codec --formats gdeflate,zlib --levels 1,6 --rounds 1 --threads 2 some
says "gdeflate" stdout
run 0 "$dstool" bench codec --formats gdeflate --levels 1,12 --rounds 2 --json some
python3 -c '
import json, sys
results = json.load(open("stdout"))["results"]
assert {r["level"] for r in results} == {1, 12}, results
assert all(r["compress_mb_per_s"] > 0 and r["decompress_mb_per_s"] > 0 for r in results)
'
rm some

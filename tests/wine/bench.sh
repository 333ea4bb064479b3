#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bench.sh DSTOOL PREFIX FOLDER: "dstool bench wine" runs all its peers, and says what is missing.
set -euo pipefail
dstool=$1 prefix=$2 folder=$3

rm -rf "$folder"
mkdir -p "$folder"
export XDG_CACHE_HOME=$folder
if "$dstool" bench wine --wine /nonexistent/wine 2>"$folder/stderr"; then
	echo "a Wine that is not there was not missed" >&2
	exit 1
fi
if "$dstool" bench wine --dlls "$folder" 2>"$folder/stderr"; then
	echo "DLLs that are not there were not missed" >&2
	exit 1
fi
if ! command -v wine64 >/dev/null && ! command -v wine >/dev/null && ! [ -x /usr/lib/wine/wine64 ]; then
	grep -q 'Wine is not installed' "$folder/stderr"
	echo "Wine is not installed"
	exit 77
fi
grep -q 'bench_wine.exe was not found' "$folder/stderr"
"$dstool" bench wine --prefix "$prefix" --rounds 1 --seconds 0.05 --size-mib 64 --json >"$folder/out"
python3 - "$folder/out" <<'END'
import json
import sys

results = json.load(open(sys.argv[1]))
assert [r["workload"] for r in results] == ["read-64k", "read-64k-wide", "read-1m", "gdeflate-1m"]
for r in results:
    peers = set(r) - {"workload"}
    assert peers == {"native", "dstorage", "readfile"} - ({"readfile"} if "gdeflate" in r["workload"] else set())
    assert all(r[p]["gb_per_s"] > 0 and r[p]["cpu_s_per_gb"] >= 0 for p in peers), r
END
rm -rf "$folder"

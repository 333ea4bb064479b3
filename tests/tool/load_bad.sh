#!/bin/sh
# SPDX-License-Identifier: MIT
# load: what fails is named, everything else is loaded, and the exit code is 1.
. "$(dirname "$0")/common.sh"

mkdir tree
make_text tree/fine 300000
run 0 "$dstool" compress tree/fine tree/fine.gdeflate
cp tree/fine.gdeflate tree/damaged.gdeflate
tiles=$((($(wc -c <tree/fine) + 65535) / 65536))
printf '\007' | dd of=tree/damaged.gdeflate bs=1 seek=$((8 + 4 * tiles)) conv=notrunc 2>/dev/null

run 1 "$dstool" load tree
says "tree/damaged.gdeflate" stderr
says "DS_ERR_CORRUPT_DATA" stderr
says "3: 2 complete, 1 failed, 0 cancelled" stdout
run 1 "$dstool" load --verify tree
says "verified        NOT ALL" stdout

# No stream at all, one cut short, one of nothing.
echo "no stream" >tree/none.gdeflate
head -c 50000 tree/fine.gdeflate >tree/short.gdeflate
: >tree/nothing.gdeflate
run 1 "$dstool" load tree
for name in damaged none short nothing; do
	says "tree/$name.gdeflate" stderr
done
says "2 complete" stdout
says "failures        4" stdout

# Paths that cannot be loaded.
mkfifo pipe
run 1 "$dstool" load pipe missing /dev/null tree/fine
says "pipe: neither" stderr
says "missing: " stderr
says "/dev/null: neither" stderr
says "1: 1 complete" stdout

if [ "$(id -u)" -ne 0 ]; then
	mkdir closed tree/closed
	cp tree/fine tree/secret
	chmod 000 tree/closed tree/secret
	run 1 "$dstool" load tree/fine tree
	says "tree/closed: " stderr
	says "tree/secret: " stderr
	rmdir tree/closed
	rm -f tree/secret
fi

if has_zstd; then
	run 0 "$dstool" compress --format zstd tree/fine tree/fine.zst
	head -c 5000 tree/fine.zst >tree/short.zst
	echo nothing >tree/none.zst
	run 1 "$dstool" load tree
	says "tree/short.zst" stderr
	says "tree/none.zst" stderr
	says "3 complete" stdout
fi

command -v python3 >/dev/null || exit 77
# A name that is no UTF-8, with a quote in it.
bad=$(printf 'tree/b"\377\\d.gdeflate')
cp tree/damaged.gdeflate "$bad"
run 1 "$dstool" load --json tree
python3 - <<'PYTHON' || fail "the JSON is not as it should be"
import json
report = json.load(open("stdout"))
paths = [f["path"] for f in report["failures"]]
assert "tree/damaged.gdeflate" in paths and "tree/b\"\ufffd\\d.gdeflate" in paths, paths
assert all(f["why"] for f in report["failures"])
assert report["verification"]["all_right"] is False
PYTHON

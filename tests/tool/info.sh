#!/bin/sh
# SPDX-License-Identifier: MIT
# info: every part is present, or it is said why not; the JSON is JSON.
. "$(dirname "$0")/common.sh"

run 0 "$dstool" info
for part in io_uring Vulkan CUDA cuFile; do
	grep -Eq "^$part: (present|not available: .+)" stdout || fail "nothing about $part"
done
grep -Eq "^  backends  .*[ )]cpu( |$)" stdout || fail "the CPU backend is not there"
says "codecs           gdeflate" stdout
says "$(uname -r)" stdout
says "memlock" stdout
if grep -q "^io_uring: present" stdout; then
	for key in ring_flags fixed_buffers cachestat; do
		says "  $key " stdout
	done
	grep -Eq "^  fixed_buffers  .*32 MiB .*RLIMIT_MEMLOCK is" stdout || fail "fixed_buffers"
fi

command -v python3 >/dev/null || exit 77
run 0 "$dstool" info --json
python3 - <<'PYTHON' || fail "the JSON is not as it should be"
import json
info = json.load(open("stdout"))
for part in "system", "cpu", "limits", "build", "io_uring", "vulkan", "cuda", "cufile":
    assert info[part]["present"] in (True, False), part
    assert info[part]["present"] or info[part]["reason"], part
    for values in info[part]["details"].values():
        assert values and all(isinstance(v, str) for v in values), part
assert "cpu" in info["build"]["details"]["backends"]
assert int(info["cpu"]["details"]["cores_allowed"][0]) >= 1
PYTHON

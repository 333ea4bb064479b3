#!/bin/sh
# SPDX-License-Identifier: MIT
# The progress bar is there on a terminal, and only there.
. "$(dirname "$0")/common.sh"

make_text text 800000
run 0 "$dstool" compress --level 12 --threads 1 text out
grep -q "$(printf '\r')" stderr && fail "a bar where there is no terminal"
says "ratio" stderr

command -v script >/dev/null || exit 77
# There may be no pseudo-terminals.
script -qec true /dev/null >/dev/null 2>&1 </dev/null || exit 77
script -qec "'$dstool' compress --force --level 12 --threads 1 text out" /dev/null >terminal \
	</dev/null || fail "compress on a terminal"
says "compressing" terminal
says "[#" terminal
says "ratio" terminal

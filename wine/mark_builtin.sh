#!/bin/sh
# SPDX-License-Identifier: MIT
# Marks a DLL as one of Wine's own, as `winebuild --builtin` does: Wine then looks for its
# Unix half, and prefers it to a game's file of that name.
#
# usage: mark_builtin.sh DLL
#
# The mark is 32 bytes at offset 64, in the DOS stub, which nobody runs.
set -eu
stub_end=$(od -An -t u4 -j 60 -N 4 "$1" | tr -d ' ')
if [ "$stub_end" -lt 96 ]; then
	echo "$1: its DOS stub is too short for the mark" >&2
	exit 1
fi
printf 'Wine builtin DLL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' |
	dd of="$1" bs=1 seek=64 conv=notrunc 2>/dev/null

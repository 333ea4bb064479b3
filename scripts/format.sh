#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# format.sh: puts the C code into the project's format, or with --check says where it is not.
#
# Versions of clang-format differ in details, so one is fixed: 14. Exit 77: it is not here.
set -euo pipefail
cd "$(dirname "$0")/.."

version=14
tool=
for name in clang-format-$version clang-format; do
	if command -v "$name" >/dev/null && "$name" --version | grep -q "version $version\."; then
		tool=$name
		break
	fi
done
if [ -z "$tool" ]; then
	echo "format: needs clang-format $version"
	exit 77
fi

mapfile -t files < <(find include src layer tools examples tests bench fuzz wine -name '*.[ch]' | sort)
if [ "${1:-}" = --check ]; then
	"$tool" --dry-run --Werror "${files[@]}"
	echo "format: ${#files[@]} files are well"
else
	"$tool" -i "${files[@]}"
fi

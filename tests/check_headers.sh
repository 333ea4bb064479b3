#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Each public header compiles by itself, without a warning, as C11, C++11 and C++20.
# usage: check_headers.sh INCLUDE-FOLDER CC [CXX]
set -euo pipefail
include=$1 cc=$2 cxx=${3:-}
strict="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only"
failed=0

compile() { # header, compiler and its options...
	local header=$1
	shift
	# shellcheck disable=SC2086
	if ! printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
		"$@" $strict -I "$include" -; then
		echo "$header: fails with $*"
		failed=1
	fi
}

for path in "$include"/*.h; do
	header=${path##*/}
	compile "$header" "$cc" -std=c11 -Wstrict-prototypes -x c
	if [ -x "$cxx" ]; then
		compile "$header" "$cxx" -std=c++11 -x c++
		compile "$header" "$cxx" -std=c++20 -x c++
	fi
	echo "$header: checked"
done
if [ $failed = 0 ] && [ ! -x "$cxx" ]; then
	echo "no C++ compiler here: checked as C only"
	exit 77
fi
exit $failed

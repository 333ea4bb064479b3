#!/bin/sh
# SPDX-License-Identifier: MIT
# Says which glibc a library asks for, and fails when that is newer than MAX.
#
# usage: check_glibc.sh LIBRARY [MAX]     MAX: 2.31, that of Steam's oldest container in use
#
# Exit 77: the glibc here is one against which nothing can be linked that old ones load.
set -eu
max=${2:-2.31}
newest_known=2.36

newer() { # A B: A is newer than B
	[ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -n 1)" = "$1" ]
}

# From the library's own names, so that no objdump has to be there.
needs=$(LC_ALL=C grep -ao 'GLIBC_2\.[0-9.]*' "$1" | sed 's/^GLIBC_//' | sort -uV | tail -n 1)
echo "$1: glibc $needs"
if newer "$needs" "$max"; then
	here=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/.* //')
	echo "newer than $max: containers with that cannot load it"
	if newer "${here:-0}" "$newest_known"; then exit 77; fi
	exit 1
fi

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Uses the installed tree as a stranger would: builds a program against it in the way
# that CASE names, runs it on a real file, and checks which library it runs with.
#
# usage: try.sh CASE PREFIX WORK SOURCE   (with CC, CXX and CMAKE in the environment)
set -euo pipefail
case=$1 prefix=$2 work=$3 source=$4
here=$(cd "$(dirname "$0")" && pwd)
input=$source/LICENSE

skip() {
	echo "skipped: $*"
	exit 77
}

# The library folder is lib, lib64 or lib/<architecture>, as the system likes it.
find_libdir() {
	local pc
	pc=$(find "$prefix" -name ds-runtime.pc)
	[ -n "$pc" ] || { echo "no ds-runtime.pc under $prefix"; exit 1; }
	libdir=$(dirname "$(dirname "$pc")")
}

want_pkg_config() {
	command -v pkg-config >/dev/null || skip "no pkg-config"
	export PKG_CONFIG_PATH=$libdir/pkgconfig
}

want_cxx() {
	command -v "${CXX:-no-compiler}" >/dev/null || skip "no C++ compiler"
}

# Every library that a static link needs has to be there as an archive.
want_archives() {
	local flag name
	for flag in $(pkg-config --static --libs-only-l ds-runtime); do
		name=lib${flag#-l}.a
		[ "$name" = libds_runtime.a ] || [ "$("$CC" -print-file-name="$name")" != "$name" ] ||
			skip "no $name"
	done
	[ "$("$CC" -print-file-name=libc.a)" != libc.a ] || skip "no libc.a"
}

needs_library() { # program
	readelf -d "$1" | grep -q 'NEEDED.*libds_runtime\.so\.0'
}

run_shared() { # program
	needs_library "$1" || { echo "$1 is not linked to libds_runtime.so.0"; exit 1; }
	LD_LIBRARY_PATH=$libdir "$1" "$input"
}

run_static() { # program
	! needs_library "$1" || { echo "$1 is linked to libds_runtime.so.0"; exit 1; }
	"$1" "$input"
}

strict="-Wall -Wextra -Wpedantic -Werror"

with_pkg_config() { # pkg-config's options, then the compiler and its options
	local how=$1
	shift
	# shellcheck disable=SC2046,SC2086
	"$@" $strict -o "$work/reader" "$here/reader.c" $(pkg-config $how --cflags --libs ds-runtime)
}

with_cmake() { # folder, then options
	local folder=$1
	shift
	"$CMAKE" -S "$here/$folder" -B "$work/build" -DCMAKE_C_COMPILER="$CC" "$@"
	"$CMAKE" --build "$work/build" --parallel 2
}

# The first C program of README.md, and the command lines beside it, are what people copy.
readme_program() {
	awk '/^```c$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' \
		"$source/README.md" >"$work/readme.c"
	[ -s "$work/readme.c" ] || { echo "README.md holds no C program"; exit 1; }
	# shellcheck disable=SC2046,SC2086
	"$CC" -std=c11 $strict -o "$work/readme" "$work/readme.c" \
		$(pkg-config --cflags --libs ds-runtime)
	needs_library "$work/readme"
	LD_LIBRARY_PATH=$libdir "$work/readme" "$input"
}

rm -rf "$work"
mkdir -p "$work"
find_libdir
case $case in
pkg_config) want_pkg_config && with_pkg_config "" "$CC" -std=c11 && run_shared "$work/reader" ;;
pkg_config_static)
	want_pkg_config
	want_archives
	with_pkg_config --static "$CC" -std=c11 -static
	run_static "$work/reader"
	;;
cxx11 | cxx20)
	want_pkg_config
	want_cxx
	with_pkg_config "" "$CXX" -x c++ -std="c++${case#cxx}"
	run_shared "$work/reader"
	;;
cmake_shared)
	with_cmake find_package -DCMAKE_PREFIX_PATH="$prefix" -DTARGET=ds::runtime
	run_shared "$work/build/reader"
	;;
cmake_static)
	with_cmake find_package -DCMAKE_PREFIX_PATH="$prefix" -DTARGET=ds::runtime_static
	run_static "$work/build/reader"
	;;
subproject)
	with_cmake subproject -DDS_SOURCE="$source" -DDS_BUILD_SHARED=OFF -DDS_BUILD_TOOLS=OFF
	run_static "$work/build/reader"
	;;
readme) want_pkg_config && readme_program ;;
dstool)
	# Runs where it was installed, without any search path, and its manual lies beside it.
	(unset LD_LIBRARY_PATH && "$prefix/bin/dstool" --version)
	[ -n "$(find "$prefix" -name dstool.1)" ] || { echo "no man page"; exit 1; }
	;;
*) echo "no case '$case'" && exit 2 ;;
esac

#!/bin/bash
# SPDX-License-Identifier: MIT
# check_pkgbuild.sh TREE BUILD
#
# The PKGBUILD names what there is: its functions run with commands that only look at their
# arguments. CMake's cache in BUILD tells the options and the version. makepkg itself is for those who have it.
set -euo pipefail
tree=$(realpath "$1")
cache=$2/CMakeCache.txt

fail() {
	echo "check_pkgbuild: $*" >&2
	exit 1
}

# The value of an entry that the project has declared.
entry() {
	sed -n "s/^$1:\(BOOL\|STRING\|STATIC\|PATH\|FILEPATH\)=//p" "$cache"
}

cmake() {
	local arg
	for arg; do
		case $arg in
		-DDS_*)
			arg=${arg#-D}
			[ -n "$(entry "${arg%%=*}")" ] || fail "there is no option ${arg%%=*}"
			nr_options=$((nr_options + 1))
			;;
		esac
	done
	if [ "$1" = -S ]; then
		[ -e "$2/CMakeLists.txt" ] || fail "nothing to build in $2"
	fi
}

ctest() {
	[ $# -gt 0 ] || fail "ctest without arguments"
}

install() {
	[ -e "$2" ] || fail "there is no $2"
	[[ $3 = "$pkgdir"/* ]] || fail "$3 is not in the package"
	nr_installed=$((nr_installed + 1))
}

nr_options=0 nr_installed=0
startdir=$tree/packaging/arch pkgdir=/package srcdir=/source
bash -n "$startdir/PKGBUILD"
. "$startdir/PKGBUILD"
[ "$pkgver" = "$(entry CMAKE_PROJECT_VERSION)" ] || fail "it is of version $pkgver"
build
check
package
[ "$nr_options" -gt 8 ] || fail "only $nr_options options"
[ "$nr_installed" -gt 0 ] || fail "nothing is installed"

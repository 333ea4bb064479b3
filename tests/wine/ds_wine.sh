#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ds_wine.sh: ds-wine installs and uninstalls, and a game's folder with DLLs of its own gets ours
# by two variables, and its own without them.
#
# usage: ds_wine.sh DS-WINE DLLS FOLDER [PREFIX]   with PREFIX, programs in FOLDER are run by Wine
set -euo pipefail
ds_wine=$1 dlls=$2 folder=$3 prefix=${4:-}

fail() {
	echo "ds_wine.sh: $*"
	exit 1
}

expect() { # text, command...
	local wanted=$1 got
	shift
	got=$("$@" 2>&1) || true
	case $got in
	*"$wanted"*) ;;
	*) fail "'$*' says: $got" ;;
	esac
}

# The files, in a folder that looks like a prefix.
test_files() {
	local p="$folder/a prefix" system
	rm -rf "$p"
	expect "is no Wine prefix" "$ds_wine" install "$folder" --from "$dlls"
	expect usage "$ds_wine" install
	expect usage "$ds_wine" paint "$p"
	system=$p/pfx/drive_c/windows/system32
	mkdir -p "$system"
	echo other >"$system/dstorage.dll"
	expect "not installed" "$ds_wine" status "$p"
	expect "not installed" "$ds_wine" uninstall "$p"
	expect "WINEDLLPATH='$(cd "$p" && pwd)/pfx/ds-runtime-wine'" \
		"$ds_wine" install "$p" --from "$dlls"
	expect "system32/dstorage.dll: ours" "$ds_wine" status "$p"
	# Again, as an update does.
	expect "system32/dstoragecore.dll: ours" "$ds_wine" install "$p" --from "$dlls"
	cmp "$dlls/x86_64-windows/dstorage.dll" "$system/dstorage.dll"
	cmp "$dlls/x86_64-unix/dstorage.so" "$p/pfx/ds-runtime-wine/x86_64-unix/dstorage.so"
	if [ -f "$dlls/../layer/vulkan/implicit_layer.d/libVkLayer_ds_share.so" ]; then
		expect "VK_INSTANCE_LAYERS=VK_LAYER_DS_share" "$ds_wine" options "$p"
	fi
	# Someone else's file in the place of ours is left alone.
	echo changed >"$system/dstoragecore.dll"
	expect "removed" "$ds_wine" uninstall "$p"
	[ "$(cat "$system/dstorage.dll")" = other ] || fail "the file of others is not back"
	[ "$(cat "$system/dstoragecore.dll")" = changed ] || fail "a changed file is gone"
	[ ! -e "$p/pfx/ds-runtime-wine" ] || fail "something is left"
}

run_in() { # folder, overrides...
	(
		cd "$1"
		shift
		env WINEPREFIX="$prefix" WINEARCH=win64 WINEDEBUG=-all "$@" \
			wine ./which_dstorage.exe </dev/null 2>/dev/null | tr -d '\r'
	)
}

test_games() {
	local variables
	"$ds_wine" install "$prefix" --from "$dlls" >/dev/null
	variables="WINEDLLPATH=$prefix/ds-runtime-wine"
	mkdir -p "$folder/bare" "$folder/game"
	cp "$folder/which_dstorage.exe" "$folder/bare"
	cp "$folder/which_dstorage.exe" "$folder/game"
	cp "$folder/other_dstorage.dll" "$folder/game/dstorage.dll"
	expect "ds-runtime's" run_in "$folder/bare" "$variables" \
		WINEDLLOVERRIDES=dstorage,dstoragecore=b
	expect "ds-runtime's" run_in "$folder/game" "$variables" \
		WINEDLLOVERRIDES=dstorage,dstoragecore=b
	expect "the game's" run_in "$folder/game"
	# DLLs without their Unix half: programs are told that there is no DirectStorage.
	expect "no Unix half" run_in "$folder/bare"
	"$ds_wine" uninstall "$prefix" >/dev/null
}

mkdir -p "$folder"
test_files
if [ -n "$prefix" ]; then
	command -v wine >/dev/null || exit 77
	test_games
fi

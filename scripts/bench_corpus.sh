#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Fetches and caches what "dstool bench codec" and bench_codec measure by default: game data of
# free games (Debian's packages freedoom and openarena), programs, and source text.
#
#	scripts/bench_corpus.sh [FOLDER]
#
# FOLDER: ${XDG_CACHE_HOME:-~/.cache}/ds-runtime-bench/corpus. About 100 MB stay, 250 MB are
# fetched. Needs apt-get (it only downloads), dpkg-deb, unzip and a C compiler. Programs and text
# are those of the machine, so figures of two machines compare only roughly.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
corpus=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/ds-runtime-bench/corpus}
packages="freedoom openarena-081-textures openarena-081-maps openarena-081-misc \
	openarena-081-players"

for tool in apt-get dpkg-deb unzip "${CC:-cc}"; do
	if ! command -v "$tool" >/dev/null; then
		echo "bench_corpus: $tool is needed" >&2
		exit 1
	fi
done
if [ -e "$corpus" ]; then
	echo "$corpus is there"
	exit 0
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/ds-corpus.XXXXXX")
trap 'rm -r "$work"' EXIT
cd "$work"
# shellcheck disable=SC2086
apt-get download $packages
mkdir root oa out
for deb in *.deb; do
	dpkg-deb -x "$deb" root
done
for pack in root/usr/share/games/openarena/baseoa/*.pk3; do
	unzip -qo "$pack" -d oa
done
"${CC:-cc}" -O2 -o tga_to_bc "$here/bench/tga_to_bc.c"

# Every k-th file with the ending, in the order of their names.
every() {
	find oa -iname "*.$2" | LC_ALL=C sort | awk -v k="$1" 'NR % k == 0'
}

# NAME BYTES: that much of the files whose names come in. (head ends the pipe early.)
take() {
	(tr '\n' '\0' | xargs -0 cat 2>/dev/null || true) | head -c "$2" >"out/$1"
}

every 2 tga | tr '\n' '\0' | xargs -0 ./tga_to_bc blocks
echo blocks | take textures.bc 16000000
every 13 tga | take textures.tga 12000000
every 9 bsp | take maps.bsp 12000000
every 3 md3 | take models.md3 12000000
every 3 wav | take sounds.wav 8000000
every 5 jpg | take pictures.jpg 11500000
echo root/usr/share/games/doom/freedoom1.wad | take freedoom.wad 10000000
find /usr/bin -type f -size +100k | LC_ALL=C sort | take programs 12000000
find oa /usr/include \( -name '*.c' -o -name '*.h' -o -name '*.shader' \) -size -200k |
	LC_ALL=C sort | awk 'NR % 3 == 0' | take text 5600000

mkdir -p "$(dirname "$corpus")"
mv out "$corpus"
du -sh "$corpus"

#!/bin/sh
# SPDX-License-Identifier: MIT
# Damaged and cut streams are refused, named, and leave no OUT.
. "$(dirname "$0")/common.sh"

make_text text 200000
run 0 "$dstool" compress text good
size=$(wc -c <good)

for keep in 0 1 4 7 8 9 20 $((size / 2)) $((size - 1)); do
	head -c "$keep" good >part
	run 1 "$dstool" decompress part out
	says "part" stderr
	absent out
done

# patch OFFSET BYTES: bytes as for printf
patch() {
	cp good bad
	# shellcheck disable=SC2059
	printf "$2" | dd of=bad bs=1 seek="$1" conv=notrunc 2>/dev/null
}

patch 0 '\005\372'
run 1 "$dstool" decompress bad out
absent out
patch 2 '\377\377'
run 1 "$dstool" decompress bad out
absent out
patch 12 '\377\377\377\377'
run 1 "$dstool" decompress bad out
absent out
# Block type 3 does not exist; the first tile begins with it now.
tiles=$((($(wc -c <text) + 65535) / 65536))
patch $((8 + 4 * tiles)) '\007'
run 1 "$dstool" decompress bad out
says "tile 0" stderr
absent out

# A table that asks for gigabytes which a pipe does not hold must not take them.
printf '\004\373\001\000\001\000\000\000\374\377\377\377' >greedy
(
	# Sanitizers need the address space themselves, and do not start with this limit.
	limit=1000000
	(ulimit -v $limit && exec "$dstool" --version) >stdout 2>stderr || limit=unlimited
	ulimit -v $limit
	"$dstool" decompress --threads 1 - out <greedy
) >stdout 2>stderr && fail "a greedy table is well"
says "tile 0" stderr
absent out
no_litter .

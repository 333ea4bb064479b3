#!/bin/sh
# SPDX-License-Identifier: MIT
# OUT: never overwritten unasked, never partial, with no wider permissions than IN.
. "$(dirname "$0")/common.sh"

make_text in 100000
echo precious >out
run 1 "$dstool" compress in out
says "--force" stderr
[ "$(cat out)" = precious ] || fail "an existing file was changed"
run 0 "$dstool" compress --force in out
run 1 "$dstool" decompress out in
same out out
run 0 "$dstool" decompress out back
same in back

# IN and OUT may be the same file.
cp in both
run 0 "$dstool" compress --force both both
same out both
run 0 "$dstool" decompress --force both both
same in both

# A failure leaves what was there, also with --force.
echo precious >kept
run 1 "$dstool" decompress --force in kept
[ "$(cat kept)" = precious ] || fail "a failure changed OUT"
run 1 "$dstool" compress --force missing kept
[ "$(cat kept)" = precious ] || fail "a failure changed OUT"

# --size
run 1 "$dstool" decompress --size 5 out sized
says "--size" stderr
absent sized
run 0 "$dstool" decompress --size "$(wc -c <in)" out sized
same in sized

# A link stays a link, and its target is replaced.
echo precious >target
ln -s target link
run 1 "$dstool" compress in link
run 0 "$dstool" compress --force in link
[ -L link ] || fail "the link was replaced"
same out target
ln -s nowhere dangling
run 1 "$dstool" compress in dangling

mkdir directory
run 1 "$dstool" compress --force in directory
run 1 "$dstool" compress in directory/none/out

# Permissions: those of IN at most, and those of the umask.
umask 022
chmod 600 in
run 0 "$dstool" compress in private
[ "$(stat -c %a private)" = 600 ] || fail "OUT is more open than IN: $(stat -c %a private)"
chmod 666 in
run 0 "$dstool" compress in public
[ "$(stat -c %a public)" = 644 ] || fail "OUT ignores the umask: $(stat -c %a public)"

# A full disk, as far as a limit on file sizes is one.
(
	ulimit -f 100
	trap '' XFSZ
	"$dstool" compress in limited
) >stdout 2>stderr
[ $? -eq 1 ] || fail "a file that cannot be written is well"
says "limited" stderr
absent limited
no_litter .
no_litter directory

# A closed standard stream: messages go nowhere, and above all not into OUT.
run 0 "$dstool" compress in want
"$dstool" compress in quiet 2>&- || fail "closed stderr"
same want quiet
"$dstool" compress in - >&- 2>stderr && fail "closed stdout is well"
"$dstool" compress - never <&- 2>stderr && fail "closed stdin is well"
absent never

# More than one stream can hold is refused at once.
if truncate -s 4294901761 huge 2>/dev/null; then
	run 1 "$dstool" compress huge huge.gdeflate
	says "too large" stderr
	absent huge.gdeflate
fi
exit 0

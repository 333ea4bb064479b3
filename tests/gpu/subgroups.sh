#!/bin/sh
# SPDX-License-Identifier: MIT
# subgroups.sh SHADER.spv SPIRV-OPT SPIRV-DIS
#
# Without subgroups of 32 the shader does nothing that depends on their width: once specialized, no
# instruction or built-in variable of subgroups is left in it, and no barrier of less than a
# workgroup. So it works with subgroups of 64, too, of which there may be no device to try it on.
set -eu
spv=$1 opt=$2 dis=$3
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

fail()
{
	echo "subgroups: $*" >&2
	exit 1
}

# specialize CONSTANTS: what is left of the shader, as text
specialize()
{
	"$opt" --set-spec-const-default-value "$1" --freeze-spec-const --fold-spec-const-op-composite \
		--ccp --eliminate-dead-branches --simplify-instructions \
		--eliminate-dead-code-aggressive "$spv" -o "$temp/spv"
	"$dis" --raw-id "$temp/spv" >"$temp/text"
	# Variables are named so only in the decorations.
	sed -n 's/.*OpDecorate \(%[0-9]*\) BuiltIn .*Subgroup.*/\1/p' "$temp/text" >"$temp/built_in"
	grep 'OpGroupNonUniform' "$temp/text" >"$temp/found" || true
	while read -r id; do
		grep -E "OpLoad %[0-9]+ $id\$" "$temp/text" >>"$temp/found" || true
	done <"$temp/built_in"
	subgroup=$(sed -n 's/ *\(%[0-9]*\) = OpConstant %[0-9]* 3$/\1/p' "$temp/text")
	for id in $subgroup; do
		grep -E "Op(Control|Memory)Barrier.* $id " "$temp/text" >>"$temp/found" || true
	done
	wc -l <"$temp/found"
}

for rest in "2:7 3:5 4:0 5:1" "2:10 3:8 4:6 5:1"; do
	n=$(specialize "1:true $rest")
	[ "$n" -gt 20 ] || fail "subgroups of 32 are not used, or not found ($n)"
	grep -q Barrier "$temp/found" || fail "barriers of subgroups are not found"
	grep -q OpLoad "$temp/found" || fail "built-in variables are not found"
	n=$(specialize "1:false $rest")
	[ "$n" -eq 0 ] || fail "$(head -3 "$temp/found")"
done

#!/bin/sh
# SPDX-License-Identifier: MIT
# dstool and the examples on a Vulkan device. Any device will do.
. "$(dirname "$0")/common.sh"

run 0 "$dstool" info
grep -q "^Vulkan: present" stdout || exit 77
for key in devices heaps mapped compute_queues transfer_queues staging path direct_reads gdeflate; do
	says "  $key " stdout
done

make_text text 3000
make_noise noise 700000
run 0 "$dstool" compress text text.gdeflate
run 0 "$dstool" compress noise noise.gdeflate

# Through the GPU's decoder and back.
for name in text noise; do
	run 0 "$dstool" decompress --device vulkan $name.gdeflate copy
	same $name copy
	rm copy
	"$dstool" decompress --device vulkan - - <$name.gdeflate >copy 2>stderr || fail "as a pipe"
	same $name copy
	rm copy
done
run 1 "$dstool" decompress --device vulkan --size 7 text.gdeflate copy
says "expects 7" stderr
absent copy
head -c 3000 noise.gdeflate >damaged
run 1 "$dstool" decompress --device vulkan damaged copy
absent copy
no_litter .
run 1 "$dstool" decompress --device vulkan --gpu "no such GPU" text.gdeflate copy
says "name or UUID" stderr
absent copy
run 2 "$dstool" decompress --device toaster text.gdeflate copy

mkdir tree
mv text text.gdeflate noise noise.gdeflate tree
: >tree/empty
for path in auto mapped staged staged-mapped; do
	run 0 "$dstool" load --backend vulkan --path $path --decode cpu --verify tree
	says "backend vulkan" stdout
	says "verified        yes" stdout
done
run 0 "$dstool" load --backend vulkan --decode gpu --verify --json tree
says '"all_right": true' stdout
grep -Eq '"bytes_device_decoded": [1-9]' stdout || fail "the GPU has decoded nothing"
run 1 "$dstool" load --backend vulkan --gpu "no such GPU" tree
run 2 "$dstool" load --backend vulkan --path sideways tree

run 0 "$dstool" bench gpu --size-mib 32 --seconds 0.01 --rounds 1 --level 1 --only raw-cached-4m
says "vulkan, staged" stdout
run 0 "$dstool" bench gpu --size-mib 32 --seconds 0.01 --rounds 1 --level 1 --json \
	--only raw-cold
says '"checksum": "' stdout
run 2 "$dstool" bench gpu --size-mib 1

run 0 "$programs/example_vulkan_upload" tree/noise copy
same tree/noise copy
rm copy
run 0 "$programs/example_vulkan_upload" tree/text.gdeflate copy
same tree/text copy
run 1 "$programs/example_vulkan_upload" missing copy
run 2 "$programs/example_vulkan_upload"
[ -x "$programs/example_vulkan_texture" ] || exit 0
head -c 5460 tree/noise >mips
run 0 "$programs/example_vulkan_texture" 32 32 mips
says "32 x 32, 6 mips: 5460 bytes" stdout
run 1 "$programs/example_vulkan_texture" 64 32 mips
says "end of file" stderr
# The driver leaves with the example's instance; what it has kept (llvmpipe on AMD's processors) would be a leak.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export ASAN_OPTIONS
run 0 "$programs/example_vulkan_share_device" mips
sum=$(od -An -v -tu1 mips | awk '{ for (i = 1; i <= NF; i++) s += $i } END { print s }')
says "5460 bytes, sum $sum" stdout

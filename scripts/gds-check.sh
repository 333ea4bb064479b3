#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# gds-check.sh: GPUDirect Storage on a machine with a CUDA device: builds, runs the tests of GDS on
# the real driver, and measures.
#
#	GDS_SIZE_MIB   size of the files that are loaded (8192)
#	GDS_DISK       folder on a disk (/var/tmp)
#	GDS_BUILD      build folder (build-gds)
#	GDS_QUICK      not empty: on the disk only with the default settings
#	GDS_OUT        where results go (none)
set -euo pipefail
cd "$(dirname "$0")/.."
build=${GDS_BUILD:-build-gds}
size=${GDS_SIZE_MIB:-8192}
disk=${GDS_DISK:-/var/tmp}
out=${GDS_OUT:-}

cmake -B "$build" -S . -DCMAKE_BUILD_TYPE=Release -DDS_BUILD_BENCH=OFF -DDS_BUILD_FUZZ=OFF \
	-DDS_BUILD_EXAMPLES=OFF | grep -E 'CUDA|URING|CMOCKA' || true
cmake --build "$build" --parallel "$(nproc)" --target dstool test_gds_backend \
	test_gds_chunk test_gds_decode test_gds_manager test_gds_safetensors >"$build/log" 2>&1 || {
	tail -30 "$build/log"
	exit 1
}
# With a file it says what sizes were chosen, from which measurement.
"$build/dstool" doctor "$build/dstool"
for topic in backend chunk manager safetensors decode; do
	echo "== tests of $topic on the real driver"
	CHECK_REAL_CUDA=1 timeout 120 "$build/test_gds_$topic" 2>&1 | tail -25
done
cmake --build "$build" --parallel "$(nproc)" --target ds_runtime fake_cuda >>"$build/log" 2>&1
for part in core numpy torch; do
	echo "== the Python package on the real driver: $part"
	PYTHONPATH=python DS_RUNTIME_LIBRARY=$(find "$build" -name libds_runtime.so) DS_FAKE_CUDA=real \
		DSTOOL="$build/dstool" CC=cc DS_INCLUDE=include \
		timeout 120 python3 -B tests/python/test_ds_runtime.py "$part" 2>&1 | tail -12
done
measure() { # name, arguments...
	local name=$1
	shift
	echo "== $name"
	"$build/dstool" bench gds "$@" 2>&1 | tee ${out:+"$out/$name.txt"}
}
measure tmpfs --dir /dev/shm --size-mib "$size" --no-cold
measure disk --dir "$disk" --size-mib "$size" ${GDS_QUICK:+--quick}

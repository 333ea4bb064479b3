#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# gpu-check.sh: builds, tests and measures the Vulkan backend on a machine with a GPU.
#
# usage: gpu-check.sh [FOLDER [STEP]...]      run in the project's folder
#
# FOLDER gets the logs and bench-gpu.txt; without it: build-gpu/results. Steps: build, test,
# bench; all of them unless named. Needs cmake, a C compiler, and to build the backend the Vulkan headers
# and glslc (or glslangValidator and spirv-opt).
#
#	GPU           a part of the device's name; the best device unless set
#	GPU_SIZE_MIB  size of the files that are loaded (4096)
#	GPU_SECONDS   length of one round (1)
#	GPU_ONLY      only the workloads with that in their names
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-build-gpu/results}
[ $# -eq 0 ] || shift
steps=" ${*:-build test bench} "
mkdir -p "$out"
out=$(cd "$out" && pwd)
build=build-gpu
options=(--size-mib "${GPU_SIZE_MIB:-4096}" --seconds "${GPU_SECONDS:-1}")
[ -z "${GPU:-}" ] || options+=(--gpu "$GPU")
[ -z "${GPU_ONLY:-}" ] || options+=(--only "$GPU_ONLY")
failed=0

if [[ $steps == *" build "* ]]; then
	cmake -S . -B $build -DCMAKE_BUILD_TYPE=Release -DDS_WITH_VULKAN=ON -DDS_BUILD_BENCH=OFF \
		-DDS_BUILD_FUZZ=OFF >"$out/build.log" 2>&1 &&
		cmake --build $build --parallel >>"$out/build.log" 2>&1 ||
		{ tail -n 40 "$out/build.log"; exit 1; }
fi

$build/dstool info | tee "$out/info.txt"

if [[ $steps == *" test "* ]]; then
	# One by one: two that share a GPU would only be slower.
	if ctest --test-dir $build --output-on-failure -R '^(vulkan_|gpu_vectors_(few|many)_tiles|conformance_.*_vulkan)' \
		>"$out/test.log" 2>&1; then
		grep -E 'tests passed|Passed' "$out/test.log" | tail -n 1
	else
		failed=1
		tail -n 60 "$out/test.log"
	fi
	[ "$(grep -c Skipped "$out/test.log")" = 0 ] || grep Skipped "$out/test.log" | head -n 5
fi

if [[ $steps == *" bench "* ]]; then
	$build/dstool bench gpu "${options[@]}" | tee "$out/bench-gpu.txt" || failed=1
fi
exit $failed

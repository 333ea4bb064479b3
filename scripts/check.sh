#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check.sh: everything that has to hold before a change goes in; `make check`.
#
# In this order: how the code is formatted; all tests with AddressSanitizer and
# UndefinedBehaviorSanitizer; those in which threads meet with ThreadSanitizer; a
# build by clang, whose fuzz targets then search; all tests on the release build. Ends
# at the first failure.
#
#	CHECK_JOBS              builds and tests at the same time (one per core)
#	CHECK_FUZZ_SECONDS      how long each fuzz target searches (60)
#	CHECK_STRESS_SECONDS    how long each stress test runs (with ThreadSanitizer 60,
#	                        else 100 000 requests)
#	CHECK_WERROR            ON or OFF: warnings are errors (ON for the compilers
#	                        that the project is developed with)
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${CHECK_JOBS:-$(nproc)}
fuzz_seconds=${CHECK_FUZZ_SECONDS:-60}
begun=$SECONDS

stage() { printf '\n== %s (after %d s)\n' "$*" $((SECONDS - begun)); }

# Newer compilers know new warnings; those should not keep anybody from using the project.
warnings_are_errors() { # compiler
	local major
	major=$("$1" -dumpversion | cut -d. -f1)
	case $1-$major in
	gcc-12 | clang-14) echo "${CHECK_WERROR:-ON}" ;;
	*) echo "${CHECK_WERROR:-OFF}" ;;
	esac
}

build() { # preset, compiler, options...
	local preset=$1 compiler=$2
	shift 2
	stage "$preset: build"
	cmake --preset "$preset" -DCMAKE_C_COMPILER="$compiler" \
		-DDS_WERROR="$(warnings_are_errors "$compiler")" "$@"
	cmake --build --preset "$preset" --parallel "$jobs"
}

run_tests() { # preset, a command to run ctest by...
	local preset=$1
	shift
	stage "$preset: tests"
	"$@" ctest --preset "$preset" -j "$jobs"
}

# gcc 12's ThreadSanitizer cannot place its shadow memory where the kernel puts programs
# at very random addresses. Where that cannot be switched off it may still work.
fixed_addresses() {
	if setarch "$(uname -m)" -R true 2>/dev/null; then
		setarch "$(uname -m)" -R "$@"
	else
		"$@"
	fi
}

check_format() {
	local status=0
	stage "format"
	scripts/format.sh --check || status=$?
	[ $status = 0 ] || [ $status = 77 ] || exit $status
}

check_clang() {
	if ! command -v clang >/dev/null; then
		stage "clang and fuzzing: skipped, no clang here"
	elif ! build fuzz clang -DDS_FUZZ_SECONDS="$fuzz_seconds"; then
		echo "the build by clang fails"
		exit 1
	else
		run_tests fuzz env
	fi
}

scripts/deps.sh build test
check_format
build asan gcc
run_tests asan env
build tsan gcc
# A minute of everything at once on each backend, here where races show.
CHECK_STRESS_SECONDS=${CHECK_STRESS_SECONDS:-60} run_tests tsan fixed_addresses
check_clang
build release gcc -DDS_BUILD_SHARED=ON -DDS_BUILD_STATIC=ON
run_tests release env

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# deps.sh: installs, by apt or pacman, what the project needs and this machine lacks.
#
# usage: deps.sh [build|test|demo|bench]...     (none: all of them)
#
# Says what is missing and what each package is for, and does nothing when all is
# there. Without a required package it fails; without an optional one it goes on and
# says what is left out. What is there is found by using it, not by asking the
# package manager: so compilers and libraries from elsewhere count too.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say() { echo "deps: $*"; }

# ------------------------------------------------------------- what is there

has_command() { command -v "$1" >/dev/null 2>&1; }
has_module() { has_command pkg-config && pkg-config --exists "$1"; }
has_file() { [ -e "$1" ]; }
# Of the system's Python, which packages are for.
has_python_module() { PATH=/usr/bin:$PATH python3 -c "import $1" 2>/dev/null; }

has_compiler() { # compiler, language
	has_command "$1" || return 1
	echo '#include <stdlib.h>
int main(void) { return EXIT_SUCCESS; }' >"$scratch/empty"
	"$1" -x "$2" "$scratch/empty" -o "$scratch/a.out" 2>/dev/null
}

has_cmake() {
	has_command cmake || return 1
	local version
	version=$(cmake --version | sed -n '1s/.* //p')
	[ "$(printf '%s\n' 3.25 "$version" | sort -V | head -n 1)" = 3.25 ]
}

has_fuzzer() {
	has_command clang || return 1
	echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !d && n; }' \
		>"$scratch/fuzz.c"
	clang -fsanitize=fuzzer,address,undefined "$scratch/fuzz.c" -o "$scratch/fuzz" 2>/dev/null
}

has_vulkan_driver() {
	compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' >/dev/null &&
		{ compgen -G '/usr/lib/libvulkan.so.1' || compgen -G '/usr/lib/*/libvulkan.so.1'; } >/dev/null
}
has_validation() {
	compgen -G '/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json' >/dev/null
}

# Game data: the system's, or our own copy; see fetch_freedoom.
game_data=${XDG_CACHE_HOME:-$HOME/.cache}/ds-runtime/freedoom
has_freedoom() {
	compgen -G '/usr/share/games/doom/freedoom*.wad' >/dev/null ||
		compgen -G "$game_data/usr/share/games/doom/freedoom*.wad" >/dev/null
}

# The sanitizers' runtime has to match the clang that is there, or will be.
clang_runtime_package() {
	local major=
	has_command clang && major=$(clang -dumpversion | cut -d. -f1)
	echo "libclang-rt${major:+-$major}-dev"
}

# ---------------------------------------------------------------- the list
# group, need, how to see that it is there, Debian's packages, Arch's packages, what for.
# "-": this system has none.
list() {
	cat <<LIST
build|required|has_compiler gcc c|gcc libc6-dev|gcc|compiles the project
build|required|has_command make|make|make|runs the build
build|required|has_cmake|cmake|cmake|configures the build (3.25 or newer)
build|required|has_command pkg-config|pkg-config|pkgconf|finds libraries
build|optional|has_module libzstd|libzstd-dev|zstd|Zstandard codec
build|optional|has_module liburing|liburing-dev|liburing|io_uring backend
test|required|has_module cmocka|libcmocka-dev|cmocka|unit and conformance tests
test|required|has_command python3|python3|python|checks of exported symbols and of includes
test|optional|has_python_module numpy|python3-numpy|python-numpy|the Python package with numpy
test|optional|has_compiler g++ c++|g++|gcc|tries the headers and the library from C++
test|optional|has_command clang|clang|clang|second compiler, and fuzzing
test|optional|has_fuzzer|$(clang_runtime_package)|compiler-rt|sanitizers and fuzzing with clang
test|optional|has_command clang-format-14|clang-format-14|-|checks how the code is formatted
build|optional|has_command glslc|glslc|shaderc|compiles the shaders of the Vulkan backend
build|optional|has_file /usr/include/vulkan/vulkan_core.h|libvulkan-dev|vulkan-headers|Vulkan backend
test|optional|has_vulkan_driver|mesa-vulkan-drivers libvulkan1|vulkan-swrast vulkan-icd-loader|runs the Vulkan backend without a GPU
test|optional|has_validation|vulkan-validationlayers|vulkan-validation-layers|checks how it uses Vulkan
test|optional|has_command spirv-val|spirv-tools|spirv-tools|checks the shaders
test|optional|has_command x86_64-w64-mingw32-gcc|gcc-mingw-w64-x86-64-win32|mingw-w64-gcc|dstorage.dll for Wine
test|optional|has_command x86_64-w64-mingw32-g++|g++-mingw-w64-x86-64-win32|mingw-w64-gcc|its tests in C++
test|optional|has_command wine|wine|wine|runs its tests
test|optional|has_command Xvfb|xvfb|xorg-server-xvfb|a screen for those that use D3D12
demo|optional|has_freedoom|freedoom|-|real game data to load (unpacked, not installed)
bench|optional|has_command gnuplot|gnuplot-nox|gnuplot|draws the charts
bench|optional|has_command fio|fio|fio|bare figures of the disk to compare with
bench|optional|has_module libdeflate|libdeflate-dev|libdeflate|another decoder to compare with
LIST
}

# ------------------------------------------------------------ package managers

can_be_root() {
	[ "$(id -u)" = 0 ] || { has_command sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif [ -t 0 ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

if has_command apt-get; then
	manager=apt
elif has_command pacman; then
	manager=pacman
else
	manager=none
fi

has_lists() {
	case $manager in
	apt) compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null ;;
	pacman) compgen -G '/var/lib/pacman/sync/*.db' >/dev/null ;;
	esac
}

refresh() {
	case $manager in
	apt) as_root apt-get update -q </dev/null || say "the lists of packages could not be renewed" ;;
	# New lists and old libraries do not go together on Arch: so only a machine that has
	# no lists yet gets them, with its updates.
	pacman) has_lists || as_root pacman -Syu --noconfirm </dev/null || say "the system could not be updated" ;;
	esac
}

# Installed, the package would bring a whole game engine along; its data are all we want.
fetch_freedoom() {
	say "unpacking: freedoom, in $game_data"
	(cd "$scratch" && apt-get download -q freedoom </dev/null) &&
		mkdir -p "$game_data" && dpkg-deb -x "$scratch"/freedoom_*.deb "$game_data"
}

install() { # packages...
	if [ "$*" = freedoom ] && [ $manager = apt ]; then
		fetch_freedoom
		return
	fi
	say "installing: $*"
	case $manager in
	apt)
		as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get install -q -y --no-install-recommends "$@" </dev/null
		;;
	pacman)
		as_root pacman -S --needed --noconfirm "$@" </dev/null && return
		say "if the packages were not found, update the system first: pacman -Syu"
		return 1
		;;
	*) return 1 ;;
	esac
}

is_offered() { # package
	case $manager in
	apt) [ -n "$(apt-cache madison "$1" 2>/dev/null)" ] ;;
	pacman) pacman -Si "$1" >/dev/null 2>&1 ;;
	*) return 1 ;;
	esac
}

# ------------------------------------------------------------------ the work

groups=" ${*:-build test demo bench} "
for group in $groups; do
	case $group in
	build | test | demo | bench) ;;
	*) say "no group '$group': build, test, demo, bench" && exit 2 ;;
	esac
done

# Calls $1 with need, packages (of this machine's manager) and purpose of all that is missing.
for_missing() {
	local group need probe debian arch purpose packages
	while IFS='|' read -r group need probe debian arch purpose; do
		[[ $groups == *" $group "* ]] || continue
		packages=$debian
		[ $manager != pacman ] || packages=$arch
		# shellcheck disable=SC2086
		$probe || "$1" "$need" "$packages" "$purpose"
	done < <(list)
}

required=() optional=() missing=()
note_missing() {
	local name
	if [ "$2" = - ]; then
		say "no package on this system: $3"
		return
	fi
	missing+=("$(printf '  %-18s %s   %s' "$2" "$1" "$3")")
	for name in $2; do
		if [ "$1" = required ]; then required+=("$name"); else optional+=("$name"); fi
	done
}
for_missing note_missing
if [ ${#missing[@]} = 0 ]; then
	say "all is there for:$groups"
	exit 0
fi
say "missing for:$groups"
for line in "${missing[@]}"; do say "$line"; done

if [ $manager = none ]; then
	say "neither apt nor pacman here: please install them by hand"
elif ! can_be_root; then
	say "neither root nor able to use sudo here: please install them by hand"
else
	if [ ${#required[@]} -gt 0 ] || ! has_lists; then
		refresh
	fi
	if [ ${#required[@]} -gt 0 ]; then
		install "${required[@]}" || say "could not install all of: ${required[*]}"
	fi
	wanted=()
	for name in "${optional[@]}"; do
		if ! is_offered "$name"; then
			say "not offered here: $name"
		elif [ "$name" = freedoom ]; then
			install freedoom || say "could not unpack freedoom"
		else
			wanted+=("$name")
		fi
	done
	# Together it is faster; one by one, each that can be had is had.
	if [ ${#wanted[@]} -gt 0 ] && ! install "${wanted[@]}"; then
		refresh
		for name in "${wanted[@]}"; do
			install "$name" || say "could not install $name"
		done
	fi
fi

failed=0
note_remaining() {
	[ "$2" != - ] || return 0
	if [ "$1" = required ]; then
		say "still missing, and required: $2 ($3)"
		failed=1
	else
		say "goes without $2: $3"
	fi
}
for_missing note_remaining
exit $failed

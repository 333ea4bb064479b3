# SPDX-License-Identifier: MIT
# A toolchain file: builds for AArch64 by Debian's cross compiler, and runs tests by qemu-user.
#
# Libraries for arm64 are taken from DS_ARM_ROOT, a folder that their packages were unpacked in; see
# docs/building.md.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
find_program(DS_QEMU NAMES qemu-aarch64-static qemu-aarch64 REQUIRED)
set(CMAKE_CROSSCOMPILING_EMULATOR "${DS_QEMU};-L;/usr/aarch64-linux-gnu")
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES DS_ARM_ROOT)
# Nothing of this machine's own.
set(ENV{PKG_CONFIG_LIBDIR} "${DS_ARM_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${DS_ARM_ROOT}")
list(APPEND CMAKE_FIND_ROOT_PATH "${DS_ARM_ROOT}" /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)

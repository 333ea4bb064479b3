# SPDX-License-Identifier: MIT
# DS_SANITIZE: instruments everything that is built, the libraries included.
#
#	address   AddressSanitizer and UndefinedBehaviorSanitizer
#	thread    ThreadSanitizer
#	fuzzer    as address, with the coverage that libFuzzer steers by (clang only)
set(DS_SANITIZE "" CACHE STRING "Empty, address, thread or fuzzer")
set_property(CACHE DS_SANITIZE PROPERTY STRINGS "" address thread fuzzer)

if(DS_SANITIZE STREQUAL "")
	return()
elseif(DS_SANITIZE STREQUAL "address")
	set(flags -fsanitize=address,undefined)
elseif(DS_SANITIZE STREQUAL "thread")
	set(flags -fsanitize=thread)
elseif(DS_SANITIZE STREQUAL "fuzzer")
	if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
		message(FATAL_ERROR "DS_SANITIZE=fuzzer: libFuzzer comes with clang only")
	endif()
	set(flags -fsanitize=address,undefined,fuzzer-no-link)
else()
	message(FATAL_ERROR "DS_SANITIZE=${DS_SANITIZE}: not one of address, thread, fuzzer")
endif()

# Every finding ends the program, so that no test passes over one.
add_compile_options(${flags} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
add_link_options(${flags})

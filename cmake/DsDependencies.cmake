# SPDX-License-Identifier: MIT
# Everything that is looked for outside the project. Each optional part ends in
# DS_HAVE_<NAME>, and is linked as PkgConfig::DS_<NAME>.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig)

# ds_optional_package(NAME module "what it is"): an optional part that pkg-config knows.
function(ds_optional_package name module what)
	ds_optional(${name} "${what}")
	set(found FALSE)
	set(why_not "pkg-config does not know ${module}")
	if(NOT PKG_CONFIG_FOUND)
		set(why_not "pkg-config is not there to find ${module}")
	elseif(NOT DS_WITH_${name} STREQUAL "OFF")
		pkg_check_modules(DS_${name} QUIET IMPORTED_TARGET GLOBAL "${module}")
		set(found "${DS_${name}_FOUND}")
	endif()
	ds_optional_result(${name} "${found}" "${why_not}")
	set(DS_HAVE_${name} ${DS_HAVE_${name}} PARENT_SCOPE)
endfunction()

ds_optional_package(ZSTD "libzstd >= 1.4.0" "Zstandard codec, by libzstd")
ds_optional_package(URING "liburing >= 2.2" "io_uring, by liburing")
if(DS_BUILD_TESTS)
	ds_optional_package(CMOCKA "cmocka >= 1.1.5" "unit tests, by cmocka")
endif()
if(DS_BUILD_BENCH)
	ds_optional_package(LIBDEFLATE "libdeflate" "libdeflate, to compare with in benchmarks")
endif()

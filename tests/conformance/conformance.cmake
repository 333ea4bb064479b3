# SPDX-License-Identifier: MIT
# The suite over the public API, once for each backend, and on the fault engine.
if(NOT DS_HAVE_CMOCKA)
	return()
endif()
set(DS_CONFORMANCE_BACKENDS cpu fake fake_device fake_decoder io_uring vulkan)
# The CUDA device on a simulated driver: what there is to it beyond the fake device.
set(on_gds read cancel completion)
set(on_gds_decoder codec)
set(tests_dir "${PROJECT_SOURCE_DIR}/tests")
# Compiled once for all programs.
add_library(conformance_harness OBJECT
	"${tests_dir}/conformance/suite.c"
	"${tests_dir}/conformance/backends.c"
	"${tests_dir}/fake/fake_engine.c"
	"${tests_dir}/fake/fake_backend.c"
	"${tests_dir}/fake/fake_device.c"
	"${tests_dir}/fake/fake_gds_backend.c"
	"${tests_dir}/fake/fake_cuda_open.c"
	"${tests_dir}/support/require.c"
	"${tests_dir}/support/testdata.c")
ds_test_compile_options(conformance_harness)
target_link_libraries(conformance_harness PRIVATE ds_runtime_static PkgConfig::DS_CMOCKA)
set(DS_CONFORMANCE_HARNESS $<TARGET_OBJECTS:conformance_harness>)

foreach(topic IN ITEMS read write codec completion cancel capacity priority staging
		bad_input stats)
	set(backends ${DS_CONFORMANCE_BACKENDS})
	# A device for each test takes long under sanitizers: there, what it has a part in.
	if(DS_SANITIZE AND topic MATCHES "capacity|priority|bad_input|stats")
		list(REMOVE_ITEM backends vulkan)
	endif()
	foreach(more IN ITEMS gds gds_decoder)
		if(topic IN_LIST on_${more})
			list(APPEND backends fake_${more})
		endif()
	endforeach()
	ds_conformance_test(${topic} SOURCES test_${topic}.c LIBS PkgConfig::DS_CMOCKA
		BACKENDS ${backends})
endforeach()
ds_conformance_test(cold SOURCES test_cold.c LIBS PkgConfig::DS_CMOCKA BACKENDS fake io_uring)
# Faults are the fake engine's alone.
ds_conformance_test(device SOURCES test_device.c LIBS PkgConfig::DS_CMOCKA
	BACKENDS fake_device fake_decoder fake_mixed)
ds_conformance_test(late_read SOURCES test_late_read.c LIBS PkgConfig::DS_CMOCKA
	BACKENDS cpu fake io_uring)
ds_conformance_test(faults SOURCES test_faults.c LIBS PkgConfig::DS_CMOCKA BACKENDS fake)

# SPDX-License-Identifier: MIT
# The suite over the public API, once for each backend, and on the fault engine.
if(NOT DS_HAVE_CMOCKA)
	return()
endif()
set(DS_CONFORMANCE_BACKENDS cpu fake fake_device fake_decoder io_uring vulkan)
# The CUDA device on a simulated driver: what there is to it beyond the fake device.
set(on_gds read staging cancel completion)
set(on_gds_decoder codec)
set(tests_dir "${PROJECT_SOURCE_DIR}/tests")
set(DS_CONFORMANCE_HARNESS
	"${tests_dir}/conformance/suite.c"
	"${tests_dir}/conformance/backends.c"
	"${tests_dir}/fake/fake_engine.c"
	"${tests_dir}/fake/fake_backend.c"
	"${tests_dir}/fake/fake_device.c"
	"${tests_dir}/fake/fake_gds_backend.c"
	"${tests_dir}/fake/fake_cuda_open.c"
	"${tests_dir}/support/require.c"
	"${tests_dir}/support/testdata.c")

foreach(topic IN ITEMS read write codec completion cancel capacity priority staging
		bad_input stats)
	set(backends ${DS_CONFORMANCE_BACKENDS})
	foreach(more IN ITEMS gds gds_decoder)
		if(topic IN_LIST on_${more})
			list(APPEND backends fake_${more})
		endif()
	endforeach()
	ds_conformance_test(${topic} SOURCES test_${topic}.c LIBS PkgConfig::DS_CMOCKA
		BACKENDS ${backends})
endforeach()
# Faults are the fake engine's alone.
ds_conformance_test(device SOURCES test_device.c LIBS PkgConfig::DS_CMOCKA
	BACKENDS fake_device fake_decoder fake_mixed)
ds_conformance_test(faults SOURCES test_faults.c LIBS PkgConfig::DS_CMOCKA BACKENDS fake)

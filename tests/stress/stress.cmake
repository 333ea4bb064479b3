# SPDX-License-Identifier: MIT
# Everything at once; CHECK_STRESS_SECONDS in the environment makes it as long as wanted.
set(tests_dir "${PROJECT_SOURCE_DIR}/tests")
ds_test_program(stress SOURCES
	stress.c
	job.c
	"${tests_dir}/conformance/backends.c"
	"${tests_dir}/fake/fake_engine.c"
	"${tests_dir}/fake/fake_backend.c"
	"${tests_dir}/fake/fake_device.c"
	"${tests_dir}/fake/fake_gds_backend.c"
	"${tests_dir}/fake/fake_cuda_open.c"
	"${tests_dir}/support/require.c"
	"${tests_dir}/support/testdata.c")

foreach(backend IN ITEMS cpu fake fake_mixed io_uring)
	# 100 000 requests, or 20 seconds of them on a slow machine.
	ds_add_test(stress_${backend} COMMAND stress ${backend} 20 8 100000
		TIMEOUT 3600 LABELS stress long RUN_SERIAL)
endforeach()

# SPDX-License-Identifier: MIT
# The core's own parts and the base's, without a backend.
foreach(part IN ITEMS base_copy_struct core_cold_choice core_staging core_stats core_request)
	ds_unit_test(test_${part} SOURCES test_${part}.c
		"${PROJECT_SOURCE_DIR}/tests/support/require.c")
endforeach()
if(DS_HAVE_URING)
	ds_unit_test(test_io_uring_batch SOURCES test_io_uring_batch.c
		"${PROJECT_SOURCE_DIR}/tests/support/require.c")
endif()

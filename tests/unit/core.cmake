# SPDX-License-Identifier: MIT
# The core's own parts, without a backend.
foreach(part IN ITEMS cold_choice copy_struct staging stats request)
	ds_unit_test(test_core_${part} SOURCES test_core_${part}.c
		"${PROJECT_SOURCE_DIR}/tests/support/require.c")
endforeach()

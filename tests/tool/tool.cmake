# SPDX-License-Identifier: MIT
# Tests of dstool and of the examples as a user runs them: tool_*, each one script.
#
# usage of each: NAME.sh FOLDER_OF_PROGRAMS; exit code 77 means "skipped here".
function(ds_tool_test name)
	add_test(NAME tool_${name}
		COMMAND sh "${PROJECT_SOURCE_DIR}/tests/tool/${name}.sh" $<TARGET_FILE_DIR:dstool>)
	set_tests_properties(tool_${name} PROPERTIES
		SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS tool)
endfunction()

if(TARGET dstool)
	foreach(name IN ITEMS usage info roundtrip pipes threads output hostile interrupt progress
			load load_bad load_interrupt memlock bench zstd vulkan gds)
		ds_tool_test(${name})
	endforeach()
	add_dependencies(dstool fake_cuda fake_cufile_new)
	add_executable(no_uring "${PROJECT_SOURCE_DIR}/tests/tool/no_uring.c")
	ds_own_code(no_uring)
	ds_tool_test(fallback)
	if(DS_BUILD_EXAMPLES)
		ds_tool_test(examples)
	endif()
endif()

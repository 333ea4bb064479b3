# SPDX-License-Identifier: MIT
# Windows programs and DLLs beside the native build, whose compiler is another one.
#
# ds_pe_objects(VAR SOURCES ... [FLAGS ...] [NEEDS ...])   compiles; VAR gets the objects
# ds_pe_dll(name DEF file OBJECTS ... [LIBS ...] [OUTPUT VAR])   marked as Wine's own
# ds_pe_program(name OBJECTS ... [LIBS ...] [FOLDER f])
set(DS_WINE_DIR "${PROJECT_BINARY_DIR}/wine")
set(DS_WINE_PE_DIR "${DS_WINE_DIR}/x86_64-windows")
set(DS_WINE_UNIX_DIR "${DS_WINE_DIR}/x86_64-unix")

set(DS_PE_FLAGS -std=gnu11 -O2 -D_WIN32_WINNT=0x0A00 -DCOBJMACROS
	-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
	-Wvla -Wundef -Wimplicit-fallthrough
	-I "${PROJECT_SOURCE_DIR}/wine" -I "${PROJECT_SOURCE_DIR}/src"
	-I "${PROJECT_SOURCE_DIR}/include")
if(DS_WERROR)
	list(APPEND DS_PE_FLAGS -Werror)
endif()
# Vulkan's headers, without the rest of the system's beside them.
if(DS_HAVE_VULKAN)
	file(MAKE_DIRECTORY "${DS_WINE_DIR}/include")
	foreach(folder IN ITEMS vulkan vk_video)
		file(CREATE_LINK "${DS_VULKAN_INCLUDE}/${folder}" "${DS_WINE_DIR}/include/${folder}"
			SYMBOLIC)
	endforeach()
	list(APPEND DS_PE_FLAGS -DVK_NO_PROTOTYPES= -isystem "${DS_WINE_DIR}/include")
endif()
# Nothing has to be installed beside them, and nothing of the build folder is in them.
set(DS_PE_LINK_FLAGS -static-libgcc -s -Wl,--no-insert-timestamp)

function(ds_pe_objects var)
	cmake_parse_arguments(ARG "" "" "SOURCES;FLAGS;NEEDS" ${ARGN})
	set(objects "")
	foreach(source IN LISTS ARG_SOURCES)
		cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
		cmake_path(GET source STEM stem)
		set(object "${CMAKE_CURRENT_BINARY_DIR}/${var}_${stem}.obj")
		add_custom_command(OUTPUT "${object}"
			COMMAND "${DS_MINGW_CC}" ${DS_PE_FLAGS} ${ARG_FLAGS}
				-MMD -MF "${object}.d" -MT "${object}" -c "${source}" -o "${object}"
			DEPENDS "${source}" ${ARG_NEEDS} DEPFILE "${object}.d" VERBATIM
			COMMENT "Building Windows object ${stem}")
		list(APPEND objects "${object}")
	endforeach()
	set(${var} "${objects}" PARENT_SCOPE)
endfunction()

function(ds_pe_dll name)
	cmake_parse_arguments(ARG "" "DEF" "OBJECTS;LIBS" ${ARGN})
	set(dll "${DS_WINE_PE_DIR}/${name}.dll")
	set(mark "${PROJECT_SOURCE_DIR}/wine/mark_builtin.sh")
	add_custom_command(OUTPUT "${dll}"
		COMMAND "${DS_MINGW_CC}" -shared ${DS_PE_LINK_FLAGS} -o "${dll}" ${ARG_OBJECTS}
			"${ARG_DEF}" ${ARG_LIBS}
		COMMAND "${mark}" "${dll}"
		DEPENDS ${ARG_OBJECTS} "${ARG_DEF}" "${mark}" VERBATIM
		COMMENT "Linking ${name}.dll")
	add_custom_target(${name}_dll ALL DEPENDS "${dll}")
endfunction()

function(ds_pe_program name)
	cmake_parse_arguments(ARG "" "FOLDER" "OBJECTS;LIBS" ${ARGN})
	set(exe "${ARG_FOLDER}/${name}.exe")
	add_custom_command(OUTPUT "${exe}"
		COMMAND "${DS_MINGW_CC}" ${DS_PE_LINK_FLAGS} -municode -o "${exe}" ${ARG_OBJECTS}
			${ARG_LIBS}
		DEPENDS ${ARG_OBJECTS} VERBATIM
		COMMENT "Linking ${name}.exe")
	add_custom_target(${name}_exe ALL DEPENDS "${exe}")
endfunction()

# SPDX-License-Identifier: MIT
# What `cmake --install` puts where. The tree may be moved afterwards: nothing in
# it holds the prefix.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/ds-runtime")

file(GLOB public_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/*.h")
install(FILES ${public_headers} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/python/ds_runtime"
	DESTINATION "${CMAKE_INSTALL_DATADIR}/ds-runtime/python"
	FILES_MATCHING PATTERN "*.py" PATTERN "__pycache__" EXCLUDE)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# One file of targets each, because the static one needs packages that the shared one does not.
if(DS_BUILD_SHARED)
	install(TARGETS ds_runtime EXPORT ds-runtime-shared
		LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
	install(EXPORT ds-runtime-shared NAMESPACE ds:: DESTINATION "${package_dir}"
		FILE ds-runtime-shared.cmake)
endif()
if(DS_BUILD_STATIC)
	install(TARGETS ds_runtime_static EXPORT ds-runtime-static
		ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
	install(EXPORT ds-runtime-static NAMESPACE ds:: DESTINATION "${package_dir}"
		FILE ds-runtime-static.cmake)
	# `-lds_runtime` then means the archive where the linker is told -static, or where
	# nothing else is installed: so one .pc file serves both.
	file(CREATE_LINK libds_runtime_static.a "${PROJECT_BINARY_DIR}/libds_runtime.a" SYMBOLIC)
	install(FILES "${PROJECT_BINARY_DIR}/libds_runtime.a"
		DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endif()

configure_package_config_file("${PROJECT_SOURCE_DIR}/packaging/ds-runtime-config.cmake.in"
	"${PROJECT_BINARY_DIR}/ds-runtime-config.cmake" INSTALL_DESTINATION "${package_dir}"
	NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ds-runtime-config-version.cmake"
	COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/ds-runtime-config.cmake"
	"${PROJECT_BINARY_DIR}/ds-runtime-config-version.cmake" DESTINATION "${package_dir}")

# The .pc file finds the tree from where it lies itself.
file(RELATIVE_PATH DS_PC_PREFIX "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" DS_PC_PREFIX "${DS_PC_PREFIX}")
set(requires "")
if(DS_HAVE_ZSTD)
	list(APPEND requires libzstd)
endif()
if(DS_HAVE_URING)
	list(APPEND requires liburing)
endif()
list(JOIN requires ", " requires)
# An archive alone has to name to every program what it needs itself.
if(DS_BUILD_SHARED)
	set(DS_PC_LINKS "Requires.private: ${requires}\nLibs: -L\${libdir} -lds_runtime\nLibs.private: -pthread")
else()
	set(DS_PC_LINKS "Requires: ${requires}\nLibs: -L\${libdir} -lds_runtime -pthread")
endif()
configure_file("${PROJECT_SOURCE_DIR}/packaging/ds-runtime.pc.in"
	"${PROJECT_BINARY_DIR}/ds-runtime.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/ds-runtime.pc"
	DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

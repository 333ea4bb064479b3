# SPDX-License-Identifier: MIT
# DS_BUILD_WINE = AUTO|ON|OFF: dstorage.dll for Wine and Proton. Sets DS_HAVE_WINE, and
# DS_MINGW_CC, the compiler of its Windows half. Nothing of Wine's is needed to build it.
set(DS_BUILD_WINE AUTO CACHE STRING "dstorage.dll for Wine, by mingw-w64: AUTO, ON or OFF")
set_property(CACHE DS_BUILD_WINE PROPERTY STRINGS AUTO ON OFF)
set(DS_WITH_WINE "${DS_BUILD_WINE}")

find_program(DS_MINGW_CC NAMES x86_64-w64-mingw32-gcc)
mark_as_advanced(DS_MINGW_CC)
set(found TRUE)
if(NOT DS_MINGW_CC)
	set(found FALSE)
	set(why_not "x86_64-w64-mingw32-gcc is not there")
elseif(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
	set(found FALSE)
	set(why_not "it is for x86-64 only")
elseif(DS_SANITIZE)
	# The sanitizers' runtime cannot be loaded into a process of Wine's.
	set(found FALSE)
	set(why_not "it cannot be built with DS_SANITIZE")
endif()
ds_optional_result(WINE "${found}" "${why_not}")

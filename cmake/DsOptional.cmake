# SPDX-License-Identifier: MIT
# ds_optional(NAME "what it is"): declares DS_WITH_<NAME> = AUTO|ON|OFF.
# ds_optional_result(NAME found "why not"): sets DS_HAVE_<NAME>, and fails for ON without it.
function(ds_optional name what)
	set(DS_WITH_${name} AUTO CACHE STRING "${what}: AUTO, ON or OFF")
	set_property(CACHE DS_WITH_${name} PROPERTY STRINGS AUTO ON OFF)
endfunction()

function(ds_optional_result name found why_not)
	if(DS_WITH_${name} STREQUAL "OFF")
		set(have OFF)
		message(STATUS "${name}: off, as asked")
	elseif(found)
		set(have ON)
		message(STATUS "${name}: on")
	elseif(DS_WITH_${name} STREQUAL "ON")
		message(FATAL_ERROR "${name}: asked for, but ${why_not}")
	else()
		set(have OFF)
		message(STATUS "${name}: off, ${why_not}")
	endif()
	set(DS_HAVE_${name} ${have} PARENT_SCOPE)
endfunction()

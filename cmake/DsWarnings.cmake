# SPDX-License-Identifier: MIT
# ds_own_code(target): our warnings, on our code only; and DS_HAVE_ZSTD as 0 or 1.
function(ds_own_code target)
	target_compile_options(${target} PRIVATE
		-Wall -Wextra -Wpedantic -Wshadow -Wconversion
		$<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
		$<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
		-Wvla -Wundef -Wimplicit-fallthrough
		$<$<BOOL:${DS_WERROR}>:-Werror>)
	target_compile_definitions(${target} PRIVATE _GNU_SOURCE
		DS_HAVE_ZSTD=$<BOOL:${DS_HAVE_ZSTD}>)
endfunction()

/* SPDX-License-Identifier: MIT */
/* fake_vulkan_dll.c: a vulkan-1.dll whose functions are the program's. */
#include <windows.h>

typedef void(WINAPI *function)(void);

__declspec(dllexport) function WINAPI vkGetInstanceProcAddr(void *instance, const char *name);

function WINAPI vkGetInstanceProcAddr(void *instance, const char *name)
{
	typedef function(WINAPI * get_function)(void *, const char *);
	get_function get = (get_function)(void (*)(void))GetProcAddress(GetModuleHandleW(NULL),
									"fake_vulkan_get");

	return get ? get(instance, name) : NULL;
}

/* SPDX-License-Identifier: MIT */
/* load.c: finds the Vulkan loader. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "device/vulkan/api.h"

bool ds_vk_load(struct ds_vk_api *vk, PFN_vkGetInstanceProcAddr given, char *why, size_t why_nbytes)
{
	void *symbol;

	memset(vk, 0, sizeof(*vk));
	vk->GetInstanceProcAddr = given;
	if (!given) {
		vk->library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
		symbol = vk->library ? dlsym(vk->library, "vkGetInstanceProcAddr") : NULL;
		if (!symbol) {
			snprintf(why, why_nbytes, "there is no Vulkan loader: %s", dlerror());
			return false;
		}
		/* ISO C has no conversion from data to code pointers. */
		memcpy(&vk->GetInstanceProcAddr, &symbol, sizeof(symbol));
	}
	vk->CreateInstance =
		(PFN_vkCreateInstance)vk->GetInstanceProcAddr(NULL, "vkCreateInstance");
	if (!vk->CreateInstance)
		snprintf(why, why_nbytes, "the Vulkan loader has no vkCreateInstance");
	return vk->CreateInstance;
}

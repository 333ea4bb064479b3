/* SPDX-License-Identifier: MIT */
/* load.c: finds the Vulkan loader, and fills in the table of functions. */
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

bool ds_vk_load_instance(struct ds_vk_api *vk, VkInstance instance)
{
	bool all = true;

#define LOAD(name)                                                              \
	vk->name = (PFN_vk##name)vk->GetInstanceProcAddr(instance, "vk" #name); \
	all = all && vk->name;
	DS_VK_INSTANCE_FUNCTIONS(LOAD)
#undef LOAD
	return all;
}

bool ds_vk_load_device(struct ds_vk_api *vk, VkDevice device)
{
	bool all = true;

#define LOAD(name)                                                          \
	vk->name = (PFN_vk##name)vk->GetDeviceProcAddr(device, "vk" #name); \
	all = all && vk->name;
	DS_VK_DEVICE_FUNCTIONS(LOAD)
#undef LOAD
#define LOAD(name) vk->name = (PFN_vk##name)vk->GetDeviceProcAddr(device, "vk" #name);
	DS_VK_OPTIONAL_FUNCTIONS(LOAD)
#undef LOAD
	return all;
}

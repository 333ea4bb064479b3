/* SPDX-License-Identifier: MIT */
/* table.c: fills in the table of functions. No POSIX. */
#include "device/vulkan/api.h"

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

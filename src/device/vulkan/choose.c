/* SPDX-License-Identifier: MIT */
/* choose.c: which devices there are, what they have, and which is the best. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/vulkan/keep.h"
#include "device/vulkan/vk.h"

#define MAX_FAMILIES 32
/* Where the driver does not tell. */

ds_result ds_vk_instance_create(struct ds_vk_api *vk, VkInstance *out, char *why, size_t why_nbytes)
{
	const VkApplicationInfo app = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.pEngineName = "ds-runtime",
		.apiVersion = VK_API_VERSION_1_3,
	};
	const VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &app,
	};
	struct ds_vk_libraries before;
	VkResult result;

	ds_vk_note_libraries(&before);
	result = vk->CreateInstance(&info, NULL, out);
	ds_vk_keep_new_libraries(&before);

	if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
		snprintf(why, why_nbytes, "the Vulkan loader is there, but it finds no driver");
	else if (result)
		snprintf(why, why_nbytes, "vkCreateInstance: VkResult %d", (int)result);
	if (result)
		return result == VK_ERROR_OUT_OF_HOST_MEMORY ? DS_ERR_NO_MEMORY
							     : DS_ERR_UNAVAILABLE;
	if (!ds_vk_load_instance(vk, *out)) {
		snprintf(why, why_nbytes, "the Vulkan loader lacks functions of Vulkan 1.1");
		if (vk->DestroyInstance)
			vk->DestroyInstance(*out, NULL);
		return DS_ERR_UNAVAILABLE;
	}
	return DS_OK;
}

/* ------------------------------------------------------------ what one has */

struct extensions {
	bool has_import, has_sm_builtins, has_decompression;
};

static struct extensions find_extensions(const struct ds_vk_api *vk, VkPhysicalDevice physical)
{
	struct extensions found = { 0 };
	VkExtensionProperties *all;
	uint32_t nr = 0;

	vk->EnumerateDeviceExtensionProperties(physical, NULL, &nr, NULL);
	all = calloc(nr ? nr : 1, sizeof(*all));
	if (!all)
		return found;
	if (vk->EnumerateDeviceExtensionProperties(physical, NULL, &nr, all) < 0)
		nr = 0;
	for (uint32_t i = 0; i < nr; i++) {
		const char *name = all[i].extensionName;

		found.has_import |= !strcmp(name, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
		found.has_sm_builtins |= !strcmp(name, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME);
		found.has_decompression |= !strcmp(name, VK_NV_MEMORY_DECOMPRESSION_EXTENSION_NAME);
	}
	free(all);
	return found;
}

static void get_properties(const struct ds_vk_api *vk, struct ds_vk_caps *c,
			   const struct extensions *ext)
{
	VkPhysicalDeviceShaderSMBuiltinsPropertiesNV sm = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV,
	};
	VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT,
	};
	VkPhysicalDeviceVulkan13Properties p13 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES,
	};
	VkPhysicalDeviceVulkan12Properties p12 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES,
		.pNext = &p13,
	};
	VkPhysicalDeviceVulkan11Properties p11 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES,
		.pNext = &p12,
	};
	VkPhysicalDeviceProperties2 p = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &p11,
	};

	if (ext->has_import) {
		host.pNext = p.pNext;
		p.pNext = &host;
	}
	if (ext->has_sm_builtins) {
		sm.pNext = p.pNext;
		p.pNext = &sm;
	}
	vk->GetPhysicalDeviceProperties2(c->physical, &p);
	c->properties = p.properties;
	memcpy(c->uuid, p11.deviceUUID, sizeof(c->uuid));
	snprintf(c->driver, sizeof(c->driver), "%.20s %.40s", p12.driverName, p12.driverInfo);
	c->subgroup_min = p13.minSubgroupSize;
	c->subgroup_max = p13.maxSubgroupSize;
	c->required_size_stages = p13.requiredSubgroupSizeStages;
	c->import_alignment = host.minImportedHostPointerAlignment;
	c->nr_multiprocessors = sm.shaderSMCount ? sm.shaderSMCount : DS_VK_DEFAULT_MULTIPROCESSORS;
}

static uint32_t get_features(const struct ds_vk_api *vk, VkPhysicalDevice physical)
{
	VkPhysicalDeviceVulkan13Features f13 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
	};
	VkPhysicalDeviceVulkan12Features f12 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
		.pNext = &f13,
	};
	VkPhysicalDeviceFeatures2 f = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
		.pNext = &f12,
	};
	uint32_t has = 0;

	vk->GetPhysicalDeviceFeatures2(physical, &f);
	if (f12.timelineSemaphore && f13.synchronization2)
		has |= DS_VULKAN_FEATURE_SYNC;
	if (ds_vk_can_decode(&f.features, &f12))
		has |= DS_VULKAN_FEATURE_DECODE;
	if (f13.subgroupSizeControl && f13.computeFullSubgroups)
		has |= DS_VULKAN_FEATURE_SUBGROUPS;
	return has;
}

/* Whether the driver decompresses GDeflate. Asked for apart: few devices know these structs. */
static bool has_driver_decode(const struct ds_vk_api *vk, VkPhysicalDevice physical)
{
	VkPhysicalDeviceMemoryDecompressionPropertiesNV own = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_DECOMPRESSION_PROPERTIES_NV
	};
	VkPhysicalDeviceMemoryDecompressionFeaturesNV feature = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_DECOMPRESSION_FEATURES_NV
	};
	VkPhysicalDeviceProperties2 p = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &own,
	};
	VkPhysicalDeviceFeatures2 f = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
		.pNext = &feature,
	};

	vk->GetPhysicalDeviceProperties2(physical, &p);
	vk->GetPhysicalDeviceFeatures2(physical, &f);
	return feature.memoryDecompression &&
	       (own.decompressionMethods & VK_MEMORY_DECOMPRESSION_METHOD_GDEFLATE_1_0_BIT_NV);
}

/*
 * Compute without graphics, if there is such a family, runs beside what a program draws; transfer
 * without either is the copy engine.
 */
static void find_families(const struct ds_vk_api *vk, struct ds_vk_caps *c)
{
	VkQueueFamilyProperties families[MAX_FAMILIES];
	uint32_t nr = MAX_FAMILIES;

	c->compute_family = DS_VULKAN_NO_FAMILY;
	c->transfer_family = DS_VULKAN_NO_FAMILY;
	vk->GetPhysicalDeviceQueueFamilyProperties(c->physical, &nr, families);
	for (uint32_t i = 0; i < nr; i++) {
		VkQueueFlags flags = families[i].queueFlags;
		VkQueueFlags work = flags & (VK_QUEUE_COMPUTE_BIT | VK_QUEUE_GRAPHICS_BIT);
		bool is_better = c->compute_family == DS_VULKAN_NO_FAMILY ||
				 (!(flags & VK_QUEUE_GRAPHICS_BIT) &&
				  (families[c->compute_family].queueFlags & VK_QUEUE_GRAPHICS_BIT));

		/* Video families copy too, but are not made for it. */
		if (!work && (flags & VK_QUEUE_TRANSFER_BIT) && !(flags >> 4) &&
		    c->transfer_family == DS_VULKAN_NO_FAMILY)
			c->transfer_family = i;
		if ((work & VK_QUEUE_COMPUTE_BIT) && is_better)
			c->compute_family = i;
	}
	if (c->compute_family != DS_VULKAN_NO_FAMILY)
		c->nr_compute_queues = families[c->compute_family].queueCount;
	if (c->transfer_family != DS_VULKAN_NO_FAMILY)
		c->nr_transfer_queues = families[c->transfer_family].queueCount;
}

VkQueueFlags ds_vk_family_flags(const struct ds_vk_api *vk, VkPhysicalDevice physical,
				uint32_t family)
{
	VkQueueFamilyProperties families[MAX_FAMILIES];
	uint32_t nr = MAX_FAMILIES;

	vk->GetPhysicalDeviceQueueFamilyProperties(physical, &nr, families);
	return family < nr ? families[family].queueFlags : 0;
}

static void measure_heaps(struct ds_vk_caps *c)
{
	const VkPhysicalDeviceMemoryProperties *m = &c->memory;
	const VkMemoryPropertyFlags bar =
		VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
	uint32_t type = c->properties.deviceType;

	c->is_unified = type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU ||
			type == VK_PHYSICAL_DEVICE_TYPE_CPU;
	for (uint32_t i = 0; i < m->memoryHeapCount; i++) {
		if ((m->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) &&
		    m->memoryHeaps[i].size > c->device_nbytes)
			c->device_nbytes = m->memoryHeaps[i].size;
	}
	for (uint32_t i = 0; i < m->memoryTypeCount; i++) {
		uint64_t nbytes = m->memoryHeaps[m->memoryTypes[i].heapIndex].size;

		if ((m->memoryTypes[i].propertyFlags & bar) == bar && nbytes > c->mapped_nbytes)
			c->mapped_nbytes = nbytes;
	}
}

void ds_vk_get_caps(const struct ds_vk_api *vk, VkPhysicalDevice physical, struct ds_vk_caps *c)
{
	VkPhysicalDeviceProperties2 p = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2 };
	struct extensions ext;

	memset(c, 0, sizeof(*c));
	c->physical = physical;
	vk->GetPhysicalDeviceProperties2(physical, &p);
	c->properties = p.properties;
	vk->GetPhysicalDeviceMemoryProperties(physical, &c->memory);
	measure_heaps(c);
	find_families(vk, c);
	/* Older devices do not know the structs that are asked for below. */
	if (p.properties.apiVersion < VK_API_VERSION_1_3)
		return;
	ext = find_extensions(vk, physical);
	get_properties(vk, c, &ext);
	c->features = get_features(vk, physical);
	if (ext.has_import && c->import_alignment)
		c->features |= DS_VULKAN_FEATURE_IMPORT;
	if (ext.has_decompression && has_driver_decode(vk, physical))
		c->features |= DS_VULKAN_FEATURE_DRIVER_DECODE;
}

const char *ds_vk_lacks(const struct ds_vk_caps *c)
{
	if (c->properties.apiVersion < VK_API_VERSION_1_3)
		return "it lacks Vulkan 1.3";
	if (c->compute_family == DS_VULKAN_NO_FAMILY)
		return "it has no queue for compute";
	if (!(c->features & DS_VULKAN_FEATURE_SYNC))
		return "it lacks timelineSemaphore or synchronization2";
	return NULL;
}

void ds_vk_describe_caps(const struct ds_vk_caps *c, struct ds_vulkan_device_info *info)
{
	const char *lacks = ds_vk_lacks(c);
	uint32_t nr_heaps = c->memory.memoryHeapCount;

	info->type = c->properties.deviceType;
	info->api_version = c->properties.apiVersion;
	info->driver_version = c->properties.driverVersion;
	info->vendor_id = c->properties.vendorID;
	info->device_id = c->properties.deviceID;
	memcpy(info->uuid, c->uuid, sizeof(info->uuid));
	snprintf(info->name, sizeof(info->name), "%s", c->properties.deviceName);
	snprintf(info->driver, sizeof(info->driver), "%s", c->driver);
	info->nr_heaps = nr_heaps < 16 ? nr_heaps : 16;
	for (uint32_t i = 0; i < info->nr_heaps; i++) {
		info->heaps[i].nbytes = c->memory.memoryHeaps[i].size;
		info->heaps[i].flags = c->memory.memoryHeaps[i].flags;
	}
	info->features = c->features;
	info->device_nbytes = c->device_nbytes;
	info->mapped_nbytes = c->mapped_nbytes;
	info->is_unified = c->is_unified;
	info->subgroup_min = c->subgroup_min;
	info->subgroup_max = c->subgroup_max;
	info->compute_family = c->compute_family;
	info->transfer_family = c->transfer_family;
	info->is_usable = !lacks;
	if (lacks)
		snprintf(info->reason, sizeof(info->reason), "%s", lacks);
}

/* ----------------------------------------------------------- which is best */

static int rank(const struct ds_vk_caps *c)
{
	int usable = ds_vk_lacks(c) ? 0 : 10;

	switch (c->properties.deviceType) {
	case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
		return usable + 4;
	case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
		return usable + 3;
	case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
		return usable + 2;
	case VK_PHYSICAL_DEVICE_TYPE_CPU:
		return usable + 1;
	default:
		return usable;
	}
}

/* Among equals the loader's order stays. */
static void sort_devices(struct ds_vk_caps *all, uint32_t nr)
{
	for (uint32_t i = 1; i < nr; i++) {
		for (uint32_t k = i; k && rank(&all[k]) > rank(&all[k - 1]); k--) {
			struct ds_vk_caps better = all[k];

			all[k] = all[k - 1];
			all[k - 1] = better;
		}
	}
}

ds_result ds_vk_list_devices(const struct ds_vk_api *vk, VkInstance instance,
			     struct ds_vk_caps_list *list)
{
	VkPhysicalDevice *devices = NULL;
	uint32_t nr = 0;

	list->all = NULL;
	list->nr = 0;
	if (vk->EnumeratePhysicalDevices(instance, &nr, NULL) < 0)
		nr = 0;
	devices = calloc(nr ? nr : 1, sizeof(VkPhysicalDevice));
	list->all = calloc(nr ? nr : 1, sizeof(*list->all));
	if (!devices || !list->all) {
		free(devices);
		free(list->all);
		return DS_ERR_NO_MEMORY;
	}
	if (vk->EnumeratePhysicalDevices(instance, &nr, devices) < 0)
		nr = 0;
	for (uint32_t i = 0; i < nr; i++)
		ds_vk_get_caps(vk, devices[i], &list->all[i]);
	list->nr = nr;
	sort_devices(list->all, nr);
	free(devices);
	return DS_OK;
}

static ds_result describe_all(const struct ds_vk_caps_list *list,
			      struct ds_vulkan_device_info **infos)
{
	*infos = calloc(list->nr ? list->nr : 1, sizeof(**infos));
	if (!*infos)
		return DS_ERR_NO_MEMORY;
	for (uint32_t i = 0; i < list->nr; i++) {
		(*infos)[i].size = sizeof(**infos);
		ds_vk_describe_caps(&list->all[i], &(*infos)[i]);
	}
	return DS_OK;
}

ds_result ds_vk_enumerate(struct ds_vulkan_device_info **infos, uint32_t *nr, char *why,
			  size_t why_nbytes)
{
	struct ds_vk_caps_list list;
	struct ds_vk_api vk;
	VkInstance instance;
	ds_result ret;

	if (!ds_vk_load(&vk, NULL, why, why_nbytes))
		return DS_ERR_UNAVAILABLE;
	ret = ds_vk_instance_create(&vk, &instance, why, why_nbytes);
	if (ret)
		return ret;
	ret = ds_vk_list_devices(&vk, instance, &list);
	if (!ret && !list.nr) {
		snprintf(why, why_nbytes, "the Vulkan loader is there, but it knows no device");
		ret = DS_ERR_UNAVAILABLE;
		free(list.all);
	} else if (!ret) {
		ret = describe_all(&list, infos);
		*nr = list.nr;
		free(list.all);
	}
	vk.DestroyInstance(instance, NULL);
	return ret;
}

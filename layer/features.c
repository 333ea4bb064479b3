/* SPDX-License-Identifier: MIT */
/*
 * features.c: what of a backend's wishes the program has enabled on its device.
 *
 * The same feature can be asked for in the struct of a Vulkan version and in one of its own.
 */
#include <string.h>

#include "layer.h"

/* The features of ds_runtime_vulkan.h, each by itself. */
struct enabled {
	bool timeline, sync2;
	bool address, int8, int16, int64, storage8, scalar;
	bool sizes, full;
};

/* Struct of the chain, and which of its fields are wanted. */
#define TAKE(type, field, to)                                                        \
	do {                                                                         \
		e->to = e->to || ((const type *)(const void *)at)->field == VK_TRUE; \
	} while (0)

static void take_version(struct enabled *e, const VkBaseInStructure *at)
{
	switch (at->sType) {
	case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2:
		TAKE(VkPhysicalDeviceFeatures2, features.shaderInt16, int16);
		TAKE(VkPhysicalDeviceFeatures2, features.shaderInt64, int64);
		break;
	case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES:
		TAKE(VkPhysicalDeviceVulkan12Features, timelineSemaphore, timeline);
		TAKE(VkPhysicalDeviceVulkan12Features, bufferDeviceAddress, address);
		TAKE(VkPhysicalDeviceVulkan12Features, shaderInt8, int8);
		TAKE(VkPhysicalDeviceVulkan12Features, storageBuffer8BitAccess, storage8);
		TAKE(VkPhysicalDeviceVulkan12Features, scalarBlockLayout, scalar);
		break;
	case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES:
		TAKE(VkPhysicalDeviceVulkan13Features, synchronization2, sync2);
		TAKE(VkPhysicalDeviceVulkan13Features, subgroupSizeControl, sizes);
		TAKE(VkPhysicalDeviceVulkan13Features, computeFullSubgroups, full);
		break;
	default:
		break;
	}
}

static void take_single(struct enabled *e, const VkBaseInStructure *at)
{
	switch (at->sType) {
	case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES:
		TAKE(VkPhysicalDeviceTimelineSemaphoreFeatures, timelineSemaphore, timeline);
		break;
	case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES:
		TAKE(VkPhysicalDeviceSynchronization2Features, synchronization2, sync2);
		break;
	case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES:
		TAKE(VkPhysicalDeviceBufferDeviceAddressFeatures, bufferDeviceAddress, address);
		break;
	case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES:
		TAKE(VkPhysicalDeviceShaderFloat16Int8Features, shaderInt8, int8);
		break;
	case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES:
		TAKE(VkPhysicalDevice8BitStorageFeatures, storageBuffer8BitAccess, storage8);
		break;
	case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SCALAR_BLOCK_LAYOUT_FEATURES:
		TAKE(VkPhysicalDeviceScalarBlockLayoutFeatures, scalarBlockLayout, scalar);
		break;
	case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES:
		TAKE(VkPhysicalDeviceSubgroupSizeControlFeatures, subgroupSizeControl, sizes);
		TAKE(VkPhysicalDeviceSubgroupSizeControlFeatures, computeFullSubgroups, full);
		break;
	default:
		break;
	}
}

static bool has_extension(const VkDeviceCreateInfo *info, const char *name)
{
	for (uint32_t i = 0; i < info->enabledExtensionCount; i++)
		if (!strcmp(info->ppEnabledExtensionNames[i], name))
			return true;
	return false;
}

uint32_t layer_features(const VkDeviceCreateInfo *info)
{
	struct enabled e = { 0 };
	uint32_t features = 0;

	if (info->pEnabledFeatures) {
		e.int16 = info->pEnabledFeatures->shaderInt16;
		e.int64 = info->pEnabledFeatures->shaderInt64;
	}
	for (const VkBaseInStructure *at = info->pNext; at; at = at->pNext) {
		take_version(&e, at);
		take_single(&e, at);
	}
	if (e.timeline && e.sync2)
		features |= DS_VULKAN_FEATURE_SYNC;
	if (e.address && e.int8 && e.int16 && e.int64 && e.storage8 && e.scalar)
		features |= DS_VULKAN_FEATURE_DECODE;
	if (e.sizes && e.full)
		features |= DS_VULKAN_FEATURE_SUBGROUPS;
	if (has_extension(info, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME))
		features |= DS_VULKAN_FEATURE_IMPORT;
	return features;
}

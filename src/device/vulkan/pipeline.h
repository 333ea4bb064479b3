/* SPDX-License-Identifier: MIT */
/*
 * pipeline.h: the pipelines that decode tiles, and what a device has to have for them.
 *
 * No POSIX and no threads, as record.h.
 */
#ifndef DS_DEVICE_VULKAN_PIPELINE_H
#define DS_DEVICE_VULKAN_PIPELINE_H

#include "device/vulkan/api.h"
#include "device/vulkan/record.h"

#define DS_VK_DEFAULT_MULTIPROCESSORS 32 /* where the driver does not say */

struct ds_vk_pipelines {
	VkPipelineLayout layout;
	/* For few tiles at a time, of which each is to be decoded soon; and for many. */
	struct ds_vk_decoder few, many;
	uint32_t few_tiles; /* up to so many are few */
};

/* Of the features that are enabled, those that the shader cannot do without. */
bool ds_vk_can_decode(const VkPhysicalDeviceFeatures *f,
		      const VkPhysicalDeviceVulkan12Features *f12);
/* Whether subgroups of 32 can be had, and are worth having. */
bool ds_vk_is_native(const VkPhysicalDeviceVulkan13Features *f13, uint32_t subgroup_min,
		     uint32_t subgroup_max, VkShaderStageFlags required_size_stages);

/* After a failure what is there is to be destroyed as well. */
VkResult ds_vk_pipelines_create(struct ds_vk_pipelines *p, const struct ds_vk_api *vk,
				VkDevice device, bool is_native, uint32_t nr_multiprocessors);
void ds_vk_pipelines_destroy(struct ds_vk_pipelines *p, const struct ds_vk_api *vk,
			     VkDevice device);
const struct ds_vk_decoder *ds_vk_pipelines_choose(const struct ds_vk_pipelines *p,
						   uint32_t nr_tiles);

#endif /* DS_DEVICE_VULKAN_PIPELINE_H */

/* SPDX-License-Identifier: MIT */
/*
 * vulkan.h: a Vulkan device as a device of the core. For the factory of the backend.
 */
#ifndef DS_DEVICE_VULKAN_H
#define DS_DEVICE_VULKAN_H

#include "core/device.h"
#include "ds_runtime_vulkan.h"

/*
 * Finds or takes over a device; its threads start with attach(). cfg is a full struct. On failure
 * a sentence stands in why, if that is not NULL. staging_nbytes: how much there is going to be.
 */
ds_result ds_vk_device_create(const struct ds_vulkan_config *cfg, uint64_t staging_nbytes,
			      char *why, size_t why_nbytes, struct ds_device **out);
/* NULL if it is another kind of device. */
struct ds_vk_device *ds_vk_device_from(struct ds_device *d);
/* Whether the kernel can read files into staging memory without the page cache. */
bool ds_vk_staging_takes_direct(const struct ds_vk_device *d);

ds_result ds_vk_buffer_create(struct ds_vk_device *d, uint64_t nbytes, uint32_t extra_usage,
			      int32_t memory, struct ds_vulkan_buffer *out);
void ds_vk_buffer_destroy(struct ds_vk_device *d, struct ds_vulkan_buffer *buffer);
ds_result ds_vk_timeline_value(struct ds_vk_device *d, VkSemaphore timeline, uint64_t *value);
/* Raises a timeline semaphore to at least that value. */
ds_result ds_vk_raise(struct ds_vk_device *d, VkSemaphore timeline, uint64_t value);
void ds_vk_describe(struct ds_vk_device *d, struct ds_vulkan_device_info *info);
void ds_vk_handles(struct ds_vk_device *d, struct ds_vulkan_handles *handles);
void ds_vk_lock(struct ds_vk_device *d);
void ds_vk_unlock(struct ds_vk_device *d);
void ds_vk_read_stats(struct ds_vk_device *d, struct ds_vulkan_stats *stats);

/* See ds_vulkan_enumerate_devices(). *infos is to be freed. */
ds_result ds_vk_enumerate(struct ds_vulkan_device_info **infos, uint32_t *nr, char *why,
			  size_t why_nbytes);
uint64_t ds_vk_image_nbytes(const struct ds_vulkan_image_detail *detail);

#endif /* DS_DEVICE_VULKAN_H */

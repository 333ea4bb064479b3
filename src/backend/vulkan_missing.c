/* SPDX-License-Identifier: MIT */
/* vulkan_missing.c: the Vulkan backend of a build without the Vulkan headers or a shader compiler. */
#include <stdio.h>

#include "base/copy_struct.h"
#include "ds_runtime_vulkan.h"

static const char reason[] = "the library was built without Vulkan";

ds_result ds_make_vulkan_backend(const struct ds_backend_config *cfg,
				 const struct ds_vulkan_config *user, struct ds_backend **out)
{
	struct ds_vulkan_config vulkan;
	ds_result ret = ds_copy_config(&vulkan, sizeof(vulkan), user, sizeof(vulkan));

	(void)cfg;
	(void)out;
	if (ret)
		return ret;
	if (vulkan.why && vulkan.why_nbytes)
		snprintf(vulkan.why, vulkan.why_nbytes, "%s", reason);
	return DS_ERR_UNAVAILABLE;
}

ds_result ds_vulkan_enumerate_devices(struct ds_vulkan_device_info *out, uint32_t max,
				      uint32_t *count, char *why, size_t why_nbytes)
{
	(void)out;
	(void)max;
	(void)count;
	if (why && why_nbytes)
		snprintf(why, why_nbytes, "%s", reason);
	return DS_ERR_UNAVAILABLE;
}

uint64_t ds_vulkan_image_nbytes(const struct ds_vulkan_image_detail *detail)
{
	(void)detail;
	return 0;
}

/* No backend that these could be called with can have been made. */

ds_result ds_vulkan_buffer_create(struct ds_backend *be, uint64_t nbytes, uint32_t extra_usage,
				  int32_t memory, struct ds_vulkan_buffer *out)
{
	(void)be;
	(void)nbytes;
	(void)extra_usage;
	(void)memory;
	(void)out;
	return DS_ERR_INVALID_ARGUMENT;
}

void ds_vulkan_buffer_destroy(struct ds_backend *be, struct ds_vulkan_buffer *buffer)
{
	(void)be;
	(void)buffer;
}

ds_result ds_vulkan_fence_create(struct ds_backend *be, VkSemaphore timeline, struct ds_fence **out)
{
	(void)be;
	(void)timeline;
	(void)out;
	return DS_ERR_INVALID_ARGUMENT;
}

ds_result ds_vulkan_get_device_info(struct ds_backend *be, struct ds_vulkan_device_info *info)
{
	(void)be;
	(void)info;
	return DS_ERR_INVALID_ARGUMENT;
}

ds_result ds_vulkan_get_handles(struct ds_backend *be, struct ds_vulkan_handles *handles)
{
	(void)be;
	(void)handles;
	return DS_ERR_INVALID_ARGUMENT;
}

void ds_vulkan_lock_queue(struct ds_backend *be)
{
	(void)be;
}

void ds_vulkan_unlock_queue(struct ds_backend *be)
{
	(void)be;
}

ds_result ds_vulkan_get_stats(struct ds_backend *be, struct ds_vulkan_stats *stats)
{
	(void)be;
	(void)stats;
	return DS_ERR_INVALID_ARGUMENT;
}

/* SPDX-License-Identifier: MIT */
/* open.c: instance, device and queues: made, or taken over from the caller. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/vulkan/vk.h"

#define MAX_COMPUTE  2
/* One copies while the other is between two submits. */
#define MAX_TRANSFER 2

/* ------------------------------------------------------------ one's own */

static bool is_wanted(const struct ds_vulkan_config *cfg, const struct ds_vk_caps *c)
{
	return (!cfg->device_name || strstr(c->properties.deviceName, cfg->device_name)) &&
	       (!cfg->device_uuid || !memcmp(cfg->device_uuid, c->uuid, sizeof(c->uuid)));
}

static ds_result choose(struct ds_vk_device *d, char *why, size_t why_nbytes)
{
	const struct ds_vk_caps *best = NULL;
	const char *lacks = NULL;
	struct ds_vk_caps_list list;
	ds_result ret = ds_vk_list_devices(&d->vk, d->instance, &list);

	if (ret)
		return ret;
	for (uint32_t i = 0; i < list.nr && !best; i++) {
		if (is_wanted(&d->cfg, &list.all[i]))
			best = &list.all[i];
	}
	lacks = best ? ds_vk_lacks(best) : NULL;
	if (!best)
		snprintf(why, why_nbytes,
			 list.nr ? "no Vulkan device has that name or UUID"
				 : "the Vulkan loader is there, but it knows no device");
	else if (lacks)
		snprintf(why, why_nbytes, "%s: %s", best->properties.deviceName, lacks);
	else
		d->caps = *best;
	/* Not so much as enabled unless it was asked for. */
	if (!(d->cfg.flags & DS_VULKAN_USE_DRIVER_DECODE))
		d->caps.features &= ~(uint32_t)DS_VULKAN_FEATURE_DRIVER_DECODE;
	free(list.all);
	return best && !lacks ? DS_OK : DS_ERR_UNAVAILABLE;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static VkResult create_device(struct ds_vk_device *d)
{
	static const float priorities[DS_VK_MAX_QUEUES] = { 0.5f, 0.5f, 0.5f, 0.5f };
	const char *extensions[2];
	uint32_t nr_extensions = 0;
	const struct ds_vk_caps *c = &d->caps;
	const VkBool32 decodes = !!(c->features & DS_VULKAN_FEATURE_DECODE);
	const VkBool32 has_sizes = !!(c->features & DS_VULKAN_FEATURE_SUBGROUPS);
	VkPhysicalDeviceVulkan13Features f13 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
		.synchronization2 = VK_TRUE,
		.subgroupSizeControl = has_sizes,
		.computeFullSubgroups = has_sizes,
	};
	VkPhysicalDeviceVulkan12Features f12 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
		.pNext = &f13,
		.timelineSemaphore = VK_TRUE,
		.bufferDeviceAddress = decodes,
		.shaderInt8 = decodes,
		.storageBuffer8BitAccess = decodes,
		.scalarBlockLayout = decodes,
	};
	VkPhysicalDeviceMemoryDecompressionFeaturesNV decompression = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_DECOMPRESSION_FEATURES_NV,
		.pNext = &f12,
		.memoryDecompression = VK_TRUE,
	};
	VkPhysicalDeviceFeatures2 f = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
		.pNext = &f12,
		.features.shaderInt64 = decodes,
		.features.shaderInt16 = decodes,
	};
	VkDeviceQueueCreateInfo queues[2] = {
		{ .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		  .queueFamilyIndex = c->compute_family,
		  .queueCount = min_u32(c->nr_compute_queues, MAX_COMPUTE),
		  .pQueuePriorities = priorities },
		{ .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		  .queueFamilyIndex = c->transfer_family,
		  .queueCount = min_u32(c->nr_transfer_queues, MAX_TRANSFER),
		  .pQueuePriorities = priorities },
	};
	VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &f,
		.queueCreateInfoCount = c->transfer_family == DS_VULKAN_NO_FAMILY ? 1 : 2,
		.pQueueCreateInfos = queues,
		.ppEnabledExtensionNames = extensions,
	};

	if (c->features & DS_VULKAN_FEATURE_IMPORT)
		extensions[nr_extensions++] = VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME;
	if (c->features & DS_VULKAN_FEATURE_DRIVER_DECODE) {
		extensions[nr_extensions++] = VK_NV_MEMORY_DECOMPRESSION_EXTENSION_NAME;
		f.pNext = &decompression;
	}
	info.enabledExtensionCount = nr_extensions;
	return d->vk.CreateDevice(c->physical, &info, NULL, &d->device);
}

/* What may stand in a barrier on a queue of that family. Those with graphics have it all. */
static VkPipelineStageFlags2 stages_of(const struct ds_vk_device *d, uint32_t family)
{
	const VkPipelineStageFlags2 copies =
		VK_PIPELINE_STAGE_2_TOP_OF_PIPE_BIT | VK_PIPELINE_STAGE_2_BOTTOM_OF_PIPE_BIT |
		VK_PIPELINE_STAGE_2_HOST_BIT | VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT |
		VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT | VK_PIPELINE_STAGE_2_COPY_BIT;
	const VkPipelineStageFlags2 computes =
		VK_PIPELINE_STAGE_2_DRAW_INDIRECT_BIT | VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT |
		VK_PIPELINE_STAGE_2_CLEAR_BIT | VK_PIPELINE_STAGE_2_CONDITIONAL_RENDERING_BIT_EXT |
		VK_PIPELINE_STAGE_2_ACCELERATION_STRUCTURE_BUILD_BIT_KHR |
		VK_PIPELINE_STAGE_2_RAY_TRACING_SHADER_BIT_KHR;
	VkQueueFlags flags = ds_vk_family_flags(&d->vk, d->caps.physical, family);

	if (flags & VK_QUEUE_GRAPHICS_BIT)
		return ~(VkPipelineStageFlags2)0;
	return flags & VK_QUEUE_COMPUTE_BIT ? copies | computes : copies;
}

static void add_queue(struct ds_vk_device *d, VkQueue queue, uint32_t family, bool can_compute)
{
	struct ds_vk_queue *q = &d->queues[d->nr_queues++];

	q->d = d;
	q->queue = queue;
	q->family = family;
	q->stages = stages_of(d, family);
	q->can_compute = can_compute;
	d->nr_compute += can_compute;
}

static void add_queues(struct ds_vk_device *d, uint32_t family, uint32_t nr, bool can_compute)
{
	for (uint32_t i = 0; i < nr; i++) {
		VkQueue queue;

		d->vk.GetDeviceQueue(d->device, family, i, &queue);
		add_queue(d, queue, family, can_compute);
	}
}

static ds_result open_own(struct ds_vk_device *d, char *why, size_t why_nbytes)
{
	ds_result ret = ds_vk_instance_create(&d->vk, &d->instance, why, why_nbytes);
	VkResult result;

	if (ret)
		return ret;
	d->is_own = true;
	ret = choose(d, why, why_nbytes);
	if (ret)
		return ret;
	result = create_device(d);
	if (result) {
		snprintf(why, why_nbytes, "vkCreateDevice on %s: VkResult %d",
			 d->caps.properties.deviceName, (int)result);
		d->device = NULL;
		return DS_ERR_UNAVAILABLE;
	}
	if (!ds_vk_load_device(&d->vk, d->device)) {
		snprintf(why, why_nbytes, "the Vulkan device lacks functions of Vulkan 1.3");
		return DS_ERR_UNAVAILABLE;
	}
	add_queues(d, d->caps.compute_family, min_u32(d->caps.nr_compute_queues, MAX_COMPUTE),
		   true);
	if (d->caps.transfer_family != DS_VULKAN_NO_FAMILY)
		add_queues(d, d->caps.transfer_family,
			   min_u32(d->caps.nr_transfer_queues, MAX_TRANSFER), false);
	return DS_OK;
}

/* ---------------------------------------------------------- the caller's */

static ds_result take_over(struct ds_vk_device *d, char *why, size_t why_nbytes)
{
	const struct ds_vulkan_config *cfg = &d->cfg;
	uint32_t has;

	d->instance = cfg->instance;
	if (!ds_vk_load_instance(&d->vk, d->instance)) {
		snprintf(why, why_nbytes, "the instance lacks functions of Vulkan 1.1");
		return DS_ERR_UNAVAILABLE;
	}
	ds_vk_get_caps(&d->vk, cfg->physical_device, &d->caps);
	has = d->caps.features;
	d->caps.features &= cfg->features;
	if (ds_vk_lacks(&d->caps) || (cfg->features & ~has)) {
		snprintf(why, why_nbytes, "%s: %s", d->caps.properties.deviceName,
			 cfg->features & ~has ? "it lacks features that are said to be enabled"
					      : ds_vk_lacks(&d->caps));
		return cfg->features & ~has ? DS_ERR_INVALID_ARGUMENT : DS_ERR_UNAVAILABLE;
	}
	d->device = cfg->device;
	if (!ds_vk_load_device(&d->vk, d->device)) {
		d->device = NULL;
		snprintf(why, why_nbytes, "the Vulkan device lacks functions of Vulkan 1.3");
		return DS_ERR_UNAVAILABLE;
	}
	d->caps.compute_family = cfg->compute_queue.family;
	d->caps.transfer_family =
		cfg->transfer_queue.queue ? cfg->transfer_queue.family : DS_VULKAN_NO_FAMILY;
	add_queue(d, cfg->compute_queue.queue, cfg->compute_queue.family, true);
	if (cfg->transfer_queue.queue)
		add_queue(d, cfg->transfer_queue.queue, cfg->transfer_queue.family, false);
	return DS_OK;
}

/* ------------------------------------------------------------------ both */

static ds_result create_timelines(struct ds_vk_device *d)
{
	const VkSemaphoreTypeCreateInfo type = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
		.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
	};
	const VkSemaphoreCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
		.pNext = &type,
	};

	for (unsigned i = 0; i < d->nr_queues; i++) {
		struct ds_vk_queue *q = &d->queues[i];

		if (d->vk.CreateSemaphore(d->device, &info, NULL, &q->timeline))
			return DS_ERR_NO_MEMORY;
		/* Decoding that waits is better done together: it makes larger dispatches. */
		q->nr_limit = q->can_compute && d->nr_queues > 1 ? 2 : DS_VK_NR_BATCHES;
		if (ds_vk_batches_init(q))
			return DS_ERR_NO_MEMORY;
	}
	return DS_OK;
}

ds_result ds_vk_open(struct ds_vk_device *d, char *why, size_t why_nbytes)
{
	PFN_vkGetInstanceProcAddr given = (PFN_vkGetInstanceProcAddr)d->cfg.get_instance_proc_addr;
	ds_result ret;

	if (!ds_vk_load(&d->vk, given, why, why_nbytes))
		return DS_ERR_UNAVAILABLE;
	ret = d->cfg.device ? take_over(d, why, why_nbytes) : open_own(d, why, why_nbytes);
	if (!ret) {
		ret = create_timelines(d);
		if (ret)
			snprintf(why, why_nbytes, "%s: no memory for queues",
				 d->caps.properties.deviceName);
	}
	if (ret)
		ds_vk_close(d);
	return ret;
}

void ds_vk_close(struct ds_vk_device *d)
{
	/* All values are reached; drivers' own threads may still be on their way out of saying so. */
	if (d->is_own && d->device && d->vk.DeviceWaitIdle)
		d->vk.DeviceWaitIdle(d->device);
	for (unsigned i = 0; i < d->nr_queues; i++) {
		ds_vk_batches_fini(&d->queues[i]);
		if (d->queues[i].timeline)
			d->vk.DestroySemaphore(d->device, d->queues[i].timeline, NULL);
	}
	d->nr_queues = 0;
	if (d->is_own && d->device)
		d->vk.DestroyDevice(d->device, NULL);
	if (d->is_own && d->instance)
		d->vk.DestroyInstance(d->instance, NULL);
	d->device = NULL;
	d->instance = NULL;
}

/* SPDX-License-Identifier: MIT */
/* target.c: the memory side of a request: checked, and turned into what operations need. */
#include <stdlib.h>
#include <string.h>

#include "base/copy_struct.h"
#include "base/util.h"
#include "device/host.h"
#include "device/vulkan/vk.h"

#define KNOWN_FLAGS \
	((uint32_t)DS_VULKAN_CONCURRENT | (uint32_t)DS_VULKAN_RELEASE | (uint32_t)DS_VULKAN_TRUSTED)

/* Sizes that the structs have had before. */
#define BUFFER_DETAIL_MIN offsetof(struct ds_vulkan_buffer_detail, stages)
#define IMAGE_DETAIL_MIN  offsetof(struct ds_vulkan_image_detail, stages)

static struct ds_vk_target *take_state(struct ds_vk_device *d)
{
	struct ds_vk_target *t;

	pthread_mutex_lock(&d->targets_lock);
	t = d->free_targets;
	if (t)
		d->free_targets = t->next;
	pthread_mutex_unlock(&d->targets_lock);
	if (!t)
		t = malloc(sizeof(*t));
	if (t) {
		memset(t, 0, sizeof(*t));
		t->release_family = DS_VULKAN_NO_FAMILY;
	}
	return t;
}

void ds_vk_release(struct ds_device *base, struct ds_target *target)
{
	struct ds_vk_device *d = ds_container_of(base, struct ds_vk_device, base);
	struct ds_vk_target *t = target->state;

	if (!t)
		return;
	target->state = NULL;
	ds_vk_memory_destroy(d, &t->temporary);
	pthread_mutex_lock(&d->targets_lock);
	t->next = d->free_targets;
	d->free_targets = t;
	pthread_mutex_unlock(&d->targets_lock);
}

void ds_vk_targets_fini(struct ds_vk_device *d)
{
	while (d->free_targets) {
		struct ds_vk_target *t = d->free_targets;

		d->free_targets = t->next;
		free(t);
	}
}

/* ---------------------------------------------------------------- buffers */

/* Nothing is said of the buffer itself. */
static bool is_about_use_only(const struct ds_vulkan_buffer_detail *d)
{
	return !(d->flags & ~(uint32_t)DS_VULKAN_TRUSTED) && !d->nbytes && !d->usage &&
	       !d->queue_family && !d->mapped && !d->memory_type && !d->reserved &&
	       !d->device_address;
}

static ds_result get_detail(struct ds_vk_device *d, const struct ds_location *loc,
			    struct ds_vulkan_buffer_detail *detail)
{
	struct ds_vulkan_buffer known;

	if (ds_copy_config(detail, sizeof(*detail), loc->detail, BUFFER_DETAIL_MIN))
		return DS_ERR_INVALID_ARGUMENT;
	if (!is_about_use_only(detail))
		return DS_OK;
	if (!ds_vk_registry_find(d, (VkBuffer)(uintptr_t)loc->object, &known))
		return DS_ERR_INVALID_ARGUMENT;
	detail->flags |= DS_VULKAN_CONCURRENT;
	detail->nbytes = known.nbytes;
	detail->usage = known.usage;
	detail->mapped = known.mapped;
	detail->memory_type = known.memory_type;
	detail->device_address = known.device_address;
	return DS_OK;
}

static bool is_consumer(uint64_t stages, uint64_t accesses)
{
	return stages || !accesses;
}

static ds_result check_buffer(const struct ds_vk_device *d,
			      const struct ds_vulkan_buffer_detail *detail, uint64_t offset,
			      uint64_t nbytes, bool is_source)
{
	uint32_t needed =
		is_source ? VK_BUFFER_USAGE_TRANSFER_SRC_BIT : VK_BUFFER_USAGE_TRANSFER_DST_BIT;

	if ((detail->flags & ~KNOWN_FLAGS) || detail->reserved ||
	    (detail->mapped && detail->memory_type >= d->caps.memory.memoryTypeCount) ||
	    !(detail->usage & needed) || !is_consumer(detail->stages, detail->accesses))
		return DS_ERR_INVALID_ARGUMENT;
	if (offset > detail->nbytes || nbytes > detail->nbytes - offset)
		return is_source ? DS_ERR_OUT_OF_RANGE : DS_ERR_DESTINATION_TOO_SMALL;
	return DS_OK;
}

/* Whether the bytes go through the mapping and not through staging memory. */
static bool uses_mapping(const struct ds_vk_device *d, const struct ds_vulkan_buffer_detail *detail,
			 VkMemoryPropertyFlags flags, uint64_t nbytes, bool is_source)
{
	if (!detail->mapped || !(flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) ||
	    d->cfg.path == DS_VULKAN_PATH_STAGED)
		return false;
	if (is_source)
		return flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
	return !(flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) || nbytes <= d->mapped_max_nbytes;
}

static void map_target(struct ds_vk_device *d, const struct ds_vulkan_buffer_detail *detail,
		       bool is_source, struct ds_target *target)
{
	VkMemoryPropertyFlags flags = 0;

	if (detail->mapped)
		flags = d->caps.memory.memoryTypes[detail->memory_type].propertyFlags;
	if (uses_mapping(d, detail, flags, target->nbytes, is_source)) {
		target->address = (char *)detail->mapped + target->offset;
		target->is_readable = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
		target->takes_direct = d->direct_types >> detail->memory_type & 1;
	}
	ds_vk_count(target->address ? &d->counters.mapped_targets : &d->counters.staged_targets, 1);
}

static uint64_t address_of(struct ds_vk_device *d, const struct ds_vulkan_buffer_detail *detail,
			   VkBuffer buffer)
{
	const VkBufferDeviceAddressInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
		.buffer = buffer,
	};

	if (!d->can_decode || !(detail->usage & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT))
		return 0;
	return detail->device_address ? detail->device_address
				      : d->vk.GetBufferDeviceAddress(d->device, &info);
}

static ds_result resolve_buffer(struct ds_vk_device *d, const struct ds_location *loc,
				uint64_t nbytes, bool is_source, struct ds_target *target)
{
	struct ds_vulkan_buffer_detail detail;
	struct ds_vk_target *t;
	ds_result ret;

	if (!loc->object)
		return DS_ERR_INVALID_ARGUMENT;
	ret = get_detail(d, loc, &detail);
	if (!ret)
		ret = check_buffer(d, &detail, loc->offset, nbytes, is_source);
	if (ret)
		return ret;
	t = take_state(d);
	if (!t)
		return DS_ERR_NO_MEMORY;
	*target = (struct ds_target){
		.object = loc->object,
		.offset = loc->offset,
		.nbytes = nbytes,
		.state = t,
	};
	map_target(d, &detail, is_source, target);
	t->buffer = (VkBuffer)(uintptr_t)loc->object;
	t->is_trusted = detail.flags & DS_VULKAN_TRUSTED;
	t->consumer = (struct ds_vk_consumer){ detail.stages, detail.accesses };
	t->is_concurrent = detail.flags & DS_VULKAN_CONCURRENT;
	t->address = is_source ? 0 : address_of(d, &detail, t->buffer);
	if (t->address)
		t->address += loc->offset;
	if (!is_source && nbytes && (detail.flags & DS_VULKAN_RELEASE) && !t->is_concurrent &&
	    detail.queue_family != d->caps.compute_family) {
		t->release_family = detail.queue_family;
		target->needs_finish = true;
	}
	return DS_OK;
}

/* ----------------------------------------------------------------- images */

static ds_result resolve_image(struct ds_vk_device *d, const struct ds_location *loc,
			       uint64_t nbytes, bool is_source, struct ds_target *target)
{
	struct ds_vulkan_image_detail detail;
	struct ds_vk_image image;
	struct ds_vk_target *t;

	if (is_source)
		return DS_ERR_UNSUPPORTED;
	if (!loc->object || loc->offset || !loc->detail ||
	    ds_copy_config(&detail, sizeof(detail), loc->detail, IMAGE_DETAIL_MIN) ||
	    (detail.flags & ~KNOWN_FLAGS) || !is_consumer(detail.stages, detail.accesses) ||
	    !ds_vk_image_init(&image, &detail) || nbytes != image.nbytes)
		return DS_ERR_INVALID_ARGUMENT;
	t = take_state(d);
	if (!t)
		return DS_ERR_NO_MEMORY;
	t->is_image = true;
	t->image = image;
	t->is_trusted = detail.flags & DS_VULKAN_TRUSTED;
	t->consumer = (struct ds_vk_consumer){ detail.stages, detail.accesses };
	t->is_concurrent = detail.flags & DS_VULKAN_CONCURRENT;
	if ((detail.flags & DS_VULKAN_RELEASE) && !t->is_concurrent &&
	    detail.queue_family != d->caps.compute_family)
		t->release_family = detail.queue_family;
	*target = (struct ds_target){
		.needs_finish = true,
		.object = loc->object,
		.nbytes = nbytes,
		.state = t,
	};
	ds_vk_count(&d->counters.staged_targets, 1);
	return DS_OK;
}

ds_result ds_vk_resolve(struct ds_device *base, const struct ds_location *loc, uint64_t nbytes,
			bool is_source, struct ds_target *target)
{
	struct ds_vk_device *d = ds_container_of(base, struct ds_vk_device, base);

	switch (loc->kind) {
	case DS_LOCATION_NONE:
		return DS_ERR_INVALID_ARGUMENT;
	case DS_LOCATION_MEMORY:
		return ds_host_resolve(loc, nbytes, target);
	case DS_LOCATION_VULKAN_BUFFER:
		return resolve_buffer(d, loc, nbytes, is_source, target);
	case DS_LOCATION_VULKAN_IMAGE:
		return resolve_image(d, loc, nbytes, is_source, target);
	default:
		return DS_ERR_UNSUPPORTED;
	}
}

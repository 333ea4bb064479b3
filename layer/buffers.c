/* SPDX-License-Identifier: MIT */
/* buffers.c: what the buffers of a device were created with. A table with open addressing. */
#include <stdlib.h>

#include "layer.h"

#define MIN_SLOTS 64u

/*
 * VkBufferUsageFlags2CreateInfo, of Vulkan 1.4 and VK_KHR_maintenance5: it counts in place of the
 * usage in VkBufferCreateInfo. Its low half has the same bits. Headers of 1.3 lack it.
 */
#define USAGE_2_TYPE 1000470006
struct usage_2 {
	VkStructureType sType;
	const void *pNext;
	uint64_t usage;
};

/* In device->buffers, of which slots is a power of two. */
static uint32_t home(VkBuffer handle, uint32_t nr_slots)
{
	uint64_t x = (uint64_t)(uintptr_t)handle * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(x >> 32) & (nr_slots - 1);
}

static struct layer_buffer *slot_of(struct layer_device *d, VkBuffer handle)
{
	uint32_t i = home(handle, d->nr_slots);

	while (d->buffers[i].handle && d->buffers[i].handle != handle)
		i = (i + 1) & (d->nr_slots - 1);
	return &d->buffers[i];
}

static bool grow(struct layer_device *d)
{
	struct layer_buffer *old = d->buffers;
	uint32_t nr_old = d->nr_slots, nr = nr_old ? nr_old * 2 : MIN_SLOTS;
	struct layer_buffer *slots = calloc(nr, sizeof(*slots));

	if (!slots)
		return false;
	d->buffers = slots;
	d->nr_slots = nr;
	for (uint32_t i = 0; i < nr_old; i++)
		if (old[i].handle)
			*slot_of(d, old[i].handle) = old[i];
	free(old);
	return true;
}

/* A buffer for which there is no memory is one that others cannot use. */
static void add(struct layer_device *d, const struct layer_buffer *b)
{
	pthread_mutex_lock(&d->buffers_lock);
	/* A quarter stays free, so that searches end soon. */
	if ((uint64_t)d->nr_buffers * 4 < (uint64_t)d->nr_slots * 3 || grow(d)) {
		struct layer_buffer *slot = slot_of(d, b->handle);

		d->nr_buffers += !slot->handle;
		*slot = *b;
	}
	pthread_mutex_unlock(&d->buffers_lock);
}

/* With the lock. What lies behind the hole moves up, unless it is at home where it lies. */
static void close_hole(struct layer_device *d, uint32_t hole)
{
	uint32_t mask = d->nr_slots - 1;

	for (uint32_t i = (hole + 1) & mask; d->buffers[i].handle; i = (i + 1) & mask) {
		uint32_t at = home(d->buffers[i].handle, d->nr_slots);

		if (((i - at) & mask) < ((i - hole) & mask))
			continue;
		d->buffers[hole] = d->buffers[i];
		hole = i;
	}
	d->buffers[hole] = (struct layer_buffer){ 0 };
}

static void forget(struct layer_device *d, VkBuffer handle)
{
	pthread_mutex_lock(&d->buffers_lock);
	if (d->nr_slots) {
		struct layer_buffer *slot = slot_of(d, handle);

		if (slot->handle) {
			d->nr_buffers--;
			close_hole(d, (uint32_t)(slot - d->buffers));
		}
	}
	pthread_mutex_unlock(&d->buffers_lock);
}

bool layer_buffer_find(struct layer_device *d, VkBuffer handle, struct layer_buffer *out)
{
	bool is_found = false;

	pthread_mutex_lock(&d->buffers_lock);
	if (d->nr_slots && handle) {
		*out = *slot_of(d, handle);
		is_found = out->handle;
	}
	pthread_mutex_unlock(&d->buffers_lock);
	return is_found;
}

static uint32_t usage_of(const VkBufferCreateInfo *info)
{
	for (const VkBaseInStructure *at = info->pNext; at; at = at->pNext)
		if ((int)at->sType == USAGE_2_TYPE)
			return (uint32_t)((const struct usage_2 *)(const void *)at)->usage;
	return info->usage;
}

static uint32_t families_of(const VkBufferCreateInfo *info)
{
	uint32_t families = 0;

	if (info->sharingMode != VK_SHARING_MODE_CONCURRENT)
		return 0;
	for (uint32_t i = 0; i < info->queueFamilyIndexCount; i++)
		if (info->pQueueFamilyIndices[i] < 32)
			families |= UINT32_C(1) << info->pQueueFamilyIndices[i];
	return families;
}

VKAPI_ATTR VkResult VKAPI_CALL layer_CreateBuffer(VkDevice device, const VkBufferCreateInfo *info,
						  const VkAllocationCallbacks *alloc, VkBuffer *out)
{
	struct layer_device *d = layer_device_of(device);
	VkResult result = d->CreateBuffer(device, info, alloc, out);
	const struct layer_buffer b = {
		.handle = result ? VK_NULL_HANDLE : *out,
		.nbytes = info->size,
		.usage = usage_of(info),
		.families = families_of(info),
		.is_protected = info->flags & VK_BUFFER_CREATE_PROTECTED_BIT,
	};

	if (!result)
		add(d, &b);
	return result;
}

VKAPI_ATTR void VKAPI_CALL layer_DestroyBuffer(VkDevice device, VkBuffer buffer,
					       const VkAllocationCallbacks *alloc)
{
	struct layer_device *d = layer_device_of(device);

	/* Before it is gone: a new one may get its handle at once. */
	if (buffer)
		forget(d, buffer);
	d->DestroyBuffer(device, buffer, alloc);
}

/* SPDX-License-Identifier: MIT */
/* memory.c: buffers with memory of their own, staging memory, and the table of the caller's buffers. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/pages.h"
#include "base/util.h"
#include "device/vulkan/vk.h"

static uint32_t find_type(const struct ds_vk_device *d, uint32_t allowed,
			  VkMemoryPropertyFlags flags)
{
	const VkPhysicalDeviceMemoryProperties *m = &d->caps.memory;

	for (uint32_t i = 0; i < m->memoryTypeCount; i++) {
		if ((allowed >> i & 1) && (m->memoryTypes[i].propertyFlags & flags) == flags)
			return i;
	}
	return UINT32_MAX;
}

static uint32_t find_first_of(const struct ds_vk_device *d, uint32_t allowed,
			      const VkMemoryPropertyFlags *wishes, unsigned nr)
{
	uint32_t type = UINT32_MAX;

	for (unsigned i = 0; i < nr && type == UINT32_MAX; i++)
		type = find_type(d, allowed, wishes[i]);
	return type;
}

static uint32_t type_for(const struct ds_vk_device *d, enum ds_vk_memory_kind kind,
			 uint32_t allowed)
{
	const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
	const VkMemoryPropertyFlags mapped =
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	const VkMemoryPropertyFlags cached = mapped | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
	const VkMemoryPropertyFlags device[] = { local, 0 };
	const VkMemoryPropertyFlags bar[] = { local | cached, local | mapped };
	const VkMemoryPropertyFlags upload[] = { local | mapped, mapped };
	const VkMemoryPropertyFlags host[] = { cached, mapped };

	switch (kind) {
	case DS_VK_MEMORY_BAR:
		return find_first_of(d, allowed, bar, 2);
	case DS_VK_MEMORY_UPLOAD:
		return find_first_of(d, allowed, upload, 2);
	case DS_VK_MEMORY_HOST:
		return find_first_of(d, allowed, host, 2);
	default:
		return find_first_of(d, allowed, device, 2);
	}
}

/* Concurrent between the queue families, if there are two. */
static VkResult create_buffer(struct ds_vk_device *d, uint64_t nbytes, VkBufferUsageFlags usage,
			      const void *chain, VkBuffer *out)
{
	uint32_t families[2] = { d->caps.compute_family, d->caps.transfer_family };
	VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.pNext = chain,
		.size = nbytes,
		.usage = usage,
		.sharingMode = VK_SHARING_MODE_EXCLUSIVE,
	};

	if (families[1] != DS_VULKAN_NO_FAMILY && families[1] != families[0]) {
		info.sharingMode = VK_SHARING_MODE_CONCURRENT;
		info.queueFamilyIndexCount = 2;
		info.pQueueFamilyIndices = families;
	}
	return d->vk.CreateBuffer(d->device, &info, NULL, out);
}

static bool has_addresses(const struct ds_vk_device *d)
{
	return d->caps.features & DS_VULKAN_FEATURE_DECODE;
}

static VkBufferUsageFlags usage_of(const struct ds_vk_device *d, VkBufferUsageFlags extra)
{
	return VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
	       VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
	       (has_addresses(d) ? VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT : 0u) | extra;
}

static VkResult bind(struct ds_vk_device *d, struct ds_vk_memory *m, uint64_t nbytes, uint32_t type,
		     const void *chain)
{
	const VkMemoryAllocateFlagsInfo flags = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
		.pNext = chain,
		.flags = has_addresses(d) ? VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT : 0u,
	};
	const VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = &flags,
		.allocationSize = nbytes,
		.memoryTypeIndex = type,
	};
	const VkBufferDeviceAddressInfo address = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
		.buffer = m->buffer,
	};
	VkResult result = d->vk.AllocateMemory(d->device, &info, NULL, &m->memory);

	if (result)
		return result;
	m->type = type;
	m->flags = d->caps.memory.memoryTypes[type].propertyFlags;
	result = d->vk.BindBufferMemory(d->device, m->buffer, m->memory, 0);
	if (!result && has_addresses(d))
		m->address = d->vk.GetBufferDeviceAddress(d->device, &address);
	return result;
}

void ds_vk_memory_destroy(struct ds_vk_device *d, struct ds_vk_memory *m)
{
	if (m->memory)
		atomic_fetch_sub_explicit(&d->counters.memory_nbytes, m->nbytes,
					  memory_order_relaxed);
	if (m->buffer)
		d->vk.DestroyBuffer(d->device, m->buffer, NULL);
	if (m->memory)
		d->vk.FreeMemory(d->device, m->memory, NULL);
	memset(m, 0, sizeof(*m));
}

ds_result ds_vk_memory_create(struct ds_vk_device *d, enum ds_vk_memory_kind kind, uint64_t nbytes,
			      VkBufferUsageFlags extra_usage, struct ds_vk_memory *out)
{
	struct ds_vk_memory m = { 0 };
	VkMemoryRequirements needs;
	uint32_t type;
	VkResult result;
	void *mapped = NULL;

	result = create_buffer(d, nbytes, usage_of(d, extra_usage), NULL, &m.buffer);
	if (result)
		return ds_vk_result(result);
	d->vk.GetBufferMemoryRequirements(d->device, m.buffer, &needs);
	type = type_for(d, kind, needs.memoryTypeBits);
	result = type == UINT32_MAX ? VK_ERROR_OUT_OF_DEVICE_MEMORY
				    : bind(d, &m, needs.size, type, NULL);
	if (!result && kind != DS_VK_MEMORY_DEVICE)
		result = d->vk.MapMemory(d->device, m.memory, 0, VK_WHOLE_SIZE, 0, &mapped);
	m.mapped = mapped;
	if (m.memory) {
		m.nbytes = nbytes;
		ds_vk_count(&d->counters.memory_nbytes, nbytes);
	}
	if (result) {
		ds_vk_memory_destroy(d, &m);
		return ds_vk_result(result);
	}
	*out = m;
	return DS_OK;
}

/* ----------------------------------------------------------------- staging */

static VkResult import(struct ds_vk_device *d, void *base, uint64_t nbytes)
{
	const VkExternalMemoryHandleTypeFlagBits kind =
		VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
	const VkExternalMemoryBufferCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
		.handleTypes = kind,
	};
	const VkImportMemoryHostPointerInfoEXT pointer = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
		.handleType = kind,
		.pHostPointer = base,
	};
	VkMemoryHostPointerPropertiesEXT allowed = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT,
	};
	struct ds_vk_memory *m = &d->staging;
	VkMemoryRequirements needs;
	uint32_t type;
	VkResult result;

	if (!d->vk.GetMemoryHostPointerPropertiesEXT ||
	    !(d->caps.features & DS_VULKAN_FEATURE_IMPORT) ||
	    (uintptr_t)base % d->caps.import_alignment || nbytes % d->caps.import_alignment)
		return VK_ERROR_EXTENSION_NOT_PRESENT;
	result = d->vk.GetMemoryHostPointerPropertiesEXT(d->device, kind, base, &allowed);
	if (result)
		return result;
	result = create_buffer(d, nbytes, usage_of(d, 0), &external, &m->buffer);
	if (result)
		return result;
	d->vk.GetBufferMemoryRequirements(d->device, m->buffer, &needs);
	/* What the process writes must be seen without flushes. */
	type = find_type(d, needs.memoryTypeBits & allowed.memoryTypeBits,
			 VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
	result = type == UINT32_MAX || needs.size > nbytes ? VK_ERROR_INVALID_EXTERNAL_HANDLE
							   : bind(d, m, nbytes, type, &pointer);
	/* Not counted: they are pages of the process, and no memory of the device's. */
	if (result)
		ds_vk_memory_destroy(d, m);
	return result;
}

bool ds_vk_can_import(struct ds_vk_device *d)
{
	size_t nbytes = ds_max_u64(d->caps.import_alignment, 65536);
	void *pages =
		mmap(NULL, 2 * nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *begin;
	bool ok;

	if (pages == MAP_FAILED)
		return false;
	begin = (char *)pages + (ds_align_up((uintptr_t)pages, nbytes) - (uintptr_t)pages);
	ok = import(d, begin, nbytes) == VK_SUCCESS;
	ds_vk_memory_destroy(d, &d->staging);
	munmap(pages, 2 * nbytes);
	return ok;
}

ds_result ds_vk_staging_create(struct ds_vk_device *d, size_t nbytes, void **base)
{
	ds_result ret;

	if (d->cfg.staging != DS_VULKAN_STAGING_MAPPED) {
		void *pages = ds_pages_map(nbytes);

		if (!pages)
			return DS_ERR_NO_MEMORY;
		if (!import(d, pages, nbytes)) {
			d->staging_is_imported = true;
			d->staging.mapped = pages;
			*base = pages;
			return DS_OK;
		}
		ds_pages_unmap(pages, nbytes);
		if (d->cfg.staging == DS_VULKAN_STAGING_IMPORTED)
			return DS_ERR_UNAVAILABLE;
	}
	ret = ds_vk_memory_create(d, DS_VK_MEMORY_HOST, nbytes, 0, &d->staging);
	if (!ret)
		*base = d->staging.mapped;
	return ret;
}

void ds_vk_staging_destroy(struct ds_vk_device *d, void *base, size_t nbytes)
{
	ds_vk_memory_destroy(d, &d->staging);
	if (d->staging_is_imported)
		ds_pages_unmap(base, nbytes);
	d->staging_is_imported = false;
}

/* ----------------------------------------------------- the caller's buffers */

static uint32_t hash(VkBuffer buffer)
{
	return (uint32_t)((uint64_t)(uintptr_t)buffer * UINT64_C(0x9e3779b97f4a7c15) >> 40);
}

/* The buffer's slot, or the free one where it would be. The table is never full. */
static struct ds_vulkan_buffer *slot_of(struct ds_vk_registry *r, VkBuffer buffer)
{
	uint32_t at = hash(buffer) & (r->nr_slots - 1);

	while (r->slots[at].buffer && r->slots[at].buffer != buffer)
		at = (at + 1) & (r->nr_slots - 1);
	return &r->slots[at];
}

static bool grow(struct ds_vk_registry *r)
{
	struct ds_vk_registry larger = { .nr_slots = r->nr_slots ? 2 * r->nr_slots : 64 };

	larger.slots = calloc(larger.nr_slots, sizeof(*larger.slots));
	if (!larger.slots)
		return false;
	for (uint32_t i = 0; i < r->nr_slots; i++) {
		if (r->slots[i].buffer)
			*slot_of(&larger, r->slots[i].buffer) = r->slots[i];
	}
	free(r->slots);
	r->slots = larger.slots;
	r->nr_slots = larger.nr_slots;
	return true;
}

static bool registry_add(struct ds_vk_registry *r, const struct ds_vulkan_buffer *buffer)
{
	bool ok = true;

	pthread_mutex_lock(&r->lock);
	if (2 * (r->nr_used + 1) > r->nr_slots)
		ok = grow(r);
	if (ok) {
		*slot_of(r, buffer->buffer) = *buffer;
		r->nr_used++;
	}
	pthread_mutex_unlock(&r->lock);
	return ok;
}

static void registry_remove(struct ds_vk_registry *r, VkBuffer buffer)
{
	struct ds_vulkan_buffer *slot, moved;
	uint32_t at;

	pthread_mutex_lock(&r->lock);
	if (r->nr_slots && (slot = slot_of(r, buffer))->buffer) {
		slot->buffer = NULL;
		r->nr_used--;
		/* Those behind may have been put there because this slot was taken. */
		at = (uint32_t)(slot - r->slots);
		for (at = (at + 1) & (r->nr_slots - 1); r->slots[at].buffer;
		     at = (at + 1) & (r->nr_slots - 1)) {
			moved = r->slots[at];
			r->slots[at].buffer = NULL;
			*slot_of(r, moved.buffer) = moved;
		}
	}
	pthread_mutex_unlock(&r->lock);
}

bool ds_vk_registry_find(struct ds_vk_device *d, VkBuffer buffer, struct ds_vulkan_buffer *out)
{
	struct ds_vk_registry *r = &d->registry;
	bool found = false;

	pthread_mutex_lock(&r->lock);
	if (r->nr_slots && buffer) {
		*out = *slot_of(r, buffer);
		found = out->buffer;
	}
	pthread_mutex_unlock(&r->lock);
	return found;
}

/* Memory that the host can write too costs nothing where the host can map all of it. */
static enum ds_vk_memory_kind kind_for(const struct ds_vk_device *d, int32_t memory)
{
	if (memory == DS_VULKAN_MEMORY_HOST)
		return DS_VK_MEMORY_HOST;
	if (d->cfg.path == DS_VULKAN_PATH_STAGED || d->caps.mapped_nbytes < d->caps.device_nbytes)
		return DS_VK_MEMORY_DEVICE;
	return DS_VK_MEMORY_BAR;
}

ds_result ds_vk_buffer_create(struct ds_vk_device *d, uint64_t nbytes, uint32_t extra_usage,
			      int32_t memory, struct ds_vulkan_buffer *out)
{
	enum ds_vk_memory_kind kind = kind_for(d, memory);
	struct ds_vk_memory m;
	ds_result ret = ds_vk_memory_create(d, kind, nbytes, extra_usage, &m);

	if (ret && kind == DS_VK_MEMORY_BAR)
		ret = ds_vk_memory_create(d, DS_VK_MEMORY_DEVICE, nbytes, extra_usage, &m);
	if (ret)
		return ret;
	*out = (struct ds_vulkan_buffer){
		.size = sizeof(*out),
		.memory_type = m.type,
		.buffer = m.buffer,
		.memory = m.memory,
		.nbytes = nbytes,
		.mapped = m.mapped,
		.device_address = m.address,
		.usage = usage_of(d, extra_usage),
		.memory_flags = m.flags,
	};
	if (!registry_add(&d->registry, out)) {
		ds_vk_memory_destroy(d, &m);
		return DS_ERR_NO_MEMORY;
	}
	/* The caller's from now on. */
	atomic_fetch_sub_explicit(&d->counters.memory_nbytes, nbytes, memory_order_relaxed);
	return DS_OK;
}

void ds_vk_buffer_destroy(struct ds_vk_device *d, struct ds_vulkan_buffer *buffer)
{
	struct ds_vk_memory m = { .buffer = buffer->buffer, .memory = buffer->memory };

	registry_remove(&d->registry, buffer->buffer);
	ds_vk_memory_destroy(d, &m);
}

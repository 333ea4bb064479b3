/* SPDX-License-Identifier: MIT */
/*
 * probe.c: what no driver tells and has to be tried when the device is made.
 *
 * Whether the kernel can read files straight into mapped memory: drivers map the same kind of memory in
 * ways that can be pinned, or not. And which requests are small enough for the host to write them itself.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "device/vulkan/vk.h"

#define PROBE_NBYTES	4096
#define MEASURED_NBYTES (1u << 20)
#define MIN_MAPPED	(16u << 10)
/* One request alone would gain beyond; many at once are faster by the copy queues. */
#define MAX_MAPPED	(512u << 10)
/* Threads that are woken on the way to the queue and back. */
#define HANDOVER_NS	20000

static bool reads_into(struct ds_vk_device *d, int fd, uint32_t type)
{
	const VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.allocationSize = 16 * PROBE_NBYTES,
		.memoryTypeIndex = type,
	};
	VkDeviceMemory memory;
	void *mapped, *aligned;
	bool ok = false;

	if (d->vk.AllocateMemory(d->device, &info, NULL, &memory))
		return false;
	if (!d->vk.MapMemory(d->device, memory, 0, VK_WHOLE_SIZE, 0, &mapped)) {
		aligned = (char *)mapped +
			  (ds_align_up((uintptr_t)mapped, PROBE_NBYTES) - (uintptr_t)mapped);
		ok = pread(fd, aligned, PROBE_NBYTES, 0) == PROBE_NBYTES;
	}
	d->vk.FreeMemory(d->device, memory, NULL);
	return ok;
}

void ds_vk_probe_direct(struct ds_vk_device *d)
{
	const VkMemoryPropertyFlags needed =
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	const VkPhysicalDeviceMemoryProperties *m = &d->caps.memory;
	/* The one file that is surely there. On some file systems it cannot be read so: then no. */
	int fd = open("/proc/self/exe", O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return;
	for (uint32_t i = 0; i < m->memoryTypeCount; i++) {
		VkMemoryPropertyFlags flags = m->memoryTypes[i].propertyFlags;

		if ((flags & needed) == needed && !(flags & VK_MEMORY_PROPERTY_PROTECTED_BIT) &&
		    reads_into(d, fd, i))
			d->direct_types |= 1u << i;
	}
	close(fd);
}

/* How long a submit of nothing takes until the host knows that it is done. */
static uint64_t round_trip_ns(struct ds_vk_device *d)
{
	struct ds_vk_queue *q = &d->queues[0];
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < 4; i++) {
		VkResult result = VK_SUCCESS;
		struct ds_vk_batch *b = ds_vk_batch_begin(q, &result);
		uint64_t value = q->submitted + 1, begun = ds_now_ns();
		const VkSemaphoreWaitInfo wait = {
			.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
			.semaphoreCount = 1,
			.pSemaphores = &q->timeline,
			.pValues = &value,
		};

		if (!b || ds_vk_batch_submit(b, NULL) ||
		    d->vk.WaitSemaphores(d->device, &wait, UINT64_MAX))
			return UINT64_MAX;
		q->retired = value;
		atomic_store_explicit(&q->completed, value, memory_order_relaxed);
		best = ds_min_u64(best, ds_now_ns() - begun);
	}
	return best;
}

static uint64_t write_ns(void *to, const void *from)
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < 3; i++) {
		uint64_t begun = ds_now_ns();

		memcpy(to, from, MEASURED_NBYTES);
		best = ds_min_u64(best, ds_now_ns() - begun);
	}
	return best ? best : 1;
}

void ds_vk_probe_mapped(struct ds_vk_device *d)
{
	struct ds_vk_memory m;
	uint64_t latency;
	void *from;

	if (d->cfg.path == DS_VULKAN_PATH_STAGED)
		return;
	d->mapped_max_nbytes = UINT64_MAX;
	if (d->cfg.path == DS_VULKAN_PATH_MAPPED || d->caps.is_unified)
		return;
	d->mapped_max_nbytes = MIN_MAPPED;
	if (ds_vk_memory_create(d, DS_VK_MEMORY_BAR, MEASURED_NBYTES, 0, &m))
		return;
	from = malloc(MEASURED_NBYTES);
	latency = round_trip_ns(d);
	if (from && latency != UINT64_MAX) {
		memset(from, 1, MEASURED_NBYTES);
		d->mapped_max_nbytes =
			(latency + HANDOVER_NS) * MEASURED_NBYTES / write_ns(m.mapped, from);
		d->mapped_max_nbytes =
			ds_min_u64(ds_max_u64(d->mapped_max_nbytes, MIN_MAPPED), MAX_MAPPED);
	}
	free(from);
	ds_vk_memory_destroy(d, &m);
}

/* SPDX-License-Identifier: MIT */
/* queues.c: the queues of a device, and the calls that use one, each under its lock. */
#include <stdlib.h>
#include <string.h>

#include "layer.h"

static void get_queue(struct layer_device *d, const VkDeviceQueueCreateInfo *q, uint32_t index,
		      VkQueue *out)
{
	const VkDeviceQueueInfo2 info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2,
		.flags = q->flags,
		.queueFamilyIndex = q->queueFamilyIndex,
		.queueIndex = index,
	};

	if (q->flags)
		d->GetDeviceQueue2(d->handle, &info, out);
	else
		d->GetDeviceQueue(d->handle, q->queueFamilyIndex, index, out);
	/* As the loader does for queues that the program asks for. */
	d->set_loader_data(d->handle, *out);
}

static void add(struct layer_device *d, const VkDeviceQueueCreateInfo *info)
{
	for (uint32_t i = 0; i < info->queueCount; i++) {
		struct layer_queue *q = &d->queues[d->nr_queues++];

		q->family = info->queueFamilyIndex;
		pthread_mutex_init(&q->lock, NULL);
		get_queue(d, info, i, &q->handle);
	}
	if (info->queueFamilyIndex < 32)
		d->families |= UINT32_C(1) << info->queueFamilyIndex;
}

bool layer_queues_init(struct layer_device *d, const VkDeviceCreateInfo *made,
		       const struct layer_choice *c)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < made->queueCreateInfoCount; i++)
		nr += made->pQueueCreateInfos[i].queueCount;
	d->compute = LAYER_NO_QUEUE;
	d->transfer = LAYER_NO_QUEUE;
	d->queues = calloc((size_t)nr + 1, sizeof(*d->queues));
	if (!d->queues)
		return false;
	for (uint32_t i = 0; i < made->queueCreateInfoCount; i++) {
		add(d, &made->pQueueCreateInfos[i]);
		/* The last of its family: ours, or the one that the program uses least. */
		if (i == c->compute) {
			d->compute = d->nr_queues - 1;
			d->queues[d->compute].is_own = c->adds_compute;
		}
		if (i == c->transfer && c->adds_transfer) {
			d->transfer = d->nr_queues - 1;
			d->queues[d->transfer].is_own = true;
		}
	}
	return true;
}

void layer_queues_fini(struct layer_device *d)
{
	for (uint32_t i = 0; i < d->nr_queues; i++)
		pthread_mutex_destroy(&d->queues[i].lock);
	free(d->queues);
}

struct layer_queue *layer_queue_find(struct layer_device *d, VkQueue handle)
{
	for (uint32_t i = 0; i < d->nr_queues; i++)
		if (d->queues[i].handle == handle)
			return &d->queues[i];
	return NULL;
}

/* A queue's device, with the queue locked. NULL: no device of ours has that queue. */
static struct layer_device *enter(VkQueue handle, struct layer_queue **out)
{
	struct layer_device *d = NULL;
	struct layer_queue *q = NULL;

	pthread_mutex_lock(&layer_lock);
	for (struct ds_list *at = layer_devices.next; at != &layer_devices && !q; at = at->next) {
		d = ds_list_entry(at, struct layer_device, link);
		q = layer_queue_find(d, handle);
	}
	pthread_mutex_unlock(&layer_lock);
	if (!q)
		return NULL;
	pthread_mutex_lock(&q->lock);
	*out = q;
	return d;
}

static void leave(struct layer_queue *q)
{
	pthread_mutex_unlock(&q->lock);
}

static VKAPI_ATTR VkResult VKAPI_CALL queue_submit(VkQueue queue, uint32_t nr,
						   const VkSubmitInfo *infos, VkFence fence)
{
	struct layer_queue *q;
	struct layer_device *d = enter(queue, &q);
	VkResult result = VK_ERROR_UNKNOWN;

	if (!d)
		return result;
	result = d->QueueSubmit(queue, nr, infos, fence);
	leave(q);
	return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL queue_submit2(VkQueue queue, uint32_t nr,
						    const VkSubmitInfo2 *infos, VkFence fence)
{
	struct layer_queue *q;
	struct layer_device *d = enter(queue, &q);
	VkResult result = VK_ERROR_UNKNOWN;

	if (!d)
		return result;
	result = d->QueueSubmit2(queue, nr, infos, fence);
	leave(q);
	return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL queue_submit2_khr(VkQueue queue, uint32_t nr,
							const VkSubmitInfo2 *infos, VkFence fence)
{
	struct layer_queue *q;
	struct layer_device *d = enter(queue, &q);
	VkResult result = VK_ERROR_UNKNOWN;

	if (!d)
		return result;
	result = d->QueueSubmit2KHR(queue, nr, infos, fence);
	leave(q);
	return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL queue_bind_sparse(VkQueue queue, uint32_t nr,
							const VkBindSparseInfo *infos,
							VkFence fence)
{
	struct layer_queue *q;
	struct layer_device *d = enter(queue, &q);
	VkResult result = VK_ERROR_UNKNOWN;

	if (!d)
		return result;
	result = d->QueueBindSparse(queue, nr, infos, fence);
	leave(q);
	return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL queue_present(VkQueue queue, const VkPresentInfoKHR *info)
{
	struct layer_queue *q;
	struct layer_device *d = enter(queue, &q);
	VkResult result = VK_ERROR_UNKNOWN;

	if (!d)
		return result;
	result = d->QueuePresentKHR(queue, info);
	leave(q);
	return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL queue_wait_idle(VkQueue queue)
{
	struct layer_queue *q;
	struct layer_device *d = enter(queue, &q);
	VkResult result = VK_ERROR_UNKNOWN;

	if (!d)
		return result;
	result = d->QueueWaitIdle(queue);
	leave(q);
	return result;
}

/* Counts as a use of every queue, those included that the program does not know of. */
static VKAPI_ATTR VkResult VKAPI_CALL device_wait_idle(VkDevice device)
{
	struct layer_device *d = layer_device_of(device);
	VkResult result;

	for (uint32_t i = 0; i < d->nr_queues; i++)
		pthread_mutex_lock(&d->queues[i].lock);
	result = d->DeviceWaitIdle(device);
	for (uint32_t i = d->nr_queues; i--;)
		pthread_mutex_unlock(&d->queues[i].lock);
	return result;
}

PFN_vkVoidFunction layer_queue_function(const char *name)
{
	static const struct {
		const char *name;
		PFN_vkVoidFunction function;
	} all[] = {
		{ "vkQueueSubmit", (PFN_vkVoidFunction)queue_submit },
		{ "vkQueueSubmit2", (PFN_vkVoidFunction)queue_submit2 },
		{ "vkQueueSubmit2KHR", (PFN_vkVoidFunction)queue_submit2_khr },
		{ "vkQueueBindSparse", (PFN_vkVoidFunction)queue_bind_sparse },
		{ "vkQueuePresentKHR", (PFN_vkVoidFunction)queue_present },
		{ "vkQueueWaitIdle", (PFN_vkVoidFunction)queue_wait_idle },
		{ "vkDeviceWaitIdle", (PFN_vkVoidFunction)device_wait_idle },
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i].name, name))
			return all[i].function;
	return NULL;
}

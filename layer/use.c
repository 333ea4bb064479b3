/* SPDX-License-Identifier: MIT */
/*
 * use.c: the interface of ds_vulkan_layer.h, for others in the process.
 *
 * They call the layers below this one, under this layer's locks. Handles that the loader hands out
 * through its own functions it also prepares; here that is done as it asks layers to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layer.h"

struct ds_vulkan_use {
	struct ds_list link; /* of the device's uses */
	struct layer_device *d;
	struct ds_vulkan_user user;
	bool is_told; /* on_destroy() was called, or is running */
	bool is_in_callback;
	bool is_unused; /* from within its callback */
	pthread_t callback_thread;
};

/* ------------------------------------------------------- which device it is */

static _Thread_local struct {
	bool is_on;
	VkDevice device;
} watched;

void layer_note_call(VkDevice device)
{
	if (watched.is_on)
		watched.device = device;
}

static void watch_thread(void)
{
	watched.device = NULL;
	watched.is_on = true;
}

static VkDevice watched_device(void)
{
	watched.is_on = false;
	return watched.device;
}

static uint32_t list_devices(VkDevice *out, uint32_t max)
{
	uint32_t n = 0;

	pthread_mutex_lock(&layer_lock);
	for (struct ds_list *at = layer_devices.next; at != &layer_devices; at = at->next, n++)
		if (n < max)
			out[n] = ds_list_entry(at, struct layer_device, link)->handle;
	pthread_mutex_unlock(&layer_lock);
	return n;
}

/* ------------------------------------------------------ what a backend calls */

static VKAPI_ATTR VkResult VKAPI_CALL allocate_commands(VkDevice device,
							const VkCommandBufferAllocateInfo *info,
							VkCommandBuffer *out)
{
	struct layer_device *d = layer_device_of(device);
	VkResult result = d->AllocateCommandBuffers(device, info, out);

	for (uint32_t i = 0; !result && i < info->commandBufferCount; i++)
		d->set_loader_data(device, out[i]);
	return result;
}

/* Instances and devices are the program's to make and destroy, not those of a user. */
static VKAPI_ATTR VkResult VKAPI_CALL refuse_instance(const VkInstanceCreateInfo *info,
						      const VkAllocationCallbacks *alloc,
						      VkInstance *out)
{
	(void)info;
	(void)alloc;
	(void)out;
	return VK_ERROR_FEATURE_NOT_PRESENT;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL below_device(VkDevice device, const char *name)
{
	struct layer_device *d = layer_device_of(device);

	if (!strcmp(name, "vkAllocateCommandBuffers"))
		return (PFN_vkVoidFunction)allocate_commands;
	return d ? d->GetDeviceProcAddr(device, name) : NULL;
}

static PFN_vkVoidFunction below_instance(VkInstance handle, const char *name)
{
	PFN_vkVoidFunction found = NULL;

	if (!strcmp(name, "vkCreateInstance"))
		return (PFN_vkVoidFunction)refuse_instance;
	if (!strcmp(name, "vkGetDeviceProcAddr"))
		return (PFN_vkVoidFunction)below_device;
	pthread_mutex_lock(&layer_lock);
	for (struct ds_list *at = layer_instances.next; at != &layer_instances; at = at->next) {
		struct layer_instance *i = ds_list_entry(at, struct layer_instance, link);

		if (i->handle == handle)
			found = i->GetInstanceProcAddr(handle, name);
	}
	pthread_mutex_unlock(&layer_lock);
	return found;
}

static void lock_queue(void *user_data, VkQueue handle)
{
	pthread_mutex_lock(&layer_queue_find(user_data, handle)->lock);
}

static void unlock_queue(void *user_data, VkQueue handle)
{
	pthread_mutex_unlock(&layer_queue_find(user_data, handle)->lock);
}

/* -------------------------------------------------------------------- use */

/* NULL: nothing is wrong with it. */
static const char *lacks(const struct layer_device *d)
{
	if (d->instance->api_version < VK_API_VERSION_1_3)
		return "the program's instance is for a Vulkan older than 1.3";
	if (!(d->features & DS_VULKAN_FEATURE_SYNC))
		return "the program has not enabled timelineSemaphore and synchronization2";
	if (d->compute == LAYER_NO_QUEUE)
		return "the program's device has no queue that computes";
	return NULL;
}

static struct ds_vulkan_queue describe_queue(const struct layer_device *d, uint32_t i)
{
	return (struct ds_vulkan_queue){ d->queues[i].handle, d->queues[i].family, 0 };
}

static void describe(struct layer_device *d, struct ds_vulkan_config *out)
{
	out->get_instance_proc_addr = below_instance;
	out->instance = d->instance->handle;
	out->physical_device = d->physical;
	out->device = d->handle;
	out->compute_queue = describe_queue(d, d->compute);
	if (d->transfer != LAYER_NO_QUEUE)
		out->transfer_queue = describe_queue(d, d->transfer);
	out->features = d->features;
	out->lock_queue = lock_queue;
	out->unlock_queue = unlock_queue;
	out->lock_user_data = d;
}

/* With layer_lock, so that the device stays. */
static ds_result add_use(struct layer_device *d, struct ds_vulkan_use *u)
{
	const char *why = lacks(d);
	bool is_dying;

	if (why) {
		if (u->user.why && u->user.why_nbytes)
			snprintf(u->user.why, u->user.why_nbytes, "%s", why);
		return DS_ERR_UNAVAILABLE;
	}
	u->d = d;
	pthread_mutex_lock(&d->lock);
	is_dying = d->is_dying;
	if (!is_dying)
		ds_list_push_back(&d->uses, &u->link);
	pthread_mutex_unlock(&d->lock);
	return is_dying ? DS_ERR_INVALID_ARGUMENT : DS_OK;
}

static ds_result use(VkDevice device, const struct ds_vulkan_user *user,
		     struct ds_vulkan_config *config, struct ds_vulkan_use **out)
{
	ds_result ret = DS_ERR_INVALID_ARGUMENT;
	struct ds_vulkan_use *u;

	if (!device || !user || user->size != sizeof(*user) || !user->on_destroy || !config ||
	    config->size != sizeof(*config) || !out)
		return ret;
	u = calloc(1, sizeof(*u));
	if (!u)
		return DS_ERR_NO_MEMORY;
	u->user = *user;
	pthread_mutex_lock(&layer_lock);
	for (struct ds_list *at = layer_devices.next; at != &layer_devices; at = at->next) {
		struct layer_device *d = ds_list_entry(at, struct layer_device, link);

		if (d->handle != device)
			continue;
		ret = add_use(d, u);
		if (!ret)
			describe(d, config);
		break;
	}
	pthread_mutex_unlock(&layer_lock);
	if (ret)
		free(u);
	else
		*out = u;
	return ret;
}

/* With the device's lock. */
static void remove_use(struct ds_vulkan_use *u)
{
	ds_list_remove(&u->link);
	pthread_cond_broadcast(&u->d->changed);
	free(u);
}

static void unuse(struct ds_vulkan_use *u)
{
	struct layer_device *d;

	if (!u)
		return;
	d = u->d;
	pthread_mutex_lock(&d->lock);
	if (u->is_in_callback && pthread_equal(u->callback_thread, pthread_self())) {
		/* Who has called back is not done with it. */
		u->is_unused = true;
	} else {
		while (u->is_in_callback)
			pthread_cond_wait(&d->changed, &d->lock);
		remove_use(u);
	}
	pthread_mutex_unlock(&d->lock);
}

/* With the device's lock. NULL: all have been told. */
static struct ds_vulkan_use *next_to_tell(struct layer_device *d)
{
	for (struct ds_list *at = d->uses.next; at != &d->uses; at = at->next) {
		struct ds_vulkan_use *u = ds_list_entry(at, struct ds_vulkan_use, link);

		if (!u->is_told)
			return u;
	}
	return NULL;
}

/* With the device's lock, which is dropped meanwhile. */
static void tell(struct ds_vulkan_use *u)
{
	struct layer_device *d = u->d;

	u->is_told = true;
	u->is_in_callback = true;
	u->callback_thread = pthread_self();
	pthread_mutex_unlock(&d->lock);
	u->user.on_destroy(u->user.user_data);
	pthread_mutex_lock(&d->lock);
	u->is_in_callback = false;
	if (u->is_unused)
		remove_use(u);
	else
		pthread_cond_broadcast(&d->changed);
}

void layer_end_uses(struct layer_device *d)
{
	struct ds_vulkan_use *u;

	pthread_mutex_lock(&d->lock);
	d->is_dying = true;
	while ((u = next_to_tell(d)))
		tell(u);
	while (!ds_list_is_empty(&d->uses))
		pthread_cond_wait(&d->changed, &d->lock);
	pthread_mutex_unlock(&d->lock);
}

static uint32_t has_own_queue(const struct ds_vulkan_use *u)
{
	return u->d->queues[u->d->compute].is_own;
}

/* ---------------------------------------------------------------- buffers */

static bool is_of_one_family(uint32_t families)
{
	return !(families & (families - 1));
}

static uint32_t family_bit(const struct layer_device *d, uint32_t queue)
{
	return queue == LAYER_NO_QUEUE ? 0 : UINT32_C(1) << d->queues[queue].family;
}

static ds_result get_buffer(const struct ds_vulkan_use *u, VkBuffer handle,
			    struct ds_vulkan_buffer_detail *out)
{
	uint32_t compute = family_bit(u->d, u->d->compute);
	uint32_t both = compute | family_bit(u->d, u->d->transfer);
	struct layer_buffer b;

	if (!out || out->size != sizeof(*out) || !layer_buffer_find(u->d, handle, &b))
		return DS_ERR_INVALID_ARGUMENT;
	/* Which family has an exclusive buffer is known where there is but one. */
	if (b.is_protected ||
	    (b.families ? !(b.families & compute) : !is_of_one_family(u->d->families)))
		return DS_ERR_UNSUPPORTED;
	*out = (struct ds_vulkan_buffer_detail)DS_VULKAN_BUFFER_DETAIL_INIT;
	out->nbytes = b.nbytes;
	out->usage = b.usage;
	if (b.families && (b.families & both) == both)
		out->flags = DS_VULKAN_CONCURRENT;
	return DS_OK;
}

static const struct ds_vulkan_layer interface = {
	.size = sizeof(interface),
	.version = DS_VULKAN_LAYER_VERSION,
	.list_devices = list_devices,
	.watch_thread = watch_thread,
	.watched_device = watched_device,
	.use = use,
	.unuse = unuse,
	.has_own_queue = has_own_queue,
	.get_buffer = get_buffer,
};

VK_LAYER_EXPORT const struct ds_vulkan_layer *ds_vulkan_layer_get(uint32_t version)
{
	return version == DS_VULKAN_LAYER_VERSION ? &interface : NULL;
}

/* SPDX-License-Identifier: MIT */
/* device.c: devices, from vkCreateDevice() to vkDestroyDevice(). */
#include <stdlib.h>
#include <string.h>

#include "layer.h"

/* With layer_lock. */
static struct layer_device *find(VkDevice handle)
{
	for (struct ds_list *at = layer_devices.next; at != &layer_devices; at = at->next) {
		struct layer_device *d = ds_list_entry(at, struct layer_device, link);

		if (d->handle == handle)
			return d;
	}
	return NULL;
}

struct layer_device *layer_device_of(VkDevice handle)
{
	struct layer_device *d;

	pthread_mutex_lock(&layer_lock);
	d = find(handle);
	pthread_mutex_unlock(&layer_lock);
	return d;
}

/* The loader's own struct for this function, which layers are told to change. */
static VkLayerDeviceCreateInfo *find_info(const VkDeviceCreateInfo *info, VkLayerFunction function)
{
	VkLayerDeviceCreateInfo *at = (VkLayerDeviceCreateInfo *)(uintptr_t)info->pNext;

	while (at && !(at->sType == VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO &&
		       at->function == function))
		at = (VkLayerDeviceCreateInfo *)(uintptr_t)at->pNext;
	return at;
}

static void load_functions(struct layer_device *d)
{
#define LOAD(name) d->name = (PFN_vk##name)d->GetDeviceProcAddr(d->handle, "vk" #name);
	LAYER_DEVICE_FUNCTIONS(LOAD)
#undef LOAD
}

static struct layer_device *new_device(void)
{
	struct layer_device *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	pthread_mutex_init(&d->buffers_lock, NULL);
	ds_list_init(&d->uses);
	return d;
}

static void free_device(struct layer_device *d)
{
	layer_queues_fini(d);
	pthread_mutex_destroy(&d->buffers_lock);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	free(d->buffers);
	free(d);
}

/*
 * With more queues, and as the program says where that is not to be had. Each layer takes its link
 * from the chain, and *out has something of the loader's in it on the way down, so a second attempt
 * has to find both as they were.
 */
static VkResult create(PFN_vkCreateDevice next, VkPhysicalDevice physical,
		       const VkDeviceCreateInfo *info, const VkAllocationCallbacks *alloc,
		       VkLayerDeviceCreateInfo *chain, struct layer_choice *c, VkDevice *out)
{
	VkLayerDeviceLink *below = chain->u.pLayerInfo;
	VkDevice given = *out;
	VkDeviceCreateInfo more = *info;
	VkResult result;

	if (!c->adds_compute && !c->adds_transfer)
		return next(physical, info, alloc, out);
	more.pQueueCreateInfos = c->infos;
	result = next(physical, &more, alloc, out);
	if (!result)
		return VK_SUCCESS;
	c->adds_compute = false;
	c->adds_transfer = false;
	memcpy(c->infos, info->pQueueCreateInfos, c->nr_infos * sizeof(*c->infos));
	chain->u.pLayerInfo = below;
	*out = given;
	return next(physical, info, alloc, out);
}

/* The device is there: from now on there is no failing but for want of memory. */
static VkResult take_over(struct layer_device *d, const VkDeviceCreateInfo *info,
			  const VkAllocationCallbacks *alloc, const struct layer_choice *c)
{
	VkDeviceCreateInfo made = *info;

	load_functions(d);
	made.pQueueCreateInfos = c->infos;
	d->features = layer_features(info);
	if (!layer_queues_init(d, &made, c)) {
		d->DestroyDevice(d->handle, alloc);
		return VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	pthread_mutex_lock(&layer_lock);
	ds_list_push_back(&layer_devices, &d->link);
	pthread_mutex_unlock(&layer_lock);
	return VK_SUCCESS;
}

static VkResult create_with(struct layer_device *d, const VkDeviceCreateInfo *info,
			    const VkAllocationCallbacks *alloc, VkLayerDeviceCreateInfo *chain,
			    VkDevice *out)
{
	PFN_vkGetInstanceProcAddr next_instance = chain->u.pLayerInfo->pfnNextGetInstanceProcAddr;
	PFN_vkCreateDevice next =
		(PFN_vkCreateDevice)next_instance(d->instance->handle, "vkCreateDevice");
	struct layer_choice c;
	VkResult result;

	if (!next)
		return VK_ERROR_INITIALIZATION_FAILED;
	if (!layer_choice_init(&c, d->instance, d->physical, info))
		return VK_ERROR_OUT_OF_HOST_MEMORY;
	d->GetDeviceProcAddr = chain->u.pLayerInfo->pfnNextGetDeviceProcAddr;
	chain->u.pLayerInfo = chain->u.pLayerInfo->pNext;
	result = create(next, d->physical, info, alloc, chain, &c, out);
	d->handle = *out;
	if (!result)
		result = take_over(d, info, alloc, &c);
	layer_choice_fini(&c);
	return result;
}

VKAPI_ATTR VkResult VKAPI_CALL layer_CreateDevice(VkPhysicalDevice physical,
						  const VkDeviceCreateInfo *info,
						  const VkAllocationCallbacks *alloc, VkDevice *out)
{
	VkLayerDeviceCreateInfo *chain = find_info(info, VK_LAYER_LINK_INFO);
	VkLayerDeviceCreateInfo *callback = find_info(info, VK_LOADER_DATA_CALLBACK);
	struct layer_instance *instance = layer_instance_of(physical);
	struct layer_device *d;
	VkResult result;

	if (!chain || !callback || !instance)
		return VK_ERROR_INITIALIZATION_FAILED;
	d = new_device();
	if (!d)
		return VK_ERROR_OUT_OF_HOST_MEMORY;
	d->instance = instance;
	d->physical = physical;
	d->set_loader_data = callback->u.pfnSetDeviceLoaderData;
	result = create_with(d, info, alloc, chain, out);
	if (result)
		free_device(d);
	return result;
}

VKAPI_ATTR void VKAPI_CALL layer_DestroyDevice(VkDevice device, const VkAllocationCallbacks *alloc)
{
	struct layer_device *d;

	pthread_mutex_lock(&layer_lock);
	d = device ? find(device) : NULL;
	pthread_mutex_unlock(&layer_lock);
	if (!d)
		return;
	/* What its users still do goes through the layer, which has to know it until then. */
	layer_end_uses(d);
	pthread_mutex_lock(&layer_lock);
	ds_list_remove(&d->link);
	pthread_mutex_unlock(&layer_lock);
	d->DestroyDevice(device, alloc);
	free_device(d);
}

static VKAPI_ATTR void VKAPI_CALL get_requirements(VkDevice device,
						   const VkDeviceBufferMemoryRequirements *info,
						   VkMemoryRequirements2 *out)
{
	struct layer_device *d = layer_device_of(device);

	layer_note_call(device);
	(d->GetDeviceBufferMemoryRequirements
		 ? d->GetDeviceBufferMemoryRequirements
		 : d->GetDeviceBufferMemoryRequirementsKHR)(device, info, out);
}

PFN_vkVoidFunction layer_device_function(const char *name)
{
	static const struct {
		const char *name;
		PFN_vkVoidFunction function;
	} all[] = {
		{ "vkDestroyDevice", (PFN_vkVoidFunction)layer_DestroyDevice },
		{ "vkCreateBuffer", (PFN_vkVoidFunction)layer_CreateBuffer },
		{ "vkDestroyBuffer", (PFN_vkVoidFunction)layer_DestroyBuffer },
		{ "vkGetDeviceBufferMemoryRequirements", (PFN_vkVoidFunction)get_requirements },
		{ "vkGetDeviceBufferMemoryRequirementsKHR", (PFN_vkVoidFunction)get_requirements },
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i].name, name))
			return all[i].function;
	return layer_queue_function(name);
}

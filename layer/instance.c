/* SPDX-License-Identifier: MIT */
/* instance.c: what the loader calls, and instances. */
#include <stdlib.h>
#include <string.h>

#include "layer.h"

pthread_mutex_t layer_lock = PTHREAD_MUTEX_INITIALIZER;
struct ds_list layer_instances = { &layer_instances, &layer_instances };
struct ds_list layer_devices = { &layer_devices, &layer_devices };

/* With layer_lock. */
static struct layer_instance *find(VkInstance handle)
{
	for (struct ds_list *at = layer_instances.next; at != &layer_instances; at = at->next) {
		struct layer_instance *i = ds_list_entry(at, struct layer_instance, link);

		if (i->handle == handle)
			return i;
	}
	return NULL;
}

static struct layer_instance *instance_of_handle(VkInstance handle)
{
	struct layer_instance *i;

	pthread_mutex_lock(&layer_lock);
	i = find(handle);
	pthread_mutex_unlock(&layer_lock);
	return i;
}

struct layer_instance *layer_instance_of(VkPhysicalDevice physical)
{
	struct layer_instance *found = NULL;

	pthread_mutex_lock(&layer_lock);
	for (struct ds_list *at = layer_instances.next; at != &layer_instances && !found;
	     at = at->next) {
		struct layer_instance *i = ds_list_entry(at, struct layer_instance, link);

		if (i->key == layer_key(physical))
			found = i;
	}
	pthread_mutex_unlock(&layer_lock);
	return found;
}

/* ------------------------------------------------------ coming and going */

static VkLayerInstanceLink *take_link(const VkInstanceCreateInfo *info)
{
	/* The loader's own struct, which layers are told to change. */
	VkLayerInstanceCreateInfo *at = (VkLayerInstanceCreateInfo *)(uintptr_t)info->pNext;
	VkLayerInstanceLink *link;

	while (at && !(at->sType == VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO &&
		       at->function == VK_LAYER_LINK_INFO))
		at = (VkLayerInstanceCreateInfo *)(uintptr_t)at->pNext;
	if (!at)
		return NULL;
	link = at->u.pLayerInfo;
	at->u.pLayerInfo = link->pNext;
	return link;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
						      const VkAllocationCallbacks *alloc,
						      VkInstance *out)
{
	VkLayerInstanceLink *link = take_link(info);
	struct layer_instance *i;
	PFN_vkCreateInstance create;
	VkResult result;

	if (!link)
		return VK_ERROR_INITIALIZATION_FAILED;
	create = (PFN_vkCreateInstance)link->pfnNextGetInstanceProcAddr(NULL, "vkCreateInstance");
	i = calloc(1, sizeof(*i));
	if (!create || !i) {
		free(i);
		return create ? VK_ERROR_OUT_OF_HOST_MEMORY : VK_ERROR_INITIALIZATION_FAILED;
	}
	result = create(info, alloc, out);
	if (result) {
		free(i);
		return result;
	}
	i->handle = *out;
	i->key = layer_key(*out);
	i->api_version = info->pApplicationInfo ? info->pApplicationInfo->apiVersion : 0;
	i->GetInstanceProcAddr = link->pfnNextGetInstanceProcAddr;
#define LOAD(name) i->name = (PFN_vk##name)i->GetInstanceProcAddr(*out, "vk" #name);
	LAYER_INSTANCE_FUNCTIONS(LOAD)
#undef LOAD
	pthread_mutex_lock(&layer_lock);
	ds_list_push_back(&layer_instances, &i->link);
	pthread_mutex_unlock(&layer_lock);
	return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_instance(VkInstance handle,
						   const VkAllocationCallbacks *alloc)
{
	struct layer_instance *i;

	pthread_mutex_lock(&layer_lock);
	i = handle ? find(handle) : NULL;
	if (i)
		ds_list_remove(&i->link);
	pthread_mutex_unlock(&layer_lock);
	if (!i)
		return;
	i->DestroyInstance(handle, alloc);
	free(i);
}

/* ------------------------------------------------------------- functions */

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc_addr(VkDevice device,
								     const char *name)
{
	struct layer_device *d = layer_device_of(device);
	PFN_vkVoidFunction own, next;

	if (!strcmp(name, "vkGetDeviceProcAddr"))
		return (PFN_vkVoidFunction)get_device_proc_addr;
	if (!d)
		return NULL;
	/* What the device does not have, it does not have through us either. */
	next = d->GetDeviceProcAddr(device, name);
	own = layer_device_function(name);
	return next && own ? own : next;
}

static PFN_vkVoidFunction instance_function(const char *name)
{
	static const struct {
		const char *name;
		PFN_vkVoidFunction function;
	} all[] = {
		{ "vkCreateInstance", (PFN_vkVoidFunction)create_instance },
		{ "vkDestroyInstance", (PFN_vkVoidFunction)destroy_instance },
		{ "vkCreateDevice", (PFN_vkVoidFunction)layer_CreateDevice },
		{ "vkGetDeviceProcAddr", (PFN_vkVoidFunction)get_device_proc_addr },
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i].name, name))
			return all[i].function;
	return NULL;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc_addr(VkInstance instance,
								       const char *name)
{
	PFN_vkVoidFunction own = instance_function(name), next;
	struct layer_instance *i;

	if (own)
		return own;
	if (!strcmp(name, "vkGetInstanceProcAddr"))
		return (PFN_vkVoidFunction)get_instance_proc_addr;
	i = instance ? instance_of_handle(instance) : NULL;
	if (!i)
		return NULL;
	next = i->GetInstanceProcAddr(instance, name);
	own = layer_device_function(name);
	return next && own ? own : next;
}

/* The loader looks for it by its name, and asks for nothing else by name. */
VK_LAYER_EXPORT VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *v)
{
	if (v->sType != LAYER_NEGOTIATE_INTERFACE_STRUCT || v->loaderLayerInterfaceVersion < 2)
		return VK_ERROR_INITIALIZATION_FAILED;
	v->loaderLayerInterfaceVersion = 2;
	v->pfnGetInstanceProcAddr = get_instance_proc_addr;
	v->pfnGetDeviceProcAddr = get_device_proc_addr;
	v->pfnGetPhysicalDeviceProcAddr = NULL;
	return VK_SUCCESS;
}

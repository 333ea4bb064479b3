/* SPDX-License-Identifier: MIT */
/* fake_driver.c: see fake_driver.h. Its dispatchable objects begin with a key, as real ones do. */
#include "fake_driver.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "support/require.h"

struct fake_driver fake;

struct instance {
	void *key;
	struct {
		void *key;
	} physical;
};

struct queue {
	void *key;
	bool is_prepared;
	atomic_uint nr_inside;
};

struct device {
	void *key;
	struct queue queues[FAKE_MAX_FAMILIES][FAKE_MAX_QUEUES];
	uint64_t next_buffer;
};

struct commands {
	void *key;
	bool is_prepared;
};

static PFN_vkGetInstanceProcAddr layer_instance_function;
static PFN_vkGetDeviceProcAddr layer_device_function_of;

void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
}

void fake_family(VkQueueFlags flags, uint32_t nr_queues)
{
	fake.families[fake.nr_families++] = (VkQueueFamilyProperties){
		.queueFlags = flags,
		.queueCount = nr_queues,
	};
}

/* ------------------------------------------------------------------ queues */

static void begin_use(struct queue *q)
{
	REQUIRE_CMP(atomic_fetch_add(&q->nr_inside, 1), ==, 0);
	sched_yield();
}

static void end_use(struct queue *q)
{
	REQUIRE_CMP(atomic_fetch_sub(&q->nr_inside, 1), ==, 1);
}

static VkResult use_queue(VkQueue queue)
{
	struct queue *q = (struct queue *)(void *)queue;

	begin_use(q);
	atomic_fetch_add(&fake.nr_submits, 1);
	end_use(q);
	return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue queue, uint32_t nr, const VkSubmitInfo *infos,
					     VkFence fence)
{
	(void)nr;
	(void)infos;
	(void)fence;
	return use_queue(queue);
}

static VKAPI_ATTR VkResult VKAPI_CALL submit2(VkQueue queue, uint32_t nr,
					      const VkSubmitInfo2 *infos, VkFence fence)
{
	(void)nr;
	(void)infos;
	(void)fence;
	return use_queue(queue);
}

static VKAPI_ATTR VkResult VKAPI_CALL bind_sparse(VkQueue queue, uint32_t nr,
						  const VkBindSparseInfo *infos, VkFence fence)
{
	(void)nr;
	(void)infos;
	(void)fence;
	return use_queue(queue);
}

static VKAPI_ATTR VkResult VKAPI_CALL present(VkQueue queue, const VkPresentInfoKHR *info)
{
	(void)info;
	return use_queue(queue);
}

static VKAPI_ATTR VkResult VKAPI_CALL queue_wait_idle(VkQueue queue)
{
	return use_queue(queue);
}

static VKAPI_ATTR VkResult VKAPI_CALL device_wait_idle(VkDevice handle)
{
	struct device *d = (struct device *)(void *)handle;

	for (unsigned f = 0; f < FAKE_MAX_FAMILIES; f++)
		for (unsigned i = 0; i < FAKE_MAX_QUEUES; i++)
			begin_use(&d->queues[f][i]);
	for (unsigned f = 0; f < FAKE_MAX_FAMILIES; f++)
		for (unsigned i = 0; i < FAKE_MAX_QUEUES; i++)
			end_use(&d->queues[f][i]);
	return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL get_queue(VkDevice device, uint32_t family, uint32_t index,
					    VkQueue *out)
{
	REQUIRE_CMP(index, <, fake.created[family]);
	*out = fake_queue(device, family, index);
}

static VKAPI_ATTR void VKAPI_CALL get_queue2(VkDevice device, const VkDeviceQueueInfo2 *info,
					     VkQueue *out)
{
	REQUIRE_CMP(info->flags, ==, VK_DEVICE_QUEUE_CREATE_PROTECTED_BIT);
	get_queue(device, info->queueFamilyIndex, info->queueIndex, out);
}

VkQueue fake_queue(VkDevice device, uint32_t family, uint32_t index)
{
	struct device *d = (struct device *)(void *)device;

	return (VkQueue)(void *)&d->queues[family][index];
}

bool fake_is_prepared(const void *handle)
{
	return ((const struct commands *)handle)->is_prepared;
}

/* ----------------------------------------------------------------- devices */

static VKAPI_ATTR VkResult VKAPI_CALL create_buffer(VkDevice device, const VkBufferCreateInfo *info,
						    const VkAllocationCallbacks *alloc,
						    VkBuffer *out)
{
	struct device *d = (struct device *)(void *)device;

	(void)info;
	(void)alloc;
	/* The first of each device are alike: a handle alone does not name a buffer. */
	*out = (VkBuffer)(uintptr_t)(d->next_buffer += 64);
	return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_buffer(VkDevice device, VkBuffer buffer,
						 const VkAllocationCallbacks *alloc)
{
	(void)device;
	(void)buffer;
	(void)alloc;
}

static VKAPI_ATTR void VKAPI_CALL get_requirements(VkDevice device,
						   const VkDeviceBufferMemoryRequirements *info,
						   VkMemoryRequirements2 *out)
{
	(void)device;
	out->memoryRequirements.size = info->pCreateInfo->size;
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate_commands(VkDevice device,
							const VkCommandBufferAllocateInfo *info,
							VkCommandBuffer *out)
{
	(void)device;
	for (uint32_t i = 0; i < info->commandBufferCount; i++)
		out[i] = calloc(1, sizeof(struct commands));
	return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_device(VkDevice device,
						 const VkAllocationCallbacks *alloc)
{
	(void)alloc;
	atomic_fetch_add(&fake.nr_destroyed, 1);
	free(device);
}

static VkResult VKAPI_CALL set_loader_data(VkDevice device, void *object)
{
	(void)device;
	((struct commands *)object)->is_prepared = true;
	return VK_SUCCESS;
}

static unsigned count_links(const VkDeviceCreateInfo *info)
{
	const VkLayerDeviceCreateInfo *at = info->pNext;
	unsigned n = 0;

	while (at->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO ||
	       at->function != VK_LAYER_LINK_INFO)
		at = at->pNext;
	for (const VkLayerDeviceLink *link = at->u.pLayerInfo; link; link = link->pNext)
		n++;
	return n;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical,
						    const VkDeviceCreateInfo *info,
						    const VkAllocationCallbacks *alloc,
						    VkDevice *out)
{
	uint32_t nr[FAKE_MAX_FAMILIES] = { 0 };
	struct device *d;

	(void)physical;
	(void)alloc;
	fake.nr_attempts++;
	REQUIRE((const void *)*out == (const void *)&fake);
	/* Of two, the layer's own is taken, at each attempt. */
	REQUIRE_CMP(count_links(info), ==, 1);
	for (uint32_t i = 0; i < info->queueCreateInfoCount; i++) {
		const VkDeviceQueueCreateInfo *q = &info->pQueueCreateInfos[i];

		REQUIRE_CMP(q->queueFamilyIndex, <, fake.nr_families);
		nr[q->queueFamilyIndex] += q->queueCount;
		for (uint32_t j = 0; j < q->queueCount; j++)
			REQUIRE(q->pQueuePriorities[j] > 0 && q->pQueuePriorities[j] <= 1);
		REQUIRE_CMP(nr[q->queueFamilyIndex], <=,
			    fake.families[q->queueFamilyIndex].queueCount);
		if (fake.most_queues && nr[q->queueFamilyIndex] > fake.most_queues)
			return VK_ERROR_INITIALIZATION_FAILED;
	}
	memcpy(fake.created, nr, sizeof(nr));
	d = calloc(1, sizeof(*d));
	d->key = d;
	*out = (VkDevice)(void *)d;
	return VK_SUCCESS;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice device, const char *name)
{
	static const struct {
		const char *name;
		PFN_vkVoidFunction function;
	} all[] = {
		{ "vkDestroyDevice", (PFN_vkVoidFunction)destroy_device },
		{ "vkGetDeviceQueue", (PFN_vkVoidFunction)get_queue },
		{ "vkGetDeviceQueue2", (PFN_vkVoidFunction)get_queue2 },
		{ "vkDeviceWaitIdle", (PFN_vkVoidFunction)device_wait_idle },
		{ "vkQueueSubmit", (PFN_vkVoidFunction)submit },
		{ "vkQueueSubmit2", (PFN_vkVoidFunction)submit2 },
		{ "vkQueueBindSparse", (PFN_vkVoidFunction)bind_sparse },
		{ "vkQueuePresentKHR", (PFN_vkVoidFunction)present },
		{ "vkQueueWaitIdle", (PFN_vkVoidFunction)queue_wait_idle },
		{ "vkCreateBuffer", (PFN_vkVoidFunction)create_buffer },
		{ "vkDestroyBuffer", (PFN_vkVoidFunction)destroy_buffer },
		{ "vkAllocateCommandBuffers", (PFN_vkVoidFunction)allocate_commands },
		{ "vkGetDeviceBufferMemoryRequirements", (PFN_vkVoidFunction)get_requirements },
	};

	(void)device;
	if (fake.lacks_synchronization2 && !strcmp(name, "vkQueueSubmit2"))
		return NULL;
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i].name, name))
			return all[i].function;
	return NULL;
}

/* --------------------------------------------------------------- instances */

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
						      const VkAllocationCallbacks *alloc,
						      VkInstance *out)
{
	struct instance *i = calloc(1, sizeof(*i));

	(void)info;
	(void)alloc;
	i->key = i;
	i->physical.key = i;
	*out = (VkInstance)(void *)i;
	return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_instance(VkInstance instance,
						   const VkAllocationCallbacks *alloc)
{
	(void)alloc;
	free(instance);
}

static VKAPI_ATTR void VKAPI_CALL get_families(VkPhysicalDevice physical, uint32_t *nr,
					       VkQueueFamilyProperties *out)
{
	(void)physical;
	REQUIRE_CMP(*nr, >=, fake.nr_families);
	*nr = fake.nr_families;
	memcpy(out, fake.families, fake.nr_families * sizeof(*out));
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_function(VkInstance instance,
								  const char *name)
{
	(void)instance;
	if (!strcmp(name, "vkCreateInstance"))
		return (PFN_vkVoidFunction)create_instance;
	if (!strcmp(name, "vkDestroyInstance"))
		return (PFN_vkVoidFunction)destroy_instance;
	if (!strcmp(name, "vkCreateDevice"))
		return (PFN_vkVoidFunction)create_device;
	if (!strcmp(name, "vkGetPhysicalDeviceQueueFamilyProperties"))
		return (PFN_vkVoidFunction)get_families;
	return device_function(NULL, name);
}

VkInstance fake_instance(uint32_t api_version)
{
	VkNegotiateLayerInterface negotiate = {
		.sType = LAYER_NEGOTIATE_INTERFACE_STRUCT,
		.loaderLayerInterfaceVersion = CURRENT_LOADER_LAYER_INTERFACE_VERSION,
	};
	const VkApplicationInfo app = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = api_version,
	};
	VkLayerInstanceLink link = { NULL, instance_function, NULL };
	VkLayerInstanceCreateInfo chain = {
		.sType = VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO,
		.function = VK_LAYER_LINK_INFO,
		.u.pLayerInfo = &link,
	};
	const VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pNext = &chain,
		.pApplicationInfo = api_version ? &app : NULL,
	};
	PFN_vkCreateInstance create;
	VkInstance instance;

	REQUIRE_CMP(vkNegotiateLoaderLayerInterfaceVersion(&negotiate), ==, VK_SUCCESS);
	layer_instance_function = negotiate.pfnGetInstanceProcAddr;
	layer_device_function_of = negotiate.pfnGetDeviceProcAddr;
	create = (PFN_vkCreateInstance)layer_instance_function(NULL, "vkCreateInstance");
	REQUIRE_CMP(create(&info, NULL, &instance), ==, VK_SUCCESS);
	return instance;
}

VkPhysicalDevice fake_physical(VkInstance instance)
{
	return (VkPhysicalDevice)(void *)&((struct instance *)(void *)instance)->physical;
}

VkResult fake_device(VkInstance instance, VkDeviceCreateInfo *info, VkDevice *out)
{
	VkLayerDeviceLink below = { NULL, instance_function, device_function };
	VkLayerDeviceLink link = { &below, instance_function, device_function };
	VkLayerDeviceCreateInfo callback = {
		.sType = VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO,
		.pNext = info->pNext,
		.function = VK_LOADER_DATA_CALLBACK,
		.u.pfnSetDeviceLoaderData = set_loader_data,
	};
	VkLayerDeviceCreateInfo chain = {
		.sType = VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO,
		.pNext = &callback,
		.function = VK_LAYER_LINK_INFO,
		.u.pLayerInfo = &link,
	};
	VkDeviceCreateInfo with = *info;
	PFN_vkCreateDevice create =
		(PFN_vkCreateDevice)layer_instance_function(instance, "vkCreateDevice");

	with.pNext = &chain;
	/* Loaders tell themselves something in it. */
	*out = (VkDevice)(void *)&fake;
	return create(fake_physical(instance), &with, NULL, out);
}

PFN_vkVoidFunction fake_function(VkDevice device, const char *name)
{
	return layer_device_function_of(device, name);
}

void fake_destroy_instance(VkInstance instance)
{
	((PFN_vkDestroyInstance)layer_instance_function(instance, "vkDestroyInstance"))(instance,
											NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * layer.h: VK_LAYER_DS_share, a Vulkan layer that lets others in the process use the program's devices.
 *
 *	instance.c  what the loader calls; instances
 *	device.c    devices: made and destroyed
 *	choose.c    which queue is added, or shared
 *	features.c  what the program has enabled
 *	queues.c    the calls that use a queue, each under its lock
 *	buffers.c   the buffers of a device
 *	use.c	    the interface of ds_vulkan_layer.h
 *
 * The layer stays out of the way where it can: it changes nothing but the number of queues that a
 * device is made with, and a call costs the program a lock that is nearly always free.
 *
 * Locks, in this order: layer_lock; a device's `lock`, or its `buffers_lock`. Those of queues are taken
 * alone, but for vkDeviceWaitIdle(), which takes all of one device in the array's order.
 */
#ifndef LAYER_H
#define LAYER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan_core.h>

#include "base/list.h"
#include "ds_vulkan_layer.h"

#define LAYER_NO_QUEUE UINT32_MAX

#define LAYER_INSTANCE_FUNCTIONS(F) \
	F(DestroyInstance)          \
	F(GetPhysicalDeviceQueueFamilyProperties)

#define LAYER_DEVICE_FUNCTIONS(F)            \
	F(DestroyDevice)                     \
	F(GetDeviceQueue)                    \
	F(GetDeviceQueue2)                   \
	F(DeviceWaitIdle)                    \
	F(QueueSubmit)                       \
	F(QueueSubmit2)                      \
	F(QueueSubmit2KHR)                   \
	F(QueueBindSparse)                   \
	F(QueuePresentKHR)                   \
	F(QueueWaitIdle)                     \
	F(CreateBuffer)                      \
	F(DestroyBuffer)                     \
	F(AllocateCommandBuffers)            \
	F(GetDeviceBufferMemoryRequirements) \
	F(GetDeviceBufferMemoryRequirementsKHR)

#define LAYER_DECLARE(name) PFN_vk##name name;

struct layer_instance {
	struct ds_list link;
	VkInstance handle;
	void *key; /* see layer_key() */
	uint32_t api_version;
	PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
	LAYER_INSTANCE_FUNCTIONS(LAYER_DECLARE)
};

struct layer_queue {
	VkQueue handle;
	uint32_t family;
	bool is_own;	      /* the program has not asked for it */
	pthread_mutex_t lock; /* held in every call that uses the queue */
};

/* What the program has created a buffer with. */
struct layer_buffer {
	VkBuffer handle;
	uint64_t nbytes;
	uint32_t usage;
	uint32_t families; /* a bit for each one; 0: of one family at a time */
	bool is_protected;
};

struct layer_device {
	struct ds_list link;
	VkDevice handle;
	VkPhysicalDevice physical;
	struct layer_instance *instance;
	uint32_t features; /* DS_VULKAN_FEATURE_* that are enabled */
	PFN_vkGetDeviceProcAddr GetDeviceProcAddr;
	PFN_vkSetDeviceLoaderData set_loader_data;
	LAYER_DEVICE_FUNCTIONS(LAYER_DECLARE)

	struct layer_queue *queues;
	uint32_t nr_queues;
	uint32_t families; /* of them, a bit for each one */
	uint32_t compute;  /* index of the queue for others, or LAYER_NO_QUEUE */
	uint32_t transfer;

	pthread_mutex_t lock; /* guards the next three, and all uses */
	pthread_cond_t changed;
	bool is_dying;
	struct ds_list uses;

	pthread_mutex_t buffers_lock; /* guards the next three */
	struct layer_buffer *buffers; /* open addressing; a null handle is free */
	uint32_t nr_slots, nr_buffers;
};

/* Which queues a device is to be made with. */
struct layer_choice {
	VkDeviceQueueCreateInfo *infos; /* the program's, with more queues */
	float *priorities;
	uint32_t nr_infos;
	/* Of the program's infos, by index; LAYER_NO_QUEUE: none will do. */
	uint32_t compute, transfer;
	bool adds_compute, adds_transfer; /* the last queue of that info is ours */
};

/*
 * Guards the lists of instances and devices; every call looks into them. No lock that is shared
 * between readers: glibc has those under a new name since 2.34, and containers have older ones.
 */
extern pthread_mutex_t layer_lock;
extern struct ds_list layer_instances;
extern struct ds_list layer_devices;

/*
 * The loader's table of functions, to which every dispatchable handle points: that of an instance
 * and those of its physical devices are the same.
 */
static inline void *layer_key(const void *handle)
{
	void *const *first = handle;

	return *first;
}

/* NULL: none. What is found stays until the program destroys it, which it does not do meanwhile. */
struct layer_instance *layer_instance_of(VkPhysicalDevice physical);
struct layer_device *layer_device_of(VkDevice handle);

PFN_vkVoidFunction layer_device_function(const char *name);

/* device.c */
VKAPI_ATTR VkResult VKAPI_CALL layer_CreateDevice(VkPhysicalDevice physical,
						  const VkDeviceCreateInfo *info,
						  const VkAllocationCallbacks *alloc,
						  VkDevice *out);
VKAPI_ATTR void VKAPI_CALL layer_DestroyDevice(VkDevice device, const VkAllocationCallbacks *alloc);

/* choose.c. False: no memory; then the device is made as the program says. */
bool layer_choice_init(struct layer_choice *c, const struct layer_instance *instance,
		       VkPhysicalDevice physical, const VkDeviceCreateInfo *info);
void layer_choice_fini(struct layer_choice *c);

/* features.c: DS_VULKAN_FEATURE_* */
uint32_t layer_features(const VkDeviceCreateInfo *info);

/* queues.c. False: no memory. */
bool layer_queues_init(struct layer_device *d, const VkDeviceCreateInfo *made,
		       const struct layer_choice *c);
void layer_queues_fini(struct layer_device *d);
struct layer_queue *layer_queue_find(struct layer_device *d, VkQueue handle);
PFN_vkVoidFunction layer_queue_function(const char *name);

/* buffers.c */
VKAPI_ATTR VkResult VKAPI_CALL layer_CreateBuffer(VkDevice device, const VkBufferCreateInfo *info,
						  const VkAllocationCallbacks *alloc,
						  VkBuffer *out);
VKAPI_ATTR void VKAPI_CALL layer_DestroyBuffer(VkDevice device, VkBuffer buffer,
					       const VkAllocationCallbacks *alloc);
bool layer_buffer_find(struct layer_device *d, VkBuffer handle, struct layer_buffer *out);

/* use.c */
void layer_note_call(VkDevice device);
/* Tells all users, and returns when there is none any more. */
void layer_end_uses(struct layer_device *d);
VK_LAYER_EXPORT const struct ds_vulkan_layer *ds_vulkan_layer_get(uint32_t version);

#endif /* LAYER_H */

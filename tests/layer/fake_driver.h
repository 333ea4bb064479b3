/* SPDX-License-Identifier: MIT */
/*
 * fake_driver.h: what lies below a layer: devices with as many queue families as a test wants.
 *
 * It does nothing, and checks that nobody uses a queue while somebody else does.
 */
#ifndef TESTS_LAYER_FAKE_DRIVER_H
#define TESTS_LAYER_FAKE_DRIVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan_core.h>

#define FAKE_MAX_FAMILIES 4
#define FAKE_MAX_QUEUES	  8

struct fake_driver {
	uint32_t nr_families;
	VkQueueFamilyProperties families[FAKE_MAX_FAMILIES];
	uint32_t most_queues;	     /* of one family, with which a device can be made; 0: any */
	bool lacks_synchronization2; /* vkQueueSubmit2 is not there */
	uint32_t created[FAKE_MAX_FAMILIES]; /* queues of each that the last device has */
	unsigned nr_attempts;		     /* to make a device */
	atomic_uint nr_submits;
	atomic_uint nr_destroyed; /* devices */
};

extern struct fake_driver fake;

void fake_reset(void);
void fake_family(VkQueueFlags flags, uint32_t nr_queues);

/* Through the layer, which is linked in, with the chain that a loader makes. */
VkInstance fake_instance(uint32_t api_version);
VkPhysicalDevice fake_physical(VkInstance instance);
VkResult fake_device(VkInstance instance, VkDeviceCreateInfo *info, VkDevice *out);
PFN_vkVoidFunction fake_function(VkDevice device, const char *name);
void fake_destroy_instance(VkInstance instance);

/* What the driver has for that queue, whoever asks. */
VkQueue fake_queue(VkDevice device, uint32_t family, uint32_t index);
/* The loader has prepared it, as it does with what it hands out itself. */
bool fake_is_prepared(const void *handle);

#endif /* TESTS_LAYER_FAKE_DRIVER_H */

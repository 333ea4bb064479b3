/* SPDX-License-Identifier: MIT */
/*
 * probe_vulkan.c: whether there is a Vulkan loader, and which devices it knows.
 *
 * Only the few structures of Vulkan 1.0 that this needs are declared here, so that dstool
 * is built without the Vulkan headers.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"

#define MAX_DEVICES 16

/* VkInstanceCreateInfo; structure type 1. */
struct instance_info {
	int32_t type;
	const void *next;
	uint32_t flags;
	const void *application;
	uint32_t nr_layers;
	const char *const *layers;
	uint32_t nr_extensions;
	const char *const *extensions;
};

/*
 * VkPhysicalDeviceProperties: 824 bytes in Vulkan 1.0, which no version may change. The
 * limits and sparse properties behind the name are not looked at.
 */
struct device_properties {
	uint32_t api_version;
	uint32_t driver_version;
	uint32_t vendor;
	uint32_t device;
	int32_t type;
	char name[256];
	uint64_t rest[128];
};

struct vulkan {
	void *(*get_instance_proc)(void *instance, const char *name);
	int32_t (*create_instance)(const struct instance_info *info, const void *alloc, void **out);
	void (*destroy_instance)(void *instance, const void *alloc);
	int32_t (*enumerate_devices)(void *instance, uint32_t *count, void **devices);
	void (*get_properties)(void *device, struct device_properties *properties);
};

static bool get_function(const struct vulkan *vk, void *instance, const char *name, void *function)
{
	void *symbol = vk->get_instance_proc(instance, name);

	if (symbol)
		memcpy(function, &symbol, sizeof(symbol));
	return symbol;
}

static const char *type_name(int32_t type)
{
	static const char *const names[] = { "other", "integrated GPU", "discrete GPU",
					     "virtual GPU", "CPU" };

	return type >= 0 && type <= 4 ? names[type] : names[0];
}

static void add_devices(struct probe *p, const struct vulkan *vk, void *instance)
{
	struct device_properties *props = calloc(1, sizeof(*props));
	void *devices[MAX_DEVICES];
	uint32_t count = MAX_DEVICES;

	/* Negative results are errors; VK_INCOMPLETE only says that there are more. */
	if (!props || vk->enumerate_devices(instance, &count, devices) < 0)
		count = 0;
	for (uint32_t i = 0; i < count; i++) {
		vk->get_properties(devices[i], props);
		probe_add(p, "devices", "%.120s (%s, Vulkan %u.%u)", props->name,
			  type_name(props->type), props->api_version >> 22 & 0x7f,
			  props->api_version >> 12 & 0x3ff);
	}
	free(props);
	if (count)
		p->is_present = true;
	else
		probe_missing(p, "the Vulkan loader is there, but it knows no device");
}

static void use_instance(struct probe *p, struct vulkan *vk, void *instance)
{
	if (get_function(vk, instance, "vkEnumeratePhysicalDevices", &vk->enumerate_devices) &&
	    get_function(vk, instance, "vkGetPhysicalDeviceProperties", &vk->get_properties))
		add_devices(p, vk, instance);
	else
		probe_missing(p, "the Vulkan loader lacks functions of Vulkan 1.0");
	if (get_function(vk, instance, "vkDestroyInstance", &vk->destroy_instance))
		vk->destroy_instance(instance, NULL);
}

void probe_vulkan(struct probe *p)
{
	const struct instance_info info = { .type = 1 };
	struct vulkan vk = { 0 };
	void *library = probe_library(p, "libvulkan.so.1");
	void *instance = NULL;
	int32_t ret;

	if (!library)
		return;
	if (!probe_function(library, "vkGetInstanceProcAddr", &vk.get_instance_proc) ||
	    !get_function(&vk, NULL, "vkCreateInstance", &vk.create_instance)) {
		probe_missing(p, "libvulkan.so.1 is no Vulkan loader");
		return;
	}
	ret = vk.create_instance(&info, NULL, &instance);
	/* VK_ERROR_INCOMPATIBLE_DRIVER */
	if (ret == -9)
		probe_missing(p, "the Vulkan loader is there, but it finds no driver");
	else if (ret != 0)
		probe_missing(p, "vkCreateInstance: error %d", ret);
	else
		use_instance(p, &vk, instance);
}

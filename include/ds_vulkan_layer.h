/* SPDX-License-Identifier: MIT */
/*
 * ds_vulkan_layer.h: the Vulkan device of a program that does not hand it over.
 *
 * VK_LAYER_DS_share is a Vulkan layer. While it is on (docs/vulkan.md) it knows the devices
 * that the program has made, adds a queue of its own to each where the hardware has one to spare,
 * and takes a lock round everything that uses a queue. Code in the same process that has no part in
 * the program's renderer, such as the Unix half of dstorage.dll, gets from it what
 * ds_make_vulkan_backend() wants of a shared device:
 *
 *	struct ds_vulkan_config cfg = DS_VULKAN_CONFIG_INIT;
 *	const struct ds_vulkan_layer *layer;
 *	ds_vulkan_layer_get_fn get;
 *	void *lib = dlopen(DS_VULKAN_LAYER_LIBRARY, RTLD_NOW | RTLD_NOLOAD);
 *
 *	get = (ds_vulkan_layer_get_fn)dlsym(lib, DS_VULKAN_LAYER_ENTRY);
 *	layer = get(DS_VULKAN_LAYER_VERSION);
 *	layer->list_devices(&device, 1);
 *	layer->use(device, &user, &cfg, &use);
 *	ds_make_vulkan_backend(NULL, &cfg, &be);
 *	...
 *	ds_backend_destroy(be);
 *	layer->unuse(use);
 *
 * dlopen() finds nothing where the layer is off, or while the program has no Vulkan
 * instance. The reference that it gives keeps the layer's code in the process.
 */
#ifndef DS_VULKAN_LAYER_H
#define DS_VULKAN_LAYER_H

#include "ds_runtime_vulkan.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DS_VULKAN_LAYER_NAME	"VK_LAYER_DS_share"
#define DS_VULKAN_LAYER_LIBRARY "libVkLayer_ds_share.so"
#define DS_VULKAN_LAYER_ENTRY	"ds_vulkan_layer_get"
#define DS_VULKAN_LAYER_VERSION 1u

/* Somebody who uses a device of the program's. */
struct ds_vulkan_use;

/* Who wants to use a device. Copied. */
struct ds_vulkan_user {
	uint32_t size;
	uint32_t reserved;
	/*
	 * The program destroys the device, on this thread. vkDestroyDevice() goes on when all users
	 * have called unuse(), which the callback may do itself. Required.
	 */
	void (*on_destroy)(void *user_data);
	void *user_data;
	/* Where to write one sentence about why the device cannot be used; may be NULL. */
	char *why;
	uint64_t why_nbytes;
};
#define DS_VULKAN_USER_INIT DS_INIT_(struct ds_vulkan_user)

/*
 * Any thread may call these. Handles are those of the layer's place among the layers: the
 * driver's own, where no layer wraps them.
 */
struct ds_vulkan_layer {
	uint32_t size;
	uint32_t version;
	/* Writes up to max devices. Returns how many there are. */
	uint32_t (*list_devices)(VkDevice *out, uint32_t max);
	/*
	 * For who has a device's handle in another guise, such as Wine's: between watch_thread() and
	 * watched_device(), call vkGetDeviceBufferMemoryRequirements() with it on the same
	 * thread. watched_device() returns the device that this call arrived with; NULL: none.
	 */
	void (*watch_thread)(void);
	VkDevice (*watched_device)(void);
	/*
	 * Fills in what *config says of a shared device, and leaves the rest of it. What it gives calls
	 * the layers below this one, under the layer's locks.
	 *
	 * DS_ERR_INVALID_ARGUMENT: there is no such device (any more). DS_ERR_UNAVAILABLE: it is no good
	 * for a backend (made for a Vulkan older than 1.3, without the features, or
	 * without a queue that computes). DS_ERR_NO_MEMORY.
	 */
	ds_result (*use)(VkDevice device, const struct ds_vulkan_user *user,
			 struct ds_vulkan_config *config, struct ds_vulkan_use **out);
	/*
	 * After the backend is gone. When it returns, on_destroy() runs no more, unless it was
	 * called from there.
	 */
	void (*unuse)(struct ds_vulkan_use *use);
	/* 1: the backend has queues to itself; 0: it shares one with the program. */
	uint32_t (*has_own_queue)(const struct ds_vulkan_use *use);
	/*
	 * What the program has created the buffer with, for requests that name it; `mapped` is left
	 * out. DS_ERR_INVALID_ARGUMENT: the device has no such buffer. DS_ERR_UNSUPPORTED: a backend
	 * cannot use it, because it belongs to queue families that the backend's queues are not of.
	 */
	ds_result (*get_buffer)(const struct ds_vulkan_use *use, VkBuffer buffer,
				struct ds_vulkan_buffer_detail *out);
};

/* NULL: the layer does not have that version. */
typedef const struct ds_vulkan_layer *(*ds_vulkan_layer_get_fn)(uint32_t version);

#ifdef __cplusplus
}
#endif

#endif /* DS_VULKAN_LAYER_H */

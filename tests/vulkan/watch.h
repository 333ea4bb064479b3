/* SPDX-License-Identifier: MIT */
/*
 * watch.h: stands between the library and the Vulkan loader.
 *
 * Turns the validation layers on and counts their messages, counts submits, makes them fail, and
 * holds back what was submitted until it is let go. Looks after barriers around dispatches,
 * which the layers do not see. One for the whole process.
 */
#ifndef TESTS_VULKAN_WATCH_H
#define TESTS_VULKAN_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

struct watch {
	atomic_uint messages; /* of the validation layers: printed too */
	atomic_uint submits;
	atomic_int submits_left; /* before all others fail with submit_error; negative: none does */
	atomic_int submit_error;
	atomic_uint allocations; /* of device memory, that are not freed */
	atomic_uint releases;	 /* of ownership; with several families only */
	atomic_uint devices;	 /* that exist */
	atomic_uint instances;
	atomic_bool has_layers; /* they were found */
	/*
	 * The device is to say that it has VK_NV_memory_decompression, which the watch then
	 * does: on the CPU, once what was recorded before it has run. For devices whose
	 * addresses are the host's.
	 */
	atomic_bool has_driver_decode;
	atomic_bool lacks_gdeflate;	/* but for other methods */
	atomic_uint driver_devices;	/* that were created with it */
	atomic_uint driver_regions;	/* that were decoded */
	atomic_uint driver_regions_bad; /* that were not what an encoder makes */
	atomic_uint subgroup_size;	/* that the device is to say it has; 0: its own */
	atomic_bool takes_narrow;	/* what ends a command buffer need not be for everything */
};
extern struct watch watch;

/* Barriers as they were recorded, from watch_note_barriers() on. */
struct watch_barriers {
	unsigned nr_commands, nr_memory, nr_buffers, nr_images;
	VkMemoryBarrier2 memory[64];
	VkImageMemoryBarrier2 images[64];
};
void watch_note_barriers(void);
/* Ends it. */
struct watch_barriers watch_noted_barriers(void);

/* False, with a sentence on stderr: there is no loader or no device. */
bool watch_open(void);

/* For ds_vulkan_config, and for the tests themselves. */
PFN_vkVoidFunction watch_get_instance_proc_addr(VkInstance instance, const char *name);

/* Whether the device shows more queue families than it has: see watch.c. */
bool watch_shows_families(void);

/* What is submitted from now on does not begin before the next watch_let_go(). */
void watch_hold(void);
void watch_let_go(void);

#endif /* TESTS_VULKAN_WATCH_H */

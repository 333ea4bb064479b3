/* SPDX-License-Identifier: MIT */
/* picture.h: an image on a backend's device, and what is in it. */
#ifndef TESTS_VULKAN_PICTURE_H
#define TESTS_VULKAN_PICTURE_H

#include "rig.h"

struct picture {
	struct ds_vulkan_handles handles;
	VkImage image;
	VkDeviceMemory memory;
	VkFormat format;
	uint32_t width, height, depth, nr_mips, nr_layers;
};

/* A function of the device. */
PFN_vkVoidFunction device_function(const struct ds_vulkan_handles *h, const char *name);

struct commands {
	VkCommandPool pool;
	VkCommandBuffer buffer;
};
/* Commands of the test's own; of the picture nothing but the handles is used. */
struct commands picture_begin(struct picture *p);
/* On the backend's queue; returns when they are done. */
void picture_submit(struct picture *p, struct rig *g, struct commands *c);
/* What was copied is there for the host. */
void picture_to_host(struct picture *p, struct commands *c);

void picture_create(struct picture *p, struct rig *g, VkFormat format, VkExtent3D extent,
		    uint32_t nr_mips, uint32_t nr_layers);
void picture_destroy(struct picture *p);
/* All of one subresource, which is in this layout, as tight rows. The caller frees them. */
uint8_t *picture_read(struct picture *p, struct rig *g, uint32_t mip, uint32_t layer,
		      VkImageLayout layout, uint64_t nbytes);
/* Gives all of it this layout and one value. */
void picture_clear(struct picture *p, struct rig *g, VkImageLayout layout, float value);

#endif /* TESTS_VULKAN_PICTURE_H */

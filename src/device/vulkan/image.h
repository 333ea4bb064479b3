/* SPDX-License-Identifier: MIT */
/*
 * image.h: where the bytes of an image's subresources lie in a buffer.
 *
 * Only arithmetic: no calls of Vulkan, no POSIX.
 */
#ifndef DS_DEVICE_VULKAN_IMAGE_H
#define DS_DEVICE_VULKAN_IMAGE_H

#include "device/vulkan/api.h"

struct ds_vulkan_image_detail;

/* A part of an image, checked. */
struct ds_vk_image {
	uint32_t block_nbytes, block_width, block_height;
	uint32_t width, height, depth; /* of mip 0 */
	uint32_t nr_mips;
	uint32_t mip, layer; /* the first subresource */
	uint32_t end_layer;  /* behind the last one's layer */
	bool is_region;
	VkOffset3D offset; /* region */
	VkExtent3D extent;
	uint32_t row_alignment; /* 1 or 256 */
	uint32_t subresource_alignment;
	VkImageAspectFlags aspect;
	VkImageLayout old_layout, new_layout;
	uint64_t nbytes; /* of all */
};

/* A row of copies; see ds_vk_image_walk_next(). */
struct ds_vk_image_walk {
	const struct ds_vk_image *image;
	uint32_t mip, layer;
	uint64_t at; /* offset of the next subresource */
	uint64_t end;
};

/* False: the description makes no sense. */
bool ds_vk_image_init(struct ds_vk_image *im, const struct ds_vulkan_image_detail *detail);
void ds_vk_image_walk_begin(struct ds_vk_image_walk *w, const struct ds_vk_image *im);
/* Writes the next copies, at most max, of data that begin at `offset` of a buffer. 0: no more. */
uint32_t ds_vk_image_walk_next(struct ds_vk_image_walk *w, uint64_t offset,
			       VkBufferImageCopy *regions, uint32_t max);

#endif /* DS_DEVICE_VULKAN_IMAGE_H */

/* SPDX-License-Identifier: MIT */
/*
 * record.h: writes what operations need into a command buffer.
 *
 * No POSIX and no threads: it is given a table of functions, a command buffer and numbers, so
 * that it can be compiled for other systems.
 */
#ifndef DS_DEVICE_VULKAN_RECORD_H
#define DS_DEVICE_VULKAN_RECORD_H

#include "device/vulkan/api.h"
#include "device/vulkan/image.h"

#define DS_VK_MAX_REGIONS  32
#define DS_VK_MAX_BARRIERS 32

/* Who uses what was written. Stages 0: everything, and the host. */
struct ds_vk_consumer {
	VkPipelineStageFlags2 stages;
	VkAccessFlags2 accesses;
};

/*
 * A command buffer that is being recorded. Copies between the same two buffers become one command, and
 * what hands buffers and images over becomes one barrier at the end.
 */
struct ds_vk_recorder {
	const struct ds_vk_api *vk;
	VkCommandBuffer commands;
	VkBuffer from, to;
	bool has_copies;
	bool has_dispatches;
	bool is_empty;
	bool has_consumers;
	bool is_for_all;		 /* one of them is everything */
	struct ds_vk_consumer consumers; /* of buffers, all together */
	uint32_t nr_regions, nr_buffers, nr_images;
	/* From here on not cleared. */
	VkBufferCopy regions[DS_VK_MAX_REGIONS];
	VkBufferMemoryBarrier2 buffers[DS_VK_MAX_BARRIERS];
	VkImageMemoryBarrier2 images[DS_VK_MAX_BARRIERS];
};

/* The decoder of tiles, ready to be dispatched. */
struct ds_vk_decoder {
	VkPipelineLayout layout;
	VkPipeline pipeline;
	uint32_t tiles_per_group;
};

/* What the shader reads; see docs/gpu-decode.md. */
struct ds_vk_tile {
	uint64_t src, dst; /* addresses */
	uint32_t src_nbytes, dst_nbytes;
};

struct ds_vk_dispatch {
	uint64_t tiles; /* address of the table */
	uint64_t status;
	uint32_t nr_tiles;
};

/* A command buffer of somebody else's, who has begun it and will end it. */
void ds_vk_record_attach(struct ds_vk_recorder *r, const struct ds_vk_api *vk,
			 VkCommandBuffer commands);
/* All that was recorded into it before can be read by shaders, and what that read be written. */
void ds_vk_record_enter(struct ds_vk_recorder *r);
/* And the other way round: what was recorded here is there for all that follows. */
void ds_vk_record_leave(struct ds_vk_recorder *r);

VkResult ds_vk_record_begin(struct ds_vk_recorder *r, const struct ds_vk_api *vk,
			    VkCommandBuffer commands);
void ds_vk_record_copy(struct ds_vk_recorder *r, VkBuffer from, uint64_t from_offset, VkBuffer to,
		       uint64_t to_offset, uint64_t nbytes);
/*
 * What earlier command buffers of the queue have copied and, if it computes, decoded can be read and
 * written by this one, whoever it was handed over to.
 */
void ds_vk_record_resume(struct ds_vk_recorder *r, bool can_compute);
/* That which was or will be copied and decoded here is for them too. Nobody named: for everything. */
void ds_vk_record_consumer(struct ds_vk_recorder *r, const struct ds_vk_consumer *consumer);
/* What was copied can be read by shaders and further copies of this command buffer. */
void ds_vk_record_copied(struct ds_vk_recorder *r);
void ds_vk_record_decode(struct ds_vk_recorder *r, const struct ds_vk_decoder *decoder,
			 const struct ds_vk_dispatch *dispatch);
/* By the driver. */
void ds_vk_record_decompress(struct ds_vk_recorder *r, const VkDecompressMemoryRegionNV *regions,
			     uint32_t nr);
/* Where an image goes from here. */
struct ds_vk_handover {
	uint32_t from_family, to_family; /* released if they differ */
	struct ds_vk_consumer consumer;
};
/* A whole image part, from a buffer: transitions, copies, and what hands it over. */
void ds_vk_record_image(struct ds_vk_recorder *r, VkBuffer buffer, uint64_t offset, VkImage image,
			const struct ds_vk_image *layout, const struct ds_vk_handover *to);
void ds_vk_record_release(struct ds_vk_recorder *r, VkBuffer buffer, uint64_t offset,
			  uint64_t nbytes, uint32_t from_family, uint32_t to_family);
/*
 * What was written is there for its consumers, or for the host and everything, among what is
 * submitted later. Leaves, and ends the command buffer.
 */
VkResult ds_vk_record_end(struct ds_vk_recorder *r);
/* Whether only some stages see it: then the queue's next commands begin with ds_vk_record_resume(). */
bool ds_vk_record_is_narrow(const struct ds_vk_recorder *r);

#endif /* DS_DEVICE_VULKAN_RECORD_H */

/* SPDX-License-Identifier: MIT */
/* record.c: see record.h. */
#include "device/vulkan/record.h"

#include <string.h>

#define MAX_GROUPS 32768 /* in one dimension; every device takes 65535 */

void ds_vk_record_attach(struct ds_vk_recorder *r, const struct ds_vk_api *vk,
			 VkCommandBuffer commands)
{
	memset(r, 0, offsetof(struct ds_vk_recorder, regions));
	r->vk = vk;
	r->commands = commands;
	r->has_copies = false;
	r->has_dispatches = false;
	r->is_empty = true;
}

VkResult ds_vk_record_begin(struct ds_vk_recorder *r, const struct ds_vk_api *vk,
			    VkCommandBuffer commands)
{
	const VkCommandBufferBeginInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};

	ds_vk_record_attach(r, vk, commands);
	return vk->BeginCommandBuffer(commands, &info);
}

static void flush_copies(struct ds_vk_recorder *r)
{
	if (r->nr_regions)
		r->vk->CmdCopyBuffer(r->commands, r->from, r->to, r->nr_regions, r->regions);
	r->nr_regions = 0;
}

void ds_vk_record_copy(struct ds_vk_recorder *r, VkBuffer from, uint64_t from_offset, VkBuffer to,
		       uint64_t to_offset, uint64_t nbytes)
{
	if (r->from != from || r->to != to || r->nr_regions == DS_VK_MAX_REGIONS)
		flush_copies(r);
	r->from = from;
	r->to = to;
	r->regions[r->nr_regions++] = (VkBufferCopy){ from_offset, to_offset, nbytes };
	r->has_copies = true;
	r->is_empty = false;
}

static void memory_barrier(struct ds_vk_recorder *r, VkPipelineStageFlags2 src_stage,
			   VkAccessFlags2 src_access, VkPipelineStageFlags2 dst_stage,
			   VkAccessFlags2 dst_access)
{
	const VkMemoryBarrier2 memory = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
		.srcStageMask = src_stage,
		.srcAccessMask = src_access,
		.dstStageMask = dst_stage,
		.dstAccessMask = dst_access,
	};
	const VkDependencyInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.memoryBarrierCount = 1,
		.pMemoryBarriers = &memory,
	};

	r->vk->CmdPipelineBarrier2(r->commands, &info);
}

/* Of the shader and of the driver's decompression, which counts as one: it has no stage of its own. */
static const VkAccessFlags2 shader_reads =
	VK_ACCESS_2_SHADER_READ_BIT | VK_ACCESS_2_SHADER_STORAGE_READ_BIT;
static const VkAccessFlags2 shader_writes =
	VK_ACCESS_2_SHADER_WRITE_BIT | VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT;

void ds_vk_record_resume(struct ds_vk_recorder *r, bool can_compute)
{
	VkPipelineStageFlags2 stages = VK_PIPELINE_STAGE_2_COPY_BIT;
	VkAccessFlags2 writes = VK_ACCESS_2_TRANSFER_WRITE_BIT;
	VkAccessFlags2 reads = VK_ACCESS_2_TRANSFER_READ_BIT;

	if (can_compute) {
		stages |= VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT;
		writes |= shader_writes;
		reads |= shader_reads;
	}
	memory_barrier(r, stages, writes, stages, reads | writes);
}

/* ------------------------------------------------------------ handing over */

static const struct ds_vk_consumer everything = {
	.stages = VK_PIPELINE_STAGE_2_HOST_BIT | VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
	.accesses = VK_ACCESS_2_HOST_READ_BIT | VK_ACCESS_2_MEMORY_READ_BIT |
		    VK_ACCESS_2_MEMORY_WRITE_BIT,
};
static const VkAccessFlags2 any_access = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT;

void ds_vk_record_consumer(struct ds_vk_recorder *r, const struct ds_vk_consumer *consumer)
{
	r->has_consumers = true;
	if (!consumer->stages)
		r->is_for_all = true;
	r->consumers.stages |= consumer->stages;
	r->consumers.accesses |= consumer->accesses ? consumer->accesses : any_access;
}

bool ds_vk_record_is_narrow(const struct ds_vk_recorder *r)
{
	return r->has_consumers && !r->is_for_all;
}

/* False: nothing was copied or decoded. */
static bool make_last_barrier(const struct ds_vk_recorder *r, VkMemoryBarrier2 *b)
{
	struct ds_vk_consumer to = ds_vk_record_is_narrow(r) ? r->consumers : everything;

	*b = (VkMemoryBarrier2){ .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2 };
	if (r->has_copies) {
		b->srcStageMask |= VK_PIPELINE_STAGE_2_COPY_BIT;
		b->srcAccessMask |= VK_ACCESS_2_TRANSFER_WRITE_BIT;
	}
	if (r->has_dispatches) {
		b->srcStageMask |= VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT;
		b->srcAccessMask |= shader_writes;
		/* The status of each tile. */
		to.stages |= VK_PIPELINE_STAGE_2_HOST_BIT;
		to.accesses |= VK_ACCESS_2_HOST_READ_BIT;
	}
	b->dstStageMask = to.stages;
	b->dstAccessMask = to.accesses;
	return b->srcStageMask;
}

/* One command for the buffers and images so far, and for memory, if that is given. */
static void hand_over(struct ds_vk_recorder *r, const VkMemoryBarrier2 *memory)
{
	const VkDependencyInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.memoryBarrierCount = memory ? 1 : 0,
		.pMemoryBarriers = memory,
		.bufferMemoryBarrierCount = r->nr_buffers,
		.pBufferMemoryBarriers = r->buffers,
		.imageMemoryBarrierCount = r->nr_images,
		.pImageMemoryBarriers = r->images,
	};

	if (memory || r->nr_buffers || r->nr_images)
		r->vk->CmdPipelineBarrier2(r->commands, &info);
	r->nr_buffers = 0;
	r->nr_images = 0;
}

void ds_vk_record_enter(struct ds_vk_recorder *r)
{
	memory_barrier(r, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, VK_ACCESS_2_MEMORY_WRITE_BIT,
		       VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
		       VK_ACCESS_2_SHADER_STORAGE_READ_BIT | VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT);
}

void ds_vk_record_copied(struct ds_vk_recorder *r)
{
	flush_copies(r);
	if (!r->has_copies)
		return;
	memory_barrier(r, VK_PIPELINE_STAGE_2_COPY_BIT, VK_ACCESS_2_TRANSFER_WRITE_BIT,
		       VK_PIPELINE_STAGE_2_COPY_BIT | VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
		       VK_ACCESS_2_TRANSFER_READ_BIT | VK_ACCESS_2_TRANSFER_WRITE_BIT |
			       shader_reads | shader_writes);
}

void ds_vk_record_decode(struct ds_vk_recorder *r, const struct ds_vk_decoder *decoder,
			 const struct ds_vk_dispatch *dispatch)
{
	uint32_t per_group = decoder->tiles_per_group;
	uint32_t nr_groups = (dispatch->nr_tiles + per_group - 1) / per_group;
	uint32_t width = nr_groups < MAX_GROUPS ? nr_groups : MAX_GROUPS;

	r->vk->CmdBindPipeline(r->commands, VK_PIPELINE_BIND_POINT_COMPUTE, decoder->pipeline);
	/* Two addresses and a number: the struct's tail padding is not the shader's. */
	r->vk->CmdPushConstants(r->commands, decoder->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 20,
				dispatch);
	r->vk->CmdDispatch(r->commands, width, (nr_groups + width - 1) / width, 1);
	r->has_dispatches = true;
	r->is_empty = false;
}

void ds_vk_record_decompress(struct ds_vk_recorder *r, const VkDecompressMemoryRegionNV *regions,
			     uint32_t nr)
{
	r->vk->CmdDecompressMemoryNV(r->commands, nr, regions);
	r->has_dispatches = true;
	r->is_empty = false;
}

/* Of the subresources of one layer that a part of an image names. */
static VkImageMemoryBarrier2 image_barrier(VkImage image, const struct ds_vk_image *im,
					   uint32_t layer)
{
	uint32_t mip = im->is_region || layer == im->layer ? im->mip : 0;

	return (VkImageMemoryBarrier2){
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.image = image,
		.subresourceRange = {
			.aspectMask = im->aspect,
			.baseMipLevel = mip,
			.levelCount = im->is_region ? 1 : im->nr_mips - mip,
			.baseArrayLayer = layer,
			.layerCount = 1,
		},
	};
}

static void record_barriers(struct ds_vk_recorder *r, const VkImageMemoryBarrier2 *barriers,
			    uint32_t nr)
{
	const VkDependencyInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.imageMemoryBarrierCount = nr,
		.pImageMemoryBarriers = barriers,
	};

	if (nr)
		r->vk->CmdPipelineBarrier2(r->commands, &info);
}

static void to_transfer_layout(struct ds_vk_recorder *r, VkImage image,
			       const struct ds_vk_image *im)
{
	VkImageMemoryBarrier2 all[DS_VK_MAX_BARRIERS];
	uint32_t nr = 0;

	for (uint32_t layer = im->layer; layer < im->end_layer; layer++) {
		VkImageMemoryBarrier2 *b = &all[nr];

		*b = image_barrier(image, im, layer);
		b->srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
		b->srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT;
		b->dstStageMask = VK_PIPELINE_STAGE_2_COPY_BIT;
		b->dstAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT;
		b->oldLayout = im->old_layout;
		b->newLayout = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;
		if (++nr == DS_VK_MAX_BARRIERS) {
			record_barriers(r, all, nr);
			nr = 0;
		}
	}
	record_barriers(r, all, nr);
}

/* Recorded with what else there is to hand over. */
static void to_new_layout(struct ds_vk_recorder *r, VkImage image, const struct ds_vk_image *im,
			  const struct ds_vk_handover *to)
{
	for (uint32_t layer = im->layer; layer < im->end_layer; layer++) {
		VkImageMemoryBarrier2 b = image_barrier(image, im, layer);

		b.srcStageMask = VK_PIPELINE_STAGE_2_COPY_BIT;
		b.srcAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT;
		b.oldLayout = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;
		b.newLayout = im->new_layout;
		if (to->from_family != to->to_family) {
			b.srcQueueFamilyIndex = to->from_family;
			b.dstQueueFamilyIndex = to->to_family;
		} else if (to->consumer.stages) {
			b.dstStageMask = to->consumer.stages;
			b.dstAccessMask =
				to->consumer.accesses ? to->consumer.accesses : any_access;
		} else {
			b.dstStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
			b.dstAccessMask = any_access;
		}
		if (r->nr_images == DS_VK_MAX_BARRIERS)
			hand_over(r, NULL);
		r->images[r->nr_images++] = b;
	}
}

static bool overlap(const VkImageSubresourceRange *a, const VkImageSubresourceRange *b)
{
	return a->baseArrayLayer == b->baseArrayLayer &&
	       a->baseMipLevel < b->baseMipLevel + b->levelCount &&
	       b->baseMipLevel < a->baseMipLevel + a->levelCount;
}

/* A further region of a subresource finds it in the layout that its description says. */
static bool is_pending(const struct ds_vk_recorder *r, VkImage image, const struct ds_vk_image *im)
{
	for (uint32_t i = 0; i < r->nr_images; i++) {
		const VkImageSubresourceRange *range = &r->images[i].subresourceRange;
		VkImageMemoryBarrier2 own = image_barrier(image, im, range->baseArrayLayer);

		if (r->images[i].image == image && range->baseArrayLayer >= im->layer &&
		    range->baseArrayLayer < im->end_layer && overlap(range, &own.subresourceRange))
			return true;
	}
	return false;
}

void ds_vk_record_image(struct ds_vk_recorder *r, VkBuffer buffer, uint64_t offset, VkImage image,
			const struct ds_vk_image *im, const struct ds_vk_handover *to)
{
	VkBufferImageCopy regions[DS_VK_MAX_REGIONS];
	struct ds_vk_image_walk walk;
	uint32_t nr;

	flush_copies(r);
	if (is_pending(r, image, im))
		hand_over(r, NULL);
	to_transfer_layout(r, image, im);
	ds_vk_image_walk_begin(&walk, im);
	while ((nr = ds_vk_image_walk_next(&walk, offset, regions, DS_VK_MAX_REGIONS)))
		r->vk->CmdCopyBufferToImage(r->commands, buffer, image,
					    VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, nr, regions);
	to_new_layout(r, image, im, to);
	r->is_empty = false;
}

void ds_vk_record_release(struct ds_vk_recorder *r, VkBuffer buffer, uint64_t offset,
			  uint64_t nbytes, uint32_t from_family, uint32_t to_family)
{
	if (r->nr_buffers == DS_VK_MAX_BARRIERS)
		hand_over(r, NULL);
	r->buffers[r->nr_buffers++] = (VkBufferMemoryBarrier2){
		.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
		.srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT,
		.srcQueueFamilyIndex = from_family,
		.dstQueueFamilyIndex = to_family,
		.buffer = buffer,
		.offset = offset,
		.size = nbytes,
	};
	r->is_empty = false;
}

void ds_vk_record_leave(struct ds_vk_recorder *r)
{
	VkMemoryBarrier2 memory;

	flush_copies(r);
	hand_over(r, make_last_barrier(r, &memory) ? &memory : NULL);
}

VkResult ds_vk_record_end(struct ds_vk_recorder *r)
{
	ds_vk_record_leave(r);
	return r->vk->EndCommandBuffer(r->commands);
}

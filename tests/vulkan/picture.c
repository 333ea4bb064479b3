/* SPDX-License-Identifier: MIT */
/* picture.c: see picture.h. */
#include "picture.h"

#include <stdlib.h>
#include <string.h>

#define CHECK(call) REQUIRE_CMP((call), ==, VK_SUCCESS)

#define FN(p, name) PFN_vk##name name = (PFN_vk##name)device_function(&(p)->handles, "vk" #name)

PFN_vkVoidFunction device_function(const struct ds_vulkan_handles *h, const char *name)
{
	PFN_vkGetDeviceProcAddr get = (PFN_vkGetDeviceProcAddr)h->get_instance_proc_addr(
		h->instance, "vkGetDeviceProcAddr");
	PFN_vkVoidFunction fn = get(h->device, name);

	REQUIRE(fn);
	return fn;
}

void picture_create(struct picture *p, struct rig *g, VkFormat format, VkExtent3D extent,
		    uint32_t nr_mips, uint32_t nr_layers)
{
	const VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.imageType = extent.depth > 1 ? VK_IMAGE_TYPE_3D : VK_IMAGE_TYPE_2D,
		.format = format,
		.extent = extent,
		.mipLevels = nr_mips,
		.arrayLayers = nr_layers,
		.samples = VK_SAMPLE_COUNT_1_BIT,
		.tiling = VK_IMAGE_TILING_OPTIMAL,
		.usage = VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
			 VK_IMAGE_USAGE_SAMPLED_BIT,
	};
	VkMemoryAllocateInfo alloc = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO };
	VkMemoryRequirements needs;

	memset(p, 0, sizeof(*p));
	p->handles.size = sizeof(p->handles);
	p->format = format;
	p->width = extent.width;
	p->height = extent.height;
	p->depth = extent.depth;
	p->nr_mips = nr_mips;
	p->nr_layers = nr_layers;
	REQUIRE_OK(ds_vulkan_get_handles(g->be, &p->handles));
	{
		FN(p, CreateImage);
		FN(p, GetImageMemoryRequirements);
		FN(p, AllocateMemory);
		FN(p, BindImageMemory);

		CHECK(CreateImage(p->handles.device, &info, NULL, &p->image));
		GetImageMemoryRequirements(p->handles.device, p->image, &needs);
		alloc.allocationSize = needs.size;
		while (!(needs.memoryTypeBits >> alloc.memoryTypeIndex & 1))
			alloc.memoryTypeIndex++;
		CHECK(AllocateMemory(p->handles.device, &alloc, NULL, &p->memory));
		CHECK(BindImageMemory(p->handles.device, p->image, p->memory, 0));
	}
}

void picture_destroy(struct picture *p)
{
	FN(p, DestroyImage);
	FN(p, FreeMemory);

	DestroyImage(p->handles.device, p->image, NULL);
	FreeMemory(p->handles.device, p->memory, NULL);
}

/* ---------------------------------------------------------------- commands */

struct commands picture_begin(struct picture *p)
{
	const VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.queueFamilyIndex = p->handles.queue_family,
	};
	VkCommandBufferAllocateInfo alloc = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandBufferCount = 1,
	};
	const VkCommandBufferBeginInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
	};
	struct commands c;
	FN(p, CreateCommandPool);
	FN(p, AllocateCommandBuffers);
	FN(p, BeginCommandBuffer);

	CHECK(CreateCommandPool(p->handles.device, &pool, NULL, &c.pool));
	alloc.commandPool = c.pool;
	CHECK(AllocateCommandBuffers(p->handles.device, &alloc, &c.buffer));
	CHECK(BeginCommandBuffer(c.buffer, &info));
	return c;
}

void picture_submit(struct picture *p, struct rig *g, struct commands *c)
{
	const VkCommandBufferSubmitInfo commands = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO,
		.commandBuffer = c->buffer,
	};
	const VkSubmitInfo2 info = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
		.commandBufferInfoCount = 1,
		.pCommandBufferInfos = &commands,
	};
	const VkFenceCreateInfo fence_info = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
	VkFence fence;
	FN(p, EndCommandBuffer);
	FN(p, QueueSubmit2);
	FN(p, CreateFence);
	FN(p, WaitForFences);
	FN(p, DestroyFence);
	FN(p, DestroyCommandPool);

	CHECK(EndCommandBuffer(c->buffer));
	CHECK(CreateFence(p->handles.device, &fence_info, NULL, &fence));
	ds_vulkan_lock_queue(g->be);
	CHECK(QueueSubmit2(p->handles.queue, 1, &info, fence));
	ds_vulkan_unlock_queue(g->be);
	CHECK(WaitForFences(p->handles.device, 1, &fence, VK_TRUE, UINT64_MAX));
	DestroyFence(p->handles.device, fence, NULL);
	DestroyCommandPool(p->handles.device, c->pool, NULL);
}

static void transition(struct picture *p, struct commands *c, VkImageLayout from, VkImageLayout to)
{
	const VkImageMemoryBarrier2 barrier = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
		.srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT,
		.dstStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
		.dstAccessMask = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT,
		.oldLayout = from,
		.newLayout = to,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.image = p->image,
		.subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, 0, p->nr_mips, 0, p->nr_layers },
	};
	const VkDependencyInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.imageMemoryBarrierCount = 1,
		.pImageMemoryBarriers = &barrier,
	};
	FN(p, CmdPipelineBarrier2);

	CmdPipelineBarrier2(c->buffer, &info);
}

void picture_clear(struct picture *p, struct rig *g, VkImageLayout layout, float value)
{
	const VkClearColorValue color = { .float32 = { value, value, value, value } };
	const VkImageSubresourceRange range = { VK_IMAGE_ASPECT_COLOR_BIT, 0, p->nr_mips, 0,
						p->nr_layers };
	struct commands c = picture_begin(p);
	FN(p, CmdClearColorImage);

	transition(p, &c, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
	CmdClearColorImage(c.buffer, p->image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, &color, 1,
			   &range);
	transition(p, &c, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, layout);
	picture_submit(p, g, &c);
}

static uint32_t mip_of(uint32_t extent, uint32_t mip)
{
	return extent >> mip ? extent >> mip : 1;
}

void picture_to_host(struct picture *p, struct commands *c)
{
	const VkMemoryBarrier2 memory = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COPY_BIT,
		.srcAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT,
		.dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT,
		.dstAccessMask = VK_ACCESS_2_HOST_READ_BIT,
	};
	const VkDependencyInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.memoryBarrierCount = 1,
		.pMemoryBarriers = &memory,
	};
	FN(p, CmdPipelineBarrier2);

	CmdPipelineBarrier2(c->buffer, &info);
}

uint8_t *picture_read(struct picture *p, struct rig *g, uint32_t mip, uint32_t layer,
		      VkImageLayout layout, uint64_t nbytes)
{
	struct ds_vulkan_buffer buf = DS_VULKAN_BUFFER_INIT;
	const VkBufferImageCopy region = {
		.imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, mip, layer, 1 },
		.imageExtent = { mip_of(p->width, mip), mip_of(p->height, mip),
				 mip_of(p->depth, mip) },
	};
	struct commands c = picture_begin(p);
	uint8_t *bytes = malloc(nbytes);
	FN(p, CmdCopyImageToBuffer);

	REQUIRE(bytes);
	REQUIRE_OK(ds_vulkan_buffer_create(g->be, nbytes, 0, DS_VULKAN_MEMORY_HOST, &buf));
	/* Of the subresources that were never written the layout is a lie: nothing is read there. */
	transition(p, &c, layout, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
	CmdCopyImageToBuffer(c.buffer, p->image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, buf.buffer,
			     1, &region);
	picture_to_host(p, &c);
	transition(p, &c, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, layout);
	picture_submit(p, g, &c);
	memcpy(bytes, buf.mapped, nbytes);
	ds_vulkan_buffer_destroy(g->be, &buf);
	return bytes;
}

/* SPDX-License-Identifier: MIT */
/*
 * vulkan_texture.c: loads an RGBA8 texture with all its mips into an image, in one request.
 *
 *	vulkan_texture WIDTH HEIGHT FILE
 *
 * FILE has the mips one after another, the largest first, as tight rows.
 */
#include <stdio.h>
#include <stdlib.h>

#include <vulkan/vulkan.h>

#include "ds_runtime_vulkan.h"

struct texture {
	VkDevice device;
	VkImage image;
	VkDeviceMemory memory;
	VkExtent3D extent;
	uint32_t nr_mips;
};

static int report(const char *what, const char *why)
{
	fprintf(stderr, "vulkan_texture: %s: %s\n", what, why);
	return EXIT_FAILURE;
}

static uint32_t count_mips(VkExtent3D e)
{
	uint32_t n = 1;

	while ((e.width | e.height) >> n)
		n++;
	return n;
}

static VkResult texture_create(struct texture *t, VkDevice device, VkExtent3D extent)
{
	VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.imageType = VK_IMAGE_TYPE_2D,
		.format = VK_FORMAT_R8G8B8A8_UNORM,
		.extent = extent,
		.mipLevels = count_mips(extent),
		.arrayLayers = 1,
		.samples = VK_SAMPLE_COUNT_1_BIT,
		.usage = VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_SAMPLED_BIT,
	};
	VkMemoryAllocateInfo alloc = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO };
	VkMemoryRequirements needs;
	VkResult result;

	t->device = device;
	t->extent = extent;
	t->nr_mips = info.mipLevels;
	result = vkCreateImage(device, &info, NULL, &t->image);
	if (result)
		return result;
	vkGetImageMemoryRequirements(device, t->image, &needs);
	alloc.allocationSize = needs.size;
	/* Of the types that the image takes, drivers name the fastest first. */
	while (!(needs.memoryTypeBits >> alloc.memoryTypeIndex & 1))
		alloc.memoryTypeIndex++;
	result = vkAllocateMemory(device, &alloc, NULL, &t->memory);
	return result ? result : vkBindImageMemory(device, t->image, t->memory, 0);
}

static void texture_destroy(struct texture *t)
{
	if (t->image)
		vkDestroyImage(t->device, t->image, NULL);
	if (t->memory)
		vkFreeMemory(t->device, t->memory, NULL);
}

/* All subresources from the first one on; the image is then ready to be sampled. */
static int load(struct ds_queue *q, struct ds_file *file, const struct texture *t)
{
	struct ds_vulkan_image_detail detail = DS_VULKAN_IMAGE_DETAIL_INIT;
	struct ds_request r = DS_REQUEST_INIT;
	struct ds_completion c = DS_COMPLETION_INIT;
	char why[200];
	ds_result ret;

	detail.block_nbytes = 4;
	detail.image_width = t->extent.width;
	detail.image_height = t->extent.height;
	detail.nr_mips = t->nr_mips;
	/* What a renderer would do with it: nothing else has to wait for the load. */
	detail.new_layout = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL;
	detail.stages = VK_PIPELINE_STAGE_2_FRAGMENT_SHADER_BIT;
	detail.accesses = VK_ACCESS_2_SHADER_SAMPLED_READ_BIT;
	r.source.kind = DS_LOCATION_FILE;
	r.source.file = file;
	r.source.nbytes = ds_vulkan_image_nbytes(&detail);
	r.destination.kind = DS_LOCATION_VULKAN_IMAGE;
	r.destination.object = ds_vulkan_object(t->image);
	r.destination.nbytes = r.source.nbytes;
	r.destination.detail = &detail;
	ret = ds_queue_enqueue(q, &r, NULL);
	if (ret == DS_OK)
		ret = ds_queue_submit(q);
	if (ret == DS_OK)
		ret = ds_queue_wait(q, &c, 1, 1, DS_WAIT_FOREVER, NULL);
	if (ret != DS_OK)
		return report("request", ds_result_message(ret));
	if (c.status != DS_STATUS_COMPLETE)
		return report("request", ds_completion_describe(&c, why, sizeof(why)));
	printf("%u x %u, %u mips: %llu bytes\n", t->extent.width, t->extent.height, t->nr_mips,
	       (unsigned long long)c.bytes_transferred);
	return EXIT_SUCCESS;
}

static int run(struct ds_backend *be, VkExtent3D extent, const char *path)
{
	struct ds_vulkan_handles handles = DS_VULKAN_HANDLES_INIT;
	struct texture t = { 0 };
	struct ds_queue *q = NULL;
	struct ds_file *file = NULL;
	ds_result ret;
	int exit_code = EXIT_FAILURE;

	if ((ret = ds_vulkan_get_handles(be, &handles)) || (ret = ds_queue_create(be, NULL, &q)) ||
	    (ret = ds_file_open(be, path, DS_FILE_READ, &file)))
		report(path, ds_result_message(ret));
	else if (texture_create(&t, handles.device, extent) != VK_SUCCESS)
		report("image", "it cannot be made");
	else
		exit_code = load(q, file, &t);
	ds_queue_destroy(q);
	ds_file_close(file);
	texture_destroy(&t);
	return exit_code;
}

int main(int argc, char **argv)
{
	struct ds_vulkan_config cfg = DS_VULKAN_CONFIG_INIT;
	VkExtent3D extent = { 0, 0, 1 };
	struct ds_backend *be;
	char why[200] = "";
	int ret;

	if (argc == 4) {
		extent.width = (uint32_t)strtoul(argv[1], NULL, 10);
		extent.height = (uint32_t)strtoul(argv[2], NULL, 10);
	}
	if (!extent.width || !extent.height || extent.width > 16384 || extent.height > 16384) {
		fputs("usage: vulkan_texture WIDTH HEIGHT FILE\n", stderr);
		return 2;
	}
	cfg.why = why;
	cfg.why_nbytes = sizeof(why);
	if (ds_make_vulkan_backend(NULL, &cfg, &be) != DS_OK)
		return report("no Vulkan backend", why);
	ret = run(be, extent, argv[3]);
	ds_backend_destroy(be);
	return ret;
}

/* SPDX-License-Identifier: MIT */
/* image.c: see image.h. */
#include "device/vulkan/image.h"

#include <string.h>

#include "ds_runtime_vulkan.h"

#define D3D12_ROW_ALIGNMENT	    256
#define D3D12_SUBRESOURCE_ALIGNMENT 512
#define MAX_EXTENT		    65536
#define MAX_MIPS		    17
#define MAX_LAYERS		    65536

static uint32_t or_one(uint32_t value)
{
	return value ? value : 1;
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static uint32_t mip_of(uint32_t extent, uint32_t mip)
{
	return or_one(extent >> mip);
}

static VkExtent3D extent_of(const struct ds_vk_image *im, uint32_t mip)
{
	return (VkExtent3D){ mip_of(im->width, mip), mip_of(im->height, mip),
			     mip_of(im->depth, mip) };
}

/* How one subresource, or the region, lies in memory. */
struct footprint {
	uint64_t row_pitch; /* between rows of blocks */
	uint64_t nbytes;
};

static struct footprint footprint_of(const struct ds_vk_image *im, VkExtent3D e)
{
	uint64_t columns = (e.width + im->block_width - 1) / im->block_width;
	uint64_t rows = (e.height + im->block_height - 1) / im->block_height;
	uint64_t row = columns * im->block_nbytes;
	struct footprint f;

	f.row_pitch = round_up(row, im->row_alignment);
	/* The last row has no padding. */
	f.nbytes = f.row_pitch * (rows * e.depth - 1) + row;
	return f;
}

static bool is_block(const struct ds_vulkan_image_detail *d)
{
	return d->block_nbytes && d->block_nbytes <= 32 && d->block_width <= 16 &&
	       d->block_height <= 16;
}

static bool is_extent(uint32_t value)
{
	return value <= MAX_EXTENT;
}

static bool has_subresource(const struct ds_vk_image *im, uint32_t nr_layers)
{
	return im->nr_mips <= MAX_MIPS && nr_layers <= MAX_LAYERS && im->mip < im->nr_mips &&
	       im->layer < nr_layers;
}

/* Regions begin at blocks, and end at blocks or at the edge. */
static bool is_side(uint32_t at, uint32_t n, uint32_t all, uint32_t block)
{
	return n && at <= all && n <= all - at && at % block == 0 &&
	       (n % block == 0 || at + n == all);
}

static bool set_region(struct ds_vk_image *im, const struct ds_vulkan_image_detail *d)
{
	VkExtent3D all = extent_of(im, im->mip);

	if (!d->width) {
		im->extent = all;
		return !d->x && !d->y && !d->z && !d->height && !d->depth;
	}
	im->extent = (VkExtent3D){ d->width, or_one(d->height), or_one(d->depth) };
	if (d->x > MAX_EXTENT || d->y > MAX_EXTENT || d->z > MAX_EXTENT)
		return false;
	im->offset = (VkOffset3D){ (int32_t)d->x, (int32_t)d->y, (int32_t)d->z };
	return is_side(d->x, im->extent.width, all.width, im->block_width) &&
	       is_side(d->y, im->extent.height, all.height, im->block_height) &&
	       is_side(d->z, im->extent.depth, all.depth, 1);
}

static uint64_t sum_nbytes(const struct ds_vk_image *im)
{
	struct ds_vk_image_walk w;
	VkBufferImageCopy region;

	ds_vk_image_walk_begin(&w, im);
	while (ds_vk_image_walk_next(&w, 0, &region, 1))
		;
	return w.end;
}

bool ds_vk_image_init(struct ds_vk_image *im, const struct ds_vulkan_image_detail *d)
{
	uint32_t nr_layers = or_one(d->nr_layers);
	bool is_d3d12 = d->data == DS_VULKAN_DATA_D3D12;

	memset(im, 0, sizeof(*im));
	if (!is_block(d) || d->data > DS_VULKAN_DATA_D3D12 || d->part > DS_VULKAN_IMAGE_REGION ||
	    !is_extent(d->image_width) || !is_extent(d->image_height) || !is_extent(d->image_depth))
		return false;
	im->block_nbytes = d->block_nbytes;
	im->block_width = or_one(d->block_width);
	im->block_height = or_one(d->block_height);
	im->width = or_one(d->image_width);
	im->height = or_one(d->image_height);
	im->depth = or_one(d->image_depth);
	im->nr_mips = or_one(d->nr_mips);
	im->mip = d->mip;
	im->layer = d->layer;
	im->is_region = d->part == DS_VULKAN_IMAGE_REGION;
	if (!has_subresource(im, nr_layers) || (im->depth > 1 && nr_layers > 1))
		return false;
	im->end_layer = im->is_region ? im->layer + 1 : nr_layers;
	/* A pitch is given to Vulkan in texels. */
	if (is_d3d12 && D3D12_ROW_ALIGNMENT % im->block_nbytes)
		return false;
	im->row_alignment = is_d3d12 ? D3D12_ROW_ALIGNMENT : 1;
	im->subresource_alignment = is_d3d12 ? D3D12_SUBRESOURCE_ALIGNMENT : 1;
	im->aspect = d->aspect ? d->aspect : VK_IMAGE_ASPECT_COLOR_BIT;
	im->old_layout = (VkImageLayout)d->old_layout;
	im->new_layout = d->new_layout ? (VkImageLayout)d->new_layout
				       : VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL;
	if (im->is_region && !set_region(im, d))
		return false;
	im->nbytes = sum_nbytes(im);
	return true;
}

void ds_vk_image_walk_begin(struct ds_vk_image_walk *w, const struct ds_vk_image *im)
{
	*w = (struct ds_vk_image_walk){ .image = im, .mip = im->mip, .layer = im->layer };
}

static void next_subresource(struct ds_vk_image_walk *w)
{
	if (w->image->is_region) {
		w->layer = w->image->end_layer;
	} else if (++w->mip == w->image->nr_mips) {
		w->mip = 0;
		w->layer++;
	}
}

uint32_t ds_vk_image_walk_next(struct ds_vk_image_walk *w, uint64_t offset,
			       VkBufferImageCopy *regions, uint32_t max)
{
	const struct ds_vk_image *im = w->image;
	uint32_t nr = 0;

	for (; nr < max && w->layer < im->end_layer; nr++) {
		VkExtent3D extent = im->is_region ? im->extent : extent_of(im, w->mip);
		struct footprint f = footprint_of(im, extent);
		uint32_t pitch = (uint32_t)(f.row_pitch / im->block_nbytes) * im->block_width;

		regions[nr] = (VkBufferImageCopy){
			.bufferOffset = offset + w->at,
			.bufferRowLength = pitch,
			.imageSubresource = { im->aspect, w->mip, w->layer, 1 },
			.imageOffset = im->offset,
			.imageExtent = extent,
		};
		w->end = w->at + f.nbytes;
		w->at = round_up(w->end, im->subresource_alignment);
		next_subresource(w);
	}
	return nr;
}

/* SPDX-License-Identifier: MIT */
/*
 * test_images.c: bytes into images: regions, and all subresources from one on, in both layouts,
 * at once and in parts, as they are and compressed.
 */
#include <stdlib.h>
#include <string.h>

#include "picture.h"

#define SEED UINT64_C(4)

/* A format, as far as bytes go. */
struct kind {
	VkFormat format;
	uint32_t block_nbytes, block_side;
};
static const struct kind rgba8 = { VK_FORMAT_R8G8B8A8_UNORM, 4, 1 };
static const struct kind r8 = { VK_FORMAT_R8_UNORM, 1, 1 };
static const struct kind bc1 = { VK_FORMAT_BC1_RGB_UNORM_BLOCK, 8, 4 };

static uint32_t mip_of(uint32_t extent, uint32_t mip)
{
	return extent >> mip ? extent >> mip : 1;
}

static uint64_t blocks(uint32_t texels, const struct kind *k)
{
	return (texels + k->block_side - 1) / k->block_side;
}

static uint64_t up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/* Where the rows of one subresource lie in the data. */
struct rows {
	uint64_t offset, pitch, nbytes, nr;
};

/* An independent count of the layouts: *end is where the next subresource may begin. */
static struct rows rows_of(const struct kind *k, VkExtent3D e, bool is_d3d12, uint64_t *end)
{
	struct rows r;

	r.nbytes = blocks(e.width, k) * k->block_nbytes;
	r.pitch = is_d3d12 ? up(r.nbytes, 256) : r.nbytes;
	r.nr = blocks(e.height, k) * e.depth;
	r.offset = is_d3d12 ? up(*end, 512) : *end;
	*end = r.offset + (r.nr - 1) * r.pitch + r.nbytes;
	return r;
}

static struct ds_vulkan_image_detail detail_of(const struct picture *p, const struct kind *k,
					       bool is_d3d12)
{
	struct ds_vulkan_image_detail d = DS_VULKAN_IMAGE_DETAIL_INIT;

	d.block_nbytes = k->block_nbytes;
	d.block_width = k->block_side;
	d.block_height = k->block_side;
	d.image_width = p->width;
	d.image_height = p->height;
	d.image_depth = p->depth;
	d.nr_mips = p->nr_mips;
	d.nr_layers = p->nr_layers;
	d.data = is_d3d12 ? DS_VULKAN_DATA_D3D12 : DS_VULKAN_DATA_TIGHT;
	return d;
}

static struct ds_request to_image(struct ds_file *file, uint64_t file_offset, uint64_t nbytes,
				  const struct picture *p, const struct ds_vulkan_image_detail *d)
{
	struct ds_request r = req_read(file, file_offset, nbytes, NULL);

	r.destination = (struct ds_location){
		.kind = DS_LOCATION_VULKAN_IMAGE,
		.object = ds_vulkan_object(p->image),
		.nbytes = nbytes,
		.detail = d,
	};
	return r;
}

/* Each row must hold what lies at its place in the pattern. */
static void require_rows(const uint8_t *got, const struct rows *r)
{
	for (uint64_t i = 0; i < r->nr; i++)
		pattern_require(got + i * r->nbytes, r->nbytes, SEED, r->offset + i * r->pitch);
}

static void require_all(struct picture *p, struct rig *g, const struct kind *k, bool is_d3d12,
			uint32_t mip, uint32_t layer, uint64_t nbytes)
{
	uint64_t end = 0;

	for (; layer < p->nr_layers; layer++, mip = 0) {
		for (; mip < p->nr_mips; mip++) {
			VkExtent3D e = { mip_of(p->width, mip), mip_of(p->height, mip),
					 mip_of(p->depth, mip) };
			struct rows r = rows_of(k, e, is_d3d12, &end);
			uint8_t *got = picture_read(p, g, mip, layer,
						    VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL,
						    r.nr * r.nbytes);

			require_rows(got, &r);
			free(got);
		}
	}
	REQUIRE_CMP(end, ==, nbytes);
}

/* A compressed or plain file of the data, and the request for it. */
static struct ds_file *data_file(struct rig *g, uint64_t nbytes, uint32_t codec, uint64_t offset,
				 struct ds_request *r)
{
	struct ds_file *file;
	struct stream st;
	uint8_t *bytes;

	if (codec == DS_CODEC_NONE) {
		bytes = calloc(1, offset + nbytes);
		pattern_fill(bytes + offset, nbytes, SEED, 0);
		file = rig_file(g, "data", bytes, offset + nbytes, 0);
		free(bytes);
	} else {
		REQUIRE(stream_make(&st, codec, nbytes, SEED));
		file = rig_file(g, "data", st.bytes, st.nbytes, 0);
		r->source.nbytes = st.nbytes;
		r->codec = codec;
		r->uncompressed_nbytes = nbytes;
		stream_free(&st);
	}
	r->source.file = file;
	return file;
}

static void all_from(struct rig *g, const struct kind *k, VkExtent3D extent, uint32_t nr_layers,
		     bool is_d3d12, uint32_t mip, uint32_t layer, uint32_t codec, uint64_t offset)
{
	struct picture p;
	struct ds_vulkan_image_detail d;
	struct ds_request r;
	struct ds_file *file;
	uint64_t nbytes;

	picture_create(&p, g, k->format, extent, 3, nr_layers);
	d = detail_of(&p, k, is_d3d12);
	d.mip = mip;
	d.layer = layer;
	nbytes = ds_vulkan_image_nbytes(&d);
	REQUIRE_CMP(nbytes, >, 0);
	r = to_image(NULL, offset, nbytes, &p, &d);
	file = data_file(g, nbytes, codec, offset, &r);
	/* What is not written needs a layout too, for reading back. */
	picture_clear(&p, g, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL, 0);
	run_ok(g->q, &r);
	require_all(&p, g, k, is_d3d12, mip, layer, nbytes);
	ds_file_close(file);
	picture_destroy(&p);
}

static bool has_zstd(struct rig *g)
{
	return ds_backend_has_codec(g->be, DS_CODEC_ZSTD);
}

static void all_subresources(void)
{
	static const VkExtent3D flat = { 37, 21, 1 }, block = { 17, 40, 6 };
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;
	struct rig g;

	v.decode = DS_VULKAN_DECODE_GPU;
	rig_open(&g, &v, NULL);
	for (int is_d3d12 = 0; is_d3d12 < 2; is_d3d12++) {
		all_from(&g, &rgba8, flat, 3, is_d3d12, 0, 0, DS_CODEC_NONE, 0);
		all_from(&g, &rgba8, flat, 3, is_d3d12, 1, 1, DS_CODEC_NONE, 0);
		all_from(&g, &r8, flat, 2, is_d3d12, 0, 0, DS_CODEC_NONE, 4096);
		all_from(&g, &rgba8, block, 1, is_d3d12, 0, 0, DS_CODEC_NONE, 7);
		all_from(&g, &rgba8, flat, 2, is_d3d12, 0, 0, DS_CODEC_GDEFLATE, 0);
		if (has_zstd(&g))
			all_from(&g, &rgba8, flat, 2, is_d3d12, 0, 0, DS_CODEC_ZSTD, 0);
	}
	REQUIRE_CMP(rig_stats(&g).decodes, ==, 2);
	rig_close(&g);
}

/* llvmpipe's BC formats can be copied to, which is all that is asked of them here. */
static void blocks_of_texels(void)
{
	static const VkExtent3D extent = { 38, 20, 1 };
	struct rig g;

	rig_open(&g, NULL, NULL);
	for (int is_d3d12 = 0; is_d3d12 < 2; is_d3d12++) {
		struct ds_vulkan_image_detail d;
		struct picture p;
		struct ds_request r;
		struct ds_file *file;
		uint64_t nbytes, end = 0;

		picture_create(&p, &g, bc1.format, extent, 4, 1);
		d = detail_of(&p, &bc1, is_d3d12);
		nbytes = ds_vulkan_image_nbytes(&d);
		r = to_image(NULL, 0, nbytes, &p, &d);
		file = data_file(&g, nbytes, DS_CODEC_NONE, 0, &r);
		run_ok(g.q, &r);
		for (uint32_t mip = 0; mip < 4; mip++) {
			VkExtent3D e = { mip_of(38, mip), mip_of(20, mip), 1 };
			struct rows rows = rows_of(&bc1, e, is_d3d12, &end);
			uint8_t *got = picture_read(&p, &g, mip, 0,
						    VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL,
						    rows.nr * rows.nbytes);

			require_rows(got, &rows);
			free(got);
		}
		ds_file_close(file);
		picture_destroy(&p);
	}
	rig_close(&g);
}

/* Larger than a chunk: it comes in parts, is collected, and copied at the end. */
static void in_parts(void)
{
	static const VkExtent3D extent = { 300, 301, 1 };
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;
	struct ds_backend_config c = DS_BACKEND_CONFIG_INIT;
	struct rig g;

	v.decode = DS_VULKAN_DECODE_GPU;
	c.chunk_nbytes = 64 * KIB;
	c.staging_nbytes = 2 * MIB;
	rig_open(&g, &v, &c);
	for (int is_d3d12 = 0; is_d3d12 < 2; is_d3d12++) {
		all_from(&g, &rgba8, extent, 2, is_d3d12, 0, 0, DS_CODEC_NONE, 3);
		all_from(&g, &rgba8, extent, 2, is_d3d12, 0, 0, DS_CODEC_GDEFLATE, 0);
		if (has_zstd(&g))
			all_from(&g, &rgba8, extent, 2, is_d3d12, 0, 0, DS_CODEC_ZSTD, 0);
	}
	rig_close(&g);
}

/* A region changes itself alone: the rest keeps its layout and its values. */
static void region(void)
{
	static const VkExtent3D extent = { 40, 30, 1 };
	struct ds_vulkan_image_detail d;
	struct ds_request r;
	struct ds_file *file;
	struct picture p;
	struct rig g;
	uint8_t *got;

	rig_open(&g, NULL, NULL);
	picture_create(&p, &g, rgba8.format, extent, 2, 2);
	picture_clear(&p, &g, VK_IMAGE_LAYOUT_GENERAL, 1);
	d = detail_of(&p, &rgba8, false);
	d.part = DS_VULKAN_IMAGE_REGION;
	d.mip = 1;
	d.layer = 1;
	d.x = 3;
	d.y = 5;
	d.width = 11;
	d.height = 7;
	d.old_layout = VK_IMAGE_LAYOUT_GENERAL;
	d.new_layout = VK_IMAGE_LAYOUT_GENERAL;
	REQUIRE_CMP(ds_vulkan_image_nbytes(&d), ==, 11 * 7 * 4);
	r = to_image(NULL, 0, 11 * 7 * 4, &p, &d);
	file = data_file(&g, 11 * 7 * 4, DS_CODEC_NONE, 0, &r);
	run_ok(g.q, &r);
	got = picture_read(&p, &g, 1, 1, VK_IMAGE_LAYOUT_GENERAL, 20 * 15 * 4);
	for (uint32_t y = 0; y < 15; y++) {
		for (uint32_t x = 0; x < 20; x++) {
			const uint8_t *texel = got + (y * 20 + x) * 4;

			if (x >= 3 && x < 14 && y >= 5 && y < 12)
				pattern_require(texel, 4, SEED, ((y - 5) * 11 + (x - 3)) * 4);
			else
				REQUIRE(bytes_are(texel, 4, 0xff));
		}
	}
	free(got);
	got = picture_read(&p, &g, 0, 1, VK_IMAGE_LAYOUT_GENERAL, 40 * 30 * 4);
	REQUIRE(bytes_are(got, 40 * 30 * 4, 0xff));
	free(got);
	ds_file_close(file);
	picture_destroy(&p);
	rig_close(&g);
}

/* Each layer is released by a barrier of its own. */
static void released(void)
{
	static const VkExtent3D extent = { 16, 16, 1 };
	struct ds_vulkan_image_detail d;
	struct ds_request r;
	struct ds_file *file;
	struct picture p;
	struct rig g;
	unsigned before;
	uint64_t nbytes;

	if (!watch_shows_families())
		return;
	rig_open(&g, NULL, NULL);
	picture_create(&p, &g, rgba8.format, extent, 1, 3);
	d = detail_of(&p, &rgba8, false);
	d.flags = DS_VULKAN_RELEASE;
	d.queue_family = 0;
	nbytes = ds_vulkan_image_nbytes(&d);
	r = to_image(NULL, 0, nbytes, &p, &d);
	file = data_file(&g, nbytes, DS_CODEC_NONE, 0, &r);
	before = atomic_load(&watch.releases);
	run_ok(g.q, &r);
	REQUIRE_CMP(atomic_load(&watch.releases), ==, before + 3);
	require_all(&p, &g, &rgba8, false, 0, 0, nbytes);
	ds_file_close(file);
	picture_destroy(&p);
	rig_close(&g);
}

static void refuse(struct rig *g, struct ds_request *r)
{
	REQUIRE_RESULT(ds_queue_enqueue(g->q, r, NULL), DS_ERR_INVALID_ARGUMENT);
}

static void refusals(void)
{
	static const VkExtent3D extent = { 40, 30, 1 };
	struct ds_vulkan_image_detail good, d;
	struct ds_request r;
	struct ds_file *file;
	struct picture p;
	struct rig g;
	uint64_t nbytes;

	rig_open(&g, NULL, NULL);
	picture_create(&p, &g, rgba8.format, extent, 2, 2);
	good = detail_of(&p, &rgba8, false);
	nbytes = ds_vulkan_image_nbytes(&good);
	d = good;
	r = to_image(NULL, 0, nbytes, &p, &d);
	file = data_file(&g, 2 * nbytes, DS_CODEC_NONE, 0, &r);

	r.destination.detail = NULL;
	refuse(&g, &r);
	r.destination.detail = &d;
	r.destination.object = 0;
	refuse(&g, &r);
	r.destination.object = ds_vulkan_object(p.image);
	r.destination.offset = 4;
	refuse(&g, &r);
	r.destination.offset = 0;
	r.source.nbytes = nbytes - 1;
	refuse(&g, &r);
	r.source.nbytes = nbytes;
#define REFUSE(field, value)       \
	do {                       \
		d = good;          \
		d.field = (value); \
		refuse(&g, &r);    \
	} while (0)
	REFUSE(size, 4);
	REFUSE(block_nbytes, 0);
	REFUSE(block_nbytes, 33);
	REFUSE(mip, 2);
	REFUSE(layer, 2);
	REFUSE(nr_mips, 40);
	REFUSE(part, 2);
	REFUSE(data, 2);
	REFUSE(flags, 64);
	REFUSE(image_width, UINT32_MAX);
	REFUSE(image_depth, 2);
#undef REFUSE
	d = good;
	d.part = DS_VULKAN_IMAGE_REGION;
	d.x = 30;
	d.width = 11;
	d.height = 1;
	REQUIRE_CMP(ds_vulkan_image_nbytes(&d), ==, 0);
	d.width = 10;
	REQUIRE_CMP(ds_vulkan_image_nbytes(&d), ==, 40);
	d.block_width = 4;
	REQUIRE_CMP(ds_vulkan_image_nbytes(&d), ==, 0);
	/* An image is no source. */
	d = good;
	r.source = r.destination;
	r.destination = (struct ds_location){ .kind = DS_LOCATION_FILE };
	r.destination.file = file;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_UNSUPPORTED);
	ds_file_close(file);
	picture_destroy(&p);
	rig_close(&g);
}

int main(int argc, char **argv)
{
	static const struct rig_entry tests[] = {
		RIG_TEST(all_subresources), RIG_TEST(blocks_of_texels), RIG_TEST(in_parts),
		RIG_TEST(released),	    RIG_TEST(region),		RIG_TEST(refusals),
	};

	return rig_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}

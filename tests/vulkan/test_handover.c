/* SPDX-License-Identifier: MIT */
/*
 * test_handover.c: bytes are handed over to the stages and accesses that requests name: the barriers
 * are those that were asked for, and a consumer that has exactly these needs none of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "picture.h"

#define SEED   UINT64_C(6)
#define NBYTES (UINT64_C(300) * 1000)

#define FN(p, name) PFN_vk##name name = (PFN_vk##name)device_function(&(p)->handles, "vk" #name)

static const VkPipelineStageFlags2 all_stages =
	VK_PIPELINE_STAGE_2_HOST_BIT | VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
static const VkAccessFlags2 any_access = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT;

static void open_staged(struct rig *g)
{
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;

	v.path = DS_VULKAN_PATH_STAGED;
	v.decode = DS_VULKAN_DECODE_GPU;
	rig_open(g, &v, NULL);
	atomic_store(&watch.takes_narrow, true);
}

static void close_staged(struct rig *g)
{
	atomic_store(&watch.takes_narrow, false);
	rig_close(g);
}

/* Large requests go there, and only copies are known to it. */
static bool has_copy_queue(struct rig *g)
{
	struct ds_vulkan_device_info info = DS_VULKAN_DEVICE_INFO_INIT;

	REQUIRE_OK(ds_vulkan_get_device_info(g->be, &info));
	return info.nr_transfer_queues;
}

static struct ds_vulkan_buffer_detail for_use(uint64_t stages, uint64_t accesses)
{
	struct ds_vulkan_buffer_detail d = DS_VULKAN_BUFFER_DETAIL_INIT;

	d.stages = stages;
	d.accesses = accesses;
	return d;
}

/* What begins a batch after one that was not for all stages. */
static bool is_resuming(const VkMemoryBarrier2 *b)
{
	return b->srcStageMask == b->dstStageMask &&
	       (b->srcStageMask & VK_PIPELINE_STAGE_2_COPY_BIT);
}

/* The only one that ends a batch; *nr_resumed counts the others. */
static VkMemoryBarrier2 last_barrier(const struct watch_barriers *n, unsigned *nr_resumed)
{
	VkMemoryBarrier2 found = { 0 };
	unsigned nr = 0;

	*nr_resumed = 0;
	for (unsigned i = 0; i < n->nr_memory; i++) {
		if (is_resuming(&n->memory[i])) {
			(*nr_resumed)++;
		} else {
			found = n->memory[i];
			nr++;
		}
	}
	REQUIRE_CMP(nr, ==, 1);
	return found;
}

/* ----------------------------------------------------------------- buffers */

/* One request in one piece. */
static VkMemoryBarrier2 load_for(struct rig *g, struct ds_file *file,
				 const struct ds_vulkan_buffer *buf,
				 const struct ds_vulkan_buffer_detail *d, unsigned *nr_resumed)
{
	struct ds_request r = to_buffer(file, 0, NBYTES, buf, 0);
	struct watch_barriers noted;

	r.destination.detail = d;
	watch_note_barriers();
	run_ok(g->q, &r);
	noted = watch_noted_barriers();
	return last_barrier(&noted, nr_resumed);
}

static void require_barrier(const VkMemoryBarrier2 *b, VkPipelineStageFlags2 stages,
			    VkAccessFlags2 accesses)
{
	REQUIRE_CMP(b->srcStageMask, ==, VK_PIPELINE_STAGE_2_COPY_BIT);
	REQUIRE_CMP(b->srcAccessMask, ==, VK_ACCESS_2_TRANSFER_WRITE_BIT);
	REQUIRE_CMP(b->dstStageMask, ==, stages);
	REQUIRE_CMP(b->dstAccessMask, ==, accesses);
}

static void as_asked(void)
{
	struct ds_vulkan_buffer buf;
	struct ds_vulkan_buffer_detail d;
	struct ds_file *file;
	VkMemoryBarrier2 b;
	unsigned nr_resumed;
	struct rig g;

	open_staged(&g);
	buf = rig_buffer(&g, NBYTES);
	file = rig_pattern_file(&g, "data", NBYTES, SEED, 0);
	/* Nothing asked: for all, and for the host. */
	b = load_for(&g, file, &buf, NULL, &nr_resumed);
	require_barrier(&b, all_stages, any_access | VK_ACCESS_2_HOST_READ_BIT);
	REQUIRE_CMP(nr_resumed, ==, 0);
	d = for_use(VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_2_COPY_BIT,
		    VK_ACCESS_2_SHADER_STORAGE_READ_BIT | VK_ACCESS_2_TRANSFER_READ_BIT);
	b = load_for(&g, file, &buf, &d, &nr_resumed);
	if (has_copy_queue(&g)) {
		/* It has no shaders: who has them is on another one. */
		require_barrier(&b, all_stages, any_access | VK_ACCESS_2_HOST_READ_BIT);
	} else {
		require_barrier(&b, d.stages, d.accesses);
		REQUIRE_CMP(nr_resumed, ==, 0);
		/* What comes next may use the same memory. */
		d = for_use(VK_PIPELINE_STAGE_2_VERTEX_INPUT_BIT, 0);
		b = load_for(&g, file, &buf, &d, &nr_resumed);
		require_barrier(&b, d.stages, any_access);
		REQUIRE_CMP(nr_resumed, ==, 1);
		b = load_for(&g, file, &buf, NULL, &nr_resumed);
		REQUIRE_CMP(nr_resumed, ==, 1);
		b = load_for(&g, file, &buf, NULL, &nr_resumed);
		REQUIRE_CMP(nr_resumed, ==, 0);
	}
	rig_require_pattern(&g, &buf, 0, NBYTES, SEED, 0);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	close_staged(&g);
}

/* A batch is for all that its requests name, decoded ones too. */
static void for_several(void)
{
	const VkPipelineStageFlags2 uniform = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
				    indirect = VK_PIPELINE_STAGE_2_DRAW_INDIRECT_BIT;
	struct ds_vulkan_buffer_detail first, second;
	VkPipelineStageFlags2 seen = 0;
	struct watch_barriers noted;
	struct ds_vulkan_buffer buf;
	struct ds_file *file;
	struct ds_request r;
	struct stream st;
	struct rig g;

	open_staged(&g);
	buf = rig_buffer(&g, 2 * NBYTES);
	file = rig_pattern_file(&g, "data", NBYTES, SEED, 0);
	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, NBYTES, SEED));
	first = for_use(uniform, VK_ACCESS_2_UNIFORM_READ_BIT);
	second = for_use(indirect, VK_ACCESS_2_INDIRECT_COMMAND_READ_BIT);
	watch_note_barriers();
	r = to_buffer(file, 0, 1000, &buf, 0);
	r.destination.detail = &first;
	enqueue(g.q, &r);
	r.destination.detail = &second;
	r.destination.offset = 1000;
	enqueue(g.q, &r);
	r = to_buffer(NULL, 0, st.nbytes, &buf, NBYTES);
	r.source = (struct ds_location){ .kind = DS_LOCATION_MEMORY, .nbytes = st.nbytes };
	r.source.data = st.bytes;
	r.codec = DS_CODEC_GDEFLATE;
	r.uncompressed_nbytes = NBYTES;
	r.destination.nbytes = NBYTES;
	r.destination.detail = &second;
	start(g.q, &r);
	for (unsigned i = 0; i < 3; i++)
		REQUIRE_OK(take(g.q).result);
	noted = watch_noted_barriers();
	for (unsigned i = 0; i < noted.nr_memory; i++) {
		const VkMemoryBarrier2 *b = &noted.memory[i];
		bool is_inner = b->dstAccessMask & VK_ACCESS_2_TRANSFER_READ_BIT;
		bool decodes = b->srcStageMask & VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT;

		/* Between copies and dispatch, at the beginning, or of copies for the dispatch alone. */
		if (is_inner || (b->dstStageMask & VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT))
			continue;
		seen |= b->dstStageMask;
		REQUIRE_CMP(b->dstStageMask & ~(uniform | indirect), ==,
			    decodes ? VK_PIPELINE_STAGE_2_HOST_BIT : 0);
		REQUIRE_CMP(!(b->dstStageMask & uniform), ==,
			    !(b->dstAccessMask & VK_ACCESS_2_UNIFORM_READ_BIT));
		REQUIRE_CMP(!(b->dstStageMask & indirect), ==,
			    !(b->dstAccessMask & VK_ACCESS_2_INDIRECT_COMMAND_READ_BIT));
		REQUIRE_CMP(b->dstAccessMask & ~(VK_ACCESS_2_UNIFORM_READ_BIT |
						 VK_ACCESS_2_INDIRECT_COMMAND_READ_BIT),
			    ==, decodes ? VK_ACCESS_2_HOST_READ_BIT : 0);
	}
	REQUIRE_CMP(seen, ==, uniform | indirect | VK_PIPELINE_STAGE_2_HOST_BIT);
	rig_require_pattern(&g, &buf, 0, 1000, SEED, 0);
	rig_require_pattern(&g, &buf, 1000, 1000, SEED, 0);
	rig_require_pattern(&g, &buf, NBYTES, NBYTES, SEED, 0);
	stream_free(&st);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	close_staged(&g);
}

/* ------------------------------------------------------------- consumers */

static struct picture handles_of(struct rig *g)
{
	struct picture p = { .handles = DS_VULKAN_HANDLES_INIT };

	REQUIRE_OK(ds_vulkan_get_handles(g->be, &p.handles));
	return p;
}

/* A copy with no barrier before it; its bytes must be the pattern's. */
static void consume(struct rig *g, const struct ds_vulkan_buffer *buf)
{
	const VkBufferCopy region = { 0, 0, NBYTES };
	struct picture p = handles_of(g);
	struct commands c = picture_begin(&p);
	struct ds_vulkan_buffer out = DS_VULKAN_BUFFER_INIT;
	FN(&p, CmdCopyBuffer);

	REQUIRE_OK(ds_vulkan_buffer_create(g->be, NBYTES, 0, DS_VULKAN_MEMORY_HOST, &out));
	CmdCopyBuffer(c.buffer, buf->buffer, out.buffer, 1, &region);
	picture_to_host(&p, &c);
	picture_submit(&p, g, &c);
	pattern_require(out.mapped, NBYTES, SEED, 0);
	ds_vulkan_buffer_destroy(g->be, &out);
}

/* The validation layers look on: rig_close() says whether they were content. */
static void used_as_said(void)
{
	struct ds_vulkan_buffer_detail d =
		for_use(VK_PIPELINE_STAGE_2_COPY_BIT, VK_ACCESS_2_TRANSFER_READ_BIT);
	struct ds_vulkan_buffer buf;
	struct ds_file *file;
	struct ds_request r;
	struct rig g;

	open_staged(&g);
	buf = rig_buffer(&g, NBYTES);
	file = rig_pattern_file(&g, "data", NBYTES, SEED, 0);
	r = to_buffer(file, 0, NBYTES, &buf, 0);
	r.destination.detail = &d;
	for (unsigned i = 0; i < 3; i++) {
		run_ok(g.q, &r);
		consume(&g, &buf);
	}
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	close_staged(&g);
}

/* The same with other stages than were named: the layers see that, so they would have seen it above. */
static void used_otherwise(void)
{
	struct ds_vulkan_buffer_detail d = for_use(VK_PIPELINE_STAGE_2_VERTEX_INPUT_BIT,
						   VK_ACCESS_2_VERTEX_ATTRIBUTE_READ_BIT);
	struct ds_vulkan_buffer buf;
	struct ds_file *file;
	struct ds_request r;
	unsigned messages;
	struct rig g;

	if (!atomic_load(&watch.has_layers))
		return;
	open_staged(&g);
	if (has_copy_queue(&g)) {
		close_staged(&g);
		return;
	}
	buf = rig_buffer(&g, NBYTES);
	file = rig_pattern_file(&g, "data", NBYTES, SEED, 0);
	r = to_buffer(file, 0, NBYTES, &buf, 0);
	r.destination.detail = &d;
	run_ok(g.q, &r);
	messages = atomic_load(&watch.messages);
	fprintf(stderr, "the next message is to be:\n");
	consume(&g, &buf);
	REQUIRE_CMP(atomic_load(&watch.messages), >, messages);
	atomic_store(&watch.messages, messages);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	close_staged(&g);
}

/* ------------------------------------------------------------------ images */

static struct ds_vulkan_image_detail detail_of(const struct picture *p)
{
	struct ds_vulkan_image_detail d = DS_VULKAN_IMAGE_DETAIL_INIT;

	d.block_nbytes = 4;
	d.image_width = p->width;
	d.image_height = p->height;
	d.nr_mips = p->nr_mips;
	d.nr_layers = p->nr_layers;
	return d;
}

static struct ds_request to_image(struct ds_file *file, const struct picture *p,
				  const struct ds_vulkan_image_detail *d)
{
	struct ds_request r = req_read(file, 0, ds_vulkan_image_nbytes(d), NULL);

	r.destination = (struct ds_location){
		.kind = DS_LOCATION_VULKAN_IMAGE,
		.object = ds_vulkan_object(p->image),
		.nbytes = r.source.nbytes,
		.detail = d,
	};
	return r;
}

/* The first subresource, copied with no barrier before it. */
static void consume_image(struct rig *g, struct picture *p)
{
	const VkBufferImageCopy region = {
		.imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 },
		.imageExtent = { p->width, p->height, 1 },
	};
	uint64_t nbytes = UINT64_C(4) * p->width * p->height;
	struct ds_vulkan_buffer out = DS_VULKAN_BUFFER_INIT;
	struct commands c = picture_begin(p);
	FN(p, CmdCopyImageToBuffer);

	REQUIRE_OK(ds_vulkan_buffer_create(g->be, nbytes, 0, DS_VULKAN_MEMORY_HOST, &out));
	CmdCopyImageToBuffer(c.buffer, p->image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, out.buffer,
			     1, &region);
	picture_to_host(p, &c);
	picture_submit(p, g, &c);
	pattern_require(out.mapped, nbytes, SEED, 0);
	ds_vulkan_buffer_destroy(g->be, &out);
}

static void require_image_barriers(const struct watch_barriers *n, unsigned nr,
				   const struct ds_vulkan_image_detail *d)
{
	unsigned nr_last = 0;

	for (unsigned i = 0; i < n->nr_images; i++) {
		const VkImageMemoryBarrier2 *b = &n->images[i];

		if (b->oldLayout != VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL)
			continue;
		nr_last++;
		REQUIRE_CMP(b->srcStageMask, ==, VK_PIPELINE_STAGE_2_COPY_BIT);
		REQUIRE_CMP(b->srcAccessMask, ==, VK_ACCESS_2_TRANSFER_WRITE_BIT);
		REQUIRE_CMP(b->dstStageMask, ==, d->stages);
		REQUIRE_CMP(b->dstAccessMask, ==, d->accesses);
		REQUIRE_CMP(b->newLayout, ==, (VkImageLayout)d->new_layout);
	}
	REQUIRE_CMP(nr_last, ==, nr);
}

static void image_as_asked(void)
{
	static const VkExtent3D extent = { 40, 30, 1 };
	struct ds_vulkan_image_detail d;
	struct watch_barriers noted;
	struct ds_file *file;
	struct ds_request r;
	struct picture p;
	struct rig g;

	open_staged(&g);
	picture_create(&p, &g, VK_FORMAT_R8G8B8A8_UNORM, extent, 3, 5);
	file = rig_pattern_file(&g, "data", MIB, SEED, 0);
	d = detail_of(&p);
	d.stages = VK_PIPELINE_STAGE_2_COPY_BIT;
	d.accesses = VK_ACCESS_2_TRANSFER_READ_BIT;
	d.new_layout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
	r = to_image(file, &p, &d);
	watch_note_barriers();
	run_ok(g.q, &r);
	noted = watch_noted_barriers();
	require_image_barriers(&noted, 5, &d);
	/* All layers at once, before and after. */
	REQUIRE_CMP(noted.nr_commands, ==, 2);
	REQUIRE_CMP(noted.nr_images, ==, 10);
	consume_image(&g, &p);
	ds_file_close(file);
	picture_destroy(&p);
	close_staged(&g);
}

/* Regions of one subresource, in whatever batches: each finds the layout that it says. */
static void regions_of_one(void)
{
	static const VkExtent3D extent = { 64, 64, 1 };
	struct ds_vulkan_image_detail d[16];
	struct ds_vulkan_buffer buf;
	struct ds_file *file;
	struct ds_request r;
	struct picture p;
	struct rig g;
	uint8_t *got;

	open_staged(&g);
	picture_create(&p, &g, VK_FORMAT_R8G8B8A8_UNORM, extent, 1, 1);
	picture_clear(&p, &g, VK_IMAGE_LAYOUT_GENERAL, 0);
	buf = rig_buffer(&g, NBYTES);
	file = rig_pattern_file(&g, "data", NBYTES, SEED, 0);
	/* Something to be busy with, while the others gather. */
	r = to_buffer(file, 0, NBYTES, &buf, 0);
	watch_hold();
	enqueue(g.q, &r);
	for (unsigned i = 0; i < 16; i++) {
		d[i] = detail_of(&p);
		d[i].part = DS_VULKAN_IMAGE_REGION;
		d[i].y = 4 * i;
		d[i].width = 64;
		d[i].height = 4;
		d[i].old_layout = VK_IMAGE_LAYOUT_GENERAL;
		d[i].new_layout = VK_IMAGE_LAYOUT_GENERAL;
		d[i].stages = VK_PIPELINE_STAGE_2_COPY_BIT;
		d[i].accesses = VK_ACCESS_2_TRANSFER_READ_BIT;
		r = to_image(file, &p, &d[i]);
		r.source.offset = 1024 * i;
		enqueue(g.q, &r);
	}
	REQUIRE_OK(ds_queue_submit(g.q));
	watch_let_go();
	for (unsigned i = 0; i < 17; i++)
		REQUIRE_OK(take(g.q).result);
	got = picture_read(&p, &g, 0, 0, VK_IMAGE_LAYOUT_GENERAL, 64 * 64 * 4);
	pattern_require(got, 64 * 64 * 4, SEED, 0);
	free(got);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	picture_destroy(&p);
	close_staged(&g);
}

/* ---------------------------------------------------------------- refusals */

static void refusals(void)
{
	static const VkExtent3D extent = { 16, 16, 1 };
	struct ds_vulkan_buffer_detail d = for_use(0, VK_ACCESS_2_UNIFORM_READ_BIT);
	struct ds_vulkan_image_detail im;
	struct ds_vulkan_buffer buf;
	struct ds_file *file;
	struct ds_request r;
	struct picture p;
	struct rig g;

	open_staged(&g);
	buf = rig_buffer(&g, NBYTES);
	file = rig_pattern_file(&g, "data", NBYTES, SEED, 0);
	r = to_buffer(file, 0, NBYTES, &buf, 0);
	r.destination.detail = &d;
	/* Accesses of no stage. */
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_INVALID_ARGUMENT);
	/* Half a description of a buffer that the backend knows; and of one that it does not know. */
	d = for_use(VK_PIPELINE_STAGE_2_COPY_BIT, 0);
	d.nbytes = NBYTES;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_INVALID_ARGUMENT);
	d.nbytes = 0;
	r.destination.object = 12345;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_INVALID_ARGUMENT);
	r.destination.object = ds_vulkan_object(buf.buffer);
	/* As it was before there were stages: what lies behind is not read. */
	d.size = offsetof(struct ds_vulkan_buffer_detail, stages);
	d.accesses = 1;
	d.stages = 0;
	run_ok(g.q, &r);

	picture_create(&p, &g, VK_FORMAT_R8G8B8A8_UNORM, extent, 1, 1);
	im = detail_of(&p);
	r = to_image(file, &p, &im);
	im.accesses = VK_ACCESS_2_SHADER_SAMPLED_READ_BIT;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_INVALID_ARGUMENT);
	im.size = offsetof(struct ds_vulkan_image_detail, stages);
	run_ok(g.q, &r);
	picture_destroy(&p);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	close_staged(&g);
}

int main(int argc, char **argv)
{
	static const struct rig_entry tests[] = {
		RIG_TEST(as_asked),	  RIG_TEST(for_several),    RIG_TEST(used_as_said),
		RIG_TEST(used_otherwise), RIG_TEST(image_as_asked), RIG_TEST(regions_of_one),
		RIG_TEST(refusals),
	};

	return rig_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}

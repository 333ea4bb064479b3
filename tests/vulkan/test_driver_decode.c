/* SPDX-License-Identifier: MIT */
/*
 * test_driver_decode.c: the driver's own decompression: only where device, configuration and request
 * agree to it, and with regions as the extension wants them. The driver is the watch.
 */
#include <stdlib.h>
#include <string.h>

#include "picture.h"

#define SEED   UINT64_C(8)
#define NBYTES (UINT64_C(300) * 1000)

struct fixture {
	struct rig g;
	struct stream st;
	struct ds_vulkan_buffer buf;
};

static void fixture_open(struct fixture *f, uint32_t flags, int32_t path)
{
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;

	v.decode = DS_VULKAN_DECODE_GPU;
	v.path = path;
	v.flags = flags;
	atomic_store(&watch.has_driver_decode, true);
	atomic_store(&watch.driver_devices, 0);
	atomic_store(&watch.driver_regions, 0);
	atomic_store(&watch.driver_regions_bad, 0);
	rig_open(&f->g, &v, NULL);
	f->buf = rig_buffer(&f->g, 8 * NBYTES);
	REQUIRE(stream_make(&f->st, DS_CODEC_GDEFLATE, NBYTES, SEED));
}

static void fixture_close(struct fixture *f)
{
	ds_vulkan_buffer_destroy(f->g.be, &f->buf);
	stream_free(&f->st);
	rig_close(&f->g);
	atomic_store(&watch.has_driver_decode, false);
	atomic_store(&watch.lacks_gdeflate, false);
}

/* Of the stream, to the buffer. */
static struct ds_request decode_to(struct fixture *f, uint64_t offset,
				   const struct ds_vulkan_buffer_detail *d)
{
	struct ds_request r = to_buffer(NULL, 0, f->st.nbytes, &f->buf, offset);

	r.source = (struct ds_location){ .kind = DS_LOCATION_MEMORY, .nbytes = f->st.nbytes };
	r.source.data = f->st.bytes;
	r.codec = DS_CODEC_GDEFLATE;
	r.uncompressed_nbytes = NBYTES;
	r.destination.nbytes = NBYTES;
	r.destination.detail = d;
	return r;
}

static struct ds_vulkan_buffer_detail trusted(void)
{
	struct ds_vulkan_buffer_detail d = DS_VULKAN_BUFFER_DETAIL_INIT;

	d.flags = DS_VULKAN_TRUSTED;
	return d;
}

/* One request, on the GPU; how much of it the driver has decoded. */
static uint64_t decode_one(struct fixture *f, const struct ds_vulkan_buffer_detail *d)
{
	struct ds_request r = decode_to(f, 0, d);
	struct ds_completion c = run_ok(f->g.q, &r);

	REQUIRE_CMP(c.bytes_device_decoded, ==, NBYTES);
	rig_require_pattern(&f->g, &f->buf, 0, NBYTES, SEED, 0);
	REQUIRE_CMP(rig_stats(&f->g).driver_decoded_nbytes, ==, c.bytes_driver_decoded);
	return c.bytes_driver_decoded;
}

static void not_by_itself(void)
{
	struct ds_vulkan_buffer_detail d = trusted();
	struct fixture f;

	/* The configuration does not say so: it is not even enabled. */
	fixture_open(&f, 0, DS_VULKAN_PATH_AUTO);
	REQUIRE_CMP(atomic_load(&watch.driver_devices), ==, 0);
	REQUIRE_CMP(decode_one(&f, &d), ==, 0);
	fixture_close(&f);
	/* The request does not. */
	fixture_open(&f, DS_VULKAN_USE_DRIVER_DECODE, DS_VULKAN_PATH_AUTO);
	REQUIRE_CMP(atomic_load(&watch.driver_devices), ==, 1);
	REQUIRE_CMP(decode_one(&f, NULL), ==, 0);
	fixture_close(&f);
	/* The driver has it for other formats. */
	atomic_store(&watch.lacks_gdeflate, true);
	fixture_open(&f, DS_VULKAN_USE_DRIVER_DECODE, DS_VULKAN_PATH_AUTO);
	REQUIRE_CMP(atomic_load(&watch.driver_devices), ==, 0);
	REQUIRE_CMP(decode_one(&f, &d), ==, 0);
	fixture_close(&f);
	REQUIRE_CMP(atomic_load(&watch.driver_regions), ==, 0);
}

/* The shader's and the driver's requests in turn, in the same batches. */
static void mixed(int32_t path)
{
	struct ds_vulkan_buffer_detail d = trusted();
	struct fixture f;
	uint64_t nr_tiles;

	fixture_open(&f, DS_VULKAN_USE_DRIVER_DECODE, path);
	nr_tiles = (NBYTES + 65535) / 65536;
	for (unsigned i = 0; i < 8; i++) {
		struct ds_request r = decode_to(&f, i * NBYTES, i % 2 ? &d : NULL);

		r.tag = i;
		enqueue(f.g.q, &r);
	}
	REQUIRE_OK(ds_queue_submit(f.g.q));
	for (unsigned i = 0; i < 8; i++) {
		struct ds_completion c = take(f.g.q);

		require_complete(&c, NBYTES);
		REQUIRE_CMP(c.bytes_device_decoded, ==, NBYTES);
		REQUIRE_CMP(c.bytes_driver_decoded, ==, c.tag % 2 ? NBYTES : 0);
	}
	for (unsigned i = 0; i < 8; i++)
		rig_require_pattern(&f.g, &f.buf, i * NBYTES, NBYTES, SEED, 0);
	REQUIRE_CMP(rig_stats(&f.g).driver_decodes, >=, 4);
	REQUIRE_CMP(rig_stats(&f.g).driver_decoded_nbytes, ==, 4 * NBYTES);
	REQUIRE_CMP(rig_stats(&f.g).decoded_nbytes, ==, 8 * NBYTES);
	REQUIRE_CMP(atomic_load(&watch.driver_regions), ==, 4 * nr_tiles);
	REQUIRE_CMP(atomic_load(&watch.driver_regions_bad), ==, 0);
	fixture_close(&f);
}

static void where_it_lies(void)
{
	mixed(DS_VULKAN_PATH_AUTO);
}

static void copied_first(void)
{
	mixed(DS_VULKAN_PATH_STAGED);
}

/* What the extension does not take is the shader's. The watch has an eye on addresses. */
static void at_odd_places(void)
{
	struct ds_vulkan_buffer_detail d = trusted();
	struct ds_file *file;
	struct ds_request r;
	struct fixture f;
	uint8_t *bytes;

	fixture_open(&f, DS_VULKAN_USE_DRIVER_DECODE, DS_VULKAN_PATH_AUTO);
	bytes = calloc(1, f.st.nbytes + 5);
	REQUIRE(bytes);
	memcpy(bytes + 5, f.st.bytes, f.st.nbytes);
	file = rig_file(&f.g, "stream", bytes, f.st.nbytes + 5, 0);
	for (unsigned i = 0; i < 2; i++) {
		struct ds_completion c;

		r = decode_to(&f, i ? 3 : 4, &d);
		r.source = (struct ds_location){ .kind = DS_LOCATION_FILE,
						 .offset = 5,
						 .nbytes = f.st.nbytes };
		r.source.file = file;
		c = run_ok(f.g.q, &r);
		REQUIRE_CMP(c.bytes_driver_decoded, ==, i ? 0 : NBYTES);
		rig_require_pattern(&f.g, &f.buf, i ? 3 : 4, NBYTES, SEED, 0);
	}
	ds_file_close(file);
	free(bytes);
	fixture_close(&f);
}

/* Heads are checked whoever decodes. Of the tiles nobody says anything: that is what trust means. */
static void damaged(void)
{
	struct ds_vulkan_buffer_detail d = trusted();
	struct ds_completion c;
	struct ds_request r;
	struct fixture f;
	unsigned before;

	fixture_open(&f, DS_VULKAN_USE_DRIVER_DECODE, DS_VULKAN_PATH_AUTO);
	r = decode_to(&f, 0, &d);
	/* Format, number of tiles, and where the second one and the third one lie. */
	for (unsigned i = 0; i < 6; i++) {
		uint8_t *byte = f.st.bytes + (i < 4 ? i : 4 * i - 1), was = *byte;

		*byte = (uint8_t)~was;
		REQUIRE_CMP(run(f.g.q, &r).status, ==, DS_STATUS_FAILED);
		*byte = was;
	}
	REQUIRE_CMP(atomic_load(&watch.driver_regions), ==, 0);
	before = atomic_load(&watch.driver_regions_bad);
	/* The first tile's first block is of no type that there is. */
	memset(f.st.bytes + 8 + 4 * (NBYTES / 65536 + 1), 0xff, 128);
	c = run_ok(f.g.q, &r);
	REQUIRE_CMP(c.bytes_driver_decoded, ==, NBYTES);
	REQUIRE_CMP(atomic_load(&watch.driver_regions_bad), >, before);
	r.destination.detail = NULL;
	run_fails(f.g.q, &r, DS_ERR_CORRUPT_DATA);
	fixture_close(&f);
}

static void into_images(void)
{
	static const VkExtent3D extent = { 100, 90, 1 };
	struct ds_vulkan_image_detail d = DS_VULKAN_IMAGE_DETAIL_INIT;
	uint64_t nbytes = UINT64_C(4) * 100 * 90;
	struct ds_completion c;
	struct ds_request r;
	struct picture p;
	struct fixture f;
	uint8_t *got;

	fixture_open(&f, DS_VULKAN_USE_DRIVER_DECODE, DS_VULKAN_PATH_AUTO);
	stream_free(&f.st);
	REQUIRE(stream_make(&f.st, DS_CODEC_GDEFLATE, nbytes, SEED));
	picture_create(&p, &f.g, VK_FORMAT_R8G8B8A8_UNORM, extent, 1, 1);
	d.flags = DS_VULKAN_TRUSTED;
	d.block_nbytes = 4;
	d.image_width = extent.width;
	d.image_height = extent.height;
	r = decode_to(&f, 0, NULL);
	r.uncompressed_nbytes = nbytes;
	r.destination = (struct ds_location){
		.kind = DS_LOCATION_VULKAN_IMAGE,
		.object = ds_vulkan_object(p.image),
		.nbytes = nbytes,
		.detail = &d,
	};
	c = run_ok(f.g.q, &r);
	REQUIRE_CMP(c.bytes_driver_decoded, ==, nbytes);
	got = picture_read(&p, &f.g, 0, 0, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL, nbytes);
	pattern_require(got, nbytes, SEED, 0);
	free(got);
	picture_destroy(&p);
	fixture_close(&f);
}

/* On a device of the caller's, if it says that it has enabled the extension, and that is so. */
static void on_a_shared_device(void)
{
	struct ds_vulkan_handles h = DS_VULKAN_HANDLES_INIT;
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;
	struct ds_vulkan_buffer_detail d = trusted();
	struct ds_backend *be = NULL;
	struct fixture owner, f;
	struct ds_request r;

	fixture_open(&owner, DS_VULKAN_USE_DRIVER_DECODE, DS_VULKAN_PATH_AUTO);
	f = owner;
	REQUIRE_OK(ds_vulkan_get_handles(owner.g.be, &h));
	v.get_instance_proc_addr = watch_get_instance_proc_addr;
	v.instance = h.instance;
	v.physical_device = h.physical_device;
	v.device = h.device;
	v.compute_queue.queue = h.queue;
	v.compute_queue.family = h.queue_family;
	v.decode = DS_VULKAN_DECODE_GPU;
	v.flags = DS_VULKAN_USE_DRIVER_DECODE;
	for (unsigned i = 0; i < 2; i++) {
		v.features = DS_VULKAN_FEATURE_SYNC | DS_VULKAN_FEATURE_DECODE |
			     (i ? DS_VULKAN_FEATURE_DRIVER_DECODE : 0u);
		REQUIRE_OK(ds_make_vulkan_backend(NULL, &v, &f.g.be));
		REQUIRE_OK(ds_queue_create(f.g.be, NULL, &f.g.q));
		f.buf = rig_buffer(&f.g, NBYTES);
		r = decode_to(&f, 0, &d);
		REQUIRE_CMP(run_ok(f.g.q, &r).bytes_driver_decoded, ==, i ? NBYTES : 0);
		rig_require_pattern(&f.g, &f.buf, 0, NBYTES, SEED, 0);
		ds_vulkan_buffer_destroy(f.g.be, &f.buf);
		REQUIRE_OK(ds_queue_destroy(f.g.q));
		ds_backend_destroy(f.g.be);
	}
	atomic_store(&watch.lacks_gdeflate, true);
	REQUIRE_RESULT(ds_make_vulkan_backend(NULL, &v, &be), DS_ERR_INVALID_ARGUMENT);
	fixture_close(&owner);
}

/* The watch decodes where addresses are the host's. */
static bool has_host_addresses(void)
{
	struct ds_vulkan_device_info info = DS_VULKAN_DEVICE_INFO_INIT;
	uint32_t nr = 0;

	return !ds_vulkan_enumerate_devices(&info, 1, &nr, NULL, 0) && nr &&
	       info.type == VK_PHYSICAL_DEVICE_TYPE_CPU;
}

int main(int argc, char **argv)
{
	static const struct rig_entry tests[] = {
		RIG_TEST(not_by_itself),      RIG_TEST(where_it_lies), RIG_TEST(copied_first),
		RIG_TEST(at_odd_places),      RIG_TEST(damaged),       RIG_TEST(into_images),
		RIG_TEST(on_a_shared_device),
	};

	if (!has_host_addresses())
		return 77;
	return rig_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}

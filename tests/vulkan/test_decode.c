/* SPDX-License-Identifier: MIT */
/*
 * test_decode.c: compressed streams into buffers, decoded by the GPU or by the CPU on their way.
 */
#include <stdlib.h>
#include <string.h>

#include "rig.h"

static struct ds_vulkan_config way(int32_t decode, int32_t path)
{
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;

	v.decode = decode;
	v.path = path;
	return v;
}

static struct ds_request decode_to(struct ds_file *file, uint64_t at, const struct stream *st,
				   uint32_t codec, const struct ds_vulkan_buffer *buf,
				   uint64_t offset)
{
	struct ds_request r = to_buffer(file, at, st->nbytes, buf, offset);

	r.codec = codec;
	r.uncompressed_nbytes = st->uncompressed_nbytes;
	r.destination.nbytes = st->uncompressed_nbytes;
	return r;
}

/* A file with `at` bytes before the stream, so that it may lie anywhere. */
static struct ds_file *stream_file(struct rig *g, const struct stream *st, uint64_t at,
				   uint32_t flags)
{
	uint8_t *bytes = calloc(1, at + st->nbytes);
	struct ds_file *file;

	REQUIRE(bytes);
	memcpy(bytes + at, st->bytes, st->nbytes);
	file = rig_file(g, "stream", bytes, at + st->nbytes, flags);
	free(bytes);
	return file;
}

/* One stream, at several places of file and buffer; nothing around it changes. */
static void decode_places(const struct ds_vulkan_config *v, uint32_t codec, uint64_t nbytes)
{
	static const uint64_t file_at[] = { 0, 4096, 5 };
	static const uint64_t buffer_at[] = { 0, 3, 256 };
	const uint64_t room = nbytes + 1024;
	struct rig g;
	struct stream st;

	rig_open(&g, v, NULL);
	if (!stream_make(&st, codec, nbytes, 7)) {
		rig_close(&g);
		return;
	}
	for (size_t i = 0; i < 3; i++) {
		struct ds_file *file = stream_file(&g, &st, file_at[i],
						   i == 1 ? DS_FILE_DIRECT : DS_FILE_BUFFERED);
		struct ds_vulkan_buffer buf = rig_buffer(&g, room);
		struct ds_request r = decode_to(file, file_at[i], &st, codec, &buf, buffer_at[i]);
		bool by_gpu = v->decode == DS_VULKAN_DECODE_GPU && codec == DS_CODEC_GDEFLATE;
		struct ds_completion c;
		uint8_t *all;

		rig_fill(&g, &buf, 0xcd);
		c = run_ok(g.q, &r);
		REQUIRE_CMP(c.bytes_device_decoded, ==, by_gpu ? nbytes : 0);
		all = rig_read_back(&g, &buf, 0, room);
		pattern_require(all + buffer_at[i], nbytes, 7, 0);
		REQUIRE(bytes_are(all, buffer_at[i], 0xcd));
		REQUIRE(bytes_are(all + buffer_at[i] + nbytes, room - buffer_at[i] - nbytes, 0xcd));
		free(all);
		ds_vulkan_buffer_destroy(g.be, &buf);
		ds_file_close(file);
	}
	stream_free(&st);
	rig_close(&g);
}

static void places(int32_t decode, int32_t path)
{
	const struct ds_vulkan_config v = way(decode, path);

	decode_places(&v, DS_CODEC_GDEFLATE, 1);
	decode_places(&v, DS_CODEC_GDEFLATE, 65536);
	decode_places(&v, DS_CODEC_GDEFLATE, 300001);
	decode_places(&v, DS_CODEC_ZSTD, 300001);
}

static void by_gpu(void)
{
	places(DS_VULKAN_DECODE_GPU, DS_VULKAN_PATH_AUTO);
}

static void by_gpu_with_copies(void)
{
	places(DS_VULKAN_DECODE_GPU, DS_VULKAN_PATH_STAGED);
}

static void by_cpu(void)
{
	places(DS_VULKAN_DECODE_CPU, DS_VULKAN_PATH_AUTO);
}

static void by_cpu_staged(void)
{
	places(DS_VULKAN_DECODE_CPU, DS_VULKAN_PATH_STAGED);
}

/* Streams larger than a window come in several operations, also from memory. */
static void larger_than_a_window(void)
{
	const uint64_t nbytes = 6 * MIB + 11;
	struct ds_vulkan_config v = way(DS_VULKAN_DECODE_GPU, DS_VULKAN_PATH_STAGED);
	struct ds_backend_config c = DS_BACKEND_CONFIG_INIT;
	struct ds_vulkan_buffer buf;
	struct ds_request r;
	struct ds_file *file;
	struct stream st;
	struct rig g;

	c.staging_nbytes = 2 * MIB;
	c.chunk_nbytes = 64 * KIB;
	rig_open(&g, &v, &c);
	/* What does not compress gives the largest streams. */
	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, nbytes, 8));
	file = stream_file(&g, &st, 0, 0);
	buf = rig_buffer(&g, nbytes);
	r = decode_to(file, 0, &st, DS_CODEC_GDEFLATE, &buf, 0);
	REQUIRE_CMP(run_ok(g.q, &r).bytes_device_decoded, ==, nbytes);
	rig_require_pattern(&g, &buf, 0, nbytes, 8, 0);
	REQUIRE_CMP(rig_stats(&g).decodes, >, 1);

	rig_fill(&g, &buf, 0);
	r.source = (struct ds_location){ .kind = DS_LOCATION_MEMORY, .nbytes = st.nbytes };
	r.source.data = st.bytes;
	REQUIRE_CMP(run_ok(g.q, &r).bytes_device_decoded, ==, nbytes);
	rig_require_pattern(&g, &buf, 0, nbytes, 8, 0);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	stream_free(&st);
	rig_close(&g);
}

/* All tiles of what is waiting go into few dispatches. */
static void many_in_a_dispatch(void)
{
	enum {
		NR = 64
	};
	const uint64_t nbytes = 5000;
	struct ds_vulkan_config v = way(DS_VULKAN_DECODE_GPU, DS_VULKAN_PATH_AUTO);
	struct ds_vulkan_stats stats;
	struct ds_vulkan_buffer buf;
	struct ds_request r;
	struct stream st;
	struct rig g;

	rig_open(&g, &v, NULL);
	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, nbytes, 9));
	buf = rig_buffer(&g, NR * nbytes);
	/* Something that keeps the queue busy while all others come in. */
	rig_fill(&g, &buf, 0);
	stats = rig_stats(&g);
	watch_hold();
	for (uint64_t i = 0; i < NR; i++) {
		r = decode_to(NULL, 0, &st, DS_CODEC_GDEFLATE, &buf, i * nbytes);
		r.source = (struct ds_location){ .kind = DS_LOCATION_MEMORY, .nbytes = st.nbytes };
		r.source.data = st.bytes;
		start(g.q, &r);
	}
	watch_let_go();
	wait_idle(g.q);
	for (uint64_t i = 0; i < NR; i++) {
		struct ds_completion c = take(g.q);

		require_complete(&c, nbytes);
	}
	for (uint64_t i = 0; i < NR; i++)
		rig_require_pattern(&g, &buf, i * nbytes, nbytes, 9, 0);
	REQUIRE_CMP(rig_stats(&g).decodes - stats.decodes, ==, NR);
	REQUIRE_CMP(rig_stats(&g).tiles - stats.tiles, ==, NR);
	ds_vulkan_buffer_destroy(g.be, &buf);
	stream_free(&st);
	rig_close(&g);
}

/* A damaged tile fails its own request alone, and whatever it does stays inside its place. */
static void damaged(void)
{
	const uint64_t nbytes = 200000, room = nbytes + 8192;
	struct ds_vulkan_config v = way(DS_VULKAN_DECODE_GPU, DS_VULKAN_PATH_AUTO);
	struct ds_vulkan_buffer bad, good;
	struct ds_request r;
	struct stream st;
	struct rig g;
	uint64_t state = 1;
	unsigned nr_failed = 0;

	rig_open(&g, &v, NULL);
	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, nbytes, 11));
	bad = rig_buffer(&g, room);
	good = rig_buffer(&g, nbytes);
	for (unsigned i = 0; i < 12; i++) {
		struct ds_file *file = stream_file(&g, &st, 0, 0);
		struct ds_file *broken;
		struct ds_completion c[2];
		uint8_t *copy = malloc(st.nbytes), *all;

		memcpy(copy, st.bytes, st.nbytes);
		for (unsigned k = 0; k < 20; k++) {
			state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
			copy[64 + (state >> 33) % (st.nbytes - 64)] ^= (uint8_t)(1u << (k % 8));
		}
		broken = rig_file(&g, "broken", copy, st.nbytes, 0);
		rig_fill(&g, &bad, 0xcd);
		rig_fill(&g, &good, 0);
		r = decode_to(broken, 0, &st, DS_CODEC_GDEFLATE, &bad, 4096);
		r.user_data = &bad;
		enqueue(g.q, &r);
		r = decode_to(file, 0, &st, DS_CODEC_GDEFLATE, &good, 0);
		start(g.q, &r);
		c[0] = take(g.q);
		c[1] = take(g.q);
		if (!c[0].user_data) {
			struct ds_completion swap = c[0];

			c[0] = c[1];
			c[1] = swap;
		}
		require_complete(&c[1], nbytes);
		rig_require_pattern(&g, &good, 0, nbytes, 11, 0);
		if (c[0].result) {
			require_failed_with(&c[0], DS_ERR_CORRUPT_DATA);
			nr_failed++;
		}
		all = rig_read_back(&g, &bad, 0, room);
		REQUIRE(bytes_are(all, 4096, 0xcd));
		REQUIRE(bytes_are(all + 4096 + nbytes, 4096, 0xcd));
		free(all);
		free(copy);
		ds_file_close(file);
		ds_file_close(broken);
	}
	REQUIRE_CMP(nr_failed, >, 6);
	ds_vulkan_buffer_destroy(g.be, &bad);
	ds_vulkan_buffer_destroy(g.be, &good);
	stream_free(&st);
	rig_close(&g);
}

/* Who decodes by itself: on a device that is the CPU, never the device. */
static void by_choice(void)
{
	const uint64_t nbytes = 300000;
	struct ds_vulkan_device_info info = DS_VULKAN_DEVICE_INFO_INIT;
	struct ds_vulkan_buffer buf;
	struct ds_request r;
	struct ds_completion c;
	struct ds_file *file;
	struct stream st;
	struct rig g;

	rig_open(&g, NULL, NULL);
	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, nbytes, 7));
	REQUIRE_OK(ds_vulkan_get_device_info(g.be, &info));
	file = stream_file(&g, &st, 0, 0);
	buf = rig_buffer(&g, nbytes);
	for (unsigned i = 0; i < 4; i++) {
		r = decode_to(file, 0, &st, DS_CODEC_GDEFLATE, &buf, 0);
		c = run_ok(g.q, &r);
		REQUIRE(c.bytes_device_decoded == 0 || c.bytes_device_decoded == nbytes);
		if (info.type == VK_PHYSICAL_DEVICE_TYPE_CPU) {
			REQUIRE_CMP(info.decode, ==, DS_VULKAN_DECODE_CPU);
			REQUIRE_CMP(c.bytes_device_decoded, ==, 0);
		}
		rig_require_pattern(&g, &buf, 0, nbytes, 7, 0);
	}
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	stream_free(&st);
	rig_close(&g);
}

/* A GPU that has subgroups of 64 only gets the shader that has no use for them. */
static void by_subgroups_of_64(void)
{
	struct ds_vulkan_config v = way(DS_VULKAN_DECODE_GPU, DS_VULKAN_PATH_AUTO);
	struct ds_vulkan_device_info info = DS_VULKAN_DEVICE_INFO_INIT;
	struct ds_vulkan_buffer buf;
	struct ds_file *file;
	struct ds_request r;
	struct stream st;
	struct rig g;

	atomic_store(&watch.subgroup_size, 64);
	rig_open(&g, &v, NULL);
	REQUIRE_OK(ds_vulkan_get_device_info(g.be, &info));
	REQUIRE_CMP(info.subgroup_min, ==, 64);
	REQUIRE_CMP(info.decode, ==, DS_VULKAN_DECODE_GPU);
	REQUIRE_CMP(info.decode_is_native, ==, 0);
	buf = rig_buffer(&g, 100000);
	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, 100000, 7));
	file = stream_file(&g, &st, 0, 0);
	r = decode_to(file, 0, &st, DS_CODEC_GDEFLATE, &buf, 0);
	REQUIRE_CMP(run_ok(g.q, &r).bytes_device_decoded, ==, 100000);
	rig_require_pattern(&g, &buf, 0, 100000, 7, 0);
	atomic_store(&watch.subgroup_size, 0);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	stream_free(&st);
	rig_close(&g);
}

int main(int argc, char **argv)
{
	static const struct rig_entry tests[] = {
		RIG_TEST(by_gpu),
		RIG_TEST(by_gpu_with_copies),
		RIG_TEST(by_cpu),
		RIG_TEST(by_cpu_staged),
		RIG_TEST(larger_than_a_window),
		RIG_TEST(many_in_a_dispatch),
		RIG_TEST(damaged),
		RIG_TEST(by_subgroups_of_64),
		RIG_TEST(by_choice),
	};

	return rig_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}

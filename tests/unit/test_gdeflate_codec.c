/* SPDX-License-Identifier: MIT */
/*
 * test_gdeflate_codec.c: the codec object: the same streams with any number of threads, in
 * memory and through pipes; damage, failing pipes and failing allocators.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ds_gdeflate.h"

enum {
	TILE = DS_GDEFLATE_TILE_NBYTES,
	MAX_NBYTES = 40 * TILE + 777,
};

static uint8_t data[MAX_NBYTES];

/* Half of it can be packed. */
static int fill_data(void **state)
{
	uint32_t v = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++) {
		v = v * 1664525u + 1013904223u;
		data[i] = (uint8_t)(i / 5000 % 2 ? i % 97 : v >> 24);
	}
	return 0;
}

static struct ds_gdeflate_codec *create(unsigned nr_threads, unsigned level,
					const struct ds_gdeflate_allocator *allocator)
{
	struct ds_gdeflate_codec_config cfg = DS_GDEFLATE_CODEC_CONFIG_INIT;
	struct ds_gdeflate_codec *codec = NULL;

	cfg.nr_threads = nr_threads;
	cfg.level = level;
	cfg.allocator = allocator;
	assert_int_equal(ds_gdeflate_codec_create(&cfg, &codec), DS_OK);
	return codec;
}

static uint8_t *must_alloc(size_t nbytes)
{
	uint8_t *p = malloc(nbytes ? nbytes : 1);

	assert_non_null(p);
	return p;
}

/* The stream that everything is held against. */
static uint8_t *compress_plainly(int level, size_t nbytes, size_t *stream_nbytes)
{
	size_t room = (size_t)ds_gdeflate_bound(nbytes);
	uint8_t *stream = must_alloc(room);

	assert_int_equal(ds_gdeflate_compress(level, data, nbytes, stream, room, stream_nbytes),
			 DS_OK);
	return stream;
}

/* -------------------------------------------------------------------- pipes */

struct memory_pipe {
	const uint8_t *in;
	size_t in_nbytes;
	size_t in_at;
	uint8_t *out;
	size_t out_room;
	size_t out_nbytes;  /* the farthest */
	unsigned nr_reads;  /* until it fails; 0: never */
	unsigned nr_writes; /* likewise */
};

static ds_result pipe_read(void *user, void *to, size_t nbytes, size_t *got)
{
	struct memory_pipe *p = user;
	size_t left = p->in_nbytes - p->in_at;

	if (p->nr_reads && !--p->nr_reads)
		return DS_ERR_PERMISSION;
	*got = nbytes < left ? nbytes : left;
	memcpy(to, p->in + p->in_at, *got);
	p->in_at += *got;
	return DS_OK;
}

static ds_result pipe_write(void *user, const void *from, size_t nbytes, uint64_t offset)
{
	struct memory_pipe *p = user;

	if (p->nr_writes && !--p->nr_writes)
		return DS_ERR_NO_SPACE;
	assert_true(offset + nbytes <= p->out_room);
	memcpy(p->out + offset, from, nbytes);
	if (offset + nbytes > p->out_nbytes)
		p->out_nbytes = (size_t)offset + nbytes;
	return DS_OK;
}

static struct ds_gdeflate_pipe pipe_of(struct memory_pipe *m)
{
	struct ds_gdeflate_pipe p = DS_GDEFLATE_PIPE_INIT;

	p.read = pipe_read;
	p.write = pipe_write;
	p.user = m;
	return p;
}

static struct memory_pipe memory_pipe(const uint8_t *in, size_t in_nbytes, size_t out_room)
{
	return (struct memory_pipe){
		.in = in,
		.in_nbytes = in_nbytes,
		.out = must_alloc(out_room),
		.out_room = out_room,
	};
}

/* -------------------------------------------------------------------- tests */

static void check_sizes(struct ds_gdeflate_codec *codec, int level, size_t nbytes)
{
	struct ds_gdeflate_passage passage = DS_GDEFLATE_PASSAGE_INIT;
	size_t stream_nbytes, room = (size_t)ds_gdeflate_bound(nbytes), n = 0;
	uint8_t *stream = compress_plainly(level, nbytes, &stream_nbytes), *out = must_alloc(room);
	struct memory_pipe m = memory_pipe(data, nbytes, room);
	struct ds_gdeflate_pipe p = pipe_of(&m);

	assert_int_equal(ds_gdeflate_codec_compress(codec, data, nbytes, out, room, &n), DS_OK);
	assert_int_equal(n, stream_nbytes);
	assert_memory_equal(out, stream, n);
	assert_int_equal(
		ds_gdeflate_codec_compress(codec, data, nbytes, out, stream_nbytes - 1, &n),
		DS_ERR_DESTINATION_TOO_SMALL);
	assert_int_equal(ds_gdeflate_codec_compress_pipe(codec, &p, nbytes, &passage), DS_OK);
	assert_int_equal(m.out_nbytes, stream_nbytes);
	assert_memory_equal(m.out, stream, stream_nbytes);
	assert_true(passage.in_nbytes == nbytes && passage.out_nbytes == stream_nbytes);
	assert_int_equal(passage.failed_tile, passage.nr_tiles);
	free(m.out);
	free(out);

	out = must_alloc(nbytes);
	assert_int_equal(ds_gdeflate_codec_decompress(codec, stream, stream_nbytes, out, nbytes),
			 DS_OK);
	assert_memory_equal(out, data, nbytes);
	assert_int_equal(
		ds_gdeflate_codec_decompress(codec, stream, stream_nbytes, out, nbytes + 1),
		DS_ERR_SIZE_MISMATCH);
	m = memory_pipe(stream, stream_nbytes, nbytes);
	p = pipe_of(&m);
	assert_int_equal(ds_gdeflate_codec_decompress_pipe(codec, &p, &passage), DS_OK);
	assert_int_equal(m.out_nbytes, nbytes);
	assert_memory_equal(m.out, data, nbytes);
	assert_true(passage.in_nbytes == stream_nbytes && passage.out_nbytes == nbytes);
	free(m.out);
	free(out);
	free(stream);
}

static void test_same_streams(void **state)
{
	static const size_t sizes[] = { 0, 1, TILE, TILE + 1, 9 * TILE, 20 * TILE - 5, MAX_NBYTES };

	(void)state;
	for (unsigned nr_threads = 1; nr_threads <= 4; nr_threads++)
		for (unsigned level = 1; level <= 6; level += 5) {
			struct ds_gdeflate_codec *codec = create(nr_threads, level, NULL);

			for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
				check_sizes(codec, (int)level, sizes[i]);
			ds_gdeflate_codec_destroy(codec);
		}
}

/* What lies before a damaged tile comes out, and nothing of it or of what follows. */
static void test_damage(void **state)
{
	struct ds_gdeflate_codec *codec = create(3, 1, NULL);
	size_t stream_nbytes;
	uint8_t *stream = compress_plainly(1, MAX_NBYTES, &stream_nbytes);
	uint8_t *out = must_alloc(MAX_NBYTES);

	(void)state;
	for (uint32_t tile = 0; tile < 41; tile += 5) {
		struct ds_gdeflate_passage passage = DS_GDEFLATE_PASSAGE_INIT;
		struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;
		struct memory_pipe m = memory_pipe(stream, stream_nbytes, MAX_NBYTES);
		struct ds_gdeflate_pipe p = pipe_of(&m);
		uint32_t n, un;
		uint64_t offset;
		uint8_t was;

		assert_int_equal(ds_gdeflate_parse_header(stream, stream_nbytes, &info), DS_OK);
		ds_gdeflate_tile_range(stream, &info, tile, &offset, &n, &un);
		was = stream[offset];
		stream[offset] = 7; /* a block of a type that does not exist */
		assert_int_equal(ds_gdeflate_codec_decompress_pipe(codec, &p, &passage),
				 DS_ERR_CORRUPT_DATA);
		assert_int_equal(passage.nr_tiles, 41);
		assert_int_equal(passage.failed_tile, tile);
		assert_int_equal(passage.out_nbytes, (uint64_t)tile * TILE);
		assert_int_equal(m.out_nbytes, (uint64_t)tile * TILE);
		assert_memory_equal(m.out, data, m.out_nbytes);
		assert_int_equal(
			ds_gdeflate_codec_decompress(codec, stream, stream_nbytes, out, MAX_NBYTES),
			DS_ERR_CORRUPT_DATA);
		stream[offset] = was;
		free(m.out);
	}
	free(out);
	free(stream);
	ds_gdeflate_codec_destroy(codec);
}

static void test_ends_early(void **state)
{
	struct ds_gdeflate_codec *codec = create(2, 1, NULL);
	size_t stream_nbytes, n = 12 * TILE;
	uint8_t *stream = compress_plainly(1, n, &stream_nbytes);

	(void)state;
	for (size_t keep = 0; keep < stream_nbytes; keep += keep < 80 ? 7 : stream_nbytes / 9) {
		struct memory_pipe m = memory_pipe(stream, keep, n);
		struct ds_gdeflate_pipe p = pipe_of(&m);

		assert_int_equal(ds_gdeflate_codec_decompress_pipe(codec, &p, NULL),
				 DS_ERR_END_OF_FILE);
		assert_memory_equal(m.out, data, m.out_nbytes);
		free(m.out);
	}
	for (size_t keep = 0; keep < n; keep += n / 5) {
		struct memory_pipe m = memory_pipe(data, keep, (size_t)ds_gdeflate_bound(n));
		struct ds_gdeflate_pipe p = pipe_of(&m);

		assert_int_equal(ds_gdeflate_codec_compress_pipe(codec, &p, n, NULL),
				 DS_ERR_END_OF_FILE);
		free(m.out);
	}
	free(stream);
	ds_gdeflate_codec_destroy(codec);
}

/* A tile that claims megabytes would need them before it shows that it is damaged. */
static void test_greedy_table(void **state)
{
	static const uint8_t greedy[12] = { 4, 0xfb, 1, 0, 1, 0, 0, 0, 0xfc, 0xff, 0xff, 0xff };
	struct ds_gdeflate_passage passage = DS_GDEFLATE_PASSAGE_INIT;
	struct ds_gdeflate_codec *codec = create(2, 1, NULL);
	struct memory_pipe m = memory_pipe(greedy, sizeof(greedy), TILE);
	struct ds_gdeflate_pipe p = pipe_of(&m);

	(void)state;
	assert_int_equal(ds_gdeflate_codec_decompress_pipe(codec, &p, &passage),
			 DS_ERR_CORRUPT_DATA);
	assert_true(passage.failed_tile == 0 && passage.nr_tiles == 1);
	free(m.out);
	ds_gdeflate_codec_destroy(codec);
}

/* A failing end ends the call with its result, and the codec goes on with the next stream. */
static void test_failing_pipes(void **state)
{
	struct ds_gdeflate_codec *codec = create(3, 1, NULL);
	size_t stream_nbytes, n = MAX_NBYTES;
	uint8_t *stream = compress_plainly(1, n, &stream_nbytes);

	(void)state;
	for (unsigned i = 1; i <= 5; i++)
		for (unsigned is_read = 0; is_read < 2; is_read++) {
			ds_result expected = is_read ? DS_ERR_PERMISSION : DS_ERR_NO_SPACE;
			struct memory_pipe m = memory_pipe(data, n, (size_t)ds_gdeflate_bound(n));
			struct ds_gdeflate_pipe p = pipe_of(&m);

			*(is_read ? &m.nr_reads : &m.nr_writes) = i;
			assert_int_equal(ds_gdeflate_codec_compress_pipe(codec, &p, n, NULL),
					 expected);
			m.in = stream;
			m.in_nbytes = stream_nbytes;
			m.in_at = 0;
			m.nr_reads = is_read ? i : 0;
			m.nr_writes = is_read ? 0 : i;
			assert_int_equal(ds_gdeflate_codec_decompress_pipe(codec, &p, NULL),
					 expected);
			free(m.out);
		}
	check_sizes(codec, 1, 100000);
	free(stream);
	ds_gdeflate_codec_destroy(codec);
}

/* --------------------------------------------------------------- allocators */

struct counting {
	unsigned nr_left; /* allocations until none succeeds; 0: all do */
	unsigned nr_allocs;
	int nr_live;
};

static void *counting_alloc(void *user, size_t nbytes, size_t alignment)
{
	struct counting *c = user;

	if (c->nr_left && !--c->nr_left) {
		c->nr_left = 1;
		return NULL;
	}
	c->nr_allocs++;
	c->nr_live++;
	return aligned_alloc(alignment, (nbytes + alignment - 1) / alignment * alignment);
}

static void counting_free(void *user, void *memory)
{
	struct counting *c = user;

	assert_non_null(memory);
	c->nr_live--;
	free(memory);
}

static ds_result use_all(const struct ds_gdeflate_allocator *a)
{
	struct ds_gdeflate_codec_config cfg = DS_GDEFLATE_CODEC_CONFIG_INIT;
	struct ds_gdeflate_codec *codec;
	struct memory_pipe m = { 0 };
	struct ds_gdeflate_pipe p;
	size_t n = 3 * TILE, room = (size_t)ds_gdeflate_bound(n), stream_nbytes = 0;
	uint8_t *stream = must_alloc(room);
	ds_result ret;

	cfg.nr_threads = 2;
	cfg.level = 9;
	cfg.allocator = a;
	ret = ds_gdeflate_codec_create(&cfg, &codec);
	if (!ret) {
		ret = ds_gdeflate_codec_compress(codec, data, n, stream, room, &stream_nbytes);
		if (!ret) {
			m = memory_pipe(stream, stream_nbytes, n);
			p = pipe_of(&m);
			ret = ds_gdeflate_codec_decompress_pipe(codec, &p, NULL);
			free(m.out);
		}
		ds_gdeflate_codec_destroy(codec);
	}
	free(stream);
	return ret;
}

static void test_allocator(void **state)
{
	struct counting c = { 0 };
	struct ds_gdeflate_allocator a = { counting_alloc, counting_free, &c };
	unsigned nr_allocs;

	(void)state;
	assert_int_equal(use_all(&a), DS_OK);
	assert_int_equal(c.nr_live, 0);
	nr_allocs = c.nr_allocs;
	assert_true(nr_allocs > 10);
	for (unsigned i = 1; i <= nr_allocs; i++) {
		c = (struct counting){ .nr_left = i };
		assert_int_equal(use_all(&a), DS_ERR_NO_MEMORY);
		assert_int_equal(c.nr_live, 0);
	}
}

/* After the first stream in each direction, only tables are allocated. */
static void test_memory_is_kept(void **state)
{
	struct counting c = { 0 };
	struct ds_gdeflate_allocator a = { counting_alloc, counting_free, &c };
	struct ds_gdeflate_codec *codec = create(2, 1, &a);
	unsigned nr_allocs;
	int nr_live;

	(void)state;
	check_sizes(codec, 1, 100000);
	nr_allocs = c.nr_allocs;
	nr_live = c.nr_live;
	check_sizes(codec, 1, MAX_NBYTES);
	assert_int_equal(c.nr_live, nr_live);
	/* Compressing in memory twice, a table and a head for one pipe, a head for the other. */
	assert_int_equal(c.nr_allocs - nr_allocs, 5);
	ds_gdeflate_codec_destroy(codec);
	assert_int_equal(c.nr_live, 0);
}

static void test_coders_with_allocator(void **state)
{
	struct counting c = { 0 };
	struct ds_gdeflate_allocator a = { counting_alloc, counting_free, &c };
	struct ds_gdeflate_allocator bad = { counting_alloc, NULL, &c };
	struct ds_gdeflate_encoder *enc;
	struct ds_gdeflate_decoder *dec;
	uint8_t *out = must_alloc(DS_GDEFLATE_TILE_BOUND_NBYTES), *back = must_alloc(TILE);
	size_t n;

	(void)state;
	assert_int_equal(ds_gdeflate_encoder_create_with(&bad, 1, &enc), DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_decoder_create_with(&bad, &dec), DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_encoder_create_with(&a, 12, &enc), DS_OK);
	assert_int_equal(ds_gdeflate_decoder_create_with(&a, &dec), DS_OK);
	assert_int_equal(ds_gdeflate_encode_tile(enc, data, TILE, out, &n), DS_OK);
	assert_int_equal(ds_gdeflate_decode_tile(dec, out, n, back, TILE), DS_OK);
	assert_memory_equal(back, data, TILE);
	ds_gdeflate_encoder_destroy(enc);
	ds_gdeflate_decoder_destroy(dec);
	assert_int_equal(c.nr_live, 0);
	assert_int_equal(c.nr_allocs, 3);
	free(back);
	free(out);
}

static void test_bad_arguments(void **state)
{
	struct ds_gdeflate_codec_config cfg = DS_GDEFLATE_CODEC_CONFIG_INIT;
	struct memory_pipe m = { .in = data };
	struct ds_gdeflate_pipe p = pipe_of(&m);
	struct ds_gdeflate_codec *codec = NULL;
	size_t n;
	uint8_t byte;

	(void)state;
	cfg.nr_threads = 257;
	assert_int_equal(ds_gdeflate_codec_create(&cfg, &codec), DS_ERR_INVALID_ARGUMENT);
	cfg.nr_threads = 1;
	cfg.level = 13;
	assert_int_equal(ds_gdeflate_codec_create(&cfg, &codec), DS_ERR_INVALID_ARGUMENT);
	cfg.level = 0;
	cfg.reserved = 1;
	assert_int_equal(ds_gdeflate_codec_create(&cfg, &codec), DS_ERR_INVALID_ARGUMENT);
	cfg.reserved = 0;
	cfg.size = 4;
	assert_int_equal(ds_gdeflate_codec_create(&cfg, &codec), DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_codec_create(NULL, NULL), DS_ERR_INVALID_ARGUMENT);
	assert_null(codec);
	assert_int_equal(ds_gdeflate_codec_create(NULL, &codec), DS_OK);
	assert_int_equal(ds_gdeflate_codec_compress(NULL, data, 1, &byte, 1, &n),
			 DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_codec_compress(codec, data, 1, &byte, 1, &n),
			 DS_ERR_DESTINATION_TOO_SMALL);
	assert_int_equal(ds_gdeflate_codec_decompress(codec, NULL, 1, &byte, 1),
			 DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_codec_compress_pipe(
				 codec, &p, (uint64_t)DS_GDEFLATE_MAX_NBYTES + 1, NULL),
			 DS_ERR_OUT_OF_RANGE);
	p.write = NULL;
	assert_int_equal(ds_gdeflate_codec_compress_pipe(codec, &p, 1, NULL),
			 DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_codec_decompress_pipe(codec, NULL, NULL),
			 DS_ERR_INVALID_ARGUMENT);
	ds_gdeflate_codec_destroy(codec);
	ds_gdeflate_codec_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_streams),   cmocka_unit_test(test_damage),
		cmocka_unit_test(test_ends_early),     cmocka_unit_test(test_greedy_table),
		cmocka_unit_test(test_failing_pipes),  cmocka_unit_test(test_allocator),
		cmocka_unit_test(test_memory_is_kept), cmocka_unit_test(test_coders_with_allocator),
		cmocka_unit_test(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, fill_data, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_gdeflate.c: containers, the codec's interface, and round trips through every
 * level and every decoder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/gdeflate/decode.h"
#include "codec/gdeflate/encode.h"
#include "codec/gdeflate/gdeflate_codec.h"
#include "ds_gdeflate.h"
#include "test_gdeflate_util.h"

enum {
	TILE = DS_GDEFLATE_TILE_NBYTES,
	NR_LEVELS = DS_GDEFLATE_LEVEL_SMALLEST,
	GROWTH = DS_GDEFLATE_TILE_BOUND_NBYTES - DS_GDEFLATE_TILE_NBYTES,
};

/* ------------------------------------------------------------- containers */

static void test_bound(void **state)
{
	(void)state;
	assert_int_equal(ds_gdeflate_bound(0), 8);
	assert_int_equal(ds_gdeflate_bound(1), 8 + 4 + 1 + GROWTH);
	assert_int_equal(ds_gdeflate_bound(TILE), 8 + 4 + DS_GDEFLATE_TILE_BOUND_NBYTES);
	assert_int_equal(ds_gdeflate_bound(TILE + 1), 8 + 2 * (4 + GROWTH) + TILE + 1);
	assert_true(ds_gdeflate_bound(DS_GDEFLATE_MAX_NBYTES) > DS_GDEFLATE_MAX_NBYTES);
	assert_int_equal(ds_gdeflate_bound((uint64_t)DS_GDEFLATE_MAX_NBYTES + 1), 0);
	assert_int_equal(ds_gdeflate_bound(UINT64_MAX), 0);
}

static void test_empty_stream(void **state)
{
	static const uint8_t expected[8] = { 4, 0xfb, 0, 0, 1, 0, 0, 0 };
	uint8_t stream[8];
	size_t nbytes = 0;

	(void)state;
	assert_int_equal(ds_gdeflate_compress(6, NULL, 0, stream, 8, &nbytes), DS_OK);
	assert_int_equal(nbytes, 8);
	assert_memory_equal(stream, expected, 8);
	assert_int_equal(ds_gdeflate_decompress(stream, 8, NULL, 0), DS_OK);
	assert_int_equal(ds_gdeflate_decompress(stream, 8, stream, 1), DS_ERR_SIZE_MISMATCH);
	stream[4] = 1 | 1 << 2; /* no tiles, but a last one of one byte */
	assert_int_equal(ds_gdeflate_decompress(stream, 8, NULL, 0), DS_ERR_CORRUPT_DATA);
}

static void test_largest_container(void **state)
{
	uint32_t *sizes = malloc(DS_GDEFLATE_MAX_TILES * sizeof(*sizes));
	size_t head_nbytes = 8 + 4 * (size_t)DS_GDEFLATE_MAX_TILES;
	uint8_t *head = malloc(head_nbytes);
	struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;
	uint64_t offset, stream_nbytes;
	uint32_t nbytes, decoded;

	(void)state;
	assert_non_null(sizes);
	assert_non_null(head);
	for (uint32_t i = 0; i < DS_GDEFLATE_MAX_TILES; i++)
		sizes[i] = 65532;
	assert_int_equal(
		ds_gdeflate_write_head(sizes, DS_GDEFLATE_MAX_TILES, DS_GDEFLATE_MAX_NBYTES, head),
		DS_OK);
	assert_int_equal(ds_gdeflate_parse_header(head, head_nbytes, &info), DS_OK);
	assert_int_equal(info.nr_tiles, DS_GDEFLATE_MAX_TILES);
	assert_int_equal(info.uncompressed_nbytes, DS_GDEFLATE_MAX_NBYTES);
	assert_int_equal(info.head_nbytes, head_nbytes);
	stream_nbytes = head_nbytes + (uint64_t)DS_GDEFLATE_MAX_TILES * 65532;
	assert_int_equal(ds_gdeflate_check_table(head, &info, stream_nbytes), DS_OK);
	assert_int_equal(ds_gdeflate_check_table(head, &info, stream_nbytes - 1),
			 DS_ERR_CORRUPT_DATA);
	ds_gdeflate_tile_range(head, &info, DS_GDEFLATE_MAX_TILES - 1, &offset, &nbytes, &decoded);
	assert_int_equal(offset, stream_nbytes - 65532);
	assert_int_equal(nbytes, 65532);
	assert_int_equal(decoded, TILE);

	/* One more word in each tile, and the last one starts beyond 32 bits. */
	for (uint32_t i = 0; i < DS_GDEFLATE_MAX_TILES; i++)
		sizes[i] = DS_GDEFLATE_TILE_BOUND_NBYTES;
	assert_int_equal(
		ds_gdeflate_write_head(sizes, DS_GDEFLATE_MAX_TILES, DS_GDEFLATE_MAX_NBYTES, head),
		DS_ERR_OUT_OF_RANGE);
	free(sizes);
	free(head);
}

static void test_bad_arguments(void **state)
{
	struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;
	struct ds_gdeflate_encoder *enc = NULL;
	struct ds_gdeflate_decoder *dec = NULL;
	uint8_t buffer[1024] = { 0 };
	uint32_t sizes[2] = { 132, 132 };
	size_t nbytes = 77;

	(void)state;
	assert_int_equal(ds_gdeflate_encoder_create(-1, &enc), DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_encoder_create(13, &enc), DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_encoder_create(1, NULL), DS_ERR_INVALID_ARGUMENT);
	assert_null(enc);
	assert_int_equal(ds_gdeflate_compress(13, buffer, 1, buffer, 1024, &nbytes),
			 DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_compress(6, NULL, 1, buffer, 1024, &nbytes),
			 DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(nbytes, 77);
	assert_int_equal(ds_gdeflate_write_head(sizes, 2, TILE, buffer), DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_write_head(sizes, 0, 1, buffer), DS_ERR_INVALID_ARGUMENT);
	sizes[1] = 133;
	assert_int_equal(ds_gdeflate_write_head(sizes, 2, TILE + 1, buffer),
			 DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_parse_header(buffer, 7, &info), DS_ERR_CORRUPT_DATA);
	assert_int_equal(ds_gdeflate_parse_header(NULL, 8, &info), DS_ERR_INVALID_ARGUMENT);

	assert_int_equal(ds_gdeflate_encoder_create(0, &enc), DS_OK);
	assert_int_equal(ds_gdeflate_encode_tile(enc, buffer, 0, buffer, &nbytes),
			 DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_encode_tile(enc, buffer, TILE + 1, buffer, &nbytes),
			 DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_decoder_create(&dec), DS_OK);
	assert_int_equal(ds_gdeflate_decode_tile(dec, buffer, 132, buffer, 0),
			 DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_decode_tile(dec, buffer, 132, buffer, TILE + 1),
			 DS_ERR_INVALID_ARGUMENT);
	assert_int_equal(ds_gdeflate_decode_tile(dec, NULL, 0, buffer, 1), DS_ERR_CORRUPT_DATA);
	ds_gdeflate_encoder_destroy(enc);
	ds_gdeflate_encoder_destroy(NULL);
	ds_gdeflate_decoder_destroy(dec);
	ds_gdeflate_decoder_destroy(NULL);
}

/* ------------------------------------------------------------ round trips */

enum kind {
	RANDOM,
	NEARLY_RANDOM, /* so dense that coding hardly pays */
	ZERO,
	PERIODIC,
	TEXT,
	RECORDS, /* fields of 16 bytes, as in meshes and tables */
	MIXED,
	NR_KINDS,
};

static void fill_text(uint8_t *p, size_t n, uint64_t *seed)
{
	static const char *const words[] = { "the ",   "tile ", "of ",	   "lanes\n", "copies ",
					     "words ", "bits ", "stream ", "a ",      "huffman " };
	size_t at = 0;

	while (at < n) {
		const char *w = words[next_random(seed) % 10];

		while (*w && at < n)
			p[at++] = (uint8_t)*w++;
		if (next_random(seed) % 16 == 0 && at < n)
			p[at++] = (uint8_t)('0' + next_random(seed) % 10);
	}
}

static void fill(enum kind kind, uint8_t *p, size_t n, uint64_t *seed)
{
	size_t period = 1 + next_random(seed) % 40;

	switch (kind) {
	case RANDOM:
		for (size_t i = 0; i < n; i++)
			p[i] = (uint8_t)next_random(seed);
		break;
	case NEARLY_RANDOM:
		for (size_t i = 0; i < n; i++)
			p[i] = (uint8_t)(next_random(seed) % 252);
		break;
	case ZERO:
		memset(p, 0, n);
		break;
	case PERIODIC:
		for (size_t i = 0; i < n; i++)
			p[i] = i < period ? (uint8_t)next_random(seed) : p[i - period];
		break;
	case TEXT:
		fill_text(p, n, seed);
		break;
	case RECORDS:
		for (size_t i = 0; i < n; i++)
			p[i] = (uint8_t)(i % 16 < 4    ? i / 16 >> 8 * (i % 4)
					 : i % 16 < 12 ? next_random(seed) % 7
						       : 0);
		break;
	default:
		for (size_t i = 0; i < n; i += 4096)
			fill((enum kind)(next_random(seed) % MIXED), p + i,
			     n - i < 4096 ? n - i : 4096, seed);
	}
}

/* One encoder for each instruction set; all must give the same tiles. */
static void open_encoders(int level, struct ds_gdeflate_encoder **enc)
{
	for (unsigned path = 0; path < GD_NR_PATHS; path++) {
		enc[path] = NULL;
		if (path != GD_PATH_REFERENCE && ds_gd_has_path(path))
			assert_int_equal(ds_gd_encoder_create(level, path, &enc[path]), DS_OK);
	}
	assert_non_null(enc[GD_PATH_SCALAR]);
}

static void close_encoders(struct ds_gdeflate_encoder **enc)
{
	for (unsigned path = 0; path < GD_NR_PATHS; path++)
		ds_gdeflate_encoder_destroy(enc[path]);
}

static void check_tile(struct ds_gdeflate_encoder **enc, const uint8_t *data, size_t n,
		       const char *what)
{
	struct guarded in = guarded_copy(data, n, false), out, room, again;
	size_t nbytes = 0, nbytes2 = 0;

	room = guarded_alloc(n + GROWTH, false);
	again = guarded_alloc(n + GROWTH, true);
	/* Guard pages just behind the bound: more than that would be a crash. */
	assert_int_equal(
		ds_gdeflate_encode_tile(enc[GD_PATH_SCALAR], in.data, n, room.data, &nbytes),
		DS_OK);
	assert_true(nbytes % 4 == 0 && nbytes <= n + GROWTH);
	for (unsigned path = GD_PATH_SCALAR; path < GD_NR_PATHS; path++) {
		if (!enc[path])
			continue;
		assert_int_equal(
			ds_gdeflate_encode_tile(enc[path], in.data, n, again.data, &nbytes2),
			DS_OK);
		assert_int_equal(nbytes, nbytes2);
		assert_memory_equal(room.data, again.data, nbytes);
	}
	guarded_free(&again);
	again = guarded_copy(room.data, nbytes, false);

	for (unsigned path = 0; path < GD_NR_PATHS; path++) {
		struct ds_gdeflate_decoder *dec;
		ds_result ret;

		if (!ds_gd_has_path(path))
			continue;
		assert_int_equal(ds_gd_decoder_create(path, &dec), DS_OK);
		out = guarded_alloc(n, false);
		ret = ds_gdeflate_decode_tile(dec, again.data, nbytes, out.data, n);
		if (ret != DS_OK || memcmp(out.data, data, n) != 0)
			fail_msg("%s, %zu bytes, %s: result %d", what, n, ds_gd_path_name(path),
				 (int)ret);
		/* One byte more or less than was encoded is damage. */
		if (n > 1)
			assert_int_equal(ds_gdeflate_decode_tile(dec, again.data, nbytes,
								 out.data + 1, n - 1),
					 DS_ERR_CORRUPT_DATA);
		guarded_free(&out);
		if (n < TILE) {
			out = guarded_alloc(n + 1, false);
			assert_int_equal(
				ds_gdeflate_decode_tile(dec, again.data, nbytes, out.data, n + 1),
				DS_ERR_CORRUPT_DATA);
			guarded_free(&out);
		}
		ds_gdeflate_decoder_destroy(dec);
	}
	guarded_free(&in);
	guarded_free(&room);
	guarded_free(&again);
}

static void test_tiles(void **state)
{
	static const size_t sizes[] = { 1,   2,	  3,	4,    5,    7,	   8,	  31,	 32,
					33,  63,  64,	65,   100,  127,   129,	  255,	 258,
					259, 300, 1000, 4095, 4096, 20000, 65533, 65535, 65536 };
	static uint8_t data[TILE];

	(void)state;
	for (int level = 1; level <= NR_LEVELS; level++) {
		struct ds_gdeflate_encoder *enc[GD_NR_PATHS];
		uint64_t seed = (uint64_t)level;
		char what[64];

		open_encoders(level, enc);
		for (unsigned kind = 0; kind < NR_KINDS; kind++) {
			snprintf(what, sizeof(what), "level %d, kind %u", level, kind);
			for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
				fill(kind, data, sizes[i], &seed);
				check_tile(enc, data, sizes[i], what);
			}
			for (unsigned i = 0; i < 10; i++) {
				size_t n = 1 + next_random(&seed) % 3000;

				fill(kind, data, n, &seed);
				check_tile(enc, data, n, what);
			}
		}
		close_encoders(enc);
	}
}

/* Coding must pay where it can; a decoder's tests alone would not see it if it did not. */
static void test_packs(void **state)
{
	static uint8_t data[TILE], out[DS_GDEFLATE_TILE_BOUND_NBYTES];
	static const size_t most[NR_KINDS] = {
		[RANDOM] = TILE + GROWTH,
		[NEARLY_RANDOM] = TILE + 200,
		[ZERO] = 160,
		[PERIODIC] = 400,
		[TEXT] = TILE / 3,
		[RECORDS] = TILE / 2,
		[MIXED] = TILE,
	};

	(void)state;
	for (int level = 1; level <= NR_LEVELS; level++) {
		struct ds_gdeflate_encoder *enc;
		uint64_t seed = 3;
		size_t nbytes = 0;

		assert_int_equal(ds_gdeflate_encoder_create(level, &enc), DS_OK);
		for (unsigned kind = 0; kind < NR_KINDS; kind++) {
			fill(kind, data, TILE, &seed);
			assert_int_equal(ds_gdeflate_encode_tile(enc, data, TILE, out, &nbytes),
					 DS_OK);
			if (nbytes > most[kind])
				fail_msg("level %d, kind %u: %zu bytes", level, kind, nbytes);
		}
		ds_gdeflate_encoder_destroy(enc);
	}
}

static void test_streams(void **state)
{
	static const size_t sizes[] = { 1, TILE - 1, TILE, TILE + 1, 70000, 3 * TILE, 200001 };
	static uint8_t data[200001], back[200001];
	uint64_t seed = 9;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = sizes[i], room = ds_gdeflate_bound(n), nbytes = 0, nbytes2 = 0;
		uint8_t *stream = malloc(room), *exact;

		assert_non_null(stream);
		fill(MIXED, data, n, &seed);
		assert_int_equal(ds_gdeflate_compress(0, data, n, stream, room, &nbytes), DS_OK);
		assert_true(nbytes <= room);
		memset(back, 0xcc, n);
		assert_int_equal(ds_gdeflate_decompress(stream, nbytes, back, n), DS_OK);
		assert_memory_equal(back, data, n);
		assert_int_equal(ds_gdeflate_decompress(stream, nbytes, back, n - 1),
				 DS_ERR_SIZE_MISMATCH);
		assert_int_equal(ds_gdeflate_decompress(stream, nbytes - 1, back, n),
				 DS_ERR_CORRUPT_DATA);

		/* Room for exactly the stream does; a byte less does not. */
		exact = malloc(nbytes);
		assert_non_null(exact);
		assert_int_equal(ds_gdeflate_compress(6, data, n, exact, nbytes, &nbytes2), DS_OK);
		assert_int_equal(nbytes2, nbytes);
		assert_memory_equal(exact, stream, nbytes);
		assert_int_equal(ds_gdeflate_compress(6, data, n, exact, nbytes - 1, &nbytes2),
				 DS_ERR_DESTINATION_TOO_SMALL);
		free(exact);
		free(stream);
	}
}

/* ------------------------------------------------------------- the codec */

static void test_codec(void **state)
{
	const struct ds_codec *c = &ds_gdeflate_codec;
	static uint8_t data[150000], back[150000];
	size_t room = ds_gdeflate_bound(sizeof(data)), nbytes = 0, head;
	uint8_t *stream = malloc(room);
	struct ds_codec_unit unit;
	uint32_t nr_units = 0;
	uint64_t seed = 5;
	void *context = NULL;

	(void)state;
	assert_non_null(stream);
	fill(TEXT, data, sizeof(data), &seed);
	assert_int_equal(ds_gdeflate_compress(3, data, sizeof(data), stream, room, &nbytes), DS_OK);
	assert_int_equal(c->context_create(&context), DS_OK);
	assert_int_equal(c->decode(context, stream, nbytes, back, sizeof(back)), DS_OK);
	assert_memory_equal(back, data, sizeof(data));

	head = c->head_nbytes(sizeof(data));
	assert_int_equal(head, 8 + 4 * 3);
	assert_int_equal(c->check_head(stream, head, nbytes, sizeof(data), &nr_units), DS_OK);
	assert_int_equal(nr_units, 3);
	assert_int_equal(c->check_head(stream, head, nbytes, sizeof(data) + 1, &nr_units),
			 DS_ERR_SIZE_MISMATCH);
	assert_int_equal(c->check_head(stream, head, nbytes - 1, sizeof(data), &nr_units),
			 DS_ERR_CORRUPT_DATA);
	assert_int_equal(c->check_head(stream, head - 1, nbytes, sizeof(data), &nr_units),
			 DS_ERR_CORRUPT_DATA);
	memset(back, 0, sizeof(back));
	for (uint32_t i = nr_units; i-- > 0;) {
		c->unit(stream, nr_units, sizeof(data), i, &unit);
		assert_true(unit.src_offset + unit.src_nbytes <= nbytes);
		assert_int_equal(unit.dst_offset, (uint64_t)i * TILE);
		assert_int_equal(c->decode_unit(context, stream + unit.src_offset, unit.src_nbytes,
						back + unit.dst_offset, unit.dst_nbytes),
				 DS_OK);
	}
	assert_memory_equal(back, data, sizeof(data));
	assert_int_equal(c->head_nbytes(0), 8);
	assert_int_equal(c->head_nbytes(UINT64_MAX), 8);
	c->context_destroy(context);
	free(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_empty_stream),
		cmocka_unit_test(test_largest_container),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_tiles),
		cmocka_unit_test(test_packs),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_codec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

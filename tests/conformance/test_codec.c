/* SPDX-License-Identifier: MIT */
/* test_codec.c: compressed sources, whole and damaged, from files and from memory. */
#include <stdlib.h>
#include <string.h>

#include "conformance/suite.h"
#include "support/random.h"

/* Sizes round a tile's and a chunk's. */
static const uint64_t sizes[] = { 1,	  100,	  65535,   65536,   65537,
				  131072, 200000, MIB - 1, MIB + 1, 5 * MIB + 77 };

/* A compressed pattern in a file, behind `shift` bytes of something else. */
static struct ds_file *stream_file(struct suite *s, const struct stream *st, uint64_t shift)
{
	uint8_t *bytes = malloc(shift + st->nbytes);
	struct ds_file *file;

	memset(bytes, 0xee, shift);
	memcpy(bytes + shift, st->bytes, st->nbytes);
	file = suite_bytes_file(s, "stream", bytes, shift + st->nbytes, 0);
	free(bytes);
	return file;
}

/* Out of a file and out of memory. */
static void check_stream(struct suite *s, const struct stream *stp, uint32_t codec, uint64_t seed)
{
	struct stream st = *stp;
	uint64_t nbytes = st.uncompressed_nbytes;
	struct ds_file *file;
	struct guarded g;
	struct ds_request r;
	struct ds_completion c;

	file = stream_file(s, &st, nbytes % 1000);
	guarded_map(&g, nbytes, true);
	r = req_decode(file, nbytes % 1000, st.nbytes, codec, g.data, nbytes);
	c = run_ok(s->q, &r);
	REQUIRE_CMP(c.bytes_read, ==, st.nbytes);
	pattern_require(g.data, nbytes, seed, 0);

	/* The same out of memory. */
	memset(g.data, 0, nbytes);
	r.source = (struct ds_location){ .kind = DS_LOCATION_MEMORY, .nbytes = st.nbytes };
	r.source.data = st.bytes;
	c = run_ok(s->q, &r);
	REQUIRE_CMP(c.path, ==, DS_PATH_MEMORY);
	pattern_require(g.data, nbytes, seed, 0);
	guarded_unmap(&g);
	ds_file_close(file);
}

static void decode_one(struct suite *s, uint32_t codec, uint64_t nbytes, uint64_t seed)
{
	struct stream st;

	REQUIRE(stream_make(&st, codec, nbytes, seed));
	check_stream(s, &st, codec, seed);
	stream_free(&st);
}

static void all_sizes(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);

	for (unsigned i = 0; i < n; i++)
		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
			decode_one(s, codecs[i], sizes[j], 3);
			decode_one(s, codecs[i], sizes[j], 4);
		}
}

/* An empty stream is a stream: its head is all there is. */
static void empty_stream(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);

	for (unsigned i = 0; i < n; i++) {
		struct stream st;
		uint8_t byte = 9;
		struct ds_request r;

		REQUIRE(stream_make(&st, codecs[i], 0, 1));
		r = req_copy(st.bytes, st.nbytes, &byte);
		r.codec = codecs[i];
		r.destination.nbytes = 1;
		run_ok(s->q, &r);
		REQUIRE_CMP(byte, ==, 9);
		stream_free(&st);
	}
}

static void many_streams(struct suite *s)
{
	enum {
		N = 200,
		EACH = 150000
	};
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);
	uint8_t *out = malloc((size_t)N * EACH);

	for (unsigned k = 0; k < n; k++) {
		struct stream st;
		struct ds_file *file;

		REQUIRE(stream_make(&st, codecs[k], EACH, 5));
		file = stream_file(s, &st, 3);
		memset(out, 0, (size_t)N * EACH);
		for (size_t i = 0; i < N; i++) {
			struct ds_request r =
				req_decode(file, 3, st.nbytes, codecs[k], out + i * EACH, EACH);

			enqueue(s->q, &r);
		}
		REQUIRE_OK(ds_queue_submit(s->q));
		for (size_t i = 0; i < N; i++) {
			struct ds_completion c = take(s->q);

			require_complete(&c, EACH);
		}
		for (size_t i = 0; i < N; i++)
			pattern_require(out + i * EACH, EACH, 5, 0);
		ds_file_close(file);
		stream_free(&st);
	}
	free(out);
}

/* A stream that declares another size than the request does. */
static void declared_size_differs(struct suite *s)
{
	static const uint64_t wrong[] = { 1, 65536, 199999, 200001, 300000, 10 * MIB };
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);
	uint8_t *out = malloc(10 * MIB);

	for (unsigned k = 0; k < n; k++) {
		struct stream st;
		struct ds_file *file;

		REQUIRE(stream_make(&st, codecs[k], 200000, 5));
		file = stream_file(s, &st, 0);
		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			struct ds_request r =
				req_decode(file, 0, st.nbytes, codecs[k], out, wrong[i]);

			run_fails(s->q, &r, DS_ERR_SIZE_MISMATCH);
			r.source = (struct ds_location){ .kind = DS_LOCATION_MEMORY,
							 .nbytes = st.nbytes };
			r.source.data = st.bytes;
			run_fails(s->q, &r, DS_ERR_SIZE_MISMATCH);
		}
		ds_file_close(file);
		stream_free(&st);
	}
	free(out);
}

/* Every cut of a stream is an error, never a hang, never a wrong success. */
static void truncated(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);
	const uint64_t nbytes = 200000;

	for (unsigned k = 0; k < n; k++) {
		struct stream st;
		struct ds_file *file;
		struct guarded g;

		REQUIRE(stream_make(&st, codecs[k], nbytes, 5));
		file = stream_file(s, &st, 0);
		guarded_map(&g, nbytes, true);
		for (uint64_t cut = 1; cut < st.nbytes; cut += cut < 40 ? 1 : st.nbytes / 40) {
			struct ds_request r =
				req_decode(file, 0, st.nbytes - cut, codecs[k], g.data, nbytes);

			run_fails(s->q, &r, DS_ERR_CORRUPT_DATA);
			r = req_decode(file, 0, cut, codecs[k], g.data, nbytes);
			run_fails(s->q, &r, DS_ERR_CORRUPT_DATA);
		}
		guarded_unmap(&g);
		ds_file_close(file);
		stream_free(&st);
	}
}

/* The file ends inside the stream. */
static void file_ends_inside(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);
	uint8_t *out = malloc(200000);

	for (unsigned k = 0; k < n; k++) {
		struct stream st;
		struct ds_file *file;
		struct ds_request r;

		REQUIRE(stream_make(&st, codecs[k], 200000, 5));
		file = suite_bytes_file(s, "cut", st.bytes, st.nbytes - 100, 0);
		r = req_decode(file, 0, st.nbytes, codecs[k], out, 200000);
		run_fails(s->q, &r, DS_ERR_END_OF_FILE);
		ds_file_close(file);
		stream_free(&st);
	}
	free(out);
}

/*
 * Flipped bytes. The streams carry no checksum, so some damage decodes to other bytes;
 * what counts is that it ends, and stays within its memory (guard pages on both sides).
 */
static void flipped_bytes(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);
	const uint64_t nbytes = 150000;
	uint64_t random = 77;

	for (unsigned k = 0; k < n; k++) {
		struct stream st;
		struct guarded g;
		unsigned refused = 0;

		REQUIRE(stream_make(&st, codecs[k], nbytes, 5));
		guarded_map(&g, nbytes, true);
		for (unsigned i = 0; i < 400; i++) {
			size_t at = (size_t)random_below(&random, i < 100 ? 16 : st.nbytes);
			uint8_t was = st.bytes[at];
			struct ds_request r = req_copy(st.bytes, st.nbytes, g.data);
			struct ds_completion c;

			r.codec = codecs[k];
			r.uncompressed_nbytes = nbytes;
			r.destination.nbytes = nbytes;
			st.bytes[at] ^= (uint8_t)(1 + random_below(&random, 255));
			c = run(s->q, &r);
			if (c.status == DS_STATUS_FAILED) {
				REQUIRE(c.result == DS_ERR_CORRUPT_DATA ||
					c.result == DS_ERR_SIZE_MISMATCH ||
					c.result == DS_ERR_STAGING_TOO_SMALL);
				refused++;
			} else {
				require_complete(&c, nbytes);
			}
			st.bytes[at] = was;
		}
		REQUIRE_CMP(refused, >, 100);
		guarded_unmap(&g);
		stream_free(&st);
	}
}

/* No stream at all. */
static void garbage(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);
	uint8_t *out = malloc(100000);

	for (unsigned k = 0; k < n; k++) {
		struct ds_request r = req_decode(s->data, 12345, 50000, codecs[k], out, 100000);
		struct ds_completion c = run(s->q, &r);

		REQUIRE_CMP(c.status, ==, DS_STATUS_FAILED);
		REQUIRE(c.result == DS_ERR_CORRUPT_DATA || c.result == DS_ERR_SIZE_MISMATCH);
	}
	free(out);
}

/* A tail behind the stream is GDeflate's to ignore. */
static void gdeflate_tail(struct suite *s)
{
	struct stream st;
	uint8_t *padded, *out = malloc(100000);
	struct ds_request r;

	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, 100000, 5));
	padded = calloc(1, st.nbytes + 512);
	memcpy(padded, st.bytes, st.nbytes);
	r = req_copy(padded, st.nbytes + 512, out);
	r.codec = DS_CODEC_GDEFLATE;
	r.uncompressed_nbytes = 100000;
	r.destination.nbytes = 100000;
	run_ok(s->q, &r);
	pattern_require(out, 100000, 5, 0);
	free(padded);
	free(out);
	stream_free(&st);
}

/* Several whole frames behind each other are one stream. */
static void zstd_frames(struct suite *s)
{
	struct stream a, b;
	uint8_t *both, *out = malloc(300000);
	struct ds_request r;

	if (!ds_backend_has_codec(s->be, DS_CODEC_ZSTD) ||
	    !stream_make(&a, DS_CODEC_ZSTD, 100000, 5)) {
		free(out);
		return;
	}
	REQUIRE(stream_make(&b, DS_CODEC_ZSTD, 200000, 7));
	both = malloc(a.nbytes + b.nbytes);
	memcpy(both, a.bytes, a.nbytes);
	memcpy(both + a.nbytes, b.bytes, b.nbytes);
	r = req_copy(both, a.nbytes + b.nbytes, out);
	r.codec = DS_CODEC_ZSTD;
	r.uncompressed_nbytes = 300000;
	r.destination.nbytes = 300000;
	run_ok(s->q, &r);
	pattern_require(out, 100000, 5, 0);
	pattern_require(out + 100000, 200000, 7, 0);
	free(both);
	free(out);
	stream_free(&a);
	stream_free(&b);
}

/* With a table: frames are units. One that does not fit is skipped, as others skip it. */
static void zstd_table(struct suite *s)
{
	static const uint64_t some[] = { 1, 262144, 262145, 5 * MIB + 77, 9 * MIB };

	if (!ds_backend_has_codec(s->be, DS_CODEC_ZSTD))
		return;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		struct stream st;

		if (!stream_make_zstd_table(&st, some[i], 3))
			return;
		check_stream(s, &st, DS_CODEC_ZSTD, 3);
		for (size_t at = 8; at < 32; at += 5) {
			st.bytes[at] ^= 1;
			check_stream(s, &st, DS_CODEC_ZSTD, 3);
			st.bytes[at] ^= 1;
		}
		stream_free(&st);
	}
}

/* Damage anywhere ends, and stays within its memory. */
static void zstd_table_damaged(struct suite *s)
{
	const uint64_t nbytes = 3 * MIB;
	uint64_t random = 78;
	struct guarded g;
	struct stream st;
	unsigned refused = 0;

	if (!ds_backend_has_codec(s->be, DS_CODEC_ZSTD) || !stream_make_zstd_table(&st, nbytes, 5))
		return;
	guarded_map(&g, nbytes, true);
	for (unsigned i = 0; i < 200; i++) {
		size_t at = (size_t)random_below(&random, i < 100 ? 128 : st.nbytes);
		uint8_t was = st.bytes[at];
		struct ds_request r = req_copy(st.bytes, st.nbytes, g.data);
		struct ds_completion c;

		r.codec = DS_CODEC_ZSTD;
		r.uncompressed_nbytes = nbytes;
		r.destination.nbytes = nbytes;
		st.bytes[at] ^= (uint8_t)(1 + random_below(&random, 255));
		c = run(s->q, &r);
		if (c.status == DS_STATUS_FAILED)
			refused++;
		else
			require_complete(&c, nbytes);
		st.bytes[at] = was;
	}
	REQUIRE_CMP(refused, >, 20);
	guarded_unmap(&g);
	stream_free(&st);
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		TEST(all_sizes),     TEST(empty_stream),
		TEST(many_streams),  TEST(declared_size_differs),
		TEST(truncated),     TEST(file_ends_inside),
		TEST(flipped_bytes), TEST(garbage),
		TEST(gdeflate_tail), TEST(zstd_frames),
		TEST(zstd_table),    TEST(zstd_table_damaged),
	};

	return suite_main(argc, argv, "codec", entries, sizeof(entries) / sizeof(entries[0]));
}

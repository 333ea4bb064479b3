/* SPDX-License-Identifier: MIT */
/* test_staging.c: the staging budget is a limit, not a hint; unaligned direct I/O. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/suite.h"

static void small_budget(struct suite *s, uint64_t chunk_nbytes)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;

	cfg.staging_nbytes = MIB;
	cfg.chunk_nbytes = chunk_nbytes;
	suite_remake(s, &cfg, NULL);
}

/*
 * In the end nothing is left in use, and the mark never was above the budget. A cancelled
 * request's memory comes back when the engine is done with it, which is after its end.
 */
static void require_budget(struct suite *s, uint64_t budget)
{
	struct ds_stats stats = backend_stats(s->be);

	while (stats.staging_in_use) {
		sched_yield();
		stats = backend_stats(s->be);
	}
	REQUIRE_CMP(stats.staging_nbytes, ==, budget);
	REQUIRE_CMP(stats.staging_high_water, <=, budget);
}

/* Source and destination are both many times the budget. */
static void stream_beyond_the_budget(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n;
	uint8_t *out = malloc(9 * MIB + 5);

	small_budget(s, 0);
	n = suite_codecs(s, codecs);
	for (unsigned k = 0; k < n; k++)
		for (uint64_t seed = 2; seed <= 3; seed++) {
			struct stream st;
			struct ds_file *file;
			struct ds_request r;

			REQUIRE(stream_make(&st, codecs[k], 9 * MIB + 5, seed));
			file = suite_bytes_file(s, "stream", st.bytes, st.nbytes, 0);
			memset(out, 0, 9 * MIB + 5);
			r = req_decode(file, 0, st.nbytes, codecs[k], out, 9 * MIB + 5);
			run_ok(s->q, &r);
			pattern_require(out, 9 * MIB + 5, seed, 0);
			ds_file_close(file);
			stream_free(&st);
		}
	require_budget(s, MIB);
	free(out);
}

/* Many of them at once compete for one mebibyte, and all finish. */
static void many_beyond_the_budget(struct suite *s)
{
	enum {
		N = 12
	};
	const uint64_t nbytes = 3 * MIB + 99;
	uint32_t codecs[4];
	unsigned n;
	uint8_t *out = malloc(N * nbytes);

	small_budget(s, 64 * KIB);
	n = suite_codecs(s, codecs);
	for (unsigned k = 0; k < n; k++) {
		struct stream st;
		struct ds_file *file;

		REQUIRE(stream_make(&st, codecs[k], nbytes, 2));
		file = suite_bytes_file(s, "stream", st.bytes, st.nbytes, 0);
		for (unsigned i = 0; i < N; i++) {
			struct ds_request r =
				req_decode(file, 0, st.nbytes, codecs[k], out + i * nbytes, nbytes);

			r.priority = (int32_t)(i % 5);
			enqueue(s->q, &r);
		}
		REQUIRE_OK(ds_queue_submit(s->q));
		for (unsigned i = 0; i < N; i++) {
			struct ds_completion c = take(s->q);

			require_complete(&c, nbytes);
		}
		for (unsigned i = 0; i < N; i++)
			pattern_require(out + i * nbytes, nbytes, 2, 0);
		ds_file_close(file);
		stream_free(&st);
	}
	require_budget(s, MIB);
	free(out);
}

/* Streams, staged reads, and plain ones side by side. */
static void mixed_beyond_the_budget(struct suite *s)
{
	enum {
		N = 30
	};
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct ds_queue *staged;
	struct stream st;
	struct ds_file *file;
	uint8_t *out = malloc(N * 2 * MIB);

	small_budget(s, 0);
	cfg.flags = DS_QUEUE_ALWAYS_STAGE;
	REQUIRE_OK(ds_queue_create(s->be, &cfg, &staged));
	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, 2 * MIB, 2));
	file = suite_bytes_file(s, "stream", st.bytes, st.nbytes, 0);
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, 2 * MIB, out + i * 2 * MIB);

		if (i % 3 == 0)
			r = req_decode(file, 0, st.nbytes, DS_CODEC_GDEFLATE, out + i * 2 * MIB,
				       2 * MIB);
		start(i % 3 == 1 ? staged : s->q, &r);
	}
	wait_idle(s->q);
	wait_idle(staged);
	for (unsigned i = 0; i < N; i++)
		if (i % 3 == 0)
			pattern_require(out + i * 2 * MIB, 2 * MIB, 2, 0);
		else
			pattern_require(out + i * 2 * MIB, 2 * MIB, DATA_SEED, i);
	require_budget(s, MIB);
	REQUIRE_OK(ds_queue_destroy(staged));
	ds_file_close(file);
	stream_free(&st);
	free(out);
}

/* Cancelled and failed ones give their staging memory back. */
static void budget_comes_back(struct suite *s)
{
	struct stream st;
	struct ds_file *file;
	uint8_t *out = malloc(2 * MIB);

	small_budget(s, 0);
	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, 2 * MIB, 2));
	st.bytes[st.nbytes / 2] ^= 0x55;
	st.bytes[st.nbytes / 2 + 1] ^= 0xff;
	file = suite_bytes_file(s, "stream", st.bytes, st.nbytes, 0);
	for (unsigned i = 0; i < 40; i++) {
		struct ds_request r =
			req_decode(file, 0, st.nbytes, DS_CODEC_GDEFLATE, out, 2 * MIB);
		uint64_t id = start(s->q, &r);

		if (i % 2)
			ds_queue_cancel(s->q, id);
		take(s->q);
	}
	wait_idle(s->q);
	require_budget(s, MIB);
	ds_file_close(file);
	stream_free(&st);
	free(out);
}

/* A chunk size beyond the budget: refused, or made to fit; never more memory. */
static void chunk_beyond_the_budget(struct suite *s)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct ds_queue_config qcfg = DS_QUEUE_CONFIG_INIT;
	uint8_t *buf = malloc(DATA_NBYTES);
	struct ds_request r;

	cfg.staging_nbytes = MIB;
	cfg.chunk_nbytes = 16 * MIB;
	qcfg.flags = DS_QUEUE_ALWAYS_STAGE;
	suite_remake(s, &cfg, &qcfg);
	r = req_read(s->data, 3, DATA_NBYTES - 3, buf);
	run_ok(s->q, &r);
	pattern_require(buf, DATA_NBYTES - 3, DATA_SEED, 3);
	require_budget(s, MIB);
	free(buf);
}

/* The flag is kept: nothing is read straight into the destination. */
static void always_stage(struct suite *s)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	uint8_t *buf = malloc(2 * MIB);
	struct ds_request r = req_read(s->data, 10, 2 * MIB, buf);
	struct ds_completion c;

	cfg.flags = DS_QUEUE_ALWAYS_STAGE;
	suite_remake_queue(s, &cfg);
	c = run_ok(s->q, &r);
	REQUIRE(c.path == DS_PATH_BUFFERED_STAGED || c.path == DS_PATH_DIRECT_STAGED);
	pattern_require(buf, 2 * MIB, DATA_SEED, 10);
	REQUIRE_CMP(backend_stats(s->be).staging_high_water, >, 0);
	for (uint64_t i = 0; s->fake && i < fake_nr_started(s->fake); i++) {
		struct fake_started op;

		fake_get_started(s->fake, i, &op);
		REQUIRE(op.is_staging);
		REQUIRE((const uint8_t *)op.buf + op.nbytes <= buf ||
			(const uint8_t *)op.buf >= buf + 2 * MIB);
	}
	free(buf);
}

/* ----------------------------------------------------------------- direct */

/* What the runtime does itself: any offset, any length, any address. */
static void direct_anywhere(struct suite *s)
{
	static const uint64_t offsets[] = { 0, 1, 511, 512, 513, 4095, 4096, 4097, MIB - 1, MIB };
	static const uint64_t sizes[] = { 1, 511, 512, 513, 4095, 4096, 4097, 65536, MIB + 1 };
	static const uint64_t shifts[] = { 0, 1, 8, 511, 512 };
	uint8_t *raw = aligned_alloc(4096, 2 * MIB);
	struct ds_file *file;

	REQUIRE_OK(ds_file_open(s->be, s->data_path, DS_FILE_DIRECT, &file));
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++)
			for (size_t k = 0; k < sizeof(shifts) / sizeof(shifts[0]); k++) {
				uint8_t *dst = raw + 4096 + shifts[k];
				struct ds_request r = req_read(file, offsets[i], sizes[j], dst);
				struct ds_completion c;

				memset(raw, 0xa5, 3 * 4096);
				memset(dst + sizes[j], 0xa5, 4096);
				c = run_ok(s->q, &r);
				REQUIRE_CMP(c.bytes_read, ==, sizes[j]);
				pattern_require(dst, sizes[j], DATA_SEED, offsets[i]);
				REQUIRE(bytes_are(raw, (uint64_t)(dst - raw), 0xa5));
				REQUIRE(bytes_are(dst + sizes[j], 4096, 0xa5));
			}
	ds_file_close(file);
	free(raw);
}

/* Files of odd sizes, read over their end: what there is arrives, and is told. */
static void end_of_file(struct suite *s)
{
	static const uint64_t file_sizes[] = { 0,    1,	   511,	  512,	     4095,     4096,
					       4097, 8868, 70000, MIB - 100, MIB + 676 };
	static const uint32_t flags[] = { DS_FILE_BUFFERED, DS_FILE_DIRECT };
	uint8_t *buf = aligned_alloc(4096, 3 * MIB);

	for (size_t i = 0; i < sizeof(file_sizes) / sizeof(file_sizes[0]); i++)
		for (size_t j = 0; j < 2; j++)
			for (uint64_t k = 0; k < 4; k++) {
				uint64_t size = file_sizes[i];
				uint64_t offset = k < 2 ? 0 : size - (size < 700 ? size : 700);
				uint64_t there = size - offset;
				uint64_t nbytes = k % 2 ? there + 1 : 2 * MIB;
				struct ds_file *file =
					suite_pattern_file(s, "odd", size, 6, flags[j]);
				struct ds_request r = req_read(file, offset, nbytes, buf);
				struct ds_completion c;

				memset(buf, 0xa5, 3 * MIB);
				c = run_fails(s->q, &r, DS_ERR_END_OF_FILE);
				REQUIRE_CMP(c.bytes_transferred, ==, there);
				pattern_require(buf, there, 6, offset);
				REQUIRE(bytes_are(buf + nbytes, MIB, 0xa5));
				/* Exactly to the end is no error. */
				if (there) {
					r = req_read(file, offset, there, buf);
					run_ok(s->q, &r);
					pattern_require(buf, there, 6, offset);
				}
				ds_file_close(file);
			}
	free(buf);
}

/* A range that begins behind the end. */
static void beyond_the_end(struct suite *s)
{
	static const uint64_t offsets[] = { DATA_NBYTES, DATA_NBYTES + 1, DATA_NBYTES + 10 * MIB,
					    UINT64_C(1) << 50 };
	static const uint32_t flags[] = { DS_FILE_BUFFERED, DS_FILE_DIRECT };
	uint8_t buf[5000];

	for (size_t j = 0; j < 2; j++) {
		struct ds_file *file;

		REQUIRE_OK(ds_file_open(s->be, s->data_path, flags[j], &file));
		for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
			struct ds_request r = req_read(file, offsets[i], sizeof(buf), buf);
			struct ds_completion c;

			memset(buf, 0xa5, sizeof(buf));
			c = run_fails(s->q, &r, DS_ERR_END_OF_FILE);
			REQUIRE_CMP(c.bytes_transferred, ==, 0);
			REQUIRE(bytes_are(buf, sizeof(buf), 0xa5));
		}
		ds_file_close(file);
	}
}

/* Compressed streams from anywhere in a direct file. */
static void direct_stream(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);
	uint8_t *out = malloc(2 * MIB + 7);

	for (unsigned k = 0; k < n; k++)
		for (uint64_t shift = 0; shift < 5000; shift += 1237) {
			struct stream st;
			struct ds_file *file;
			struct ds_request r;
			uint8_t *bytes;

			REQUIRE(stream_make(&st, codecs[k], 2 * MIB + 7, 2));
			bytes = calloc(1, st.nbytes + shift);
			memcpy(bytes + shift, st.bytes, st.nbytes);
			file = suite_bytes_file(s, "stream", bytes, st.nbytes + shift,
						DS_FILE_DIRECT);
			r = req_decode(file, shift, st.nbytes, codecs[k], out, 2 * MIB + 7);
			run_ok(s->q, &r);
			pattern_require(out, 2 * MIB + 7, 2, 0);
			ds_file_close(file);
			free(bytes);
			stream_free(&st);
		}
	free(out);
}

/* An aligned range of a direct file takes no detour, if the file system does O_DIRECT. */
static void direct_path(struct suite *s)
{
	struct ds_file_info info = DS_FILE_INFO_INIT;
	uint8_t *buf = aligned_alloc(65536, MIB);
	struct ds_file *file;
	struct ds_request r;
	struct ds_completion c;

	REQUIRE_OK(ds_file_open(s->be, s->data_path, DS_FILE_DIRECT, &file));
	REQUIRE_OK(ds_file_get_info(file, &info));
	r = req_read(file, 0, MIB, buf);
	c = run_ok(s->q, &r);
	if (info.is_direct) {
		REQUIRE_CMP(info.memory_alignment, >, 0);
		REQUIRE_CMP(info.offset_alignment, >, 0);
		if (!backend_stats(s->be).direct_refused)
			REQUIRE_CMP(c.path, ==, suite_path_taken(s, DS_PATH_DIRECT));
	}
	pattern_require(buf, MIB, DATA_SEED, 0);
	ds_file_close(file);
	REQUIRE_OK(ds_file_open(s->be, s->data_path, DS_FILE_BUFFERED, &file));
	REQUIRE_OK(ds_file_get_info(file, &info));
	REQUIRE_CMP(info.is_direct, ==, 0);
	r = req_read(file, 0, MIB, buf);
	c = run_ok(s->q, &r);
	REQUIRE_CMP(c.path, ==, suite_path_taken(s, DS_PATH_BUFFERED));
	ds_file_close(file);
	free(buf);
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		TEST(stream_beyond_the_budget),
		TEST(many_beyond_the_budget),
		TEST(mixed_beyond_the_budget),
		TEST(budget_comes_back),
		TEST(chunk_beyond_the_budget),
		TEST(always_stage),
		TEST(direct_anywhere),
		TEST(end_of_file),
		TEST(beyond_the_end),
		TEST(direct_stream),
		TEST(direct_path),
	};

	return suite_main(argc, argv, "staging", entries, sizeof(entries) / sizeof(entries[0]));
}

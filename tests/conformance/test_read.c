/* SPDX-License-Identifier: MIT */
/* test_read.c: file ranges and memory arrive whole, and nothing around them changes. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance/suite.h"

static void one_read(struct suite *s)
{
	uint8_t buf[4096];
	struct ds_request r = req_read(s->data, 4096, sizeof(buf), buf);
	struct ds_completion c = run_ok(s->q, &r);

	pattern_require(buf, sizeof(buf), DATA_SEED, 4096);
	REQUIRE_CMP(c.bytes_read, ==, sizeof(buf));
	REQUIRE_CMP(c.path, !=, DS_PATH_NONE);
}

/* Sizes round every boundary that the runtime could have: blocks, pages, chunks. */
static void sizes_and_offsets(struct suite *s)
{
	static const uint64_t sizes[] = { 1,	2,	 511,	  512,		 513,	4095,
					  4096, 4097,	 65535,	  65536,	 65537, MIB - 1,
					  MIB,	MIB + 1, 3 * MIB, 3 * MIB + 4095 };
	static const uint64_t offsets[] = { 0, 1, 511, 4096, 65537, MIB - 1 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t j = 0; j < sizeof(offsets) / sizeof(offsets[0]); j++) {
			struct guarded g;
			struct ds_request r;

			guarded_map(&g, sizes[i], (i + j) % 2);
			r = req_read(s->data, offsets[j], sizes[i], g.data);
			run_ok(s->q, &r);
			pattern_require(g.data, sizes[i], DATA_SEED, offsets[j]);
			guarded_unmap(&g);
		}
}

static void whole_file(struct suite *s)
{
	uint8_t *buf = malloc(DATA_NBYTES);
	struct ds_request r = req_read(s->data, 0, DATA_NBYTES, buf);

	run_ok(s->q, &r);
	pattern_require(buf, DATA_NBYTES, DATA_SEED, 0);
	free(buf);
}

/* Room beyond what arrives stays as it was. */
static void larger_room(struct suite *s)
{
	uint8_t buf[3 * 4096];
	struct ds_request r = req_read(s->data, 100, 4096, buf + 4096);

	memset(buf, 0xa5, sizeof(buf));
	r.destination.nbytes = 2 * 4096;
	run_ok(s->q, &r);
	REQUIRE(bytes_are(buf, 4096, 0xa5));
	pattern_require(buf + 4096, 4096, DATA_SEED, 100);
	REQUIRE(bytes_are(buf + 8192, 4096, 0xa5));
}

static void zero_bytes(struct suite *s)
{
	uint8_t byte = 7;
	struct ds_request r = req_read(s->data, 10, 0, &byte);

	run_ok(s->q, &r);
	REQUIRE_CMP(byte, ==, 7);
}

/* Uncompressed, uncompressed_nbytes may say what source.nbytes says. */
static void stated_size(struct suite *s)
{
	uint8_t buf[100];
	struct ds_request r = req_read(s->data, 0, sizeof(buf), buf);

	r.uncompressed_nbytes = sizeof(buf);
	run_ok(s->q, &r);
	pattern_require(buf, sizeof(buf), DATA_SEED, 0);
}

static void by_descriptor(struct suite *s)
{
	uint8_t buf[5000];
	struct ds_request r = req_read(NULL, 777, sizeof(buf), buf);
	int fd = open(s->data_path, O_RDONLY | O_CLOEXEC);

	REQUIRE_CMP(fd, >=, 0);
	r.source.kind = DS_LOCATION_FD;
	r.source.file = NULL;
	r.source.fd = fd;
	run_ok(s->q, &r);
	pattern_require(buf, sizeof(buf), DATA_SEED, 777);
	close(fd);
}

/* A file made of a descriptor lives on when that is closed. */
static void from_fd(struct suite *s)
{
	uint8_t buf[5000];
	struct ds_file *file;
	struct ds_request r;
	int fd = open(s->data_path, O_RDONLY | O_CLOEXEC);

	REQUIRE_CMP(fd, >=, 0);
	REQUIRE_OK(ds_file_from_fd(s->be, fd, DS_FILE_READ, &file));
	close(fd);
	r = req_read(file, 1, sizeof(buf), buf);
	run_ok(s->q, &r);
	pattern_require(buf, sizeof(buf), DATA_SEED, 1);
	ds_file_close(file);
}

/* Requests keep the file open that they use. */
static void file_closed_at_once(struct suite *s)
{
	uint8_t *buf = malloc(2 * MIB);
	struct ds_file *file;
	struct ds_request r;
	struct ds_completion c;

	REQUIRE_OK(ds_file_open(s->be, s->data_path, DS_FILE_READ, &file));
	r = req_read(file, 5, 2 * MIB, buf);
	enqueue(s->q, &r);
	ds_file_close(file);
	REQUIRE_OK(ds_queue_submit(s->q));
	c = take(s->q);
	require_complete(&c, 2 * MIB);
	pattern_require(buf, 2 * MIB, DATA_SEED, 5);
	free(buf);
}

static void file_info(struct suite *s)
{
	struct ds_file_info info = DS_FILE_INFO_INIT;

	REQUIRE_OK(ds_file_get_info(s->data, &info));
	REQUIRE_CMP(info.nbytes, ==, DATA_NBYTES);
	REQUIRE_CMP(info.is_direct, <=, 1);
}

static void memory_copy(struct suite *s)
{
	static const uint64_t sizes[] = { 0, 1, 4097, 3 * MIB + 1 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t n = sizes[i];
		struct guarded src, dst;
		struct ds_request r;
		struct ds_completion c;

		guarded_map(&src, n, true);
		guarded_map(&dst, n, true);
		pattern_fill(src.data, n, 9, 0);
		r = req_copy(src.data, n, dst.data);
		c = run_ok(s->q, &r);
		if (n)
			REQUIRE_CMP(c.path, ==, DS_PATH_MEMORY);
		pattern_require(dst.data, n, 9, 0);
		guarded_unmap(&src);
		guarded_unmap(&dst);
	}
}

/* A thousand small ranges in one batch, each into a place of its own. */
static void many_at_once(struct suite *s)
{
	enum {
		N = 1000,
		EACH = 1500
	};
	uint8_t *buf = malloc((size_t)N * EACH);
	struct ds_request *requests = calloc(N, sizeof(*requests));
	uint64_t *ids = calloc(N, sizeof(*ids));
	uint32_t enqueued = 0;

	for (uint32_t i = 0; i < N; i++)
		requests[i] = req_read(s->data, (uint64_t)i * 2741, EACH, buf + (size_t)i * EACH);
	REQUIRE_OK(ds_queue_enqueue_many(s->q, requests, N, ids, &enqueued));
	REQUIRE_CMP(enqueued, ==, N);
	REQUIRE_OK(ds_queue_submit(s->q));
	for (uint32_t i = 0; i < N; i++) {
		struct ds_completion c = take(s->q);

		require_complete(&c, EACH);
	}
	for (uint32_t i = 0; i < N; i++)
		pattern_require(buf + (size_t)i * EACH, EACH, DATA_SEED, (uint64_t)i * 2741);
	free(ids);
	free(requests);
	free(buf);
}

/* Small chunks: each range is cut many times. */
static void small_chunks(struct suite *s)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	uint8_t *buf = malloc(DATA_NBYTES);
	struct ds_request r;

	cfg.chunk_nbytes = 64 * KIB;
	cfg.io_workers = 3;
	cfg.decode_workers = 2;
	suite_remake(s, &cfg, NULL);
	r = req_read(s->data, 777, DATA_NBYTES - 777, buf);
	run_ok(s->q, &r);
	pattern_require(buf, DATA_NBYTES - 777, DATA_SEED, 777);
	free(buf);
}

static void two_backends(struct suite *s)
{
	uint8_t a[1000], b[1000];
	struct ds_backend *be;
	struct ds_queue *q;
	struct ds_file *file;
	struct ds_request r = req_read(s->data, 0, sizeof(a), a);

	/* Nothing is global: a second one, of any kind, works beside the first. */
	REQUIRE_OK(ds_make_cpu_backend(NULL, &be));
	REQUIRE_OK(ds_queue_create(be, NULL, &q));
	REQUIRE_OK(ds_file_open(be, s->data_path, DS_FILE_READ, &file));
	start(s->q, &r);
	r = req_read(file, 50, sizeof(b), b);
	run_ok(q, &r);
	take(s->q);
	pattern_require(a, sizeof(a), DATA_SEED, 0);
	pattern_require(b, sizeof(b), DATA_SEED, 50);
	ds_file_close(file);
	REQUIRE_OK(ds_queue_destroy(q));
	ds_backend_destroy(be);
}

/* The backend lives on until the last of its objects is gone. */
static void backend_destroyed_first(struct suite *s)
{
	uint8_t buf[1000];
	struct ds_request r = req_read(s->data, 0, sizeof(buf), buf);

	ds_backend_destroy(s->be);
	s->be = NULL;
	run_ok(s->q, &r);
	pattern_require(buf, sizeof(buf), DATA_SEED, 0);
	REQUIRE_OK(ds_queue_destroy(s->q));
	s->q = NULL;
	ds_file_close(s->data);
	s->data = NULL;
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		TEST(one_read),	     TEST(sizes_and_offsets), TEST(whole_file),
		TEST(larger_room),   TEST(zero_bytes),	      TEST(stated_size),
		TEST(by_descriptor), TEST(from_fd),	      TEST(file_closed_at_once),
		TEST(file_info),     TEST(memory_copy),	      TEST(many_at_once),
		TEST(small_chunks),  TEST(two_backends),      TEST(backend_destroyed_first),
	};

	return suite_main(argc, argv, "read", entries, sizeof(entries) / sizeof(entries[0]));
}

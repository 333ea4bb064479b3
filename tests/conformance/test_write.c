/* SPDX-License-Identifier: MIT */
/* test_write.c: memory reaches files whole, and nothing around it changes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conformance/suite.h"

static struct ds_file *open_new(struct suite *s, const char *name, uint32_t flags)
{
	struct ds_file *file;

	REQUIRE_OK(ds_file_open(s->be, suite_path(s, name),
				DS_FILE_WRITE | DS_FILE_CREATE | DS_FILE_TRUNCATE | flags, &file));
	return file;
}

static void require_file(struct suite *s, const char *name, uint64_t nbytes, uint64_t seed)
{
	uint64_t got;
	uint8_t *bytes = file_read_all(suite_path(s, name), &got);

	REQUIRE_CMP(got, ==, nbytes);
	pattern_require(bytes, nbytes, seed, 0);
	free(bytes);
}

static void sizes(struct suite *s)
{
	static const uint64_t all[] = { 0, 1, 511, 4096, 4097, 65537, MIB, 3 * MIB + 5 };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct ds_file *file = open_new(s, "out", 0);
		struct ds_request r;
		struct guarded g;

		guarded_map(&g, all[i], true);
		pattern_fill(g.data, all[i], 8, 0);
		r = req_write(file, 0, all[i], g.data);
		run_ok(s->q, &r);
		require_file(s, "out", all[i], 8);
		guarded_unmap(&g);
		ds_file_close(file);
	}
}

/* The same through O_DIRECT, with offsets and lengths that do not fit it. */
static void direct(struct suite *s)
{
	static const struct {
		uint64_t offset, nbytes, shift;
	} cases[] = {
		{ 0, 4096, 0 },	       { 0, 3 * MIB, 0 }, { 1, 4096, 0 },
		{ 4096, 100, 0 },      { 100, 5000, 1 },  { 4095, 2 * MIB + 3, 7 },
		{ 512, 512, 512 },     { 0, 1, 0 },	  { 8192, MIB + 4096, 0 },
		{ 8192, 4096 + 1, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t end = cases[i].offset + cases[i].nbytes;
		uint8_t *raw = aligned_alloc(4096, 4 * MIB);
		struct ds_file *file;
		struct ds_request r;
		uint64_t got;
		uint8_t *bytes;

		/* Before and behind the range are bytes that must stay. */
		file = suite_pattern_file(s, "out", 4 * MIB, 6, DS_FILE_WRITE | DS_FILE_DIRECT);
		pattern_fill(raw + cases[i].shift, cases[i].nbytes, 8, 0);
		r = req_write(file, cases[i].offset, cases[i].nbytes, raw + cases[i].shift);
		run_ok(s->q, &r);
		ds_file_close(file);
		bytes = file_read_all(suite_path(s, "out"), &got);
		REQUIRE_CMP(got, ==, 4 * MIB);
		pattern_require(bytes, cases[i].offset, 6, 0);
		pattern_require(bytes + cases[i].offset, cases[i].nbytes, 8, 0);
		pattern_require(bytes + end, got - end, 6, end);
		free(bytes);
		free(raw);
	}
}

/* A direct write that is no whole block must not leave padding at the end of the file. */
static void direct_end_of_file(struct suite *s)
{
	uint8_t *raw = aligned_alloc(4096, 8192);
	struct ds_file *file = open_new(s, "out", DS_FILE_DIRECT);
	struct ds_request r;

	pattern_fill(raw, 5000, 8, 0);
	r = req_write(file, 0, 5000, raw);
	run_ok(s->q, &r);
	ds_file_close(file);
	require_file(s, "out", 5000, 8);
	free(raw);
}

/*
 * Again and again to the same place, with lengths that end inside a page. A page that was written
 * half directly and half through the page cache used to lose its first half.
 */
static void direct_with_a_tail(struct suite *s)
{
	static const uint64_t sizes_with_tails[] = { 33678, 3064, 5000, 512 * 7, 4097, 8192 };
	static const uint32_t flags[] = { DS_FILE_DIRECT, 0 };
	uint8_t *raw = aligned_alloc(4096, 65536), *got = malloc(65536);

	for (size_t k = 0; k < 2; k++) {
		struct ds_file *file = open_new(s, "out", flags[k]);
		int fd = open(suite_path(s, "out"), O_RDONLY | O_CLOEXEC);

		REQUIRE_CMP(fd, >=, 0);
		for (uint64_t i = 0; i < 120; i++) {
			uint64_t nbytes = sizes_with_tails[i % 6];
			struct ds_request r = req_write(file, 0, nbytes, raw);

			pattern_fill(raw, nbytes, i, 0);
			run_ok(s->q, &r);
			REQUIRE_CMP(pread(fd, got, nbytes, 0), ==, nbytes);
			pattern_require(got, nbytes, i, 0);
		}
		close(fd);
		ds_file_close(file);
	}
	free(got);
	free(raw);
}

static void beyond_the_end(struct suite *s)
{
	uint8_t buf[100];
	struct ds_file *file = open_new(s, "out", 0);
	struct ds_request r = req_write(file, 10000, sizeof(buf), buf);
	uint8_t *bytes;
	uint64_t got;

	pattern_fill(buf, sizeof(buf), 8, 0);
	run_ok(s->q, &r);
	bytes = file_read_all(suite_path(s, "out"), &got);
	REQUIRE_CMP(got, ==, 10100);
	REQUIRE(bytes_are(bytes, 10000, 0));
	pattern_require(bytes + 10000, 100, 8, 0);
	free(bytes);
	ds_file_close(file);
}

/* destination.nbytes may be 0; if it is not, it is the room. */
static void stated_room(struct suite *s)
{
	uint8_t buf[100] = { 1 };
	struct ds_file *file = open_new(s, "out", 0);
	struct ds_request r = req_write(file, 0, sizeof(buf), buf);

	r.destination.nbytes = sizeof(buf);
	run_ok(s->q, &r);
	r.destination.nbytes = sizeof(buf) - 1;
	REQUIRE_RESULT(ds_queue_enqueue(s->q, &r, NULL), DS_ERR_DESTINATION_TOO_SMALL);
	ds_file_close(file);
}

static void by_descriptor(struct suite *s)
{
	uint8_t buf[5000] = { 0 };
	struct ds_request r = req_write(NULL, 0, sizeof(buf), buf);
	int fd = open(suite_path(s, "out"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	REQUIRE_CMP(fd, >=, 0);
	pattern_fill(buf, sizeof(buf), 8, 0);
	r.destination.kind = DS_LOCATION_FD;
	r.destination.file = NULL;
	r.destination.fd = fd;
	run_ok(s->q, &r);
	require_file(s, "out", sizeof(buf), 8);
	close(fd);
}

/* What one request has written, the next one reads. */
static void write_then_read(struct suite *s)
{
	struct ds_file *file = open_new(s, "out", 0);
	uint8_t *src = malloc(2 * MIB), *dst = malloc(2 * MIB);
	struct ds_request r = req_write(file, 4096, 2 * MIB, src);
	struct ds_completion c;

	pattern_fill(src, 2 * MIB, 12, 0);
	c = run_ok(s->q, &r);
	REQUIRE(c.path == DS_PATH_BUFFERED || c.path == DS_PATH_BUFFERED_STAGED);
	r = req_read(file, 4096, 2 * MIB, dst);
	run_ok(s->q, &r);
	pattern_require(dst, 2 * MIB, 12, 0);
	free(src);
	free(dst);
	ds_file_close(file);
}

static void many_writes(struct suite *s)
{
	enum {
		N = 500,
		EACH = 3001
	};
	struct ds_file *file = open_new(s, "out", 0);
	uint8_t *src = malloc((size_t)N * EACH);

	pattern_fill(src, (uint64_t)N * EACH, 8, 0);
	for (uint64_t i = 0; i < N; i++) {
		/* From both ends, so that the file grows out of order. */
		uint64_t at = (i % 2 ? N - 1 - i / 2 : i / 2) * EACH;
		struct ds_request r = req_write(file, at, EACH, src + at);

		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	for (uint64_t i = 0; i < N; i++) {
		struct ds_completion c = take(s->q);

		require_complete(&c, EACH);
	}
	require_file(s, "out", (uint64_t)N * EACH, 8);
	free(src);
	ds_file_close(file);
}

/* The size limit of the process is met half-way: a named error, and what fitted is told. */
static void size_limit(struct suite *s)
{
	struct rlimit before, limit;
	struct ds_file *file = open_new(s, "out", 0);
	uint8_t *src = calloc(1, 2 * MIB);
	struct ds_request r = req_write(file, 0, 2 * MIB, src);
	struct ds_completion c;

	REQUIRE(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	REQUIRE_CMP(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
	limit = before;
	limit.rlim_cur = MIB / 2;
	REQUIRE_CMP(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
	c = run_fails(s->q, &r, DS_ERR_NO_SPACE);
	REQUIRE_CMP(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
	REQUIRE_CMP(c.sys_errno, ==, EFBIG);
	REQUIRE_CMP(c.bytes_transferred, <=, MIB / 2);
	free(src);
	ds_file_close(file);
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		TEST(sizes),
		TEST(direct),
		TEST(direct_end_of_file),
		TEST(direct_with_a_tail),
		TEST(beyond_the_end),
		TEST(stated_room),
		TEST(by_descriptor),
		TEST(write_then_read),
		TEST(many_writes),
		TEST(size_limit),
	};

	return suite_main(argc, argv, "write", entries, sizeof(entries) / sizeof(entries[0]));
}
